"""A bent frame: the sacrum is drawn straight and rolled along its kyphosis afterwards.

Straight coordinates are (r, n, z): right, forward of the middle line of the bodies, and up along it, with the origin in
the middle of S1. Above the middle of S1 the line is straight, so there straight and world axes agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vertebro.anatomy.shapes import FAR, Pose, Shape, Slices, coordinates, crop, is_empty, smooth_min
from vertebro.grid import VoxelGrid
from vertebro.units import mm

Array = NDArray[Any]
STEP = 1.0 * mm
REACH = 300 * mm  # straight part above S1


@dataclass(frozen=True, slots=True)
class Bend:
    """The line of the sacral bodies in the median plane and the pose it is put in.

    Attributes
    ----------
    pose : Pose
        Frame of S1 in the world.
    z : (n,) float array [m]
        Stations along the straight line, falling.
    a, s : (n,) float arrays [m]
        Where they lie in the frame of S1.
    angle : (n,) float array [rad]
        Turn of the line at each station, growing downwards.
    """

    pose: Pose
    z: Array
    a: Array
    s: Array
    angle: Array

    @classmethod
    def along(cls, pose: Pose, heights: ArrayLike, angles: ArrayLike) -> Bend:
        """Roll a line whose turn [rad] is known at some heights z [m] (falling from 0)."""
        heights, angles = np.asarray(heights, float), np.asarray(angles, float)
        z = np.append(np.arange(0.0, float(heights[-1]), -STEP), heights[-1])
        angle = np.interp(-z, -heights, angles)
        middle, step = 0.5 * (angle[1:] + angle[:-1]), -np.diff(z)
        a = np.concatenate([[0.0], np.cumsum(np.sin(middle) * step)])
        s = np.concatenate([[0.0], np.cumsum(-np.cos(middle) * step)])
        top = np.arange(REACH, 0.0, -20 * mm)
        straight = np.zeros_like(top)
        return cls(
            pose,
            np.concatenate([top, z]),
            np.concatenate([straight, a]),
            np.concatenate([top, s]),
            np.concatenate([straight, angle]),
        )

    def to_local(self, r: Array, a: Array, s: Array) -> tuple[Array, Array, Array]:
        """Straight coordinates (r, n, z) of world coordinates that are broadcast over a grid."""
        _, x, y = self.pose.to_local(r, a, s)
        x, y = np.broadcast_arrays(np.asarray(x, np.float32), np.asarray(y, np.float32))
        best = np.full(x.shape, np.inf, np.float32)
        n, z = np.zeros_like(best), np.zeros_like(best)
        for zk, ak, sk, angle in zip(self.z, self.a, self.s, self.angle, strict=True):
            c, k = np.float32(np.cos(angle)), np.float32(np.sin(angle))
            da, ds = x - np.float32(ak), y - np.float32(sk)
            along = c * ds - k * da
            # a station stands for its own stretch of the line; the straight part above has long ones
            over = np.maximum(np.abs(along) - np.float32(20 * mm if zk > 0 else STEP), 0)
            across = c * da + k * ds
            far = over * over + across * across
            near = far < best
            best = np.where(near, far, best)
            n, z = np.where(near, across, n), np.where(near, np.float32(zk) + along, z)
        return r, n, z

    def to_world(self, points: ArrayLike) -> Array:
        """World points (…, 3) of straight points (r, n, z)."""
        p = np.asarray(points, float)
        r, n, z = p[..., 0], p[..., 1], p[..., 2]
        known = np.clip(z, self.z[-1], self.z[0])
        a, s, angle = (np.interp(-known, -self.z, v) for v in (self.a, self.s, self.angle))
        beyond = z - known
        c, k = np.cos(angle), np.sin(angle)
        return self.pose.to_world(np.stack([r, a + c * n - k * beyond, s + k * n + c * beyond], axis=-1))

    def direction(self, vector: ArrayLike, height: float) -> Array:
        """World direction (3,) of a straight direction at a height z [m]."""
        at = np.array([0.0, 0.0, height])
        step = self.to_world(at + 1e-4 * np.asarray(vector, float)) - self.to_world(at)
        return np.asarray(step / np.linalg.norm(step))

    def box(self, low: Array, high: Array) -> tuple[Array, Array]:
        """World box around a box of straight coordinates."""
        heights = np.linspace(low[2], high[2], 12)
        corners = np.array([[x, n, z] for x in (low[0], high[0]) for n in (low[1], high[1]) for z in heights])
        world = self.to_world(corners)
        return world.min(axis=0), world.max(axis=0)


@dataclass(frozen=True, slots=True)
class BentRegion:
    """Straight coordinates of a region of a grid, computed once for many shapes."""

    grid: VoxelGrid
    bend: Bend
    region: Slices
    local: tuple[Array, Array, Array]

    @classmethod
    def of(cls, grid: VoxelGrid, bend: Bend, low: Array, high: Array, margin: float = 3e-3) -> BentRegion | None:
        """The region that holds a box of straight coordinates; None if it misses the grid."""
        region = crop(grid, *bend.box(low - margin, high + margin))
        if is_empty(region):
            return None
        return cls(grid, bend, region, bend.to_local(*coordinates(grid, region)))

    def evaluate(self, shapes: list[Shape], blend: float = 0.0, margin: float = 3e-3) -> NDArray[np.float32]:
        """Signed distance of the (smooth) union of shapes given in straight coordinates; `FAR` beyond their boxes."""
        total = np.full([x.stop - x.start for x in self.region], FAR, np.float32)
        for shape in shapes:
            box = crop(self.grid, *self.bend.box(shape.low - margin, shape.high + margin))
            part = tuple(
                slice(max(b.start, g.start) - g.start, min(b.stop, g.stop) - g.start)
                for b, g in zip(box, self.region, strict=True)
            )
            if any(p.stop <= p.start for p in part):
                continue
            r, n, z = self.local
            distance = shape.distance(r[part[0]], n[:, part[1], part[2]], z[:, part[1], part[2]])
            total[part] = smooth_min(total[part], distance, blend)
        return total
