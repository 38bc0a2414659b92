"""The debrief as data: a verdict in one sentence, three things to do next with their second, the tables and the strip.

Who draws it (the page, a report) adds nothing but ink.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from vertebro.training.log import Line, actions, events, rows
from vertebro.training.metrics import METRICS
from vertebro.training.metrics_needle import final_findings
from vertebro.training.metrics_reaction import leak_table
from vertebro.training.rubric import load_rubric
from vertebro.training.score import explain, score

NOTICE = "Education and research only. The rubric is an unvalidated draft."
NEXT = 3
CHANGES = {
    "stop-at-visible": "stopped at the first picture that showed a leak, and not gone on",
    "thicker-cement": "the same with a high-viscosity cement",
    "needle-further": "the first needle 3 mm further in",
    "wait-longer": "the injection begun two minutes later",
}


def debrief(lines: Sequence[Line]) -> dict[str, Any]:
    """Everything a debrief shows, from the log.

    Returns
    -------
    dict
        ``verdict, next`` (three of ``rule, text, why, t``), ``score, leaks, needles, dose, strip, notice``. Plain JSON
        values.
    """
    worth = score(lines)
    return {
        "verdict": verdict(lines, worth),
        "next": next_steps(lines, worth),
        "score": worth,
        "leaks": [leak | {"words_seen": seen_words(leak)} for leak in leak_table(lines)],
        "needles": {f"{level} {name}": found for (level, name), found in final_findings(lines).items()},
        "dose": lines[-1].get("dose"),
        "strip": strip(lines),
        "notice": NOTICE,
    }


def explained(lines: Sequence[Line]) -> dict[str, Any]:
    """The debrief with everything a reader may ask: each rule explained, the filling measured, the changes to try.

    Returns
    -------
    dict
        That of `debrief`, and ``rules`` (by id: meaning, bands, sources), ``gates`` (all critical errors and whether
        they were met), ``measures`` (by level), ``session`` (what it was of), ``log_digest``, ``changes``.
    """
    found = debrief(lines)
    rubric, met = load_rubric(), {gate["id"] for gate in found["score"]["critical"]}
    metrics = found["score"]["metrics"]
    found["rules"] = {row["id"]: explain(f"rule.{row['id']}") for row in found["score"]["rules"]}
    found["gates"] = [
        {"id": gate.id, "text": gate.text, "metric": METRICS[gate.metric], "value": metrics[gate.metric],
         "above": gate.above, "met": gate.id in met}
        for gate in rubric.critical
    ]  # fmt: skip
    levels = lines[-1].get("levels", {})
    found["measures"] = {level: facts["measures"] for level, facts in levels.items()}
    found["session"] = {name: lines[0][name] for name in ("version", "scenario", "scenario_version", "seed", "mode")}
    found["session"] |= {"digest": lines[0]["digest"], "windows": lines[0]["windows"]}
    text = "\n".join(json.dumps(line, sort_keys=True) for line in lines)
    found["log_digest"] = hashlib.sha256(text.encode()).hexdigest()[:16]
    found["changes"] = dict(CHANGES)
    return found


def verdict(lines: Sequence[Line], worth: dict[str, Any]) -> str:
    """One sentence."""
    head = f"{worth['label'].capitalize()}: {worth['points']:.0f} of 100 points"
    if worth["critical"]:
        return f"{head}. {worth['critical'][0]['text']}"
    lost = _lost(worth)
    if lines[-1]["type"] != "end":
        return f"{head}; the session was not finished."
    return f"{head}." if not lost else f"{head}; most was lost at '{lost[0]['title'].lower()}'."


def next_steps(lines: Sequence[Line], worth: dict[str, Any]) -> list[dict[str, Any]]:
    """Three things to do next, those that cost most first, each with the second it is about."""
    steps = [
        {
            "rule": gate["id"],
            "text": "Never again: " + gate["text"],
            "why": f"Measured {gate['value']:.2g}, the limit is {gate['above']:g}: {METRICS[gate['metric']]}.",
            "t": _second(lines, gate["id"]),
        }
        for gate in worth["critical"]
    ]
    steps += [
        {"rule": row["id"], "text": row["do"], "why": row["say"], "t": _second(lines, row["id"])}
        for row in _lost(worth)
    ]
    return steps[:NEXT]


def _lost(worth: dict[str, Any]) -> list[dict[str, Any]]:
    lost = [row for row in worth["rules"] if row["possible"] - row["points"] > 1e-9]
    return sorted(lost, key=lambda row: (row["points"] - row["possible"], row["id"]))


_MOMENTS: dict[str, tuple[str, ...]] = {
    "B1": ("needle placed",),
    "B3": ("posterior wall crossed", "injection starts"),
    "C1": ("needle confirmed", "injection starts"),
    "C2": ("no-go entered", "bone contact"),
    "C3": ("medial line crossed",),
    "C4": ("needle redirected", "bone contact"),
    "C5": ("no-go entered", "arch cracked by levering"),
    "C6": ("patient in pain", "bone contact"),
    "D1": ("injection starts",),
    "D2": ("injection starts",),
    "D4": ("injection stops",),
    "D5": ("contrast injected", "injection starts"),
    "E4": ("leak",),
    "F1": ("leak visible",),
    "F2": ("leak visible",),
    "F3": ("leaks reported",),
    "G1": ("needle withdrawn", "cement tail in the track", "needle stuck in the cement"),
    "K3": ("no-go entered",),
    "K4": ("leak visible",),
    "K8": ("vital signs alarming", "radicular pain"),
}


def _second(lines: Sequence[Line], rule: str) -> float:
    """Second of the replay that a rule is about."""
    if rule[0] == "A" or rule in ("K1", "K2", "K9"):
        return 0.0
    if rule in ("D2", "K6"):
        flowing = (row for row in rows(lines) if row["rate_ml_s"] > 0)
        unseen = (row["until_s"] for row in flowing if row["ages_s"].get("lateral", 1e9) > 1.0)
        return next(unseen, lines[-1]["t"])
    if rule == "D3":
        fastest = max(rows(lines), key=lambda row: row["rate_ml_s"], default=None)
        return lines[-1]["t"] if fastest is None else fastest["until_s"]
    found = [line["t"] for line in events(lines, *_MOMENTS.get(rule, ("injection stops",)))]
    if not found:
        return lines[-1]["t"]
    return found[-1] if rule in ("C1", "D4", "B3") else found[0]


def seen_words(leak: dict[str, Any]) -> str:
    """What could be seen of a leak, and when."""
    if leak["t_visible_s"] is None:
        return f"never visible on the pictures you took; {leak['volume_ml']:.2f} ml"
    late = leak["t_visible_s"] - leak["t_leak_s"]
    words = f"visible on {leak['plane']} {late:.0f} s after it began, {leak['hidden_ml']:.2f} ml hidden until then"
    if not leak["while_injecting"]:
        return words + "; the injection was over"
    return words + f"; you stopped {leak['reaction_s']:.1f} s later, after {leak['after_visible_ml']:.2f} ml more"


def strip(lines: Sequence[Line]) -> dict[str, Any]:
    """Series over time for the timeline.

    Returns
    -------
    dict
        ``beam`` (intervals with plane), ``depth`` (needle, t, mm from the skin, past_wall_mm from the posterior wall or
        None), ``injections`` (intervals with needle), ``rows`` (t, injected_ml, rate_ml_s, syringe_kpa, margin,
        viscosity), ``marks`` (t, text), ``leaks`` (t_leak, t_visible or None), ``seen`` (times of "I see a leak").
    """
    beam: list[dict[str, Any]] = []
    for line in events(lines, "beam on", "beam off"):
        if line["event"] == "beam on":
            beam.append({"plane": line["plane"], "from": line["t"], "to": line["t"]})
        elif beam:
            beam[-1]["to"] = max(line["t"], beam[-1]["to"]) if beam[-1]["to"] == beam[-1]["from"] else beam[-1]["to"]
    keys = ("injected_ml", "rate_ml_s", "syringe_kpa", "margin", "viscosity_pa_s")
    shown = ("answer", "check", "place", "mix", "inject", "stop", "mark_leak", "ct", "withdraw", "finish")
    return {
        "beam": beam,
        "depth": _depths(lines),
        "injections": _injections(lines),
        "rows": [{"t": row["until_s"]} | {key: row[key] for key in keys} for row in rows(lines)],
        "marks": [{"t": line["t"], "text": line["action"]["kind"]} for line in actions(lines, *shown)],
        "leaks": [{"t": leak["t_leak_s"], "visible": leak["t_visible_s"]} for leak in leak_table(lines)],
        "seen": [line["t"] for line in actions(lines, "mark_leak")],
        "end": lines[-1]["t"],
    }


def _depths(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """Depth of each needle over time, from the skin and, where it came so far, from the posterior wall [mm]."""
    walls = {(e["level"], e["needle"]): e["depth_mm"] for e in events(lines, "posterior wall crossed")}
    found = []
    for e in events(lines, "needle moved"):
        wall = walls.get((e["level"], e["needle"]))
        past = None if wall is None else e["depth_mm"] - wall
        found.append({"needle": e["needle"], "t": e["t"], "mm": e["depth_mm"], "past_wall_mm": past})
    return found


def _injections(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """When cement was pushed through which needle."""
    found: list[dict[str, Any]] = []
    going: dict[str, Any] | None = None
    for line in lines:
        if line["type"] == "action" and "refused" not in line and line["action"]["kind"] == "inject" and going is None:
            going = {"needle": line["action"]["needle"], "from": line["t"], "to": lines[-1]["t"]}
            found.append(going)
        elif line["type"] == "event" and line["event"] == "injection stops" and going is not None:
            going["to"], going = line["t"], None
    return found
