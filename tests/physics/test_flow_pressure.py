"""The pressure equation against closed solutions (research notes, physics 7.1)."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import elliprf

from physics.flow_cases import PHI, ball, column, with_source
from vertebro.flow import FlowProblem, Outlet, Stepper, Well, lattice_green, solve_pressure
from vertebro.flow.wells import needle_gauge
from vertebro.grid import VoxelGrid


def solved(problem, tolerance=1e-10):
    state = problem.initial_state()
    report = solve_pressure(problem, state, tolerance=tolerance)
    assert report.residual <= tolerance
    return state.pressure


def test_lattice_constant_of_the_cube():
    """Watson's integral: a unit source raises its own cell by 0.252731 μ/(K h); its neighbour by 1/6 less, since
    6 G(0) - 6 G(1) = 1. The equivalent radius is 1/(4π 0.252731) h = 0.31487 h."""
    g = lattice_green([(0, 0, 0), (1, 0, 0), (9, 7, 8)], (1.0, 1.0, 1.0))
    assert g[0] == pytest.approx(0.252731009858663, abs=1e-9)
    assert g[0] - g[1] == pytest.approx(1 / 6, abs=3e-9)
    assert g[2] == pytest.approx(1 / (4 * np.pi * np.sqrt(81 + 49 + 64)), rel=2e-3)
    assert 1 / (4 * np.pi * g[0]) == pytest.approx(0.31487, abs=1e-5)


@pytest.mark.parametrize(
    ("k", "spacing"),
    [
        ((1e-8, 1e-8, 1e-8), (1e-3, 1e-3, 1e-3)),
        ((1e-8, 1e-8, 2.05e-8), (1e-3, 1e-3, 1e-3)),
        ((0.5e-8, 1e-8, 2e-8), (1e-3, 1e-3, 1e-3)),
        ((1e-8, 2e-8, 1e-8), (1e-3, 1.4e-3, 0.7e-3)),
    ],
)
def test_point_source_in_a_box_that_holds_its_own_field(k, spacing):
    """In ξ_d = x_d/√k_d the equation is Poisson's and the source μQ/√(k1 k2 k3): p = μQ / (4π √(k1 k2 k3) ρ),
    ρ² = Σ x²/k. Put on the border, it appears inside; in the source's own cell the lattice constant stands for it
    (0.252731 μQ/(K h) in isotropic bone), also in anisotropic bone and flat cells: measured 1e-5 to 3e-5."""
    n, rate, mu, h = 25, 5e-8, 10.0, np.array(spacing)
    grid = VoxelGrid(shape=(n,) * 3, spacing=spacing, origin=tuple(-(n // 2) * h))
    x, y, z = grid.open_mesh()
    rho = np.sqrt(x**2 / k[0] + y**2 / k[1] + z**2 / k[2])
    rho[n // 2, n // 2, n // 2] = np.inf
    exact = mu * rate / (4 * np.pi * np.sqrt(np.prod(k)) * rho)
    border = np.ones(rho.shape, bool)
    border[1:-1, 1:-1, 1:-1] = False
    problem = FlowProblem(
        grid=grid,
        porosity=PHI,
        permeability=np.broadcast_to(np.reshape(k, (3, 1, 1, 1)), (3, n, n, n)),
        injected=mu,
        displaced=mu,
        wells=[Well(cells=[(n // 2,) * 3], rate=rate)],
        outlets=[Outlet(cells=np.argwhere(border), pressure=exact[border])],
    )
    p = solved(problem)
    far = (np.sqrt((x / h[0]) ** 2 + (y / h[1]) ** 2 + (z / h[2]) ** 2) > 8) & ~border
    assert np.max(np.abs(p[far] / exact[far] - 1)) < 0.02
    centre = mu * rate * lattice_green((0, 0, 0), np.array(k) * h.prod() / h**2)
    assert p[n // 2, n // 2, n // 2] == pytest.approx(float(centre), rel=1e-4)
    if len({*k}) == len({*spacing}) == 1:
        assert p[n // 2, n // 2, n // 2] == pytest.approx(0.252731 * mu * rate / (k[0] * h[0]), rel=2e-5)


@pytest.mark.parametrize("radius", [0.2e-3, 0.5e-3, 1.5e-3, 2.4e-3])
@pytest.mark.parametrize("cells", [[(12, 12, 12)], [(12, 12, 12), (12, 12, 13)]])
def test_needle_pressure_does_not_depend_on_the_grid(radius, cells):
    """Sphere of radius r_w in endless rock: p_w = μQ/(4πK r_w). Thin needles get the lattice correction, thick ones are
    read between two shells; both agree with the closed form on any grid because the source is uniform."""
    n, k, rate, mu = 25, 1e-8, 5e-8, 10.0
    for h in (1e-3, 0.5e-3):
        active = np.ones((n,) * 3, bool)
        where = np.array(cells)
        gauge = needle_gauge(where, np.full(len(cells), 1 / len(cells)), np.full(3, k), (h,) * 3, radius, active)
        offsets = gauge.cells[:, None, :] - where[None]
        p = mu * rate * lattice_green(offsets, np.full(3, k * h)).mean(axis=1)
        needle = float(gauge.weights @ p) + gauge.index * rate * mu
        assert needle == pytest.approx(mu * rate / (4 * np.pi * k * radius), rel=1e-6)
        assert np.all(gauge.weights >= 0)


def test_needle_in_anisotropic_rock_is_an_ellipsoid():
    """In stretched coordinates the sphere is an ellipsoid: its capacity is Carlson's R_F."""
    k, r = np.array([1e-8, 2e-8, 3e-8]), 0.05e-3
    gauge = needle_gauge(np.array([[5, 5, 5]]), np.ones(1), k, (1e-3,) * 3, r, np.ones((11,) * 3, bool))
    own = float(lattice_green((0, 0, 0), k * 1e-3))
    assert own + gauge.index == pytest.approx(elliprf(*(r**2 / k)) / (4 * np.pi * np.sqrt(k.prod())), rel=1e-9)


def test_layers_in_series_are_exact():
    """Linear flow through layers: Δp = (μQ/A) Σ d/K; half cells at both ends. Faces add their resistance exactly."""
    n, h, rate, mu = 24, 1e-3, 1e-8, 7.0
    k = np.array([1e-8, 1e-12, 3e-7])[np.arange(n) % 3].reshape(n, 1, 1)
    walls = np.zeros((3, n, 1, 1))
    walls[0, 10] = 2e9
    problem = column(n, h, rate=rate, injected=mu, displaced=mu, permeability=k, face_resistance=walls)
    p = solved(problem, 1e-9)[:, 0, 0]
    d = np.full(n, h)
    d[[0, -1]] = h / 2
    assert p[0] == pytest.approx(mu * rate / h**2 * ((d / k[:, 0, 0]).sum() + 2e9), rel=1e-10)


def test_layers_in_parallel_are_exact():
    """Layers along the flow share it in proportion to K: all have the same pressure."""
    n, m, rate, mu = 12, 6, 1e-8, 7.0
    k = np.broadcast_to(10.0 ** -np.arange(6, 12).reshape(1, m, 1), (n, m, 1))
    ends = [Outlet(cells=[(n - 1, j, 0) for j in range(m)])]
    well = Well(cells=[(0, j, 0) for j in range(m)], rate=rate)
    grid = VoxelGrid(shape=(n, m, 1), spacing=(1e-3,) * 3)
    problem = FlowProblem(
        grid=grid, porosity=PHI, permeability=k, injected=mu, displaced=mu, wells=[well], outlets=ends
    )
    state = problem.initial_state()
    report = Stepper(problem, tolerance=1e-13).advance(state, 1e-9)
    assert report.well_pressures["well"] == pytest.approx(mu * rate * (n - 1) / (1e-3 * k[0].sum()), rel=1e-10)
    assert np.ptp(state.pressure[3]) < 1e-9 * state.pressure[3].max()


def test_thin_layer_adds_its_own_pressure():
    """A layer of resistance R = δ/K_s [1/m] over an area A: extra drop μ Q R / A."""
    shell = np.zeros((3, 20, 1, 1))
    shell[0, 9] = 1e6
    with_shell, without = (solved(column(20, face_resistance=f), 1e-12) for f in (shell, None))
    extra = with_shell[0, 0, 0] - without[0, 0, 0]
    assert extra == pytest.approx(0.05 * 1e-8 * 1e6 / 1e-6, rel=1e-8)


@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0), (1.0, 0.2, 3.0)])
def test_manufactured_solution_converges_with_order_two(weights):
    """p = cos 2x cos 3y cos z with K_d = w_d (1 + x/2): the source that makes it exact, -∇·(K∇p) =
    (4 w_x + 9 w_y + w_z)(1 + x/2) p + w_x sin 2x cos 3y cos z, is put into every cell, p on the border."""
    errors, (wx, wy, wz) = [], weights
    for n in (16, 32, 48):
        h = 1.0 / n
        grid = VoxelGrid(shape=(n,) * 3, spacing=(h,) * 3, origin=(h / 2,) * 3)
        x, y, z = grid.open_mesh()
        exact = np.cos(2 * x) * np.cos(3 * y) * np.cos(z)
        k = (1 + x / 2) * np.ones((3, n, n, n)) * np.reshape(weights, (3, 1, 1, 1))
        minus_div = (4 * wx + 9 * wy + wz) * (1 + x / 2) * exact + wx * np.sin(2 * x) * np.cos(3 * y) * np.cos(z)
        border = np.ones(exact.shape, bool)
        border[1:-1, 1:-1, 1:-1] = False
        problem = FlowProblem(
            grid=grid, porosity=PHI, permeability=k * 1e-3, injected=1e-3, displaced=1e-3,
            outlets=[Outlet(cells=np.argwhere(border), pressure=exact[border])],
        )  # fmt: skip
        errors.append(np.max(np.abs(with_source(problem, minus_div * h**3) - exact)))
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2.0, abs=0.2)
    assert np.log(errors[1] / errors[2]) / np.log(1.5) == pytest.approx(2.0, abs=0.2)


def test_five_spot_rate():
    """Quarter of a five-spot, unit mobility: Q = πKhΔp / (μ [ln(d/r_w) - 0.6190]).

    Mirrored, the corner cell is one of four around the well. On the plane lattice G(0) - G(1,0) = 1/4 and
    G(0) - G(1,1) = 1/π, and a single cell stands at Peaceman's r_o = 0.1985 h, so four stand at
    r = r_o exp[2π (2/4 + 1/π)/4] = 0.718 h."""
    n, h, k, mu, rate = 48, 1.0, 1e-8, 1.0, 1e-6
    grid = VoxelGrid(shape=(n, n, 1), spacing=(h,) * 3)
    problem = FlowProblem(
        grid=grid, porosity=PHI, permeability=k, injected=mu, displaced=mu,
        wells=[Well(cells=[(0, 0, 0)], rate=rate)], outlets=[Outlet(cells=[(n - 1, n - 1, 0)])],
    )  # fmt: skip
    drop = solved(problem, 1e-10)[0, 0, 0]
    distance, r_o = np.sqrt(2) * n * h, 0.1985 * h * np.exp(np.pi / 2 * (1 / 2 + 1 / np.pi))
    whole = np.pi * k * h * drop / (mu * (np.log(distance / r_o) - 0.6190))
    assert 4 * rate == pytest.approx(whole, rel=0.005)


def test_iterations_hardly_grow_with_the_grid():
    """A log-normal ball with a hundredfold cement core: iterations at 20, 40 and 60 cells across stay within a few."""
    counts = []
    for n in (21, 41, 61):
        problem = ball(n, 42e-3 / n)
        x, y, z = problem.grid.open_mesh()
        wave = np.sin(900 * x) * np.cos(700 * y) + np.sin(800 * z + 300 * x)
        core = x**2 + y**2 + z**2 < 8e-3**2
        k = 1e-8 * np.exp(wave) * np.where(core, 0.01, 1.0)
        problem = FlowProblem(
            grid=problem.grid, porosity=problem.porosity, permeability=k, injected=1.0, displaced=1.0,
            wells=problem.wells, outlets=problem.outlets,
        )  # fmt: skip
        counts.append(solve_pressure(problem, problem.initial_state()).iterations)
    assert max(counts) <= 16
    assert counts[-1] <= counts[0] + 6
