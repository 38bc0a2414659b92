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

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import DataError, GeometryError
from vertebro.grid import VoxelGrid
from vertebro.imaging.carm import ProjectionGeometry
from vertebro.imaging.kernels_projector import ROWS, sum_slices, warp_plane
from vertebro.imaging.slabs import SlabPlan, plan_slabs

Image = NDArray[np.float32]


def project(
    volume: NDArray[np.floating],
    grid: VoxelGrid,
    geometry: ProjectionGeometry,
    *,
    out: Image | None = None,
) -> Image:
    """Line integrals of one or several volumes.

    Voxels are interpolated linearly and nothing lies outside the grid.

    Parameters
    ----------
    volume : (nr, na, ns) or (m, nr, na, ns) float array [1/m]
        For example linear attenuation; the answer is then dimensionless. A volume fraction gives metres.
    grid : VoxelGrid
    geometry : ProjectionGeometry
    out : (rows, cols) or (m, rows, cols) float32 array, optional
        Frame to add to (changed in place); a small box touches only the pixels in its shadow.

    Returns
    -------
    (rows, cols) or (m, rows, cols) float32 array
        `out`, or a new array.

    Raises
    ------
    GeometryError
        If the volume does not fit its grid, the source lies inside the grid, or `out` has another shape.
    DataError
        If a NaN or an infinity lies in the field of view.
    """
    volume = np.asarray(volume)
    grid.check(volume, "volume")
    image = _frame((*volume.shape[:-3], geometry.rows, geometry.cols), out)
    plan = plan_slabs(grid, geometry)
    if plan is not None:
        frames = image.reshape(-1, geometry.rows, geometry.cols)
        for one, frame in zip(volume.reshape(-1, *grid.shape), frames, strict=True):
            _add(one, plan, frame)
    return image


def project_box(
    volume: NDArray[np.floating], grid: VoxelGrid, geometry: ProjectionGeometry, *, out: Image | None = None
) -> Image:
    """Line integrals of a sparse volume: only the box around its non-zero voxels is projected.

    The answer is that of `project` (the sampling depends on pose and spacing alone), at a fraction of the time.
    Parameters, return and errors as `project`, for one volume.
    """
    grid.check(volume, "volume")
    box = nonzero_box(volume)
    if box is None:
        return _frame((geometry.rows, geometry.cols), out)
    low = [part.start for part in box]
    inner = VoxelGrid(
        tuple(part.stop - part.start for part in box),  # type: ignore[arg-type]
        grid.spacing,
        tuple(o + h * i for o, h, i in zip(grid.origin, grid.spacing, low, strict=True)),  # type: ignore[arg-type]
    )
    return project(volume[box], inner, geometry, out=out)


def nonzero_box(volume: NDArray[np.floating]) -> tuple[slice, slice, slice] | None:
    """Slices of the smallest box that holds all non-zero voxels; None when there are none."""
    filled = volume != 0
    spans = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        index = np.flatnonzero(filled.any(axis=others))
        if index.size == 0:
            return None
        spans.append(slice(int(index[0]), int(index[-1]) + 1))
    return spans[0], spans[1], spans[2]


def _frame(shape: tuple[int, ...], out: Image | None) -> Image:
    if out is None:
        return np.zeros(shape, np.float32)
    if out.shape != shape or out.dtype != np.float32 or not out.flags.c_contiguous:
        raise GeometryError(
            "the frame does not fit", where="out", value=out.shape, allowed=f"{shape}, C-ordered float32"
        )
    return out


def _add(volume: NDArray[np.floating], plan: SlabPlan, image: Image) -> None:
    """Add the line integrals of one volume to `image` in place."""
    slice_axis, y_axis, z_axis = plan.axes
    # r, a, s in memory: lines along s serve slices across r and a; only steep views need a reordered copy
    lines_along_s = z_axis == 2
    voxels = np.ascontiguousarray(volume if lines_along_s else volume.transpose(plan.axes), np.float32)
    strides = np.array(voxels.strides) // voxels.itemsize
    plane = np.zeros(plan.nodes, np.float32)
    n_z, n_k = volume.shape[z_axis], plan.nodes[1]
    sum_slices(
        voxels.reshape(-1),
        strides[[slice_axis, y_axis]] if lines_along_s else strides[:2],
        np.array([volume.shape[axis] for axis in plan.axes]),
        plan.y_map,
        plan.group_start,
        plan.group_z,
        np.empty((ROWS, n_z + 2), np.float32),
        np.zeros((n_z + 2, ROWS), np.float32),
        np.empty((len(plan.group_z), n_k), np.int32),
        np.empty((len(plan.group_z), n_k), np.float32),
        np.empty((n_k, ROWS), np.float32),
        plane,
    )
    # a NaN voxel would also spoil pixels it does not touch; sums are few, voxels many: check the sums
    if not np.isfinite(plane).all():
        raise DataError(
            "the volume holds NaN or infinity in the field of view", where="volume", allowed="finite numbers",
            hint="replace unknown voxels, e.g. by air (-1000 HU)",
        )  # fmt: skip
    warp_plane(plane, plan.ray, plan.node, plan.step, plan.window, image)
