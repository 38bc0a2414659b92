"""A bone cement as one frozen record: every number a `Constant` with range and source; viscosity, cure, working window.

The zero-shear viscosity follows the cure age χ (seconds at the reference temperature, 23 °C) of the batch:
swelling × gelling, ``η0 = η_a exp((χ - χ_a)/τ_sw) (p_g/(p_g - p))^c``, cut at the plateau of set cement. Shear thins it
by Carreau's law (or its power law), less and less towards the gel point; a yield stress that grows with η0 may be
added. The growth is an engineering fit to published anchors, not a literature law; every constant is a setting
(`Cement.replace`). Arrays of cure ages, one per parcel, are as welcome as one age for all.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vertebro.errors import CaseError
from vertebro.materials.batch import AgedCement, TipRecord, check_age, check_handling
from vertebro.materials.curing import conversion_loglogistic
from vertebro.materials.rheology import (
    arrhenius_rate,
    carreau_1972,
    castro_macosko_1980,
    fading_index,
    ostwald_1929,
    papanastasiou_1987,
    swelling_growth,
)
from vertebro.sources import Constant
from vertebro.units import ZERO_CELSIUS

Array = NDArray[np.float64]
StateWord = Literal["liquid", "toothpaste", "dough", "set"]
Rheology = Literal["carreau", "power-law"]


POWER_LAW_FLOOR = 1e-3  # 1/s; a power law has no viscosity at rest


@dataclass(frozen=True, kw_only=True)
class Cement:
    """One acrylic bone cement; load the shipped ones with `vertebro.materials.cement`.

    Attributes
    ----------
    name, title, summary : str
    opacifier : {"BaSO4", "ZrO2"}
    rheology : {"carreau", "power-law"}
    powder_mass, liquid_mass : Constant [kg]
    polymer_in_powder, opacifier_in_powder, ceramic_in_powder, initiator_in_powder : Constant [1]
        Mass shares in the powder; ceramic is hydroxyapatite. The liquid is methyl methacrylate.
    opacifier_fraction, monomer_fraction : Constant [1]
        Mass shares in the mixed cement.
    density_uncured, density_cured : Constant [kg/m³]
    heat_per_volume : Constant [J/m³]
    specific_heat : Constant [J/(kg·K)]
    conductivity : Constant [W/(m·K)]
    reference_temperature : Constant [K]
    activation_energy : Constant [J/mol]
    set_time : Constant [s]
        Age of half conversion at the reference temperature; the viscosity plateau is reached just before.
    shape : Constant [1]
        b of the log-logistic conversion.
    anchor_viscosity, anchor_age : Constant [Pa·s], [s]
    swelling_time : Constant [s]
    gel_conversion, gel_exponent : Constant [1]
    plateau_viscosity : Constant [Pa·s]
    flow_index : Constant [1]
    time_constant : Constant [s]
    infinite_shear_viscosity : Constant [Pa·s]
    yield_stress : Constant [Pa]
        At the anchor age; grows with the viscosity at rest. 0: none.
    window_start, window_end : Constant [s]
        Working window at the reference temperature.
    toothpaste_viscosity, dough_viscosity : Constant [Pa·s]
        Zero-shear viscosities at which the cement is called by the next word.
    """

    name: str
    title: str
    summary: str
    opacifier: Literal["BaSO4", "ZrO2"]
    rheology: Rheology
    powder_mass: Constant
    liquid_mass: Constant
    polymer_in_powder: Constant
    opacifier_in_powder: Constant
    ceramic_in_powder: Constant
    initiator_in_powder: Constant
    opacifier_fraction: Constant
    monomer_fraction: Constant
    density_uncured: Constant
    density_cured: Constant
    heat_per_volume: Constant
    specific_heat: Constant
    conductivity: Constant
    reference_temperature: Constant
    activation_energy: Constant
    set_time: Constant
    shape: Constant
    anchor_viscosity: Constant
    anchor_age: Constant
    swelling_time: Constant
    gel_conversion: Constant
    gel_exponent: Constant
    plateau_viscosity: Constant
    flow_index: Constant
    time_constant: Constant
    infinite_shear_viscosity: Constant
    yield_stress: Constant
    window_start: Constant
    window_end: Constant
    toothpaste_viscosity: Constant
    dough_viscosity: Constant

    @property
    def working_window(self) -> tuple[float, float]:
        """First and last age [s] for injection at the reference temperature."""
        return float(self.window_start), float(self.window_end)

    @property
    def adiabatic_rise(self) -> float:
        """Temperature rise [K] of cement that loses no heat."""
        return self.heat_per_volume / (self.density_uncured * self.specific_heat)

    def clock(self, temperature: ArrayLike | None = None) -> float | Array:
        """Speed of the cure clock [1] at a temperature [K]; ``None`` is the reference temperature.

        Raises
        ------
        CaseError
            If a temperature is no plausible one in kelvin.
        """
        if temperature is None:
            return 1.0
        values = np.asarray(temperature, float)
        if not np.all((values >= ZERO_CELSIUS) & (values <= 473.15)):
            raise CaseError(
                "impossible cement temperature",
                where="temperature",
                value=float(values.flat[int(np.argmax(~((values >= ZERO_CELSIUS) & (values <= 473.15))))]),
                allowed="273.15 to 473.15 K",
                hint='temperatures are kelvin inside; write "37 degC" at the border',
            )
        return arrhenius_rate(
            values, reference=float(self.reference_temperature), activation_energy=float(self.activation_energy)
        )

    def cure_age(self, history: Iterable[tuple[float, float]]) -> float:
        """Age [s] at the reference temperature after a history of (duration [s], temperature [K]) parts."""
        return float(sum(check_age(duration) * self.clock(temperature) for duration, temperature in history))

    def conversion(self, age: ArrayLike, *, temperature: ArrayLike | None = None) -> Array:
        """Share of monomer converted [1] at an age [s since mixing] spent at one temperature [K]."""
        cure_age = check_age(age) * self.clock(temperature)
        return conversion_loglogistic(cure_age, set_time=float(self.set_time), shape=float(self.shape))

    def zero_shear_viscosity(self, age: ArrayLike, *, temperature: ArrayLike | None = None) -> Array:
        """Viscosity at rest [Pa·s]; rises with age and stops at the plateau of set cement."""
        return self._at_rest(check_age(age) * self.clock(temperature))

    def viscosity(self, shear_rate: ArrayLike, age: ArrayLike, *, temperature: ArrayLike | None = None) -> Array:
        """Viscosity [Pa·s] under shear.

        Parameters
        ----------
        shear_rate : array [1/s]
        age : array [s]
            Since mixing; broadcast against `shear_rate`.
        temperature : array [K], optional
            Held since mixing; the reference temperature by default.

        Raises
        ------
        CaseError
            If an age is negative (mixed in the future) or a temperature impossible.
        """
        return self.viscosity_at(shear_rate, check_age(age) * self.clock(temperature))

    def viscosity_at(self, shear_rate: ArrayLike, cure_age: ArrayLike) -> Array:
        """Viscosity [Pa·s] of parcels of given cure ages [s at the reference temperature]; the arrays broadcast."""
        return self.at(cure_age)(shear_rate)

    def at(self, cure_age: ArrayLike) -> FrozenCement:
        """The shear law of parcels of given cure ages [s], with everything that depends on age worked out once."""
        conversion = conversion_loglogistic(cure_age, set_time=float(self.set_time), shape=float(self.shape))
        return FrozenCement(
            cement=self,
            at_rest=self._at_rest(cure_age),
            index=fading_index(conversion, index=float(self.flow_index), gel_conversion=float(self.gel_conversion)),
        )

    def _at_rest(self, cure_age: ArrayLike) -> Array:
        swelling = swelling_growth(
            cure_age,
            anchor=float(self.anchor_viscosity),
            anchor_age=float(self.anchor_age),
            swelling_time=float(self.swelling_time),
        )
        conversion = conversion_loglogistic(cure_age, set_time=float(self.set_time), shape=float(self.shape))
        gel = castro_macosko_1980(
            conversion, gel_conversion=float(self.gel_conversion), exponent=float(self.gel_exponent)
        )
        return np.minimum(swelling * gel, float(self.plateau_viscosity))

    def set_time_at(self, temperature: float) -> float:
        """Set time [s] when the batch is held at a temperature [K] from mixing on."""
        return float(self.set_time / self.clock(temperature))

    def working_window_at(self, temperature: float) -> tuple[float, float]:
        """First and last age [s] for injection when the batch is held at a temperature [K]."""
        speed = float(self.clock(temperature))
        return self.window_start / speed, self.window_end / speed

    def age_for_viscosity(self, viscosity: float, *, temperature: float | None = None) -> float:
        """Age [s] at which the viscosity at rest reaches a value [Pa·s].

        Raises
        ------
        CaseError
            If the value is thinner than fresh or thicker than set cement.
        """
        low, high = float(self._at_rest(0.0)), float(self.plateau_viscosity)
        if not low <= viscosity <= high:
            raise CaseError(
                f"{self.title} never has this viscosity",
                where="viscosity",
                value=viscosity,
                allowed=f"{low:.3g} to {high:.3g} Pa.s",
            )
        young, old = 0.0, float(self.set_time)
        for _ in range(60):  # bisection: the curve is monotone but has an infinite slope at the gel point
            middle = 0.5 * (young + old)
            young, old = (middle, old) if float(self._at_rest(middle)) < viscosity else (young, middle)
        return old / float(self.clock(temperature))

    def state_word(self, age: float, *, temperature: float | None = None) -> StateWord:
        """What an operator would call the cement at an age [s]: liquid, toothpaste, dough or set."""
        viscosity = float(self.zero_shear_viscosity(age, temperature=temperature))
        if viscosity >= self.plateau_viscosity:
            return "set"
        if viscosity >= self.dough_viscosity:
            return "dough"
        return "toothpaste" if viscosity >= self.toothpaste_viscosity else "liquid"

    def law(
        self,
        age_at_start: float,
        *,
        temperature: float | None = None,
        body: float | None = None,
        record: TipRecord | None = None,
        warming: float = 0.0,
    ) -> AgedCement:
        """Viscosity law ``law(shear_rate, time, birth=None, clock=None)`` [Pa·s] for the flow solver.

        Parameters
        ----------
        age_at_start : float [s]
            Age of the batch when simulated time is 0.
        temperature : float [K], optional
            Held by the cement until it leaves the needle; 0 to 60 °C.
        body : float [K], optional
            Held by the cement after that; by default the same.
        record : TipRecord, optional
            Cure age at the needle's tip over time; by default that of the batch.
        warming : float [s], optional
            Time constant with which the clock's speed goes from the tip's to the body's; 0 is at once.

        Raises
        ------
        CaseError
            If the age is negative or a temperature outside 0 to 60 °C.
        """
        check_age(age_at_start)
        check_handling(temperature)
        check_handling(body, "body")
        return AgedCement(
            cement=self,
            age_at_start=float(age_at_start),
            temperature=temperature,
            body=body,
            record=record,
            warming=warming,
        )

    def replace(self, **changes: Any) -> Cement:
        """A variant; plain numbers become constants marked as the user's own setting.

        Raises
        ------
        CaseError
            If a key is unknown.
        """
        fields = {f.name: f.type for f in dataclasses.fields(self)}
        for key, value in changes.items():
            if key not in fields:
                raise CaseError("a cement has no such number", where=f"cement.{key}", allowed=", ".join(fields))
            if fields[key] == "Constant" and not isinstance(value, Constant):
                unit = getattr(self, key).unit
                changes[key] = Constant(
                    float(value), unit, float(value), float(value), "vertebro", "ours", "set by user"
                )
        return dataclasses.replace(self, **changes)

    def rows(self) -> list[tuple[str, Constant]]:
        """(key, constant) of every number on the card, in its order."""
        pairs = ((f.name, getattr(self, f.name)) for f in dataclasses.fields(self))
        return [(key, value) for key, value in pairs if isinstance(value, Constant)]

    def describe(self) -> list[dict[str, Any]]:
        """The card as plain values: key, value, unit, low, high, source, mark, note."""
        parts = ("unit", "low", "high", "source", "mark", "note")
        return [{"key": k, "value": float(c)} | {part: getattr(c, part) for part in parts} for k, c in self.rows()]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FrozenCement:
    """Parcels at one moment, callable as ``law(shear_rate)`` [Pa·s]; shapes broadcast.

    Attributes
    ----------
    cement : Cement
    at_rest : array [Pa·s]
        Zero-shear viscosity of each parcel.
    index : array [1]
        Flow index of each parcel.
    """

    cement: Cement
    at_rest: Array
    index: Array

    def __call__(self, shear_rate: ArrayLike) -> Array:
        """Viscosity [Pa·s] at a shear rate [1/s]."""
        card = self.cement
        slow, plateau = float(card.time_constant), float(card.plateau_viscosity)
        if card.rheology == "power-law":
            rate = np.maximum(np.asarray(shear_rate, float), POWER_LAW_FLOOR)
            eta = ostwald_1929(rate, self.at_rest * slow ** (self.index - 1.0), self.index)
        else:
            eta = carreau_1972(shear_rate, self.at_rest, float(card.infinite_shear_viscosity), slow, self.index)
        if card.yield_stress > 0.0:
            eta = eta + papanastasiou_1987(shear_rate, card.yield_stress * self.at_rest / float(card.anchor_viscosity))
        return np.minimum(eta, plateau)
