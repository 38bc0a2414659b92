"""The pressure once more by a sparse matrix and a direct solver: no code of the room, any size, any contrast."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import spsolve

from vertebro.flow import FlowProblem, Outlet, Stepper, Well, solve_pressure
from vertebro.grid import VoxelGrid


def conductances(problem, viscosity):
    """Rows of (cell, next cell, flow per pressure): half cells in series, each with its own permeability and fluid, a
    thin layer between them: 1/T = μ_i h/(2 K_i A) + μ_j h/(2 K_j A) + μ R/A (one fluid where there are layers)."""
    number = np.arange(problem.grid.size).reshape(problem.grid.shape)
    takes_part = (problem.porosity > 0) & (problem.permeability.max(axis=0) > 0)
    rows, h = [], problem.grid.spacing
    for axis in range(3):
        area = problem.grid.voxel_volume / h[axis]
        with np.errstate(divide="ignore"):
            half = viscosity * h[axis] / (2 * problem.permeability[axis] * area)
        half[~takes_part] = np.inf
        before, after = (np.take(half, range(*r), axis) for r in ((0, half.shape[axis] - 1), (1, half.shape[axis])))
        total = before + after
        if problem.face_resistance is not None:
            layer = np.take(problem.face_resistance[axis], range(half.shape[axis] - 1), axis)
            total = total + layer * float(viscosity.flat[0]) / area
        here = np.take(number, range(half.shape[axis] - 1), axis)
        there = np.take(number, range(1, half.shape[axis]), axis)
        rows.append(np.stack([here.ravel(), there.ravel(), 1 / total.ravel()]))
    return np.concatenate(rows, axis=1)


def laplacian(problem, viscosity):
    i, j, t = conductances(problem, viscosity)
    i, j = i[t > 0].astype(int), j[t > 0].astype(int)
    t = t[t > 0]
    off = sparse.coo_array((t, (i, j)), shape=(problem.grid.size,) * 2)
    off = (off + off.T).tocsr()
    return sparse.diags_array(off.sum(axis=1)) - off


def numbers(problem, cells):
    return np.ravel_multi_index(np.asarray(cells).T, problem.grid.shape)


def held_and_free(problem, a):
    """Pressures of outlets, and the cells that some outlet drains: the others float and take no part."""
    held = np.full(problem.grid.size, np.nan)
    takes_part = (problem.porosity > 0) & (problem.permeability.max(axis=0) > 0)
    for outlet in problem.outlets:
        held[numbers(problem, outlet.cells)] = outlet.pressure
    held[~takes_part.ravel()] = np.nan
    _, region = connected_components(a, directed=False)
    drained = np.isin(region, region[~np.isnan(held)])
    return held, np.isnan(held) & drained


def direct(problem, viscosity, source):
    """Pressure by sparse elimination: A_ff p_f = q_f - A_fo p_o."""
    a = laplacian(problem, viscosity)
    held, free = held_and_free(problem, a)
    p = np.nan_to_num(held)
    p[free] = 0.0
    if free.any():
        p[free] = spsolve(a[free][:, free].tocsc(), (source - a @ p)[free])
    return p.reshape(problem.grid.shape)


def rough(shape, decades, seed, *, closed=0.12, layers=True):
    """Random bone: permeability over `decades`, closed cells, cells closed along one axis, thin and tight layers."""
    rng = np.random.default_rng(seed)
    k = 10.0 ** rng.uniform(-8 - decades / 2, -8 + decades / 2, (3, *shape))
    k[rng.random(k.shape) < 0.02] = 0.0
    porosity = np.where(rng.random(shape) < closed, 0.0, 0.8)
    walls = np.where(rng.random((3, *shape)) < 0.2, 10.0 ** rng.uniform(3, 7, (3, *shape)), 0.0) if layers else None
    if layers:
        walls[rng.random(walls.shape) < 0.02] = np.inf
    tip, ends = tuple(n // 2 for n in shape), [(0, 0, 0), tuple(n - 1 for n in shape)]
    for cell in (tip, *ends):
        porosity[cell] = 0.8
        k[(slice(None), *cell)] = 1e-8
    return FlowProblem(
        grid=VoxelGrid(shape=shape, spacing=(1e-3, 0.8e-3, 1.3e-3)),
        porosity=porosity,
        permeability=k,
        face_resistance=walls,
        injected=3.0,
        displaced=3.0,
        wells=[Well(cells=[tip], rate=5e-8)],
        outlets=[Outlet(cells=ends, pressure=[500.0, -200.0])],
    )


SHAPES = [(2, 3, 5), (7, 11, 13), (17, 19, 1), (1, 23, 5), (29, 1, 1), (1, 1, 37), (31, 3, 2), (4, 8, 16), (13, 2, 13)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("decades", [0.0, 2.0, 6.0])
def test_pressure_equals_a_direct_solve_on_any_grid(shape, decades):
    """Primes, powers of two, one and two axes of one cell; floating pockets and closed faces included. Where no path
    leads from the tip to an outlet, the pressure stays that of the outlets and the report names the sealed well."""
    for seed in range(4):
        problem = rough(shape, decades, seed)
        state = problem.initial_state()
        report = solve_pressure(problem, state, tolerance=1e-12)
        source = np.zeros(problem.grid.size)
        if not report.sealed:
            source[numbers(problem, problem.wells[0].cells)] = 5e-8
        exact = direct(problem, np.full(shape, 3.0), source)
        np.testing.assert_allclose(state.pressure, exact, atol=1e-7 * max(float(np.ptp(exact)), 1.0))


def residual_of(problem, p, source, viscosity):
    """Length of (source - A p) over the free cells, over that of the source."""
    a = laplacian(problem, viscosity)
    _, free = held_and_free(problem, a)
    return float(np.linalg.norm((source - a @ p.ravel())[free]) / np.linalg.norm(source))


def clefts(shape=(24, 22, 20)):
    """Oblique one-voxel channels (1e-6 m²) and barriers (1e-16 m²) in bone of 1e-11 m², the barriers with one hole."""
    i, j, k = np.indices(shape)
    field = np.full(shape, 1e-11)
    field[(i + j // 2 - k) % 11 == 0] = 1e-16
    field[(i - j + k // 2) % 9 == 0] = 1e-6
    field[(2 * i + j + k) % 29 == 0] = 1e-16
    return field


def test_one_voxel_channels_and_barriers_over_ten_decades():
    """The residual the solver reports is the one that the matrix finds; the needle pressure is that of the direct
    solve. (At ten decades rounding alone moves the direct solution by 1e-6 of its range.)"""
    shape = (24, 22, 20)
    problem = FlowProblem(
        grid=VoxelGrid(shape=shape, spacing=(1e-3,) * 3), porosity=0.8, permeability=clefts(shape), injected=3.0,
        displaced=3.0, wells=[Well(cells=[(12, 11, 10)], rate=5e-8)],
        outlets=[Outlet(cells=[(0, 0, 0), (23, 21, 19)])],
    )  # fmt: skip
    state = problem.initial_state()
    report = solve_pressure(problem, state, tolerance=1e-9)
    assert report.iterations < 150
    viscosity, source = np.full(shape, 3.0), np.zeros(problem.grid.size)
    source[numbers(problem, [(12, 11, 10)])] = 5e-8
    assert residual_of(problem, state.pressure, source, viscosity) < 1e-8
    exact = direct(problem, viscosity, source)
    assert state.pressure[12, 11, 10] == pytest.approx(exact[12, 11, 10], rel=1e-6)


@pytest.mark.parametrize("decades", [6.0, 8.0, 10.0])
def test_contrast_is_met_to_the_residual_that_is_reported(decades):
    """White noise over up to ten decades, the worst case for any coarse grid (measured: 54, 119, 269 iterations)."""
    problem = rough((15, 14, 13), decades, 5, closed=0.0, layers=False)
    noise = np.where(problem.permeability[0] > 0, problem.permeability[0], 1e-8)
    problem = replace(problem, permeability=noise)
    state = problem.initial_state()
    report = solve_pressure(problem, state, tolerance=1e-7)
    source = np.zeros(problem.grid.size)
    source[numbers(problem, problem.wells[0].cells)] = 5e-8
    found = residual_of(problem, state.pressure, source, np.full(problem.grid.shape, 3.0))
    # the solver measures against the outlets' own flow where that is larger than the well's
    assert report.residual <= 1e-7
    assert found < 1e-5


@pytest.mark.parametrize("tolerance", [1e-5, 1e-9])
def test_the_pressure_handed_out_belongs_to_the_fill_handed_out(tolerance):
    """After a run with cement 400 times thicker than marrow: the residual of the last pressure for the last fill, with
    μ_i = s μ_c + (1 - s) μ_m in every cell, stays within the tolerance."""
    shape, rate = (13, 12, 11), 5e-8
    k = 1e-8 * np.exp(np.random.default_rng(2).normal(size=(3, *shape)))
    problem = FlowProblem(
        grid=VoxelGrid(shape=shape, spacing=(1e-3,) * 3), porosity=0.8, permeability=k, injected=20.0, displaced=0.05,
        wells=[Well(cells=[(6, 6, 5)], rate=rate)], outlets=[Outlet(cells=[(0, 0, 0), (12, 0, 10)])],
    )  # fmt: skip
    state = problem.initial_state()
    report = Stepper(problem, tolerance=tolerance).advance(state, 6.0)
    source = np.zeros(problem.grid.size)
    source[numbers(problem, [(6, 6, 5)])] = rate
    viscosity = 0.05 + state.saturation * (20.0 - 0.05)
    assert residual_of(problem, state.pressure, source, viscosity) < 1.01 * tolerance
    assert report.residual <= tolerance


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("piston", "two-phase"), ("piston", "cement-only"), ("linear", "two-phase"), ("corey2", "two-phase")],
)
def test_every_step_closes_its_own_balance_to_1e_10(kind, mode):
    """Counted from the state alone: what the well gave in a step is what came to lie in the pores plus what left."""
    shape = (11, 12, 9)
    k = 1e-8 * np.exp(1.5 * np.random.default_rng(4).normal(size=(3, *shape)))
    porosity = np.random.default_rng(5).uniform(0.2, 0.95, shape)
    problem = FlowProblem(
        grid=VoxelGrid(shape=shape, spacing=(1e-3, 1.2e-3, 0.9e-3)), porosity=porosity, permeability=k, injected=5.0,
        displaced=0.5, wells=[Well(cells=[(5, 6, 4)], rate=5e-8)], residual_displaced=0.1,
        outlets=[Outlet(cells=[(8, 6, 4)], name="near"), Outlet(cells=[(0, 0, 0)], name="far")],
        relative_permeability=kind, mode=mode,
    )  # fmt: skip
    state, stepper = problem.initial_state(), Stepper(problem, tolerance=1e-3)
    pores = porosity * 0.9 * problem.grid.voxel_volume
    held = gone = 0.0
    for _ in range(12):
        stepper.advance(state, 0.9)
        now, out = float((state.saturation * pores).sum()), sum(state.outflow.values())
        assert abs(5e-8 * 0.9 - (now - held) - (out - gone)) < 1e-10 * 5e-8 * 0.9
        held, gone = now, out
    assert gone > 0


@pytest.mark.parametrize("seed", range(3))
def test_channels_a_million_times_more_open_in_rough_bone(seed):
    """Contrast beyond 1e10 with one-voxel channels and a ball of thick cement: float32 directions give way to float64
    ones and the coarse levels to connected pieces; the matrix finds the residual that is reported."""
    n, rng = 21, np.random.default_rng(seed)
    k = 1e-12 * np.exp(2.5 * rng.normal(size=(n,) * 3))
    for j, m in rng.integers(2, n - 2, (3, 2)):
        k[:, j, m] *= 1e6
        k[j, :, m] *= 1e6
    k = np.minimum(k, 1e-4)
    centre = (n // 2,) * 3
    problem = FlowProblem(
        grid=VoxelGrid(shape=(n,) * 3, spacing=(1e-3,) * 3), porosity=0.9, permeability=k, injected=100.0,
        displaced=0.05, wells=[Well(cells=[centre], rate=5e-8)],
        outlets=[Outlet(cells=[(0, 0, 0), (n - 1, n - 1, n - 1)])],
    )  # fmt: skip
    state = problem.initial_state()
    state.saturation[((np.indices((n,) * 3) - n // 2) ** 2).sum(axis=0) < 16] = 1.0
    report = solve_pressure(problem, state, tolerance=1e-7)
    assert report.residual <= 1e-7
    assert report.iterations < 60
    source = np.zeros(problem.grid.size)
    source[numbers(problem, [centre])] = 5e-8
    viscosity = np.where(state.saturation > 0, 100.0, 0.05)
    assert residual_of(problem, state.pressure, source, viscosity) < 1e-6
