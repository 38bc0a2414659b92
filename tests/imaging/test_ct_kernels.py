"""The CT scanner's kernels against their naive twins."""

from __future__ import annotations

import math

import numpy as np
import pytest

import naive.imaging as twin
from vertebro.imaging import kernels_ct as fast

LANES = fast.LANES


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


@pytest.mark.parametrize("degrees", [0.0, 12.0, 44.0, 91.0, 137.0, 179.0])
@pytest.mark.parametrize("step", [(1e-3, 0.8e-3), (0.7e-3, 1.6e-3)])
def test_line_integrals(rng: np.random.Generator, degrees: float, step: tuple[float, float]) -> None:
    """Views whose rays run along the rows' normal within 45 degrees: those that cross rows."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    across, along = (cos, sin) if abs(cos) >= abs(sin) else (sin, cos)
    image = np.zeros((10, 12 + 3, LANES), np.float32)
    image[:9, 1:13] = rng.random((9, 12, LANES))
    image[4, 1:6] = 0
    image[5] = 0
    spans = np.tile(np.array([0, 12]), (10, 1))
    spans[4], spans[5], spans[9] = (5, 12), (12, 0), (12, 0)
    view = np.array([[1.0, across, along]])
    args = image, spans, view, np.array([-4e-3, -5e-3]), np.array(step), -9e-3, 0.5e-3
    found, expected = np.ones((2, 40, LANES), np.float32), np.ones((2, 40, LANES))
    fast.project_rows(*args, found)
    twin.project_rows(*args, expected)
    assert np.allclose(found, expected, atol=1e-6)
    assert found[1].max() > 1.003
    assert (found[0] == 1).all()


@pytest.mark.parametrize(
    ("axis", "inner"), [((0.6, 0.8, 0.0), 0.0), ((0.3, 0.4, math.sqrt(0.75)), 1e-3), ((0.0, 0.0, 1.0), 0.0)]
)
def test_tubes(axis: tuple[float, float, float], inner: float) -> None:
    angle = np.radians([10.0, 53.13, 143.13])
    directions = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    args = directions, np.array([0.0, 2e-3]), np.array([-3e-3, -2e-3, -1e-3]), np.array(axis), 9e-3, 1.5e-3, inner
    found, expected = np.zeros((3, 31, LANES), np.float32), np.zeros((3, 31, LANES))
    lanes = np.array([3, 7])
    fast.add_tube(*args, -7.4e-3, 0.5e-3, lanes, found)
    twin.add_tube(*args, -7.4e-3, 0.5e-3, lanes, expected)
    assert np.allclose(found, expected, atol=4e-5)
    assert found.max() > 2e-3


def test_a_chord_across_a_rod_is_its_diameter() -> None:
    chord = fast.tube_chord((0.0, -1.0, 0.5), (0.0, 1.0, 0.0), 0.25, (0.0, 0.0, 1.0), 1.0)
    assert chord == pytest.approx(0.5)
    assert chord == pytest.approx(
        twin.tube_chord((0.0, -1.0, 0.5), (0.0, 1.0, 0.0), 0.25, (0.0, 0.0, 1.0), 1.0), rel=1e-4
    )


@pytest.mark.parametrize("slices", [1, 2])
def test_beam_behind_paths(rng: np.random.Generator, slices: int) -> None:
    paths = rng.normal(0.02, 0.03, (3, 7, LANES)).astype(np.float32)
    paths[1, 2] = 0
    mu = (100 * rng.random((5, 4))).astype(np.float32)
    beam = rng.random((7, 5)).astype(np.float32)
    found, expected = np.empty((slices, 3, 7), np.float32), np.empty((slices, 3, 7))
    fast.weaken(paths, mu, beam, found)
    twin.weaken(paths, mu, beam, expected)
    assert np.allclose(found, expected, rtol=1e-5)


def test_cells_in_the_shadow_of_steel(rng: np.random.Generator) -> None:
    paths = (0.05 * rng.random((3, 7, LANES))).astype(np.float32)
    mu = (60 * rng.random((5, 4))).astype(np.float32)
    beam = rng.random((7, 5)).astype(np.float32)
    steel = np.zeros((3, 28, 2), np.float32)
    steel[0, 11:14, 1] = 0.01
    steel[1, 0, 0] = 0.02
    for lane in (0, 1):
        found, expected = np.full((3, 7), -1, np.float32), np.full((3, 7), -1.0)
        fast.weaken_cells(paths, steel, lane, mu, beam, found)
        twin.weaken_cells(paths, steel, lane, mu, beam, expected)
        assert np.allclose(found, expected, rtol=1e-5)
        assert (found == -1).any()
        assert (found != -1).any()


def test_blur_of_lines(rng: np.random.Generator) -> None:
    lines = rng.random((3, 9)).astype(np.float32)
    found, expected = np.empty_like(lines), np.empty_like(lines)
    fast.spread_cells(lines, np.float32(0.7), np.float32(0.15), found)
    twin.spread_cells(lines, 0.7, 0.15, expected)
    assert np.allclose(found, expected, atol=1e-6)


def test_polynomial_of_attenuation(rng: np.random.Generator) -> None:
    lines = (5 * rng.random((3, 9))).astype(np.float32)
    factors = rng.normal(0, 1, (9, 4)).astype(np.float32)
    found, expected = np.ones((3, 9), np.float32), np.ones((3, 9))
    fast.straighten(lines, factors, np.float32(3.0), found)
    twin.straighten(lines, factors, 3.0, expected)
    assert np.allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("pixels", [8, 9])
@pytest.mark.parametrize("half", [3.0, 20.0])
def test_back_projection(rng: np.random.Generator, pixels: int, half: float) -> None:
    """Also where the picture is larger than the lines: their ends repeat."""
    angle = (np.arange(5) + 0.5) * np.pi / 20
    views = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    lines = rng.normal(0, 1, (5, int(2 * half) + 1, LANES)).astype(np.float32)
    found = np.empty(((pixels + 1) // 2, pixels, LANES), np.float32)
    expected = np.empty(found.shape)
    fast.back_project(lines, views, half, 1.3, found)
    twin.back_project(lines, views, half, 1.3, expected)
    assert np.allclose(found, expected, atol=1e-4)
