"""The injection in the operator's words."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vertebro.errors import CaseError
from vertebro.procedure import Inject, Limit, Wait, check_schedule
from vertebro.units import ml

UNTIL = Limit(volume=3 * ml)


def test_limit_is_read_from_the_operators_words() -> None:
    limit = Limit.parse("3 ml or 1.2 MPa or 1.5 min")
    assert (limit.volume, limit.pressure, limit.time) == (3e-6, 1.2e6, 90.0)


@given(st.floats(1e-3, 20.0), st.floats(1e-3, 10.0), st.floats(0.1, 3600.0))
def test_limits_round_trip_through_text(volume: float, pressure: float, time: float) -> None:
    limit = Limit(volume=volume * 1e-6, pressure=pressure * 1e6, time=time)
    assert Limit.parse(str(limit)) == limit


@pytest.mark.parametrize("text", ["", "3", "3 apples", "ml", "3 ml or 4 ml", "3 kg", "3 ml and 4 s", "-3 ml", "0 s"])
def test_text_that_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(CaseError) as caught:
        Limit.parse(text, where="needle.until")
    assert caught.value.allowed


@pytest.mark.parametrize(
    ("build", "place"),
    [
        (lambda: Limit(), "until"),
        (lambda: Limit(volume=-1 * ml), "until.volume"),
        (lambda: Limit(volume=21 * ml), "until.volume"),
        (lambda: Limit(pressure=11e6), "until.pressure"),
        (lambda: Limit(time=math.inf), "until.time"),
        (lambda: Inject(needle="left", rate=0.0, until=UNTIL), "inject.rate"),
        (lambda: Inject(needle="left", rate=math.nan, until=UNTIL), "inject.rate"),
        (lambda: Inject(needle="left", rate=0.6 * ml, until=UNTIL), "inject.rate"),
        (lambda: Inject(needle="left", rate=0.1 * ml, until=UNTIL, pressure_cap=-1.0), "inject.pressure_cap"),
        (lambda: Wait(duration=0.0), "wait.duration"),
        (lambda: Wait(duration=4000.0), "wait.duration"),
    ],
)
def test_absurd_steps_name_their_place_and_range(build: object, place: str) -> None:
    with pytest.raises(CaseError) as caught:
        build()  # type: ignore[operator]
    assert caught.value.where == place
    assert caught.value.allowed


def test_sound_schedule_passes() -> None:
    steps = [Inject(needle="left", rate=0.05 * ml, until=UNTIL), Wait(duration=30.0)]
    check_schedule([*steps, Inject(needle="right", rate=0.05 * ml, until=Limit(volume=17 * ml))], ["left", "right"])


@pytest.mark.parametrize(
    ("steps", "place"),
    [
        ([], "schedule"),
        ([Wait(duration=1.0)], "schedule"),
        ([Inject(needle="middle", rate=1e-8, until=UNTIL)], "schedule[0].needle"),
        ([Inject(needle="left", rate=1e-8, until=Limit(volume=11 * ml))] * 2, "schedule"),
    ],
)
def test_schedules_that_cannot_be_are_refused(steps: list[Inject | Wait], place: str) -> None:
    with pytest.raises(CaseError) as caught:
        check_schedule(steps, ["left", "right"])
    assert caught.value.where == place
