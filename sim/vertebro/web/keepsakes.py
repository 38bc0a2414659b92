"""After a session: its pictures and its page, made in the worker between two orders, and what might have been.

Files go to the session's folder, from where the server hands them out; nothing of them passes through its memory. A
what-if is a whole session, so another process does it: ``vertebro replay LOG --what-if …``.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

from vertebro.errors import SessionError, VertebroError

if TYPE_CHECKING:
    from vertebro.view.album import Album

FOLDER = "debrief"
FILE = re.compile(r"[a-z0-9-]{1,60}\.(jpg|html|json)")
TOLD_AFTER = 6  # turntable pictures between two words to the page
Send = Callable[[tuple[Any, ...]], None]


class Keepsakes:
    """What is left to do for a finished session.

    Parameters
    ----------
    session : Session
        Finished, with a memory.
    folder : Path
        Of the session, with its log.
    send : callable
        Takes ``("album", contents)``, ``("moment", moment)``, ``("alternative", answer)`` and
        ``("refused", command, error)``.
    """

    def __init__(self, session: Any, folder: Path, send: Send) -> None:
        from vertebro.training.debrief import explained
        from vertebro.view.album import Album

        self.folder, self.send = folder, send
        self.album: Album = Album(session, explained(session.log.lines))
        self.answers: list[dict[str, Any]] = []
        self._steps: Iterator[str] | None = self.album.steps()
        self._written: set[str] = set()
        self._since = 0
        self._helper: tuple[str, subprocess.Popen[bytes], Any] | None = None
        self._waiting: list[str] = []

    def step(self) -> None:
        """Do a little: a picture, or a look at the helper."""
        try:
            self._ask_helper()
            if self._steps is not None:
                self._draw(self._steps)
        except VertebroError as error:
            self._steps = None
            self.send(("refused", {"kind": "album"}, error.to_dict()))

    def _draw(self, steps: Iterator[str]) -> None:
        stage = next(steps, None)
        self._write()
        self._since += 1
        if stage is None:
            self._steps = None
            self._page()
        if stage != "turntable" or self._since >= TOLD_AFTER:
            self._tell()

    def _tell(self) -> None:
        self._since = 0
        self.send(("album", self.album.contents | {"page": "debrief.html" if self._steps is None else None}))

    def _write(self) -> None:
        place = self.folder / FOLDER
        place.mkdir(parents=True, exist_ok=True)
        for name in self.album.files.keys() - self._written:
            (place / name).write_bytes(self.album.files[name])
            self._written.add(name)

    def _page(self) -> None:
        from vertebro.view.debrief_page import save_debrief

        save_debrief(self.album, self.folder / FOLDER, self.answers)

    def moment(self, time: float) -> None:
        """Both monitors at a second: written, and told."""
        found = self.album.moment(time)
        self._write()
        self.send(("moment", found))

    def what_if(self, change: str) -> None:
        """Ask a helper what a change would have made of the session; the answer is told when it comes.

        Raises
        ------
        SessionError
            If the change is unknown.
        """
        from vertebro.training.replay import check_change

        check_change(change)
        self._waiting.append(change)

    def _ask_helper(self) -> None:
        if self._helper is None:
            if self._waiting:
                self._helper = self._start(self._waiting.pop(0))
            return
        change, process, out = self._helper
        if process.poll() is None:
            return
        self._helper = None
        out.seek(0)
        text = out.read().decode()
        out.close()
        if process.returncode != 0:
            raise SessionError("the session could not be replayed", where="what_if", value=change, hint=text[-200:])
        answer = json.loads(text)["what_if"][0]
        self.answers.append(answer)
        self.send(("alternative", answer))
        if self._steps is None:
            self._page()

    def _start(self, change: str) -> tuple[str, subprocess.Popen[bytes], Any]:
        from vertebro.training.log import NAME

        out = TemporaryFile()  # noqa: SIM115 (closed when it has been read)
        words = ["replay", str(self.folder / NAME), "--score", "--json", "--what-if", change]
        process = subprocess.Popen(
            [sys.executable, "-m", "vertebro.cli.main", *words], stdin=subprocess.DEVNULL, stdout=out,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        return change, process, out

    def close(self) -> None:
        """End the helper."""
        if self._helper is not None:
            self._helper[1].kill()
            self._helper[1].wait()
            self._helper = None


def kept_file(folder: Path, name: str) -> Path | None:
    """The file of a debrief by name, or None where there is none of that name."""
    path = folder / FOLDER / name
    return path if FILE.fullmatch(name) and path.is_file() else None
