"""What a vertebra of a level should look like: distances to its parts on a small grid, from the generated column."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.parametric_column import Bone, build_canal, build_column
from vertebro.anatomy.parametric_dimensions import PUBLISHED
from vertebro.anatomy.parametric_vertebra import arch_shapes, body_shape
from vertebro.anatomy.shapes import coordinates, evaluate
from vertebro.errors import DataError
from vertebro.grid import VoxelGrid
from vertebro.units import mm

Floats = NDArray[np.float32]
_LOW, _HIGH = np.array([-56.0, -86.0, -50.0]) * mm, np.array([56.0, 34.0, 50.0]) * mm
_NEAR = 12 * mm  # distances farther out are not exact
SPACING = 2.0 * mm


@dataclass(frozen=True, slots=True)
class Template:
    """Signed distances [m], negative inside, on one grid in the vertebra's own frame (float32 arrays).

    Attributes
    ----------
    level : str
    grid : VoxelGrid
    body, bone : the vertebral body; the whole vertebra
    canal : the spinal canal
    others : the vertebrae above and below
    """

    level: str
    grid: VoxelGrid
    body: Floats
    bone: Floats
    canal: Floats
    others: Floats

    @property
    def body_volume(self) -> float:
        """Of the mean vertebra [m³]."""
        return float(np.count_nonzero(self.body < 0) * self.grid.voxel_volume)


@functools.lru_cache(maxsize=8)
def build_template(level: str) -> Template:
    """The mean vertebra of a level with its neighbours.

    Raises
    ------
    DataError
        If the generator does not know the level.
    """
    if level not in PUBLISHED:
        raise DataError(
            "the built-in segmentation has no shape for this level",
            where="level",
            value=level,
            allowed=", ".join(PUBLISHED),
            hint="segment it with TotalSegmentator and give --labels",
        )
    column = build_column(level, sex="mean", stature=None)
    grid = VoxelGrid.around(_LOW, _HIGH, SPACING)
    canal = build_canal(column).distance(*coordinates(grid, _all(grid)))
    canal = np.ascontiguousarray(np.broadcast_to(canal, grid.shape), dtype=np.float32)
    body, bone = _distances(column.main, grid, canal)
    others = np.full(grid.shape, _NEAR, np.float32)
    for n in (column.target - 1, column.target + 1):
        if 0 <= n < len(column.bones):
            others = np.minimum(others, _distances(column.bones[n], grid, canal)[1])
    return Template(level, grid, body, bone, canal, others)


def neighbour(level: str, step: int) -> tuple[str, NDArray[np.float64], NDArray[np.float64]] | None:
    """The vertebra `step` places below (above if negative) in the mean column, None past its ends.

    Returns
    -------
    level : str
    turn : (3, 3) float
        Its axes as columns in the frame of `level`.
    place : (3,) float [m]
        Its body's centre there.
    """
    column = build_column(level, sex="mean", stature=None)
    n = column.target + step
    if not 0 <= n < len(column.bones):
        return None
    other = column.bones[n]
    points = other.pose.to_world(np.vstack([np.zeros(3), np.eye(3)]))
    return other.level, (points[1:] - points[0]).T, points[0]


def _all(grid: VoxelGrid) -> tuple[slice, slice, slice]:
    r, a, s = (slice(0, n) for n in grid.shape)
    return r, a, s


def _distances(bone: Bone, grid: VoxelGrid, canal: Floats) -> tuple[Floats, Floats]:
    part = evaluate([body_shape(bone.dim)], grid, bone.pose, _all(grid), margin=_NEAR)
    arch = evaluate(arch_shapes(bone.dim, bone.upper, bone.lower), grid, bone.pose, _all(grid), margin=_NEAR)
    arch = np.maximum(arch, -canal)
    return np.minimum(part, np.float32(_NEAR)), np.minimum(np.minimum(part, arch), np.float32(_NEAR))
