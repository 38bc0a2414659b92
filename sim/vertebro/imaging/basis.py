"""From CT numbers to two basis materials, continuously: no thresholds, no seams.

Every voxel is `soft` (water-equivalent fraction: 0 in air, 0.9 in fat, 1.05 in muscle) plus `bone` (volume fraction of
cortical bone). Up to the CT number of muscle there is only soft tissue; above, muscle and cortical bone share the
voxel such that its CT number is kept.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from vertebro.errors import DataError
from vertebro.grid import VoxelGrid
from vertebro.imaging.carm import ProjectionGeometry
from vertebro.imaging.matter import Matter
from vertebro.imaging.projector import Quality, project_matter
from vertebro.imaging.slabs import refuse_source_inside
from vertebro.sources import Constant

Volume = NDArray[np.float32]
MUSCLE_HU = Constant(45.0, "HU", 30.0, 70.0, "icru44", "computed", "muscle at 120 kVp")
COARSENED = 4_000_000  # voxels of a layer from which a preview takes larger ones: memory sets its time
CORTICAL_HU = Constant(
    1637.0, "HU", 1400.0, 1900.0, "icru44", "computed", "cortical bone at 120 kVp behind 20 cm of water"
)


def basis_from_hu(
    hu: NDArray[np.number], *, muscle_hu: float = MUSCLE_HU, cortical_hu: float = CORTICAL_HU
) -> tuple[Volume, Volume]:
    """Split CT numbers into soft tissue and bone.

    Parameters
    ----------
    hu : (…) array [HU]
    muscle_hu, cortical_hu : float [HU]
        The two ends of the bone ramp.

    Returns
    -------
    soft, bone : (…) float32 arrays
        Water-equivalent fraction and volume fraction of cortical bone, both >= 0; continuous in `hu`.

    Raises
    ------
    DataError
        If a CT number is NaN or infinite.
    """
    values = np.asarray(hu)
    if values.dtype == np.int16:
        # whole bodies: a table of all 65536 numbers is many times faster and needs no temporaries
        table = _split(np.arange(65536).astype(np.uint16).view(np.int16).astype(np.float32), muscle_hu, cortical_hu)
        index = np.ascontiguousarray(values).view(np.uint16)
        return table[0][index], table[1][index]
    if not np.isfinite(values).all():
        raise DataError(
            "CT numbers hold NaN or infinity", where="hu", allowed="finite HU", hint="replace by air, -1000"
        )
    return _split(values.astype(np.float32, copy=False), muscle_hu, cortical_hu)


def _split(hu: Volume, muscle_hu: float, cortical_hu: float) -> tuple[Volume, Volume]:
    bone = np.maximum((hu - np.float32(muscle_hu)) / np.float32(cortical_hu - muscle_hu), 0)
    soft = np.maximum(1 + np.minimum(hu, np.float32(muscle_hu)) / np.float32(1000), 0)
    soft *= np.maximum(1 - bone, 0)
    return soft, bone


@dataclass(frozen=True, kw_only=True, slots=True)
class TissueLayer:
    """Basis materials on one grid; layers of several grids add up.

    Attributes
    ----------
    soft, bone : (…) float32 arrays
        Fractions; a layer of detail may be negative. They must not be changed afterwards.
    grid : VoxelGrid
    matter : Matter
        Both, laid out for projection from many poses.

    Raises
    ------
    GeometryError
        If an array does not fit the grid.
    DataError
        If a voxel is NaN or infinite.
    """

    soft: Volume
    bone: Volume
    grid: VoxelGrid
    matter: Matter = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "matter", Matter((self.soft, self.bone), self.grid))


def project_layers(
    layers: Sequence[TissueLayer], geometry: ProjectionGeometry, *, quality: Quality = "exact"
) -> tuple[Volume, Volume]:
    """Paths through soft tissue and bone of all layers together; never negative.

    Parameters
    ----------
    layers : sequence of TissueLayer
    geometry : ProjectionGeometry
    quality : {"exact", "preview"}
        A preview for a C-arm that moves, with wide layers on voxels twice as large; ask for "exact" when it stops.

    Returns
    -------
    soft, bone : (rows, cols) float32 arrays [m]

    Raises
    ------
    GeometryError
        If the source lies inside a layer.
    """
    lines = np.zeros((2, geometry.rows, geometry.cols), np.float32)
    for layer in layers:
        matter = layer.matter
        if quality == "preview" and matter.size > COARSENED:
            refuse_source_inside(matter.grid, geometry)
            matter = matter.halved()
        project_matter(matter, geometry, quality=quality, out=lines)
    np.maximum(lines, 0, out=lines)
    return lines[0], lines[1]


def tissue_layers(
    hu: NDArray[np.number],
    grid: VoxelGrid,
    *,
    surround_hu: NDArray[np.number] | None = None,
    surround_grid: VoxelGrid | None = None,
) -> tuple[TissueLayer, ...]:
    """Layers for a fine grid inside a wider, coarser one.

    The wide layer holds everything; the fine layer holds only what the fine grid knows better, that is its own values
    minus the interpolated wide ones, so nothing is counted twice and no seam shows.

    Parameters
    ----------
    hu : (nr, na, ns) array [HU]
        On `grid`.
    grid : VoxelGrid
    surround_hu, surround_grid : array [HU] and VoxelGrid, optional
        The wider field of view in the same world frame.

    Raises
    ------
    GeometryError
        If an array does not fit its grid.
    DataError
        If a CT number is not finite.
    """
    grid.check(hu, "hu")
    soft, bone = basis_from_hu(hu)
    if surround_hu is None or surround_grid is None:
        return (TissueLayer(soft=soft, bone=bone, grid=grid),)
    surround_grid.check(surround_hu, "surround_hu")
    wide_hu, longer = _mirrored(surround_hu, surround_grid)
    wide_soft, wide_bone = basis_from_hu(wide_hu)
    wide = TissueLayer(soft=wide_soft, bone=wide_bone, grid=longer)
    rim = _fade(grid)
    detail = TissueLayer(
        soft=(soft - resample(wide_soft, longer, grid)) * rim,
        bone=(bone - resample(wide_bone, longer, grid)) * rim,
        grid=grid,
    )
    return wide, detail


MIRRORED = 0.045  # m; rays that leave the CT obliquely near its ends still meet tissue


def _mirrored(volume: NDArray[np.number], grid: VoxelGrid) -> tuple[NDArray[np.number], VoxelGrid]:
    """The volume made longer along s by its own mirror image at both ends."""
    extra = min(math.ceil(MIRRORED / grid.spacing[2]), grid.shape[2])
    r, a, s = grid.shape
    origin = (grid.origin[0], grid.origin[1], grid.origin[2] - extra * grid.spacing[2])
    longer = VoxelGrid((r, a, s + 2 * extra), grid.spacing, origin)
    return np.pad(volume, ((0, 0), (0, 0), (extra, extra)), mode="symmetric"), longer


def resample(volume: Volume, source: VoxelGrid, target: VoxelGrid, *, outside: float = 0.0) -> Volume:
    """Linear interpolation of a volume from one grid to another (`outside` beyond it)."""
    index = [(axis - o) / h for axis, o, h in zip(target.axes(), source.origin, source.spacing, strict=True)]
    mesh = np.meshgrid(*(values.astype(np.float32) for values in index), indexing="ij", sparse=False)
    return np.asarray(map_coordinates(volume, mesh, order=1, mode="constant", cval=outside, output=np.float32))


def _fade(grid: VoxelGrid, voxels: int = 3) -> Volume:
    """1 inside, falling to 0 over the outermost voxels."""
    ramps = []
    for n in grid.shape:
        edge = np.minimum(np.arange(n), np.arange(n)[::-1])
        ramps.append(np.clip((edge + 0.5) / min(voxels, max(1, n // 4)), 0, 1).astype(np.float32))
    return np.asarray(ramps[0][:, None, None] * ramps[1][None, :, None] * ramps[2][None, None, :], np.float32)
