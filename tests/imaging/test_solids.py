"""Needles in closed form: chords across, along, hollow, bevelled."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from naive import imaging as naive
from vertebro.errors import GeometryError
from vertebro.imaging import CArm, cylinder_path, needle_path
from vertebro.imaging import kernels_solids as fast
from vertebro.imaging.kernels_solids import add_cut_cylinder

FINE = CArm.ap(rows=101, cols=101, pitch=2e-4)


def test_middle_of_a_tube_across_the_beam_shows_both_walls() -> None:
    """The central ray crosses a tube (outer R, inner r) perpendicularly: 2 (R - r)."""
    path = cylinder_path(FINE.geometry, [-0.05, 0, 0], [0.05, 0, 0], 1.5e-3, 1.2e-3)
    assert path[50, 50] == pytest.approx(2 * 0.3e-3, rel=1e-3)
    solid = cylinder_path(FINE.geometry, [-0.05, 0, 0], [0.05, 0, 0], 1.5e-3)
    assert solid[50, 50] == pytest.approx(3e-3, rel=1e-3)


def test_needle_along_the_central_ray_shows_its_length() -> None:
    path = cylinder_path(FINE.geometry, [0, -0.02, 0], [0, 0.01, 0], 1e-3)
    assert path[50, 50] == pytest.approx(0.03, rel=1e-6)


def test_chord_across_falls_as_a_circle_averaged_over_the_pixel() -> None:
    """At height h above the axis a perpendicular chord is 2 sqrt(R² - h²) / cos of the ray's tip."""
    geometry = FINE.geometry
    path = cylinder_path(geometry, [-0.05, 0, 0], [0.05, 0, 0], 1.5e-3)[:, 50]
    height = (50 - (np.arange(101 * 500).reshape(101, 500) - 249.5) / 500) * 2e-4
    distance = 0.7 * height / np.hypot(height, 1.0)
    assert np.allclose(path, (2 * np.sqrt(np.maximum(1.5e-3**2 - distance**2, 0))).mean(axis=1), atol=1e-7)


@pytest.mark.parametrize("size", [128, 256, 512])
def test_edge_of_a_slanted_needle_is_no_staircase(size: int) -> None:
    """Along its edge the shadow is the same in every column, shifted by a part of a pixel: a line of equal sums."""
    geometry = CArm.lateral(rows=size, cols=size, pitch=0.256 / size).geometry
    path = cylinder_path(geometry, [0, -0.2, 0.02], [0, 0.2, -0.02], 1.5e-3).astype(float)
    middle = path[:, size // 4 : 3 * size // 4]
    columns, rows = np.arange(middle.shape[1]), np.arange(size)
    centre = rows @ middle / middle.sum(axis=0)
    line = np.polyval(np.polyfit(columns, centre, 1), columns)
    assert np.abs(centre - line).max() < 0.01  # of a pixel
    assert np.abs(np.diff(middle.sum(axis=0))).max() < 5e-4 * middle.sum(axis=0).mean()


@pytest.mark.parametrize("bevel", [0.0, math.radians(30)])
def test_mean_chords_equal_dense_sampling_of_each_pixel(bevel: float) -> None:
    """The naive twin counts 2000 samples, 50 micrometres apart, of 144 rays in every pixel."""
    geometry = CArm(orbital=0.4, cranial=0.2, rows=7, cols=9, pitch=1.2e-3).geometry
    side = np.array([0.0, 0.3, 1.0])
    quick = cylinder_path(
        geometry, [0.004, -0.01, 0.003], [-0.002, 0.006, 0], 3e-3, 2e-3, bevel=bevel, bevel_towards=side
    )
    axis = np.array([-0.006, 0.016, -0.003])
    length = np.linalg.norm(axis)
    axis /= length
    across = side - (side @ axis) * axis
    across /= np.linalg.norm(across)
    normal = math.cos(bevel) * axis + math.sin(bevel) * across
    edge = length * axis - (3e-3 * across if bevel else 0)
    planes = np.array([[*-axis, 0.0], [*normal, normal @ edge]])
    ray = np.stack([geometry.detector_origin - geometry.source, geometry.v, geometry.u])
    slow = np.zeros((7, 9))
    for radius, sign in ((3e-3, 1.0), (2e-3, -1.0)):
        window = np.array([0, 7, 0, 9])
        naive.add_cut_cylinder(
            geometry.source, ray, np.array([0.004, -0.01, 0.003]), axis, radius, planes, sign, window, slow
        )
    assert quick.max() > 2e-3
    assert np.abs(quick - slow).max() < 2e-4  # 377 and 144 rays see a bevel of 12 mm
    assert np.abs(quick - slow).mean() < 5e-5


def test_kernel_equals_its_naive_twin_when_a_plane_runs_along_the_rays() -> None:
    """Rays parallel to a face and to the axis take branches of their own."""
    source, ray = np.array([0.0, 0.0, -1.0]), np.array([[0, 0, 2.0], [1e-3, 0, 0], [0, 1e-3, 0]])
    planes = np.array([[0, 0, 1.0, 0.02], [0, 0, -1.0, 0.0], [1.0, 0, 0, 1.5e-3]])
    images = [np.zeros((4, 4), np.float32) for _ in range(2)]
    start, axis = np.zeros(3), np.array([0, 0, 1.0])
    for kernel, image in zip((add_cut_cylinder, naive.add_cut_cylinder), images, strict=True):
        kernel(source, ray, start, axis, 2.5e-3, planes, 1.0, np.array([0, 4, 0, 4]), image)
    # a wall across a pixel: 377 rays and 144 rays of 20 mm
    assert np.abs(images[0] - images[1]).max() < 5e-4
    assert images[0][0, 0] == pytest.approx(0.02)


LATTICE = np.array([[-0.4, -0.2, 0.0, 0.2, 0.4], [0.2, -0.4, 0.0, 0.4, -0.2]])


@pytest.mark.parametrize("way", [[0.6, 0.8, 0.1], [0.05, 0.99, 0.02]])
def test_pieces_of_the_chord_equal_their_naive_twins(way: list[float]) -> None:
    """One ray, one line of rays, its integral, and the rays that a plane may shorten."""
    geometry = CArm(orbital=0.4, cranial=0.2, rows=64, cols=64, pitch=2e-3).geometry
    axis = np.array(way) / np.linalg.norm(way)
    origin, radius, ray = geometry.source - np.array([0.002, 0.001, 0]), 3e-3, geometry.rays
    along = float(origin @ axis)
    c = float(origin @ origin - along**2 - radius**2)
    planes = np.array([[*-axis, 0.02], [*axis, 0.015]])
    cut = 0
    for row in range(20, 44, 2):
        base = ray[0] + row * ray[1]
        strips = [room.line_strip(*base, *ray[2], *origin, axis, along, c) for room in (fast, naive)]
        assert strips[0] == pytest.approx(strips[1], rel=1e-3, abs=1e-6)
        lines = np.array(strips[0]) + np.arange(3)[:, None] * [0.2, 0.0, 0.0]
        for x in (10.0, 31.5, 33.0, 60.0):
            assert fast.gauss_area(lines, x) == pytest.approx(naive.gauss_area(lines, x), rel=1e-6, abs=1e-9)
            areas = [room.edge_area(*strips[0], x) for room in (fast, naive)]
            assert areas[0] == pytest.approx(areas[1], rel=1e-6, abs=1e-9)
        for col in range(24, 40, 2):
            d = base + col * ray[2]
            lattice = LATTICE if (row, col) in ((32, 32), (36, 30)) else np.zeros((2, 1))
            arguments = *d, ray, *origin, axis, along, c, planes, lattice, np.empty((6, 5))
            means = [room.sampled_chord(*arguments) for room in (fast, naive)]
            assert means[0] == pytest.approx(means[1], abs=1e-5)
            wary, needed = (room.may_be_cut(*d, *origin, axis, along, radius, planes, 4e-3) for room in (fast, naive))
            assert wary or not needed
            cut += not wary
    assert cut > 0 or way[1] > 0.9  # seen from the side most of it needs no samples


@pytest.mark.parametrize("along", [1, 2])
def test_even_lines_equal_their_naive_twin(along: int) -> None:
    """Two lines of different length, columns or rows of the picture; the third is not to be drawn."""
    ray = np.array([[-0.01, -0.02, 1.0], [1e-3, 0, 0], [0, 1e-3, 0]])
    strips = np.array([[8.2, 3.1, 0.002] * 3, [9.7, 2.4, 0.003] * 3, [9.0, 3.0, 0.002] * 3]).T.copy()
    ends = np.array([[5, 7, 6], [12, 13, 12], [4, 6, 9]])
    images = [np.zeros((20, 20), np.float32) for _ in range(2)]
    for room, image in zip((fast, naive), images, strict=True):
        room.even_lines(strips, ends, 2, ray, along, np.array([0.6, 0.8, 0.0]), -1.0, np.empty((3, 3)), image)
    assert np.allclose(*images, atol=1e-8)
    drawn = np.flatnonzero(images[0].any(axis=0 if along == 1 else 1))
    assert drawn.tolist() == [4, 6]


def test_shadow_of_the_tip_ends_where_the_point_projects() -> None:
    geometry = CArm.lateral().geometry
    tip = np.array([0.0, 0.01, 0.005])
    path = cylinder_path(geometry, [0, -0.06, 0], tip, 1.5e-3)
    first_col = np.flatnonzero(path.any(axis=0))[0]
    assert first_col == pytest.approx(geometry.project_point(tip)[1], abs=2)


def test_stylet_fills_the_lumen_and_stands_out() -> None:
    geometry = CArm.lateral(rows=256, cols=256, pitch=2.5e-4).geometry
    sizes: dict[str, Any] = {"outer_diameter": 3e-3, "inner_diameter": 2.4e-3}
    hollow = needle_path(geometry, [0, -0.02, 0], [0, 0.01, 0], **sizes)
    full = needle_path(geometry, [0, -0.02, 0], [0, 0.01, 0], **sizes, stylet=True)
    middle = geometry.project_point([0, -0.005, 0]).round().astype(int)
    assert hollow[tuple(middle)] == pytest.approx(0.6e-3, rel=0.01)
    assert full[tuple(middle)] == pytest.approx(3e-3, rel=0.01)


def test_two_needles_share_a_frame() -> None:
    geometry = FINE.geometry
    one = cylinder_path(geometry, [-0.01, 0, 0.002], [0.01, 0, 0.002], 1e-3)
    other = cylinder_path(geometry, [-0.01, 0, -0.002], [0.01, 0, -0.002], 1e-3)
    both = cylinder_path(geometry, [-0.01, 0, -0.002], [0.01, 0, -0.002], 1e-3, out=one.copy())
    assert np.allclose(both, one + other)


def test_needle_out_of_the_field_casts_no_shadow() -> None:
    assert not cylinder_path(FINE.geometry, [0.5, 0, 0], [0.4, 0, 0], 1e-3).any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"end": [0, 0, 0]}, "without length"),
        ({"end": [0, math.nan, 0]}, "without length"),
        ({"outer_radius": 0.0}, "impossible radii"),
        ({"inner_radius": 2e-3}, "impossible radii"),
        ({"bevel": 1.5}, "impossible bevel"),
        ({"bevel": 0.5, "bevel_towards": [0, 1, 0]}, "along the axis"),
        ({"out": np.zeros((2, 2), np.float32)}, "frame does not fit"),
    ],
)
def test_impossible_needles_are_refused(change: dict[str, Any], message: str) -> None:
    needle: dict[str, Any] = {"start": [0, 0, 0], "end": [0, 0.02, 0], "outer_radius": 1e-3} | change
    with pytest.raises(GeometryError, match=message):
        cylinder_path(FINE.geometry, **needle)
