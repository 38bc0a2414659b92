"""Soft tissue of the pelvis: skin, fat, gluteal muscles, pelvic cavity, bowel, bladder, vessels and nerves.

For images and for what a needle must not meet; simple solids in the frame of the pelvis (see `parametric_hip_bone`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.parametric_canvas import Canvas
from vertebro.anatomy.parametric_organs import GAS_BLEND, gas_pocket
from vertebro.anatomy.parametric_trunk import HU
from vertebro.anatomy.shapes import Pose, Shape, bar, coordinates, ellipsoid, evaluate, is_empty, tube
from vertebro.tissue import Compartment, Organ, Tissue
from vertebro.units import mm

Array = NDArray[Any]
HU_URINE, HU_NERVE, HU_CARTILAGE = 8.0, 35.0, 70.0
# heights s [mm] and there half width, front and back of the skin [mm]
_HEIGHTS = np.array([-160.0, -80.0, -40.0, 0.0, 40.0, 80.0, 120.0, 180.0])
_WIDTH = np.array([168.0, 174.0, 177.0, 176.0, 172.0, 165.0, 155.0, 148.0])
_FRONT = np.array([60.0, 66.0, 72.0, 80.0, 92.0, 104.0, 109.0, 109.0])
_BACK = np.array([-104.0, -122.0, -135.0, -138.0, -134.0, -124.0, -113.0, -106.0])
_POWER = 2.5


@dataclass(frozen=True, slots=True)
class Painter:
    """A canvas with a pelvis in it.

    Attributes
    ----------
    canvas : Canvas
    pose : Pose
        The pelvis in the canvas's frame.
    scale : float [1]
        Size of the pelvis relative to the mean.
    """

    canvas: Canvas
    pose: Pose
    scale: float

    def solid(
        self,
        shapes: list[Shape],
        hu: float,
        tissue: Tissue,
        organ: Organ = Organ.NONE,
        compartment: Compartment = Compartment.PARAVERTEBRAL,
        *,
        pose: Pose | None = None,
        blend: float = 0.0,
    ) -> None:
        """Cover the union of shapes with one tissue and note the organ (changes canvas and organ map in place)."""
        place = self.pose if pose is None else pose
        region = self.canvas.region(shapes, place)
        if is_empty(region):
            return
        cover = self.canvas.cover(evaluate(shapes, self.canvas.grid, place, region, blend))
        self.cover(region, cover, hu, tissue, organ, compartment)

    def cover(
        self, region: Any, cover: Array, hu: float, tissue: Tissue, organ: Organ, compartment: Compartment
    ) -> None:
        """Mix a tissue in by its cover and note the organ (in place)."""
        self.canvas.blend(region, cover, hu, tissue, compartment, organ)


def skin_distance(r: Array, a: Array, s: Array, scale: float) -> Array:
    """Signed distance [m] to the skin, negative inside, with the gluteal cleft and the gap between the thighs."""
    k = np.float32(scale * mm)
    x, y, z = np.abs(r) / k, a / k, s / k
    width, front, back = (np.interp(z, _HEIGHTS, v).astype(np.float32) for v in (_WIDTH, _FRONT, _BACK))
    half = 0.5 * (front - back)
    u, v = x / width, (y - 0.5 * (front + back)) / half
    level = (u**_POWER + np.abs(v) ** _POWER + np.float32(1e-6)) ** (1 / _POWER)
    slope = np.sqrt((u ** (_POWER - 1) / width) ** 2 + (np.abs(v) ** (_POWER - 1) / half) ** 2)
    slope = slope * level ** (1 - _POWER)
    distance = (level - 1) / np.maximum(slope, 0.5 / width)
    cleft = np.exp(-((x / 10) ** 2)) * np.clip((50 - np.abs(z + 35)) / 40, 0, 1) * (v < 0)
    thighs = np.where(z < -78, 0.16 * (-78 - z) - x, -100)
    return np.asarray(np.maximum(distance + 22 * cleft, thighs) * k, np.float32)


def paint_soft(painter: Painter, seed: int) -> None:
    """Everything but bones, canal and joints (changes the canvas in place)."""
    _paint_layers(painter)
    _paint_cavity(painter, seed)
    _paint_muscle_planes(painter)
    _paint_vessels(painter)
    _paint_nerves(painter)


def _mm(*values: float) -> Array:
    return np.array(values) * mm


def _paint_layers(painter: Painter) -> None:
    """Skin, fat, muscle, and the fat sheet under the great gluteal muscle, by depth below the skin."""
    canvas = painter.canvas
    everywhere = (slice(None), slice(None), slice(None))
    r, a, s = painter.pose.to_local(*coordinates(canvas.grid, everywhere))
    skin = skin_distance(r, a, s, painter.scale)
    k = np.float32(painter.scale * mm)
    behind, beside = np.clip(-a / (100 * k), 0, 1), np.clip(np.abs(r) / (170 * k), 0, 1)
    fat = k * (13 + 9 * behind + 8 * beside**2 + 8 * np.clip(a / (90 * k), 0, 1))
    canvas.blend(everywhere, canvas.cover(skin), HU["skin"], Tissue.FAT, Compartment.PARAVERTEBRAL)
    canvas.blend(everywhere, canvas.cover(skin + 2 * k), HU["fat"], Tissue.FAT, Compartment.PARAVERTEBRAL)
    inner = skin + fat
    canvas.blend(everywhere, canvas.cover(inner), HU["muscle"], Tissue.MUSCLE, Compartment.PARAVERTEBRAL)
    sheet = np.abs(inner + 27 * k) - np.float32(1.3) * k
    sheet = np.maximum(np.maximum(sheet, a + 30 * k), np.maximum(s - 75 * k, 40 * k - np.abs(r)))
    canvas.blend(everywhere, canvas.cover(sheet), HU["fat"] + 20, Tissue.FAT, Compartment.PARAVERTEBRAL)


def _paint_cavity(painter: Painter, seed: int) -> None:
    """Fat of the pelvis and the lower abdomen, bowel with some gas, rectum, bladder, womb or prostate."""
    k, fat = painter.scale, HU["fat"]
    for centre, half in ((_mm(0, -2, 12), _mm(52, 48, 58)), (_mm(0, 42, 115), _mm(96, 50, 95))):
        painter.solid([ellipsoid(k * centre, k * half)], fat, Tissue.FAT)
    random = np.random.default_rng([seed, 31])
    for x, y, z in [(x, y, z) for x in (-60, -20, 20, 60) for y in (38, 66) for z in (60, 95, 130, 165)]:
        centre = k * (_mm(x, y, z) + random.uniform(-9, 9, 3) * mm)
        radius = float(random.uniform(11, 16)) * mm * k
        painter.solid([ellipsoid(centre, np.full(3, radius))], HU["bowel"], Tissue.MUSCLE, Organ.BOWEL)
    gas = [(_mm(-74, 30, 92), _mm(15, 11, 24)), (_mm(-58, 40, 66), _mm(16, 9, 11)), (_mm(76, 34, 84), _mm(17, 13, 17))]
    for centre, half in gas:
        centre = centre + random.uniform(-6, 6, 3) * mm
        painter.solid([ellipsoid(k * centre, k * (half + 3 * mm))], HU["bowel"], Tissue.MUSCLE, Organ.BOWEL)
        pocket = gas_pocket(random, k * centre, k * half * np.array([0.9, 0.55, 0.9]))
        painter.solid(pocket, HU["gas"], Tissue.AIR, Organ.BOWEL, blend=GAS_BLEND)
    rectum = tube(k * _mm_rows([0, -47, 40], [0, -45, 0], [0, -22, -42], [0, -34, -62]), k * 12 * mm)
    painter.solid(rectum, HU["bowel"], Tissue.MUSCLE, Organ.BOWEL)
    pocket = gas_pocket(random, k * _mm(5, -44, 14), k * _mm(6, 4, 13))
    painter.solid(pocket, HU["gas"], Tissue.AIR, Organ.BOWEL, blend=GAS_BLEND)
    painter.solid([ellipsoid(k * _mm(0, 2, 12), k * _mm(24, 18, 26))], HU["muscle"], Tissue.MUSCLE)
    painter.solid([ellipsoid(k * _mm(0, 26, 0), k * _mm(36, 21, 24))], HU["muscle"], Tissue.MUSCLE, Organ.BLADDER)
    painter.solid([ellipsoid(k * _mm(0, 26, 0), k * _mm(33, 18, 21))], HU_URINE, Tissue.MUSCLE, Organ.BLADDER)


def _mm_rows(*rows: list[float]) -> Array:
    return np.array(rows, float) * mm


def _paint_muscle_planes(painter: Painter) -> None:
    """Psoas with its fat, fat around the sciatic nerve and in the ischiorectal fossa, multifidus on the sacrum."""
    k = painter.scale
    for side in (1.0, -1.0):
        flip = np.array([side, 1.0, 1.0])
        psoas = _mm_rows([40, 6, 180], [48, 14, 110], [66, 34, 60], [80, 40, 15], [98, 0, -50]) * flip * k
        painter.solid(tube(psoas, k * 19 * mm), HU["fat"], Tissue.FAT)
        painter.solid(tube(psoas, k * 17 * mm), HU["muscle"], Tissue.MUSCLE)
        fossa = ellipsoid(k * _mm(34, -52, -46) * flip, k * _mm(16, 26, 26))
        painter.solid([fossa], HU["fat"], Tissue.FAT)
        painter.solid(tube(_sciatic(side, k), k * 9 * mm), HU["fat"], Tissue.FAT)
        groove = bar(k * _mm(18, -66, 150) * flip, k * _mm(14, -98, 62) * flip, 13 * mm * k, 12 * mm * k)
        painter.solid([groove], HU["muscle"] - 45, Tissue.MUSCLE)


def _sciatic(side: float, k: float) -> Array:
    """Course of the sciatic nerve (n, 3) [m]: out of the great notch, behind the cup, down the thigh."""
    rows = _mm_rows([42, -44, 58], [56, -55, 36], [66, -62, 8], [74, -58, -30], [80, -48, -80], [82, -44, -160])
    return np.asarray(rows * np.array([side, 1.0, 1.0]) * k)


def _paint_vessels(painter: Painter) -> None:
    """Iliac arteries with the veins behind and inside of them, from the aorta's fork to the groin; sacral veins."""
    k = painter.scale
    for side in (1.0, -1.0):
        flip = np.array([side, 1.0, 1.0]) * k
        common = _mm_rows([2, 20, 160], [8, 18, 135], [36, 2, 92])
        outer = _mm_rows([36, 2, 92], [54, 26, 58], [72, 48, 18], [76, 54, -40], [74, 50, -120])
        inner = _mm_rows([36, 2, 92], [44, -26, 64], [44, -36, 40])
        for line, radius in ((common, 5.0), (outer, 4.2), (inner, 3.2)):
            vein = (line + _mm(-4, -9, -2)) * flip
            painter.solid(tube(vein, k * (radius + 1) * mm), HU["blood"], Tissue.BLOOD, Organ.VEIN)
            painter.solid(tube(line * flip, k * radius * mm), HU["blood"], Tissue.BLOOD, Organ.ARTERY)
        for at in (common[1], outer[0]):
            wall = ellipsoid((at + _mm(3.5, 2.5, -6)) * flip, _mm(1.2, 1.2, 5))
            painter.solid([wall], HU["vessel wall"], Tissue.BLOOD, Organ.ARTERY)


def _paint_nerves(painter: Painter) -> None:
    """Lumbosacral trunk over the ala and the sciatic nerve."""
    k = painter.scale
    for side in (1.0, -1.0):
        trunk = _mm_rows([30, -14, 112], [38, -20, 88], [42, -44, 58]) * np.array([side, 1.0, 1.0]) * k
        painter.solid(tube(trunk, k * 2.6 * mm), HU_NERVE, Tissue.MUSCLE, Organ.NERVE)
        painter.solid(tube(_sciatic(side, k), k * 4.5 * mm, 1.2), HU_NERVE, Tissue.MUSCLE, Organ.NERVE)
