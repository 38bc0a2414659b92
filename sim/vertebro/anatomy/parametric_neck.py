"""The neck around C6: skin and shoulders, airway, gullet, thyroid, vessels and muscles, for images and the approach."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.parametric_canvas import Canvas
from vertebro.anatomy.parametric_column import Column
from vertebro.anatomy.parametric_neck_vertebra import transverse_foramen
from vertebro.anatomy.parametric_trunk import HU, Trunk
from vertebro.anatomy.shapes import Shape, bar, ellipsoid, tube
from vertebro.tissue import Organ, Tissue
from vertebro.units import mm

Array = NDArray[Any]
# envelope over height above C6 in the patient's frame [mm]: half width, half depth, middle ahead of the bodies' centres
_ENVELOPE = np.array(
    [
        [-150, 185, 105, 22],
        [-105, 178, 100, 18],
        [-75, 150, 88, 8],
        [-50, 100, 74, 2],
        [-28, 68, 64, 0],
        [0, 58, 58, 0],
        [30, 57, 58, 0],
        [44, 60, 62, 3],
        [60, 68, 84, 18],
        [90, 74, 95, 15],
        [120, 79, 98, 10],
        [200, 79, 98, 8],
    ]
)


def _mm(*values: float) -> Array:
    return np.array(values) * mm


def neck_box(trunk: Trunk, low: float, high: float) -> tuple[Array, Array]:
    """Box around the neck and shoulders between two heights of the target's frame."""
    k = trunk.scale
    inside = _ENVELOPE[(_ENVELOPE[:, 0] * mm > low - 30 * mm) & (_ENVELOPE[:, 0] * mm < high + 30 * mm)]
    wide, deep = inside[:, 1].max() * mm * k + 8 * mm, inside[:, 2].max() * mm * k + 30 * mm
    return np.array([-wide, -deep, low]), np.array([wide, deep, high])


def neck_skin(k: float) -> float:
    """a-coordinate of the skin behind the target."""
    deep, ahead = (float(np.interp(0.0, _ENVELOPE[:, 0], _ENVELOPE[:, i])) * mm * k for i in (2, 3))
    return ahead - deep


def paint_neck(canvas: Canvas, trunk: Trunk, column: Column) -> None:
    """Skin, fat and muscles of the neck, its organs and vessels, the lungs' tops (changes the canvas in place)."""
    k = trunk.scale
    for depth, name, tissue in ((0.0, "skin", Tissue.FAT), (2.0, "fat", Tissue.FAT), (7.0, "muscle", Tissue.MUSCLE)):
        canvas.paint([_envelope(column, k, depth * mm)], HU[name], tissue)
    _paint_planes(canvas, column, k)
    line = _Line(column, k)
    for side in (1.0, -1.0):
        canvas.paint([_lung_top(trunk, side)], HU["lung"], Tissue.LUNG, pose=trunk.pose, organ=Organ.LUNG)
    _paint_visceral(canvas, line)
    _paint_vessels(canvas, line, column)


def _envelope(column: Column, k: float, depth: float) -> Shape:
    heights = _ENVELOPE[:, 0] * mm * k
    bodies = np.array([[b.pose.s, b.pose.a] for b in column.bones[::-1]])

    def distance(r: Array, a: Array, s: Array) -> Array:
        width, deep, ahead = (np.interp(s, heights, _ENVELOPE[:, i] * mm * k).astype(np.float32) for i in (1, 2, 3))
        middle = np.interp(s, bodies[:, 0], bodies[:, 1]).astype(np.float32) + ahead
        x, y = np.abs(r) / width, np.abs(a - middle) / deep
        level = (x**2.2 + y**2.2 + np.float32(1e-6)) ** np.float32(1 / 2.2)
        slope = np.sqrt((x / width) ** 2 + (y / deep) ** 2) / np.maximum(level, np.float32(1e-3))
        return np.asarray((level - 1) / np.maximum(slope, 0.5 / width) + np.float32(depth))

    reach = np.array([0.2, 0.24, 0.0]) * k
    return Shape(distance, np.array([0, 0, -0.45]) - reach, np.array([0, 0, 0.45]) + reach)


class _Line:
    """Places by height along the cervical column: right of the midline and ahead of the bodies' front."""

    def __init__(self, column: Column, k: float) -> None:
        bones = [b for b in column.bones if b.level[0] == "C" or b.level in ("T1", "T2", "T3")][::-1]
        front = np.array([b.pose.to_world([0.0, 0.5 * b.dim.depth, 0.0]) for b in bones])
        above = front[-1] + (front[-1] - front[-2]) * 5
        below = front[0] + (front[0] - front[1]) * 5
        self._s = np.concatenate([[below[2]], front[:, 2], [above[2]]])
        self._a = np.concatenate([[below[1]], front[:, 1], [above[1]]])
        self._k = k

    def at(self, across: float, ahead: float, height: float) -> Array:
        """World point of millimetres."""
        s = height * mm
        return np.array([across * mm * self._k, np.interp(s, self._s, self._a) + ahead * mm * self._k, s])

    def along(self, *rows: tuple[float, float, float]) -> Array:
        """World points of (across, ahead, height) in millimetres, interpolated every 10 mm."""
        table = np.array(rows)
        heights = np.arange(table[0, 2], table[-1, 2] + 1, 10.0)
        across, ahead = (np.interp(heights, table[:, 2], table[:, i]) for i in (0, 1))
        return np.array([self.at(float(x), float(y), float(h)) for x, y, h in zip(across, ahead, heights, strict=True)])


def _paint_visceral(canvas: Canvas, line: _Line) -> None:
    """Prevertebral muscle, gullet, airway with its cartilage, thyroid lobes, tongue base above."""
    for side in (1.0, -1.0):
        colli = line.along((side * 7, 1.5, -120), (side * 7, 1.5, 110))
        canvas.paint(tube(colli, 4.5 * mm, 1.3), HU["muscle"], Tissue.MUSCLE)
        lobe = ellipsoid(line.at(side * 19, 19, -16), _mm(8.5, 9.5, 24))
        canvas.paint([lobe], HU["thyroid"], Tissue.MUSCLE, organ=Organ.THYROID)
    gullet = line.along((-3, 6, -120), (-2, 6, 0), (0, 5, 12))
    canvas.paint(tube(gullet, 4.6 * mm, 1.6), HU["muscle"] - 15, Tissue.MUSCLE, organ=Organ.OESOPHAGUS)
    airway = line.along((0, 20, -120), (0, 20, 20), (0, 18, 60), (0, 10, 110))
    for radius, name, tissue in ((10.5, "thyroid", Tissue.MUSCLE), (8.5, "gas", Tissue.AIR)):
        canvas.paint(tube(airway, radius * mm), HU[name], tissue, organ=Organ.AIRWAY)
    isthmus = bar(line.at(-12, 30, -18), line.at(12, 30, -18), 3.0 * mm, 7.0 * mm)
    canvas.paint([isthmus], HU["thyroid"], Tissue.MUSCLE, organ=Organ.THYROID)
    hyoid = [line.at(-16, 22, 48), line.at(-10, 36, 46), line.at(10, 36, 46), line.at(16, 22, 48)]
    canvas.paint(tube(hyoid, 2.4 * mm), 400.0, Tissue.CORTICAL)


def _paint_vessels(canvas: Canvas, line: _Line, column: Column) -> None:
    """Carotids and jugulars outside the thyroid; vertebral arteries through the transverse foramina of C6 upward."""
    for side in (1.0, -1.0):
        carotid = line.along((side * 20, 20, -110), (side * 26, 13, -20), (side * 27, 9, 20), (side * 28, 6, 110))
        jugular = line.along((side * 30, 18, -110), (side * 36, 15, -20), (side * 36, 8, 20), (side * 36, 2, 110))
        canvas.paint(tube(carotid, 3.7 * mm), HU["blood"], Tissue.BLOOD, organ=Organ.ARTERY)
        canvas.paint(tube(jugular, 5.2 * mm, 1.3), HU["blood"], Tissue.BLOOD, organ=Organ.VEIN)
        bones = [b for b in column.bones if b.level in ("C3", "C4", "C5", "C6")][::-1]
        holes = [b.pose.to_world(transverse_foramen(b.dim, side)) for b in bones]
        above = holes[-1] + (holes[-1] - holes[-2]) * 3
        root = holes[0] + np.array([side * 2.0, 3.0, -22.0]) * mm
        path = np.array([line.at(side * 24, 8, -75), root, *holes, above])
        canvas.paint(tube(path, 1.9 * mm), HU["blood"], Tissue.BLOOD, organ=Organ.ARTERY)


def _paint_planes(canvas: Canvas, column: Column, k: float) -> None:
    """Fat planes that part the muscles: the carotid space, around the sternomastoids, between the back muscles."""
    fat = HU["fat"] + 15
    line = _Line(column, k)
    for side in (1.0, -1.0):
        space = line.along((side * 27, 14, -110), (side * 31, 12, -20), (side * 32, 7, 110))
        canvas.paint(tube(space, 14.0 * mm, 1.1), fat, Tissue.FAT)
        for across, ahead, radius, flat, name in (
            (39.0, 11.0, 11.0, 1.35, "fat"),
            (39.0, 11.0, 9.5, 1.35, "muscle"),
        ):
            strap = line.along((side * 14, 40, -80), (side * across, ahead + 10, -10), (side * 46, -14, 90))
            colour = fat if name == "fat" else HU["muscle"]
            canvas.paint(tube(strap, radius * mm, flat * 0.6), colour, Tissue.MUSCLE if name != "fat" else Tissue.FAT)
        for depth, across, thick in ((-48.0, 26.0, 1.0), (-58.0, 28.0, 1.2)):
            sheet = line.along((side * across, depth, -110), (side * across, depth, 110))
            inner = line.along((side * 3, depth - 5, -110), (side * 3, depth - 5, 110))
            planes = [bar(x, y, thick * mm, 6.0 * mm) for x, y in zip(sheet, inner, strict=True)]
            canvas.paint(planes, fat + 40, Tissue.FAT)
    middle = line.along((0, -62, -110), (0, -60, 110))
    canvas.paint(tube(middle, 1.2 * mm), fat, Tissue.FAT)
    visceral = line.along((0, 18, -110), (0, 18, 40))
    canvas.paint(tube(visceral, 15.0 * mm, 1.5), fat + 60, Tissue.FAT)


def _lung_top(trunk: Trunk, side: float) -> Shape:
    """The lung's top, beside T1 to T4."""
    low, top = trunk.spine.height("T4"), trunk.spine.height("T1")
    middle = float(np.interp(trunk.spine.height("T2"), trunk.spine.s, trunk.spine.a))
    at = np.array([side * 36 * mm * trunk.scale, middle + 8 * mm, low])
    return ellipsoid(at, np.array([24 * mm, 38 * mm, top - low]))
