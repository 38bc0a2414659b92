"""One vertebra as signed-distance shapes in its own frame: kidney-shaped body, pedicles, laminae, processes."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from vertebro.anatomy.parametric_dimensions import Dimensions
from vertebro.anatomy.shapes import Shape, bar, cross, ellipsoid, frame_along, slab, smooth_max
from vertebro.units import mm

Array = NDArray[Any]
JOINT_GAP = 1.6 * mm  # cartilage and fluid between the bony facets
# right half of the axial outline from front to back: share of half width, share of half depth (front 1, back about −1)
_OUTLINE = np.array(
    [
        [0.00, 1.00],
        [0.30, 0.965],
        [0.58, 0.84],
        [0.82, 0.58],
        [0.96, 0.22],
        [1.00, -0.14],
        [0.97, -0.46],
        [0.86, -0.76],
        [0.68, -0.95],
        [0.48, -0.985],
        [0.25, -0.93],
        [0.00, -0.895],
    ]
)
# the same for a thoracic heart: widest far behind, at the ribs' joints, and narrow in front
_HEART = np.array(
    [
        [0.00, 1.00],
        [0.23, 0.955],
        [0.46, 0.81],
        [0.66, 0.56],
        [0.82, 0.22],
        [0.93, -0.14],
        [0.995, -0.48],
        [0.975, -0.78],
        [0.78, -0.96],
        [0.52, -0.99],
        [0.26, -0.93],
        [0.00, -0.895],
    ]
)
_BACK = float(-_OUTLINE[-1, 1])
RIM = 1.025  # outline over the measured width, which the rounding of the rim takes off again
WAIST = 0.15  # share by which the body is narrower at mid height, sides; front and back less
STRAIGHTER = np.array([0.82, 1.0, 0.86])  # of a pedicle's bar: fillets with its neighbours turn the outside back
BOWL = 2.2 * mm  # depth of the endplates' concavity


@dataclass(frozen=True, slots=True)
class Joint:
    """Right facet joint: centre (3,) [m] and the unit normal from the lower bone's facet to the upper bone's."""

    centre: Array
    normal: Array


class BodyOutline:
    """Axial outline of the vertebral body as a table over the polar angle, shared by body and discs."""

    def __init__(self, dim: Dimensions) -> None:
        half_width = RIM * 0.25 * (dim.upper_width + dim.lower_width)
        half_depth = RIM * dim.depth / (1.0 + _BACK)
        self.shift = half_depth * (1.0 - _BACK) / 2.0  # origin in the middle of the midline depth
        half = _OUTLINE + np.clip(dim.heart, 0.0, 1.0) * (_HEART - _OUTLINE)
        r = np.concatenate([half[:, 0], -half[-2:0:-1, 0]]) * half_width
        a = np.concatenate([half[:, 1], half[-2:0:-1, 1]]) * half_depth
        angle = np.unwrap(np.arctan2(r, a))
        rho = np.hypot(r, a)
        spline = CubicSpline(np.append(angle, angle[0] + 2 * np.pi), np.append(rho, rho[0]), bc_type="periodic")
        self.angle = np.linspace(-np.pi, np.pi, 721)
        wrapped = np.where(self.angle < angle[0], self.angle + 2 * np.pi, self.angle)
        self.radius = spline(wrapped)
        self.cosine = 1.0 / np.sqrt(1.0 + (spline(wrapped, 1) / self.radius) ** 2)
        self.waist = WAIST * (0.35 + 0.65 * np.sin(self.angle) ** 2)

    def polar(self, r: Array, a: Array) -> tuple[Array, Array, Array, Array]:
        """Distance from the axis [m], outline radius [m], cosine of its slope and waist share at (r, a)."""
        x = a + np.float32(self.shift)
        angle = np.arctan2(r, x)
        rho = np.sqrt(r * r + x * x)
        tables = (self.radius, self.cosine, self.waist)
        radius, cosine, waist = (np.interp(angle, self.angle, t).astype(np.float32) for t in tables)
        return rho, radius, cosine, waist


@functools.lru_cache(maxsize=64)
def body_outline(dim: Dimensions) -> BodyOutline:
    """The outline of these dimensions, made once."""
    return BodyOutline(dim)


def bowl_depth(dim: Dimensions) -> float:
    """Depth [m] of the endplates' concavity."""
    return BOWL * min(1.0, dim.height / (23.5 * mm))


def body_shape(dim: Dimensions) -> Shape:
    """Vertebral body: waisted kidney section, concave endplates with a rim, wedge as in the table."""
    outline = body_outline(dim)
    half = 0.5 * dim.height
    mean = 0.5 * (dim.upper_width + dim.lower_width)
    taper = 0.5 * (dim.upper_width - dim.lower_width) / mean
    slope = dim.height * (dim.front_ratio - 1.0) / dim.depth / 2.0

    def distance(r: Array, a: Array, s: Array) -> Array:
        rho, radius, cosine, waist = outline.polar(r, a)
        level = np.clip(s * np.float32(1 / half), -1.1, 1.1)
        size = radius * (1 + np.float32(taper) * level)
        side = (rho - size + radius * waist * (1 - np.abs(level) ** 2.5)) * cosine
        share = np.minimum(rho / radius, 1.0) ** 2
        bowl = np.float32(bowl_depth(dim)) * np.maximum(1 - share * np.float32(1.7), 0)
        top = np.float32(half) + np.float32(slope) * (a + np.float32(dim.depth / 2))
        ends = np.abs(s) - top + bowl
        return smooth_max(side, ends, 2.0 * mm)

    reach = np.array([0.57 * mean, 0.56 * dim.depth, half * max(1.0, dim.front_ratio) + 0.5 * mm])
    return Shape(distance, -reach, reach)


def upper_joint(dim: Dimensions, disc_above: float) -> Joint:
    """Right upper facet joint of a vertebra in its own frame: beside the canal, or behind it the more it is frontal."""
    frontal = float(np.sin(dim.facet)) ** 2
    r = 0.5 * dim.canal_width + 0.3 * dim.pedicle_width - 1.6 * mm + frontal * 1.2 * mm
    a = -0.5 * dim.depth - (0.76 + 0.18 * frontal) * dim.canal_depth
    s = 0.5 * dim.height + 0.5 * disc_above - 1.0 * mm
    if dim.region == "cervical":
        r, a = 0.5 * dim.canal_width + 6.5 * mm, -0.5 * dim.depth - 0.52 * dim.canal_depth
    return Joint(np.array([r, a, s]), facet_normal(dim))


def facet_normal(dim: Dimensions) -> Array:
    """Unit normal (3,) of the right upper facet, from this bone to the one above."""
    flat = np.cos(dim.facet_tilt)
    return np.array([-flat * np.cos(dim.facet), -flat * np.sin(dim.facet), np.sin(dim.facet_tilt)])


def pedicle_centre(dim: Dimensions, side: float) -> Array:
    """Centre (3,) [m] of the pedicle's isthmus; `side` is +1 right, −1 left."""
    r = 0.5 * (dim.canal_width + dim.pedicle_width)
    return np.array([side * r, -0.5 * dim.depth - 3.5 * mm, 0.5 * (dim.height - dim.pedicle_height) - 0.5 * mm])


def pedicle_axis(dim: Dimensions, side: float) -> Array:
    """Unit vector (3,) of the pedicle from the arch into the body."""
    axis = np.array([-side * np.tan(dim.pedicle_transverse), 1.0, -np.tan(dim.pedicle_sagittal)])
    return np.asarray(axis / np.linalg.norm(axis))


def arch_shapes(dim: Dimensions, upper: Joint, lower: Joint) -> list[Shape]:
    """Everything behind the body, both sides: pedicles, laminae, articular, transverse and spinous processes."""
    shapes = spinous(dim)
    for side in (1.0, -1.0):
        shapes += pedicle_shapes(dim, side)
        shapes += _upper_process(dim, on_side(upper, side), side)
        shapes += inferior_process(dim, on_side(lower, side), side)
        shapes += _lamina(dim, upper, side)
        shapes += _transverse(dim, side)
    return shapes


def inferior_process(dim: Dimensions, joint: Joint, side: float) -> list[Shape]:
    """Lower articular process and its stem; the bone below is carved by it to make the joint."""
    half = facet_half(dim)
    centre = joint.centre + joint.normal * (0.5 * JOINT_GAP + half[0] - 0.5 * mm)
    facet = ellipsoid(centre, half, facet_axes(joint))
    root = np.array([side * 0.36 * dim.canal_width, -0.5 * dim.depth - dim.canal_depth - 1.0 * mm, -4.0 * mm])
    stem = 4.2 * mm if dim.region == "lumbar" else 3.4 * mm
    return [facet, bar(root, centre, stem, stem)]


def facet_half(dim: Dimensions) -> Array:
    """Half thickness, width and height (3,) [m] of an articular process at its facet."""
    return np.array([3.9 * mm * (dim.facet_height / (15.5 * mm)) ** 0.6, 0.6 * dim.facet_width, 0.6 * dim.facet_height])


def on_side(joint: Joint, side: float) -> Joint:
    """The right joint, or its mirror image."""
    flip = np.array([side, 1.0, 1.0])
    return Joint(joint.centre * flip, joint.normal * flip)


def facet_axes(joint: Joint) -> Array:
    """Rows: a facet's normal, across and up."""
    across = cross(np.array([0.0, 0.0, 1.0]), joint.normal)
    across = across / np.linalg.norm(across)
    return np.stack([joint.normal, across, cross(joint.normal, across)])


def pedicle_shapes(dim: Dimensions, side: float) -> list[Shape]:
    """One pedicle: a bar of elliptic section, wider at both ends."""
    centre, axis = pedicle_centre(dim, side), pedicle_axis(dim, side)
    if dim.region != "cervical":
        tall = max(dim.pedicle_height / (12.5 * mm) - 1.0, 0.0) * (dim.region == "thoracic")
        wide = max(dim.pedicle_width / (13.0 * mm) - 1.0, 0.0)
        axis = axis * (STRAIGHTER - np.array([0.9 * wide, 0.0, 0.6 * tall]))
        axis = axis / np.linalg.norm(axis)
    half = 0.5 * dim.pedicle_width, 0.5 * dim.pedicle_height
    reach = (7.0 * mm, 8.0 * mm) if dim.region != "cervical" else (4.5 * mm, 6.0 * mm)
    return [bar(centre - reach[0] * axis, centre + reach[1] * axis, *half, flare=0.18)]


def _upper_process(dim: Dimensions, joint: Joint, side: float) -> list[Shape]:
    half = facet_half(dim) - np.array([0.3, 0.0, 0.0]) * mm
    centre = joint.centre - joint.normal * (0.5 * JOINT_GAP + half[0] - 0.6 * mm)
    facet = ellipsoid(centre - [0.0, 0.0, 0.5 * mm], half, facet_axes(joint))
    root = pedicle_centre(dim, side) + np.array([0.0, -8.0, -1.0]) * mm
    across, up = (4.0 * mm, 4.6 * mm) if dim.region == "lumbar" else (3.2 * mm, 3.6 * mm)
    return [facet, bar(root, centre, across, up)]


def _lamina(dim: Dimensions, upper: Joint, side: float) -> list[Shape]:
    """Lumbar laminae leave windows between the levels; thoracic ones are taller and shingled, and close them."""
    back = -0.5 * dim.depth - dim.canal_depth
    lumbar = dim.region == "lumbar"
    start = np.array([side * (upper.centre[0] + 0.5 * mm), back + 3.0 * mm, -1.5 * mm])
    end = np.array([0.0, back - 3.2 * mm, -6.0 * mm if lumbar else -0.32 * dim.height])
    axes = frame_along(end - start, up=(0.0, 0.28, 1.0))  # shingled: the upper edge lies in front
    thick, tall = (3.5 * mm, 0.36) if lumbar else (2.7 * mm, 0.46)
    half = np.array([0.5 * np.linalg.norm(end - start) + 2.0 * mm, thick, tall * dim.height])
    root = pedicle_centre(dim, side) + np.array([0.0, -7.0, -2.0]) * mm
    pars = bar(root, start + np.array([-side * 1.5, -1.0, -7.0]) * mm, 4.2 * mm, 4.8 * mm)
    return [slab(0.5 * (start + end), half, axes, 0.75 * thick), pars]


def transverse_line(dim: Dimensions, side: float) -> tuple[Array, Array]:
    """Root and end (3,) [m] of a transverse process's axis; the bone goes on for the end's half width."""
    root = pedicle_centre(dim, side) + np.array([0.0, -7.0, -4.0]) * mm
    lumbar = dim.region == "lumbar"
    if not lumbar:
        root[1] = -0.5 * dim.depth - 0.80 * dim.canal_depth
    across = 0.5 * dim.process_width - (2.6 if lumbar else 4.0) * mm
    away = across - abs(root[0])
    tip = np.array([side * across, root[1] - np.tan(dim.transverse_back) * away, root[2] + 1.0 * mm])
    return root, tip


def _transverse(dim: Dimensions, side: float) -> list[Shape]:
    root, tip = transverse_line(dim, side)
    if dim.region == "lumbar":
        middle = root + 0.45 * (tip - root)
        return [bar(root, middle, 3.6 * mm, 6.0 * mm), bar(middle, tip, 2.6 * mm, 4.2 * mm)]
    club = ellipsoid(tip - np.array([0.0, 0.0, 0.5 * mm]), np.array([4.2, 4.4, 5.4]) * mm)
    return [bar(root, tip, 3.4 * mm, 4.8 * mm), club]


def spinous(dim: Dimensions) -> list[Shape]:
    """Spinous process: a thin plate with a thicker lower border and end (a drop in the frontal view).

    The plate's height belongs to its root; where the process is steep (thoracic) it is a blade seen along its edge.
    """
    back = -0.5 * dim.depth - dim.canal_depth
    start = np.array([0.0, back - 2.5 * mm, -0.35 * dim.drop])
    tip = np.array([0.0, -0.5 * dim.depth - dim.reach, -dim.drop])
    steep = float(np.clip((dim.drop / dim.reach - 0.30) / 0.45, 0.0, 1.0))
    tip[2] -= 2.4 * mm * (dim.region == "thoracic")  # a leaning knob's hindmost point lies above its middle
    axes = frame_along(tip - start)
    tall = (0.43 - 0.20 * steep) * dim.height
    blunt = (1.0 + 3.0 * (1.0 - steep)) * mm  # a lumbar plate ends inside the knob, which rounds it
    end = tip - axes[0] * (abs(axes[0, 2]) * tall + blunt)  # the leaning plate's upper corner stays inside the knob
    plate = slab(0.5 * (start + end), [0.5 * float(np.linalg.norm(end - start)), 2.1 * mm, tall], axes, 1.9 * mm)
    low = axes[2] * (-tall + 3.5 * mm) if steep > 0 else np.array([0.0, 0.0, -tall + 3.5 * mm])
    keel = bar(start + low, tip + low - axes[0] * 3.0 * mm, 3.4 * mm, 4.0 * mm - steep * mm)
    frame = axes if steep > 0 else np.eye(3)[[1, 0, 2]]
    long = (7.0 - 3.1 * steep) * mm
    half = np.array([long, 4.3 * mm - 0.8 * steep * mm, tall + 0.5 * mm])
    edge = ellipsoid(tip - axes[0] * (long - 0.3 * mm) + frame[2] * -1.5 * mm, half, frame)
    return [plate, keel, edge]
