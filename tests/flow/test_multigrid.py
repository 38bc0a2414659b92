"""The multigrid preconditioner: kernels against their twins, symmetric and definite, the same for any threads."""

from __future__ import annotations

import numpy as np
import pytest

from naive import multigrid as naive
from vertebro.flow import kernels, kernels_multigrid
from vertebro.flow.bypass import Bypass
from vertebro.flow.multigrid import NO_LEAK, WEAKEN, Multigrid, natural
from vertebro.flow.wavefront import DESCEND, GATHER, OPERATE, SPREAD, SWEEP, chase, whole

SHAPE = (12, 10, 11)


def random_faces(rng, shape):
    """Faces over four decades with closed borders."""
    t = np.zeros((3, *shape))
    t[:, 1:-1, 1:-1, 1:-1] = 10.0 ** rng.uniform(-2, 2, (3, *(n - 2 for n in shape)))
    for axis in range(3):
        last = [slice(None)] * 3
        last[axis] = shape[axis] - 2
        t[(axis, *last)] = 0.0
    return t


def solver_of(rng, shape=SHAPE, threads=1):
    solver = Multigrid(shape, threads=threads)
    free = np.zeros(shape, np.uint8)
    free[1:-1, 1:-1, 1:-1] = rng.random([n - 2 for n in shape]) > 0.1
    t = random_faces(rng, shape)
    solver.setup(t, free)
    return solver, t, free


def join(rng, solver, t, free, count=9, nodes=3):
    """Let a network of floating nodes, some far better conductors than the faces, join cells; returns its part."""
    inner = np.argwhere(free)
    cells = inner[rng.permutation(len(inner))[:count]]
    bypass = Bypass(free.shape, np.ravel_multi_index(tuple(cells.T), free.shape))
    solver.join(bypass)
    draw = np.zeros((nodes, count))
    draw[np.arange(count) % nodes, np.arange(count)] = 10.0 ** rng.uniform(1, 3, count)
    draw[0, 1:4] = 1.0
    matrix = np.diag(draw.sum(axis=1) + 0.1)
    share = np.linalg.solve(matrix, draw)
    own = (draw * share).sum(axis=0)
    bypass.set(draw.sum(axis=0) - own, draw, share, matrix, np.linalg.inv(matrix), np.zeros(count))
    solver.setup(t, free)
    return bypass


def joints_of(solver):
    joints = solver.joints
    return joints.spans, joints.spots, joints.links, joints.tie, joints.network, joints.held


def fill(rng, solver):
    """Random vectors; ghosts and closed cells hold 0."""
    for vectors in (solver.u, solver.b):
        for level, coef in zip(vectors, solver.coef, strict=True):
            level[:] = rng.normal(size=level.shape) * (coef[3] > 0)


@pytest.mark.parametrize("shape", [SHAPE, (9, 12, 14), (7, 11, 12)])
def test_hierarchy_equals_its_twin(rng, shape):
    solver, t, free = solver_of(rng, shape)
    _, _, nj, _, nk = solver.table[0]
    coef, sink = np.zeros_like(solver.coef[0]), np.zeros_like(solver.u[0])
    naive.fine_level(0, shape[0] - 1, t, free, 1.0 / t.max(), coef, sink)
    naive.diagonal(1, shape[0] - 1, coef, sink, nj, nk)
    np.testing.assert_allclose(solver.coef[0], coef, rtol=1e-5)
    coarse, lost = np.zeros_like(solver.coef[1]), np.zeros_like(solver.u[1])
    naive.coarsen(1, solver.table[1][1] - 1, coef, sink, nj, nk, WEAKEN, coarse, lost)
    naive.diagonal(1, solver.table[1][1] - 1, coarse, lost, solver.table[1][2], solver.table[1][4])
    np.testing.assert_allclose(solver.coef[1], coarse, rtol=1e-5)


@pytest.mark.parametrize("shape", [SHAPE, (9, 11, 14)])
@pytest.mark.parametrize("step", [(0, 0, 0), (0, 0, 1), (1, 0, 0), (2, 0, 0), (3, 0, 0), (4, -1, 0), (5, 0, 0)])
def test_cycle_steps_equal_their_twins(rng, shape, step):
    solver, _, _ = solver_of(rng, shape)
    fill(rng, solver)
    solver.q[:], solver.d[:] = rng.normal(size=(2, *solver.q.shape))
    level = step[1] % len(solver.table)
    program = whole([(step[0], level, step[2])], int(solver.table[level][1]))
    slow = [a.copy() for a in solver.flat]
    w, part = np.zeros((shape[0], solver.w[0].size)), np.zeros_like(solver.part)
    d, q = (v.reshape(w.shape) for v in (solver.d, solver.q))
    solver._steps(program, 0)
    naive.cycle_steps(*slow, solver.table, program, solver.inverse, None, None, w, d, q, part, *joints_of(solver))
    for fast, twin in zip(solver.flat, slow, strict=True):
        np.testing.assert_allclose(fast, twin, rtol=2e-5, atol=2e-5 * np.abs(twin).max())
    if step[0] == OPERATE:
        np.testing.assert_allclose(solver.w.reshape(w.shape), w, rtol=2e-5, atol=2e-5 * np.abs(w).max())
        np.testing.assert_allclose(solver.part, part, rtol=1e-4, atol=1e-4 * np.abs(part).max())


@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("again", [False, True])
def test_balance_of_joined_cells_equals_its_twins(rng, level, again):
    """What cells of a level give to coarser ones on the way down, and get on the way up, both as a step and alone."""
    solver, t, free = solver_of(rng)
    join(rng, solver, t, free)
    fill(rng, solver)
    joints = joints_of(solver)
    joints[-1][0] = rng.normal(size=joints[-1].shape[1])
    slow, noted = [a.copy() for a in solver.flat], [joints[-1].copy() for _ in range(2)]
    alone = [a.copy() for a in solver.flat]
    kernels_multigrid.joined_down(*alone[:2], *joints[:-1], noted[0], level, int(not again))
    kernels_multigrid.joined_up(*alone[:2], *joints[:-1], noted[0], level)
    naive.joined_down(*slow[:2], *joints[:-1], noted[1], level, not again)
    np.testing.assert_allclose(noted[0][0], noted[1][0], rtol=1e-6)
    naive.joined_up(*slow[:2], *joints[:-1], noted[1], level)
    solver._steps(np.array([(GATHER, level, int(not again), 1, 2), (SPREAD, level, 0, 1, 2)]), 0)
    size = np.abs(slow[1]).max()
    np.testing.assert_allclose(solver.flat[1], slow[1], rtol=2e-5, atol=1e-5 * size)
    np.testing.assert_allclose(alone[1], slow[1], rtol=2e-5, atol=1e-5 * size)


@pytest.mark.parametrize("i", [2, 10])
def test_descent_and_ascent_equal_their_twins(rng, i):
    solver, _, _ = solver_of(rng)
    fill(rng, solver)
    _, ni, nj, nm, _ = (int(v) for v in solver.table[0])
    row = np.zeros_like(solver.rows[0])
    residuals = row[: 4 * ((nj + 1) // 2 * nm)].reshape(2, 2, -1, nm)
    for plane, jp, h, m in np.ndindex(residuals.shape):
        cell = (i - 1 + plane, 2 * h + jp, 2 * m + (plane + i - 1 + jp) % 2)
        if all(0 < c < n - 1 for c, n in zip(cell, SHAPE, strict=True)):
            residuals[plane, jp, h, m] = rng.normal()
    fast, slow = solver.flat[1].copy(), solver.flat[1].copy()
    kernels_multigrid.descend(fast, solver.table, 1, i, nj, nm, row.copy())
    naive.descend(slow, solver.table, 1, i, nj, nm, row.copy())
    np.testing.assert_allclose(fast, slow, rtol=1e-5, atol=1e-6)
    u, coef = solver.u[0].reshape(ni, -1), solver.coef[0].reshape(4, ni, -1)
    fast, slow = u.copy(), u.copy()
    kernels_multigrid.ascend(solver.flat[0], solver.table, 1, i, nj, nm, fast, coef, row.copy())
    naive.ascend(solver.flat[0], solver.table, 1, i, nj, nm, slow, coef, row)
    np.testing.assert_allclose(fast, slow, rtol=1e-6)


def test_bottom_solve_equals_its_twin(rng):
    solver, _, _ = solver_of(rng)
    fill(rng, solver)
    _, ni, nj, nm, nk = (int(v) for v in solver.table[-1])
    fast, slow, b = (v.reshape(ni, -1).copy() for v in (solver.u[-1], solver.u[-1], solver.b[-1]))
    kernels_multigrid.bottom(fast, b, nj, nm, nk, solver.inverse, solver.work)
    naive.bottom(slow, b, nj, nm, nk, solver.inverse, None)
    inside = naive.unpack(slow.reshape(solver.u[-1].shape), nj, nk)[1:-1, 1:-1, 1:-1]
    np.testing.assert_allclose(natural(fast.reshape(solver.u[-1].shape), nj, nk)[1:-1, 1:-1, 1:-1], inside, rtol=1e-4)


def test_conjugate_gradient_step_equals_its_twin(rng):
    u, b = rng.normal(size=(2, 5, 2, 2, 12)).astype("f4")
    vectors = rng.normal(size=(4, 5, 2, 12)).astype("f4")
    runs = []
    for code in (kernels_multigrid.turn_and_step, naive.turn_and_step):
        left, part, (w, d, q, y) = b.copy(), np.zeros((5, 5)), vectors.copy()
        code(1, 4, u, left, w, d, q, y, 0.7, -0.3, part)
        runs.append((left, d, q, y, part))
    for fast, slow in zip(*runs, strict=True):
        np.testing.assert_allclose(fast, slow, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("leaky", [False, True])
@pytest.mark.parametrize("shape", [SHAPE, (7, 9, 8)])
def test_true_residual_equals_its_twin(rng, shape, leaky):
    solver, t, free = solver_of(rng, shape)
    source, start = rng.normal(size=(2, *shape))
    leak = rng.random(shape) if leaky else NO_LEAK
    y = rng.normal(size=solver.y.shape).astype("f4")
    runs = []
    for code in (kernels.refresh, naive.refresh):
        x, step, b, part = start.copy(), y.copy(), solver.b[0].copy(), np.zeros((5, shape[0]))
        code(solver.truth[0][0], t, free, 0.6, source, leak, x, step, b, 0.3, 1.7, part)
        runs.append((x, step, b, part))
    for fast, slow in zip(*runs, strict=True):
        np.testing.assert_allclose(fast, slow, rtol=1e-6, atol=1e-6 * max(1.0, float(np.abs(slow).max())))
    parts = np.zeros((2, 5, shape[0]))
    kernels.residual(1, shape[0] - 1, t, free, source, leak, start, parts[0])
    naive.residual(1, shape[0] - 1, t, free, source, leak, start, parts[1])
    np.testing.assert_allclose(parts[0], parts[1], rtol=1e-12)


def test_cycle_is_symmetric_and_positive_on_the_reduced_system(rng):
    """Conjugate gradients need (M a, b) = (a, M b) and (M a, a) > 0 on colour 0: float32 round-off apart."""
    solver, _, free = solver_of(rng, (14, 12, 13))
    i, j, k = np.indices(free.shape)
    mine = (free == 1) & ((i + j + k) % 2 == 0)

    def answer(values):
        solver.b[0][:] = 0
        naive.pack(values * mine, solver.b[0])
        solver.cycle()
        return natural(solver.u[0], *free.shape[1:]) * mine

    a, b = (rng.normal(size=free.shape) * mine for _ in range(2))
    one, two = answer(a), answer(b)
    assert float((one * b).sum()) == pytest.approx(float((a * two).sum()), rel=1e-4)
    assert float((one * a).sum()) > 0


def test_what_nodes_bring_equals_its_twin(rng):
    links, tie = rng.integers(0, 6, (2, 20)), rng.random(20).astype(np.float32)
    network, level = rng.random((6, 6)).astype(np.float32), rng.normal(size=6).astype(np.float32)
    fast, slow = level.copy(), level.copy()
    kernels_multigrid.bring(fast, links, tie, network)
    naive.bring(slow, links, tie, network)
    np.testing.assert_allclose(fast, slow, rtol=1e-4, atol=1e-5)


def test_cycle_with_joined_cells_is_symmetric_and_nearly_inverts_the_operator(rng):
    """(M a, b) = (a, M b) on colour 0; conjugate gradients then take as few iterations as without the network.

    The peer solves the same cells with the network's part of the operator seen by nobody but the conjugate gradient.
    """
    shape = (18, 20, 19)
    solver, t, free = solver_of(rng, shape)
    t[t > 0] = 1.0
    join(rng, solver, t, free, 120, 40)
    i, j, k = np.indices(shape)
    mine = (free == 1) & ((i + j + k) % 2 == 0)

    def answer(values):
        solver.b[0][:] = 0
        naive.pack(values * mine, solver.b[0])
        solver.cycle()
        solver.joints.give_back(solver.flat[1])
        np.testing.assert_array_equal(natural(solver.b[0], *shape[1:]), (values * mine).astype(np.float32))
        return natural(solver.u[0], *shape[1:]) * mine

    a, b = (rng.normal(size=shape) * mine for _ in range(2))
    one, two = answer(a), answer(b)
    assert float((one * b).sum()) == pytest.approx(float((a * two).sum()), rel=1e-4)
    assert float((one * a).sum()) > 0
    source = rng.normal(size=shape) * free
    counts = []
    for blind in (False, True):
        if blind:
            solver.joints.tie[:] = 0
        report = solver.solve(t, free, source, np.zeros(shape), norm=1.0, tolerance=1e-8)
        assert report.converged
        counts.append(report.iterations)
    assert counts[0] < 0.7 * counts[1], counts


def test_chasing_sweeps_give_the_bits_of_one_after_the_other_for_any_threads(rng):
    shape = (42, 9, 10)
    solver, _, _ = solver_of(rng, shape)
    stages = [(SWEEP, 0, 0), (SWEEP, 0, 1), (SWEEP, 0, 0), (DESCEND, 0, 0)]
    fill(rng, solver)
    start = [v.copy() for v in solver.flat]
    results = []
    for plan in ([[whole(stages, 42)]], chase(stages, 42, 1), chase(stages, 42, 2)):
        for flat, first in zip(solver.flat, start, strict=True):
            flat[:] = first
        for act in plan:
            for program in reversed(act):
                solver._steps(program, 0)
        results.append((solver.flat[0].copy(), solver.flat[1].copy()))
    assert len(chase(stages, 42, 2)[0]) == 2
    for other in results[1:]:
        for one, same in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(one, same)


def test_two_threads_solve_to_the_same_bits(rng):
    shape = (50, 34, 38)
    found = []
    for threads in (1, 2):
        solver, t, free = solver_of(np.random.default_rng(3), shape, threads)
        source, x = np.zeros(shape), np.zeros(shape)
        source[20, 15, 12] = 1.0
        free[20, 15, 12] = 1
        solver.setup(t, free)
        report = solver.solve(t, free, source, x, norm=1.0, tolerance=1e-8)
        assert report.converged
        found.append(x)
    np.testing.assert_array_equal(*found)
