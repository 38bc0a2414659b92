"""Syringes and needles in a whole run: dead volume, force, afterflow, dwell, fresh batch, pulling the needle."""

from __future__ import annotations

import numpy as np
import pytest

from vertebro.case import Case
from vertebro.errors import CaseError
from vertebro.simulation import Simulation


@pytest.fixture
def go(cold_case, coarse_anatomy):
    def run(steps, settings=None):
        case = cold_case.with_settings({"steps": steps} | (settings or {}))
        return Simulation(case, anatomy=coarse_anatomy, pictures=False).run()

    return run


def inject(volume="0.4 ml", **more):
    return {"do": "inject", "needle": "left", "volume": volume} | more


def events(run, name):
    return [event for event in run.events if event["event"] == name]


def test_an_empty_cannula_takes_its_dead_volume_first(go):
    """0.63 mL of bore at 3 mL/min take 12.6 s before anything comes out; the syringe gives both volumes."""
    run = go([inject()], {"delivery.primed": False})
    (device,) = run.summary["deliveries"]
    dead = events(run, "cannula fills")[0]["dead_volume_ml"]
    assert device["dead_volume_ml"] == pytest.approx(dead)
    assert run.summary["simulated_s"] == pytest.approx((dead + 0.4) / 3.0 * 60.0, rel=1e-6)
    assert run.summary["volume_injected_ml"] == pytest.approx(0.4, rel=1e-9)
    assert device["pushed_ml"] == pytest.approx(dead + 0.4, rel=1e-6)
    assert device["left_in_cannula_ml"] == pytest.approx(dead)


def test_under_force_control_the_force_is_kept_and_the_rate_follows(go):
    run = go([inject("2 ml", control="force", force="5 N", duration="20 s")])
    moving = run.history["rate_m3_s"] > 0
    assert moving.any()
    assert run.history["plunger_force_n"][moving] == pytest.approx(5.0, rel=0.15)
    assert np.ptp(run.history["rate_m3_s"][moving]) > 0
    assert run.summary["volume_injected_ml"] < 2.0


def test_an_injection_ends_at_a_force(go):
    run = go([inject("2 ml", until_force="8 N")])
    assert events(run, "injection ends")[0]["reason"] == "force"
    assert run.summary["volume_injected_ml"] < 2.0


def test_force_beyond_a_hand_is_an_event_and_is_not_applied(go):
    settings = {"cement.age_at_start": "9.5 min", "needles.0.gauge": 13}
    run = go([inject("0.5 ml", force="800 N", pressure="10 MPa", duration="30 s")], settings)
    (event,) = events(run, "force beyond the drive")
    assert (event["wanted_n"], event["limit_n"], event["drive"]) == (800.0, 200.0, "hand")
    assert run.history["plunger_force_n"].max() <= 200.0 * 1.05
    (cap,) = events(run, "pressure cap reached")
    assert cap["force_n"] == pytest.approx(200.0, rel=1e-6)


def test_a_hand_of_400_newton_does_not_exist(cold_case, coarse_anatomy):
    """A screw does: the same force is allowed with `drive`."""
    with pytest.raises(CaseError, match="beyond a hand") as caught:
        cold_case.with_settings({"delivery.force": "400 N"})
    assert "screw" in str(caught.value)
    strong = cold_case.with_settings({"delivery.force": "400 N", "delivery.drive": "screw"})
    Simulation(strong, anatomy=coarse_anatomy, pictures=False)


def test_a_soft_syringe_goes_on_after_the_plunger_stops_unless_released(go):
    """C = 1 mL/MPa: what is stored at the end, C·P, flows on while waiting; pulled back, nothing does."""
    soft = {"delivery.compliance": "1 ml/MPa"}
    after = go([inject(), {"do": "wait", "duration": "20 s"}], soft)
    released = go([inject(), {"do": "wait", "duration": "20 s", "release": True}], soft)
    assert released.summary["volume_injected_ml"] == pytest.approx(0.4, rel=0.05)
    assert after.summary["volume_injected_ml"] > released.summary["volume_injected_ml"] + 0.02
    assert after.summary["volume_balance_error"] < 1e-6
    pressures = after.history["syringe_pressure_pa"]
    assert np.all(np.diff(pressures[np.argmax(pressures) :]) <= 0)
    (device,) = after.summary["deliveries"]
    stored = pressures[-1] * 1e-12 * 1e6
    assert device["pushed_ml"] == pytest.approx(after.summary["volume_injected_ml"] + stored, rel=1e-6)


def test_cement_that_dwelt_in_the_warm_cannula_needs_more_force(go):
    """Inject, wait two minutes, inject: the plug in the warm cannula is older than the cement in the syringe."""
    steps = [inject(), {"do": "wait", "duration": "120 s"}, inject()]
    warm, cool = (go(steps, {"delivery.tissue_temperature": f"{t} degC"}) for t in (37, 23))
    assert warm.summary["peak_syringe_pressure_kpa"] > 1.5 * cool.summary["peak_syringe_pressure_kpa"]


def test_cement_sets_in_the_cannula_and_says_where(go):
    run = go([inject(), {"do": "wait", "duration": "460 s"}, inject()])
    (event,) = events(run, "cement has set in the cannula")
    assert 0 <= event["behind_tip_mm"] < 125
    assert events(run, "injection ends")[1]["reason"] == "the cement has set"
    assert run.summary["volume_injected_ml"] == pytest.approx(0.4)


def test_a_fresh_batch_is_young_and_pushes_the_old_plug_out(go):
    steps = [inject(), {"do": "batch", "needle": "left", "age": "2 min"}, inject("1.2 ml")]
    run = go(steps)
    (event,) = events(run, "fresh batch")
    assert event["old_cement_in_cannula_ml"] > 0.5
    (device,) = run.summary["deliveries"]
    assert device["cure_age_syringe_s"] == pytest.approx(120.0 + 24.0, rel=0.02)
    assert run.history["viscosity_pa_s"][-1] < run.history["viscosity_pa_s"][0]


@pytest.mark.parametrize("age", ["-1 min", "90 min"])
def test_a_batch_from_the_future_is_refused(cold_case, age):
    with pytest.raises(CaseError) as caught:
        cold_case.with_settings({"steps": [inject(), {"do": "batch", "age": age}]})
    assert "steps.1.age" in str(caught.value)
    assert "0 to 60 min" in str(caught.value)


def test_cement_goes_into_a_needle_when_it_is_first_used(cold_case, coarse_anatomy):
    """The second needle's cement waits in its syringe: after 3 min it is as old as the batch, not as a warm plug."""
    right = {"name": "right", "side": "right", "lateral": "9 mm"}
    needles = [{"name": "left", "side": "left", "lateral": "9 mm"}, right]
    wait = {"do": "wait", "duration": "180 s"}
    case = cold_case.with_settings(
        {"needles": needles, "steps": [inject("0.2 ml"), wait, inject("0.2 ml", needle="right")]}
    )
    run = Simulation(case, anatomy=coarse_anatomy, pictures=False).run()
    left, right = run.summary["deliveries"]
    assert left["cure_age_tip_s"] > left["cure_age_syringe_s"] + 180.0
    assert right["cure_age_tip_s"] < right["cure_age_syringe_s"] + 20.0
    assert run.summary["volume_injected_ml"] == pytest.approx(0.4)


def test_withdrawing_too_early_leaves_a_tail(go):
    run = go([inject(), {"do": "withdraw", "needle": "left"}], {"cement.age_at_start": "2 min"})
    (event,) = events(run, "cement tail in the track")
    assert event["tail_ml"] > 0.02
    assert event["tail_mm"] > 4
    assert any("left in its track" in text for text in run.summary["warnings"])
    assert run.summary["deliveries"][0]["withdrawn"]


def test_a_stylet_prevents_the_tail(go):
    """The dead volume goes into the bone as well, the bore is empty, the needle comes out clean."""
    out = {"do": "withdraw", "needle": "left"}
    run = go([inject(), {"do": "stylet", "needle": "left"}, out], {"cement.age_at_start": "2 min"})
    (event,) = events(run, "stylet pushed")
    (device,) = run.summary["deliveries"]
    assert event["volume_ml"] == pytest.approx(device["dead_volume_ml"], rel=1e-4)
    assert event["left_ml"] == device["left_in_cannula_ml"] == device["tail_ml"] == 0.0
    assert run.summary["volume_injected_ml"] == pytest.approx(0.4 + device["dead_volume_ml"], rel=1e-4)
    assert events(run, "needle withdrawn")


def test_a_stylet_cannot_push_set_cement(go):
    steps = [inject(), {"do": "wait", "duration": "600 s"}, {"do": "stylet", "needle": "left"}]
    (event,) = events(go(steps, {"flow.interval": "30 s"}), "stylet pushed")
    assert event["volume_ml"] == 0.0
    assert event["left_ml"] > 0.5


def test_withdrawing_too_late_sticks(go):
    wait = {"do": "wait", "duration": "900 s"}
    steps = [inject("0.8 ml"), wait, {"do": "withdraw", "needle": "left"}]
    run = go(steps, {"flow.interval": "30 s", "cement.age_at_start": "8 min"})
    (event,) = events(run, "needle stuck in the cement")
    assert event["grip_n"] > 200
    assert event["embedded_mm"] > 2
    assert not run.summary["deliveries"][0]["withdrawn"]
    assert any("stuck" in text for text in run.summary["warnings"])


def test_a_withdrawn_needle_cannot_inject(go):
    with pytest.raises(CaseError, match="withdrawn"):
        go([inject(), {"do": "withdraw", "needle": "left"}, inject()])


def test_after_retracting_cement_comes_out_farther_back(go, coarse_anatomy):
    steps = [inject("0.3 ml"), {"do": "retract", "needle": "left", "distance": "8 mm"}, inject("0.3 ml")]
    run = go(steps)
    (event,) = events(run, "needle retracted") or events(run, "cement tail in the track")
    assert event["distance_mm"] == pytest.approx(8.0)
    needle, grid = run.scene.needles[0], run.anatomy.grid
    late = np.argwhere(np.isfinite(run.injection_time) & (run.injection_time > 7.0) & (run.saturation[-1] > 0.3))
    along = (grid.world(late) - needle.tip) @ needle.direction
    assert along.mean() == pytest.approx(-8e-3, abs=3e-3)
    # the tail that follows the tip is cement in the patient too
    assert run.summary["volume_injected_ml"] == pytest.approx(0.6 + event["tail_ml"], rel=1e-9)
    assert run.summary["volume_balance_error"] < 1e-6


def test_a_needle_pulled_out_of_the_region_injects_no_more(go):
    steps = [inject("0.2 ml"), {"do": "retract", "needle": "left", "distance": "95 mm"}, inject("0.2 ml")]
    run = go(steps)
    assert events(run, "step skipped")[0]["reason"] == "the needle is out"
    (device,) = run.summary["deliveries"]
    assert 0.2 <= run.summary["volume_injected_ml"] <= 0.2 + device["tail_ml"]
    assert device["withdrawn"]


def test_the_marrow_is_reported_in_words_and_numbers(go):
    run = go([inject("0.2 ml")], {"marrow.yield_stress": "20 Pa", "marrow.viscosity": "2 Pa.s"})
    assert run.summary["settings"]["marrow_yield_stress_pa"] == 20
    assert "yields at 20 Pa" in run.summary["settings"]["marrow"]
    plain = go([inject("0.2 ml")], {"marrow.viscosity": "2 Pa.s"})
    assert "thick liquid" in plain.summary["settings"]["marrow"]
    assert run.summary["peak_bone_pressure_kpa"] > 1.02 * plain.summary["peak_bone_pressure_kpa"]


@pytest.mark.parametrize(
    "settings",
    [
        {"cement.rheology": "power-law"},
        {"cement.yield_stress": "30 Pa"},
        {"cement.shear_factor": "cannella"},
        {"needles.0.opening": "side"},
        {"delivery.syringe": 1},
        {"delivery.drive": "screw"},
    ],
)
def test_other_laws_and_tools_inject_the_same_volume(go, settings):
    run = go([inject("0.3 ml")], settings)
    assert run.summary["volume_injected_ml"] == pytest.approx(0.3, rel=1e-9)
    assert run.summary["volume_balance_error"] < 1e-6
    assert np.isfinite(run.history["syringe_pressure_pa"]).all()


def test_cannella_makes_the_bone_easier_to_fill(go):
    """C = 4.8 instead of 1.13 at n = 0.5: more shear, thinner cement, less pressure at the tip."""
    bone = [
        go([inject("0.4 ml")], {"cement.shear_factor": name}).summary["peak_bone_pressure_kpa"]
        for name in ("capillary", "cannella")
    ]
    assert 0.4 * bone[0] < bone[1] < 0.95 * bone[0]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"delivery.syringe": 2}, "delivery.syringe"),
        ({"delivery.compliance": "9 ml/MPa"}, "0 to 2 ml/MPa"),
        ({"delivery.tissue_temperature": "61 degC"}, "0 to 60 degC"),
        ({"cement.temperature": "-1 degC"}, "0 to 60 degC"),
        ({"needles.0.opening": "slit"}, "needles.0.opening"),
        ({"steps.0.control": "force"}, "needs a force"),
        ({"steps.0.do": "shake"}, "steps.0.do"),
        ({"marrow.yield_stress": "-1 Pa"}, "0 to 1000 Pa"),
    ],
)
def test_impossible_handling_is_refused_with_its_place(settings, words):
    with pytest.raises(CaseError) as caught:
        Case.preset("first-injection").with_settings(settings)
    assert words in str(caught.value)
