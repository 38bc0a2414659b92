"""What a session keeps for its debrief: pictures as they stood, and nothing of the session is changed by it."""

from __future__ import annotations

import io
import itertools

import pytest
from PIL import Image

from training.conftest import fresh
from vertebro.errors import SessionError
from vertebro.training.memory import Memory
from vertebro.training.past import memory_of


def test_memory_keeps_a_picture_a_second_and_the_one_that_was_held(anatomies) -> None:
    session = fresh(anatomies)
    session.memory = Memory()
    session.command({"kind": "pedal", "down": True})
    session.step(3.0)
    session.command({"kind": "pedal", "down": False})
    session.step(5.0)
    kept = [one.tick for one in session.memory.pictures["ap"]]
    assert all(later - before >= 60 for before, later in itertools.pairwise(kept))
    shown = session.memory.shown(session.tick)
    assert set(shown) == {"ap"}
    assert shown["ap"].time == pytest.approx(3.0, abs=0.2)
    assert Image.open(io.BytesIO(shown["ap"].jpeg)).size == (96, 96)
    assert session.memory.shown(-1) == {}


def test_memory_leaves_no_trace_in_the_log(anatomies) -> None:
    logs = []
    for memory in (None, Memory()):
        session = fresh(anatomies)
        session.memory = memory
        session.command({"kind": "pedal", "down": True})
        session.step(1.0)
        session.command({"kind": "pedal", "down": False})
        logs.append(session.log.lines)
    assert logs[0] == logs[1]


def test_session_without_memory_says_so(session) -> None:
    with pytest.raises(SessionError, match="kept no pictures"):
        memory_of(session)
