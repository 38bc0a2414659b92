"""CT before and after: axial, sagittal and coronal planes through the cement, bone window, cement white."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vertebro.view import theme
from vertebro.view.panels import PLANES, STYLE, blank, letters, new_figure, save, scale_bar, through, write
from vertebro.view.planes import Plane, ct_numbers, plane_through

if TYPE_CHECKING:
    from vertebro.record import Run

FIELD = 0.11  # m
NAMES = ("axial", "sagittal", "coronal")


def draw_ct(run: Run, path: str | Path | None = None, *, window: tuple[float, float] = theme.BONE_WINDOW) -> Figure:
    """Draw CT slices before and after the injection, through the middle of the cement.

    Parameters
    ----------
    run : Run
    path : path, optional
        Also save there.
    window : (width, level) [HU]
    """
    centre = cement_centre(run)
    side = 10.6 / 3
    with rc_context(STYLE):
        figure = new_figure(10.6, 2 * side + 0.3, dpi=130)
        grid = figure.add_gridspec(
            2, 3, left=0, right=1, bottom=0, top=1 - 0.3 / (2 * side + 0.3), wspace=0.02, hspace=0.02
        )
        for j, name in enumerate(NAMES):
            plane = plane_through(name, middle_of(run, name, centre), width=FIELD, height=FIELD)
            for i, (when, hu) in enumerate(_before_and_after(run, plane)):
                axes = figure.add_subplot(grid[i, j])
                show_plane(axes, hu, plane, window)
                write(axes, 0.03, 0.965, when, va="top", weight="bold")
                if i == 0:
                    axes.set_title(through(name, centre), fontsize=9, pad=5)
    return save(figure, path)


def show_plane(axes: Any, hu: NDArray[np.float32], plane: Plane, window: tuple[float, float]) -> None:
    """One CT panel: windowed slice, letters, scale bar."""
    width, level = window
    axes.imshow(
        hu,
        cmap="gray",
        vmin=level - width / 2,
        vmax=level + width / 2,
        extent=plane.extent,
        interpolation="antialiased",
    )
    blank(axes)
    letters(axes, *PLANES[plane.name][3])
    scale_bar(axes)


def cement_centre(run: Run) -> NDArray[np.float64]:
    """(3,) world point [m] in the middle of the cement; the first needle's tip if there is none."""
    cement = run.cement_fraction()
    total = float(cement.sum(dtype=np.float64))
    if total <= 0:
        return np.asarray(run.scene.needles[0].tip, float)
    axes = run.anatomy.grid.open_mesh()
    return np.array([float((cement * axis).sum(dtype=np.float64)) / total for axis in axes])


def middle_of(run: Run, name: str, through_point: NDArray[np.float64]) -> NDArray[np.float64]:
    """Centre of a plane: in the plane of the point, framed on the vertebra (between body and spinous process)."""
    marks = run.anatomy.landmarks
    centre = np.zeros(3)
    centre[1] = 0.35 * marks.spinous_tip[1] if name != "coronal" else 0.0
    normal = {"axial": 2, "sagittal": 0, "coronal": 1}[name]
    centre[normal] = through_point[normal]
    return centre


def _before_and_after(run: Run, plane: Plane) -> list[tuple[str, NDArray[np.float32]]]:
    added = run.cement_fraction() * np.float32(2500.0)
    return [("Before", ct_numbers(run.anatomy, plane)), ("After", ct_numbers(run.anatomy, plane, added))]
