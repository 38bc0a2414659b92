"""The local server: one page, one socket, one session in a worker process; bound to this machine unless told else."""

from __future__ import annotations

import asyncio
import datetime
import secrets
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from vertebro.errors import SessionError
from vertebro.paths import cache_root
from vertebro.web.actions import table
from vertebro.web.hub import Hub
from vertebro.web.keepsakes import kept_file
from vertebro.web.link import WorkerLink
from vertebro.web.pace import SPEEDS
from vertebro.web.results import keep_result, standings
from vertebro.web.spare import Spare

STATIC = Path(__file__).parent / "static"
MAKER = "vertebro.web.maker:make_session"
LOOPBACK = {"127.0.0.1", "localhost", "[::1]", "::1"}
POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)
LEAST_TOKEN = 16


class Trainer:
    """The server's state: which session runs, who listens.

    Parameters
    ----------
    catalogue : sequence of dict
        Scenarios to choose from: ``name``, ``title``, ...
    folder : Path, optional
        Where sessions are kept; default: the user's cache folder.
    maker : str
        What makes a session in the worker.
    default_mode : str
        Of a session the page starts without naming one.
    """

    def __init__(
        self,
        catalogue: Sequence[dict[str, Any]],
        *,
        folder: Path | None = None,
        maker: str = MAKER,
        default_mode: str = "coach",
    ) -> None:
        self.catalogue, self.maker, self.default_mode = list(catalogue), maker, default_mode
        self.folder = folder or cache_root() / "sessions"
        self.hub = Hub(self)
        self.link: WorkerLink | None = None
        self._spare: Spare | None = None
        self.chosen: dict[str, Any] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._early: list[Callable[[], None]] = []  # what a worker said before there was a loop to say it to
        self._lock = threading.Lock()

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """The loop the worker's messages are handed to, those that came before it included."""
        with self._lock:
            self._loop = loop
            early, self._early = self._early, []
            for call in early:
                loop.call_soon_threadsafe(call)

    def await_choice(self) -> None:
        """Start a worker ahead, which loads the simulator while a case is being chosen."""
        self._spare = Spare(self.maker)

    def begin(self, scenario: str, seed: int | None, mode: str) -> None:
        """Start a session, ending the one before; without a seed with the case's first anatomy.

        Raises
        ------
        SessionError
            If scenario or mode is unknown.
        """
        check_choice(self.catalogue, scenario, mode)
        if seed is None:
            seed = next(entry["seeds"][0] for entry in self.catalogue if entry["name"] == scenario)
        if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
            raise SessionError("not a seed", where="seed", value=seed, allowed="an integer from 0")
        self.end(wait=False)
        spare, self._spare = self._spare, None
        self.chosen = {"scenario": scenario, "seed": seed, "mode": mode}
        stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
        folder = self.folder / f"{stamp}-{scenario}-{seed}-{secrets.token_hex(2)}"
        self.hub.reset()
        self.link = link = WorkerLink(
            self.maker, folder, **self.chosen, listener=lambda m: self._hear(link, m), spare=spare
        )
        self.link.start()

    def end(self, *, wait: bool = True) -> None:
        """Stop the running session; a server that goes on does not wait for a worker that is busy."""
        if wait and self._spare is not None:
            self._spare.end()
        link, self.link = self.link, None
        if link is None:
            return
        if wait:
            link.stop()
        else:
            threading.Thread(target=link.stop, name="vertebro-stop").start()

    def _hear(self, link: WorkerLink, message: tuple[Any, ...]) -> None:
        """Called from the link's thread."""

        def hear() -> None:
            if link is self.link:
                self.hub.hear(message)
                if message[0] == "debrief":
                    keep_result(link.journal.folder, self.chosen, message[1]["score"])
                    self.hub.tell({"type": "about", **self.about()})

        with self._lock:
            if self._loop is None:
                self._early.append(hear)
            elif not self._loop.is_closed():
                self._loop.call_soon_threadsafe(hear)

    def take(self, command: dict[str, Any]) -> None:
        """A command of the page in control: for the clock, for the choice of a case, or for the session."""
        kind = command["kind"]
        if kind == "begin":
            seed = command.get("seed")
            self.begin(str(command.get("scenario", "")), seed, str(command.get("mode", self.default_mode)))
            self.hub.tell({"type": "about", **self.about()})
        elif self.link is None:
            raise SessionError("no session is running", where=kind, hint="choose a case first")
        elif kind == "speed":
            self.link.set_speed(_speed(command.get("factor")))
        elif kind == "look_ct":
            source = str(command.get("source", "planning"))
            self.link.look(str(command.get("plane")), _number(command, "offset_mm"), source)
        elif kind == "moment":
            self.link.moment(_number(command, "t"))
        elif kind == "debrief":
            self.link.debrief()
        elif kind == "what_if":
            self.link.debrief(str(command.get("change")))
        elif kind == "setting":
            self.link.journal.note(f"setting {command.get('name')} is {command.get('value')}")
        else:
            self.link.send(command)

    def release(self) -> None:
        """Nobody holds pedal or syringe."""
        if self.link is not None:
            self.link.release()

    def about(self) -> dict[str, Any]:
        """What a page is told first."""
        mine = standings(self.folder)
        return {"catalogue": self.catalogue, "chosen": self.chosen, "mode": self.default_mode, "standings": mine}


def check_choice(catalogue: Sequence[dict[str, Any]], scenario: str, mode: str) -> None:
    """Refuse an unknown scenario or mode.

    Raises
    ------
    SessionError
        Naming the known ones.
    """
    names = [entry["name"] for entry in catalogue]
    if scenario not in names:
        raise SessionError("unknown scenario", where="scenario", value=scenario, allowed=", ".join(names))
    if mode not in ("coach", "exam"):
        raise SessionError("unknown mode", where="mode", value=mode, allowed="coach, exam")


def _number(command: dict[str, Any], name: str) -> float:
    value = command.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SessionError("not a number", where=name, value=value, allowed="a number")
    return float(value)


def _speed(factor: Any) -> float:
    if isinstance(factor, bool) or factor not in SPEEDS:
        raise SessionError("a speed the clock does not have", where="speed", value=factor, allowed=str(SPEEDS))
    return float(factor)


def create_app(trainer: Trainer, *, token: str, hosts: Sequence[str] = ()) -> Starlette:
    """The application.

    Parameters
    ----------
    trainer : Trainer
    token : str
        Without it neither the page nor the socket answers.
    hosts : sequence of str
        Host names beside this machine's own that a browser may call the server by.
    """
    guard = _Guard(token, LOOPBACK | set(hosts))

    async def page(request: Request) -> Response:
        if not guard.knows(request):
            return PlainTextResponse(
                "403: this address lacks the session's token.\nOpen the address that vertebro train printed.", 403
            )
        return FileResponse(STATIC / "index.html")

    async def keys(request: Request) -> Response:
        return JSONResponse(table())

    async def log(request: Request) -> Response:
        path = None if trainer.link is None else trainer.link.journal.folder / "events.jsonl"
        if not guard.knows(request) or path is None or not path.exists():
            return PlainTextResponse("404: no session here", 404)
        return FileResponse(path, media_type="application/x-ndjson", filename="events.jsonl")

    async def kept(request: Request) -> Response:
        name = str(request.path_params["name"])
        path = None if trainer.link is None else kept_file(trainer.link.journal.folder, name)
        if not guard.knows(request) or path is None:
            return PlainTextResponse("404: no such picture here", 404)
        return FileResponse(path, filename=None if path.suffix == ".jpg" else name)

    async def talk(websocket: WebSocket) -> None:
        if not (guard.knows(websocket) and guard.same_origin(websocket)):
            await websocket.close(4403, "wrong token or origin")
            return
        await websocket.accept()
        await trainer.hub.serve(websocket)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        trainer.attach(asyncio.get_running_loop())
        try:
            yield
        finally:
            trainer.end()

    routes = [
        Route("/", page),
        Route("/keys.json", keys),
        Route("/log", log),
        Route("/debrief/{name}", kept),
        WebSocketRoute("/ws", talk),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    app = Starlette(routes=routes, lifespan=lifespan)
    app.add_middleware(_Safe, guard=guard)
    return app


class _Guard:
    """Who may talk to the server: who knows the token and calls us by a name that is ours (no site can point here)."""

    def __init__(self, token: str, hosts: set[str]) -> None:
        self.token, self.hosts = token, hosts

    def knows(self, connection: HTTPConnection) -> bool:
        """Whether the token is right."""
        return secrets.compare_digest(connection.query_params.get("token", "").encode(), self.token.encode())

    def own_host(self, connection: HTTPConnection) -> bool:
        """Whether the browser called us by our own name."""
        return _name(connection.headers.get("host", "")) in self.hosts

    def same_origin(self, connection: HTTPConnection) -> bool:
        """Whether the page that opens the socket is ours."""
        origin = connection.headers.get("origin")
        return (
            origin is not None
            and self.own_host(connection)
            and urlsplit(origin).netloc == connection.headers.get("host")
        )


def _name(host: str) -> str:
    """A host without its port."""
    return host.rsplit(":", 1)[0] if host.rsplit(":", 1)[-1].isdigit() else host


class _Safe:
    """Adds the headers of a careful page and refuses foreign host names."""

    def __init__(self, app: ASGIApp, guard: _Guard) -> None:
        self.app, self.guard = app, guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self.guard.own_host(HTTPConnection(scope)):
            await PlainTextResponse("421: unknown host name", 421)(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *HEADERS]
            await send(message)

        await self.app(scope, receive, with_headers)


def listen(host: str, port: int) -> socket.socket:
    """A bound socket; port 0 takes a free one.

    Raises
    ------
    SessionError
        If the port is taken or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    if sys.platform != "win32":  # there it would share a port that is in use
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen(16)
    except (OSError, OverflowError) as fault:
        bound.close()
        raise SessionError(
            f"cannot listen here: {getattr(fault, 'strerror', None) or fault}", where="--host, --port",
            value=f"{host}:{port}", allowed="a free port of this machine, 0 to 65535",
            hint="leave --port out (a free one is taken) or end the program that uses it",
        ) from fault  # fmt: skip
    return bound


def check_exposure(host: str, token: str | None) -> str:
    """The token to use; a server that others can reach wants one chosen by its owner.

    Raises
    ------
    SessionError
        If the host is not this machine's own and the token is missing or short.
    """
    if token is not None and len(token) < LEAST_TOKEN:
        raise SessionError(
            "a token that can be guessed", where="--token", value=token, allowed=f"at least {LEAST_TOKEN} characters"
        )
    if host not in LOOPBACK and token is None:
        raise SessionError(
            "others could reach this server", where="--host", value=host, allowed="127.0.0.1, or a --token of your own",
            hint="add --token with a secret of your own, or leave --host out",
        )  # fmt: skip
    return token or secrets.token_urlsafe(24)
