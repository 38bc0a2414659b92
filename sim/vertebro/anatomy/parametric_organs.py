"""Organs and great vessels in front of the spine, for images: simple solids limited to the cavity."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.parametric_canvas import Canvas
from vertebro.anatomy.parametric_column import Column
from vertebro.anatomy.parametric_dimensions import ORDER
from vertebro.anatomy.parametric_trunk import HU, Trunk
from vertebro.anatomy.shapes import Shape, ellipsoid, tube
from vertebro.tissue import Organ, Tissue
from vertebro.units import mm

Array = NDArray[Any]
BUBBLES, GAS_BLEND = 6, 4 * mm  # in a pocket of gas
# mm to the right of and ahead of the body's front
AORTA = {"T4": (-17.0, -6.0), "T6": (-19.0, -2.0), "T9": (-15.0, 6.0), "T12": (-9.0, 12.5), "L4": (-4.0, 12.0)}
CAVA = {"T9": (22.0, 28.0), "T11": (20.0, 18.0), "L1": (17.0, 9.5), "L5": (17.0, 8.5)}
_ORGANS = {
    "liver": Organ.LIVER,
    "spleen": Organ.SPLEEN,
    "bowel": Organ.BOWEL,
    "kidney": Organ.KIDNEY,
}


def _mm(*values: float) -> Array:
    return np.array(values) * mm


def paint_organs(canvas: Canvas, trunk: Trunk, cavity: NDArray[np.float32], seed: int) -> None:
    """Liver right, spleen left, kidneys, stomach and bowel with gas; limited to the cavity."""
    base = np.array([0.0, trunk.back, 0.0])
    k, random = trunk.scale, np.random.default_rng([seed, 13])

    def organ(name: str, tissue: Tissue, *solids: tuple[Array, Array]) -> None:
        shapes = [ellipsoid(base + k * centre, k * half) for centre, half in solids]
        for shape in shapes:
            kind = _ORGANS.get(name, Organ.NONE)
            canvas.paint([shape], HU[name], tissue, pose=trunk.pose, within=cavity, organ=kind)

    organ("liver", Tissue.MUSCLE, (_mm(78, 120, 45), _mm(72, 84, 85)), (_mm(10, 170, 60), _mm(70, 35, 40)))
    organ("spleen", Tissue.MUSCLE, (_mm(-108, 80, 55), _mm(28, 42, 52)))
    organ("bowel", Tissue.MUSCLE, (_mm(-55, 160, 50), _mm(52, 34, 38)), (_mm(-20, 140, 0), _mm(75, 13, 16)))
    for centre, radius in _small_bowel(seed):
        organ("bowel", Tissue.MUSCLE, (centre, np.full(3, radius)))
    haustra = _colon(seed)
    for centre, half, _ in haustra:
        organ("bowel", Tissue.MUSCLE, (centre, half))
    pockets = [(centre + _mm(0, 4, 0), half * np.array([0.75, 0.35, 0.75])) for centre, half, gas in haustra if gas]
    pockets.append((_mm(-60, 178, 58), _mm(26, 6, 18)))
    for pocket in pockets:
        shapes = gas_pocket(random, base + k * pocket[0], k * pocket[1])
        canvas.paint(shapes, HU["gas"], Tissue.AIR, pose=trunk.pose, blend=GAS_BLEND, within=cavity, organ=Organ.BOWEL)
    organ("fat", Tissue.FAT, (_mm(62, 72, -18), _mm(38, 34, 66)), (_mm(-62, 72, -6), _mm(38, 34, 66)))
    organ("kidney", Tissue.MUSCLE, (_mm(60, 72, -20), _mm(25, 22, 52)), (_mm(-60, 72, -8), _mm(25, 22, 52)))
    organ("fat", Tissue.FAT, (_mm(47, 78, -20), _mm(13, 8, 20)), (_mm(-47, 78, -8), _mm(13, 8, 20)))


def gas_pocket(random: np.random.Generator, centre: Array, half: Array) -> list[Shape]:
    """Bubbles of gas that run together under the wall of the gut, within half axes [m] around a centre."""
    return [
        ellipsoid(centre + half * random.uniform(-0.85, 0.85, 3), half * random.uniform([0.2, 0.3, 0.2], 0.42))
        for _ in range(BUBBLES)
    ]


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


def paint_great_vessels(canvas: Canvas, trunk: Trunk, column: Column) -> None:
    """Aorta left, cava right, azygos, in front of the bodies and following them; calcified aortic wall in places."""
    bones = {b.level: b for b in column.bones}
    k = trunk.scale

    def line(levels: tuple[str, ...], path: dict[str, tuple[float, float]]) -> Array:
        knots = [ORDER.index(level) for level in path]
        at = [[np.interp(ORDER.index(x), knots, np.array(list(path.values()))[:, i]) for i in (0, 1)] for x in levels]
        places = zip((bones[x] for x in levels), at, strict=True)
        return np.array([b.pose.to_world([k * x * mm, 0.5 * b.dim.depth + k * y * mm, 0]) for b, (x, y) in places])

    aorta = line(ORDER[ORDER.index("T4") : ORDER.index("L5")], AORTA)
    canvas.paint(tube(aorta, k * 10.0 * mm), HU["blood"], Tissue.BLOOD, organ=Organ.ARTERY)
    for t, angle in ((8.5, 0.4), (9.4, 2.6), (10.7, -0.6), (11.5, 2.0)):
        at = np.array([np.interp(t, np.arange(len(aorta)), aorta[:, d]) for d in range(3)])
        rim = at + k * 9.6 * mm * np.array([np.cos(angle), np.sin(angle), 0.0])
        canvas.paint([ellipsoid(rim, _mm(1.6, 1.4, 4.0))], HU["vessel wall"], Tissue.BLOOD, organ=Organ.ARTERY)
    cava = line(ORDER[ORDER.index("T9") :], CAVA)
    canvas.paint(tube(cava, k * 9.0 * mm, 1.25), HU["blood"], Tissue.BLOOD, organ=Organ.VEIN)
    azygos = line(ORDER[ORDER.index("T4") : ORDER.index("L1")], {"T4": (6.0, 3.5), "T12": (7.0, 3.5)})
    canvas.paint(tube(azygos, k * 3.2 * mm), HU["blood"], Tissue.BLOOD, organ=Organ.VEIN)
    iliac = bones["L5"].pose.to_world([0.0, 0.5 * bones["L5"].dim.depth + 9 * mm, -2 * mm])
    crura = line(ORDER[ORDER.index("T10") : ORDER.index("L4")], {"T10": (12.0, 1.5), "L3": (12.0, 1.5)})
    for side in (1.0, -1.0):
        end = iliac + np.array([side * 26.0, -6.0, -30.0]) * k * mm
        legs = [aorta[-1], iliac + np.array([side * 14.0, 0, 0]) * k * mm, end]
        canvas.paint(tube(legs, k * 6.0 * mm), HU["blood"], Tissue.BLOOD, organ=Organ.ARTERY)
        crus = crura * np.array([side, 1.0, 1.0])
        canvas.paint(tube(crus, k * 5.0 * mm), HU["muscle"], Tissue.MUSCLE)
