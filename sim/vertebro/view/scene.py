"""The 3-D picture: glass bone, metal needles, cement coloured by the time it was injected, leaks in red.

VTK draws the surfaces, matplotlib writes on them (letters, scale bar, colour bar), so that the type is the report's
own. The camera projects in parallel: the scale bar is true everywhere in the picture.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import DataError
from vertebro.view import theme
from vertebro.view.gl import gl_available

if TYPE_CHECKING:
    from vertebro.record import Run
    from vertebro.view.scene_meshes import Surfaces

# where the camera stands, seen from the body: (right, anterior, superior); "near" turns to the needle's side
VIEWS: dict[str, tuple[float, float, float]] = {
    "posterior-oblique": (0.62, -0.74, 0.52),
    "anterior-oblique": (0.55, 0.80, 0.42),
    "lateral": (1.0, 0.0, 0.0),
    "posterior": (0.0, -1.0, 0.0),
    "superior": (0.0, 0.0, 1.0),
}
OVERSAMPLING = 1.5  # drawn larger, then reduced: smooth edges
# room around the bone for the writing, as shares of the picture
LEFT, RIGHT, TOP, BOTTOM = 0.04, 0.12, 0.08, 0.13


@dataclass(frozen=True, slots=True)
class Camera:
    """A parallel projection.

    Attributes
    ----------
    right, up, towards : (3,) unit vectors
        Directions of the picture in the world; `towards` leads to the viewer.
    focus : (3,) [mm]
        World point in the middle of the picture.
    height : float [mm]
        Height of the picture.
    """

    right: NDArray[np.float64]
    up: NDArray[np.float64]
    towards: NDArray[np.float64]
    focus: NDArray[np.float64]
    height: float

    def pixels(self, points_mm: Any, size: tuple[int, int]) -> NDArray[np.float64]:
        """(…, 2) column and row of world points (…, 3) [mm]."""
        away = np.asarray(points_mm, float) - self.focus
        scale = size[1] / self.height
        return np.stack([size[0] / 2 + scale * (away @ self.right), size[1] / 2 - scale * (away @ self.up)], axis=-1)


def draw_scene(
    run: Run,
    path: str | Path | None = None,
    *,
    view: str = "posterior-oblique",
    size: tuple[int, int] = (1000, 800),
    time: float | None = None,
    cut: bool = False,
    surfaces: Surfaces | None = None,
) -> NDArray[np.uint8]:
    """Picture of the vertebra, the needles and the cement.

    Without OpenGL on the machine the picture is a set of matplotlib projections that says what to install.

    Parameters
    ----------
    run : Run
    path : path, optional
        Also save the picture there (PNG or JPEG by its suffix).
    view : str
        A key of `VIEWS`; views from the side turn to the side of the first needle.
    size : (width, height) [pixels]
    time : float [s], optional
        Moment on the schedule's clock (default: the end).
    cut : bool
        Cut the cement open at the tip of the first needle, facing the viewer: the ages inside.
    surfaces : Surfaces, optional
        Meshes of an earlier call of `build_surfaces`, to draw several views of one moment.

    Returns
    -------
    (height, width, 3) uint8 array

    Raises
    ------
    DataError
        If the view is unknown or the run has no such moment.
    """
    if view not in VIEWS:
        raise DataError("unknown view", where="view", value=view, allowed=", ".join(VIEWS))
    picture = _with_gl(run, view, size, time, cut, surfaces) if gl_available() else _without_gl(run, size, time)
    if path is not None:
        from PIL import Image

        Image.fromarray(picture).save(path, quality=92)
    return picture


def camera_of(points: NDArray[np.float64], view: str, size: tuple[int, int], side: float = -1.0) -> Camera:
    """Camera of a named view that holds all points.

    Parameters
    ----------
    points : (n, 3) float array [mm]
    view : str
        A key of `VIEWS`.
    size : (width, height) [pixels]
    side : float
        -1 looks from the patient's left, 1 from the right.
    """
    towards = np.array(VIEWS[view])
    towards[0] *= side
    towards /= np.linalg.norm(towards)
    above = np.array([0.0, 1.0, 0.0]) if abs(towards[2]) > 0.9 else np.array([0.0, 0.0, 1.0])
    right = np.cross(above, towards)
    right /= np.linalg.norm(right)
    up = np.cross(towards, right)
    across, along = points @ right, points @ up
    height = max(np.ptp(along) / (1 - TOP - BOTTOM), np.ptp(across) / (1 - LEFT - RIGHT) * size[1] / size[0])
    width = height * size[0] / size[1]
    x = (across.min() + across.max() + (RIGHT - LEFT) * width) / 2
    y = (along.min() + along.max() + (TOP - BOTTOM) * height) / 2
    return Camera(right, up, towards, right * x + up * y, float(height))


def needle_side(run: Run) -> float:
    """-1 when the first needle comes from the patient's left, else 1."""
    needles = run.scene.needles
    return 1.0 if needles and float(needles[0].entry[0]) > 0 else -1.0


def _with_gl(
    run: Run, view: str, size: tuple[int, int], time: float | None, cut: bool, surfaces: Surfaces | None
) -> NDArray[np.uint8]:
    from vertebro.view.scene_labels import annotate
    from vertebro.view.scene_meshes import behind, build_surfaces, cement_surface

    surfaces = surfaces or build_surfaces(run, time)
    camera = camera_of(surfaces.points(), view, size, needle_side(run))
    tip = np.asarray(run.scene.needles[0].tip) * 1e3 if cut and run.scene.needles else None
    if tip is not None:
        surfaces = replace(
            surfaces,
            cement=cement_surface(run, time, cut_towards=camera.towards),
            veins=behind(surfaces.veins, tip, camera.towards),
            leaks=behind(surfaces.leaks, tip, camera.towards),
        )
    return annotate(render(surfaces, camera, size, float(run.times[-1])), run, camera, tip)


def _without_gl(run: Run, size: tuple[int, int], time: float | None) -> NDArray[np.uint8]:
    from vertebro.view.scene_flat import draw_flat_scene

    return draw_flat_scene(run, size=size, time=time)


def render(surfaces: Surfaces, camera: Camera, size: tuple[int, int], last_time: float) -> NDArray[np.uint8]:
    """Draw the surfaces off-screen; only to be called where `gl_available` said yes."""
    import pyvista as pv
    from PIL import Image

    bare = pv.themes.DocumentTheme()
    bare.anti_aliasing, bare.multi_samples = None, 1  # off: in software it costs more than drawing larger
    large = [round(OVERSAMPLING * n) for n in size]
    plotter = pv.Plotter(off_screen=True, window_size=large, lighting="none", theme=bare)
    try:
        plotter.set_background(theme.PAPER)
        plotter.add_light(pv.Light(light_type="headlight", intensity=1.0))
        _add_solids(plotter, surfaces, max(last_time, 1e-6))
        _add_glass(plotter, surfaces, camera.towards)
        _aim(plotter, camera)
        picture = Image.fromarray(np.ascontiguousarray(np.asarray(plotter.screenshot(return_img=True))[:, :, :3]))
        return np.asarray(picture.resize(size, Image.Resampling.HAMMING))
    finally:
        plotter.close()


def _add_solids(plotter: Any, surfaces: Surfaces, last_time: float) -> None:
    metal = {
        "color": theme.STEEL,
        "smooth_shading": True,
        "specular": 0.35,
        "specular_power": 25,
        "ambient": 0.4,
        "diffuse": 0.55,
    }
    for needle in surfaces.needles:
        plotter.add_mesh(needle, split_sharp_edges=True, **metal)
    if surfaces.cement is not None:
        plotter.add_mesh(
            surfaces.cement, scalars="time", cmap=theme.time_map(), clim=(0.0, last_time), show_scalar_bar=False,
            smooth_shading=True, ambient=0.42, diffuse=0.6, specular=0.12, specular_power=20,
        )  # fmt: skip
    if surfaces.leaks is not None:
        plotter.add_mesh(surfaces.leaks, color=theme.LEAK, smooth_shading=True, ambient=0.3, diffuse=0.75, specular=0.2)


def _add_glass(plotter: Any, surfaces: Surfaces, towards: NDArray[np.float64]) -> None:
    for mesh, colour, face, edge in (
        (surfaces.discs, theme.DISC, 0.03, 0.22),
        (surfaces.canal, theme.CANAL, 0.22, 0.55),
        (surfaces.veins, theme.VEIN, 0.35, 0.8),
        (surfaces.bone, theme.BONE, 0.07, 0.85),
    ):
        if mesh is not None:
            _add_pane(plotter, mesh, theme.rgb(colour), towards, face, edge)


def _add_pane(
    plotter: Any, mesh: Any, colour: tuple[float, float, float], towards: NDArray[np.float64], face: float, edge: float
) -> None:
    """Glass: clear where it faces the viewer, dense at the rim. Far side first, so no depth peeling is needed."""
    facing = np.abs(np.asarray(mesh.point_normals) @ towards)
    rgba = np.empty((mesh.n_points, 4), np.uint8)
    rgba[:, :3] = np.round(255 * np.array(colour))
    rgba[:, 3] = np.round(255 * (face + (edge - face) * (1 - np.clip(facing, 0, 1)) ** 2.2))
    mesh = mesh.copy(deep=False)
    mesh.point_data["glass"] = rgba
    for culling in ("front", "back"):
        plotter.add_mesh(
            mesh, scalars="glass", rgba=True, smooth_shading=True, culling=culling, ambient=0.35, diffuse=0.7,
            specular=0.1, show_scalar_bar=False,
        )  # fmt: skip


def _aim(plotter: Any, camera: Camera) -> None:
    plotter.enable_parallel_projection()
    plotter.camera.focal_point = camera.focus
    plotter.camera.position = camera.focus + 400.0 * camera.towards
    plotter.camera.up = camera.up
    plotter.camera.parallel_scale = camera.height / 2
    plotter.camera.clipping_range = (50.0, 900.0)
