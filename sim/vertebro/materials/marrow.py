"""What the cement pushes away: marrow as a Newtonian liquid, or as a soft solid that must yield first.

As a liquid at 37 °C marrow has 0.04 to 0.15 Pa·s (bryant1988, zhong2011). Intact marrow is a soft solid; its effective
resistance in the pores may be 1 to 50 Pa·s (uncalibrated) and is the most important unknown of leakage: with a thin
liquid in the pores, the viscosity of the cement cannot influence where it goes. Hence a reported setting.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vertebro.errors import CaseError
from vertebro.materials.rheology import REGULARISATION, herschel_bulkley_1926
from vertebro.sources import Constant

Array = NDArray[np.float64]

MARROW_VISCOSITY = Constant(0.05, "Pa.s", 0.04, 0.15, "zhong2011", "seen", "liquid yellow marrow at 37 degC")
MARROW_EFFECTIVE = Constant(5.0, "Pa.s", 1.0, 50.0, "vertebro", "ours", "intact marrow that must yield, uncalibrated")
BLOOD_VISCOSITY = Constant(0.004, "Pa.s", 0.003, 0.005, "vertebro", "recalled", "blood in veins at 37 degC")


@dataclass(frozen=True, kw_only=True, slots=True)
class Marrow:
    """The displaced fluid, callable as a viscosity law ``marrow(shear_rate, time)``.

    Parameters
    ----------
    viscosity : float [Pa·s^index]
        Newtonian viscosity, or the consistency of a yield-stress marrow.
    yield_stress : float [Pa]
        0 (default) is a liquid.
    index : float [1]
        Flow index of the yield-stress form.
    creep_rate : float [1/s]
        Smoothing at rest.

    Raises
    ------
    CaseError
        If a value is negative, not finite, or absurd.

    Examples
    --------
    >>> float(Marrow()(1.0, 0.0))
    0.05
    """

    viscosity: float = MARROW_VISCOSITY
    yield_stress: float = 0.0
    index: float = 1.0
    creep_rate: float = REGULARISATION

    def __post_init__(self) -> None:
        limits = {
            "viscosity": (1e-4, 1e4, "Pa.s"),
            "yield_stress": (0.0, 1e5, "Pa"),
            "index": (0.1, 2.0, "1"),
            "creep_rate": (1e-6, 1e3, "1/s"),
        }
        for name, (low, high, unit) in limits.items():
            value = getattr(self, name)
            if not math.isfinite(value) or not low <= value <= high:
                raise CaseError(
                    "impossible marrow", where=f"marrow.{name}", value=value, allowed=f"{low:g} to {high:g} {unit}"
                )

    @property
    def newtonian(self) -> bool:
        """Whether shear has no influence."""
        return self.yield_stress == 0.0 and self.index == 1.0

    def __call__(self, shear_rate: ArrayLike, time: float = 0.0) -> Array:
        """Viscosity [Pa·s] at a shear rate [1/s]; marrow does not age, `time` is ignored."""
        if self.newtonian:
            return np.full(np.shape(shear_rate), float(self.viscosity))
        return herschel_bulkley_1926(
            shear_rate,
            yield_stress=self.yield_stress,
            consistency=self.viscosity,
            index=self.index,
            creep_rate=self.creep_rate,
        )
