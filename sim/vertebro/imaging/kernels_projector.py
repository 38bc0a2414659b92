"""Slab projector: slices summed onto a plane with separable interpolation, then one homography to the detector."""

from __future__ import annotations

import numpy as np

from vertebro._jit import kernel


@kernel(fastmath=True)
def sum_slices(flat, strides, shape, y_map, z_map, group_start, group_z, pad, row_sum, z_index, z_weight, plane):  # type: ignore[no-untyped-def]
    """Add the interpolated slices of a volume to a plane; changes `plane` in place.

    Slice i meets the ray of plane node (j, k) at the fractional indices ``y_map[i, 0] + y_map[i, 1] j`` along y and
    ``group_z[g, 0] + group_z[g, 1] k + z_map[i]`` along z. All slices of a group share the stretch along z, so its
    irregular loads run once per group; everything else is contiguous.

    Parameters
    ----------
    flat : (size,) float32
        The volume's memory; lines along z are contiguous.
    strides : (2,) int64
        Elements from slice to slice and from y line to y line.
    shape : (3,) int64
        Slices, y lines, z.
    y_map : (slices, 2) float64
    z_map : (slices,) float64
        |shift| <= pad - 2.
    group_start : (groups + 1,) int64
        First slice of each group.
    group_z : (groups, 2) float64
    pad : int
        Room on both sides of `row_sum`.
    row_sum : (z + 2 pad,) float32, z_index : (groups, nk) int32, z_weight : (groups, nk) float32
        Scratch.
    plane : (nj, nk) float32
    """
    n_y, n_z = shape[1], shape[2]
    n_k = plane.shape[1]
    for g in range(group_start.size - 1):
        for k in range(n_k):
            at = group_z[g, 0] + group_z[g, 1] * k + pad
            base = np.floor(at)
            inside = base >= 0.0 and base < n_z + 2 * pad - 1
            z_index[g, k] = np.int32(base) if inside else np.int32(0)
            z_weight[g, k] = np.float32(at - base) if inside else np.float32(0.0)
    for j in range(plane.shape[0]):
        out = plane[j]
        for g in range(group_start.size - 1):
            row_sum[:] = 0.0
            hit = False
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
                first = i * strides[0] + low * strides[1]
                second = i * strides[0] + high * strides[1]
                a, b = flat[first : first + n_z], flat[second : second + n_z]
                step = int(np.floor(z_map[i]))
                part = np.float32(z_map[i] - step)
                c = row_sum[pad - step - 1 : pad - step + n_z]
                if part == 0.0:
                    for z in range(n_z):
                        c[z + 1] += lower * a[z] + upper * b[z]
                else:
                    whole = np.float32(1.0) - part
                    c[0] += part * (lower * a[0] + upper * b[0])
                    for z in range(1, n_z):
                        c[z] += part * (lower * a[z] + upper * b[z]) + whole * (lower * a[z - 1] + upper * b[z - 1])
                    c[n_z] += whole * (lower * a[n_z - 1] + upper * b[n_z - 1])
            if hit:
                index, share = z_index[g], z_weight[g]
                for k in range(n_k):
                    left = row_sum[index[k]]
                    out[k] += left + share[k] * (row_sum[index[k] + 1] - left)


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
