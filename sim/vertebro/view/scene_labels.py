"""Writing on the 3-D picture: orientation letters, scale bar, colour bar, leak labels, key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from vertebro.view import theme
from vertebro.view.words import ordered_leaks

if TYPE_CHECKING:
    from vertebro.record import Run
    from vertebro.view.scene import Camera
    from vertebro.view.scene_colours import Colouring
    from vertebro.view.scene_meshes import Surfaces

DPI = 100
READING_WIDTH = 560  # px; type stays readable when a picture is shown this wide
MOST_LABELS = 6
MOST_COLUMNS = 7  # of the key
EMPTY = 244  # grey value; darker is drawn on
BAR_SHARE = 0.1  # of the width, kept for the colour bar
AXES = (("R", "L", np.array([1.0, 0, 0])), ("A", "P", np.array([0, 1.0, 0])), ("S", "I", np.array([0, 0, 1.0])))


def annotate(
    picture: NDArray[np.uint8],
    run: Run,
    camera: Camera,
    *,
    shades: Colouring,
    surfaces: Surfaces,
    cut: NDArray[np.float64] | None = None,
    time: float | None = None,
) -> NDArray[np.uint8]:
    """The same picture with letters, scale bar, colour bar, key and leak labels.

    Parameters
    ----------
    picture : (height, width, 3) uint8 array
    run : Run
    camera : Camera
    shades : Colouring
        Of the cement, for the bar.
    surfaces : Surfaces
        What is drawn, for the key.
    cut : (3,) float [mm], optional
        Only leaks behind this point get labels.
    time : float [s], optional
        Only leaks that began before get labels.
    """
    height, width = picture.shape[:2]
    dpi = DPI * max(width / READING_WIDTH, 0.5)
    figure = Figure(figsize=(width / dpi, height / dpi), dpi=dpi)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(picture, extent=(0, width, height, 0), interpolation="nearest")
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.axis("off")
    unit = dpi / DPI
    _orientation(axes, camera, (width - 40 * unit, 42 * unit), unit)
    _scale_bar(axes, camera, (width, height), unit)
    if surfaces.leaks:
        shown = [
            leak
            for leak in ordered_leaks(run.summary)
            if leak.get("position_mm") is not None
            and (time is None or leak["t_leak_s"] <= time)
            and not _is_cut_off(leak["position_mm"], camera, cut)
        ]
        busy = np.asarray(picture, np.int16).min(axis=2) < EMPTY
        covered = [_behind_cement(leak["position_mm"], surfaces.cement, camera) for leak in shown]
        leaks = list(zip(shown, covered, strict=True))[:MOST_LABELS]
        _leak_labels(axes, leaks, camera, busy, unit, with_volume=time is None)
    _key(axes, surfaces)
    if surfaces.cement is not None and shades.values is not None:
        _colour_bar(figure, shades)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:, :, :3].copy()


def _orientation(axes: Any, camera: Camera, centre: tuple[float, float], unit: float) -> None:
    """A small cross of the three axes as the camera sees them, a letter at every end that does not point at us."""
    radius, middle = 20 * unit, np.array(centre)
    for plus, minus, direction in AXES:
        step = radius * np.array([float(direction @ camera.right), -float(direction @ camera.up)])
        seen = float(np.hypot(*step))
        if seen < 0.15 * radius:
            continue
        for letter, sign in ((plus, 1), (minus, -1)):
            end = middle + sign * step
            axes.plot([middle[0], end[0]], [middle[1], end[1]], color=theme.MUTED, lw=0.8, solid_capstyle="round")
            place = end + sign * step * 9 * unit / seen
            axes.text(*place, letter, color=theme.INK, fontsize=8, weight="bold", ha="center", va="center")


def _scale_bar(axes: Any, camera: Camera, size: tuple[int, int], unit: float) -> None:
    length = theme.SCALE_BAR * size[1] / camera.height
    x, y = 18 * unit, size[1] - 34 * unit
    axes.plot([x, x + length], [y, y], color=theme.INK, lw=2, solid_capstyle="butt")
    text = f"{theme.SCALE_BAR:g} mm"
    axes.text(x + length / 2, y - 5 * unit, text, color=theme.INK, fontsize=7.5, ha="center", va="bottom")


def _leak_labels(
    axes: Any,
    leaks: list[tuple[dict[str, Any], bool]],
    camera: Camera,
    busy: NDArray[np.bool_],
    unit: float,
    *,
    with_volume: bool,
) -> None:
    """A tag per leak, set beside the anatomy where nothing is drawn, with a line to a dot where the leak began.

    Line and dot are dotted and hollow where the cement in the bone hides that place.
    """
    size = (busy.shape[1], busy.shape[0])
    taken = busy.copy()
    height = 8.5 * unit
    for leak, _ in leaks:  # no tag on another's dot
        col, row = (int(x) for x in camera.pixels(leak["position_mm"], size))
        reach = round(5 * unit)
        taken[max(row - reach, 0) : max(row + reach, 0), max(col - reach, 0) : max(col + reach, 0)] = True
    for leak, hidden in leaks:
        kind = str(leak["kind"])
        text = f"{kind}  {leak['volume_ml']:.2f} mL" if with_volume else kind
        half = np.array([unit * (8 + 3.3 * len(text)), height])
        here = camera.pixels(leak["position_mm"], size)
        place = free_place(here, half, taken, unit)
        low, high = np.maximum(place - half, 0).astype(int), (place + half).astype(int) + 1
        taken[low[1] : high[1], low[0] : high[0]] = True
        colour = theme.leak_colour(kind)
        axes.annotate(
            text, here, place, color=theme.INK, fontsize=7.5, weight="bold", ha="center", va="center",
            bbox={"boxstyle": "round,pad=0.25", "fc": "white", "ec": colour, "lw": 1.6},
            arrowprops={"arrowstyle": "-", "color": theme.INK, "lw": 0.8, "linestyle": ":" if hidden else "-"},
        )  # fmt: skip
        axes.plot(*here, "o", ms=5.5, mfc="white" if hidden else colour, mec=colour if hidden else "white", mew=1.1)


def _behind_cement(position_mm: Any, cement: Any, camera: Camera) -> bool:
    """Whether the cement in the bone lies between a point and the viewer."""
    if cement is None:
        return False
    start = np.asarray(position_mm, float) + camera.towards
    return len(cement.ray_trace(start, start + 300.0 * camera.towards, first_point=False)[0]) > 0


def _is_cut_off(position_mm: Any, camera: Camera, cut: NDArray[np.float64] | None) -> bool:
    return cut is not None and float((np.asarray(position_mm) - cut) @ camera.towards) > 1.0


def free_place(
    here: NDArray[np.float64], half: NDArray[np.float64], taken: NDArray[np.bool_], unit: float
) -> NDArray[np.float64]:
    """The nearest place [pixels] for a tag of half size `half` on which least is drawn.

    Parameters
    ----------
    here : (2,) float [pixels]
        What the tag points at.
    half : (2,) float [pixels]
    taken : (height, width) bool array
    unit : float
        Pixels per unit of type size.
    """
    height, width = taken.shape
    covered = np.pad(np.cumsum(np.cumsum(taken, axis=0), axis=1), ((1, 0), (1, 0)))
    step = max(int(5 * unit), 1)
    margin = half + 4 * unit
    x = np.arange(margin[0], width - margin[0] - BAR_SHARE * width, step)
    y = np.arange(margin[1], height - margin[1] - 62 * unit, step)
    if not (x.size and y.size):
        return np.clip(here, half, np.array([width, height]) - half)
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    low, high = (grid - half).astype(int), (grid + half).astype(int)
    under = (
        covered[high[:, 1], high[:, 0]]
        - covered[low[:, 1], high[:, 0]]
        - covered[high[:, 1], low[:, 0]]
        + covered[low[:, 1], low[:, 0]]
    )
    corner = (grid[:, 0] > width - 90 * unit) & (grid[:, 1] < 95 * unit)  # the letters are there
    cost = np.linalg.norm(grid - here, axis=1) + 40 * unit * (under > 0) * (1 + under / (4 * half[0] * half[1]) * 8)
    place: NDArray[np.float64] = grid[int(np.argmin(cost + 1e6 * corner))]
    return place


def _key(axes: Any, surfaces: Surfaces) -> None:
    names = (
        ("bone", theme.BONE, "bone"), ("canal", theme.CANAL, "dura"), ("veins", theme.VEIN, "vein"),
        ("cleft", theme.CLEFT, "cleft"), ("lesion", theme.LESION, "tumour"), ("cracks", theme.CRACK, "fissure"),
        ("needles", theme.STEEL, "needle"),
    )  # fmt: skip
    entries = [(colour, text) for name, colour, text in names if getattr(surfaces, name)]
    entries += [(theme.leak_colour(kind), f"leak {kind}") for kind in sorted(surfaces.leaks)]
    columns = len(entries) if len(entries) <= MOST_COLUMNS else (len(entries) + 1) // 2
    patches = [Patch(facecolor=colour, edgecolor=theme.MUTED, lw=0.4, label=text) for colour, text in entries]
    axes.legend(
        handles=patches, loc="lower center", ncols=columns, frameon=False, fontsize=7.5,
        labelcolor=theme.INK, handlelength=1.0, handleheight=1.0, columnspacing=1.1, handletextpad=0.4, borderpad=0.1,
        bbox_to_anchor=(0.5, 0.004),
    )  # fmt: skip


def _colour_bar(figure: Figure, shades: Colouring) -> None:
    axes = figure.add_axes((0.945, 0.24, 0.016, 0.38))
    bar = figure.colorbar(ScalarMappable(Normalize(*shades.limits), shades.cmap), cax=axes)
    bar.outline.set_linewidth(0.4)
    bar.ax.tick_params(labelsize=7, colors=theme.INK, width=0.4, length=2, pad=2)
    bar.ax.yaxis.set_ticks_position("left")
    bar.ax.set_title(shades.title, fontsize=7, color=theme.INK, pad=5)
