"""The real session on a coarse grid, for tests in the browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from vertebro.training.session import Session

COARSE = {"anatomy.spacing": "1.5 mm", "imaging.rows": 128}


def make(scenario: str, seed: int, mode: Any, report: Callable[[str, float], None], folder: Path) -> Session:
    report("building a coarse patient", 0.5)
    return Session(scenario, seed=seed, mode=mode, settings=COARSE, log=folder / "events.jsonl")
