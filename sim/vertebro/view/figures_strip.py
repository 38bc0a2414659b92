"""Fluoroscopy as a time strip: one row per view, time to the right."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from vertebro.errors import DataError
from vertebro.view.panels import STYLE, blank, letters, new_figure, save, write

if TYPE_CHECKING:
    from vertebro.observe import Picture
    from vertebro.record import Run

NAMES = {"ap": "AP", "lateral": "Lateral"}
LETTERS = {"ap": ("R", "L"), "lateral": ("A", "P")}
_ORDER = {"ap": 0, "lateral": 1}


def draw_strip(run: Run, path: str | Path | None = None, *, columns: int = 5) -> Figure:
    """Draw the run's fluoroscopy frames as a strip.

    Parameters
    ----------
    run : Run
    path : path, optional
        Also save there.
    columns : int
        Most moments to show; first and last always.

    Raises
    ------
    DataError
        If the run holds no frames.
    """
    if not run.pictures:
        raise DataError("the run holds no fluoroscopy frames", where="imaging.frames", hint="run the case again")
    rows = _rows(run.pictures, columns)
    widest = max(len(row) for row in rows.values())
    side = 10.6 / widest
    with rc_context(STYLE):
        figure = new_figure(10.6, side * len(rows) + 0.32, dpi=150)
        grid = figure.add_gridspec(
            len(rows),
            widest,
            left=0,
            right=1,
            bottom=0,
            top=1 - 0.32 / (side * len(rows) + 0.32),
            wspace=0.02,
            hspace=0.02,
        )
        for i, row in enumerate(rows.values()):
            for j, picture in enumerate(row):
                axes = figure.add_subplot(grid[i, j])
                _frame(axes, picture, first=j == 0)
                if i == 0:
                    axes.set_title(_caption(run, picture.time), fontsize=9, pad=5)
    return save(figure, path)


def _rows(pictures: list[Picture], columns: int) -> dict[str, list[Picture]]:
    views = sorted({picture.view for picture in pictures}, key=lambda view: (_ORDER.get(view, 9), view))
    rows = {}
    for view in views:
        frames = sorted((p for p in pictures if p.view == view), key=lambda p: p.time)
        chosen = np.unique(np.round(np.linspace(0, len(frames) - 1, min(columns, len(frames)))).astype(int))
        rows[view] = [frames[i] for i in chosen]
    return rows


def _frame(axes: Any, picture: Picture, *, first: bool) -> None:
    axes.imshow(picture.display8, cmap="gray", vmin=0, vmax=255, interpolation="antialiased", aspect="auto")
    blank(axes)
    left, right = LETTERS.get(picture.view, ("", ""))
    letters(axes, left, right)
    if first:
        write(axes, 0.03, 0.965, NAMES.get(picture.view, f"C-arm {picture.view}°"), va="top", weight="bold")


def _caption(run: Run, time: float) -> str:
    volume = float(np.interp(time, run.history["time_s"], run.history["volume_injected_m3"])) * 1e6
    minutes, seconds = divmod(round(time), 60)
    clock = f"{minutes}:{seconds:02d} min" if minutes else f"{seconds} s"
    return f"{clock}  ·  {volume:.1f} mL injected" if volume > 0 else f"{clock}  ·  before cement"
