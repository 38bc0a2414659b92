"""The README's Python runs as printed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from architecture.tree import ROOT


def test_the_first_lines_of_python_run_as_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert blocks
    assert all(len(block.splitlines()) <= 10 for block in blocks)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    assert names["run"].summary["volume_injected_ml"] > 0
    assert (tmp_path / "six-minutes" / "summary.json").is_file()
