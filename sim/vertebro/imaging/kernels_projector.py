"""Slab projector: slices summed onto a plane with separable interpolation, then one homography to the detector."""

from __future__ import annotations

import numpy as np

from vertebro._jit import kernel

CHUNK = 32  # voxels of a line that are looked at together
ON_NODE = 1e-6  # distance that counts as on a node


@kernel(fastmath=True)
def line_spans(lines, spans):  # type: ignore[no-untyped-def]
    """First and last + 1 voxel of each line that may differ from zero (whole chunks); ``n, 0`` for an empty line.

    Parameters
    ----------
    lines : (lines, n) float32
    spans : (lines, 2) int32
        Written in place.

    Returns
    -------
    float
        Sum of all magnitudes: not finite when a voxel is not.
    """
    n, total = lines.shape[1], 0.0
    for i in range(lines.shape[0]):
        low, high = n, 0
        for start in range(0, n, CHUNK):
            end = min(start + CHUNK, n)
            part = lines[i, start:end]
            amount = np.float32(0.0)
            for z in range(part.size):
                amount += abs(part[z])
            # a NaN is not equal to zero: it stays in the span and is met by whoever sums
            if amount != np.float32(0.0):
                low, high = min(low, start), end
            total += float(amount)
        spans[i, 0], spans[i, 1] = low, high
    return total


@kernel
def filled_box(spans):  # type: ignore[no-untyped-def]
    """First and last + 1 index along three axes of all lines that are not empty; first >= last when all are.

    Parameters
    ----------
    spans : (n0, n1, 2) int32
        From `line_spans`.

    Returns
    -------
    (6,) int64
    """
    box = np.zeros(6, np.int64)
    for axis in range(3):
        box[2 * axis] = 1 << 40
    for i in range(spans.shape[0]):
        for j in range(spans.shape[1]):
            low, high = spans[i, j, 0], spans[i, j, 1]
            if low < high:
                box[0], box[1] = min(box[0], i), i + 1
                box[2], box[3] = min(box[2], j), max(box[3], j + 1)
                box[4], box[5] = min(box[4], low), max(box[5], high)
    return box


@kernel
def place_nodes(group_z, rim, index, weight):  # type: ignore[no-untyped-def]
    """Where the nodes of each group lie between voxels along z; shared by all volumes of a grid.

    Parameters
    ----------
    group_z : (groups, 2) float64
        Node k lies at the fractional index ``group_z[g, 0] + group_z[g, 1] k``.
    rim : int
        Added to the index.
    index : (groups, nk) int32, weight : (groups, nk) float32
        Lower neighbour and share of the upper one; written in place.
    """
    for g in range(index.shape[0]):
        for k in range(index.shape[1]):
            at = group_z[g, 0] + group_z[g, 1] * k
            base = np.floor(at)
            index[g, k] = np.int32(base) + rim
            weight[g, k] = np.float32(at - base)


@kernel(fastmath=True, inline=True)
def stretch(turned, index, weight, total, first, last, width):  # type: ignore[no-untyped-def]
    """Add the turned rows, interpolated at each node, to the sums."""
    for k in range(first, last):
        left, right = turned[index[k], :width], turned[index[k] + 1, :width]
        share, out = weight[k], total[k, :width]
        for q in range(width):
            out[q] += left[q] + share * (right[q] - left[q])


@kernel(fastmath=True, inline=True)
def group_span(spans, y_map, first_j, last_j, start, end, shift, n_z):  # type: ignore[no-untyped-def]
    """Extent along z, in the group's frame, of all lines that rows first_j to last_j of the plane meet."""
    low, high = 2 * n_z, -n_z
    n_y = spans.shape[0]
    for i in range(start, end):
        one, two = y_map[i, 0] + y_map[i, 1] * first_j, y_map[i, 0] + y_map[i, 1] * last_j
        lower, upper = max(int(np.floor(min(one, two))), 0), min(int(np.floor(max(one, two))) + 2, n_y)
        for y in range(lower, upper):
            if spans[y, i, 0] < spans[y, i, 1]:
                low, high = min(low, spans[y, i, 0] - shift[i]), max(high, spans[y, i, 1] - shift[i])
    return low, high


@kernel(fastmath=True)
def sum_slices(lines, maps, index, weight, rows, turned, total, plane):  # type: ignore[no-untyped-def]
    """Add the interpolated slices of a volume to a plane; changes `plane` in place.

    Slice i of group g meets the ray of plane node (j, k) at the fractional indices ``y_map[i, 0] + y_map[i, 1] j``
    along y and ``shift[i] + group_z[g, 0] + group_z[g, 1] k`` along z: the slices of a group share the stretch along z.
    A block of plane rows goes together: its sums are turned so that the stretch loads whole registers.

    Parameters
    ----------
    lines : tuple
        flat, (size,) float32, the volume's memory, lines along z contiguous; strides, (2,) int64, elements from slice
        to slice and from y line to y line; spans, (y, slices, 2) int32, first and last + 1 voxel of each line that is
        not zero.
    maps : tuple
        y_map, (slices, 2) float64; group_start, (groups + 1,) int64, first slice of each group; group_z, (groups, 2)
        float64; shift, (slices,) int64.
    index : (groups, nk) int32, weight : (groups, nk) float32
        From `place_nodes`; an index counts from a rim of ``(len(turned) - z) // 2`` rows.
    rows : (block, z + 2 rim) float32, turned : (z + 2 rim, block) float32, total : (nk, block) float32
        Scratch.
    plane : (nj, nk) float32
    """
    flat, strides, spans = lines
    y_map, group_start, group_z, shift = maps
    n_y = spans.shape[0]
    n_j, n_k = plane.shape
    block = total.shape[1]
    rim = 2
    for i in range(shift.size):
        rim = max(rim, abs(shift[i]) + 2)
    n_z = turned.shape[0] - 2 * rim
    for first_j in range(0, n_j, block):
        width = min(block, n_j - first_j)
        total[:] = 0.0
        for g in range(group_start.size - 1):
            low_z, high_z = group_span(
                spans, y_map, first_j, first_j + width - 1, group_start[g], group_start[g + 1], shift, n_z
            )
            # only what the group's rays can meet: bodies are longer than the field
            ends = group_z[g, 0], group_z[g, 0] + group_z[g, 1] * (n_k - 1)
            low_z, high_z = max(low_z, int(np.floor(min(ends)))), min(high_z, int(np.floor(max(ends))) + 2)
            if low_z >= high_z:
                continue
            n = high_z - low_z
            for q in range(width):
                c = rows[q, :n]
                c[:] = 0.0
                for i in range(group_start[g], group_start[g + 1]):
                    at = y_map[i, 0] + y_map[i, 1] * (first_j + q)
                    if at <= -1.0 or at >= n_y:
                        continue
                    low = int(np.floor(at))
                    upper = np.float32(at - low)
                    lower = np.float32(1.0) - upper
                    # outside the volume is nothing: the missing line gets the weight 0 and its neighbour's memory
                    if low < 0:
                        low, lower, upper = 0, upper, np.float32(0.0)
                    high = low + 1
                    if high >= n_y:
                        high, upper = low, np.float32(0.0)
                    begin = max(min(spans[low, i, 0], spans[high, i, 0]), low_z + shift[i])
                    end = min(max(spans[low, i, 1], spans[high, i, 1]), high_z + shift[i])
                    if begin >= end:
                        continue
                    one = i * strides[0] + low * strides[1] + begin
                    two = i * strides[0] + high * strides[1] + begin
                    a, b = flat[one : one + end - begin], flat[two : two + end - begin]
                    d = c[begin - shift[i] - low_z : end - shift[i] - low_z]
                    for z in range(a.size):
                        d[z] += lower * a[z] + upper * b[z]
            turned[low_z + rim - 1, :width] = 0.0
            turned[high_z + rim, :width] = 0.0
            for z in range(n):
                line = turned[z + low_z + rim]
                for q in range(width):
                    line[q] = rows[q, z]
            first, last = 0, n_k
            while first < n_k and not low_z - 1 <= index[g, first] - rim < high_z:
                first += 1
            while last > first and not low_z - 1 <= index[g, last - 1] - rim < high_z:
                last -= 1
            stretch(turned, index[g], weight[g], total, first, last, width)
        for q in range(width):
            line = plane[first_j + q]
            for k in range(n_k):
                line[k] += total[k, q]


@kernel(fastmath=True)
def warp_planes(planes, ray, node, step, window, place, images):  # type: ignore[no-untyped-def]
    """Add the planes' sums, seen from the source, to the detector; changes `images` in place.

    Parameters
    ----------
    planes : (m, nj, nk) float32
        Sums of samples, with a rim of at least two empty or valid nodes.
    ray : (3, 3) float64
        Rows: source to pixel (0, 0), step per row, step per column; components (slice axis, y, z) [m].
    node : (4,) float64
        Plane node of a ray d: ``(node[0] + node[1] d_y / d_x, node[2] + node[3] d_z / d_x)``.
    step : float
        Distance of slices [m]; the sample's length is ``step |d| / |d_x|``.
    window : (4,) int64
        First and last + 1 row, first and last + 1 column.
    place : (3, cols) float64
        Scratch.
    images : (m, rows, cols) float32
    """
    n_j, n_k = planes.shape[1:]
    one, half, three, five = np.float32(1.0), np.float32(0.5), np.float32(1.5), np.float32(2.5)
    at_j, at_k, length = place[0], place[1], place[2]
    for row in range(window[0], window[1]):
        x0, y0, z0 = ray[0, 0] + row * ray[1, 0], ray[0, 1] + row * ray[1, 1], ray[0, 2] + row * ray[1, 2]
        for col in range(window[2], window[3]):
            inverse = 1.0 / (x0 + col * ray[2, 0])
            y, z = (y0 + col * ray[2, 1]) * inverse, (z0 + col * ray[2, 2]) * inverse
            at_j[col], at_k[col] = node[0] + node[1] * y, node[2] + node[3] * z
            length[col] = step * np.sqrt(1.0 + y * y + z * z)
        for col in range(window[2], window[3]):
            j, k = int(np.floor(at_j[col])), int(np.floor(at_k[col]))
            if j < 1 or k < 1 or j >= n_j - 2 or k >= n_k - 2:
                continue
            size = np.float32(length[col])
            on_j, on_k = int(np.rint(at_j[col])), int(np.rint(at_k[col]))
            if abs(at_j[col] - on_j) < ON_NODE and abs(at_k[col] - on_k) < ON_NODE:
                # a square view: pixels and nodes are the same
                for m in range(planes.shape[0]):
                    images[m, row, col] += size * planes[m, on_j, on_k]
                continue
            p, q = np.float32(at_j[col] - j), np.float32(at_k[col] - k)
            # Catmull-Rom weights: no blur beyond the plane's own sampling
            k0, k3 = -half * q * (one - q) * (one - q), -half * q * q * (one - q)
            k1 = one + q * q * (three * q - five)
            k2 = one - k0 - k1 - k3
            j0, j3 = -half * p * (one - p) * (one - p), -half * p * p * (one - p)
            j1 = one + p * p * (three * p - five)
            j2 = one - j0 - j1 - j3
            for m in range(planes.shape[0]):
                a, b, c, d = planes[m, j - 1], planes[m, j], planes[m, j + 1], planes[m, j + 2]
                v0 = k0 * a[k - 1] + k1 * a[k] + k2 * a[k + 1] + k3 * a[k + 2]
                v1 = k0 * b[k - 1] + k1 * b[k] + k2 * b[k + 1] + k3 * b[k + 2]
                v2 = k0 * c[k - 1] + k1 * c[k] + k2 * c[k + 1] + k3 * c[k + 2]
                v3 = k0 * d[k - 1] + k1 * d[k] + k2 * d[k + 1] + k3 * d[k + 2]
                images[m, row, col] += size * (j0 * v0 + j1 * v1 + j2 * v2 + j3 * v3)
