"""What a plotter shows of a scene, layer by layer: metal, cement and leaks solid, anatomy as glass.

Glass is clear where it faces the viewer and dense at its rim. A line in the fragment shader does it, so it holds from
every side while the scene is turned; the far side is drawn before the near one, so no depth peeling is needed (in
software OpenGL it costs more than everything else together).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from vertebro.view import theme
from vertebro.view.panels import PLANES
from vertebro.view.planes import Plane, plane_hu, plane_through

if TYPE_CHECKING:
    from vertebro.record import Run
    from vertebro.view.scene_colours import Colouring
    from vertebro.view.scene_meshes import Surfaces

# name of a layer: colour, opacity facing the viewer, opacity at the rim; in the order of drawing
GLASS: dict[str, tuple[str, float, float]] = {
    "discs": (theme.DISC, 0.03, 0.22),
    "lesion": (theme.LESION, 0.22, 0.75),
    "cleft": (theme.CLEFT, 0.25, 0.8),
    "canal": (theme.CANAL, 0.2, 0.55),
    "veins": (theme.VEIN, 0.22, 0.75),
    "bone": (theme.BONE, 0.07, 0.85),
}
LAYERS = ("bone", "canal", "veins", "discs", "cleft", "lesion", "cracks", "cement", "leaks", "needles")
STEEL = {
    "color": theme.STEEL, "smooth_shading": True, "split_sharp_edges": True, "specular": 0.35, "specular_power": 25,
    "ambient": 0.4, "diffuse": 0.55,
}  # fmt: skip
SLICE_PIXEL = 0.4e-3  # m


def add_layers(plotter: Any, surfaces: Surfaces, shades: Colouring) -> dict[str, list[Any]]:
    """Put all layers of a scene into a plotter.

    Returns
    -------
    dict of str to list of actors
        By the names of `LAYERS`; empty where the run has nothing of it.
    """
    actors = add_moment(plotter, surfaces, shades)
    actors["needles"] = [plotter.add_mesh(needle, reset_camera=False, **STEEL) for needle in surfaces.needles]
    actors["cracks"] = []
    if surfaces.cracks is not None:
        actors["cracks"] = [
            plotter.add_mesh(surfaces.cracks, color=theme.CRACK, opacity=0.45, lighting=False, reset_camera=False)
        ]
    for name, (colour, face, edge) in GLASS.items():
        mesh = getattr(surfaces, name)
        actors[name] = [] if mesh is None else add_glass(plotter, mesh, colour, face, edge)
    return actors


def add_moment(plotter: Any, surfaces: Surfaces, shades: Colouring) -> dict[str, list[Any]]:
    """The layers that change with time, ``cement`` and ``leaks``; takes the place of those of another moment."""
    actors: dict[str, list[Any]] = {"cement": [], "leaks": []}
    soft = {"smooth_shading": True, "ambient": 0.42, "diffuse": 0.6, "specular": 0.12, "specular_power": 20}
    if surfaces.cement is not None:
        paint: dict[str, Any] = {"color": theme.CEMENT}
        if shades.values is not None:
            paint = {"scalars": "colour", "cmap": shades.cmap, "clim": shades.limits, "show_scalar_bar": False}
        actors["cement"].append(plotter.add_mesh(surfaces.cement, reset_camera=False, **soft, **paint))
    for kind, mesh in surfaces.leaks.items():
        actors["leaks"].append(plotter.add_mesh(mesh, color=theme.leak_colour(kind), reset_camera=False, **soft))
    return actors


def add_glass(plotter: Any, mesh: Any, colour: str, face: float, edge: float) -> list[Any]:
    """A translucent surface, `face` opaque where it faces the viewer and `edge` at its rim."""
    actors = []
    for culling in ("front", "back"):
        actor = plotter.add_mesh(
            mesh, color=colour, smooth_shading=True, culling=culling, opacity=0.99, ambient=0.4, diffuse=0.62,
            specular=0.08, show_scalar_bar=False, reset_camera=False,
        )  # fmt: skip
        line = f"gl_FragData[0].a = mix({face:.3f}, {edge:.3f}, pow(1.0 - abs(normalVCVSOutput.z), 2.2));"
        shader = actor.GetShaderProperty()
        shader.AddFragmentShaderReplacement("//VTK::Light::Impl", True, f"//VTK::Light::Impl\n  {line}\n", False)
        actors.append(actor)
    return actors


def add_slice(plotter: Any, run: Run, cut: Plane, *, window: tuple[float, float], added: Any = ()) -> list[Any]:
    """A CT plane with its coloured frame.

    Parameters
    ----------
    plotter : pyvista.Plotter
    run : Run
    cut : Plane
        From `slice_of`.
    window : (width, level) [HU]
    added : sequence of (array [HU], VoxelGrid)
        What cement adds to the anatomy's CT numbers (`cement_hu`).
    """
    import pyvista as pv

    width, level = window
    grey = np.clip((plane_hu(run.anatomy, cut, added) - level + width / 2) / width, 0, 1)
    picture = np.repeat(np.round(255 * grey).astype(np.uint8)[:, :, None], 3, axis=2)
    corners = cut.corners * 1e3
    quad = pv.PolyData(corners, [4, 0, 1, 2, 3])
    quad.active_texture_coordinates = np.array([[0, 1], [1, 1], [1, 0], [0, 0]], np.float32)
    texture = pv.numpy_to_texture(picture)
    texture.interpolate = True
    rim = pv.lines_from_points(np.vstack([corners, corners[:1]]))
    return [
        plotter.add_mesh(quad, texture=texture, lighting=False, reset_camera=False),
        plotter.add_mesh(rim, color=theme.PLANE_COLOURS[cut.name], line_width=3, lighting=False, reset_camera=False),
    ]


def slice_of(surfaces: Surfaces, plane: str, point: Any) -> Plane:
    """The plane through a world point [m] as large as what is drawn."""
    points = surfaces.points() * 1e-3
    low, high = points.min(axis=0), points.max(axis=0)
    across, along, _, _ = PLANES[plane]
    centre, size = (low + high) / 2, high - low
    centre[3 - across - along] = float(np.asarray(point, float)[3 - across - along])
    return plane_through(plane, centre, width=size[across], height=size[along], pixel=SLICE_PIXEL)
