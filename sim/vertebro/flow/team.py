"""Threads that share the planes of a grid.

Kernels that free the interpreter run on halves of a plane range in persistent threads: numba's own parallel loops cost
seconds of compilation each, these cost none, and every plane is computed by the same instructions whoever does it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from queue import SimpleQueue

import numba

Work = Callable[[int, int, int], None]


class Team:
    """Up to `size` threads, the caller included.

    Parameters
    ----------
    size : int
        1 works without threads.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._owner = os.getpid()
        self._inbox: list[SimpleQueue[tuple[Work, int, int, int]]] = []
        self._done: SimpleQueue[BaseException | None] = SimpleQueue()

    def share(self, first: int, end: int, work: Work, *, even_chunks: bool = False) -> None:
        """Call ``work(a, b, who)`` on parts of ``[first, end)``; parts start at `first` plus even numbers if asked."""
        step = max(1, -(-(end - first) // self.size))
        if even_chunks and step % 2:
            step += 1
        starts = list(range(first, end, step))
        if len(starts) == 1:
            work(first, end, 0)
            return
        self._hire(len(starts) - 1)
        for who, start in enumerate(starts[1:], 1):
            self._inbox[who - 1].put((work, start, min(start + step, end), who))
        failures: list[BaseException | None] = []
        try:
            work(first, first + step, 0)
        finally:
            failures = [self._done.get() for _ in starts[1:]]
        for failure in failures:
            if failure is not None:
                raise failure

    def _hire(self, count: int) -> None:
        if self._owner != os.getpid():
            # threads do not survive a fork
            self._owner, self._inbox, self._done = os.getpid(), [], SimpleQueue()
        while len(self._inbox) < count:
            inbox: SimpleQueue[tuple[Work, int, int, int]] = SimpleQueue()
            self._inbox.append(inbox)
            threading.Thread(target=_serve, args=(inbox, self._done), daemon=True, name="vertebro-flow").start()


def _serve(inbox: SimpleQueue[tuple[Work, int, int, int]], done: SimpleQueue[BaseException | None]) -> None:
    while True:
        work, first, end, who = inbox.get()
        failure: BaseException | None = None
        try:
            work(first, end, who)
        except BaseException as error:  # handed to the caller, who raises it
            failure = error
        done.put(failure)


def usual_size() -> int:
    """Number of threads numba was allowed (NUMBA_NUM_THREADS, cores) or told to use (numba.set_num_threads)."""
    return int(numba.get_num_threads())
