"""No number without a source: every cited key exists."""

from __future__ import annotations

import ast
import re

from architecture.tree import calls, modules
from vertebro.sources import SOURCES

# Constant(value, unit, low, high, SOURCE, mark, note) and Within(unit, low, high, SOURCE)
KEY_PLACES = {"Constant": 4, "Within": 3}
AUTHOR_YEAR = re.compile(r"\b[a-z]{3,}(?:19|20)\d\d[a-z]?\b")


def _cited_by_calls(tree: ast.AST) -> list[tuple[int, str]]:
    found = []
    for name, place in KEY_PLACES.items():
        for call in calls(tree, name):
            nodes = [word.value for word in call.keywords if word.arg == "source"] + call.args[place : place + 1]
            found += [(call.lineno, node.value) for node in nodes if isinstance(node, ast.Constant)]
    return found


def _cited_by_docstrings(tree: ast.AST) -> list[tuple[int, str]]:
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    return [
        (getattr(node, "lineno", 1), key)
        for node in ast.walk(tree)
        if isinstance(node, documented)
        for key in AUTHOR_YEAR.findall(ast.get_docstring(node) or "")
    ]


def test_every_cited_source_is_in_the_table() -> None:
    unknown = [
        f"{module.place}:{line} cites {key!r}"
        for module in modules()
        for line, key in _cited_by_calls(module.tree) + _cited_by_docstrings(module.tree)
        if key not in SOURCES
    ]
    assert not unknown, "append to vertebro/sources.py:\n" + "\n".join(unknown)


def test_every_source_is_readable() -> None:
    """A reference names its authors or its project and says something."""
    thin = [key for key, source in SOURCES.items() if len(source.text) < 15 or source.key != key]
    assert not thin
