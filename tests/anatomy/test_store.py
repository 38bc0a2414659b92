"""Anatomy files: what was saved comes back, damage is told, a failed write leaves nothing."""

from __future__ import annotations

import resource
import signal
from dataclasses import fields
from pathlib import Path

import h5py
import numpy as np
import pytest

from vertebro.anatomy.anatomy import Anatomy, Exit, Landmarks, Pedicle, Surround
from vertebro.anatomy.store import load_anatomy, save_anatomy
from vertebro.errors import DataError
from vertebro.grid import VoxelGrid


@pytest.fixture
def anatomy(rng: np.random.Generator) -> Anatomy:
    """A small anatomy of random numbers; every field differs from its default."""
    grid = VoxelGrid(shape=(9, 8, 7), spacing=(1e-3, 1e-3, 1e-3), origin=(-4e-3, -3e-3, -3e-3))
    wide = VoxelGrid(shape=(12, 10, 8), spacing=(2e-3,) * 3, origin=(-0.01, -0.01, -0.008))
    left, right = (
        Pedicle(centre=np.array([x, -0.02, 0.004]), axis=np.array([0.0, 1.0, 0.0]), half_width=4e-3, half_height=7e-3)
        for x in (-0.014, 0.014)
    )
    return Anatomy(
        level="L1",
        grid=grid,
        tissue=rng.integers(0, 12, grid.shape).astype(np.uint8),
        compartment=rng.integers(0, 10, grid.shape).astype(np.uint8),
        hu=rng.normal(100, 50, grid.shape).astype(np.float32),
        bone_fraction=rng.random(grid.shape, np.float32),
        porosity=rng.random(grid.shape, np.float32),
        permeability=10 ** rng.uniform(-13, -7, (3, *grid.shape)),
        face_resistance=rng.random((3, *grid.shape)),
        exits=(
            Exit(name="segmental vein, left", route="segmental", cells=np.array([[0, 1, 2]]), pressure=900.0),
            Exit(name="tissue around", route="tissue", cells=np.array([[0, 0, 0], [8, 7, 6]]), pressure=1000.0),
        ),
        surround=Surround(grid=wide, hu=rng.integers(-1000, 900, wide.shape).astype(np.int16)),
        landmarks=Landmarks(
            body_half_axes=np.array([0.02, 0.014, 0.012]),
            anterior_wall=0.014,
            posterior_wall=-0.014,
            superior_endplate=0.012,
            inferior_endplate=-0.012,
            canal_centre=np.array([0.0, -0.023, 0.004]),
            canal_half_axes=np.array([0.01, 0.009]),
            pedicle_left=left,
            pedicle_right=right,
            spinous_tip=np.array([0.0, -0.056, -0.004]),
            posterior_skin=-0.066,
        ),
        patient_from_world=np.eye(4),
        body_volume=2.5e-5,
        provenance={"source": "test", "nested": {"remarks": ["ä", 1, None]}},
    )


def _same(a: object, b: object) -> None:
    assert type(a) is type(b)
    if isinstance(a, np.ndarray):
        assert isinstance(b, np.ndarray)
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    elif isinstance(a, tuple):
        assert isinstance(b, tuple)
        for x, y in zip(a, b, strict=True):
            _same(x, y)
    elif isinstance(a, Anatomy | Landmarks | Pedicle | Surround | Exit):
        for item in fields(a):
            _same(getattr(a, item.name), getattr(b, item.name))
    else:
        assert a == b


def test_what_was_saved_comes_back_exactly(anatomy: Anatomy, tmp_path: Path) -> None:
    _same(load_anatomy(save_anatomy(anatomy, tmp_path / "anatomy.h5")), anatomy)


def test_no_face_resistance_stays_none(anatomy: Anatomy, tmp_path: Path) -> None:
    from dataclasses import replace

    bare = replace(anatomy, face_resistance=None)
    assert load_anatomy(save_anatomy(bare, tmp_path / "anatomy.h5")).face_resistance is None


def test_saving_leaves_one_file_and_replaces_the_old_one(anatomy: Anatomy, tmp_path: Path) -> None:
    path = tmp_path / "anatomy.h5"
    path.write_bytes(b"old")
    save_anatomy(anatomy, path)
    assert [p.name for p in tmp_path.iterdir()] == ["anatomy.h5"]
    assert load_anatomy(path).level == "L1"


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9])
def test_a_truncated_file_is_told(anatomy: Anatomy, tmp_path: Path, keep: float) -> None:
    path = save_anatomy(anatomy, tmp_path / "anatomy.h5")
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(DataError, match="damaged"):
        load_anatomy(path)


def test_a_strange_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "other.h5"
    with h5py.File(path, "w") as file:
        file["x"] = 1
    with pytest.raises(DataError, match="not an anatomy file"):
        load_anatomy(path)
    with pytest.raises(DataError, match="no such anatomy file"):
        load_anatomy(tmp_path / "absent.h5")


def test_a_newer_version_is_told(anatomy: Anatomy, tmp_path: Path) -> None:
    path = save_anatomy(anatomy, tmp_path / "anatomy.h5")
    with h5py.File(path, "r+") as file:
        file.attrs["version"] = 99
    with pytest.raises(DataError, match="newer"):
        load_anatomy(path)


def test_a_folder_that_is_not_there_is_told(anatomy: Anatomy, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be written"):
        save_anatomy(anatomy, tmp_path / "nowhere" / "anatomy.h5")


def test_a_full_disk_keeps_the_old_file_and_nothing_else(anatomy: Anatomy, tmp_path: Path) -> None:
    """A limit on file size stands in for the full disk: writes fail in the same place, for real."""
    path = save_anatomy(anatomy, tmp_path / "anatomy.h5")
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, hard))
    try:
        with pytest.raises(DataError, match="cannot be written"):
            save_anatomy(anatomy, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["anatomy.h5"]
