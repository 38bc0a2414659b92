"""Every kernel against its naive twin on random data."""

from __future__ import annotations

import numpy as np
import pytest

from naive import flow as naive
from vertebro.flow import kernels, kernels_front, kernels_pace

SHAPE = (7, 9, 8)


def faces(rng, shape=SHAPE):
    """Random faces with closed borders and closed cells."""
    t = np.zeros((3, *shape))
    t[:, 1:-1, 1:-1, 1:-1] = 10.0 ** rng.uniform(-2, 2, (3, *(n - 2 for n in shape)))
    for axis in range(3):
        last = [slice(None)] * 3
        last[axis] = shape[axis] - 2
        t[(axis, *last)] = 0.0
    return t


def test_assembly_equals_its_twin_in_all_its_variants(rng):
    half = rng.uniform(0.5, 2.0, (3, *SHAPE)) * (rng.random((3, *SHAPE)) > 0.1)
    res, p = rng.uniform(1, 5, SHAPE), rng.integers(0, 3, SHAPE).astype(float)
    for layer in (np.zeros((3, 1, 1, 1)), rng.random((3, *SHAPE))):
        for series in (True, False):
            fast, slow = np.zeros((3, *SHAPE)), np.zeros((3, *SHAPE))
            kernels.assemble(half, layer, res, p, series, fast, 0, SHAPE[0] - 1)
            naive.assemble(half, layer, res, p, series, slow, 0, SHAPE[0] - 1)
            np.testing.assert_allclose(fast, slow, rtol=1e-14)


@pytest.mark.parametrize("layered", [False, True])
def test_drained_cells_equal_their_twin(rng, layered):
    half = rng.random((3, *SHAPE)) * (rng.random((3, *SHAPE)) > 0.25)
    for axis in range(3):
        for end in (0, -1):
            np.moveaxis(half, axis + 1, 0)[end] = 0.0
    layer = np.where(rng.random((3, *SHAPE)) > 0.3, 1.0, np.inf) if layered else np.zeros((3, 1, 1, 1))
    mask = rng.random(SHAPE) > 0.1
    strides = np.array([SHAPE[1] * SHAPE[2], SHAPE[2], 1])
    runs = []
    for code in (kernels.drain, naive.drain):
        reached, stack = np.zeros(mask.size, bool), np.zeros(mask.size, np.int32)
        first = np.flatnonzero(mask & (half[0] > 0))[::40]
        stack[: first.size], reached[first] = first, True
        code(half.reshape(3, -1), layer.reshape(3, -1), mask.ravel(), strides, stack, first.size, reached)
        runs.append(reached)
    np.testing.assert_array_equal(*runs)
    assert first.size < runs[0].sum() < mask.sum()


def test_shear_rates_equal_their_twin(rng):
    t, p = faces(rng), rng.normal(size=SHAPE)
    half, storage = rng.random((3, *SHAPE)), rng.random(SHAPE)
    fast, slow = np.zeros(SHAPE), np.zeros(SHAPE)
    kernels.shear_rates(t, p, half, storage, 1.3, fast)
    naive.shear_rates(t, p, half, storage, 1.3, slow)
    np.testing.assert_allclose(fast, slow, rtol=1e-12)


def test_heap_gives_cells_by_falling_pressure_then_index(rng):
    p = rng.integers(0, 5, 40).astype(float)
    heap, n, given = np.zeros(40, np.int32), 0, []
    for cell in rng.permutation(40):
        heap[n] = cell
        n += 1
        kernels_front.sift_up(heap, n, p)
    twin = np.arange(40)
    naive.sift_up(twin, 40, p)
    while n:
        given.append(int(heap[0]))
        n -= 1
        heap[0] = heap[n]
        kernels_front.sift_down(heap, n, p)
    assert given == twin.tolist()


def test_flowing_share_limiter_and_stream_equal_their_twins(rng):
    for s, ratio, power in zip(rng.uniform(-0.1, 1.1, 20), 10 ** rng.uniform(-2, 2, 20), [1.0, 2.0] * 10, strict=True):
        assert kernels_front.flowing_share(s, ratio, power) == pytest.approx(naive.flowing_share(s, ratio, power))
    for a, b, c in rng.normal(size=(20, 3)):
        assert kernels_front.limited(a, b, c) == pytest.approx(naive.limited(a, b, c))
    for net, source in ((rng.normal(size=3), 0.0), (np.zeros(3), 0.0), (rng.normal(size=3), 1.0)):
        fast, slow = np.zeros((2, 4)), np.zeros((2, 4))
        kernels_front.stream(net, source, *fast)
        naive.stream(net, source, *slow)
        np.testing.assert_allclose(fast, slow)


def test_piston_cell_equals_its_twin_in_small_steps(rng):
    """Volumes through each exit within the twin's step; balance to round-off."""
    for _ in range(25):
        rates = rng.uniform(0, 2, 4) * (rng.random(4) > 0.3)
        gates = np.array([*rng.choice([0.5, 0.75, 0.9], 3), 1.0])
        if rates.sum() == 0:
            continue
        gates[int(np.argmax(rates))] = 1.0
        held, rate_in = rng.uniform(0, 1), rng.uniform(0, rates.sum())
        fast, slow = np.zeros(4), np.zeros(4)
        kept = kernels_front.piston_exits(held, rate_in, 1.5, rates, gates, fast)
        twin = naive.piston_exits(held, rate_in, 1.5, rates, gates, slow)
        assert kept + fast.sum() == pytest.approx(held + 1.5 * rate_in, abs=1e-13)
        np.testing.assert_allclose(fast, slow, atol=2e-3)
        assert kept == pytest.approx(twin, abs=2e-3)


@pytest.mark.parametrize("sharp", [True, False])
def test_corey_cell_equals_its_twin(rng, sharp):
    for dt in (0.1, 1.0, 30.0):
        rates, lead = rng.uniform(0.1, 1, 4), rng.uniform(0, 0.5, 4)
        held, up, now, down = 0.4, 0.7, 0.75, 0.2
        args = (held, 0.6 * rates.sum(), dt, rates, lead, 0.3, 2.0, up, now, down, sharp)
        fast, slow = np.zeros(4), np.zeros(4)
        kept = kernels_front.corey_exits(*args, fast)
        assert kept == pytest.approx(naive.corey_exits(*args, slow), abs=1e-7)
        np.testing.assert_allclose(fast, slow, atol=1e-6)
        solve = (held, 0.3 * dt, dt, rates, lead, 0.1, 0.3, 2.0)
        assert kernels_front.implicit_saturation(*solve) == pytest.approx(naive.implicit_saturation(*solve), abs=1e-10)


@pytest.mark.parametrize(("power", "sharp"), [(0.0, True), (2.0, True), (2.0, False), (1.0, True)])
def test_transport_equals_its_twin(rng, power, sharp):
    """A random acyclic flow: one well, two outlets, cells partly filled."""
    shape = (6, 6, 6)
    t, p = faces(rng, shape), rng.uniform(0, 1, shape)
    source = np.zeros(shape)
    source[2, 3, 2] = 5.0
    p[2, 3, 2] = 2.0
    pinned = np.zeros(shape, np.int32)
    pinned[1, 1, 1], pinned[4, 4, 4] = 1, 2
    start = (np.round(rng.uniform(0, 1.4, shape), 2).clip(0, 1) * (t.sum(axis=0) > 0)).ravel()
    strides = np.array([36, 6, 1])
    runs = []
    for code in (kernels_front.transport, naive.transport):
        s, birth, work = start.copy(), np.linspace(0, 3, 216), np.zeros((9, 216))
        work[5], work[6] = s, birth
        heap, seen, ledger = np.zeros(216, np.int32), np.zeros(216, np.uint8), np.zeros(2)
        begin = np.flatnonzero((s > 0) & (t.sum(axis=0).ravel() > 0)) if power else np.flatnonzero(source)
        begin = begin[np.lexsort((begin, -p.ravel()[begin]))]
        heap[: begin.size] = begin
        seen[begin] = 2
        fields = (np.full(216, 0.8), s, birth, source.ravel(), pinned.ravel(), np.array([0.5]))
        flow = (p.ravel(), t.reshape(3, -1), strides)
        code(*flow, *fields, power, sharp, 0.02, 3.0, heap, begin.size, seen, work, ledger)
        runs.append((s, birth * (s > 0), work[4], ledger))
    for fast, slow in zip(*runs, strict=True):
        np.testing.assert_allclose(fast, slow, atol=3e-3 if power == 0 else 1e-6)


def test_front_room_equals_its_twin(rng):
    s = np.round(rng.uniform(0, 1.5, SHAPE), 1).clip(0, 1)
    pore, source, active = rng.random(SHAPE), (rng.random(SHAPE) > 0.95) * 1.0, rng.random(SHAPE) > 0.1
    fast = kernels_front.front_room(s, pore, source, active)
    assert fast == pytest.approx(naive.front_room(s, pore, source, active))


def test_front_speed_equals_its_twin_on_parts_of_the_planes(rng):
    s = np.round(rng.uniform(0, 1.5, SHAPE), 1).clip(0, 1)
    source, active = (rng.random(SHAPE) > 0.95) * 0.4, rng.random(SHAPE) > 0.1
    fields = (s, rng.uniform(0.1, 1, SHAPE), source, active, rng.normal(size=SHAPE), faces(rng))
    fast, slow = np.zeros((2, SHAPE[0])), np.zeros((2, SHAPE[0]))
    for first, end in ((1, 4), (4, SHAPE[0] - 1)):
        kernels_pace.front_speed(*fields, first, end, fast)
    naive.front_speed(*fields, 1, SHAPE[0] - 1, slow)
    assert slow.min(axis=1).max() == 0
    assert slow[1].max() > 0
    np.testing.assert_allclose(fast, slow, rtol=1e-13)


def test_wet_cells_equal_their_twin(rng):
    s = rng.uniform(-1, 1, SHAPE).clip(0, 1)
    fields = (s, faces(rng), rng.normal(size=SHAPE), rng.random((3, *SHAPE)), rng.uniform(0.1, 1, SHAPE), 1.3)
    found = []
    for code in (kernels_pace.wet_cells, naive.wet_cells):
        index, rates = np.zeros(s.size, np.int32), np.zeros(s.size)
        count = code(*fields, 2, SHAPE[0] - 1, index, rates)
        found.append((count, index, rates))
    assert found[0][0] == found[1][0] > 0
    np.testing.assert_array_equal(found[0][1], found[1][1])
    np.testing.assert_allclose(found[0][2], found[1][2], rtol=1e-12)
