"""Ctrl-C that waits for the end of a round, so that what is kept is whole: fluid, heat and books of one moment."""

from __future__ import annotations

import signal
import threading
from types import FrameType


class Interrupts:
    """Holds Ctrl-C back between calls of `check`; a second one comes through at once.

    As a context it takes over Python's own answer to SIGINT; in other threads, and where someone else already answers,
    it leaves everything as it is.

    Examples
    --------
    >>> with Interrupts() as interrupts:
    ...     interrupts.check()  # nothing to report
    """

    def __init__(self) -> None:
        self._asked = self._installed = False

    def __enter__(self) -> Interrupts:
        mine = threading.current_thread() is threading.main_thread()
        if mine and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._note)
            self._installed = True
        return self

    def __exit__(self, *_: object) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self._installed = False

    def check(self) -> None:
        """Let a Ctrl-C that came meanwhile through.

        Raises
        ------
        KeyboardInterrupt
            Once for each that was held back.
        """
        if self._asked:
            self._asked = False
            raise KeyboardInterrupt

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
