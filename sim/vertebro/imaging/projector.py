"""Line integrals of voxel volumes along the rays of a C-arm.

Example
-------
A slab of 1/m, 20 mm thick, crossed squarely by the central ray:

>>> import numpy as np
>>> from vertebro.grid import VoxelGrid
>>> from vertebro.imaging.carm import CArm
>>> grid = VoxelGrid.around([-0.02, -0.01, -0.02], [0.02, 0.01, 0.02], 1e-3)
>>> image = project(np.ones(grid.shape), grid, CArm.ap(rows=65, cols=65).geometry)
>>> round(float(image[32, 32]), 5)
0.02
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import GeometryError
from vertebro.grid import VoxelGrid
from vertebro.imaging.carm import ProjectionGeometry
from vertebro.imaging.kernels_projector import filled_box, line_spans, place_nodes, sum_slices, warp_planes
from vertebro.imaging.kernels_rays import add_joseph, add_siddon
from vertebro.imaging.matter import Lines, Matter, lines_as_they_are, lines_of_box, not_finite
from vertebro.imaging.shadows import Shadow
from vertebro.imaging.slabs import SAMPLINGS, SlabPlan, box_window, plan_slabs, refuse_source_inside

Image = NDArray[np.float32]
Method = Literal["slab", "joseph", "siddon"]
Quality = Literal["exact", "preview"]
METHODS = ("slab", "joseph", "siddon")
ROUND = 8  # voxels to which the box of a sparse volume is rounded
ROWS = 64  # plane rows summed together: the turned sums fit the second-level cache


def project(
    volume: NDArray[np.floating],
    grid: VoxelGrid,
    geometry: ProjectionGeometry,
    *,
    method: Method = "slab",
    quality: Quality = "exact",
    out: Image | None = None,
) -> Image:
    """Line integrals of one or several volumes.

    Nothing lies outside the grid. For many poses of the same volumes see `project_matter`.

    Parameters
    ----------
    volume : (nr, na, ns) or (m, nr, na, ns) float array [1/m]
        For example linear attenuation; the answer is then dimensionless. A volume fraction gives metres.
    grid : VoxelGrid
    geometry : ProjectionGeometry
    method : {"slab", "joseph", "siddon"}
        "slab": voxels interpolated linearly, slices summed on a plane through the isocentre, then seen from the
        source; the fast one. "joseph": the same interpolation, every ray by itself. "siddon": every voxel a box of
        one value, exact chords.
    quality : {"exact", "preview"}
        A preview (of slabs) takes half the nodes, for a C-arm that moves.
    out : (rows, cols) or (m, rows, cols) float32 array, optional
        Frame to add to (changed in place); a small box touches only the pixels in its shadow.

    Returns
    -------
    (rows, cols) or (m, rows, cols) float32 array
        `out`, or a new array.

    Raises
    ------
    GeometryError
        If the volume does not fit its grid, the source lies inside the grid, the method or quality is unknown, or
        `out` has another shape.
    DataError
        If a voxel is NaN or infinite.
    """
    volume = np.asarray(volume)
    grid.check(volume, "volume")
    if not np.isfinite(volume.sum(dtype=np.float64)):  # one number that is not finite spoils the sum
        raise not_finite()
    image = _frame((*volume.shape[:-3], geometry.rows, geometry.cols), out)
    frames = image.reshape(-1, geometry.rows, geometry.cols)
    volumes = list(volume.reshape(-1, *grid.shape))
    refuse_source_inside(grid, geometry)
    if method == "slab":
        _project_slabs(volumes, grid, geometry, frames, quality, None)
    else:
        _project_rays(volumes, grid, geometry, frames, method)
    return image


def project_matter(
    matter: Matter, geometry: ProjectionGeometry, *, quality: Quality = "exact", out: Image | None = None
) -> Image:
    """Line integrals of volumes that are projected from many poses, all of them together (`project`, slabs).

    Parameters
    ----------
    matter : Matter
        m volumes; the first pose across a new axis lays them out anew, further ones do not.
    geometry : ProjectionGeometry
    quality : {"exact", "preview"}
    out : (m, rows, cols) float32 array, optional
        Frames to add to, in place.

    Returns
    -------
    (m, rows, cols) float32 array

    Raises
    ------
    GeometryError
        If the source lies inside the grid, the quality is unknown, or `out` has another shape.
    """
    refuse_source_inside(matter.grid, geometry)
    images = _frame((len(matter.volumes), geometry.rows, geometry.cols), out)
    _project_slabs(matter.volumes, matter.grid, geometry, images, quality, matter)
    return images


def project_box(
    volume: NDArray[np.floating], grid: VoxelGrid, geometry: ProjectionGeometry, *, out: Image | None = None
) -> Image:
    """Line integrals of a sparse volume: only the box around its non-zero voxels is projected.

    The answer is that of `project` (the sampling depends on pose and spacing alone), at a fraction of the time.
    Parameters, return and errors as `project`, for one volume.
    """
    image = _frame((geometry.rows, geometry.cols), out)
    sparse = _sparse(volume, grid, geometry)
    if sparse is not None:
        _add_slabs(*sparse, image[None])
    return image


def box_shadow(volume: NDArray[np.floating], grid: VoxelGrid, geometry: ProjectionGeometry) -> Shadow:
    """`project_box` without the rest of the picture."""
    sparse = _sparse(volume, grid, geometry)
    if sparse is None:
        return Shadow(path=np.zeros((0, 0), np.float32))
    top, bottom, left, right = sparse[1].window.tolist()
    path = np.zeros((bottom - top, right - left), np.float32)
    _add_slabs(*sparse, path[None], (top, left))
    return Shadow(path=path, top=top, left=left)


def _sparse(
    volume: NDArray[np.floating], grid: VoxelGrid, geometry: ProjectionGeometry
) -> tuple[Sequence[Lines], SlabPlan, int] | None:
    """Lines, plan and depth of the box around the voxels that are not zero; None when it casts no shadow."""
    grid.check(volume, "volume")
    voxels = np.ascontiguousarray(volume, np.float32)
    spans = np.empty((*voxels.shape[:2], 2), np.int32)
    if not math.isfinite(line_spans(voxels.reshape(-1, voxels.shape[2]), spans.reshape(-1, 2))):
        raise not_finite()
    ends = filled_box(spans).tolist()
    if ends[0] >= ends[1]:
        return None
    # rounded outwards: while cement grows, most pictures find their plan made
    low = [ends[0] // ROUND * ROUND, ends[2] // ROUND * ROUND, ends[4]]
    high = [min(-(-end // ROUND) * ROUND, n) for end, n in zip(ends[1::2], grid.shape, strict=True)]
    plan = _planned(_cut(grid, (low[0], low[1], low[2]), (high[0], high[1], high[2])), geometry)
    if plan is None:
        return None
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    return [lines_of_box(voxels, spans, box, plan.axes)], plan, high[plan.axes[2]] - low[plan.axes[2]]


def _cut(grid: VoxelGrid, low: tuple[int, int, int], high: tuple[int, int, int]) -> VoxelGrid:
    """The part of a grid from voxel `low` to before voxel `high`."""
    shape = (high[0] - low[0], high[1] - low[1], high[2] - low[2])
    origin = [o + h * i for o, h, i in zip(grid.origin, grid.spacing, low, strict=True)]
    return VoxelGrid(shape, grid.spacing, (origin[0], origin[1], origin[2]))


@functools.lru_cache(maxsize=128)
def _planned(grid: VoxelGrid, geometry: ProjectionGeometry) -> SlabPlan | None:
    refuse_source_inside(grid, geometry)
    return plan_slabs(grid, geometry, SAMPLINGS["exact"])


def _frame(shape: tuple[int, ...], out: Image | None) -> Image:
    if out is None:
        return np.zeros(shape, np.float32)
    if out.shape != shape or out.dtype != np.float32 or not out.flags.c_contiguous:
        raise GeometryError(
            "the frame does not fit", where="out", value=out.shape, allowed=f"{shape}, C-ordered float32"
        )
    return out


def _project_slabs(
    volumes: Sequence[NDArray[np.floating]],
    grid: VoxelGrid,
    geometry: ProjectionGeometry,
    images: Image,
    quality: Quality,
    matter: Matter | None,
) -> None:
    """Add the line integrals of volumes to images (m, rows, cols) in place."""
    if quality not in SAMPLINGS:
        raise GeometryError("unknown quality", where="quality", value=quality, allowed=", ".join(SAMPLINGS))
    plan = plan_slabs(grid, geometry, SAMPLINGS[quality])
    if plan is None:
        return
    lines = [lines_as_they_are(volume, plan.axes) for volume in volumes] if matter is None else matter.lines(plan.axes)
    _add_slabs(lines, plan, grid.shape[plan.axes[2]], images)


def _add_slabs(
    lines: Sequence[Lines], plan: SlabPlan, depth: int, images: Image, corner: tuple[int, int] = (0, 0)
) -> None:
    """Add the sums over a plan's slices, `depth` voxels along z, to images (m, rows, cols) in place.

    The images begin at row and column `corner` of the detector.
    """
    index = np.empty((len(plan.group_z), plan.nodes[1]), np.int32)
    weight = np.empty(index.shape, np.float32)
    rim = int(np.abs(plan.shift).max()) + 2
    place_nodes(plan.group_z, rim, index, weight)
    length = depth + 2 * rim
    planes = np.zeros((len(images), *plan.nodes), np.float32)
    rows, turned, total = (np.empty(n, np.float32) for n in ((ROWS, length), (length, ROWS), (plan.nodes[1], ROWS)))
    maps = plan.y_map, plan.group_start, plan.group_z, plan.shift
    for line, plane in zip(lines, planes, strict=True):
        sum_slices(line, maps, index, weight, rows, turned, total, plane)
    # a NaN voxel would also spoil pixels it does not touch; sums are few, voxels many: check the sums
    if not np.isfinite(planes).all():
        raise not_finite()
    place, ray = np.empty((3, images.shape[2])), plan.ray.copy()
    ray[0] += corner @ ray[1:]
    window = plan.window - np.repeat(corner, 2)
    warp_planes(planes, ray, plan.node, plan.step, window, place, images)


def _project_rays(
    volumes: Sequence[NDArray[np.floating]],
    grid: VoxelGrid,
    geometry: ProjectionGeometry,
    images: Image,
    method: str,
) -> None:
    """As `_project_slabs`, ray by ray."""
    if method not in METHODS:
        raise GeometryError("unknown method", where="method", value=method, allowed=", ".join(METHODS))
    window = box_window(grid, geometry)
    if window is None:
        return
    spacing = np.asarray(grid.spacing)
    source = (geometry.source - grid.origin) / spacing
    ray = geometry.rays / spacing
    for volume, image in zip(volumes, images, strict=True):
        voxels = np.ascontiguousarray(volume, np.float32)
        if not np.isfinite(voxels.sum(dtype=np.float64)):
            raise not_finite()
        if method == "siddon":
            add_siddon(voxels, source + 0.5, ray, spacing, window, image)
        else:
            strides = np.array(voxels.strides) // voxels.itemsize
            add_joseph(voxels.reshape(-1), strides, np.array(grid.shape), source, ray, spacing, window, image)
