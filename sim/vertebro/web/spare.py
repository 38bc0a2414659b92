"""Worker processes: how one is spawned, and one spawned ahead that loads the simulator while a case is chosen."""

from __future__ import annotations

import multiprocessing
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from vertebro.web import worker


def spawn(maker: str) -> tuple[BaseProcess, Connection]:
    """A worker that waits for its order to start, and our end of the pipe to it."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=worker.main, args=(theirs, maker), name="vertebro-session", daemon=True)
    process.start()
    theirs.close()
    return process, ours


class Spare:
    """A worker that nobody has given a session yet.

    Parameters
    ----------
    maker : str
        As `WorkerLink`.
    """

    def __init__(self, maker: str) -> None:
        self.maker = maker
        self._worker: tuple[BaseProcess, Connection] | None = spawn(maker)

    def take(self) -> tuple[BaseProcess, Connection]:
        """The worker, once; a new one if it is gone."""
        mine, self._worker = self._worker, None
        if mine is None or not mine[0].is_alive():
            return spawn(self.maker)
        return mine

    def end(self) -> None:
        """Let it go if nobody took it: the end of its pipe ends it."""
        mine, self._worker = self._worker, None
        if mine is not None:
            mine[1].close()
            mine[0].join(2)
            if mine[0].is_alive():
                mine[0].terminate()
                mine[0].join(2)
