"""Compile every kernel the main jobs use, with the very types they use, by running a tiny case.

A machine's first run would spend a minute compiling on one core. The work has two parts that share few kernels, the
flow and the pictures, so a second process does one of them (``python -m vertebro.warm pictures``); both meet in numba's
cache on disk.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vertebro import _jit
from vertebro.case import Case
from vertebro.paths import cache_root

TINY = {
    "anatomy.spacing": "1.5 mm",
    "steps.0.volume": "0.1 ml",
    "flow.interval": "4 s",
    "imaging.rows": 64,
    "imaging.frames": 2,
}


def is_warm(*parts: str) -> bool:
    """Whether these parts, ``"flow"`` and ``"pictures"``, have been compiled from these sources on this machine."""
    return all(_mark(part).exists() for part in parts or PARTS)


def warm_all(progress: Callable[[str, float], None]) -> int:
    """Compile both parts at once, in this process and another; returns the number of kernels on disk.

    Parameters
    ----------
    progress : callable
        ``progress(stage, fraction)``.
    """
    progress("compiling, once on this machine", 0.0)
    pictures = begin("pictures")
    try:
        warm("flow")
        progress("compiling, once on this machine", 0.6)
        if pictures.wait():
            warm("pictures")  # here, where its failure is seen
    finally:
        if pictures.poll() is None:
            pictures.kill()
    return sum(1 for _ in _mark("flow").parent.rglob("*.nbi"))


def warm(part: str) -> None:
    """Compile one part in this process, and leave a mark that says so."""
    PARTS[part]()
    _mark(part).parent.mkdir(parents=True, exist_ok=True)
    _mark(part).touch()


def _flow() -> None:
    """Run the tiny case without pictures."""
    from vertebro.simulation import Simulation

    Simulation(_tiny(), pictures=False).run()


def _pictures() -> None:
    """Take a picture of the tiny case before the injection, look for a leak in it, and make its CT slices."""
    from vertebro.build import build
    from vertebro.observe import Camera
    from vertebro.scans import ct_planes, ct_stack

    case = _tiny()
    scene = build(case)
    cement = (scene.anatomy.porosity > 0.5).astype("float32")
    camera = Camera(scene)
    for view in case.imaging.views:
        camera.shoot(view, 0.0, cement)
        camera.sees(view, (0.5 * cement).astype("float32"), cement)
    ct_planes(scene, cement)
    ct_stack(scene, cement, needles=scene.needles, pixels=64, slices=1)


def begin(part: str) -> subprocess.Popen[bytes]:
    """Start a process that compiles ``"flow"`` or ``"pictures"``."""
    return subprocess.Popen(
        [sys.executable, "-m", "vertebro.warm", part], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def then(process: subprocess.Popen[bytes] | None, act: Callable[[], Any]) -> None:
    """Do something now, or when the process has ended."""
    if process is None:
        act()
        return

    def wait() -> None:
        process.wait()
        act()

    threading.Thread(target=wait, daemon=True, name="vertebro-warming").start()


def _tiny() -> Case:
    return Case.preset("first-injection").with_settings(TINY)


def _mark(part: str) -> Path:
    return cache_root() / "kernels" / _jit.kernel_hash() / f"{part}.warm"


PARTS = {"flow": _flow, "pictures": _pictures}

if __name__ == "__main__":
    warm(sys.argv[1])
