"""The cure law against its closed form, an ODE integrator and the table of physics.md 2.1."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from vertebro.materials.curing import (
    advance_loglogistic,
    age_at_conversion,
    conversion_loglogistic,
    rate_loglogistic,
)
from vertebro.materials.rheology import arrhenius_rate

SET_TIME, SHAPE, RISE, ROOM = 720.0, 9.2, 83.0, 296.15
BODY = 310.15
ENERGY = 44.0e3  # J/mol, as in the table; the shipped cards have 44.4
LAW = {"set_time": SET_TIME, "shape": SHAPE}


@pytest.mark.parametrize(("start", "half", "ninety"), [(ROOM, 12.00, 15.24), (BODY, 5.36, 6.80)])
def test_isothermal_cure_times(start: float, half: float, ninety: float) -> None:
    """p = x^b/(1+x^b) with x = rate·t/τ gives t50 = τ/rate and t90 = 9^(1/b) τ/rate.

    With τ(23 °C) = 12 min, b = 9.2 and E_a = 44 kJ/mol: 12.00 and 15.24 min at 23 °C, 5.36 and 6.80 min at 37 °C.
    """
    minutes = (
        age_at_conversion(np.array([0.5, 0.9]), **LAW)
        / arrhenius_rate(start, reference=ROOM, activation_energy=ENERGY)
        / 60.0
    )
    assert minutes == pytest.approx([half, ninety], rel=5e-3)


def _adiabatic_times(start: float, step: float) -> np.ndarray:
    """March p and T = start + ΔT p with the exact local update at the temperature of the step's middle."""
    p, time, times = 0.0, 0.0, []
    for target in (0.5, 0.9):
        while p < target:
            before, middle = p, p
            for _ in range(3):  # fixed point for the mid-step temperature
                rate = float(arrhenius_rate(start + RISE * middle, reference=ROOM, activation_energy=ENERGY))
                after = float(advance_loglogistic(before, rate * step, **LAW))
                middle = 0.5 * (before + after)
            p, time = after, time + step
        times.append(time - step * (p - target) / (p - before))
    return np.array(times) / 60.0


@pytest.mark.parametrize(("start", "half", "ninety"), [(ROOM, 9.84, 10.01), (BODY, 4.44, 4.54)])
def test_adiabatic_cure_times_by_exact_local_updates(start: float, half: float, ninety: float) -> None:
    """dT = ΔT_ad dp with ΔT_ad = 83 K: reference 9.84/10.01 min from 23 °C and 4.44/4.54 min from 37 °C."""
    assert _adiabatic_times(start, 0.5) == pytest.approx([half, ninety], rel=5e-3)


@pytest.mark.parametrize(("start", "half", "ninety"), [(ROOM, 9.84, 10.01), (BODY, 4.44, 4.54)])
def test_adiabatic_cure_times_by_an_ode_integrator(start: float, half: float, ninety: float) -> None:
    """The rate form integrated from the closed form at t = 1 s (p = 0 is a fixed point of the rate form)."""

    def slope(_: float, p: np.ndarray) -> np.ndarray:
        return rate_loglogistic(p, **LAW) * arrhenius_rate(start + RISE * p, reference=ROOM, activation_energy=ENERGY)

    first = conversion_loglogistic(
        np.array([float(arrhenius_rate(start, reference=ROOM, activation_energy=ENERGY))]), **LAW
    )
    events = [lambda t, p: p[0] - 0.5, lambda t, p: p[0] - 0.9]
    run = solve_ivp(slope, (1.0, 900.0), first, method="LSODA", rtol=1e-8, atol=1e-30, events=events)
    assert [float(e[0]) / 60.0 for e in run.t_events] == pytest.approx([half, ninety], rel=5e-3)


def test_local_update_is_exact_for_any_number_of_steps(rng: np.random.Generator) -> None:
    """Isothermally, steps of any length add up in cure age: the result is the closed form to round-off."""
    steps = rng.uniform(0.1, 60.0, 30)
    p = np.float64(0.0)
    for step in steps:
        p = advance_loglogistic(p, step, **LAW)
    assert float(p) == pytest.approx(float(conversion_loglogistic(steps.sum(), **LAW)), rel=1e-10)


def test_rate_is_the_derivative_of_the_closed_form() -> None:
    """dp/dχ = (b/τ) p^(1-1/b) (1-p)^(1+1/b); compared with central differences of the closed form."""
    age = np.linspace(300.0, 1200.0, 19)
    p = conversion_loglogistic(age, **LAW)
    slope = (conversion_loglogistic(age + 0.01, **LAW) - conversion_loglogistic(age - 0.01, **LAW)) / 0.02
    assert rate_loglogistic(p, **LAW) == pytest.approx(slope, rel=1e-6)


def test_conversion_stays_between_nothing_and_everything() -> None:
    ages = np.array([0.0, 1e-9, 720.0, 1e12])
    p = conversion_loglogistic(ages, **LAW)
    assert p[0] == 0.0
    assert p[-1] == 1.0
    assert float(advance_loglogistic(1.0, 1e9, **LAW)) == 1.0
    assert float(advance_loglogistic(0.0, 720.0, **LAW)) == pytest.approx(0.5)


def test_round_off_and_ages_before_mixing_make_no_nan() -> None:
    assert conversion_loglogistic(np.array([-5.0, -1e-12, 0.0]), **LAW) == pytest.approx([0.0, 0.0, 0.0])
    p = advance_loglogistic(np.array([-1e-17, 1.0 + 1e-15]), 0.0, **LAW)
    assert p.tolist() == [0.0, 1.0]
    assert age_at_conversion(1.0, **LAW) == np.inf
