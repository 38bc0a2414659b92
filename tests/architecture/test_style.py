"""House style that a machine can judge."""

from __future__ import annotations

import ast
import subprocess
import sys
import warnings
from collections.abc import Iterator

import pytest

from architecture.tree import ROOT, Module, modules

STOP_FILE, STOP_FUNCTION, STOP_KERNEL = 400, 60, 120


def _run(*command: str) -> None:
    run = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert run.returncode == 0, (run.stdout + run.stderr)[-6000:]


def test_ruff_finds_nothing() -> None:
    _run("ruff", "check", "--output-format", "concise", ".")


def test_ruff_format_changes_nothing() -> None:
    _run("ruff", "format", "--check", ".")


def test_mypy_strict_accepts_the_package() -> None:
    _run("mypy")


def test_library_does_not_print() -> None:
    """Results are returned, progress goes through callbacks; only the doors talk."""
    talk = [
        f"{module.place}:{node.lineno}"
        for module in modules()
        if "cli" not in module.path.parts
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"print", "breakpoint"}
    ]
    assert not talk, "\n".join(talk)


def test_library_does_not_assert_its_input() -> None:
    """``python -O`` removes asserts; errors of the house name value, place, range and cure."""
    asserts = [
        f"{module.place}:{node.lineno}"
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Assert)
    ]
    assert not asserts, "\n".join(asserts)


def test_nothing_is_a_stub() -> None:
    stubs = [
        f"{module.place}:{node.lineno}"
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Name) and node.id == "NotImplementedError"
    ]
    notes = [
        f"{module.place}: {word}"
        for module in modules()
        for word in ("TO" + "DO", "FIX" + "ME", "X" + "XX")
        if word in module.path.read_text("utf-8")
    ]
    assert not stubs + notes, "\n".join(stubs + notes)


Documented = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def _public(tree: ast.Module | ast.ClassDef) -> Iterator[Documented]:
    for node in tree.body:
        if isinstance(node, Documented) and not node.name.startswith("_") and not _speaks_through_sibling(node):
            yield node
            if isinstance(node, ast.ClassDef) and not _is_protocol(node):
                yield from _public(node)


def _is_protocol(node: ast.ClassDef) -> bool:
    """A protocol's members only repeat what its implementations document."""
    return any(ast.unparse(base).startswith("Protocol") for base in node.bases)


def _speaks_through_sibling(node: Documented) -> bool:
    return any(word in ast.unparse(decorator) for decorator in node.decorator_list for word in ("overload", "setter"))


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.place)
def test_public_things_have_docstrings(module: Module) -> None:
    silent = [f"{node.lineno} {node.name}" for node in _public(module.tree) if not ast.get_docstring(node)]
    if not ast.get_docstring(module.tree):
        silent.insert(0, "1 the module itself")
    assert not silent, f"{module.place}: " + "; ".join(silent)


def test_sizes_are_reported() -> None:
    """Not a gate: the reviewer decides. Long files and functions appear as one warning in the test report."""
    long = [
        f"{module.place}: {lines} lines"
        for module in modules()
        if (lines := len(module.path.read_text("utf-8").splitlines())) > STOP_FILE
    ] + [
        f"{module.place}:{node.lineno} {node.name}: {size} lines"
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef)
        and (size := _body_lines(node)) > (STOP_KERNEL if module.is_kernels else STOP_FUNCTION)
    ]
    if long:
        warnings.warn("stop and talk about: " + "; ".join(long), stacklevel=1)


def _body_lines(function: ast.FunctionDef) -> int:
    first = function.body[1 if ast.get_docstring(function) and len(function.body) > 1 else 0]
    return (function.end_lineno or function.lineno) - first.lineno + 1
