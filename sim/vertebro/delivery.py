"""Hand, syringe and cannula between the schedule and the bone: how fast cement really goes, at what pressure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scipy.optimize import brentq

from vertebro.materials.cement import Cement
from vertebro.procedure import Injector, Needle

STALL = 0.01  # below this share of the wanted rate the hand gives up


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """One needle's way from the plunger to the tip.

    Parameters
    ----------
    injector : Injector
    cement : Cement
    age_at_start : float [s]
        Time since mixing at schedule time zero.
    temperature : float [K]
        The cement's temperature outside the body.
    """

    injector: Injector
    cement: Cement
    age_at_start: float
    temperature: float

    @classmethod
    def through(cls, needle: Needle, cement: Cement, *, age_at_start: float, temperature: float) -> Delivery:
        """The delivery through a needle."""
        return cls(
            injector=Injector.for_needle(needle), cement=cement, age_at_start=age_at_start, temperature=temperature
        )

    def viscosity(self, shear_rate: Any, time: float) -> Any:
        """Viscosity [Pa·s] in the cannula at a schedule time."""
        return self.cement.viscosity(shear_rate, self.age_at_start + time, temperature=self.temperature)

    def drop(self, rate: float, time: float) -> float:
        """Pressure lost in the cannula [Pa] at a rate [m³/s]."""
        return self.injector.pressure_drop(rate, lambda shear: self.viscosity(shear, time))

    def rate(self, wanted: float, time: float, *, cap: float, rest: float, resistance: float) -> float:
        """Rate [m³/s] the hand reaches: the wanted one, or less where the syringe would pass its cap.

        Parameters
        ----------
        wanted : float [m³/s]
        time : float [s]
        cap : float [Pa]
            Highest syringe pressure.
        rest, resistance : float [Pa], [Pa·s/m³]
            Tip pressure without flow, and its rise per rate, both from the last flow solve.
        """
        limit = min(cap, self.injector.pressure_cap)

        def excess(rate: float) -> float:
            return self.drop(rate, time) + rest + resistance * rate - limit

        if excess(wanted) <= 0:
            return wanted
        if excess(STALL * wanted) >= 0:
            return 0.0
        return float(brentq(excess, STALL * wanted, wanted, rtol=1e-10))
