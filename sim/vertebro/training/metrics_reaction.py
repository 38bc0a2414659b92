"""Reaction to leaks that takes account of what could be seen (L2 to L7, K4): the headline of the school.

For every leak three times: when it happened (physics), when a picture *that was on display* first showed it
detectably, when the flow stopped after that. A leak that no picture showed is a fault of imaging, not of reaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vertebro.training.log import Line, actions, events, rows

STILL = 0.01  # ml/s, slower counts as stopped
GRAVE = ("canal", "foramen", "vein")
GRAVE_ML, GRAVE_S = 0.3, 5.0
DRILL_WAIT = 30.0  # s (gangi2008)
FALSE_STOP = 10.0  # s
READABLE = 0.05  # ml, smaller leaks need not be named


def reaction_metrics(lines: Sequence[Line]) -> dict[str, Any]:
    """L2 to L7 and K4; see `vertebro.training.metrics.METRICS`."""
    table = leak_table(lines)
    seen = [leak for leak in table if leak["t_visible_s"] is not None and leak["while_injecting"]]
    grave = [leak for leak in seen if leak["region"] in GRAVE]
    return {
        "L2": sum(leak["hidden_ml"] for leak in table),
        "L3": max((leak["reaction_s"] for leak in seen), default=None),
        "L4": max((leak["after_visible_ml"] for leak in seen), default=None),
        "L5": min((_drill(lines, leak["t_visible_s"]) for leak in seen), default=None),
        "L6": float(_false_stops(lines, table)),
        "L7": _reading(lines, table),
        "K4": float(any(leak["after_visible_ml"] > GRAVE_ML or leak["reaction_s"] > GRAVE_S for leak in grave)),
    }


def leak_table(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """Every leak with its three times and volumes.

    Returns
    -------
    list of dict
        ``key, level, kind, region, volume_ml, t_leak_s, t_visible_s, t_stop_s, plane, hidden_ml`` (leaked before it
        could be seen), ``after_visible_ml`` (injected from then to the stop), ``reaction_s, while_injecting``.
    """
    final = {}
    if lines[-1]["type"] == "end":
        final = {(level, leak["key"]): leak for level, facts in lines[-1]["levels"].items() for leak in facts["leaks"]}
    seen = {(line["level"], line["key"]): line for line in events(lines, "leak visible")}
    table = []
    for line in events(lines, "leak"):
        key = (line["level"], line["key"])
        volume = final.get(key, line)["volume_ml"]
        table.append(_leak(lines, line, volume, seen.get(key)))
    return table


def _leak(lines: Sequence[Line], leak: Line, volume: float, visible: Line | None) -> dict[str, Any]:
    row = {name: leak[name] for name in ("key", "level", "kind", "region", "t_leak_s", "words")}
    row |= {"volume_ml": volume, "t_visible_s": None, "t_stop_s": None, "plane": None, "hidden_ml": volume}
    row |= {"after_visible_ml": 0.0, "reaction_s": 0.0, "while_injecting": False}
    if visible is None:
        return row
    when = visible["t"]
    after = [r for r in rows(lines) if r["level"] == leak["level"] and r["until_s"] > when + 1e-9]
    stop, volume_after = when, 0.0
    injecting = _was_flowing(lines, leak["level"], when)
    if injecting:
        for r in after:
            if r["rate_ml_s"] < STILL:
                break
            stop = r["until_s"]
            volume_after += r["rate_ml_s"] * min(r["dt"], stop - when)
    row |= {
        "t_visible_s": when,
        "t_stop_s": stop if injecting else None,
        "plane": visible["plane"],
        "hidden_ml": visible["volume_ml"],
        "after_visible_ml": volume_after,
        "reaction_s": stop - when,
        "while_injecting": injecting,
    }
    return row


def _was_flowing(lines: Sequence[Line], level: str, when: float) -> bool:
    """Whether the injection of that level went on at a time."""
    started = [line["t"] for line in actions(lines, "inject") if line["t"] <= when + 1e-9 and line["level"] == level]
    stopped = [line["t"] for line in events(lines, "injection stops") if line["t"] <= when + 1e-9]
    return bool(started) and (not stopped or max(stopped) < max(started))


def _drill(lines: Sequence[Line], visible: float) -> float:
    """Thirds: stopped at all, nothing injected for 30 s, a picture after them."""
    stops = [line["t"] for line in events(lines, "injection stops") if line["t"] >= visible - 1e-9]
    if not stops:
        return 0.0
    stop = stops[0]
    again = next((line["t"] for line in actions(lines, "inject") if line["t"] > stop), lines[-1]["t"])
    looks = [line["t"] for line in events(lines, "beam on", "image") if stop + DRILL_WAIT <= line["t"] <= again]
    return (1 + (again - stop >= DRILL_WAIT) + bool(looks)) / 3.0


def _false_stops(lines: Sequence[Line], table: Sequence[dict[str, Any]]) -> int:
    """Stops of more than 10 s while no leak had happened and the volume was below the window, gone on after."""
    first = min((leak["t_leak_s"] for leak in table), default=float("inf"))
    least = lines[0]["windows"]["volume_ml"][0]
    count = 0
    for stop in events(lines, "injection stops"):
        again = next((line["t"] for line in actions(lines, "inject") if line["t"] > stop["t"]), None)
        long = again is not None and again - stop["t"] > FALSE_STOP
        count += long and stop["t"] < first and stop["injected_ml"] < least
    return count


def _reading(lines: Sequence[Line], table: Sequence[dict[str, Any]]) -> float | None:
    """Mean of sensitivity and positive predictive value by region; None when nothing was and nothing was named."""
    reports = list(events(lines, "leaks reported"))
    there = {leak["region"] for leak in table if leak["volume_ml"] >= READABLE}
    traces = {leak["region"] for leak in table}
    named = set(reports[-1]["leaks"]) if reports else set()
    if not there and not named:
        return None
    sensitivity = len(there & named) / len(there) if there else 1.0
    precision = len(traces & named) / len(named) if named else 0.0
    return 0.5 * (sensitivity + precision)
