"""Compile every kernel the main job uses, with the very types it uses, by running a tiny case."""

from __future__ import annotations

from collections.abc import Callable

from vertebro import _jit
from vertebro.case import Case

TINY = {
    "anatomy.spacing": "1.5 mm",
    "steps.0.volume": "0.1 ml",
    "flow.interval": "4 s",
    "imaging.rows": 64,
    "imaging.frames": 2,
}


def warm_all(progress: Callable[[str, float], None]) -> int:
    """Run the tiny case; returns the number of kernels that are now ready.

    Parameters
    ----------
    progress : callable
        ``progress(stage, fraction)``.
    """
    from vertebro.scans import ct_planes, ct_stack
    from vertebro.simulation import Simulation

    run = Simulation(Case.preset("first-injection").with_settings(TINY), progress=progress).run()
    ct_planes(run.scene, run.cement_fraction())
    ct_stack(run.scene, run.cement_fraction(), needles=run.scene.needles, pixels=64, slices=1)
    return sum(1 for compiled in _jit.KERNELS.values() if getattr(compiled, "signatures", ()))
