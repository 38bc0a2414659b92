"""One coarse anatomy and one short run for all hall tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from vertebro.build import build_anatomy
from vertebro.case import Case
from vertebro.record import Run
from vertebro.simulation import Simulation

COARSE = {
    "anatomy.spacing": "1.5 mm",
    "steps.0.volume": "1.5 ml",
    "flow.interval": "4 s",
    "imaging.rows": 128,
    "imaging.frames": 2,
}


@pytest.fixture(scope="session")
def coarse_case() -> Case:
    return Case.preset("first-injection").with_settings(COARSE)


@pytest.fixture(scope="session")
def coarse_anatomy(coarse_case):
    return build_anatomy(coarse_case)


@pytest.fixture(scope="session")
def cold_case(coarse_case) -> Case:
    """Without heat, which changes nothing about an injection that does not pause for long."""
    return coarse_case.with_settings({"heat.enabled": False})


@pytest.fixture(scope="session")
def short_run(coarse_case, coarse_anatomy) -> Run:
    return Simulation(coarse_case, anatomy=coarse_anatomy).run()


@pytest.fixture(scope="session")
def run_folder(short_run, tmp_path_factory) -> Path:
    return short_run.save(tmp_path_factory.mktemp("runs") / "short")
