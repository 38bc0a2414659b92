"""A process of its own that compiles every kernel while the session is being made: ``python -m vertebro.web.warming``.

Two processes share the kernels through numba's cache on disk; who needs one first compiles it.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path


def mark() -> Path:
    """File that says that the kernels of these sources have been compiled on this machine."""
    from vertebro import _jit
    from vertebro.paths import cache_root

    return cache_root() / "kernels" / _jit.kernel_hash() / "warm"


def begin() -> subprocess.Popen[bytes] | None:
    """Start the process; None where the kernels are compiled already."""
    if mark().exists():
        return None
    return subprocess.Popen([sys.executable, "-m", __name__], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def then(process: subprocess.Popen[bytes] | None, act: Callable[[], None]) -> None:
    """Do something once the kernels are compiled: now, or when the process has ended."""
    if process is None:
        act()
        return

    def wait() -> None:
        process.wait()
        act()

    threading.Thread(target=wait, daemon=True, name="vertebro-warming").start()


def main() -> None:
    """Compile, and say so."""
    from vertebro.warm import warm_all

    warm_all(lambda stage, share: None)
    mark().parent.mkdir(parents=True, exist_ok=True)
    mark().touch()


if __name__ == "__main__":
    main()
