"""Metrics of the contrast test before cement (X1, X2) from the log.

The test is a tool and no duty (gaughen2002); what counts is that an agent that was given was looked at properly, and
that a direct way into veins or canal which it showed was not ignored. Only tests before a needle's first cement count.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vertebro.training.log import Line, actions, events

MOVED = 2.0  # mm along the needle, or degrees: a correction [ours]


def contrast_metrics(lines: Sequence[Line]) -> dict[str, Any]:
    """X1 and X2; see `vertebro.training.metrics.METRICS`. None without a test, unless the case asks for one."""
    tests = _tests(lines)
    if not tests:
        asked = lines[0]["windows"].get("contrast", False)
        return {"X1": 0.0 if asked else None, "X2": 1.0 if asked else None}
    last = {(test["level"], test["needle"]): test for test in tests}
    return {
        "X1": sum(_seen(lines, test) for test in tests) / len(tests),
        "X2": min(_heeded(lines, test) for test in last.values()),
    }


def _tests(lines: Sequence[Line]) -> list[Line]:
    """Finished tests of needles through which no cement had gone yet."""
    first = _first_cement(lines)
    done = events(lines, "contrast injected")
    return [test for test in done if test["t"] <= first.get((test["level"], test["needle"]), test["t"])]


def _first_cement(lines: Sequence[Line]) -> dict[tuple[str, str], float]:
    starts = reversed(list(events(lines, "injection starts")))
    return {(line["level"], line["needle"]): line["t"] for line in starts}


def _begin(lines: Sequence[Line], test: Line) -> float:
    own = (
        line["t"]
        for line in actions(lines, "contrast")
        if line["level"] == test["level"] and line["action"]["needle"] == test["needle"] and line["t"] <= test["t"]
    )
    return max(own, default=test["t"])


def _seen(lines: Sequence[Line], test: Line) -> float:
    """1 for an agent seen alone, on a mask from before it; half for one among the bones; 0 for one nobody saw."""
    begin, shares = _begin(lines, test), [0.0]
    until = min((line["t"] for line in actions(lines, "contrast") if line["t"] > test["t"]), default=lines[-1]["t"])
    for look in events(lines, "contrast seen"):
        if look["level"] == test["level"] and look["needle"] == test["needle"] and begin <= look["t"] <= until:
            masks = [line for line in events(lines, "mask taken") if line["t"] <= look["t"]]
            masks = [line for line in masks if (line["level"], line["plane"]) == (test["level"], look["plane"])]
            alone = look["treatment"] != "off" and bool(masks) and not masks[-1]["after_contrast"]
            shares.append(1.0 if alone else 0.5)
    return max(shares)


def _heeded(lines: Sequence[Line], test: Line) -> float:
    """1 without a direct outflow, and after one if the needle was corrected or got no cement; half for cement in the
    thicker half of its window; else 0."""
    start = next(
        (
            line
            for line in events(lines, "injection starts")
            if (line["level"], line["needle"]) == (test["level"], test["needle"])
        ),
        None,
    )
    if not test["shunt"] or start is None or _corrected(lines, test, start["t"]):
        return 1.0
    begin, end = start["window_s"]
    return 0.5 if 0.5 * (begin + end) <= start["age_s"] <= end else 0.0


def _corrected(lines: Sequence[Line], test: Line, until: float) -> bool:
    """Whether the needle was moved or turned between a test and the first cement."""
    own = (test["level"], test["needle"])
    depths = [line for line in events(lines, "needle moved") if (line["level"], line["needle"]) == own]
    before = [line["depth_mm"] for line in depths if line["t"] <= test["t"]]
    after = [line["depth_mm"] for line in depths if line["t"] <= until]
    if before and after and abs(after[-1] - before[-1]) >= MOVED:
        return True
    turns = [line for line in actions(lines, "rotate") if (line["level"], line["action"]["needle"]) == own]
    turns = [line for line in turns if test["t"] <= line["t"] <= until]
    return any(max(abs(t["action"]["convergence_deg"]), abs(t["action"]["caudal_deg"])) >= MOVED for t in turns)
