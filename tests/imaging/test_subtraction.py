"""Subtraction: what is left is the contrast agent, mu L of it, and noise."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vertebro.errors import CaseError, DataError, GeometryError
from vertebro.imaging import CArm, Fluoroscope, TissueLayer, make_mask, roadmap, subtract
from vertebro.imaging.detector import Detector
from vertebro.imaging.fluoro_view import CONTRAST, FluoroView
from vertebro.imaging.subtraction import find_shift, peak, shifted, subtraction_picture
from vertebro.materials.attenuation import material

Patient = tuple[TissueLayer, ...]
SIZE = 128


@pytest.fixture(scope="module")
def view(patient: Patient) -> FluoroView:
    """A bright exposure without scatter, wholly inside the body."""
    plain = Fluoroscope(kvp=80.0, scatter=None, glare=None, heel=None, shutter=None, focal_spot=0.0, detector_dose=1e-6)
    return plain.prepare(CArm.ap(rows=SIZE, cols=SIZE, pitch=1e-3), patient)


def vessel(length: float, left: int = 40, right: int = 60) -> np.ndarray:
    path = np.zeros((SIZE, SIZE), np.float32)
    path[:, left:right] = length
    return path


def test_two_still_frames_leave_noise_root_two_times_that_of_one(view: FluoroView) -> None:
    single = np.mean(
        [np.std(np.log(view.frame(number=n).signal) - np.log(view.frame(noise=False).signal)) for n in range(20)]
    )
    pair = np.mean(
        [np.std(subtract(make_mask([view.frame(number=n)]), view.frame(number=n + 1))) for n in range(100, 140, 2)]
    )
    assert pair / single == pytest.approx(math.sqrt(2), rel=0.03)


def test_a_mask_of_many_frames_costs_less_noise(view: FluoroView) -> None:
    single = np.std(subtract(make_mask([view.frame(number=1)]), view.frame(number=0)))
    many = np.std(subtract(make_mask([view.frame(number=n) for n in range(1, 9)]), view.frame(number=0)))
    assert many / single == pytest.approx(math.sqrt((1 + 1 / 8) / 2), rel=0.05)


@pytest.mark.parametrize("length", [0.1e-3, 0.3e-3])
def test_a_vessel_shows_its_mu_times_its_depth(view: FluoroView, length: float) -> None:
    """mu is the detected spectrum's mean behind the body; the agent takes the place of blood."""
    live = view.frame(contrast_line=vessel(length), noise=False)
    shown = subtract(make_mask([view.frame(noise=False)]), live)[30:-30, 46:54]
    change = view.energy_bins.attenuation(material(CONTRAST)) - view.energy_bins.attenuation(material("blood"))
    weight = view.tissue[:, 30:-30, 46:54]
    mu = np.tensordot(change, weight, axes=1) / weight.sum(axis=0)
    assert np.mean(shown) == pytest.approx(float(np.mean(mu)) * length, rel=0.03)


def test_bone_in_front_of_a_vessel_is_gone(view: FluoroView) -> None:
    """A cube of spongy bone lies in the middle; behind it the beam is harder, so the vessel loses a few per cent."""
    live = view.frame(contrast_line=vessel(0.3e-3, 56, 72), noise=False)
    bare = view.frame(noise=False)
    shown = subtract(make_mask([bare]), live)[:, 62:66].mean(axis=1)
    assert abs(np.log(bare.signal[64, 64] / bare.signal[10, 64])) > 0.2  # the bone is there
    assert 0.90 < shown[64] / shown[10] < 1.0


def test_a_patient_who_moved_is_put_right_by_a_pixel_shift(view: FluoroView) -> None:
    before = view.frame(number=1)
    moved = view.frame(number=2)
    object.__setattr__(moved, "signal", np.roll(moved.signal, (3, -2), (0, 1)))
    mask = make_mask([before])
    found = find_shift(mask, moved)
    assert found == pytest.approx((3, -2), abs=0.3)
    put_right = subtract(mask, moved, shift=(3.0, -2.0))[10:-10, 10:-10]
    assert np.std(put_right) < 0.8 * np.std(subtract(mask, moved)[10:-10, 10:-10])


def test_broken_shifts_interpolate_and_uncovered_pixels_are_marked() -> None:
    ramp = np.tile(np.arange(16, dtype=np.float32), (16, 1))
    moved, covered = shifted(ramp, (0.0, 0.5))
    assert np.allclose(moved[:, 1:], ramp[:, 1:] - 0.5)
    assert covered[:, 1:].all()
    assert not covered[:, 0].any()


def test_a_roadmap_brightens_vessels_and_nothing_else(view: FluoroView) -> None:
    mask = make_mask([view.frame(number=n) for n in range(8)])
    run = [subtract(mask, view.frame(contrast_line=vessel(k * 0.2e-3), number=20 + k)) for k in range(4)]
    live = view.frame(number=50).display16
    shown = roadmap(peak(run), live).astype(float) - live
    assert shown[20:-20, 46:54].min() > 5000
    assert shown[20:-20, 80:110].max() < 500
    picture = subtraction_picture(run[3])
    assert picture[60, 46:54].mean() < 0.7 * picture[60, 90:110].mean()


def test_masks_of_other_poses_and_empty_runs_are_refused(view: FluoroView, patient: Patient) -> None:
    other = Fluoroscope(kvp=80.0, scatter=None).prepare(CArm.lateral(rows=SIZE, cols=SIZE, pitch=1e-3), patient)
    mask = make_mask([view.frame()])
    with pytest.raises(GeometryError, match="moved since the mask"):
        subtract(mask, other.frame())
    with pytest.raises(GeometryError, match="moved since the mask"):
        make_mask([view.frame(), other.frame()])
    with pytest.raises(CaseError, match="needs a frame"):
        make_mask([])
    with pytest.raises(CaseError, match="without pictures"):
        peak([])
    with pytest.raises(GeometryError, match="leaves nothing"):
        subtract(mask, view.frame(), shift=(500, 0))
    with pytest.raises(CaseError, match="impossible search"):
        find_shift(mask, view.frame(), limit=100)
    with pytest.raises(CaseError, match="impossible window"):
        subtraction_picture(mask.level, window=0.0)
    with pytest.raises(DataError, match="another picture"):
        roadmap(mask.level, np.zeros((4, 4), np.uint16))


def test_read_out_noise_alone_behaves_too(patient: Patient) -> None:
    """Starved exposures: the logarithm stays finite."""
    dark = Fluoroscope(kvp=60.0, detector_dose=1e-10, detector=Detector(electronic=5.0))
    frame = dark.prepare(CArm.ap(rows=32, cols=32, pitch=4e-3), patient).frame()
    assert np.isfinite(subtract(make_mask([frame]), frame)).all()
