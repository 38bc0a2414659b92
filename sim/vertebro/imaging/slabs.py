"""Plan of the slab projector: which slices meet which nodes of a plane through the isocentre.

Slices across the axis nearest the beam are summed, each with bilinear interpolation, onto that plane. Seen from the
source, slice and plane are parallel, so the interpolation is separable. A homography then leads from the plane to the
detector; when the detector is parallel to the slices (AP, lateral), nodes and pixels coincide and it is exact.

Nodes, slices and groups of slices depend on pose and voxel spacing only, never on the extent of a volume. So the
projector is additive: a box cut out of a volume, projected into a frame, equals projecting the whole.

Neighbouring slices form a group that is stretched along z once, after each slice was shifted by whole voxels to follow
the beam's tilt.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import GeometryError
from vertebro.grid import VoxelGrid
from vertebro.imaging.carm import ProjectionGeometry

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
RIM = 3  # nodes around the shadow, for the cubic interpolation
MAX_GROUP = 8
PARALLEL = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How finely the plane is sampled.

    Attributes
    ----------
    per_pixel, per_voxel : float
        Nodes in an oblique view: the lesser of both.
    square : float
        Nodes per pixel when the detector is parallel to the slices.
    group_shift : float [voxel]
        Error of position that sharing a group's stretch may cause at the edge of the field.
    """

    per_pixel: float
    per_voxel: float
    square: float
    group_shift: float


SAMPLINGS = {
    "exact": Sampling(per_pixel=1.5, per_voxel=1.75, square=1.0, group_shift=0.33),
    "preview": Sampling(per_pixel=0.55, per_voxel=0.75, square=0.5, group_shift=0.6),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SlabPlan:
    """All of a projection that does not depend on the voxels' values; see `kernels_projector` for the arrays."""

    axes: tuple[int, int, int]
    y_map: Floats
    group_start: Ints
    group_z: Floats
    shift: Ints
    nodes: tuple[int, int]
    ray: Floats
    node: Floats
    step: float
    window: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Plane:
    """Regular nodes on the plane through the isocentre across the slice axis; depends on the pose only.

    Attributes
    ----------
    axes : tuple of int
        Slice axis, y axis, z axis.
    source : (3,) float [m]
        In the order of `axes`.
    depth : float [m]
        Isocentre minus source along the slice axis, signed.
    first, pitch : (2,) float [m]
        Position of node (0, 0) and (signed) steps, along y and z.
    count : (2,) int
        Nodes that cover the detector.
    """

    axes: tuple[int, int, int]
    source: Floats
    depth: float
    first: Floats
    pitch: Floats
    count: Ints

    def node_at(self, point: Floats) -> Floats:
        """Fractional nodes (…, 2) that shadow world points (…, 3 in the order of `axes`)."""
        scale = self.depth / (point[..., 0] - self.source[0])
        place = self.source[1:] + (point[..., 1:] - self.source[1:]) * scale[..., None]
        return np.asarray((place - self.first) / self.pitch)


def plan_slabs(grid: VoxelGrid, geometry: ProjectionGeometry, sampling: Sampling) -> SlabPlan | None:
    """Prepare the projection of a grid; None when it casts no shadow on the detector.

    The source must lie outside (`refuse_source_inside`).
    """
    plane = plan_plane(geometry, np.asarray(grid.spacing), sampling)
    order = list(plane.axes)
    origin, spacing = np.asarray(grid.origin)[order], np.asarray(grid.spacing)[order]
    count = np.asarray(grid.shape)[order]
    near, far = _slices_in_beam(origin[0] + spacing[0] * np.arange(count[0]), geometry, plane)
    if near == far:
        return None
    low, high = origin - spacing, origin + spacing * count
    low[0], high[0] = origin[0] + spacing[0] * near, origin[0] + spacing[0] * (far - 1)
    corners = _corners(low, high)
    world = np.empty_like(corners)
    world[:, order] = corners
    window = _shadow(world, geometry)
    nodes = _node_range(corners, plane)
    if window is None or nodes is None:
        return None
    return _fill_plan(origin, spacing, (near, far), plane, nodes, window, geometry, sampling)


def plan_plane(geometry: ProjectionGeometry, voxel: Floats, sampling: Sampling) -> Plane:
    """Choose the slice axis nearest the beam and the nodes.

    Parameters
    ----------
    geometry : ProjectionGeometry
    voxel : (3,) float [m]
        Spacing along r, a, s: nodes need not be much finer than the sums they sample.
    sampling : Sampling
    """
    axes = slice_axes(geometry)
    order = list(axes)
    source, iso = geometry.source[order], geometry.isocentre[order]
    depth = float(iso[0] - source[0])
    ray = geometry.corners()[:, order] - source
    shadow = source[1:] + depth * ray[:, 1:] / ray[:, :1]
    size = shadow.max(axis=0) - shadow.min(axis=0)
    count, pitch = _nodes(geometry, order, size, voxel[order[1:]], sampling)
    start = np.where(pitch > 0, shadow.min(axis=0), shadow.max(axis=0))
    return Plane(axes=axes, source=source, depth=depth, first=start, pitch=pitch, count=count)


def slice_axes(geometry: ProjectionGeometry) -> tuple[int, int, int]:
    """Slice axis (nearest the beam), y axis and z axis."""
    slice_axis = int(np.argmax(np.abs(geometry.normal)))
    return ((0, 1, 2), (1, 0, 2), (2, 0, 1))[slice_axis]


def _nodes(
    geometry: ProjectionGeometry, order: list[int], size: Floats, voxel: Floats, sampling: Sampling
) -> tuple[Ints, Floats]:
    """Nodes and signed pitch along y and z that lose no detail.

    A square view takes the pixels themselves. An oblique one stretches the field, so it takes more nodes than pixels,
    unless the voxels are so coarse that nodes at a fraction of them catch all there is.
    """
    step = np.stack([geometry.u, geometry.v])[:, order[1:]]
    nearest = np.argmax(np.abs(step), axis=0)
    towards = step[nearest, [0, 1]]
    count = np.array([(geometry.cols, geometry.rows)[i] for i in nearest], float)
    if 1 - abs(geometry.normal[order[0]]) > PARALLEL:
        count = np.minimum(count * sampling.per_pixel, 1 + size * sampling.per_voxel / voxel)
    else:
        count = count * sampling.square
    count = np.maximum(np.ceil(count - 1e-6), 2)
    pitch = np.where(size > 0, size / (count - 1), np.abs(towards))
    return count.astype(np.int64), np.where(towards < 0, -pitch, pitch)


def refuse_source_inside(grid: VoxelGrid, geometry: ProjectionGeometry) -> None:
    """Raise GeometryError when the source lies inside the grid."""
    low, high = grid.extent
    if np.all(geometry.source > low) and np.all(geometry.source < high):
        raise GeometryError(
            "the X-ray source lies inside the volume",
            where="source [mm]",
            value=np.round(geometry.source * 1e3, 1).tolist(),
            allowed=f"outside {np.round(low * 1e3, 1).tolist()} to {np.round(high * 1e3, 1).tolist()} mm",
            hint="increase source_isocentre or move the isocentre",
        )


def _slices_in_beam(position: Floats, geometry: ProjectionGeometry, plane: Plane) -> tuple[int, int]:
    """First and last + 1 slice between source and detector (on the central ray)."""
    centre = geometry.pixel((geometry.rows - 1) / 2, (geometry.cols - 1) / 2)[plane.axes[0]]
    share = (position - plane.source[0]) / (centre - plane.source[0])
    index = np.flatnonzero((share > 0.01) & (share <= 1.0))
    return (int(index[0]), int(index[-1]) + 1) if index.size else (0, 0)


def _corners(low: Floats, high: Floats) -> Floats:
    pick = np.indices((2, 2, 2)).reshape(3, -1).T
    return np.where(pick == 0, low, high)


def box_window(grid: VoxelGrid, geometry: ProjectionGeometry) -> Ints | None:
    """(4,) first and last + 1 row and column that hold the grid's shadow; None when it misses the detector."""
    low, high = grid.extent
    return _shadow(_corners(low - grid.spacing, high + grid.spacing), geometry)


def _shadow(world: Floats, geometry: ProjectionGeometry) -> Ints | None:
    """As `box_window`, for the (8, 3) corners of a box."""
    ray = world - geometry.source
    if not np.all(ray @ geometry.normal < 0):
        return np.array([0, geometry.rows, 0, geometry.cols])
    pixel = geometry.project_point(world)
    low = np.clip(np.floor(pixel.min(axis=0)) - 1, 0, None).astype(np.int64)
    high = np.minimum(np.ceil(pixel.max(axis=0)) + 2, [geometry.rows, geometry.cols]).astype(np.int64)
    return None if np.any(low >= high) else np.array([low[0], high[0], low[1], high[1]])


def _node_range(corners: Floats, plane: Plane) -> tuple[Ints, Ints] | None:
    """First and last + 1 node (y, z) with a rim, limited to the detector's field."""
    node = plane.node_at(corners)
    low = np.maximum(np.floor(node.min(axis=0)), 0).astype(np.int64)
    high = np.minimum(np.ceil(node.max(axis=0)) + 1, plane.count).astype(np.int64)
    return None if np.any(low >= high) else (low - RIM, high + RIM)


def _fill_plan(
    origin: Floats,
    spacing: Floats,
    beam: tuple[int, int],
    plane: Plane,
    nodes: tuple[Ints, Ints],
    window: Ints,
    geometry: ProjectionGeometry,
    sampling: Sampling,
) -> SlabPlan:
    low, high = nodes
    position = origin[0] + spacing[0] * np.arange(beam[1])
    start, group_position, shift, offset = _groups(position[beam[0] :], spacing, plane, sampling.group_shift)
    group_z = _index_map(group_position, 1, origin, spacing, plane, low)
    group_z[:, 0] += offset
    ray, node = _warp_map(geometry, plane, low)
    return SlabPlan(
        axes=plane.axes,
        y_map=_index_map(position, 0, origin, spacing, plane, low),
        group_start=start + beam[0],
        group_z=group_z,
        shift=np.concatenate([np.zeros(beam[0], np.int64), shift]),
        nodes=(int(high[0] - low[0]), int(high[1] - low[1])),
        ray=ray,
        node=node,
        step=float(spacing[0]),
        window=window,
    )


def _index_map(position: Floats, which: int, origin: Floats, spacing: Floats, plane: Plane, low: Ints) -> Floats:
    """(slices, 2): voxel index along y (0) or z (1) = first + step * node, for slices at the given positions."""
    scale = (position - plane.source[0]) / plane.depth
    source, axis = plane.source[1 + which], 1 + which
    first = plane.first[which] + low[which] * plane.pitch[which]
    index = (source + (first - source) * scale - origin[axis]) / spacing[axis]
    return np.stack([index, plane.pitch[which] * scale / spacing[axis]], axis=1)


def _groups(position: Floats, spacing: Floats, plane: Plane, tolerance: float) -> tuple[Ints, Floats, Ints, float]:
    """Start of each group of neighbouring slices (with the end), the position that gives its scale, shifts, offset."""
    # voxels along z from slice to slice, at both edges of the field
    edge = plane.first[1] + np.array([0.0, plane.count[1] - 1]) * plane.pitch[1]
    slope = (edge - plane.source[2]) / plane.depth * spacing[0] / spacing[2]
    steps, offset = _group_shifts(slope, tolerance)
    size, iso = len(steps), plane.source[0] + plane.depth
    # rounding keeps equal slices of different grids in the same group
    place = np.rint((position - iso) / spacing[0] * 1024) / 1024
    phase = place[0] - np.floor(place[0])
    group, member = np.divmod(np.rint(place - phase).astype(np.int64), size)
    start = np.concatenate([[0], np.flatnonzero(np.diff(group)) + 1, [len(group)]]).astype(np.int64)
    middle = group[start[:-1]] * size + (size - 1) / 2 + phase
    return start, iso + spacing[0] * middle, steps[member], offset


def _group_shifts(slope: Floats, tolerance: float) -> tuple[Ints, float]:
    """Shifts by whole voxels of as many slices as may share a stretch, and what they leave of it for all [voxel].

    Parameters
    ----------
    slope : (2,) float
        Voxels along z from slice to slice at both edges of the field.
    tolerance : float [voxel]
        The largest error of a slice's place.
    """
    for size in range(MAX_GROUP, 1, -1):
        # from the first slice on: two slices at a slope of 0.6 are one voxel apart, not none
        steps = np.rint(slope.mean() * np.arange(size))
        error = slope[:, None] * (np.arange(size) - (size - 1) / 2) - steps
        offset = (error.max() + error.min()) / 2
        if error.max() - offset <= tolerance:
            return steps.astype(np.int64), float(offset)
    return np.zeros(1, np.int64), 0.0


def _warp_map(geometry: ProjectionGeometry, plane: Plane, low: Ints) -> tuple[Floats, Floats]:
    order = list(plane.axes)
    ray = geometry.rays[:, order]
    first = plane.first + low * plane.pitch
    offset, gain = (plane.source[1:] - first) / plane.pitch, plane.depth / plane.pitch
    return ray, np.array([offset[0], gain[0], offset[1], gain[1]])
