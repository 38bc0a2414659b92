"""The kernel decorator: no stale machine code, no NaN-blind arithmetic, one parallel call at a time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from architecture.tree import SOURCE
from vertebro import _jit

pytestmark = pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT", "0") != "0", reason="compiled code is switched off")

CALLEE = """
from vertebro._jit import kernel

@kernel
def factor():
    return {value}
"""
CALLER = """
from vertebro._jit import kernel
from vertebro.{room}.kernels import factor

@kernel
def scaled(x):
    return x * factor()
"""


def _small_house(place: Path) -> Path:
    """A package `vertebro` of the real decorator and one kernel that calls another in a second file."""
    house = place / "vertebro"
    for room in ("pantry", "flow"):
        (house / room).mkdir(parents=True)
        (house / room / "__init__.py").touch()
    (house / "__init__.py").touch()
    for name in ("_jit.py", "paths.py"):
        shutil.copy(SOURCE / name, house / name)
    (house / "flow" / "kernels.py").write_text(CALLER.format(room="pantry"))
    return house


def _ask(place: Path, code: str, **more: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(place), "VERTEBRO_CACHE": str(place / "cache"), **more}
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=place, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


def test_editing_a_callee_in_another_file_changes_the_callers_result(tmp_path: Path) -> None:
    """The numba trap: a cached caller keeps the old machine code of an edited callee. The cache folder named by the
    hash of all kernel sources leaves the old code behind, and a second unedited run does use the cache.
    """
    house = _small_house(tmp_path)
    question = (
        "import vertebro.flow.kernels as k; from vertebro import _jit\n"
        "print(k.scaled(2.0), _jit.kernel_hash(), sum(k.scaled.stats.cache_hits.values()))"
    )
    answers = []
    for value in (1.0, 1.0, 10.0):
        (house / "pantry" / "kernels.py").write_text(CALLEE.format(value=value))
        answers.append(_ask(tmp_path, question).split())
    assert [answer[0] for answer in answers] == ["2.0", "2.0", "20.0"]
    assert answers[0][1] == answers[1][1] != answers[2][1]
    assert [answer[2] for answer in answers] == ["0", "1", "0"]


def test_machine_code_goes_to_the_users_cache_only(tmp_path: Path) -> None:
    house = _small_house(tmp_path)
    (house / "pantry" / "kernels.py").write_text(CALLEE.format(value=1.0))
    _ask(tmp_path, "import vertebro.flow.kernels as k; k.scaled(2.0)")
    written = {path.parent for path in tmp_path.rglob("*.nbi")}
    assert written
    assert all(tmp_path / "cache" / "kernels" in path.parents for path in written)


def test_bounds_checking_never_meets_unchecked_machine_code(tmp_path: Path) -> None:
    """Numba's cache index does not know NUMBA_BOUNDSCHECK; the folder's name does."""
    house = _small_house(tmp_path)
    (house / "pantry" / "kernels.py").write_text(CALLEE.format(value=1.0))
    question = "from vertebro import _jit; print(_jit.kernel_hash())"
    assert _ask(tmp_path, question) != _ask(tmp_path, question, NUMBA_BOUNDSCHECK="1")


def test_the_cache_folder_setting_of_other_libraries_is_left_alone() -> None:
    from numba.core import config

    before = config.CACHE_DIR
    _jit.kernel(lambda x: x)
    assert before == config.CACHE_DIR


def test_the_safe_fastmath_set_still_sees_nan() -> None:
    assert not {"nnan", "ninf", "fast"} & _jit.SAFE_FASTMATH

    @_jit.kernel(fastmath=True)
    def is_nan(x):
        return np.isnan(x)

    assert is_nan(np.nan)


def test_division_by_zero_follows_numpy() -> None:
    @_jit.kernel
    def inverse(x):
        return 1.0 / x

    assert inverse(0.0) == np.inf


def test_two_python_threads_may_call_parallel_kernels() -> None:
    """Numba's workqueue layer aborts the process on concurrent calls; the decorator lets one in at a time."""
    import numba

    @_jit.kernel(parallel=True)
    def double(x, out):
        for i in numba.prange(x.size):
            out[i] = 2.0 * x[i]

    x = np.arange(10_000.0)
    outs = [np.zeros_like(x) for _ in range(4)]

    def work(out: np.ndarray) -> None:
        for _ in range(20):
            double(x, out)

    threads = [threading.Thread(target=work, args=(out,)) for out in outs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(out, 2 * x) for out in outs)


def test_a_registered_kernel_is_found_by_its_full_name() -> None:
    @_jit.kernel
    def registered(x):
        return x

    assert _jit.KERNELS[f"{__name__}.registered"] is registered


@pytest.fixture(autouse=True)
def _registry_is_left_as_found():
    before = dict(_jit.KERNELS)
    yield
    _jit.KERNELS.clear()
    _jit.KERNELS.update(before)
