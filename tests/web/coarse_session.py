"""The real session on a coarse grid, for tests in the browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from vertebro.training.memory import Memory
from vertebro.training.operators import Operator
from vertebro.training.session import Session

COARSE = {"anatomy.spacing": "1.5 mm", "imaging.rows": 128}


def make(scenario: str, seed: int, mode: Any, report: Callable[[str, float], None], folder: Path) -> Session:
    report("building a coarse patient", 0.5)
    session = Session(scenario, seed=seed, mode=mode, settings=COARSE, log=folder / "events.jsonl")
    session.memory = Memory()
    return session


def make_done(scenario: str, seed: int, mode: Any, report: Callable[[str, float], None], folder: Path) -> Session:
    """A session that a scripted novice has already done, leak included."""
    session = make(scenario, seed, mode, report, folder)
    Operator("novice").run(session)
    return session
