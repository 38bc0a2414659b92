"""The one kernel decorator: the only place that touches numba options.

Policy (measured reasons: a cached caller keeps the *old* machine code of a callee that was edited in another file):
machine code is cached in the user's cache folder under a hash of all our kernel sources, so an edit or an upgrade
never meets stale code. ``fastmath`` is refused; kernels may ask for the safe set. Parallel kernels are leaves that
Python calls one at a time (numba's workqueue layer aborts the process on concurrent calls).
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, overload

import numba
from numba.core import config as numba_config

from vertebro.paths import cache_root

# A waiting OpenMP thread spins for a millisecond by default: harmless when idle, but with any other load a short
# kernel then takes ten times as long (measured). Read by the OpenMP library when it starts its threads, so set in time.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("GOMP_SPINCOUNT", "2000")

SAFE_FASTMATH = frozenset({"nsz", "arcp", "contract", "afn", "reassoc"})
KERNELS: dict[str, Any] = {}

_F = TypeVar("_F", bound=Callable[..., Any])
_parallel_turn = threading.RLock()


@functools.cache
def kernel_hash() -> str:
    """Digest of all kernel sources, numba, Python, processor and bounds checking: names the machine-code cache."""
    digest = hashlib.sha256()
    package = Path(__file__).parent
    for path in sorted([*package.rglob("kernels*.py"), Path(__file__)]):
        digest.update(path.relative_to(package).as_posix().encode())
        digest.update(path.read_bytes())
    # numba's own cache index forgets NUMBA_BOUNDSCHECK and would serve unchecked code
    checked = f"boundscheck={numba_config.BOUNDSCHECK}"
    for text in (numba.__version__, platform.python_version(), platform.machine(), checked):
        digest.update(text.encode())
    return digest.hexdigest()[:16]


@overload
def kernel(function: _F) -> _F: ...
@overload
def kernel(
    *, parallel: bool = ..., fastmath: bool = ..., inline: bool = ..., nogil: bool = ...
) -> Callable[[_F], _F]: ...
def kernel(
    function: _F | None = None,
    *,
    parallel: bool = False,
    fastmath: bool = False,
    inline: bool = False,
    nogil: bool = False,
) -> Any:
    """Compile a function with the house's options and register it in `KERNELS`.

    Parameters
    ----------
    parallel : bool
        Threaded leaf, called from Python only.
    fastmath : bool
        Allow reassociation and contraction (never the NaN-blind flags).
    inline : bool
        Force inlining into the caller (small helpers of hot loops).
    nogil : bool
        Free the interpreter while running, so that Python threads can share the work.
    """
    if function is None:
        return functools.partial(kernel, parallel=parallel, fastmath=fastmath, inline=inline, nogil=nogil)
    # nobody calls kernels from C: no wrapper to compile
    options: dict[str, Any] = {"cache": True, "error_model": "numpy", "parallel": parallel, "nogil": nogil}
    options["no_cfunc_wrapper"] = True
    if fastmath:
        options["fastmath"] = set(SAFE_FASTMATH)
    if inline:
        options["inline"] = "always"
    before = numba_config.CACHE_DIR
    numba_config.CACHE_DIR = str(cache_root() / "kernels" / kernel_hash())
    try:
        compiled = numba.njit(**options)(function)
    finally:
        numba_config.CACHE_DIR = before
    KERNELS[f"{function.__module__}.{function.__name__}"] = compiled
    return _one_at_a_time(compiled, function) if parallel else compiled


def _one_at_a_time(compiled: Callable[..., Any], function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any) -> Any:
        with _parallel_turn:
            return compiled(*args)

    return call
