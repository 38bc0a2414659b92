"""Compiling ahead of the first run: in two processes, complete, and known the next time."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from vertebro import warm

COUNT = """
import sys
from numba.core import event
from vertebro.cli.main import main

class Told(event.Listener):
    def on_start(self, e): pass
    def on_end(self, e):
        name = e.data["dispatcher"].__module__
        print("compiled", name, e.data["dispatcher"].__name__) if name.startswith("vertebro") else None

event.register("numba:compile", Told())
sys.argv = ["vertebro", *sys.argv[1:]]
main()
"""


@pytest.fixture
def parts(monkeypatch, tmp_path):
    """Stand-ins for the two parts; the process of its own ends as `ends` says."""
    monkeypatch.setenv("VERTEBRO_CACHE", str(tmp_path))
    done = []

    class Other:
        def __init__(self, ends: int) -> None:
            self.ends = ends

        def wait(self) -> int:
            return self.ends

        def poll(self) -> int:
            return self.ends

    monkeypatch.setattr(warm, "PARTS", {part: (lambda part=part: done.append(part)) for part in ("flow", "pictures")})

    def begin(ends: int) -> list[str]:
        monkeypatch.setattr(warm, "begin", lambda part: Other(ends))
        return done

    return begin


def test_the_other_process_does_the_pictures(parts):
    done = parts(0)
    warm.warm_all(lambda stage, share: None)
    assert done == ["flow"]
    assert warm.is_warm("flow")
    assert not warm.is_warm()  # the mark of a part is left by who compiled it


def test_what_fails_in_the_other_process_is_done_here(parts):
    done = parts(1)
    warm.warm_all(lambda stage, share: None)
    assert done == ["flow", "pictures"]
    assert warm.is_warm()


def test_an_act_waits_for_the_process():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    acted = threading.Event()
    warm.then(process, acted.set)
    assert not acted.is_set()
    process.communicate(b"\n")
    assert acted.wait(20.0)
    warm.then(None, acted.clear)
    assert not acted.is_set()


@pytest.mark.slow
def test_nothing_is_left_to_compile_for_a_run(tmp_path: Path):
    """A cold machine: `vertebro warm`, then a run compiles no kernel of ours."""
    environment = os.environ | {"VERTEBRO_CACHE": str(tmp_path / "cache")}
    vertebro = [sys.executable, "-c", COUNT]
    subprocess.run([*vertebro, "warm"], env=environment, check=True, capture_output=True)
    settings = ("--set", "anatomy.spacing=1.2 mm", "--set", "steps.0.volume=1.5 ml")
    told = subprocess.run(
        [*vertebro, "run", "first-injection", "--out", str(tmp_path / "run"), *settings],
        env=environment, check=True, capture_output=True, text=True,
    )  # fmt: skip
    compiled = [line for line in told.stdout.splitlines() if line.startswith("compiled")]
    assert not [line for line in compiled if "leaving" not in line]  # where heat leaves the field, a kernel of a second
