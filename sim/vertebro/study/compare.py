"""Two groups of members against each other: how much more often do they leak, how much more was injected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from vertebro.errors import CaseError
from vertebro.study.leaks import LEVEL, share

if TYPE_CHECKING:
    import pandas as pd

# kinds as the clinical series count them: an embolus left through a segmental vein, canal cement through a broken wall
CLINICAL: dict[str, tuple[str, ...]] = {
    "B": ("B",),
    "S": ("S", "embolus"),
    "C": ("C", "canal"),
    "D": ("D",),
    "venous": ("B", "S", "embolus"),
    "any": ("B", "S", "C", "D", "canal", "foramen", "embolus"),
}


def leaked(table: pd.DataFrame, group: str, *, threshold: float = 0.0) -> NDArray[np.bool_]:
    """(n,) which rows of a table leaked by a clinical group of kinds.

    Parameters
    ----------
    table : DataFrame
        From `load_table`, finished members.
    group : str
        Of `CLINICAL`.
    threshold : float [mL]
        A kind that ends smaller does not count.

    Raises
    ------
    CaseError
        If there is no such group.
    """
    if group not in CLINICAL:
        raise CaseError("unknown group of leaks", where="group", value=group, allowed=", ".join(CLINICAL))
    volumes = [table[f"leak_{kind}_ml"].to_numpy(float) for kind in CLINICAL[group]]
    return np.asarray(np.any([(v > 0) & (v >= threshold) for v in volumes], axis=0))


def clinical_shares(
    table: pd.DataFrame, *, threshold: float = 0.0, level: float = LEVEL
) -> dict[str, tuple[float, float, float]]:
    """Share of the finished members that leak by each clinical group, with its Wilson interval.

    Parameters
    ----------
    table : DataFrame
    threshold : float [mL]
        As in `leaked`.
    level : float [1]

    Raises
    ------
    CaseError
        If no member finished.
    """
    rows = table[table["status"] == "finished"]
    if not len(rows):
        raise CaseError("no member finished", where="table", value=f"{len(table)} members", hint="look at column error")
    hits = {group: int(leaked(rows, group, threshold=threshold).sum()) for group in CLINICAL}
    return {group: share(count, len(rows), level=level) for group, count in hits.items()}


def risk_ratio(
    one: NDArray[np.bool_], other: NDArray[np.bool_], *, paired: bool = False, level: float = LEVEL
) -> tuple[float, float, float]:
    """Share of hits in `one` over that in `other`, with its interval on the logarithm (delta method).

    Half a hit is added to each, as the logarithm needs where nobody is hit: such an interval is wide, as it should be.

    Parameters
    ----------
    one, other : (n,), (m,) bool
    paired : bool
        Row k of both is the same patient: only those count against each other who are hit in one alone.
    level : float [1]

    Raises
    ------
    CaseError
        If a group is empty, or pairs do not match.
    """
    if not len(one) or not len(other) or (paired and len(one) != len(other)):
        raise CaseError(
            "groups to compare", where="risk_ratio", value=(len(one), len(other)), allowed="pairs, not empty"
        )
    hits, others, total, other_total = one.sum() + 0.5, other.sum() + 0.5, len(one) + 0.5, len(other) + 0.5
    ratio = (hits / total) / (others / other_total)
    if paired:
        variance = (np.count_nonzero(one != other) + 1) / (hits * others)
    else:
        variance = 1 / hits - 1 / total + 1 / others - 1 / other_total
    reach = float(np.exp(stats.norm.ppf(0.5 + level / 2) * np.sqrt(variance)))
    return float(ratio), float(ratio / reach), float(ratio * reach)


def mean_difference(
    one: NDArray[np.float64], other: NDArray[np.float64], *, level: float = LEVEL
) -> tuple[float, float, float]:
    """Mean of `one` minus mean of `other` with Welch's interval; all NaN when a group has fewer than two."""
    if min(len(one), len(other)) < 2:
        return float("nan"), float("nan"), float("nan")
    found = stats.ttest_ind(one, other, equal_var=False).confidence_interval(level)
    return float(one.mean() - other.mean()), float(found.low), float(found.high)
