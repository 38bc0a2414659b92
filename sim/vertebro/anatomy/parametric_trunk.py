"""The trunk's outline and its walls: skin, subcutaneous fat, wall muscles, the fat of the cavity.

The same in every axial section. Positions refer to L1's centre and scale with the bones; only what lies near the spine
takes part in the flow, the rest is for images.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.parametric_canvas import Canvas
from vertebro.anatomy.parametric_column import Column
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
}


@dataclass(frozen=True, slots=True)
class Trunk:
    """Sizes of the trunk.

    Attributes
    ----------
    half_width, half_depth : float [m]
    back : float [m]
        a-coordinate of the skin behind, in the midline.
    l1 : float [m]
        s-coordinate of L1's centre.
    scale : float [1]
        Bones relative to the published mean.
    """

    half_width: float
    half_depth: float
    back: float
    l1: float
    scale: float

    @property
    def centre(self) -> float:
        """a-coordinate of the trunk's axis."""
        return self.back + self.half_depth


def build_trunk(column: Column, scale: float) -> Trunk:
    """Fit the trunk around the stack: the skin lies behind the spinous processes."""
    tips = [b.pose.to_world([0.0, -0.5 * b.dim.depth - b.dim.reach, -b.dim.drop]) for b in column.bones]
    near = [float(t[1]) for t in tips if abs(t[2]) < 0.09]
    return Trunk(155 * mm * scale, 108 * mm * scale, min(near) - 15 * mm, column.offset_to_l1, scale)


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
    """Skin, subcutaneous fat, wall muscles and the fat inside; returns the cover (nr, na) of the cavity."""
    r, a, _ = (x.astype(np.float32) for x in canvas.grid.open_mesh())
    r, a = r[:, :, 0], a[:, :, 0]
    skin = _ring(trunk, r, a)
    side = np.clip(np.abs(r) / np.float32(trunk.half_width), 0, 1)
    front = np.clip((a - np.float32(trunk.centre)) / np.float32(trunk.half_depth), -1, 1)
    fat = np.float32(11 * mm) + np.float32(9 * mm) * np.maximum(front, 0) + np.float32(4 * mm) * side
    wall = np.float32(9 * mm) + np.float32(7 * mm) * side**2
    inner = skin + fat + wall
    steps = [(skin, "skin", Tissue.FAT), (skin + 2 * mm, "fat", Tissue.FAT)]
    steps += [(skin + fat, "muscle", Tissue.MUSCLE), (inner, "fat", Tissue.FAT)]
    everywhere = (slice(None), slice(None), slice(None))
    plane = np.full(r.shape[:1] + a.shape[1:], -1000.0, np.float32)
    label = np.full(plane.shape, Tissue.AIR, np.uint8)
    for distance, name, tissue in steps:
        cover = canvas.cover(distance)
        plane += cover * (np.float32(HU[name]) - plane)
        label[cover > 0.5] = tissue
    canvas.hu[everywhere] = plane[:, :, None]
    if canvas.labels is not None:
        canvas.labels.tissue[everywhere] = label[:, :, None]
    return np.asarray(canvas.cover(inner), np.float32)
