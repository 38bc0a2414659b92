"""The guard: a crash of the test picture is an answer, never our end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from vertebro.view import gl, gl_available, gl_help, gl_report

CRASH = [sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"]
BLACK = [sys.executable, "-c", "raise SystemExit('\\x1b[31mthe triangle is black\\x1b[0m')"]
GOOD = [sys.executable, "-c", "print('renderer: pencil')"]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Counts the child processes; they all say yes."""
    calls: list[Any] = []

    def probe() -> dict[str, Any]:
        calls.append(1)
        return {"available": True, "renderer": "pencil", "reason": None}

    monkeypatch.setattr(gl, "probe", probe)
    return calls


def test_a_child_that_dies_of_a_segmentation_fault_means_no() -> None:
    answer = gl.probe(CRASH)
    assert not answer["available"]
    assert "signal 11" in answer["reason"]


def test_a_black_triangle_means_no_and_keeps_the_reason() -> None:
    answer = gl.probe(BLACK)
    assert not answer["available"]
    assert answer["reason"].endswith(": the triangle is black")


def test_a_child_that_cannot_start_or_hangs_means_no(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not gl.probe(["/nowhere/python"])["available"]
    monkeypatch.setattr(gl, "TIMEOUT", 0.05)
    assert not gl.probe([sys.executable, "-c", "import time; time.sleep(30)"])["available"]


def test_a_child_that_draws_names_its_renderer() -> None:
    assert gl.probe(GOOD) == {"available": True, "renderer": "pencil", "reason": None}


def test_the_switch_says_no_without_asking(asked: list[Any], own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERTEBRO_NO_GL", "1")
    assert not gl_available()
    assert not asked


def test_the_machine_is_asked_once(asked: list[Any], own_cache: Path) -> None:
    assert gl_available()
    assert gl_available()
    assert len(asked) == 1
    assert gl_available(refresh=True)
    assert len(asked) == 2


def test_another_vtk_or_newly_installed_libraries_ask_again(
    asked: list[Any], own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gl_available()
    monkeypatch.setattr(gl, "_vtk_version", lambda: "another")
    gl_available()
    assert len(asked) == 2


def test_a_crash_is_remembered_too(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = gl.probe
    monkeypatch.setattr(gl, "probe", lambda: real(CRASH))
    assert not gl_available()
    monkeypatch.setattr(gl, "probe", lambda: pytest.fail("asked twice"))
    assert "signal 11" in gl_report()["reason"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"key": 3}'])
def test_a_damaged_answer_is_asked_again(text: str, asked: list[Any], own_cache: Path) -> None:
    (own_cache / "gl.json").write_text(text)
    assert gl_available()
    assert len(asked) == 1


def test_a_cache_that_cannot_be_written_only_costs_the_question(
    asked: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("VERTEBRO_CACHE", str(tmp_path / "file"))
    monkeypatch.delenv("VERTEBRO_NO_GL", raising=False)
    assert gl_available()


def test_without_a_display_vtk_is_told_to_use_egl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setenv(gl.WINDOW, "")
    gl.prepare_gl()
    assert gl.os.environ[gl.WINDOW] == "vtkEGLRenderWindow"
    monkeypatch.setenv(gl.WINDOW, "vtkOSOpenGLRenderWindow")
    gl.prepare_gl()
    assert gl.os.environ[gl.WINDOW] == "vtkOSOpenGLRenderWindow"


def test_help_names_the_two_packages() -> None:
    assert "libegl1 libgl1-mesa-dri" in gl_help()


def test_the_real_probe_agrees_with_this_machine(with_gl: None) -> None:
    assert gl.probe()["available"]


def test_importing_the_windows_loads_no_drawing_library() -> None:
    code = "import sys, vertebro.view as v; v.gl_help(); print(*[m for m in ('matplotlib', 'pyvista', 'vtkmodules', 'numpy') if m in sys.modules])"  # noqa: E501
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert child.stdout.strip() == ""
