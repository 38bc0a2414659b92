"""The sacrum as signed-distance shapes in straight coordinates: bodies, alae, crests, canal and foramina.

See `parametric_sacrum_bend` for the coordinates. The bone is one mass with a ventral, a dorsal, a lateral and an upper
surface; canal and root tunnels are taken out of it, processes and crests are added.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.parametric_pelvis_dimensions import PelvisDimensions
from vertebro.anatomy.parametric_sacrum_bend import Bend
from vertebro.anatomy.shapes import Pose, Shape, bar, ellipsoid, smooth_max, smooth_min
from vertebro.units import mm

Array = NDArray[Any]
S4_HEIGHT, S5_HEIGHT, COCCYX = 19 * mm, 16 * mm, 26 * mm
ROOT_RADIUS = (2.6 * mm, 2.2 * mm, 1.8 * mm)


@dataclass(frozen=True, slots=True)
class Sacrum:
    """A sacrum of given dimensions; heights [m] of its segments' ends along the straight line, from the top."""

    dim: PelvisDimensions

    @property
    def ends(self) -> tuple[float, float, float, float, float, float]:
        """z [m] of the S1 endplate and the lower ends of S1 to S5."""
        d = self.dim
        z = [0.5 * d.s1_height, -0.5 * d.s1_height]
        for height in (d.s2_height, d.s3_height, S4_HEIGHT, S5_HEIGHT):
            z.append(z[-1] - height)
        return z[0], z[1], z[2], z[3], z[4], z[5]

    def bend(self, pose: Pose) -> Bend:
        """The line of the bodies: nearly straight in S1, apex at S3, forward to the coccyx."""
        _, z1, z2, z3, z4, z5 = self.ends
        share = np.array([0.0, 0.04, 0.24, 0.55, 0.84, 1.0, 1.12])
        return Bend.along(pose, [0.0, z1, z2, z3, z4, z5, z5 - COCCYX], share * self.dim.kyphosis)

    def over(self, z: Array, values: tuple[float, ...]) -> Array:
        """A quantity [mm] given at the segments' ends, at heights z, in metres."""
        knots = np.array(self.ends)[::-1]
        return np.asarray(np.interp(z, knots, np.array(values)[::-1] * mm), np.float32)

    def half_width(self, z: Array) -> Array:
        """Half width [m] of the bodies."""
        w = 0.5 * self.dim.s1_width / mm
        return self.over(z, (w, 0.80 * w, 0.66 * w, 0.56 * w, 0.48 * w, 0.40 * w))

    def half_depth(self, z: Array) -> Array:
        """Half depth [m] of the bodies."""
        d = 0.5 * self.dim.s1_depth / mm
        return self.over(z, (d, 0.68 * d, 0.53 * d, 0.42 * d, 0.35 * d, 0.28 * d))

    def lateral(self, n: Array, z: Array) -> Array:
        """r [m] of the auricular surface and, below it, the free border; wider in front."""
        _, z1, z2, z3, z4, z5 = self.ends
        half = 0.5 * self.dim.sacral_width
        knots = np.array([z5 - COCCYX, z5, z4 + 3 * mm, z3, z2 - 10 * mm, z2, z1 - 10 * mm, z1, 0.0, 15 * mm])
        share = np.array([0.08, 0.16, 0.42, 0.56, 0.66, 0.74, 0.83, 0.90, 0.94, 0.92])
        base = np.interp(z, knots, share).astype(np.float32) * np.float32(half)
        front = np.clip(n + np.float32(10 * mm), -12 * mm, 12 * mm) * np.float32(0.33)
        behind = np.maximum(np.float32(-22 * mm) - n, 0) * np.float32(0.7)
        return np.asarray(base + front - behind)

    def back(self, z: Array) -> Array:
        """n [m] of the dorsal surface."""
        d = -(0.5 * self.dim.s1_depth + self.dim.canal_depth) / mm - 3.5
        return self.over(z, (d, d + 5.0, 0.66 * d, 0.46 * d, 0.31 * d, 0.20 * d))

    def canal(self, z: Array) -> tuple[Array, Array, Array]:
        """Middle n, half width and half depth [m] of the canal."""
        depth = self.dim.canal_depth / mm
        half = 0.5 * self.over(z, (depth, 0.90 * depth, 0.70 * depth, 0.50 * depth, 0.30 * depth, 0.20 * depth))
        w = 0.5 * self.dim.canal_width / mm
        width = self.over(z, (w, 0.74 * w, 0.58 * w, 0.45 * w, 0.32 * w, 0.2 * w))
        return np.asarray(-self.half_depth(z) - half), width, half

    def mass(self) -> Shape:
        """Bodies and lateral masses as one solid, canal and foramina not yet taken out."""

        def distance(r: Array, n: Array, z: Array) -> Array:
            x = np.abs(r)
            return smooth_min(self._body(x, n, z), self._lateral_mass(x, n, z), 4 * mm)

        half = 0.5 * self.dim.sacral_width + 6 * mm
        low = np.array([-half, float(self.back(np.array(self.ends)).min()) - 4 * mm, self.ends[5] - 2 * mm])
        return Shape(distance, low, np.array([half, 0.5 * self.dim.s1_depth + 3 * mm, self.ends[0] + 6 * mm]))

    def _body(self, x: Array, n: Array, z: Array) -> Array:
        width, depth = self.half_width(z), self.half_depth(z)
        level = ((x / width) ** np.float32(2.4) + np.abs(n / depth) ** np.float32(2.4) + np.float32(1e-6)) ** (1 / 2.4)
        side = (level - 1) * depth * np.clip(level, 0.6, 1.4)
        bowl = np.float32(1.5 * mm) * np.maximum(1 - level * level, 0)
        ends = np.maximum(z - np.float32(self.ends[0]) + bowl, np.float32(self.ends[5]) - z)
        return smooth_max(side, ends, 2.5 * mm)

    def _lateral_mass(self, x: Array, n: Array, z: Array) -> Array:
        d = 0.5 * self.dim.s1_depth / mm
        front = self.over(z, (0.62 * d, 0.40 * d, 0.33 * d, 0.28 * d, 0.22 * d, 0.18 * d))
        front = front - np.float32(0.10) * np.maximum(x - np.float32(20 * mm), 0)
        groove = np.float32(2.0 * mm) * np.exp(-(((x - np.float32(19 * mm)) / np.float32(7 * mm)) ** 2))
        dorsal = self.back(z) + groove
        side = np.float32(0.92) * (x - self.lateral(n, z))
        surface = smooth_max(smooth_max(n - front, dorsal - n, 3 * mm), side, 3 * mm)
        ends = np.maximum(z - self._top(x, n), np.float32(self.ends[5]) - z)
        return smooth_max(surface, np.float32(0.93) * ends, 4 * mm)

    def _top(self, x: Array, n: Array) -> Array:
        """Upper surface [m] of the alae, falling to the sides and to the front; the lamina begins lower."""
        slope = np.float32(0.17) * np.maximum(x - np.float32(20 * mm), 0) + np.float32(0.32) * np.clip(
            n, np.float32(-14 * mm), np.float32(10 * mm)
        )
        lamina = np.clip((np.float32(-0.5 * self.dim.s1_depth - 2 * mm) - n) / np.float32(5 * mm), 0, 1)
        lamina = lamina * np.clip((np.float32(20 * mm) - x) / np.float32(6 * mm), 0, 1)
        return np.asarray(np.float32(self.ends[0] - 3 * mm) - slope - np.float32(13 * mm) * lamina)

    def additions(self) -> list[Shape]:
        """Median crest, upper articular processes, coccyx."""
        z0, z1, z2, z3, _, z5 = self.ends
        out = []
        for height, reach in ((z0 - 16 * mm, 9.0), (0.5 * (z1 + z2) + 3 * mm, 8.0), (0.5 * (z2 + z3) + 3 * mm, 5.0)):
            back = float(self.back(np.array(height)))
            out.append(ellipsoid([0.0, back - 0.3 * reach * mm, height], np.array([3.2, 0.75 * reach + 1.5, 8.5]) * mm))
        keel = [[0.0, float(self.back(np.array(z))) - 1.5 * mm, z] for z in (z0 - 14 * mm, 0.5 * (z2 + z3), z3)]
        out += [bar(p, q, 2.2 * mm, 4.0 * mm, up=(0.0, 1.0, 0.0)) for p, q in itertools.pairwise(keel)]
        for side in (1.0, -1.0):
            root, tip = self.process(side)
            out.append(bar(root, tip, 6.0 * mm, 5.0 * mm, up=(0.0, 1.0, 0.0)))
        out.append(bar([0.0, 0.0, z5 + 2 * mm], [0.0, 0.0, z5 - 0.55 * COCCYX], 7 * mm, 4 * mm, up=(0.0, 1.0, 0.0)))
        out.append(bar([0.0, 0.0, z5 - 0.5 * COCCYX], [0.0, 0.0, z5 - COCCYX], 4 * mm, 3 * mm, up=(0.0, 1.0, 0.0)))
        return out

    def process(self, side: float) -> tuple[Array, Array]:
        """Root and tip (3,) [m] of an upper articular process."""
        back = -0.5 * self.dim.s1_depth - 0.55 * self.dim.canal_depth
        x = side * (0.5 * self.dim.canal_width + 7 * mm)
        return np.array([x, back, self.ends[0] - 8 * mm]), np.array([x, back - 3 * mm, self.ends[0] + 9 * mm])

    def foramen(self, number: int, side: float) -> list[Array]:
        """Points (3,) [m] along a root's way: canal, middle of the bone, ventral and dorsal mouth (S1 is 1)."""
        dim, z = self.dim, np.array(self.ends[number])
        tall = (dim.foramen_1, dim.foramen_2, dim.foramen_3)[number - 1]
        between = (dim.between_1, dim.between_2, dim.between_3)[number - 1]
        x = side * (0.5 * between + 0.5 * tall)
        centre, width, _ = self.canal(z + 9 * mm)
        start = np.array([side * 0.7 * float(width), float(centre), float(z) + 9 * mm])
        middle = np.array([0.92 * x, -0.9 * float(self.half_depth(z)), float(z) + 1 * mm])
        ventral = np.array([x, 0.75 * float(self.half_depth(z)) + 1.5 * mm, float(z) - 2 * mm])
        dorsal = np.array([0.92 * x, float(self.back(z)) - 1.5 * mm, float(z) - 1 * mm])
        return [start, middle, ventral, dorsal]

    def tunnel(self, number: int, side: float) -> list[Shape]:
        """Root canal with its ventral and dorsal mouth, the ventral one wide."""
        start, middle, ventral, dorsal = self.foramen(number, side)
        half = 0.5 * (self.dim.foramen_1, self.dim.foramen_2, self.dim.foramen_3)[number - 1]
        narrow = 0.5 * self.dim.dorsal_foramen
        deep = middle + 0.45 * (ventral - middle)
        return [
            bar(start, middle, 0.75 * half, 0.85 * half),
            bar(middle, deep, 0.9 * half, 0.9 * half),
            bar(deep, ventral, 1.05 * half, half),
            bar(middle, dorsal, narrow, narrow),
        ]

    def root(self, number: int, side: float) -> list[Shape]:
        """Sacral nerve root with its ganglion, out of the ventral mouth."""
        start, middle, ventral, _ = self.foramen(number, side)
        radius = ROOT_RADIUS[number - 1]
        out = ventral + np.array([side * 8, 4, -12]) * mm
        return [
            bar(start, middle, radius, radius),
            ellipsoid(middle, np.array([1.3, 1.3, 1.7]) * radius),
            bar(middle, ventral, radius, radius),
            bar(ventral, out, radius, radius),
        ]

    def canal_distance(self, r: Array, n: Array, z: Array, shrink: float = 0.0) -> Array:
        """Signed distance [m] to the sacral canal, triangular with its base in front; open at the hiatus."""
        centre, width, half = self.canal(z)
        width, half = np.maximum(width - shrink, 1 * mm), np.maximum(half - shrink, 1 * mm)
        y = (n - centre) / half
        x = np.abs(r) / (width * (1 + np.float32(0.32) * np.clip(y, -1, 1)) / np.float32(1.08))
        level = (np.abs(x) ** np.float32(2.6) + np.abs(y) ** np.float32(2.6) + np.float32(1e-6)) ** (1 / 2.6)
        side = (level - 1) * np.minimum(width, half)
        return np.asarray(np.maximum(side, np.float32(self.ends[4] - 4 * mm) - z))


def slope_pose(dim: PelvisDimensions) -> Pose:
    """Frame of S1 in the pelvis: its endplate slopes forward and lies behind and above the hips."""
    plate = dim.hip_to_sacrum * np.array([-np.sin(dim.tilt), np.cos(dim.tilt)])
    down = 0.5 * dim.s1_height * np.array([-np.sin(dim.slope), -np.cos(dim.slope)])
    a, s = plate + down
    return Pose(float(a), float(s), -float(dim.slope))


def inverse(pose: Pose) -> Pose:
    """The pose of the world in the frame of a pose."""
    at = pose.from_world(np.zeros(3))
    return Pose(float(at[1]), float(at[2]), -pose.angle)
