"""One coarse L3 for all school tests, and the logs of the four scripted operators on case 1."""

from __future__ import annotations

import pytest

from vertebro.build import build_anatomy
from vertebro.training.operators import Operator
from vertebro.training.scenario import load_scenario
from vertebro.training.session import Session

COARSE = {"anatomy.spacing": "1.5 mm", "imaging.rows": 96, "flow.interval": "1 s"}
SEED = 11


@pytest.fixture(scope="session")
def anatomies():
    case = load_scenario("first-steps").case(SEED, 0, COARSE)
    return {"L3": build_anatomy(case)}


@pytest.fixture
def session(anatomies) -> Session:
    return fresh(anatomies)


def fresh(anatomies, **more) -> Session:
    return Session("first-steps", SEED, settings=COARSE, anatomies=anatomies, **more)


@pytest.fixture(scope="session")
def operator_logs(anatomies):
    """Lines by operator, each made once when first asked for."""
    made: dict[str, list] = {}

    def log_of(name: str) -> list:
        if name not in made:
            session = fresh(anatomies)
            Operator(name).run(session)
            made[name] = session.log.lines
        return made[name]

    return log_of
