"""``vertebro doctor · warm``: the machine's side."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import time
from typing import Any

import typer

from vertebro.cli.output import JsonOption, emit, progress

EXTRAS = {"widget": "trame_pyvista", "movie": "imageio_ffmpeg", "study": "SALib"}  # a module of each
PACKAGES = ("numpy", "scipy", "numba", "pyvista", "vtk", "matplotlib", "SimpleITK", "h5py", "pydantic")


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("doctor")(doctor)
    app.command("warm")(warm)


def doctor(as_json: JsonOption = False) -> None:
    """Print versions, threads, kernel cache and whether 3-D pictures can be drawn."""
    facts = machine_facts()
    text = "\n".join(f"{key:<16} {value}" for key, value in facts.items())
    emit(facts, text, as_json)


def machine_facts() -> dict[str, Any]:
    """Versions, threading layer, cache state and renderer as plain JSON values."""
    import numba

    from vertebro import __version__, _jit
    from vertebro.paths import cache_root
    from vertebro.view.gl import gl_available, gl_help

    folder = cache_root() / "kernels" / _jit.kernel_hash()
    renders = gl_available()
    return {
        "vertebro": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "threads": numba.get_num_threads(),
        "threading_layer": threading_layer(),
        "kernel_hash": _jit.kernel_hash(),
        "kernels_cached": sum(1 for _ in folder.rglob("*.nbc")),
        "cache_folder": str(cache_root()),
        "pictures_3d": "yes" if renders else f"no: {gl_help()}",
        **{name: _version(name) for name in PACKAGES},
        **{f"extra_{name}": _extra(name, module) for name, module in EXTRAS.items()},
    }


def threading_layer() -> str:
    """The numba threading layer that parallel kernels will use here."""
    import numba
    import numpy as np

    numba.vectorize(["float64(float64)"], target="parallel")(lambda x: x)(np.zeros(4))
    return str(numba.threading_layer())


def warm(as_json: JsonOption = False) -> None:
    """Compile all kernels into the cache, so that the first run starts at once."""
    from vertebro.warm import warm_all

    start = time.perf_counter()
    with progress("warm") as report:
        count = warm_all(report)
    seconds = time.perf_counter() - start
    emit({"kernels": count, "wall_s": round(seconds, 2)}, f"{count} kernels ready in {seconds:.1f} s", as_json)


def _extra(name: str, module: str) -> str:
    there = importlib.util.find_spec(module) is not None
    return "yes" if there else f'no: pip install "vertebro[{name}]"'


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "absent"
