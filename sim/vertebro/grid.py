"""The one grid everything meets on: axis-aligned voxels in the vertebra's own frame.

Axes are ``[r, a, s]``: index 0 grows to the patient's right, 1 to anterior, 2 to superior (RAS+). The *world* frame
has its origin in the vertebral body's centre and the vertebra's axes; lengths are metres. A voxel's index names its
centre. `patient_from_world` of an anatomy leads on to the scanner's coordinates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vertebro.errors import GeometryError


@dataclass(frozen=True, slots=True)
class VoxelGrid:
    """Regular voxels.

    Parameters
    ----------
    shape : tuple of int
        Number of voxels along right, anterior, superior.
    spacing : tuple of float [m]
        Voxel edges.
    origin : tuple of float [m]
        World position of the centre of voxel (0, 0, 0).

    Raises
    ------
    GeometryError
        If a size is not a positive integer or a spacing is not positive and finite.

    Examples
    --------
    >>> grid = VoxelGrid(shape=(4, 4, 2), spacing=(1e-3, 1e-3, 2e-3))
    >>> grid.voxel_volume
    2e-09
    """

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        if len(self.shape) != 3 or any(int(n) != n or n < 1 for n in self.shape):
            raise GeometryError("grid shape", where="shape", value=self.shape, allowed="three integers >= 1")
        if len(self.spacing) != 3 or any(not math.isfinite(h) or h <= 0 for h in self.spacing):
            raise GeometryError("grid spacing", where="spacing", value=self.spacing, allowed="three lengths > 0 m")
        if len(self.origin) != 3 or not all(math.isfinite(x) for x in self.origin):
            raise GeometryError("grid origin", where="origin", value=self.origin, allowed="three finite lengths [m]")
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))
        object.__setattr__(self, "spacing", tuple(float(h) for h in self.spacing))
        object.__setattr__(self, "origin", tuple(float(x) for x in self.origin))

    @classmethod
    def around(cls, low: ArrayLike, high: ArrayLike, spacing: float) -> VoxelGrid:
        """Smallest isotropic grid whose voxels cover the box from `low` to `high` [m]."""
        low, high = np.asarray(low, float), np.asarray(high, float)
        shape = np.maximum(np.ceil((high - low) / spacing - 1e-9), 1).astype(int)
        slack = shape * spacing - (high - low)
        origin = low - slack / 2 + spacing / 2
        return cls(tuple(shape.tolist()), (spacing,) * 3, tuple(origin.tolist()))

    @property
    def size(self) -> int:
        """Number of voxels."""
        return math.prod(self.shape)

    @property
    def voxel_volume(self) -> float:
        """Volume of a voxel [m³]."""
        return math.prod(self.spacing)

    @property
    def extent(self) -> NDArray[np.float64]:
        """(2, 3) array: low and high corners of the voxels' outer faces [m]."""
        h = np.asarray(self.spacing)
        low = np.asarray(self.origin) - h / 2
        return np.stack([low, low + h * np.asarray(self.shape)])

    @property
    def world_from_voxel(self) -> NDArray[np.float64]:
        """(4, 4) affine from voxel indices to world metres."""
        affine = np.diag([*self.spacing, 1.0])
        affine[:3, 3] = self.origin
        return affine

    def world(self, index: ArrayLike) -> NDArray[np.float64]:
        """World positions (…, 3) [m] of (fractional) voxel indices (…, 3)."""
        world: NDArray[np.float64] = np.asarray(index, float) * np.asarray(self.spacing) + np.asarray(self.origin)
        return world

    def index(self, point: ArrayLike) -> NDArray[np.float64]:
        """Fractional voxel indices (…, 3) of world positions (…, 3) [m]."""
        index: NDArray[np.float64] = (np.asarray(point, float) - np.asarray(self.origin)) / np.asarray(self.spacing)
        return index

    def nearest(self, point: ArrayLike) -> tuple[int, int, int]:
        """Voxel that holds a world point.

        Raises
        ------
        GeometryError
            If the point lies outside the grid.
        """
        i = np.rint(self.index(point)).astype(int)
        if np.any(i < 0) or np.any(i >= self.shape):
            low, high = self.extent * 1e3
            raise GeometryError(
                "the point lies outside the grid",
                where="point [mm]",
                value=np.round(np.asarray(point) * 1e3, 2).tolist(),
                allowed=f"{np.round(low, 1).tolist()} to {np.round(high, 1).tolist()} mm",
            )
        return int(i[0]), int(i[1]), int(i[2])

    def axes(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Coordinates [m] of the voxel centres along right, anterior and superior."""
        r, a, s = (
            o + h * np.arange(n, dtype=np.float64)
            for n, h, o in zip(self.shape, self.spacing, self.origin, strict=True)
        )
        return r, a, s

    def open_mesh(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Broadcastable coordinates [m]: shapes (nr,1,1), (1,na,1), (1,1,ns)."""
        r, a, s = self.axes()
        return r[:, None, None], a[None, :, None], s[None, None, :]

    def check(self, array: NDArray[np.generic], name: str) -> None:
        """Raise `GeometryError` unless the array's last three axes are this grid's shape."""
        if tuple(array.shape[-3:]) != self.shape:
            raise GeometryError(
                "an array does not fit its grid", where=name, value=array.shape, allowed=f"(…, {self.shape})"
            )
