"""Discs against the Rose criterion, in closed form and against counted noise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from vertebro.errors import CaseError, DataError
from vertebro.grid import VoxelGrid
from vertebro.imaging import CArm, Fluoroscope, Spotter, Stream, TissueLayer, measure_visibility, tissue_layers
from vertebro.imaging.detector import Detector
from vertebro.imaging.fluoro_view import FluoroView
from vertebro.imaging.visibility import ROSE_SNR, Thresholds, clutter_ratio, filter_share

Patient = tuple[TissueLayer, ...]
SHARP = Detector(sharp_sigma=0.0, wide_share=0.0, electronic=0.0)
PLAIN = {
    "kvp": 80.0, "scatter": None, "glare": None, "heel": None, "shutter": None, "focal_spot": 0.0, "detector": SHARP,
    "lag": None, "motion": None, "control": None,
}  # fmt: skip


@pytest.fixture(scope="module")
def view(patient: Patient) -> FluoroView:
    plain = Fluoroscope(**PLAIN, detector_dose=50e-9)
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


# --- contrast and detail: Rose's criterion over sizes and doses ---


def phantom(dose: float) -> FluoroView:
    """20 cm of water, evenly lit."""
    grid = VoxelGrid.around([-0.12, -0.10, -0.12], [0.12, 0.10, 0.12], 8e-3)
    plain = Fluoroscope(**PLAIN, detector_dose=dose, pulse_limit=1e9)
    return plain.prepare(CArm.ap(rows=96, cols=96, pitch=0.5e-3), tissue_layers(np.zeros(grid.shape), grid))


@pytest.fixture(scope="module")
def phantoms() -> dict[float, FluoroView]:
    return {dose: phantom(dose) for dose in (10e-9, 50e-9, 250e-9)}


def threshold_contrast(view: FluoroView, radius: float) -> float:
    """Smallest contrast of a disc that is visible, found by halving its thickness."""
    spotter = Spotter(view, thresholds=Thresholds(clutter_ratio=0.0, contrast=0.0))
    low, high = 1e-7, 5e-2
    for _ in range(30):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if spotter.look(disc(radius, middle, (48, 48))).visible else (middle, high)
    bare, filled = view.expected(), view.expected(disc(radius, high, (48, 48)))
    return float(1 - filled[48, 48] / bare[48, 48])


@pytest.mark.parametrize("radius", [2, 4, 8, 16])
@pytest.mark.parametrize("dose", [10e-9, 50e-9, 250e-9])
def test_threshold_contrast_follows_rose_over_diameters_and_doses(
    phantoms: dict[float, FluoroView], radius: int, dose: float
) -> None:
    """C = k / sqrt(N pi d²/4) = 1.13 k / (d sqrt(N)), d in pixels of N quanta each, k = 5."""
    view = phantoms[dose]
    quanta = float(view.expected()[32:64, 32:64].mean())
    diameter = 2 * math.sqrt(np.count_nonzero(disc(radius, 1.0, (48, 48))) / math.pi)
    rose = ROSE_SNR * 2 / math.sqrt(math.pi) / (diameter * math.sqrt(quanta))
    assert threshold_contrast(view, radius) == pytest.approx(rose, rel=0.06)


@pytest.mark.parametrize("radius", [2, 6, 14])
@pytest.mark.parametrize("dose", [10e-9, 250e-9])
def test_a_simulated_observer_tells_discs_from_nothing_as_often_as_predicted(
    phantoms: dict[float, FluoroView], radius: int, dose: float
) -> None:
    """Two pictures, one with a disc: the observer points at the higher template score, right in Phi(SNR / sqrt 2)."""
    view = phantoms[dose]
    spotter, thickness = Spotter(view), 1e-3
    thickness *= 1.2 / spotter.look(disc(radius, thickness, (48, 48))).snr
    shadow = disc(radius, thickness, (48, 48))
    snr = spotter.look(shadow).snr
    template = view.expected().astype(float) - view.expected(shadow)
    right = 0
    for number in range(300):
        with_disc = view.frame(cement_line=shadow, number=2 * number).signal
        without = view.frame(number=2 * number + 1).signal
        right += float((template * (without.astype(float) - with_disc)).sum()) > 0
    predicted = float(norm.cdf(snr / math.sqrt(2)))
    assert 1.0 < snr < 1.5
    assert right / 300 == pytest.approx(predicted, abs=3 * math.sqrt(predicted * (1 - predicted) / 300))


def test_a_recursive_filter_makes_the_same_disc_easier_by_what_it_takes_off_the_noise(view: FluoroView) -> None:
    stream = Stream(view, seed=3, charge=1.0)
    still = view.frame(noise=False).signal
    variances = [np.var(stream.frame().signal - still) for _ in range(40)]
    single = np.mean([np.var(view.frame(number=n).signal - still) for n in range(40)])
    newest = view.fluoroscope.temporal
    assert np.mean(variances[12:]) / single == pytest.approx(filter_share(newest), rel=0.03)
    assert variances[1] / single == pytest.approx(filter_share(newest, 2), rel=0.05)
    spotter, shadow = Spotter(view), disc(3, 3e-4)
    gain = spotter.look(shadow, noise_share=filter_share(newest)).snr / spotter.look(shadow).snr
    assert gain == pytest.approx(1 / math.sqrt(filter_share(newest)))
    assert filter_share(None) == filter_share(newest, 1) == 1.0


def test_anatomy_that_looks_like_the_leak_hides_it() -> None:
    """The same shadow on even ground and among its like."""
    seen = 0.2 * np.minimum(disc(3, 1e-3, (48, 48)) / 1e-3, 1).astype(np.float32)
    places = [(row, col) for row in (-14, -7, 0, 7, 14) for col in (-14, -7, 0, 7, 14) if row or col]
    crowd = -0.2 * sum(np.minimum(disc(3, 1e-3, (48 + row, 48 + col)) / 1e-3, 1) for row, col in places)
    ramp = np.broadcast_to(np.linspace(0, 0.02, seen.shape[1]), seen.shape)
    assert clutter_ratio(seen, ramp) > 10 * clutter_ratio(seen, crowd)
    assert clutter_ratio(seen, crowd) < float(Thresholds().clutter_ratio)


def test_other_cement_in_the_way_hides_a_leak_and_beside_it_does_not(phantoms: dict[float, FluoroView]) -> None:
    view, shadow = phantoms[250e-9], disc(3, 1e-3, (48, 48))
    free = measure_visibility(view, shadow)
    before, beside = (disc(6, 10e-3, place) for place in ((48, 48), (48, 66)))
    assert free.visible
    assert not measure_visibility(view, shadow, cement_line=before).visible
    near = measure_visibility(view, shadow, cement_line=beside)
    assert near.visible
    assert near.contrast == pytest.approx(free.contrast, rel=0.02)
    half = measure_visibility(view, shadow, cement_line=disc(6, 10e-3, (48, 54)))  # covers the shadow's right half
    assert 0.2 * free.snr < half.snr < 0.9 * free.snr


def test_the_shown_pictures_contrast_to_noise_ratio_is_the_one_a_ruler_gives(view: FluoroView) -> None:
    shadow = disc(8, 1e-3)
    frame = view.frame(cement_line=shadow, number=5)
    found = measure_visibility(view, shadow, frame=frame)
    grey, row, col = frame.display16.astype(float), *np.mgrid[:96, :96]
    away = np.hypot(row - 24, col - 48)
    inside, ring = away <= 7.5, (away > 9) & (away < 14)
    assert found.cnr == pytest.approx((grey[ring].mean() - grey[inside].mean()) / grey[ring].std(), rel=0.25)
    assert measure_visibility(view, shadow).cnr is None


def test_only_the_visible_part_of_a_fading_streak_counts(view: FluoroView) -> None:
    """Thick on the left, nothing on the right: the visible area grows with dose and stops where noise takes over."""
    streak = np.zeros((96, 96), np.float32)
    streak[20:28, 10:80] = np.linspace(1.5e-3, 0, 70, dtype=np.float32)
    quiet, loud = (measure_visibility(view, streak, noise_share=share).visible_area for share in (0.25, 4.0))
    whole = 8 * 70 * (0.7e-3) ** 2
    assert 0 < loud < quiet < whole


def test_a_spotter_gives_the_same_answer_as_the_whole_picture(view: FluoroView, patient: Patient) -> None:
    """With scatter and focus on: the crop's drop is the whole frames' difference but for the scatter of the leak."""
    real = Fluoroscope(kvp=80.0).prepare(CArm.ap(rows=96, cols=96, pitch=1e-3), patient)
    shadow, rest = disc(4, 1e-3), disc(6, 3e-3, (30, 56))
    without, with_leak = (real.expected(line).astype(float) for line in (rest, rest + shadow))
    electronic = real.fluoroscope.detector.electronic**2
    whole = math.sqrt(float(np.sum((without - with_leak) ** 2 / (without + electronic))))
    assert Spotter(real).look(shadow, cement_line=rest).snr == pytest.approx(whole, rel=0.03)


def test_shadows_at_the_border_and_outside_the_collimator(view: FluoroView, patient: Patient) -> None:
    assert measure_visibility(view, disc(5, 1e-3, (0, 0))).visible
    shut = view.fluoroscope.prepare(CArm.ap(rows=96, cols=96, pitch=1e-3), patient, collimation=(48, 96, 0, 96))
    hidden = measure_visibility(shut, disc(5, 1e-3, (20, 48)))
    assert not hidden.visible
    assert hidden.area == 0


def test_impossible_noise_and_filters_are_refused(view: FluoroView) -> None:
    with pytest.raises(CaseError, match="impossible noise"):
        measure_visibility(view, disc(3, 1e-3), noise_share=0.0)
    for newest, frames in ((0.0, 3), (1.5, None), (0.4, 0)):
        with pytest.raises(CaseError, match="impossible filter"):
            filter_share(newest, frames)
    with pytest.raises(DataError, match="path does not fit"):
        measure_visibility(view, np.full((96, 96), np.nan, np.float32))
