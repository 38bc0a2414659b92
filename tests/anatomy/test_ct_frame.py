"""The vertebra's own frame: from any pose of the patient and any order of the voxels, left stays left."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from anatomy import ct_phantom as phantom
from vertebro.anatomy.ct_job import bone_distance, superior_hint
from vertebro.anatomy.frame import Scout, find_frame, look
from vertebro.anatomy.resampling import resample
from vertebro.anatomy.volumes import read_volume
from vertebro.errors import DataError
from vertebro.grid import VoxelGrid


def _scout(folder: Path, made: phantom.Phantom, hint: bool = True) -> Scout:
    ct, labels = phantom.write_pair(folder, made, ".nii.gz")
    job = phantom.read_job(ct, labels, "L1")
    own = bone_distance(job, job.number)
    assert own is not None
    return find_frame(own, superior_hint(job) if hint else None)


def _error(scout: Scout, made: phantom.Phantom) -> tuple[float, float]:
    """Largest angle between found and true axes [degrees], distance of the origins [mm]."""
    true = made.ras_from_phantom
    cosines = np.sum(scout.ras_from_world[:3, :3] * true[:3, :3], axis=0)
    shift = np.linalg.norm(1e3 * scout.ras_from_world[:3, 3] - true[:3, 3])
    return float(np.degrees(np.arccos(np.clip(cosines, -1, 1))).max()), float(shift)


@pytest.mark.parametrize(
    "pose",
    [
        {"kyphosis": 28.0},
        pytest.param({"kyphosis": -20.0, "turn": 12.0}, marks=pytest.mark.slow),
        {"scoliosis": 25.0},
        {"kyphosis": 15.0, "scoliosis": -18.0, "turn": -15.0},
    ],
)
def test_the_frame_follows_kyphosis_scoliosis_and_rotation(tmp_path: Path, pose: dict[str, float]) -> None:
    matrix = phantom.rotation(**pose)
    matrix[:3, 3] = 17.0, -130.0, 400.0
    made = phantom.make(ras_from_phantom=matrix, shape=(78, 72, 60))
    angle, shift = _error(_scout(tmp_path, made), made)
    assert angle < 2.5
    assert shift < 1.2


def test_the_frame_needs_no_neighbours(tmp_path: Path) -> None:
    made = phantom.make(
        ras_from_phantom=phantom.rotation(kyphosis=20, scoliosis=10), levels=("L1",), shape=(78, 72, 60)
    )
    angle, shift = _error(_scout(tmp_path, made, hint=False), made)
    assert angle < 2.5
    assert shift < 1.2


def test_the_transform_is_rigid_and_right_handed(tmp_path: Path) -> None:
    made = phantom.make(ras_from_phantom=phantom.rotation(kyphosis=10, turn=8))
    turn = _scout(tmp_path, made).ras_from_world[:3, :3]
    np.testing.assert_allclose(turn.T @ turn, np.eye(3), atol=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1.0)


@pytest.mark.parametrize(("order", "signs"), phantom.axis_orders())
def test_every_axis_order_and_flip_gives_the_same_picture(
    tmp_path: Path, order: tuple[int, ...], signs: tuple[int, ...]
) -> None:
    """48 ways to store one scan; the marker ball on the patient's left stays at negative r in all of them."""
    made = phantom.make(shape=(50, 46, 30), spacing=(2.4, 2.4, 2.9))
    ct, labels = phantom.write_pair(tmp_path, phantom.reordered(made, order, signs), ".nrrd")
    volume, marks = read_volume(ct), read_volume(labels)
    frame = np.eye(4)
    grid = look_grid()
    hu = resample(volume, grid, frame, order=1)
    ball = grid.world(np.argwhere(hu > 500)).mean(axis=0) * 1e3
    np.testing.assert_allclose(ball, phantom.MARKER, atol=1.5)
    name = "".join("RAS"[axis] if sign > 0 else "LPI"[axis] for axis, sign in zip(order, signs, strict=True))
    assert volume.axes == name
    straight = read_volume(phantom.write(tmp_path / "straight.nrrd", made.labels, made.affine))
    np.testing.assert_array_equal(
        resample(marks, grid, frame, order=0, mode="constant"),
        resample(straight, grid, frame, order=0, mode="constant"),
    )


def look_grid() -> VoxelGrid:
    return VoxelGrid.around([-0.052, -0.05, -0.02], [0.052, 0.03, 0.02], 2e-3)


def test_an_oblique_scan_gives_the_same_frame(tmp_path: Path) -> None:
    """Voxel axes 30 degrees off the patient's: only the affine knows, and that is enough."""
    tilted = phantom.rotation(kyphosis=30, turn=25)[:3, :3]
    made = phantom.make(direction=tilted, shape=(78, 72, 60))
    angle, shift = _error(_scout(tmp_path, made), made)
    assert angle < 2.5
    assert shift < 1.2


def test_a_vertebra_without_arch_has_no_canal(tmp_path: Path) -> None:
    made = phantom.make()
    index = np.moveaxis(np.indices(made.labels.shape), 0, -1)
    behind = (index @ made.affine[:3, :3].T + made.affine[:3, 3])[..., 1] < -16.0
    made.labels[behind] = 0
    with pytest.raises(DataError, match="no spinal canal"):
        _scout(tmp_path, made)


def test_looking_twice_in_one_frame_is_deterministic(tmp_path: Path) -> None:
    scout = _scout(tmp_path, phantom.make())
    ct, labels = phantom.write_pair(tmp_path, phantom.make())
    job = phantom.read_job(ct, labels, "L1")
    own = bone_distance(job, job.number)
    assert own is not None
    again = look(own, scout.ras_from_world)
    np.testing.assert_array_equal(again.body, scout.body)
