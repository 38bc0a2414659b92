"""Organs and great vessels in front of the spine, for images: simple solids limited to the cavity."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.parametric_canvas import Canvas
from vertebro.anatomy.parametric_column import Column
from vertebro.anatomy.parametric_trunk import HU, Trunk
from vertebro.anatomy.shapes import Shape, ellipsoid, tube
from vertebro.tissue import Tissue
from vertebro.units import mm

Array = NDArray[Any]


def _mm(*values: float) -> Array:
    return np.array(values) * mm


def paint_organs(canvas: Canvas, trunk: Trunk, cavity: NDArray[np.float32], seed: int) -> None:
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
    for centre, radius in _small_bowel(seed):
        organ("bowel", Tissue.MUSCLE, (centre, np.full(3, radius)))
    haustra = _colon(seed)
    for centre, half, _ in haustra:
        organ("bowel", Tissue.MUSCLE, (centre, half))
    for centre, half, gas in haustra:
        if gas:
            organ("gas", Tissue.AIR, (centre + _mm(0, 3.5, 0), half * np.array([0.80, 0.50, 0.80])))
    organ("fat", Tissue.FAT, (_mm(62, 72, -18), _mm(38, 34, 66)), (_mm(-62, 72, -6), _mm(38, 34, 66)))
    organ("kidney", Tissue.MUSCLE, (_mm(60, 72, -20), _mm(25, 22, 52)), (_mm(-60, 72, -8), _mm(25, 22, 52)))
    organ("fat", Tissue.FAT, (_mm(47, 78, -20), _mm(13, 8, 20)), (_mm(-47, 78, -8), _mm(13, 8, 20)))
    for side in (1.0, -1.0):
        canvas.paint([_lung(trunk, side)], HU["lung"], Tissue.LUNG, within=cavity)


def _colon(seed: int) -> list[tuple[Array, Array, bool]]:
    """Colon as a chain of haustra framing the bowel: centre, half axes, and whether gas floats in it."""
    random = np.random.default_rng([seed, 11])
    frame = np.array([[92, 118, -120], [90, 122, -40], [70, 160, -28], [0, 172, -48], [-72, 162, -2], [-98, 110, 10]])
    frame = np.concatenate([frame, [[-100, 100, -60], [-94, 96, -120]]]) * mm
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(frame, axis=0), axis=1))])
    haustra = []
    runs = [(x + float(random.uniform(-12, 12)) * mm, 27 * mm) for x in (95 * mm, 330 * mm)]  # at both flexures
    for t in np.arange(0.0, along[-1], 14 * mm):
        centre = np.array([np.interp(t, along, frame[:, d]) for d in range(3)]) + random.uniform(-2.5, 2.5, 3) * mm
        half = np.array([15, 14, 15]) * mm * random.uniform(0.85, 1.15)
        haustra.append((centre, half, any(abs(t - middle) < reach for middle, reach in runs)))
    return haustra


def _small_bowel(seed: int) -> list[tuple[Array, float]]:
    """Loops of small bowel without gas: centre, radius."""
    random = np.random.default_rng([seed, 12])
    places = [(across, height) for height in np.linspace(-110, -50, 5) for across in (-58, -28, 2, 32, 60)]
    return [
        (np.array([x, 138, s]) * mm + random.uniform(-8, 8, 3) * mm, float(random.uniform(12, 17)) * mm)
        for x, s in places
    ]


def _lung(trunk: Trunk, side: float) -> Shape:
    """Lung base: what lies in the cavity above a dome of the diaphragm, deepest behind."""
    dome = ellipsoid(
        [side * 58 * mm * trunk.scale, trunk.centre + 8 * mm, trunk.l1 + (2 if side > 0 else -6) * mm],
        np.array([80, 88, 92]) * mm * trunk.scale,
    )
    floor = trunk.l1 + 14 * mm

    def distance(r: Array, a: Array, s: Array) -> Array:
        beside = np.float32(21 * mm) - np.float32(side) * r
        forward = np.clip((a - np.float32(trunk.back + 62 * mm)) / np.float32(120 * mm), 0, 1)
        heart = np.float32((42 if side > 0 else 56) * mm) * forward  # the mediastinum widens gently to the front
        return np.asarray(np.maximum(np.maximum(-dome.distance(r, a, s), np.float32(floor) - s), beside + heart))

    low = np.array([0.0 if side > 0 else -trunk.half_width, trunk.back, floor])
    high = np.array([trunk.half_width if side > 0 else 0.0, trunk.back + 2 * trunk.half_depth, floor + 0.3])
    return Shape(distance, low, high)


def paint_great_vessels(canvas: Canvas, trunk: Trunk, column: Column) -> None:
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
