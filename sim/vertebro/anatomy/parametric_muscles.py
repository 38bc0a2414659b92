"""Muscles beside and behind the spine, with the fat streaks of age, and the fat between them and the bones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.parametric_canvas import Canvas
from vertebro.anatomy.parametric_column import Column
from vertebro.anatomy.parametric_trunk import HU, Trunk
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


def paint_muscles(canvas: Canvas, trunk: Trunk, column: Column, seed: int) -> None:
    """Erector spinae and multifidus in their compartments, psoas and quadratus lumborum, with fat planes between."""
    k = trunk.scale
    flesh = _fat_streaks(canvas, seed)
    for side in (1.0, -1.0):
        masses = [
            (_mm(40, 31, 0), _mm(31, 17, 900)),
            (_mm(17, 30, 0), _mm(13, 16, 900)),
            (_mm(62, 50, 0), _mm(15, 9, 900)),
        ]
        for centre, half in masses:
            canvas.paint([_back_muscle(trunk, side, centre, half)], flesh, Tissue.MUSCLE)
        septum = bar(
            [side * 27 * mm * k, trunk.back + 13 * mm * k, trunk.l1 - 0.4],
            [side * 25 * mm * k, trunk.back + 13 * mm * k, trunk.l1 + 0.4],
            0.7 * mm,
            17 * mm * k,
            up=(0.12 * side, 1.0, 0.0),
        )
        canvas.paint([septum], -60.0, Tissue.FAT)
        canvas.paint([_psoas(trunk, column, side)], HU["muscle"], Tissue.MUSCLE)


def _back_muscle(trunk: Trunk, side: float, centre: Array, half: Array) -> Shape:
    """A muscle belly along the spine, full at the lumbar levels and thinner towards the chest and the sacrum."""
    k, root = trunk.scale, trunk.back + 13 * mm * trunk.scale
    belly = ellipsoid(k * (centre * np.array([side, 1.0, 0.0]) - _mm(0, 13, 0)), k * half)
    heights = trunk.l1 + _mm(-200, -130, -80, 20, 100, 200)
    fullness = [0.6, 0.8, 1.0, 1.0, 0.68, 0.6]

    def distance(r: Array, a: Array, s: Array) -> Array:
        size = np.interp(s, heights, fullness).astype(np.float32)
        return belly.distance(r / size, (a - np.float32(root)) / size, np.zeros_like(s)) * size

    at = np.array([0.0, root, trunk.l1])
    low, high = np.minimum(belly.low, 0.5 * belly.low), np.maximum(belly.high, 0.5 * belly.high)
    return Shape(distance, at + low, at + high)


def _fat_streaks(canvas: Canvas, seed: int) -> NDArray[np.float32]:
    """CT numbers (nr, na) [HU] of the back muscles: fibres run along the spine, so one section serves all."""
    grid = canvas.grid
    section = VoxelGrid((*grid.shape[:2], 1), grid.spacing, (*grid.origin[:2], 0.0))
    field = normal_field(section, seed=seed + 1, correlation_length=(3.5 * mm, 2.2 * mm, 3 * mm))[:, :, 0]
    return np.asarray(HU["muscle"] + 4 * field - STREAK * np.clip(field - 0.6, 0, 1.5), np.float32)


def _psoas(trunk: Trunk, column: Column, side: float) -> Shape:
    """Psoas: beside the bodies from T12 down, thicker and further out with every level."""
    knots = np.array([b.pose.s for b in column.bones])[::-1]
    middle = np.array([b.pose.a for b in column.bones])[::-1]
    half = np.array([0.5 * b.dim.lower_width for b in column.bones])[::-1]
    top = trunk.l1 + 22 * mm * trunk.scale

    def distance(r: Array, a: Array, s: Array) -> Array:
        below = np.clip((np.float32(top) - s) / np.float32(120 * mm * trunk.scale), 0, 1)
        radius = np.float32(trunk.scale * mm) * (3 + 15 * np.sqrt(below))
        across = np.interp(s, knots, half).astype(np.float32) + radius * 0.72
        along = np.interp(s, knots, middle).astype(np.float32) - np.float32(5 * mm)
        away = np.sqrt((side * r - across) ** 2 + ((a - along) / np.float32(1.2)) ** 2) - radius
        return np.asarray(np.maximum(away, s - np.float32(top)))

    reach = 65 * mm * trunk.scale
    low = np.array([0.0 if side > 0 else -reach, middle.min() - 40 * mm, top - 0.4])
    high = np.array([reach if side > 0 else 0.0, middle.max() + 40 * mm, top])
    return Shape(distance, low, high)


def paint_near_fat(canvas: Canvas, trunk: Trunk, column: Column) -> None:
    """Thin fat between muscles and bones beside the laminae (changes the canvas in place)."""
    for bone in column.bones:
        for side in (1.0, -1.0):
            at = bone.pose.to_world(
                [side * 0.62 * bone.dim.canal_width, -0.5 * bone.dim.depth - bone.dim.canal_depth - 2 * mm, -6 * mm]
            )
            canvas.paint([ellipsoid(at, _mm(7, 4.5, 10))], HU["fat"] + 20, Tissue.FAT, Compartment.PARAVERTEBRAL)
