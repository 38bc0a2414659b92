"""Shocks, sweeps, orientation, stability and age of fronts against closed solutions (notes, physics 7.1 to 7.5).

Balls, cylinders and columns as the needle feels them: `test_flow_needle`; symmetry, viscosity: `test_flow_invariance`.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import eval_legendre

from physics.flow_cases import MARROW, PHI, K, Q, ball, ball_share, column, cone_radius, octant
from vertebro.flow import FlowProblem, Outlet, Stepper, Well
from vertebro.grid import VoxelGrid


def run(problem, seconds, **settings):
    state = problem.initial_state()
    return state, Stepper(problem, **settings).advance(state, seconds)


# sharp front, Newtonian -------------------------------------------------------------------------------------------


def test_column_at_constant_rate_is_exact_at_faces():
    """Δp = (q/K)[μ_c x + μ_m (L - x)]: resistances in series, so no grid error at all once the front is at a face."""
    n, h, rate = 40, 1e-3, 1e-8
    problem = column(n, h, rate=rate)
    state, stepper = problem.initial_state(), Stepper(problem, tolerance=1e-12)
    for _ in range(6):
        report = stepper.advance(state, 0.31)
        x = state.injected_volume / (PHI * h**2) - h / 2
        front = state.saturation[:, 0, 0]
        assert np.sum((front > 0) & (front < 1)) <= 1
        # a part-filled cell resists as a whole, both its halves: exact when the front is at a face, near it between
        closed = rate / (K * h**2) * (100.0 * x + MARROW * ((n - 1) * h - x))
        assert report.well_pressures["well"] == pytest.approx(closed, abs=rate / (K * h**2) * 100.0 * h / 2)
    stepper.advance(state, 25 * h**3 * PHI / rate - state.time)
    report = stepper.advance(state, 0.0)
    closed = rate / (K * h) * (100.0 * 24.5 + MARROW * 14.5)
    assert report.well_pressures["well"] == pytest.approx(closed, rel=1e-9)


def shock(ratio):
    """Corey 2: S* = √(A/(1+A)); speed f(S*)/S*."""
    s = np.sqrt(ratio / (1 + ratio))
    return s, s / (s**2 + ratio * (1 - s) ** 2)


@pytest.mark.parametrize(
    ("ratio", "front", "speed"),
    [
        (0.1, 0.30151, 2.15831),
        (1.0, 0.70711, 1.20711),
        (10.0, 0.95346, 1.02440),
        (100.0, 0.99504, 1.00249),
        (1e3, 0.99950, 1.00025),
    ],
)
def test_buckley_leverett_column(ratio, front, speed):
    """x(S) = (qt/φA) f'(S) behind a shock at S*: shock within a cell, saturation behind it within 2 %."""
    assert shock(ratio) == pytest.approx((front, speed), rel=1e-4)
    n, h, rate = 100, 1e-3, 1e-8
    problem = column(n, h, rate=rate, injected=ratio, displaced=1.0, relative_permeability="corey2")
    seconds = 0.6 * (n * h**3 * PHI) / rate / speed
    state, _ = run(problem, seconds, max_step=seconds / 120)
    s = state.saturation[:, 0, 0]
    where = np.flatnonzero(s > front / 2)[-1] + 1
    assert where * h == pytest.approx(0.6 * n * h, abs=h)
    # compare with cell means of the closed profile
    fine = np.linspace(front, 1, 20001)
    steep = 2 * ratio * fine * (1 - fine) / (fine**2 + ratio * (1 - fine) ** 2) ** 2
    position = steep * seconds * rate / (PHI * h**2)
    cells = (np.arange(n * 20) + 0.5) / 20 * h
    exact = np.interp(cells, position[::-1], fine[::-1], right=0.0).reshape(n, 20).mean(axis=1)
    assert np.abs(s - exact).sum() / exact.sum() < 0.01
    np.testing.assert_allclose(s[1 : where - 2], exact[1 : where - 2], rtol=0.02)


def closed_ball(grid, ratio, share, sub=4):
    """Cell means of the closed profile in an octant, `share` of its volume injected."""
    n, h = grid.shape[0], grid.spacing[0]
    fine = np.linspace(shock(ratio)[0], 1, 4001)
    steep = 2 * ratio * fine * (1 - fine) / (fine**2 + ratio * (1 - fine) ** 2) ** 2
    x2 = ((np.arange(n * sub) + 0.5) / sub * h) ** 2
    swept = np.pi / 6 * (x2[:, None, None] + x2[None, :, None] + x2[None, None, :]) ** 1.5 / (share * (n * h) ** 3)
    exact = np.where(swept <= steep[0], np.interp(swept, steep[::-1], fine[::-1]), 0.0)
    return exact.reshape(n, sub, n, sub, n, sub).mean(axis=(1, 3, 5))


@pytest.mark.parametrize(("ratio", "limit"), [(0.1, 0.03), (1.0, 0.03), (10.0, 0.02), (100.0, 0.02), (1e3, 0.02)])
def test_buckley_leverett_ball(ratio, limit):
    """4πr³/3 = (Qt/φ) f'(S): mean error over the ball's own volume, 24 cells from the tip to the border."""
    n, share = 24, 0.06
    state, grid, report = octant(n, share=share, steps=40, injected=ratio)
    exact = closed_ball(grid, ratio, share)
    assert np.abs(state.saturation - exact).sum() / exact.sum() < limit
    assert report.balance_error < 1e-12


# grid orientation -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "ratio", "share"),
    [
        ("piston", 1.0, 0.05),
        ("piston", 100.0, 0.05),
        ("corey2", 100.0, 0.05),
        ("corey2", 10.0, 0.05),
        ("corey2", 1.0, 0.05),
        ("corey2", 0.1, 0.05),
        ("corey2", 0.1, 0.025),
    ],
)
def test_the_front_does_not_see_the_grid(kind, ratio, share):
    """Radius in cones around the axis and around the diagonal, 14.6 cells out and less: each over that of the closed
    solution's cell means in the same cone, within 2 % of each other."""
    n = 32
    state, grid, _ = octant(n, share=share, steps=40, injected=ratio, kind=kind)
    radius = (6 * share / np.pi) ** (1 / 3) * n * grid.spacing[0]
    closed = ball_share(grid, radius) if kind == "piston" else closed_ball(grid, ratio, share)
    axis, diagonal = (
        cone_radius(state.saturation, grid, radius, d) / cone_radius(closed, grid, radius, d)
        for d in ((1, 0, 0), (1, 1, 1))
    )
    assert axis / diagonal == pytest.approx(1.0, abs=0.02)


def test_first_order_sees_the_grid_more():
    ratios = []
    for sharp in (True, False):
        state, grid, _ = octant(24, share=0.05, steps=30, injected=0.1, sharp=sharp)
        radius = (6 * 0.05 / np.pi) ** (1 / 3) * 24e-3
        axis, diagonal = (cone_radius(state.saturation, grid, radius, d) for d in ((1, 0, 0), (1, 1, 1)))
        ratios.append(abs(axis / diagonal - 1))
    assert ratios[0] < ratios[1]


# two modes --------------------------------------------------------------------------------------------------------


def test_both_modes_agree_when_marrow_is_thin():
    a, b = (
        run(ball(31, 1e-3, outer=14e-3, injected=100.0, displaced=1e-3, mode=m), 40.0)
        for m in ("two-phase", "cement-only")
    )
    assert np.abs(a[0].saturation - b[0].saturation).sum() < 0.01 * a[0].saturation.sum()
    assert a[1].well_pressures["well"] == pytest.approx(b[1].well_pressures["well"], rel=0.005)


# areal sweep ------------------------------------------------------------------------------------------------------


def five_spot_sweep(n, kind):
    """Injected share of the area when a thousandth of it has left, unit mobility, wells in opposite corners."""
    h, rate = 1e-3, 1e-9
    problem = FlowProblem(
        grid=VoxelGrid(shape=(n, n, 1), spacing=(h,) * 3), porosity=PHI, permeability=K, injected=1.0, displaced=1.0,
        wells=[Well(cells=[(0, 0, 0)], rate=rate)], outlets=[Outlet(cells=[(n - 1, n - 1, 0)])],
        relative_permeability=kind,
    )  # fmt: skip
    state, stepper = problem.initial_state(), Stepper(problem)
    area = n * n * h**3 * PHI
    while state.outflow["outlet"] < 1e-3 * area:
        assert stepper.advance(state, 0.01 * area / rate).balance_error < 1e-12
    return state.injected_volume / area


def test_five_spot_sweeps_0718_of_the_area_at_breakthrough():
    """The closed areal sweep at breakthrough is 0.718 (recalled in the notes; the time of flight along the diagonal of
    a fine grid gives 0.7177). Mixed flow lets it through a little early, a sharp front a little late: its cusp at the
    outlet is thinner than a cell, and nearer 0.718 the finer the grid."""
    assert five_spot_sweep(48, "linear") == pytest.approx(0.718, abs=0.03)
    coarse, fine = five_spot_sweep(24, "piston"), five_spot_sweep(48, "piston")
    assert 0.70 < fine < coarse
    assert fine == pytest.approx(0.718, abs=0.07)


# stability --------------------------------------------------------------------------------------------------------


def dented_ball(grid, radius, dent, mode, sub=4):
    """Share of each cell inside r < radius (1 + dent P_mode(cos θ)) around the origin, θ from the last axis."""
    x, y, z = (
        ((np.arange(n * sub) + 0.5) / sub - 0.5) * h + o
        for n, h, o in zip(grid.shape, grid.spacing, grid.origin, strict=True)
    )
    r = np.sqrt(x[:, None, None] ** 2 + y[None, :, None] ** 2 + z[None, None, :] ** 2)
    inside = r < radius * (1 + dent * eval_legendre(mode, z / r))
    a, b, c = grid.shape
    return inside.reshape(a, sub, b, sub, c, sub).mean(axis=(1, 3, 5))


def growth(mode, ratio, n, cells):
    """d ln(ε/R) / d ln R of a mode while R grows from `cells` cells by a quarter, n cells to the border.

    Half the difference of ∫ s P r⁻² dV between runs with opposite dents: what the grid does to both drops out.
    """
    h, rate, odd = 1e-3, 1e-8, mode % 2
    shape, low = ((n, n, 2 * n), -(n - 0.5) * h) if odd else ((n, n, n), h / 2)
    grid = VoxelGrid(shape=shape, spacing=(h,) * 3, origin=(h / 2, h / 2, low))
    x, y, z = grid.open_mesh()
    r = np.sqrt(x**2 + y**2 + z**2)
    part = 4 if odd else 8
    rim = (r >= (n - 1) * h) & (r < (n + 0.8) * h)
    problem = FlowProblem(
        grid=grid, porosity=np.where(r < (n + 0.8) * h, 1.0, 0.0), permeability=K, injected=ratio, displaced=1.0,
        wells=[Well(cells=[(0, 0, n - 1), (0, 0, n)] if odd else [(0, 0, 0)], rate=rate)],
        outlets=[Outlet(cells=np.argwhere(rim), pressure=part * rate / (4 * np.pi * K * r[rim]))],
    )  # fmt: skip
    weight = eval_legendre(mode, z / r) / r**2
    seconds = 4 / 3 * np.pi * (cells * h) ** 3 / part * (1.25**3 - 1) / rate
    sizes, moments = [], []
    for dent in (0.06, -0.06):
        state = problem.initial_state()
        state.saturation = dented_ball(grid, cells * h, dent, mode)
        state.injection_time = np.where(state.saturation > 0, 0.0, np.nan)
        stepper, rows = Stepper(problem, tolerance=1e-8, front_step=0.25), []
        for _ in range(8):
            stepper.advance(state, seconds / 8)
            rows.append((state.saturation.sum() ** (1 / 3), (state.saturation * weight).sum()))
        sizes, more = np.transpose(rows)
        moments.append(more)
    relative = (moments[0] - moments[1]) / sizes
    return np.polyfit(np.log(sizes), np.log(relative), 1)[0]


def closed_growth(mode, ratio):
    return -3 - mode * (mode + 1) * (ratio - 1) / ((mode + 1) * ratio + mode)


@pytest.mark.parametrize("mode", [2, 3, 4, 5, 6])
@pytest.mark.parametrize("ratio", [10.0, 1000.0])
def test_dents_heal_as_linear_stability_says(mode, ratio):
    """Both fluids obey Laplace's equation; pressure and normal velocity match at r = R + ε P_l. Linear in ε:
    d ln(ε/R)/d ln R = -3 - l(l+1)(μ_c - μ_m)/((l+1)μ_c + lμ_m), e.g. -6.33 for l = 4 and a ratio of 10."""
    assert closed_growth(4, 10.0) == pytest.approx(-6.33, abs=0.01)
    assert growth(mode, ratio, 22, 9.0) == pytest.approx(closed_growth(mode, ratio), rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "n", "cells"), [(2, 32, 14.0), (3, 48, 22.0), (4, 48, 22.0), (5, 64, 30.0), (6, 64, 30.0)]
)
def test_dents_between_equal_fluids_only_spread(mode, n, cells):
    """Ratio 1: the flow does not see the front, so ε/R goes as R⁻³ whatever the mode; only the scheme smooths more."""
    assert growth(mode, 1.0, n, cells) == pytest.approx(-3.0, rel=0.1)


# age --------------------------------------------------------------------------------------------------------------


def test_portions_do_not_mix_beyond_one_cell():
    """Portions keep their order: in a ball the injection time is a function of the radius, t = (V - 4πφr³/3)/Q; after
    4 mL-like portions the mean error of the radius at which a portion ends is below a voxel."""
    problem = ball(43)
    state, _ = run(problem, 120.0)
    x, y, z = problem.grid.open_mesh()
    r = np.sqrt(x**2 + y**2 + z**2)
    full = (state.saturation > 0.999) & (r > 2e-3) & (r < 10e-3)
    volume = state.injected_volume - Q * state.injection_time[full]
    where = (3 * volume / (4 * np.pi * PHI)) ** (1 / 3)
    assert np.mean(np.abs(where - r[full])) < 0.3e-3
    assert np.max(np.abs(where - r[full])) < 1e-3


def test_injection_time_lies_between_the_start_and_now(rng):
    k = 1e-8 * np.exp(rng.normal(size=(3, 13, 13, 13)))
    problem = FlowProblem(
        grid=VoxelGrid(shape=(13,) * 3, spacing=(1e-3,) * 3), porosity=PHI, permeability=k, injected=100.0,
        displaced=MARROW, wells=[Well(cells=[(6, 6, 6)], rate=Q)], outlets=[Outlet(cells=[(0, 0, 0)])],
    )  # fmt: skip
    state, _ = run(problem, 20.0)
    filled = state.saturation > 0
    assert np.all(np.isnan(state.injection_time[~filled]))
    assert np.nanmin(state.injection_time) >= -1e-9
    assert np.nanmax(state.injection_time) <= 20.0
