"""One clock, typed actions, pictures on pulses, a log that tells all."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from training.conftest import COARSE, SEED, fresh
from vertebro.errors import GeometryError, SessionError
from vertebro.training.actions import ACTIONS, parse_action
from vertebro.training.handlers import HANDLERS
from vertebro.training.log import read_log
from vertebro.training.scenario import load_scenario
from vertebro.training.session import Session


def do(session, kind: str, **more) -> None:
    session.command({"kind": kind, **more})


def needle_in(session, depth_mm: float = 92.0) -> None:
    """The planned needle, advanced to a depth."""
    plan = session.observation().plan["needles"]["left"]
    do(session, "place", needle="left", entry_mm=plan["entry_mm"], convergence_deg=plan["convergence_deg"],
       caudal_deg=plan["caudal_deg"])  # fmt: skip
    while depth_mm > 2.5:
        step = min(depth_mm - 2.0, 60.0)
        do(session, "advance", needle="left", distance_mm=step)
        depth_mm -= step


def test_every_action_has_a_handler() -> None:
    assert set(ACTIONS) == set(HANDLERS)


@pytest.mark.parametrize(
    "data", [{"kind": "dance"}, {"kind": "advance", "distance_mm": float("nan")}, {"kind": "pulse_rate", "rate": 4}, {}]
)
def test_what_is_no_action_is_refused(data) -> None:
    with pytest.raises(SessionError):
        parse_action(data)


@pytest.mark.parametrize(("rate", "count"), [(3.0, 7), (7.5, 16), (15.0, 31)])
def test_pulses_come_at_the_selected_rate_and_count_dose(session, rate: float, count: int) -> None:
    do(session, "pulse_rate", rate=rate)
    do(session, "pedal", down=True)
    session.step(2.0)
    do(session, "pedal", down=False)
    session.step(5.0)
    dose = session.telemetry()["dose"]
    assert dose["exposures"] == count
    assert dose["fluoro_s"] == pytest.approx(count / rate)
    assert dose["dap_gy_cm2"] > 0


def test_collimation_lowers_the_dose(anatomies) -> None:
    def dap(**size) -> float:
        session = fresh(anatomies)
        if size:
            do(session, "collimate", **size)
        do(session, "expose")
        return session.telemetry()["dose"]["dap_gy_cm2"]

    assert dap(width_mm=60, height_mm=60) < 0.5 * dap()


def test_last_image_is_held_in_its_plane_while_the_arm_turns(session) -> None:
    do(session, "expose")
    (before,) = session.frames()
    do(session, "arm", orbital_deg=90.0)
    assert session.telemetry()["arm"]["moving"]
    session.step(2.0)
    assert 10.0 < session.telemetry()["arm"]["orbital_deg"] < 80.0
    session.step(8.0)
    assert not session.telemetry()["arm"]["moving"]
    do(session, "expose")
    held = {frame.pane: frame for frame in session.frames()}
    assert set(held) == {"ap", "lateral"}
    assert held["ap"].seq == before.seq
    assert np.array_equal(held["ap"].display16, before.display16)


def test_arm_that_would_hit_the_patient_stays_and_the_session_goes_on(session) -> None:
    with pytest.raises(GeometryError):
        do(session, "arm", orbital_deg=170.0)
    assert session.log.lines[-1]["refused"]
    do(session, "expose")


def test_arm_is_not_caught_when_a_bumper_stopped_it_and_the_patient_then_came_nearer(session) -> None:
    for angles in ({"orbital_deg": 55.0}, {"cranial_deg": 28.0}):
        do(session, "arm", **angles)
        session.step(8.0)
    arm, gantry = session.arm, session.arm.gantry
    do(session, "arm", orbital_deg=25.0)  # the swing between two free places is not free
    session.step(8.0)
    assert session.log.lines[-1]["event"] == "arm stopped"
    assert not arm.moving
    room = gantry.clearance(arm.position)
    assert room >= gantry.surroundings.margin
    nearer = min((-0.02, 0.02), key=lambda way: gantry.clearance(replace(arm.position, lateral=way)))
    arm.nudge(nearer, 0.0)
    assert gantry.clearance(arm.position) < gantry.surroundings.margin
    do(session, "expose")
    do(session, "arm", orbital_deg=0.0, cranial_deg=0.0)
    session.step(10.0)
    assert (arm.position.orbital, arm.position.cranial) == (0.0, 0.0)


def test_how_time_is_cut_into_steps_changes_nothing(anatomies) -> None:
    logs = []
    for dt in (1.0, 1 / 30, 0.37):
        session = fresh(anatomies)
        do(session, "pedal", down=True)
        left = 3.0
        while left > 1e-9:
            session.step(min(dt, left))
            left -= dt
        session.go(180)
        do(session, "arm", orbital_deg=40.0)
        session.go(600)
        do(session, "pedal", down=False)
        for angles in ({"orbital_deg": 55.0}, {"cranial_deg": 28.0}, {"orbital_deg": 25.0}):  # the last is stopped
            do(session, "arm", **angles)
            goal = session.tick + 180
            while session.tick < goal:
                session.step(min(dt, (goal - session.tick) / 60))
        assert session.log.lines[-1]["event"] == "arm stopped"
        do(session, "expose")
        logs.append(session.log.lines)
    assert logs[0] == logs[1] == logs[2]


def test_injection_does_not_depend_on_the_steps_either(anatomies) -> None:
    logs = []
    for dt in (10.0, 0.7):
        session = fresh(anatomies)
        needle_in(session)
        do(session, "mix")
        do(session, "wait", seconds=180)
        for kind, seconds in (("inject", 5), ("stop", 40)):
            do(session, kind)
            goal = session.tick + 60 * seconds
            while session.tick < goal:
                session.step(min(dt, (goal - session.tick) / 60))
        logs.append(session.log.lines)
    assert logs[0] == logs[1]


def test_needle_meets_bone_wall_and_medial_line_in_order(session) -> None:
    do(session, "anaesthetise", needle="left")
    needle_in(session)
    order = [line["event"] for line in session.log.lines if line["type"] == "event"]
    assert order.index("bone contact") < order.index("posterior wall crossed") < order.index("medial line crossed")
    assert "patient in pain" not in order
    contact = next(line for line in session.log.lines if line.get("event") == "bone contact")
    assert contact["numb"]


def test_the_cortex_resists_more_than_muscle_and_marrow(session) -> None:
    felt, bone = [], []
    needle_in(session, 40.0)
    for _ in range(45):
        do(session, "advance", needle="left", distance_mm=1.0)
        shown = session.telemetry()["needles"]["left"]
        felt.append(shown["resistance_n"])
        bone.append(shown["in_bone"])
    first = bone.index(True)
    assert max(felt[first - 1 : first + 4]) > 3 * felt[0]
    assert max(felt[first - 1 : first + 4]) > 1.5 * float(np.median(felt[first + 15 :]))
    assert max(felt) < 250.0  # two hands and a twist


def test_patient_who_is_not_numb_is_hurt_and_moves(session) -> None:
    before = session.arm.position
    needle_in(session, 60.0)
    assert session.arm.position != before
    assert any("hurts" in words for words in session.observation().voice)


def test_levering_in_the_arch_cracks_it_and_turning_in_soft_tissue_does_not(session) -> None:
    needle_in(session, 40.0)
    do(session, "rotate", needle="left", convergence_deg=6.0)
    assert not [line for line in session.log.lines if line.get("event") == "arch cracked by levering"]
    do(session, "rotate", needle="left", convergence_deg=-6.0)
    do(session, "advance", needle="left", distance_mm=50.0)
    do(session, "rotate", needle="left", convergence_deg=8.0)
    assert [line for line in session.log.lines if line.get("event") == "arch cracked by levering"]


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("advance", {"distance_mm": 5}),
        ("inject", {}),
        ("stylet", {}),
        ("save", {"plane": "lateral"}),
        ("answer", {"question": "treat", "answer": "perhaps"}),
        ("level", {"level": "L9"}),
    ],
)
def test_action_at_the_wrong_moment_is_refused_with_a_reason(session, kind: str, more) -> None:
    with pytest.raises(SessionError):
        do(session, kind, **more)


def test_cement_needs_mixing_and_a_tip_in_bone(session) -> None:
    needle_in(session, 20.0)
    with pytest.raises(SessionError, match="not in bone"):
        do(session, "inject", needle="left")
    do(session, "advance", needle="left", distance_mm=60.0)
    do(session, "advance", needle="left", distance_mm=10.0)
    with pytest.raises(SessionError, match="no cement"):
        do(session, "inject", needle="left")


def test_rate_can_change_on_the_way_and_the_volume_is_their_sum(session) -> None:
    needle_in(session)
    do(session, "mix")
    do(session, "wait", seconds=200)
    do(session, "inject", needle="left", rate_ml_min=3.0)
    session.step(10.0)
    do(session, "inject", needle="left", rate_ml_min=1.5)
    session.step(10.0)
    do(session, "stop")
    session.step(20.0)
    shown = session.telemetry()["syringe"]
    ends = [line["until_s"] for line in session.log.lines if line["type"] == "row" and line["rate_ml_s"] > 0.0]
    assert ends == pytest.approx([ends[0] + n for n in range(20)])  # of the rounds, not of their display
    assert shown["injected_ml"] == pytest.approx(0.5 + 0.25, rel=1e-6)
    assert shown["rate_ml_min"] == 0.0


def stained(session) -> float:
    """Longest path through contrast in the picture of now [m]."""
    return float(session.arm.contrast_line(session.arm.ready(session.site.subject), session.site.subject).max())


def test_contrast_flows_in_on_the_clock_and_is_washed_out(session) -> None:
    needle_in(session)
    do(session, "expose")
    do(session, "contrast", needle="left", volume_ml=1.0)
    assert session.telemetry()["contrast"] == "left"
    session.step(1.0)
    little = session.site.subject.contrast.sum()
    session.step(4.5)
    assert session.telemetry()["contrast"] is None
    assert session.site.subject.contrast.sum() > 2 * little
    do(session, "expose")
    full = stained(session)
    session.step(20.0)
    do(session, "expose")
    assert stained(session) < 0.4 * full
    session.step(100.0)
    do(session, "expose")
    assert session.site.subject.contrast is None
    told = [line for line in session.log.lines if line.get("event", "").startswith("contrast")]
    assert [line["event"] for line in told] == ["contrast injected", "contrast seen"]
    assert 0.0 <= told[0]["outside_share"] <= 1.0


def test_cement_waits_until_the_contrast_is_in(session) -> None:
    needle_in(session)
    do(session, "mix")
    do(session, "contrast", needle="left")
    with pytest.raises(SessionError, match="contrast"):
        do(session, "inject", needle="left")


def test_subtraction_shows_the_contrast_alone_and_the_roadmap_keeps_it(session) -> None:
    needle_in(session)
    before = session.telemetry()["dose"]["exposures"]
    do(session, "mask")
    assert session.telemetry()["dose"]["exposures"] == before + 4
    do(session, "subtract", mode="dsa")
    do(session, "expose")
    (bare,) = session.frames()
    assert bare.treatment == "dsa"
    assert bare.display.std() < 0.5 * plain(session).std()
    do(session, "contrast", needle="left", volume_ml=1.0)
    session.step(5.5)
    assert session.observation().outflow == {}  # nobody has looked
    do(session, "expose")
    (dyed,) = session.frames()
    told = next(line for line in session.log.lines if line.get("event") == "contrast injected")
    assert session.observation().outflow == {"left": told["shunt"]}
    assert bare.display.min() > dyed.display.min() + 40
    session.step(120.0)
    do(session, "subtract", mode="roadmap")
    do(session, "expose")
    (road,) = session.frames()
    assert road.treatment == "roadmap"
    where = np.unravel_index(dyed.display.argmin(), dyed.display.shape)
    do(session, "subtract", mode="off")
    do(session, "expose")
    assert road.display[where] > session.frames()[0].display[where] + 20


def plain(session) -> np.ndarray:
    """A picture without treatment; the treatment is put back."""
    mode = session.arm.subtracting.mode
    do(session, "subtract", mode="off")
    do(session, "expose")
    do(session, "subtract", mode=mode)
    return session.frames()[0].display


def test_a_mask_does_not_outlive_a_move_of_the_arm(session) -> None:
    do(session, "mask")
    do(session, "subtract")
    do(session, "arm", orbital_deg=4.0)
    session.step(8.0)
    do(session, "expose")
    assert session.frames()[0].treatment == "off"
    assert session.telemetry()["arm"]["masks"] == []
    assert [line for line in session.log.lines if line.get("event") == "mask lost"]
    with pytest.raises(SessionError, match="mask"):
        do(session, "subtract", mode="dsa")


def test_a_roadmap_needs_a_run(session) -> None:
    do(session, "mask")
    with pytest.raises(SessionError, match="roadmap"):
        do(session, "subtract", mode="roadmap")


def test_the_picture_keeps_its_window_when_the_arm_stops(session) -> None:
    do(session, "arm", orbital_deg=12.0)
    do(session, "pulse_rate", rate=15.0)
    do(session, "pedal", down=True)
    while session.arm.moving:
        turning = session.arm.ready(session.site.subject).view.window
        session.step(1 / 15)
    session.step(0.5)
    assert session.arm.ready(session.site.subject).view.window is turning


def test_read_outs_during_a_round_are_those_of_the_pictures(session) -> None:
    """While the solver works on a round, what is shown is the result of the one before."""
    needle_in(session)
    do(session, "mix")
    do(session, "wait", seconds=200)
    do(session, "inject", needle="left", rate_ml_min=3.0)
    session.step(1.2)  # one round is over, not yet shown
    assert session.site.round is not None
    assert session.telemetry()["syringe"]["injected_ml"] == 0.0
    session.step(0.2)
    assert session.telemetry()["syringe"]["injected_ml"] == pytest.approx(0.05)
    assert session.site.subject.fraction.sum() > 0


def test_observation_holds_nothing_that_is_not_on_display(session) -> None:
    needle_in(session)
    seen = session.observation()
    assert seen.tips == {}
    assert seen.rearmost is None
    assert seen.leaks == ()
    do(session, "expose")
    assert set(session.observation().tips) == {"ap"}


def test_tilted_view_lies_about_the_tip(session) -> None:
    needle_in(session)
    do(session, "arm", **session.observation().plan["views"]["ap"])
    session.step(10.0)
    do(session, "expose")
    true = session.observation().tips["ap"]["left"]["to_midline_mm"]
    do(session, "arm", orbital_deg=20.0)
    session.step(10.0)
    do(session, "expose")
    assert abs(session.observation().tips["ap"]["left"]["to_midline_mm"] - true) > 2.0
    assert session.observation().quality["ap"] < 0.2


def test_ct_shows_a_slice_costs_dose_and_time(session) -> None:
    before = session.time
    do(session, "ct")
    assert session.time > before
    assert session.telemetry()["dose"]["dlp_mgy_cm"] > 0
    assert {frame.pane for frame in session.frames()} == {"ct"}


def test_exam_is_silent_and_a_hint_of_the_coach_fades(anatomies) -> None:
    assert fresh(anatomies, mode="exam").telemetry()["hints"] == []
    coached = fresh(anatomies)
    assert coached.telemetry()["hints"]
    coached.step(60.0)
    assert coached.telemetry()["hints"] == []


def test_coach_asks_for_a_contrast_test_where_the_case_does(anatomies) -> None:
    plain = load_scenario("first-steps")
    asks = plain.model_copy(update={"windows": plain.windows.model_copy(update={"contrast": True})})
    said = {}
    for scenario in (plain, asks):
        session = Session(scenario, SEED, settings=COARSE, anatomies=anatomies)
        needle_in(session)
        said[scenario.windows.contrast] = any("contrast test" in hint for hint in session.telemetry()["hints"])
    assert said == {False: False, True: True}


def test_what_contrast_told_of_a_needle_is_forgotten_when_it_moves(session) -> None:
    needle_in(session)
    session.site.outflow["left"] = True
    assert any("ran straight out" in hint for hint in session.telemetry()["hints"])
    do(session, "advance", needle="left", distance_mm=2.5)
    assert session.observation().outflow == {}


def test_log_is_on_disk_as_it_happens_and_a_cut_line_is_left_out(anatomies, tmp_path) -> None:
    path = tmp_path / "events.jsonl"
    session = fresh(anatomies, log=path)
    do(session, "expose")
    assert read_log(path) == session.log.lines
    path.write_text(path.read_text() + '{"type": "row", "ti')
    assert read_log(tmp_path) == session.log.lines
    session.log.close()


def test_telemetry_and_log_are_plain_json(session) -> None:
    do(session, "expose")
    json.dumps(session.telemetry(), allow_nan=False)
    json.dumps(session.log.lines, allow_nan=False)


def test_session_ends_once(session) -> None:
    do(session, "finish")
    assert session.log.lines[-1]["type"] == "end"
    with pytest.raises(SessionError, match="over"):
        do(session, "expose")
