"""Ribs 6 to 12 from their joints with the bodies around the wall."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.parametric_canvas import Canvas
from vertebro.anatomy.parametric_column import Bone, Column
from vertebro.anatomy.parametric_trunk import Trunk
from vertebro.anatomy.shapes import Pose, evaluate, is_empty, tube
from vertebro.units import cm, mm

Array = NDArray[Any]


def paint_ribs(canvas: Canvas, trunk: Trunk, column: Column) -> None:
    """Ribs 6 to 12 as flattened tubes from the bodies around the wall (changes the canvas in place)."""
    low, high = canvas.grid.extent
    for number, length in ((12, 90.0), (11, 150.0), (10, 195.0), (9, 225.0), (8, 245.0), (7, 255.0), (6, 255.0)):
        bone = next(b for b in column.bones if b.level == f"T{number}")
        for side in (1.0, -1.0):
            line = _rib_line(trunk, bone, number, length * mm * trunk.scale, side)
            beside = np.any(line.max(axis=0) < low - 1 * cm) or np.any(line.min(axis=0) > high + 1 * cm)
            if beside:
                continue
            shapes = tube(line, 4.9 * mm * trunk.scale, 0.6)
            region = canvas.region(shapes, Pose())
            if not is_empty(region):
                distance = evaluate(shapes, canvas.grid, Pose(), region)
                hit = canvas.touched(distance)
                canvas.paint_bone(region, hit, distance[hit], 0.9 * mm, 0.10)


def _rib_line(trunk: Trunk, bone: Bone, number: int, length: float, side: float) -> Array:
    """Centre line (n, 3) of a rib: head at the body, angle behind, then along the inner wall, sinking forward."""
    half, back = 0.5 * bone.dim.upper_width, -0.5 * bone.dim.depth
    rise = 0.0 if number >= 11 else 0.45 * bone.dim.height
    neck = np.array([[half - 1 * mm, back + 3 * mm, rise], [half + 12 * mm, back - 8 * mm, rise + 1 * mm]])
    neck = bone.pose.to_world(neck)
    turn = np.linspace(np.radians(28), np.radians(165), 40)  # from behind (0) to the side (90°) and forward
    wall_r, wall_a = trunk.half_width - 17 * mm, trunk.half_depth - 17 * mm
    power = 2 / 2.5
    r = wall_r * np.abs(np.sin(turn)) ** power
    a = trunk.centre - wall_a * np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** power
    travelled = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(r), np.diff(a)))])
    s = neck[-1, 2] - 8 * mm - 0.30 * travelled - 12 * mm * (1 - np.exp(-travelled / (25 * mm)))
    keep = travelled <= length
    arc = np.stack([r, a, s], axis=1)[keep]
    return _smooth_line(np.concatenate([neck, arc])) * np.array([side, 1.0, 1.0])


def _smooth_line(points: Array, step: float = 5 * mm) -> Array:
    """The polyline at equal steps with its corners rounded."""
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    t = np.linspace(0.0, along[-1], max(int(along[-1] / step), 8))
    line = np.stack([np.interp(t, along, points[:, d]) for d in range(3)], axis=1)
    for _ in range(6):
        line[1:-1] = 0.25 * line[:-2] + 0.5 * line[1:-1] + 0.25 * line[2:]
    return line
