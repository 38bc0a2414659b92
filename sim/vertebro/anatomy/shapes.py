"""Signed-distance shapes, negative inside, written for broadcast coordinates and evaluated in their own boxes only.

A distance here is exact at the surface to first order (value over gradient), which is what partial volume needs.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vertebro.grid import VoxelGrid

Array = NDArray[Any]
Field = Callable[[Array, Array, Array], Array]
Slices = tuple[slice, slice, slice]
FAR = np.float32(1.0)  # metres; "nowhere near"
IDENTITY = np.eye(3)


@dataclass(frozen=True, slots=True)
class Shape:
    """A signed distance and the box outside which it is positive.

    Attributes
    ----------
    distance : callable
        ``distance(r, a, s) -> d`` [m] on broadcast coordinates [m].
    low, high : (3,) float array [m]
        The box.
    """

    distance: Field
    low: Array
    high: Array


@dataclass(frozen=True, slots=True)
class Pose:
    """Place of a bone in the median plane: origin (a, s) [m] and sagittal angle [rad], positive tips the front up."""

    a: float = 0.0
    s: float = 0.0
    angle: float = 0.0

    def to_local(self, r: Array, a: Array, s: Array) -> tuple[Array, Array, Array]:
        """Coordinates in the bone's own frame of world coordinates."""
        if self.angle == 0.0:
            return r, a - self.a, s - self.s
        c, n = np.float32(np.cos(self.angle)), np.float32(np.sin(self.angle))
        da, ds = a - np.float32(self.a), s - np.float32(self.s)
        return r, c * da + n * ds, c * ds - n * da

    def to_world(self, points: ArrayLike) -> Array:
        """World points (…, 3) of points in the bone's frame."""
        p = np.asarray(points, float)
        c, n = np.cos(self.angle), np.sin(self.angle)
        return np.stack(
            [p[..., 0], self.a + c * p[..., 1] - n * p[..., 2], self.s + n * p[..., 1] + c * p[..., 2]], axis=-1
        )

    def from_world(self, points: ArrayLike) -> Array:
        """Points (…, 3) in the bone's frame of world points."""
        p = np.asarray(points, float)
        return np.stack(self.to_local(p[..., 0], p[..., 1], p[..., 2]), axis=-1)

    def box(self, low: Array, high: Array) -> tuple[Array, Array]:
        """World box around a box of the bone's frame."""
        middle, half = 0.5 * (np.asarray(low, float) + high), 0.5 * (np.asarray(high, float) - low)
        c, n = abs(float(np.cos(self.angle))), abs(float(np.sin(self.angle)))
        centre = Pose.to_world(self, middle)
        reach = np.array([half[0], c * half[1] + n * half[2], n * half[1] + c * half[2]])
        return centre - reach, centre + reach


def crop(grid: VoxelGrid, low: Array, high: Array) -> Slices:
    """Index ranges of the voxels whose centres lie in a box [m]; may be empty."""
    out = []
    for lo, hi, origin, step, count in zip(low, high, grid.origin, grid.spacing, grid.shape, strict=True):
        first = min(max(math.ceil((lo - origin) / step - 1e-6), 0), count)
        last = min(max(math.floor((hi - origin) / step + 1e-6) + 1, 0), count)
        out.append(slice(first, max(first, last)))
    return out[0], out[1], out[2]


def is_empty(slices: Slices) -> bool:
    """Whether a crop holds no voxel."""
    return any(x.stop <= x.start for x in slices)


def coordinates(grid: VoxelGrid, slices: Slices) -> tuple[Array, Array, Array]:
    """Broadcastable float32 coordinates [m] of a crop."""
    r, a, s = (x[i].astype(np.float32) for x, i in zip(grid.axes(), slices, strict=True))
    return r[:, None, None], a[None, :, None], s[None, None, :]


def evaluate(
    shapes: Iterable[Shape], grid: VoxelGrid, pose: Pose, region: Slices, blend: float = 0.0, margin: float = 3e-3
) -> NDArray[np.float32]:
    """Signed distance of the (smooth) union of shapes on a region of a grid; each is evaluated in its box only.

    Parameters
    ----------
    blend : float [m]
        Width over which shapes melt into each other; 0 is the sharp union.
    margin : float [m]
        Boxes are widened by this; beyond it the distance is `FAR`.
    """
    total = np.full([x.stop - x.start for x in region], FAR, np.float32)
    for shape in shapes:
        low, high = pose.box(shape.low - margin, shape.high + margin)
        box = _intersect(crop(grid, low, high), region)
        if is_empty(box):
            continue
        part = shape.distance(*pose.to_local(*coordinates(grid, box)))
        view = total[tuple(slice(b.start - g.start, b.stop - g.start) for b, g in zip(box, region, strict=True))]
        view[...] = smooth_min(view, part, blend)
    return total


def _intersect(one: Slices, other: Slices) -> Slices:
    r, a, s = (slice(max(x.start, y.start), min(x.stop, y.stop)) for x, y in zip(one, other, strict=True))
    return r, a, s


def smooth_min(one: Array, other: Array, width: float) -> Array:
    """Minimum of two distances with a fillet of the given width [m]."""
    if width <= 0:
        return np.asarray(np.minimum(one, other))
    w = np.float32(width)
    h = np.maximum(w - np.abs(one - other), 0) / w
    return np.asarray(np.minimum(one, other) - h * h * (w / 4))


def smooth_max(one: Array, other: Array, width: float) -> Array:
    """Maximum of two distances with a rounded edge of the given width [m]."""
    return -smooth_min(-one, -other, width)


def cross(x: Array, y: Array) -> Array:
    """Cross product of two 3-vectors (numpy's own is slow for single vectors)."""
    return np.array([x[1] * y[2] - x[2] * y[1], x[2] * y[0] - x[0] * y[2], x[0] * y[1] - x[1] * y[0]])


def frame_along(direction: ArrayLike, up: ArrayLike = (0.0, 0.0, 1.0)) -> Array:
    """Rows u (along), v (across), w (up) of a right-handed frame."""
    u = np.asarray(direction, float)
    u = u / math.sqrt(u @ u)
    v = cross(np.asarray(up, float), u)
    v = v / math.sqrt(v @ v)
    return np.stack([u, v, cross(u, v)])


def _project(r: Array, a: Array, s: Array, centre: Array, axis: Array) -> Array:
    """Component along an axis; terms with a zero factor are left out, so broadcast shapes stay small."""
    total: Array = np.zeros((1, 1, 1), np.float32)
    for x, c, n in zip((r, a, s), centre, axis, strict=True):
        if abs(n) > 1e-9:
            total = total + np.float32(n) * (x - np.float32(c))
    return total


def _ellipse_distance(parts: Iterable[tuple[Array, float]]) -> Array:
    """First-order distance to (x/p)² + (y/q)² + … = 1."""
    parts = list(parts)
    least = min(half for _, half in parts)
    level: Array = np.full((1, 1, 1), 1e-6, np.float32)  # the small start keeps the centre's distance finite
    slope: Array = np.full((1, 1, 1), 1e-6 / least**2, np.float32)
    for x, half in parts:
        scaled = x * np.float32(1 / half)
        level = level + scaled * scaled
        slope = slope + (scaled * np.float32(1 / half)) ** 2
    level = np.sqrt(level)
    return np.asarray(level * (level - 1) / np.sqrt(slope))


def ellipsoid(centre: ArrayLike, half: ArrayLike, axes: Array = IDENTITY) -> Shape:
    """Ellipsoid with the given half axes [m] along the rows of `axes`."""
    c, h = np.asarray(centre, float), np.asarray(half, float)

    def distance(r: Array, a: Array, s: Array) -> Array:
        return _ellipse_distance([(_project(r, a, s, c, n), float(x)) for n, x in zip(axes, h, strict=True)])

    reach = np.sqrt(((axes * h[:, None]) ** 2).sum(axis=0))
    return Shape(distance, c - reach, c + reach)


def bar(
    start: ArrayLike,
    end: ArrayLike,
    half_across: float,
    half_up: float,
    *,
    flare: float = 0.0,
    up: ArrayLike = (0.0, 0.0, 1.0),
) -> Shape:
    """Rounded bar of elliptic section between two points; its half axes grow by `flare` towards both ends."""
    p, q = np.asarray(start, float), np.asarray(end, float)
    u, v, w = frame_along(q - p, up)
    middle, half_length = (p + q) / 2, 0.5 * math.sqrt((q - p) @ (q - p))
    cap = min(half_across, half_up)

    def distance(r: Array, a: Array, s: Array) -> Array:
        along = _project(r, a, s, middle, u)
        beyond = np.maximum(np.abs(along) - np.float32(half_length), 0)
        grow = 1 / (1 + np.float32(flare) * np.minimum(along / np.float32(half_length), 1) ** 2) if flare else 1.0
        across, upward = _project(r, a, s, middle, v) * grow, _project(r, a, s, middle, w) * grow
        return _ellipse_distance([(across, half_across), (upward, half_up), (beyond, cap)])

    reach = (1 + flare) * np.sqrt((v * half_across) ** 2 + (w * half_up) ** 2 + (u * cap) ** 2)
    return Shape(distance, np.minimum(p, q) - reach, np.maximum(p, q) + reach)


def slab(centre: ArrayLike, half: ArrayLike, axes: Array, rounding: float) -> Shape:
    """Box with rounded edges; half sizes [m] (rounding included) along the rows of `axes`."""
    c, h = np.asarray(centre, float), np.asarray(half, float)

    def distance(r: Array, a: Array, s: Array) -> Array:
        over = [np.abs(_project(r, a, s, c, n)) - np.float32(x - rounding) for n, x in zip(axes, h, strict=True)]
        outside = np.sqrt(sum(np.maximum(x, 0) ** 2 for x in over))
        inside = np.minimum(np.maximum(np.maximum(over[0], over[1]), over[2]), 0)
        return np.asarray(outside + inside - np.float32(rounding))

    reach = np.abs(axes * h[:, None]).sum(axis=0)
    return Shape(distance, c - reach, c + reach)


def tube(points: ArrayLike, radius: float, flatten: float = 1.0) -> list[Shape]:
    """Chain of round bars along a polyline; `flatten` < 1 makes it thinner across than up."""
    p = np.asarray(points, float)
    return [bar(x, y, radius * flatten, radius) for x, y in itertools.pairwise(p)]
