"""The heat field beside the flow: books that close, limits that hold, mistakes that are named."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from vertebro.errors import CaseError, GeometryError
from vertebro.flow import FlowProblem, Outlet, Stepper, Well
from vertebro.flow.carriage import Movement
from vertebro.flow.exposure import Exposure
from vertebro.flow.heat import HeatField
from vertebro.flow.heat_problem import Curing, HeatProblem, ThermalFluid
from vertebro.grid import VoxelGrid
from vertebro.materials.curing import conversion_loglogistic
from vertebro.materials.rheology import arrhenius_rate

BODY, ROOM = 310.15, 296.15
CURING = Curing(heat=1.55e8, set_time=720.0, shape=9.2, activation_energy=44e3, reference_temperature=ROOM)
CEMENT = ThermalFluid(heat_capacity=1.875e6, conductivity=0.18)
MARROW = ThermalFluid(heat_capacity=3.12e6, conductivity=0.244)


class Injection:
    """A needle in the middle of a block of bone, flow and heat side by side."""

    def __init__(self, n=15, *, ends=False, flow=None, **heat):
        self.grid = VoxelGrid(shape=(n, n + 2, n - 2), spacing=(1.2e-3, 1.0e-3, 1.1e-3))
        rng = np.random.default_rng(7)
        middle = tuple(m // 2 for m in self.grid.shape)
        corner = np.argwhere(np.ones(self.grid.shape, bool))
        sides = corner[np.any((corner == 0) | (corner == np.array(self.grid.shape) - 1), axis=1)]
        outlets = [Outlet(cells=np.array([[middle[0] + 3, middle[1], middle[2]]]), name="vein")] if ends else []
        settings = {
            "porosity": rng.uniform(0.7, 0.95, self.grid.shape),
            "permeability": 1e-8 * np.exp(rng.normal(0, 0.5, (3, *self.grid.shape))),
            "injected": 100.0,
            "displaced": 0.05,
            "wells": [Well(cells=[middle], rate=5e-8, name="tip")],
            "outlets": [Outlet(cells=sides), *outlets],
        }
        self.flow = FlowProblem(grid=self.grid, **{**settings, **(flow or {})})
        self.state, self.stepper = self.flow.initial_state(), Stepper(self.flow)
        porosity = self.flow.porosity
        dry = {
            "heat_capacity": (1 - porosity) * 2.5e6 + porosity * MARROW.heat_capacity,
            "conductivity": (1 - porosity) * 0.7 + porosity * MARROW.conductivity,
            "perfusion": 4000.0,
        }
        fluids = {"injected": CEMENT, "displaced": MARROW, "curing": CURING}
        self.problem = HeatProblem(
            grid=self.grid, pore_volume=self.flow.pore_volume, **{**dry, **fluids, "body_temperature": BODY, **heat}
        )
        self.heat = HeatField(self.problem)
        self.lost = dict.fromkeys(self.state.outflow, 0.0)

    def inject(self, seconds, rate=5e-8, temperature=ROOM, age=240.0):
        self.stepper.set_well("tip", rate=rate)
        begun = self.state.time
        self.stepper.advance(self.state, seconds)
        out = dict(self.state.outflow)
        movement = Movement(
            saturation=self.state.saturation,
            pressure=self.state.pressure,
            fluxes=self.stepper.face_fluxes(),
            wells=self.flow.wells[0].cells,
            temperature=temperature,
            cure_age=age + begun,
            drained=[(outlet.cells, out[outlet.name] - self.lost[outlet.name]) for outlet in self.flow.outlets],
        )
        self.lost = out
        self.heat.advance(seconds, movement)


def block(n=1, **changes):
    """Cement alone."""
    settings = {
        "grid": VoxelGrid(shape=(n,) * 3, spacing=(1e-3,) * 3),
        "pore_volume": 1e-9,
        "heat_capacity": CEMENT.heat_capacity,
        "conductivity": 0.18,
        "perfusion": 0.0,
        "injected": CEMENT,
        "displaced": CEMENT,
        "curing": CURING,
        "edges": "insulated",
    }
    return HeatProblem(**{**settings, **changes})


@pytest.mark.parametrize("ends", [False, True])
def test_heat_is_conserved_to_round_off_through_injection_pause_and_cure(ends):
    """Stored = injected + reaction - carried - conducted - perfused; cold cement brings a negative heat."""
    case = Injection(ends=ends)
    for seconds in (5.0, 3.0, 12.0):
        case.inject(seconds)
    case.heat.advance(20.0)
    case.inject(10.0)
    cold = 1.5e-6 * CEMENT.heat_capacity * (ROOM - BODY)
    assert case.heat.ledger.injected == pytest.approx(cold, rel=1e-9)
    case.heat.advance(500.0)
    came = float(conversion_loglogistic(240.0 + 35.0, set_time=720.0, shape=9.2))
    released = CURING.heat * float(np.sum(case.heat.volume * (case.heat.conversion - came)))
    assert case.heat.ledger.reaction == pytest.approx(released, rel=2e-2)
    assert case.heat.ledger.conducted > 0
    assert case.heat.ledger.perfused > 0
    assert case.heat.balance_error < 1e-12
    if ends:
        assert case.lost["vein"] > 2e-8


def test_the_cement_of_the_heat_is_the_cement_of_the_flow():
    case = Injection(ends=True)
    for seconds in (5.0, 10.0, 15.0):
        case.inject(seconds)
        error = np.abs(case.heat.volume - case.state.saturation * case.flow.pore_volume)
        assert float(error.max()) < 1e-10 * case.grid.voxel_volume


def test_warmth_stays_between_cement_and_body_before_it_cures():
    case = Injection(curing=dataclasses.replace(CURING, heat=0.0))
    for _ in range(6):
        case.inject(5.0)
        assert case.heat.temperature.min() >= ROOM - 1e-9
        assert case.heat.temperature.max() <= BODY + 1e-9
    assert case.heat.temperature.min() < ROOM + 0.5


def test_age_is_that_of_the_batch_where_nothing_is_warmed():
    """Isothermal: one batch has one age everywhere, whenever its parcels were injected (physics.md 1.3)."""
    case = Injection(body_temperature=ROOM, curing=dataclasses.replace(CURING, heat=0.0))
    for seconds in (5.0, 8.0, 7.0):
        case.inject(seconds)
    case.heat.advance(300.0)
    filled = case.heat.volume > 0
    np.testing.assert_allclose(case.heat.cure_age[filled], 240.0 + 320.0, rtol=1e-9)
    expected = float(conversion_loglogistic(560.0, set_time=720.0, shape=9.2))
    np.testing.assert_allclose(case.heat.conversion[filled], expected, rtol=1e-6)


def test_cement_that_came_first_is_older_and_farther_out():
    """In a warm body what has been in it longest is oldest on its own clock; later portions push it outwards (E7)."""
    case = Injection(curing=dataclasses.replace(CURING, heat=0.0))
    for _ in range(6):
        case.inject(5.0)
    filled = case.state.saturation > 0.9
    r = np.linalg.norm(case.grid.world(np.argwhere(filled) - case.flow.wells[0].cells), axis=1)
    age = case.heat.cure_age[filled]
    assert np.corrcoef(r, age)[0, 1] > 0.8
    assert age.min() >= 240.0 + 30.0 - 1e-6
    assert age.max() <= 240.0 + 30.0 * float(arrhenius_rate(BODY, reference=ROOM, activation_energy=44e3))


@pytest.mark.parametrize("mirrored", [(0,), (1, 2), (0, 1, 2)])
def test_mirrored_case_gives_mirrored_heat(mirrored):
    n = (13, 15, 11)
    rng = np.random.default_rng(3)
    permeability = 1e-8 * np.exp(rng.normal(0, 0.5, (3, *n)))
    turn = [1 + axis for axis in mirrored]

    def run(k):
        case = Injection(13, flow={"permeability": k, "porosity": 0.85})
        for _ in range(3):
            case.inject(5.0)
        case.heat.advance(60.0)
        return case.heat.temperature

    plain, turned = run(permeability), run(np.flip(permeability, turn))
    np.testing.assert_allclose(np.flip(turned, mirrored), plain, rtol=0, atol=1e-9)


def test_runaway_of_impatient_cement_ends_at_the_adiabatic_temperature():
    """Ten times the energy of activation's usual effect, five-second ticks: still T <= T_0 + ΔT_ad, and no NaN."""
    wild = dataclasses.replace(CURING, activation_energy=90e3, shape=30.0)
    field = HeatField(block(3, curing=wild), saturation=1.0, cure_age=200.0)
    for _ in range(120):
        field.advance(5.0)
        assert np.all(np.isfinite(field.temperature))
        assert field.temperature.max() <= BODY + field.problem.adiabatic_rise + 1e-6
        assert 0.0 <= field.conversion.min() <= field.conversion.max() <= 1.0
    assert field.conversion.min() > 0.999
    assert field.temperature.min() == pytest.approx(BODY + field.problem.adiabatic_rise, abs=0.1)
    assert field.balance_error < 1e-12


def test_boiling_monomer_holds_the_temperature_and_gives_its_heat_back():
    """Insulated: vapour cannot cure, so the cement stops at the boil with the missing heat stored; nothing is lost."""
    boiling = dataclasses.replace(CURING, boiling_point=373.15, vapour_heat=1.4e8)
    field = HeatField(block(2, curing=boiling), saturation=1.0)
    field.advance(900.0)
    assert field.temperature.max() == pytest.approx(373.15, abs=1e-9)
    assert field.conversion.max() < 1.0
    total = CURING.heat * 8e-9 * float(field.conversion.mean())
    assert field.stored == pytest.approx(total, rel=1e-9)


def test_blood_cools_at_its_rate():
    """Uniform warmth in a uniform body without conduction: ΔT e^(-ωt), ω = w/(ρc) (Pennes; 7.7)."""
    problem = block(4, perfusion=4000.0, heat_capacity=3.06e6, curing=dataclasses.replace(CURING, heat=0.0))
    field = HeatField(problem, temperature=BODY + 10.0)
    field.advance(600.0)
    assert float(field.temperature.mean() - BODY) == pytest.approx(10.0 * np.exp(-4000.0 / 3.06e6 * 600.0), rel=1e-4)
    assert field.balance_error < 1e-12


def test_exposure_counts_minutes_peaks_and_dwell():
    """47 °C for one minute is 16 equivalent minutes at 43 °C; at 50 °C skin burns after 18 minutes (2.4)."""
    cold = dataclasses.replace(CURING, heat=0.0)
    problem = block(2, curing=cold)
    kept = Exposure((2, 2, 2), frequency=3.1e98, temperature=6.28e5 / 8.314462618)
    field = HeatField(problem, temperature=320.15, exposure=kept)
    field.advance(60.0)
    np.testing.assert_allclose(kept.dose, 16.0, rtol=1e-4)
    np.testing.assert_allclose(kept.peak, 320.15, rtol=1e-6)
    np.testing.assert_allclose(kept.above[0], 60.0, rtol=1e-5)
    assert np.all(kept.above[1] == 0.0)
    burn = Exposure((2, 2, 2), frequency=3.1e98, temperature=6.28e5 / 8.314462618)
    HeatField(problem, temperature=323.15, exposure=burn).advance(18 * 60.0)
    np.testing.assert_allclose(burn.damage, 1.0, rtol=0.1)


def test_nothing_happens_in_a_body_at_rest():
    field = HeatField(block(5))
    field.advance(1000.0)
    assert np.all(field.temperature == BODY)
    assert field.ledger.turnover == 0.0


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"body_temperature": 273.15 + 61.0}, "body_temperature"),
        ({"body_temperature": float("nan")}, "body_temperature"),
        ({"body_temperature": 37.0}, "body_temperature"),
        ({"perfusion": -1.0}, "perfusion[0, 0, 0]"),
        ({"perfusion": float("nan")}, "perfusion[0, 0, 0]"),
        ({"conductivity": float("inf")}, "conductivity[0, 0, 0]"),
        ({"heat_capacity": 0.0}, "heat_capacity[0, 0, 0]"),
        ({"heat_capacity": 1.0e6}, "heat_capacity"),
        ({"pore_volume": 2e-9}, "pore_volume[0, 0, 0]"),
        ({"edges": "cold"}, "edges"),
    ],
)
def test_impossible_bodies_are_refused(change, place):
    with pytest.raises(CaseError) as caught:
        block(2, **change)
    assert caught.value.where == place


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        (ThermalFluid, {"heat_capacity": -1.0, "conductivity": 0.2}),
        (ThermalFluid, {"heat_capacity": 1e6, "conductivity": float("nan")}),
    ],
)
def test_impossible_fluids_are_refused(kind, change):
    with pytest.raises(CaseError):
        kind(**change)


@pytest.mark.parametrize(
    "change",
    [
        {"heat": -1.0},
        {"set_time": 0.0},
        {"shape": float("nan")},
        {"activation_energy": float("inf")},
        {"reference_temperature": 23.0},
        {"boiling_point": 37.0},
    ],
)
def test_impossible_cures_are_refused(change):
    with pytest.raises(CaseError):
        dataclasses.replace(CURING, **change)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"temperature": 273.15 - 1.0}, "movement.temperature"),
        ({"temperature": 273.15 + 61.0}, "movement.temperature"),
        ({"temperature": float("nan")}, "movement.temperature"),
        ({"cure_age": -1.0}, "movement.cure_age"),
        ({"cure_speed": float("nan")}, "movement.cure_speed"),
        ({"saturation": np.full((2, 2, 2), 1.5)}, "movement.saturation"),
        ({"pressure": np.full((2, 2, 2), np.nan)}, "movement.pressure"),
    ],
)
def test_impossible_movements_are_refused(change, where):
    still = {
        "saturation": np.zeros((2, 2, 2)),
        "pressure": np.zeros((2, 2, 2)),
        "fluxes": np.zeros((3, 2, 2, 2)),
        "wells": np.zeros((1, 3), int),
        "temperature": ROOM,
        "cure_age": 240.0,
    }
    with pytest.raises(CaseError) as caught:
        Movement(**{**still, **change})
    assert caught.value.where == where


def test_fluxes_must_fit_the_grid():
    with pytest.raises(GeometryError):
        Movement(
            saturation=np.zeros((2, 2, 2)), pressure=np.zeros((2, 2, 2)), fluxes=np.zeros((2, 2, 2)),
            wells=np.zeros((1, 3), int), temperature=ROOM, cure_age=0.0,
        )  # fmt: skip


@pytest.mark.parametrize("dt", [-1.0, float("nan"), float("inf")])
def test_impossible_steps_are_refused(dt):
    with pytest.raises(CaseError):
        HeatField(block(2)).advance(dt)


@pytest.mark.parametrize("temperature", [100.0, 600.0, float("nan")])
def test_impossible_first_temperatures_are_refused(temperature):
    with pytest.raises(CaseError):
        HeatField(block(2), temperature=temperature)
