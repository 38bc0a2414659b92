"""Portraits of anatomies side by side: how a vertebra looks to X-rays, in rows that can be compared."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from vertebro.anatomy.anatomy import Anatomy
from vertebro.portrait import frames, slices
from vertebro.view import theme
from vertebro.view.figures_ct import dress, picture_centre, show_slice
from vertebro.view.panels import STYLE, blank, letters, new_figure, save, scale_bar, write

SIDE = 2.6  # inches of a panel
FIELD = 0.20  # m, of a frame at the vertebra


def draw_anatomies(
    anatomies: Mapping[str, Anatomy],
    path: str | Path | None = None,
    *,
    rows: int = 400,
    window: tuple[float, float] = theme.BONE_WINDOW,
) -> Figure:
    """One row per anatomy: AP and lateral fluoroscopy, axial slice through the pedicles, midsagittal slice.

    Parameters
    ----------
    anatomies : mapping of str to Anatomy
        Title and anatomy of each row.
    path : path, optional
        Also save there.
    rows : int
        Pixels of a fluoroscopy frame.
    window : (width, level) [HU]
    """
    count = len(anatomies)
    figure = new_figure(4 * SIDE, count * SIDE)
    with rc_context(STYLE):
        grid = figure.subplots(count, 4, squeeze=False)
        figure.subplots_adjust(0, 0, 1, 1, 0.01, 0.01 if count == 1 else 0.015)
        for line, (title, anatomy) in zip(grid, anatomies.items(), strict=True):
            _frames(line[:2], anatomy, rows)
            _slices(line[2:], anatomy, window)
            write(line[0], 0.03, 0.965, title, va="top", weight="bold")
    return save(figure, path)


def _frames(row: np.ndarray, anatomy: Anatomy, pixels: int) -> None:
    for axes, (view, picture) in zip(row, frames(anatomy, rows=pixels, field=FIELD).items(), strict=True):
        axes.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="antialiased")
        blank(axes)
        letters(axes, *(("R", "L") if view == "ap" else ("A", "P")))
        axes.set_ylim(pixels - 0.5, -0.5)
        scale_bar(axes, unit=FIELD * 1e3 / pixels)


def _slices(row: np.ndarray, anatomy: Anatomy, window: tuple[float, float]) -> None:
    pedicles = anatomy.landmarks.pedicles
    height = float(np.mean([p.centre[2] for p in pedicles])) if pedicles else 0.0
    for axes, plane in zip(row, ("axial", "sagittal"), strict=True):
        r, a, s = picture_centre(anatomy, plane)
        centre = (float(r), float(a), height if plane == "axial" else float(s))
        show_slice(axes, slices(anatomy, (plane,), centre=centre)[plane], window)
        dress(axes, plane)
