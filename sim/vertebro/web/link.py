"""The server's end of the worker: starts it, listens to it, and brings a session back after the worker died."""

from __future__ import annotations

import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from vertebro.web.actions import held_releases
from vertebro.web.journal import Journal
from vertebro.web.spare import Spare, spawn

SAME_PLACE = 60  # ticks: a second death this near to the first one has the same cause
STEP_BACK = 30  # ticks before such a place the session goes on
MOST_DEATHS = 5  # restarts of one session
Listener = Callable[[tuple[Any, ...]], None]


class WorkerLink:
    """One session in one worker process at a time.

    Parameters
    ----------
    maker : str
        ``"module:function"`` that makes the session, called in the worker.
    folder : Path
        Of this session's journal.
    scenario : str
    seed : int
    mode : str
    listener : callable
        Gets the worker's messages and ``("status", text)``, from a thread of this link.
    spare : Spare, optional
        Whose worker is used first.
    """

    def __init__(
        self,
        maker: str,
        folder: Path,
        *,
        scenario: str,
        seed: int,
        mode: str,
        listener: Listener,
        spare: Spare | None = None,
    ) -> None:
        self._spare = spare
        self.maker, self.listener = maker, listener
        self.start_with = (scenario, seed, mode)
        self.journal = Journal(folder, {"scenario": scenario, "seed": seed, "mode": mode})
        self.speed, self.deaths = 1.0, []
        self.ready = self.stopped = False
        self.process: BaseProcess | None = None
        self._connection: Connection | None = None
        self._ears: threading.Thread | None = None
        self._lock = threading.RLock()

    deaths: list[int]

    def start(self) -> None:
        """Spawn the worker and let it replay the journal; after `stop` nothing is spawned any more."""
        with self._lock:
            if self.stopped:
                return
            spare, self._spare = self._spare, None
            self.process, ours = spawn(self.maker) if spare is None else spare.take()
            self._connection = ours
            journal = self.journal.until() if self.journal.tick or self.journal.lines else []
            ours.send(("start", self.journal.folder, *self.start_with, journal))
            self._ears = threading.Thread(target=self._listen, args=(ours,), name="vertebro-listen", daemon=True)
            self._ears.start()

    def send(self, command: dict[str, Any]) -> None:
        """Pass a command on; without a ready worker it is dropped (the page shows that it is not ready)."""
        if self.ready:
            self._order(("command", command))

    def set_speed(self, speed: float) -> None:
        """Speed of the clock: 0 pauses."""
        self.speed = speed
        self._order(("speed", speed))

    def look(self, plane: str, offset_mm: float, source: str = "planning") -> None:
        """Ask for a slice of the planning CT, or of the last scan (``"control"``)."""
        if self.ready:
            self._order(("look", plane, offset_mm, source))

    def debrief(self, change: str | None = None) -> None:
        """Ask for the debrief, or for what a change would have made of the session."""
        if self.ready:
            self._order(("debrief", change))

    def moment(self, time: float) -> None:
        """Ask what was on the monitors at a second."""
        if self.ready:
            self._order(("moment", time))

    def release(self) -> None:
        """Nobody holds the pedal or the syringe any more."""
        for command in held_releases():
            self.send(command)

    def stop(self) -> None:
        """End the worker, and wait until it has ended."""
        with self._lock:
            self.stopped, self.ready = True, False
            process, ears = self.process, self._ears
        self._order(("stop",))
        if process is not None:
            process.join(2)
            if process.is_alive():
                process.terminate()
                process.join(2)
        if ears is not None and ears is not threading.current_thread():
            ears.join(2)  # it still writes down what the worker said last
        self.journal.close()

    def _order(self, order: tuple[Any, ...]) -> None:
        with self._lock:
            if self._connection is None:
                return
            try:
                self._connection.send(order)
            except (BrokenPipeError, OSError):
                return  # the listening thread sees the same end and brings the session back

    def _listen(self, connection: Connection) -> None:
        failed: tuple[int, dict[str, Any]] | None = None
        while True:
            try:
                message = connection.recv()
            except (EOFError, OSError):
                break
            if message[0] == "failed":
                failed = message[1], message[2]
            self._keep(message)
        if not self.stopped:
            self._bring_back(failed)

    def _keep(self, message: tuple[Any, ...]) -> None:
        kind = message[0]
        if kind == "applied":
            self.journal.applied(message[1], message[2])
        elif kind == "event":
            self.journal.event(message[1])
        elif kind == "state":
            self.journal.tick = max(self.journal.tick, int(message[1]["tick"]))
        elif kind == "ready":
            self.ready = True
            if self.deaths:
                self.release()
            self._order(("speed", self.speed))
        self.listener(message)

    def _bring_back(self, failed: tuple[int, dict[str, Any]] | None) -> None:
        """Start another worker with the journal; from before the place if the same place killed two of them."""
        self.ready = False
        if failed is not None and failed[0] < 0:
            self.listener(("status", "the case could not be prepared"))
            return
        place = self.journal.tick if failed is None else failed[0]
        self.journal.note(f"worker ended: {failed[1] if failed else 'no reason given'}")
        again = any(abs(place - other) <= SAME_PLACE for other in self.deaths)
        self.deaths.append(place)
        if len(self.deaths) > MOST_DEATHS:
            self.listener(("status", f"the simulator ended {len(self.deaths)} times; the log is {self.journal.path}"))
            return
        if again:
            self.journal.cut(max(place - STEP_BACK, 0))
            self.speed = 0.0
            self.listener(("status", "the simulator failed twice at one place: paused one second before it"))
        else:
            self.listener(("status", "the simulator ended unexpectedly: bringing the session back"))
        self.start()
