"""The default tests again, the other way: every array access checked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from architecture.tree import ROOT

ROOMS_WITH_KERNELS = sorted({f"tests/{path.parent.name}" for path in (ROOT / "sim/vertebro").rglob("kernels*.py")})


@pytest.mark.slow
@pytest.mark.parametrize("room", ROOMS_WITH_KERNELS)
def test_kernels_stay_inside_their_arrays(room: str, tmp_path: Path) -> None:
    """An index out of bounds silently returns garbage in compiled code; with NUMBA_BOUNDSCHECK it raises."""
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-k", "twin or naive or kernel", "-p", "no:cacheprovider", room],
        cwd=ROOT,
        env={**os.environ, "NUMBA_BOUNDSCHECK": "1", "VERTEBRO_CACHE": str(tmp_path)},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-4000:]
