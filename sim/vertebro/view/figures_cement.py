"""A cement card drawn: viscosity over age at three temperatures, and how shear thins it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from vertebro.errors import CaseError
from vertebro.materials.cement import Cement
from vertebro.units import ZERO_CELSIUS
from vertebro.view import theme
from vertebro.view.panels import STYLE, new_figure, save

KINDS = (".png", ".svg", ".pdf")
TEMPERATURES = ((20.0, theme.BLUE, (1.5, 1.2)), (23.0, theme.INK, ()), (37.0, theme.ORANGE, (5, 1.5)))  # °C
AGES = ((3.0, theme.BLUE), (5.0, theme.GREEN), (8.0, theme.ORANGE))  # min


def draw_cement(card: Cement, path: str | Path | None = None) -> Figure:
    """Draw viscosity at rest over age, with the working window, and viscosity over shear rate.

    Parameters
    ----------
    card : Cement
    path : path, optional
        Also save there.

    Raises
    ------
    CaseError
        If the file's suffix names no picture format.
    """
    if path is not None and Path(path).suffix.lower() not in KINDS:
        raise CaseError("not a picture format", where="path", value=str(path), allowed=", ".join(KINDS))
    with rc_context(STYLE):
        figure = new_figure(9.6, 4.2)
        left, right = figure.subplots(1, 2)
        _over_age(left, card)
        _over_shear(right, card)
        for axes in (left, right):
            axes.set_yscale("log")
            axes.set_ylabel("viscosity [Pa·s]")
            axes.grid(True, color=theme.RULE, lw=0.5)
            axes.spines[["top", "right"]].set_visible(False)
            axes.legend(fontsize=8, frameon=False)
        figure.suptitle(f"{card.title}: viscosity", fontsize=10)
        figure.tight_layout()
    return save(figure, path)


def _over_age(axes: Any, card: Cement) -> None:
    ages = np.linspace(0.0, 1.2 * card.set_time, 600)
    for celsius, colour, dashes in TEMPERATURES:
        eta = card.zero_shear_viscosity(ages, temperature=celsius + ZERO_CELSIUS)
        axes.plot(ages / 60.0, eta, color=colour, dashes=dashes, label=f"held at {celsius:g} °C")
    start, end = card.working_window
    axes.axvspan(start / 60.0, end / 60.0, color=theme.RULE, alpha=0.5, lw=0, label="working window, 23 °C")
    axes.set_xlabel("time since mixing [min]")
    axes.set_title("at rest", fontsize=9)


def _over_shear(axes: Any, card: Cement) -> None:
    rates = np.geomspace(1e-2, 1e3, 200)
    for minutes, colour in AGES:
        axes.plot(rates, card.viscosity(rates, minutes * 60.0), color=colour, label=f"{minutes:g} min at 23 °C")
    axes.axvspan(16.0, 110.0, color=theme.RULE, alpha=0.5, lw=0, label="wall of an 8 to 13 G cannula, 3 mL/min")
    axes.set_xscale("log")
    axes.set_xlabel("shear rate [1/s]")
    axes.set_title(f"under shear ({card.rheology})", fontsize=9)
