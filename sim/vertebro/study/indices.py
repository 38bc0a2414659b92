"""First-order and total Sobol indices of a study with a Sobol design (saltelli2010), through SALib."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vertebro.errors import CaseError, MissingExtra
from vertebro.study import designs
from vertebro.study.plan import Study

if TYPE_CHECKING:
    import pandas as pd

FEWEST = 4  # complete blocks


def sobol_indices(
    study: Study, table: pd.DataFrame, outcome: str, *, base: Path | None = None, level: float = 0.95
) -> dict[str, dict[str, float]]:
    """How much of the variance of an outcome each varied setting explains.

    A block of settings + 2 members stands or falls together: one that holds a failed member is left out.

    Parameters
    ----------
    study : Study
        With ``design = "sobol"``.
    table : DataFrame
    outcome : str
        Column of the table.
    base : Path, optional
        As for `Study.members`.
    level : float [1]
        Confidence of the bootstrap intervals.

    Returns
    -------
    dict
        Per setting: ``first``, ``first_half_width``, ``total``, ``total_half_width``.

    Raises
    ------
    CaseError
        If the design is another one, the column is missing, several patients meet each point, too few blocks are
        complete, or the outcome does not vary.
    MissingExtra
        Without SALib.
    """
    try:
        from SALib.analyze import sobol
    except ImportError:
        raise MissingExtra("SALib", "study", "Sobol indices") from None
    if study.design != "sobol" or study.patients not in (1, "each"):
        raise CaseError(
            "indices need a Sobol design", where="design", value=study.design, allowed="sobol, patients = 1"
        )
    if outcome not in table:
        raise CaseError("no such column", where="table", value=outcome, allowed=", ".join(map(str, table.columns)))
    axes = study.axes(base)
    y = table.set_index("number")[outcome].reindex(range(study.samples * (len(axes) + 2))).to_numpy(float)
    blocks = y.reshape(study.samples, len(axes) + 2)
    whole = blocks[np.isfinite(blocks).all(axis=1)]
    if len(whole) < FEWEST or np.ptp(whole) == 0:
        raise CaseError(
            "too little to analyse", where=outcome, value=f"{len(whole)} complete blocks", allowed=f"{FEWEST}, varying"
        )
    problem = designs.problem(axes)
    found = sobol.analyze(problem, whole.ravel(), calc_second_order=False, conf_level=level, seed=study.seed)
    return {
        axis.key: {
            "first": float(found["S1"][k]),
            "first_half_width": float(found["S1_conf"][k]),
            "total": float(found["ST"][k]),
            "total_half_width": float(found["ST_conf"][k]),
        }
        for k, axis in enumerate(axes)
    }
