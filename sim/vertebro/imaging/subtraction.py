"""Subtraction of a mask, for the contrast test: what came into the picture since, without bone; and the roadmap.

The logarithm of the signal is minus the attenuation, so log(mask) - log(live) = mu L of what was added: it adds up
over depth and does not depend on what lies in front of it (scatter, which adds to both, shrinks it). Two noisy
pictures are combined: one frame minus one frame is sqrt(2) times as noisy as each; a mask of many frames costs less.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vertebro.errors import CaseError, DataError, GeometryError
from vertebro.imaging.carm import ProjectionGeometry
from vertebro.imaging.detector import blurred, gaussian_taps
from vertebro.imaging.display import LOWEST_SIGNAL
from vertebro.sources import Constant

Image = NDArray[np.float32]
Shift = tuple[float, float]
DSA_WINDOW = Constant(0.35, "1", 0.05, 2.0, "vertebro", "ours", "mu L shown from mid grey to black")
ROADMAP = Constant(0.45, "1", 0.1, 1.0, "vertebro", "ours", "brightening of a full vessel, share of the grey range")
VESSEL = Constant(0.04, "1", 0.01, 0.2, "vertebro", "ours", "mu L above which a roadmap draws a vessel")


class Exposed(Protocol):
    """A frame with its detector signal; `Frame` is one."""

    @property
    def signal(self) -> Image: ...

    @property
    def geometry(self) -> ProjectionGeometry: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Mask:
    """What is subtracted.

    Attributes
    ----------
    level : (rows, cols) float32 array
        Logarithm of the mean signal.
    geometry : ProjectionGeometry
    frames : int
        How many were averaged.
    """

    level: Image
    geometry: ProjectionGeometry
    frames: int


def make_mask(frames: Sequence[Exposed]) -> Mask:
    """Average frames without contrast agent.

    Raises
    ------
    CaseError
        If there is no frame.
    GeometryError
        If the C-arm moved between them.
    """
    if not frames:
        raise CaseError("a mask needs a frame", where="frames", value=0, allowed="1 or more")
    for frame in frames[1:]:
        _same_place(frames[0].geometry, frame.geometry)
    mean = np.mean(np.stack([frame.signal for frame in frames]), axis=0, dtype=np.float64)
    return Mask(level=_log(np.asarray(mean, np.float32)), geometry=frames[0].geometry, frames=len(frames))


def subtract(mask: Mask, live: Exposed, *, shift: Shift = (0.0, 0.0)) -> Image:
    """(rows, cols) float32: attenuation mu L added since the mask; positive where contrast agent came in.

    Parameters
    ----------
    mask : Mask
    live : Exposed
    shift : (float, float) [pixel]
        The mask is moved so far down and to the right first, because the patient moved. Pixels that the mask does not
        cover any more are 0.

    Raises
    ------
    GeometryError
        If the C-arm moved since the mask, or the shift leaves nothing.
    """
    _same_place(mask.geometry, live.geometry)
    level, covered = shifted(mask.level, shift)
    return np.where(covered, level - _log(live.signal), np.float32(0.0))


def shifted(image: Image, shift: Shift) -> tuple[Image, NDArray[np.bool_]]:
    """A picture moved down and to the right by whole or broken pixels (linear), and which pixels it covers.

    Raises
    ------
    GeometryError
        If nothing is left.
    """
    rows, cols = image.shape
    if not (abs(shift[0]) < rows and abs(shift[1]) < cols):
        raise GeometryError(
            "the shift leaves nothing of the mask", where="shift", value=shift, allowed=f"within ({rows}, {cols})"
        )
    order = 0 if all(float(step).is_integer() for step in shift) else 1
    moved = ndimage.shift(image, shift, order=order, mode="nearest")
    row, col = np.arange(rows) - shift[0], np.arange(cols) - shift[1]
    covered = ((row >= 0) & (row <= rows - 1))[:, None] & ((col >= 0) & (col <= cols - 1))
    return np.asarray(moved, np.float32), covered


def find_shift(mask: Mask, live: Exposed, *, limit: int = 8) -> Shift:
    """Shift of the mask (down, right) [pixel] that fits a live frame best: the peak of their edges' correlation.

    Parameters
    ----------
    mask : Mask
    live : Exposed
    limit : int [pixel]
        Largest shift looked for.

    Raises
    ------
    CaseError
        If the limit does not fit the picture.
    """
    _same_place(mask.geometry, live.geometry)
    if not 1 <= limit < min(mask.level.shape) // 2:
        raise CaseError("impossible search", where="limit [pixel]", value=limit, allowed="1 to half the picture")
    one, other = (_edges(level) for level in (mask.level, _log(live.signal)))
    size = tuple(n + 2 * limit for n in one.shape)
    product = np.conj(np.fft.rfft2(one, size)) * np.fft.rfft2(other, size)
    likeness = np.fft.irfft2(product, size)
    near = np.roll(likeness, (limit, limit), (0, 1))[: 2 * limit + 1, : 2 * limit + 1]
    row, col = (int(n) for n in np.unravel_index(near.argmax(), near.shape))
    return row - limit + _vertex(near[:, col], row), col - limit + _vertex(near[row], col)


def peak(subtractions: Sequence[Image]) -> Image:
    """(rows, cols) most contrast ever seen in each pixel of a run.

    Raises
    ------
    CaseError
        If there is none.
    """
    if not subtractions:
        raise CaseError("a run without pictures", where="subtractions", value=0, allowed="1 or more")
    return np.asarray(np.max(subtractions, axis=0), np.float32)


def subtraction_picture(
    subtraction: Image, opening: NDArray[np.bool_] | None = None, *, window: float = DSA_WINDOW
) -> NDArray[np.uint16]:
    """(rows, cols) uint16: vessels dark on mid grey, black outside the collimator.

    Raises
    ------
    CaseError
        If the window is not positive.
    """
    if not window > 0:
        raise CaseError("impossible window", where="window", value=window, allowed="> 0")
    grey = np.clip(0.6 - 0.6 * subtraction / window, 0.0, 1.0)
    if opening is not None:
        grey = np.where(opening, grey, 0.0)
    return np.asarray(np.rint(grey * 65535), np.uint16)


def roadmap(
    vessels: Image, display16: NDArray[np.uint16], *, strength: float = ROADMAP, threshold: float = VESSEL
) -> NDArray[np.uint16]:
    """(rows, cols) uint16: a live picture with the vessels of an earlier run laid over it in white.

    Parameters
    ----------
    vessels : (rows, cols) float32 array
        From `peak`.
    display16 : (rows, cols) uint16 array
    strength : float
        Brightening of the fullest vessel, as a share of the grey range.
    threshold : float
        mu L below which nothing is drawn (noise).

    Raises
    ------
    DataError
        If the two have different sizes.
    """
    if vessels.shape != display16.shape:
        raise DataError("a roadmap of another picture", value=vessels.shape, allowed=f"{display16.shape}")
    smooth = blurred(np.asarray(vessels, np.float32), gaussian_taps(1.0))
    full = max(float(np.percentile(smooth, 99.9)), 2 * threshold)
    share = np.clip((smooth - threshold) / (full - threshold), 0.0, 1.0)
    grey = display16 + strength * 65535 * share
    return np.asarray(np.rint(np.minimum(np.where(display16 > 0, grey, 0), 65535)), np.uint16)


def _log(signal: Image) -> Image:
    return np.log(np.maximum(signal, np.float32(LOWEST_SIGNAL)))


def _edges(level: Image) -> Image:
    """Fine structure: noise and slow variations taken out, borders faded."""
    fine = blurred(level, gaussian_taps(1.0)) - blurred(level, gaussian_taps(6.0))
    fade = [np.hanning(n + 2)[1:-1].astype(np.float32) for n in level.shape]
    return np.asarray(fine * fade[0][:, None] * fade[1])


def _vertex(line: NDArray[np.float64], place: int) -> float:
    """Where between samples a parabola through three of them has its top, relative to the middle one."""
    if not 0 < place < len(line) - 1:
        return 0.0
    before, here, after = line[place - 1 : place + 2]
    bend = before - 2 * here + after
    return float(0.5 * (before - after) / bend) if bend < 0 else 0.0


def _same_place(one: ProjectionGeometry, other: ProjectionGeometry) -> None:
    same = one.rows == other.rows and one.cols == other.cols
    for name in ("source", "detector_origin", "u", "v"):
        same = same and math.isclose(
            float(np.linalg.norm(getattr(one, name) - getattr(other, name))), 0.0, abs_tol=1e-6
        )
    if not same:
        raise GeometryError(
            "the C-arm moved since the mask", where="geometry", allowed="one pose", hint="make a new mask"
        )
