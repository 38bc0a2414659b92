"""Where a needle's surface lies in places it should not be, how deep and how far (gertzbein1990)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

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
REVISE = Constant(4 * mm, "m", 3 * mm, 6 * mm, "gertzbein1990", "seen", "deficits were reported beyond 4 mm")
BONE = (Compartment.BODY, Compartment.ARCH, Compartment.TRACK)
_NEVER = (
    Compartment.CANAL,
    Compartment.FORAMEN_LEFT,
    Compartment.FORAMEN_RIGHT,
    Compartment.DISC_SUPERIOR,
    Compartment.DISC_INFERIOR,
    Compartment.JOINT,
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


def gertzbein_robbins_1990(depth: float) -> Grade:
    """Grade of a pedicle breach by its depth [m]: A none, B below 2 mm, C below 4, D below 6, E from 6 on."""
    if depth <= 0.0:
        return "A"
    grades: tuple[Grade, ...] = ("B", "C", "D", "E")
    return grades[min(math.floor(depth / GRADE_STEP + 1e-9), 3)]


def heary_2004(tip_compartment: str, breaches: Sequence[Breach]) -> int:
    """Grade of a needle by where it breaches (heary2004): 1 none, 2 lateral with the tip in the body, 3 the tip outside
    in front or beside, 4 medial or inferior, 5 so deep that it must be revised at once."""
    nerve = [b.depth for b in breaches if b.compartment in ("canal", "foramen_left", "foramen_right")]
    if nerve:
        return 5 if max(nerve) >= REVISE - 1e-9 else 4
    if tip_compartment not in ("body", "arch", "track"):
        return 3
    return 2 if breaches else 1


def find_breaches(
    needle: Needle, axis: Float, labels: NDArray[np.int64], grid: VoxelGrid, compartment: Int
) -> tuple[Breach, ...]:
    """Breaches of a needle whose axis points (n, 3) carry compartment `labels` (n,)."""
    ring = labels_at(surface_points(needle, axis), grid, compartment)
    found = (_breach(needle, axis, ring, target, grid, compartment) for target in _NEVER)
    bone = np.flatnonzero(np.isin(labels, BONE))
    outside = None
    if bone.size:
        # the oblique entry into bone is no breach: judge from one needle diameter behind the first contact
        step = needle.length / len(axis)
        start = bone[0] + math.ceil(needle.outer_diameter / step)
        outside = _breach(needle, axis[start:], ring[start:], Compartment.PARAVERTEBRAL, grid, compartment)
    return tuple(breach for breach in (*found, outside) if breach is not None)


def surface_points(needle: Needle, axis: Float) -> Float:
    """(n, 16, 3) points [m] on the needle's surface around points (n, 3) of its axis."""
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
    depths = _depth_inside(surface_points(needle, axis)[hits], compartment == target, grid)
    deep = depths > UNRESOLVED * min(grid.spacing)
    if not deep.any():
        return None
    depth, stations = float(depths.max()), np.unique(np.nonzero(hits)[0][deep]).size
    length = float(stations * needle.length / station_count(needle, grid))
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


def labels_at(points: Float, grid: VoxelGrid, compartment: Int) -> NDArray[np.int64]:
    """(…) compartment numbers at world points (…, 3); -1 outside the grid."""
    index = np.rint(grid.index(points)).astype(np.int64)
    inside = np.all((index >= 0) & (index < grid.shape), axis=-1)
    safe = np.where(inside[..., None], index, 0)
    return np.where(inside, compartment[safe[..., 0], safe[..., 1], safe[..., 2]].astype(np.int64), -1)


def station_count(needle: Needle, grid: VoxelGrid) -> int:
    """Number of points along the shaft, two per voxel."""
    return max(1, math.ceil(2.0 * needle.length / min(grid.spacing)))
