"""Hand, syringe and cannula between the schedule and the bone: how fast cement really goes, at what pressure.

A rigid syringe gives at the tip what the plunger pushes. A compliant one (plastic, air in the cement) stores volume:
``C dP/dt = Q_plunger - Q_tip(P)``, stepped implicitly, so that cement goes on flowing after the plunger stops.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from scipy.optimize import brentq

from vertebro.materials.cement import Cement
from vertebro.procedure import Injector, Needle
from vertebro.procedure.column import Column
from vertebro.sources import Constant

STALL = 0.01  # below this share of the wanted rate the hand gives up
STALL_RATE = Constant(5e-10, "m^3/s", 1e-10, 2e-9, "vertebro", "ours", "0.03 mL/min: nobody keeps pushing for that")
FLOW_ENDS = Constant(1e-10, "m^3/s", 1e-11, 1e-9, "vertebro", "ours", "0.006 mL/min: afterflow nobody sees")
LONGEST_STEP = 0.5  # s, of a compliant syringe


@dataclass(frozen=True, kw_only=True, slots=True)
class Push:
    """What a push of some seconds would do.

    Attributes
    ----------
    rate : float [m³/s]
        Mean flow at the tip.
    plunger : float [m³/s]
        Mean flow the plunger displaces.
    pressure : float [Pa]
        In the syringe at the end.
    capped : bool
        Whether the largest pressure held the plunger back.
    stylet : bool
        Whether a stylet pushes instead of the plunger.
    """

    rate: float
    plunger: float
    pressure: float
    capped: bool
    stylet: bool = False


@dataclass(kw_only=True, slots=True, eq=False)
class Delivery:
    """One needle's way from the plunger to the tip; changes as cement goes through and ages.

    Parameters
    ----------
    injector : Injector
    column : Column
        The cannula's content.

    Attributes
    ----------
    pressure : float [Pa]
        In the syringe.
    pushed : float [m³]
        Displaced by the plunger so far.
    """

    injector: Injector
    column: Column
    pressure: float = field(default=0.0)
    pushed: float = field(default=0.0)

    @classmethod
    def through(
        cls,
        needle: Needle,
        cement: Cement,
        *,
        age_at_start: float,
        temperature: float,
        body: float | None = None,
        primed: bool = True,
        **injector: Any,
    ) -> Delivery:
        """The delivery through a needle.

        Parameters
        ----------
        needle : Needle
        cement : Cement
        age_at_start : float [s]
            Since mixing.
        temperature, body : float [K]
            Of the syringe and of the tissue; without `body` the cannula stays at the syringe's.
        primed : bool
            Whether the cannula is full.
        **injector
            Of `Injector.for_needle`.
        """
        column = Column(
            cement=cement,
            length=needle.cannula_length,
            inner_diameter=needle.inner_diameter,
            inserted=needle.length,
            age=age_at_start,
            room=temperature,
            body=temperature if body is None else body,
            primed=primed,
        )
        return cls(injector=Injector.for_needle(needle, **injector), column=column)

    @property
    def cement(self) -> Cement:
        """The cement."""
        return self.column.cement

    @property
    def rigid(self) -> bool:
        """Whether nothing gives way."""
        return self.injector.compliance == 0.0

    @property
    def tip_clock(self) -> float:
        """Cure age [s] of the cement that leaves the tip now."""
        return self.column.tip_clock

    @property
    def tip_temperature(self) -> float:
        """Temperature [K] of the cement that leaves the tip now."""
        return float(self.column.temperature[-2])

    def viscosity(self, shear_rate: Any) -> Any:
        """Viscosity [Pa·s] of the cement at the tip."""
        return self.cement.viscosity_at(shear_rate, self.column.tip_clock)

    def drop(self, rate: float) -> float:
        """Pressure lost in the cannula [Pa] at a rate [m³/s], now."""
        return self.column.drop(rate)

    def plan(self, wanted: float, duration: float, *, rest: float, resistance: float, cap: float | None = None) -> Push:
        """What the plunger would do over the coming seconds; changes nothing.

        Parameters
        ----------
        wanted : float [m³/s]
            Rate of the plunger; 0 lets go of nothing: the plunger stays where it is.
        duration : float [s]
        rest, resistance : float [Pa], [Pa·s/m³]
            Tip pressure without flow, and its rise per rate, both from the last flow solve.
        cap : float [Pa], optional
            Highest syringe pressure; never above what the force makes.
        """
        highest = self.injector.pressure_cap
        limit = highest if cap is None else min(cap, highest)

        if self.column.set_at() is not None:
            return self._against_set_cement(wanted, duration, limit)

        def syringe(rate: float) -> float:
            return self.drop(rate) + rest + resistance * rate

        if self.rigid:
            return _rigid(wanted, syringe, limit)
        return self._compliant(wanted, duration, syringe, limit)

    def plan_stylet(self, wanted: float, *, rest: float, resistance: float) -> Push:
        """What a stylet in the bore would push out; its thin shaft turns the same force into far more pressure.

        Parameters as in `plan`.
        """
        limit = float(self.injector.force_limit or 0.0) / self.column.area
        if self.column.set_at() is not None:
            return Push(rate=0.0, plunger=0.0, pressure=limit, capped=True, stylet=True)
        push = _rigid(wanted, lambda rate: self.drop(rate) + rest + resistance * rate, limit)
        return replace(push, stylet=True)

    def _against_set_cement(self, wanted: float, duration: float, limit: float) -> Push:
        """The plunger only compresses what gives way, up to the limit."""
        give = self.injector.compliance
        room = max(limit - self.pressure, 0.0) * give / duration if duration > 0.0 else 0.0
        plunger = min(wanted, room)
        pressure = self.pressure + plunger * duration / give if give > 0.0 else limit * (wanted > 0.0)
        return Push(rate=0.0, plunger=plunger, pressure=pressure, capped=wanted > room)

    def _compliant(self, wanted: float, duration: float, syringe: Callable[[float], float], limit: float) -> Push:
        count = max(1, math.ceil(duration / LONGEST_STEP - 1e-9))
        step, give = duration / count, self.injector.compliance
        pressure, out, moved, capped = self.pressure, 0.0, 0.0, False
        for _ in range(count):
            rate = _implicit(wanted, pressure, give / step, syringe)
            after = syringe(rate) if rate > 0.0 else pressure + wanted * step / give
            if after > limit and wanted > 0.0:
                capped = True
                rate, after = _rate_at(limit, syringe, wanted + give / step * pressure), max(limit, pressure)
            plunger = min(max(rate + give * (after - pressure) / step, 0.0), wanted)
            pressure += (plunger - rate) * step / give
            out, moved = out + rate * step, moved + plunger * step
        return Push(rate=out / duration, plunger=moved / duration, pressure=pressure, capped=capped)

    def commit(self, push: Push, duration: float) -> float:
        """Do what was planned; returns the volume that left the tip [m³]. Changes the delivery."""
        if push.stylet:
            self.pressure = 0.0
            return self.column.advance_stylet(duration, push.rate * duration)
        self.pressure = push.pressure
        self.pushed += push.plunger * duration
        return self.column.advance(duration, push.rate * duration)

    def release(self) -> None:
        """Pull the plunger back until the syringe has no pressure. Changes the delivery."""
        self.pressure = 0.0


def _rigid(wanted: float, syringe: Callable[[float], float], limit: float) -> Push:
    if wanted <= 0.0:
        return Push(rate=0.0, plunger=0.0, pressure=0.0, capped=False)
    pressure = syringe(wanted)
    if pressure <= limit:
        return Push(rate=wanted, plunger=wanted, pressure=pressure, capped=False)
    stall = min(STALL * wanted, STALL_RATE)
    if syringe(stall) >= limit:
        return Push(rate=0.0, plunger=0.0, pressure=limit, capped=True)
    rate = float(brentq(lambda q: syringe(q) - limit, stall, wanted, rtol=1e-10))
    return Push(rate=rate, plunger=rate, pressure=limit, capped=True)


def _implicit(wanted: float, pressure: float, stiffness: float, syringe: Callable[[float], float]) -> float:
    """Tip rate that solves ``Q + (C/Δt)(P(Q) - P_before) = Q_plunger``; 0 where nothing flows."""

    def excess(rate: float) -> float:
        return rate + stiffness * (syringe(rate) - pressure) - wanted

    if excess(FLOW_ENDS) >= 0.0:
        return 0.0
    return float(brentq(excess, FLOW_ENDS, wanted + stiffness * pressure, rtol=1e-10))


def _rate_at(limit: float, syringe: Callable[[float], float], highest: float) -> float:
    """Tip rate at which the syringe has a pressure; 0 where not even a trickle passes."""
    if syringe(FLOW_ENDS) >= limit:
        return 0.0
    if syringe(highest) <= limit:
        return highest
    return float(brentq(lambda q: syringe(q) - limit, FLOW_ENDS, highest, rtol=1e-10))
