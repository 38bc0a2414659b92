"""Segmentation from one point: the kernel's twin, clear refusals, a generated patient, real patients."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from anatomy import ct_phantom
from naive import anatomy as naive
from vertebro.anatomy import segment_surface
from vertebro.anatomy.ct_job import body_distance, bone_distance, superior_hint
from vertebro.anatomy.frame import find_frame, split_body
from vertebro.anatomy.kernels_segment import match_template
from vertebro.anatomy.parametric import ParametricSpec, build_parametric
from vertebro.anatomy.resampling import resample
from vertebro.anatomy.segment_import import import_point, parse_point
from vertebro.anatomy.segment_pose import Pose
from vertebro.anatomy.segment_seed import ARCH, BODY, Segmentation, check_point, segment_from_seed
from vertebro.anatomy.segment_template import build_template, neighbour
from vertebro.anatomy.volumes import Volume, read_volume
from vertebro.errors import DataError
from vertebro.grid import VoxelGrid
from vertebro.tissue import Compartment
from vertebro.units import ml, mm


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return float(2 * np.count_nonzero(one & other) / (np.count_nonzero(one) + np.count_nonzero(other)))


@pytest.mark.parametrize("step", [1, 3])
def test_the_matching_kernel_agrees_with_its_naive_twin(step: int) -> None:
    rng = np.random.default_rng(2)
    image = rng.normal(size=(12, 10, 9)).astype(np.float32)
    inside = rng.random(image.shape) > 0.2
    points, look = rng.uniform(-6, 6, (400, 3)), rng.normal(size=400)
    weight = rng.uniform(0.3, 2, 400)
    matrix = np.linalg.qr(rng.normal(size=(3, 3)))[0] * 0.9
    given = (image, inside, points, look, weight, matrix, np.array([5.3, 4.8, 4.1]), step)
    np.testing.assert_allclose(match_template(*given), naive.match_template(*given), atol=1e-6)


def test_a_flat_picture_resembles_nothing() -> None:
    flat, everywhere = np.full((8, 8, 8), 40.0, np.float32), np.ones((8, 8, 8), bool)
    points = np.random.default_rng(0).uniform(1, 6, (50, 3))
    alike, share = match_template(flat, everywhere, points, points[:, 0].copy(), np.ones(50), np.eye(3), np.zeros(3), 1)
    assert alike == 0.0
    assert share == pytest.approx(1.0)
    assert match_template(
        flat, everywhere, points + 90, points[:, 0].copy(), np.ones(50), np.eye(3), np.zeros(3), 1
    ) == (
        0.0,
        0.0,
    )


def test_a_pose_lays_its_template_where_it_says() -> None:
    """Turned, moved and stretched: the laid field's centroid and volume follow."""
    template = build_template("L1")
    angle = 0.3
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1.0]])
    pose = Pose(np.array([5.0, -3.0, 2.0]) * mm, turn, np.array([1.1, 0.9, 1.2]), 1.0)
    grid = VoxelGrid.around(np.full(3, -45 * mm), np.full(3, 45 * mm), 1.5 * mm)
    inside = pose.lay(template.body, template, grid, np.eye(4)) < 0
    volume = np.count_nonzero(inside) * grid.voxel_volume
    assert volume == pytest.approx(template.body_volume * np.prod(pose.size), rel=0.02)
    own = template.grid.world(np.argwhere(template.body < 0)).mean(axis=0)
    wanted = pose.matrix[:3, :3] @ own + pose.place
    np.testing.assert_allclose(grid.world(np.argwhere(inside)).mean(axis=0), wanted, atol=0.3 * mm)


def test_neighbours_of_a_template_lie_above_and_below_it() -> None:
    above, below = neighbour("L1", -1), neighbour("L1", 1)
    assert above is not None
    assert below is not None
    assert (above[0], below[0]) == ("T12", "L2")
    assert 25 * mm < above[2][2] < 40 * mm
    assert -40 * mm < below[2][2] < -25 * mm
    assert neighbour("L5", 1) is None
    np.testing.assert_allclose(above[1] @ above[1].T, np.eye(3), atol=1e-6)


def test_a_level_without_a_shape_is_refused() -> None:
    with pytest.raises(DataError, match="no shape for this level"):
        build_template("C1")


def test_the_wall_moves_to_a_bright_shell() -> None:
    """A ball of 14 mm as template, a bright shell at 16 mm as the picture: the wall moves out by 2 mm."""
    grid = VoxelGrid.around(np.full(3, -25 * mm), np.full(3, 25 * mm), 1.0 * mm)
    r, a, s = grid.open_mesh()
    rho = np.sqrt(r * r + a * a + s * s).astype(np.float32)
    hu = np.where(rho < 16 * mm, 80.0, 40.0) + 400.0 * np.exp(-0.5 * ((rho - 15.5 * mm) / (0.7 * mm)) ** 2)
    far = np.full(grid.shape, 20 * mm, np.float32)
    wall = segment_surface.refine_wall(hu.astype(np.float32), rho - np.float32(14 * mm), far, grid)
    assert np.median(wall.move) == pytest.approx(2.0 * mm, abs=0.8 * mm)
    assert wall.move.std() < 0.3 * mm
    assert wall.strength.mean() > 0.8
    blocked = segment_surface.refine_wall(hu.astype(np.float32), rho - np.float32(14 * mm), -far, grid)
    np.testing.assert_allclose(blocked.move, 0.0, atol=1e-9)  # no edge is looked for: the template stays


@pytest.mark.parametrize(
    ("text", "point"),
    [("1, -2.5, 3 mm", (1e-3, -2.5e-3, 3e-3)), ("1 2 3", (1e-3, 2e-3, 3e-3)), ("-1,2,-3mm", (-1e-3, 2e-3, -3e-3))],
)
def test_a_seed_point_is_read_in_millimetres(text: str, point: tuple[float, float, float]) -> None:
    assert parse_point(text) == pytest.approx(point)


@pytest.mark.parametrize("text", ["", "1, 2", "1, 2, x", "1 2 nan", "1,2,3,4"])
def test_a_seed_point_that_is_no_point_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="seed point cannot be read"):
        parse_point(text)


def _phantom() -> Volume:
    made = ct_phantom.make()
    affine = made.affine.copy()
    affine[:3] *= mm
    return Volume(data=made.hu, ras_from_voxel=affine, name="phantom", digest="")


@pytest.mark.parametrize(
    ("point", "message"),
    [
        ((0.0, 0.0, 400.0), "outside the CT"),
        ((float("nan"), 0.0, 0.0), "outside the CT"),
        ((0.0, 52.0, 0.0), "fat, lung or air"),
    ],
)
def test_a_seed_in_the_wrong_place_is_refused_with_point_and_number(
    point: tuple[float, float, float], message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        check_point(_phantom(), np.array(point) * mm)
    assert f"{point[2]:.1f} mm" in str(caught.value)
    assert caught.value.hint


def test_a_seed_in_metal_is_refused() -> None:
    scan = _phantom()
    scan = scan.with_data(np.where(scan.data > 400, 3000.0, scan.data))
    with pytest.raises(DataError, match="metal, cement or compact bone") as caught:
        check_point(scan, ct_phantom.MARKER * mm)
    assert "3000 HU" in str(caught.value)


def _scan_of_generated_patient(level: str) -> tuple[Volume, VoxelGrid, np.ndarray]:
    """A generated CT seen by a scanner: 2.5 mm slices, tilted, noisy; the true body on the anatomy's grid."""
    made = build_parametric(ParametricSpec(level=level, sex="male", spacing=1.5e-3, surround_spacing=1.5e-3, seed=3))
    pose = ct_phantom.rotation(kyphosis=8.0, scoliosis=-5.0, turn=4.0)
    pose[:3, 3] = np.array([12.0, -30.0, 200.0]) * mm
    source = Volume(
        data=made.surround.hu,
        ras_from_voxel=pose @ made.surround.grid.world_from_voxel,
        name="generated",
        digest="",
    )
    grid = VoxelGrid.around(np.array([-85, -85, -70]) * mm, np.array([85, 60, 70]) * mm, 1.0 * mm)
    frame = np.eye(4)
    frame[:3, 3] = pose[:3, 3]
    hu = resample(source, grid, frame, mode="constant", outside=-1000.0)[:, :, ::2]
    hu = hu + np.random.default_rng(1).normal(0, 20, hu.shape)
    affine = frame @ grid.world_from_voxel @ np.diag([1.0, 1.0, 2.0, 1.0])
    body = made.compartment == Compartment.BODY
    scan = Volume(data=hu.astype(np.float32), ras_from_voxel=affine, name="scan", digest="")
    return dataclasses.replace(scan), made.grid, np.array([pose, body], dtype=object)


@pytest.mark.slow
@pytest.mark.parametrize("level", ["T12", "L3"])
def test_a_generated_patient_is_found_again(level: str) -> None:
    """Another size and texture than the template's, tilted and noisy: the body comes back."""
    scan, grid, (pose, body) = _scan_of_generated_patient(level)
    seed = pose[:3, :3] @ np.array([4.0, -3.0, 4.0]) * mm + pose[:3, 3]
    found = segment_from_seed(scan, seed, level)
    inside = found.subregions.with_data((found.subregions.data == BODY).astype(np.float32))
    again = resample(inside, grid, pose.astype(float), mode="constant") > 0.5
    assert dice(again, body) > 0.90


SEEDS = [(0, -6, 0), (0, 6, 0), (0, 0, -6)]  # the worst of 6 mm to every side in these patients


def _real(folder: Path, name: str) -> tuple[Volume, str, object]:
    if name == "low-dose L3":
        files = [folder / "tptbox_l3" / f"{x}.nii.gz" for x in ("ct_l3", "labels_vertebra", "labels_subregion")]
        level = "L3"
    else:
        files = [folder / "lidc0001" / f"{x}_t8_l2.nii.gz" for x in ("ct_spine", "labels_vertebrae")] + [None]
        level = name
    job = ct_phantom.read_job(files[0], files[1], level, subregions=files[2])
    own = bone_distance(job, job.number)
    assert own is not None
    return job.ct, level, find_frame(own, superior_hint(job), body_distance(job))


def _agreement(found: Segmentation, scout: object) -> tuple[float, float, float]:
    """Dice of the body as segmented, of the body under the labels' own split, and of the whole vertebra."""

    def there(mask: np.ndarray) -> np.ndarray:
        part = found.labels.with_data(mask.astype(np.float32))
        return resample(part, scout.grid, scout.ras_from_world, mode="constant") > 0.5  # type: ignore[attr-defined]

    body, whole = there(found.subregions.data == BODY), there(found.subregions.data > 0)
    split = split_body(whole, scout.tube, scout.grid)  # type: ignore[attr-defined]
    reference = scout.body  # type: ignore[attr-defined]
    return dice(body, reference), dice(split, reference), dice(whole, scout.bone)  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize("name", ["L1", "L2", "T12", "low-dose L3"])
def test_bodies_of_patients_agree_with_their_labels_from_any_seed(name: str, shared_data: Path) -> None:
    scan, level, scout = _real(shared_data, name)
    for offset in SEEDS:
        seed = scout.ras_from_world[:3, :3] @ (np.array(offset) * mm) + scout.ras_from_world[:3, 3]
        found = segment_from_seed(scan, seed, level)
        body, split, whole = _agreement(found, scout)
        assert min(body, split) >= 0.85, offset
        assert whole >= 0.75, offset
        assert np.count_nonzero(found.subregions.data == ARCH) > 5000


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "offset"),
    [
        pytest.param("L1", (0, 0, -17), id="L1 disc"),
        pytest.param("L1", (0, -25, 0), id="L1 canal"),
        pytest.param("L1", (0, 32, 0), id="L1 aorta"),
        pytest.param("L1", (0, -50, -5), id="L1 spinous process"),
        pytest.param("T12", (3, -26, 3), id="T12 canal"),
        pytest.param("L2", (0, -25, 0), id="L2 canal"),
    ],
)
def test_points_beside_the_body_are_refused(name: str, offset: tuple[int, int, int], shared_data: Path) -> None:
    scan, level, scout = _real(shared_data, name)
    seed = scout.ras_from_world[:3, :3] @ (np.array(offset) * mm) + scout.ras_from_world[:3, 3]
    with pytest.raises(DataError, match="no vertebral body was found"):
        segment_from_seed(scan, seed, level)


@pytest.mark.slow
@pytest.mark.data
def test_an_import_from_one_point_resembles_the_import_from_labels(shared_data: Path) -> None:
    anatomy = import_point(shared_data / "lidc0001/ct_spine_t8_l2.nii.gz", (-23.8e-3, -38.2e-3, -281.1e-3), "L1")
    assert anatomy.body_volume == pytest.approx(25.3 * ml, rel=0.1)
    assert anatomy.provenance["segmentation"]["method"] == "one seed point"
    marks = anatomy.landmarks
    assert marks.pedicle_left is not None
    assert marks.pedicle_right is not None
    assert -20 * mm < marks.pedicle_left.centre[0] < -9 * mm
    assert 9 * mm < marks.pedicle_right.centre[0] < 20 * mm
    # the contrast-filled aorta lies in front, not on the right
    surround = anatomy.surround
    r, a, s = surround.grid.open_mesh()
    near = (a > 22 * mm) & (np.abs(s) < 8 * mm) & (np.abs(r) < 30 * mm)
    bright = (surround.hu > 300) & (surround.hu < 500) & near
    assert -20 * mm < surround.grid.world(np.argwhere(bright)).mean(axis=0)[0] < 6 * mm


@pytest.mark.data
def test_reading_the_wrong_sign_convention_is_explained(shared_data: Path) -> None:
    """LPS coordinates typed as RAS leave this scan: the message says which signs to change."""
    scan = read_volume(shared_data / "lidc0001/ct_spine_t8_l2.nii.gz")
    with pytest.raises(DataError, match="outside the CT") as caught:
        check_point(scan, np.array([23.8, 38.2, -281.1]) * mm)
    assert "LPS" in str(caught.value)
