"""Fluoroscopy as a time strip: one row per view, time to the right."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from vertebro.errors import DataError
from vertebro.view import theme
from vertebro.view.panels import STYLE, blank, letters, new_figure, save, scale_bar, write

if TYPE_CHECKING:
    from vertebro.observe import Picture
    from vertebro.record import Run

NAMES = {
    "ap": "AP",
    "lateral": "Lateral",
    "true-ap": "True AP",
    "true-lateral": "True lateral",
    "en-face-left": "En face, left",
    "en-face-right": "En face, right",
}
LETTERS = {name: ("A", "P") if "lateral" in name else ("R", "L") for name in NAMES}
WIDTH, HEAD = 10.6, 0.32  # inches
_TIGHT: dict[str, Any] = {"left": 0.001, "right": 0.999, "bottom": 0.002, "wspace": 0.02, "hspace": 0.02}
_ORDER = {name: place for place, name in enumerate(NAMES)}


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
    rows = _rows(_frames(run), columns)
    widest = max(len(row) for row in rows.values())
    height = WIDTH / widest * len(rows) + HEAD
    with rc_context(STYLE):
        figure = new_figure(WIDTH, height, dpi=150)
        grid = figure.add_gridspec(len(rows), widest, top=1 - HEAD / height, **_TIGHT)
        for i, row in enumerate(rows.values()):
            for j, picture in enumerate(row):
                axes = figure.add_subplot(grid[i, j])
                _frame(axes, picture, first=j == 0)
                if i == 0:
                    axes.set_title(_caption(run, picture.time), fontsize=9, pad=5)
    return save(figure, path)


def draw_last_frames(run: Run, path: str | Path | None = None) -> Figure:
    """Draw the last frame of every view, large, with a scale bar.

    Raises
    ------
    DataError
        If the run holds no frames.
    """
    last = [row[-1] for row in _rows(_frames(run), 1_000_000).values()]
    side = WIDTH / len(last)
    with rc_context(STYLE):
        figure = new_figure(WIDTH, side, dpi=110)
        panels = figure.subplots(1, len(last), squeeze=False, gridspec_kw={**_TIGHT, "top": 0.998})
        for axes, picture in zip(panels[0], last, strict=True):
            _frame(axes, picture, first=True)
            if pixel := picture.facts.get("pixel_at_isocentre_mm"):
                scale_bar(axes, unit=float(pixel))
    return save(figure, path)


def draw_before_after(run: Run, path: str | Path | None = None) -> Figure:
    """Draw every view before the cement and at the end, one row per view, with sides and scale.

    Raises
    ------
    DataError
        If the run holds no frames.
    """
    rows = list(_rows(_frames(run), 1_000_000).values())
    side = 0.5 * WIDTH
    height = side * len(rows) + HEAD
    with rc_context(STYLE):
        figure = new_figure(WIDTH, height, dpi=100)
        panels = figure.subplots(len(rows), 2, squeeze=False, gridspec_kw={**_TIGHT, "top": 1 - HEAD / height})
        for line, row in zip(panels, rows, strict=True):
            for axes, picture in zip(line, (row[0], row[-1]), strict=True):
                _frame(axes, picture, first=True)
                if pixel := picture.facts.get("pixel_at_isocentre_mm"):
                    scale_bar(axes, unit=float(pixel))
        for axes, picture in zip(panels[0], (rows[0][0], rows[0][-1]), strict=True):
            axes.set_title(_caption(run, picture.time), fontsize=9, pad=5)
    return save(figure, path)


def _frames(run: Run) -> list[Picture]:
    if not run.pictures:
        raise DataError("the run holds no fluoroscopy frames", where="imaging.frames", hint="run the case again")
    return run.pictures


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
    axes.add_patch(Rectangle((0, 0), 1, 1, transform=axes.transAxes, fill=False, ec=theme.MUTED, lw=0.6, clip_on=False))
    left, right = LETTERS.get(picture.view, ("", ""))
    letters(axes, left, right)
    if first:
        write(axes, 0.03, 0.965, NAMES.get(picture.view, f"C-arm {picture.view}°"), va="top", weight="bold")


def _caption(run: Run, time: float) -> str:
    times, volumes = run.history["time_s"], run.history["volume_injected_m3"]
    volume = float(np.interp(time, [0.0, *times], [0.0, *volumes])) * 1e6
    minutes, seconds = divmod(round(time), 60)
    clock = f"{minutes}:{seconds:02d} min" if minutes else f"{seconds} s"
    return f"{clock}  ·  {volume:.1f} mL injected" if volume > 0 else f"{clock}  ·  before cement"
