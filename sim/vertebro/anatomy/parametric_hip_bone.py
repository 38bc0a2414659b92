"""Hip bone and proximal femur as signed-distance shapes in the frame of the pelvis.

The origin lies midway between the femoral heads, the anterior iliac spines stand above the symphysis. The ilium is a
curved plate: a smooth middle surface r = X(a, s) with a thickness, cut out by its outline as seen from the side.
Columns, rami, ischium and cup are solids melted into it.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline, RectBivariateSpline

from vertebro.anatomy.parametric_pelvis_dimensions import PelvisDimensions
from vertebro.anatomy.shapes import Shape, bar, ellipsoid, frame_along, smooth_max, smooth_min
from vertebro.units import mm

Array = NDArray[Any]
REFERENCE = {"hip": 84.5, "spine": 119.0, "height": 222.0}  # mm; the tables below belong to these
# middle surface r [mm] and thickness [mm] of the right ilium over a (columns) and s (rows)
_A = (-100.0, -70.0, -45.0, -28.0, 0.0, 20.0, 45.0)
_S = (20.0, 50.0, 80.0, 110.0, 140.0)
_MIDDLE = np.array(
    [
        [48.0, 54.0, 65.0, 73.0, 80.0, 83.0, 82.0],
        [45.0, 51.0, 59.0, 67.0, 82.0, 93.0, 103.0],
        [44.0, 52.0, 59.0, 66.0, 91.0, 107.0, 118.0],
        [47.0, 56.0, 65.0, 75.0, 104.0, 120.0, 126.0],
        [56.0, 66.0, 80.0, 93.0, 117.0, 130.0, 133.0],
    ]
)
_THICKNESS = np.array(
    [
        [18.0, 20.0, 22.0, 30.0, 40.0, 34.0, 20.0],
        [20.0, 22.0, 22.0, 20.0, 22.0, 20.0, 12.0],
        [18.0, 24.0, 25.0, 17.0, 8.0, 9.0, 8.0],
        [16.0, 21.0, 21.0, 15.0, 5.0, 8.0, 9.0],
        [12.0, 12.0, 11.0, 9.0, 8.0, 9.0, 9.0],
    ]
)
# outline of the ilium seen from the side, (a, s) [mm]: crest from behind, front spines, roof of the cup, sciatic notch
_OUTLINE = np.array(
    [
        [-97, 86], [-93, 103], [-80, 119], [-58, 131], [-30, 138], [-5, 138], [18, 128], [34, 110], [43, 90],
        [47, 73], [43, 63], [36, 54], [35, 44], [36, 33], [30, 14], [16, 2], [-14, 0], [-33, 12], [-41, 30],
        [-47, 44], [-58, 54], [-74, 57], [-87, 61], [-91, 72],
    ],
    float,
)  # fmt: skip
PLATE_ROUNDING = 9.0 * mm  # largest radius of the plate's edges


@dataclass(frozen=True, slots=True)
class Hip:
    """Right hip bone and femur of given dimensions; every place is in the frame of the pelvis [m]."""

    dim: PelvisDimensions

    @property
    def scale(self) -> Array:
        """Stretch of the tables along r, a, s."""
        across = self.dim.hip_distance / 2 / mm / REFERENCE["hip"]
        up = self.dim.hip_bone_height / mm / REFERENCE["height"]
        return np.array([across, 0.5 * (across + up), up])

    def at(self, r: float, a: float, s: float) -> Array:
        """A place of the reference pelvis [mm] in this one [m]."""
        return np.array([r, a, s]) * mm * self.scale

    @property
    def centre(self) -> Array:
        """Centre of the femoral head (3,) [m]."""
        return np.array([0.5 * self.dim.hip_distance, 0.0, 0.0])

    @property
    def opening(self) -> Array:
        """Unit vector (3,) out of the cup: lateral, down and forward (murray1993, radiographic angles)."""
        tilt, turn = self.dim.inclination, self.dim.anteversion
        return np.array([np.cos(turn) * np.sin(tilt), np.sin(turn), -np.cos(turn) * np.cos(tilt)])

    def ilium(self) -> Shape:
        """The wing with its thick back part and the roof above the cup."""
        kr, ka, ks = self.scale
        middle, thickness = _plates()
        outline = _smooth(_OUTLINE) * mm * np.array([ka, ks])

        def distance(r: Array, a: Array, s: Array) -> Array:
            a, s = np.broadcast_arrays(a, s)
            x, y = np.clip(a[0] / (ka * mm), -105, 52), np.clip(s[0] / (ks * mm), 5, 145)
            surface, half = middle.ev(y, x) * mm * kr, 0.5 * thickness.ev(y, x) * mm
            lean = np.sqrt(1 + middle.ev(y, x, dx=1) ** 2 + middle.ev(y, x, dy=1) ** 2)
            edge = polygon_distance(a[0], s[0], outline)
            crest = 3.0 * mm * np.exp(-((edge / (7 * mm)) ** 2)) * np.clip((s[0] - 55 * mm * ks) / (25 * mm), 0, 1)
            half = (half + crest)[None].astype(np.float32)
            plate = np.abs(r - surface[None].astype(np.float32)) / lean[None].astype(np.float32) - half
            return _rounded(plate, edge[None].astype(np.float32), np.minimum(0.95 * half, np.float32(PLATE_ROUNDING)))

        low, high = self.at(28, -104, 2), self.at(146, 54, 146)
        return Shape(distance, low, high)

    def solids(self) -> list[Shape]:
        """Columns, cup, ischium and pubis; the hollow of the cup is not yet taken out."""
        at, mid = self.at, self.centre
        outer = self.dim.cup_radius
        up = (0.0, 1.0, 0.0)
        brim = [at(60, -42, 66), at(63, -18, 44), at(62, 8, 22), at(55, 27, 4)]
        shapes = [bar(p, q, 6.5 * mm, 8.0 * mm) for p, q in itertools.pairwise(brim)]
        shapes += [
            self._cup(),
            ellipsoid(mid + np.array([1 * mm, 2 * mm, outer + 10 * mm]), np.array([17, 25, 18]) * mm),
            ellipsoid(mid + np.array([2 * mm, 30 * mm, outer - 2 * mm]), np.array([10, 11, 14]) * mm),
            bar(at(66, -38, 40), mid + np.array([-6 * mm, -outer - 3 * mm, -4 * mm]), 9 * mm, 9 * mm, up=up),
            bar(mid + np.array([-6 * mm, -outer - 2 * mm, -2 * mm]), at(66, -30, -45), 10 * mm, 11 * mm, up=up),
            bar(at(66, -30, -42), at(57, -21, -70), 11 * mm, 12 * mm, up=up),
            ellipsoid(at(58.5, -6, -2), np.array([30, 3.0, 34]) * mm, frame_along([0.22, 1.0, 0.0], up=(0.12, 0, 1))),
            bar(at(62, -32, 2), at(50, -47, -9), 4 * mm, 7 * mm),
            bar(at(60, 27, 3), at(36, 41, -11), 6.5 * mm, 8 * mm, up=up),
            bar(at(36, 41, -11), at(12, 43, -24), 7.0 * mm, 8.5 * mm, up=up),
            bar(at(9.5, 42, -24), at(9, 34, -46), 6.2 * mm, 9.0 * mm, up=(0.0, 1.0, 0.3)),
            bar(at(10, 34, -46), at(28, 15, -62), 4.5 * mm, 7.5 * mm),
            bar(at(28, 15, -62), at(46, -6, -74), 5.0 * mm, 8.0 * mm),
            bar(at(46, -6, -74), at(56, -18, -72), 8.0 * mm, 9.0 * mm),
        ]
        return shapes

    def _cup(self) -> Shape:
        """Wall of the acetabulum: a thick shell behind the plane of its rim."""
        centre, radius = self.centre, self.dim.cup_radius

        def distance(r: Array, a: Array, s: Array) -> Array:
            away = self.from_head(r, a, s)
            along = self._along(r, a, s)
            return smooth_max(away - np.float32(radius + 6.0 * mm), along - np.float32(1.0 * mm), 3 * mm)

        reach = radius + 7 * mm
        return Shape(distance, centre - reach, centre + reach)

    def from_head(self, r: Array, a: Array, s: Array) -> Array:
        """Distance [m] from the centre of the head."""
        x, y, z = (v - np.float32(c) for v, c in zip((r, a, s), self.centre, strict=True))
        return np.asarray(np.sqrt(x * x + y * y + z * z + np.float32(1e-9)))

    def _along(self, r: Array, a: Array, s: Array) -> Array:
        """Distance [m] of points along the cup's axis, positive outside of its rim."""
        n = self.opening
        return np.asarray(
            sum(np.float32(k) * (v - np.float32(c)) for v, c, k in zip((r, a, s), self.centre, n, strict=True))
        )

    def hollow(self, r: Array, a: Array, s: Array) -> Array:
        """Signed distance [m] to the cup's hollow with the fossa at its floor."""
        ball = self.from_head(r, a, s) - np.float32(self.dim.cup_radius)
        floor = self.centre - 0.75 * self.dim.cup_radius * self.opening + np.array([0, -1, -4]) * mm
        fossa = ellipsoid(floor, np.array([7.5, 10, 12]) * mm).distance(r, a, s)
        return smooth_min(ball, fossa, 2 * mm)

    def joint(self, r: Array, a: Array, s: Array) -> Array:
        """Signed distance [m] to the joint: the hollow up to the plane of the labrum."""
        return np.maximum(self.hollow(r, a, s), self._along(r, a, s) - np.float32(3 * mm))

    @property
    def femur_root(self) -> Array:
        """Where the axes of neck and shaft meet (3,) [m]."""
        d = self.dim
        drop = d.offset * np.tan(d.neck_shaft - 0.5 * np.pi)
        return self.centre + np.array([d.offset, -d.offset * np.tan(d.torsion), -drop])

    def femur(self) -> list[Shape]:
        """Head, neck, trochanters and shaft."""
        c, root = self.centre, self.femur_root
        neck, knee = c + 0.35 * (root - c), root + np.array([-14 * mm, 4 * mm, -0.20])
        up = (0.0, 1.0, 0.0)
        return [
            ellipsoid(c, np.full(3, 0.5 * self.dim.head)),
            bar(neck, root, 12 * mm, 14.5 * mm, flare=0.15),
            ellipsoid(root + np.array([7, -8, 13]) * mm, np.array([11, 17, 20]) * mm),
            ellipsoid(root + np.array([-13, -17, -32]) * mm, np.array([8, 8, 12]) * mm),
            bar(root + np.array([2, -2, 2]) * mm, root + np.array([-1, 1, -45]) * mm, 15 * mm, 15.5 * mm, up=up),
            bar(root + np.array([-1, 0, -28]) * mm, knee, 14.0 * mm, 14.0 * mm, up=up),
        ]

    def femur_cortex(self, s: Array) -> tuple[Array, Array]:
        """Cortex thickness [m] and share of spongy bone [1] over the height: thin and full above, a tube below."""
        down = np.clip((np.float32(self.femur_root[2] - 12 * mm) - s) / np.float32(45 * mm), 0, 1)
        return np.asarray(np.float32(1.2 * mm) + np.float32(4.6 * mm) * down), np.asarray(1 - 0.9 * down)


@functools.lru_cache(maxsize=1)
def _plates() -> tuple[RectBivariateSpline, RectBivariateSpline]:
    """Smooth tables over (s, a) [mm]: middle surface and thickness."""
    return RectBivariateSpline(_S, _A, _MIDDLE, kx=3, ky=3), RectBivariateSpline(_S, _A, _THICKNESS, kx=2, ky=2)


def _rounded(one: Array, other: Array, radius: Array) -> Array:
    """Intersection of two distances with an edge rounded by a radius [m]."""
    p, q = one + radius, other + radius
    return np.asarray(np.hypot(np.maximum(p, 0), np.maximum(q, 0)) + np.minimum(np.maximum(p, q), 0) - radius)


def _smooth(corners: Array, count: int = 72) -> Array:
    """A closed smooth line (count, 2) through corner points."""
    closed = np.concatenate([corners, corners[:1]])
    along = np.concatenate([[0.0], np.cumsum(np.sqrt(np.linalg.norm(np.diff(closed, axis=0), axis=1)))])
    line = CubicSpline(along, closed, bc_type="periodic")
    return np.asarray(line(np.linspace(0.0, along[-1], count, endpoint=False)))


def polygon_distance(x: Array, y: Array, corners: Array) -> Array:
    """Signed distance to a closed polygon (n, 2) in its plane, negative inside."""
    away = np.full(np.broadcast(x, y).shape, np.inf)
    inside = np.zeros(away.shape, bool)
    for (px, py), (qx, qy) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        ex, ey = qx - px, qy - py
        t = np.clip(((x - px) * ex + (y - py) * ey) / (ex * ex + ey * ey), 0, 1)
        away = np.minimum(away, np.hypot(x - px - t * ex, y - py - t * ey))
        if py != qy:
            between = (y < py) != (y < qy)
            inside ^= between & (x < px + (y - py) / ey * ex)
    return np.where(inside, -away, away)
