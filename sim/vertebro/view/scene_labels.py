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

if TYPE_CHECKING:
    from vertebro.record import Run
    from vertebro.view.scene import Camera

DPI = 100
AXES = (("R", "L", np.array([1.0, 0, 0])), ("A", "P", np.array([0, 1.0, 0])), ("S", "I", np.array([0, 0, 1.0])))


def annotate(picture: NDArray[np.uint8], run: Run, camera: Camera) -> NDArray[np.uint8]:
    """The same picture with letters, scale bar, colour bar, key and leak labels."""
    height, width = picture.shape[:2]
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(picture, extent=(0, width, height, 0), interpolation="nearest")
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.axis("off")
    _orientation(axes, camera)
    _scale_bar(axes, camera, width, height)
    _leak_labels(axes, run, camera, (width, height))
    _key(axes, run)
    _time_bar(figure, run)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:, :, :3].copy()


def _orientation(axes: Any, camera: Camera, centre: tuple[float, float] = (82, 88), radius: float = 46) -> None:
    """A small cross of the three axes as the camera sees them, a letter at every end that does not point at us."""
    for plus, minus, direction in AXES:
        across, along = float(direction @ camera.right), -float(direction @ camera.up)
        seen = float(np.hypot(across, along))
        if seen < 0.12:
            continue
        for letter, sign in ((plus, 1), (minus, -1)):
            end = centre[0] + sign * radius * across, centre[1] + sign * radius * along
            axes.plot([centre[0], end[0]], [centre[1], end[1]], color=theme.MUTED, lw=1.1, solid_capstyle="round")
            push = 13 / (radius * seen)
            place = end[0] + sign * push * radius * across, end[1] + sign * push * radius * along
            axes.text(*place, letter, color=theme.INK, fontsize=11, weight="bold", ha="center", va="center")


def _scale_bar(axes: Any, camera: Camera, width: int, height: int) -> None:
    length = theme.SCALE_BAR * height / camera.height
    x, y = 36, height - 34
    axes.plot([x, x + length], [y, y], color=theme.INK, lw=3, solid_capstyle="butt")
    axes.text(x + length / 2, y - 9, f"{theme.SCALE_BAR:g} mm", color=theme.INK, fontsize=10, ha="center", va="bottom")


def _leak_labels(axes: Any, run: Run, camera: Camera, size: tuple[int, int]) -> None:
    placed: list[NDArray[np.float64]] = []
    for leak in run.summary.get("leaks", []):
        if leak.get("position_mm") is None:
            continue
        here = camera.pixels(leak["position_mm"], size)
        label = here + np.array([58.0, -46.0]) * np.array([1 if here[0] > size[0] / 2 else -1, 1])
        while any(abs(label[1] - other[1]) < 24 and abs(label[0] - other[0]) < 130 for other in placed):
            label = label - np.array([0, 26.0])
        placed.append(label)
        axes.annotate(
            f"{leak['kind']}  {leak['volume_ml']:.2f} mL", here, label, color=theme.LEAK, fontsize=10, weight="bold",
            ha="center", va="center", bbox={"boxstyle": "round,pad=0.25", "fc": "white", "ec": theme.LEAK, "lw": 0.8},
            arrowprops={"arrowstyle": "-", "color": theme.LEAK, "lw": 0.9},
        )  # fmt: skip


def _key(axes: Any, run: Run) -> None:
    entries = [(theme.BONE, "bone"), (theme.CANAL, "thecal sac"), (theme.VEIN, "vein"), (theme.STEEL, "needle")]
    if run.summary.get("leaks"):
        entries.append((theme.LEAK, "leaked cement"))
    patches = [Patch(facecolor=colour, edgecolor=theme.MUTED, lw=0.4, label=text) for colour, text in entries]
    axes.legend(
        handles=patches, loc="lower center", ncols=len(entries), frameon=False, fontsize=9.5, labelcolor=theme.INK,
        handlelength=1.1, handleheight=1.0, columnspacing=1.6, handletextpad=0.5, bbox_to_anchor=(0.5, 0.012),
    )  # fmt: skip


def _time_bar(figure: Figure, run: Run) -> None:
    axes = figure.add_axes((0.935, 0.30, 0.016, 0.42))
    shades = ScalarMappable(Normalize(0.0, max(float(run.times[-1]), 1e-6)), theme.TIME_MAP)
    bar = figure.colorbar(shades, cax=axes)
    bar.outline.set_linewidth(0.5)
    bar.ax.tick_params(labelsize=9, colors=theme.INK, width=0.5, length=3)
    bar.ax.yaxis.set_ticks_position("left")
    bar.ax.set_title("cement\ninjected\nat [s]", fontsize=9, color=theme.INK, pad=8)
