"""A stack of vertebrae: poses by disc height and lordosis, facet joints, canal, foramina and discs between them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from vertebro.anatomy.parametric_dimensions import ORDER, Dimensions, Sex, dimensions
from vertebro.anatomy.parametric_vertebra import Joint, body_outline, upper_joint
from vertebro.anatomy.shapes import Pose, Shape, bar, ellipsoid, smooth_max
from vertebro.units import mm

Array = NDArray[Any]
ROOF = {"cervical": 0.42, "thoracic": 0.06, "lumbar": 0.18}  # how far the canal's section is a triangle
L1_TILT = 0.20  # rad; L1's front looks up a little in the patient's frame
SACRAL_TILT = 0.12  # rad; further than the lumbosacral disc's wedge


@dataclass(frozen=True, slots=True)
class Bone:
    """One vertebra of the stack: dimensions, place and its right facet joints in its own frame."""

    level: str
    dim: Dimensions
    pose: Pose
    upper: Joint
    lower: Joint


@dataclass(frozen=True, slots=True)
class Column:
    """Bones from top to bottom; the target's pose is the identity.

    Attributes
    ----------
    bones : tuple of Bone
    target : int
        Index of the target level.
    place : Pose
        Of the target in the patient's frame, whose origin is L1's centre: the same patient seen from any level.
    """

    bones: tuple[Bone, ...]
    target: int
    place: Pose

    @property
    def main(self) -> Bone:
        """The target vertebra."""
        return self.bones[self.target]

    @property
    def links(self) -> tuple[tuple[Bone, Bone], ...]:
        """Neighbouring bones, upper and lower, from the top; the last one is L5 with the sacrum's first segment."""
        last = self.bones[-1]
        below = (*self.bones[1:], replace(last, level="S1", pose=sacral_pose(last)))
        return tuple(zip(self.bones, below, strict=True))

    @property
    def patient(self) -> Pose:
        """Place of the patient's frame in the target's."""
        return seen_from(self.place, Pose())

    @property
    def patient_from_world(self) -> Array:
        """(4, 4) transform from the target's frame to the patient's."""
        c, n = np.cos(self.place.angle), np.sin(self.place.angle)
        return np.array([[1, 0, 0, 0], [0, c, -n, self.place.a], [0, n, c, self.place.s], [0, 0, 0, 1.0]])


def build_column(level: str, *, sex: Sex, stature: float | None, sizes: dict[str, Dimensions] | None = None) -> Column:
    """Stack C3…L5 around the target level.

    Parameters
    ----------
    sizes : dict of Dimensions, optional
        Of every level; the means of sex and stature when left out.

    Raises
    ------
    CaseError
        If the level, sex or stature is not known.
    """
    dimensions(level, sex=sex, stature=stature)
    dims = sizes or {name: dimensions(name, sex=sex, stature=stature) for name in ORDER}
    target, base = ORDER.index(level), ORDER.index("L1")
    places: dict[int, Pose] = {base: Pose(angle=L1_TILT)}
    for i in range(base + 1, len(ORDER)):
        places[i] = next_below(places[i - 1], dims[ORDER[i - 1]], dims[ORDER[i]])
    for i in range(base - 1, -1, -1):
        places[i] = _above(places[i + 1], dims[ORDER[i + 1]], dims[ORDER[i]])
    poses = {i: seen_from(places[target], places[i]) for i in places}
    uppers = [upper_joint(dims[n], dims[ORDER[max(i - 1, 0)]].disc) for i, n in enumerate(ORDER)]
    bones = []
    for i, name in enumerate(ORDER):
        below = min(i + 1, len(ORDER) - 1)
        lower = (
            _seen_from(poses[i], poses[below], uppers[below]) if below > i else _default_lower(dims[name], uppers[i])
        )
        bones.append(Bone(name, dims[name], poses[i], uppers[i], lower))
    return Column(tuple(bones), target, places[target])


def seen_from(own: Pose, other: Pose) -> Pose:
    """Another pose in the frame of one's own."""
    if own is other:
        return Pose()
    centre = own.from_world([0.0, other.a, other.s])
    return Pose(float(centre[1]), float(centre[2]), other.angle - own.angle)


def _tilt(upper: Dimensions, lower: Dimensions) -> float:
    wedges = [d.height * (d.front_ratio - 1.0) / d.depth for d in (upper, lower)]
    return upper.disc_wedge + 0.5 * sum(wedges)


def next_below(pose: Pose, upper: Dimensions, lower: Dimensions) -> Pose:
    """Pose of the vertebra under another one."""
    middle = pose.to_world([0.0, 0.0, -0.5 * (upper.height + upper.disc)])
    turned = Pose(middle[1], middle[2], pose.angle - _tilt(upper, lower))
    centre = turned.to_world([0.0, 0.0, -0.5 * (lower.height + upper.disc)])
    return Pose(float(centre[1]), float(centre[2]), turned.angle)


def _above(pose: Pose, lower: Dimensions, upper: Dimensions) -> Pose:
    middle = pose.to_world([0.0, 0.0, 0.5 * (lower.height + upper.disc)])
    turned = Pose(middle[1], middle[2], pose.angle + _tilt(upper, lower))
    centre = turned.to_world([0.0, 0.0, 0.5 * (upper.height + upper.disc)])
    return Pose(float(centre[1]), float(centre[2]), turned.angle)


def _seen_from(own: Pose, other: Pose, joint: Joint) -> Joint:
    """A joint given in another bone's frame, in the own frame."""
    centre = own.from_world(other.to_world(joint.centre))
    tip = own.from_world(other.to_world(joint.centre + joint.normal))
    return Joint(centre, tip - centre)


def sacral_pose(last: Bone) -> Pose:
    """Place of the first sacral segment below the last lumbar vertebra."""
    place = next_below(last.pose, last.dim, last.dim)
    return Pose(place.a, place.s, place.angle - SACRAL_TILT)


def _default_lower(dim: Dimensions, upper: Joint) -> Joint:
    """Joint below the last bone (lumbosacral)."""
    drop = dim.height + dim.disc
    return Joint(upper.centre - np.array([0.0, 0.0, drop]), upper.normal)


@dataclass(frozen=True, slots=True)
class Canal:
    """Spinal canal as a curved tube: centre and half axes over s."""

    knots: Array
    centre: PchipInterpolator
    half_width: PchipInterpolator
    half_depth: PchipInterpolator
    roof: PchipInterpolator

    def distance(self, r: Array, a: Array, s: Array, shrink: float = 0.0) -> Array:
        """Signed distance [m]; `shrink` takes a layer off all around (dural sac)."""
        line = np.clip(np.asarray(s, float), self.knots[0], self.knots[-1])
        width = (self.half_width(line) - shrink).astype(np.float32)
        depth = (self.half_depth(line) - shrink).astype(np.float32)
        x, y = r / width, (a - self.centre(line).astype(np.float32)) / depth
        narrow = self.roof(line).astype(np.float32)  # the roof is narrower than the floor; the largest width is kept
        wide = x * (1 - narrow * np.clip(y, -1, 1)) / np.sqrt(1 - narrow * narrow)
        level = np.sqrt(wide * wide + y * y + np.float32(1e-6))
        slope = np.sqrt((wide / width) ** 2 + (y / depth) ** 2 + np.float32(1e-2))
        return np.asarray(level * (level - 1) / slope)


def build_canal(column: Column) -> Canal:
    """Thread the canal through the stack: widest between the pedicles, narrower at the discs."""
    rows = []
    for n, b in enumerate(column.bones):
        back = -0.5 * b.dim.depth
        half = 0.5 * b.dim.canal_depth
        lean, roof = 1.0 / np.cos(b.pose.angle), ROOF[b.dim.region]
        place = b.pose.to_world([0.0, back - half, 2.0 * mm])
        rows.append((place, 0.5 * b.dim.canal_width, half * lean, roof))
        if n + 1 < len(column.bones):
            low = -0.5 * (b.dim.height + b.dim.disc)
            place = b.pose.to_world([0.0, back - half - 0.5 * mm, low])
            share = 0.43 + 0.07 * (b.dim.region != "lumbar")
            rows.append((place, share * b.dim.canal_width, 0.94 * half * lean, roof))
    last = column.bones[-1]
    sacral = sacral_pose(last)
    for drop, shift in ((2.0, 0.0), (-28.0, -10.0)):
        place = sacral.to_world([0.0, -0.5 * last.dim.depth - 7.0 * mm + shift * mm, drop * mm])
        rows.append((place, 0.42 * last.dim.canal_width, 6.5 * mm, ROOF["lumbar"]))
    rows.sort(key=lambda row: float(row[0][2]))
    s = np.array([row[0][2] for row in rows])
    curves = [np.array([row[0][1] for row in rows]), *(np.array([row[i] for row in rows]) for i in (1, 2, 3))]
    return Canal(s, *(PchipInterpolator(s, c) for c in curves))


def foramen_shape(upper: Bone, lower: Bone, side: float) -> Shape:
    """Intervertebral foramen between two bones: a tunnel sideways, taller than deep."""
    top = upper.pose.to_world(_pedicle_floor(upper.dim))
    low = lower.pose.to_world([0.0, -0.5 * lower.dim.depth - 4.0 * mm, 0.5 * lower.dim.height])
    middle = 0.5 * (top + low)
    inner, outer = 0.35 * upper.dim.canal_width, 0.5 * upper.dim.canal_width + upper.dim.pedicle_width + 1.0 * mm
    tall = 0.5 * float(np.linalg.norm(top - low)) + 1.0 * mm
    start, end = middle.copy(), middle.copy()
    start[0], end[0] = side * inner, side * outer
    return bar(start, end, 5.5 * mm, tall)


def root_shapes(upper: Bone, side: float) -> list[Shape]:
    """Nerve root and ganglion under the upper pedicle of a foramen."""
    start = np.array(
        [side * 0.30 * upper.dim.canal_width, -0.5 * upper.dim.depth - 0.4 * upper.dim.canal_depth, -2.0 * mm]
    )
    ganglion = _pedicle_floor(upper.dim) + np.array(
        [side * (0.5 * upper.dim.canal_width + 3.0 * mm), -1.0 * mm, -3.5 * mm]
    )
    end = ganglion + np.array([side * 14.0, 6.0, -12.0]) * mm
    to_world = upper.pose.to_world
    return [
        bar(to_world(start), to_world(ganglion), 1.8 * mm, 1.8 * mm),
        ellipsoid(to_world(ganglion), np.array([4.5, 2.8, 2.8]) * mm),
        bar(to_world(ganglion), to_world(end), 1.8 * mm, 1.8 * mm),
    ]


def _pedicle_floor(dim: Dimensions) -> Array:
    return np.array([0.0, -0.5 * dim.depth - 4.0 * mm, 0.5 * dim.height - dim.pedicle_height - 0.5 * mm])


def disc_shape(upper: Bone, lower: Bone, shrink: float = 0.0) -> tuple[Shape, Pose]:
    """Disc between two bones, reaching into both endplates (bones are painted over it), and its pose."""
    outline = body_outline(lower.dim)
    place = upper.pose.to_world([0.0, 0.0, -0.5 * (upper.dim.height + upper.dim.disc)])
    pose = Pose(float(place[1]), float(place[2]), 0.5 * (upper.pose.angle + lower.pose.angle))
    half = 0.5 * upper.dim.disc + 3.5 * mm

    def distance(r: Array, a: Array, s: Array) -> Array:
        rho, radius, cosine, _ = outline.polar(r, a)
        side = (rho - radius * np.float32(0.985 - shrink)) * cosine
        return smooth_max(side, np.abs(s) - np.float32(half), 2.0 * mm)

    reach = np.array([0.55 * lower.dim.upper_width, 0.56 * lower.dim.depth, half])
    return Shape(distance, -reach, reach), pose
