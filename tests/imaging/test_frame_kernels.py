"""The kernels of a live frame against their naive twins."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest

from naive import imaging as naive
from vertebro._jit import lengthened, shortened
from vertebro.errors import DataError
from vertebro.imaging import kernels_detector as fast
from vertebro.imaging import kernels_frame as frame
from vertebro.imaging.detector import gaussian_taps
from vertebro.imaging.shadows import shadow_of
from vertebro.imaging.stream import _scratch, in_threes, short

ROWS, COLS = 18, 22
TAPS = gaussian_taps(0.8).astype(np.float32)
LONG = np.empty(COLS + 60, np.float32)
LINES, LINE = np.empty((3, COLS), np.float32), np.empty(COLS, np.float32)


def picture(rng: np.random.Generator, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    return rng.uniform(low, high, (ROWS, COLS)).astype(np.float32)


def layer(rng: np.random.Generator) -> np.ndarray:
    path = np.zeros((ROWS, COLS), np.float32)
    path[5:11, 4:15] = rng.random((6, 11))
    return path


def test_exponentials_equal_their_naive_twin() -> None:
    powers = np.linspace(-80, 5, 1001).astype(np.float32)
    values = [[room.exponential(x) for x in powers] for room in (fast, naive)]
    assert np.allclose(*values, rtol=1e-5)


def test_logarithms_equal_their_naive_twin() -> None:
    numbers = np.geomspace(1e-6, 1e7, 1001).astype(np.float32)
    values = [[room.logarithm(x) for x in numbers] for room in (frame, naive)]
    assert np.allclose(*values, atol=3e-6)


@numba.njit
def there_and_back(numbers, shorts, back):  # type: ignore[no-untyped-def]
    for i in range(numbers.size):
        shorts[i] = shortened(numbers[i])
        back[i] = lengthened(shorts[i])


def test_shorts_keep_a_part_in_4000_and_agree_with_their_twins() -> None:
    """Also what NumPy makes for the first picture. Negative numbers become the smallest, large ones the largest."""
    numbers = np.array([*np.geomspace(4e-5, 1.2e5, 2000), 0.0, -3.0, 1e9], np.float32)
    shorts, back = np.empty(numbers.size, np.uint16), np.empty_like(numbers)
    there_and_back(numbers, shorts, back)
    assert np.array_equal(shorts, short(numbers))
    assert np.abs(shorts.astype(int) - naive.short(numbers.astype(float))).max() <= 1
    assert np.allclose(back, naive.long(shorts.astype(float)), rtol=1e-6)
    assert np.allclose(back[:-3], numbers[:-3], rtol=1 / 4000)
    assert back[-3:] == pytest.approx([2**-15, 2**-15, 2**17], rel=1e-3)


@pytest.mark.parametrize("sigma", [0.2, 0.5, 0.8, 1.3])
def test_blurred_row_equals_its_naive_twin(sigma: float, rng: np.random.Generator) -> None:
    """One to five taps: they are taken two at a time."""
    image, taps = picture(rng), gaussian_taps(sigma).astype(np.float32)
    for row in (0, 9, ROWS - 1):
        one, other = np.empty(COLS, np.float32), np.empty(COLS, np.float32)
        fast.blur_row(image, row, taps, LONG[: COLS + 2 * len(taps) - 2], one)
        naive.blur_row(image, row, taps, None, other)
        assert np.allclose(one, other, atol=1e-6)


def test_window_of_a_layer_equals_its_naive_twin(rng: np.random.Generator) -> None:
    """Two spots span a window; an empty picture has none; a NaN shows in the sum."""
    spots = np.zeros((ROWS, COLS), np.float32)
    spots[3, 7], spots[9, 2] = 1.0, -1.0
    windows = np.empty((2, 4), np.int64)
    for path in (layer(rng), spots, np.zeros_like(spots), picture(rng)):
        sums = [room.filled_window(path, window) for room, window in zip((fast, naive), windows, strict=True)]
        assert sums[0] == pytest.approx(sums[1], rel=1e-5)
        assert np.array_equal(*windows)
    spots[5, 5] = np.nan
    assert not np.isfinite(fast.filled_window(spots, windows[0]))


@pytest.mark.parametrize("way", [(0.0, 5.0), (-3.3, 1.7), (0.4, 0.0)])
def test_smeared_picture_equals_its_naive_twin(way: tuple[float, float], rng: np.random.Generator) -> None:
    path = layer(rng)
    one, other = np.empty((ROWS, COLS), np.float32), np.empty((ROWS, COLS), np.float32)
    fast.smear(path, *way, 7, np.empty(ROWS, np.bool_), one)
    naive.smear(path, *way, 7, None, other)
    assert np.allclose(one, other, atol=1e-6)
    assert one.max() > 0


@pytest.mark.parametrize("shape", [(4, 1, 1), (4, ROWS, 1), (4, 1, COLS)])
def test_absorption_in_tissue_equals_its_naive_twin(shape: tuple[int, int, int], rng: np.random.Generator) -> None:
    soft, bone, scale = picture(rng), picture(rng), picture(rng, 10, 20)
    mu, weight = rng.random((2, 4)).astype(np.float32), rng.random(shape).astype(np.float32)
    results: list[tuple[np.ndarray, np.ndarray]] = []
    for room in (fast, naive):
        out, primary = np.empty((4, ROWS, COLS), np.float32), np.empty((ROWS, COLS), np.float32)
        for span in ((0, 5), (5, ROWS)):
            room.absorb(soft, bone, mu[0], mu[1], weight, scale, np.array(span), out, primary)
        results.append((out, primary))
    assert np.allclose(results[0][0], results[1][0], rtol=1e-5)
    assert np.allclose(results[0][1], results[1][1], rtol=1e-5)


@pytest.mark.parametrize("absent", [(), (1,), (0, 2), (0, 1, 2)])
def test_transmission_equals_its_naive_twin(absent: tuple[int, ...], rng: np.random.Generator) -> None:
    tissue = rng.uniform(1, 2, (4, ROWS, COLS)).astype(np.float32)
    sizes, places = [(6, 11), (3, 20), (9, 4)], np.array([[5, 4], [7, 1], [2, 15]])
    one, two, three = (rng.random((0, 0) if i in absent else size).astype(np.float32) for i, size in enumerate(sizes))
    mu, primary = rng.random((3, 4)).astype(np.float32), tissue.sum(axis=0)
    out, other = primary.copy(), np.empty((ROWS, COLS), np.float32)
    assert fast.transmit(tissue, (one, two, three), places, mu, LINES, out)
    assert naive.transmit(tissue, (one, two, three), places, mu, None, other)
    assert np.allclose(out, other, rtol=1e-5)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_paths_that_are_not_finite_are_found(wrong: float, rng: np.random.Generator) -> None:
    tissue, path = rng.random((4, ROWS, COLS)).astype(np.float32), layer(rng)
    path[-1, -1] = wrong
    nothing, mu = np.zeros((0, 0), np.float32), np.ones((3, 4), np.float32)
    places = np.zeros((3, 2), np.int64)
    assert not fast.transmit(tissue, (path, nothing, nothing), places, mu, LINES, tissue[0].copy())
    with pytest.raises(DataError, match="finite"):
        shadow_of(path)


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_coarse_grid_and_back_equal_their_naive_twins(factor: int, rng: np.random.Generator) -> None:
    sharp, shape = picture(rng), (-(-ROWS // factor), -(-COLS // factor))
    one, other = np.empty(shape, np.float32), np.empty(shape, np.float32)
    fast.coarsen(sharp, factor, LINE, one)
    naive.coarsen(sharp, factor, None, other)
    assert np.allclose(one, other, rtol=1e-6)
    back, again = np.empty_like(sharp), np.empty_like(sharp)
    frame.compose(sharp, np.float32(0.7), one, factor, np.empty((2, COLS), np.float32), back)
    naive.compose(sharp, 0.7, other, factor, None, again)
    assert np.allclose(back, again, atol=1e-5)


@pytest.mark.parametrize("sigma", [0.0, 0.2, 0.5, 0.8, 1.3, 2.5])
def test_blur_across_and_down_equals_its_naive_twins(sigma: float, rng: np.random.Generator) -> None:
    """One to ten taps: they are taken three at a time; a ring forgets the rows that nobody needs any more."""
    image, taps = picture(rng), in_threes(gaussian_taps(sigma))
    ring = np.full((2 * len(taps) - 1, COLS), np.nan, np.float32)
    reach = len(taps) - 1
    for row in (0, 3, ROWS - 1):
        for near in range(max(row - reach, 0), min(row + reach + 1, ROWS)):
            ring[near % len(ring)] = image[near]
        answers = [np.empty(COLS, np.float32) for _ in range(4)]
        for room, answer in zip((frame, naive), answers[:2], strict=True):
            line = np.full(COLS + 2 * reach + 3, np.nan, np.float32)
            line[reach : reach + COLS] = image[row]
            room.blur_across(line, taps, answer)
        frame.blur_down(ring, row, ROWS, taps, answers[2])
        naive.blur_down(ring, row, ROWS, taps, answers[3])
        assert np.allclose(answers[0], answers[1], atol=1e-6)
        assert np.allclose(answers[2], answers[3], atol=1e-6)


def test_three_pairs_of_rows_equal_their_naive_twin(rng: np.random.Generator) -> None:
    weights, rows = rng.random(5).astype(np.float32), list(rng.random((6, COLS)).astype(np.float32))
    targets = np.ones((2, COLS), np.float32)
    begun = np.ones((2, COLS), np.float32)
    for room, target, other in zip((frame, naive), targets, begun, strict=True):
        room.add_three(weights, 1, *rows, target)
        room.begin_three(weights, np.ones(COLS, np.float32), *rows, other)
    assert np.allclose(targets[0], targets[1], atol=1e-5)
    assert np.allclose(*begun, atol=1e-5)
    assert np.allclose(begun[0] - weights[0], targets[0] - 1, atol=1e-5)
    assert targets.min() > 1


def test_composed_row_equals_its_naive_twin(rng: np.random.Generator) -> None:
    sharp, smooth, pair = picture(rng), rng.random((5, 6)).astype(np.float32), np.empty((2, COLS), np.float32)
    for row in range(ROWS):
        one, other = np.empty(COLS, np.float32), np.empty(COLS, np.float32)
        frame.compose_row(sharp, np.float32(0.7), smooth, 4, row, pair, one)
        naive.compose_row(sharp, 0.7, smooth, 4, row, None, other)
        assert np.allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_widened_row_equals_its_naive_twin(factor: int, rng: np.random.Generator) -> None:
    """The last block may hang over the border."""
    values, answers = rng.random(-(-COLS // factor)).astype(np.float32), np.empty((2, COLS), np.float32)
    frame.widen(values, factor, answers[0])
    naive.widen(values, factor, answers[1])
    assert np.allclose(answers[0], answers[1], atol=1e-6)


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_coarse_rows_beside_a_row_equal_their_naive_twin(factor: int, rng: np.random.Generator) -> None:
    values, pairs = rng.random((-(-ROWS // factor), -(-COLS // factor))).astype(np.float32), np.empty((2, 2, COLS))
    pairs = pairs.astype(np.float32)
    for row in range(ROWS):
        shares = [room.coarse_rows(values, factor, row, pair) for room, pair in zip((frame, naive), pairs, strict=True)]
        assert shares[0] == pytest.approx(shares[1], abs=1e-6)
        assert np.allclose(*pairs, atol=1e-6)


@pytest.mark.parametrize("motion", [0.0, 4.0])
@pytest.mark.parametrize("lagging", [0, 1, 2])
def test_registered_row_equals_its_naive_twin(motion: float, lagging: int, rng: np.random.Generator) -> None:
    expected, before, pair = picture(rng, 50, 100)[0], picture(rng, 50, 100)[0], picture(rng, 4, 5)[:2]
    shot, read = (1e3 * rng.standard_normal((2, COLS))).astype(np.int16)
    tube = np.array([1.1, 0.9, 2.0, 1e-3], np.float32)
    memory = np.array([0.4, motion, *(0.03, 0.6, 1.2, 0.02, 0.9, 1.2)[: 3 * lagging]], np.float32)
    traps = short(rng.uniform(0.1, 3, (lagging, ROWS, COLS)).astype(np.float32))
    results: list[list[Any]] = []
    for room in (frame, naive):
        left, now, tone = traps.copy(), expected.copy(), np.empty(COLS, np.float32)
        base = pair, np.float32(0.3)
        room.register_row(now, shot, read, tube, memory, np.float32(0.3), left, 2, before, base, LINE, tone)
        results.append([left.astype(int), now, tone])
    for one, other, most in zip(*results, (1, 0, 0), strict=True):
        assert np.allclose(one, other, rtol=2e-5, atol=max(most, 1e-5))


@pytest.mark.parametrize("sharpen", [0.0, 0.5])
def test_grey_row_equals_its_naive_twin(sharpen: float, rng: np.random.Generator) -> None:
    level, smooth = picture(rng, -2, 2)[:2]
    inside, curve = np.arange(COLS) > 3, np.arange(1000, dtype=np.uint16)
    results = [np.empty(COLS, np.uint16) for _ in range(2)]
    for room, result in zip((frame, naive), results, strict=True):
        room.grey_row(
            level, smooth.copy(), np.float32(sharpen), np.float32(-3.0), np.float32(160.0), curve, inside, result
        )
    assert np.abs(results[0].astype(int) - results[1]).max() <= 1
    assert not results[0][:3].any()


@pytest.mark.parametrize("lagging", [0, 2])
@pytest.mark.parametrize("sharpen", [0.0, 0.5])
@pytest.mark.parametrize("spread", [0.0, 0.8])
def test_developed_picture_equals_its_naive_twin(
    spread: float, sharpen: float, lagging: int, rng: np.random.Generator
) -> None:
    """Row by row in rings, or whole pictures one step after the other."""
    light, taps = (in_threes(gaussian_taps(sigma)) for sigma in (spread, 1.0 if sharpen else 0.0))
    before, base = picture(rng, 50, 100), (rng.uniform(4, 5, (3, 3)).astype(np.float32), 8)
    scene = picture(rng, 50, 100), np.float32(0.7), rng.uniform(9, 12, (5, 6)).astype(np.float32), 4
    bank = (1e3 * rng.standard_normal((2, ROWS + 5, COLS + 5))).astype(np.int16)
    tube = np.array([1.1, 0.9, 2.0, 1e-3], np.float32)
    noise = bank, np.array([2, 3, 4, 1])
    memory = np.array([0.4, 4.0, *(0.03, 0.6, 1.2, 0.02, 0.9, 1.2)[: 3 * lagging]], np.float32)
    traps = short(rng.uniform(0.1, 3, (lagging, ROWS, COLS)).astype(np.float32))
    opening = np.ones((ROWS, COLS), np.bool_)
    opening[:3] = False
    scalars = np.float32(sharpen), np.float32(-3.0), np.float32(160.0)
    screen = (taps, *scalars, np.arange(1000, dtype=np.uint16), opening)
    results: list[list[Any]] = []
    for room in (frame, naive):
        left, shown, out = traps.copy(), np.empty_like(before), np.empty((ROWS, COLS), np.uint16)
        given = (*scene, np.array([2, 15, 3, 20])), light, noise, tube, memory, left, before, base, screen
        mean = room.develop(*given, _scratch(COLS, len(light) - 1, len(taps) - 1), shown, out)
        results.append([left.astype(int), shown, mean, out])
    for one, other, most in zip(*(result[:3] for result in results), (1, 0, 0), strict=True):
        assert np.allclose(one, other, rtol=2e-5, atol=max(most, 1e-5))
    assert np.abs(results[0][3].astype(int) - results[1][3]).max() <= 1
    assert not results[0][3][:3].any()
    assert results[0][3][3:].all()
