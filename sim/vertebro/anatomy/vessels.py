"""The basivertebral foramen: a void of fat and small veins in the voxels, from which the basivertebral trunk drinks.

The veins themselves are a network (`network`); the foramen is space, so it is porous voxels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.anatomy import Landmarks
from vertebro.anatomy.interior_settings import InteriorSettings
from vertebro.anatomy.network_places import foramen_height
from vertebro.grid import VoxelGrid
from vertebro.sources import Constant

FORAMEN_LUMEN = Constant(1.0e-3, "m", 0.5e-3, 2.0e-3, "vertebro", "ours", "veins among fat inside the foramen")
FORAMEN_TIP = Constant(0.38, "1", 0.2, 0.6, "vertebro", "ours", "width at the blind end over width at the wall")
VEIN_POROSITY = 0.95


def foramen_share(
    grid: VoxelGrid, landmarks: Landmarks, settings: InteriorSettings, wall: float
) -> NDArray[np.float32]:
    """Share of each voxel in the basivertebral foramen; `wall` [m] is the posterior wall's a-coordinate there."""
    height = foramen_height(landmarks)
    share = funnel(
        *grid.open_mesh(), wall=wall, height=height, size=settings.basivertebral_size, softness=min(grid.spacing)
    )
    return np.asarray(share, dtype=np.float32)


def funnel(
    r: NDArray[Any],
    a: NDArray[Any],
    s: NDArray[Any],
    *,
    wall: float,
    height: float,
    size: tuple[float, float, float],
    softness: float,
) -> NDArray[Any]:
    """Share [1] of a voxel in a flat funnel that narrows from the posterior wall forward.

    Parameters
    ----------
    r, a, s : broadcastable float arrays [m]
    wall, height : float [m]
        a-coordinate of the wide end, s-coordinate of the axis.
    size : (3,) float [m]
        Width, depth, height at the wide end.
    softness : float [m]
        Width of the edge, about a voxel.
    """
    along = (a - wall) / size[1]
    taper = np.clip(1.0 - (1.0 - FORAMEN_TIP) * along, FORAMEN_TIP, 1.0)
    away = np.sqrt((2 * r / size[0]) ** 2 + (2 * (s - height) / size[2]) ** 2) / taper
    across = np.clip((1.0 - away) * (0.5 * size[2] / softness) + 0.5, 0.0, 1.0)
    return np.asarray(across * ((along > -0.3) & (along < 1.0)))
