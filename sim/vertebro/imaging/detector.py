"""The flat detector: what a photon leaves in it, how sharp it is, how noisy."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import erf

from vertebro.errors import CaseError
from vertebro.imaging.kernels_detector import blur
from vertebro.materials.attenuation import MATERIALS
from vertebro.sources import Constant

Image = NDArray[np.float32]
Floats = NDArray[np.float64]

SCINTILLATOR = Constant(600e-6, "m", 400e-6, 700e-6, "vertebro", "ours", "caesium iodide of a C-arm panel")
SHARP_SIGMA = Constant(0.10e-3, "m", 0.05e-3, 0.2e-3, "vertebro", "ours", "core of the spread: MTF about 0.55 at 1/mm")
WIDE_SIGMA = Constant(0.30e-3, "m", 0.2e-3, 0.6e-3, "vertebro", "ours", "tail of the spread")
WIDE_SHARE = Constant(0.4, "1", 0.0, 0.7, "vertebro", "ours", "share of light in the tail")
ELECTRONIC = Constant(3.0, "1", 0.0, 10.0, "vertebro", "ours", "read-out noise in detected quanta, standard deviation")
LAG_SHARES = (
    Constant(0.022, "1", 0.0, 0.2, "siewerdsen1999", "computed", "signal that the fast traps take"),
    Constant(0.030, "1", 0.0, 0.2, "siewerdsen1999", "computed", "signal that the slow traps take"),
)
LAG_TIMES = (
    Constant(0.031, "s", 0.005, 0.2, "vertebro", "ours", "2.4 % after 1, 0.7, 0.4, 0.3 % after 2, 3, 4 pictures"),
    Constant(0.30, "s", 0.1, 5.0, "vertebro", "ours", "as before, at 15 pictures per second"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Lag:
    """Charge that is trapped and read late: after a step to darkness a sum of exponentials remains.

    Parameters
    ----------
    shares : tuple of float
        Of the signal, that each kind of trap takes; together below 1/2.
    times : tuple of float [s]
        In which each kind of trap empties by e.

    Raises
    ------
    CaseError
        If a value is out of range or the lengths differ.
    """

    shares: tuple[float, ...] = LAG_SHARES
    times: tuple[float, ...] = LAG_TIMES

    def __post_init__(self) -> None:
        shares, times = np.asarray(self.shares, float), np.asarray(self.times, float)
        if shares.shape != times.shape or not (np.all(shares >= 0) and shares.sum() < 0.5 and np.all(times > 0)):
            raise CaseError("impossible lag", value=self, allowed="as many times > 0 as shares >= 0, sum below 1/2")


@dataclass(frozen=True, kw_only=True, slots=True)
class Detector:
    """Caesium iodide flat panel that integrates energy.

    Parameters
    ----------
    scintillator : float [m]
        Thickness of the layer.
    sharp_sigma, wide_sigma : float [m]
        Two Gaussians that make up the line spread.
    wide_share : float
        Weight of the wide one.
    electronic : float
        Standard deviation of the read-out noise, in detected quanta per pixel.

    Raises
    ------
    CaseError
        If a value is negative or the share outside 0 to 1.
    """

    scintillator: float = SCINTILLATOR
    sharp_sigma: float = SHARP_SIGMA
    wide_sigma: float = WIDE_SIGMA
    wide_share: float = WIDE_SHARE
    electronic: float = ELECTRONIC

    def __post_init__(self) -> None:
        for name in ("scintillator", "sharp_sigma", "wide_sigma", "wide_share", "electronic"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0) or (name == "wide_share" and value > 1):
                raise CaseError("impossible detector", where=name, value=value, allowed=">= 0 (shares <= 1)")

    def absorbed(self, energy: ArrayLike) -> Floats:
        """Share of photons of an energy [keV] that the layer stops."""
        mu = MATERIALS["caesium iodide"].linear_attenuation(energy)
        return np.asarray(1 - np.exp(-mu * self.scintillator))

    def mtf(self, frequency: ArrayLike) -> Floats:
        """Modulation transfer of the scintillator along an axis, at spatial frequencies [1/m]."""
        f = np.asarray(frequency, float)
        sharp, wide = (np.exp(-2 * (math.pi * s * f) ** 2) for s in (self.sharp_sigma, self.wide_sigma))
        return np.asarray((1 - self.wide_share) * sharp + self.wide_share * wide)

    def spread(self, pitch: float) -> NDArray[np.float32]:
        """Taps (centre first) of the line spread, integrated over pixels [m]."""
        mixture = [(self.sharp_sigma, 1 - self.wide_share), (self.wide_sigma, self.wide_share)]
        radius = max(1, math.ceil(3.5 * max(s for s, share in mixture if share > 0 or s == self.sharp_sigma) / pitch))
        taps = sum(share * gaussian_taps(sigma / pitch, radius) for sigma, share in mixture)
        return np.asarray(taps, np.float32)


@functools.lru_cache(maxsize=64)
def gaussian_taps(sigma: float, radius: int | None = None) -> NDArray[np.float64]:
    """Taps (centre first) of a Gaussian of `sigma` pixels, integrated over each pixel, sum 1 with both sides."""
    reach = max(1, math.ceil(3.5 * sigma)) if radius is None else radius
    edge = np.arange(reach + 2) - 0.5
    sharp = sigma < 1e-3  # a point stays a point
    taps = np.eye(1, reach + 1)[0] if sharp else np.diff(erf(edge / (math.sqrt(2) * sigma))) / 2
    taps = np.asarray(taps / (taps[0] + 2 * taps[1:].sum()))
    taps.flags.writeable = False  # the cache hands it to everybody
    return taps


def blurred(image: Image, taps: NDArray[np.floating]) -> Image:
    """A blurred copy of a picture (rows and columns with the same symmetric taps, centre first)."""
    out = np.empty_like(image)
    line = np.empty(image.shape[1] + 2 * (len(taps) - 1), np.float32)
    blur(np.ascontiguousarray(image, np.float32), np.asarray(taps, np.float32), line, out)
    return out


def detect(quanta: Image, detector: Detector, pitch: float, *, seed: int, number: int, noise: bool = True) -> Image:
    """Signal of one exposure: counting noise, then the spread of light, then read-out noise.

    Parameters
    ----------
    quanta : (rows, cols) float32 array
        Expected detected quanta per pixel; their variance equals their mean.
    detector : Detector
    pitch : float [m]
    seed, number : int
        The run's seed and the frame's number: the same pair gives the same noise.
    noise : bool
        False leaves the expected signal, blurred.

    Returns
    -------
    (rows, cols) float32 array
        In detected quanta per pixel.
    """
    taps = detector.spread(pitch)
    if not noise:
        return blurred(quanta, taps)
    random = np.random.Generator(np.random.SFC64([abs(int(seed)), abs(int(number))]))
    numbers = random.standard_normal(quanta.shape, np.float32)
    shot = np.sqrt(np.maximum(quanta, 0))
    shot *= numbers
    shot += quanta
    signal = blurred(shot, taps)
    if detector.electronic > 0:
        # the same numbers from the opposite corner are as good as new ones, at half the time
        signal += np.float32(detector.electronic) * numbers[::-1, ::-1]
    return signal


class NoiseBank:
    """Normal numbers made once, read from another place for each frame: no generator runs while pictures do.

    Two banks: one spread as light in the scintillator (counting noise), one plain (read-out noise). The places of
    frame after frame run through all rows and columns of a margin and repeat only after `PERIOD` frames; places that
    are near each other come far apart in time.

    Parameters
    ----------
    shape : (rows, cols) of int
        Of the pictures.
    taps : (radius + 1,) float array
        Spread of light, centre first.
    seed : int
    """

    MARGIN = (241, 256)  # coprime
    STEP = (134, 75)
    PERIOD = 241 * 256

    def __init__(self, shape: tuple[int, int], taps: NDArray[np.floating], seed: int) -> None:
        random = np.random.Generator(np.random.SFC64([abs(int(seed)), 0]))
        rim = len(taps) - 1
        rows, cols = (n + margin for n, margin in zip(shape, self.MARGIN, strict=True))
        plain = random.standard_normal((2, rows + 2 * rim, cols + 2 * rim), np.float32)
        self.numbers = np.empty((2, rows, cols), np.float32)
        inside = np.s_[rim : rim + rows, rim : rim + cols]
        self.numbers[0] = blurred(plain[0], taps)[inside]
        self.numbers[1] = plain[1][inside]
        self._start = random.integers(0, 2**16, 4)

    def place(self, number: int) -> NDArray[np.int64]:
        """(4,) first row and column of a frame in the spread and in the plain bank."""
        step = np.array(2 * self.STEP, np.int64)
        return np.asarray((self._start + number * step) % np.array([*self.MARGIN, *self.MARGIN], np.int64))
