"""How thick the compact layer of a bone is, at any place of its surface.

Measured: about 0.35 mm on average, 0.09 to 0.86 mm, the front thicker than the back (silva1994); thinnest at mid
thoracic levels (ritzel1997), thinner on L1 than below (palepu2019); endplates denser at the rim than in the middle
(segami2021). The shares below put numbers to these orders; they are ours.
"""

from __future__ import annotations

import re
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.anatomy import Landmarks
from vertebro.anatomy.interior_settings import SHELL_THICKNESS, InteriorSettings
from vertebro.sources import Constant

FRONT = Constant(0.20, "1", 0.0, 0.5, "silva1994", "ours", "front wall above, back wall below the mean by this share")
RIM = Constant(0.28, "1", 0.0, 0.5, "segami2021", "ours", "endplate's rim above, middle below the mean by this share")
THINNEST = Constant(0.84, "1", 0.7, 1.0, "ritzel1997", "seen", "thoracic over lumbar shell, 244 to 290 µm")

Points = NDArray[np.float64]
Floats = NDArray[Any]


class Place(IntEnum):
    """Which layer of compact bone."""

    OTHER = 0  # neighbouring bones
    WALL = 1  # of the body
    PLATE = 2  # towards a disc
    ARCH = 3


_REGIONS = {"C": 0, "T": 7, "L": 19}  # vertebrae above the first of the region
_CURVE = ((6, 15, 22), (0.98, float(THINNEST), 1.0))  # C6, T8, L3


def level_factor(level: str) -> float:
    """Shell thickness of a level over that of L3 [1]: falls from the neck to T8, rises to L3; 1 for other bones.

    Examples
    --------
    >>> round(level_factor("T8"), 2), round(level_factor("L4"), 2)
    (0.84, 1.0)
    """
    match = re.fullmatch(r"([CTL])(\d{1,2})", level)
    if match is None:
        return 1.0
    return float(np.interp(_REGIONS[match[1]] + int(match[2]), *_CURVE))


def layer_thickness(
    points: Points, place: NDArray[np.uint8], landmarks: Landmarks, level: str, settings: InteriorSettings
) -> Floats:
    """Thickness [m] of the layer without its random part.

    Parameters
    ----------
    points : (n, 3) float array [m]
        Places on the surface, world frame.
    place : (n,) uint8 array of `Place`
    level : str
    settings : InteriorSettings

    Returns
    -------
    (n,) float array [m]
    """
    wall = np.full(len(points), float(settings.shell_thickness))
    cover = np.full(len(points), float(settings.endplate_thickness))
    if settings.shell_pattern and landmarks.canal_centre is not None:
        factor = level_factor(level)
        front = np.where(place == Place.WALL, _forward(points, landmarks), 0.0)
        wall *= factor * (1.0 + FRONT * front)
        cover *= factor * (1.0 + RIM * _outward(points, landmarks))
    return np.where(place == Place.PLATE, cover, np.where(place == Place.ARCH, float(settings.arch_thickness), wall))


def clipped(thickness: Floats) -> Floats:
    """Kept within what was measured, from the thinnest shell of silva1994 to thick laminae."""
    return np.clip(thickness, float(SHELL_THICKNESS.low), 3e-3)


def _forward(points: Points, landmarks: Landmarks) -> Floats:
    """1 at the anterior wall, 0 at the sides, −1 at the posterior wall."""
    r, a = points[:, 0], points[:, 1] - 0.5 * (landmarks.anterior_wall + landmarks.posterior_wall)
    half = landmarks.body_half_axes
    return np.asarray(a / half[1] / np.maximum(np.hypot(r / half[0], a / half[1]), 1e-9))


def _outward(points: Points, landmarks: Landmarks) -> Floats:
    """−1 in the middle of an endplate, 1 at its rim; mean 0 over an ellipse."""
    r, a = points[:, 0], points[:, 1] - 0.5 * (landmarks.anterior_wall + landmarks.posterior_wall)
    half = landmarks.body_half_axes
    return np.asarray(np.minimum(2.0 * ((r / half[0]) ** 2 + (a / half[1]) ** 2) - 1.0, 1.0))
