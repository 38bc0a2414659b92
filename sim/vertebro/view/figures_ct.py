"""CT before and after: axial, sagittal and coronal planes through the cement, bone window, cement white."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vertebro.imaging import CTField
from vertebro.scans import cement_centre, ct_planes, ct_section
from vertebro.view import theme
from vertebro.view.panels import PLANES, STYLE, blank, letters, new_figure, save, scale_bar, through, write

if TYPE_CHECKING:
    from vertebro.anatomy.anatomy import Anatomy
    from vertebro.imaging import CTSlice
    from vertebro.record import Run

SCAN = 0.16  # m, field of view of the scan
PIXELS = 400  # 0.4 mm: finer than a scanner resolves
FIELD = 0.105  # m, what the picture shows of it
WIDTH, HEAD = 10.6, 0.3  # inches


def draw_ct(run: Run, path: str | Path | None = None, *, window: tuple[float, float] = theme.BONE_WINDOW) -> Figure:
    """Draw CT slices before and after the injection (needles out), through the middle of the cement.

    The axial ones are reconstructed from rays and show what cement does to a scan; the others are quick ones.

    Parameters
    ----------
    run : Run
    path : path, optional
        Also save there.
    window : (width, level) [HU]
    """
    cement = run.cement_fraction()
    centre = cement_centre(run.anatomy, cement)
    rows = {"Before": _planes(run, None, None, centre, 0), "After": _planes(run, cement, run.vein_cement(), centre, 1)}
    side = WIDTH / 3
    height = 2 * side + HEAD
    with rc_context(STYLE):
        figure = new_figure(WIDTH, height, dpi=130)
        grid = figure.add_gridspec(2, 3, left=0, right=1, bottom=0, top=1 - HEAD / height, wspace=0.02, hspace=0.02)
        for i, (when, slices) in enumerate(rows.items()):
            for j, (name, scan) in enumerate(slices.items()):
                axes = figure.add_subplot(grid[i, j])
                show_slice(axes, scan, window)
                _crop(axes, run, name)
                dress(axes, name)
                write(axes, 0.03, 0.965, when, va="top", weight="bold")
                if i == 0:
                    axes.set_title(through(name, np.asarray(centre)), fontsize=9, pad=5)
    return save(figure, path)


def _planes(
    run: Run,
    cement: NDArray[np.float32] | None,
    veins: NDArray[np.float32] | None,
    centre: tuple[float, float, float],
    number: int,
) -> dict[str, CTSlice]:
    """The axial slice as a scanner reconstructs it (a second), the others in the quick mode (stacks take a minute)."""
    wish: dict[str, Any] = {"veins": veins, "number": number}
    view = CTField(centre=centre, width=SCAN, pixels=PIXELS)
    axial = ct_section(run.scene, view, cement, mode="reconstructed", **wish)
    quick = ct_planes(
        run.scene, cement, width=SCAN, pixels=PIXELS, centre=centre, planes=("sagittal", "coronal"), **wish
    )
    return {"axial": axial, **quick}


def show_slice(axes: Any, scan: CTSlice, window: tuple[float, float]) -> None:
    """Put a CT slice into axes whose units are world millimetres."""
    across, along, _, _ = PLANES[scan.plane]
    rows, columns = scan.hu.shape
    first = scan.origin - (scan.row_step + scan.col_step) / 2
    last = first + rows * scan.row_step + columns * scan.col_step
    extent = (first[across] * 1e3, last[across] * 1e3, last[along] * 1e3, first[along] * 1e3)
    show_hu(axes, scan.hu, extent, window)


def show_hu(
    axes: Any, hu: NDArray[np.float32], extent: tuple[float, float, float, float], window: tuple[float, float]
) -> None:
    """Windowed CT numbers; `extent` in world millimetres: left, right, bottom, top."""
    width, level = window
    axes.imshow(
        hu, cmap="gray", vmin=level - width / 2, vmax=level + width / 2, extent=extent, interpolation="antialiased"
    )


def dress(axes: Any, plane: str) -> None:
    """Letters and scale bar of a plane."""
    blank(axes)
    letters(axes, *PLANES[plane][3])
    scale_bar(axes)


def _crop(axes: Any, run: Run, name: str) -> None:
    """Frame the vertebra between the front of the body and the spinous process."""
    across, along, (sign, _), _ = PLANES[name]
    centre = picture_centre(run.anatomy, name) * 1e3
    half = FIELD * 1e3 / 2
    axes.set_xlim(centre[across] - sign * half, centre[across] + sign * half)
    axes.set_ylim(centre[along] - half, centre[along] + half)


def picture_centre(anatomy: Anatomy, plane: str) -> NDArray[np.float64]:
    """(3,) world point [m] in the middle of a picture: the body, or half-way to the spinous process."""
    centre = np.zeros(3)
    tip = anatomy.landmarks.spinous_tip
    if plane != "coronal" and tip is not None:
        centre[1] = 0.35 * float(tip[1])
    return centre
