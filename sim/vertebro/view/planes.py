"""Planes through the anatomy, resampled for pictures: CT numbers near and far, labels, cement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vertebro.anatomy.anatomy import Anatomy
from vertebro.grid import VoxelGrid
from vertebro.view.panels import PLANES

if TYPE_CHECKING:
    from vertebro.record import Run

AIR_HU = -1000.0
Added = Sequence[tuple[NDArray[np.float32], VoxelGrid]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Plane:
    """A plane of pixels as a viewer shows it.

    Attributes
    ----------
    name : str
        ``"axial"``, ``"sagittal"`` or ``"coronal"``.
    points : (rows, cols, 3) float array [m]
        World position of every pixel; row 0 is the top of the picture.
    extent : tuple of four floats [mm]
        Left, right, bottom, top in picture axes (world coordinates, so left may exceed right).
    """

    name: str
    points: NDArray[np.float64]
    extent: tuple[float, float, float, float]

    @property
    def corners(self) -> NDArray[np.float64]:
        """(4, 3) middles of the corner pixels [m]: upper left, upper right, lower right, lower left."""
        return np.asarray(self.points[[0, 0, -1, -1], [0, -1, -1, 0]])

    def place(self, points: Any) -> NDArray[np.float64]:
        """(…, 2) picture coordinates [mm] of world points (…, 3) [m]."""
        across, along, _, _ = PLANES[self.name]
        return np.asarray(points, float)[..., [across, along]] * 1e3

    def depth(self, points: Any) -> NDArray[np.float64]:
        """Distance [m] of world points (…, 3) from the plane, signed."""
        across, along, _, _ = PLANES[self.name]
        normal = 3 - across - along
        away: NDArray[np.float64] = np.asarray(points, float)[..., normal] - self.points[0, 0, normal]
        return away


def plane_through(name: str, centre: Any, *, width: float, height: float, pixel: float = 0.4e-3) -> Plane:
    """A plane of square pixels around a world point [m]: patient right on the left, anterior up or on the left."""
    across, along, (sign, _), _ = PLANES[name]
    centre = np.asarray(centre, float)
    columns, rows = max(round(width / pixel), 2), max(round(height / pixel), 2)
    x = centre[across] + sign * (np.arange(columns) - (columns - 1) / 2) * pixel
    y = centre[along] - (np.arange(rows) - (rows - 1) / 2) * pixel
    points = np.empty((rows, columns, 3))
    points[:] = centre
    points[:, :, across] = x[None, :]
    points[:, :, along] = y[:, None]
    left, right = centre[across] - sign * width / 2, centre[across] + sign * width / 2
    low, high = centre[along] - height / 2, centre[along] + height / 2
    return Plane(name=name, points=points, extent=(left * 1e3, right * 1e3, low * 1e3, high * 1e3))


def sample(
    volume: NDArray[Any], grid: VoxelGrid, plane: Plane, *, order: int = 1, outside: float = 0.0
) -> NDArray[np.float32]:
    """Values of a volume on the plane's pixels; `outside` beyond the grid."""
    where = grid.index(plane.points)
    size = np.asarray(grid.shape)
    known = np.all((where > -0.5) & (where < size - 0.5), axis=-1)
    inside = np.clip(np.moveaxis(where, -1, 0), 0, (size - 1)[:, None, None])
    values = ndimage.map_coordinates(np.asarray(volume, np.float32), inside, order=order, mode="nearest")
    return np.where(known, values, np.float32(outside)).astype(np.float32)


def plane_hu(anatomy: Anatomy, plane: Plane, added: Added = ()) -> NDArray[np.float32]:
    """CT numbers [HU] on a plane: the simulation grid where it reaches, the coarser surround beyond.

    Parameters
    ----------
    anatomy : Anatomy
    plane : Plane
    added : sequence of ((…) float32 array [HU], VoxelGrid)
        What cement adds, on grids of its own.
    """
    far = sample(anatomy.surround.hu, anatomy.surround.grid, plane, outside=AIR_HU)
    near = sample(anatomy.hu, anatomy.grid, plane)
    weight = _blend(anatomy.grid, plane)
    mixed: NDArray[np.float32] = (weight * near + (1 - weight) * far).astype(np.float32)
    for rise, grid in added:
        mixed += sample(rise, grid, plane)
    return mixed


def _blend(grid: VoxelGrid, plane: Plane, seam: float = 2.5e-3) -> NDArray[np.float32]:
    """1 inside the grid, 0 outside, a smooth seam between, so that the change of resolution leaves no frame."""
    low, high = grid.extent
    reach = np.minimum(plane.points - low, high - plane.points).min(axis=-1)
    return np.clip(reach / seam, 0, 1).astype(np.float32)


def cement_hu(run: Run, time: float | None = None) -> Added:
    """CT numbers [HU] that the cement of a moment (default: the end) adds to the anatomy's, beyond its grid too."""
    from vertebro.drainage import cement_beyond
    from vertebro.scans import cement_rise

    rise = np.float32(cement_rise(run.scene.cement))
    beyond = cement_beyond(run.anatomy, run.vein_cement(time))
    near = (np.asarray(run.cement_fraction(time) * rise, np.float32), run.anatomy.grid)
    return (near,) if beyond is None else (near, (beyond[0] * rise, beyond[1]))
