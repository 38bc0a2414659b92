"""The same session again from its log, and the same session with one thing changed.

A replay sends every action of the log at its own tick. What-if changes one action and replays the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vertebro.anatomy.anatomy import Anatomy
from vertebro.errors import DataError, SessionError, VertebroError
from vertebro.training.debrief import CHANGES
from vertebro.training.log import TICKS, Line, actions, events
from vertebro.training.memory import Memory
from vertebro.training.metrics_reaction import leak_table
from vertebro.training.score import score
from vertebro.training.session import Session

THICK = "generic-high"
FURTHER = 3.0  # mm
LONGER = 120  # s


def replay(
    lines: Sequence[Line],
    *,
    anatomies: Mapping[str, Anatomy] | None = None,
    log: Path | None = None,
    memory: Memory | None = None,
) -> Session:
    """Do a logged session again.

    Parameters
    ----------
    lines : sequence of dict
        From `read_log`.
    anatomies : mapping of level to Anatomy, optional
        Ready made, to save building them.
    log : Path, optional
        File for the new log.
    memory : Memory, optional
        Keeps pictures and fields on the way.

    Raises
    ------
    DataError
        If the scenario is not the one of the log any more.
    """
    session = _start(lines, anatomies, log)
    session.memory = memory
    for line in lines[1:]:
        if line["type"] == "action":
            _send(session, line["tick"], line["action"])
    if not session.finished:  # the session was cut off
        session.go(lines[-1]["tick"])
    return session


def _start(lines: Sequence[Line], anatomies: Mapping[str, Anatomy] | None, log: Path | None = None) -> Session:
    head = lines[0]
    session = Session(
        head["scenario"], head["seed"], head["mode"], settings=head["settings"], anatomies=anatomies, log=log
    )
    if session.scenario.digest != head["digest"]:
        raise DataError(
            "the scenario has changed since this log was written",
            where="log",
            value=head["digest"],
            allowed=session.scenario.digest,
            hint=f"replay it with vertebro {head['version']}",
        )
    return session


def _send(session: Session, tick: int, action: dict[str, Any]) -> None:
    """An action at its tick; one that was refused is refused again."""
    if session.finished:
        return
    session.go(max(tick, session.tick))
    try:
        session.command(action)
    except VertebroError:
        return


def same(one: Sequence[Line], other: Sequence[Line]) -> bool:
    """Whether two logs tell the same session, versions of the program aside."""
    return list(one[1:]) == list(other[1:])


def summary(lines: Sequence[Line]) -> dict[str, Any]:
    """A session in numbers, from its log alone: plain JSON values."""
    head = lines[0]
    return {
        "scenario": f"{head['scenario']}@{head['scenario_version']}",
        "seed": head["seed"],
        "mode": head["mode"],
        "finished": lines[-1]["type"] == "end",
        "clock_s": lines[-1]["t"],
        "leaks": leak_table(lines),
        "score": score(lines),
    }


def check_change(change: str) -> None:
    """Refuse a change that is not one of `CHANGES`.

    Raises
    ------
    SessionError
        Naming the known ones.
    """
    if change not in CHANGES:
        raise SessionError("unknown change", where="what_if", value=change, allowed=", ".join(CHANGES))


def what_if(lines: Sequence[Line], change: str, *, anatomies: Mapping[str, Anatomy] | None = None) -> dict[str, Any]:
    """The session again with one thing changed: what would have come out.

    Parameters
    ----------
    lines : sequence of dict
    change : str
        One of `CHANGES`.
    anatomies : mapping of level to Anatomy, optional

    Returns
    -------
    dict
        ``change, text, applies`` and, if it applies, ``before`` and ``after``: injected and leaked volume, filling,
        points.

    Raises
    ------
    SessionError
        If the change is unknown.
    """
    check_change(change)
    plan = _changed(lines, change)
    answer: dict[str, Any] = {"change": change, "text": CHANGES[change], "applies": plan is not None}
    if plan is None:
        return answer
    session = _start(lines, anatomies)
    for tick, action in plan:
        _send(session, tick, action)
    if not session.finished:
        session.go(max(session.tick, lines[-1]["tick"]))
        session.end()
    return answer | {"before": outcome(lines), "after": outcome(session.log.lines)}


def outcome(lines: Sequence[Line]) -> dict[str, Any]:
    """What came out of a session, in a few numbers."""
    table, worth = leak_table(lines), score(lines)
    return {
        "injected_ml": worth["metrics"]["C3_ml"],
        "leaked_ml": sum(leak["volume_ml"] for leak in table),
        "by_region_ml": _by_region(table),
        "fill": worth["metrics"]["R1"],
        "margin_mm": worth["metrics"]["C6"],
        "points": worth["points"],
    }


def _by_region(table: Sequence[dict[str, Any]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for leak in table:
        found[leak["region"]] = found.get(leak["region"], 0.0) + leak["volume_ml"]
    return found


def _changed(lines: Sequence[Line], change: str) -> list[tuple[int, dict[str, Any]]] | None:
    """Ticks and actions of the changed session; None where there is nothing to change."""
    plan = [(line["tick"], line["action"]) for line in actions(lines)]
    first = next((n for n, (_, action) in enumerate(plan) if action["kind"] == "inject"), None)
    if first is None:
        return None
    if change == "stop-at-visible":
        return _stopped(lines, plan)
    if change == "thicker-cement":
        return [(tick, act | {"preset": THICK} if act["kind"] == "mix" else act) for tick, act in plan]
    if change == "needle-further":
        tick, act = plan[first]
        further = {"kind": "advance", "needle": act["needle"], "distance_mm": FURTHER}
        return [*plan[:first], (tick, further), *plan[first:]]
    return [*plan[:first], *((tick + LONGER * TICKS, act) for tick, act in plan[first:])]


def _stopped(lines: Sequence[Line], plan: list[tuple[int, dict[str, Any]]]) -> list[tuple[int, dict[str, Any]]] | None:
    seen = [line["tick"] for line in events(lines, "leak visible")]
    stops = [line["tick"] for line in actions(lines, "stop", "finish") if seen and line["tick"] >= seen[0]]
    if not stops:
        return None
    kept = [(t, act) for t, act in plan if t <= seen[0] or act["kind"] not in ("inject", "stylet")]
    before = [pair for pair in kept if pair[0] <= seen[0]]
    return [*before, (seen[0], {"kind": "stop"}), *kept[len(before) :]]
