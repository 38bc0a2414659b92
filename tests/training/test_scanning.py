"""CT at the table: shots and sequences, needles drawn on a slice, and the case that is guided by CT."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from training.conftest import COARSE, SEED
from vertebro.errors import SessionError
from vertebro.training.operators import Operator
from vertebro.training.scanning import SCAN_DLP, SHOT_DLP
from vertebro.training.scenario import load_scenario
from vertebro.training.score import score
from vertebro.training.session import Session
from vertebro.units import mm

STEEL = 2500.0  # HU that no bone reaches


@pytest.fixture
def on_ct(anatomies) -> Session:
    """Case 1, as if its needle were placed on CT."""
    scenario = load_scenario("first-steps").model_copy(update={"guidance": "ct"})
    return Session(scenario, SEED, settings=COARSE, anatomies=anatomies)


def placed(session: Session, depth: float = 60.0) -> Session:
    session.command({"kind": "anaesthetise"})
    session.command({"kind": "place", "line_mm": session.observation().plan["needles"]["left"]["line_mm"]})
    session.command({"kind": "advance", "distance_mm": depth})
    return session


def test_shot_shows_the_needle_in_its_slice_and_costs_an_eighth_of_a_sequence(on_ct: Session) -> None:
    placed(on_ct).command({"kind": "ct", "mode": "shot", "needle": "left"})
    assert on_ct.dlp == SHOT_DLP
    assert 8 * SHOT_DLP <= SCAN_DLP
    assert on_ct.scan is not None
    assert on_ct.scan.planes == ("axial",)
    assert on_ct.scan.cut("axial").max() > STEEL


def test_shot_holds_three_slices_and_a_sequence_all_planes(on_ct: Session) -> None:
    placed(on_ct).command({"kind": "ct", "mode": "shot", "needle": "left"})
    middle = on_ct.scan.centre[2]
    held = [on_ct.scan.has("axial", middle + step * 3 * mm) for step in (-2, -1, 0, 1, 2)]
    assert held == [False, True, True, True, False]
    assert not on_ct.scan.has("sagittal", 0.0)
    on_ct.command({"kind": "ct", "needle": "left"})
    assert all(on_ct.scan.has(plane, 0.0) for plane in ("axial", "coronal", "sagittal"))
    assert all(on_ct.scan.cut(plane).max() > STEEL for plane in on_ct.scan.planes)


def test_scan_shows_what_lay_there_then(on_ct: Session) -> None:
    on_ct.command({"kind": "ct"})
    before = on_ct.scan.cut("axial", 0.0)
    placed(on_ct)
    assert np.array_equal(on_ct.scan.cut("axial", 0.0), before)
    assert before.max() < STEEL


def test_line_drawn_on_the_ct_is_the_needles_way(on_ct: Session) -> None:
    start, end = (-40.0, -80.0, 5.0), (-10.0, 5.0, 0.0)
    on_ct.command({"kind": "place", "line_mm": (start, end)})
    track = on_ct.site.track("left")
    way = (np.array(end) - start) / np.linalg.norm(np.array(end) - start)
    assert np.allclose(track.direction, way)
    assert track.entry[1] == pytest.approx(on_ct.site.anatomy.landmarks.posterior_skin)
    beside = (np.array(end) * mm - track.entry) - ((np.array(end) * mm - track.entry) @ way) * way
    assert np.linalg.norm(beside) < 1e-9


@pytest.mark.parametrize("line", [((0.0, 0.0, 0.0), (0.0, -60.0, 0.0)), ((0.0, -60.0, 0.0), (90.0, -50.0, 0.0))])
def test_line_that_leads_nowhere_is_refused(on_ct: Session, line) -> None:
    with pytest.raises(SessionError, match="leads no needle"):
        on_ct.command({"kind": "place", "line_mm": line})


def test_operator_reads_the_tip_only_in_slices_that_hold_it(on_ct: Session) -> None:
    placed(on_ct).command({"kind": "ct", "mode": "shot", "needle": "left"})
    tip = on_ct.observation().tips["ct"]["left"]
    assert [tip[axis] for axis in ("right_mm", "anterior_mm", "superior_mm")] == pytest.approx(
        (on_ct.site.track("left").tip / mm).tolist()
    )
    on_ct.command({"kind": "ct", "mode": "shot", "centre_mm": (0.0, 0.0, 30.0)})
    assert on_ct.observation().tips["ct"] == {}


def test_look_on_ct_ends_the_blind_way(on_ct: Session) -> None:
    track = placed(on_ct).site.track("left")
    assert track.blind["lateral"] > 0.0
    on_ct.command({"kind": "ct", "mode": "shot", "needle": "left"})
    assert track.blind["lateral"] == 0.0


def test_coach_asks_for_a_plan_then_for_a_look(on_ct: Session) -> None:
    assert any("planning CT" in hint for hint in on_ct.telemetry()["hints"])
    placed(on_ct).command({"kind": "advance", "distance_mm": 15.0})
    assert any("quick CT" in hint for hint in on_ct.telemetry()["hints"])


def test_shot_after_cement_is_no_control_ct(on_ct: Session) -> None:
    on_ct.command({"kind": "ct", "mode": "shot"})
    on_ct.command({"kind": "ct"})
    modes = [(line["mode"], line["after_cement"]) for line in on_ct.log.lines if line.get("event") == "ct"]
    assert modes == [("shot", False), ("sequence", False)]


@pytest.fixture(scope="module")
def sacrum() -> Session:
    """A whole sacroplasty by the scripted expert, coarse."""
    session = Session("sacrum-h", settings=COARSE)
    Operator("expert").run(session)
    return session


@pytest.mark.slow
def test_expert_can_play_the_sacrum_and_every_rule_that_cannot_apply_is_left_out(sacrum: Session) -> None:
    found = score(sacrum.log.lines)
    assert found["points"] >= 80
    assert not {"B1", "C3", "D4", "E2"} & {row["id"] for row in found["rules"]}
    assert [level["measures"]["both_endplates"] for level in sacrum.log.lines[-1]["levels"].values()] == [None]
    shots = [line["t"] for line in sacrum.log.lines if line.get("event") == "ct" and line["mode"] == "shot"]
    first = next(line["t"] for line in sacrum.log.lines if line.get("event") == "injection starts")
    assert len(shots) >= 6
    assert max(shots) < first
    assert all(a < b for a, b in pairwise(shots))


@pytest.mark.slow
def test_tips_in_the_alae_keep_clear_of_foramina_and_joints(sacrum: Session) -> None:
    found = [line["findings"] for line in sacrum.log.lines if line.get("event") == "injection starts"]
    assert {facts["needle"] for facts in found} == {"left", "right"}
    assert all(facts["tip_compartment"] == "body" and not facts["breaches"] for facts in found)
