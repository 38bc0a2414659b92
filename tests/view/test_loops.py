"""Loops of a run: the needle comes in, the cement comes, times and views are checked."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from vertebro.errors import CaseError, DataError
from vertebro.record import Run
from vertebro.view import frame_files
from vertebro.view.dicom_study import study_of
from vertebro.view.loops import NEEDLE_SPEED, LoopMaker


@pytest.fixture(scope="module")
def maker(small_run: Run) -> LoopMaker:
    return LoopMaker(run=small_run, most=8)


def _dark(picture, reference):
    """How many pixels got clearly darker."""
    return int((picture.astype(int) < reference.astype(int) - 6000).sum())


def test_the_needle_loop_drives_the_needle_in(maker, small_run):
    ap, lateral = (plane.acquisition for plane in maker.loop("needle"))
    length = small_run.scene.needles[0].length
    assert ap.times[0] == 0
    assert ap.times[-1] == pytest.approx(length / NEEDLE_SPEED, rel=0.02)
    growth = [_dark(picture, lateral.pictures[0]) for picture in lateral.pictures[1:]]
    assert growth[0] < growth[3] < growth[-1]


def test_the_injection_loop_ends_as_the_single_frame_does(maker, small_run):
    last = float(small_run.times[-1])
    loop = maker.loop("injection")[1].acquisition
    single, _ = maker.single("lateral", last)
    assert loop.times[-1] == pytest.approx(last)
    assert _dark(loop.pictures[-1], loop.pictures[0]) > 20
    near = np.abs(loop.pictures[-1].astype(float) - single.acquisition.held.display16).mean()
    far = np.abs(loop.pictures[0].astype(float) - single.acquisition.held.display16).mean()
    assert near < 0.7 * far


def test_cement_between_two_kept_moments_lies_between_them(maker, small_run):
    view = maker.camera.view("lateral")
    paint = maker._cement_paint(view)
    before, middle, after = (paint(time)[0].sum() for time in (16.0, 24.0, 32.0))
    assert middle == pytest.approx(0.5 * (before + after), rel=1e-4)
    whole = maker.camera.cement_line(maker.camera.view("lateral"), small_run.cement_fraction(32.0))
    assert after == pytest.approx(whole.sum(), rel=1e-5)


def test_planes_expose_in_turn_and_first_and_last_pulse_are_among_the_stored(maker):
    a, b = maker.loop("injection")
    assert b.acquisition.times[0] - a.acquisition.times[0] == pytest.approx(0.5 / 7.5)
    assert a.fired == 80 * 7.5 + 1
    assert len(a.acquisition) == 8
    assert (a.acquisition.times[0], a.acquisition.times[-1]) == (0.0, pytest.approx(80.0))
    np.testing.assert_allclose(np.diff(a.acquisition.times), 80 / 7, atol=1 / 7.5, rtol=0)


def test_a_short_part_is_stored_pulse_by_pulse_with_the_filter_s_dose(maker):
    whole, part = maker.loop("injection")[0], maker.loop("injection", start=16.0, end=16.9)[0]
    assert part.fired == len(part.acquisition) == 7
    np.testing.assert_allclose(np.diff(part.acquisition.times), 1 / 7.5)
    per_pulse = [p.acquisition.shots[0].dose.dose_area_product * p.pulse_share for p in (whole, part)]
    assert per_pulse[0] == pytest.approx(per_pulse[1], rel=0.02)


@pytest.mark.parametrize("wish", [{"views": ("ap", "ap")}, {"views": ()}, {"rate": 11.0}, {"most": 0}])
def test_impossible_loops_are_refused(small_run, wish):
    with pytest.raises(CaseError):
        LoopMaker(run=small_run, **wish)


def test_moments_outside_the_run_are_refused(maker):
    with pytest.raises(DataError, match="no such moment"):
        maker.loop("injection", start=0.0, end=500.0)
    with pytest.raises(DataError, match="ends before"):
        maker.loop("injection", start=20.0, end=10.0)
    with pytest.raises(DataError, match="no such moment"):
        maker.single("ap", -1.0)


def test_a_png_keeps_16_bits_and_its_facts(maker, small_run, tmp_path):
    plane, frame = maker.single("true-lateral", 40.0)
    facts = frame_files.write_png(plane, study_of(small_run), tmp_path / "frame.png")
    with Image.open(tmp_path / "frame.png") as image:
        np.testing.assert_array_equal(np.asarray(image), frame.display16)
        assert "SYNTHETIC" in image.text["Description"]
        assert float(image.text["vertebro:source_detector_mm"]) == pytest.approx(1000)
    assert json.loads((tmp_path / "frame.json").read_text()) == facts
    with pytest.raises(DataError, match="exists already"):
        frame_files.write_png(plane, study_of(small_run), tmp_path / "frame.png")
    # the JSON alone is in the way, too; then no picture may appear
    (tmp_path / "other.json").touch()
    with pytest.raises(DataError, match="exists already"):
        frame_files.write_png(plane, study_of(small_run), tmp_path / "other.png")
    assert not (tmp_path / "other.png").exists()
