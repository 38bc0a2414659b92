"""The trunk's outline and its walls: skin, subcutaneous fat, wall muscles, the fat of the cavity.

The same in every axial section, but the section follows the back's curve. Positions refer to L1's centre and scale
with the bones; only what lies near the spine takes part in the flow, the rest is for images.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vertebro.anatomy.parametric_canvas import Canvas
from vertebro.anatomy.parametric_column import Column, sacral_pose, seen_from
from vertebro.anatomy.shapes import Pose, Slices, coordinates
from vertebro.tissue import Tissue
from vertebro.units import mm

Array = NDArray[Any]

HU = {
    "skin": 30.0,
    "fat": -100.0,
    "muscle": 52.0,
    "liver": 62.0,
    "spleen": 52.0,
    "kidney": 38.0,
    "blood": 45.0,
    "bowel": 28.0,
    "gas": -930.0,
    "lung": -840.0,
    "vessel wall": 300.0,
    "mediastinum": -20.0,
    "thyroid": 110.0,
}
SACRUM_BEHIND = 34 * mm  # from the back of S1's body to the iliac spines
SKIN_BEHIND = 15 * mm  # from the spinous tips to the skin, on average; never less than two thirds of it


@dataclass(frozen=True, slots=True)
class CurvedPose(Pose):
    """The patient's frame with every section shifted along the curve of the back.

    Attributes
    ----------
    knots, shift : (n,) float array [m]
        Heights in the patient's frame, rising, and how far forward the section lies there; none at L1.
    """

    knots: Array = None  # type: ignore[assignment]
    shift: Array = None  # type: ignore[assignment]

    def _forward(self, s: Array) -> Array:
        return np.interp(s, self.knots, self.shift).astype(np.asarray(s).dtype)

    def to_local(self, r: Array, a: Array, s: Array) -> tuple[Array, Array, Array]:
        """Trunk coordinates of world coordinates."""
        r, a, s = Pose(self.a, self.s, self.angle).to_local(r, a, s)
        return r, a - self._forward(s), s

    def to_world(self, points: ArrayLike) -> Array:
        """World points (…, 3) of points in trunk coordinates."""
        p = np.array(points, float)
        p[..., 1] += self._forward(p[..., 2])
        return Pose(self.a, self.s, self.angle).to_world(p)

    def box(self, low: Array, high: Array) -> tuple[Array, Array]:
        """World box around a box of trunk coordinates."""
        heights = np.concatenate([[low[2], high[2]], self.knots[(self.knots > low[2]) & (self.knots < high[2])]])
        moved = self._forward(heights)
        low, high = np.array(low, float), np.array(high, float)
        low[1], high[1] = low[1] + moved.min(), high[1] + moved.max()
        return Pose(self.a, self.s, self.angle).box(low, high)


@dataclass(frozen=True, slots=True)
class Spine:
    """The bodies in trunk coordinates, from below: heights, middles, half depths and half widths, (n,) arrays [m]."""

    levels: tuple[str, ...]
    s: Array
    a: Array
    half_depth: Array
    half_width: Array

    def height(self, level: str) -> float:
        """s [m] of a body's centre."""
        return float(self.s[self.levels.index(level)])


@dataclass(frozen=True, slots=True)
class Trunk:
    """Sizes of the trunk, in trunk coordinates: the patient's frame, sections shifted along the back.

    Attributes
    ----------
    half_width, half_depth : float [m]
    back : float [m]
        a-coordinate of the skin behind, in the midline.
    scale : float [1]
        Bones relative to the published mean.
    pose : CurvedPose
        From trunk coordinates to the target's frame.
    spine : Spine
    """

    half_width: float
    half_depth: float
    back: float
    scale: float
    pose: CurvedPose
    spine: Spine

    @property
    def centre(self) -> float:
        """a-coordinate of the trunk's axis."""
        return self.back + self.half_depth

    def front_and_back(self, s: float) -> tuple[float, float]:
        """a-coordinates of the skin behind and in front in the midline, in the target's frame at a height of it."""
        line = np.linspace(-0.6, 0.8, 1401)
        ends = []
        for a in (self.back, self.back + 2 * self.half_depth):
            skin = self.pose.to_world(np.stack([0 * line, np.full_like(line, a), line], axis=1))
            order = np.argsort(skin[:, 2])
            ends.append(float(np.interp(s, skin[order, 2], skin[order, 1])))
        return ends[0], ends[1]


def build_trunk(column: Column, scale: float) -> Trunk:
    """Fit the trunk around the stack: the skin lies behind the spinous processes."""
    bones = column.bones[::-1]
    places = [seen_from(column.patient, b.pose) for b in bones]
    tips = np.array(
        [p.to_world([0.0, -0.5 * b.dim.depth - b.dim.reach, -b.dim.drop]) for b, p in zip(bones, places, strict=True)]
    )
    tips = np.concatenate([_sacral_backs(column), tips])
    smooth = tips[:, 1]
    for _ in range(3):
        padded = np.concatenate([smooth[:1], smooth, smooth[-1:]])
        smooth = 0.25 * padded[:-2] + 0.5 * padded[1:-1] + 0.25 * padded[2:]
    skin = np.minimum(smooth - SKIN_BEHIND, tips[:, 1] - 2 / 3 * SKIN_BEHIND)
    back = float(np.interp(0.0, tips[:, 2], skin))
    world = column.patient
    pose = CurvedPose(world.a, world.s, world.angle, knots=tips[:, 2], shift=skin - back)
    middles = np.array([p.to_world([0.0, 0.0, 0.0]) for p in places])
    spine = Spine(
        tuple(b.level for b in bones),
        middles[:, 2],
        middles[:, 1] - np.interp(middles[:, 2], pose.knots, pose.shift),
        np.array([0.5 * b.dim.depth for b in bones]),
        np.array([0.25 * (b.dim.lower_width + b.dim.upper_width) for b in bones]),
    )
    return Trunk(155 * mm * scale, 108 * mm * scale, back, scale, pose, spine)


def _sacral_backs(column: Column) -> Array:
    """How far the sacrum and the iliac spines beside it reach back, (2, 3) [m] in the patient's frame, from below."""
    last = column.bones[-1]
    sacrum = seen_from(column.patient, sacral_pose(last))
    back = -0.5 * last.dim.depth - SACRUM_BEHIND
    return sacrum.to_world([[0.0, back, -38 * mm], [0.0, back, -6 * mm]])


@dataclass(frozen=True, slots=True)
class Section:
    """A picture that holds in every section of the trunk: values over the canvas's r and trunk coordinate a.

    Attributes
    ----------
    canvas : Canvas
    pose : CurvedPose
    first, step : float [m]
        Of the lattice along a.
    values : (nr, n) array
    """

    canvas: Canvas
    pose: CurvedPose
    first: float
    step: float
    values: Array

    def on(self, region: Slices, *, nearest: bool = False) -> Array:
        """Values on a region of the canvas, between lattice points linear (or the nearest one's)."""
        r, a, s = coordinates(self.canvas.grid, region)
        place = (self.pose.to_local(r, a, s)[1][0] - self.first) / self.step
        rows = self.values[region[0]]
        if nearest:
            return np.asarray(rows[:, np.clip(np.rint(place), 0, rows.shape[1] - 1).astype(np.intp)])
        place = np.clip(place, 0, rows.shape[1] - 1.001)
        low = place.astype(np.intp)
        share = (place - low).astype(np.float32)
        under = np.take(rows, low, axis=1)
        under += share * (np.take(rows, low + 1, axis=1) - under)
        return under


def section_lattice(canvas: Canvas, trunk: Trunk) -> tuple[Array, Array]:
    """Coordinates r (nr, 1) and a (1, n) [m] of a section's lattice; the canvas's own a where nothing bends."""
    r = canvas.grid.axes()[0].astype(np.float32)[:, None]
    step = canvas.grid.spacing[1]
    low, high = trunk.back - 12 * mm, trunk.back + 2 * trunk.half_depth + 12 * mm
    a = np.arange(np.floor(low / step), np.ceil(high / step) + 1) * step
    return r, a.astype(np.float32)[None, :]


def section(canvas: Canvas, trunk: Trunk, values: Array) -> Section:
    """A section on the lattice of `section_lattice`."""
    a = section_lattice(canvas, trunk)[1]
    return Section(canvas, trunk.pose, float(a[0, 0]), canvas.grid.spacing[1], values)


def _ring(trunk: Trunk, r: Array, a: Array) -> Array:
    """Signed distance [m] to the skin in a section, flat in the back with a groove in the midline."""
    x = np.abs(r) / np.float32(trunk.half_width)
    y = (a - np.float32(trunk.centre)) / np.float32(trunk.half_depth)
    power = 2.5
    level = (x**power + np.abs(y) ** power) ** (1 / power)
    slope = np.hypot(*(np.gradient(level, r[:, 0], a[0])))
    distance = (level - 1) / np.maximum(slope, np.float32(0.5 / trunk.half_width))
    groove = np.exp(-((r / np.float32(14 * mm)) ** 2)) * (y < 0)
    return np.asarray(distance + np.float32(2.5 * mm) * groove)


def paint_section(canvas: Canvas, trunk: Trunk) -> NDArray[np.float32]:
    """Skin, subcutaneous fat, wall muscles and the fat inside; returns the cover (nr, na, ns) of the cavity."""
    r, a = section_lattice(canvas, trunk)
    skin = _ring(trunk, r, a)
    side = np.clip(np.abs(r) / np.float32(trunk.half_width), 0, 1)
    front = np.clip((a - np.float32(trunk.centre)) / np.float32(trunk.half_depth), -1, 1)
    fat = np.float32(11 * mm) + np.float32(9 * mm) * np.maximum(front, 0) + np.float32(4 * mm) * side
    wall = np.float32(9 * mm) + np.float32(7 * mm) * side**2
    inner = skin + fat + wall
    steps = [(skin, "skin", Tissue.FAT), (skin + 2 * mm, "fat", Tissue.FAT)]
    steps += [(skin + fat, "muscle", Tissue.MUSCLE), (inner, "fat", Tissue.FAT)]
    everywhere = (slice(None), slice(None), slice(None))
    plane = np.full(skin.shape, -1000.0, np.float32)
    label = np.full(plane.shape, Tissue.AIR, np.uint8)
    for distance, name, tissue in steps:
        cover = canvas.cover(distance)
        plane += cover * (np.float32(HU[name]) - plane)
        label[cover > 0.5] = tissue
    canvas.hu[...] = section(canvas, trunk, plane).on(everywhere)
    if canvas.labels is not None:
        canvas.labels.tissue[...] = section(canvas, trunk, label).on(everywhere, nearest=True)
    return np.asarray(section(canvas, trunk, np.asarray(canvas.cover(inner), np.float32)).on(everywhere), np.float32)
