"""A batch of cement on the simulation's clock: the viscosity law of all cement, and of every parcel by its birth.

All cement of one batch has the same age; parcels differ because they warm differently: in the syringe at room
temperature, in the cannula, in the bone. A parcel is known by its *birth*, the time it left the needle. The record of
the needle (`TipRecord`) gives its cure age then; from then on it cures at the body's temperature. Who wants one
viscosity for all gets that of the mean parcel.
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
HANDLING = (ZERO_CELSIUS, ZERO_CELSIUS + 60.0)  # K


@dataclass(slots=True)
class TipRecord:
    """Cure age of the cement that left a needle, over time; appended to while a run goes on.

    Attributes
    ----------
    times, clocks : list of float [s]
        Time and cure age at the reference temperature; two entries of one time are a jump (a fresh batch).
    volume : float [m³]
        That left so far.
    """

    times: list[float] = field(default_factory=list)
    clocks: list[float] = field(default_factory=list)
    volume: float = 0.0
    _births: float = 0.0
    _ages: float = 0.0

    def note(self, time: float, clock: float, volume: float = 0.0) -> None:
        """Append the cure age of the cement that leaves the tip now.

        Parameters
        ----------
        time : float [s]
        clock : float [s]
        volume : float [m³]
            That left since the last note, on average half way between the two.

        Raises
        ------
        CaseError
            If time runs backwards.
        """
        if self.times and time < self.times[-1]:
            raise CaseError("time runs backwards", where="time", value=time, allowed=f">= {self.times[-1]:g} s")
        if volume > 0.0:
            before = (self.times[-1], self.clocks[-1]) if self.times else (time, clock)
            self.volume += volume
            self._births += volume * 0.5 * (before[0] + time)
            self._ages += volume * 0.5 * (before[1] + clock)
        self.times.append(float(time))
        self.clocks.append(float(clock))

    def mean(self) -> tuple[float, float]:
        """Mean birth [s] and mean cure age at birth [s] of all that left; linear, so exact for the mean clock."""
        return self._births / self.volume, self._ages / self.volume

    def __call__(self, birth: ArrayLike) -> Array:
        """Cure age [s] at birth of parcels that left the tip at times `birth` [s]."""
        return np.asarray(np.interp(np.asarray(birth, float), self.times, self.clocks))


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
    """

    cement: Cement
    age_at_start: float
    temperature: float | None
    body: float | None = None
    record: TipRecord | None = None

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
        held = self.body if self.body is not None else self.temperature
        if birth is None:
            if self.record is None or self.record.volume == 0.0:
                return (self.age_at_start + time) * self.cement.clock(self.temperature)
            born, out = self.record.mean()
            return out + max(time - born, 0.0) * self.cement.clock(held)
        births = np.nan_to_num(np.asarray(birth, float), nan=time)
        aged = (
            self.record(births) if self.record else (self.age_at_start + births) * self.cement.clock(self.temperature)
        )
        return np.asarray(aged + np.maximum(time - births, 0.0) * self.cement.clock(held))


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
