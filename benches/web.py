"""The trainer: from the command to the page, from a key to the read-out and the picture, and what a frame costs."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benches.measure import Result
from vertebro.training.arm import Frame
from vertebro.web.pictures import message
from vertebro.web.protocol import with_echo, with_seq

FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
WATCH = """() => {
  window.keyed = []; let at = 0;
  addEventListener('keydown', (e) => { at = e.timeStamp; }, true);
  new MutationObserver(() => { if (at) { const from = at; at = 0;
    requestAnimationFrame(() => window.keyed.push(performance.now() - from)); } })
    .observe(document.querySelector('#o-depth'), { childList: true, characterData: true, subtree: true });
}"""


def frame_path(quick: bool) -> Result:
    """Everything of a fluoroscopy frame after the picture itself: JPEG, header, number, echo."""
    noise = np.random.default_rng(1)
    grey = noise.normal(140, 6, (512, 512)).clip(0, 255).astype(np.uint16) << 8
    frame = Frame(
        pane="ap", seq=1, time=1.0, display16=grey, live=True, orbital_deg=0.0, cranial_deg=0.0, mm_per_pixel=0.3
    )
    spent = []
    for number in range(10 if quick else 60):
        start = time.thread_time()
        packed = with_echo(with_seq(message(frame), number), number)
        spent.append(1e3 * (time.thread_time() - start))
    return Result(
        name="trainer: frame path without projection",
        value=statistics.median(spent),
        unit="ms",
        note="CPU per pane, 512 x 512, JPEG q90; aim 6 ms for two",
        more={"min_ms": min(spent), "bytes": len(packed)},
    )


def page(quick: bool) -> list[Result]:
    """Case 1 in headless Chromium at 15 pulses a second, on this machine as busy as it is."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return []
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        return []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=path, args=list(FLAGS))
        start = time.perf_counter()
        with _trainer(Path(folder)) as (address, process):
            shown = browser.new_page(viewport={"width": 1366, "height": 768})
            shown.goto(address)
            shown.wait_for_selector("#cover-text, #go", timeout=60000)
            progress = time.perf_counter() - start
            shown.wait_for_selector("#go", timeout=600000)
            ready = time.perf_counter() - start
            keys = _keys(shown, 20 if quick else 60)
            memory = [_resident(pid) for pid in (process.pid, *_children(process.pid))]
        browser.close()
    return _rows(progress, ready, keys, memory)


@contextmanager
def _trainer(folder: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    command = [sys.executable, "-m", "vertebro.cli.main", "train", "first-steps", "--no-browser"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=os.environ | {"TMPDIR": str(folder)}
    )
    try:
        if process.stdout is None:
            raise RuntimeError("no output to read the address from")
        yield process.stdout.readline().strip(), process
    finally:
        process.terminate()
        process.wait(20)


def _keys(page: Any, count: int) -> dict[str, Any]:
    page.click("#go")
    page.keyboard.press("]")
    page.keyboard.down("Space")
    _waits(page, "trainer.panes.ap.drawn > 2")
    page.keyboard.press("p")
    page.keyboard.press("p")
    _waits(page, "trainer.store.state.needles.left")
    page.evaluate(WATCH)
    page.evaluate("trainer.latency.picture.length = 0, trainer.latency.read.length = 0")
    drawn, since = page.evaluate("trainer.panes.ap.drawn"), time.perf_counter()
    for turn in range(count):
        page.keyboard.press("ArrowUp" if turn % 2 else "ArrowDown")
        page.wait_for_timeout(170 + 37 * (turn % 5))
    rate = (page.evaluate("trainer.panes.ap.drawn") - drawn) / (time.perf_counter() - since)
    page.keyboard.up("Space")
    found = page.evaluate("[window.keyed, trainer.latency.read, trainer.latency.picture, trainer.socket.mostOpen]")
    return {"drawn": found[0], "told": found[1], "picture": found[2], "open": found[3], "rate": rate}


def _waits(page: Any, expression: str) -> None:
    end = time.monotonic() + 120
    while not page.evaluate(expression):
        if time.monotonic() > end:
            raise TimeoutError(expression)
        page.wait_for_timeout(30)


def _rows(progress: float, ready: float, keys: dict[str, Any], memory: list[float]) -> list[Result]:
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    rows = [
        Result(name="trainer: command to page with progress", value=progress, unit="s", note=f"{load}; aim 3 s"),
        Result(name="trainer: command to briefing, case ready", value=ready, unit="s", note=f"{load}; warm cache"),
        Result(name="trainer: pictures drawn", value=keys["rate"], unit="1/s", note=f"asked 15/s; {load}"),
        Result(name="trainer: server process", value=memory[0], unit="MB", note="resident, without the worker"),
        Result(name="trainer: worker process", value=max(memory[1:], default=0.0), unit="MB", note="resident"),
    ]
    aims = {"drawn": "read-out, aim 50", "told": "read-out of the session", "picture": "picture, aim 100, 200"}
    for name, words in aims.items():
        values = sorted(keys[name]) or [float("nan")]
        high = values[min(len(values) - 1, int(0.95 * len(values)))]
        rows.append(
            Result(
                name=f"trainer: key to {words.split(',')[0]}",
                value=statistics.median(values),
                unit="ms",
                note=f"p95 {high:.0f} ms, n {len(values)}; {words}; {load}; at most {keys['open']} open",
                more={"p95_ms": high},
            )
        )
    return rows


def _children(pid: int) -> list[int]:
    place = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in place.read_text().split()] if place.exists() else []


def _resident(pid: int) -> float:
    """Resident memory [MB]; NaN where the system does not tell."""
    place = Path(f"/proc/{pid}/status")
    if not place.exists():
        return float("nan")
    line = next(line for line in place.read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


BENCHES = (frame_path, page)
