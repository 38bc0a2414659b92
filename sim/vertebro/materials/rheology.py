"""How cement resists flow: laws by name, the cure clock, and the growth of the zero-shear viscosity.

All laws are plain functions of arrays or floats in SI. Warmth speeds a *cure clock* (`arrhenius_rate`); the cure age it
counts, in seconds at the reference temperature, drives swelling and gelling, and with them the viscosity.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vertebro.errors import CaseError
from vertebro.sources import Constant

GAS_CONSTANT = Constant(8.314462618, "J/(mol.K)", 8.3144, 8.3145, "vertebro", "computed", "exact since SI 2019")
ACTIVATION_ENERGY = Constant(
    44.4e3, "J/mol", 40e3, 50e3, "nicholas2007", "computed", "cure times of three cements halve from 25 to 37 degC"
)

REGULARISATION = Constant(0.1, "1/s", 1e-3, 1.0, "papanastasiou1987", "ours", "shear rate below which it creeps")

Array = NDArray[np.float64]


def ostwald_1929(shear_rate: ArrayLike, consistency: ArrayLike, index: ArrayLike) -> Array:
    """Power law η = m γ̇^(n-1) [Pa·s]; valid over a decade or two of shear rate (krause1982, ostwald1929).

    Parameters
    ----------
    shear_rate : array [1/s]
        Must be positive where ``index < 1``: the law has no finite viscosity at rest.
    consistency : float or array [Pa·s^n]
    index : float or array [1]
        Below 1 the fluid thins with shear.
    """
    return np.asarray(np.asarray(consistency) * np.asarray(shear_rate, float) ** (np.asarray(index) - 1.0))


def carreau_1972(
    shear_rate: ArrayLike, zero_shear: ArrayLike, infinite_shear: ArrayLike, time_constant: float, index: ArrayLike
) -> Array:
    """Carreau's law η = η∞ + (η0 - η∞) (1 + (λ γ̇)²)^((n-1)/2) [Pa·s] (carreau1972, used for cement by trivedi2023).

    Parameters
    ----------
    shear_rate : array [1/s]
    zero_shear, infinite_shear : float or array [Pa·s]
        Plateaus at rest and at very fast shear.
    time_constant : float [s]
        λ: thinning begins near γ̇ = 1/λ.
    index : float or array [1]
        n: slope of the power-law range; 1 is Newtonian.
    """
    thinning = (1.0 + np.square(time_constant * np.asarray(shear_rate, float))) ** ((np.asarray(index) - 1.0) / 2.0)
    fast = np.asarray(infinite_shear, float)
    return np.asarray(fast + (np.asarray(zero_shear, float) - fast) * thinning)


def papanastasiou_1987(shear_rate: ArrayLike, yield_stress: ArrayLike, creep_rate: float = REGULARISATION) -> Array:
    """Viscosity that a yield stress adds: τ_y (1 - e^(-γ̇/γ̇_0)) / γ̇ [Pa·s], τ_y/γ̇_0 at rest (papanastasiou1987).

    Parameters
    ----------
    shear_rate : array [1/s]
        Any value >= 0.
    yield_stress : float or array [Pa]
    creep_rate : float [1/s]
        γ̇_0: below it the fluid creeps instead of locking, so that flow problems stay regular.
    """
    tiny = np.maximum(np.asarray(shear_rate, float), 1e-6 * creep_rate)
    return np.asarray(np.asarray(yield_stress) * (-np.expm1(-tiny / creep_rate) / tiny))


def herschel_bulkley_1926(
    shear_rate: ArrayLike, *, yield_stress: float, consistency: float, index: float, creep_rate: float = REGULARISATION
) -> Array:
    """Yield-stress fluid η = (τ_y (1 - e^(-γ̇/γ̇_0)) + K γ̇^n) / γ̇ [Pa·s], smoothed at rest (papanastasiou1987).

    Below the creep rate the viscosity levels off at τ_y/γ̇_0 + K γ̇_0^(n-1) instead of going to infinity.

    Parameters
    ----------
    shear_rate : array [1/s]
        Any value >= 0.
    yield_stress : float [Pa]
    consistency : float [Pa·s^n]
    index : float [1]
    creep_rate : float [1/s]
        γ̇_0 of the smoothing.
    """
    rate = np.maximum(np.asarray(shear_rate, float), creep_rate)
    return papanastasiou_1987(shear_rate, yield_stress, creep_rate) + consistency * rate ** (index - 1.0)


def arrhenius_rate(
    temperature: ArrayLike, *, reference: float, activation_energy: float = ACTIVATION_ENERGY
) -> float | Array:
    """Speed of the cure clock, dχ/dt = exp(-E_a/R (1/T - 1/T_ref)) [1]: 1 at the reference, 2.24 at 37 °C for 23 °C.

    Parameters
    ----------
    temperature : float or array [K]
    reference : float [K]
    activation_energy : float [J/mol]
        From measured halving of the cure time between 25 and 37 °C (nicholas2007).
    """
    inverse = 1.0 / np.asarray(temperature, float) - 1.0 / reference
    rate = np.exp(-(activation_energy / GAS_CONSTANT) * inverse)
    return float(rate) if rate.ndim == 0 else rate


def swelling_growth(cure_age: ArrayLike, *, anchor: float, anchor_age: float, swelling_time: float) -> Array:
    """Exponential thickening while beads swell and dissolve: η_a exp((χ - χ_a)/τ_sw) [Pa·s] (krause1982: form).

    Parameters
    ----------
    cure_age : array [s]
        Age at the reference temperature.
    anchor, anchor_age : float [Pa·s], [s]
        A known viscosity and its age.
    swelling_time : float [s]
        e-folding time.
    """
    # capped exponent: the plateau cuts the curve long before, this only keeps old ages finite
    return np.asarray(anchor * np.exp(np.minimum((np.asarray(cure_age, float) - anchor_age) / swelling_time, 300.0)))


def castro_macosko_1980(conversion: ArrayLike, *, gel_conversion: float, exponent: float) -> Array:
    """Steep rise towards the gel point: (p_g / (p_g - p))^c [1], infinite from p_g on (castro1980).

    Parameters
    ----------
    conversion : array [1]
    gel_conversion : float [1]
    exponent : float [1]
    """
    left = np.maximum(1.0 - np.asarray(conversion, float) / gel_conversion, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(left ** (-exponent))


def fading_index(conversion: ArrayLike, *, index: float, gel_conversion: float) -> Any:
    """Flow index that rises from `index` to 1 at the gel point: a set solid does not thin (engineering choice).

    Parameters
    ----------
    conversion : array [1]
    index : float [1]
        Index of the fresh cement.
    gel_conversion : float [1]
    """
    return index + (1.0 - index) * np.minimum(np.asarray(conversion, float) / gel_conversion, 1.0)


def hirasaki_pope_1974(index: float) -> float:
    """Factor C of the Darcy shear rate in a bundle of capillaries (hirasaki1974): √2 [(3n+1)/(4n)]^(n/(n-1)).

    With ``γ̇ = C √(u·K⁻¹u / φ)`` a bundle of tubes of radius √(8K/φ) reproduces the tube's pressure drop exactly.

    >>> round(hirasaki_pope_1974(0.5), 4)
    1.1314
    """
    return math.sqrt(2.0) * _tube_profile(index)


def cannella_1988(index: float) -> float:
    """Factor C fitted to xanthan in sandstone (cannella1988): 6 [(3n+1)/(4n)]^(n/(n-1)); thins four times as much.

    >>> round(cannella_1988(0.5), 2)
    4.8
    """
    return 6.0 * _tube_profile(index)


SHEAR_FACTORS: Mapping[str, Callable[[float], float]] = MappingProxyType(
    {"capillary": hirasaki_pope_1974, "cannella": cannella_1988}
)


def shear_factor(name: str, index: float) -> float:
    """Factor C of ``γ̇ = C √(u·K⁻¹u / φ)`` by name of its law.

    Raises
    ------
    CaseError
        If there is no such law.
    """
    if name not in SHEAR_FACTORS:
        raise CaseError("unknown shear factor", where="shear_factor", value=name, allowed=", ".join(SHEAR_FACTORS))
    return SHEAR_FACTORS[name](index)


def _tube_profile(index: float) -> float:
    """[(3n+1)/(4n)]^(n/(n-1)), continued by e^(-1/4) at n = 1."""
    if abs(index - 1.0) < 1e-6:
        return math.exp(-0.25)
    return float(((3.0 * index + 1.0) / (4.0 * index)) ** (index / (index - 1.0)))
