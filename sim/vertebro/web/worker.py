"""The worker process: owns the session and every kernel, so that the server and the page never wait for a solver.

Messages to the worker: ``("start", folder, scenario, seed, mode, journal)``, ``("command", command)``,
``("speed", factor)``, ``("look", plane, offset, source)``, ``("debrief", change)``, ``("moment", time)``,
``("stop",)``.
Messages from it:
``("progress", stage, fraction)``, ``("ready", facts)``, ``("state", read-outs, echo)``, ``("picture", bytes)``,
``("event", event)``, ``("applied", tick, command)``, ``("refused", command, error)``, ``("failed", tick, error)``,
``("plan", plan)``, ``("debrief", debrief)``, ``("album", contents)``, ``("moment", moment)``,
``("alternative", outcome)``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from vertebro.errors import VertebroError
from vertebro.web.contract import TrainerSession
from vertebro.web.journal import MARK
from vertebro.web.pace import TICK, Pace

TELEMETRY = 0.2  # s between read-outs nobody asked for
URGENT = (
    ("arm", "pedal"),
    ("arm", "plane"),
    ("phase",),
    ("finished",),
    ("syringe", "injecting"),
    ("vitals", "alarm"),
)  # a change of these is told at once
Send = Callable[[tuple[Any, ...]], None]
JournalLine = tuple[int, dict[str, Any]]


def main(connection: Connection, maker: str) -> None:
    """Entry of the spawned process: serve one connection until told to stop or the other end is gone.

    Parameters
    ----------
    connection : Connection
    maker : str
        ``"module:function"`` that makes a session from scenario, seed, mode, a progress report and a folder.
    """
    try:
        if not connection.poll(0):  # nobody has chosen a case yet: load what every case needs
            _preload(maker)
        order = connection.recv()
        if order[0] != "start":
            return
        _, folder, scenario, seed, mode, journal = order
        session = _made(maker, connection.send, folder, scenario, seed, mode)
        if session is not None:
            Loop(session, connection, folder).run(journal)
    except (EOFError, BrokenPipeError, ConnectionResetError, KeyboardInterrupt):
        return


def _preload(maker: str) -> None:
    """Import what makes sessions, and let it import what it will need."""
    import importlib

    module = importlib.import_module(maker.partition(":")[0])
    getattr(module, "preload", lambda: None)()


def _made(maker: str, send: Send, folder: Path, scenario: str, seed: int, mode: str) -> TrainerSession | None:
    """The session, or None after its failure was told."""
    import importlib

    try:
        send(("progress", "loading the simulator", 0.02))
        module, _, name = maker.partition(":")
        make = getattr(importlib.import_module(module), name)

        def report(stage: str, fraction: float) -> None:
            send(("progress", stage, fraction))

        session: TrainerSession = make(scenario, seed, mode, report, folder)
        return session
    except VertebroError as error:
        send(("failed", -1, error.to_dict()))
    return None


def _at(state: dict[str, Any], path: Sequence[str]) -> Any:
    value: Any = state
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _plan(session: Any) -> dict[str, Any]:
    """Entry, angles and length of each needle as planned on the CT, where the session has a plan."""
    observe = getattr(session, "observation", None)
    plan: dict[str, Any] = {} if observe is None else dict(observe().plan)
    return plan


class Loop:
    """The worker's loop: commands as they come, ticks as they are due.

    Parameters
    ----------
    session : TrainerSession
    connection : Connection
    folder : Path
        Of the session, for its debrief.
    """

    def __init__(self, session: TrainerSession, connection: Connection, folder: Path) -> None:
        self.session, self.connection, self.folder = session, connection, folder
        self.keepsakes: Any = None  # what is left to do once the session is over
        self.tick, self.told, self.echo = 0, -1.0, 0
        self.pace = Pace(time.monotonic())
        self._events, self._urgent = 0, ""
        self._shown: dict[str, tuple[int, bool]] = {}  # number of the last picture of each pane, and whether live
        self._scan = 0  # number of the last scan that was sent
        self._stored = 0
        self._level = session.telemetry().get("level")
        self._running = True

    def run(self, journal: Sequence[JournalLine] = ()) -> None:
        """Replay the journal, then serve."""
        try:
            self._replay(journal)
            self.connection.send(("ready", {"tick": self.tick, "plan": _plan(self.session)}))
            self._tell()
            self.pace = Pace(time.monotonic())
            while self._running:
                self._round()
        except VertebroError as error:
            self.connection.send(("failed", self.tick, error.to_dict()))
        finally:
            if self.keepsakes is not None:
                self.keepsakes.close()

    def _replay(self, journal: Sequence[JournalLine]) -> None:
        last = journal[-1][0] if journal else 0
        for tick, command in journal:
            while self.tick < tick:
                self._step()
                if self.tick % 60 == 0:
                    self.connection.send(("progress", "restoring the session", self.tick / max(last, 1)))
            if command["kind"] != MARK:
                self._apply(command, again=True)
        self._send_pictures()
        self._send_events()

    def _round(self) -> None:
        if self.connection.poll(self.pace.wait(time.monotonic())):
            self._orders()
        for _ in range(self.pace.due(time.monotonic())):
            self._step()
            if self.pace.speed <= 1.0:  # each picture of a moment that took long, not only its last
                self._send_pictures()
            if self.connection.poll(0):  # a key is heard between two ticks
                self._orders()
        self._send_pictures()
        self._send_events()
        state = self.session.telemetry()
        urgent = repr([_at(state, path) for path in URGENT])
        if urgent != self._urgent or time.monotonic() - self.told >= TELEMETRY:
            self._urgent = urgent
            self._tell(state)
        if self.keepsakes is not None:
            self.keepsakes.step()

    def _step(self) -> None:
        self.session.step(TICK)
        self.tick += 1

    def _orders(self) -> None:
        """Every waiting order; the read-outs follow at once."""
        while self.connection.poll(0):
            order = self.connection.recv()
            if order[0] == "stop":
                self._running = False
            elif order[0] == "speed":
                self.pace.set_speed(float(order[1]))
            elif order[0] == "look":
                self._look(*order[1:])
            elif order[0] == "debrief":
                self._debrief(order[1])
            elif order[0] == "moment":
                self._moment(order[1])
            elif order[0] == "command":
                self._apply(order[1])
        self._tell()

    def _apply(self, command: dict[str, Any], *, again: bool = False) -> None:
        """Apply a command; one the session refuses is told to the page and leaves no trace in the journal."""
        self.echo = int(command.get("sent", self.echo) or 0)
        action = {name: value for name, value in command.items() if name != "sent"}
        try:
            self.session.command(dict(action))
        except VertebroError as error:
            if not again:
                self.connection.send(("refused", action, error.to_dict()))
            return
        if not again:
            self.connection.send(("applied", self.tick, action))

    def _send_pictures(self) -> None:
        """What the monitors show and did not show before."""
        from vertebro.web.pictures import message
        from vertebro.web.sections import taken

        for section in taken(self.session, self._scan):
            self.connection.send(("picture", section))
        self._scan = getattr(getattr(self.session, "scan", None), "number", self._scan)
        for picture in self.session.frames():
            if picture.pane == "ct":  # goes as CT numbers, see above
                continue
            mark = (picture.seq, picture.live)
            if self._shown.get(picture.pane) != mark:
                self._shown[picture.pane] = mark
                self.connection.send(("picture", message(picture)))

        for picture in self.session.saved[self._stored :]:
            self.connection.send(("picture", message(picture, stored=self._stored)))
            self._stored += 1

    def _look(self, plane: str, offset_mm: float, source: str) -> None:
        """A slice of the planning CT or of the last scan: reading is no action and costs neither time nor dose."""
        from vertebro.web.sections import control, planning

        found = (control if source == "control" else planning)(self.session, plane, offset_mm)
        if found is not None:
            self.connection.send(("picture", found))

    def _send_events(self) -> None:
        lines = self.session.log.lines
        for line in lines[self._events :]:
            if line["type"] == "event":
                self.connection.send(("event", line))
        self._events = len(lines)

    def _debrief(self, change: str | None) -> None:
        """What there is to learn, once the session is over; with a change, what might have been."""
        from vertebro.web.lesson import lesson

        try:
            if change is None:
                self.connection.send(("debrief", lesson(self.session)))
            if self.keepsakes is None and getattr(self.session, "memory", None) is not None:
                self.keepsakes = self._keep()
            if change is not None and self.keepsakes is not None:
                self.keepsakes.what_if(change)
        except VertebroError as error:
            self.connection.send(("refused", {"kind": "debrief"}, error.to_dict()))

    def _keep(self) -> Any:
        from vertebro.web.keepsakes import Keepsakes

        return Keepsakes(self.session, self.folder, self.connection.send)

    def _moment(self, time: float) -> None:
        """What was on the monitors at a second of a session that is over."""
        if self.keepsakes is not None:
            self.keepsakes.moment(time)

    def _tell(self, state: dict[str, Any] | None = None) -> None:
        state = dict(self.session.telemetry() if state is None else state)
        if state.get("level") != self._level:  # each has a plan of its own
            self._level = state.get("level")
            self.connection.send(("plan", _plan(self.session)))
        self.told = time.monotonic()
        state |= {"tick": self.tick, "speed": self.pace.speed, "reached": round(self.pace.reached, 2)}
        self.connection.send(("state", state, self.echo))
