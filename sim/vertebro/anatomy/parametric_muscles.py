"""Muscles beside and behind the spine, with the fat streaks of age, and the fat between them and the bones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.parametric_canvas import Canvas
from vertebro.anatomy.parametric_column import Column
from vertebro.anatomy.parametric_trunk import HU, Section, Trunk, section, section_lattice
from vertebro.anatomy.random_field import normal_field
from vertebro.anatomy.shapes import Shape, bar, ellipsoid
from vertebro.grid import VoxelGrid
from vertebro.sources import Constant
from vertebro.tissue import Compartment, Tissue
from vertebro.units import mm

STREAK = Constant(45.0, "HU", 0.0, 100.0, "vertebro", "ours", "how far fat streaks darken the back muscles")

Array = NDArray[Any]


def _mm(*values: float) -> Array:
    return np.array(values) * mm


def paint_muscles(canvas: Canvas, trunk: Trunk, seed: int) -> None:
    """Erector spinae and multifidus in their compartments, psoas and quadratus lumborum, with fat planes between."""
    k = trunk.scale
    flesh, pose = _fat_streaks(canvas, trunk, seed), trunk.pose
    for side in (1.0, -1.0):
        masses = [
            (_mm(40, 31, 0), _mm(31, 17, 900)),
            (_mm(17, 30, 0), _mm(13, 16, 900)),
            (_mm(62, 50, 0), _mm(15, 9, 900)),
        ]
        for n, (centre, half) in enumerate(masses):
            top = trunk.spine.height("T12") if n == 2 else 1.0  # quadratus lumborum ends at the twelfth rib
            canvas.paint([_back_muscle(trunk, side, centre, half, top)], flesh, Tissue.MUSCLE, pose=pose)
        septum = bar(
            [side * 27 * mm * k, trunk.back + 24 * mm * k, -0.4],
            [side * 25 * mm * k, trunk.back + 24 * mm * k, 0.6],
            0.7 * mm,
            13 * mm * k,
            up=(0.12 * side, 1.0, 0.0),
        )
        canvas.paint([septum], -60.0, Tissue.FAT, pose=pose)
        canvas.paint([_psoas(trunk, side)], HU["muscle"], Tissue.MUSCLE, pose=pose)


def _back_muscle(trunk: Trunk, side: float, centre: Array, half: Array, top: float) -> Shape:
    """A muscle belly along the spine, full at the lumbar levels and thinner towards the chest and the sacrum."""
    k, root = trunk.scale, trunk.back + 13 * mm * trunk.scale
    belly = ellipsoid(k * (centre * np.array([side, 1.0, 0.0]) - _mm(0, 13, 0)), k * half)
    heights = _mm(-200, -130, -80, 20, 100, 200)
    fullness = [0.6, 0.8, 1.0, 1.0, 0.68, 0.6]

    def distance(r: Array, a: Array, s: Array) -> Array:
        size = np.interp(s, heights, fullness).astype(np.float32)
        away = belly.distance(r / size, (a - np.float32(root)) / size, np.zeros_like(s)) * size
        return np.asarray(np.maximum(away, s - np.float32(top)))

    at = np.array([0.0, root, 0.0])
    low, high = np.minimum(belly.low, 0.5 * belly.low), np.maximum(belly.high, 0.5 * belly.high)
    return Shape(distance, at + low, at + high)


def _fat_streaks(canvas: Canvas, trunk: Trunk, seed: int) -> Section:
    """CT numbers [HU] of the back muscles: fibres run along the spine, so one section serves all."""
    grid, a = canvas.grid, section_lattice(canvas, trunk)[1]
    plane = VoxelGrid((grid.shape[0], a.shape[1], 1), grid.spacing, (grid.origin[0], float(a[0, 0]), 0.0))
    field = normal_field(plane, seed=seed + 1, correlation_length=(3.5 * mm, 2.2 * mm, 3 * mm))[:, :, 0]
    values = HU["muscle"] + 4 * field - STREAK * np.clip(field - 0.6, 0, 1.5)
    return section(canvas, trunk, np.asarray(values, np.float32))


def _psoas(trunk: Trunk, side: float) -> Shape:
    """Psoas: beside the bodies from T12 down, thicker and further out with every level."""
    spine, k = trunk.spine, trunk.scale
    top = 22 * mm * k

    def distance(r: Array, a: Array, s: Array) -> Array:
        below = np.clip((np.float32(top) - s) / np.float32(120 * mm * k), 0, 1)
        radius = np.float32(k * mm) * (3 + 15 * np.sqrt(below))
        across = np.interp(s, spine.s, spine.half_width).astype(np.float32) + radius * 0.72 + np.float32(0.5 * mm)
        along = np.interp(s, spine.s, spine.a).astype(np.float32) - np.float32(5 * mm)
        away = np.sqrt((side * r - across) ** 2 + ((a - along) / np.float32(1.2)) ** 2) - radius
        return np.asarray(np.maximum(away, s - np.float32(top)))

    reach, middle = 65 * mm * k, spine.a[: spine.levels.index("T12") + 1]
    low = np.array([0.0 if side > 0 else -reach, middle.min() - 40 * mm, top - 0.4])
    high = np.array([reach if side > 0 else 0.0, middle.max() + 40 * mm, top])
    return Shape(distance, low, high)


def paint_near_fat(canvas: Canvas, column: Column) -> None:
    """Thin fat between muscles and bones beside the laminae (changes the canvas in place)."""
    for bone in column.bones:
        for side in (1.0, -1.0):
            back = -0.5 * bone.dim.depth - bone.dim.canal_depth - 2 * mm
            at = np.array([side * 0.62 * bone.dim.canal_width, back, -6 * mm])
            half = _mm(7, 4.5, 10) * min(1.0, bone.dim.height / (20 * mm))
            fat = HU["fat"] + 20
            canvas.paint([ellipsoid(at, half)], fat, Tissue.FAT, Compartment.PARAVERTEBRAL, pose=bone.pose)
