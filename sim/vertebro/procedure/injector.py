"""The delivery as a device: syringe, hand and cannula, with exact tube-flow pressure drops."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from scipy.optimize import brentq

from vertebro.errors import CaseError
from vertebro.procedure.needle import Needle
from vertebro.sources import Constant
from vertebro.units import ml, mm

ShearLaw = Callable[[Any], Any]

HAND_FORCE = Constant(200.0, "N", 150.0, 250.0, "krebs2005", "recalled", "what a hand can sustain on a plunger")
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(48)


@dataclass(frozen=True, kw_only=True, slots=True)
class Syringe:
    """A syringe by its nominal volume [m³] and bore [m]."""

    volume: float
    inner_diameter: Constant

    @property
    def area(self) -> float:
        """Plunger area [m²]."""
        return float(math.pi / 4.0 * self.inner_diameter**2)

    def force(self, pressure: float) -> float:
        """Plunger force [N] at a pressure [Pa]."""
        return pressure * self.area

    def pressure(self, force: float) -> float:
        """Pressure [Pa] under a plunger force [N]."""
        return force / self.area


def _syringe(volume: float, bore: float) -> Syringe:
    diameter = Constant(bore * mm, "m", 0.97 * bore * mm, 1.03 * bore * mm, "vertebro", "recalled", "luer-lock syringe")
    return Syringe(volume=volume, inner_diameter=diameter)


SYRINGES: Mapping[int, Syringe] = MappingProxyType(
    {1: _syringe(1 * ml, 4.7), 3: _syringe(3 * ml, 8.7), 5: _syringe(5 * ml, 12.0)}
)


def poiseuille_drop(flow_rate: float, *, length: float, inner_diameter: float, viscosity: float) -> float:
    """Pressure drop 8 η L Q / (π R⁴) [Pa] of a Newtonian liquid in a tube; SI arguments."""
    return 8.0 * viscosity * length * flow_rate / (math.pi * (inner_diameter / 2.0) ** 4)


def power_law_drop(
    flow_rate: float, *, length: float, inner_diameter: float, consistency: float, index: float
) -> float:
    """Pressure drop (2 m L / R) γ̇_w^n [Pa] of a power-law liquid, γ̇_w = (3n+1)/n · Q/(πR³) (rabinowitsch1929)."""
    radius = inner_diameter / 2.0
    wall_rate = (3.0 * index + 1.0) / index * flow_rate / (math.pi * radius**3)
    return float(2.0 * consistency * length / radius * wall_rate**index)


def cannula_pressure_drop(
    flow_rate: float, *, length: float, inner_diameter: float, viscosity: ShearLaw | float
) -> float:
    """Pressure drop [Pa] along a tube for any shear law, by the Rabinowitsch integral.

    With the shear stress τ(γ̇) = η γ̇, the flow rate is ``Q = πR³/3 · (γ̇_w - ∫₀^γ̇_w (τ/τ_w)³ dγ̇)`` and the drop
    ``2 L τ_w / R``; the wall shear rate γ̇_w is found by root search (rabinowitsch1929).

    Parameters
    ----------
    flow_rate : float [m³/s]
        Negative flows give a negative drop.
    length, inner_diameter : float [m]
    viscosity : callable or float [Pa·s]
        ``viscosity(shear_rate)`` of an array [1/s], or a Newtonian number.

    Raises
    ------
    CaseError
        If a length is not positive or the flow rate not finite.
    """
    _check_tube(flow_rate, length, inner_diameter)
    if flow_rate == 0.0:
        return 0.0
    if not callable(viscosity):
        return poiseuille_drop(flow_rate, length=length, inner_diameter=inner_diameter, viscosity=float(viscosity))
    radius = inner_diameter / 2.0
    wall_rate = wall_shear_rate(abs(flow_rate), inner_diameter=inner_diameter, viscosity=viscosity)
    wall_stress = float(viscosity(np.array([wall_rate]))[0]) * wall_rate
    return math.copysign(2.0 * length * wall_stress / radius, flow_rate)


def wall_shear_rate(flow_rate: float, *, inner_diameter: float, viscosity: ShearLaw) -> float:
    """Shear rate at the tube's wall [1/s] for a positive flow rate [m³/s]; for laws whose stress grows with rate."""
    lowest = 3.0 * flow_rate / (math.pi * (inner_diameter / 2.0) ** 3)

    def excess(log_rate: float) -> float:
        rate = math.exp(log_rate)
        return rate * _fullness(rate, viscosity) / lowest - 1.0

    # the profile factor never exceeds 1, so the wall rate lies above 3Q/πR³
    low, high = math.log(lowest), math.log(lowest) + 1.0
    while excess(high) < 0.0:
        high += 1.0
    return math.exp(brentq(excess, low, high, xtol=1e-12, rtol=1e-12))


def cannula_flow_rate(
    pressure_drop: float, *, length: float, inner_diameter: float, viscosity: ShearLaw | float
) -> float:
    """Flow rate [m³/s] that a pressure drop >= 0 [Pa] drives through a tube: inverse of `cannula_pressure_drop`.

    Parameters and errors as there. One root search for the wall shear rate at the known wall stress.
    """
    _check_tube(pressure_drop, length, inner_diameter)
    if pressure_drop <= 0.0:
        return 0.0
    if not callable(viscosity):
        return pressure_drop / poiseuille_drop(1.0, length=length, inner_diameter=inner_diameter, viscosity=viscosity)
    radius = inner_diameter / 2.0
    log_stress = math.log(pressure_drop * radius / (2.0 * length))

    def excess(log_rate: float) -> float:
        return log_rate + math.log(float(viscosity(np.array([math.exp(log_rate)]))[0])) - log_stress

    wall_rate = math.exp(brentq(excess, math.log(1e-15), math.log(1e15), xtol=1e-12, rtol=1e-12))
    return math.pi * radius**3 / 3.0 * wall_rate * _fullness(wall_rate, viscosity)


def _fullness(wall_rate: float, viscosity: ShearLaw) -> float:
    """1 - ∫₀¹ (τ/τ_w)³ dx over x = γ̇/γ̇_w: 3/4 for a Newtonian liquid, 3n/(3n+1) for a power law."""
    shear = wall_rate * np.append(0.5 * (_NODES + 1.0), 1.0)
    stress = np.asarray(viscosity(shear)) * shear
    return 1.0 - 0.5 * float(_WEIGHTS @ (stress[:-1] / stress[-1]) ** 3)


@dataclass(frozen=True, kw_only=True, slots=True)
class Injector:
    """Syringe and cannula driven by a hand or a pump.

    Parameters
    ----------
    cannula_length, inner_diameter : float [m]
    syringe : int
        1, 3 or 5 mL.
    hand_force : float [N]
        Largest plunger force, at most 2000 N (a screw injector).

    Raises
    ------
    CaseError
        If the syringe does not exist or a number is out of range.

    Examples
    --------
    >>> injector = Injector(cannula_length=0.125, inner_diameter=2.4e-3)
    >>> round(injector.pressure_cap / 1e6, 2)
    3.36
    """

    cannula_length: float
    inner_diameter: float
    syringe: int = 3
    hand_force: float = HAND_FORCE

    def __post_init__(self) -> None:
        if self.syringe not in SYRINGES:
            raise CaseError(
                "there is no such syringe", where="injector.syringe", value=self.syringe, allowed="1, 3, 5 (mL)"
            )
        if not (math.isfinite(self.hand_force) and 1.0 <= self.hand_force <= 2000.0):
            raise CaseError(
                "impossible plunger force", where="injector.hand_force", value=self.hand_force, allowed="1 to 2000 N"
            )
        _check_tube(0.0, self.cannula_length, self.inner_diameter)

    @classmethod
    def for_needle(cls, needle: Needle, *, syringe: int = 3, hand_force: float = HAND_FORCE) -> Injector:
        """The injector on a needle's hub."""
        return cls(
            cannula_length=needle.cannula_length,
            inner_diameter=needle.inner_diameter,
            syringe=syringe,
            hand_force=hand_force,
        )

    @property
    def dead_volume(self) -> float:
        """Cement in the full cannula [m³]; it is injected only by a stylet."""
        return math.pi / 4.0 * self.inner_diameter**2 * self.cannula_length

    @property
    def pressure_cap(self) -> float:
        """Largest syringe pressure [Pa] the force can make."""
        return SYRINGES[self.syringe].pressure(self.hand_force)

    def pressure_drop(self, flow_rate: float, viscosity: ShearLaw | float) -> float:
        """Pressure lost in the cannula [Pa] at a flow rate [m³/s]."""
        return cannula_pressure_drop(
            flow_rate, length=self.cannula_length, inner_diameter=self.inner_diameter, viscosity=viscosity
        )

    def plunger_force(self, pressure: float) -> float:
        """Force on the plunger [N] at a syringe pressure [Pa]."""
        return SYRINGES[self.syringe].force(pressure)

    def rate_at_cap(self, tip_pressure: float, viscosity: ShearLaw | float, *, cap: float | None = None) -> float:
        """Largest flow rate [m³/s] the cap drives against a tip pressure [Pa]; 0 where the tip holds the cap."""
        available = max((self.pressure_cap if cap is None else cap) - tip_pressure, 0.0)
        return cannula_flow_rate(
            available, length=self.cannula_length, inner_diameter=self.inner_diameter, viscosity=viscosity
        )


def _check_tube(flow_rate: float, length: float, inner_diameter: float) -> None:
    if not math.isfinite(flow_rate):
        raise CaseError("not a flow rate", where="flow_rate", value=flow_rate, allowed="a finite number [m³/s]")
    if not (math.isfinite(length) and 0.0 < length <= 1.0):
        raise CaseError("impossible cannula", where="cannula length", value=length, allowed="above 0, at most 1 m")
    if not (math.isfinite(inner_diameter) and 1e-4 <= inner_diameter <= 0.02):
        raise CaseError("impossible cannula", where="inner_diameter", value=inner_diameter, allowed="0.1 to 20 mm")
