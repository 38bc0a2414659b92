"""The log of a session: one JSON object a line, the single source of score, replay and debrief.

Lines have ``type`` ``start``, ``action``, ``event``, ``row`` (one round of the injection) or ``end``, a ``tick`` of
the session's clock and the time ``t`` [s]. A row is written when its round comes on display, a third of a second after
the round ended; ``until_s`` is that end, and what is measured of the injection goes by it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from vertebro.errors import DataError
from vertebro.summary import plain_json

Line = dict[str, Any]
TICKS = 60  # a second: 3, 7.5 and 15 pulses a second all fall on ticks
NAME = "events.jsonl"


class Log:
    """Lines in memory, and in a file as they come.

    Parameters
    ----------
    path : Path, optional
        File to write; its folder must exist.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.lines: list[Line] = []
        self._written = 0
        self._file = None if path is None else path.open("w", encoding="utf-8")

    def add(self, kind: str, tick: int, /, **facts: Any) -> Line:
        """Append a line and return it."""
        line: Line = {"type": kind, "tick": tick, "t": tick / TICKS} | plain_json(facts)
        self.lines.append(line)
        return line

    def flush(self) -> None:
        """Bring what is new to the file."""
        if self._file is None:
            return
        for line in self.lines[self._written :]:
            self._file.write(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")
        self._written = len(self.lines)
        self._file.flush()

    def close(self) -> None:
        """Bring everything to the file and close it."""
        self.flush()
        if self._file is not None:
            self._file.close()
            self._file = None


def read_log(path: str | Path) -> list[Line]:
    """Lines of a log file, or of the ``events.jsonl`` in a folder.

    A last line that was cut off by a crash is left out.

    Raises
    ------
    DataError
        If it is no log of a session.
    """
    place = Path(path)
    place = place / NAME if place.is_dir() else place
    try:
        texts = place.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"cannot read the log: {error}", where=str(place), hint="the events.jsonl of a session"
        ) from None
    lines: list[Line] = []
    for number, text in enumerate(texts):
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:
            if number < len(texts) - 1:
                raise DataError("a line that is no JSON", where=f"{place}:{number + 1}", value=text[:80]) from None
    if not lines or not isinstance(lines[0], dict) or lines[0].get("type") != "start":
        raise DataError("no log of a session", where=str(place), allowed="a first line of type start")
    if any("until_s" not in line for line in rows(lines)):
        hint = f"read it with vertebro as of its day ({lines[0].get('version')})"
        raise DataError("a log without the ends of its rounds: too old for this program", where=str(place), hint=hint)
    return lines


def read_logs(folder: str | Path) -> list[list[Line]]:
    """Logs of all sessions in the folders of a folder, in the order in which they were last written.

    Raises
    ------
    DataError
        If there is none, or one that cannot be read.
    """
    place = Path(folder)
    found = sorted(place.glob(f"*/{NAME}"), key=lambda path: (path.stat().st_mtime_ns, path.parent.name))
    if not found:
        raise DataError("no sessions", where=str(place), allowed=f"a folder of folders with {NAME}")
    return [read_log(path) for path in found]


def actions(lines: Iterable[Line], *kinds: str) -> Iterator[Line]:
    """Lines of actions that were not refused, of some kinds or all."""
    return (
        line
        for line in lines
        if line["type"] == "action" and "refused" not in line and (not kinds or line["action"]["kind"] in kinds)
    )


def events(lines: Iterable[Line], *names: str) -> Iterator[Line]:
    """Lines of events, of some names or all."""
    return (line for line in lines if line["type"] == "event" and (not names or line["event"] in names))


def rows(lines: Iterable[Line]) -> Iterator[Line]:
    """Rounds of the injection."""
    return (line for line in lines if line["type"] == "row")
