"""How many members of a study two cores finish in an hour: the standard leak case, swept and extrapolated.

On a machine that others use, the wall says little: the processor time of the workers and the load are told beside it.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from unittest.mock import patch

from benches.measure import Result

PRESET = "first-injection"
QUICK = {"steps.0.volume": "0.5 ml", "heat.enabled": "false"}  # a short injection only shows that the bench runs


def members_per_hour(quick: bool) -> list[Result]:
    """Whole members, new patient each, anatomy included: no pictures, no heat; a short one loads the kernels first."""
    return [_swept(spacing, quick) for spacing in ((1.5,) if quick else (1.0, 0.7))]


def _swept(spacing: float, quick: bool) -> Result:
    from vertebro.study import Study, run_sweep

    settings = (QUICK if quick else {"heat.enabled": "false"}) | {"anatomy.spacing": f"{spacing:g} mm"}
    seeds = 2  # one for each process: three minutes for both grids on an idle machine
    study = {"title": "throughput", "case": PRESET, "set": settings}
    # a worker inherits this: one thread for each of two processes
    with tempfile.TemporaryDirectory() as place, patch.dict(os.environ, NUMBA_NUM_THREADS="1"):
        warm = Study.parse(study | {"set": settings | QUICK, "vary": {"seed": {"values": [99]}}})
        run_sweep(warm, Path(place) / "warm", workers=1)
        load, before = os.getloadavg()[0], _spent()
        whole = Study.parse(study | {"vary": {"seed": {"values": list(range(1, seeds + 1))}}})
        result = run_sweep(whole, Path(place) / "whole", workers=2)
    each = (_spent() - before) / result.members
    if result.finished < result.members:
        raise RuntimeError(f"{result.failed} of {result.members} members failed")
    return Result(
        name=f"members per hour, {spacing:g} mm, two cores",
        value=3600.0 * result.members / result.seconds,
        unit="1/h",
        note=f"{result.members} members of {PRESET} in {result.seconds:.0f} s, two processes, extrapolated; "
        f"load {load:.1f} before; {each:.0f} s of a core each, so at most {7200.0 / each:.0f}/h alone",
        more={"members": result.members, "wall_s": result.seconds, "load": load, "core_s_per_member": each},
    )


def _spent() -> float:
    """Processor time [s] of the workers that have ended."""
    used = os.times()
    return used.children_user + used.children_system


BENCHES = [members_per_hour]
