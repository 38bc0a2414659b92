"""Every kernel against its naive twin on random data."""

from __future__ import annotations

import numpy as np
import pytest

from naive import flow as naive
from vertebro.flow import kernels, kernels_front, kernels_multigrid, kernels_pace
from vertebro.flow.multigrid import Multigrid, natural

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


@pytest.mark.parametrize("job", range(5))
def test_conjugate_gradient_jobs_equal_their_twins(rng, job):
    free = (rng.random(SHAPE) > 0.2).astype(np.uint8)
    split = (2, SHAPE[0], SHAPE[1], (SHAPE[2] + 1) // 2)
    first = [rng.normal(size=SHAPE) for _ in range(5)]
    z, u, b = rng.normal(size=SHAPE).astype("f4"), rng.normal(size=split).astype("f4"), np.zeros(split, "f4")
    runs = []
    for code in (kernels.planes, naive.planes):
        source, x, r, d, q = (v.copy() for v in first)
        arrays = (faces(np.random.default_rng(1)), free, source, x, r, d, q, z.copy(), u.copy(), b.copy())
        part = np.zeros((2, SHAPE[0]))
        code(job, 1, SHAPE[0] - 1, *arrays, 0.3, 1.7, part)
        runs.append((*arrays, part))
    for fast, slow in zip(*runs, strict=True):
        np.testing.assert_allclose(fast, slow, rtol=1e-6, atol=1e-6 * max(1.0, float(np.abs(slow).max())))


def test_shear_rates_equal_their_twin(rng):
    t, p = faces(rng), rng.normal(size=SHAPE)
    half, storage = rng.random((3, *SHAPE)), rng.random(SHAPE)
    fast, slow = np.zeros(SHAPE), np.zeros(SHAPE)
    kernels.shear_rates(t, p, half, storage, 1.3, fast)
    naive.shear_rates(t, p, half, storage, 1.3, slow)
    np.testing.assert_allclose(fast, slow, rtol=1e-12)


def grid_of(rng, shape=(12, 10, 11)):
    solver = Multigrid(shape, threads=1)
    free = np.zeros(shape, np.uint8)
    free[1:-1, 1:-1, 1:-1] = rng.random([n - 2 for n in shape]) > 0.1
    t = faces(rng, shape)
    solver.setup(t, free)
    return solver, t, free


def test_hierarchy_equals_its_twin(rng):
    solver, t, free = grid_of(rng)
    coef, sink = np.zeros_like(solver.coef[0]), np.zeros_like(solver.sink[0])
    naive.fine_level(t, free, 1.0 / t.max(), coef, sink)
    np.testing.assert_allclose(solver.coef[0], coef, rtol=1e-6)
    np.testing.assert_allclose(solver.sink[0], sink, rtol=1e-6)
    depth = solver.table[:, 4].tolist()
    coarse, lost = np.zeros_like(solver.coef[1]), np.zeros_like(solver.sink[1])
    naive.coarsen(solver.coef[0], solver.sink[0], depth[0], coarse, lost, depth[1])
    np.testing.assert_allclose(solver.coef[1], coarse, rtol=1e-5)
    np.testing.assert_allclose(solver.sink[1], lost, rtol=1e-5)


@pytest.mark.parametrize("step", [(0, 0, 0), (0, 0, 1), (1, 0, 0), (2, 0, 0), (3, 0, 0), (4, -1, 0)])
def test_cycle_steps_equal_their_twins(rng, step):
    solver, _, _ = grid_of(rng)
    for n in (0, 1):
        for level, coef in zip((solver.u, solver.b)[n], solver.coef, strict=True):
            # ghosts and closed cells hold 0 in both vectors
            level[:] = rng.normal(size=level.shape) * (coef[:, 7] > 0)
    slow = [a.copy() for a in solver.flat[:3]]
    program = np.array([(step[0], step[1] % len(solver.table), step[2])], np.int64)
    solver._steps(program, 0, 0, 0)
    naive.cycle_steps(*slow, solver.table, program, 0, 0, solver.inverse, None, None)
    for fast, twin in zip(solver.flat[:2], slow[:2], strict=True):
        np.testing.assert_allclose(fast, twin, rtol=2e-5, atol=2e-5 * np.abs(twin).max())


def test_bottom_solve_equals_its_twin(rng):
    solver, _, _ = grid_of(rng)
    solver.flat[1][:] = rng.normal(size=solver.flat[1].size)
    fast, slow = solver.flat[0].copy(), solver.flat[0].copy()
    row = [int(v) for v in solver.table[-1]]
    kernels_multigrid.bottom(fast, solver.flat[1], *row, solver.inverse, solver.work)
    naive.bottom(slow, solver.flat[1], *row, solver.inverse, None)
    np.testing.assert_allclose(fast, slow, rtol=1e-4, atol=1e-4 * np.abs(slow).max())


def test_planes_shared_by_threads_give_the_same_bits(rng):
    """Each plane is computed by the same instructions whoever does it."""
    solver, _, _ = grid_of(rng)
    solver.flat[1][:] = rng.normal(size=solver.flat[1].size)
    program = np.array([(3, 0, 0), (0, 0, 1), (1, 0, 0)], np.int64)
    results = []
    for parts in ([(1, 11)], [(1, 5), (5, 11)]):
        solver.flat[0][:] = 0
        for step in program:
            for first, end in parts:
                solver._steps(step[None], first, end, 0)
        results.append((solver.flat[0].copy(), solver.flat[1].copy()))
    np.testing.assert_array_equal(results[0][0], results[1][0])
    np.testing.assert_array_equal(results[0][1], results[1][1])


def test_natural_order_undoes_the_colours(rng):
    array = rng.normal(size=(3, 5, 6, 7)).astype("f4")
    split = np.zeros((2, 3, 5, 6, 4), "f4")
    for i, j, k in np.ndindex(5, 6, 7):
        split[(i + j + k) % 2, :, i, j, k // 2] = array[:, i, j, k]
    np.testing.assert_array_equal(natural(split, 7), array)


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
    """Volumes per exit within the twin's step of 5e-4; balance to round-off."""
    for _ in range(12):
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
        np.testing.assert_allclose(fast.sum(), slow.sum(), atol=2e-3)
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
