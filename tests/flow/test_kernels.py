"""Every kernel against its naive twin on random data."""

from __future__ import annotations

import numpy as np
import pytest

from naive import flow as naive
from vertebro.flow import kernels, kernels_multigrid
from vertebro.flow import kernels_front as kf
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


def test_flowing_share_limiter_and_stream_equal_their_twins(rng):
    for s, ratio, power in zip(rng.uniform(-0.1, 1.1, 20), 10 ** rng.uniform(-2, 2, 20), [1.0, 2.0] * 10, strict=True):
        assert kf.flowing_share(s, ratio, power) == pytest.approx(naive.flowing_share(s, ratio, power))
    for a, b, c in rng.normal(size=(20, 3)):
        assert kf.limited(a, b, c) == pytest.approx(naive.limited(a, b, c))
    for net, source in ((rng.normal(size=3), 0.0), (np.zeros(3), 0.0), (rng.normal(size=3), 1.0)):
        fast, slow = np.zeros((2, kf.ROWS, 4))
        for face, code in ((fast, kf.stream), (slow, naive.stream)):
            face[kf.NET, :3], face[kf.CEMENT, 3] = net, source
            code(face, True)
        np.testing.assert_allclose(fast, slow)


def test_streamlines_through_a_cube_are_counted_right(rng):
    """Against streamlines one by one; what enters leaves: straight on, (1 - b/a)(1 - c/a), or by one of the others."""
    for a, b, c in (*rng.uniform(0.1, 1, (6, 3)), (1.0, 1.0, 1.0), (1.0, 0.4, 0.0)):
        assert kf.passage(a, b, c) == pytest.approx(naive.passage(a, b, c), abs=1e-4)
        aside = kf.passage(a, b, c) + (kf.passage(a, c, b) if c > 0 else 0.0)
        assert aside + max(0.0, 1 - b / a) * max(0.0, 1 - c / a) == pytest.approx(1.0)


def cell(rng):
    """Balanced random flows of one cell, part of the inflow injected."""
    face = np.zeros((kf.ROWS, 4))
    face[kf.IN, :3], face[kf.OUT, :3] = rng.uniform(0, 1, (2, 3)) * (rng.random((2, 3)) > 0.2)
    face[kf.IN, 0] += 0.1
    face[kf.OUT, 1] += 0.1
    face[kf.OUT] *= face[kf.IN].sum() / face[kf.OUT].sum()
    face[kf.CEMENT, :3] = face[kf.IN, :3] * rng.uniform(0, 1, 3)
    face[kf.AT_END, :3] = face[kf.CEMENT, :3] * rng.uniform(0, 1, 3)
    face[kf.NET, :3] = face[kf.IN, :3] + face[kf.OUT, :3]
    return face


def test_shares_of_the_exits_equal_their_twin_and_let_out_what_came_in(rng):
    for _ in range(15):
        fast = cell(rng)
        slow, mean = fast.copy(), fast[kf.CEMENT].sum() / fast[kf.IN].sum()
        kf.exit_shares(fast, kf.CEMENT, mean)
        naive.exit_shares(slow, kf.CEMENT, mean)
        np.testing.assert_allclose(fast, slow, atol=1e-4)
        assert fast[kf.SHARE].min() >= 0
        assert fast[kf.SHARE].max() <= 1 + 1e-15
        assert fast[kf.OUT] @ fast[kf.SHARE] == pytest.approx(fast[kf.CEMENT].sum(), rel=1e-12)


def test_piston_cell_equals_its_twin_in_small_steps(rng):
    """Volumes per exit within the twin's step; balance to round-off."""
    for _ in range(12):
        fast = cell(rng)
        cement = fast[kf.CEMENT].sum()
        mean = cement / fast[kf.IN].sum()
        kf.exit_shares(fast, kf.CEMENT, mean)
        kf.stream(fast, True)
        slow, held = fast.copy(), rng.uniform(0, 1)
        kept = kf.piston_exits(held, mean, cement, 1.5, fast)
        twin = naive.piston_exits(held, mean, cement, 1.5, slow)
        assert kept + fast[kf.LEFT].sum() == pytest.approx(held + 1.5 * cement, abs=1e-13)
        assert kept == pytest.approx(twin, abs=2e-3)
        np.testing.assert_allclose(fast[kf.LEFT].sum(), slow[kf.LEFT].sum(), atol=2e-3)


@pytest.mark.parametrize("sharp", [True, False])
def test_corey_cell_equals_its_twin(rng, sharp):
    for dt in (0.1, 1.0, 30.0):
        fast = np.zeros((kf.ROWS, 4))
        fast[kf.OUT], fast[kf.LEAD] = rng.uniform(0.1, 1, 4), rng.uniform(0, 0.5, 4)
        slow, through = fast.copy(), fast[kf.OUT].sum()
        args = (0.4, 0.6 * through, through * dt, dt)
        kept = kf.corey_exits(*args, fast, 0.3, 2.0, 0.7, 0.75, 0.2, sharp)
        assert kept == pytest.approx(naive.corey_exits(*args, slow, 0.3, 2.0, 0.7, 0.75, 0.2, sharp), abs=1e-7)
        np.testing.assert_allclose(fast, slow, atol=1e-6)
        solve = (0.4, 0.4 + 0.3 * dt, through * dt, 0.1, 0.3, 2.0)
        assert kf.implicit_saturation(*solve) == pytest.approx(naive.implicit_saturation(*solve), abs=1e-9)


def test_ages_equal_their_twin_and_lie_between_those_that_made_them(rng):
    for _ in range(40):
        held, volume_in, part = rng.uniform(0, 1, 3)
        args = (held, 2.0, volume_in, part * (held + volume_in), 3.0, 4.0, rng.uniform(2, 4), rng.uniform(0, 2), True)
        found = kf.ages(*args)
        np.testing.assert_allclose(found, naive.ages(*args), rtol=1e-12)
        assert min(found) >= 0
        assert max(found) <= 4 + 1e-12


def acyclic_flow(rng, power):
    """One well, two outlets, cells partly filled: the fields of `transport`."""
    shape = (6, 6, 6)
    t, p = faces(rng, shape), rng.uniform(0, 1, shape)
    source = np.zeros(shape)
    source[2, 3, 2] = 5.0
    p[2, 3, 2] = 2.0
    pinned = np.zeros(shape, np.int32)
    pinned[1, 1, 1], pinned[4, 4, 4] = 1, 2
    s = np.round(rng.uniform(0, 1.4, shape), 2).clip(0, 1) * (t.sum(axis=0) > 0)
    flow = (p.ravel(), t.reshape(3, -1), np.array([36, 6, 1]), np.full(216, 0.8))
    return flow, s.ravel(), (source.ravel(), pinned.ravel(), np.array([0.5]), power)


def work(room=216):
    rows = np.zeros((room, kf.COLUMNS))
    return np.zeros(216, np.int32), np.zeros(2 * room, np.int32), rows, np.zeros((kf.ROWS, 4)), np.zeros(kf.SUMS)


@pytest.mark.parametrize(("power", "sharp"), [(0.0, True), (2.0, True), (2.0, False), (1.0, True)])
def test_transport_equals_its_twin(rng, power, sharp):
    flow, start, fields = acyclic_flow(rng, power)
    runs, reached = [], []
    for code in (kf.transport, naive.transport):
        s, birth, ledger, place = start.copy(), np.linspace(0, 3, 216), np.zeros(2), work()
        reached.append(code(*flow, s, birth, *fields, sharp, 0.02 if power else 2.0, 3.0, *place, ledger))
        runs.append((s, birth * (s > 0), ledger))
        assert not place[0].any()
    for fast, slow in zip(*runs, strict=True):
        np.testing.assert_allclose(fast, slow, atol=5e-3 if power == 0 else 1e-6)
    assert reached[0] >= reached[1]


@pytest.mark.parametrize("power", [0.0, 2.0])
def test_transport_without_room_changes_nothing(rng, power):
    flow, start, fields = acyclic_flow(rng, power)
    for room in (1, 2, 5):
        s, birth, ledger, place = start.copy(), np.ones(216), np.zeros(2), work(room)
        assert kf.transport(*flow, s, birth, *fields, True, 2.0, 3.0, *place, ledger) == -1
        np.testing.assert_array_equal(s, start)
        assert birth.min() == birth.max() == 1.0
        assert not place[0].any()
        assert not ledger.any()


def test_steps_of_the_transport_equal_their_twins(rng):
    """Starts, what flows into a cell, what it passes on, and who comes next."""
    for power in (0.0, 2.0):
        flow, s, (source, pinned, ratio, _) = acyclic_flow(rng, power)
        p, t, strides, pore = flow
        order, twin = np.zeros((2, 216), np.int32)
        assert kf.push_starts(p, s, source, power > 0, order) == naive.push_starts(p, s, source, power > 0, twin)
        np.testing.assert_array_equal(order, twin)
        assert kf.push_starts(p, np.ones(216), source, True, order[:5])[0] == -1
        place, rows = np.arange(1, 217, dtype=np.int32), rng.random((216, kf.COLUMNS))
        place[rng.random(216) > 0.9] = 0
        for i in (86, 87, 122, 129):
            found = []
            for code in (kf, naive):
                face, sums, mine = np.zeros((kf.ROWS, 4)), np.zeros(kf.SUMS), rows.copy()
                wait = code.gather(i, p, t, strides, s, np.linspace(0, 3, 216), place, mine, 0.5, face, sums)
                if wait < 0:
                    fluid = (ratio[0], power, True, 0.02, 3.0)
                    code.pass_on(source[i], pinned[i] > 0, pore[i], s[i], 1.0, *fluid, face, sums, mine, i)
                found.append((np.array(wait), *((face[: kf.GATE], sums, mine) if wait < 0 else ())))
            for fast, slow in zip(*found, strict=True):
                np.testing.assert_allclose(fast, slow, atol=5e-3 if power == 0 else 1e-6)
        order = np.arange(216, dtype=np.int32)
        inner = np.flatnonzero((t.sum(axis=0) > 0) & (s > 0)).astype(np.int32)
        order[: inner.size] = inner
        args = (inner.size, p, t, strides, place, order, rows)
        scans, twins = [0], [0]
        for code, seen in ((kf, scans), (naive, twins)):
            while seen[-1] < 6 * inner.size:
                seen.append(code.next_reached(seen[-1], *args)[1])
        assert scans == twins


def test_front_room_equals_its_twin(rng):
    s = np.round(rng.uniform(0, 1.5, SHAPE), 1).clip(0, 1)
    pore, source, active = rng.random(SHAPE), (rng.random(SHAPE) > 0.95) * 1.0, rng.random(SHAPE) > 0.1
    fast = kf.front_room(s, pore, source, active)
    assert fast == pytest.approx(naive.front_room(s, pore, source, active))
