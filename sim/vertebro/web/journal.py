"""What was done when: one line per applied command, on disk at once, so that a crash of the solver loses nothing.

The session's own log (``events.jsonl``, for score and ``vertebro replay``) is written by the worker and dies with it;
this one belongs to the server and makes the next worker write it again.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

NAME = "commands.jsonl"
MARK = "mark_tick"  # a line without an action: the session had come this far


class Journal:
    """Applied commands with their ticks, and the session's events, in one file.

    Parameters
    ----------
    folder : Path
        Of this session; made if absent.
    about : dict
        Scenario, seed and mode: the first line.

    Attributes
    ----------
    lines : list of (int, dict)
        Commands with the tick they were applied at.
    tick : int
        How far the session is known to have come.
    """

    def __init__(self, folder: Path, about: dict[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.path = folder, folder / NAME
        self.lines: list[tuple[int, dict[str, Any]]] = []
        self.tick = 0
        self._file = self.path.open("a", encoding="utf-8")
        self._lock = threading.Lock()
        self._write({"session": about})

    def applied(self, tick: int, command: dict[str, Any]) -> None:
        """A command the session took."""
        self.lines.append((tick, command))
        self.tick = max(self.tick, tick)
        self._write({"tick": tick, "command": command})

    def event(self, event: Any) -> None:
        """Something the session reports."""
        self._write({"tick": self.tick, "event": event})

    def note(self, text: str) -> None:
        """Something that happened to the program."""
        self._write({"tick": self.tick, "note": text})

    def until(self, tick: int | None = None) -> list[tuple[int, dict[str, Any]]]:
        """The commands to replay, ending with a mark at a tick (default: as far as the session had come)."""
        end = self.tick if tick is None else max(tick, 0)
        return [*(line for line in self.lines if line[0] <= end), (end, {"kind": MARK})]

    def cut(self, tick: int) -> None:
        """Forget everything after a tick: the session goes on from there."""
        self.lines = [line for line in self.lines if line[0] <= tick]
        self.tick = tick
        self._write({"tick": tick, "note": "continued from here"})

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()

    def _write(self, line: dict[str, Any]) -> None:
        text = json.dumps(line, ensure_ascii=False, default=str) + "\n"
        with self._lock:  # server and link write from threads of their own; a late word after the end is not kept
            if not self._file.closed:
                self._file.write(text)
                self._file.flush()


def read(path: Path) -> tuple[dict[str, Any], list[tuple[int, dict[str, Any]]]]:
    """Scenario, seed, mode and commands of a journal; cuts ("continued from here") are obeyed."""
    about: dict[str, Any] = {}
    lines: list[tuple[int, dict[str, Any]]] = []
    for text in path.read_text("utf-8").splitlines():
        line = json.loads(text)
        if "session" in line:
            about = line["session"]
        elif "command" in line:
            lines.append((int(line["tick"]), line["command"]))
        elif line.get("note") == "continued from here":
            lines = [kept for kept in lines if kept[0] <= line["tick"]]
    return about, lines
