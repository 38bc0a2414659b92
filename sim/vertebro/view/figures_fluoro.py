"""Fluoroscopy frames side by side, and what an effect changed in them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vertebro.errors import DataError
from vertebro.imaging import Fluoroscope, FluoroView
from vertebro.view.panels import STYLE, blank, letters, new_figure, save, scale_bar, write

SIDE = 2.65  # inches of a panel
CHANGE_RANGE = 0.25  # relative change shown in full colour


def draw_frames(
    pictures: Mapping[str, NDArray[np.uint8]],
    path: str | Path | None = None,
    *,
    columns: int = 4,
    sides: tuple[str, str] | None = None,
    pixel: float | None = None,
) -> Figure:
    """Pictures in rows, each with its title.

    Parameters
    ----------
    pictures : mapping of str to (rows, cols) uint8 array
    path : path, optional
        Also save there.
    columns : int
    sides : (str, str), optional
        Letters of the patient's sides at the left and right edge.
    pixel : float [m], optional
        Edge of a pixel at the isocentre, for a scale bar.

    Raises
    ------
    DataError
        If there is no picture.
    """
    if not pictures:
        raise DataError("no picture to draw", where="pictures", value=0, allowed="1 or more")
    wide = min(columns, len(pictures))
    high = math.ceil(len(pictures) / wide)
    with rc_context(STYLE):
        figure = new_figure(wide * SIDE, high * SIDE)
        panels = _panels(figure, high, wide)
        for axes, (title, picture) in zip(panels, pictures.items(), strict=False):
            _picture(axes, title, picture, sides, pixel)
        for axes in panels[len(pictures) :]:
            axes.set_visible(False)
    return save(figure, path)


def draw_effects(views: Mapping[str, FluoroView], path: str | Path | None = None, **layers: Any) -> Figure:
    """One column per step: the picture without noise, and below it how its signal differs from the step before.

    The mean change is that of the exposure and is taken out; blue is less signal, red more.

    Parameters
    ----------
    views : mapping of str to FluoroView
        The same pose with one effect more (or less) at each step.
    path : path, optional
        Also save there.
    **layers
        Cement, needle and their materials, as `FluoroView.frame` takes them.

    Raises
    ------
    DataError
        If there is no view.
    """
    if not views:
        raise DataError("no view to draw", where="views", value=0, allowed="1 or more")
    with rc_context(STYLE):
        figure = new_figure(len(views) * SIDE, 2 * SIDE)
        panels, before = _panels(figure, 2, len(views)), None
        for step, (title, view) in enumerate(views.items()):
            frame = view.frame(noise=False, **layers)
            _picture(panels[step], title, frame.display, None, None)
            lower = panels[len(views) + step]
            blank(lower, facecolor="white")
            now = np.log(np.maximum(frame.signal, 0.5))
            if before is not None:
                change = np.where(view.opening, now - before, np.nan)
                change -= np.nanmedian(change)
                lower.imshow(change, cmap="RdBu_r", vmin=-CHANGE_RANGE, vmax=CHANGE_RANGE, interpolation="antialiased")
                write(lower, 0.03, 0.03, f"sd {100 * np.nanstd(change):.1f} %", size=8)
            before = now
    return save(figure, path)


def one_by_one(base: Fluoroscope, steps: Mapping[str, Mapping[str, Any]]) -> dict[str, Fluoroscope]:
    """Machines that keep every earlier step's settings and add their own.

    Parameters
    ----------
    base : Fluoroscope
    steps : mapping of str to settings of `Fluoroscope`
    """
    from dataclasses import replace

    machines = {}
    for name, settings in steps.items():
        base = replace(base, **settings)
        machines[name] = base
    return machines


def _panels(figure: Figure, high: int, wide: int) -> list[Any]:
    panels = figure.subplots(high, wide, squeeze=False)
    figure.subplots_adjust(0, 0, 1, 1, 0.01, 0.01)
    return list(panels.ravel())


def _picture(
    axes: Any, title: str, picture: NDArray[np.uint8], sides: tuple[str, str] | None, pixel: float | None
) -> None:
    axes.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="antialiased")
    blank(axes)
    write(axes, 0.03, 0.965, title, va="top", weight="bold", size=8)
    if sides is not None:
        letters(axes, *sides)
    if pixel is not None:
        axes.set_ylim(picture.shape[0] - 0.5, -0.5)
        scale_bar(axes, unit=pixel * 1e3)
