"""Where a needle lies: through which compartments, how deep the tip, what it breaches (findings, not errors)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import GeometryError, PlacementError
from vertebro.grid import VoxelGrid
from vertebro.procedure.breach import BONE, Breach, Grade, find_breaches, labels_at, station_count
from vertebro.procedure.needle import Needle
from vertebro.tissue import Compartment
from vertebro.units import mm

Float = NDArray[np.float64]
Int = NDArray[np.integer[Any]]


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


def check_placement(
    needle: Needle,
    grid: VoxelGrid,
    compartment: Int,
    *,
    anterior_wall: float,
    posterior_wall: float,
    anywhere: bool = False,
) -> Placement:
    """Judge a needle against the compartments it crosses.

    Parameters
    ----------
    needle : Needle
    grid : VoxelGrid
    compartment : (…) integer array of `Compartment`
    anterior_wall, posterior_wall : float [m]
        a-coordinates of the walls.
    anywhere : bool
        Judge a needle whose tip is not (yet) in the body as well.

    Raises
    ------
    PlacementError
        If the tip lies outside the grid or outside the vertebral body, unless it may lie anywhere.
    GeometryError
        If the array does not fit the grid or the walls are out of order.
    """
    grid.check(compartment, "compartment")
    if not posterior_wall < anterior_wall:
        raise GeometryError(
            "walls out of order", where="walls", value=(posterior_wall, anterior_wall), allowed="rising"
        )
    compartment = _without_veins(compartment)
    if anywhere:
        place = int(labels_at(needle.tip, grid, compartment))
        tip_compartment = "outside" if place < 0 else Compartment(place).name.lower()
    else:
        tip_compartment = _check_tip(needle, grid, compartment)
    count = station_count(needle, grid)
    axis = needle.entry + ((np.arange(count) + 0.5) * needle.length / count)[:, None] * needle.direction
    labels = labels_at(axis, grid, compartment)
    lengths = _path_lengths(labels, needle.length / count)
    breaches = find_breaches(needle, axis, labels, grid, compartment)
    return Placement(
        needle=needle.name,
        length=needle.length,
        length_in_bone=sum(lengths.get(c.name.lower(), 0.0) for c in BONE),
        tip_compartment=tip_compartment,
        depth_fraction=float((needle.tip[1] - posterior_wall) / (anterior_wall - posterior_wall)),
        lateral_offset=float(needle.tip[0]),
        anterior_reserve=_reserve(needle, grid, compartment),
        path_lengths=lengths,
        breaches=breaches,
        grade=max((b.grade for b in breaches), default="A"),
    )


def _without_veins(compartment: Int) -> Int:
    """Veins run in spaces that matter more to a needle: the epidural plexus is canal, segmental veins lie beside."""
    out = np.array(compartment)
    out[compartment == Compartment.VEIN_BASIVERTEBRAL] = Compartment.CANAL
    out[compartment == Compartment.VEIN_SEGMENTAL] = Compartment.PARAVERTEBRAL
    return out


def _check_tip(needle: Needle, grid: VoxelGrid, compartment: Int) -> str:
    where = f"needle {needle.name!r}"
    try:
        cell = grid.nearest(needle.tip)
    except GeometryError as problem:
        raise PlacementError(
            "the tip lies outside the simulated region", where=where, value=problem.value, allowed=problem.allowed
        ) from problem
    inside = Compartment(int(compartment[cell]))
    if inside != Compartment.BODY:
        raise PlacementError(
            "the tip is not in the vertebral body",
            where=where,
            value=f"{inside.name.lower()} at {np.round(needle.tip / mm, 1).tolist()} mm",
            allowed="body",
            hint="change the target depth or the approach, or advance the needle",
        )
    return inside.name.lower()


def _path_lengths(labels: NDArray[np.int64], step: float) -> dict[str, float]:
    numbers, counts = np.unique(labels, return_counts=True)
    names = ("outside" if n < 0 else Compartment(int(n)).name.lower() for n in numbers)
    return {name: float(count * step) for name, count in zip(names, counts, strict=True)}


def _reserve(needle: Needle, grid: VoxelGrid, compartment: Int) -> float:
    """Body in front of the tip along the needle's direction [m]."""
    step = min(grid.spacing) / 4.0
    steps = np.arange(0.0, 0.1, step)
    labels = labels_at(needle.tip + steps[:, None] * needle.direction, grid, compartment)
    outside = labels != Compartment.BODY
    return float(steps[int(np.argmax(outside))]) if outside.any() else float(steps[-1])


def _mm(length: float) -> float:
    return round(length / mm, 3)
