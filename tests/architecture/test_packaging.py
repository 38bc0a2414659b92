"""What users install: the wheel, the two commands, the conda environment."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from architecture.tree import ROOT, SOURCE, tracked

LIGHT_HELP = ("numba", "llvmlite", "scipy", "matplotlib", "pyvista", "vtk", "SimpleITK", "highdicom", "h5py")
CONDA_GROUPS = ("test", "notebook")
PICTURE_BYTES = 300_000


@pytest.fixture(scope="module")
def project() -> dict[str, object]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built by the build back-end itself: no network, no pip."""
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return next(out.glob("*.whl"))


def test_wheel_holds_every_file_of_the_package_and_nothing_else(wheel: Path) -> None:
    """Data files (tables, page templates) travel with the code; tests and benches stay at home."""
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    expected = {path.relative_to(SOURCE.parent).as_posix() for path in tracked() if SOURCE in path.parents}
    assert expected <= names, sorted(expected - names)
    assert all(name.startswith("vertebro/") for name in names)


def test_wheel_carries_the_licence(wheel: Path) -> None:
    assert any(name.endswith("licenses/LICENSE") for name in zipfile.ZipFile(wheel).namelist())


def test_wheel_works_away_from_the_checkout(wheel: Path, tmp_path: Path) -> None:
    """Imported from another folder, the unpacked wheel is what runs and it knows its version."""
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    code = "import vertebro, vertebro.grid; print(vertebro.__file__, vertebro.__version__)"
    shown = _python(code, cwd=tmp_path, PYTHONPATH=str(tmp_path / "site"))
    assert str(tmp_path / "site") in shown
    assert shown.split()[-1] in wheel.name


def test_help_of_the_command_line_imports_nothing_heavy(tmp_path: Path) -> None:
    """``vertebro --help`` must answer at once: the heavy libraries are imported by the commands that need them."""
    code = (
        "import json, sys; sys.argv = ['vertebro', '--help']\n"
        "from vertebro.cli.main import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        f"print(json.dumps([name for name in {LIGHT_HELP!r} if name in sys.modules]))"
    )
    shown = _python(code, cwd=tmp_path)
    assert "demo" in shown
    assert json.loads(shown.splitlines()[-1]) == []


def test_import_of_the_package_is_light(tmp_path: Path) -> None:
    code = f"import sys, vertebro; print([name for name in {LIGHT_HELP!r} if name in sys.modules])"
    assert _python(code, cwd=tmp_path).strip() == "[]"


def _python(code: str, cwd: Path, **environment: str) -> str:
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **environment},
        capture_output=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def _block_after(marker: str) -> str:
    text = (ROOT / "README.md").read_text("utf-8")
    found = re.search(rf"<!-- {marker} -->\n```\w*\n(.*?)```", text, re.DOTALL)
    assert found, f"README.md lost its block <!-- {marker} -->"
    return found[1].strip()


@pytest.mark.parametrize("marker", ["main command", "test command"])
def test_readme_commands_need_only_python_and_pip(marker: str) -> None:
    """One line each, creating what it needs: the virtual environment first."""
    command = _block_after(marker)
    assert "\n" not in command
    assert command.startswith("python3 -m venv .venv && .venv/bin/pip install ")
    assert all(part.strip().startswith((".venv/bin/", "python3 -m venv")) for part in command.split("&&"))


def test_ci_runs_exactly_the_test_command_of_the_readme() -> None:
    shown = subprocess.run([str(ROOT / ".ci" / "run"), "--show"], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == _block_after("test command")


def test_readme_says_what_it_is_not() -> None:
    text = (ROOT / "README.md").read_text("utf-8").lower()
    assert "education and research only" in text


def test_readme_links_lead_somewhere() -> None:
    for page in ("README.md", "CONTRIBUTING.md"):
        links = re.findall(r"\]\(([^)#\s]+)\)", (ROOT / page).read_text("utf-8"))
        lost = [link for link in links if "://" not in link and not (ROOT / link).exists()]
        assert not lost, f"{page}: {lost}"


def test_readme_pictures_are_small() -> None:
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", (ROOT / "README.md").read_text("utf-8"))
    heavy = [name for name in pictures if (ROOT / name).stat().st_size > PICTURE_BYTES]
    assert not heavy


def _bounds(requirements: list[str]) -> dict[str, str]:
    found = {}
    for requirement in requirements:
        match = re.fullmatch(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?>=([\d.]+)", requirement.split("#")[0].strip())
        assert match, f"expected name>=version, got {requirement!r}"
        found[match[1].lower()] = match[2]
    return found


def test_conda_environment_has_the_names_and_lower_bounds_of_pyproject(project: dict[str, object]) -> None:
    extras = project["optional-dependencies"]
    wanted = _bounds(project["dependencies"]) | {
        name: bound for group in CONDA_GROUPS for name, bound in _bounds(extras[group]).items()
    }
    lines = re.findall(r"^\s+- ([^:\n]+)$", (ROOT / "environment.yml").read_text("utf-8"), re.MULTILINE)
    listed = [line for line in lines if line.split("#")[0].strip() not in {"conda-forge", "pip", "tbb", "-e ."}]
    found = _bounds(listed)
    assert found.pop("python") == str(project["requires-python"]).removeprefix(">=")
    assert found == wanted


def test_version_is_said_once_and_the_same_everywhere(project: dict[str, object]) -> None:
    import vertebro

    citation = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text("utf-8"), re.MULTILINE)
    assert citation
    assert vertebro.__version__ == project["version"] == citation[1]
