"""The machine and its memory bandwidth: the yardstick of the other rows."""

from __future__ import annotations

import os
import platform
from importlib import metadata

import numba
import numpy as np

from benches.measure import Result, clock

LIBRARIES = ("numpy", "scipy", "numba", "llvmlite", "h5py", "pyvista", "vtk", "matplotlib", "SimpleITK")


@numba.njit(parallel=True, cache=True)
def _triad(a, b, c, s):
    for i in numba.prange(a.size):
        a[i] = b[i] + s * c[i]


def bandwidth(quick: bool) -> Result:
    """STREAM triad ``a = b + s c`` in float64 on arrays far larger than the caches, all threads."""
    n = 4_000_000 if quick else 16_000_000
    a, b, c = (np.full(n, 1.0) for _ in range(3))
    clocked = clock(lambda: _triad(a, b, c, 3.0), repeats=5 if quick else 15)
    rate = 3 * 8 * n / clocked.best / 1e9
    note = f"triad, 3 x {8 * n // 1_000_000} MB, {numba.get_num_threads()} threads"
    return Result(name="memory bandwidth", value=rate, unit="GB/s", note=note, more=clocked.numbers)


def describe() -> dict[str, object]:
    """Machine, versions, threads and the hash of the kernel sources: what makes two runs comparable."""
    import vertebro
    from vertebro._jit import kernel_hash

    return {
        "vertebro": vertebro.__version__,
        "kernel_hash": kernel_hash(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "numba_threads": numba.get_num_threads(),
        "numba_layer": _layer(),
        "load_1min": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "libraries": {name: metadata.version(name) for name in LIBRARIES},
    }


def _layer() -> str:
    try:
        return str(numba.threading_layer())
    except ValueError:  # no parallel kernel has run
        return "none yet"


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
        return names[0] if names else platform.processor()
    except OSError:
        return platform.processor()


BENCHES = [bandwidth]
