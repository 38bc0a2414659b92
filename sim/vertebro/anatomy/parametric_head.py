"""What stands above C3 in pictures of the neck: axis, atlas, the skull's base and the lower jaw, as simple shapes."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.parametric_canvas import Canvas
from vertebro.anatomy.parametric_column import Canal, Column
from vertebro.anatomy.shapes import Pose, Shape, bar, coordinates, ellipsoid, evaluate, is_empty, slab
from vertebro.tissue import Tissue
from vertebro.units import mm

Array = NDArray[Any]
HU_BRAIN = 36.0
AXIS, ATLAS, BASE = 10.0, 29.0, 43.0  # heights of C2's body, C1's ring and the occiput's condyles, mm above C3's disc
SKULL = np.array([70.0, 86.0, 70.0])  # mm; half axes of the brain case outside


def paint_head(canvas: Canvas, column: Column, canal: Canal, k: float) -> None:
    """Bones above C3 with the brain (changes the canvas in place).

    Parameters
    ----------
    k : float [1]
        Bones relative to the published mean.
    """
    first = column.bones[0]
    at = first.pose.to_world([0.0, 0.0, 0.5 * first.dim.height + first.dim.disc])
    pose = Pose(float(at[1]), float(at[2]), first.pose.angle)
    brain = ellipsoid(_skull_centre(k), (SKULL - 6.0) * mm * k)
    canvas.paint([brain], HU_BRAIN, Tissue.MUSCLE, pose=pose)
    _paint(canvas, [_shell(k), *_face(k)], pose, canal, 1.4 * mm, 0.25)
    _paint(canvas, _jaw(k), pose, None, 1.8 * mm, 0.15)
    _paint(canvas, _atlas(k), pose, canal, 0.9 * mm, 0.15)
    _paint(canvas, _axis(k), pose, canal, 0.9 * mm, 0.15)


def _paint(canvas: Canvas, shapes: list[Shape], pose: Pose, canal: Canal | None, cortex: float, core: float) -> None:
    region = canvas.region(shapes, pose)
    if is_empty(region):
        return
    distance = evaluate(shapes, canvas.grid, pose, region, blend=2.5 * mm)
    if canal is not None:
        distance = np.maximum(distance, -canal.distance(*coordinates(canvas.grid, region)))
    hit = canvas.touched(distance)
    canvas.paint_bone(region, hit, distance[hit], cortex, core)


def _line(points: list[tuple[float, float, float]], across: float, up: float, k: float) -> list[Shape]:
    """Chain of bars [mm] through points, and its mirror image."""
    rows = np.array(points, float) * mm * k
    lines = [rows * np.array([side, 1.0, 1.0]) for side in (1.0, -1.0)]
    return [bar(p, q, across * mm * k, up * mm * k) for line in lines for p, q in itertools.pairwise(line)]


def _pair(centre: tuple[float, float, float], half: tuple[float, float, float], k: float) -> list[Shape]:
    """An ellipsoid [mm] on both sides."""
    at, size = np.array(centre) * mm * k, np.array(half) * mm * k
    return [ellipsoid(at * np.array([side, 1.0, 1.0]), size) for side in (1.0, -1.0)]


def _axis(k: float) -> list[Shape]:
    """C2: body with its tooth, lateral masses, laminae and a heavy forked spine."""
    z = AXIS
    shapes = [slab(np.array([0.0, 0.0, z - 1.0]) * mm * k, np.array([8.5, 7.0, 9.5]) * mm * k, np.eye(3), 4 * mm)]
    tooth = np.array([[0.0, -0.5, z + 4.0], [0.0, -2.0, z + 21.0]]) * mm * k
    shapes.append(bar(tooth[0], tooth[1], 4.6 * mm * k, 4.8 * mm * k, up=(0.0, 1.0, 0.0)))
    shapes += _pair((15.5, -2.5, z + 6.0), (8.0, 7.5, 5.0), k)
    shapes += _line([(15.0, -5.0, z + 3.0), (17.0, -14.0, z - 6.0)], 5.0, 5.0, k)
    shapes += _line([(16.0, -3.0, z), (25.0, -5.0, z - 3.0)], 3.0, 3.0, k)
    shapes += _line([(16.0, -14.0, z - 3.0), (2.0, -28.0, z - 6.0)], 3.0, 6.0, k)
    return [*shapes, *_line([(1.0, -27.0, z - 6.0), (4.0, -41.0, z - 12.0)], 3.6, 5.5, k)]


def _atlas(k: float) -> list[Shape]:
    """C1: a ring in front of and behind the canal, lateral masses, long transverse processes."""
    z = ATLAS
    shapes = _line([(0.0, 8.5, z - 2.0), (9.0, 6.5, z - 1.0), (17.0, 2.0, z)], 3.0, 5.0, k)
    shapes += _pair((20.0, -2.0, z), (7.5, 9.0, 8.0), k)
    shapes += _line([(24.0, -3.0, z - 1.0), (37.0, -6.0, z - 3.0)], 3.6, 3.6, k)
    behind = [(20.0, -9.0, z - 1.0), (18.0, -20.0, z), (11.0, -30.0, z - 1.0), (0.0, -34.5, z - 2.0)]
    return [*shapes, *_line(behind, 3.0, 4.2, k)]


def _skull_centre(k: float) -> Array:
    return np.array([0.0, 0.0, BASE + 0.93 * SKULL[2]]) * mm * k


def _shell(k: float) -> Shape:
    """The brain case as a shell."""
    outer = ellipsoid(_skull_centre(k), SKULL * mm * k)
    half = np.float32(2.8 * mm * k)
    return Shape(lambda r, a, s: np.abs(outer.distance(r, a, s) + half) - half, outer.low, outer.high)


def _face(k: float) -> list[Shape]:
    """Condyles, mastoids, the skull's base in front of them and the palate with its teeth."""
    shapes = _pair((17.0, 0.0, BASE - 3.0), (7.0, 10.0, 6.0), k) + _pair((48.0, -8.0, BASE), (9.0, 12.0, 17.0), k)
    shapes += _line([(4.0, 4.0, BASE + 1.0), (4.0, 28.0, BASE + 16.0)], 8.0, 5.0, k)
    return [
        *shapes,
        *_line([(26.0, 42.0, BASE - 8.0), (20.0, 64.0, BASE - 10.0), (2.0, 75.0, BASE - 11.0)], 4.0, 8.0, k),
    ]


def _jaw(k: float) -> list[Shape]:
    """Lower jaw: body from the chin to the angle, and the branch up to the joint."""
    body = [(0.0, 76.0, -12.0), (14.0, 71.0, -12.0), (34.0, 48.0, -6.0), (45.0, 24.0, 2.0)]
    branch = [(45.0, 24.0, 2.0), (48.0, 16.0, 22.0), (51.0, 10.0, BASE + 8.0)]
    return [*_line(body, 5.0, 12.0, k), *_line(branch, 4.0, 13.0, k)]
