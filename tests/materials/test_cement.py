"""What every cement must do, whatever its card says."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vertebro.errors import CaseError
from vertebro.materials import CEMENTS, Cement, cement
from vertebro.sources import Constant
from vertebro.units import ZERO_CELSIUS

AGES = np.linspace(0.0, 2400.0, 2401)
BODY = ZERO_CELSIUS + 37.0
names = pytest.mark.parametrize("name", CEMENTS)


@names
@pytest.mark.parametrize("shear_rate", [0.0, 1.0, 100.0, 1e4])
def test_viscosity_never_falls_with_age(name: str, shear_rate: float) -> None:
    eta = cement(name).viscosity(shear_rate, AGES)
    assert np.all(np.isfinite(eta))
    assert np.all(np.diff(eta) >= -1e-9 * eta[1:])


@names
def test_viscosity_never_rises_with_shear(name: str) -> None:
    rates = np.geomspace(1e-3, 1e5, 40)
    eta = cement(name).viscosity(rates[:, None], AGES[None, ::60])
    assert np.all(np.diff(eta, axis=0) <= 1e-9 * eta[1:])


@names
def test_viscosity_stops_at_the_plateau_of_set_cement(name: str) -> None:
    card = cement(name)
    eta = card.viscosity(np.array([0.0, 1e3]), 1.05 * card.set_time)
    assert eta == pytest.approx(7.5e4)
    assert card.state_word(1.05 * card.set_time) == "set"
    assert card.age_for_viscosity(card.plateau_viscosity) <= card.set_time


@names
def test_warm_cement_is_older_cement(name: str) -> None:
    """One clock drives everything: age t at temperature T equals age t · rate(T) at the reference."""
    card = cement(name)
    speed = card.clock(BODY)
    assert card.viscosity(2.0, AGES / speed, temperature=BODY) == pytest.approx(card.viscosity(2.0, AGES), rel=1e-9)
    assert card.set_time_at(BODY) == pytest.approx(card.set_time / speed)
    assert card.working_window_at(BODY)[1] == pytest.approx(card.window_end / speed)


@names
def test_age_for_viscosity_is_the_inverse_of_viscosity_at_rest(name: str) -> None:
    card = cement(name)
    for eta in (300.0, 1000.0, 2e4):
        age = card.age_for_viscosity(eta, temperature=BODY)
        assert float(card.zero_shear_viscosity(age, temperature=BODY)) == pytest.approx(eta, rel=1e-6)


@names
def test_states_come_in_order(name: str) -> None:
    order = ["liquid", "toothpaste", "dough", "set"]
    seen = [order.index(cement(name).state_word(age)) for age in AGES[::10]]
    assert seen == sorted(seen)
    assert seen[-1] == 3


@names
def test_window_is_open_while_the_cement_can_be_pushed(name: str) -> None:
    """At its start the cement is no water, at its end not yet beyond a strong injector: 15 to 3000 Pa·s at rest."""
    card = cement(name)
    start, end = card.zero_shear_viscosity(np.array(card.working_window))
    assert 15.0 <= start < end <= 3000.0
    assert card.working_window[1] < card.set_time


def test_medium_cement_passes_the_published_anchors() -> None:
    """About 20 Pa·s at 2 min (assumed start) and 7.5e4 Pa·s at 13 min (nicholas2007): physics.md 1.3."""
    card = cement("generic-medium")
    assert float(card.zero_shear_viscosity(120.0)) == pytest.approx(20.0, rel=1e-3)
    assert float(card.zero_shear_viscosity(13 * 60.0)) == pytest.approx(7.5e4)
    assert card.age_for_viscosity(7.4e4) > 12 * 60.0


def test_long_window_cement_hardens_about_11_minutes_after_immersion_at_body_temperature() -> None:
    assert cement("vertecem-v+").set_time_at(BODY) / 60.0 == pytest.approx(11.0, abs=0.5)


@names
def test_ten_degrees_warmer_cures_one_and_a_half_to_two_times_faster(name: str) -> None:
    """Measured on four other cements between 15 and 30 °C (source key four_cements): an independent check of E_a."""
    card = cement(name)
    factor = card.set_time_at(ZERO_CELSIUS + 18.0) / card.set_time_at(ZERO_CELSIUS + 28.0)
    assert 1.5 <= factor <= 2.0


def test_low_viscosity_brand_is_at_most_half_as_viscous_between_2_and_5_minutes() -> None:
    ages = np.linspace(120.0, 300.0, 7)
    low, medium = (cement(f"generic-{grade}").zero_shear_viscosity(ages) for grade in ("low", "medium"))
    assert np.all(low <= 0.5 * medium)


def test_low_viscosity_brand_stays_below_150_pascal_seconds_for_six_minutes_at_20_degrees() -> None:
    """A patent of a low-viscosity bone cement claims it (source key lowviscosity_patent): an independent bound."""
    card = cement("generic-low")
    assert float(card.zero_shear_viscosity(6 * 60.0, temperature=ZERO_CELSIUS + 20.0)) < 150.0


@names
def test_parcels_are_the_law_of_their_own_clock(name: str) -> None:
    """`viscosity_at` of an array of clocks is what every clock gives alone, and `at` of it is the same law."""
    card = cement(name)
    clocks, rates = np.linspace(0.0, 1500.0, 7), np.geomspace(1e-2, 1e3, 5)[:, None]
    together = card.viscosity_at(rates, clocks)
    alone = np.stack([card.viscosity(rates[:, 0], age) for age in clocks], axis=1)
    assert together == pytest.approx(alone, rel=1e-12)
    assert card.at(clocks)(rates) == pytest.approx(together, rel=0)


def test_power_law_is_the_fast_limit_of_carreau() -> None:
    """λγ̇ >> 1, η∞ = 0: η = η0 (λγ̇)^(n-1). At 100/s within 1e-4; at rest it is cut at the plateau."""
    carreau = cement("generic-medium").replace(infinite_shear_viscosity=0.0)
    power = carreau.replace(rheology="power-law")
    assert float(power.viscosity(100.0, 200.0)) == pytest.approx(float(carreau.viscosity(100.0, 200.0)), rel=1e-4)
    assert float(power.viscosity(0.0, 200.0)) <= 7.5e4
    assert float(power.viscosity(1e-2, 200.0)) > 5 * float(carreau.viscosity(1e-2, 200.0))


def test_yield_stress_of_cement_grows_with_it_and_carries_at_low_shear() -> None:
    """η = η_carreau + τ_y/γ̇ for γ̇ >> 0.1/s; τ_y grows like the viscosity at rest; never above the plateau."""
    plain = cement("generic-medium")
    stiff = plain.replace(yield_stress=40.0)
    ages = np.array([120.0, 240.0])
    extra = (stiff.viscosity(2.0, ages) - plain.viscosity(2.0, ages)) * 2.0
    assert extra == pytest.approx(40.0 * plain.zero_shear_viscosity(ages) / 20.0, rel=1e-6)
    everything = stiff.viscosity(np.geomspace(1e-6, 1e4, 60)[:, None], AGES[None, ::60])
    assert np.all(np.isfinite(everything))
    assert np.all(np.diff(everything, axis=0) <= 1e-9 * everything[1:])
    assert everything.max() <= 7.5e4


def test_cure_age_adds_up_a_temperature_history() -> None:
    card = cement("generic-medium")
    age = card.cure_age([(180.0, float(card.reference_temperature)), (60.0, BODY)])
    assert age == pytest.approx(180.0 + 60.0 * card.clock(BODY))


def test_law_is_the_viscosity_at_a_simulated_time() -> None:
    card = cement("generic-medium")
    law = card.law(240.0, temperature=ZERO_CELSIUS + 20.0)
    rates = np.array([0.1, 10.0])
    assert law(rates, 60.0) == pytest.approx(card.viscosity(rates, 300.0, temperature=ZERO_CELSIUS + 20.0))
    twin = pickle.loads(pickle.dumps(law))
    assert twin(rates, 60.0) == pytest.approx(law(rates, 60.0), rel=0)


@given(st.floats(0.0, 5000.0), st.floats(0.0, 1e6), st.floats(274.0, 400.0))
def test_viscosity_is_finite_and_bounded_everywhere(age: float, shear_rate: float, temperature: float) -> None:
    eta = float(cement("generic-high").viscosity(shear_rate, age, temperature=temperature))
    assert 0.0 < eta <= 7.5e4 * (1 + 1e-12)


def test_arrays_broadcast_and_scalars_give_numbers() -> None:
    card = cement("simplex-p")
    assert card.viscosity(np.ones((4, 1)), np.ones(3)).shape == (4, 3)
    assert np.ndim(card.viscosity(1.0, 100.0)) == 0


@pytest.mark.parametrize(
    ("call", "place"),
    [
        (lambda c: c.viscosity(1.0, -1.0), "age"),
        (lambda c: c.viscosity(1.0, np.array([1.0, np.nan])), "age"),
        (lambda c: c.viscosity(1.0, 1.0, temperature=37.0), "temperature"),
        (lambda c: c.law(10.0, temperature=ZERO_CELSIUS + 61.0), "temperature"),
        (lambda c: c.law(-1.0), "age"),
        (lambda c: c.age_for_viscosity(1e6), "viscosity"),
        (lambda c: c.replace(colour=1.0), "cement.colour"),
    ],
)
def test_impossible_requests_name_place_and_range(call: object, place: str) -> None:
    with pytest.raises(CaseError) as caught:
        call(cement("generic-medium"))  # type: ignore[operator]
    assert caught.value.where == place
    assert caught.value.allowed


def test_replacing_a_number_marks_it_as_a_setting() -> None:
    card = cement("generic-medium").replace(set_time=600.0)
    assert card.set_time == 600.0
    assert isinstance(card.set_time, Constant)
    assert (card.set_time.mark, card.set_time.unit) == ("ours", "s")
    assert cement("generic-medium").set_time == 780.0


def test_adiabatic_rise_is_about_83_kelvin() -> None:
    """1.55e8 J/m³ / (1250 kg/m³ · 1500 J/(kg·K)) = 82.7 K (physics.md 2.2)."""
    assert cement("generic-medium").adiabatic_rise == pytest.approx(82.67, abs=0.05)


def test_cement_is_frozen_and_travels_to_other_processes() -> None:
    card = cement("confidence")
    with pytest.raises(AttributeError):
        card.set_time = 1.0  # type: ignore[misc]
    twin = pickle.loads(pickle.dumps(card))
    assert isinstance(twin, Cement)
    assert twin == card
    assert twin.set_time.source == card.set_time.source
