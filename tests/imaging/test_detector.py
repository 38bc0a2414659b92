"""The detector: noise that counts, light that spreads, seeds that hold."""

from __future__ import annotations

import numpy as np
import pytest

from naive import imaging as naive
from vertebro.errors import CaseError
from vertebro.imaging.detector import Detector, blurred, detect, gaussian_taps
from vertebro.imaging.kernels_detector import blur

POINT = Detector(sharp_sigma=0.0, wide_share=0.0, electronic=0.0)


def test_variance_equals_mean_over_three_decades() -> None:
    """Counting noise: the line through (mean, variance) has slope 1 within 2 % and no offset."""
    means, variances = [], []
    for number, level in enumerate((50.0, 200.0, 1000.0, 5000.0)):
        signal = detect(np.full((400, 400), level, np.float32), POINT, 5e-4, seed=3, number=number)
        means.append(signal.mean())
        variances.append(signal.var())
    slope = np.dot(means, variances) / np.dot(means, means)
    assert slope == pytest.approx(1.0, abs=0.02)


def test_electronic_noise_adds_in_squares() -> None:
    flat = np.full((400, 400), 20.0, np.float32)
    quiet = Detector(sharp_sigma=0.0, wide_share=0.0, electronic=8.0)
    assert detect(flat, quiet, 5e-4, seed=1, number=0).var() == pytest.approx(20 + 64, rel=0.02)


def test_noise_power_follows_the_square_of_the_mtf() -> None:
    """Light spreads after counting, so NPS(f) = mean * MTF(f)²; bands of 0.1 Nyquist agree within 10 %."""
    detector, pitch, level = Detector(electronic=0.0), 2e-4, 400.0
    power = np.zeros((256, 129))
    for number in range(20):
        signal = detect(np.full((256, 256), level, np.float32), detector, pitch, seed=5, number=number)
        power += np.abs(np.fft.rfft2(signal - level)) ** 2 / 256**2 / 20
    frequency = np.fft.rfftfreq(256, pitch)
    aperture = np.sinc(frequency * pitch)
    expected = level * (detector.mtf(frequency) * aperture) ** 2
    rows = np.r_[1:13, 244:256]  # near the axis, where the other direction's transfer is 1
    for band in np.array_split(np.arange(6, 70), 6):
        assert power[np.ix_(rows, band)].mean() == pytest.approx(expected[band].mean(), rel=0.10)


def test_edge_spread_gives_the_mtf_back() -> None:
    """The derivative of a blurred edge is the line spread; its transform is MTF x aperture, within 3 %."""
    detector, pitch = Detector(), 1e-4
    edge = np.zeros((8, 512), np.float32)
    edge[:, 256:] = 1000
    line = np.diff(detect(edge, detector, pitch, seed=0, number=0, noise=False)[4].astype(float))
    measured = np.abs(np.fft.rfft(line, 4096)) / 1000
    frequency = np.fft.rfftfreq(4096, pitch)
    near = frequency < 2500
    model = detector.mtf(frequency) * np.sinc(frequency * pitch)
    assert np.abs(measured - model)[near].max() < 0.03


def test_mtf_starts_at_one_and_is_plausible_for_caesium_iodide() -> None:
    detector = Detector()
    assert detector.mtf(0.0) == pytest.approx(1.0)
    assert 0.5 < detector.mtf(1000.0) < 0.7
    assert 0.1 < detector.mtf(2500.0) < 0.25


def test_same_seed_and_number_give_the_same_noise_others_do_not_resemble_it() -> None:
    flat = np.full((128, 128), 100.0, np.float32)
    one, again, next_frame, other_run = (
        detect(flat, Detector(), 5e-4, seed=seed, number=number) for seed, number in ((1, 4), (1, 4), (1, 5), (2, 4))
    )
    assert np.array_equal(one, again)
    for other in (next_frame, other_run):
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.02


def test_absorption_falls_with_energy_beyond_the_edges() -> None:
    absorbed = Detector().absorbed([40.0, 60.0, 80.0, 120.0])
    assert np.all(np.diff(absorbed) < 0)
    assert absorbed[1] == pytest.approx(1 - np.exp(-3572.5 * 600e-6), rel=0.01)


def test_blur_equals_its_naive_twin(rng: np.random.Generator) -> None:
    image = rng.random((9, 11)).astype(np.float32)
    taps = gaussian_taps(1.3).astype(np.float32)
    fast, slow = np.empty_like(image), np.empty_like(image)
    blur(image, taps, np.empty(11 + 2 * (len(taps) - 1), np.float32), fast)
    naive.blur(image, taps, None, slow)
    assert np.allclose(fast, slow, atol=1e-6)


def test_blur_keeps_a_constant_and_the_sum() -> None:
    assert np.allclose(blurred(np.full((20, 30), 7.0, np.float32), gaussian_taps(2.0)), 7.0)
    point = np.zeros((41, 41), np.float32)
    point[20, 20] = 1
    assert blurred(point, gaussian_taps(2.0)).sum() == pytest.approx(1.0, rel=1e-5)


@pytest.mark.parametrize("wrong", [{"electronic": -1.0}, {"wide_share": 1.5}, {"scintillator": float("nan")}])
def test_impossible_detectors_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(CaseError, match="impossible detector"):
        Detector(**wrong)
