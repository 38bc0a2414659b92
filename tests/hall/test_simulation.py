"""A whole injection on a coarse vertebra: volumes add up, the clock is exact, the same case gives the same run."""

from __future__ import annotations

import json
import signal

import numpy as np
import pytest

from vertebro.build import build_anatomy
from vertebro.case import NeedleInput
from vertebro.errors import CaseError, PlacementError
from vertebro.record import Run
from vertebro.simulation import Simulation
from vertebro.view.report import write_report

WALL = ("wall_s", "wall_parts_s")


def without_wall_times(summary):
    return {key: value for key, value in summary.items() if key not in WALL}


def test_a_sketched_surround_leaves_everything_that_flows_as_it_is(coarse_case, coarse_anatomy):
    sketch = build_anatomy(coarse_case, sketch=True)
    assert sketch.surround.grid.spacing[0] == pytest.approx(3e-3)
    for name in ("tissue", "compartment", "porosity", "permeability"):
        np.testing.assert_array_equal(getattr(sketch, name), getattr(coarse_anatomy, name))


def test_a_needle_planned_by_the_surroundings_gets_fine_ones(coarse_case):
    case = coarse_case.model_copy(update={"needles": (NeedleInput(approach="posterolateral"),)})
    assert build_anatomy(case, sketch=True).surround.grid.spacing[0] == pytest.approx(1e-3)


def test_the_wished_volume_goes_in_and_adds_up(short_run):
    summary = short_run.summary
    assert summary["volume_injected_ml"] == pytest.approx(1.5, rel=1e-9)
    assert summary["volume_balance_error"] <= 1e-6
    assert sum(summary["compartments_ml"].values()) == pytest.approx(1.5, rel=1e-6)
    assert summary["volume_in_body_ml"] > 1.2


def test_it_takes_the_time_the_rate_says(short_run):
    assert short_run.summary["simulated_s"] == pytest.approx(30.0, rel=1e-9)


def test_the_summary_says_what_its_leak_figures_rest_on(short_run, coarse_case):
    said = short_run.summary["settings"]
    assert said["mode"] == "two-phase"
    assert said["marrow_viscosity_pa_s"] == coarse_case.marrow.viscosity
    assert f"{coarse_case.marrow.viscosity:g} Pa.s" in said["marrow"]
    assert said["venous_pressure_pa"] == coarse_case.anatomy.venous_pressure
    assert not any("cement-only" in text for text in short_run.summary["warnings"])


def test_cement_alone_says_that_it_is_blind_to_viscosity(cold_case, coarse_anatomy):
    case = cold_case.with_settings({"flow.mode": "cement-only", "steps.0.volume": "0.2 ml"})
    run = Simulation(case, anatomy=coarse_anatomy, pictures=False).run()
    assert run.summary["settings"]["mode"] == "cement-only"
    assert any("cement-only mode is blind to viscosity" in text for text in run.summary["warnings"])


def test_cement_in_the_posterior_quarter_is_an_event_of_its_round(cold_case, coarse_anatomy):
    """The limit is moved to where this needle's cement surely comes: half the depth."""
    case = cold_case.with_settings({"leakage.posterior_margin": 0.5, "steps.0.volume": "1.5 ml"})
    run = Simulation(case, anatomy=coarse_anatomy, pictures=False).run()
    (sign,) = [event for event in run.events if event["event"] == "warning sign"]
    (told,) = run.summary["warning_signs"]
    assert sign["sign"] == told["sign"] == "posterior quarter"
    first = np.flatnonzero(run.history["posterior_margin"] < 0.5)[0]
    assert sign["time_s"] == pytest.approx(run.history["time_s"][first])
    assert run.history["posterior_margin"][-1] == pytest.approx(run.summary["result"]["posterior_margin"])
    assert run.history["canal_encroachment"][-1] == pytest.approx(run.summary["result"]["canal_encroachment"])


def test_pressures_are_of_the_published_size(short_run):
    """Krebs 2005 measured MPa at the syringe, Li 2015 single kPa in the bone: the cannula takes nearly all."""
    summary = short_run.summary
    assert 1 < summary["peak_bone_pressure_kpa"] < 200
    assert summary["peak_syringe_pressure_kpa"] > 3 * summary["peak_bone_pressure_kpa"]


def test_cement_surrounds_the_tip(short_run):
    needle = short_run.scene.needles[0]
    fraction = short_run.cement_fraction()
    assert fraction[short_run.anatomy.grid.nearest(needle.tip)] > 0.5


def test_saturation_stays_between_nothing_and_full(short_run):
    assert short_run.saturation.min() >= 0
    assert short_run.saturation.max() <= 1 + 1e-6


def test_older_cement_lies_farther_out(short_run):
    """Portions do not mix: what left the needle first is pushed ahead by what follows (physics.md E7)."""
    grid, needle = short_run.anatomy.grid, short_run.scene.needles[0]
    entered = short_run.injection_time
    filled = np.argwhere(np.isfinite(entered) & (short_run.saturation[-1] > 0.9))
    distance = np.linalg.norm(grid.world(filled) - needle.tip, axis=1)
    times = entered[tuple(filled.T)]
    near, far = distance < np.quantile(distance, 0.3), distance > np.quantile(distance, 0.7)
    assert times[near].mean() > times[far].mean() + 5


def test_the_same_case_gives_the_same_summary(coarse_case, coarse_anatomy, short_run):
    again = Simulation(coarse_case, anatomy=coarse_anatomy).run()
    assert json.dumps(without_wall_times(again.summary)) == json.dumps(without_wall_times(short_run.summary))
    for one, other in zip(again.pictures, short_run.pictures, strict=True):
        assert np.array_equal(one.display16, other.display16)


def test_a_weak_hand_slows_down_and_says_so(cold_case, coarse_anatomy):
    case = cold_case.with_settings({"steps.0.pressure": "0.04 MPa", "steps.0.duration": "20 s"})
    run = Simulation(case, anatomy=coarse_anatomy, pictures=False).run()
    assert run.summary["volume_injected_ml"] < 0.95
    assert "pressure cap reached" in [event["event"] for event in run.events]
    assert run.summary["peak_syringe_pressure_kpa"] <= 40 * 1.1


@pytest.mark.parametrize(
    ("limit", "reason"),
    [
        ({"steps.0.until_pressure": "120 kPa"}, "pressure"),
        ({"steps.0.duration": "6 s"}, "time"),
        ({"steps.0.volume": "0.3 ml"}, "volume"),
    ],
)
def test_an_injection_ends_at_the_first_limit(cold_case, coarse_anatomy, limit, reason):
    case = cold_case.with_settings({"steps.0.volume": "1 ml"} | limit)
    run = Simulation(case, anatomy=coarse_anatomy, pictures=False).run()
    assert [e["reason"] for e in run.events if e["event"] == "injection ends"] == [reason]
    assert run.summary["volume_injected_ml"] < 1
    if reason == "pressure":
        assert run.summary["peak_syringe_pressure_kpa"] == pytest.approx(120, rel=0.1)


def test_set_cement_does_not_move(coarse_case, coarse_anatomy):
    case = coarse_case.with_settings({"cement.age_at_start": "40 min"})
    run = Simulation(case, anatomy=coarse_anatomy, pictures=False).run()
    assert run.summary["volume_injected_ml"] == 0
    assert "the cement has set" in [event.get("reason") for event in run.events]


def test_waiting_moves_nothing(cold_case, coarse_anatomy):
    case = cold_case.with_settings(
        {
            "steps": [
                {"do": "inject", "needle": "left", "volume": "0.5 ml"},
                {"do": "wait", "duration": "30 s"},
                {"do": "inject", "needle": "left", "volume": "0.5 ml"},
            ]
        }
    )
    run = Simulation(case, anatomy=coarse_anatomy, pictures=False).run()
    assert run.summary["simulated_s"] == pytest.approx(50.0)
    assert run.summary["volume_injected_ml"] == pytest.approx(1.0)
    volume = np.interp([10.0, 40.0], run.history["time_s"], run.history["volume_injected_m3"])
    assert volume[0] == pytest.approx(volume[1])


def test_ctrl_c_keeps_what_is_done(cold_case, coarse_anatomy, tmp_path):
    def stop_halfway(stage, fraction):
        if fraction > 0.5:
            raise KeyboardInterrupt

    run = Simulation(cold_case, anatomy=coarse_anatomy, pictures=False, progress=stop_halfway).run()
    assert run.summary["status"] == "interrupted"
    assert 0.3 < run.summary["volume_injected_ml"] < 1.5
    assert Run.load(run.save(tmp_path / "half")).summary["status"] == "interrupted"


@pytest.fixture
def listening_to_ctrl_c():
    """Python's own answer to SIGINT, also where the tests run in a background job, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("listening_to_ctrl_c")
@pytest.mark.parametrize(("part", "calls"), [("stepper", 3), ("warmth", 2), ("field", 4)])
def test_ctrl_c_in_the_middle_of_a_round_leaves_no_half_round(coarse_case, coarse_anatomy, part, calls):
    """A real SIGINT while the flow, or the heat during and after the injection, is being advanced: fluid and heat of
    the run that is kept still balance, and both are known up to the same moment."""
    simulation = Simulation(coarse_case, anatomy=coarse_anatomy, pictures=False)
    owner = {"stepper": simulation.stepper, "warmth": simulation.warmth, "field": simulation.warmth.field}[part]
    name = "follow" if part == "warmth" else "advance"
    original, seen = getattr(owner, name), []

    def interrupted(*positional, **named):
        seen.append(1)
        if len(seen) == calls:
            signal.raise_signal(signal.SIGINT)
        return original(*positional, **named)

    setattr(owner, name, interrupted)
    run = simulation.run()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    heat = run.summary["heat"]
    assert run.summary["status"] == "interrupted"
    assert run.summary["volume_injected_ml"] > 0.1
    assert run.summary["volume_balance_error"] < 1e-10
    assert heat["energy_balance_error"] < 1e-10
    assert heat["followed_s"] >= run.summary["simulated_s"] - 1e-9
    assert run.events[-2]["event"] == "interrupted"


def test_set_cement_is_a_run_with_events_and_a_report(coarse_case, coarse_anatomy, tmp_path):
    """Nothing can be injected: an event says why, the rest of the house copes with a run in which nothing moved."""
    case = coarse_case.with_settings({"cement.age_at_start": "40 min"})
    run = Simulation(case, anatomy=coarse_anatomy).run()
    assert run.summary["volume_injected_ml"] == 0.0
    assert any(event.get("reason") == "the cement has set" for event in run.events)
    assert any("the cement has set" in text for text in run.summary["warnings"])
    run.save(tmp_path / "hard")
    assert write_report(Run.load(tmp_path / "hard")).stat().st_size > 1e4


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"needles.0.gauge": 12}, CaseError, "gauge"),
        (
            {"needles.0.approach": "points", "needles.0.entry": [0, -100, 0], "needles.0.tip": [0, -60, 0]},
            PlacementError,
            "needle",
        ),
        ({"steps.0.needle": "right"}, CaseError, "left"),
        ({"cement.preset": "glue"}, CaseError, "generic-medium"),
        ({"anatomy.level": "Q9"}, CaseError, "L1"),
        ({"anatomy.source": "folder"}, CaseError, "vertebro import"),
    ],
)
def test_an_impossible_scene_is_refused(coarse_case, coarse_anatomy, settings, error, words):
    own = None if any(key.startswith("anatomy") for key in settings) else coarse_anatomy
    with pytest.raises(error, match=words):
        Simulation(coarse_case.with_settings(settings), anatomy=own)
