"""Syringe and cannula as one device: caps, compliance, afterflow, against closed forms."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vertebro.delivery import Delivery
from vertebro.materials import CEMENTS, cement
from vertebro.procedure import GAUGES, Needle
from vertebro.procedure.tube import poiseuille_drop
from vertebro.units import ZERO_CELSIUS, MPa, minute, ml

ROOM = ZERO_CELSIUS + 23.0
RATE = 3 * ml / minute
NEEDLE = Needle(name="left", gauge=11, entry=(0.0, -0.08, 0.0), tip=(0.0, 0.0, 0.0))
# Newtonian and hardly ageing, so that closed forms hold
OIL = cement("generic-medium").replace(flow_index=1.0, swelling_time=1e9, infinite_shear_viscosity=20.0)
BONE = {"rest": 1e3, "resistance": 2e11}


def delivery(card=OIL, **more) -> Delivery:
    return Delivery.through(NEEDLE, card, **({"age_at_start": 120.0, "temperature": ROOM} | more))


def resistance(viscosity: float = 20.0) -> float:
    """Pa·s/m³ of cannula and bone."""
    tube = poiseuille_drop(1.0, length=NEEDLE.cannula_length, inner_diameter=NEEDLE.inner_diameter, viscosity=viscosity)
    return tube + BONE["resistance"]


def test_a_rigid_syringe_gives_what_the_plunger_pushes() -> None:
    push = delivery().plan(RATE, 5.0, **BONE)
    assert (push.rate, push.plunger, push.capped) == (RATE, RATE, False)
    assert push.pressure == pytest.approx(1e3 + resistance() * RATE, rel=1e-4)


def test_a_cap_sets_the_rate_and_a_hand_has_one_anyway() -> None:
    """Q = (P_cap - p_rest)/R; a 3 mL syringe under 200 N makes 3.36 MPa at most."""
    push = delivery().plan(1e-6, 5.0, cap=0.2 * MPa, **BONE)
    assert push.capped
    assert push.rate == pytest.approx((0.2 * MPa - 1e3) / resistance(), rel=1e-4)
    strong = delivery().plan(1e-4, 5.0, cap=10 * MPa, **BONE)
    assert strong.pressure == pytest.approx(200.0 / (math.pi / 4 * 8.7e-3**2), rel=1e-9)


@pytest.mark.parametrize("syringe", [1, 3, 5])
def test_the_same_force_is_more_pressure_in_a_smaller_syringe(syringe: int) -> None:
    """P = F/A: bores of 4.7, 8.7 and 12 mm."""
    bore = {1: 4.7e-3, 3: 8.7e-3, 5: 12e-3}[syringe]
    push = delivery(syringe=syringe, force_limit=10.0).plan(1e-4, 5.0, **BONE)
    assert push.pressure == pytest.approx(10.0 / (math.pi / 4 * bore**2), rel=1e-9)


def test_afterflow_decays_exponentially_and_empties_the_store() -> None:
    """Plunger stopped: C dP/dt = -(P - p_rest)/R, so P - p_rest = (P0 - p_rest) e^(-t/RC); C (P0 - P) flows out.

    Implicit steps of 0.5 s on RC = 12 s overestimate P a little: within 4 %, volume to round-off.
    """
    give = 0.2 * ml / MPa
    device = delivery(OIL.replace(anchor_viscosity=400.0), compliance=give)
    time_constant = resistance(400.0) * give
    assert time_constant == pytest.approx(12.4, rel=0.05)
    device.pressure = start = 0.15 * MPa
    for step in range(1, 5):
        push = device.plan(0.0, 2.0, **BONE)
        before = device.pressure
        assert push.plunger == 0.0
        assert device.commit(push, 2.0) == pytest.approx(give * (before - device.pressure), rel=1e-9)
        exact = 1e3 + (start - 1e3) * math.exp(-2.0 * step / time_constant)
        assert device.pressure == pytest.approx(exact, rel=0.04)


def test_a_soft_syringe_lags_and_then_delivers_the_plunger_rate() -> None:
    """Q_tip = Q (1 - e^(-t/RC)) from rest at p_rest; what is missing at the tip is stored: V = C (P - P0)."""
    give = 0.05 * ml / MPa
    device = delivery(compliance=give)
    device.pressure = 1e3
    out = 0.0
    for _ in range(12):
        out += device.commit(device.plan(RATE, 5.0, **BONE), 5.0)
    assert device.pushed == pytest.approx(60.0 * RATE, rel=1e-9)
    assert device.pushed - out == pytest.approx(give * (device.pressure - 1e3), rel=1e-6)
    assert device.pressure == pytest.approx(1e3 + resistance() * RATE, rel=1e-3)
    assert device.pushed - out == pytest.approx(RATE * resistance() * give, rel=0.01)


def test_a_soft_syringe_never_passes_its_cap() -> None:
    device = delivery(compliance=0.2 * ml / MPa)
    for _ in range(20):
        push = device.plan(0.4 * ml, 1.0, cap=0.3 * MPa, **BONE)
        assert push.pressure <= 0.3 * MPa * (1 + 1e-9)
        assert 0.0 <= push.plunger <= 0.4 * ml * (1 + 1e-9)
        device.commit(push, 1.0)
    assert push.capped
    assert push.rate == pytest.approx((0.3 * MPa - 1e3) / resistance(), rel=1e-3)


def test_set_cement_holds_the_plunger() -> None:
    for give in (0.0, 0.1 * ml / MPa):
        device = delivery(cement("generic-medium"), age_at_start=3000.0, compliance=give)
        push = device.plan(RATE, 60.0, **BONE)
        assert push.rate == 0.0
        assert push.capped
        assert math.isfinite(push.pressure)


def test_releasing_the_plunger_ends_the_afterflow() -> None:
    device = delivery(compliance=0.05 * ml / MPa)
    device.pressure = 1e6
    device.release()
    assert device.plan(0.0, 5.0, **BONE).rate == 0.0


@settings(max_examples=40, deadline=None)
@given(
    gauge=st.sampled_from(sorted(GAUGES)),
    card=st.sampled_from(CEMENTS),
    age=st.floats(0.0, 3600.0),
    room=st.floats(0.0, 60.0),
    wanted=st.floats(0.0, 5e-7),
    duration=st.floats(0.1, 10.0),
    compliance=st.sampled_from([0.0, 1e-14, 1e-12]),
    index=st.floats(0.2, 1.0),
    yield_stress=st.sampled_from([0.0, 50.0, 500.0]),
)
def test_whatever_is_pushed_the_numbers_stay_finite_and_within_the_hand(
    gauge, card, age, room, wanted, duration, compliance, index, yield_stress
) -> None:
    """Any brand, age, temperature, gauge and rate: no NaN, no flow backwards, no force beyond the drive."""
    needle = Needle(name="n", gauge=gauge, entry=(0.0, -0.08, 0.0), tip=(0.0, 0.0, 0.0))
    chosen = cement(card).replace(flow_index=index, yield_stress=yield_stress)
    device = Delivery.through(
        needle,
        chosen,
        age_at_start=age,
        temperature=ZERO_CELSIUS + room,
        body=ZERO_CELSIUS + 37.0,
        compliance=compliance,
    )
    for _ in range(3):
        push = device.plan(wanted, duration, **BONE)
        assert 0.0 <= push.rate <= wanted * (1 + 1e-9) + compliance * device.injector.pressure_cap / duration
        assert 0.0 <= push.plunger <= wanted * (1 + 1e-9)
        assert push.pressure <= device.injector.pressure_cap * (1 + 1e-9)
        out = device.commit(push, duration)
        assert math.isfinite(out + device.pressure + device.tip_clock + device.tip_temperature)
