"""Thin layers in the picture: where their paths lie, and what motion and the focus make of them.

Cement, needles and contrast agent cover little of a picture, so a path is kept, and blurred, in its own window.

>>> import numpy as np
>>> line = np.zeros((6, 8), np.float32)
>>> line[2:4, 5] = 1e-3
>>> shadow = shadow_of(line)
>>> shadow.path.shape, shadow.top, shadow.left
((2, 1), 2, 5)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vertebro.errors import CaseError, DataError
from vertebro.imaging.carm import ProjectionGeometry
from vertebro.imaging.detector import blurred, gaussian_taps
from vertebro.imaging.kernels_detector import filled_window, smear

if TYPE_CHECKING:
    from vertebro.imaging.fluoro_view import FluoroView

Image = NDArray[np.float32]
FWHM = 2.355  # of a Gaussian, in standard deviations
STILL = 0.05  # pixels of a way below which a layer stands still
FASTEST = 10.0  # m/s
SHARP_FOCUS = 0.05  # pixels (sigma) below which the focus is a point


@dataclass(frozen=True, kw_only=True, slots=True)
class Shadow:
    """A path through a layer where it may differ from zero.

    Attributes
    ----------
    path : (h, w) float32 array [m]
    top, left : int
        Row and column of its first pixel in the picture.
    """

    path: Image
    top: int = 0
    left: int = 0

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the picture."""
        height, width = self.path.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)

    def whole(self, shape: tuple[int, int]) -> Image:
        """The path in a picture of `shape`."""
        line = np.zeros(shape, np.float32)
        line[self.window] = self.path
        return line


def shadow_of(line: Image) -> Shadow:
    """The window of a (rows, cols) path [m] that is not empty; raises DataError if the path is not finite."""
    window = np.empty(4, np.int64)
    image = np.ascontiguousarray(line, np.float32)
    if not math.isfinite(filled_window(image, window)):
        raise DataError("a path does not fit the picture", value="NaN or infinity", allowed="finite lengths [m]")
    top, bottom, left, right = window.tolist()
    return Shadow(path=np.ascontiguousarray(image[top:bottom, left:right]), top=top, left=left)


@dataclass(frozen=True, kw_only=True, slots=True)
class Places:
    """World points [m] about which the layers lie: the farther from the detector, the wider the focus blurs them.

    None stands for the isocentre.
    """

    cement: ArrayLike | None = None
    needle: ArrayLike | None = None
    contrast: ArrayLike | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Motions:
    """Velocities (3,) [m/s] of the layers in the world during a pulse: each is smeared over its way.

    None stands still.
    """

    cement: ArrayLike | None = None
    needle: ArrayLike | None = None
    contrast: ArrayLike | None = None


def soft_shadow(
    view: FluoroView, line: Image | Shadow | None, place: ArrayLike | None, velocity: ArrayLike | None = None
) -> Shadow | None:
    """A layer's path [m] smeared by its motion and blurred by the focus at that layer's own magnification."""
    if line is None:
        return None
    shape = view.primary.shape
    if isinstance(line, Shadow):
        sharp = line
        if not _fits(line, shape):
            raise DataError("a shadow lies beside the picture", value=line.window, allowed=f"within {shape}")
    elif line.shape != shape:
        raise DataError("a path does not fit the picture", value=line.shape, allowed=f"{shape}, finite [m]")
    else:
        sharp = shadow_of(line)
    down, across = _way(view, place, velocity)
    if math.hypot(down, across) >= STILL:
        sharp = _smeared(sharp, down, across, shape)
    sigma = view.focus if place is None else focus_sigma(view.fluoroscope.focal_spot, view.geometry, place)
    if sigma < SHARP_FOCUS or not sharp.path.size:
        return sharp
    taps = gaussian_taps(round(sigma, 3))
    wide = _widened(sharp, len(taps) - 1, len(taps) - 1, shape)
    return Shadow(path=blurred(wide.path, taps), top=wide.top, left=wide.left)


def _fits(shadow: Shadow, shape: tuple[int, ...]) -> bool:
    rows, cols = shadow.window
    return rows.start >= 0 and rows.stop <= shape[0] and cols.start >= 0 and cols.stop <= shape[1]


def _widened(shadow: Shadow, down: int, across: int, shape: tuple[int, ...]) -> Shadow:
    """The same in a window wider by `down` rows and `across` columns, as far as the picture goes."""
    rows, cols = shadow.window
    top, left = max(rows.start - down, 0), max(cols.start - across, 0)
    bottom, right = min(rows.stop + down, shape[0]), min(cols.stop + across, shape[1])
    path = np.zeros((bottom - top, right - left), np.float32)
    path[rows.start - top : rows.stop - top, cols.start - left : cols.stop - left] = shadow.path
    return Shadow(path=path, top=top, left=left)


def _smeared(shadow: Shadow, down: float, across: float, shape: tuple[int, ...]) -> Shadow:
    """The mean of a shadow over its way, rows and columns."""
    if not shadow.path.size:
        return shadow
    wide = _widened(shadow, math.ceil(abs(down) / 2) + 1, math.ceil(abs(across) / 2) + 1, shape)
    streak = np.empty_like(wide.path)
    steps = max(2, math.ceil(2 * math.hypot(down, across)))
    smear(wide.path, down, across, steps, np.empty(len(streak), np.bool_), streak)
    return Shadow(path=streak, top=wide.top, left=wide.left)


def _way(view: FluoroView, place: ArrayLike | None, velocity: ArrayLike | None) -> tuple[float, float]:
    """Rows and columns that the shadow of a layer crosses within a pulse."""
    if velocity is None:
        return 0.0, 0.0
    speed = np.asarray(velocity, float)
    if speed.shape != (3,) or not np.all(np.abs(speed) <= FASTEST):
        raise CaseError("impossible velocity", where="motions [m/s]", value=speed, allowed=f"three, up to {FASTEST}")
    width = view.fluoroscope.pulse_width or 0.0
    middle = np.asarray(view.geometry.isocentre if place is None else place, float)
    before, after = view.geometry.project_point(middle + np.outer([-0.5, 0.5], speed * width))
    down, across = (after - before).tolist()
    return down, across


def focus_sigma(focal_spot: float, geometry: ProjectionGeometry, place: ArrayLike | None = None) -> float:
    """Standard deviation [pixel] of the focus's shadow, of an object at a world point (default: the isocentre).

    A focus of size f (full width at half maximum) casts (M - 1) f on the detector, M f' / M = (M - 1) f / M back at
    the object.
    """
    magnification = geometry.magnification(geometry.isocentre if place is None else place)
    return max(focal_spot * (magnification - 1) / FWHM / geometry.pitch[0], 0.0)
