"""Line integrals against closed forms, against a slow per-ray projector, and against themselves."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from naive import imaging as naive
from vertebro.errors import DataError, GeometryError
from vertebro.grid import VoxelGrid
from vertebro.imaging import CArm, project, project_box
from vertebro.imaging import kernels_projector as kernels
from vertebro.imaging.matter import Matter
from vertebro.imaging.projector import Method, project_matter
from vertebro.imaging.slabs import SAMPLINGS, plan_slabs

POSES = {
    "ap": CArm.ap(rows=64, cols=64, pitch=2e-3),
    "lateral": CArm.lateral(rows=64, cols=64, pitch=2e-3),
    "oblique": CArm(orbital=math.radians(30), rows=64, cols=64, pitch=2e-3),
    "oblique and cranial": CArm(orbital=math.radians(-40), cranial=math.radians(15), rows=64, cols=64, pitch=2e-3),
    "behind": CArm(orbital=math.radians(200), rows=64, cols=64, pitch=2e-3),
    "steep": CArm(cranial=math.radians(60), rows=64, cols=64, pitch=2e-3),
}
any_pose = pytest.mark.parametrize("pose", POSES.values(), ids=POSES.keys())


def ball(grid: VoxelGrid, centre: tuple[float, float, float], radius: float) -> np.ndarray:
    """Volume fraction of a ball in each voxel (linear ramp over one voxel at the surface)."""
    r, a, s = grid.open_mesh()
    distance = np.sqrt((r - centre[0]) ** 2 + (a - centre[1]) ** 2 + (s - centre[2]) ** 2)
    return np.clip((radius - distance) / grid.spacing[0] + 0.5, 0, 1).astype(np.float32)


def chords(pose: CArm, centre: tuple[float, float, float], radius: float) -> np.ndarray:
    """Length of each ray in a ball: 2 sqrt(R² - d²), d the distance of the centre from the ray."""
    geometry = pose.geometry
    ray = geometry.pixel(*np.mgrid[: geometry.rows, : geometry.cols]) - geometry.source
    ray /= np.linalg.norm(ray, axis=-1, keepdims=True)
    offset = np.asarray(centre) - geometry.source
    distance2 = offset @ offset - (ray @ offset) ** 2
    return 2 * np.sqrt(np.maximum(radius**2 - distance2, 0))


@any_pose
def test_ball_gives_its_chords(pose: CArm) -> None:
    """A voxelised ball differs from the chord 2 sqrt(R² - d²) by the voxels' own error: well inside, below 1.5 %."""
    grid = VoxelGrid.around([-0.03] * 3, [0.03] * 3, 1e-3)
    centre, radius = (0.004, -0.003, 0.005), 0.02
    image, exact = project(ball(grid, centre, radius), grid, pose.geometry), chords(pose, centre, radius)
    inside = exact > radius
    assert np.abs(image - exact)[inside].max() < 0.015 * 2 * radius
    assert image.sum() == pytest.approx(exact.sum(), rel=2e-3)


def test_slab_gives_thickness_over_cosine() -> None:
    """A wide slab of thickness T across the beam: every ray that leaves through its faces travels T / cos(angle)."""
    grid = VoxelGrid.around([-0.06, -0.01, -0.06], [0.06, 0.01, 0.06], 1e-3)
    geometry = CArm.ap(rows=48, cols=48, pitch=2e-3).geometry
    image = project(np.ones(grid.shape), grid, geometry)
    assert np.allclose(image, 0.02 / geometry.obliquity(), rtol=1e-5)


@any_pose
def test_projection_agrees_with_marching_along_each_ray(pose: CArm, rng: np.random.Generator) -> None:
    """Smooth random matter; the reference takes trilinear samples every 0.1 mm along each ray."""
    grid = VoxelGrid((20, 22, 24), (2e-3, 2e-3, 2e-3), (-0.018, -0.022, -0.024))
    volume = gaussian_filter(np.pad(rng.random((10, 12, 14)), 5), 2.0)
    geometry = CArm(**{f: getattr(pose, f) for f in ("orbital", "cranial")}, rows=16, cols=16, pitch=3e-3).geometry
    exact = naive.march(volume, grid, geometry)
    assert np.abs(project(volume, grid, geometry) - exact).max() < 0.01 * exact.max()


@any_pose
def test_box_of_cement_added_to_a_frame_equals_projecting_everything(pose: CArm, rng: np.random.Generator) -> None:
    """Linearity with a sampling that depends on pose and spacing only: static + delta = full within 1e-4."""
    grid = VoxelGrid.around([-0.03] * 3, [0.03] * 3, 1e-3)
    tissue = rng.random(grid.shape).astype(np.float32)
    cement = ball(grid, (0.005, 0.004, -0.006), 0.007)
    static = project(tissue, grid, pose.geometry)
    layered = project_box(cement, grid, pose.geometry, out=static.copy())
    full = project(tissue + cement, grid, pose.geometry)
    assert np.abs(layered - full).max() < 1e-4 * full.max()
    assert np.abs(layered - static).max() > 0.1 * cement.sum(axis=0).max() * 1e-3


def test_box_that_grows_and_moves_is_followed(rng: np.random.Generator) -> None:
    """Boxes are rounded outwards and their plans kept: each is the whole volume's picture all the same."""
    grid = VoxelGrid((40, 50, 70), (1e-3,) * 3, (-0.0195, -0.0245, -0.0345))
    for pose in POSES.values():
        for low, high in (((9, 9, 9), (12, 11, 12)), ((5, 9, 3), (23, 21, 40)), ((30, 40, 65), (40, 50, 70))):
            cement = np.zeros(grid.shape)
            part = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
            cement[part] = rng.random(cement[part].shape)
            box, whole = (way(cement, grid, pose.geometry) for way in (project_box, project))
            assert np.allclose(box, whole, atol=2e-6 * whole.max())
            assert whole.max() > 1e-4


def test_left_is_left() -> None:
    """A ball on the patient's right lands on the picture's left in AP; an anterior one on the left in lateral."""
    grid = VoxelGrid.around([-0.04] * 3, [0.04] * 3, 2e-3)
    for pose, centre in ((POSES["ap"], (0.02, 0, 0.01)), (POSES["lateral"], (0, 0.02, 0.01))):
        image = project(ball(grid, centre, 0.008), grid, pose.geometry)
        row, col = np.average(np.mgrid[:64, :64].reshape(2, -1), axis=1, weights=image.ravel())
        assert (row, col) == pytest.approx(tuple(pose.geometry.project_point(np.array(centre))), abs=0.2)
        assert col < 31.5
        assert row < 31.5


def test_shadow_of_a_ball_is_magnified_by_sdd_over_sod() -> None:
    """Area of the shadow at half the greatest chord's height: chord > R where d < R sqrt(3)/2."""
    grid = VoxelGrid.around([-0.02] * 3, [0.02] * 3, 5e-4)
    for sod in (0.5, 0.7):
        geometry = CArm.ap(source_isocentre=sod, rows=256, cols=256, pitch=5e-4).geometry
        image = project(ball(grid, (0, 0, 0), 0.015), grid, geometry)
        diameter = 2 * math.sqrt((image > 0.015).sum() / math.pi) * 5e-4
        assert diameter == pytest.approx(2 * 0.015 * math.sqrt(0.75) / sod, rel=0.01)


def test_several_volumes_are_projected_like_one_after_the_other(rng: np.random.Generator) -> None:
    grid = VoxelGrid((8, 9, 10), (2e-3,) * 3, (-0.007, -0.008, -0.009))
    both = rng.random((2, *grid.shape))
    geometry = POSES["oblique"].geometry
    assert np.array_equal(project(both, grid, geometry), [project(one, grid, geometry) for one in both])


@given(scale=st.floats(-10, 10), orbital=st.floats(-3.1, 3.1))
def test_twice_the_matter_gives_twice_the_integral(scale: float, orbital: float) -> None:
    grid = VoxelGrid((6, 6, 6), (3e-3,) * 3, (-0.0075,) * 3)
    volume = np.random.default_rng(1).random(grid.shape)
    geometry = CArm(orbital=orbital, rows=16, cols=16, pitch=4e-3).geometry
    one, many = project(volume, grid, geometry), project(scale * volume, grid, geometry)
    assert np.allclose(many, scale * one, atol=1e-6 * (1 + abs(scale)))


def test_mirrored_matter_gives_the_mirrored_picture(rng: np.random.Generator) -> None:
    grid = VoxelGrid((10, 10, 10), (2e-3,) * 3, (-0.009,) * 3)
    volume = rng.random(grid.shape)
    geometry = POSES["ap"].geometry
    assert np.allclose(project(volume[::-1], grid, geometry), project(volume, grid, geometry)[:, ::-1], atol=1e-6)


@any_pose
def test_laid_out_matter_gives_the_same_picture(pose: CArm, rng: np.random.Generator) -> None:
    """Other orders of memory and skipped empty lines change the order of sums, nothing else."""
    grid = VoxelGrid.around([-0.03] * 3, [0.03] * 3, 1.2e-3)
    volumes = [rng.random(grid.shape).astype(np.float32), 50 * ball(grid, (0.004, -0.003, 0.005), 0.01)]
    together = project_matter(Matter(volumes, grid), pose.geometry)
    for one, image in zip(volumes, together, strict=True):
        assert np.allclose(image, project(one, grid, pose.geometry), rtol=1e-5, atol=1e-6)


@any_pose
def test_a_preview_is_close_to_the_exact_picture(pose: CArm, rng: np.random.Generator) -> None:
    """Half the nodes: for matter that is smooth over a few pixels within 2 % of the exact picture."""
    grid = VoxelGrid((40, 40, 40), (1e-3,) * 3, (-0.0195,) * 3)
    volume = gaussian_filter(np.pad(rng.random((20, 20, 20)), 10), 3.5)
    matter = Matter([volume], grid)
    preview, exact = (project_matter(matter, pose.geometry, quality=quality) for quality in ("preview", "exact"))
    assert 0 < np.abs(preview - exact).max() < 0.02 * exact.max()


def test_oblique_ray_through_a_box_travels_the_distance_of_its_faces() -> None:
    """Siddon is exact: a box of ones answers with the geometric chord (slabs test on the clipped ray)."""
    grid = VoxelGrid((7, 9, 11), (3e-3, 2e-3, 1.5e-3), (-0.006, -0.011, -0.004))
    for pose in POSES.values():
        geometry = pose.geometry
        ray = geometry.pixel(*np.mgrid[:64, :64]) - geometry.source
        with np.errstate(divide="ignore"):
            faces = (grid.extent[:, None, None, :] - geometry.source) / ray
        enter, leave = faces.min(axis=0).max(axis=-1), faces.max(axis=0).min(axis=-1)
        chord = np.maximum(leave - enter, 0) * np.linalg.norm(ray, axis=-1)
        image = project(np.ones(grid.shape), grid, geometry, method="siddon")
        assert np.allclose(image, chord, rtol=1e-5, atol=1e-7)
        assert chord.max() > 0.015


@any_pose
def test_slabs_agree_with_joseph_ray_by_ray(pose: CArm, rng: np.random.Generator) -> None:
    """The same interpolation and slices: square views equal, others within the plane's resampling."""
    grid = VoxelGrid((30, 30, 30), (1.5e-3,) * 3, (-0.02175,) * 3)
    volume = gaussian_filter(np.pad(rng.random((16, 16, 16)), 7), 1.5)
    slab, joseph = (project(volume, grid, pose.geometry, method=method) for method in ("slab", "joseph"))
    square = max(np.abs(pose.geometry.normal)) > 1 - 1e-9
    assert np.abs(slab - joseph).max() < (0.002 if square else 0.01) * joseph.max()


def test_matter_outside_the_field_casts_no_shadow() -> None:
    grid = VoxelGrid((4, 4, 4), (1e-3,) * 3, (0.5, 0.0, 0.0))
    assert not project(np.ones(grid.shape), grid, POSES["ap"].geometry).any()
    assert not project_box(np.zeros(grid.shape), grid, POSES["ap"].geometry).any()


def test_source_inside_the_volume_is_refused() -> None:
    grid = VoxelGrid.around([-0.1, -0.1, -0.1], [0.1, 0.8, 0.1], 0.02)
    for method in ("slab", "joseph", "siddon"):
        with pytest.raises(GeometryError, match="source lies inside"):
            project(np.ones(grid.shape), grid, CArm.ap().geometry, method=method)  # type: ignore[arg-type]
    with pytest.raises(GeometryError, match="source lies inside"):
        project_matter(Matter([np.ones(grid.shape)], grid), CArm.ap().geometry)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_volumes_that_are_not_finite_are_refused(bad: float) -> None:
    grid = VoxelGrid((8, 8, 8), (1e-3,) * 3, (-0.0035,) * 3)
    volume = np.ones(grid.shape)
    volume[3, 4, 5] = bad
    for method in ("slab", "joseph", "siddon"):
        with pytest.raises(DataError, match="NaN or infinity"):
            project(volume, grid, POSES["ap"].geometry, method=method)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="NaN or infinity"):
        Matter([volume], grid)


def test_arrays_that_do_not_fit_are_refused() -> None:
    grid = VoxelGrid((4, 5, 6), (1e-3,) * 3)
    with pytest.raises(GeometryError, match="does not fit its grid"):
        project(np.ones((4, 5, 5)), grid, POSES["ap"].geometry)
    with pytest.raises(GeometryError, match="frame does not fit"):
        project(np.ones(grid.shape), grid, POSES["ap"].geometry, out=np.zeros((3, 3), np.float32))
    with pytest.raises(GeometryError, match="nothing to project"):
        Matter([], grid)


def test_unknown_ways_are_refused() -> None:
    grid = VoxelGrid((4, 5, 6), (1e-3,) * 3)
    with pytest.raises(GeometryError, match="unknown method"):
        project(np.ones(grid.shape), grid, POSES["ap"].geometry, method="magic")  # type: ignore[arg-type]
    with pytest.raises(GeometryError, match="unknown quality"):
        project(np.ones(grid.shape), grid, POSES["ap"].geometry, quality="best")  # type: ignore[arg-type]


@any_pose
def test_kernels_equal_their_naive_twins(pose: CArm, rng: np.random.Generator) -> None:
    grid = VoxelGrid((6, 7, 38), (4e-3, 3e-3, 1e-3), (-0.01, -0.009, -0.0185))
    geometry = CArm(orbital=pose.orbital, cranial=pose.cranial, rows=9, cols=8, pitch=8e-3).geometry
    plan = plan_slabs(grid, geometry, SAMPLINGS["exact"])
    assert plan is not None
    volume = rng.random(grid.shape).astype(np.float32)
    volume[:3, 2:, 32:] = 0
    lines = Matter([volume], grid).lines(plan.axes)[0]
    shape = (len(plan.group_z), plan.nodes[1])
    rim = int(np.abs(plan.shift).max()) + 2
    length = grid.shape[plan.axes[2]] + 2 * rim
    sums, places = [], []
    for module in (kernels, naive):
        index, weight = np.empty(shape, np.int32), np.empty(shape, np.float32)
        module.place_nodes(plan.group_z, rim, index, weight)
        places.append((index, weight))
        scratch = [np.empty(n, np.float32) for n in ((8, length), (length, 8), (plan.nodes[1], 8))]
        plane = np.zeros(plan.nodes, np.float32)
        maps = plan.y_map, plan.group_start, plan.group_z, plan.shift
        module.sum_slices(lines, maps, *places[0], *scratch, plane)
        sums.append(plane)
    assert np.array_equal(places[0][0], places[1][0])
    assert np.allclose(places[0][1], places[1][1], atol=1e-6)
    assert np.allclose(sums[0], sums[1], atol=2e-5)
    assert sums[0].any()
    images = [np.zeros((2, 9, 8), np.float32) for _ in range(2)]
    planes = np.stack([sums[0], 2 * sums[0]])
    for module, image in zip((kernels, naive), images, strict=True):
        module.warp_planes(planes, plan.ray, plan.node, plan.step, plan.window, np.empty((3, 8)), image)
    assert np.allclose(images[0], images[1], atol=1e-6)
    assert images[0].any()


def test_helpers_of_the_sums_equal_their_naive_twins(rng: np.random.Generator) -> None:
    turned, weight = rng.random((12, 6)).astype(np.float32), rng.random(9).astype(np.float32)
    index, totals = rng.integers(0, 11, 9).astype(np.int32), [np.ones((9, 6), np.float32) for _ in range(2)]
    for module, total in zip((kernels, naive), totals, strict=True):
        module.stretch(turned, index, weight, total, 2, 8, 5)
    assert np.allclose(totals[0], totals[1], atol=1e-6)
    assert totals[0].sum() > 54
    spans = np.sort(rng.integers(0, 40, (9, 6, 2)), axis=-1).astype(np.int32)
    y_map, shift = np.stack([rng.uniform(-3, 9, 6), rng.uniform(-0.8, 0.8, 6)], axis=1), rng.integers(-3, 3, 6)
    for start in range(5):
        arguments = spans, y_map, 1, 6, start, start + 2, shift, 40
        assert kernels.group_span(*arguments) == naive.group_span(*arguments)
    assert kernels.group_span(spans * 0, y_map, 1, 6, 0, 6, shift, 40) == (80, -40)


def test_spans_of_lines_equal_their_naive_twin(rng: np.random.Generator) -> None:
    lines = np.where(rng.random((40, 70)) < 0.02, rng.standard_normal((40, 70)), 0).astype(np.float32)
    lines[3], lines[5, 69], lines[7, 2] = 0, 1e-30, np.nan
    spans = [np.empty((40, 2), np.int32) for _ in range(2)]
    kernels.line_spans(lines, spans[0])
    naive.line_spans(lines, spans[1])
    assert np.array_equal(spans[0], spans[1])
    for lying in (spans[0].reshape(5, 8, 2), np.zeros((3, 4, 2), np.int32)):
        assert np.array_equal(kernels.filled_box(lying), naive.filled_box(lying))


@any_pose
@pytest.mark.parametrize("method", ["siddon", "joseph"])
def test_ray_kernels_equal_their_naive_twins(pose: CArm, method: Method, rng: np.random.Generator) -> None:
    grid = VoxelGrid((5, 6, 7), (4e-3, 3e-3, 5e-3), (-0.01, -0.009, -0.0175))
    geometry = CArm(orbital=pose.orbital, cranial=pose.cranial, rows=9, cols=8, pitch=7e-3).geometry
    volume, image = rng.random(grid.shape).astype(np.float32), np.zeros((9, 8))
    source, window = (geometry.source - grid.origin) / grid.spacing, np.array([0, 9, 0, 8])
    ray = np.stack([geometry.detector_origin - geometry.source, geometry.v, geometry.u]) / grid.spacing
    if method == "siddon":
        naive.add_siddon(volume, source + 0.5, ray, np.array(grid.spacing), window, image)
    else:
        shape = np.array(grid.shape)
        naive.add_joseph(volume.ravel(), shape, shape, source, ray, np.array(grid.spacing), window, image)
    assert np.allclose(project(volume, grid, geometry, method=method), image, rtol=1e-5, atol=1e-7)
    assert image.max() > 0.005
