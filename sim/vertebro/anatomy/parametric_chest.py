"""The chest: its inner wall over height, the lungs beside the spine, heart, airway and the flesh around it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.parametric_canvas import Canvas
from vertebro.anatomy.parametric_trunk import HU, Trunk
from vertebro.anatomy.shapes import FAR, Shape, bar, ellipsoid, evaluate, frame_along, is_empty, smooth_max, tube
from vertebro.tissue import Organ, Tissue
from vertebro.units import mm

Array = NDArray[Any]
# inside of the rib cage at the bodies' heights: half width, half depth (ours, after adult chest CTs)
_INNER = {
    "L2": (128, 86), "L1": (130, 86), "T12": (131, 86), "T11": (131, 85), "T10": (130, 84), "T9": (128, 82),
    "T8": (125, 80), "T7": (121, 77), "T6": (116, 73), "T5": (110, 69), "T4": (102, 63), "T3": (90, 55),
    "T2": (72, 45), "T1": (50, 34), "C7": (28, 20),
}  # fmt: skip
BEHIND = 33 * mm  # from the skin behind to the chest's inside, at the ribs' angles
POWER = 2.5
PLEURA = 2.5 * mm  # between the lung and a vertebral body


@dataclass(frozen=True, slots=True)
class Chest:
    """Inner wall of the rib cage in trunk coordinates: heights, half widths, half depths (n,) [m], its back [m]."""

    s: Array
    half_width: Array
    half_depth: Array
    back: float

    def at(self, s: Array) -> tuple[Array, Array, Array]:
        """Half width, half depth and middle [m] at heights."""
        width, depth = (np.interp(s, self.s, x).astype(np.float32) for x in (self.half_width, self.half_depth))
        return width, depth, np.float32(self.back) + depth

    def distance(self, r: Array, a: Array, s: Array) -> Array:
        """Signed distance [m] to the inner wall in the section, to first order."""
        width, depth, middle = self.at(s)
        x, y = np.abs(r) / width, np.abs(a - middle) / depth
        root_x, root_y = np.sqrt(x), np.sqrt(y)
        level = x * x * root_x + y * y * root_y  # exponent 2.5
        slope = np.float32(POWER) * np.sqrt((x * root_x / width) ** 2 + (y * root_y / depth) ** 2)
        return np.asarray((level - 1) / np.maximum(slope, np.float32(0.5) / width))


def build_chest(trunk: Trunk) -> Chest:
    """The chest of a trunk."""
    levels = [level for level in trunk.spine.levels if level in _INNER]
    sizes = np.array([_INNER[level] for level in levels]) * mm * trunk.scale
    heights = np.array([trunk.spine.height(level) for level in levels])
    return Chest(heights, sizes[:, 0], sizes[:, 1], trunk.back + BEHIND * trunk.scale)


def paint_chest(canvas: Canvas, trunk: Trunk, chest: Chest, cavity: NDArray[np.float32]) -> None:
    """Flesh around the upper chest, mediastinum with heart and airway, lungs (changes the canvas in place)."""
    pose, low = trunk.pose, trunk.spine.height("T10")
    top = trunk.spine.height("C7")
    flesh = Shape(
        lambda r, a, s: np.maximum(np.float32(13 * mm) - chest.distance(r, a, s), np.float32(low) - s),
        np.array([-trunk.half_width, trunk.back, low]),
        np.array([trunk.half_width, trunk.back + 2 * trunk.half_depth, top + 0.3]),
    )
    canvas.paint([flesh], HU["muscle"], Tissue.MUSCLE, pose=pose, within=cavity)
    for shape in _scapulae(trunk):
        _paint_plate(canvas, trunk, shape)
    inside = Shape(
        lambda r, a, s: np.maximum(chest.distance(r, a, s), np.float32(trunk.spine.height("T9")) - s),
        np.array([-0.08, chest.back, trunk.spine.height("T9")]),
        np.array([0.08, chest.back + 2 * float(chest.half_depth.max()), top]),
    )
    canvas.paint([inside], HU["mediastinum"], Tissue.FAT, pose=pose)
    _paint_middle(canvas, trunk)
    for side in (1.0, -1.0):
        canvas.paint([_lung(trunk, chest, side)], HU["lung"], Tissue.LUNG, pose=pose, organ=Organ.LUNG)
    _paint_airway(canvas, trunk)


def _paint_middle(canvas: Canvas, trunk: Trunk) -> None:
    """Heart: an oblique ellipsoid behind the breastbone, most of it left."""
    k, front = trunk.scale, float(np.interp(trunk.spine.height("T7"), trunk.spine.s, trunk.spine.a + 17 * mm))
    at = np.array([-22 * mm * k, front + 68 * mm * k, trunk.spine.height("T8")])
    axes = frame_along([-0.70, 0.52, -0.48])
    canvas.paint(
        [ellipsoid(at, np.array([66, 42, 46]) * mm * k, axes)],
        HU["blood"],
        Tissue.BLOOD,
        pose=trunk.pose,
        organ=Organ.HEART,
    )


def _front(trunk: Trunk, level: str, across: float, ahead: float) -> Array:
    """A point ahead [m] of a body's front."""
    i = trunk.spine.levels.index(level)
    return np.array([across, trunk.spine.a[i] + trunk.spine.half_depth[i] + ahead, trunk.spine.s[i]])


def _paint_airway(canvas: Canvas, trunk: Trunk) -> None:
    """Oesophagus in front of the spine, trachea in front of it down to its fork at T5, main bronchi."""
    k, pose = trunk.scale * mm, trunk.pose
    gullet = [
        _front(trunk, f"T{n}", (-2.0 if n < 8 else -8.0) * k, (8.0 if n < 8 else 14.0) * k) for n in range(11, 0, -1)
    ]
    canvas.paint(tube(gullet, 5.5 * k, 1.3), HU["muscle"] - 15, Tissue.MUSCLE, pose=pose, organ=Organ.OESOPHAGUS)
    pipe = [_front(trunk, f"T{n}", 3.0 * k, (24.0 if n > 2 else 20.0) * k) for n in range(5, 0, -1)]
    fork = pipe[0]
    bronchi = [np.array([fork, fork + np.array([side * 32.0, 2.0, -28.0]) * k]) for side in (1.0, -1.0)]
    lines = [np.array(pipe), *bronchi]
    for radius, name, tissue in ((10.5, "muscle", Tissue.MUSCLE), (8.5, "gas", Tissue.AIR)):
        for n, line in enumerate(lines):
            size = radius * k * (1.0 if n == 0 else 0.75)
            canvas.paint(tube(line, size), HU[name], tissue, pose=pose, organ=Organ.AIRWAY)


def _scapulae(trunk: Trunk) -> list[Shape]:
    """Shoulder blades: thin plates behind the ribs, arms up, their spines as bars."""
    k, shapes = trunk.scale * mm, []
    middle = trunk.spine.height("T5")
    for side in (1.0, -1.0):
        axes = frame_along([side * 0.90, 0.42, 0.0], up=(side * 0.25, 0.0, 1.0))
        at = np.array([side * 96 * k, trunk.back + 33 * k, middle])
        shapes.append(ellipsoid(at, np.array([40.0, 2.6, 70.0]) * k, axes))
        root = at + np.array([-side * 34.0, -14.0, 30.0]) * k
        shapes.append(bar(root, root + np.array([side * 78.0, 26.0, 26.0]) * k, 3.5 * k, 6.5 * k))
    return shapes


def _paint_plate(canvas: Canvas, trunk: Trunk, shape: Shape) -> None:
    region = canvas.region([shape], trunk.pose)
    if is_empty(region):
        return
    distance = evaluate([shape], canvas.grid, trunk.pose, region)
    hit = canvas.touched(distance) & (distance < FAR)
    canvas.paint_bone(region, hit, distance[hit], 1.0 * mm, 0.12)


def _mediastinum(trunk: Trunk, side: float, s: Array) -> Array:
    """Half width [m] beyond the body's, where it is widest, at heights: great vessels, aortic knob or azygos, heart."""
    wide = np.full_like(s, (9 if side > 0 else 13) * mm)
    bumps = [("T8", 14, 55)] if side > 0 else [("T9", 40, 58), ("T4", 12, 17)]  # level, bulge and reach [mm]
    for level, bulge, reach in bumps:
        away = (s - np.float32(trunk.spine.height(level))) / np.float32(reach * mm * trunk.scale)
        wide += np.float32(bulge * mm * trunk.scale) * np.exp(-away * away)
    return wide


def _lung(trunk: Trunk, chest: Chest, side: float) -> Shape:
    """One lung: within the ribs, above a dome of the diaphragm, up to the pleura beside and behind the bodies.

    Behind, its border is the gutter from the costovertebral joint out to the rib's angle; in front of the bodies the
    mediastinum widens around heart and vessels and narrows again towards the breastbone.
    """
    spine = trunk.spine
    dome = ellipsoid(
        [side * 58 * mm * trunk.scale, trunk.centre + 8 * mm, (2 if side > 0 else -6) * mm],
        np.array([80, 88, 92]) * mm * trunk.scale,
    )
    floor = 14 * mm * trunk.scale

    def distance(r: Array, a: Array, s: Array) -> Array:
        body = np.interp(s, spine.s, spine.half_width).astype(np.float32)
        middle = np.interp(s, spine.s, spine.a).astype(np.float32)
        depth = np.interp(s, spine.s, spine.half_depth).astype(np.float32)
        out = np.float32(side) * r
        ahead = np.clip((a - middle - depth) / np.float32(85 * mm), 0, np.float32(1.4))
        heart = _mediastinum(trunk, side, s) * ahead * (2 - np.float32(1.16) * ahead * ahead)
        heart += np.float32(9 * mm) * np.sqrt(ahead)
        waist = np.clip((a - middle) / depth + np.float32(0.3), 0, 1)  # the body is narrower in front
        medial = body * (1 - np.float32(0.38) * waist * waist) + np.float32(PLEURA) + heart - out
        gutter = middle - depth - np.float32(3 * mm) - np.float32(0.6) * np.maximum(out - body - 4 * mm, 0) - a
        rise = np.float32(0.35) * np.maximum(
            np.float32(95 * mm * trunk.scale) - out, 0
        )  # the recess is deepest outside
        above = smooth_max(-dome.distance(r, a, s), np.float32(floor) + rise - s, 20 * mm)
        beside = smooth_max(np.maximum(medial, gutter * np.float32(0.86)), chest.distance(r, a, s), 8 * mm)
        return np.asarray(smooth_max(beside, above, 12 * mm))

    low = np.array([0.0 if side > 0 else -float(chest.half_width.max()), chest.back, floor])
    top = spine.height("T1") + 8 * mm
    high = np.array([float(chest.half_width.max()) if side > 0 else 0.0, chest.back + 0.2, top])
    return Shape(distance, low, high)
