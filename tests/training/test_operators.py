"""Scripted operators on case 1: the rubric tells them apart, for the right reasons; and their sessions replay."""

from __future__ import annotations

import json

import pytest

from training.conftest import SEED
from vertebro.errors import DataError, SessionError
from vertebro.training.debrief import debrief
from vertebro.training.replay import CHANGES, replay, same, summary, what_if
from vertebro.training.score import score


def broken(lines) -> set[str]:
    """Rules of conduct that lost more than half of their points; results (E) follow from conduct."""
    return {
        row["id"]
        for row in score(lines)["rules"]
        if row["share"] is not None and row["share"] < 0.5 and row["id"][0] != "E"
    }


def test_expert_passes_at_expert_level(operator_logs) -> None:
    found = score(operator_logs("expert"))
    assert found["points"] >= 80
    assert not found["critical"]
    assert not broken(operator_logs("expert"))


def test_novice_does_not_pass(operator_logs) -> None:
    found = score(operator_logs("novice"))
    assert found["raw_points"] < 60
    assert {"B1", "C6", "D1", "D2"} <= broken(operator_logs("novice"))


def test_who_never_looks_at_lateral_loses_more_than_ten_points(operator_logs) -> None:
    assert score(operator_logs("never-lateral"))["points"] < score(operator_logs("expert"))["points"] - 10


def test_replay_gives_the_same_log_and_bitwise_the_same_summary(operator_logs, anatomies) -> None:
    lines = json.loads(json.dumps(operator_logs("novice")))
    again = replay(lines, anatomies=anatomies)
    assert same(lines, again.log.lines)
    assert json.dumps(summary(again.log.lines)) == json.dumps(summary(lines))


def test_session_that_was_cut_off_replays_as_far_as_it_came(operator_logs, anatomies) -> None:
    lines = operator_logs("expert")
    part = lines[: next(n for n, line in enumerate(lines) if line["type"] == "row")]
    again = replay(part, anatomies=anatomies)
    assert same(part, again.log.lines)
    assert not again.finished


def test_log_of_another_version_of_the_scenario_is_refused(operator_logs, anatomies) -> None:
    lines = [operator_logs("expert")[0] | {"digest": "0"}, *operator_logs("expert")[1:]]
    with pytest.raises(DataError, match="changed"):
        replay(lines, anatomies=anatomies)


def test_debrief_has_a_verdict_and_three_next_steps_in_the_session(operator_logs) -> None:
    lines = operator_logs("novice")
    told = debrief(lines)
    assert told["verdict"].startswith("Critical error")
    assert len(told["next"]) == 3
    assert all(0.0 <= step["t"] <= lines[-1]["t"] for step in told["next"])
    assert "unvalidated draft" in told["notice"]
    json.dumps(told, allow_nan=False)


def test_thicker_cement_would_have_leaked_less(operator_logs, anatomies) -> None:
    answer = what_if(operator_logs("novice"), "thicker-cement", anatomies=anatomies)
    assert answer["applies"]
    assert answer["after"]["leaked_ml"] < answer["before"]["leaked_ml"]


def test_stop_at_visible_needs_something_visible(operator_logs, anatomies) -> None:
    lines = [line for line in operator_logs("expert") if line.get("event") != "leak visible"]
    assert not what_if(lines, "stop-at-visible", anatomies=anatomies)["applies"]


def test_unknown_change_is_told_the_known_ones(operator_logs) -> None:
    with pytest.raises(SessionError, match=next(iter(CHANGES))):
        what_if(operator_logs("expert"), "magic")


def test_seed_of_the_tests_is_one_of_the_scenario(operator_logs) -> None:
    assert operator_logs("expert")[0]["seed"] == SEED


@pytest.mark.parametrize("name", ["novice", "expert"])
def test_every_leak_is_told_once_even_one_that_the_last_needle_leaves(name: str, operator_logs) -> None:
    lines = operator_logs(name)
    told = [(line["level"], line["key"]) for line in lines if line.get("event") == "leak"]
    final = [(level, leak["key"]) for level, facts in lines[-1]["levels"].items() for leak in facts["leaks"]]
    assert sorted(told) == sorted(final)
    kinds = {line["kind"] for line in lines if line.get("event") == "leak"}
    assert ("track" in kinds) == (name == "novice")  # who pulls the needle while the cement is soft
