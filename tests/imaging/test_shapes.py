"""Balloons, wires, markers in closed form, and the needle's error in the line integral."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

from naive import imaging as naive
from vertebro.errors import GeometryError
from vertebro.imaging import (
    CArm,
    ProjectionGeometry,
    balloon_path,
    cylinder_path,
    ellipsoid_path,
    marker_path,
    needle_path,
    wire_path,
)
from vertebro.imaging.kernels_solids import add_ellipsoid, ellipsoid_chord
from vertebro.imaging.kernels_wires import add_wire, capsule_span, covered_length

FINE = CArm.ap(rows=101, cols=101, pitch=2e-4).geometry
OBLIQUE = CArm(orbital=0.5, cranial=0.25, rows=256, cols=256, pitch=4e-4).geometry
STEEL = 900.0  # 1/m, about that of a needle at 60 keV


def unit_rays(geometry: ProjectionGeometry) -> NDArray[np.float64]:
    """(rows, cols, 3) directions."""
    ray = geometry.pixel(*np.mgrid[: geometry.rows, : geometry.cols]) - geometry.source
    return np.asarray(ray / np.linalg.norm(ray, axis=-1, keepdims=True))


def test_ball_gives_the_mean_of_its_chords_over_a_pixel() -> None:
    """2 sqrt(R² - d²), d the distance of the centre from the ray; no stairs at the rim."""
    centre, size = np.array([0.004, -0.003, 0.006]), 96
    geometry = CArm(orbital=0.5, cranial=0.25, rows=size, cols=size, pitch=4e-4).geometry
    shifts = (np.arange(24) + 0.5) / 24 - 0.5
    exact = np.zeros((size, size))
    for down, across in itertools.product(shifts, shifts):
        moved = replace(geometry, detector_origin=geometry.pixel(down, across))
        distance = np.linalg.norm(np.cross(unit_rays(moved), centre - geometry.source), axis=-1)
        exact += 2 * np.sqrt(np.maximum(0.011**2 - distance**2, 0)) / 24**2
    error = np.abs(ellipsoid_path(geometry, centre, [0.011] * 3) - exact)
    assert error.max() < 1e-4
    assert error[exact > 0.008].max() < 1e-5
    assert error.mean() < 2e-6


def test_middle_of_an_ellipsoid_shows_the_axis_along_the_beam() -> None:
    quarter = np.array([[0, 0, 1.0], [0, 1.0, 0], [1.0, 0, 0]])
    assert ellipsoid_path(FINE, [0, 0, 0], [0.003, 0.007, 0.002])[50, 50] == pytest.approx(0.014)
    turned = ellipsoid_path(FINE, [0, 0, 0], [0.003, 0.002, 0.007], quarter[[0, 2, 1]])
    assert turned[50, 50] == pytest.approx(0.014)


def test_shadow_integral_of_an_ellipsoid_is_its_volume() -> None:
    """Chord times the ray's cross-section at the ellipsoid, summed: 4/3 π a b c (far source: within 1 %)."""
    far = CArm.ap(source_isocentre=1.9, source_detector=2.0, rows=201, cols=201, pitch=2e-4).geometry
    path = ellipsoid_path(far, [0, 0, 0], [0.006, 0.004, 0.009])
    pixel = (2e-4 * 1.9 / 2.0) ** 2
    assert path.sum() * pixel == pytest.approx(4 / 3 * math.pi * 0.006 * 0.004 * 0.009, rel=0.01)


def test_balloon_is_a_shell_around_its_filling() -> None:
    """The central ray crosses the wall twice; both together are the outer ellipsoid."""
    half, wall = np.array([0.01, 0.007, 0.008]), 1e-4
    filling, shell = balloon_path(FINE, [0, 0, 0], half, wall)
    assert shell[50, 50] == pytest.approx(2 * wall, rel=1e-4)
    assert filling[50, 50] == pytest.approx(2 * (0.007 - wall), rel=1e-6)
    assert np.allclose(filling + shell, ellipsoid_path(FINE, [0, 0, 0], half), atol=1e-8)
    assert balloon_path(FINE, [0, 0, 0], half, 0.0)[1].max() == 0


def test_capsule_is_a_cylinder_with_round_ends() -> None:
    """Across the beam: 2 R in the middle; beyond an end the ball's chord; nothing beyond R."""
    path = wire_path(FINE, [[-0.004, 0, 0], [0.004, 0, 0]], 2e-3)
    assert path[50, 50] == pytest.approx(2e-3, rel=1e-3)  # a pixel is 0.14 mm wide there
    ball = ellipsoid_path(FINE, [-0.004, 0, 0], [1e-3] * 3)
    outside = FINE.project_point([-0.0045, 0, 0]).round().astype(int)
    assert path[tuple(outside)] == pytest.approx(ball[tuple(outside)], rel=2e-3)
    assert path[tuple(outside)] > 1e-3
    assert path.sum() > cylinder_path(FINE, [-0.004, 0, 0], [0.004, 0, 0], 1e-3).sum()


def test_capsule_along_the_beam_shows_length_and_both_caps() -> None:
    assert wire_path(FINE, [[0, -0.01, 0], [0, 0.02, 0]], 2e-3)[50, 50] == pytest.approx(0.032, rel=1e-3)


def test_corner_between_two_stretches_is_not_darker() -> None:
    """A straight wire cut into pieces is the same wire; a wire that turns back over itself too."""
    whole = wire_path(OBLIQUE, [[-0.02, -0.01, 0], [0.02, 0.01, 0.004]], 1e-3)
    line = np.linspace([-0.02, -0.01, 0], [0.02, 0.01, 0.004], 9)
    assert np.allclose(wire_path(OBLIQUE, line, 1e-3), whole, atol=1e-8)
    assert np.allclose(wire_path(OBLIQUE, np.concatenate([line, line[::-1]]), 1e-3), whole, atol=1e-8)
    assert whole.max() > 0.9e-3


def test_marker_is_a_disc_seen_from_the_front_and_from_the_side() -> None:
    front = marker_path(FINE, [0, 0, 0], [0, 2, 0], 6e-3, 1e-3)
    assert front[50, 50] == pytest.approx(1e-3)
    ring = marker_path(FINE, [0, 0, 0], [0, 2, 0], 6e-3, 1e-3, hole=3e-3)
    assert ring[50, 50] == 0
    assert front.sum() > ring.sum() > 0
    side = marker_path(FINE, [0, 0, 0], [1, 0, 0], 6e-3, 1e-3)
    assert side[50, 50] == pytest.approx(6e-3, rel=1e-3)


@pytest.mark.parametrize("pose", [CArm.ap(), CArm.lateral(), CArm(orbital=0.5, cranial=0.3)])
def test_needle_of_steel_is_exact_to_half_a_percent_of_a_line_integral(pose: CArm) -> None:
    """p99.9 < 0.005 against float64: mean over 24² rays of each pixel near the needle (issue's bar).

    A ray's chord in an endless tube is 2 sqrt(R² - d²) / sin(angle), d its distance from the axis; rays that meet an
    end are left out by making the needle longer than the field.
    """
    geometry = pose.geometry
    direction = np.array([0.3, 0.8, -0.5])
    direction /= np.linalg.norm(direction)
    through = np.array([0.002, -0.004, 0.003])
    path = needle_path(
        geometry, through - 0.3 * direction, through + 0.3 * direction, outer_diameter=2.9e-3, inner_diameter=2.3e-3
    )
    near = maximum_filter(path, 5) > 0
    row, col = (index.astype(float)[:, None] for index in np.nonzero(near))
    mean = np.zeros(len(row))
    for down, across in itertools.product((np.arange(24) + 0.5) / 24 - 0.5, repeat=2):
        ray = geometry.rays[0] + (row + down) * geometry.rays[1] + (col + across) * geometry.rays[2]
        ray /= np.linalg.norm(ray, axis=1)[:, None]
        normal = np.cross(ray, direction)
        sine = np.linalg.norm(normal, axis=1)
        distance = (normal @ (geometry.source - through)) / sine
        for radius, sign in ((1.45e-3, 1), (1.15e-3, -1)):
            mean += sign * 2 * np.sqrt(np.maximum(radius**2 - distance**2, 0)) / sine / 24**2
    error = np.zeros(path.shape)
    error[near] = np.abs(path[near] - mean) * STEEL
    assert path.max() * STEEL > 0.5
    assert np.quantile(error, 0.999) < 0.005
    assert error.max() < 0.02


@pytest.mark.parametrize(
    ("size", "tilt", "rays"), [(256, 20, 48), (256, 45, 32), (512, 10, 96), (512, 20, 64), (512, 45, 32), (512, 90, 32)]
)
def test_needle_with_both_ends_is_exact_over_the_picture_and_in_its_own_shadow(
    size: int, tilt: float, rays: int
) -> None:
    """Issue's bar, in line integrals at 60 keV, against float64: mean over many rays of each pixel, square ends.

    99.9 % of all pixels, as the bar was measured for peers, are within 0.005. So are 99.9 % of the needle's own, which
    are far fewer, unless it lies near the beam, where one line is 3 and more: there within 0.3 % of the longest line.
    """
    geometry = CArm.ap(rows=size, cols=size, pitch=0.256 / size).geometry
    turn = math.radians(tilt)
    axis = np.array([0.9 * math.sin(turn), math.cos(turn), 0.436 * math.sin(turn)])
    axis, tip, length = axis / np.linalg.norm(axis), np.array([0.003, 0.005, -0.002]), 0.1
    path = cylinder_path(geometry, tip - length * axis, tip, 1.5e-3, 1.2e-3)
    near = maximum_filter(path, 3) > 0
    row, col = (index.astype(float)[:, None] for index in np.nonzero(near))
    origin, mean = geometry.source - tip + length * axis, np.zeros(len(row))
    for down, across in itertools.product((np.arange(rays) + 0.5) / rays - 0.5, repeat=2):
        ray = geometry.rays[0] + (row + down) * geometry.rays[1] + (col + across) * geometry.rays[2]
        ray /= np.linalg.norm(ray, axis=1)[:, None]
        slope, along = ray @ axis, float(origin @ axis)
        square, half = 1 - slope**2, ray @ origin - along * slope
        ends = np.sort([-along / slope, (length - along) / slope], axis=0)
        for radius, sign in ((1.5e-3, 1), (1.2e-3, -1)):
            root = np.sqrt(np.maximum(half**2 - square * (origin @ origin - along**2 - radius**2), 0))
            low, high = np.maximum((-half - root) / square, ends[0]), np.minimum((root - half) / square, ends[1])
            mean += sign * np.where(root > 0, np.maximum(high - low, 0), 0) / rays**2
    error, longest = np.zeros(path.shape), float(mean.max()) * STEEL
    error[near] = np.abs(path[near] - mean) * STEEL
    assert longest > 0.5
    assert np.quantile(error, 0.999) < 0.005
    assert np.quantile(error[near][mean > 0], 0.999) < max(0.005, 0.003 * longest)


def test_kernels_equal_their_naive_twins() -> None:
    """34 rays and 144 rays a pixel of 1.2 mm."""
    geometry = CArm(orbital=0.4, cranial=0.2, rows=7, cols=9, pitch=1.2e-3).geometry
    window, ray = np.array([0, 7, 0, 9]), geometry.rays
    turn, _ = np.linalg.qr(np.random.default_rng(3).standard_normal((3, 3)))
    unit = turn / np.array([[0.004], [0.002], [0.003]])
    points = np.array([[0.003, -0.004, 0.001], [-0.001, 0.001, 0], [-0.001, 0.004, -0.002], [0.002, 0.003, 0.0]])
    for name in ("ellipsoid", "wire"):
        images = []
        for ellipsoid, wire in ((add_ellipsoid, add_wire), (naive.add_ellipsoid, naive.add_wire)):
            image = np.zeros((7, 9), np.float32)
            if name == "ellipsoid":
                ellipsoid(geometry.source, ray, np.array([1e-3, 0, 0]), unit, window, image)
            else:
                wire(geometry.source, ray, points, 1.5e-3, np.tile(window, (3, 1)), np.empty((3, 2)), image)
            images.append(image)
        assert np.abs(images[0]).max() > 2e-3
        assert np.abs(images[0] - images[1]).max() < 2e-4
        assert np.abs(images[0] - images[1]).mean() < 3e-5


def test_single_rays_equal_their_naive_twins() -> None:
    """60 000 samples within 0.1 of the ray's length: 2 micrometres apart."""
    geometry = CArm(orbital=0.4, cranial=0.2, rows=7, cols=9, pitch=1.2e-3).geometry
    unit, offset = np.diag([250.0, 400.0, 300.0]), geometry.source - np.array([1e-3, 0, 0])
    points = np.array([[0.003, -0.004, 0.001], [-0.001, 0.001, 0], [-0.001, 0.004, -0.002]])
    axis = np.zeros((2, 4))
    for stretch, (begin, end) in zip(axis, itertools.pairwise(points), strict=True):
        stretch[3] = np.linalg.norm(end - begin)
        stretch[:3] = (end - begin) / stretch[3]
    near, spans = np.ones(2, np.bool_), np.empty((2, 2))
    origin = unit @ offset
    for row, col in ((3, 4), (2, 5), (4, 2), (6, 8)):
        ray = geometry.rays[0] + row * geometry.rays[1] + col * geometry.rays[2]
        chords = [room(*ray, origin, origin @ origin - 1, unit) for room in (ellipsoid_chord, naive.ellipsoid_chord)]
        assert chords[0] == pytest.approx(chords[1], abs=2e-5)
        wires = [
            room(*ray, geometry.source, points, axis, near, 1.5e-3, spans)
            for room in (covered_length, naive.covered_length)
        ]
        assert wires[0] == pytest.approx(wires[1], abs=2e-5)


@pytest.mark.parametrize(
    "ray",
    [
        ((-5.0, 0.2, 0.1), (10.0, 0.0, 0.0)),  # along the axis, parallel
        ((-5.0, 0.9, 0.1), (10.0, 0.3, 0.0)),
        ((1.0, -4.0, 0.3), (0.0, 8.0, 0.0)),  # squarely across
        ((3.3, -4.0, 0.3), (0.0, 8.0, 0.0)),  # only the round end
        ((4.3, -4.0, 0.3), (0.0, 8.0, 0.0)),  # beside it
        ((-3.0, -4.0, -2.0), (9.0, 8.0, 4.0)),
    ],
)
def test_span_in_a_capsule_equals_its_naive_twin(ray: tuple[tuple[float, ...], tuple[float, ...]]) -> None:
    arguments = *ray[0], *ray[1], 1.0, 0.0, 0.0, 3.0, 1.0
    assert capsule_span(*arguments) == pytest.approx(naive.capsule_span(*arguments), abs=2e-5)


def test_shapes_out_of_the_field_cast_no_shadow() -> None:
    assert not ellipsoid_path(FINE, [0.5, 0, 0], [0.01] * 3).any()
    assert not wire_path(FINE, [[0.5, 0, 0], [0.4, 0, 0.1]], 1e-3).any()


BALL: dict[str, Any] = {"centre": [0, 0, 0], "half_axes": [0.01] * 3}
WIRE: dict[str, Any] = {"points": [[0, 0, 0], [0, 0.01, 0]], "diameter": 1e-3}
DISC: dict[str, Any] = {"centre": [0, 0, 0], "normal": [0, 1, 0], "diameter": 5e-3, "thickness": 1e-3}


@pytest.mark.parametrize(
    ("shape", "settings", "message"),
    [
        (ellipsoid_path, BALL | {"centre": [0, math.nan, 0]}, "not a place"),
        (ellipsoid_path, BALL | {"half_axes": [0.01, 0, 0.01]}, "impossible half axes"),
        (ellipsoid_path, BALL | {"directions": np.ones((3, 3))}, "not orthonormal"),
        (ellipsoid_path, BALL | {"out": np.zeros((2, 2), np.float32)}, "frame does not fit"),
        (balloon_path, BALL | {"wall": 0.01}, "impossible wall"),
        (wire_path, WIRE | {"points": [[0, 0, 0], [0, 0, 0]]}, "without length"),
        (wire_path, WIRE | {"points": [0, 0, 0]}, "not a wire"),
        (wire_path, WIRE | {"diameter": 0.0}, "impossible wire"),
        (marker_path, DISC | {"normal": [0, 0, 0]}, "without direction"),
        (marker_path, DISC | {"thickness": 0.0}, "without length"),
        (marker_path, DISC | {"hole": 6e-3}, "impossible radii"),
    ],
)
def test_impossible_shapes_are_refused(shape: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(GeometryError, match=message):
        shape(FINE, **settings)
