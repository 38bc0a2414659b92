"""The kernels of a live frame against their naive twins."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from naive import imaging as naive
from vertebro.imaging import kernels_detector as fast
from vertebro.imaging.detector import gaussian_taps

ROWS, COLS = 18, 22
TAPS = gaussian_taps(0.8).astype(np.float32)
LONG = np.empty(COLS + 60, np.float32)
LINE, BITS = np.empty(COLS, np.float32), np.empty(COLS, np.int32)


def picture(rng: np.random.Generator, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    return rng.uniform(low, high, (ROWS, COLS)).astype(np.float32)


def layer(rng: np.random.Generator) -> np.ndarray:
    path = np.zeros((ROWS, COLS), np.float32)
    path[5:11, 4:15] = rng.random((6, 11))
    return path


def test_exponentials_equal_their_naive_twin() -> None:
    powers = np.linspace(-80, 5, 1001).astype(np.float32)
    exact = powers.copy()
    fast.exponential(powers, np.empty(1001, np.int32))
    naive.exponential(exact, BITS)
    assert np.allclose(powers, exact, rtol=1e-5)


def test_logarithms_equal_their_naive_twin() -> None:
    numbers = np.geomspace(1e-6, 1e7, 1001).astype(np.float32)
    exact = numbers.copy()
    fast.logarithm(numbers, np.empty(1001, np.int32))
    naive.logarithm(exact, BITS)
    assert np.allclose(numbers, exact, atol=3e-6)


@pytest.mark.parametrize("sigma", [0.2, 0.5, 0.8, 1.3])
def test_blurred_row_equals_its_naive_twin(sigma: float, rng: np.random.Generator) -> None:
    """One to five taps: they are taken two at a time."""
    image, taps = picture(rng), gaussian_taps(sigma).astype(np.float32)
    for row in (0, 9, ROWS - 1):
        one, other = np.empty(COLS, np.float32), np.empty(COLS, np.float32)
        fast.blur_row(image, row, taps, LONG[: COLS + 2 * len(taps) - 2], one)
        naive.blur_row(image, row, taps, None, other)
        assert np.allclose(one, other, atol=1e-6)


def test_softened_layer_equals_its_naive_twin(rng: np.random.Generator) -> None:
    path = layer(rng)
    one, other = np.zeros((ROWS, COLS), np.float32), np.zeros((ROWS, COLS), np.float32)
    fast.soften(path, TAPS, LONG, np.empty(ROWS, np.bool_), one)
    naive.soften(path, TAPS, None, None, other)
    assert np.allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("shape", [(4, 1, 1), (4, ROWS, 1), (4, 1, COLS)])
def test_absorption_in_tissue_equals_its_naive_twin(shape: tuple[int, int, int], rng: np.random.Generator) -> None:
    soft, bone, scale = picture(rng), picture(rng), picture(rng, 10, 20)
    mu, weight = rng.random((2, 4)).astype(np.float32), rng.random(shape).astype(np.float32)
    results: list[tuple[np.ndarray, np.ndarray]] = []
    for room in (fast, naive):
        out, primary = np.empty((4, ROWS, COLS), np.float32), np.empty((ROWS, COLS), np.float32)
        room.absorb(soft, bone, mu[0], mu[1], weight, scale, BITS, out, primary)
        results.append((out, primary))
    assert np.allclose(results[0][0], results[1][0], rtol=1e-5)
    assert np.allclose(results[0][1], results[1][1], rtol=1e-5)


@pytest.mark.parametrize("absent", [(), (1,), (0, 2), (0, 1, 2)])
def test_transmission_equals_its_naive_twin(absent: tuple[int, ...], rng: np.random.Generator) -> None:
    tissue = rng.uniform(1, 2, (4, ROWS, COLS)).astype(np.float32)
    paths = [np.zeros((1, COLS), np.float32) if i in absent else layer(rng) for i in range(3)]
    mu, primary = rng.random((3, 4)).astype(np.float32), tissue.sum(axis=0)
    one, other = np.empty((ROWS, COLS), np.float32), np.empty((ROWS, COLS), np.float32)
    assert fast.transmit(tissue, primary, *paths, mu, LINE, BITS, one)
    assert naive.transmit(tissue, primary, *paths, mu, None, None, other)
    assert np.allclose(one, other, rtol=1e-5)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_paths_that_are_not_finite_are_found(wrong: float, rng: np.random.Generator) -> None:
    tissue, path = rng.random((4, ROWS, COLS)).astype(np.float32), layer(rng)
    path[-1, -1] = wrong
    nothing, mu = np.zeros((1, COLS), np.float32), np.ones((3, 4), np.float32)
    assert not fast.transmit(tissue, tissue.sum(axis=0), path, nothing, nothing, mu, LINE, BITS, tissue[0].copy())


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_coarse_grid_and_back_equal_their_naive_twins(factor: int, rng: np.random.Generator) -> None:
    sharp, shape = picture(rng), (-(-ROWS // factor), -(-COLS // factor))
    one, other = np.empty(shape, np.float32), np.empty(shape, np.float32)
    fast.coarsen(sharp, factor, LINE, one)
    naive.coarsen(sharp, factor, None, other)
    assert np.allclose(one, other, rtol=1e-6)
    back, again = np.empty_like(sharp), np.empty_like(sharp)
    fast.compose(sharp, np.float32(0.7), one, factor, np.empty(shape[1] + 2, np.float32), back)
    naive.compose(sharp, 0.7, other, factor, None, again)
    assert np.allclose(back, again, atol=1e-5)


@pytest.mark.parametrize("motion", [0.0, 4.0])
@pytest.mark.parametrize("lagging", [0, 1, 2])
def test_registered_signal_equals_its_naive_twin(motion: float, lagging: int, rng: np.random.Generator) -> None:
    total, before, gain = picture(rng, 50, 100), picture(rng, 50, 100), picture(rng, 0.01, 0.02)
    bank = rng.standard_normal((2, ROWS + 5, COLS + 5)).astype(np.float32)
    tube = np.array([1.1, 0.9, 2.0], np.float32)
    memory = np.array([0.4, motion, *(0.03, 0.6, 1.2, 0.02, 0.9, 1.2)[: 3 * lagging]], np.float32)
    traps = rng.uniform(0, 3, (lagging, ROWS, COLS)).astype(np.float32)
    results: list[list[Any]] = []
    for room in (fast, naive):
        left, shown, level = traps.copy(), np.empty_like(total), np.empty_like(total)
        place = np.array([2, 3, 4, 1])
        room.register(total, TAPS, bank, place, tube, memory, left, before, gain, LONG, BITS, shown, level)
        results.append([left, shown, level])
    for one, other in zip(*results, strict=True):
        assert np.allclose(one, other, rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize("sharpen", [0.0, 0.5])
def test_shown_greys_equal_their_naive_twin(sharpen: float, rng: np.random.Generator) -> None:
    level, opening = picture(rng, -2, 2), np.ones((ROWS, COLS), np.bool_)
    opening[:3] = False
    curve = np.arange(1000, dtype=np.uint16)
    results = [np.empty((ROWS, COLS), np.uint16) for _ in range(2)]
    scalars = np.float32(sharpen), np.float32(-3.0), np.float32(160.0)
    fast.show(level, TAPS, *scalars, curve, opening, LONG, LINE, results[0])
    naive.show(level, TAPS, *scalars, curve, opening, None, None, results[1])
    assert np.abs(results[0].astype(int) - results[1]).max() <= 1
    assert not results[0][:3].any()
