"""Slab projector: slices summed onto a plane with separable interpolation, then one homography to the detector."""

from __future__ import annotations

import numpy as np

from vertebro._jit import kernel

ROWS = 8  # plane rows summed together: one vector register


@kernel(fastmath=True)
def sum_slices(flat, strides, shape, y_map, group_start, group_z, rows, turned, z_index, z_weight, total, plane):  # type: ignore[no-untyped-def]
    """Add the interpolated slices of a volume to a plane; changes `plane` in place.

    Slice i of group g meets the ray of plane node (j, k) at the fractional indices ``y_map[i, 0] + y_map[i, 1] j``
    along y and ``group_z[g, 0] + group_z[g, 1] k`` along z. All slices of a group share the stretch along z.
    Eight plane rows go together: their sums are turned so that the stretch loads whole registers, not single numbers.

    Parameters
    ----------
    flat : (size,) float32
        The volume's memory; lines along z are contiguous.
    strides : (2,) int64
        Elements from slice to slice and from y line to y line.
    shape : (3,) int64
        Slices, y lines, z.
    y_map : (slices, 2) float64
    group_start : (groups + 1,) int64
        First slice of each group.
    group_z : (groups, 2) float64
    turned : (z + 2, 8) float32
        Scratch, zero at the start.
    rows : (8, z + 2), total : (nk, 8) float32
        Scratch.
    z_index : (groups, nk) int32, z_weight : (groups, nk) float32
        Scratch.
    plane : (nj, nk) float32
    """
    n_y, n_z = shape[1], shape[2]
    n_j, n_k = plane.shape
    groups = group_start.size - 1
    for g in range(groups):
        for k in range(n_k):
            at = group_z[g, 0] + group_z[g, 1] * k + 1.0
            base = np.floor(at)
            inside = base >= 0.0 and base < n_z + 1
            # index 0 is the empty rim: a node beside the volume adds nothing
            z_index[g, k] = np.int32(base) if inside else np.int32(0)
            z_weight[g, k] = np.float32(at - base) if inside else np.float32(0.0)
    for first_j in range(0, n_j, ROWS):
        last_j = min(first_j + ROWS, n_j)
        total[:] = 0.0
        for g in range(groups):
            # only what the group's rays can meet: bodies are longer than the field
            ends = group_z[g, 0], group_z[g, 0] + group_z[g, 1] * (n_k - 1)
            z_from = max(int(np.floor(min(ends))), 0)
            z_to = min(int(np.floor(max(ends))) + 2, n_z)
            if z_from >= z_to:
                continue
            rows[:, z_from + 1 : z_to + 1] = 0.0
            hit = False
            for j in range(first_j, last_j):
                c = rows[j - first_j, z_from + 1 : z_to + 1]
                for i in range(group_start[g], group_start[g + 1]):
                    at = y_map[i, 0] + y_map[i, 1] * j
                    if at <= -1.0 or at >= n_y:
                        continue
                    hit = True
                    low = int(np.floor(at))
                    upper = np.float32(at - low)
                    lower = np.float32(1.0) - upper
                    # outside the volume is nothing: the missing line gets the weight 0 and its neighbour's memory
                    if low < 0:
                        low, lower, upper = 0, upper, np.float32(0.0)
                    high = low + 1
                    if high >= n_y:
                        high, upper = low, np.float32(0.0)
                    one = i * strides[0] + low * strides[1] + z_from
                    two = i * strides[0] + high * strides[1] + z_from
                    a, b = flat[one : one + z_to - z_from], flat[two : two + z_to - z_from]
                    for z in range(z_to - z_from):
                        c[z] += lower * a[z] + upper * b[z]
            if hit:
                for z in range(z_from + 1, z_to + 1):
                    for q in range(ROWS):
                        turned[z, q] = rows[q, z]
                for k in range(n_k):
                    left, right, share = turned[z_index[g, k]], turned[z_index[g, k] + 1], z_weight[g, k]
                    out = total[k]
                    for q in range(ROWS):
                        out[q] += left[q] + share * (right[q] - left[q])
        for j in range(first_j, last_j):
            for k in range(n_k):
                plane[j, k] += total[k, j - first_j]


@kernel(fastmath=True)
def warp_plane(plane, ray, node, step, window, image):  # type: ignore[no-untyped-def]
    """Add the plane's sums, seen from the source, to the detector; changes `image` in place.

    Parameters
    ----------
    plane : (nj, nk) float32
        Sums of samples, with a rim of at least two empty or valid nodes.
    ray : (3, 3) float64
        Rows: source to pixel (0, 0), step per row, step per column; components (slice axis, y, z) [m].
    node : (4,) float64
        Plane node of a ray d: ``(node[0] + node[1] d_y / d_x, node[2] + node[3] d_z / d_x)``.
    step : float
        Distance of slices [m]; the sample's length is ``step |d| / |d_x|``.
    window : (4,) int64
        First and last + 1 row, first and last + 1 column.
    image : (rows, cols) float32
    """
    n_j, n_k = plane.shape
    for row in range(window[0], window[1]):
        for col in range(window[2], window[3]):
            x = ray[0, 0] + row * ray[1, 0] + col * ray[2, 0]
            y = ray[0, 1] + row * ray[1, 1] + col * ray[2, 1]
            z = ray[0, 2] + row * ray[1, 2] + col * ray[2, 2]
            at_j, at_k = node[0] + node[1] * y / x, node[2] + node[3] * z / x
            j, k = int(np.floor(at_j)), int(np.floor(at_k))
            if j < 1 or k < 1 or j >= n_j - 2 or k >= n_k - 2:
                continue
            p, q = np.float32(at_j - j), np.float32(at_k - k)
            # Catmull-Rom weights: no blur beyond the plane's own sampling
            k0, k3 = -0.5 * q * (1 - q) * (1 - q), -0.5 * q * q * (1 - q)
            k1 = 1 + q * q * (1.5 * q - 2.5)
            k2 = 1 - k0 - k1 - k3
            j0, j3 = -0.5 * p * (1 - p) * (1 - p), -0.5 * p * p * (1 - p)
            j1 = 1 + p * p * (1.5 * p - 2.5)
            j2 = 1 - j0 - j1 - j3
            v0 = k0 * plane[j - 1, k - 1] + k1 * plane[j - 1, k] + k2 * plane[j - 1, k + 1] + k3 * plane[j - 1, k + 2]
            v1 = k0 * plane[j, k - 1] + k1 * plane[j, k] + k2 * plane[j, k + 1] + k3 * plane[j, k + 2]
            v2 = k0 * plane[j + 1, k - 1] + k1 * plane[j + 1, k] + k2 * plane[j + 1, k + 1] + k3 * plane[j + 1, k + 2]
            v3 = k0 * plane[j + 2, k - 1] + k1 * plane[j + 2, k] + k2 * plane[j + 2, k + 1] + k3 * plane[j + 2, k + 2]
            length = step * np.sqrt(1.0 + (y * y + z * z) / (x * x))
            image[row, col] += np.float32(length * (j0 * v0 + j1 * v1 + j2 * v2 + j3 * v3))
