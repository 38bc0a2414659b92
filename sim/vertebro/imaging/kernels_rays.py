"""Projectors that follow every ray by itself: exact chords through voxels (Siddon) and slice by slice (Joseph)."""

from __future__ import annotations

import numpy as np

from vertebro._jit import kernel


@kernel
def add_siddon(volume, source, ray, spacing, window, image):  # type: ignore[no-untyped-def]
    """Add the exact integral of a piecewise constant volume along each ray; changes `image` in place.

    Parameters
    ----------
    volume : (n0, n1, n2) float32 [1/m]
    source : (3,) float64
        In voxel faces: voxel i spans i to i + 1.
    ray : (3, 3) float64
        Rows: source to pixel (0, 0), step per row, step per column, in voxels.
    spacing : (3,) float64 [m]
    window : (4,) int64
        First and last + 1 row, first and last + 1 column.
    image : (rows, cols) float32
    """
    shape = volume.shape
    d, cell, step = np.empty(3), np.empty(3, np.int64), np.empty(3, np.int64)
    cross, stride = np.empty(3), np.empty(3)
    for row in range(window[0], window[1]):
        for col in range(window[2], window[3]):
            enter, leave, length = 0.0, 1.0, 0.0
            for axis in range(3):
                d[axis] = ray[0, axis] + row * ray[1, axis] + col * ray[2, axis]
                length += (d[axis] * spacing[axis]) ** 2
                if d[axis] != 0.0:
                    one, two = -source[axis] / d[axis], (shape[axis] - source[axis]) / d[axis]
                    enter, leave = max(enter, min(one, two)), min(leave, max(one, two))
                elif source[axis] < 0.0 or source[axis] >= shape[axis]:
                    leave = -1.0
            if enter >= leave:
                continue
            for axis in range(3):
                # a ray that enters through a face starts in the voxel behind it
                at = source[axis] + enter * d[axis]
                cell[axis] = min(max(int(np.floor(at)), 0), shape[axis] - 1)
                step[axis] = 1 if d[axis] > 0.0 else -1
                if d[axis] != 0.0:
                    face = cell[axis] + (1 if d[axis] > 0.0 else 0)
                    cross[axis] = (face - source[axis]) / d[axis]
                    stride[axis] = abs(1.0 / d[axis])
                else:
                    cross[axis] = stride[axis] = np.inf
            at, total = enter, 0.0
            while at < leave:
                axis = 0
                if cross[1] < cross[axis]:
                    axis = 1
                if cross[2] < cross[axis]:
                    axis = 2
                end = min(cross[axis], leave)
                if end > at:
                    total += (end - at) * volume[cell[0], cell[1], cell[2]]
                    at = end
                cell[axis] += step[axis]
                if cell[axis] < 0 or cell[axis] >= shape[axis]:
                    break
                cross[axis] += stride[axis]
            image[row, col] += np.float32(total * np.sqrt(length))


@kernel
def add_joseph(flat, strides, shape, source, ray, spacing, window, image):  # type: ignore[no-untyped-def]
    """Add the sum of bilinear samples, one per slice across the ray's main axis; changes `image` in place.

    Parameters
    ----------
    flat : (size,) float32 [1/m]
        The volume's memory.
    strides, shape : (3,) int64
        Elements per step and number of voxels along the volume's axes.
    source : (3,) float64
        In voxel centres.
    ray : (3, 3) float64
        Rows: source to pixel (0, 0), step per row, step per column, in voxels.
    spacing : (3,) float64 [m]
    window : (4,) int64
    image : (rows, cols) float32
    """
    d = np.empty(3)
    for row in range(window[0], window[1]):
        for col in range(window[2], window[3]):
            length = 0.0
            for axis in range(3):
                d[axis] = ray[0, axis] + row * ray[1, axis] + col * ray[2, axis]
                length += (d[axis] * spacing[axis]) ** 2
            m = 0
            for axis in range(1, 3):
                if abs(d[axis]) * spacing[axis] > abs(d[m]) * spacing[m]:
                    m = axis
            y, z = (m + 1) % 3, (m + 2) % 3
            total = 0.0
            for i in range(shape[m]):
                t = (i - source[m]) / d[m]
                if t < 0.0 or t > 1.0:
                    continue
                at_y, at_z = source[y] + t * d[y], source[z] + t * d[z]
                if at_y <= -1.0 or at_z <= -1.0 or at_y >= shape[y] or at_z >= shape[z]:
                    continue
                j, k = int(np.floor(at_y)), int(np.floor(at_z))
                p, q = at_y - j, at_z - k
                base = i * strides[m] + j * strides[y] + k * strides[z]
                # a neighbour outside the volume is nothing
                if j >= 0:
                    if k >= 0:
                        total += (1.0 - p) * (1.0 - q) * flat[base]
                    if k + 1 < shape[z]:
                        total += (1.0 - p) * q * flat[base + strides[z]]
                if j + 1 < shape[y]:
                    if k >= 0:
                        total += p * (1.0 - q) * flat[base + strides[y]]
                    if k + 1 < shape[z]:
                        total += p * q * flat[base + strides[y] + strides[z]]
            image[row, col] += np.float32(total * np.sqrt(length) / abs(d[m]))
