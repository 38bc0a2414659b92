"""Metrics of the result (R1 to R7, K7) from the end of the log; the worst level counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vertebro.training.log import Line
from vertebro.training.metrics_reaction import leak_table

WEIGHTS = {"canal": 10.0, "foramen": 6.0, "vein": 5.0, "joint": 5.0, "disc": 2.0, "paravertebral": 1.0, "track": 1.0}
EMBOLIC = 0.5  # ml
NONE = ("R1", "R1_ml", "R1_gap", "R2", "R3", "R6", "R7_canal", "R7_embolic_ml", "K7")


def result_metrics(lines: Sequence[Line]) -> dict[str, Any]:
    """R1 to R7 and K7; see `vertebro.training.metrics.METRICS`. None without an end."""
    if lines[-1]["type"] != "end":
        return dict.fromkeys(NONE)
    windows, levels = lines[0]["windows"], list(lines[-1]["levels"].values())
    measured = [level["measures"] for level in levels if level["measures"] is not None]
    total = sum(level.get("injected_ml", 0.0) for level in levels)
    if not measured:
        return dict.fromkeys(NONE) | {"R7_canal": 0.0, "K7": 0.0}
    embolic = sum(level.get("embolic_ml", 0.0) for level in levels)
    complete = len(measured) == len(levels)
    fills = [found["fill_fraction"] for found in measured] + [0.0] * (not complete)
    table = leak_table(lines)
    shown = [leak["t_visible_s"] is not None for leak in table if leak["region"] == "vein"]
    goal = windows["goal"]
    return {
        "R1": min(fills),
        "R1_ml": sum(found["volume_in_body_ml"] for found in measured),
        "R1_gap": max(window_gap(fill, tuple(windows["fill"])) for fill in fills),
        "R2": min(found["symmetry"] for found in measured),
        "R3": min(_goal(found, goal) for found in measured),
        "R6": sum(WEIGHTS[leak["region"]] * leak["volume_ml"] for leak in table),
        "R7_canal": max(level.get("canal", 0.0) for level in levels),
        "R7_embolic_ml": embolic,
        "K7": float((embolic > EMBOLIC and any(shown)) or total > windows["largest_total_ml"]),
    }


def window_gap(value: float, window: tuple[float, ...]) -> float:
    """0 inside a window, 1 at about half its lower and one and a half times its upper limit, straight in between."""
    low, high = window
    if value < low:
        return min((low - value) / (0.47 * low), 1.0)
    return min(max(value - high, 0.0) / (0.5 * high), 1.0)


def _goal(found: dict[str, Any], goal: str) -> float:
    if goal == "anterior-half":
        return float(found["anterior_half_share"])
    touched = (found["superior_contact_mm2"] >= 50.0) + (found["inferior_contact_mm2"] >= 50.0)
    return 0.5 * touched
