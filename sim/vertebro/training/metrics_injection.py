"""Metrics of the injection (C1 to C7, K8) from the log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vertebro.training.log import Line, events, rows
from vertebro.training.metrics_imaging import SEEN

QUARTER = 0.25
DEPTH = 32.0  # mm, of a body whose own depth the log does not tell (a session that was cut off)
TAIL = 0.02  # ml
FIRM = ("dough", "set")


def injection_metrics(lines: Sequence[Line]) -> dict[str, Any]:
    """C1 to C7 and K8_s; see `vertebro.training.metrics.METRICS`."""
    flowing = [row for row in rows(lines) if row["rate_ml_s"] > 0.0]
    total = sum(row["rate_ml_s"] * row["dt"] for row in flowing)
    p95 = _rate_of_share(flowing, 0.95)
    limit = lines[0]["windows"]["rate_limit_ml_min"]
    return {
        **_start(lines),
        "C2_p95": p95,
        "C2_index": None if p95 is None else p95 / limit,
        "C2_peak_kpa": max((row["syringe_kpa"] for row in flowing), default=None),
        "C3_ml": total,
        "C4": _seen(flowing, total, ("ap", "lateral")),
        "C4_lateral": _seen(flowing, total, ("lateral",)),
        "C5": _rechecks(lines) / total if total > 0.0 else None,
        "C6": _overshoot(lines),
        "C7": _withdrawal(lines),
        "K8_s": _ignored(lines),
    }


def _start(lines: Sequence[Line]) -> dict[str, Any]:
    first = next(events(lines, "injection starts"), None)
    if first is None:
        return {"C1_age": None, "C1_state": None, "C1_outside": None}
    age, (begin, end) = first["age_s"], first["window_s"]
    outside = (begin - age) / begin if age < begin else max(age - end, 0.0) / end
    return {"C1_age": age, "C1_state": first["state"], "C1_outside": outside}


def _rate_of_share(flowing: Sequence[Line], share: float) -> float | None:
    """Rate [ml/min] at or below which that share of the cement went in."""
    order = sorted((row["rate_ml_s"], row["rate_ml_s"] * row["dt"]) for row in flowing)
    total, gone = sum(volume for _, volume in order), 0.0
    for rate, volume in order:
        gone += volume
        if gone >= share * total * (1 - 1e-12):
            return rate * 60.0
    return None


def _seen(flowing: Sequence[Line], total: float, planes: tuple[str, ...]) -> float | None:
    if total <= 0.0:
        return None
    fresh = [row for row in flowing if any(row["ages_s"].get(plane, 1e9) <= SEEN + 1e-9 for plane in planes)]
    return sum(row["rate_ml_s"] * row["dt"] for row in fresh) / total


def _rechecks(lines: Sequence[Line]) -> int:
    """Times that AP was looked at between the first drop and the end, right after lateral."""
    starts = [line["t"] for line in events(lines, "injection starts")]
    if not starts:
        return 0
    count, before = 0, ""
    for line in events(lines, "beam on", "image"):
        count += line["t"] >= starts[0] and line["plane"] == "ap" and before == "lateral"
        before = line["plane"]
    return count


def _overshoot(lines: Sequence[Line]) -> float | None:
    """Cement past the line of the posterior quarter [mm] at the last stop of the worst level."""
    last = {line["level"]: line["margin"] for line in events(lines, "injection stops") if line["margin"] is not None}
    if not last:
        return None
    ends = lines[-1].get("levels", {}) if lines[-1]["type"] == "end" else {}
    return max((QUARTER - margin) * ends.get(level, {}).get("depth_mm", DEPTH) for level, margin in last.items())


def _withdrawal(lines: Sequence[Line]) -> float | None:
    """Mean of: cement firm at withdrawal, no tail, every needle of the level injected before one came out."""
    names = ("needle withdrawn", "cement tail in the track", "needle stuck in the cement")
    injected = {
        (line["level"], line["needle"]): line["t"] for line in reversed(list(events(lines, "injection starts")))
    }
    if not injected:
        return None
    out = [line for line in events(lines, *names) if (line["level"], line["needle"]) in injected]
    if not out:
        return 0.0
    firm = all(line["state"] in FIRM and not line["event"].startswith("needle stuck") for line in out)
    clean = all(line["tail_ml"] <= TAIL for line in out)
    first = {line["level"]: line["t"] for line in reversed(out)}
    both = all(time <= first.get(level, 1e9) for (level, _), time in injected.items())
    return (firm + clean + both) / 3.0


def _ignored(lines: Sequence[Line]) -> float:
    """Seconds injected after the patient's leg hurt or with alarming vital signs, beyond the time to notice."""
    pain = next((line["t"] for line in events(lines, "radicular pain")), None)
    seconds = 0.0
    for row in rows(lines):
        if row["rate_ml_s"] > 0.0 and (row["alarming"] or (pain is not None and row["until_s"] > pain)):
            seconds += row["dt"]
    return seconds
