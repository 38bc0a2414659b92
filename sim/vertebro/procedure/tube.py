"""Flow of a shear-thinning liquid through a tube: exact pressure drops, for one liquid or a column of parcels.

With the shear stress τ(γ̇) = η γ̇, a tube of radius R carries ``Q = πR³/3 · (γ̇_w - ∫₀^γ̇_w (τ/τ_w)³ dγ̇)``
(rabinowitsch1929), and a piece of length L loses ``2 L τ_w / R``. The wall shear rate γ̇_w is found by Newton's method
in logarithms, where Q(γ̇_w) is nearly a straight line; parcels of different liquids in series are solved all at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq

from vertebro.errors import CaseError, SolverError

Array = NDArray[np.float64]
ShearLaw = Callable[[Any], Any]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(48)
# x = y² halves the singularity of power laws at the axis: 16 nodes then do for columns
_COARSE = np.polynomial.legendre.leggauss(16)
_STEPS = 60


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
    """Pressure drop [Pa] along a tube for any shear law, by the Rabinowitsch integral (rabinowitsch1929).

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
    check_tube(flow_rate, length, inner_diameter)
    if flow_rate == 0.0:
        return 0.0
    if not callable(viscosity):
        return poiseuille_drop(flow_rate, length=length, inner_diameter=inner_diameter, viscosity=float(viscosity))
    wall_rate = wall_shear_rate(abs(flow_rate), inner_diameter=inner_diameter, viscosity=viscosity)
    wall_stress = float(viscosity(np.array([wall_rate]))[0]) * wall_rate
    return math.copysign(4.0 * length * wall_stress / inner_diameter, flow_rate)


def wall_shear_rate(flow_rate: float, *, inner_diameter: float, viscosity: ShearLaw) -> float:
    """Shear rate at the tube's wall [1/s] for a positive flow rate [m³/s]; for laws whose stress grows with rate."""
    return float(_wall_rates(flow_rate, inner_diameter, viscosity, 1, _fullness)[0])


def column_drops(flow_rate: float, *, lengths: ArrayLike, inner_diameter: float, viscosity: ShearLaw) -> Array:
    """Pressure drop [Pa] in each piece of a column of different liquids in one tube.

    Parameters
    ----------
    flow_rate : float [m³/s]
        Positive.
    lengths : (n,) array [m]
    inner_diameter : float [m]
    viscosity : callable [Pa·s]
        ``viscosity(shear_rate)`` of an (…, n) array [1/s], one column per piece.

    Raises
    ------
    SolverError
        If a law's stress does not grow with the shear rate.
    """
    pieces = np.asarray(lengths, float)
    rates = _wall_rates(flow_rate, inner_diameter, viscosity, pieces.size, _coarse_fullness)
    stress = np.asarray(viscosity(rates)) * rates
    return np.asarray(4.0 * pieces * stress / inner_diameter)


def cannula_flow_rate(
    pressure_drop: float, *, length: float, inner_diameter: float, viscosity: ShearLaw | float
) -> float:
    """Flow rate [m³/s] that a pressure drop >= 0 [Pa] drives through a tube: inverse of `cannula_pressure_drop`.

    Parameters and errors as there. One root search for the wall shear rate at the known wall stress.
    """
    check_tube(pressure_drop, length, inner_diameter)
    if pressure_drop <= 0.0:
        return 0.0
    if not callable(viscosity):
        return pressure_drop / poiseuille_drop(1.0, length=length, inner_diameter=inner_diameter, viscosity=viscosity)
    radius = inner_diameter / 2.0
    log_stress = math.log(pressure_drop * radius / (2.0 * length))

    def excess(log_rate: float) -> float:
        return log_rate + math.log(float(viscosity(np.array([math.exp(log_rate)]))[0])) - log_stress

    wall_rate = math.exp(brentq(excess, math.log(1e-15), math.log(1e15), xtol=1e-12, rtol=1e-12))
    return float(math.pi * radius**3 / 3.0 * wall_rate * _fullness(np.array([wall_rate]), viscosity)[0])


def check_tube(flow_rate: float, length: float, inner_diameter: float) -> None:
    """Refuse tubes that cannot be.

    Raises
    ------
    CaseError
        If the flow (or pressure) is not finite, the length not within 1 m, or the bore not 0.1 to 20 mm.
    """
    if not math.isfinite(flow_rate):
        raise CaseError("not a flow rate", where="flow_rate", value=flow_rate, allowed="a finite number [m³/s]")
    if not (math.isfinite(length) and 0.0 < length <= 1.0):
        raise CaseError("impossible cannula", where="cannula length", value=length, allowed="above 0, at most 1 m")
    if not (math.isfinite(inner_diameter) and 1e-4 <= inner_diameter <= 0.02):
        raise CaseError("impossible cannula", where="inner_diameter", value=inner_diameter, allowed="0.1 to 20 mm")


def _wall_rates(
    flow_rate: float,
    inner_diameter: float,
    viscosity: ShearLaw,
    pieces: int,
    fullness: Callable[[Array, ShearLaw], Array],
) -> Array:
    """Wall shear rates (n,) [1/s] for one flow through n pieces."""
    unit = flow_rate / (math.pi * (inner_diameter / 2.0) ** 3)
    log_rate = np.full(pieces, math.log(4.0))
    for _ in range(_STEPS):
        rate = unit * np.exp(log_rate)
        full = np.maximum(fullness(rate, viscosity), 1e-9)
        ends = np.log(np.asarray(viscosity(np.stack([rate, rate * 1.001]))))
        # d ln Q / d ln γ̇_w = 3 (1 - f)/f · d ln τ/d ln γ̇, from Rabinowitsch's relation
        slope = np.maximum(3.0 * (1.0 - full) / full * (1.0 + (ends[1] - ends[0]) / math.log(1.001)), 0.2)
        step = np.clip((math.log(3.0) - log_rate - np.log(full)) / slope, -3.0, 3.0)
        log_rate = log_rate + step
        if np.max(np.abs(step)) < 1e-11:
            return np.asarray(unit * np.exp(log_rate))
    raise SolverError(
        "no wall shear rate fits this flow", where=repr(viscosity), value=flow_rate, hint="stress must grow with rate"
    )


def _fullness(wall_rate: Array, viscosity: ShearLaw) -> Array:
    """1 - ∫₀¹ (τ/τ_w)³ dx over x = γ̇/γ̇_w: 3/4 for a Newtonian liquid, 3n/(3n+1) for a power law; (n,) to (n,)."""
    shear = np.append(0.5 * (_NODES + 1.0), 1.0)[:, None] * wall_rate
    stress = np.asarray(viscosity(shear)) * shear
    return np.asarray(1.0 - 0.5 * (_WEIGHTS @ (stress[:-1] / stress[-1]) ** 3))


def _coarse_fullness(wall_rate: Array, viscosity: ShearLaw) -> Array:
    """As `_fullness`, on 16 nodes in y with x = y²."""
    y = 0.5 * (_COARSE[0] + 1.0)
    shear = np.append(y**2, 1.0)[:, None] * wall_rate
    stress = np.asarray(viscosity(shear)) * shear
    return np.asarray(1.0 - (_COARSE[1] * y) @ (stress[:-1] / stress[-1]) ** 3)
