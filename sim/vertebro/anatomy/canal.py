"""Find the spinal canal as the hole that a vertebra's arch closes, and carry it on where the ring is open."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vertebro.errors import DataError
from vertebro.grid import VoxelGrid
from vertebro.units import mm

RING_AREA = (50.0 * mm**2, 900.0 * mm**2)  # stenotic cervical to wide lumbar canals
_GAPS = (0.0, 1.0 * mm, 2.0 * mm, 3.0 * mm, 4.0 * mm)
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class CanalTube:
    """The canal as one upright ellipse per slice of a grid.

    Attributes
    ----------
    centre : (ns, 2) float array [m]
        r and a of the middle in every slice.
    half : (ns, 2) float array [m]
        Half width (r) and half depth (a).
    measured : (ns,) bool array
        Where a closed ring was seen; elsewhere the tube is interpolated.
    """

    centre: Floats
    half: Floats
    measured: Bools

    @property
    def front(self) -> Floats:
        """(ns,) a-coordinate of the canal's anterior edge [m]."""
        return np.asarray(self.centre[:, 1] + self.half[:, 1])

    def mask(self, grid: VoxelGrid, scale: float = 1.0) -> Bools:
        """Voxels inside the tube, its half axes multiplied by `scale`."""
        r, a, _ = grid.open_mesh()
        along_r = (r - self.centre[None, None, :, 0]) / (scale * self.half[None, None, :, 0])
        along_a = (a - self.centre[None, None, :, 1]) / (scale * self.half[None, None, :, 1])
        return np.asarray(along_r**2 + along_a**2 < 1.0)


def ring_holes(distance: NDArray[np.float32], grid: VoxelGrid) -> Bools:
    """Voxels inside the closed ring of a vertebra, slice by slice.

    Small gaps (a lamina thinner than the slices) are closed with growing tolerance up to 4 mm to either side.

    Parameters
    ----------
    distance : (…) float array [m]
        Signed distance to the vertebra, negative inside.

    Raises
    ------
    DataError
        If no ring is found at all.
    """
    for gap in _GAPS:
        holes = _biggest(_slice_holes(distance < gap, grid))
        if gap > 0 and holes.any():
            holes = ndimage.distance_transform_edt(~holes, sampling=grid.spacing) <= gap
            holes &= distance >= 0
        if np.count_nonzero(holes.any(axis=(0, 1))) * grid.spacing[2] >= 3.0 * mm:
            return np.asarray(holes)
    raise DataError(
        "the vertebra's arch closes no spinal canal",
        where="labels",
        hint="the label lacks its arch (laminae, pedicles), or the level was operated (laminectomy)",
    )


def labelled_holes(canal: Bools, bone: Bools, share: float = 0.3) -> Bools:
    """The part of a labelled canal at the height of one vertebra: slices with `share` of its largest section.

    Raises
    ------
    DataError
        If the label does not pass the vertebra.
    """
    area = bone.sum(axis=(0, 1))
    holes = canal & ~bone & (area > share * area.max())[None, None, :]
    if not holes.any():
        raise DataError(
            "the labelled canal does not pass through the vertebra", where="subregions", hint="check the label map"
        )
    return np.asarray(holes)


def on_grid(tube: CanalTube, source: VoxelGrid, target: VoxelGrid) -> CanalTube:
    """The same tube on the slices of another grid in the same frame."""
    old, new = source.axes()[2], target.axes()[2]
    rows = np.column_stack([tube.centre, tube.half])
    full = np.stack([np.interp(new, old, column) for column in rows.T], axis=1)
    seen = np.interp(new, old, tube.measured.astype(float)) > 0.5
    return CanalTube(centre=full[:, :2], half=full[:, 2:], measured=seen)


def measure_tube(holes: Bools, grid: VoxelGrid) -> CanalTube:
    """Fit an ellipse to the hole of every slice and interpolate between the slices that have one."""
    cell = grid.spacing[0] * grid.spacing[1]
    area = holes.sum(axis=(0, 1)) * cell
    usual = np.median(area[area > 0])
    measured = (area > 0.5 * usual) & (area < 1.7 * usual)
    index = np.flatnonzero(measured)
    rows = np.array([_ellipse(holes[:, :, k], grid) for k in index])
    if index.size >= 5:
        rows = ndimage.median_filter(rows, size=(5, 1), mode="nearest")
    _, _, s = grid.axes()
    full = np.stack([_carry_on(s, s[index], column, bend=c < 2) for c, column in enumerate(rows.T)], axis=1)
    return CanalTube(centre=full[:, :2], half=full[:, 2:], measured=measured)


def _slice_holes(solid: Bools, grid: VoxelGrid) -> Bools:
    """Holes of canal size in every axial slice: in-plane background parts that do not reach the grid's edge."""
    in_plane = np.zeros((3, 3, 3), int)
    in_plane[:, 1, 1] = in_plane[1, :, 1] = 1
    parts, count = ndimage.label(~solid, structure=in_plane)
    area = np.bincount(parts.ravel(), minlength=count + 1) * grid.spacing[0] * grid.spacing[1]
    fits = (area >= RING_AREA[0]) & (area <= RING_AREA[1])
    for edge in (parts[0], parts[-1], parts[:, 0], parts[:, -1]):
        fits[np.unique(edge)] = False
    fits[0] = False
    return np.asarray(fits[parts])


def _biggest(mask: Bools) -> Bools:
    parts, count = ndimage.label(mask)
    if count < 2:
        return mask
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return np.asarray(parts == int(sizes.argmax()))


def _ellipse(hole: Bools, grid: VoxelGrid) -> Floats:
    """Centre r, a and half axes of one slice's hole [m]; the half axes keep its area."""
    i, j = np.nonzero(hole)
    r = grid.origin[0] + i * grid.spacing[0]
    a = grid.origin[1] + j * grid.spacing[1]
    spread = np.maximum(np.array([r.std(), a.std()]), 0.5 * mm)
    area = i.size * grid.spacing[0] * grid.spacing[1]
    half = spread * np.sqrt(area / (np.pi * spread[0] * spread[1]))
    return np.array([r.mean(), a.mean(), *half])


def _carry_on(s: Floats, known: Floats, values: Floats, *, bend: bool) -> Floats:
    """Interpolate over s; beyond the ends continue straight (`bend`, slope at most 0.4) or constant."""
    out = np.interp(s, known, values)
    if bend and known.size >= 4:
        slope = float(np.clip(np.polyfit(known, values, 1)[0], -0.4, 0.4))
        out += slope * (np.minimum(s - known[0], 0.0) + np.maximum(s - known[-1], 0.0))
    return np.asarray(out)
