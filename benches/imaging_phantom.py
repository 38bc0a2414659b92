"""A spine of ellipsoids: voxels for the projectors, exact line integrals for their errors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vertebro.grid import VoxelGrid
from vertebro.imaging import ProjectionGeometry

# centre [m] (r, a, s), half axes [m], attenuation added [1/m]
ELLIPSOIDS = [
    ((0.0, 0.0, 0.0), (0.060, 0.045, 0.061), 20.0),
    *[((0.0, 0.005, s), (0.022, 0.016, 0.014), 40.0) for s in (-0.035, 0.0, 0.035)],
    *[((0.0, 0.005, s), (0.020, 0.014, 0.012), -25.0) for s in (-0.035, 0.0, 0.035)],
    *[((r, -0.016, s), (0.005, 0.010, 0.008), 40.0) for s in (-0.035, 0.0, 0.035) for r in (-0.014, 0.014)],
    *[((0.0, -0.032, s), (0.003, 0.012, 0.008), 40.0) for s in (-0.035, 0.0, 0.035)],
    ((0.004, 0.006, 0.001), (0.008, 0.007, 0.006), 200.0),
    ((-0.003, -0.012, 0.002), (0.002, 0.002, 0.004), 200.0),
]


def cube(size: int, spacing: float = 0.5e-3) -> VoxelGrid:
    """Grid of size³ voxels around the isocentre."""
    return VoxelGrid((size,) * 3, (spacing,) * 3, (-(size - 1) / 2 * spacing,) * 3)


def voxels(grid: VoxelGrid, samples: int = 3) -> NDArray[np.float32]:
    """The phantom on voxels, with samples³ points per voxel [1/m]."""
    volume = np.zeros(grid.shape, np.float32)
    shifts = (np.arange(samples) + 0.5) / samples - 0.5
    for centre, half, value in ELLIPSOIDS:
        low, high = (np.asarray(centre) + sign * (np.asarray(half) + grid.spacing) for sign in (-1, 1))
        first = np.maximum(np.floor(grid.index(low)).astype(int), 0)
        last = np.minimum(np.ceil(grid.index(high)).astype(int) + 1, grid.shape)
        box = tuple(slice(a, b) for a, b in zip(first, last, strict=True))
        squares = [
            ((axis[part, None] + shifts * h - c) / e) ** 2
            for axis, part, h, c, e in zip(grid.axes(), box, grid.spacing, centre, half, strict=True)
        ]
        share = np.zeros([part.stop - part.start for part in box], np.float32)
        for i, j, k in np.ndindex(samples, samples, samples):
            inside = squares[0][:, i, None, None] + squares[1][None, :, j, None] + squares[2][None, None, :, k] <= 1
            share += inside
        volume[box] += np.float32(value / samples**3) * share
    return volume


def exact(geometry: ProjectionGeometry, grid: VoxelGrid) -> NDArray[np.float64]:
    """(rows, cols) exact line integrals of the phantom inside the grid's box."""
    ray = geometry.pixel(*np.mgrid[: geometry.rows, : geometry.cols]) - geometry.source
    ray /= np.linalg.norm(ray, axis=-1, keepdims=True)
    with np.errstate(divide="ignore"):
        faces = (grid.extent[:, None, None, :] - geometry.source) / ray
    enter, leave = faces.min(axis=0).max(axis=-1), faces.max(axis=0).min(axis=-1)
    total = np.zeros(ray.shape[:2])
    for centre, half, value in ELLIPSOIDS:
        direction, offset = ray / half, (geometry.source - np.asarray(centre)) / half
        a, b, c = (direction**2).sum(-1), direction @ offset, offset @ offset - 1
        root = np.sqrt(np.maximum(b**2 - a * c, 0))
        low, high = np.maximum((-b - root) / a, enter), np.minimum((-b + root) / a, leave)
        total += value * np.maximum(high - low, 0)
    return total
