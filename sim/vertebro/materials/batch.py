"""A batch of cement on the simulation's clock: the viscosity law of all cement, and of every parcel by its birth.

All cement of one batch has the same age; parcels differ because they warm differently: in the syringe at room
temperature, in the cannula, in the bone. A parcel is known by its *birth*, the time it left the needle. The record of
the needle (`TipRecord`) gives its cure age then; from then on the speed of its clock relaxes to that at the body's
temperature. Who wants one viscosity for all gets that of the mean parcel. The exotherm is not in here: who solves the
heat equation tells the record what it found (`TipRecord.measure`), or hands in the cure ages themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vertebro.errors import CaseError
from vertebro.sources import Constant
from vertebro.units import ZERO_CELSIUS

if TYPE_CHECKING:
    from vertebro.materials.cement import Cement

Array = NDArray[np.float64]

BODY_TEMPERATURE = Constant(310.15, "K", 308.15, 312.15, "vertebro", "recalled", "37 degC in the vertebra")
WARM_UP = Constant(60.0, "s", 20.0, 120.0, "vertebro", "computed", "a 4 mL ball takes the body's temperature: a²/π²α")
GROUPS = 64  # of parcels by birth, of equal volumes
HANDLING = (ZERO_CELSIUS, ZERO_CELSIUS + 60.0)  # K


@dataclass(frozen=True, slots=True)
class Measured:
    """Cure ages found at one time by the heat equation, by birth.

    Attributes
    ----------
    time : float [s]
    births, clocks, speeds : (n,) arrays [s], [s], [1]
        Rising births of groups of parcels, their cure ages, the speeds of their clocks.
    mean : tuple of float
        Cure age [s] and speed of all.
    """

    time: float
    births: Array
    clocks: Array
    speeds: Array
    mean: tuple[float, float]

    def __call__(self, birth: Array, time: float) -> Array:
        """Cure age [s] at a time of parcels that were there: found then, going on at the speed of then."""
        speeds = np.interp(birth, self.births, self.speeds)
        out: Array = np.interp(birth, self.births, self.clocks) + speeds * max(time - self.time, 0.0)
        return out


@dataclass(slots=True)
class TipRecord:
    """Cure age of the cement that left a needle, over time; appended to while a run goes on.

    Attributes
    ----------
    times, clocks : list of float [s]
        Time and cure age at the reference temperature; two entries of one time are a jump (a fresh batch).
    speeds : list of float [1]
        Speed of the cure clock at the tip's temperature.
    volume : float [m³]
        That left so far.
    """

    times: list[float] = field(default_factory=list)
    clocks: list[float] = field(default_factory=list)
    speeds: list[float] = field(default_factory=list)
    volume: float = 0.0
    measured: Measured | None = None
    _sums: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def measure(self, time: float, birth: ArrayLike, clock: ArrayLike, speed: ArrayLike, volume: ArrayLike) -> None:
        """Believe the heat equation from now on.

        Parameters
        ----------
        time : float [s]
        birth, clock, speed, volume : (n,) arrays [s], [s], [1], [m³]
            Of every cell that holds cement; those of one age are taken together, in at most `GROUPS` groups.
        """
        born, weight = np.asarray(birth, float), np.asarray(volume, float)
        if not weight.sum() > 0.0:
            return
        order = np.argsort(born, kind="stable")
        sums = np.cumsum(weight[order])
        group = np.minimum((GROUPS * (sums - 0.5 * weight[order]) / sums[-1]).astype(int), GROUPS - 1)
        total = np.bincount(group, weight[order])
        used = total > 0.0
        births, clocks, speeds = (
            np.bincount(group, weight[order] * np.asarray(values, float)[order])[used] / total[used]
            for values in (born, clock, speed)
        )
        mean = tuple(float(np.average(np.asarray(values, float), weights=weight)) for values in (clock, speed))
        self.measured = Measured(float(time), births, clocks, speeds, (mean[0], mean[1]))

    def note(self, time: float, clock: float, volume: float = 0.0, *, speed: float = 1.0) -> None:
        """Append the cure age of the cement that leaves the tip now.

        Parameters
        ----------
        time : float [s]
        clock : float [s]
        volume : float [m³]
            That left since the last note, on average half way between the two.
        speed : float [1]
            Of the cure clock at the tip's temperature.

        Raises
        ------
        CaseError
            If time runs backwards.
        """
        if self.times and time < self.times[-1]:
            raise CaseError("time runs backwards", where="time", value=time, allowed=f">= {self.times[-1]:g} s")
        if volume > 0.0:
            now = (time, clock, speed)
            before = (self.times[-1], self.clocks[-1], self.speeds[-1]) if self.times else now
            self.volume += volume
            births, ages, speeds = (
                total + volume * 0.5 * (a + b) for total, a, b in zip(self._sums, before, now, strict=True)
            )
            self._sums = (births, ages, speeds)
        self.times.append(float(time))
        self.clocks.append(float(clock))
        self.speeds.append(float(speed))

    def mean(self) -> tuple[float, float, float]:
        """Mean birth [s], cure age at birth [s] and clock speed at birth of all that left."""
        births, ages, speeds = self._sums
        return births / self.volume, ages / self.volume, speeds / self.volume

    def __call__(self, birth: ArrayLike) -> tuple[Array, Array]:
        """Cure age [s] and clock speed at birth of parcels that left the tip at times `birth` [s]."""
        when = np.asarray(birth, float)
        return np.asarray(np.interp(when, self.times, self.clocks)), np.asarray(
            np.interp(when, self.times, self.speeds)
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class AgedCement:
    """A batch on the simulation's clock, callable as a viscosity law ``law(shear_rate, time, birth=None, clock=None)``.

    Attributes
    ----------
    cement : Cement
    age_at_start : float [s]
        Age of the batch at simulated time 0.
    temperature : float [K] or None
        Held by the cement until it leaves the needle; None is the card's reference temperature.
    body : float [K] or None
        Held after that; None: the same.
    record : TipRecord or None
        Cure age at the needle's tip over time; None: that of the batch.
    warming : float [s]
        Time constant with which the clock's speed goes from the tip's to the body's; 0: at once.
    """

    cement: Cement
    age_at_start: float
    temperature: float | None
    body: float | None = None
    record: TipRecord | None = None
    warming: float = 0.0

    @property
    def per_parcel(self) -> bool:
        """Whether parcels of different birth differ at all: then call the law with `birth`."""
        return self.record is not None or (self.body is not None and self.body != self.temperature)

    def __call__(
        self, shear_rate: ArrayLike, time: float, birth: ArrayLike | None = None, clock: ArrayLike | None = None
    ) -> Array:
        """Viscosity [Pa·s].

        Parameters
        ----------
        shear_rate : array [1/s]
        time : float [s]
            Simulated time.
        birth : array [s], optional
            When each parcel left the needle, broadcast against `shear_rate`; NaN counts as now. Without it all cement
            has the clock of the mean parcel that has left the needle; before any has, that of the batch.
        clock : array [s], optional
            Cure age itself, where someone integrates it (the heat solver); then `birth` is not looked at.
        """
        if clock is None:
            clock = self.clock(time, birth)
        return self.cement.viscosity_at(shear_rate, clock)

    def clock(self, time: float, birth: ArrayLike | None = None) -> float | Array:
        """Cure age [s] at the reference temperature; of all cement, or of the parcels born at `birth` [s]."""
        speed = float(self.cement.clock(self.temperature))
        known = self.record.measured if self.record is not None else None
        if birth is None:
            if known is not None:
                return known.mean[0] + known.mean[1] * max(time - known.time, 0.0)
            if self.record is None or self.record.volume == 0.0:
                return (self.age_at_start + time) * speed
            born, aged, fresh = self.record.mean()
            return float(aged + self._since(max(time - born, 0.0), fresh))
        births = np.nan_to_num(np.asarray(birth, float), nan=time)
        ages, speeds = self.record(births) if self.record else ((self.age_at_start + births) * speed, speed)
        modelled = np.asarray(ages + self._since(np.maximum(time - births, 0.0), speeds))
        return modelled if known is None else np.where(births <= known.time, known(births, time), modelled)

    def _since(self, passed: ArrayLike, fresh: ArrayLike) -> Array:
        """Cure age [s] gained in a time after birth: ∫ r dt with r going from `fresh` to the body's exponentially."""
        warm = self.cement.clock(self.body if self.body is not None else self.temperature)
        span = np.asarray(passed, float)
        if self.warming <= 0.0:
            return np.asarray(warm * span)
        return np.asarray(warm * span + (warm - np.asarray(fresh)) * self.warming * np.expm1(-span / self.warming))


def check_age(age: ArrayLike, where: str = "age") -> float | Array:
    """The age [s] as a float or array.

    Raises
    ------
    CaseError
        If it is negative or not a number: cement mixed in the future.
    """
    values = np.asarray(age, float)
    if not np.all(values >= 0.0):
        raise CaseError(
            "cement mixed in the future", where=where, value=float(np.min(values)), allowed="0 s or more since mixing"
        )
    return float(values) if values.ndim == 0 else values


def check_handling(temperature: float | None, where: str = "temperature") -> None:
    """Refuse temperatures at which nobody handles cement.

    Raises
    ------
    CaseError
        If the temperature lies outside 0 to 60 °C.
    """
    if temperature is not None and not HANDLING[0] <= temperature <= HANDLING[1]:
        raise CaseError(
            "cement is not handled at this temperature",
            where=where,
            value=temperature,
            allowed="273.15 to 333.15 K (0 to 60 degC)",
            hint='temperatures are kelvin inside; write "37 degC" at the border',
        )
