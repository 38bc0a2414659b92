"""Real cement laws in the flow engine against the closed forms of the research notes, physics 7.4 and 7.9."""

from __future__ import annotations

import numpy as np
import pytest

from physics.flow_cases import MARROW, PHI, K, ball, column
from vertebro.flow import FlowProblem, Outlet, Stepper, Well
from vertebro.grid import VoxelGrid
from vertebro.materials import cement
from vertebro.materials.rheology import shear_factor
from vertebro.units import ZERO_CELSIUS

ROOM = ZERO_CELSIUS + 23.0


def beta(m: float, n: float, factor: str = "capillary") -> float:
    """u^n = |∇p|/β: β = (m/K)(C/√(Kφ))^(n-1)."""
    return m / K * (shear_factor(factor, n) / np.sqrt(K * PHI)) ** (n - 1)


def power_law(m: float, n: float):
    return lambda rate, time: m * np.maximum(rate, 1e-9) ** (n - 1)


@pytest.mark.parametrize("factor", ["capillary", "cannella"])
@pytest.mark.parametrize(("m", "n"), [(300.0, 0.5), (200.0, 0.7), (500.0, 0.3)])
def test_power_law_column(m, n, factor):
    """Linear flow: Δp = β q^n x behind the front, marrow without resistance; front at a face, so exact."""
    h, rate = 1e-3, 1e-8
    problem = column(40, h, rate=rate, injected=power_law(m, n), displaced=1e-9, shear_factor=shear_factor(factor, n))
    state, stepper = problem.initial_state(), Stepper(problem, tolerance=1e-10, picard=8)
    report = stepper.advance(state, 25 * h**3 * PHI / rate)
    closed = beta(m, n, factor) * (rate / h**2) ** n * 24.5 * h
    assert report.well_pressures["well"] == pytest.approx(closed, rel=0.01)


def test_power_law_ball_with_the_thinnest_index():
    """n = 0.3: p_w - p(R) = β(Q/4π)^n [R^(1-2n) - r_w^(1-2n)]/(1-2n) grows without bound; 53.754 - 30.494 kPa of the
    notes' table between R = 6.5 and 13.47 mm, within 6 %."""
    problem = ball(43, injected=power_law(500.0, 0.3), mode="cement-only", shear_factor=shear_factor("capillary", 0.3))
    state, stepper = problem.initial_state(), Stepper(problem, picard=3)
    first = stepper.advance(state, 20.0).well_pressures["well"]
    last = stepper.advance(state, 160.0).well_pressures["well"]
    assert last - first == pytest.approx(23.260e3, rel=0.06)


def test_needle_pressure_of_an_ageing_cement_rises_with_its_consistency():
    """Uniform curing multiplies the closed form by m(t)/m: a card's power law, m = η0(t) λ^(n-1), in a column.

    The ratio of two moments is that of the card's viscosity times that of the lengths.
    """
    card = cement("generic-medium").replace(rheology="power-law")
    law = card.law(240.0, temperature=ROOM)
    n, h, rate = float(card.flow_index), 1e-3, 1e-8
    problem = column(40, h, rate=rate, injected=law, displaced=1e-9, shear_factor=shear_factor("capillary", n))
    state, stepper = problem.initial_state(), Stepper(problem, tolerance=1e-10, picard=8)
    second = h**3 * PHI / rate
    ten, thirty = (stepper.advance(state, duration * second).well_pressures["well"] for duration in (10, 20))
    ages = 240.0 + np.array([10.0, 30.0]) * second
    growth = np.divide(*card.zero_shear_viscosity(ages)[::-1])
    assert thirty / ten == pytest.approx(29.5 / 9.5 * growth, rel=0.02)


def test_brands_waits_and_rates_fill_alike_when_marrow_offers_no_resistance(rng):
    """The invariance theorem for real cards: a power law of one n, any m(t). Low and high viscosity, 3 or 6 mL/min, a
    pause of two minutes: the same fill and leak split for the same volume, though pressures differ tenfold."""
    k = 1e-8 * np.exp(0.7 * rng.normal(size=(3, 13, 12, 11)))
    grid = VoxelGrid(shape=(13, 12, 11), spacing=(1e-3,) * 3)
    fills, leaks, pressures = [], [], []
    for name, rate, pause in (("generic-low", 5e-8, 0.0), ("generic-high", 5e-8, 0.0), ("generic-medium", 1e-7, 120.0)):
        card = cement(name).replace(rheology="power-law", flow_index=0.5)
        problem = FlowProblem(
            grid=grid, porosity=PHI, permeability=k, injected=card.law(120.0, temperature=ROOM), displaced=MARROW,
            mode="cement-only", wells=[Well(cells=[(6, 6, 5)], rate=rate)],
            outlets=[Outlet(cells=[(9, 6, 5)], name="a"), Outlet(cells=[(6, 3, 5)], name="b")],
        )  # fmt: skip
        state, stepper = problem.initial_state(), Stepper(problem, tolerance=1e-9, picard=12, front_step=0.5)
        stepper.advance(state, 2e-7 / rate)
        stepper.set_well("well", rate=0.0)
        stepper.advance(state, pause)
        stepper.set_well("well", rate=rate)
        report = stepper.advance(state, 2e-7 / rate)
        fills.append(state.saturation)
        leaks.append(sum(state.outflow.values()))
        pressures.append(report.well_pressures["well"])
    assert max(pressures) > 10 * min(pressures)
    assert max(leaks) > 0
    for fill, leak in zip(fills[1:], leaks[1:], strict=True):
        assert np.abs(fill - fills[0]).sum() < 0.005 * fills[0].sum()
        assert leak == pytest.approx(leaks[0], rel=0.02)
