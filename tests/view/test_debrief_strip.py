"""The strip of a debrief and the ring of cameras: pure drawing, no session."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from training import lines as made
from vertebro.training.debrief import explained
from vertebro.view.debrief_strip import draw_strip
from vertebro.view.turntable import ring


@pytest.fixture(scope="module")
def found():
    log = made.start()
    made.leak(log, 105, volume=0.3)
    made.inject(log, 100, 130)
    return explained(log.lines)


def test_strip_is_a_picture_with_a_hollow_dot_for_a_leak_nobody_could_see(found) -> None:
    drawing = ET.fromstring(draw_strip(found))
    dots = [node.get("class") for node in drawing.iter() if (node.get("class") or "").startswith("leakdot")]
    assert dots == ["leakdot"]
    assert "never visible" in "".join(drawing.itertext())
    assert not [node for node in drawing.iter() if node.get("style")]  # the page's policy forbids it


def test_strip_shows_when_cement_was_pushed(found) -> None:
    pushed = [span for span in found["strip"]["injections"] if span["to"] > span["from"]]
    assert [span["from"] for span in pushed] == [100.0]


def test_strip_has_a_row_for_ct_where_there_was_one(found) -> None:
    assert "CT" not in list(ET.fromstring(draw_strip(found)).itertext())
    scanned = found | {"strip": found["strip"] | {"marks": [{"t": 50.0, "text": "ct"}]}}
    assert "CT" in list(ET.fromstring(draw_strip(scanned)).itertext())


def test_every_rule_and_every_gate_is_explained(found) -> None:
    assert {row["id"] for row in found["score"]["rules"]} == set(found["rules"])
    assert [gate["id"] for gate in found["gates"]] == [f"K{n}" for n in range(1, 10)]


def test_cameras_go_all_round_at_one_distance_and_size() -> None:
    cameras = ring(np.random.default_rng(1).normal(0, 30, (200, 3)), 12, (560, 460), -1.0)
    headings = [np.degrees(np.arctan2(*camera.towards[:2])) % 360 for camera in cameras]
    steps = np.abs((np.diff(headings) + 180) % 360 - 180)
    assert steps == pytest.approx(30.0)
    assert len({camera.height for camera in cameras}) == 1
    assert all(abs(float(camera.right @ camera.up)) < 1e-12 for camera in cameras)
