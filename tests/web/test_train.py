"""The command: what it refuses before anything starts, and what the page is given."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vertebro.cli.train import train
from vertebro.errors import SessionError
from vertebro.web.actions import ACTIONS, held_releases, help_text
from vertebro.web.catalogue import catalogue
from vertebro.web.pace import LAG, TICK, Pace
from vertebro.web.pictures import letters
from vertebro.web.server import listen


def test_an_unknown_scenario_names_the_known_ones() -> None:
    with pytest.raises(SessionError) as refusal:
        train("nothing", no_browser=True)
    assert "first-steps" in str(refusal.value)


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(SessionError, match="mode"):
        train("first-steps", mode="fun", no_browser=True)


def test_a_taken_port_is_refused_before_anything_starts() -> None:
    bound = listen("127.0.0.1", 0)
    with pytest.raises(SessionError, match="cannot listen"):
        train("first-steps", port=bound.getsockname()[1], no_browser=True)
    bound.close()


def test_the_catalogue_keeps_the_answers_to_itself() -> None:
    for entry in catalogue():
        assert {"name", "title", "difficulty", "seeds", "patient", "checklist"} <= set(entry)
        assert all(set(question) == {"id", "text", "options"} for question in entry["questions"])


def test_no_two_actions_share_a_key_or_a_name() -> None:
    assert len({action.key for action in ACTIONS}) == len(ACTIONS) == len({action.id for action in ACTIONS})


def test_the_keys_that_were_settled_are_the_keys() -> None:
    keys = {action.key: action.id for action in ACTIONS}
    wanted = {"Space": "xray.pedal", "j": "cement.inject", "m": "cement.leak", "i": "view.invert", "0": "view.reset"}
    wanted |= {"v": "arm.view", "s": "xray.store", "ArrowUp": "needle.advance", "?": "session.help"}
    assert wanted.items() <= keys.items()


def test_pedal_and_syringe_are_what_is_let_go() -> None:
    assert [command["kind"] for command in held_releases()] == ["pedal", "stop"]


def test_the_help_sheet_names_every_action() -> None:
    assert all(action.label in help_text() for action in ACTIONS)


@given(st.lists(st.floats(0.0, 3.0), max_size=30), st.sampled_from((0.5, 1.0, 8.0)))
def test_the_clock_never_runs_ahead_and_never_queues(waits: list[float], speed: float) -> None:
    now, ticks = 100.0, 0
    pace = Pace(now)
    pace.set_speed(speed)
    for wait in waits:
        now += wait
        due = pace.due(now)
        assert due * TICK <= LAG * max(speed, 1.0) + TICK
        ticks += due
    assert ticks * TICK <= (now - 100.0) * speed + 1e-6


@given(st.floats(-180, 180), st.floats(-45, 45))
def test_opposite_edges_carry_opposite_letters(orbital: float, cranial: float) -> None:
    opposite = dict(zip("RLAPHF", "LRPAFH", strict=True))
    left, right, top, bottom = letters(orbital, cranial)
    assert "".join(opposite[letter] for letter in left) == right
    assert "".join(opposite[letter] for letter in top) == bottom
    assert left
    assert top
