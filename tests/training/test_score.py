"""From a log to points: gates, rescaling, explanations."""

from __future__ import annotations

import pytest

from training import lines as made
from vertebro.errors import CaseError
from vertebro.training.metrics import METRICS
from vertebro.training.rubric import load_rubric
from vertebro.training.score import explain, score


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
