"""What every test shares: no windows, loud floating-point mistakes, reproducible random numbers, the shared data."""

from __future__ import annotations

import locale
import os
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("PYVISTA_OFF_SCREEN", "true")

import numpy as np
import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]

# deadline off: a first call compiles. derandomize: a red test stays red on the next machine.
settings.register_profile("house", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("house")


def pytest_configure(config: pytest.Config) -> None:
    """Before xdist starts its workers, so that they do not all compile the same kernels side by side."""
    if getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput"):
        from vertebro.warm import is_warm, warm_all

        if not is_warm():
            warm_all(lambda stage, share: None)


@pytest.fixture(scope="session")
def root() -> Path:
    """Folder that holds pyproject.toml."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real CTs beside the checkout; tests that need them skip, with the reason, where they are absent."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no ../shared/data beside the checkout (real CT, never part of the repository)")
    return folder


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """Random numbers seeded by the test's own name: reordering tests changes nothing."""
    return np.random.default_rng(zlib.crc32(request.node.name.encode()))


@pytest.fixture(autouse=True)
def _close_figures() -> Iterator[None]:
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(autouse=True)
def _locale_is_put_back() -> Iterator[None]:
    """ITK's DICOM writer leaves the process in the C locale, where the next test could not read a UTF-8 text."""
    before = locale.setlocale(locale.LC_CTYPE)
    yield
    locale.setlocale(locale.LC_CTYPE, before)
