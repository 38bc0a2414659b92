"""What the cement's colour says: when it came, how old it is, how hot it got, how far it has cured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import DataError
from vertebro.view import theme
from vertebro.view.cement_fields import spread_times

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

    from vertebro.record import Run

COLOURINGS = ("time", "age", "temperature", "cure", "plain")
BODY_HEAT = 37.0  # °C, lower end of the temperature scale


@dataclass(frozen=True, kw_only=True, slots=True)
class Colouring:
    """Values of the cement and how they are shown.

    Attributes
    ----------
    name : str
        One of `COLOURINGS`.
    values : (nr, na, ns) float32 array or None
        None for one plain colour.
    limits : (low, high)
    cmap : matplotlib colour map
    title : str
        With line breaks, for a colour bar.
    """

    name: str
    values: NDArray[np.float32] | None
    limits: tuple[float, float]
    cmap: Colormap
    title: str


def colouring(run: Run, name: str = "time", time: float | None = None) -> Colouring:
    """The colouring of a run's cement at a moment.

    Parameters
    ----------
    run : Run
    name : {"time", "age", "temperature", "cure", "plain"}
        When the cement left the needle; how long it has been out at that moment; its highest temperature and its
        degree of cure at the end of the run (both need a run with heat); one colour.
    time : float [s], optional
        Default: the end. The scale is that of the whole run, so that moments can be compared.

    Raises
    ------
    DataError
        If there is no such colouring, or the run was made without heat.
    """
    if name not in COLOURINGS:
        raise DataError("unknown colouring", where="colour", value=name, allowed=", ".join(COLOURINGS))
    last = max(float(run.times[-1]), 1e-6)
    if name == "plain":
        return Colouring(name=name, values=None, limits=(0.0, last), cmap=theme.time_map(), title="")
    if name in ("time", "age"):
        moment = last if time is None else float(time)
        came = np.minimum(spread_times(run.injection_time), moment)
        if name == "time":
            return Colouring(
                name=name, values=came, limits=(0.0, last), cmap=theme.time_map(), title="cement\ninjected\nat [s]"
            )
        title = "cement\nout for\n[s]"
        age = (moment - came).astype(np.float32)
        return Colouring(name=name, values=age, limits=(0.0, last), cmap=theme.age_map(), title=title)
    return _hot(run, name)


def _hot(run: Run, name: str) -> Colouring:
    if run.heat is None:
        raise DataError(
            "the run was made without heat",
            where="colour",
            value=name,
            allowed="time, age, plain",
            hint="run the case again with --set heat.enabled=true",
        )
    if name == "cure":
        return Colouring(
            name=name, values=run.heat.conversion, limits=(0.0, 1.0), cmap=theme.cure_map(), title="monomer\ncured\n[1]"
        )
    top = max(float(run.heat.peak.max()), BODY_HEAT + 1.0)
    return Colouring(
        name=name, values=run.heat.peak, limits=(BODY_HEAT, top), cmap=theme.heat_map(), title="highest\nheat\n[°C]"
    )
