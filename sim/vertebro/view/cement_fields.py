"""Cement as pictures need it: split into bone and leak, times spread to the voxels around."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vertebro.build import counted_compartments
from vertebro.drainage import vein_raster
from vertebro.tissue import Compartment

if TYPE_CHECKING:
    from vertebro.record import Run

IN_BONE = (Compartment.BODY, Compartment.ARCH, Compartment.TRACK)


def inside_and_outside(run: Run, time: float | None = None) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cement saturation (nr, na, ns) inside the bone (and the needle's track), and outside: leaked, veins included."""
    index = len(run.times) - 1 if time is None else run.index_at(time)
    saturation = run.saturation[index]
    bone = np.isin(counted_compartments(run.scene), IN_BONE)
    inside, outside = np.where(bone, saturation, 0).astype(np.float32), np.where(bone, 0, saturation).astype(np.float32)
    network, held = run.anatomy.network, run.vein_cement(time).astype(float)
    if network is not None and held.any():
        raster = vein_raster(network, run.anatomy.grid)
        inside = np.maximum(inside, raster.fraction(held, np.flatnonzero(network.inside)))
        outside = np.maximum(outside, raster.fraction(held, np.flatnonzero(~network.inside)))
    return inside, outside


def spread_times(injection_time: NDArray[np.float32]) -> NDArray[np.float32]:
    """Injection times [s] with every empty voxel filled from the nearest one that holds cement (0 if none does)."""
    known = np.isfinite(injection_time)
    if not known.any():
        return np.zeros(injection_time.shape, np.float32)
    hit = np.argwhere(known)
    low, high = np.maximum(hit.min(axis=0) - 4, 0), hit.max(axis=0) + 5
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    nearest = ndimage.distance_transform_edt(~known[box], return_distances=False, return_indices=True)
    out = np.full(injection_time.shape, np.nanmax(injection_time), np.float32)
    out[box] = injection_time[box][tuple(nearest)]
    return out


def bony_box(run: Run) -> NDArray[np.float64]:
    """(2, 3) low and high corners [m] of the vertebra's own bone (the grid's if it has none)."""
    where = np.argwhere(np.isin(run.anatomy.compartment, IN_BONE))
    grid = run.anatomy.grid
    return np.stack([grid.world(where.min(axis=0)), grid.world(where.max(axis=0))]) if len(where) else grid.extent
