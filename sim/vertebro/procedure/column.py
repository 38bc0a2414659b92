"""Cement in a cannula: parcels in plug flow from hub to tip, each with its own temperature and cure clock.

The tissue is at room temperature outside the body and, within centimetres below the skin, at the body's. A thin column
takes it in seconds, against two resistances in series: its own (5.78 π k, first mode of a cylinder) and that of the
tissue around the steel. So cement that dwells in the inserted part cures more than twice as fast as what waits in the
syringe. Heat of reaction is neglected in the cannula: steel carries it away.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

from vertebro.materials.batch import BODY_TEMPERATURE, check_age, check_handling
from vertebro.materials.cement import Cement, FrozenCement
from vertebro.procedure.tube import check_tube, column_drops
from vertebro.sources import Constant

Array = NDArray[np.float64]

WARMING_DEPTH = Constant(
    0.010, "m", 0.003, 0.030, "vertebro", "ours", "e-folding depth of a cannula wall below the skin"
)
ATMOSPHERE = Constant(101325.0, "Pa", 1e5, 1.02e5, "vertebro", "recalled", "the most that suction can pull with")
TISSUE_CONDUCTIVITY = Constant(0.4, "W/(m.K)", 0.2, 0.6, "vertebro", "recalled", "muscle and fat, unperfused")
TISSUE_REACH = Constant(
    4.0, "1", 2.0, 10.0, "vertebro", "ours", "radius that a minute of heat draws on, over the shaft's"
)
FIRST_MODE = 2.404825557695773**2  # radial conduction in a cylinder: decay rate 5.78 α/R²
LONGEST_STEP = 1.0  # s
PARCELS = 40


@dataclass(kw_only=True, eq=False, repr=False)
class Column:
    """The cannula's content; changes as cement is pushed and time goes by.

    Parameters
    ----------
    cement : Cement
    length, inner_diameter : float [m]
    inserted : float [m]
        Length of the cannula inside the body, at its tip end.
    age : float [s]
        Of the batch, when the column is made.
    room, body : float [K]
        Temperature of the syringe and of the tissue; 0 to 60 °C.
    primed : bool
        Whether the cannula is full at first; an empty one takes its dead volume before anything comes out.

    Attributes
    ----------
    syringe_clock : float [s]
        Cure age of the cement in the syringe.
    clock, temperature : (41,) array [s], [K]
        Of the parcels, hub first.
    filled : float [m³]
        Cement in the cannula.

    Raises
    ------
    CaseError
        If the tube, the age or a temperature cannot be.
    """

    cement: Cement
    length: float
    inner_diameter: float
    inserted: float
    age: float
    room: float
    body: float = BODY_TEMPERATURE
    primed: bool = True
    syringe_clock: float = field(init=False)
    clock: Array = field(init=False)
    temperature: Array = field(init=False)
    filled: float = field(init=False)
    _shift: float = field(init=False, default=0.0)
    _stylet: float = field(init=False, default=0.0)
    _law: FrozenCement | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        check_tube(0.0, self.length, self.inner_diameter)
        check_age(self.age)
        check_handling(self.room, "room")
        check_handling(self.body, "body")
        self.inserted = min(max(self.inserted, 0.0), self.length)
        self.syringe_clock = float(self.age * self.cement.clock(self.room))
        self.clock = np.full(PARCELS + 1, self.syringe_clock)
        self.temperature = np.full(PARCELS + 1, float(self.room))
        self.filled = self.dead_volume if self.primed else 0.0

    @property
    def area(self) -> float:
        """Cross-section of the bore [m²]."""
        return math.pi / 4.0 * self.inner_diameter**2

    @property
    def dead_volume(self) -> float:
        """Cement the full cannula holds [m³]."""
        return self.area * self.length

    @property
    def missing(self) -> float:
        """Volume [m³] still to push before cement reaches the tip."""
        return max(self.dead_volume - self.filled, 0.0)

    @property
    def tip_clock(self) -> float:
        """Cure age [s] of the cement at the tip (of the foremost while the cannula fills)."""
        if self.missing > 1e-9 * self.dead_volume:
            return float(self.clock[int(np.flatnonzero(self.lengths() > 0)[-1])]) if self.filled else self.syringe_clock
        share = min(1.5 - self._shift, 1.0)
        return float(self.clock[-2] + share * (self.clock[-1] - self.clock[-2]))

    @property
    def heat_time(self) -> float:
        """Time constant [s] with which the column takes the tissue's temperature."""
        capacity = self.cement.density_uncured * self.cement.specific_heat * self.area
        inside = 1.0 / (math.pi * FIRST_MODE * self.cement.conductivity)
        outside = math.log(TISSUE_REACH) / (2.0 * math.pi * TISSUE_CONDUCTIVITY)
        return float(capacity * (inside + outside))

    def wall(self, depth: ArrayLike) -> Array:
        """Wall temperature [K] at a depth below the skin [m]; room temperature outside (negative depth)."""
        return np.asarray(self.room + (self.body - self.room) * -np.expm1(-np.maximum(depth, 0.0) / WARMING_DEPTH))

    def lengths(self) -> Array:
        """Length [m] of each parcel that lies inside the tube, (41,)."""
        edges = (np.arange(PARCELS + 2) - 1 + self._shift) * (self.length / PARCELS)
        front = min(self.filled / self.area, self.length)
        return np.diff(np.clip(edges, min(self._stylet, front), front))

    @property
    def content(self) -> float:
        """Cement ahead of the stylet [m³]; all that is filled while no stylet is in."""
        return max(self.filled - self.area * self._stylet, 0.0)

    def advance(self, duration: float, volume: float = 0.0) -> float:
        """Let time pass while a volume is pushed in at the hub; returns what left the tip [m³]. Changes the column.

        Parameters
        ----------
        duration : float [s]
        volume : float [m³]
            Not negative.
        """
        self._law = None
        parcel = self.dead_volume / PARCELS
        count = max(1, math.ceil(duration / LONGEST_STEP - 1e-9), math.ceil(2.0 * volume / parcel - 1e-9))
        out = 0.0
        for _ in range(count):
            self._age(duration / count)
            out += self._push(volume / count, parcel)
        return out

    def advance_stylet(self, duration: float, volume: float) -> float:
        """Let time pass while a stylet pushes a volume [m³] ahead of it; returns what left the tip. Changes the column.

        No cement follows: once the stylet is through, the cannula counts as empty.
        """
        pushed = min(volume, self.content)
        out = self.advance(duration, pushed)
        self._stylet += pushed / self.area
        if self.content <= 1e-6 * self.dead_volume:
            self.filled = self._stylet = 0.0
        return out

    def hold(self, duration: float) -> None:
        """Let time pass with the cement still outside the patient, at room temperature. Changes the column."""
        self._law = None
        self.syringe_clock += duration * float(self.cement.clock(self.room))
        self.clock = np.full(PARCELS + 1, self.syringe_clock)

    def _age(self, step: float) -> None:
        middle = (np.arange(PARCELS + 1) - 0.5 + self._shift) * (self.length / PARCELS)
        wall = self.wall(middle - (self.length - self.inserted))
        before = self.cement.clock(self.temperature)
        self.temperature = wall + (self.temperature - wall) * math.exp(-step / self.heat_time)
        self.clock = self.clock + 0.5 * step * (before + self.cement.clock(self.temperature))
        self.syringe_clock += step * float(self.cement.clock(self.room))

    def _push(self, volume: float, parcel: float) -> float:
        self._shift += volume / parcel
        if self._shift >= 1.0:
            self._shift -= 1.0
            self.clock = np.append(self.syringe_clock, self.clock[:-1])
            self.temperature = np.append(self.room, self.temperature[:-1])
        kept = min(volume, self.missing)
        self.filled = min(self.filled + kept, self.dead_volume)
        return volume - kept

    def refill(self, age: float) -> None:
        """Put a fresh batch of an age [s] into the syringe; the old one stays in the cannula. Changes the column."""
        self._law = None
        self.syringe_clock = float(check_age(age) * self.cement.clock(self.room))
        if self._shift < 0.5:  # the parcel at the hub has hardly begun: it is of the new batch
            self.clock[0] = self.syringe_clock

    def lose(self, volume: float) -> None:
        """Let cement run out of the tip without a push (a tail): the cannula is then partly empty. Changes it."""
        self._law = None
        self.filled = max(self.filled - volume, 0.0)

    def set_at(self) -> float | None:
        """Distance [m] from the tip of the foremost parcel that has set; None while all can move."""
        inside = self.lengths() > 0
        hard = np.flatnonzero(inside & (self.clock >= float(self.cement.set_time)))
        if self.syringe_clock >= float(self.cement.set_time):
            return self.length if not hard.size else self._from_tip(int(hard[-1]))
        return self._from_tip(int(hard[-1])) if hard.size else None

    def _from_tip(self, parcel: int) -> float:
        return max(self.length - (parcel + self._shift) * self.length / PARCELS, 0.0)

    def drop(self, flow_rate: float) -> float:
        """Pressure lost in the cannula [Pa] at a flow rate >= 0 [m³/s], parcel by parcel."""
        if flow_rate <= 0.0 or self.filled <= 0.0:
            return 0.0
        lengths = self.lengths()
        inside = lengths > 0
        law = self._law = self._law or self.cement.at(self.clock[inside])
        return float(
            column_drops(flow_rate, lengths=lengths[inside], inner_diameter=self.inner_diameter, viscosity=law).sum()
        )

    def flow_rate(self, pressure: float) -> float:
        """Flow rate [m³/s] that a pressure difference >= 0 [Pa] drives: inverse of `drop`; 0 for an empty cannula."""
        if pressure <= 0.0 or self.filled <= 0.0:
            return 0.0

        def excess(log_rate: float) -> float:
            return math.log(self.drop(math.exp(log_rate)) / pressure)

        return math.exp(brentq(excess, math.log(1e-18), math.log(1e-2), xtol=1e-9, rtol=1e-9))
