"""Where a needle lies: through which compartments, how deep the tip, what it breaches (findings, not errors)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vertebro.errors import GeometryError, PlacementError
from vertebro.grid import VoxelGrid
from vertebro.procedure.needle import Needle
from vertebro.sources import Constant
from vertebro.tissue import Compartment
from vertebro.units import mm

Float = NDArray[np.float64]
Int = NDArray[np.integer[Any]]
Grade = Literal["A", "B", "C", "D", "E"]

GRADE_STEP = Constant(
    2 * mm, "m", 2 * mm, 2 * mm, "gertzbein1990", "recalled", "A none, B < 2, C < 4, D < 6, E >= 6 mm"
)
UNRESOLVED = Constant(0.35, "1", 0.0, 0.5, "vertebro", "ours", "intrusion below this share of a voxel is not seen")
_BONE = (Compartment.BODY, Compartment.ARCH, Compartment.TRACK, Compartment.VEIN_BASIVERTEBRAL)
_NEVER = (
    Compartment.CANAL,
    Compartment.FORAMEN_LEFT,
    Compartment.FORAMEN_RIGHT,
    Compartment.DISC_SUPERIOR,
    Compartment.DISC_INFERIOR,
)
_RING = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Breach:
    """A place the needle's surface should not be.

    Attributes
    ----------
    compartment : str
        ``"canal"``, ``"foramen_left"`` …; ``"paravertebral"`` after the needle had entered bone.
    depth : float [m]
        Deepest intrusion of the needle's surface, to about a third of a voxel.
    length : float [m]
        Length of the shaft that intrudes.
    grade : str
        Gertzbein-Robbins, from the depth (gertzbein1990).
    """

    compartment: str
    depth: float
    length: float
    grade: Grade


@dataclass(frozen=True, kw_only=True, slots=True)
class Placement:
    """What can be said about a needle in an anatomy.

    Attributes
    ----------
    needle : str
    length, length_in_bone : float [m]
        Skin to tip; part of it in bone.
    tip_compartment : str
    depth_fraction : float [1]
        Tip between the posterior (0) and the anterior wall (1).
    lateral_offset : float [m]
        r-coordinate of the tip: left is negative.
    anterior_reserve : float [m]
        Body left in front of the tip along the needle.
    path_lengths : dict
        Compartment name → length of the axis in it [m]; ``"outside"`` is beyond the grid.
    breaches : tuple of Breach
    grade : str
        Worst grade of all breaches, ``"A"`` without any.
    """

    needle: str
    length: float
    length_in_bone: float
    tip_compartment: str
    depth_fraction: float
    lateral_offset: float
    anterior_reserve: float
    path_lengths: dict[str, float]
    breaches: tuple[Breach, ...]
    grade: Grade

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, lengths in millimetres."""
        return {
            "needle": self.needle,
            "length_mm": _mm(self.length),
            "length_in_bone_mm": _mm(self.length_in_bone),
            "tip_compartment": self.tip_compartment,
            "depth_fraction": round(self.depth_fraction, 4),
            "lateral_offset_mm": _mm(self.lateral_offset),
            "anterior_reserve_mm": _mm(self.anterior_reserve),
            "path_mm": {name: _mm(length) for name, length in self.path_lengths.items()},
            "breaches": [
                {"compartment": b.compartment, "depth_mm": _mm(b.depth), "length_mm": _mm(b.length), "grade": b.grade}
                for b in self.breaches
            ],
            "grade": self.grade,
        }


def gertzbein_robbins_1990(depth: float) -> Grade:
    """Grade of a pedicle breach by its depth [m]: A none, B below 2 mm, C below 4, D below 6, E from 6 on."""
    if depth <= 0.0:
        return "A"
    grades: tuple[Grade, ...] = ("B", "C", "D", "E")
    return grades[min(math.floor(depth / GRADE_STEP + 1e-9), 3)]


def check_placement(
    needle: Needle, grid: VoxelGrid, compartment: Int, *, anterior_wall: float, posterior_wall: float
) -> Placement:
    """Judge a needle against the compartments it crosses.

    Parameters
    ----------
    needle : Needle
    grid : VoxelGrid
    compartment : (…) integer array of `Compartment`
    anterior_wall, posterior_wall : float [m]
        a-coordinates of the walls.

    Raises
    ------
    PlacementError
        If the tip lies outside the grid or outside the vertebral body.
    GeometryError
        If the array does not fit the grid or the walls are out of order.
    """
    grid.check(compartment, "compartment")
    if not posterior_wall < anterior_wall:
        raise GeometryError(
            "walls out of order", where="walls", value=(posterior_wall, anterior_wall), allowed="rising"
        )
    tip_compartment = _check_tip(needle, grid, compartment)
    count = _stations(needle, grid)
    axis = needle.entry + ((np.arange(count) + 0.5) * needle.length / count)[:, None] * needle.direction
    labels = _labels_at(axis, grid, compartment)
    lengths = _path_lengths(labels, needle.length / count)
    breaches = _breaches(needle, axis, labels, grid, compartment)
    return Placement(
        needle=needle.name,
        length=needle.length,
        length_in_bone=sum(lengths.get(c.name.lower(), 0.0) for c in _BONE),
        tip_compartment=tip_compartment,
        depth_fraction=float((needle.tip[1] - posterior_wall) / (anterior_wall - posterior_wall)),
        lateral_offset=float(needle.tip[0]),
        anterior_reserve=_reserve(needle, grid, compartment),
        path_lengths=lengths,
        breaches=breaches,
        grade=max((b.grade for b in breaches), default="A"),
    )


def _check_tip(needle: Needle, grid: VoxelGrid, compartment: Int) -> str:
    where = f"needle {needle.name!r}"
    try:
        cell = grid.nearest(needle.tip)
    except GeometryError as problem:
        raise PlacementError(
            "the tip lies outside the simulated region", where=where, value=problem.value, allowed=problem.allowed
        ) from problem
    inside = Compartment(int(compartment[cell]))
    if inside not in (Compartment.BODY, Compartment.VEIN_BASIVERTEBRAL):
        raise PlacementError(
            "the tip is not in the vertebral body",
            where=where,
            value=f"{inside.name.lower()} at {np.round(needle.tip / mm, 1).tolist()} mm",
            allowed="body",
            hint="change the target depth or the approach, or advance the needle",
        )
    return inside.name.lower()


def _labels_at(points: Float, grid: VoxelGrid, compartment: Int) -> NDArray[np.int64]:
    """(…) compartment numbers at world points (…, 3); -1 outside the grid."""
    index = np.rint(grid.index(points)).astype(np.int64)
    inside = np.all((index >= 0) & (index < grid.shape), axis=-1)
    safe = np.where(inside[..., None], index, 0)
    return np.where(inside, compartment[safe[..., 0], safe[..., 1], safe[..., 2]].astype(np.int64), -1)


def _stations(needle: Needle, grid: VoxelGrid) -> int:
    return max(1, math.ceil(2.0 * needle.length / min(grid.spacing)))


def _path_lengths(labels: NDArray[np.int64], step: float) -> dict[str, float]:
    numbers, counts = np.unique(labels, return_counts=True)
    names = ("outside" if n < 0 else Compartment(int(n)).name.lower() for n in numbers)
    return {name: float(count * step) for name, count in zip(names, counts, strict=True)}


def _breaches(
    needle: Needle, axis: Float, labels: NDArray[np.int64], grid: VoxelGrid, compartment: Int
) -> tuple[Breach, ...]:
    ring = _labels_at(_ring(needle, axis), grid, compartment)
    found = (_breach(needle, axis, ring, target, grid, compartment) for target in _NEVER)
    bone = np.flatnonzero(np.isin(labels, _BONE))
    outside = None
    if bone.size:
        # the oblique entry into bone is no breach: judge from one needle diameter behind the first contact
        step = needle.length / len(axis)
        start = bone[0] + math.ceil(needle.outer_diameter / step)
        outside = _breach(needle, axis[start:], ring[start:], Compartment.PARAVERTEBRAL, grid, compartment)
    return tuple(breach for breach in (*found, outside) if breach is not None)


def _ring(needle: Needle, axis: Float) -> Float:
    """(stations, ring, 3) points on the needle's surface."""
    direction = needle.direction
    side = np.cross(direction, [0.0, 0.0, 1.0] if abs(direction[2]) < 0.9 else [1.0, 0.0, 0.0])
    side /= np.linalg.norm(side)
    angle = 2.0 * math.pi * np.arange(_RING) / _RING
    circle = np.cos(angle)[:, None] * side + np.sin(angle)[:, None] * np.cross(direction, side)
    return np.asarray(axis[:, None, :] + needle.outer_diameter / 2.0 * circle)


def _breach(
    needle: Needle, axis: Float, ring: NDArray[np.int64], target: Compartment, grid: VoxelGrid, compartment: Int
) -> Breach | None:
    hits = ring == target
    if not hits.any():
        return None
    depths = _depth_inside(_ring(needle, axis)[hits], compartment == target, grid)
    deep = depths > UNRESOLVED * min(grid.spacing)
    if not deep.any():
        return None
    depth, stations = float(depths.max()), np.unique(np.nonzero(hits)[0][deep]).size
    length = float(stations * needle.length / _stations(needle, grid))
    return Breach(compartment=target.name.lower(), depth=depth, length=length, grade=gertzbein_robbins_1990(depth))


def _depth_inside(points: Float, mask: NDArray[np.bool_], grid: VoxelGrid) -> Float:
    """(n,) signed distance [m] of points to a mask's border, positive inside, linear between voxel centres."""
    index = grid.index(points)
    pad = np.ceil(12 * mm / np.asarray(grid.spacing)).astype(int)
    low = np.maximum(np.floor(index.min(axis=0)).astype(int) - pad, 0)
    high = np.minimum(np.ceil(index.max(axis=0)).astype(int) + pad + 1, grid.shape)
    box = mask[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    half = min(grid.spacing) / 2.0
    inside = ndimage.distance_transform_edt(box, sampling=grid.spacing) - half
    outside = ndimage.distance_transform_edt(~box, sampling=grid.spacing) - half
    signed = np.where(box, inside, -outside)
    return np.asarray(ndimage.map_coordinates(signed, (index - low).T, order=1, mode="nearest"))


def _reserve(needle: Needle, grid: VoxelGrid, compartment: Int) -> float:
    """Body in front of the tip along the needle's direction [m]."""
    step = min(grid.spacing) / 4.0
    steps = np.arange(0.0, 0.1, step)
    labels = _labels_at(needle.tip + steps[:, None] * needle.direction, grid, compartment)
    outside = ~np.isin(labels, (Compartment.BODY, Compartment.VEIN_BASIVERTEBRAL))
    return float(steps[int(np.argmax(outside))]) if outside.any() else float(steps[-1])


def _mm(length: float) -> float:
    return round(length / mm, 3)
