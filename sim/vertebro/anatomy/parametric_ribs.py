"""Ribs 1 to 12: head on the bodies at the disc, tubercle on the transverse process, angle, and around the chest."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.parametric_canvas import Canvas
from vertebro.anatomy.parametric_chest import POWER, Chest
from vertebro.anatomy.parametric_column import Bone, Column
from vertebro.anatomy.parametric_trunk import Trunk
from vertebro.anatomy.parametric_vertebra import transverse_line
from vertebro.anatomy.shapes import Pose, Shape, bar, ellipsoid, evaluate, is_empty, smooth_min, tube
from vertebro.units import cm, mm

Array = NDArray[Any]
ABOVE, FALL = 6 * cm, 18 * cm  # how far a rib reaches above and below its body's middle, at most
JOINT = 1.2 * mm  # between rib and vertebra
# length, and the drop per length travelled (ours, after adult skeletons); 11 and 12 end free, 1 lies flat
LENGTH = dict(zip(range(1, 13), (110, 165, 205, 235, 255, 265, 265, 255, 235, 205, 155, 95), strict=True))
SLOPE = dict(zip(range(1, 13), (0.30, 0.36, 0.38, 0.38, 0.38, 0.38, 0.37, 0.36, 0.34, 0.32, 0.30, 0.30), strict=True))


Part = tuple[list[Shape], list[Shape], float, float]  # joint end, shaft, cortex [m], core [1]


def build_ribs(trunk: Trunk, chest: Chest, column: Column, low: float, high: float) -> list[Part]:
    """Ribs, from the lowest, that come between two heights [m] of the target's frame."""
    bones: dict[str, Bone] = {b.level: b for b in column.bones}
    parts: list[Part] = []
    for number in range(12, 0, -1):
        bone = bones[f"T{number}"]
        if low - ABOVE * trunk.scale < bone.pose.s < high + FALL * trunk.scale:
            parts.extend(rib_shapes(trunk, chest, bone, number, side) for side in (1.0, -1.0))
    return parts


def paint_ribs(canvas: Canvas, ribs: list[Part]) -> None:
    """Ribs as flattened tubes from their joints around the chest (changes the canvas in place)."""
    for joint, shaft, cortex, core in ribs:
        _paint_rib(canvas, joint, shaft, cortex, core)


def _paint_rib(canvas: Canvas, joint: list[Shape], shaft: list[Shape], cortex: float, core: float) -> None:
    """One bone without a seam; the shaft's stretches overlap, and fillets between them would be knots."""
    shapes, (low, high) = [*joint, *shaft], canvas.grid.extent
    ends = np.min([s.low for s in shapes], axis=0), np.max([s.high for s in shapes], axis=0)
    if np.any(ends[1] < low - 1 * cm) or np.any(ends[0] > high + 1 * cm):
        return
    region = canvas.region(shapes, Pose())
    if not is_empty(region):
        near, far = (
            evaluate(joint, canvas.grid, Pose(), region, blend=2 * mm),
            evaluate(shaft, canvas.grid, Pose(), region),
        )
        distance = smooth_min(near, far, 2 * mm)
        hit = canvas.touched(distance)
        canvas.paint_bone(region, hit, distance[hit], cortex, core)


def rib_shapes(trunk: Trunk, chest: Chest, bone: Bone, number: int, side: float) -> Part:
    """A rib in the target's frame: head and neck, the shaft, its cortex [m] and core [1]."""
    k = trunk.scale * mm
    head, tubercle = rib_joints(bone, number)
    shaft = _shaft(trunk, chest, bone, number, tubercle)
    mirror = np.array([side, 1.0, 1.0])
    head, tubercle = bone.pose.to_world(head) * mirror, bone.pose.to_world(tubercle) * mirror
    ball = ellipsoid(head, np.array([4.6, 4.4, 5.0]) * k * (0.85 if number in (1, 12) else 1.0))
    parts = [ball, bar(head, tubercle, 3.0 * k, 4.6 * k)]
    if number <= 10:
        parts.append(ellipsoid(tubercle, np.array([4.6, 3.8, 4.6]) * k))
    line = np.concatenate([[tubercle], shaft * mirror])
    return parts, tube(_smooth_line(line), 5.4 * k, 0.55), 0.9 * mm, 0.10


def rib_joints(bone: Bone, number: int) -> tuple[Array, Array]:
    """Right rib head and tubercle (3,) [m] in the bone's frame.

    Heads 2 to 10 lie at the disc above, on both bodies; 1, 11 and 12 on their own. Tubercles lie in front of the
    transverse process's end; the floating ribs have none and leave straight back and out.
    """
    dim = bone.dim
    half, back = 0.5 * dim.upper_width, -0.5 * dim.depth
    rise = 0.5 * dim.height if 2 <= number <= 10 else 0.22 * dim.height
    head = np.array([half + 2.6 * mm, back + 2.0 * mm, rise])
    _, tip = transverse_line(dim, 1.0)
    if number > 10:
        return head, head + np.array([20.0, -13.0, -1.0]) * mm
    return head, tip + np.array([1.5 * mm, 3.6 * mm + JOINT + 3.8 * mm, -0.5 * mm])


def _shaft(trunk: Trunk, chest: Chest, bone: Bone, number: int, tubercle: Array) -> Array:
    """Centre line (n, 3) of the right shaft in the target's frame: back to the angle, then along the wall, sinking."""
    start = np.array(trunk.pose.to_local(*(np.asarray(x, float) for x in bone.pose.to_world(tubercle)))).ravel()
    length, slope = LENGTH[number] * mm * trunk.scale, SLOPE[number]
    step, line, travelled = 4 * mm, [], 0.0
    out, last = 5.5 * mm * trunk.scale, start
    for turn in np.radians(np.arange(16.0, 170.0, 1.5)):
        width, depth, middle = (float(x) for x in chest.at(np.array(last[2])))
        place = _on_wall(width + out, depth + out, middle, turn)
        moved = float(np.hypot(place[0] - last[0], place[1] - last[1]))
        if (place[0] < start[0] + 12 * mm and turn < np.radians(90)) or moved < step:
            continue
        travelled += moved
        if travelled > length:
            break
        sunk = slope * travelled + 7 * mm * (1 - np.exp(-travelled / (30 * mm)))
        last = np.array([*place, start[2] - sunk])
        line.append(last)
    return trunk.pose.to_world(np.array(line))


def _on_wall(width: float, depth: float, middle: float, turn: float) -> tuple[float, float]:
    """Point (r, a) of the wall at an angle from behind (0) over the side to the front."""
    power, c = 2 / POWER, float(np.cos(turn))
    return width * abs(float(np.sin(turn))) ** power, middle - depth * float(np.sign(c)) * abs(c) ** power


def _smooth_line(points: Array, step: float = 5 * mm) -> Array:
    """The polyline at equal steps with its corners rounded."""
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    t = np.linspace(0.0, along[-1], max(int(along[-1] / step), 8))
    line = np.stack([np.interp(t, along, points[:, d]) for d in range(3)], axis=1)
    for _ in range(6):
        line[1:-1] = 0.25 * line[:-2] + 0.5 * line[1:-1] + 0.25 * line[2:]
    return line
