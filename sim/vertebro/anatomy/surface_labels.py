"""Surfaces of a vertebra and its neighbours as one label map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.surfaces import Surface
from vertebro.anatomy.volumes import Volume
from vertebro.errors import DataError
from vertebro.grid import VoxelGrid
from vertebro.units import mm

SPACING = 0.75 * mm
MARGIN = 20 * mm
VOLUME_MISFIT = 0.03  # more than voxels of that size can explain


def label_surfaces(surfaces: Sequence[tuple[Surface, int]]) -> Volume:
    """Voxels inside each surface carry its number; where bones overlap the first one keeps the voxel.

    Parameters
    ----------
    surfaces : sequence of (Surface, int)
        The level itself first.

    Raises
    ------
    DataError
        If voxels and triangles disagree about a volume (the surface cuts through itself), or two bones lie in each
        other.
    """
    low = np.min([s.points.min(axis=0) for s, _ in surfaces], axis=0) - MARGIN
    high = np.max([s.points.max(axis=0) for s, _ in surfaces], axis=0) + MARGIN
    grid = VoxelGrid.around(low, high, SPACING)
    data = np.zeros(grid.shape, np.uint8)
    for surface, number in surfaces:
        inside = voxels_inside(surface, grid)
        _check_volume(surface, inside, grid)
        shared = float(np.count_nonzero(inside & (data > 0)) / np.count_nonzero(inside))
        if shared > 0.05:
            raise DataError(
                "two bones lie in each other",
                where=surface.name,
                value=f"{100 * shared:.0f} % of it",
                allowed="5 %",
                hint="are all files in the same coordinates, and is each vertebra given once?",
            )
        data[inside & (data == 0)] = number
    name, digest = surfaces[0][0].name, surfaces[0][0].digest
    return Volume(data=data, ras_from_voxel=grid.world_from_voxel, name=name, digest=digest)


def voxels_inside(surface: Surface, grid: VoxelGrid) -> NDArray[np.bool_]:
    """Which voxel centres of a grid (in RAS) lie inside a closed surface.

    Every triangle is scanned along s: a ray through each column of voxels crosses the surface an even number of times.
    Rays run a hair beside the voxel centres, so that they miss edges and vertices.
    """
    hair = np.array([1.7e-4, 3.1e-4]) * grid.spacing[0]
    points = grid.index(surface.points) + np.array([*hair / np.asarray(grid.spacing[:2]), 0.0])
    flips = np.zeros((*grid.shape[:2], grid.shape[2] + 1), np.int32)
    for corner in _batches(points[surface.triangles]):
        column, height = _crossings(corner)
        k = np.clip(np.ceil(height), 0, grid.shape[2]).astype(int)
        ok = np.all((column >= 0) & (column < grid.shape[:2]), axis=1)
        np.add.at(flips, (column[ok, 0], column[ok, 1], k[ok]), 1)
    return np.asarray(np.cumsum(flips[:, :, :-1], axis=2) % 2 == 1)


def _batches(corners: NDArray[np.float64], size: int = 4000) -> list[NDArray[np.float64]]:
    return [corners[i : i + size] for i in range(0, len(corners), size)]


def _crossings(corner: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Columns (k, 2) whose axis meets one of the triangles (n, 3, 3), in voxel units, and the heights where."""
    low = np.ceil(corner[:, :, :2].min(axis=1)).astype(int)
    size = np.maximum(np.floor(corner[:, :, :2].max(axis=1)).astype(int) - low + 1, 0)
    count = size.prod(axis=1)
    which = np.repeat(np.arange(len(corner)), count)
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    wide = np.maximum(size[which, 1], 1)
    column = low[which] + np.stack([within // wide, within % wide], axis=1)
    a, b, c = (corner[which, k] for k in range(3))
    u, v, p = b - a, c - a, column - a[:, :2]
    area = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
    safe = np.where(area == 0, 1.0, area)
    s = (p[:, 0] * v[:, 1] - p[:, 1] * v[:, 0]) / safe
    t = (u[:, 0] * p[:, 1] - u[:, 1] * p[:, 0]) / safe
    hit = (area != 0) & (s >= 0) & (t >= 0) & (s + t <= 1)
    height = a[:, 2] + s * u[:, 2] + t * v[:, 2]
    return column[hit], height[hit]


def _check_volume(surface: Surface, inside: NDArray[np.bool_], grid: VoxelGrid) -> None:
    counted, wanted = float(np.count_nonzero(inside) * grid.voxel_volume), abs(surface.volume)
    if abs(counted - wanted) > VOLUME_MISFIT * wanted:
        raise DataError(
            "the surface cuts through itself",
            where=surface.name,
            value=f"its triangles enclose {wanted * 1e6:.2f} ml, the points inside it fill {counted * 1e6:.2f} ml",
            allowed=f"within {100 * VOLUME_MISFIT:.0f} %",
            hint="remesh it (MeshLab: Remeshing; Blender: Voxel Remesh)",
        )
