"""Viscosity laws as the solver sees them: any callable ``law(shear_rate, time) -> Pa·s``.

A law with a true attribute `per_parcel` is also told when the fluid of each cell entered, as the argument `birth` [s].
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import CaseError, SolverError
from vertebro.materials.rheology import hirasaki_pope_1974
from vertebro.sources import Constant

Float = NDArray[np.float64]
ViscosityLaw = Callable[..., Any]
capillary_shear_factor = hirasaki_pope_1974  # the name that solver people know, one law

SHEAR_FACTOR = Constant(
    2**0.5 * 0.8, "1", 1.0, 6.0, "vertebro", "computed", "capillary bundle C at n = 0.5; Cannella 1988 gives 4.8"
)
_PROBES = np.array([1e-4, 1e-2, 1.0, 1e2, 1e4])


@dataclass(frozen=True, slots=True)
class Newtonian:
    """A viscosity that depends on nothing.

    Parameters
    ----------
    viscosity : float [Pa·s]
    """

    viscosity: float

    def __call__(self, shear_rate: Any, time: float) -> Any:
        """Viscosity [Pa·s], of the shape of `shear_rate`."""
        return self.viscosity if np.ndim(shear_rate) == 0 else np.full(np.shape(shear_rate), self.viscosity)


def newtonian(viscosity: float) -> Newtonian:
    """Law of constant viscosity [Pa·s].

    Raises
    ------
    CaseError
        If the viscosity is not positive and finite.
    """
    if not (isinstance(viscosity, Real) and math.isfinite(viscosity) and viscosity > 0):
        hint = "give a number, or a law(shear_rate, time)"
        raise CaseError("viscosity", where="viscosity", value=viscosity, allowed="> 0 Pa·s, finite", hint=hint)
    return Newtonian(float(viscosity))


def depends_on_shear(law: ViscosityLaw, time: float) -> bool:
    """Whether the law gives different viscosities at different shear rates now."""
    values = evaluate(law, _PROBES, time)
    return bool(np.ptp(values) > 1e-12 * np.max(values))


def checked_law(law: ViscosityLaw | float, where: str) -> ViscosityLaw:
    """Return `law` (a number becomes a Newtonian law) if it answers sensibly at rest and at time 0.

    Raises
    ------
    CaseError
        If it does not; `where` names it.
    """
    ready = law if callable(law) else newtonian(law)
    try:
        evaluate(ready, np.array([0.0, 1.0]), 0.0)
    except SolverError as error:
        endless = isinstance(error.value, float) and math.isinf(error.value)
        hint = "a power law needs a smallest shear rate" if endless else error.hint
        raise CaseError(error.message, where=where, value=error.value, allowed=error.allowed, hint=hint) from error
    return ready


def uniform(law: ViscosityLaw, time: float) -> bool:
    """Whether the law gives one viscosity for all parcels and shear rates now."""
    return not getattr(law, "per_parcel", False) and not depends_on_shear(law, time)


def evaluate(law: ViscosityLaw, shear_rate: Float, time: float, birth: Float | None = None) -> Float:
    """Call a law, with the birth of each parcel if it wants that, and check its answer.

    Raises
    ------
    SolverError
        If the law answers with something not positive and finite, or of another shape.
    """
    told = birth is not None and getattr(law, "per_parcel", False)
    answer = law(shear_rate, time, birth=birth) if told else law(shear_rate, time)
    try:
        values = np.broadcast_to(np.asarray(answer, float), np.shape(shear_rate))
    except (TypeError, ValueError):
        raise SolverError(
            "a viscosity law answered with something that is no viscosity",
            where=repr(law),
            value=answer,
            allowed=f"a number, or numbers of the shape of the shear rates, here {np.shape(shear_rate)}",
            time=time,
        ) from None
    if not (np.all(np.isfinite(values)) and np.all(values > 0)):
        worst = values[~(np.isfinite(values) & (values > 0))][0]
        raise SolverError(
            "a viscosity law answered with an impossible viscosity",
            where=repr(law),
            value=float(worst),
            allowed="> 0 Pa·s, finite",
            time=time,
            hint="check the law at shear rates of 0 to 1e4 1/s over the whole injection",
        )
    return values
