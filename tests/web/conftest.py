"""A running server for the tests, and a real browser where there is one."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from vertebro.web.server import Trainer, create_app, listen
from web.fake_session import CATALOGUE

TOKEN = "a token of the tests, long enough"
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
FAKE = "web.fake_session:make"


@contextmanager
def running(trainer: Trainer) -> Iterator[str]:
    """The trainer behind a real socket; yields the page's address."""
    bound = listen("127.0.0.1", 0)
    config = uvicorn.Config(create_app(trainer, token=TOKEN), log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/?token={TOKEN.replace(' ', '%20')}"
    finally:
        server.should_exit = server.force_exit = True
        thread.join(10)
        bound.close()


def until(condition: Callable[[], Any], seconds: float = 20.0) -> Any:
    """Wait for a condition; its value, or a failure."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError("this did not happen in time")


@pytest.fixture
def trainer(tmp_path: Path) -> Iterator[Trainer]:
    """A trainer with the session that needs no kernels."""
    found = Trainer(CATALOGUE, folder=tmp_path, maker=FAKE)
    yield found
    found.end()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Headless Chromium."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install vertebro[test]")
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium on this machine (apt-get install chromium)")
    with playwright.sync_playwright() as engine:
        found = engine.chromium.launch(executable_path=path, args=list(FLAGS))
        yield found
        found.close()


@pytest.fixture
def address(trainer: Trainer) -> Iterator[str]:
    """A page whose session has begun."""
    trainer.begin("square", None, "coach")
    with running(trainer) as found:
        yield found


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """The page at the table, its briefing read; fails if the console saw an error."""
    context = browser.new_context(viewport={"width": 1366, "height": 768})
    found = context.new_page()
    faults: list[str] = []
    found.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    found.on("pageerror", lambda error: faults.append(str(error)))
    found.goto(address)
    found.click("#go", timeout=120000)
    found.wait_for_selector("#cover", state="hidden")
    yield found
    context.close()
    assert faults == []
