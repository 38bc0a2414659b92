"""Seven cases and two drills as data."""

from __future__ import annotations

import pytest

from vertebro.errors import SessionError
from vertebro.training.rubric import load_rubric
from vertebro.training.scenario import load_scenario, scenario_names

CASES = ("first-steps", "wedge-t12", "which-level", "midline-l4", "two-needles-l2", "two-levels", "sacrum-h")


def test_seven_cases_and_two_drills_are_there() -> None:
    assert set(scenario_names()) == {*CASES, "drill-views", "drill-wall"}
    assert scenario_names()[0] == "first-steps"


@pytest.mark.parametrize("name", scenario_names())
def test_scenario_is_complete_and_its_case_is_valid(name: str) -> None:
    scenario = load_scenario(name)
    assert len(scenario.seeds) >= 3
    assert scenario.teaching.strip()
    assert scenario.patient.history
    for seed in scenario.seeds:
        for number in range(len(scenario.sites)):
            case = scenario.case(seed, number)
            assert case.seed == seed
            assert not case.heat.enabled
    for question in scenario.questions:
        assert set(question.right) <= set(question.options)
    assert set(scenario.rules) <= {rule.id for rule in load_rubric().rules}


@pytest.mark.parametrize("name", CASES)
def test_case_can_win_every_point_of_preparation(name: str) -> None:
    scenario = load_scenario(name)
    rules = {q.rule for q in scenario.questions} | {item.rule for item in scenario.checklist}
    assert {"A1", "A2", "A3", "G3"} <= rules


def test_two_levels_are_two_sites_of_one_session() -> None:
    scenario = load_scenario("two-levels")
    assert [scenario.case(61, n).anatomy.level for n in (0, 1)] == ["T12", "L1"]


def test_unknown_scenario_is_told_the_known_ones() -> None:
    with pytest.raises(SessionError, match="first-steps"):
        load_scenario("appendectomy")
