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
from numba.core import types
from numba.extending import intrinsic

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


# What numpy's views do for arrays, for one number in a loop: no scratch row, and 32 bits stay 32 bits.


def _as(context: Any, builder: Any, value: Any, kind: Any) -> Any:
    return builder.bitcast(value, context.get_value_type(kind))


@intrinsic  # type: ignore[untyped-decorator]
def exponent_of(_typing: Any, value: Any) -> Any:
    """float32 n of a normal float32 x = m 2^n, m between 1/sqrt(2) and sqrt(2)."""
    if value != types.float32:
        raise numba.TypingError("float32 only")

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        raw = _as(context, builder, args[0], types.int32)
        whole = builder.ashr(builder.sub(raw, raw.type(0x3F3504F3)), raw.type(23))
        return builder.sitofp(whole, args[0].type)

    return types.float32(types.float32), code


@intrinsic  # type: ignore[untyped-decorator]
def scaled(_typing: Any, value: Any, power: Any) -> Any:
    """float32 x 2^n of a float32 x that is not 0 and a whole float32 n, if that is normal."""
    if value != types.float32 or power != types.float32:
        raise numba.TypingError("float32 only")

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        raw = _as(context, builder, args[0], types.int32)
        shift = builder.shl(builder.fptosi(args[1], raw.type), raw.type(23))
        return _as(context, builder, builder.add(raw, shift), types.float32)

    return types.float32(types.float32, types.float32), code


SHORT_BIAS = 112 << 23  # shorts have exponents of 5 bits: 2^-15 to 2^16


@intrinsic  # type: ignore[untyped-decorator]
def shortened(_typing: Any, value: Any) -> Any:
    """uint16 with 11 bits behind the point of a float32 from 2^-15 to 2^17, which is cut to that range."""
    if value != types.float32:
        raise numba.TypingError("float32 only")

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        raw = _as(context, builder, args[0], types.int32)
        kind = raw.type
        raw = builder.ashr(builder.sub(raw, kind(SHORT_BIAS - 0x800)), kind(12))
        raw = builder.select(builder.icmp_signed("<", raw, kind(0)), kind(0), raw)
        raw = builder.select(builder.icmp_signed(">", raw, kind(0xFFFF)), kind(0xFFFF), raw)
        return builder.trunc(raw, context.get_value_type(types.uint16))

    return types.uint16(types.float32), code


@intrinsic  # type: ignore[untyped-decorator]
def lengthened(_typing: Any, value: Any) -> Any:
    """float32 of what `shortened` made."""
    if value != types.uint16:
        raise numba.TypingError("uint16 only")

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = context.get_value_type(types.int32)
        raw = builder.add(builder.shl(builder.zext(args[0], kind), kind(12)), kind(SHORT_BIAS))
        return _as(context, builder, raw, types.float32)

    return types.float32(types.uint16), code
