"""The same session in another process, with other numbers of threads and another order of sets: bitwise the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SETTINGS = {"anatomy.spacing": "1.5 mm", "imaging.rows": 256, "flow.interval": "1 s"}
SESSION = f"""
import sys
from pathlib import Path
from vertebro.training.session import Session

session = Session("first-steps", 11, "exam", settings={SETTINGS!r}, log=Path(sys.argv[1]))
do, plan = session.command, session.site.plan()
needle = plan["needles"]["left"]
angles = {{name: float(needle[name]) for name in ("convergence_deg", "caudal_deg")}}


def turn(plane):
    do({{"kind": "pedal", "down": True}})
    do({{"kind": "arm", **plan["views"][plane]}})
    session.step(6.0)
    do({{"kind": "pedal", "down": False}})


turn("lateral")
turn("ap")
do({{"kind": "place", "needle": "left", **angles}})
for _ in range(2):
    do({{"kind": "advance", "needle": "left", "distance_mm": float(needle["length_mm"]) / 2 - 1}})
do({{"kind": "contrast", "needle": "left", "volume_ml": 0.5}})
turn("lateral")
do({{"kind": "mix"}})
do({{"kind": "wait", "seconds": 60}})
do({{"kind": "pedal", "down": True}})
do({{"kind": "inject", "needle": "left", "rate_ml_min": 6}})
session.step(6.0)
do({{"kind": "stop"}})
do({{"kind": "finish"}})
"""


def _python(*words: str, threads: int) -> str:
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    env = {**os.environ, **dict.fromkeys(names, str(threads)), "PYTHONHASHSEED": str(threads)}
    run = subprocess.run(
        [sys.executable, *words], env=env, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert run.returncode == 0, run.stderr[-2000:]
    return run.stdout


@pytest.mark.slow
def test_replay_in_another_process_with_other_threads_is_bitwise_the_same(tmp_path: Path) -> None:
    log = tmp_path / "events.jsonl"
    _python("-c", SESSION, str(log), threads=1)
    facts = json.loads(_python("-m", "vertebro.cli.main", "replay", str(log), "--json", threads=2))
    assert facts["same"]
    assert facts["summary"]["score"]["metrics"]["C3_ml"] > 0.3
    assert facts["summary"]["score"]["metrics"]["I2_dap"] > 0.0
