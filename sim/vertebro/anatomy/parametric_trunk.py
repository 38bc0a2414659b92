"""The trunk around the spine, for images: skin, fat, muscles, ribs, organs, vessels, bowel gas, lung bases.

Drawn once per axial section where it does not change along the body, and as simple solids where it does. Positions
refer to L1's centre and scale with the bones. Nothing here takes part in the flow except near the spine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.parametric_canvas import Canvas
from vertebro.anatomy.parametric_column import Bone, Column
from vertebro.anatomy.shapes import Pose, Shape, bar, ellipsoid, evaluate, is_empty, tube
from vertebro.tissue import Compartment, Tissue
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


def paint_trunk(canvas: Canvas, trunk: Trunk, column: Column, seed: int) -> None:
    """Paint everything but the spine (changes the canvas in place)."""
    cavity = _paint_section(canvas, trunk)
    _paint_organs(canvas, trunk, cavity, seed)
    _paint_great_vessels(canvas, trunk, column)
    _paint_muscles(canvas, trunk, column)


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


def _paint_section(canvas: Canvas, trunk: Trunk) -> NDArray[np.float32]:
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


def _mm(*values: float) -> Array:
    return np.array(values) * mm


def _paint_organs(canvas: Canvas, trunk: Trunk, cavity: NDArray[np.float32], seed: int) -> None:
    """Liver right, spleen left, kidneys, stomach and bowel with gas, lung bases; limited to the cavity."""
    base = np.array([0.0, trunk.back, trunk.l1])
    k = trunk.scale

    def organ(name: str, tissue: Tissue, *solids: tuple[Array, Array]) -> None:
        shapes = [ellipsoid(base + k * centre, k * half) for centre, half in solids]
        for shape in shapes:
            canvas.paint([shape], HU[name], tissue, within=cavity)

    organ("liver", Tissue.MUSCLE, (_mm(78, 120, 45), _mm(72, 84, 85)), (_mm(10, 170, 60), _mm(70, 35, 40)))
    organ("spleen", Tissue.MUSCLE, (_mm(-108, 80, 55), _mm(28, 42, 52)))
    organ("bowel", Tissue.MUSCLE, (_mm(-55, 160, 50), _mm(52, 34, 38)), (_mm(-20, 140, 0), _mm(75, 13, 16)))
    organ("gas", Tissue.AIR, (_mm(-60, 178, 58), _mm(30, 13, 22)))
    for centre, size in _bowel_loops(seed):
        organ("bowel", Tissue.MUSCLE, (centre, np.full(3, size)))
        if size > 20.0 * mm:
            organ("gas", Tissue.AIR, (centre + _mm(0, 0.35 * size / mm, 0), size * np.array([0.80, 0.42, 0.55])))
    organ("fat", Tissue.FAT, (_mm(62, 72, -18), _mm(38, 34, 66)), (_mm(-62, 72, -6), _mm(38, 34, 66)))
    organ("kidney", Tissue.MUSCLE, (_mm(60, 72, -20), _mm(25, 22, 52)), (_mm(-60, 72, -8), _mm(25, 22, 52)))
    organ("fat", Tissue.FAT, (_mm(47, 78, -20), _mm(13, 8, 20)), (_mm(-47, 78, -8), _mm(13, 8, 20)))
    for side in (1.0, -1.0):
        canvas.paint([_lung(trunk, side)], HU["lung"], Tissue.LUNG, within=cavity)


def _bowel_loops(seed: int) -> list[tuple[Array, float]]:
    random = np.random.default_rng([seed, 11])
    loops = []
    for height in np.linspace(-110, -8, 9):
        for across in (-78, -40, 0, 40, 80):
            centre = np.array([across, 150 - 0.0022 * across**2, height]) + random.uniform(-9, 9, 3)
            loops.append((centre * mm, float(random.uniform(14, 21)) * mm))
    return loops


def _lung(trunk: Trunk, side: float) -> Shape:
    """Lung base: what lies in the cavity above a dome of the diaphragm, deepest behind."""
    dome = ellipsoid(
        [side * 58 * mm * trunk.scale, trunk.centre + 8 * mm, trunk.l1 + (2 if side > 0 else -6) * mm],
        np.array([80, 88, 92]) * mm * trunk.scale,
    )
    floor = trunk.l1 + 14 * mm

    def distance(r: Array, a: Array, s: Array) -> Array:
        beside = np.float32(21 * mm) - np.float32(side) * r
        heart = np.float32(30 * mm) * np.clip((a - np.float32(trunk.centre - 60 * mm)) / np.float32(40 * mm), 0, 1)
        return np.asarray(np.maximum(np.maximum(-dome.distance(r, a, s), np.float32(floor) - s), beside + heart))

    low = np.array([0.0 if side > 0 else -trunk.half_width, trunk.back, floor])
    high = np.array([trunk.half_width if side > 0 else 0.0, trunk.back + 2 * trunk.half_depth, floor + 0.3])
    return Shape(distance, low, high)


def _paint_great_vessels(canvas: Canvas, trunk: Trunk, column: Column) -> None:
    """Aorta left, cava right, in front of the bodies and following them; calcified aortic wall in places."""
    k = trunk.scale
    places = [b.pose.to_world([0.0, 0.5 * b.dim.depth, 0.0]) for b in column.bones]
    front = np.array(places) * np.array([0.0, 1.0, 1.0])
    for name, shift, radius, flat in (("aorta", _mm(-9, 12.5, 0), 10.0, 1.0), ("cava", _mm(17, 9.5, 0), 9.0, 1.25)):
        line = front + k * shift
        canvas.paint(tube(line, k * radius * mm, flat), HU["blood"], Tissue.BLOOD)
        if name == "aorta":
            for t, angle in ((0.42, 0.4), (0.5, 2.6), (0.63, -0.6), (0.72, 2.0)):
                at = np.array([np.interp(t * (len(line) - 1), np.arange(len(line)), line[:, d]) for d in range(3)])
                rim = at + k * 9.6 * mm * np.array([np.cos(angle), np.sin(angle), 0.0])
                canvas.paint([ellipsoid(rim, _mm(1.6, 1.4, 4.0))], HU["vessel wall"], Tissue.BLOOD)
    for side in (1.0, -1.0):
        crus = front[:5] + k * _mm(12 * side, 1.5, 0)
        canvas.paint(tube(crus, k * 5.0 * mm), HU["muscle"], Tissue.MUSCLE)


def _paint_muscles(canvas: Canvas, trunk: Trunk, column: Column) -> None:
    """Erector spinae and multifidus in their compartments, psoas and quadratus lumborum, with fat planes between."""
    k = trunk.scale
    for side in (1.0, -1.0):
        masses = [
            (_mm(40, 31, 0), _mm(31, 17, 900)),
            (_mm(17, 30, 0), _mm(13, 16, 900)),
            (_mm(62, 50, 0), _mm(15, 9, 900)),
        ]
        for centre, half in masses:
            at = np.array([0.0, trunk.back, trunk.l1]) + k * centre * np.array([side, 1.0, 1.0])
            canvas.paint([ellipsoid(at, k * half)], HU["muscle"], Tissue.MUSCLE)
        septum = bar(
            [side * 27 * mm * k, trunk.back + 13 * mm * k, trunk.l1 - 0.4],
            [side * 25 * mm * k, trunk.back + 13 * mm * k, trunk.l1 + 0.4],
            0.7 * mm,
            17 * mm * k,
            up=(0.12 * side, 1.0, 0.0),
        )
        canvas.paint([septum], -60.0, Tissue.FAT)
        canvas.paint([_psoas(trunk, column, side)], HU["muscle"], Tissue.MUSCLE)


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


def paint_ribs(canvas: Canvas, trunk: Trunk, column: Column) -> None:
    """Ribs 6 to 12 as flattened tubes from the bodies around the wall (changes the canvas in place)."""
    for number, length in ((12, 90.0), (11, 150.0), (10, 195.0), (9, 225.0), (8, 245.0), (7, 255.0), (6, 255.0)):
        bone = next(b for b in column.bones if b.level == f"T{number}")
        for side in (1.0, -1.0):
            line = _rib_line(trunk, bone, number, length * mm * trunk.scale, side)
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
    return np.concatenate([neck, arc]) * np.array([side, 1.0, 1.0])


def paint_near_fat(canvas: Canvas, trunk: Trunk, column: Column) -> None:
    """Thin fat between muscles and bones beside the laminae (changes the canvas in place)."""
    for bone in column.bones:
        for side in (1.0, -1.0):
            at = bone.pose.to_world(
                [side * 0.62 * bone.dim.canal_width, -0.5 * bone.dim.depth - bone.dim.canal_depth - 2 * mm, -6 * mm]
            )
            canvas.paint([ellipsoid(at, _mm(7, 4.5, 10))], HU["fat"] + 20, Tissue.FAT, Compartment.PARAVERTEBRAL)
