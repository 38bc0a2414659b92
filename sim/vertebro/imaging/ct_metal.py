"""Metal-artefact reduction: rays through metal are replaced by what their neighbours say.

As Kalender's linear interpolation, or normalised (Meyer): the rays are first divided by those through a simple
picture of the patient, air, water and bone, which keeps bone's edges beside the metal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_closing, binary_dilation, gaussian_filter

from vertebro.imaging.ct_body import add_lines
from vertebro.imaging.ct_rays import Rays
from vertebro.imaging.kernels_ct import LANES
from vertebro.sources import Constant

Image = NDArray[np.float32]
METAL_HU = Constant(4500.0, "HU", 2500.0, 8000.0, "meyer2010", "ours", "brighter is metal; cement stays what it is")
PRIOR_AIR, PRIOR_BONE = -500.0, 300.0  # HU, limits of the simple picture
PIXELS = 512
PENUMBRA = 3  # rays on either side of the shadow of metal that are replaced too
BLOOM, BLOOM_HU = 3, 2000.0  # pixels around metal that belong to it, if they are brighter than this [HU]
RIM = 1  # pixels by which bright metal is thicker than it looks
TOUCHED = 0.5  # pixels of metal that a ray may cross unnoticed
Picture = Callable[[Image, int, float, tuple[float, float], str], Image]


@dataclass(frozen=True, kw_only=True, slots=True)
class Calm:
    """Rays without metal.

    Attributes
    ----------
    lines : (views, rays) float32 array
    metal : (PIXELS, PIXELS) bool array
        What counted as metal, in a picture of all rays around the axis.
    pixel : float [m]
    axis : (2,) float [m]
        Right and anterior coordinate of its middle.
    """

    lines: Image
    metal: NDArray[np.bool_]
    pixel: float
    axis: tuple[float, float]

    def covers(self, pixels: int, width: float, centre: tuple[float, float]) -> NDArray[np.bool_]:
        """(pixels, pixels) which pixels of a square picture around a centre [m] show metal."""
        place = (np.arange(pixels) - (pixels - 1) / 2) * width / pixels
        rows, cols = (
            np.rint((self.axis[axis] - centre[axis] + place) / self.pixel + (PIXELS - 1) / 2).astype(int)
            for axis in (1, 0)
        )
        inside = [(index >= 0) & (index < PIXELS) for index in (rows, cols)]
        found = self.metal[np.ix_(rows.clip(0, PIXELS - 1), cols.clip(0, PIXELS - 1))]
        return np.asarray(found & np.outer(*inside))


def without_metal(lines: Image, rays: Rays, water: float, picture: Picture, *, normalised: bool) -> Calm | None:
    """The lines with those through metal replaced; None where there is no metal.

    Parameters
    ----------
    lines : (views, rays) float32 array
    rays : Rays
    water : float [1/m]
        Attenuation at 0 HU.
    picture : callable
        ``picture(lines, pixels, width, centre, kernel)`` gives CT numbers.
    normalised : bool
    """
    width = rays.count * rays.pitch
    whole = picture(lines, PIXELS, width, rays.axis, "bone")
    metal = whole > METAL_HU
    if not metal.any():
        return None
    # a cannula's lumen and what blooms around its thin wall belong to it
    metal = binary_dilation(metal, iterations=BLOOM, mask=(whole > BLOOM_HU) | metal)
    solid = binary_closing(metal, iterations=BLOOM)
    metal = binary_dilation(solid, iterations=RIM)
    shadow = picture_lines(metal.astype(np.float32), width, rays) > TOUCHED * width / PIXELS
    # what lies beside the shadow is blurred into it
    shadow = binary_dilation(shadow, np.ones((1, 2 * PENUMBRA + 1), bool))
    calm = _bridged(lines, shadow)
    if normalised:
        prior = _simple(picture(calm, PIXELS, width, rays.axis, "soft"), metal, water)
        through = np.maximum(picture_lines(prior, width, rays), np.float32(0.02))
        calm = np.where(shadow, _bridged(np.asarray(lines / through, np.float32), shadow) * through, lines)
    return Calm(lines=np.asarray(calm, np.float32), metal=solid, pixel=width / PIXELS, axis=rays.axis)


def _simple(hu: Image, metal: NDArray[np.bool_], water: float) -> Image:
    """Air, water and bone [1/m]; metal counts as water."""
    smooth = gaussian_filter(hu, 1.0)
    hu = np.where(smooth < PRIOR_AIR, -1000, np.where(smooth > PRIOR_BONE, smooth, 0))
    hu[metal] = 0
    return np.asarray((1 + hu / 1000) * water, np.float32)


def _bridged(lines: Image, shadow: NDArray[np.bool_]) -> Image:
    """Linear across the shadow, view by view."""
    out = np.array(lines, np.float32)
    place = np.arange(lines.shape[1])
    for line, dark in zip(out, shadow, strict=True):
        if dark.any() and not dark.all():
            line[dark] = np.interp(place[dark], place[~dark], line[~dark])
    return out


def picture_lines(image: Image, width: float, rays: Rays) -> Image:
    """(views, rays) line integrals of a picture around the axis, turned as it is read; its values times metres."""
    pixels = image.shape[0]
    step = width / pixels
    pictures = np.zeros((pixels, pixels, LANES), np.float32)
    # back to rows along r and columns along a
    pictures[:, :, 0] = image.T[::-1, ::-1]
    out = np.zeros((rays.views, rays.count, LANES), np.float32)
    add_lines(pictures, np.full(2, -(pixels - 1) / 2 * step), np.full(2, step), rays, rays.directions(), out)
    return np.ascontiguousarray(out[:, :, 0])
