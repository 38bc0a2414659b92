"""How many members of a study two cores finish in an hour: the standard leak case, swept and extrapolated."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from unittest.mock import patch

from benches.measure import Result

PRESET = "first-injection"
QUICK = {"steps.0.volume": "0.5 ml", "heat.enabled": "false"}  # a short injection only shows that the bench runs


def members_per_hour(quick: bool) -> list[Result]:
    """Whole members, new patient each, anatomy included: no pictures, no heat; one member loads the kernels first."""
    return [_swept(spacing, quick) for spacing in ((1.5,) if quick else (1.0, 0.7))]


def _swept(spacing: float, quick: bool) -> Result:
    from vertebro.study import Study, run_sweep

    settings = (QUICK if quick else {"heat.enabled": "false"}) | {"anatomy.spacing": f"{spacing:g} mm"}
    seeds = 2 if quick else 4
    study = {"title": "throughput", "case": PRESET, "set": settings}
    # a worker inherits this: one thread for each of two processes
    with tempfile.TemporaryDirectory() as place, patch.dict(os.environ, NUMBA_NUM_THREADS="1"):
        warm = Study.parse(study | {"vary": {"seed": {"values": [99]}}})
        run_sweep(warm, Path(place) / "warm", workers=1)
        whole = Study.parse(study | {"vary": {"seed": {"values": list(range(1, seeds + 1))}}})
        result = run_sweep(whole, Path(place) / "whole", workers=2)
    if result.finished < result.members:
        raise RuntimeError(f"{result.failed} of {result.members} members failed")
    return Result(
        name=f"members per hour, {spacing:g} mm, two cores",
        value=3600.0 * result.members / result.seconds,
        unit="1/h",
        note=f"{result.members} members of {PRESET} in {result.seconds:.0f} s, two processes, extrapolated",
        more={"members": result.members, "wall_s": result.seconds},
    )


BENCHES = [members_per_hour]
