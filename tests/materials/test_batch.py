"""A batch and its parcels: every parcel has its own cure clock."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from scipy.integrate import quad_vec

from vertebro.errors import CaseError
from vertebro.materials import cement
from vertebro.materials.batch import TipRecord
from vertebro.units import ZERO_CELSIUS

ROOM, BODY = ZERO_CELSIUS + 23.0, ZERO_CELSIUS + 37.0
CARD = cement("generic-medium")
RATES = np.array([0.1, 1.0, 30.0])


def test_without_births_all_cement_has_the_batch_age() -> None:
    law = CARD.law(240.0, temperature=ROOM, body=BODY)
    assert law(RATES, 60.0) == pytest.approx(CARD.viscosity(RATES, 300.0, temperature=ROOM))
    assert law.per_parcel
    assert not CARD.law(240.0, temperature=ROOM).per_parcel


def test_a_parcel_ages_at_room_until_birth_and_at_body_temperature_after() -> None:
    """χ = (age + birth)·r(room) + (t - birth)·r(body); r(23 °C) = 1, r(37 °C) = 2.26 with 44.4 kJ/mol."""
    law = CARD.law(240.0, temperature=ROOM, body=BODY)
    births = np.array([0.0, 50.0, 100.0])
    speed = float(CARD.clock(BODY))
    assert speed == pytest.approx(2.257, abs=0.01)
    assert law.clock(100.0, births) == pytest.approx((240.0 + births) + (100.0 - births) * speed)
    assert law(1.0, 100.0, birth=births) == pytest.approx(CARD.viscosity_at(1.0, law.clock(100.0, births)))
    assert np.all(np.diff(law(1.0, 100.0, birth=births)) < 0)


def test_parcels_of_one_temperature_are_the_batch() -> None:
    law = CARD.law(240.0, temperature=BODY, body=BODY)
    births = np.array([0.0, 10.0, np.nan])
    assert law(1.0, 90.0, birth=births) == pytest.approx(np.full(3, float(law(1.0, 90.0))), rel=1e-12)


def test_a_clock_from_outside_is_believed() -> None:
    law = CARD.law(0.0, temperature=ROOM)
    clocks = np.array([200.0, 500.0])
    assert law(RATES[:, None], 1e3, clock=clocks) == pytest.approx(CARD.viscosity_at(RATES[:, None], clocks))


def test_the_record_of_the_tip_remembers_a_fresh_batch() -> None:
    """A jump: parcels born before it are old, those after it young; the record travels between processes."""
    record = TipRecord()
    for time, clock in ((0.0, 300.0), (60.0, 360.0), (60.0, 120.0), (90.0, 150.0)):
        record.note(time, clock)
    clocks, speeds = record(np.array([30.0, 59.999, 75.0]))
    assert clocks == pytest.approx([330.0, 360.0, 135.0], abs=0.01)
    assert speeds == pytest.approx([1.0, 1.0, 1.0])
    law = CARD.law(300.0, temperature=ROOM, body=ROOM, record=record)
    assert law.clock(100.0, np.array([30.0, 75.0])) == pytest.approx([400.0, 160.0])
    assert pickle.loads(pickle.dumps(law)).clock(100.0, 75.0) == pytest.approx(160.0)
    with pytest.raises(CaseError, match="backwards"):
        record.note(80.0, 1.0)


def test_one_viscosity_for_all_is_that_of_the_mean_parcel() -> None:
    """χ = χ_birth + (t - birth) r is linear in both, so the mean parcel has the volume-weighted mean clock exactly.

    2 mL leave from 0 to 40 s (clock 300 to 340 s), 1 mL of a fresh batch from 60 to 80 s (clock 100 to 120 s).
    """
    record = TipRecord()
    law = CARD.law(300.0, temperature=ROOM, body=BODY, record=record)
    assert law.clock(20.0) == pytest.approx(320.0)
    for time, clock, volume in ((0.0, 300.0, 0.0), (40.0, 340.0, 2e-6), (60.0, 100.0, 0.0), (80.0, 120.0, 1e-6)):
        record.note(time, clock, volume)
    births = np.concatenate([np.linspace(0.0, 40.0, 2001), np.linspace(60.0 + 1e-9, 80.0, 1001)])
    assert law.clock(200.0) == pytest.approx(float(np.mean(law.clock(200.0, births))), rel=1e-3)
    assert law(1.0, 200.0) == pytest.approx(CARD.viscosity_at(1.0, law.clock(200.0)))


def test_a_parcel_warms_up_in_its_own_time() -> None:
    """dχ/dt = r_b - (r_b - r_0) e^(-s/τ): χ = r_b s - (r_b - r_0) τ (1 - e^(-s/τ)); at once for τ = 0."""
    record = TipRecord()
    record.note(0.0, 300.0, speed=1.5)
    record.note(50.0, 350.0, 1e-6, speed=1.5)
    law, quick = (CARD.law(300.0, temperature=ROOM, body=BODY, record=record, warming=w) for w in (60.0, 0.0))
    warm, births = float(CARD.clock(BODY)), np.array([0.0, 50.0])
    for time in (60.0, 300.0):
        span = time - births
        gained = quad_vec(lambda s, span=span: (warm - (warm - 1.5) * np.exp(-s * span / 60.0)) * span, 0.0, 1.0)[0]
        assert law.clock(time, births) == pytest.approx(np.array([300.0, 350.0]) + gained, rel=1e-9)
        assert quick.clock(time, births) == pytest.approx(np.array([300.0, 350.0]) + warm * span)
    assert quick.clock(300.0) - law.clock(300.0) == pytest.approx((warm - 1.5) * 60.0, rel=0.02)


@pytest.mark.parametrize("temperature", [-0.1, 60.1])
def test_cement_is_handled_between_0_and_60_degrees(temperature: float) -> None:
    for words in ({"temperature": ZERO_CELSIUS + temperature}, {"body": ZERO_CELSIUS + temperature}):
        with pytest.raises(CaseError) as caught:
            CARD.law(0.0, **words)
        assert "60 degC" in str(caught.value)


def test_what_the_heat_equation_found_is_believed_and_goes_on(rng: np.random.Generator) -> None:
    """Clocks that depend on birth alone come back from the groups; afterwards they run on at the speed found; cement
    born later is still modelled; one viscosity for all is that of the mean."""
    record = TipRecord()
    record.note(0.0, 300.0)
    record.note(60.0, 360.0, 2e-6)
    batch = CARD.law(300.0, body=BODY, record=record, warming=60.0)
    birth, volume = rng.uniform(0.0, 60.0, 4000), rng.uniform(0.5e-9, 1e-9, 4000)
    clock, speed = 700.0 - 3.0 * birth, np.full(birth.size, 2.0)
    before = batch.clock(90.0, np.array([30.0]))
    record.measure(60.0, birth, clock, speed, volume)
    np.testing.assert_allclose(batch.clock(90.0, np.array([10.0, 50.0])), [730.0, 610.0], atol=2.0)
    assert batch.clock(90.0) == pytest.approx(np.average(clock, weights=volume) + 60.0)
    assert abs(float(batch.clock(90.0, np.array([30.0]))[0] - before[0])) > 50.0
    record.note(80.0, 380.0)
    fresh = float(batch.clock(90.0, np.array([75.0]))[0])
    assert 375.0 < fresh < 400.0
    record.measure(90.0, np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0))
    assert record.measured is not None
    assert record.measured.time == 60.0
