"""The display: monotone, fixed, dark where it absorbs."""

from __future__ import annotations

import numpy as np
import pytest

from vertebro.errors import CaseError
from vertebro.imaging.display import Display, open_window, to_bytes, to_grey, tone_curve

RAMP = np.exp(np.linspace(3, 8, 64)).astype(np.float32)[None, :].repeat(64, axis=0)
EVERYWHERE = np.ones((64, 64), bool)
PLAIN = Display(compression=0.0, sharpen=0.0)


def test_more_signal_is_never_darker() -> None:
    grey = to_grey(RAMP, open_window(RAMP, PLAIN, EVERYWHERE), PLAIN)
    assert np.all(np.diff(grey, axis=1) >= 0)
    assert grey.min() >= 0
    assert grey.max() <= 1


def test_inverted_display_is_the_negative() -> None:
    window = open_window(RAMP, PLAIN, EVERYWHERE)
    negative = to_grey(RAMP, window, Display(compression=0.0, sharpen=0.0, invert=True))
    assert np.allclose(negative, 1 - to_grey(RAMP, window, PLAIN), atol=1e-6)


def test_compression_evens_slow_differences_and_keeps_small_ones() -> None:
    """A step of 5 % on a ramp over a factor of 150: most of the ramp goes, the step stays."""
    image = RAMP.copy()
    image[20:24, 30:34] *= 0.95
    local = []
    for compression in (0.0, 0.9):
        display = Display(compression=compression, sharpen=0.0)
        grey = to_grey(image, open_window(RAMP, display, EVERYWHERE), display)
        local.append(float((grey[40, 31] - grey[21, 31]) / (grey[40, 60] - grey[40, 4])))
    assert local[1] > 2 * local[0] > 0


def test_even_picture_is_not_blown_up() -> None:
    even = np.full((64, 64), 1000.0, np.float32)
    grey = to_grey(even * 1.01, open_window(even, PLAIN, EVERYWHERE), PLAIN)
    assert 0.1 < grey.mean() < 0.9


def test_no_signal_is_black_not_an_error() -> None:
    grey = to_grey(np.zeros((64, 64), np.float32), open_window(RAMP, PLAIN, EVERYWHERE), PLAIN)
    assert grey.max() < to_grey(RAMP, open_window(RAMP, PLAIN, EVERYWHERE), PLAIN).min()


def test_grey_values_fill_8_and_16_bits() -> None:
    ends = np.array([0.0, 1.0], np.float32)
    assert to_bytes(ends).tolist() == [0, 255]
    assert to_bytes(ends, bits=16).tolist() == [0, 65535]
    with pytest.raises(CaseError, match="8 or 16"):
        to_bytes(ends, bits=12)


@pytest.mark.parametrize("wrong", [{"compression": 1.5}, {"dark": 0.9, "bright": 0.5}, {"sharpen_width": 0.0}])
def test_impossible_displays_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(CaseError, match="impossible display"):
        Display(**wrong)


def test_thick_cement_is_darker_than_thin_cement() -> None:
    """Losses far below the window still differ: the toe of the curve is long."""
    even = np.full((64, 64), 1e4, np.float32)
    window = open_window(RAMP[:, ::-1].copy(), Display(), EVERYWHERE)
    greys = [to_bytes(to_grey(even * np.exp(-loss), window, Display()))[0, 0] for loss in (0.0, 4.0, 5.2, 7.5)]
    assert np.all(np.diff(np.array(greys, int)) < -2)


def test_tone_curve_runs_from_black_to_white_without_a_kink_backwards() -> None:
    curve = tone_curve(0.15, 0.3, False)
    assert (curve[0], curve[-1]) == (0.0, 1.0)
    assert np.all(np.diff(curve) >= 0)
