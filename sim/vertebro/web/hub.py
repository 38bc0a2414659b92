"""Who is connected: one page steers, others watch; every page gets the newest state, never a queue of old pictures."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from typing import Any, Protocol

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from vertebro.errors import SessionError
from vertebro.web.protocol import HEARTBEAT, WINDOW, read_command, unpack, with_echo, with_seq

BEHIND = 0.5  # s with a full window after which the page is told that its display is behind
TEXTS = 400  # messages kept for a page that does not read


class Steering(Protocol):
    """What the hub asks of the server."""

    def take(self, command: dict[str, Any]) -> None:
        """A command of the page in control."""

    def release(self) -> None:
        """Nobody holds pedal or syringe."""

    def about(self) -> dict[str, Any]:
        """What a page is told first."""


class Client:
    """One page.

    Parameters
    ----------
    socket : WebSocket
    """

    def __init__(self, socket: WebSocket) -> None:
        self.socket = socket
        self.texts: deque[str] = deque(maxlen=TEXTS)
        self.state: dict[str, Any] | None = None
        self.pictures: dict[str, bytes] = {}
        self.open: set[int] = set()
        self.seq, self.echo, self.full_since = 0, 0, 0.0
        self.heard = time.monotonic()
        self.wake = asyncio.Event()
        self.behind = False

    def tell(self, message: dict[str, Any]) -> None:
        """Queue a text message."""
        self.texts.append(json.dumps(message, ensure_ascii=False, default=str))
        self.wake.set()

    def show(self, pane: str, picture: bytes) -> None:
        """The newest picture of a pane; one not sent yet is forgotten."""
        self.pictures[pane] = picture
        self.wake.set()

    def acknowledge(self, seq: int) -> None:
        """The page has drawn a picture."""
        self.open.discard(seq)
        self.wake.set()

    async def send(self) -> None:
        """Send what there is until the socket closes."""
        while self.socket.client_state is WebSocketState.CONNECTED:
            await self.wake.wait()
            self.wake.clear()
            while self.texts:
                await self.socket.send_text(self.texts.popleft())
            if self.state is not None:
                state, self.state = self.state, None
                await self.socket.send_text(json.dumps({"type": "state", **state}, default=str))
            await self._send_pictures()

    async def _send_pictures(self) -> None:
        while self.pictures and len(self.open) < WINDOW:
            pane = next(iter(self.pictures))
            picture = self.pictures.pop(pane)
            self.seq += 1
            self.open.add(self.seq)
            self.full_since = time.monotonic()
            await self.socket.send_bytes(with_echo(with_seq(picture, self.seq), self.echo))
        late = bool(self.pictures) and time.monotonic() - self.full_since > BEHIND
        if late != self.behind:
            self.behind = late
            self.tell({"type": "display", "behind": late})


class Hub:
    """Between the pages and the worker.

    Parameters
    ----------
    steer : Steering
        Takes the commands of the page in control.
    """

    def __init__(self, steer: Steering) -> None:
        self.steer = steer
        self.clients: list[Client] = []
        self.controller: Client | None = None
        self.state: dict[str, Any] = {}
        self.pictures: dict[str, bytes] = {}
        self.events: deque[Any] = deque(maxlen=500)
        self.debrief: dict[str, Any] | None = None
        self.album: dict[str, Any] | None = None
        self.status: dict[str, Any] = {"type": "status", "phase": "choose", "text": "", "fraction": 0.0}

    # ---- from the worker -------------------------------------------------------------------------------------
    def hear(self, message: tuple[Any, ...]) -> None:
        """A message of the worker or of its link."""
        kind = message[0]
        if kind == "picture":
            self._picture(message[1])
        elif kind == "state":
            self._state(message[1], message[2])
        elif kind == "event":
            self.events.append(message[1])
            self.tell({"type": "event", "event": message[1]})
        elif kind == "debrief":
            self.debrief = message[1]
            self.tell({"type": "debrief", "debrief": self.debrief})
        elif kind == "plan":
            self.status["plan"] = message[1]
            self.tell({"type": "plan", "plan": message[1]})
        elif kind in ("album", "alternative", "moment"):
            self.album = message[1] if kind == "album" else self.album
            self.tell({"type": kind, kind: message[1]})
        elif kind == "refused":
            self.tell({"type": "refused", "command": message[1], "error": message[2]})
        elif kind in ("progress", "ready", "status") or (kind == "failed" and message[1] < 0):
            self._status(message)  # a worker that failed later is brought back by its link

    def _picture(self, picture: bytes) -> None:
        about = unpack(picture).about
        pane = f"{about['pane']} {about.get('stored', about.get('plane', ''))} {about.get('source', '')}"
        self.pictures[pane] = picture
        for client in self.clients:
            client.show(pane, picture)

    def _state(self, state: dict[str, Any], echo: int) -> None:
        self.state = state
        for client in self.clients:
            mine = echo if client is self.controller else 0
            client.state, client.echo = {**state, "echo": mine}, mine
            client.wake.set()

    def _status(self, message: tuple[Any, ...]) -> None:
        kind = message[0]
        if kind == "progress":
            change = {"phase": "prepare", "text": message[1], "fraction": round(float(message[2]), 3)}
        elif kind == "ready":
            change = {"phase": "run", "text": "", "fraction": 1.0, "plan": message[1].get("plan", {})}
        elif kind == "failed":
            change = {"phase": "failed", "error": message[2], "text": message[2].get("message", "")}
        else:
            change = {"text": message[1]}
        if kind == "status" and self.status["phase"] == "failed":
            return  # said already; a page may have gone on to choose another case
        self.status = {**self.status, **change, "type": "status"}
        self.tell(self.status)

    def reset(self) -> None:
        """Another session begins: nothing of the last one is shown any more."""
        self.state, self.pictures = {}, {}
        self.events.clear()
        self.debrief = self.album = None
        for client in self.clients:  # nor what is still on its way to a slow page
            client.state = None
            client.pictures.clear()
        self.status = {"type": "status", "phase": "prepare", "text": "starting", "fraction": 0.0}
        self.tell({"type": "reset"})
        self.tell(self.status)

    # ---- to the pages ----------------------------------------------------------------------------------------
    def tell(self, message: dict[str, Any]) -> None:
        """A text message to every page."""
        for client in self.clients:
            client.tell(message)

    def welcome(self, client: Client) -> None:
        """Everything a page needs to show a session it has just met."""
        client.tell({"type": "welcome", "control": client is self.controller, **self.steer.about()})
        client.tell(self.status)
        if self.events:
            client.tell({"type": "past", "events": list(self.events)})
        if self.state:
            client.state = {**self.state, "echo": 0}
        if self.debrief is not None:
            client.tell({"type": "debrief", "debrief": self.debrief})
        if self.album is not None:
            client.tell({"type": "album", "album": self.album})
        for pane, picture in self.pictures.items():
            client.show(pane, picture)
        client.wake.set()

    async def serve(self, socket: WebSocket) -> None:
        """One page from its first to its last message."""
        client = Client(socket)
        self.clients.append(client)
        if self.controller is None:
            self.controller = client
        self.welcome(client)
        sender = asyncio.create_task(client.send())
        watch = asyncio.create_task(self._watch(client))
        try:
            while True:
                self._receive(client, await socket.receive_text())
        except (WebSocketDisconnect, RuntimeError, KeyError):
            pass  # the page closed, or its socket broke
        finally:
            self._leave(client)  # before anything is awaited: a cancelled task must let go too
            sender.cancel()
            watch.cancel()
            await asyncio.gather(sender, watch, return_exceptions=True)

    def _receive(self, client: Client, text: str) -> None:
        client.heard = time.monotonic()
        try:
            command = read_command(text)
        except SessionError as error:
            client.tell({"type": "refused", "command": None, "error": error.to_dict()})
            return
        kind = command["kind"]
        if kind == "ack":
            client.acknowledge(int(command.get("seq", 0)))
        elif kind == "beat":
            client.wake.set()
        elif kind == "take_control":
            self._give(client)
        elif client is not self.controller:
            watching = SessionError("this page watches", where="control", hint="press Take control")
            client.tell({"type": "refused", "command": command, "error": watching.to_dict()})
        else:
            self._steer(client, command)

    def _steer(self, client: Client, command: dict[str, Any]) -> None:
        try:
            self.steer.take(command)
        except SessionError as error:
            client.tell({"type": "refused", "command": command, "error": error.to_dict()})

    def _give(self, client: Client) -> None:
        if self.controller is client:
            return
        self.steer.release()
        self.controller = client
        for other in self.clients:
            other.tell({"type": "control", "control": other is client})

    def _leave(self, client: Client) -> None:
        self.clients.remove(client)
        if client is self.controller:
            self.steer.release()
            self.controller = self.clients[0] if self.clients else None
            if self.controller is not None:
                self.controller.tell({"type": "control", "control": True})

    async def _watch(self, client: Client) -> None:
        """A page that falls silent no longer holds the pedal; every page hears something at least this often."""
        silent = False
        while True:
            await asyncio.sleep(HEARTBEAT / 4)
            quiet = time.monotonic() - client.heard > HEARTBEAT
            if quiet and not silent and client is self.controller:
                self.steer.release()
            silent = quiet
            client.tell({"type": "beat"})
