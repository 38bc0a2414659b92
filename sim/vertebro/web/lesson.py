"""What the page shows when a session is over: verdict, next steps, timeline, leaks with their three times, score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vertebro.errors import SessionError
from vertebro.training.log import Line, actions, events, rows
from vertebro.training.metrics_reaction import leak_table
from vertebro.training.score import explain, score

NEXT = 3  # things to do differently
POINTS = 400  # of a curve
MOMENTS = {  # events that explain a rule's loss: where to look in the timeline
    "A": ("answered", "checked"), "B": ("image", "beam off"), "C": ("bone contact", "needle moved"),
    "D": ("injection starts",), "E": ("injection stops",), "F": ("leak visible", "leak"), "G": ("needle withdrawn",),
}  # fmt: skip


def lesson(session: Any) -> dict[str, Any]:
    """The debrief of a finished session as plain JSON values.

    Raises
    ------
    SessionError
        If the session is not over.
    """
    if not session.finished:
        raise SessionError("the session is not over", where="debrief", hint="finish it first")
    lines = session.log.lines
    found = score(lines)
    return {
        "verdict": verdict(found),
        "next": next_steps(found, lines),
        "score": found,
        "rules": {row["id"]: explain(f"rule.{row['id']}") for row in found["rules"]},
        "leaks": leak_table(lines),
        "timeline": timeline(lines),
        "needles": {level: facts["needles"] for level, facts in lines[-1]["levels"].items()},
        "measures": {level: facts["measures"] for level, facts in lines[-1]["levels"].items()},
        "dose": lines[-1]["dose"],
    }


def verdict(found: dict[str, Any]) -> str:
    """One sentence."""
    if found["critical"]:
        errors = "; ".join(gate["text"] for gate in found["critical"])
        return f"Not passed: {errors}"
    best = max(found["domains"].values(), key=lambda domain: domain["share"] or 0.0)
    return f"{found['label'].capitalize()}: {found['points']:.0f} of 100 points, strongest in “{best['name']}”."


def next_steps(found: dict[str, Any], lines: Sequence[Line]) -> list[dict[str, Any]]:
    """The rules that cost most, as advice, with the second at which it went wrong where the log knows it."""
    costly = sorted(found["rules"], key=lambda row: row["points"] - row["possible"])
    return [
        {"id": row["id"], "do": row["do"], "say": row["say"], "lost": row["possible"] - row["points"],
         "t": _moment(row["id"], lines)}
        for row in costly[:NEXT]
        if row["possible"] - row["points"] > 0.05
    ]  # fmt: skip


def _moment(rule: str, lines: Sequence[Line]) -> float | None:
    found = [line["t"] for line in events(lines, *MOMENTS.get(rule[0], ()))]
    return found[-1] if found else None


def timeline(lines: Sequence[Line]) -> dict[str, Any]:
    """Curves and marks over the time of the session [s]."""
    curve = [
        {"t": row["t"], "ml": row["injected_ml"], "kpa": row["syringe_kpa"], "margin": row["margin"],
         "pas": row["viscosity_pa_s"]}
        for row in _thinned(list(rows(lines)))
    ]  # fmt: skip
    return {
        "end": lines[-1]["t"],
        "curve": curve,
        "beam": _spans(lines),
        "depth": [
            {"t": line["t"], "needle": line["needle"], "mm": line["depth_mm"]} for line in events(lines, "needle moved")
        ],
        "marks": [
            {"t": line["t"], "text": line["event"]}
            for line in events(
                lines, "needle placed", "cement mixed", "injection starts", "injection stops", "patient in pain",
                "radicular pain", "vital signs alarming", "needle withdrawn", "ct",
            )
        ],
        "seen": [line["t"] for line in actions(lines, "mark_leak")],
    }  # fmt: skip


def _thinned(found: list[Line]) -> list[Line]:
    step = max(1, len(found) // POINTS)
    return found[::step]


def _spans(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """When the beam was on, and in which plane it began."""
    spans: list[dict[str, Any]] = []
    for line in events(lines, "beam on", "beam off"):
        if line["event"] == "beam on":
            spans.append({"from": line["t"], "to": line["t"], "plane": line["plane"]})
        elif spans:
            spans[-1]["to"] = max(spans[-1]["to"], line["t"]) if spans[-1]["to"] == spans[-1]["from"] else spans[-1]["to"]
    return spans
