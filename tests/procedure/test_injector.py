"""Cannula and plunger against the closed forms of tube flow."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vertebro.errors import CaseError
from vertebro.materials import cement
from vertebro.materials.rheology import carreau_1972, herschel_bulkley_1926, ostwald_1929
from vertebro.procedure import GAUGES, SYRINGES, Injector, Needle, cannula_pressure_drop
from vertebro.procedure.tube import cannula_flow_rate, column_drops, poiseuille_drop, power_law_drop, wall_shear_rate
from vertebro.units import MPa, minute, ml, mm

RATE = 3 * ml / minute
LENGTH = 0.125
# gauge: MPa at (m, n) = (100, 1), (100, 0.5), (500, 0.5), (1000, 0.4), wall shear rate [1/s] at n = 0.5
TABLE = {
    8: (0.19, 0.059, 0.30, 0.47, 16),
    10: (0.48, 0.105, 0.53, 0.77, 32),
    11: (0.77, 0.14, 0.71, 1.0, 46),
    13: (2.4, 0.29, 1.45, 1.9, 109),
}
LAWS = ((100.0, 1.0), (100.0, 0.5), (500.0, 0.5), (1000.0, 0.4))


@pytest.mark.parametrize("gauge", TABLE)
def test_pressure_drops_of_the_gauge_table(gauge: int) -> None:
    """physics.md 1.5: γ̇_w = (3n+1)/n · Q/(πR³), Δp = (2mL/R) γ̇_w^n at 3 mL/min through 125 mm; two digits printed."""
    bore = float(GAUGES[gauge].inner_diameter)
    for expected, (m, n) in zip(TABLE[gauge], LAWS, strict=False):
        exact = power_law_drop(RATE, length=LENGTH, inner_diameter=bore, consistency=m, index=n)
        assert exact / MPa == pytest.approx(expected, rel=0.05)
        general = cannula_pressure_drop(
            RATE, length=LENGTH, inner_diameter=bore, viscosity=lambda rate, m=m, n=n: ostwald_1929(rate, m, n)
        )
        assert general == pytest.approx(exact, rel=1e-7)


@pytest.mark.parametrize("gauge", TABLE)
def test_wall_shear_rate_of_the_gauge_table(gauge: int) -> None:
    """γ̇_w = (3n+1)/n · Q/(πR³): Rabinowitsch's slope of a power law, n = 0.5, whatever the consistency."""
    bore = float(GAUGES[gauge].inner_diameter)
    rate = wall_shear_rate(RATE, inner_diameter=bore, viscosity=lambda g: ostwald_1929(g, 100.0, 0.5))
    assert rate == pytest.approx(TABLE[gauge][4], rel=0.02)


def test_newtonian_drop_is_poiseuille() -> None:
    """Constant viscosity: the Rabinowitsch integral gives γ̇_w = 4Q/(πR³) and Δp = 8ηLQ/(πR⁴)."""
    tube = {"length": LENGTH, "inner_diameter": 2.4 * mm}
    exact = poiseuille_drop(RATE, viscosity=100.0, **tube)
    assert cannula_pressure_drop(RATE, viscosity=100.0, **tube) == exact
    assert cannula_pressure_drop(RATE, viscosity=lambda g: np.full_like(g, 100.0), **tube) == pytest.approx(
        exact, rel=1e-9
    )
    assert cannula_pressure_drop(-RATE, viscosity=100.0, **tube) == -exact
    assert cannula_pressure_drop(0.0, viscosity=100.0, **tube) == 0.0


def test_carreau_drop_agrees_with_the_integrated_velocity_profile() -> None:
    """Independent route: for a wall stress, solve η(γ̇)γ̇ = τ_w r/R on a fine radius and integrate Q = π∫ r² γ̇ dr."""
    law = lambda g: carreau_1972(g, 300.0, 0.5, 1.0, 0.5)  # noqa: E731
    radius = 1.2 * mm
    drop = cannula_pressure_drop(RATE, length=LENGTH, inner_diameter=2 * radius, viscosity=law)
    wall_stress = drop * radius / (2 * LENGTH)
    r = np.linspace(0.0, radius, 4001)
    shear = np.geomspace(1e-9, 1e6, 400_001)
    rate = np.interp(wall_stress * r / radius, law(shear) * shear, shear)
    assert np.trapezoid(math.pi * r**2 * rate, r) == pytest.approx(RATE, rel=1e-5)


@pytest.mark.parametrize("index", [0.3, 0.5, 0.7, 1.0])
def test_a_column_of_one_liquid_is_a_tube(index: float) -> None:
    """Pieces in series: each loses (2 m L_i / R) γ̇_w^n; together the closed form of the whole length."""
    lengths = np.array([0.02, 0.05, 0.055])
    drops = column_drops(
        RATE, lengths=lengths, inner_diameter=2.4 * mm, viscosity=lambda g: ostwald_1929(g, 100.0, index)
    )
    parts = [power_law_drop(RATE, length=x, inner_diameter=2.4 * mm, consistency=100.0, index=index) for x in lengths]
    assert drops == pytest.approx(parts, rel=2e-6)


def test_a_column_of_different_parcels_loses_what_each_would() -> None:
    ages = np.linspace(60.0, 700.0, 9)
    card = cement("simplex-p").replace(yield_stress=5.0)
    length = LENGTH / ages.size
    drops = column_drops(RATE, lengths=np.full(9, length), inner_diameter=2.4 * mm, viscosity=card.at(ages))
    alone = [
        cannula_pressure_drop(RATE, length=length, inner_diameter=2.4 * mm, viscosity=card.at(np.array([a])))
        for a in ages
    ]
    assert drops == pytest.approx(alone, rel=1e-4)
    again = column_drops(2 * RATE, lengths=np.full(9, length), inner_diameter=2.4 * mm, viscosity=card.at(ages))
    assert np.all((again > drops) & (again <= 2 * drops * (1 + 1e-9)))


@pytest.mark.parametrize("bingham", [0.01, 1.0, 30.0])
def test_yield_stress_in_a_tube_is_buckingham_reiner(bingham: float) -> None:
    """Q = πR³τ_w/(4μ) [1 - 4/3 φ + φ⁴/3] with φ = τ_y/τ_w; Bingham number τ_y R/(μ v) from water-like to plug flow."""
    radius, mu = 1.2 * mm, 50.0
    yield_stress = bingham * mu * RATE / (math.pi * radius**3)
    law = lambda g: herschel_bulkley_1926(g, yield_stress=yield_stress, consistency=mu, index=1.0, creep_rate=1e-3)  # noqa: E731
    drop = cannula_pressure_drop(RATE, length=LENGTH, inner_diameter=2 * radius, viscosity=law)
    wall = drop * radius / (2 * LENGTH)
    share = yield_stress / wall
    assert math.pi * radius**3 * wall / (4 * mu) * (1 - 4 / 3 * share + share**4 / 3) == pytest.approx(RATE, rel=2e-3)


@given(st.floats(1e-10, 5e-7), st.floats(0.2, 1.0), st.floats(1.0, 1e5))
def test_flow_rate_inverts_the_pressure_drop(rate: float, index: float, zero_shear: float) -> None:
    tube = {
        "length": LENGTH,
        "inner_diameter": 2.4 * mm,
        "viscosity": lambda g: carreau_1972(g, zero_shear, 0.5, 1.0, index),
    }
    assert cannula_flow_rate(cannula_pressure_drop(rate, **tube), **tube) == pytest.approx(rate, rel=1e-6)


@pytest.mark.parametrize(("syringe", "forces"), [(1, (29, 56)), (3, (101, 190)), (5, (192, 362))])
def test_plunger_forces_at_1_7_and_3_2_megapascal(syringe: int, forces: tuple[int, int]) -> None:
    """physics.md 1.5: F = p π d²/4 for bores of 4.7, 8.7 and 12 mm."""
    barrel = SYRINGES[syringe]
    assert [barrel.force(p * MPa) for p in (1.7, 3.2)] == pytest.approx(forces, rel=0.02)
    assert barrel.pressure(barrel.force(1e6)) == pytest.approx(1e6)


def test_small_syringe_reaches_the_higher_pressure() -> None:
    caps = [Injector(cannula_length=LENGTH, inner_diameter=2.4 * mm, syringe=s).pressure_cap for s in (1, 3, 5)]
    assert caps == sorted(caps, reverse=True)


def test_hand_meets_its_limit_as_the_cement_thickens() -> None:
    """The rate a hand can drive falls with age and equals the wanted rate's drop exactly at the cap."""
    card = cement("generic-medium")
    injector = Injector(cannula_length=LENGTH, inner_diameter=2.4 * mm)
    rates = [
        injector.rate_at_cap(2e4, lambda g, t=t: card.viscosity(g, t)) for t in (200.0, 400.0, 500.0, 600.0, 900.0)
    ]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] > RATE > rates[3]
    law = lambda g: card.viscosity(g, 500.0)  # noqa: E731
    assert injector.pressure_drop(rates[2], law) + 2e4 == pytest.approx(injector.pressure_cap, rel=1e-9)
    assert injector.rate_at_cap(1e8, law) == 0.0


def test_dead_volume_of_a_cannula() -> None:
    """π/4 · (2.388 mm)² · 125 mm = 0.560 mL."""
    needle = Needle(name="left", gauge=11, entry=(0.0, -0.08, 0.0), tip=(0.0, 0.0, 0.0))
    injector = Injector.for_needle(needle, syringe=1)
    assert needle.dead_volume / ml == pytest.approx(0.5598, rel=1e-3)
    assert injector.dead_volume == needle.dead_volume


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"syringe": 2}, "injector.syringe"),
        ({"force_limit": -1.0}, "injector.force_limit"),
        ({"force_limit": 251.0}, "injector.force_limit"),
        ({"force_limit": 2001.0, "drive": "screw"}, "injector.force_limit"),
        ({"drive": "mallet"}, "injector.drive"),
        ({"compliance": -1e-13}, "injector.compliance"),
        ({"compliance": math.nan}, "injector.compliance"),
        ({"cannula_length": 0.0}, "cannula length"),
        ({"inner_diameter": math.nan}, "inner_diameter"),
    ],
)
def test_impossible_injectors_are_refused(changes: dict[str, float], place: str) -> None:
    with pytest.raises(CaseError) as caught:
        Injector(**({"cannula_length": LENGTH, "inner_diameter": 2.4 * mm} | changes))
    assert caught.value.where == place
    assert caught.value.allowed


def test_infinite_flow_is_refused() -> None:
    with pytest.raises(CaseError):
        cannula_pressure_drop(math.inf, length=LENGTH, inner_diameter=2.4 * mm, viscosity=1.0)
