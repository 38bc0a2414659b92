"""One invented run for all windows, and an own cache folder for the OpenGL answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from vertebro.record import Run
from vertebro.view import gl_available
from view.fake_run import fake_run


@pytest.fixture(scope="session")
def run() -> Run:
    """A run with a disc leak (left) and a venous leak (right)."""
    return fake_run(spacing=2e-3)


@pytest.fixture(scope="session")
def calm_run() -> Run:
    """A run without a leak."""
    return fake_run(spacing=2e-3, leaks=False)


@pytest.fixture
def no_gl(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without OpenGL."""
    monkeypatch.setenv("VERTEBRO_NO_GL", "1")


@pytest.fixture
def with_gl() -> None:
    """Skips where this machine cannot draw in 3-D."""
    if not gl_available():
        pytest.skip("no OpenGL library on this machine (apt-get install libegl1 libgl1-mesa-dri)")


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder."""
    monkeypatch.setenv("VERTEBRO_CACHE", str(tmp_path))
    monkeypatch.delenv("VERTEBRO_NO_GL", raising=False)
    return tmp_path


@pytest.fixture(scope="session")
def small_run(run: Run) -> Run:
    """The leaking run with small pictures."""
    case = run.case.with_settings({"imaging.rows": 96})
    return replace(run, scene=replace(run.scene, case=case))
