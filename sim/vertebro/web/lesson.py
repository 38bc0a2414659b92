"""What the page shows when a session is over: the debrief, with every rule explained, and what might have been."""

from __future__ import annotations

from typing import Any

from vertebro.errors import SessionError
from vertebro.training.debrief import explained
from vertebro.training.replay import what_if

CURVE = 400  # points of a curve that a screen can show


def lesson(session: Any) -> dict[str, Any]:
    """The debrief of a finished session as plain JSON values.

    Raises
    ------
    SessionError
        If the session is not over.
    """
    lines = _finished(session)
    found = explained(lines)
    rows = found["strip"]["rows"]
    found["strip"]["rows"] = rows[:: max(1, len(rows) // CURVE)]
    return found


def alternative(session: Any, change: str) -> dict[str, Any]:
    """The same session with one thing changed; takes as long as the injection did to compute.

    Raises
    ------
    SessionError
        If the session is not over or the change is unknown.
    """
    lines = _finished(session)
    return what_if(lines, change, anatomies={level: site.anatomy for level, site in session.sites.items()})


def _finished(session: Any) -> list[dict[str, Any]]:
    if not session.finished:
        raise SessionError("the session is not over", where="debrief", hint="finish it first")
    lines: list[dict[str, Any]] = session.log.lines
    return lines
