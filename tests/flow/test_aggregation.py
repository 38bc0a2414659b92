"""Coarse levels of connected pieces: kernels against their twins, what every hierarchy must keep, iteration counts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from naive import flow_aggregation as naive
from naive.multigrid import pack
from vertebro.flow import aggregation
from vertebro.flow import kernels_aggregation as ka
from vertebro.flow.aggregation import PATIENCE, Aggregation, worth_it
from vertebro.flow.multigrid import Multigrid, natural

SHAPE = (11, 9, 10)


def faces_of(k):
    """Faces (3, …) of a padded permeability field, 0 where a cell is closed."""
    t = np.zeros((3, *k.shape))
    for axis in range(3):
        ahead = np.roll(k, -1, axis)
        t[axis] = np.where((k > 0) & (ahead > 0), 2 * k * ahead / np.where(k + ahead > 0, k + ahead, 1), 0.0)
    return t


def field(rng, shape=SHAPE, decades=3.0, closed=0.1):
    """Faces over some decades, free cells: some closed, some pinned, the ghosts neither."""
    k = np.zeros(shape)
    inside = tuple(slice(1, -1) for _ in shape)
    sizes = [n - 2 for n in shape]
    k[inside] = 10.0 ** rng.uniform(-decades, decades, sizes) * (rng.random(sizes) > closed)
    return faces_of(k), ((k > 0) & (rng.random(shape) > 0.05)).astype(np.uint8)


def channels(n, rng, contrast=1e7):
    """Two winding channels that pass each other in rock; pinned border, padded."""
    x = np.arange(n)
    k = np.exp(ndimage.gaussian_filter(rng.normal(size=(n,) * 3), 1.0) * 5)
    for phase in (0.0, 2.5):
        j = (n / 2 + (n / 4) * np.sin(12 * x / n + phase)).astype(int)
        m = (n / 2 + (n / 4) * np.cos(9 * x / n + phase)).astype(int)
        path = np.zeros((n,) * 3, bool)
        path[x, j, m] = True
        k[ndimage.binary_dilation(path, np.ones((3, 2, 2)))] = contrast
    free = np.zeros((n + 2,) * 3, np.uint8)
    free[2:-2, 2:-2, 2:-2] = 1
    return faces_of(np.pad(k, 1)), free


def built(rng, shape=SHAPE):
    t, free = field(rng, shape)
    pieces = Aggregation(shape)
    pieces.setup(t, free)
    return pieces, t, free


def rows(count, faces=4000):
    index = [np.zeros(count + 1, np.uint32) for _ in range(3)]
    return (*index[:2], np.zeros(faces, np.uint32), np.zeros(faces, "f4"), *np.zeros((2, count + 1), "f4"), index[2])


def test_agglomeration_equals_its_twin(rng):
    for m in (2, 5, 8):
        face = 10.0 ** rng.uniform(-2, 2, (m, m)) * (rng.random((m, m)) > 0.4)
        face = np.triu(face, 1) + np.triu(face, 1).T
        total = face.sum(axis=1) + rng.random(m)
        fast, slow = np.arange(m), np.arange(m)
        naive.agglomerate(face.copy(), total.copy(), slow, m, 0.2)
        ka.agglomerate(face, total, fast, m, 0.2)
        np.testing.assert_array_equal(fast, slow)


def test_numbers_and_rows_of_the_first_level_equal_their_twins(rng):
    t, free = field(rng)
    fast, slow = np.zeros(SHAPE, np.uint32), np.zeros(SHAPE, np.uint32)
    count = ka.split_blocks(t, free, 1 / 8, fast)
    assert count == naive.split_blocks(t, free, 1 / 8, slow)
    np.testing.assert_array_equal(fast, slow)
    one, two = rows(count), rows(count)
    found = ka.first_rows(t, free, fast, 1 / t.max(), 0.55, *one, np.zeros(count + 1, np.uint32))
    assert found == naive.first_rows(t, free, fast, 1 / t.max(), 0.55, *two, None)
    for a, b in zip(one, two, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-6)


def test_coarser_numbers_and_rows_equal_their_twins(rng):
    pieces, _, _ = built(rng)
    count = pieces.counts[0]
    level, faces = pieces._level(0), slice(0, int(pieces.begin[1]))
    cols, vals = pieces.cols[faces], pieces.vals[faces]
    found, ups = [], [np.zeros(count + 1, np.uint32) for _ in range(2)]
    for code, up in zip((ka, naive), ups, strict=True):
        work = [np.zeros(count + 1, np.uint32) for _ in range(3)]
        args = (level.ptr, cols, vals, level.dinv, level.sink, level.place, 2, 2, 1 / 8, up)
        found.append(code.split_nodes(*args, work[0], work[1][:12], work[2]))
    assert found[0] == found[1] < count
    np.testing.assert_array_equal(*ups)
    made = [rows(found[0]), rows(found[0])]
    for code, new in zip((ka, naive), made, strict=True):
        work = [np.zeros(count + 1, np.uint32) for _ in range(3)]
        code.coarse_rows(level.ptr, cols, vals, level.sink, level.place, ups[0], 0.55, *new, *work)
    for a, b in zip(*made, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-6, atol=1e-12)


def test_places_halve():
    place = (5 << 20) | (1023 << 10) | 6
    assert ka.larger_block(place) == naive.larger_block(place) == (2 << 20) | (511 << 10) | 3


def test_rows_are_closed_like_their_twin(rng):
    made = [np.array([4, 1, 7, 2], np.uint32), rng.random(4).astype("f4"), *np.zeros((2, 9), "f4")]
    runs = []
    for code in (ka, naive):
        cols, vals, dinv, sink = (v.copy() for v in made)
        mid = np.zeros(9, np.uint32)
        code.close_row(3, 0, 4, cols, vals, mid, dinv, sink)
        runs.append((cols, vals, dinv, mid))
    for a, b in zip(*runs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_cycle_equals_its_twin(rng):
    pieces, _, _ = built(rng, (19, 20, 18))
    assert len(pieces.counts) > 1
    pieces.right[:] = rng.normal(size=pieces.right.size)
    pieces.x[1 : pieces.first[1]] = rng.normal(size=pieces.counts[0])
    program = np.array([(j, 0) for j in (0, 1, 2, 3)] + [(6, len(pieces.counts) - 1), (4, 0), (5, 0)], np.int64)
    arrays = [pieces.ptr, pieces.mid, pieces.cols, pieces.vals, pieces.dinv, pieces.up]
    x, b = pieces.x.astype(float), pieces.b.astype(float)
    naive.cycle(program, pieces.first, pieces.begin, *arrays, x, b, pieces.inverse)
    ka.cycle(program, pieces.first, pieces.begin, *arrays, pieces.x, pieces.b, pieces.inverse)
    np.testing.assert_allclose(pieces.x, x, rtol=1e-3, atol=1e-4 * np.abs(x).max())


def test_transfers_equal_their_twins(rng):
    pieces, t, free = built(rng)
    solver = Multigrid(SHAPE, threads=1)
    solver.setup(t, free)
    u, b, coef = (v[0] for v in (solver.u, solver.b, solver.coef))
    u[:], b[:] = (rng.normal(size=u.shape) * (coef[3] > 0) for _ in range(2))
    fast, slow = np.zeros(pieces.counts[0] + 1, "f4"), np.zeros(pieces.counts[0] + 1)
    ka.residual_to_nodes(u, b, coef, pieces.number, 1, SHAPE[0] - 1, fast)
    naive.residual_to_nodes(u, b, coef, pieces.number, 1, SHAPE[0] - 1, slow)
    np.testing.assert_allclose(fast[1:], slow[1:], rtol=1e-4, atol=1e-4 * np.abs(slow).max())
    moved = u.copy()
    naive.nodes_to_cells(moved, pieces.number, 1, SHAPE[0] - 1, fast)
    ka.nodes_to_cells(u, pieces.number, 1, SHAPE[0] - 1, fast)
    np.testing.assert_array_equal(u, moved)


def test_nodes_cover_the_free_cells_and_keep_their_faces(rng):
    """Every free cell with a face has a node within its block; faces out of a node and its sink are conserved."""
    pieces, t, free = built(rng)
    total = sum(t[d] + np.roll(t[d], 1, d) for d in range(3))
    np.testing.assert_array_equal(pieces.number > 0, (free == 1) & (total > 0))
    level, n = pieces._level(0), pieces.counts[0]
    block = (np.argwhere(pieces.number > 0) - 1) // 2
    place = (block[:, 0] << 20) | (block[:, 1] << 10) | block[:, 2]
    np.testing.assert_array_equal(level.place[pieces.number[pieces.number > 0]], place)
    matrix = naive.dense(level.ptr, pieces.cols, pieces.vals)
    np.testing.assert_allclose(matrix, matrix.T, rtol=1e-6)
    np.testing.assert_allclose(matrix.sum(axis=1)[1:] + level.sink[1:], 1 / level.dinv[1:], rtol=1e-5)
    lost = np.zeros(n + 1)
    for cell in np.argwhere(pieces.number > 0):
        for other, face in naive.neighbours(tuple(cell), t):
            lost[pieces.number[tuple(cell)]] += face * (pieces.number[other] == 0) / t.max()
    np.testing.assert_allclose(level.sink[1:], lost[1:], rtol=1e-5, atol=1e-12)


@pytest.fixture
def deep(monkeypatch):
    """Levels down to very few nodes, as large grids have them."""
    monkeypatch.setattr(aggregation, "BOTTOM", 8)


@pytest.mark.usefixtures("deep")
@pytest.mark.parametrize("shape", [(18, 18, 18), (23, 4, 17), (3, 40, 31)])
def test_cycle_is_symmetric_and_positive(rng, shape):
    """A preconditioner of conjugate gradients: <Ma, b> = <a, Mb>, <Ma, a> > 0, for random fields of six decades."""
    t, free = field(rng, shape)
    solver = Multigrid(shape, threads=1)
    solver.pieces = Aggregation(shape)
    solver.setup(t, free)
    # of the system in which colour 1 is eliminated
    on, answers = free * (np.indices(shape).sum(axis=0) % 2 == 0), []
    rights = [rng.normal(size=shape) * on for _ in range(2)]
    for right in rights:
        solver.b[0][:] = 0
        pack(right, solver.b[0])
        solver.cycle()
        answers.append(natural(solver.u[0], *shape[1:]).astype(float))
    products = [[float((answer * right).sum()) for right in rights] for answer in answers]
    assert products[0][0] > 0
    assert products[1][1] > 0
    scale = np.sqrt(products[0][0] * products[1][1])
    assert products[0][1] == pytest.approx(products[1][0], abs=1e-4 * scale)


def solved(t, free, **how):
    shape = free.shape
    source = np.zeros(shape)
    source[tuple(np.argwhere(free == 1)[int(free.sum()) // 2])] = 1.0
    solver = Multigrid(shape, threads=1)
    if how.get("pieces"):
        solver.pieces = Aggregation(shape)
    solver.setup(t, free)
    x = np.zeros(shape)
    return solver, solver.solve(t, free, source, x, norm=1.0, tolerance=1e-6)


@pytest.mark.parametrize("n", [32, 47])
def test_channels_take_few_iterations(rng, n):
    t, free = channels(n, rng)
    _, found = solved(t, free, pieces=True)
    assert found.converged
    assert found.iterations <= 20


@pytest.mark.usefixtures("deep")
def test_blocks_of_any_permeability_take_few_iterations(rng):
    """Blocks of four cells over six decades which the aggregates cut across; deep levels that hardly shrink."""
    k = np.pad(np.kron(10.0 ** rng.uniform(-3, 3, (12,) * 3), np.ones((4,) * 3)), 1)
    k = np.pad(k, ((1, 0),) * 3)
    free = np.zeros(k.shape, np.uint8)
    free[3:-2, 3:-2, 3:-2] = 1
    _, found = solved(faces_of(k), free, pieces=True)
    assert found.converged
    assert found.iterations <= 20


def test_isolated_regions_and_barriers_do_no_harm(rng):
    t, free = channels(24, rng)
    wall = np.zeros(free.shape, bool)
    wall[8:13, 8:13, 8:13] = True
    wall[9:12, 9:12, 9:12] = False  # a closed room inside closed walls
    for axis in range(3):
        t[axis][wall | np.roll(wall, -1, axis)] = 0.0
    t[0, 15] *= 1e-9  # a barrier, one face thick
    free[wall] = 0
    solver, found = solved(t, free, pieces=True)
    assert found.converged
    assert np.isfinite(solver.pieces.answer).all()


def test_set_up_again_gives_the_same_answer(rng):
    """The storage is kept from set-up to set-up; what another field left there must not matter."""
    t, free = channels(24, rng)
    solver, first = solved(t, free, pieces=True)
    solver.setup(*field(rng, free.shape))
    solver.setup(t, free)
    source, x = np.zeros(free.shape), np.zeros(free.shape)
    source[tuple(np.argwhere(free == 1)[int(free.sum()) // 2])] = 1.0
    assert solver.solve(t, free, source, x, norm=1.0, tolerance=1e-6) == first


def test_the_solver_changes_to_pieces_only_where_it_pays(rng):
    smooth = np.zeros((34,) * 3)
    smooth[1:-1, 1:-1, 1:-1] = 1.0
    free = np.zeros((34,) * 3, np.uint8)
    free[2:-2, 2:-2, 2:-2] = 1
    assert solved(faces_of(smooth), free)[0].pieces is None
    solver, found = solved(*channels(47, rng))
    assert solver.pieces is not None
    assert found.converged
    assert found.iterations <= 40
    assert worth_it([0.9**n for n in range(11)], 1e-6, PATIENCE)
    assert not worth_it([10.0**-n for n in range(11)], 1e-12, PATIENCE)
    assert not worth_it([0.9**n for n in range(10)], 1e-6, PATIENCE)
