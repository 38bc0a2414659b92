"""Metrics of imaging and dose (I1 to I7, B3) from the log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vertebro.training.log import Line, actions, events, rows

FRESH = {"posterior wall": (60.0, 15.0), "injection": (60.0, 60.0)}  # s, oldest AP and lateral that count [ours]
SEEN = 1.0  # s, oldest picture that shows what is being injected


def imaging_metrics(lines: Sequence[Line]) -> dict[str, Any]:
    """I1 to I7 and B3; see `vertebro.training.metrics.METRICS`."""
    beams = list(events(lines, "beam off"))
    last = beams[-1] if beams else {"beam_s": 0.0, "wasted_s": 0.0, "open_share": 1.0, "hand_s": 0.0}
    end = lines[-1] if lines[-1]["type"] == "end" else None
    dose = end["dose"]["total"] if end else {}
    dap = dose.get("dose_area_product_gy_m2", dose.get("dose_area_product", 0.0)) * 1e4
    used = last["beam_s"] > 0.0
    return {
        "I1_ap": _squareness(lines, "ap"),
        "I1_lateral": _squareness(lines, "lateral"),
        "I2_beam_s": last["beam_s"],
        "I2_dap": dap,
        "I2_index": dap / lines[0]["windows"]["dap_gy_cm2"] if used else None,
        "I2_kerma_mgy": dose.get("reference_air_kerma", 0.0) * 1e3,
        "I2_dlp": end["dlp_mgy_cm"] if end else 0.0,
        "I3": last["open_share"] if used else None,
        "I4": last["wasted_s"] / last["beam_s"] if used else None,
        "I5": last["hand_s"],
        "I6": max((line["blind_mm"]["lateral"] for line in events(lines, "needle moved")), default=None),
        "I7": blind_injection(lines),
        "B3": _decision_points(lines),
    }


def _squareness(lines: Sequence[Line], plane: str) -> float | None:
    """Of the last picture before each first skin puncture, the worst; 0 where there was none. Without a puncture (a
    drill) of the last picture at the end."""
    decisions = list(events(lines, "decision point"))
    points = [line for line in decisions if line["point"] == "skin puncture"]
    points = points or [line for line in decisions if line["point"] == "end"]
    if not points:
        return None
    first = {line["level"]: line for line in reversed(points)}
    return min(line["seen"].get(plane, {"score": 0.0})["score"] for line in first.values())


def _decision_points(lines: Sequence[Line]) -> float | None:
    good, total = 0, 0
    started: set[tuple[str, str]] = set()
    for line in events(lines, "decision point"):
        point, seen = line["point"], line["seen"]
        if point not in FRESH or (point == "injection" and (line["level"], line["needle"]) in started):
            continue
        if point == "injection":
            started.add((line["level"], line["needle"]))
        total += 1
        limits = dict(zip(("ap", "lateral"), FRESH[point], strict=True))
        good += all(plane in seen and seen[plane]["age_s"] <= limit for plane, limit in limits.items())
    end = _seen_at_the_end(lines)
    if end is not None:
        good, total = good + end, total + 1
    return good / total if total else None


def _seen_at_the_end(lines: Sequence[Line]) -> bool | None:
    """Whether both planes were looked at after the last injection; None without one."""
    stops = [line["t"] for line in events(lines, "injection stops")]
    ends = [line for line in events(lines, "decision point") if line["point"] == "end"]
    if not stops or not ends:
        return None
    since, seen = ends[-1]["t"] - stops[-1], ends[-1]["seen"]
    return all(plane in seen and seen[plane]["age_s"] <= since for plane in ("ap", "lateral"))


def blind_injection(lines: Sequence[Line]) -> float:
    """Largest volume [ml] that went in in one go while no picture was younger than a second."""
    largest = current = 0.0
    for row in rows(lines):
        fresh = any(age <= SEEN + 1e-9 for age in row["ages_s"].values())
        current = 0.0 if fresh or row["rate_ml_s"] <= 0.0 else current + row["rate_ml_s"] * row["dt"]
        largest = max(largest, current)
    return largest


def exposures(lines: Sequence[Line]) -> int:
    """Times that the pedal went down or a single picture was taken."""
    return sum(1 for line in actions(lines, "pedal", "expose") if line["action"].get("down", True))
