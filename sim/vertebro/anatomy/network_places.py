"""Where veins run: the labels they are drawn through, the walls and borders found in them, and the seed's dice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.anatomy import Landmarks
from vertebro.grid import VoxelGrid
from vertebro.sources import Constant
from vertebro.tissue import Compartment

FORAMEN_RISE = Constant(0.06, "1", 0.0, 0.15, "wang2023", "seen", "share of body height; nearer the upper endplate")

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scene:
    """What the drawing of veins looks at: labels on a grid, and left and right swapped if `flip` is −1."""

    grid: VoxelGrid
    compartment: NDArray[np.uint8]
    landmarks: Landmarks
    flip: float

    @property
    def sides(self) -> tuple[tuple[float, str], tuple[float, str]]:
        """Sign of r and name of both sides, in the order in which they are drawn."""
        one, other = (-1.0, "left"), (1.0, "right")
        return (one, other) if self.flip > 0 else (other, one)

    def place(self, sign: float) -> int:
        """0 for the side of the hemiazygos, 1 for that of the azygos and the cava (the right one, unless mirrored)."""
        return 0 if sign * self.flip < 0 else 1

    @property
    def height(self) -> float:
        """Distance of the endplates [m]."""
        return self.landmarks.superior_endplate - self.landmarks.inferior_endplate

    @property
    def middle(self) -> float:
        """s-coordinate [m] halfway between the endplates."""
        return 0.5 * (self.landmarks.superior_endplate + self.landmarks.inferior_endplate)

    def label(self, points: Points) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Compartment at points, and whether the point lies on the grid."""
        index = np.rint(self.grid.index(points)).astype(int)
        on = np.all((index >= 0) & (index < np.asarray(self.grid.shape)), axis=-1)
        i, j, k = np.moveaxis(np.where(on[..., None], index, 0), -1, 0)
        return self.compartment[i, j, k], on


@dataclass(frozen=True, slots=True)
class Dice:
    """Random draws of one group of veins, the same for a mirrored patient."""

    random: np.random.Generator
    spread: float

    def radius(self, mean: float, limits: Constant) -> float:
        """A log-normal radius [m] within the range of `limits`."""
        drawn = mean * float(np.exp(self.spread * self.random.standard_normal()))
        return float(np.clip(drawn, limits.low, limits.high))


def foramen_height(landmarks: Landmarks) -> float:
    """s-coordinate [m] of the basivertebral foramen."""
    low, high = landmarks.inferior_endplate, landmarks.superior_endplate
    return 0.5 * (low + high) + FORAMEN_RISE * (high - low)


def find_mouth(scene: Scene, r: float = 0.0) -> Points:
    """Point (3,) of the posterior wall at the foramen's height, in the midline or beside it."""
    s = foramen_height(scene.landmarks)
    a = np.arange(scene.landmarks.posterior_wall - 8e-3, scene.landmarks.posterior_wall + 12e-3, 0.2e-3)
    compartment, on = scene.label(np.stack([np.full_like(a, r), a, np.full_like(a, s)], axis=1))
    body = np.flatnonzero(on & (compartment == Compartment.BODY))
    wall = a[body[0]] if body.size else scene.landmarks.posterior_wall
    return np.array([r, wall, s])


def canal_front(scene: Scene, r: float, s: NDArray[np.float64]) -> NDArray[np.float64]:
    """a-coordinate of the canal's anterior border along a line of heights, smooth; carried on beyond the labels.

    Where the labels have no canal it lies 1 mm behind the posterior wall.
    """
    grid = scene.grid
    i = int(np.clip(np.rint((r - grid.origin[0]) / grid.spacing[0]), 0, grid.shape[0] - 1))
    k = np.rint((s - grid.origin[2]) / grid.spacing[2]).astype(int)
    on = (k >= 0) & (k < grid.shape[2])
    canal = scene.compartment[i, :, np.clip(k, 0, grid.shape[2] - 1)] == Compartment.CANAL
    last = grid.shape[1] - 1 - np.argmax(canal[:, ::-1], axis=1)
    known = canal.any(axis=1) & on
    if known.sum() < 3:
        return np.full(s.size, scene.landmarks.posterior_wall - 1e-3)
    front = grid.origin[1] + (last + 0.5) * grid.spacing[1]
    return smooth(np.interp(s, s[known], front[known]), 9)


def smooth(line: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Running mean; a vein does not follow single voxels."""
    padded = np.pad(line, width // 2, mode="edge")
    out: NDArray[np.float64] = np.lib.stride_tricks.sliding_window_view(padded, width).mean(axis=1)
    return out


def wall_radius(scene: Scene, side: float, angles: NDArray[np.float64], s: float) -> NDArray[np.float64]:
    """Distance [m] from the body's axis to its wall in directions measured from anterior; NaN where none is met."""
    reach = np.arange(2e-3, 45e-3, 0.2e-3)
    r = side * reach[None, :] * np.sin(angles)[:, None]
    a = reach[None, :] * np.cos(angles)[:, None]
    compartment, on = scene.label(np.stack([r, a, np.full_like(r, s)], axis=-1))
    body = on & (compartment == Compartment.BODY)
    last = reach.size - 1 - np.argmax(body[:, ::-1], axis=1)
    return np.where(body.any(axis=1), reach[last], np.nan)
