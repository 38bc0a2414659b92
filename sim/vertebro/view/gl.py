"""The guard in front of every OpenGL picture.

On a machine without a software-GL library VTK does not raise: it ends the process. So the first question is asked in
a child process that draws one triangle; the answer is kept per machine.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from vertebro.paths import cache_root

PACKAGES = ("libegl1", "libgl1-mesa-dri")
WINDOW = "VTK_DEFAULT_OPENGL_WINDOW"
SWITCH = "VERTEBRO_NO_GL"
TIMEOUT = 120.0  # s; a cold disk and the first shader compilation together took under 5 s

# vtkmodules instead of pyvista: the same window and driver, a second less to import
_PROBE = """
import vtkmodules.vtkRenderingOpenGL2
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkFiltersSources import vtkRegularPolygonSource
from vtkmodules.vtkRenderingCore import vtkActor, vtkPolyDataMapper
from vtkmodules.vtkRenderingCore import vtkRenderer, vtkRenderWindow, vtkWindowToImageFilter
source = vtkRegularPolygonSource(); source.SetNumberOfSides(3)
mapper = vtkPolyDataMapper(); mapper.SetInputConnection(source.GetOutputPort())
actor = vtkActor(); actor.SetMapper(mapper); actor.GetProperty().LightingOff()
renderer = vtkRenderer(); renderer.AddActor(actor)
window = vtkRenderWindow(); window.SetOffScreenRendering(1); window.SetSize(16, 16); window.AddRenderer(renderer)
window.Render()
grab = vtkWindowToImageFilter(); grab.SetInput(window); grab.Update()
if vtk_to_numpy(grab.GetOutput().GetPointData().GetScalars()).max() < 128:
    raise SystemExit("the triangle is black")
lines = window.ReportCapabilities().splitlines()
print("renderer:", next((line.split(":", 1)[1].strip() for line in lines if "renderer string" in line), "unknown"))
"""


def prepare_gl() -> None:
    """Choose VTK's window system before vtk is imported: EGL where there is no display (saves a try and a warning)."""
    headless = sys.platform.startswith("linux") and not os.environ.get("DISPLAY")
    if headless and not os.environ.get(WINDOW):
        os.environ[WINDOW] = "vtkEGLRenderWindow"


def screen_available() -> bool:
    """Whether a window could be opened here: a desktop session, or X or Wayland under Linux."""
    if not sys.platform.startswith("linux"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def gl_available(*, refresh: bool = False) -> bool:
    """Whether this machine can draw with OpenGL, on screen or off.

    Asked once per machine in a child process, because a missing library kills the process that tries. The answer is
    kept in the cache folder until VTK, the display or the installed system libraries change. ``VERTEBRO_NO_GL=1``
    says no.

    Parameters
    ----------
    refresh : bool
        Ask again whatever the cache says.
    """
    return bool(gl_report(refresh=refresh)["available"])


def gl_report(*, refresh: bool = False) -> dict[str, Any]:
    """What `gl_available` knows: ``available``, ``renderer`` and, if it is not available, ``reason``."""
    prepare_gl()
    if os.environ.get(SWITCH, "").strip() not in ("", "0"):
        return {"available": False, "renderer": None, "reason": f"switched off by {SWITCH}"}
    path, key = cache_root() / "gl.json", _machine_key()
    answers = _read_answers(path)
    if refresh or key not in answers:
        answers = dict(list(answers.items())[-7:]) | {key: probe()}
        _keep_answers(path, answers)
    return dict(answers[key])


def probe(command: Sequence[str] | None = None) -> dict[str, Any]:
    """Draw one triangle in a child process and report; a child that crashes, hangs or draws black means no.

    Parameters
    ----------
    command : sequence of str, optional
        Another child to run (tests let it crash).
    """
    command = [sys.executable, "-c", _PROBE] if command is None else list(command)
    try:
        child = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return {"available": False, "renderer": None, "reason": f"the test picture did not finish: {error}"}
    if child.returncode != 0:
        return {"available": False, "renderer": None, "reason": _why(child.returncode, child.stderr)}
    said = [
        line.removeprefix("renderer:").strip() for line in child.stdout.splitlines() if line.startswith("renderer:")
    ]
    return {"available": True, "renderer": said[0] if said else "unknown", "reason": None}


def gl_help() -> str:
    """What to install so that 3-D pictures work, in two sentences."""
    packages = " ".join(PACKAGES)
    return (
        "3-D pictures need a software OpenGL library, which this machine does not have. "
        f"On Debian or Ubuntu: sudo apt-get install {packages}"
    )


def _why(code: int, stderr: str) -> str:
    last = re.sub(r"\x1b\[[0-9;]*m", "", stderr).strip().splitlines()[-1:]
    crash = f"the test picture ended the process (signal {-code})" if code < 0 else f"the test picture failed ({code})"
    return ": ".join([crash, *last])


def _machine_key() -> str:
    # ldconfig rewrites ld.so.cache on every installed library, so installing the two packages asks again
    libraries = Path("/etc/ld.so.cache")
    stamp = libraries.stat().st_mtime_ns if libraries.exists() else 0
    display = bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    return f"vtk {_vtk_version()} | {os.environ.get(WINDOW, '')} | display {display} | libraries {stamp}"


def _vtk_version() -> str:
    try:
        return version("vtk")
    except PackageNotFoundError:
        return "absent"


def _read_answers(path: Path) -> dict[str, dict[str, Any]]:
    try:
        answers = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    good = isinstance(answers, dict) and all(isinstance(a, dict) and "available" in a for a in answers.values())
    return answers if good else {}


def _keep_answers(path: Path, answers: dict[str, dict[str, Any]]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}")
        partial.write_text(json.dumps(answers, indent=1), encoding="utf-8")
        partial.replace(path)
    except OSError:
        return  # a read-only cache folder only costs the question next time
