"""Volumes laid out for projection: contiguous orders of memory, and which lines are empty, found once.

A C-arm that moves projects the same volumes from many poses. `Matter` keeps what does not depend on the pose.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import DataError, GeometryError
from vertebro.grid import VoxelGrid
from vertebro.imaging.kernels_projector import line_spans

Axes = tuple[int, int, int]
Ints = NDArray[np.int64]
Volume = NDArray[np.float32]
Lines = tuple[Volume, Ints, NDArray[np.int32]]  # memory, elements from slice to slice and line to line, spans


class Matter:
    """One or several volumes on a grid, to be projected again and again.

    The volumes must not be changed afterwards: their orders of memory are copies. Each order (slices across a, r or s)
    is made when the first pose needs it.

    Parameters
    ----------
    volumes : sequence of (nr, na, ns) float arrays [1/m]
        Or one array (m, nr, na, ns).
    grid : VoxelGrid

    Raises
    ------
    GeometryError
        If a volume does not fit the grid, or there is none.
    DataError
        If a voxel is NaN or infinite.
    """

    def __init__(self, volumes: Sequence[NDArray[np.floating]] | NDArray[np.floating], grid: VoxelGrid) -> None:
        self.grid = grid
        self.volumes = tuple(np.ascontiguousarray(volume, np.float32) for volume in volumes)
        if not self.volumes:
            raise GeometryError("nothing to project", where="volumes", value=0, allowed="at least one volume")
        for volume in self.volumes:
            grid.check(volume, "volume")
            # the sum of finite float32 in float64 is finite; one number that is not spoils it
            if not np.isfinite(volume.sum(dtype=np.float64)):
                raise not_finite()
        self._orders: dict[Axes, list[Lines]] = {}
        self._halved: Matter | None = None

    def lines(self, axes: Axes) -> list[Lines]:
        """Per volume: its memory, elements from slice to slice and from y line to y line, spans of its lines.

        Neighbouring slices of a line lie side by side, so a group of slices is read in one stream.
        """
        if axes not in self._orders:
            self._orders[axes] = [_laid_out(volume, axes) for volume in self.volumes]
        return self._orders[axes]

    @property
    def size(self) -> int:
        """Voxels of one volume."""
        return int(np.prod(self.grid.shape))

    def halved(self) -> Matter:
        """The same on voxels twice as wide, means over 2 x 2 x 2 of them; made when first asked for."""
        if self._halved is None:
            (x, y, z), (u, v, w), (i, j, k) = self.grid.spacing, self.grid.origin, self.grid.shape
            shape = (-(-i // 2), -(-j // 2), -(-k // 2))
            grid = VoxelGrid(shape, (2 * x, 2 * y, 2 * z), (u + x / 2, v + y / 2, w + z / 2))
            self._halved = Matter([_pair_means(volume) for volume in self.volumes], grid)
        return self._halved


def _pair_means(volume: Volume) -> Volume:
    """Means over 2 x 2 x 2 voxels; an odd end is paired with nothing, so that no mass is lost."""
    for axis in range(3):
        turned = np.moveaxis(volume, axis, 0)
        pairs = np.zeros((-(-len(turned) // 2), *turned.shape[1:]), np.float32)
        pairs += turned[::2]
        pairs[: len(turned) // 2] += turned[1::2]
        pairs *= np.float32(0.5)
        volume = np.moveaxis(pairs, 0, axis)
    return np.ascontiguousarray(volume)


def _laid_out(volume: Volume, axes: Axes) -> Lines:
    slice_axis, y_axis, z_axis = axes
    order = np.ascontiguousarray(volume.transpose(y_axis, slice_axis, z_axis))
    spans = np.empty((*order.shape[:2], 2), np.int32)
    line_spans(order.reshape(-1, order.shape[2]), spans.reshape(-1, 2))
    return order.reshape(-1), np.array([order.shape[2], order.shape[1] * order.shape[2]]), spans


def lines_as_they_are(volume: NDArray[np.floating], axes: Axes) -> Lines:
    """As `Matter.lines` for a volume that is projected once: nothing is reordered or looked at beforehand."""
    slice_axis, y_axis, z_axis = axes
    # r, a, s in memory: lines along s serve slices across r and a; only steep views need a reordered copy
    native = z_axis == 2
    voxels = np.ascontiguousarray(volume if native else volume.transpose(y_axis, slice_axis, z_axis), np.float32)
    strides = np.array(voxels.strides) // voxels.itemsize
    spans = np.zeros((volume.shape[y_axis], volume.shape[slice_axis], 2), np.int32)
    spans[..., 1] = volume.shape[z_axis]
    return voxels.reshape(-1), strides[[slice_axis, y_axis]] if native else strides[[1, 0]], spans


def lines_of_box(voxels: Volume, spans: NDArray[np.int32], box: tuple[slice, ...], axes: Axes) -> Lines:
    """As `lines_as_they_are` for a box of a volume, in place: nothing is copied, empty lines are known.

    Parameters
    ----------
    voxels : (nr, na, ns) float32 array, contiguous
    spans : (nr, na, 2) int32 array
        Of its lines along s.
    box : three slices
    axes : Axes
    """
    if axes[2] != 2:
        return lines_as_they_are(voxels[box], axes)
    strides = np.array(voxels.strides) // voxels.itemsize
    begin = sum(int(stride) * part.start for stride, part in zip(strides, box, strict=True))
    inside = spans[box[:2]].transpose(axes[1], axes[0], 2) - np.int32(box[2].start)
    return voxels.reshape(-1)[begin:], strides[[axes[0], axes[1]]], np.ascontiguousarray(inside)


def not_finite() -> DataError:
    """The error for NaN and infinity in a volume."""
    return DataError(
        "the volume holds NaN or infinity in the field of view", where="volume", allowed="finite numbers",
        hint="replace unknown voxels, e.g. by air (-1000 HU)",
    )  # fmt: skip
