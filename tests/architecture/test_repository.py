"""What is in the repository, and what must never be."""

from __future__ import annotations

import re
import subprocess
import sys
from urllib.parse import urlsplit

from architecture.tree import ROOT, texts, tracked

FOLDERS = {"sim", "meshes", "notebooks", "benches", "tests", ".ci"}
FILES = {
    "pyproject.toml",
    "environment.yml",
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "CITATION.cff",
    ".gitignore",
    ".pre-commit-config.yaml",
}
MEGABYTE = 1_000_000
# written in pieces so that this file does not find itself
MACHINE_PATHS = ("/wo" + "rk/", "/tm" + "p/", "/ro" + "ot/", "/ho" + "me/", "/opt/py" + "pi", "C:" + "\\Users")
PUBLIC_HOSTS = {"pypi.org", "files.pythonhosted.org"}


def test_top_level_is_the_agreed_one() -> None:
    top = {path.relative_to(ROOT).parts for path in tracked()}
    assert {parts[0] for parts in top if len(parts) > 1} <= FOLDERS
    assert {parts[0] for parts in top if len(parts) == 1} == FILES


def test_source_root_holds_one_package() -> None:
    assert {path.relative_to(ROOT / "sim").parts[0] for path in tracked() if ROOT / "sim" in path.parents} == {
        "vertebro"
    }


def test_no_path_of_somebodys_machine_is_written_down() -> None:
    hits = [
        f"{path.relative_to(ROOT)}: {text.count(place)} x {place}"
        for path, text in texts()
        for place in MACHINE_PATHS
        if place in text and path.suffix != ".svg"
    ]
    assert not hits, "\n".join(hits)


def test_no_private_package_registry_is_named() -> None:
    """The hosts pip is configured with on the machine that runs the tests must not leak into the tree."""
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    ).stdout
    hosts = {urlsplit(url).hostname for url in re.findall(r"https?://[^\s'\"]+", listing)} - PUBLIC_HOSTS - {None}
    words = {*hosts, "--index" + "-url", "--extra-index" + "-url", "--find" + "-links"}
    hits = [f"{path.relative_to(ROOT)}: {word}" for path, text in texts() for word in words if word in text]
    assert not hits, "\n".join(hits)


def test_no_blob_is_larger_than_a_megabyte() -> None:
    large = [f"{path.relative_to(ROOT)}: {path.stat().st_size}" for path in tracked() if path.stat().st_size > MEGABYTE]
    assert not large, "\n".join(large + _large_in_history())


def _large_in_history() -> list[str]:
    names = subprocess.run(
        ["git", "rev-list", "--objects", "--all"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout
    sizes = subprocess.run(
        ["git", "cat-file", "--batch-check=%(objecttype) %(objectsize) %(rest)"],
        cwd=ROOT,
        input=names,
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    blobs = [line.split(" ", 2) for line in sizes.splitlines() if line.startswith("blob ")]
    return [f"history: {rest[0] if rest else '?'}: {size}" for _, size, *rest in blobs if int(size) > MEGABYTE]


def test_no_large_blob_hides_in_history() -> None:
    assert not _large_in_history()


def test_no_notebook_output_is_stored() -> None:
    """Notebooks are text (jupytext percent); the executed form is made, not kept."""
    assert not [path.name for path in tracked() if path.suffix == ".ipynb"]
