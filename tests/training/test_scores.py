"""Scripted operators on all six cases: the expert is an expert everywhere and the novice nowhere.

The first anatomical seed of each case is played in the slow lane (about five CPU minutes on a coarse grid), the other
two with ``-m seeds`` (about seven more). The faults of the two who do one thing wrong are told exactly.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from training.conftest import COARSE
from training.test_scenarios import CASES
from vertebro.anatomy.anatomy import Anatomy
from vertebro.build import build_anatomy
from vertebro.training.operators import Operator
from vertebro.training.scenario import load_scenario
from vertebro.training.score import score
from vertebro.training.session import Session

# by definition: cement before its window; a true lateral before the skin, two planes where they decide, lateral live
FAULTS = {"too-early": {"D1"}, "never-lateral": {"B1", "B3", "D2"}}
LOST = 0.25  # share of a rule's points below the expert's
PLAYED = [
    pytest.param(name, seed, marks=pytest.mark.slow if number == 0 else pytest.mark.seeds, id=f"{name}-{seed}")
    for name in CASES
    for number, seed in enumerate(load_scenario(name).seeds)
]


@cache
def anatomies(name: str, seed: int) -> dict[str, Anatomy]:
    scenario = load_scenario(name)
    built = [build_anatomy(scenario.case(seed, number, COARSE)) for number in range(len(scenario.sites))]
    return {anatomy.level: anatomy for anatomy in built}


def played(name: str, seed: int, operator: str) -> dict[str, Any]:
    session = Session(name, seed, "exam", settings=COARSE, anatomies=anatomies(name, seed))
    Operator(operator).run(session)
    return score(session.log.lines)


def lost(found: dict[str, Any], expert: dict[str, Any]) -> set[str]:
    """Rules that gave clearly less than they gave the expert."""
    best = {row["id"]: row["share"] for row in expert["rules"] if row["share"] is not None}
    shares = {row["id"]: row["share"] for row in found["rules"] if row["share"] is not None}
    return {rule for rule, share in shares.items() if best.get(rule, 1.0) - share > LOST}


@pytest.mark.parametrize(("name", "seed"), PLAYED)
def test_expert_passes_and_novice_does_not(name: str, seed: int) -> None:
    expert, novice = played(name, seed, "expert"), played(name, seed, "novice")
    assert not expert["critical"]
    assert expert["points"] >= 80.0
    assert novice["raw_points"] < 60.0
    anatomies.cache_clear()  # 300 MB each


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_trips_exactly_the_rules_that_it_breaks(fault: str, operator_logs) -> None:
    found, expert = (score(operator_logs(name)) for name in (fault, "expert"))
    assert lost(found, expert) == FAULTS[fault]


@pytest.mark.slow
def test_faults_trip_the_same_rules_with_two_needles() -> None:
    name, seed = "two-needles-l2", load_scenario("two-needles-l2").seeds[0]
    expert = played(name, seed, "expert")
    assert {fault: lost(played(name, seed, fault), expert) for fault in FAULTS} == FAULTS
    anatomies.cache_clear()
