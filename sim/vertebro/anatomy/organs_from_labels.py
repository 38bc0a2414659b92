"""What a needle must not meet, on the surround's grid: from an organ map, and from CT numbers where there is none."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk  # noqa: N813  (the name its manual uses)
from numpy.typing import NDArray
from scipy import ndimage

from vertebro.anatomy.anatomy import Surround
from vertebro.anatomy.ct_job import Job
from vertebro.anatomy.label_tables import organ_ids
from vertebro.anatomy.resampling import inside_field, voxel_from_grid
from vertebro.anatomy.volumes import Volume
from vertebro.grid import VoxelGrid
from vertebro.tissue import Compartment, Organ
from vertebro.units import ml, mm

Floats = NDArray[np.float64]
Codes = NDArray[np.uint8]
LUNG_RANGE = (-960.0, -450.0)  # HU; bowel gas is darker, fat is brighter
LEAST_LUNG = 60.0 * ml
VESSEL_RADIUS = 4.5 * mm
_STEP = 3


def map_organs(
    job: Job,
    surround: Surround,
    ras_from_world: Floats,
    grid: VoxelGrid,
    compartment: Codes,
    contrast: float | None,
) -> Codes:
    """Organ codes of every voxel of the surround.

    Labelled organs go first. Without lungs in the map, large parts between fat and gas in CT numbers are lung; without
    an aorta in it, thick contrast-filled vessels are `Organ.ARTERY` (a needle must meet neither kind). The canal and
    the foramina come from the level's own compartments.

    Parameters
    ----------
    job : Job
    surround : Surround
    ras_from_world : (4, 4) float array
    grid, compartment : VoxelGrid, uint8 array of `Compartment`
        The simulation grid.
    contrast : float [HU], optional
        What contrast medium reads in vessels.

    Returns
    -------
    (…) uint8 array of `Organ` on ``surround.grid``
    """
    table = np.zeros(int(job.whole.data.max()) + 1, np.uint8)
    for number, organ in organ_ids(job.scheme).items():
        if number < len(table):
            table[number] = organ
    out = resample_codes(job.whole, table, surround.grid, ras_from_world)
    known = set(np.unique(table[sorted(n for n in job.middles if n < len(table))]))
    if Organ.LUNG not in known or (Organ.ARTERY not in known and contrast is not None):
        seen = inside_field(job.ct, surround.grid, ras_from_world) & (out == Organ.NONE)
        if Organ.LUNG not in known:
            out[_lung(surround) & seen] = Organ.LUNG
        if Organ.ARTERY not in known and contrast is not None:
            bone = _bone(job, surround.grid, ras_from_world)
            out[_vessels(surround, contrast, bone) & seen] = Organ.ARTERY
    _own_nerves(out, surround.grid, grid, compartment)
    return out


def resample_codes(volume: Volume, table: Codes, grid: VoxelGrid, ras_from_world: Floats) -> Codes:
    """Nearest voxels of a label map, looked up in a table; 0 outside the map."""
    low, high = grid.extent
    corners = np.array(np.meshgrid(*zip(low, high, strict=True), indexing="ij")).reshape(3, -1).T
    affine = np.linalg.inv(volume.ras_from_voxel) @ ras_from_world
    index = corners @ affine[:3, :3].T + affine[:3, 3]
    part = volume.crop(np.floor(index.min(axis=0)) - 1, np.ceil(index.max(axis=0)) + 2)
    codes = table[part.data]
    if not codes.any():
        return np.zeros(grid.shape, np.uint8)
    affine = voxel_from_grid(part, grid, ras_from_world)
    turn = sitk.AffineTransform(3)
    turn.SetMatrix(affine[:3, :3].ravel().tolist())
    turn.SetTranslation(affine[:3, 3].tolist())
    step = sitk.ResampleImageFilter()
    step.SetSize(list(grid.shape))
    step.SetTransform(turn)
    step.SetInterpolator(sitk.sitkNearestNeighbor)
    image = step.Execute(sitk.GetImageFromArray(np.ascontiguousarray(codes.transpose(2, 1, 0))))
    return np.ascontiguousarray(sitk.GetArrayViewFromImage(image).transpose(2, 1, 0))


def _lung(surround: Surround) -> NDArray[np.bool_]:
    """Large connected parts with the CT numbers of lung, tissue before and behind (the table's foam has none)."""
    thin = surround.hu[::_STEP, ::_STEP, ::_STEP]
    solid = thin > LUNG_RANGE[1]
    behind = np.logical_or.accumulate(solid, axis=1)
    inside = behind & np.logical_or.accumulate(solid[:, ::-1], axis=1)[:, ::-1]
    airy = (thin > LUNG_RANGE[0]) & (thin < LUNG_RANGE[1]) & inside
    parts, count = ndimage.label(ndimage.binary_opening(airy))
    size = np.bincount(parts.ravel(), minlength=count + 1) * surround.grid.voxel_volume * _STEP**3
    large = size > LEAST_LUNG
    large[0] = False
    return _enlarged(ndimage.binary_closing(large[parts], iterations=2), surround.hu.shape)


def _vessels(surround: Surround, contrast: float, bone: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Thick parts outside labelled bone that read at least half of the contrast medium."""
    thin = surround.hu[::_STEP, ::_STEP, ::_STEP]
    edge = _STEP * np.asarray(surround.grid.spacing)
    near_bone = ndimage.binary_dilation(bone[::_STEP, ::_STEP, ::_STEP])
    bright = (thin > max(130.0, 0.5 * contrast)) & (thin < contrast + 150.0) & ~near_bone
    core = ndimage.distance_transform_edt(bright, sampling=edge) > VESSEL_RADIUS
    if not core.any():
        return np.zeros(surround.hu.shape, bool)
    close = ndimage.distance_transform_edt(~core, sampling=edge) < VESSEL_RADIUS + edge.max()
    return _enlarged(bright & close, surround.hu.shape)


def _bone(job: Job, grid: VoxelGrid, ras_from_world: Floats) -> NDArray[np.bool_]:
    table = np.zeros(int(job.whole.data.max()) + 1, np.uint8)
    table[[n for n in job.bone_ids if n < len(table)]] = 1
    return np.asarray(resample_codes(job.whole, table, grid, ras_from_world) > 0)


def _enlarged(mask: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    for axis in range(3):
        mask = np.repeat(mask, _STEP, axis=axis)
    return mask[tuple(slice(n) for n in shape)]


def _own_nerves(out: Codes, wide: VoxelGrid, grid: VoxelGrid, compartment: Codes) -> None:
    """Canal and nerve roots of the level, nearest voxel; both grids lie along the same axes. Changes `out`."""
    index = [
        np.rint((axis - origin) / step).astype(int)
        for axis, origin, step in zip(wide.axes(), grid.origin, grid.spacing, strict=True)
    ]
    inside = [np.flatnonzero((i >= 0) & (i < n)) for i, n in zip(index, grid.shape, strict=True)]
    near = compartment[np.ix_(*(i[keep] for i, keep in zip(index, inside, strict=True)))]
    box = np.ix_(*inside)
    part = out[box]
    part[near == Compartment.CANAL] = Organ.CANAL
    part[np.isin(near, (Compartment.FORAMEN_LEFT, Compartment.FORAMEN_RIGHT))] = Organ.NERVE
    out[box] = part
