"""Scattered photons: a convolution of the primary picture on a coarse grid.

A body of water-equivalent thickness T sends ``amplitude(T)`` scattered photons to the detector per primary photon,
spread over two Gaussians; an anti-scatter grid passes more primary than scatter. The picture of the scatter is smooth,
so an eighth of the resolution is enough.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import CaseError
from vertebro.imaging.detector import blurred, gaussian_taps
from vertebro.sources import Constant

Image = NDArray[np.float32]
AMPLITUDE = Constant(
    1.4, "1", 0.6, 3.0, "vertebro", "ours", "scatter to primary behind 20 cm of water, wide field, gap 0.3 m"
)
EXPONENT = Constant(1.3, "1", 1.0, 1.6, "vertebro", "ours", "growth of that ratio with thickness")
NARROW = Constant(0.025, "m", 0.01, 0.05, "vertebro", "ours", "narrow Gaussian at the detector")
WIDE = Constant(0.08, "m", 0.05, 0.15, "vertebro", "ours", "wide Gaussian at the detector")
GRID_PRIMARY = Constant(0.72, "1", 0.6, 0.8, "vertebro", "ours", "primary transmission of an anti-scatter grid")
GRID_SCATTER = Constant(0.15, "1", 0.05, 0.25, "vertebro", "ours", "scatter transmission of an anti-scatter grid")
COARSE = 8  # pixels per coarse pixel unless told otherwise
COARSE_PITCH = 4e-3  # m
REFERENCE = 0.2


@dataclass(frozen=True, kw_only=True, slots=True)
class Scatter:
    """Convolution model of scatter.

    Parameters
    ----------
    amplitude : float
        Scatter-to-primary ratio without a grid behind 20 cm of water in a wide field.
    exponent : float
        The ratio grows with (thickness / 20 cm) to this power.
    narrow, wide : float [m]
        Widths (sigma) of the two Gaussians at the detector, of equal weight.
    grid : bool
        Anti-scatter grid in place.
    grid_primary, grid_scatter : float
        Its transmissions.

    Raises
    ------
    CaseError
        If a value is negative or a transmission above 1.
    """

    amplitude: float = AMPLITUDE
    exponent: float = EXPONENT
    narrow: float = NARROW
    wide: float = WIDE
    grid: bool = True
    grid_primary: float = GRID_PRIMARY
    grid_scatter: float = GRID_SCATTER

    def __post_init__(self) -> None:
        for name in ("amplitude", "exponent", "narrow", "wide", "grid_primary", "grid_scatter"):
            value = getattr(self, name)
            if not value >= 0 or (name.startswith("grid") and value > 1):
                raise CaseError("impossible scatter", where=name, value=value, allowed=">= 0 (transmissions <= 1)")

    def primary_share(self) -> float:
        """Share of the primary that reaches the detector."""
        return self.grid_primary if self.grid else 1.0

    def picture(self, primary: Image, thickness: Image, pitch: float) -> Image:
        """Scatter on the coarse grid, in the unit of `primary` (which has not yet passed the grid).

        Parameters
        ----------
        primary : (rows / 8, cols / 8) float32 array
        thickness : (rows / 8, cols / 8) float32 array [m]
            Water-equivalent.
        pitch : float [m]
            Of a coarse pixel.
        """
        ratio = self.amplitude * (np.maximum(thickness, 0) / REFERENCE) ** self.exponent
        emitted = (primary * ratio).astype(np.float32)
        limit = max(1, 2 * min(primary.shape))
        parts = (_spread(emitted, sigma / pitch, limit) for sigma in (self.narrow, self.wide))
        total = np.float32(0.5) * sum(parts)
        return np.asarray(total * np.float32(self.grid_scatter if self.grid else 1.0), np.float32)


def _spread(emitted: Image, sigma: float, limit: int) -> Image:
    """Blur with nothing beyond the borders: photons that leave the field are lost, none come in."""
    taps = gaussian_taps(sigma, min(max(1, int(np.ceil(3 * sigma))), limit))
    rim = len(taps) - 1
    return blurred(np.pad(emitted, rim), taps)[rim:-rim, rim:-rim]


def coarse_factor(pitch: float) -> int:
    """Even number of pixels of `pitch` [m] that make a coarse pixel of about 4 mm, fine enough for scatter."""
    return 2 * max(1, round(0.5 * COARSE_PITCH / pitch))


def coarsened(image: Image, factor: int = COARSE) -> Image:
    """Mean over blocks of `factor`² pixels (the last ones may be smaller)."""
    rows, cols = image.shape
    grown = np.pad(image, ((0, -rows % factor), (0, -cols % factor)), mode="edge")
    blocks = grown.reshape(grown.shape[0] // factor, factor, grown.shape[1] // factor, factor)
    return np.asarray(blocks.mean(axis=(1, 3)), np.float32)


def refined(coarse: Image, shape: tuple[int, int], factor: int = COARSE) -> Image:
    """Linear interpolation of a coarse picture back to `shape`; beyond the outermost coarse centres values stay."""
    # columns first, while there are few rows: the second pass then runs along whole rows
    wide = _stretched(np.ascontiguousarray(coarse.T), shape[1], factor).T
    return _stretched(np.ascontiguousarray(wide), shape[0], factor)


def _stretched(image: Image, rows: int, factor: int) -> Image:
    """Interpolate an even number of rows between neighbouring rows."""
    share = ((np.arange(factor) + 0.5) / factor).astype(np.float32)[:, None]
    grown = np.pad(image, ((1, 1), (0, 0)), mode="edge")[:, None, :]
    fine = grown[:-1] * (1 - share)
    fine += grown[1:] * share
    return fine.reshape(-1, image.shape[1])[factor // 2 : factor // 2 + rows]
