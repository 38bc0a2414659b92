"""Scattered photons and stray light: wide convolutions of the primary picture on a coarse grid.

A body of water-equivalent thickness T sends ``amplitude growth(T)`` scattered photons to the detector per primary
photon, spread over two Gaussians whose widths grow with the gap between body and detector; an anti-scatter grid passes
more primary than scatter. The constants are fitted to a Monte Carlo of water slabs (`tests/naive/photons.py`), which
they follow within 11 % for 10 to 30 cm, fields of 5 to 40 cm and gaps of 0.1 to 0.5 m. The picture of the scatter is
smooth, so a twelfth or so of the resolution is enough, and a Gaussian is two products with small matrices.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf, roots_genlaguerre

from vertebro.errors import CaseError
from vertebro.imaging.kernels_detector import coarsen
from vertebro.imaging.kernels_frame import compose
from vertebro.products import product
from vertebro.sources import Constant

Image = NDArray[np.float32]
AMPLITUDE = Constant(
    4.05, "1", 2.0, 6.0, "vertebro", "computed", "scatter to primary behind 20 cm of water in an endless field"
)
GROWTH = Constant(6.3, "1/m", 4.0, 9.0, "vertebro", "computed", "growth of that ratio with thickness")
NARROW = Constant(0.0214, "m", 0.01, 0.05, "vertebro", "computed", "narrow Gaussian at the detector, gap 0.3 m")
WIDE = Constant(0.1606, "m", 0.08, 0.25, "vertebro", "computed", "wide Gaussian at the detector, gap 0.3 m")
NARROW_SHARE = Constant(0.0222, "1", 0.0, 0.2, "vertebro", "computed", "weight of the narrow Gaussian")
GRID_PRIMARY = Constant(0.72, "1", 0.6, 0.8, "vertebro", "ours", "primary transmission of an anti-scatter grid")
GRID_SCATTER = Constant(0.15, "1", 0.05, 0.25, "vertebro", "ours", "scatter transmission of an anti-scatter grid")
GLARE_SHARE = Constant(0.03, "1", 0.0, 0.1, "vertebro", "ours", "share of light that strays, low-frequency drop")
GLARE_LENGTH = Constant(12e-3, "m", 2e-3, 0.05, "vertebro", "ours", "length on which stray light falls by e")
COARSE = 8  # pixels per coarse pixel unless told otherwise
COARSE_PITCH = 4e-3  # m
REFERENCE, REFERENCE_GAP = 0.2, 0.3  # m: water, and isocentre to detector
GLARE_NODES = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Scatter:
    """Convolution model of scatter.

    Parameters
    ----------
    amplitude : float
        Scatter-to-primary ratio without a grid behind 20 cm of water in an endless field.
    growth : float [1/m]
        The ratio grows with thickness T as exp(growth T) - 1.
    narrow, wide : float [m]
        Widths (sigma) of the two Gaussians at the detector, 0.3 m behind the isocentre; in proportion elsewhere.
    narrow_share : float
        Weight of the narrow one.
    grid : bool
        Anti-scatter grid in place.
    grid_primary, grid_scatter : float
        Its transmissions.

    Raises
    ------
    CaseError
        If a value is negative or a share or transmission above 1.
    """

    amplitude: float = AMPLITUDE
    growth: float = GROWTH
    narrow: float = NARROW
    wide: float = WIDE
    narrow_share: float = NARROW_SHARE
    grid: bool = True
    grid_primary: float = GRID_PRIMARY
    grid_scatter: float = GRID_SCATTER

    def __post_init__(self) -> None:
        for name in ("amplitude", "growth", "narrow", "wide", "narrow_share", "grid_primary", "grid_scatter"):
            value = getattr(self, name)
            share = name.startswith("grid") or name.endswith("share")
            if not (math.isfinite(value) and value >= 0) or (share and value > 1):
                raise CaseError("impossible scatter", where=name, value=value, allowed=">= 0 (transmissions <= 1)")

    def primary_share(self) -> float:
        """Share of the primary that reaches the detector."""
        return self.grid_primary if self.grid else 1.0

    def picture(self, primary: Image, thickness: Image, pitch: float, *, gap: float = REFERENCE_GAP) -> Image:
        """Scatter on the coarse grid, in the unit of `primary` (which has not yet passed the grid).

        Parameters
        ----------
        primary : (n, m) float32 array
        thickness : (n, m) float32 array [m]
            Water-equivalent.
        pitch : float [m]
            Of a coarse pixel.
        gap : float [m]
            From the isocentre to the detector.
        """
        growth = max(self.growth, 1e-3)
        over = np.float32(self.amplitude / math.expm1(growth * REFERENCE))
        ratio = np.exp(np.float32(growth) * np.maximum(thickness, 0)) - np.float32(1)
        emitted = np.asarray(primary * ratio, np.float32)
        wider = gap / REFERENCE_GAP / pitch
        over *= np.float32(self.grid_scatter if self.grid else 1.0)
        sigmas, weights = (self.wide * wider, self.narrow * wider), (1 - self.narrow_share, self.narrow_share)
        return over * spread_mixture(emitted, sigmas, weights)


@dataclass(frozen=True, kw_only=True, slots=True)
class Glare:
    """Light that strays far in the scintillator and its housing: an exponential point spread, exp(-r / length).

    Parameters
    ----------
    share : float
        Of all light, 0 to 0.5.
    length : float [m]

    Raises
    ------
    CaseError
        If a value is out of range.
    """

    share: float = GLARE_SHARE
    length: float = GLARE_LENGTH

    def __post_init__(self) -> None:
        if not (0 <= self.share <= 0.5 and 0 < self.length <= 0.2):
            raise CaseError("impossible glare", value=self, allowed="0 <= share <= 0.5, 0 < length <= 0.2 m")

    def picture(self, signal: Image, pitch: float) -> Image:
        """Stray light on the coarse grid (pitch [m]) from the coarse signal.

        exp(-r / L) / (2 pi L²) is a mixture of Gaussians whose variances follow a gamma distribution of shape 3/2 and
        scale 2 L² (equal Fourier transforms); five of them do.
        """
        widths, weights = _glare_nodes()
        return np.float32(self.share) * spread_mixture(signal, tuple(self.length * s / pitch for s in widths), weights)


@functools.cache
def _glare_nodes() -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Widths over the length, and weights, of the Gaussians."""
    node, weight = roots_genlaguerre(GLARE_NODES, 0.5)
    return tuple(np.sqrt(2 * node).tolist()), tuple((weight / weight.sum()).tolist())


def spread_light(picture: Image, sigma: float) -> Image:
    """Blur by a Gaussian of `sigma` pixels with nothing beyond the borders: what leaves the field is lost."""
    return spread_mixture(picture, (sigma,), (1.0,))


def spread_mixture(picture: Image, sigmas: tuple[float, ...], weights: tuple[float, ...]) -> Image:
    """Sum of `spread_light` of several widths times their weights.

    The same for any number of threads (`product`).
    """
    rows, cols = picture.shape
    total = np.zeros((rows, cols), np.float32)
    for sigma, weight in zip(sigmas, weights, strict=True):
        if weight > 0:
            total += product(product(_spreader(rows, sigma, 1.0), picture), _spreader(cols, sigma, weight))
    return total


@functools.lru_cache(maxsize=64)
def _spreader(count: int, sigma: float, weight: float) -> Image:
    """(count, count) share of what enters one pixel that leaves through another, times a weight."""
    apart = np.arange(count)[:, None] - np.arange(count)
    width = math.sqrt(2) * max(sigma, 1e-6)
    return np.asarray(weight * (erf((apart + 0.5) / width) - erf((apart - 0.5) / width)) / 2, np.float32)


def coarse_factor(pitch: float) -> int:
    """Even number of pixels of `pitch` [m] that make a coarse pixel of about 4 mm, fine enough for scatter."""
    return 2 * max(1, round(0.5 * COARSE_PITCH / pitch))


def coarsened(image: Image, factor: int = COARSE) -> Image:
    """Mean over blocks of `factor`² pixels (the last ones repeat the border)."""
    rows, cols = image.shape
    out = np.empty((-(-rows // factor), -(-cols // factor)), np.float32)
    coarsen(np.ascontiguousarray(image, np.float32), factor, np.empty(cols, np.float32), out)
    return out


def refined(coarse: Image, shape: tuple[int, int], factor: int = COARSE) -> Image:
    """Linear interpolation of a coarse picture back to `shape`; beyond the outermost coarse centres values stay."""
    out = np.zeros(shape, np.float32)
    pair = np.empty((2, shape[1]), np.float32)
    compose(out, np.float32(0), np.ascontiguousarray(coarse, np.float32), factor, pair, out)
    return out
