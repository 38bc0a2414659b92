"""Signed distances: right at the surface, right sign, and evaluated in boxes without losing anything."""

from __future__ import annotations

import numpy as np
import pytest

from vertebro.anatomy.shapes import (
    FAR,
    Pose,
    bar,
    coordinates,
    crop,
    ellipsoid,
    evaluate,
    frame_along,
    slab,
    smooth_max,
    smooth_min,
    tube,
)
from vertebro.grid import VoxelGrid

GRID = VoxelGrid((41, 41, 41), (1e-3,) * 3, (-20e-3,) * 3)
WHOLE = (slice(0, 41),) * 3


def _at(shape: object, *points: tuple[float, float, float]) -> np.ndarray:
    p = np.array(points, np.float32)[:, None, None, :]
    return np.ravel(shape.distance(p[..., 0], p[..., 1], p[..., 2]))  # type: ignore[attr-defined]


def test_ball_distance_is_exact_at_the_surface_and_negative_inside() -> None:
    ball = ellipsoid([1e-3, 0, 0], [5e-3] * 3)
    assert _at(ball, (6e-3, 0, 0), (1e-3, 5e-3, 0)) == pytest.approx(0, abs=1e-6)
    assert _at(ball, (8e-3, 0, 0))[0] == pytest.approx(2e-3, rel=0.01)
    assert _at(ball, (1e-3, 0, 0))[0] < -4e-3


def test_ellipsoid_is_first_order_exact_near_its_surface() -> None:
    """Distance along the normal at the end of an axis grows by one per metre."""
    shape = ellipsoid([0, 0, 0], [10e-3, 5e-3, 3e-3])
    for point, step in (((10e-3, 0, 0), 0), ((0, 5e-3, 0), 1), ((0, 0, 3e-3), 2)):
        out = list(point)
        out[step] += 0.2e-3
        assert _at(shape, tuple(out))[0] == pytest.approx(0.2e-3, rel=0.08)


def test_volume_of_a_shape_is_its_formula() -> None:
    voxel = GRID.voxel_volume
    ball = evaluate([ellipsoid([0, 0, 0], [8.3e-3, 6.4e-3, 10.2e-3])], GRID, Pose(), WHOLE)
    assert (ball < 0).sum() * voxel == pytest.approx(4 / 3 * np.pi * 8.3e-3 * 6.4e-3 * 10.2e-3, rel=0.01)
    box = evaluate([slab([0, 0, 0], [8.5e-3, 6.5e-3, 4.5e-3], np.eye(3), 0.1e-3)], GRID, Pose(), WHOLE)
    assert (box < 0).sum() * voxel == pytest.approx(17e-3 * 13e-3 * 9e-3, rel=0.02)


def test_bar_is_an_elliptic_cylinder_with_caps() -> None:
    shape = bar([-8e-3, 0, 0], [8e-3, 0, 0], 3e-3, 5e-3)
    assert _at(shape, (0, 3e-3, 0), (0, 0, 5e-3), (11e-3, 0, 0)) == pytest.approx(0, abs=2e-5)


def test_flare_widens_the_ends_and_not_the_middle() -> None:
    shape = bar([-8e-3, 0, 0], [8e-3, 0, 0], 3e-3, 3e-3, flare=0.5)
    assert _at(shape, (0, 3e-3, 0))[0] == pytest.approx(0, abs=1e-5)
    assert _at(shape, (8e-3, 4.4e-3, 0))[0] < 0


def test_evaluating_in_boxes_changes_nothing_inside() -> None:
    shapes = [ellipsoid([5e-3, -3e-3, 2e-3], [6e-3, 4e-3, 5e-3]), bar([-9e-3, 0, 0], [2e-3, 5e-3, -8e-3], 3e-3, 4e-3)]
    boxed = evaluate(shapes, GRID, Pose(), WHOLE)
    full = np.minimum(*(s.distance(*coordinates(GRID, WHOLE)) for s in shapes))
    assert np.array_equal(boxed < 0, full < 0)
    near = full < 1e-3
    np.testing.assert_allclose(boxed[near], full[near], atol=1e-6)
    assert boxed.max() == FAR


def test_smooth_union_never_shrinks_and_only_fills_the_seam() -> None:
    one, two = np.linspace(-2, 2, 41)[:, None] * 1e-3, np.linspace(-2, 2, 41)[None, :] * 1e-3
    blend = smooth_min(one, two, 1e-3)
    assert np.all(blend <= np.minimum(one, two) + 1e-12)
    far = np.abs(one - two) > 1e-3
    np.testing.assert_allclose(blend[far], np.minimum(one, two)[far], atol=1e-12)
    np.testing.assert_allclose(smooth_max(one, two, 1e-3), -smooth_min(-one, -two, 1e-3))


def test_pose_goes_there_and_back_and_positive_angles_lift_the_front() -> None:
    pose = Pose(3e-3, -30e-3, 0.3)
    points = np.random.default_rng(0).normal(0, 0.02, (20, 3))
    np.testing.assert_allclose(pose.from_world(pose.to_world(points)), points, atol=1e-8)
    front = Pose(angle=0.2).to_world([0.0, 0.01, 0.0])
    assert front[2] > 0


def test_posed_shape_is_the_shape_moved() -> None:
    shape = ellipsoid([0, 4e-3, 0], [3e-3, 6e-3, 2e-3])
    pose = Pose(1e-3, 2e-3, 0.5)
    moved = evaluate([shape], GRID, pose, WHOLE)
    inside = GRID.world(np.argwhere(moved < 0))
    centre = pose.to_world([0.0, 4e-3, 0.0])
    np.testing.assert_allclose(inside.mean(axis=0), centre, atol=0.2e-3)


def test_crop_outside_the_grid_is_empty_not_an_error() -> None:
    box = crop(GRID, np.array([1.0, 1, 1]), np.array([2.0, 2, 2]))
    assert all(x.stop <= x.start for x in box)
    assert evaluate([ellipsoid([1, 1, 1], [1e-3] * 3)], GRID, Pose(), WHOLE).min() == FAR


def test_frame_is_right_handed_and_orthonormal() -> None:
    frame = frame_along([1.0, 2.0, 0.5])
    np.testing.assert_allclose(frame @ frame.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(frame) == pytest.approx(1.0)


def test_tube_follows_its_points() -> None:
    points = np.array([[-8, 0, 0], [0, 6, 0], [8, 0, 0]]) * 1e-3
    whole = evaluate(tube(points, 2e-3), GRID, Pose(), WHOLE)
    for p in points:
        assert whole[GRID.nearest(p)] < -1e-3
