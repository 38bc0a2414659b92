"""The room without OpenGL: two plans with the true outline of the trunk, the C-arm's beam, and the frame."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from numpy.typing import NDArray

from vertebro.imaging import CArm
from vertebro.view import theme
from vertebro.view.gl import gl_help
from vertebro.view.panels import STYLE, blank, letters

if TYPE_CHECKING:
    from vertebro.record import Run

DPI = 100
SKIN_HU, BONE_HU = -300.0, 170.0
# plan: axes across and up in the picture, sign of up, name; prone, so posterior is up
PLANS = ((0, 1, -1, "from the feet"), (2, 1, -1, "from the side"))
LABELS: tuple[tuple[str, str, str, str], ...] = (("L", "R", "P", "A"), ("F", "H", "P", "A"))


def draw_flat_room(run: Run, pose: CArm, frame: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Sections through the isocentre seen from the feet and from the side, and the frame.

    Returns
    -------
    (height, width, 3) uint8 array
    """
    with rc_context(STYLE):
        figure = Figure(figsize=(size[0] / DPI, size[1] / DPI), dpi=DPI, facecolor=theme.PAPER)
        canvas = FigureCanvasAgg(figure)
        grid = figure.add_gridspec(
            2, 2, left=0.02, right=0.98, bottom=0.12, top=0.95, wspace=0.05, hspace=0.12, width_ratios=(1.2, 1)
        )
        panels = [figure.add_subplot(place) for place in (grid[0, 0], grid[1, 0], grid[:, 1])]
        for axes, plan, words in zip(panels, PLANS, LABELS, strict=False):
            _plan(axes, run, pose, plan, words)
        panels[2].imshow(frame, cmap="gray", vmin=0, vmax=255)
        panels[2].set_title("frame", fontsize=9)
        blank(panels[2])
        figure.text(0.5, 0.05, textwrap.fill(gl_help(), 110), fontsize=8.5, color=theme.MUTED, ha="center", va="center")
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[:, :, :3].copy()


def _plan(axes: Any, run: Run, pose: CArm, plan: tuple[int, int, int, str], words: tuple[str, str, str, str]) -> None:
    across, up, sign, name = plan
    surround, geometry = run.anatomy.surround, pose.geometry
    through = 3 - across - up
    depth = int(np.clip(round(surround.grid.index(pose.isocentre)[through]), 0, surround.grid.shape[through] - 1))
    slab = np.asarray(np.take(surround.hu, depth, axis=through), float)
    slab = slab if across < up else slab.T
    x, y = (surround.grid.open_mesh()[axis].ravel() * 1e3 for axis in (across, up))
    axes.contourf(x, y, slab.T, levels=[SKIN_HU, BONE_HU, 5000.0], colors=["#ecd3c2", theme.BONE])
    source = geometry.source[[across, up]] * 1e3
    corners = geometry.corners()[:, [across, up]] * 1e3
    for corner in corners:
        axes.add_patch(Polygon([source, corner, corners.mean(axis=0)], color="#f2b632", alpha=0.18, lw=0))
    axes.plot(*source, "o", color=theme.INK, ms=7, zorder=5)
    axes.plot(*corners[[0, 1, 3, 2, 0]].T, color=theme.INK, lw=3)
    for needle in run.scene.needles:
        axes.plot(*(np.stack([needle.entry, needle.tip])[:, [across, up]] * 1e3).T, color=theme.MUTED, lw=2)
    points = np.vstack([source, corners, [[x[0], y[0]], [x[-1], y[-1]]]])
    low, high = points.min(axis=0) - 120, points.max(axis=0) + 120
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1])[::sign], aspect="equal")
    blank(axes, facecolor="white")
    letters(axes, *words, colour=theme.INK)
    axes.set_title(f"{name}: focus (dot), detector (bar)", fontsize=9)
