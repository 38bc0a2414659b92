"""A plain sacrum and the iliac wings below L5, for images of the lower lumbar levels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.parametric_canvas import Canvas
from vertebro.anatomy.parametric_column import Bone, Canal, sacral_pose
from vertebro.anatomy.shapes import Shape, Slices, bar, coordinates, ellipsoid, evaluate, frame_along, is_empty, slab
from vertebro.units import mm

Array = NDArray[Any]
CORTEX, CORE = 0.9 * mm, 0.09


def paint_sacrum(canvas: Canvas, last: Bone, canal: Canal, clearance: Callable[[Slices], Array] | None) -> None:
    """Sacrum and iliac wings (changes the canvas in place).

    Parameters
    ----------
    last : Bone
        L5.
    clearance : callable, optional
        ``clearance(region) -> distance`` [m] kept from L5, so that the lumbosacral joints have a space.
    """
    pose = sacral_pose(last)
    for shapes, hollow in ((sacrum_shapes(last), True), (iliac_shapes(), False)):
        region = canvas.region(shapes, pose)
        if is_empty(region):
            continue
        distance = evaluate(shapes, canvas.grid, pose, region, blend=4 * mm)
        if hollow:
            distance = np.maximum(distance, -canal.distance(*coordinates(canvas.grid, region)))
        if hollow and clearance is not None:
            distance = np.maximum(distance, clearance(region))
        hit = canvas.touched(distance)
        canvas.paint_bone(region, hit, distance[hit], CORTEX, CORE)


def sacrum_shapes(last: Bone) -> list[Shape]:
    """Bodies of S1 to S3, alae, median crest and the articular processes in front of those of L5, in S1's frame."""
    above, pose = last.dim, sacral_pose(last)
    joint = pose.from_world(last.pose.to_world(last.lower.centre - 4.0 * mm * last.lower.normal))
    half = 0.5 * above.lower_width
    lean = frame_along([0.0, -0.42, -1.0], up=(0.0, 1.0, -0.42))
    shapes = [
        slab([0.0, 0.0, 0.0], np.array([half, 0.5 * above.depth, 12.5 * mm]), np.eye(3), 7 * mm),
        ellipsoid(np.array([0.0, -12.0, -30.0]) * mm, np.array([32.0, 33.0, 11.0]) * mm, lean),
        slab(np.array([0.0, -30.0, -14.0]) * mm, np.array([25.0, 3.0, 4.0]) * mm, lean, 2.5 * mm),
    ]
    for side in (1.0, -1.0):
        wing = np.array([[side * 20, -4, 4], [side * 48, -14, -6], [side * 40, -24, -40]]) * mm
        shapes.append(bar(wing[0], wing[1], 13 * mm, 11 * mm))
        shapes.append(bar(wing[1], wing[2], 9 * mm, 12 * mm))
        facet = joint * np.array([side, 1.0, 1.0])
        root = np.array([side * 22, -20, -8]) * mm
        shapes.append(bar(root, facet - np.array([0.0, 0.0, 2.0]) * mm, 5.0 * mm, 5.0 * mm))
        shapes.append(ellipsoid(facet + np.array([0.0, 0.0, 1.0]) * mm, np.array([5.0, 4.5, 8.0]) * mm))
    return shapes


def iliac_shapes() -> list[Shape]:
    """Iliac wings: thin plates opening outward and forward from the sacroiliac joints."""
    shapes = []
    for side in (1.0, -1.0):
        axes = frame_along([side * 0.62, 0.78, 0.0], up=(side * 0.30, 0.0, 1.0))
        centre = np.array([side * 84.0, 2.0, -4.0]) * mm
        shapes.append(ellipsoid(centre, np.array([50.0, 5.5, 46.0]) * mm, axes))
        back = np.array([[side * 56, -34, 6], [side * 56, -30, -34]]) * mm
        shapes.append(bar(back[0], back[1], 8 * mm, 8 * mm))
    return shapes
