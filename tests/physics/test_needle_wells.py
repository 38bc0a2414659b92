"""The needle's pressure does not depend on the grid, with an end hole or side holes (research notes, physics 7.1)."""

from __future__ import annotations

import numpy as np
import pytest

from physics.flow_cases import PHI, R_OUT, K, Q
from vertebro.flow import FlowProblem, Outlet, Stepper, Well
from vertebro.grid import VoxelGrid
from vertebro.procedure import Needle

MU, MARROW = 100.0, 0.05
SPACINGS = (2e-3, 1.4e-3, 1e-3)


def needle(opening: str) -> Needle:
    """An oblique 11 G needle whose holes are centred in the ball."""
    along = np.array([2.0, 3.0, -1.0]) / np.sqrt(14.0)
    probe = Needle(name="left", gauge=11, entry=-0.08 * along, tip=(0.0, 0.0, 0.0), opening=opening)
    middle = np.mean([centre for centre, _ in probe.holes], axis=0)
    return Needle(name="left", gauge=11, entry=-0.08 * along, tip=-middle, opening=opening)


def problem(h: float, tool: Needle, injected: float, displaced: float) -> FlowProblem:
    n = 2 * int((R_OUT + 1e-3) / h) + 3
    grid = VoxelGrid(shape=(n,) * 3, spacing=(h,) * 3, origin=(-(n // 2) * h,) * 3)
    r = np.sqrt(sum(x**2 for x in grid.open_mesh()))
    held = (r >= R_OUT) & (r < R_OUT + 1.8 * h)
    outside = held * 0.0
    # the sphere at R_OUT holds 0 Pa: its outer cells carry what a point source would make of them
    outside[held] = displaced * Q / (4 * np.pi * K) * (1 / r[held] - 1 / R_OUT)
    return FlowProblem(
        grid=grid, porosity=np.where(r < R_OUT + 1.8 * h, PHI, 0.0), permeability=K, injected=injected,
        displaced=displaced, wells=[Well(cells=tool.tip_cells(grid), rate=Q, radius=tool.tip_radius)],
        outlets=[Outlet(cells=np.argwhere(held), pressure=outside[held])],
    )  # fmt: skip


def test_two_side_holes_act_as_one_sphere() -> None:
    """p = μQ/(4πK) [1/(2r) + 1/(2s)] for holes of radius r a distance s apart: 1/r_eff = (1/r + 1/s)/2."""
    tool = needle("side")
    (one, radius), (other, _) = tool.holes
    apart = np.linalg.norm(one - other)
    assert apart == pytest.approx(tool.outer_diameter)
    assert 2 / tool.tip_radius == pytest.approx(1 / radius + 1 / apart)
    assert np.allclose((one + other) / 2, tool.tip - 4e-3 * tool.direction)
    assert needle("end").tip_radius == pytest.approx(tool.inner_diameter / 2)


@pytest.mark.parametrize("opening", ["end", "side"])
def test_pressure_at_the_needle_is_the_closed_form_on_three_grids(opening: str) -> None:
    """One liquid in a ball: p_w = μQ/(4πK) (1/r_w - 1/R_e), r_w the openings' equivalent sphere; within 0.5 %."""
    tool = needle(opening)
    closed = MU * Q / (4 * np.pi * K) * (1 / tool.tip_radius - 1 / R_OUT)
    for h in SPACINGS:
        case = problem(h, tool, MU, MU)
        report = Stepper(case).advance(case.initial_state(), 1e-6)
        assert report.well_pressures["well"] == pytest.approx(closed, rel=0.005), h


@pytest.mark.parametrize("opening", ["end", "side"])
def test_pressure_while_cement_spreads_is_grid_independent(opening: str) -> None:
    """Cement pushes marrow: p_w = (Q/4πK)[μ_c (1/r_w - 1/R) + μ_m (1/R - 1/R_e)], R³ = 3Qt/(4πφ); within 1 %.

    After 30 and 90 s; the three grids agree among themselves within 1 % too.
    """
    tool = needle(opening)
    for seconds in (30.0, 90.0):
        radius = (3 * Q * seconds / (4 * np.pi * PHI)) ** (1 / 3)
        closed = Q / (4 * np.pi * K) * (
            MU * (1 / tool.tip_radius - 1 / radius) + MARROW * (1 / radius - 1 / R_OUT)
        )  # fmt: skip
        found = []
        for h in SPACINGS:
            case = problem(h, tool, MU, MARROW)
            found.append(Stepper(case).advance(case.initial_state(), seconds).well_pressures["well"])
        assert found == pytest.approx([closed] * len(found), rel=0.01)
        assert np.ptp(found) < 0.01 * closed


def test_an_opening_that_does_not_exist_is_refused() -> None:
    from vertebro.errors import CaseError

    with pytest.raises(CaseError, match="opening"):
        needle("slit")
