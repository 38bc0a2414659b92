"""Rules of the kernels: registered, twinned, parallel only at the leaves."""

from __future__ import annotations

import ast
import importlib

import pytest

from architecture.tree import SOURCE, Module, modules
from vertebro import _jit

NUMBA_LIMIT_ARGUMENTS = 30


def _kernel_modules() -> list[Module]:
    return [module for module in modules() if module.is_kernels]


def _dotted(module: Module) -> str:
    return ".".join(("vertebro", *module.path.relative_to(SOURCE).with_suffix("").parts))


def _decorator(function: ast.FunctionDef) -> ast.expr | None:
    for node in function.decorator_list:
        name = node.func if isinstance(node, ast.Call) else node
        if (isinstance(name, ast.Name) and name.id == "kernel") or (
            isinstance(name, ast.Attribute) and name.attr == "kernel"
        ):
            return node
    return None


def _functions(module: Module) -> list[ast.FunctionDef]:
    return [node for node in module.tree.body if isinstance(node, ast.FunctionDef)]


def _is_parallel(function: ast.FunctionDef) -> bool:
    node = _decorator(function)
    return isinstance(node, ast.Call) and any(
        word.arg == "parallel" and isinstance(word.value, ast.Constant) and word.value.value for word in node.keywords
    )


@pytest.mark.parametrize("module", _kernel_modules(), ids=lambda module: module.place)
def test_every_kernel_has_a_naive_twin_of_its_name(module: Module) -> None:
    """Two implementations of every kernel: the fast one here, the obvious one in tests/naive/<room>.py."""
    importlib.import_module(_dotted(module))
    room = module.path.relative_to(SOURCE).parts[0].removesuffix(".py")
    twins = importlib.import_module(f"naive.{room}")
    names = [key.rsplit(".", 1)[1] for key in _jit.KERNELS if key.rsplit(".", 1)[0] == _dotted(module)]
    missing = [name for name in names if not callable(getattr(twins, name, None))]
    assert not missing, f"tests/naive/{room}.py lacks {missing}"


@pytest.mark.parametrize("module", _kernel_modules(), ids=lambda module: module.place)
def test_every_function_of_a_kernel_file_is_a_kernel(module: Module) -> None:
    plain = [function.name for function in _functions(module) if _decorator(function) is None]
    assert not plain, f"{module.place}: {plain} are not decorated with vertebro._jit.kernel"


def test_kernels_live_only_in_kernel_files() -> None:
    """The machine-code cache is keyed by the kernel files: a kernel elsewhere could meet stale code."""
    strays = [
        f"{module.place}:{function.lineno} {function.name}"
        for module in modules()
        if not module.is_kernels
        for function in ast.walk(module.tree)
        if isinstance(function, ast.FunctionDef) and _decorator(function) is not None
    ]
    assert not strays, "\n".join(strays)


def test_parallel_kernels_are_never_called_by_kernels() -> None:
    """Nested parallel regions are numba's issue 4807; parallel kernels are leaves that Python calls."""
    leaves = {f.name for module in _kernel_modules() for f in _functions(module) if _is_parallel(f)}
    nested = [
        f"{module.place}:{node.lineno} {function.name} calls {node.func.id}"
        for module in _kernel_modules()
        for function in _functions(module)
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in leaves
    ]
    assert not nested, "\n".join(nested)


def test_kernels_take_a_readable_number_of_arguments() -> None:
    wide = [
        f"{module.place}:{function.lineno} {function.name} takes {len(function.args.args)}"
        for module in _kernel_modules()
        for function in _functions(module)
        if len(function.args.args) > NUMBA_LIMIT_ARGUMENTS
    ]
    assert not wide, "\n".join(wide)
