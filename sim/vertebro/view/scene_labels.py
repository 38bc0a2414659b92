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

DPI = 100
READING_WIDTH = 560  # px; type stays readable when a picture is shown this wide
MOST_LABELS = 6
AXES = (("R", "L", np.array([1.0, 0, 0])), ("A", "P", np.array([0, 1.0, 0])), ("S", "I", np.array([0, 0, 1.0])))


def annotate(
    picture: NDArray[np.uint8], run: Run, camera: Camera, cut: NDArray[np.float64] | None = None
) -> NDArray[np.uint8]:
    """The same picture with letters, scale bar, colour bar, key and leak labels (behind the `cut` point [mm] only)."""
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
    _leak_labels(axes, run, camera, (width, height), unit, cut)
    _key(axes, run)
    _time_bar(figure, run)
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
    axes: Any, run: Run, camera: Camera, size: tuple[int, int], unit: float, cut: NDArray[np.float64] | None
) -> None:
    placed: list[tuple[NDArray[np.float64], float]] = []
    for leak in ordered_leaks(run.summary)[:MOST_LABELS]:
        if leak.get("position_mm") is None or _is_cut_off(leak["position_mm"], camera, cut):
            continue
        text = f"{leak['kind']}  {leak['volume_ml']:.2f} mL"
        half = unit * (8 + 3.3 * len(text))  # about half the label's width
        here = camera.pixels(leak["position_mm"], size)
        label = _free_place(here, half, placed, size, unit)
        placed.append((label, half))
        axes.annotate(
            text, here, label, color=theme.LEAK, fontsize=7.5, weight="bold", ha="center", va="center",
            bbox={"boxstyle": "round,pad=0.25", "fc": "white", "ec": theme.LEAK, "lw": 0.6},
            arrowprops={"arrowstyle": "-", "color": theme.LEAK, "lw": 0.7},
        )  # fmt: skip


def _is_cut_off(position_mm: Any, camera: Camera, cut: NDArray[np.float64] | None) -> bool:
    return cut is not None and float((np.asarray(position_mm) - cut) @ camera.towards) > 1.0


def _free_place(
    here: NDArray[np.float64],
    half: float,
    placed: list[tuple[NDArray[np.float64], float]],
    size: tuple[int, int],
    unit: float,
) -> NDArray[np.float64]:
    """A place for a label beside its leak, moved up until it covers no other label."""
    low, high = np.array([half, 14 * unit]), np.array([size[0] - half, size[1] - 60 * unit])
    label = np.clip(here + unit * np.array([52.0 if here[0] > size[0] / 2 else -52.0, -34.0]), low, high)
    for _ in range(20):
        if not any(abs(label[1] - p[1]) < 17 * unit and abs(label[0] - p[0]) < half + other for p, other in placed):
            break
        label = (
            label - np.array([0, 18.0 * unit]) if label[1] > low[1] + 18 * unit else label + np.array([24 * unit, 0])
        )
    return label


def _key(axes: Any, run: Run) -> None:
    entries = [(theme.BONE, "bone"), (theme.CANAL, "dura"), (theme.VEIN, "vein"), (theme.STEEL, "needle")]
    if run.summary.get("leaks"):
        entries.append((theme.LEAK, "leaked cement"))
    patches = [Patch(facecolor=colour, edgecolor=theme.MUTED, lw=0.4, label=text) for colour, text in entries]
    axes.legend(
        handles=patches, loc="lower center", ncols=len(entries), frameon=False, fontsize=7.5, labelcolor=theme.INK,
        handlelength=1.0, handleheight=1.0, columnspacing=1.3, handletextpad=0.4, borderpad=0.1,
        bbox_to_anchor=(0.5, 0.004),
    )  # fmt: skip


def _time_bar(figure: Figure, run: Run) -> None:
    axes = figure.add_axes((0.945, 0.24, 0.016, 0.38))
    shades = ScalarMappable(Normalize(0.0, max(float(run.times[-1]), 1e-6)), theme.time_map())
    bar = figure.colorbar(shades, cax=axes)
    bar.outline.set_linewidth(0.4)
    bar.ax.tick_params(labelsize=7, colors=theme.INK, width=0.4, length=2, pad=2)
    bar.ax.yaxis.set_ticks_position("left")
    bar.ax.set_title("cement\ninjected\nat [s]", fontsize=7, color=theme.INK, pad=5)
