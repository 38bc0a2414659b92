"""The tree as the architecture tests see it: files that git tracks, modules with their parsed source."""

from __future__ import annotations

import ast
import functools
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "sim" / "vertebro"
ROOMS = ("anatomy", "procedure", "flow", "leakage", "imaging")


@dataclass(frozen=True)
class Module:
    """One Python file of the package."""

    path: Path
    tree: ast.Module

    @property
    def place(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @property
    def is_kernels(self) -> bool:
        return self.path.name.startswith("kernels")


@functools.cache
def modules() -> tuple[Module, ...]:
    """Every module of the package."""
    return tuple(Module(path, ast.parse(path.read_text("utf-8"))) for path in sorted(SOURCE.rglob("*.py")))


@functools.cache
def tracked() -> tuple[Path, ...]:
    """Files of the repository; without git (a source archive) every file that is not generated."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listing.returncode == 0 and listing.stdout:
        return tuple(path for name in listing.stdout.split("\0") if name and (path := ROOT / name).is_file())
    return tuple(path for path in ROOT.rglob("*") if path.is_file() and not _generated(path))


def _generated(path: Path) -> bool:
    parts = path.relative_to(ROOT).parts
    return any(part in {".git", ".venv", "venv", "__pycache__", "dist", "build"} or "_cache" in part for part in parts)


def texts() -> Iterator[tuple[Path, str]]:
    """Tracked files that are text."""
    for path in tracked():
        try:
            yield path, path.read_text("utf-8")
        except UnicodeDecodeError:
            continue


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and full name of everything a module imports, also inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{'.' * node.level}{node.module or ''}.{alias.name}") for alias in node.names)


def calls(tree: ast.AST, name: str) -> Iterator[ast.Call]:
    """Calls of a function by its bare or last dotted name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and name == _last_name(node.func):
            yield node


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
