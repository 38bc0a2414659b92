"""Metrics of the needles (N1 to N10, K3) from the log; the worst needle counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from vertebro.training.log import Line, actions, events
from vertebro.training.needles import BONE_SPEED
from vertebro.units import mm

GREAT = ("artery", "vein", "lung")
NERVOUS = ("canal", "foramen_left", "foramen_right")


def needle_metrics(lines: Sequence[Line]) -> dict[str, Any]:
    """N1 to N10; see `vertebro.training.metrics.METRICS`."""
    findings = list(final_findings(lines).values())
    contacts = list(events(lines, "bone contact"))
    crossings = [line["past_wall_mm"] for line in events(lines, "medial line crossed")]
    placed = len({(line["level"], line["needle"]) for line in events(lines, "needle placed")})
    extra = max(len(contacts) - placed, 0)
    redirected = sum(1 for _ in events(lines, "needle redirected"))
    breaches = [breach for found in findings for breach in found["breaches"]]
    known = bool(findings)
    return {
        "N1": _worst(found["entry_error_mm"] for found in findings),
        "N2": _worst(found["target_error_mm"] for found in findings),
        "N3": _worst(found["angle_error_deg"] for found in findings),
        "N4": max((breach["depth_mm"] for breach in breaches), default=0.0) if known else None,
        "N4_grade": max((found["grade"] for found in findings), default=None),
        "N4_heary": max((found["heary"] for found in findings), default=None),
        "N5": min(crossings, default=None),
        "N6": float(redirected + extra) if placed else None,
        "N7_s": sum(sum(found["no_go_mm"].values()) for found in findings) * mm / BONE_SPEED if known else None,
        "N8": min((found["anterior_reserve_mm"] for found in findings), default=None),
        "N9": max((found["moment_n_m"] for found in findings), default=None),
        "N10": sum(contact["numb"] for contact in contacts) / len(contacts) if contacts else None,
        "K3_mm": _grave(findings),
    }


def final_findings(lines: Sequence[Line]) -> dict[tuple[str, str], dict[str, Any]]:
    """What was found of each needle when cement first went through it, or when it was last confirmed."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for line in events(lines, "needle confirmed"):
        found[line["level"], line["needle"]] = line
    started: set[tuple[str, str]] = set()
    for line in events(lines, "injection starts"):
        key = (line["level"], line["needle"])
        if key not in started:
            started.add(key)
            found[key] = line["findings"]
    if not found and lines[-1]["type"] == "end":
        for level, facts in lines[-1]["levels"].items():
            found |= {(level, name): needle for name, needle in facts["needles"].items()}
    return found


def _worst(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _grave(findings: Sequence[dict[str, Any]]) -> float:
    depths = [b["depth_mm"] for f in findings for b in f["breaches"] if b["compartment"] in NERVOUS]
    ways = [way for f in findings for name, way in f["no_go_mm"].items() if name in GREAT]
    return max([*depths, *ways], default=0.0)


def withdrawals(lines: Sequence[Line]) -> list[Line]:
    """Events of needles that came out."""
    names = ("needle withdrawn", "cement tail in the track", "needle stuck in the cement")
    out = {line["tick"] for line in actions(lines, "withdraw")}
    return [line for line in events(lines, *names) if out]
