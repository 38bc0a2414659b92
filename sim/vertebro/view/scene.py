"""The 3-D picture: glass bone, metal needles, cement coloured by time, age, heat or cure, leaks by their kind.

VTK draws the surfaces, matplotlib writes on them (letters, scale bar, colour bar), so that the type is the report's
own. The camera projects in parallel: the scale bar is true everywhere in the picture.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import DataError
from vertebro.scans import cement_centre
from vertebro.view import theme
from vertebro.view.gl import gl_available
from vertebro.view.planes import Plane, cement_hu
from vertebro.view.scene_colours import Colouring, colouring
from vertebro.view.scene_layers import LAYERS, add_layers, add_slice, slice_of

if TYPE_CHECKING:
    from vertebro.record import Run
    from vertebro.view.scene_meshes import Surfaces

# where the camera stands, and what is up: (right, anterior, superior); the side turns to that of the first needle
VIEWS: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "posterior-oblique": ((0.62, -0.74, 0.52), (0.0, 0.0, 1.0)),
    "anterior-oblique": ((0.55, 0.80, 0.42), (0.0, 0.0, 1.0)),
    "lateral": ((1.0, 0.0, 0.0), (0.0, 0.0, 1.0)),
    "anterior": ((0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    "posterior": ((0.0, -1.0, 0.0), (0.0, 0.0, 1.0)),
    "superior": ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0)),
    "prone": ((0.92, -0.18, 0.34), (0.0, -1.0, 0.0)),  # as the patient lies: the needle comes from above
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
    colour: str = "time",
    cut: bool = False,
    slices: Sequence[str] = (),
    through: Any = None,
    window: tuple[float, float] = theme.BONE_WINDOW,
    hidden: Collection[str] = (),
    written: bool = True,
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
    colour : {"time", "age", "temperature", "cure", "plain"}
        What the cement's colour says, see `vertebro.view.scene_colours.colouring`.
    cut : bool
        Cut the cement open at the tip of the first needle, facing the viewer: the ages inside.
    slices : sequence of str
        CT planes in the scene: ``"axial"``, ``"sagittal"``, ``"coronal"``.
    through : (3,) float [m], optional
        Point of those planes (default: the middle of the cement).
    window : (width, level) [HU]
        Of those planes.
    hidden : collection of str
        Layers to leave out, see `vertebro.view.scene_layers.LAYERS`.
    written : bool
        With letters, scale bar, colour bar, key and leak labels.
    surfaces : Surfaces, optional
        Meshes of an earlier call of `build_surfaces`, to draw several views of one moment.

    Returns
    -------
    (height, width, 3) uint8 array

    Raises
    ------
    DataError
        If a view, colouring, plane or layer is unknown, or the run has no such moment.
    """
    _check(view, slices, hidden)
    shades = colouring(run, colour, time)
    if gl_available():
        picture = _with_gl(
            run, shades, surfaces, view=view, size=size, time=time, cut=cut, slices=slices, through=through,
            window=window, hidden=hidden, written=written,
        )  # fmt: skip
    else:
        picture = _without_gl(run, size, time)
    if path is not None:
        from PIL import Image

        Image.fromarray(picture).save(path, quality=92)
    return picture


def _check(view: str, slices: Sequence[str], hidden: Collection[str]) -> None:
    from vertebro.view.panels import PLANES

    wishes: tuple[tuple[str, Collection[str], Collection[str]], ...] = (
        ("view", (view,), VIEWS), ("slices", slices, PLANES), ("hidden", hidden, LAYERS),
    )  # fmt: skip
    for where, names, known in wishes:
        for name in names:
            if name not in known:
                raise DataError(f"unknown {where}", where=where, value=name, allowed=", ".join(known))


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
    towards, above = (np.array(way) for way in VIEWS[view])
    towards[0] *= side
    towards /= np.linalg.norm(towards)
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
    run: Run,
    shades: Colouring,
    surfaces: Surfaces | None,
    *,
    view: str,
    size: tuple[int, int],
    time: float | None,
    cut: bool,
    slices: Sequence[str],
    through: Any,
    window: tuple[float, float],
    hidden: Collection[str],
    written: bool,
) -> NDArray[np.uint8]:
    from vertebro.view.scene_labels import annotate
    from vertebro.view.scene_meshes import build_surfaces

    surfaces = surfaces or build_surfaces(run, time, colour=shades.name)
    cuts = _slices(run, surfaces, time, slices, through)
    corners = [cut.corners * 1e3 for cut in cuts]
    camera = camera_of(np.concatenate([surfaces.points(), *corners]), view, size, needle_side(run))
    tip = np.asarray(run.scene.needles[0].tip) * 1e3 if cut and run.scene.needles else None
    if tip is not None:
        surfaces = _opened(run, surfaces, camera, tip, shades.name, time)
    surfaces = without(surfaces, hidden)
    added = cement_hu(run, time) if cuts else ()

    def add_cuts(plotter: Any) -> None:
        for cut_plane in cuts:
            add_slice(plotter, run, cut_plane, window=window, added=added)

    picture = render(surfaces, camera, size, shades, add_cuts)
    if not written:
        return picture
    return annotate(picture, run, camera, shades=shades, surfaces=surfaces, cut=tip, time=time)


def _slices(run: Run, surfaces: Surfaces, time: float | None, planes: Sequence[str], through: Any) -> list[Plane]:
    if planes and through is None:
        through = cement_centre(run.anatomy, run.cement_fraction(time))
    return [slice_of(surfaces, plane, through) for plane in planes]


def _opened(
    run: Run, surfaces: Surfaces, camera: Camera, tip: NDArray[np.float64], colour: str, time: float | None
) -> Surfaces:
    """Cement, veins and leaks without what lies in front of the tip."""
    from vertebro.view.scene_meshes import behind, cement_surface

    leaks = {kind: behind(mesh, tip, camera.towards) for kind, mesh in surfaces.leaks.items()}
    return replace(
        surfaces,
        cement=cement_surface(run, time, colour=colour, cut_towards=camera.towards),
        veins=behind(surfaces.veins, tip, camera.towards),
        leaks={kind: mesh for kind, mesh in leaks.items() if mesh is not None},
    )


def without(surfaces: Surfaces, hidden: Collection[str]) -> Surfaces:
    """The surfaces but the hidden layers."""
    nothing: dict[str, Any] = {"leaks": {}, "needles": ()}
    gone: dict[str, Any] = {name: nothing.get(name) for name in hidden}
    return replace(surfaces, **gone)


def _without_gl(run: Run, size: tuple[int, int], time: float | None) -> NDArray[np.uint8]:
    from vertebro.view.scene_flat import draw_flat_scene

    return draw_flat_scene(run, size=size, time=time)


def render(
    surfaces: Surfaces,
    camera: Camera,
    size: tuple[int, int],
    shades: Colouring,
    more: Callable[[Any], None] | None = None,
) -> NDArray[np.uint8]:
    """Draw the surfaces off-screen; only to be called where `gl_available` said yes. `more` adds to the plotter."""
    from PIL import Image

    plotter = new_plotter([round(OVERSAMPLING * n) for n in size], off_screen=True)
    try:
        if more is not None:
            more(plotter)
        add_layers(plotter, surfaces, shades)
        aim_camera(plotter, camera)
        picture = Image.fromarray(np.ascontiguousarray(np.asarray(plotter.screenshot(return_img=True))[:, :, :3]))
        return np.asarray(picture.resize(size, Image.Resampling.HAMMING))
    finally:
        plotter.close()


def new_plotter(size: Sequence[int], *, off_screen: bool, title: str = "vertebro") -> Any:
    """An empty plotter with the house's paper and light; off-screen without anti-aliasing, which is dear there."""
    import pyvista as pv

    bare = pv.themes.DocumentTheme()
    bare.anti_aliasing, bare.multi_samples = None, 1  # in software it costs more than drawing larger
    bare.title, bare.font.family = title, "arial"
    plotter = pv.Plotter(off_screen=off_screen, window_size=list(size), lighting="none", theme=bare)
    plotter.set_background(theme.PAPER)
    plotter.add_light(pv.Light(light_type="headlight", intensity=1.0))
    return plotter


def aim_camera(plotter: Any, camera: Camera) -> None:
    """Point a plotter's camera."""
    plotter.enable_parallel_projection()
    plotter.camera.focal_point = camera.focus
    plotter.camera.position = camera.focus + 400.0 * camera.towards
    plotter.camera.up = camera.up
    plotter.camera.parallel_scale = camera.height / 2
    plotter.camera.clipping_range = (50.0, 900.0)
