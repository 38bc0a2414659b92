"""What the page shows first when a session is over: the debrief, with every rule explained and the timeline drawn."""

from __future__ import annotations

from typing import Any

from vertebro.errors import SessionError
from vertebro.training.debrief import explained
from vertebro.view.debrief_strip import LABEL, RIGHT, WIDTH, draw_strip


def lesson(session: Any) -> dict[str, Any]:
    """The debrief of a finished session as plain JSON values; of the strip its drawing.

    ``strip`` holds ``svg``, ``end`` [s] and the shares of its width (``from``, ``to``) between which time runs.

    Raises
    ------
    SessionError
        If the session is not over.
    """
    lines = _finished(session)
    found = explained(lines)
    strip = found["strip"]
    found["strip"] = {"svg": draw_strip(found), "end": strip["end"], "from": LABEL / WIDTH, "to": 1 - RIGHT / WIDTH}
    return found


def _finished(session: Any) -> list[dict[str, Any]]:
    if not session.finished:
        raise SessionError("the session is not over", where="debrief", hint="finish it first")
    lines: list[dict[str, Any]] = session.log.lines
    return lines
