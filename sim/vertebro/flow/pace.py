"""How long one pressure field serves: until the front, the viscosity or a rate has moved on too far."""

from __future__ import annotations

import math

import numpy as np

from vertebro.errors import SolverError
from vertebro.flow import kernels_pace
from vertebro.flow.control import WellRun
from vertebro.flow.front import Front
from vertebro.flow.laws import ViscosityLaw, evaluate
from vertebro.flow.pressure import PressureField
from vertebro.flow.team import Team

MATERIAL_CHANGE = 0.25  # of the logarithm of the viscosity while one pressure field serves
PRESSURE_CHANGE = 0.25  # of the wells' highest pressure, by its last trend
FASTEST = 3.0  # the fastest front cell may advance this many times the mean advance per field
REST = 0.02  # share of a call that stands for the mean advance where no front moves
SLOWEST = 0.25  # whatever changes, a field serves for this share of the mean advance
_UNIT_RATE = np.array([1.0])


class Pace:
    """Life of the pressure field found last, in seconds at its rates.

    Parameters
    ----------
    front_step : float
        Mean advance of the front per field, in voxels.
    max_step : float [s]
        Longest step.
    """

    def __init__(self, front_step: float, max_step: float) -> None:
        self.front_step, self.max_step = front_step, max_step
        self.life = self.age = self.mean = 0.0
        self._last = self._before = (0.0, 0.0)

    @property
    def left(self) -> float:
        """Seconds the field still serves."""
        return self.life - self.age

    def renew(self, flow: PressureField, front: Front, wells: list[WellRun], now: float, team: Team) -> None:
        """A new field: how long it will serve at the wells' present rates."""
        self.age, self.life, self.mean = 0.0, self.max_step, 0.0
        total = sum(w.rate for w in wells)
        trend = self._trend(max((w.pressure for w in wells if not w.sealed), default=0.0), now)
        if total <= 0.0:
            return
        room, fastest = _front(flow, front, team)
        if room <= 0.0:
            return
        # the last slivers of a body that is full are no front
        self.mean = mean = self.front_step * max(room, flow.usual_pores) / total
        wish = min(mean, FASTEST * self.front_step / fastest if fastest > 0.0 else mean, self.max_step)
        if flow.problem.mode == "two-phase" or any(w.well.pressure is not None for w in wells):
            # a lone fluid at given rates fills by volume alone, whatever its viscosity and pressure do
            wish = min(wish, trend)
            growth = _growth(flow.problem.law("injected"), now, now + wish)
            wish *= min(1.0, MATERIAL_CHANGE / growth) if growth > 0.0 else 1.0
        self.life = min(max(wish, SLOWEST * mean), self.max_step)

    def shorten(self, seconds: float, call: float, share: float) -> None:
        """Vessels ask for a new field after `seconds`; they get it, but not before a share of the mean advance.

        Where no front moves `call` [s], the length of the present call, stands for it.
        """
        self.life = min(self.life, max(seconds, share * (self.mean or REST * call)))

    def _trend(self, pressure: float, now: float) -> float:
        """Seconds until the pressure will have changed too far."""
        if now != self._last[1]:  # else a field was found again for the same moment
            self._before = self._last
        (before, then), self._last = self._before, (pressure, now)
        change, time = abs(pressure - before), now - then
        return PRESSURE_CHANGE * abs(pressure) * time / change if time > 0.0 and change > 0.0 else math.inf

    def part(self, seconds: float) -> float:
        """Length of the next of equal steps that fill `seconds` and none of which outlives the field."""
        if self.left >= seconds:
            return seconds
        return seconds / max(1, math.ceil(seconds / self.left - 1e-9))

    def serves(self, seconds: float) -> bool:
        """Whether the field lives on for `seconds`, or at least for half its life."""
        return self.left >= min(seconds, 0.5 * self.life) and self.left > 0.0

    def hurry(self, factor: float) -> None:
        """All rates have risen by a factor."""
        self.age, self.life = self.age / factor, self.life / factor

    def end(self) -> None:
        """The field is out of date."""
        self.age = self.life = 0.0


def viscosity(law: ViscosityLaw, now: float) -> float:
    """Viscosity [Pa·s] at a shear rate of 1/s."""
    return float(evaluate(law, _UNIT_RATE, now)[0])


def _growth(law: ViscosityLaw, now: float, later: float) -> float:
    """Change of the viscosity's logarithm; infinite where the law breaks, which is an error only once it is reached."""
    try:
        return abs(math.log(viscosity(law, later) / viscosity(law, now)))
    except SolverError:
        return math.inf


def _front(flow: PressureField, front: Front, team: Team) -> tuple[float, float]:
    """Free pore volume [m³] of the front's cells and the speed of the fastest [cells/s]."""
    found, box = np.zeros((2, flow.p.shape[0])), flow.box
    fields = (front.s, box.pore, flow.source, box.active, flow.p, flow.t)
    team.share(1, flow.p.shape[0] - 1, lambda a, b, _: kernels_pace.front_speed(*fields, a, b, found))
    return float(found[0].sum()), float(found[1].max())
