"""What a flow problem accepts, and how it explains what it does not."""

from __future__ import annotations

import numpy as np
import pytest

from vertebro.errors import CaseError, GeometryError, SolverError, VertebroError
from vertebro.flow import FlowProblem, Outlet, Stepper, Well, newtonian
from vertebro.flow.laws import capillary_shear_factor, depends_on_shear


def with_value(shape, value):
    array = np.full(shape, 1e-8)
    array[1, 2, 3] = value
    return array


@pytest.mark.parametrize("value", [np.nan, -1e-9, np.inf, 1.0])
def test_impossible_permeability_names_its_cell(bone, value):
    with pytest.raises(CaseError, match=r"permeability") as caught:
        bone(permeability=with_value((11, 9, 10), value))
    assert "[0, 1, 2, 3]" in str(caught.value)
    assert caught.value.allowed == "0 to 0.01 m²"


@pytest.mark.parametrize("value", [np.nan, -0.1, 1.1])
def test_impossible_porosity_is_refused(bone, value):
    with pytest.raises(CaseError, match="porosity"):
        bone(porosity=value)


@pytest.mark.parametrize("viscosity", [0.0, -1.0, np.nan, np.inf])
def test_impossible_viscosity_is_refused(bone, viscosity):
    with pytest.raises(CaseError, match="viscosity"):
        bone(injected=viscosity)
    with pytest.raises(CaseError):
        newtonian(viscosity)


def test_a_law_that_breaks_during_the_run_is_a_solver_error_with_its_time(bone):
    problem = bone(injected=lambda rate, time: 100.0 if time < 1 else np.nan)
    stepper, state = Stepper(problem, max_step=0.5), problem.initial_state()
    with pytest.raises(SolverError, match="impossible viscosity") as caught:
        stepper.advance(state, 5.0)
    assert 1.0 <= caught.value.time < 1.5


@pytest.mark.parametrize(
    "changes",
    [
        {"porosity": np.ones((3, 3, 3))},
        {"permeability": np.ones((2, 11, 9, 10))},
        {"face_resistance": np.full((3, 11, 9, 10), -1.0)},
        {"wells": [Well(cells=[(0, 0, 99)], rate=1e-8)]},
        {"wells": [Well(cells=[], rate=1e-8)]},
        {"wells": [Well(cells=[(0.5, 0, 0)], rate=1e-8)]},
        {"wells": [Well(cells=[(5, 5, 5)], rate=-1e-8)]},
        {"wells": [Well(cells=[(5, 5, 5)], rate=np.nan)]},
        {"wells": [Well(cells=[(5, 5, 5)], rate=1e-8, radius=0.0)]},
        {"wells": [Well(cells=[(5, 5, 5)]), Well(cells=[(5, 5, 6)])]},
        {"outlets": [Outlet(cells=[(0, 0, -1)])]},
        {"outlets": [Outlet(cells=[(0, 0, 0)], pressure=np.nan)]},
        {"outlets": [Outlet(cells=[(0, 0, 0)], pressure=[1.0, 2.0])]},
        {"residual_displaced": 1.0},
        {"relative_permeability": "brooks"},
        {"mode": "three-phase"},
        {"mode": "cement-only", "relative_permeability": "corey2"},
        {"shear_factor": 0.0},
    ],
)
def test_bad_input_is_refused_with_place_and_range(bone, changes):
    with pytest.raises(VertebroError) as caught:
        bone(**changes)
    assert isinstance(caught.value, CaseError | GeometryError)
    assert caught.value.where
    assert caught.value.allowed or caught.value.hint


def test_repr_explains_the_problem(bone):
    text = repr(bone())
    for part in ("11 x 9 x 10 cells of 1 x 1.1 x 0.9 mm", "pore volume", "well 'well': 1 cell, 5e-08 m³/s", "outlet"):
        assert part in text


def test_numbers_stand_for_newtonian_fluids_and_scalars_for_uniform_bone(bone):
    problem = bone(permeability=1e-8, injected=10)
    assert problem.permeability.shape == (3, 11, 9, 10)
    assert problem.law("injected")(1.0, 0.0) == 10
    assert not depends_on_shear(problem.law("injected"), 0.0)


def test_one_well_can_be_replaced(bone):
    problem = bone().with_well("well", rate=1e-8, pressure=2e4)
    assert isinstance(problem, FlowProblem)
    assert problem.wells[0].pressure == 2e4


def test_capillary_shear_factor_has_the_published_values():
    """C = √2 [(3n+1)/(4n)]^(n/(n-1)): 1.1314, 1.1153, 1.1614 at n = 0.5, 0.7, 0.3; limit √2 e^(-1/4) at n = 1."""
    for n, factor in ((0.5, 1.1314), (0.7, 1.1153), (0.3, 1.1614)):
        assert capillary_shear_factor(n) == pytest.approx(factor, abs=1e-4)
    assert capillary_shear_factor(1.0) == pytest.approx(capillary_shear_factor(1.0001), rel=1e-4)
