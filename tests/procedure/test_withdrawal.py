"""Taking the needle out: the tail of runny cement, the grip of set cement."""

from __future__ import annotations

import math

import pytest

from vertebro.errors import CaseError
from vertebro.materials import cement
from vertebro.procedure import Needle
from vertebro.procedure.column import ATMOSPHERE, Column
from vertebro.procedure.withdrawal import (
    BOND_STRENGTH,
    PULL_FORCE,
    PULL_SPEED,
    TENSILE_STRENGTH,
    withdraw,
)
from vertebro.units import ZERO_CELSIUS, mm

ROOM = ZERO_CELSIUS + 23.0
NEEDLE = Needle(name="left", gauge=11, entry=(0.0, -0.08, 0.0), tip=(0.0, 0.0, 0.0))


def content(age: float) -> Column:
    return Column(
        cement=cement("generic-medium"), length=NEEDLE.cannula_length, inner_diameter=NEEDLE.inner_diameter,
        inserted=0.08, age=age, room=ROOM, body=ROOM,
    )  # fmt: skip


def test_tail_is_what_one_atmosphere_draws_out_in_the_time_of_the_pull() -> None:
    """V = Q(1 atm)·L/v, with Q from the cannula itself; at 5 min some hundredths of a millilitre."""
    column = content(300.0)
    found = withdraw(NEEDLE, column, distance=0.08, embedded=0.0)
    assert column.drop(found.tail / (0.08 / PULL_SPEED)) == pytest.approx(float(ATMOSPHERE), rel=1e-6)
    assert found.tail_length == pytest.approx(found.tail / (math.pi / 4 * NEEDLE.inner_diameter**2))
    assert found.leaves_tail


def test_tail_never_exceeds_the_bore_or_the_track() -> None:
    """Of runny cement the whole bore of 0.56 mL could follow; a pull of 5 mm leaves a void of 36 µL."""
    runny = content(0.0)
    assert withdraw(NEEDLE, runny, distance=0.08, embedded=0.0, speed=1e-3).tail == pytest.approx(runny.dead_volume)
    short = withdraw(NEEDLE, runny, distance=5 * mm, embedded=0.0, speed=1e-3).tail
    assert short == pytest.approx(math.pi / 4 * NEEDLE.outer_diameter**2 * 5 * mm)


def test_grip_of_set_cement_is_bond_and_plug() -> None:
    """F = p (τ π d_o l + σ π d_i²/4): 10 mm embedded, set: 2 MPa·96 mm² + 25 MPa·4.5 mm² = 303 N beat a hand."""
    found = withdraw(NEEDLE, content(40 * 60.0), distance=0.08, embedded=10 * mm)
    bond = BOND_STRENGTH * math.pi * NEEDLE.outer_diameter * 10 * mm
    plug = TENSILE_STRENGTH * math.pi / 4 * NEEDLE.inner_diameter**2
    assert found.grip == pytest.approx(bond + plug, rel=1e-3)
    assert found.grip > PULL_FORCE
    assert found.stuck
    assert not found.leaves_tail


def test_between_too_early_and_too_late_is_a_window() -> None:
    """First a tail, then nothing, then stuck; never both."""
    words = []
    for minutes in range(1, 20):
        found = withdraw(NEEDLE, content(minutes * 60.0), distance=0.08, embedded=10 * mm)
        words.append("stuck" if found.stuck else "tail" if found.leaves_tail else "free")
    assert words == sorted(words, key=["tail", "free", "stuck"].index)
    assert {"tail", "free", "stuck"} == set(words)


def test_a_needle_outside_the_cement_comes_out_free() -> None:
    assert withdraw(NEEDLE, content(40 * 60.0), distance=0.08, embedded=0.0).grip == 0.0


@pytest.mark.parametrize("changes", [{"distance": -1.0}, {"embedded": math.nan}, {"speed": 0.0}])
def test_impossible_pulls_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(CaseError) as caught:
        withdraw(NEEDLE, content(300.0), **({"distance": 0.05, "embedded": 0.0} | changes))
    assert caught.value.where == f"withdraw.{next(iter(changes))}"
