"""Heat in a whole run: bounded, balanced, recorded, told; and what happens without it."""

from __future__ import annotations

import numpy as np
import pytest

from vertebro.case import Case
from vertebro.errors import CaseError
from vertebro.record import Run
from vertebro.simulation import Simulation
from vertebro.warmth import PLACES


def test_cement_gets_hot_the_bone_beside_it_less_and_the_canal_hardly(short_run):
    """Rule of thumb (2.3): the interface stays below body + half the adiabatic rise; cement below the whole of it."""
    heat, card = short_run.summary["heat"], short_run.scene.cement
    peaks = heat["peak_c"]
    assert set(PLACES) | {"cement", "interface"} == set(peaks)
    assert 45.0 < peaks["cement"] < 37.0 + card.adiabatic_rise
    assert 38.0 < peaks["interface"] < 37.0 + card.adiabatic_rise / 2
    assert 37.0 <= peaks["canal"] < 40.0
    assert short_run.summary["peak_temperature_c"] == max(peaks.values())
    assert heat["seconds_above_50_c"]["cement"] <= heat["seconds_above_45_c"]["cement"]


def test_the_books_of_a_run_close(short_run):
    assert short_run.summary["heat"]["energy_balance_error"] < 1e-10


def test_the_run_is_followed_until_the_cement_has_set(short_run):
    heat = short_run.summary["heat"]
    assert heat["conversion"] > 0.95
    assert heat["followed_s"] > short_run.summary["simulated_s"]
    events = [event for event in short_run.events if event["event"] == "cement has set"]
    assert len(events) == 1
    assert short_run.summary["simulated_s"] < events[0]["time_s"] <= heat["followed_s"]
    assert short_run.events[-1]["event"] == "end"
    times = [event["time_s"] for event in short_run.events]
    assert times == sorted(times)


def test_fields_and_curves_survive_the_folder(short_run, run_folder):
    again = Run.load(run_folder)
    for name in ("peak", "dose", "damage", "conversion"):
        assert np.array_equal(getattr(again.heat, name), getattr(short_run.heat, name))
    assert set(again.heat.curves) == set(short_run.heat.curves)
    for name, curve in short_run.heat.curves.items():
        assert np.array_equal(again.heat.curves[name], curve)
    assert short_run.heat.peak.max() == pytest.approx(short_run.summary["peak_temperature_c"], abs=1e-3)


def test_heat_can_be_left_out(coarse_case, coarse_anatomy, tmp_path):
    case = coarse_case.with_settings({"heat.enabled": False, "steps.0.volume": "0.3 ml"})
    run = Simulation(case, anatomy=coarse_anatomy, pictures=False).run()
    assert run.heat is None
    assert run.summary["heat"] is None
    assert run.summary["peak_temperature_c"] is None
    assert Run.load(run.save(tmp_path / "cold")).heat is None


def test_heat_changes_nothing_about_the_flow(coarse_case, coarse_anatomy):
    short = {"steps.0.volume": "0.3 ml"}
    warm, cold = (
        Simulation(coarse_case.with_settings(short | {"heat.enabled": on}), anatomy=coarse_anatomy, pictures=False)
        for on in (True, False)
    )
    assert np.array_equal(warm.run().saturation, cold.run().saturation)


def test_a_hot_leak_beside_a_nerve_is_an_event(coarse_case, coarse_anatomy):
    """A thin-skinned limit of half a minute at 43 °C, a body at fever: the canal is told about, once, with a place."""
    case = coarse_case.with_settings(
        {
            "steps.0.volume": "2 ml",
            "needles.0.depth": 0.3,
            "heat.body_temperature": "41 degC",
            "heat.marrow_perfusion": "0 ml/min/100g",
            "heat.soft_perfusion": "0 ml/min/100g",
            "heat.nerve_dose": "0.5 min",
        }
    )
    run = Simulation(case, anatomy=coarse_anatomy, pictures=False).run()
    told = [event for event in run.events if event["event"] == "nerve dose reached"]
    assert told
    assert len({event["compartment"] for event in told}) == len(told)
    for event in told:
        assert event["cem43_min"] >= event["limit_min"] == 0.5
        assert len(event["position_mm"]) == 3


def test_set_cement_is_no_heat_and_no_crash(coarse_case, coarse_anatomy):
    case = coarse_case.with_settings({"cement.age_at_start": "40 min"})
    run = Simulation(case, anatomy=coarse_anatomy, pictures=False).run()
    assert run.summary["peak_temperature_c"] == 37.0
    assert run.summary["heat"]["conversion"] == 0.0


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("heat.body_temperature", "80 degC", "0 to 60 degC"),
        ("heat.body_temperature", "-1 degC", "0 to 60 degC"),
        ("heat.marrow_perfusion", "-1 ml/min/100g", "0 to 30 ml/min/100g"),
        ("heat.soft_perfusion", float("nan"), "ml/min/100g"),
        ("heat.bone_conductivity", "0 W/m/K", "0.2 to 2 W/m/K"),
        ("heat.follow_up", "1000 min", "0 to 120 min"),
    ],
)
def test_impossible_settings_are_named(key, value, allowed):
    with pytest.raises(CaseError) as caught:
        Case.preset("first-injection").with_settings({key: value})
    assert key in caught.value.where
    assert allowed in str(caught.value)


def test_a_pause_in_warm_bone_thickens_the_cement_that_is_there(coarse_case, coarse_anatomy):
    """After 4 min the exotherm has made the cement in the bone older than warm-up alone, and the flow's law knows."""
    steps = [{"do": "inject", "needle": "left", "volume": "2 ml"}, {"do": "wait", "duration": "4 min"}]
    ages = {}
    for heat in (True, False):
        case = coarse_case.with_settings({"steps": steps, "heat.enabled": heat, "cement.age_at_start": "5 min"})
        simulation = Simulation(case, anatomy=coarse_anatomy, pictures=False)
        simulation.run()
        law, now = simulation.problem.law("injected"), simulation.state.time
        ages[heat] = float(law.clock(now))
        assert (simulation.handling.record.measured is not None) == heat
    assert ages[True] > 1.02 * ages[False]
