"""The wider field of view for images: the patient without the table, around the vertebra, in its frame."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vertebro.anatomy.anatomy import Surround
from vertebro.anatomy.beyond_field import fill_beyond, is_cut, trunk_box
from vertebro.anatomy.resampling import inside_field, resample_hu, soften
from vertebro.anatomy.volumes import Volume
from vertebro.grid import VoxelGrid
from vertebro.units import mm

AIR = -1000.0
HU_RANGE = (-1024.0, 4000.0)
LIMIT_LOW = np.array([-190.0, -150.0, -115.0]) * mm  # reach of the pictures around the vertebra
LIMIT_HIGH = np.array([190.0, 190.0, 115.0]) * mm
_COARSE = 3.0 * mm
_SKIN_HU = -300.0
_GAS_HU, _LUNG_HU = -600.0, -915.0


def patient_mask(ct: Volume) -> NDArray[np.bool_]:
    """Voxels of the patient: the largest body in the picture with its inner air, table and cables left out.

    Returns
    -------
    (ni, nj, nk) bool array on the CT's own voxels, wider than the skin by about 3 mm.
    """
    steps = np.maximum(np.rint(_COARSE / ct.spacing).astype(int), 1)
    thin = ct.data[:: steps[0], :: steps[1], :: steps[2]]
    small = thin > _SKIN_HU
    radius = np.maximum(np.rint(6.0 * mm / (ct.spacing * steps)).astype(int), 1)
    element = np.ones(2 * radius + 1, bool)
    core = ndimage.binary_opening(np.pad(small, [(r, r) for r in 2 * radius], mode="edge"), structure=element)
    core = core[tuple(slice(2 * r, -2 * r) for r in radius)]
    parts, count = ndimage.label(core)
    if count == 0:
        return np.ones(ct.data.shape, bool)
    body = parts == 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))
    # the opening rounds corners off: take back what is connected within its reach
    body = ndimage.binary_dilation(body, iterations=2, mask=small)
    body = ndimage.binary_dilation(_filled_axially(body, thin, ct.axes))
    for axis, step in enumerate(steps):
        body = np.repeat(body, step, axis=axis)
    return np.asarray(body[tuple(slice(0, n) for n in ct.data.shape)])


def without_table(ct: Volume) -> Volume:
    """The CT as int16 with everything outside the patient turned to air."""
    low, high = (int(x) for x in HU_RANGE)
    hu = np.clip(ct.data, low, high).astype(np.int16)
    hu[~patient_mask(ct)] = np.int16(AIR)
    return ct.with_data(hu)


def build_surround(clean: Volume, ras_from_world: NDArray[np.float64], spacing: float) -> Surround:
    """Resample the patient around the vertebra.

    Beyond the ends of the CT the pictures get mirrored slices, beyond its sides (where they cut the patient) a smooth
    trunk.

    Parameters
    ----------
    clean : Volume
        From `without_table`.
    ras_from_world : (4, 4) float array
    spacing : float [m]
    """
    clean = continued(clean)
    low, high = _extent(clean, ras_from_world)
    cut = is_cut(clean)
    if cut:
        trunk_low, trunk_high = trunk_box()
        low[:2], high[:2] = np.minimum(low[:2], trunk_low), np.maximum(high[:2], trunk_high)
    grid = VoxelGrid.around(low, high, spacing)
    # blurring first is worth its time only where voxels are much finer than the pictures
    source = soften(clean, spacing) if clean.spacing.min() < 0.5 * spacing else clean
    hu = resample_hu(source, grid, ras_from_world, AIR)
    if cut:
        fill_beyond(hu, ~inside_field(clean, grid, ras_from_world), grid)
    return Surround(grid=grid, hu=hu)


def ends_near(ct: Volume, ras_from_world: NDArray[np.float64], reach: float = 80.0 * mm) -> bool:
    """Whether the CT ends closer than `reach` above or below the vertebra."""
    axis = next(n for n, letter in enumerate(ct.axes) if letter in "SI")
    centre = (np.linalg.inv(ct.ras_from_voxel) @ ras_from_world[:, 3])[axis]
    return bool(min(centre, ct.data.shape[axis] - 1 - centre) * ct.spacing[axis] < reach)


def continued(clean: Volume, reach: float = 110.0 * mm) -> Volume:
    """The CT made longer by mirrored slices at both ends.

    An end of the CT within an X-ray field would cast the edge of a cut body; nothing but pictures sees these slices.
    """
    axis = next(n for n, letter in enumerate(clean.axes) if letter in "SI")
    extra = int(np.ceil(reach / clean.spacing[axis]))  # a short stack is mirrored more than once
    width = [(extra, extra) if n == axis else (0, 0) for n in range(3)]
    affine = clean.ras_from_voxel.copy()
    affine[:3, 3] -= extra * affine[:3, axis]
    return replace(clean, data=np.pad(clean.data, width, mode="symmetric"), ras_from_voxel=affine)


def posterior_skin(surround: Surround, behind: float) -> float:
    """a-coordinate [m] of the skin behind the vertebra: the first air going back, or the picture's end.

    Parameters
    ----------
    behind : float [m]
        Start of the search (the spinous process's tip).
    """
    grid = surround.grid
    r, a, s = grid.axes()
    column = surround.hu[np.ix_(np.abs(r) < 15 * mm, np.ones(len(a), bool), np.abs(s) < 15 * mm)]
    soft = np.median(column, axis=(0, 2)) > _SKIN_HU
    air = np.flatnonzero(~soft & (a < behind))
    inside = int(air[-1]) + 1 if air.size else 0
    return float(a[inside] - grid.spacing[1] / 2)


def in_field(ct: Volume, ras_from_world: NDArray[np.float64], point: NDArray[np.float64]) -> bool:
    """Whether a world point (3,) [m] lies in the CT's field of view."""
    index = np.linalg.inv(ct.ras_from_voxel) @ ras_from_world @ np.append(point, 1.0)
    return bool(np.all(index[:3] > -0.5) and np.all(index[:3] < np.array(ct.data.shape) - 0.5))


def soft_outside(
    hu: NDArray[np.float32], ct: Volume, grid: VoxelGrid, ras_from_world: NDArray[np.float64], value: float = 30.0
) -> None:
    """Write soft tissue into `hu` where the simulation grid leaves the field of view; changes `hu`."""
    hu[~inside_field(ct, grid, ras_from_world)] = value


def _filled_axially(mask: NDArray[np.bool_], hu: NDArray[Any], axes: str) -> NDArray[np.bool_]:
    """Fill lungs and bowel gas: background of each axial slice that does not reach the slice's edge, or is no air.

    A narrow field of view cuts the lungs open; they reach the edge, but read brighter than air.
    """
    axis = next(n for n, letter in enumerate(axes) if letter in "SI")
    stack, values = np.moveaxis(mask, axis, 0), np.moveaxis(hu, axis, 0)
    in_plane = np.zeros((3, 3, 3), int)
    in_plane[1, 1, :] = in_plane[1, :, 1] = 1
    parts, count = ndimage.label(~stack, structure=in_plane)
    open_air = np.zeros(count + 1, bool)
    for edge in (parts[:, 0], parts[:, -1], parts[:, :, 0], parts[:, :, -1]):
        open_air[np.unique(edge)] = True
    dark = values < _GAS_HU  # the rims of skin and lung do not count
    size = np.bincount(parts[dark], minlength=count + 1)
    mean = np.bincount(parts[dark], weights=values[dark], minlength=count + 1) / np.maximum(size, 1)
    open_air &= (mean < _LUNG_HU) | (size == 0)
    open_air[0] = False
    return np.moveaxis(~open_air[parts], 0, axis)


def _extent(clean: Volume, ras_from_world: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Box of the patient in the world frame [m], cut to the limits."""
    steps = np.maximum(np.rint(2 * _COARSE / clean.spacing).astype(int), 1)
    index = np.argwhere(clean.data[:: steps[0], :: steps[1], :: steps[2]] > _SKIN_HU) * steps
    world_from_ras = np.linalg.inv(ras_from_world)
    points = clean.world(index) @ world_from_ras[:3, :3].T + world_from_ras[:3, 3]
    near = np.all((points > LIMIT_LOW) & (points < LIMIT_HIGH), axis=1)
    points = points[near] if near.any() else points
    margin = 8.0 * mm
    return (
        np.maximum(points.min(axis=0) - margin, LIMIT_LOW),
        np.minimum(points.max(axis=0) + margin, LIMIT_HIGH),
    )
