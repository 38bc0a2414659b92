"""Every example in a docstring is executed."""

from __future__ import annotations

import doctest
import importlib

import pytest

from architecture.tree import SOURCE, Module, modules


@pytest.mark.parametrize(
    "module", [m for m in modules() if ">>> " in m.path.read_text("utf-8")], ids=lambda module: module.place
)
def test_examples_of_docstrings_work(module: Module) -> None:
    parts = module.path.relative_to(SOURCE).with_suffix("").parts
    name = ".".join(("vertebro", *(part for part in parts if part != "__init__")))
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0
