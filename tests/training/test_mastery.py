"""Twice in a row, on different patients."""

from __future__ import annotations

import pytest

from training import lines as made
from vertebro.training.mastery import course, mastered

GOOD, FAIR, BAD = "proficient in this run", "competent in this case", "critical error"


@pytest.mark.parametrize(
    ("attempts", "done"),
    [
        ([], False),
        ([(GOOD, 11)], False),
        ([(GOOD, 11), (GOOD, 12)], True),
        ([(GOOD, 11), (GOOD, 11)], False),
        ([(GOOD, 11), (FAIR, 12), (GOOD, 13)], False),
        ([(BAD, 11), (GOOD, 12), (GOOD, 13), (BAD, 11)], True),
    ],
)
def test_two_in_a_row_on_different_patients(attempts: list[tuple[str, int]], done: bool) -> None:
    assert mastered(attempts) is done


def test_session_that_was_cut_off_counts_neither_way() -> None:
    assert course([made.start().lines]) == {}


def test_one_good_run_asks_for_another_patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vertebro.training.score.score", lambda lines: {"label": GOOD, "points": 90.0})
    log = made.start(seed=11)
    log.add("end", 60)
    found = course([log.lines])["first-steps"]
    assert not found["mastered"]
    assert "another patient than 11" in found["say"]
