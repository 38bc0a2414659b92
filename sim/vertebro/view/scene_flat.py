"""The scene without OpenGL: three projections of the bone with cement and leaks by kind, drawn by matplotlib."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from vertebro.view import theme
from vertebro.view.cement_fields import IN_BONE, inside_and_outside, spread_times
from vertebro.view.gl import gl_help
from vertebro.view.panels import PLANES, STYLE, blank, letters, scale_bar, write
from vertebro.view.scene_leaks import leaked_by_kind

if TYPE_CHECKING:
    from vertebro.record import Run

NAMES = ("coronal", "sagittal", "axial")
DPI = 100


def draw_flat_scene(run: Run, *, size: tuple[int, int] = (1100, 860), time: float | None = None) -> NDArray[np.uint8]:
    """Projections from behind, from the left and from above: summed bone, cement by injection time, leaks by kind.

    Returns
    -------
    (height, width, 3) uint8 array
    """
    with rc_context(STYLE):
        figure = Figure(figsize=(size[0] / DPI, size[1] / DPI), dpi=DPI, facecolor=theme.PAPER)
        canvas = FigureCanvasAgg(figure)
        inside, outside = inside_and_outside(run, time)[0], leaked_by_kind(run, time)
        times = spread_times(run.injection_time)
        grid = figure.add_gridspec(2, 2, left=0.01, right=0.99, bottom=0.05, top=0.99, wspace=0.02, hspace=0.02)
        for place, name in zip((grid[0, 0], grid[0, 1], grid[1, 0]), NAMES, strict=True):
            _projection(figure.add_subplot(place), run, name, inside, outside, times)
        _side_notes(figure, run, sorted(outside))
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[:, :, :3].copy()


def _projection(
    axes: Any,
    run: Run,
    name: str,
    inside: NDArray[np.float32],
    outside: dict[str, NDArray[np.float32]],
    times: NDArray[np.float32],
) -> None:
    across, along, (sign, _), words = PLANES[name]
    low, high = run.anatomy.grid.extent * 1e3
    through = 3 - across - along
    left, right = (high[across], low[across]) if sign < 0 else (low[across], high[across])
    picture = {"extent": (left, right, low[along], high[along]), "interpolation": "bilinear"}
    bone = _bone_sum(run, through)
    axes.imshow(_turn(bone, sign), cmap="gray", vmin=0, vmax=1.15 * np.percentile(bone, 99.5), **picture)
    deepest = inside.argmax(axis=through)
    when = np.take_along_axis(times, np.expand_dims(deepest, through), through).squeeze(through)
    shades = theme.time_map()(when / max(float(run.times[-1]), 1e-6))
    shades[..., 3] = np.clip(1.4 * inside.max(axis=through), 0, 0.9)
    axes.imshow(_turn(shades, sign), **picture)
    for kind, share in outside.items():
        leak = np.zeros_like(shades)
        leak[..., :3] = theme.rgb(theme.leak_colour(kind))
        leak[..., 3] = np.clip(1.6 * share.max(axis=through), 0, 0.95)
        axes.imshow(_turn(leak, sign), **picture)
    limits = axes.get_xlim(), axes.get_ylim()
    for needle in run.scene.needles:
        ends = np.stack([needle.entry, needle.tip])[:, [across, along]] * 1e3
        axes.plot(*ends.T, color=theme.STEEL, lw=2.4, solid_capstyle="butt", alpha=0.9)
    axes.set(xlim=limits[0], ylim=limits[1], aspect="equal")
    blank(axes)
    letters(axes, *words)
    scale_bar(axes)
    write(axes, 0.03, 0.965, f"{name}, bone summed", va="top", size=8)


def _bone_sum(run: Run, axis: int) -> NDArray[np.float32]:
    """Bone along an axis: this vertebra in full, its neighbours faint. A maximum would be white with cortex."""
    hu = np.clip(run.anatomy.hu - 20.0, 0.0, 900.0)
    own = np.isin(run.anatomy.compartment, IN_BONE)
    total: NDArray[np.float32] = np.where(own, hu, 0.25 * hu).sum(axis=axis, dtype=np.float32)
    return total


def _turn(values: NDArray[Any], sign: int) -> NDArray[Any]:
    """[across, along] array as picture rows from the top."""
    picture = np.swapaxes(values, 0, 1)[::-1]
    return picture[:, ::-1] if sign < 0 else picture


def _side_notes(figure: Figure, run: Run, kinds: list[str]) -> None:
    axes = figure.add_axes((0.62, 0.36, 0.26, 0.018))
    bar = figure.colorbar(
        ScalarMappable(Normalize(0, max(float(run.times[-1]), 1e-6)), theme.time_map()),
        cax=axes,
        orientation="horizontal",
    )
    bar.set_label("cement injected at [s]", fontsize=9)
    if kinds:
        patches = [
            Patch(facecolor=theme.leak_colour(kind), edgecolor=theme.MUTED, label=f"leak {kind}") for kind in kinds
        ]
        figure.legend(handles=patches, loc="center", bbox_to_anchor=(0.75, 0.28), ncols=4, frameon=False, fontsize=8.5)
    bar.outline.set_linewidth(0.5)
    figure.text(0.75, 0.2, textwrap.fill(gl_help(), 52), fontsize=8.5, color=theme.MUTED, ha="center", va="center")
