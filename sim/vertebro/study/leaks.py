"""P(leak): by kind, by injected volume, by waiting time; with confidence intervals that small samples deserve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from vertebro.errors import CaseError
from vertebro.study.member import KINDS

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
LEVEL = 0.95


@dataclass(frozen=True, kw_only=True, slots=True)
class LeakCurve:
    """P(leak by volume), Kaplan-Meier: members that stopped without a leak count up to their last volume.

    Attributes
    ----------
    volume : (n,) float [mL]
        Rising; the curve holds from each volume to the next.
    probability, low, high : (n,) float [1]
        Estimate and confidence band (log-log Greenwood; Clopper-Pearson before the first leak).
    at_risk : (n,) int
        Members that had reached the volume without a leak.
    members, leaks : int
    """

    volume: Floats
    probability: Floats
    low: Floats
    high: Floats
    at_risk: NDArray[np.int64]
    members: int
    leaks: int

    def at(self, volume: float) -> tuple[float, float, float]:
        """Probability and its band at a volume [mL].

        Raises
        ------
        CaseError
            Beyond the largest volume that was injected.
        """
        if not 0 <= volume <= self.volume[-1] * (1 + 1e-9):
            raise CaseError(
                "no member injected that much", where="volume [ml]", value=volume, allowed=f"0 to {self.volume[-1]:.2f}"
            )
        k = int(np.searchsorted(self.volume, volume * (1 + 1e-12), side="right") - 1)
        return float(self.probability[k]), float(self.low[k]), float(self.high[k])


def leak_curve(
    table: pd.DataFrame, kind: str | tuple[str, ...], *, threshold: float = 0.0, level: float = LEVEL
) -> LeakCurve:
    """P(a leak of a kind by the injected volume) over the finished members of a table.

    Parameters
    ----------
    table : DataFrame
        From `load_table`.
    kind : str or tuple of str
        ``"B"``, ``"S"``, ``"C"``, ``"D"``, ``"track"``, ``"canal"``, ``"foramen"``, ``"embolus"``;
        several: any of them.
    threshold : float [mL]
        Leaks that end smaller than this do not count.
    level : float [1]
        Confidence, 0.5…0.999.

    Raises
    ------
    CaseError
        If the kind is unknown or no member finished.
    """
    last, leaked = _survival(table, kind, threshold)
    order = np.argsort(last, kind="stable")
    last, leaked = last[order], leaked[order]
    volume = np.concatenate([[0.0], np.unique(last)])
    risk = np.array([np.count_nonzero(last >= v) for v in volume])
    events = np.array([np.count_nonzero(leaked & (last == v)) for v in volume])
    with np.errstate(divide="ignore", invalid="ignore"):
        survival = np.asarray(np.cumprod(1.0 - np.where(risk > 0, events / risk, 0.0)), float)
        terms = np.asarray(np.where(risk > events, events / (risk * np.maximum(risk - events, 1e-300)), np.inf), float)
    low, high = _band(survival, np.cumsum(terms), risk, level)
    return LeakCurve(
        volume=volume,
        probability=1.0 - survival,
        low=low,
        high=high,
        at_risk=risk,
        members=len(last),
        leaks=int(leaked.sum()),
    )


def _survival(table: pd.DataFrame, kind: str | tuple[str, ...], threshold: float) -> tuple[Floats, NDArray[np.bool_]]:
    """Volume [mL] of the first leak or, without one, of the end; and whether there was one."""
    kinds = (kind,) if isinstance(kind, str) else kind
    if not kinds or not set(kinds) <= set(KINDS):
        raise CaseError("unknown kind of leak", where="kind", value=kind, allowed=", ".join(KINDS))
    rows = _finished(table)
    columns = [rows[f"leak_{k}_at_ml"].where(rows[f"leak_{k}_ml"] >= threshold).to_numpy(float) for k in kinds]
    first = np.fmin.reduce(columns)
    leaked = np.isfinite(first)
    return np.where(leaked, first, rows["volume_injected_ml"].to_numpy(float)), leaked


def _finished(table: pd.DataFrame) -> pd.DataFrame:
    rows = table[table["status"] == "finished"]
    if not len(rows):
        raise CaseError("no member finished", where="table", value=f"{len(table)} members", hint="look at column error")
    return rows


def _band(survival: Floats, greenwood: Floats, risk: NDArray[np.int64], level: float) -> tuple[Floats, Floats]:
    """Band of 1 − S: log-log transform, and Clopper-Pearson where nothing has happened yet."""
    if not 0.5 <= level <= 0.999:
        raise CaseError("confidence level", where="level", value=level, allowed="0.5 to 0.999")
    z = stats.norm.ppf(0.5 + level / 2)
    none, inner = survival == 1, (survival > 0) & (survival < 1)
    middle = np.where(inner, survival, 0.5)
    stretch = np.exp(z * np.sqrt(np.where(inner, greenwood, 0.0)) / -np.log(middle))
    upper = 1 - ((1 - level) / 2) ** (1 / np.maximum(risk, 1))
    low = np.where(inner, 1 - middle ** (1 / stretch), 1 - survival)
    high = np.where(inner, 1 - middle**stretch, np.where(none, upper, 1.0))
    return low, high


def safe_volume(
    table: pd.DataFrame,
    kind: str | tuple[str, ...] = "canal",
    *,
    risk: float = 0.05,
    threshold: float = 0.0,
    level: float = LEVEL,
) -> dict[str, float]:
    """Largest volume [mL] with P(leak) below a risk: by the estimate, and by the upper end of its band.

    Returns
    -------
    dict
        ``estimate_ml``, ``cautious_ml`` (0 where even the smallest volume is not proven safe), ``largest_ml`` tried.
    """
    if not 0 < risk < 1:
        raise CaseError("risk", where="risk", value=risk, allowed="between 0 and 1")
    curve = leak_curve(table, kind, threshold=threshold, level=level)
    return {
        "estimate_ml": _last_below(curve.volume, curve.probability, risk),
        "cautious_ml": _last_below(curve.volume, np.maximum.accumulate(curve.high), risk),
        "largest_ml": float(curve.volume[-1]),
    }


def _last_below(volume: Floats, curve: Floats, risk: float) -> float:
    """Where a step curve first reaches the risk; the last volume if it never does."""
    above = np.flatnonzero(curve >= risk)
    return float(volume[above[0]]) if above.size else float(volume[-1])


def share(hits: int, total: int, *, level: float = LEVEL) -> tuple[float, float, float]:
    """Share and its Wilson interval (wilson1927)."""
    found = stats.binomtest(hits, total).proportion_ci(level, method="wilson")
    return hits / total, float(found.low), float(found.high)


def leak_shares(table: pd.DataFrame, *, threshold: float = 0.0, level: float = LEVEL) -> dict[str, dict[str, float]]:
    """P(leak) of every kind, and of any, with Wilson intervals; median leaked volume of those that leak [mL]."""
    rows = _finished(table)
    shares = {}
    for kind in (*KINDS, "any"):
        volume = rows["leak_ml" if kind == "any" else f"leak_{kind}_ml"].to_numpy(float)
        hit = (volume > 0) & (volume >= threshold)
        estimate, low, high = share(int(hit.sum()), len(rows), level=level)
        median = float(np.median(volume[hit])) if hit.any() else float("nan")
        shares[kind] = {"share": estimate, "low": low, "high": high, "median_ml": median}
    return shares


def best_wait(
    table: pd.DataFrame,
    key: str = "cement.age_at_start",
    *,
    wanted: float,
    kinds: tuple[str, ...] = KINDS,
    threshold: float = 0.0,
    enough: float = 0.9,
    bins: int = 8,
) -> dict[str, Any]:
    """The waiting time at which most members are filled enough and leak nothing.

    Too early is runny and leaks, too late does not go in: success is both, at least `enough` of the wanted volume and
    no leak of the given kinds.

    Parameters
    ----------
    key : str
        Column of the waiting time [s].
    wanted : float [mL]
    kinds : tuple of str
    threshold : float [mL]
        Smaller leaks are forgiven.
    enough : float [1]
    bins : int
        A range is cut into this many parts of equal number.

    Returns
    -------
    dict
        ``best`` [s] (NaN where nobody succeeds) and ``rows``: waiting time, members, success with interval, leak and
        unfilled shares.
    """
    rows = _finished(table)
    if key not in rows:
        raise CaseError("the study does not vary this", where="key", value=key, allowed="a varied setting")
    wait = rows[key].to_numpy(float)
    filled = rows["volume_injected_ml"].to_numpy(float) >= enough * wanted
    leak = np.any([rows[f"leak_{k}_ml"].to_numpy(float) > max(threshold, 0.0) for k in kinds], axis=0)
    levels = np.unique(wait)
    parts = [wait == v for v in levels] if len(levels) <= bins else _equal_parts(wait, bins)
    out = []
    for part in parts:
        estimate, low, high = share(int((filled & ~leak)[part].sum()), int(part.sum()))
        out.append(
            {
                "wait_s": float(wait[part].mean()),
                "members": int(part.sum()),
                "success": estimate,
                "low": low,
                "high": high,
                "leak": float(leak[part].mean()),
                "unfilled": float((~filled[part]).mean()),
            }
        )
    best = max(out, key=lambda row: row["success"])
    return {"best": best["wait_s"] if best["success"] > 0.0 else float("nan"), "rows": out}


def _equal_parts(values: Floats, count: int) -> list[NDArray[np.bool_]]:
    place = np.argsort(np.argsort(values, kind="stable"), kind="stable") * count // len(values)
    return [place == k for k in range(count)]
