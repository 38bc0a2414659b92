"""Three orthogonal CT planes through a point, as a viewer shows them: window, crosshair, letters, scale bar, cement."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import rc_context
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vertebro.errors import DataError
from vertebro.scans import cement_centre
from vertebro.view import theme
from vertebro.view.cement_fields import bony_box, inside_and_outside
from vertebro.view.figures_ct import show_hu
from vertebro.view.gl import gl_available
from vertebro.view.panels import PLANES, STYLE, blank, letters, new_figure, save, scale_bar, through, write
from vertebro.view.planes import Plane, cement_hu, plane_hu, plane_through, sample
from vertebro.view.scene_colours import Colouring, colouring
from vertebro.view.scene_leaks import leaked_by_kind

if TYPE_CHECKING:
    from vertebro.record import Run

# width, level [HU]
WINDOWS: dict[str, tuple[float, float]] = {
    "bone": theme.BONE_WINDOW,
    "soft": (400.0, 40.0),
    "cement": (4000.0, 1500.0),
    "canal": (500.0, 100.0),
}
SIDE, ROOM = 5.0, 0.008  # inches of a panel; m around the bone
PIXEL = 0.3e-3  # m
FAINT = 0.08  # share of cement from which it is coloured
SOLID = 0.75  # opacity of the overlay


def draw_mpr(
    run: Run,
    path: str | Path | None = None,
    *,
    time: float | None = None,
    point: Any = None,
    window: str | tuple[float, float] = "bone",
    overlay: str | None = None,
    with_scene: bool = True,
) -> Figure:
    """Axial, sagittal and coronal plane through a point, and the planes in 3-D.

    The pictures show the CT numbers of the simulated anatomy with the cement of that moment, not a reconstructed scan;
    `vertebro.scans.ct_planes` makes those.

    Parameters
    ----------
    run : Run
    path : path, optional
        Also save there.
    time : float [s], optional
        Moment on the schedule's clock (default: the end).
    point : (3,) float [m], optional
        Where the planes cross, in the vertebra's axes (default: the middle of the cement).
    window : str or (width, level) [HU]
        A key of `WINDOWS`, or numbers.
    overlay : {"time", "age", "temperature", "cure", "plain"}, optional
        Colour the cement in the bone, and the leaks by kind; without it the cement is as white as on CT.
    with_scene : bool
        Fill the fourth panel with the planes in 3-D (with OpenGL only).

    Raises
    ------
    DataError
        If the window, the colouring or the point is not possible, or the run has no such moment.
    """
    limits = _window(window)
    fraction = run.cement_fraction(time)
    centre = np.asarray(cement_centre(run.anatomy, fraction) if point is None else point, float)
    _check_point(run, centre)
    shades = None if overlay is None else colouring(run, overlay, time)
    with rc_context(STYLE):
        figure = new_figure(2 * SIDE, 2 * SIDE)
        figure.patch.set_facecolor("black")
        grid = figure.add_gridspec(2, 2, left=0, right=1, bottom=0, top=1, wspace=0.01, hspace=0.01)
        added = cement_hu(run, time) if shades is None else ()
        side = float(np.ptp(bony_box(run), axis=0).max()) + 2 * ROOM
        for place, name in zip((grid[0, 0], grid[0, 1], grid[1, 0]), PLANES, strict=True):
            axes = figure.add_subplot(place)
            plane = plane_through(name, _middle(run, name, centre), width=side, height=side, pixel=PIXEL)
            show_hu(axes, plane_hu(run.anatomy, plane, added), plane.extent, limits)
            if shades is not None:
                _paint(axes, run, plane, shades, time)
            _dress(axes, name, centre)
        _fourth(figure, grid[1, 1], run, time, centre, limits, shades, with_scene)
    return save(figure, path)


def _window(window: str | tuple[float, float]) -> tuple[float, float]:
    if isinstance(window, str):
        if window not in WINDOWS:
            raise DataError("unknown window", where="window", value=window, allowed=", ".join(WINDOWS))
        return WINDOWS[window]
    width, level = (float(x) for x in window)
    if not (np.isfinite(level) and 0 < width <= 20_000):
        raise DataError("not a window", where="window (width, level) [HU]", value=window, allowed="width 0 to 20000")
    return width, level


def _check_point(run: Run, point: NDArray[np.float64]) -> None:
    low, high = run.anatomy.grid.extent
    if point.shape != (3,) or not np.all((point >= low) & (point <= high)):
        corners = " to ".join(str(np.round(x * 1e3, 1).tolist()) for x in (low, high))
        raise DataError(
            "the planes cross outside the anatomy", where="point [m]", value=point.tolist(), allowed=f"mm: {corners}"
        )


def _middle(run: Run, name: str, point: NDArray[np.float64]) -> NDArray[np.float64]:
    """A point on the plane through `point`, in the middle of the bone."""
    across, along, _, _ = PLANES[name]
    middle: NDArray[np.float64] = bony_box(run).mean(axis=0)
    middle[3 - across - along] = point[3 - across - along]
    return middle


def _paint(axes: Any, run: Run, plane: Plane, shades: Colouring, time: float | None) -> None:
    """The cement in the bone by the colouring, the leaks by their kind."""
    grid = run.anatomy.grid
    inside = sample(inside_and_outside(run, time)[0], grid, plane)
    if shades.values is None:
        colours = np.zeros((*inside.shape, 4))
        colours[..., :3] = theme.rgb(theme.CEMENT)
    else:
        colours = shades.cmap(Normalize(*shades.limits)(sample(shades.values, grid, plane)))
    colours[..., 3] = SOLID * np.clip((inside - FAINT) / (0.5 - FAINT), 0, 1)
    axes.imshow(colours, extent=plane.extent, interpolation="antialiased")
    for kind, share in leaked_by_kind(run, time).items():
        leak = np.zeros_like(colours)
        leak[..., :3] = theme.rgb(theme.leak_colour(kind))
        leak[..., 3] = np.clip((sample(share, grid, plane) - FAINT) / (0.3 - FAINT), 0, 1)
        if not leak[..., 3].any():
            continue
        axes.imshow(leak, extent=plane.extent, interpolation="antialiased")
        row, col = np.unravel_index(int(leak[..., 3].argmax()), leak.shape[:2])
        where = plane.place(plane.points[row, col])
        axes.annotate(
            kind, where, (14, 14), textcoords="offset points", color="white", fontsize=9, weight="bold",
            arrowprops={"arrowstyle": "-", "color": "white", "lw": 0.8}, ha="center", va="center",
            bbox={"boxstyle": "round,pad=0.2", "fc": "black", "ec": theme.leak_colour(kind), "lw": 1.2},
        )  # fmt: skip


def _dress(axes: Any, name: str, point: NDArray[np.float64]) -> None:
    """Crosshair (broken at the point) in the colours of the other planes, frame, letters, scale bar, title."""
    limits = axes.get_xlim(), axes.get_ylim()
    across, along, _, words = PLANES[name]
    x, y = point[across] * 1e3, point[along] * 1e3
    gap = 4.0  # mm
    normals = {2: "axial", 0: "sagittal", 1: "coronal"}
    for low, high in ((min(limits[1]), y - gap), (y + gap, max(limits[1]))):
        axes.plot([x, x], [low, high], color=theme.PLANE_COLOURS[normals[across]], lw=0.9, alpha=0.9)
    for low, high in ((min(limits[0]), x - gap), (x + gap, max(limits[0]))):
        axes.plot([low, high], [y, y], color=theme.PLANE_COLOURS[normals[along]], lw=0.9, alpha=0.9)
    axes.set(xlim=limits[0], ylim=limits[1], aspect="equal")
    blank(axes)
    for spine in axes.spines.values():
        spine.set(visible=True, color=theme.PLANE_COLOURS[name], linewidth=2.5)
    letters(axes, *words)
    scale_bar(axes)
    title = through(name, point).replace(", ", "\n", 1)
    write(axes, 0.03, 0.97, title, va="top", size=8.5, linespacing=1.4)


def _fourth(
    figure: Figure,
    place: Any,
    run: Run,
    time: float | None,
    point: NDArray[np.float64],
    window: tuple[float, float],
    shades: Colouring | None,
    with_scene: bool,
) -> None:
    """The planes in 3-D where there is OpenGL; what is shown, in words."""
    axes = figure.add_subplot(place)
    drawn = with_scene and gl_available()
    blank(axes, facecolor="white" if drawn else "black")
    if drawn:
        from vertebro.view.scene import draw_scene

        colour = "plain" if shades is None else shades.name
        picture = draw_scene(
            run, view="anterior-oblique", time=time, colour=colour, slices=tuple(PLANES), through=point,
            size=(700, 700), hidden=("veins", "discs"), window=window, written=False,
        )  # fmt: skip
        axes.imshow(picture, interpolation="antialiased")
    moment = float(run.times[-1]) if time is None else time
    r, a, s = np.round(point * 1e3, 1)
    note = f"{run.anatomy.level}, {moment:.0f} s\nW {window[0]:.0f}  L {window[1]:.0f} HU\nR {r:g}  A {a:g}  S {s:g} mm"
    ink, rim = (theme.INK, "white") if drawn else ("white", "black")
    write(axes, 0.03, 0.97, note, va="top", size=9.5, linespacing=1.5, colour=ink, outline=rim)
    if shades is not None and shades.values is not None:
        _bar(figure, axes, shades)


def _bar(figure: Figure, axes: Any, shades: Colouring) -> None:
    inner = axes.inset_axes((0.62, 0.05, 0.33, 0.02))
    bar = figure.colorbar(ScalarMappable(Normalize(*shades.limits), shades.cmap), cax=inner, orientation="horizontal")
    bar.outline.set_linewidth(0.5)
    ground = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.5}
    bar.ax.set_title(shades.title.replace("\n", " "), fontsize=8.5, color=theme.INK, bbox=ground, pad=6)
    bar.ax.tick_params(labelsize=8, labelcolor="black", pad=2)
    for label in bar.ax.get_xticklabels():
        label.set_bbox(ground)
