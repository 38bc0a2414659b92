"""Every kernel against its naive twin on random data."""

from __future__ import annotations

import numpy as np
import pytest

from naive import flow as naive
from vertebro.flow import kernels, kernels_pace
from vertebro.flow import kernels_front as kf

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


@pytest.mark.parametrize("flip", [(False, False, False), (True, False, True)])
def test_half_faces_equal_their_twin(rng, flip):
    k = rng.random((10, 11, 12)) * (rng.random((10, 11, 12)) > 0.1)
    k.flags.writeable = False
    active, fast, slow = rng.random(SHAPE) > 0.1, np.zeros(SHAPE), np.zeros(SHAPE)
    place = np.array((2, 1, 3)), np.array(flip)
    kernels.halves(0.3, k, *place, active, fast)
    naive.halves(0.3, k, *place, active, slow)
    np.testing.assert_allclose(fast, slow, rtol=1e-15)


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
        code(
            half.reshape(3, -1),
            layer.reshape(3, -1),
            mask.ravel(),
            strides,
            stack,
            first.size,
            np.zeros(mask.size, np.uint8),
            reached,
        )
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


def acyclic_flow(rng, power, vessels=False):
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
    vessel = np.zeros((kf.VESSEL_ROWS, 1))
    if vessels:  # one cell gives, one gets a mixture from them
        vessel = np.zeros((kf.VESSEL_ROWS, 216))
        vessel[kf.LEAVES, 92], vessel[: kf.TAKEN, 122] = 2.0, (0.0, 1.5, 0.5, 1.0)
    return flow, s.ravel(), (source.ravel(), pinned.ravel(), vessel, np.array([0.5]), power)


def work(room=216):
    rows = np.zeros((room, kf.COLUMNS))
    return np.zeros(216, np.int32), np.zeros(2 * room, np.int32), rows, np.zeros((kf.ROWS, 4)), np.zeros(kf.SUMS)


@pytest.mark.parametrize("vessels", [False, True])
@pytest.mark.parametrize(("power", "sharp"), [(0.0, True), (2.0, True), (2.0, False), (1.0, True)])
def test_transport_equals_its_twin(rng, power, sharp, vessels):
    flow, start, fields = acyclic_flow(rng, power, vessels)
    runs, reached = [], []
    for code in (kf.transport, naive.transport):
        s, birth, ledger, place = start.copy(), np.linspace(0, 3, 216), np.zeros(2), work()
        reached.append(code(*flow, s, birth, *fields, sharp, 0.02 if power else 2.0, 3.0, *place, ledger))
        runs.append((s, birth * (s > 0), ledger, fields[2][kf.TAKEN :].copy()))
        assert (fields[2][kf.TAKEN].sum() > 0) == vessels
        fields[2][kf.TAKEN :] = 0.0
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
        flow, s, (source, pinned, vessel, ratio, _) = acyclic_flow(rng, power, vessels=True)
        p, t, strides, pore = flow
        order, twin = np.zeros((2, 216), np.int32)
        fields = (p, s, source, vessel, power > 0)
        assert kf.push_starts(*fields, order) == naive.push_starts(*fields, twin)
        np.testing.assert_array_equal(order, twin)
        assert kf.push_starts(p, np.ones(216), source, vessel, True, order[:5])[0] == -1
        place, rows = np.arange(1, 217, dtype=np.int32), rng.random((216, kf.COLUMNS))
        place[rng.random(216) > 0.9] = 0
        for i in (86, 87, 92, 122, 129):
            found = []
            for code in (kf, naive):
                face, sums, mine = np.zeros((kf.ROWS, 4)), np.zeros(kf.SUMS), rows.copy()
                wait = code.gather(i, p, t, strides, s, np.linspace(0, 3, 216), place, mine, 0.5, face, sums)
                if wait < 0:
                    fluid = (ratio[0], power, True, 0.02, 3.0)
                    vein = tuple(vessel[: kf.TAKEN, i].tolist())
                    code.pass_on(source[i], pinned[i] > 0, vein, pore[i], s[i], 1.0, *fluid, face, sums, mine, i)
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
    fast = kernels_pace.front_room(s, pore, source, active)
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
