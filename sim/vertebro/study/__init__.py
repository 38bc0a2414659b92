"""Many runs of one case: what leaks how often, at which volume, and which unknown decides it.

**A study** is a case, what stays fixed, what varies (any dotted key of the case) and a design: a full grid, a list, a
Latin hypercube or a Sobol design. Every member may meet its own patient (anatomy, veins, scatter of permeability by
seed). `run_sweep` runs the members on all cores or on a Dask cluster; each finished member is on disk at once, so a
killed study goes on where it stopped, and a member that fails is reported, never lost.

**A population** is a Latin hypercube over what differs between patients: ranges, even or as a bell, values with
weights, records of ``anatomy.pathology`` that only some have, and packages of settings that come together.

**Reading a leak.** One run tells at which injected volume each route began to leak, or that it did not up to the end:
that is survival data. `leak_curve` is the Kaplan-Meier estimate of P(leak by volume) with its confidence band, and
`safe_volume` the largest volume whose band stays below a risk. `dose_response` fits a logistic curve over members,
`sobol_indices` gives first-order and total Sobol indices, `best_wait` the waiting time with most clean, complete
fills. `clinical_shares` counts leaks as clinical series do, `risk_ratio` compares two groups, `read_films` tells what
a reader of films would find.

Probabilities describe the simulated population, not patients: education and research only.

Example
-------
>>> from vertebro.study import Study
>>> study = Study.parse({"case": "first-injection", "design": "grid",
...                      "vary": {"steps.0.volume": {"values": ["2 ml", "4 ml"]}}, "patients": 3})
>>> len(study.members())
6
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vertebro.study.compare import clinical_shares, leaked, mean_difference, risk_ratio
    from vertebro.study.films import Reading, read_films
    from vertebro.study.indices import sobol_indices
    from vertebro.study.leaks import LeakCurve, best_wait, leak_curve, leak_shares, safe_volume
    from vertebro.study.logistic import DoseResponse, dose_response
    from vertebro.study.plan import Member, Study, Vary
    from vertebro.study.sweep import SweepResult, run_sweep
    from vertebro.study.table import load_table

_HOMES = {
    "Study": "plan",
    "Vary": "plan",
    "Member": "plan",
    "run_sweep": "sweep",
    "SweepResult": "sweep",
    "load_table": "table",
    "LeakCurve": "leaks",
    "leak_curve": "leaks",
    "leak_shares": "leaks",
    "safe_volume": "leaks",
    "best_wait": "leaks",
    "clinical_shares": "compare",
    "leaked": "compare",
    "mean_difference": "compare",
    "risk_ratio": "compare",
    "Reading": "films",
    "read_films": "films",
    "DoseResponse": "logistic",
    "dose_response": "logistic",
    "sobol_indices": "indices",
}
__all__ = [
    "DoseResponse",
    "LeakCurve",
    "Member",
    "Reading",
    "Study",
    "SweepResult",
    "Vary",
    "best_wait",
    "clinical_shares",
    "dose_response",
    "leak_curve",
    "leak_shares",
    "leaked",
    "load_table",
    "mean_difference",
    "read_films",
    "risk_ratio",
    "run_sweep",
    "safe_volume",
    "sobol_indices",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
