"""Viscosity laws against their limits and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vertebro.errors import CaseError
from vertebro.materials.rheology import (
    ACTIVATION_ENERGY,
    GAS_CONSTANT,
    SHEAR_FACTORS,
    arrhenius_rate,
    carreau_1972,
    castro_macosko_1980,
    fading_index,
    ostwald_1929,
    shear_factor,
    swelling_growth,
)

ROOM, BODY = 296.15, 310.15


def test_activation_energy_is_the_measured_halving_from_25_to_37_degrees() -> None:
    """Cure times halve from 25 to 37 °C, so E_a = R ln 2 / (1/298.15 - 1/310.15) = 44.4 kJ/mol (nicholas2007)."""
    energy = GAS_CONSTANT * math.log(2.0) / (1.0 / 298.15 - 1.0 / 310.15)
    assert pytest.approx(energy, rel=1e-3) == ACTIVATION_ENERGY
    assert arrhenius_rate(310.15, reference=298.15) == pytest.approx(2.0, rel=1e-3)


def test_clock_runs_at_one_at_the_reference_and_faster_when_warm() -> None:
    assert arrhenius_rate(ROOM, reference=ROOM) == 1.0
    rates = arrhenius_rate(np.linspace(280.0, 380.0, 20), reference=ROOM)
    assert np.all(np.diff(rates) > 0)


def test_carreau_reaches_both_plateaus() -> None:
    eta = carreau_1972(np.array([0.0, 1e12]), 300.0, 0.5, 1.0, 0.5)
    assert eta[0] == 300.0
    assert eta[1] == pytest.approx(0.5, rel=1e-2)


def test_carreau_is_a_power_law_in_the_middle() -> None:
    """For λγ̇ >> 1 and η∞ = 0: η → η0 λ^(n-1) γ̇^(n-1), an Ostwald law of consistency η0 λ^(n-1)."""
    rate = np.geomspace(1e3, 1e5, 7)
    assert carreau_1972(rate, 300.0, 0.0, 2.0, 0.4) == pytest.approx(
        ostwald_1929(rate, 300.0 * 2.0**-0.6, 0.4), rel=1e-6
    )


def test_index_one_is_newtonian() -> None:
    rate = np.geomspace(1e-3, 1e3, 5)
    assert carreau_1972(rate, 42.0, 0.1, 3.0, 1.0) == pytest.approx(42.0)
    assert ostwald_1929(rate, 42.0, 1.0) == pytest.approx(42.0)


def test_gel_term_starts_at_one_and_diverges_at_the_gel_point() -> None:
    """(p_g/(p_g - p))^c: 1 at p = 0, 2^c at p = p_g/2, infinite from p_g on (castro1980)."""
    term = castro_macosko_1980(np.array([0.0, 0.25, 0.5, 0.9]), gel_conversion=0.5, exponent=1.5)
    assert term[0] == 1.0
    assert term[1] == pytest.approx(2.0**1.5)
    assert np.all(np.isinf(term[2:]))


def test_swelling_doubles_every_log_two_times_its_time() -> None:
    eta = swelling_growth(
        np.array([120.0, 120.0 + 96.0 * math.log(2.0)]), anchor=20.0, anchor_age=120.0, swelling_time=96.0
    )
    assert eta == pytest.approx([20.0, 40.0])


def test_set_cement_does_not_thin() -> None:
    assert fading_index(np.array([0.0, 0.25, 0.5, 1.0]), index=0.5, gel_conversion=0.5) == pytest.approx(
        [0.5, 0.75, 1, 1]
    )


@pytest.mark.parametrize(
    ("name", "table"), [("capillary", (298.9, 285.0, 186.0, 87.0)), ("cannella", (283.0, 199.0, 94.0, 43.0))]
)
def test_apparent_viscosity_in_the_pores_by_named_shear_factor(name: str, table: tuple[float, ...]) -> None:
    """physics.md 4.1: γ̇ = C u/√(Kφ), Carreau η0 = 300, n = 0.5, λ = 1 s, η∞ = 0.5, K = 1e-8 m², φ = 0.88."""
    speeds = np.array([1e-5, 4e-5, 2e-4, 1e-3])
    rates = shear_factor(name, 0.5) * speeds / math.sqrt(1e-8 * 0.88)
    assert carreau_1972(rates, 300.0, 0.5, 1.0, 0.5) == pytest.approx(table, rel=0.015)


@pytest.mark.parametrize("index", [0.3, 0.5, 0.7, 1.0 - 1e-9, 1.0, 1.0 + 1e-9, 1.3])
def test_capillary_factor_makes_a_tube_bundle_exact(index: float) -> None:
    """A power law in tubes of radius R = √(8K/φ): pore speed v = u/φ and dp/dx = (2m/R)[(3n+1)/n · v/R]^n.

    Darcy with η = m(C u/√(Kφ))^(n-1) gives dp/dx = η u/K. Equal for C = √2 [(3n+1)/(4n)]^(n/(n-1)).
    """
    u, k, phi, m = 1e-4, 1e-8, 0.88, 300.0
    radius = math.sqrt(8 * k / phi)
    tube = 2 * m / radius * ((3 * index + 1) / index * u / phi / radius) ** index
    darcy = m * (shear_factor("capillary", index) * u / math.sqrt(k * phi)) ** (index - 1) * u / k
    assert darcy == pytest.approx(tube, rel=1e-6)


def test_unknown_shear_factor_lists_the_known_ones() -> None:
    with pytest.raises(CaseError) as caught:
        shear_factor("kozeny", 0.5)
    assert all(name in str(caught.value) for name in SHEAR_FACTORS)
