"""A cervical vertebra: uncinate processes, pillars with oblique facets, transverse foramina, a short forked spine."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.parametric_dimensions import Dimensions
from vertebro.anatomy.parametric_vertebra import (
    JOINT_GAP,
    Joint,
    arch_shapes,
    facet_axes,
    facet_half,
    on_side,
    pedicle_centre,
    pedicle_shapes,
)
from vertebro.anatomy.shapes import Shape, bar, ellipsoid, frame_along, slab
from vertebro.units import mm

Array = NDArray[Any]
FORAMEN = 2.8 * mm  # half width of the transverse foramen
FORKED = 50 * mm  # a spinous process longer than this (C7) ends in one knob


def whole_arch(dim: Dimensions, upper: Joint, lower: Joint) -> list[Shape]:
    """Everything behind the body, both sides, whatever the region."""
    return cervical_arch(dim, upper, lower) if dim.region == "cervical" else arch_shapes(dim, upper, lower)


def cervical_arch(dim: Dimensions, upper: Joint, lower: Joint) -> list[Shape]:
    """Pedicles, pillars, laminae, transverse and spinous processes of a cervical vertebra."""
    shapes = _forked_spine(dim)
    for side in (1.0, -1.0):
        shapes += pedicle_shapes(dim, side)
        shapes += _pillar(dim, on_side(upper, side), on_side(lower, side), side)
        shapes += _transverse(dim, side)
        shapes += _lamina(dim, side)
    return shapes


def uncus_shapes(dim: Dimensions) -> list[Shape]:
    """Uncinate processes: ridges along the sides of the upper endplate, highest behind its middle."""
    if dim.uncus <= 0.5 * mm:
        return []
    shapes = []
    r, top = 0.5 * dim.upper_width + 1.5 * mm, 0.5 * dim.height
    for side in (1.0, -1.0):
        start = np.array([side * (r - 0.8 * mm), -0.30 * dim.depth, top - 1.0 * mm])
        end = np.array([side * (r - 0.6 * mm), 0.20 * dim.depth, top - 1.8 * mm])
        axes = frame_along(end - start, up=(0.30 * side, 0.0, 1.0))
        half = np.array([0.5 * float(np.linalg.norm(end - start)) + 1.5 * mm, 1.7 * mm, dim.uncus + 1.0 * mm])
        shapes.append(ellipsoid(0.5 * (start + end), half * [1.15, 1.0, 1.0], axes))
    return shapes


def transverse_foramen(dim: Dimensions, side: float) -> Array:
    """Centre (3,) [m] of the transverse foramen, beside the body in front of the pedicle."""
    centre = pedicle_centre(dim, side)
    return np.array([side * (abs(centre[0]) + 2.4 * mm), centre[1] + 6.8 * mm, 0.0])


def foramen_holes(dim: Dimensions) -> list[Shape]:
    """What is bored through the transverse processes for the vertebral arteries."""
    if dim.region != "cervical":
        return []
    up = np.array([0.0, 0.0, 12.0]) * mm
    places = [transverse_foramen(dim, side) for side in (1.0, -1.0)]
    return [bar(p - up, p + up, FORAMEN, FORAMEN * 0.92, up=(0.0, 1.0, 0.0)) for p in places]


def _pillar(dim: Dimensions, upper: Joint, lower: Joint, side: float) -> list[Shape]:
    """Lateral mass: a short column between the upper and the lower facet, both oblique."""
    half = facet_half(dim) * np.array([0.85, 0.95, 0.95])
    top = upper.centre - upper.normal * (0.5 * JOINT_GAP + half[0] - 0.6 * mm)
    low = lower.centre + lower.normal * (0.5 * JOINT_GAP + half[0] - 0.5 * mm)
    shapes = [ellipsoid(top, half, facet_axes(upper)), ellipsoid(low, half, facet_axes(lower))]
    return [*shapes, bar(top, low, 5.2 * mm, 4.4 * mm, up=(0.0, 1.0, 0.5))]


def _transverse(dim: Dimensions, side: float) -> list[Shape]:
    """Two bars around the foramen: the costal one from the body, the true one from the pillar, joined outside."""
    hole = transverse_foramen(dim, side)
    outer = 0.5 * dim.process_width - 2.0 * mm
    front = np.array([side * (outer - 0.8 * mm), hole[1] + 4.4 * mm, -2.5 * mm])
    behind = np.array([side * outer, hole[1] - 3.6 * mm - np.tan(dim.transverse_back) * 2 * mm, -2.5 * mm])
    body = np.array([side * 0.42 * dim.lower_width, hole[1] + 4.6 * mm, -1.0 * mm])
    pillar = pedicle_centre(dim, side) + np.array([side * 3.0, -2.0, -1.5]) * mm
    bars = [bar(body, front, 1.9 * mm, 2.8 * mm), bar(pillar, behind, 2.2 * mm, 2.8 * mm)]
    knobs = [ellipsoid(front, np.array([2.6, 2.4, 3.6]) * mm), ellipsoid(behind, np.array([2.6, 2.4, 3.0]) * mm)]
    return [*bars, *knobs, bar(front, behind, 1.7 * mm, 1.9 * mm)]


def _lamina(dim: Dimensions, side: float) -> list[Shape]:
    """From the pillar to the midline: the canal between them is a wide triangle."""
    back = -0.5 * dim.depth - dim.canal_depth
    start = np.array([side * (0.5 * dim.canal_width + 3.0 * mm), -0.5 * dim.depth - 0.62 * dim.canal_depth, -1.5 * mm])
    end = np.array([0.0, back - 1.6 * mm, -3.0 * mm])
    axes = frame_along(end - start, up=(0.0, 0.30, 1.0))
    half = np.array([0.5 * float(np.linalg.norm(end - start)) + 1.5 * mm, 2.0 * mm, 0.48 * dim.height])
    return [slab(0.5 * (start + end), half, axes, 1.6 * mm)]


def _forked_spine(dim: Dimensions) -> list[Shape]:
    back = -0.5 * dim.depth - dim.canal_depth
    start = np.array([0.0, back - 1.5 * mm, -3.0 * mm])
    tip = np.array([0.0, -0.5 * dim.depth - dim.reach + 2.5 * mm, -dim.drop])
    axes = frame_along(tip - start)
    tall = 0.34 * dim.height
    length = float(np.linalg.norm(tip - start))
    plate = slab(0.5 * (start + tip), [0.5 * length, 2.0 * mm, tall], axes, 1.7 * mm)
    if dim.reach > FORKED:
        return [plate, ellipsoid(tip, np.array([4.2 * mm, 3.0 * mm, tall + 1.5 * mm]))]
    split = start + 0.60 * (tip - start)
    prongs = [bar(split, tip + np.array([side * 4.4, 0.0, 0.5]) * mm, 2.0 * mm, 2.6 * mm) for side in (1.0, -1.0)]
    return [plate, *prongs]
