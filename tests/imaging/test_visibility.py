"""Discs against the Rose criterion, in closed form and against counted noise."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vertebro.errors import DataError
from vertebro.imaging import CArm, Fluoroscope, TissueLayer, measure_visibility
from vertebro.imaging.detector import Detector
from vertebro.imaging.fluoro_view import FluoroView

Patient = tuple[TissueLayer, ...]
SHARP = Detector(sharp_sigma=0.0, wide_share=0.0, electronic=0.0)


@pytest.fixture(scope="module")
def view(patient: Patient) -> FluoroView:
    plain = Fluoroscope(kvp=80.0, scatter=None, focal_spot=0.0, detector=SHARP, detector_dose=50e-9)
    return plain.prepare(CArm.ap(rows=96, cols=96, pitch=1e-3), patient)


def disc(radius: float, thickness: float, centre: tuple[int, int] = (24, 48)) -> np.ndarray:
    row, col = np.mgrid[:96, :96]
    return np.where((row - centre[0]) ** 2 + (col - centre[1]) ** 2 <= radius**2, thickness, 0).astype(np.float32)


def test_signal_to_noise_of_a_disc_is_contrast_times_root_of_its_quanta(view: FluoroView) -> None:
    """Rose: SNR = C sqrt(N n) with n pixels of N quanta and relative drop C."""
    shadow = disc(6, 1e-3)
    seen = measure_visibility(view, shadow)
    inside = shadow > 0
    bare, filled = view.expected()[inside].mean(), view.expected(shadow)[inside].mean()
    assert seen.snr == pytest.approx((1 - filled / bare) * math.sqrt(bare * inside.sum()), rel=0.02)
    assert seen.contrast == pytest.approx(1 - filled / bare, rel=0.05)
    assert seen.area == pytest.approx(inside.sum() * (1e-3 * 0.7) ** 2, rel=0.05)


def test_an_observer_who_knows_the_shape_gets_that_ratio_from_noisy_frames(view: FluoroView) -> None:
    """Template = drop / quanta; its score over 150 frames shifts by SNR standard deviations."""
    shadow = disc(3, 3e-4)
    expected = measure_visibility(view, shadow).snr
    bare, filled = view.expected().astype(float), view.expected(shadow).astype(float)
    template = (bare - filled) / bare
    scores = [
        [
            float((view.frame(cement_line=line, number=number).signal * template).sum())
            for number in range(first, first + 150)
        ]
        for first, line in ((0, None), (1000, shadow))
    ]
    measured = (np.mean(scores[0]) - np.mean(scores[1])) / np.std(scores[0], ddof=1)
    assert measured == pytest.approx(expected, rel=0.15)


def test_more_cement_is_easier_and_cement_behind_cement_is_harder_to_see(view: FluoroView) -> None:
    thin, thick = (measure_visibility(view, disc(3, length)).snr for length in (2e-4, 1e-3))
    assert thick > 2 * thin
    hidden = measure_visibility(view, disc(3, 1e-3), cement_line=disc(12, 1e-2))
    assert hidden.snr < 0.5 * thick


def test_traces_are_invisible_and_drops_of_a_millilitre_are_not(view: FluoroView) -> None:
    assert not measure_visibility(view, disc(1, 1e-5)).visible
    assert measure_visibility(view, disc(8, 1e-2)).visible
    nothing = measure_visibility(view, np.zeros((96, 96), np.float32))
    assert (nothing.snr, nothing.area, nothing.visible) == (0.0, 0.0, False)


def test_paths_of_another_size_are_refused(view: FluoroView) -> None:
    with pytest.raises(DataError, match="path does not fit"):
        measure_visibility(view, np.zeros((4, 4), np.float32))
