"""From detector signal to grey: logarithm, compressed range, edge enhancement, one window for a whole run.

The window and the low-frequency part are taken once, from the picture without cement and needle. A run does not
flicker, and cement is dark because it absorbs, not because a frame was rescaled.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import CaseError
from vertebro.imaging.detector import blurred, gaussian_taps
from vertebro.imaging.scatter import coarsened, refined

Image = NDArray[np.float32]
LOWEST_SIGNAL = 0.5  # detected quanta; keeps the logarithm finite where nothing arrives
CURVE_RANGE, CURVE_SIZE = (-5.0, 3.0), 65536
REACH = 2.4  # standard deviations of the blur under edge enhancement
NARROWEST = 0.3  # span of the logarithm that an even picture gets, so that noise is not blown up


@dataclass(frozen=True, kw_only=True, slots=True)
class Display:
    """Settings of the display chain (bone, cement and metal dark).

    Parameters
    ----------
    compression : float
        0 to 1: share of the slow variations of the logarithm that is taken out.
    compression_width : float
        Width (sigma) of "slow", as a share of the picture's height.
    sharpen : float
        Strength of the edge enhancement.
    sharpen_width : float [pixel]
    dark, bright : float
        Place (0 to 1, before the S-curve) of the darkest and brightest anatomy in the measuring field; cement and
        metal go below `dark`.
    toe : float
        Below `dark` the curve flattens within this length; 0 for none.
    invert : bool
        Bone and cement bright (radiograph) instead of dark (fluoroscopy).

    Raises
    ------
    CaseError
        If a value is out of range.
    """

    compression: float = 0.85
    compression_width: float = 0.06
    sharpen: float = 0.5
    sharpen_width: float = 2.5
    dark: float = 0.3
    toe: float = 0.15
    bright: float = 0.8
    invert: bool = False

    def __post_init__(self) -> None:
        if not (
            0 <= self.compression <= 1 and 0 <= self.dark < self.bright <= 1 and self.sharpen >= 0 and self.toe >= 0
        ):
            raise CaseError("impossible display", value=self, allowed="0 <= dark < bright <= 1, 0 <= compression <= 1")
        if not (self.compression_width > 0 and self.sharpen_width > 0):
            raise CaseError("impossible display", value=self, allowed="widths > 0")


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """Fixed map from signal to grey of one run.

    Attributes
    ----------
    low : float
        Compressed logarithm shown as black.
    width : float
        Span of the compressed logarithm from black to white.
    slow : (n, m) float32 array
        Slow part that is subtracted from the logarithm, on the grid of `scatter.coarsened`.
    base : (rows, cols) float32 array
        The same, `refined`.
    """

    low: float
    width: float
    slow: Image
    base: Image


def open_window(
    signal: Image, display: Display, opening: NDArray[np.bool_], measuring: NDArray[np.bool_] | None = None
) -> Window:
    """Set the window on a picture without noise, cement and needle.

    Parameters
    ----------
    signal : (rows, cols) float32 array
        Expected detected quanta.
    display : Display
    opening : (rows, cols) bool array
        Pixels inside the collimator.
    measuring : (rows, cols) bool array, optional
        Pixels whose range of brightness sets the window; default: `opening`.
    """
    level = np.log(np.maximum(signal, LOWEST_SIGNAL))
    middle = float(np.median(level[opening]))
    # direct beam beside the body would pull the slow part up: let it count as the brightest tissue
    tissue = np.minimum(level, np.float32(np.percentile(level[opening], 97))) - np.float32(middle)
    tissue[~opening] = 0
    slow = np.float32(middle) + np.float32(display.compression) * _slow(tissue, display.compression_width)
    base = refined(slow, signal.shape)
    low, high = np.percentile((level - base)[opening if measuring is None else measuring], (2.0, 98.0))
    width = max(float(high - low), NARROWEST) / (display.bright - display.dark)
    return Window(low=float(low) - display.dark * width, width=width, slow=slow, base=base)


def to_grey(signal: Image, window: Window, display: Display) -> Image:
    """Grey values from 0 (black) to 1 (white) of a signal, through an S-shaped curve as of film.

    Parameters
    ----------
    signal : (rows, cols) float32 array
        Detected quanta.
    window : Window
    display : Display
    """
    level = np.log(np.maximum(signal, np.float32(LOWEST_SIGNAL)))
    level -= window.base
    if display.sharpen > 0:
        level += np.float32(display.sharpen) * (level - blurred(level, sharpening_taps(display)))
    level -= np.float32(window.low)
    level *= np.float32(1 / window.width)
    first, last = CURVE_RANGE
    level -= np.float32(first)
    level *= np.float32((CURVE_SIZE - 1) / (last - first))
    np.clip(level, 0, CURVE_SIZE - 1, out=level)
    return tone_curve(display.toe, display.dark, display.invert)[level.astype(np.uint16)]


@functools.lru_cache(maxsize=16)
def tone_curve(toe: float, dark: float, invert: bool) -> Image:
    """(65536,) grey over `CURVE_RANGE`: S-shaped, with a long toe so that thick cement is darker than thin cement."""
    place = np.linspace(*CURVE_RANGE, CURVE_SIZE)
    below = np.maximum(dark - place, 0)
    place = np.maximum(place, dark) - (toe * np.log1p(below / toe) if toe > 0 else below)
    grey = 1 / (1 + np.exp(-4 * (place - 0.5)))  # 4: slope 1 in the middle
    grey = (grey - grey[0]) / (grey[-1] - grey[0])
    curve = np.asarray(1 - grey if invert else grey, np.float32)
    curve.flags.writeable = False  # the cache hands it to everybody
    return curve


@functools.lru_cache(maxsize=16)
def curve16(display: Display) -> NDArray[np.uint16]:
    """(65536,) the tone curve of a display in 16 bits."""
    grey = to_bytes(tone_curve(display.toe, display.dark, display.invert), bits=16).astype(np.uint16, copy=False)
    grey.flags.writeable = False  # the cache hands it to everybody
    return grey


def to_bytes(grey: Image, *, bits: int = 8) -> NDArray[np.unsignedinteger]:
    """Grey values as whole numbers of 8 or 16 bits."""
    if bits not in (8, 16):
        raise CaseError("bits per pixel", where="bits", value=bits, allowed="8 or 16")
    kind = np.uint8 if bits == 8 else np.uint16
    return np.asarray(grey * np.float32(2**bits - 1) + np.float32(0.5)).astype(kind)


def sharpening_taps(display: Display) -> NDArray[np.float64]:
    """Taps (centre first) of the blur that edge enhancement subtracts: a Gaussian cut where it falls to 6 %."""
    if display.sharpen == 0:
        return np.ones(1)
    return gaussian_taps(display.sharpen_width, max(1, round(REACH * display.sharpen_width)))


def _slow(level: Image, width: float) -> Image:
    coarse = coarsened(level)
    sigma = max(width * coarse.shape[0], 0.5)
    return blurred(coarse, gaussian_taps(sigma, min(math.ceil(3 * sigma), 4 * coarse.shape[0])))
