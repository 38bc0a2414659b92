"""Time stepping: schedules, controls, events, ledgers."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from vertebro.errors import CaseError, SolverError
from vertebro.flow import Outlet, Stepper, Well, solve_pressure
from vertebro.flow.multigrid import Multigrid
from vertebro.flow.team import Team


def run(problem, seconds, **settings):
    state = problem.initial_state()
    return state, Stepper(problem, **settings).advance(state, seconds)


@pytest.mark.parametrize("tolerance", [1e-2, 1e-6])
@pytest.mark.parametrize("kind", ["piston", "linear", "corey2"])
def test_injected_volume_is_conserved_whatever_the_solver_leaves(bone, tolerance, kind):
    """1.5 mL into 0.9 mL of bone: most of it leaves; the ledger closes to round-off even at a tolerance of 1e-2."""
    problem = bone(relative_permeability=kind, injected=5.0, displaced=1.0)
    state, report = run(problem, 30.0, tolerance=tolerance)
    assert state.injected_volume == pytest.approx(1.5e-6, rel=1e-14)
    assert report.balance_error < 1e-12
    assert sum(state.outflow.values()) > 0.1e-6
    assert state.saturation.min() >= 0
    assert state.saturation.max() <= 1


def test_each_step_closes_its_ledger_to_1e_10(bone):
    problem = bone()
    state, stepper = problem.initial_state(), Stepper(problem)
    for _ in range(15):
        assert stepper.advance(state, 0.7).balance_error < 1e-10


def test_displaced_fluid_leaves_as_fast_as_the_injected_enters(bone):
    problem = bone()
    state, _ = run(problem, 5.0, tolerance=1e-9)
    out = sum(state.outflow.values()) + sum(state.outflow_displaced.values())
    assert out == pytest.approx(state.injected_volume, rel=1e-6)


def test_time_is_exact_at_schedule_points(bone):
    problem = bone()
    state, stepper = problem.initial_state(), Stepper(problem, max_step=0.3)
    for dt in (0.1, 0.2, 1.0, 0.0):
        stepper.advance(state, dt)
    assert state.time == 0.1 + 0.2 + 1.0
    assert state.injected_volume == pytest.approx(5e-8 * 1.3, rel=1e-13)


@pytest.mark.parametrize("dt", [-1.0, np.nan, np.inf])
def test_impossible_time_steps_are_refused(bone, dt):
    problem = bone()
    with pytest.raises(CaseError, match="time step"):
        Stepper(problem).advance(problem.initial_state(), dt)


def test_a_pause_moves_nothing_but_the_clock(bone):
    problem = bone()
    state, stepper = problem.initial_state(), Stepper(problem)
    stepper.advance(state, 5.0)
    before = state.copy()
    stepper.set_well("well", rate=0.0)
    report = stepper.advance(state, 60.0)
    np.testing.assert_array_equal(state.saturation, before.saturation)
    assert state.time == 65.0
    assert report.well_rates == {"well": 0.0}
    assert report.well_pressures["well"] == pytest.approx(0.0, abs=1e-6)
    stepper.set_well("well", rate=5e-8)
    stepper.advance(state, 5.0)
    assert state.injected_volume == pytest.approx(5e-7)


@pytest.mark.parametrize(("radius", "cap"), [(None, 3e4), (0.2e-3, 3e4), (1.5e-3, 1e4)])
def test_a_pressure_cap_holds_the_pressure_and_lowers_the_rate(bone, radius, cap):
    well = Well(cells=[(5, 4, 5)], rate=5e-8, pressure=cap, radius=radius)
    problem = bone(wells=[well])
    state, report = run(problem, 15.0)
    assert report.well_pressures["well"] == pytest.approx(cap, rel=1e-4)
    assert 0 < report.well_rates["well"] < 5e-8
    assert [event.kind for event in report.events] == ["pressure-cap"]
    assert state.injected_volume < 15 * 5e-8


def test_a_cap_that_is_never_reached_changes_no_bit(bone):
    problem = bone()
    plain, _ = run(problem, 5.0)
    capped, report = run(problem.with_well("well", pressure=1e9), 5.0)
    np.testing.assert_array_equal(plain.saturation, capped.saturation)
    assert not report.events


def test_a_falling_viscosity_releases_the_cap(bone):
    problem = bone(
        injected=lambda rate, time: 100.0 if time < 4 else 1.0, wells=[Well(cells=[(5, 4, 5)], rate=5e-8, pressure=1e4)]
    )
    _, report = run(problem, 8.0, max_step=1.0)
    assert [event.kind for event in report.events] == ["pressure-cap", "cap-released"]
    assert report.well_rates["well"] == 5e-8


def test_pressure_control_injects_what_a_rate_of_the_same_pressure_would(bone):
    """At time 0 the problem is linear: the pressure found for a rate gives back the rate."""
    problem = bone()
    state = problem.initial_state()
    pressure = Stepper(problem).advance(state, 1e-6).well_pressures["well"]
    held = problem.with_well("well", rate=None, pressure=pressure)
    _, report = run(held, 1e-6)
    assert report.well_rates["well"] == pytest.approx(5e-8, rel=2e-3)


def test_several_wells_share_a_bone(bone):
    wells = [
        Well(cells=[(3, 4, 5), (3, 4, 6)], rate=2e-8, name="left", radius=1e-3),
        Well(cells=[(8, 4, 5)], pressure=2e4, name="right"),
        Well(cells=[(8, 4, 2)], name="closed"),
    ]
    problem = bone(wells=wells)
    state, report = run(problem, 6.0)
    assert state.injected["left"] == pytest.approx(1.2e-7)
    assert report.well_pressures["right"] == pytest.approx(2e4, rel=1e-4)
    assert state.injected["closed"] == 0.0
    assert report.balance_error < 1e-12


def test_a_stronger_pressure_elsewhere_does_not_suck_on_a_well(bone):
    wells = [Well(cells=[(3, 4, 5)], rate=5e-8, name="strong"), Well(cells=[(4, 4, 5)], pressure=10.0, name="weak")]
    _, report = run(bone(wells=wells), 2.0)
    assert report.well_rates["weak"] == 0.0


def test_unknown_wells_and_bad_controls_are_refused(bone):
    stepper = Stepper(bone())
    with pytest.raises(CaseError, match="no such well"):
        stepper.set_well("needle", rate=1e-8)
    with pytest.raises(CaseError, match="well rate"):
        stepper.set_well("well", rate=-1.0)


# no way out -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cap", [None, 5e4])
def test_a_well_in_a_sealed_region_makes_an_event_and_a_pressure_that_explains_it(bone, cap):
    walls = np.zeros((3, 11, 9, 10))
    walls[0, 2] = np.inf
    wells = [Well(cells=[(1, 4, 5)], rate=5e-8, pressure=cap, name="sealed")]
    problem = bone(wells=wells, face_resistance=walls, outlets=[Outlet(cells=[(10, 0, 0)])])
    state, report = run(problem, 5.0)
    assert [event.kind for event in report.events] == ["sealed"]
    assert report.well_pressures["sealed"] == (np.inf if cap is None else cap)
    assert state.injected_volume == 0.0
    assert state.time == 5.0
    assert np.all(np.isfinite(state.pressure))


def test_without_outlets_everything_is_sealed(bone):
    state, report = run(bone(outlets=()), 2.0)
    assert [event.kind for event in report.events] == ["sealed"]
    assert state.saturation.max() == 0


def test_a_pocket_behind_closed_cells_stays_untouched(bone):
    porosity = np.full((11, 9, 10), 0.9)
    porosity[8] = 0.0
    state, report = run(bone(porosity=porosity, outlets=[Outlet(cells=[(0, 0, 0)])]), 10.0)
    assert state.saturation[8:].max() == 0
    assert report.balance_error < 1e-12


def test_cells_of_zero_permeability_take_no_part(bone):
    k = np.full((3, 11, 9, 10), 1e-8)
    k[:, 5, 4, 7] = 0.0
    state, _ = run(bone(permeability=k), 10.0)
    assert state.saturation[5, 4, 7] == 0.0


def test_cement_only_mode_fills_a_closed_body_until_it_is_full(bone):
    problem = bone(mode="cement-only", outlets=())
    pores = problem.pore_volume.sum()
    state, report = run(problem, 1.2 * pores / 5e-8)
    assert any(event.kind == "sealed" for event in report.events)
    assert report.balance_error < 1e-9
    assert state.injected_volume <= pores * (1 + 1e-9)


@pytest.mark.parametrize("shape", [(30, 1, 1), (12, 13, 1), (1, 9, 14), (3, 3, 3)])
def test_thin_grids_work(bone, shape):
    ends = [Outlet(cells=[(0, 0, 0), tuple(n - 1 for n in shape)])]
    problem = bone(shape=shape, permeability=1e-8, outlets=ends)
    state, report = run(problem, 0.3 * problem.pore_volume.sum() / 5e-8)
    assert report.balance_error < 1e-12
    assert np.all(np.isfinite(state.pressure))


# solver ---------------------------------------------------------------------------------------------------------


def test_solver_failure_carries_the_residual_history(bone, monkeypatch):
    original = Multigrid.solve
    monkeypatch.setattr(Multigrid, "solve", lambda self, *a, **k: original(self, *a, **{**k, "limit": 1}))
    with pytest.raises(SolverError, match="did not converge") as caught:
        run(bone(), 1.0, tolerance=1e-12)
    assert len(caught.value.residuals) == 2
    assert caught.value.hint


def test_permeability_contrast_of_1e10_converges(bone, rng):
    k = 10.0 ** rng.uniform(-16, -6, (11, 9, 10))
    problem = bone(permeability=k)
    report = solve_pressure(problem, problem.initial_state(), tolerance=1e-8)
    assert report.residual <= 1e-8
    # white noise is the worst case: 75 to 300 iterations over seeds and orientations
    assert report.iterations < 250


def test_threads_do_not_change_a_bit():
    """Planes are shared, sums are added in fixed order: one and two threads give the same bytes."""
    code = """
import hashlib, numpy as np
from vertebro.flow import *
from vertebro.flow import multigrid
from vertebro.grid import VoxelGrid
multigrid.SMALL = 500
n = 18
k = 1e-8 * np.exp(np.random.default_rng(3).normal(size=(3, n, n, n)))
problem = FlowProblem(grid=VoxelGrid(shape=(n,) * 3, spacing=(1e-3,) * 3), porosity=0.9, permeability=k, injected=100.0,
                      displaced=0.05, wells=[Well(cells=[(8, 9, 7)], rate=5e-8)], outlets=[Outlet(cells=[(0, 0, 0)])])
state = problem.initial_state()
Stepper(problem).advance(state, 4.0)
print(hashlib.sha256(state.pressure.tobytes() + state.saturation.tobytes()).hexdigest())
"""
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "NUMBA_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "2")
    }
    assert len(digests) == 1


def test_a_team_covers_every_plane_once_and_hands_errors_over():
    team, seen = Team(3), np.zeros(20, int)

    def mark(first, end, who):
        seen[first:end] += 1

    team.share(1, 19, mark)
    team.share(1, 19, mark, even_chunks=True)
    assert seen[1:19].tolist() == [2] * 18

    def fail(first, end, who):
        raise ValueError(who)

    with pytest.raises(ValueError, match=r"[012]"):
        team.share(0, 20, fail)
    team.share(1, 19, mark)
    assert seen[5] == 3


@pytest.mark.parametrize("mirrored", [(), (0,), (0, 1, 2)])
def test_face_fluxes_leave_the_needle_and_balance_everywhere_else(bone, mirrored) -> None:
    """Incompressible: the sum of the fluxes out of a cell is its source, however the solver's window is turned."""
    problem = bone()
    permeability = np.flip(problem.permeability, [1 + axis for axis in mirrored])
    size = np.asarray(problem.grid.shape)
    outlet = np.array([[0, 0, 0]])
    for axis in mirrored:
        outlet[:, axis] = size[axis] - 1 - outlet[:, axis]
    problem = bone(permeability=permeability, outlets=[Outlet(cells=outlet)])
    state, stepper = problem.initial_state(), Stepper(problem, tolerance=1e-10)
    stepper.advance(state, 1.0)
    flux = stepper.face_fluxes()
    out = sum(flux[axis] - np.roll(flux[axis], 1, axis=axis) for axis in range(3))
    well, rate = tuple(problem.wells[0].cells[0]), problem.wells[0].rate
    assert out[well] == pytest.approx(rate, rel=1e-6)
    assert out[tuple(outlet[0])] == pytest.approx(-rate, rel=1e-6)
    out[well] = out[tuple(outlet[0])] = 0.0
    assert np.max(np.abs(out)) < 1e-6 * rate


# how long a pressure field serves -------------------------------------------------------------------------------


def advance_in_parts(problem, parts, **settings):
    state, stepper = problem.initial_state(), Stepper(problem, tolerance=1e-8, **settings)
    reports = [stepper.advance(state, dt) for dt in parts]
    return state, reports


def test_a_kept_field_saves_solves_and_gives_the_same_fill(bone):
    """Twenty short calls share pressure fields with `keep`; a hundred cells of rough bone differ by 4 % (measured)."""
    problem = bone()
    fresh, every = advance_in_parts(problem, [0.1] * 20)
    kept, few = advance_in_parts(problem, [0.1] * 20, keep=True)
    assert sum(r.solves for r in few) <= 0.5 * sum(r.solves for r in every)
    assert all(report.balance_error < 1e-12 for report in few)
    apart = np.abs(kept.saturation - fresh.saturation).sum() / fresh.saturation.sum() / 2
    assert apart < 0.06
    assert few[-1].well_pressures["well"] == pytest.approx(every[-1].well_pressures["well"], rel=0.1)


def test_a_kept_field_follows_viscosity_and_rate(bone):
    """Pressure is the product of the two while cement resists alone: 5 % more of each, no new solve, 1.05² of it."""
    problem = bone(injected=lambda rate, time: 1e4 if time < 2.0 else 1.05e4)
    state, stepper = problem.initial_state(), Stepper(problem, keep=True, tolerance=1e-8)
    before = stepper.advance(state, 1.99)
    stepper.set_well("well", rate=1.05 * 5e-8)
    after = stepper.advance(state, 0.01)
    assert after.solves == 0
    assert after.well_rates["well"] == pytest.approx(1.05 * 5e-8)
    assert after.well_pressures["well"] == pytest.approx(1.05**2 * before.well_pressures["well"], rel=1e-3)
    assert state.injected_volume == pytest.approx(5e-8 * (1.99 + 1.05 * 0.01))
    assert stepper.advance(state, 0.0).balance_error < 1e-12


@pytest.mark.parametrize("change", [{"rate": 8e-8}, {"rate": 0.0}, {"rate": 5e-8, "pressure": 1e9}])
def test_a_field_is_not_kept_over_a_change_that_it_cannot_follow(bone, change):
    problem = bone()
    state, stepper = problem.initial_state(), Stepper(problem, keep=True)
    stepper.advance(state, 1.0)
    stepper.set_well("well", **change)
    assert stepper.advance(state, 0.01).solves >= 1


def test_a_field_serves_shorter_while_the_viscosity_rises_fast(bone):
    slow = advance_in_parts(bone(injected=100.0), [4.0])[1][0]
    fast = advance_in_parts(bone(injected=lambda rate, time: 100.0 * 4.0**time), [4.0])[1][0]
    assert fast.solves > slow.solves


def test_a_foreign_state_ends_a_kept_field(bone):
    problem = bone()
    state, stepper = problem.initial_state(), Stepper(problem, keep=True)
    stepper.advance(state, 1.0)
    other = problem.initial_state()
    report = stepper.advance(other, 0.01)
    assert report.solves >= 1
    assert other.injected_volume == pytest.approx(5e-10)
    assert report.balance_error < 1e-12


class Ageing:
    """Viscosity by the time since the parcel entered."""

    per_parcel = True

    def __call__(self, shear_rate, time, birth=None):
        age = 0.0 if birth is None else np.maximum(time - np.asarray(birth), 0.0)
        return np.broadcast_to(2.0 + 3.0 * age, np.shape(shear_rate))


def test_a_law_that_knows_parcels_is_told_when_each_entered(bone, rng):
    """Filled at two times and read at a third: the needle's pressure lies between those of the youngest and the oldest
    viscosity, and a solver that gets the ages from the state alone finds the same field."""
    k = 1e-8 * np.exp(rng.normal(size=(3, 11, 9, 10)))
    problem = bone(injected=Ageing(), displaced=1.0, permeability=k)
    state, stepper = problem.initial_state(), Stepper(problem, tolerance=1e-9)
    stepper.advance(state, 4.0)
    stepper.set_well("well", rate=0.0)
    stepper.advance(state, 5.0)
    stepper.set_well("well", rate=5e-8)
    told = stepper.advance(state, 0.5).well_pressures["well"]
    assert np.nanmax(state.injection_time) - np.nanmin(state.injection_time) > 4.0
    limits = []
    for viscosity in (2.0, 2.0 + 3.0 * 9.5):
        alone = bone(injected=viscosity, displaced=1.0, permeability=k)
        limits.append(Stepper(alone).advance(state.copy(), 0.0).well_pressures["well"])
    assert limits[0] < told < limits[1]
    again = state.copy()
    solve_pressure(problem, again, tolerance=1e-10)
    np.testing.assert_allclose(again.pressure, state.pressure, atol=1e-5 * told)
