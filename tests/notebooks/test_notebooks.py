"""Every notebook runs from top to bottom and its last cell asserts a number."""

from __future__ import annotations

import ast
from pathlib import Path

import jupytext
import pytest
from nbclient import NotebookClient

from architecture.tree import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))
QUICK = ("00_first_injection.py",)  # the others run in the long lane
LANES = [pytest.param(path, marks=[] if path.name in QUICK else pytest.mark.slow) for path in NOTEBOOKS]
LONGEST_CELL = 900  # s
MOST_CELLS = 15
MOST_LINES = 10


def _code_cells(path: Path) -> list[str]:
    sources = [cell.source for cell in jupytext.read(path).cells if cell.cell_type == "code"]
    return ["\n".join(line for line in source.splitlines() if not line.startswith("%")) for source in sources]


@pytest.mark.parametrize("path", LANES, ids=lambda path: path.name)
def test_notebook_runs_from_top_to_bottom(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAST", "1")
    monkeypatch.delenv("MPLBACKEND", raising=False)  # the kernel brings its own inline backend
    notebook = jupytext.read(path)
    client = NotebookClient(
        notebook, timeout=LONGEST_CELL, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebook_tells_a_story(path: Path) -> None:
    """Prose first, few cells, no long helpers (they belong in the package), a number at the end."""
    cells = jupytext.read(path).cells
    assert cells[0].cell_type == "markdown"
    assert len(cells) <= MOST_CELLS
    functions = [node for cell in _code_cells(path) for node in ast.walk(ast.parse(cell)) if _is_function(node)]
    assert all(node.end_lineno - node.lineno < MOST_LINES for node in functions)
    assert any(isinstance(node, ast.Assert) for node in ast.parse(_code_cells(path)[-1]).body)


def _is_function(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)


def test_there_is_a_first_notebook() -> None:
    assert NOTEBOOKS
    assert NOTEBOOKS[0].name == "00_first_injection.py"
