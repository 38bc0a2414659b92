"""The rubric as data: weights, bands, gates, rescaling, explanations."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from training import lines as made
from vertebro.errors import CaseError
from vertebro.training.metrics import METRICS
from vertebro.training.score import Part, Rubric, explain, load_rubric, score


def test_weights_add_up_to_a_hundred_and_domains_are_seven() -> None:
    rubric = load_rubric()
    assert sum(rule.points for rule in rubric.rules) == 100.0
    assert "".join(rubric.domains) == "ABCDEFG"
    assert rubric.status == "unvalidated draft"


def test_weights_that_do_not_add_up_are_refused() -> None:
    data = load_rubric().model_dump()
    data["rules"][0]["points"] += 1.0
    with pytest.raises(ValidationError, match="domain A"):
        Rubric.model_validate(data)


def test_metric_that_nobody_measures_is_refused() -> None:
    data = load_rubric().model_dump()
    data["rules"][0]["parts"][0]["metric"] = "A99"
    with pytest.raises(ValidationError, match="A99"):
        Rubric.model_validate(data)


@pytest.mark.parametrize(("value", "share"), [(3.0, 1.0), (2.0, 1.0), (0.0, 0.5), (-2.0, 0.0), (-9.0, 0.0)])
def test_bands_are_straight_in_between(value: float, share: float) -> None:
    wall = load_rubric().rule("C3").parts[0]
    assert wall.score(value) == pytest.approx(share)


def test_bands_also_run_downwards() -> None:
    assert Part(metric="L4", full=0.05, none=0.30).score(0.175) == pytest.approx(0.5)


def test_run_without_a_leak_is_rescaled_not_given_points() -> None:
    found = {row["id"]: row for row in score(made.start().lines)["rules"]}
    assert found["F1"]["possible"] == found["F2"]["possible"] == 0.0
    assert found["C1"]["possible"] == 6.0
    assert found["C1"]["points"] == 0.0


def test_critical_error_caps_the_points_and_keeps_them_readable() -> None:
    log = made.start()
    made.inject(log, 100, 120, rate=0.05, ages={"lateral": 9.0})
    found = score(log.lines)
    assert [gate["id"] for gate in found["critical"]] == ["K6"]
    assert found["label"] == "critical error"
    assert found["points"] <= 49.0
    assert found["points"] <= found["raw_points"]


def test_drill_is_scored_by_its_own_rules_only() -> None:
    found = score(made.start("drill-views", rules=["B1", "B2", "B4"]).lines)
    assert [row["id"] for row in found["rules"]] == ["B1", "B2", "B4"]


def test_same_log_same_score() -> None:
    log = made.start()
    made.leak(log, 105)
    made.visible(log, 106)
    made.inject(log, 100, 110)
    assert score(log.lines) == score(list(log.lines))


@pytest.mark.parametrize("entry", load_rubric().entries, ids=lambda entry: entry.id)
def test_every_rule_explains_itself(entry) -> None:
    facts = explain(f"rule.{entry.id}")
    assert facts["status"] == "unvalidated draft"
    assert facts["sources"]


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_explains_itself(name: str) -> None:
    assert explain(f"metric.{name}")["meaning"]


def test_unknown_rule_is_told_the_known_ones() -> None:
    with pytest.raises(CaseError, match="C3"):
        explain("rule.Z9")
