"""The house plan: who may import whom. The contracts live in pyproject.toml."""

from __future__ import annotations

import subprocess
import sys

from architecture.tree import ROOT, SOURCE, imported, modules

WINDOWS_AND_DOORS = {"view", "cli", "web"}
DRAWING_AND_TALKING = {"matplotlib", "pyvista", "vtk", "vtkmodules", "typer", "rich", "click"}
KERNEL_DIET = ("numpy", "numba", "math", "__future__", "vertebro._jit")


def test_layers_hold_and_rooms_stay_apart() -> None:
    """import-linter judges the contracts of pyproject.toml on the import graph."""
    command = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
    run = subprocess.run(
        [sys.executable, "-c", command, "--no-logo", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_only_windows_and_doors_draw_and_talk() -> None:
    """Below view and cli nobody imports a plotting library or a terminal; a record never pulls in a window."""
    strangers = [
        f"{module.place}:{line} imports {name}"
        for module in modules()
        if module.path.relative_to(SOURCE).parts[0] not in WINDOWS_AND_DOORS
        for line, name in imported(module.tree)
        if name.split(".")[0] in DRAWING_AND_TALKING
    ]
    assert not strangers, "\n".join(strangers)


def test_kernel_files_import_only_numpy_numba_and_the_decorator() -> None:
    strangers = [
        f"{module.place}:{line} imports {name}"
        for module in modules()
        if module.is_kernels
        for line, name in imported(module.tree)
        if not any(name == food or name.startswith(food + ".") for food in KERNEL_DIET)
    ]
    assert not strangers, "\n".join(strangers)


def test_only_the_decorator_touches_numba_compilers() -> None:
    compilers = {"njit", "jit", "vectorize", "guvectorize", "jitclass", "stencil", "cfunc"}
    own = [
        f"{module.place}:{line} uses {name}"
        for module in modules()
        if module.path.name != "_jit.py"
        for line, name in imported(module.tree)
        if name.startswith("numba.") and name.split(".")[-1] in compilers
    ]
    assert not own, "use vertebro._jit.kernel:\n" + "\n".join(own)


def test_relative_imports_are_not_used() -> None:
    relative = [
        f"{module.place}:{line}" for module in modules() for line, name in imported(module.tree) if name.startswith(".")
    ]
    assert not relative, "\n".join(relative)
