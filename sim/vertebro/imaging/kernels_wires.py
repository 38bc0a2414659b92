"""Chords of rays through wires: all points near a polyline, as means over each pixel."""

from __future__ import annotations

import math

import numpy as np

from vertebro._jit import kernel

SAMPLES, TURN = 34, 21  # Fibonacci lattice: samples of a pixel of which no two share a row or column


@kernel(inline=True)
def capsule_span(ox, oy, oz, dx, dy, dz, ax, ay, az, length, radius):  # type: ignore[no-untyped-def]
    """Where (0 to 1) a ray enters and leaves all points within `radius` of a stretch; low >= high when it misses."""
    dd, od, oo = dx * dx + dy * dy + dz * dz, ox * dx + oy * dy + oz * dz, ox * ox + oy * oy + oz * oz
    slope, along = dx * ax + dy * ay + dz * az, ox * ax + oy * ay + oz * az
    low, high = 2.0, -1.0
    # the round ends
    for end in range(2):
        at = length * end
        b, c = od - at * slope, oo - 2.0 * at * along + at * at - radius * radius
        root = b * b - dd * c
        if root > 0.0:
            root = np.sqrt(root)
            low, high = min(low, (-b - root) / dd), max(high, (root - b) / dd)
    # the straight part: a cylinder between two planes; the whole is convex, so its chord is one piece
    a, b, c = dd - slope * slope, od - along * slope, oo - along * along - radius * radius
    near, far = 0.0, 1.0
    if a > 1e-24 * dd:
        root = b * b - a * c
        if root <= 0.0:
            return low, high
        root = np.sqrt(root)
        near, far = (-b - root) / a, (root - b) / a
    elif c > 0.0:
        return low, high
    if slope != 0.0:
        one, two = -along / slope, (length - along) / slope
        near, far = max(near, min(one, two)), min(far, max(one, two))
    elif along < 0.0 or along > length:
        return low, high
    if far > near:
        low, high = min(low, near), max(high, far)
    return low, high


@kernel
def covered_length(dx, dy, dz, source, points, axis, near, radius, spans):  # type: ignore[no-untyped-def]
    """Length [m] of one ray within `radius` of the stretches that are `near`; joints count once.

    Parameters
    ----------
    dx, dy, dz : float [m]
        From the source to the detector.
    source : (3,) float64 [m]
    points : (n, 3) float64 [m]
    axis : (n - 1, 4) float64
        Unit vector and length [m] of each stretch.
    near : (n - 1,) bool
    radius : float [m]
    spans : (n - 1, 2) float64
        Scratch.
    """
    count = 0
    for s in range(near.size):
        if not near[s]:
            continue
        ox, oy, oz = source[0] - points[s, 0], source[1] - points[s, 1], source[2] - points[s, 2]
        low, high = capsule_span(ox, oy, oz, dx, dy, dz, axis[s, 0], axis[s, 1], axis[s, 2], axis[s, 3], radius)
        low, high = max(low, 0.0), min(high, 1.0)
        if low >= high:
            continue
        # kept sorted by their beginning
        at = count
        while at > 0 and spans[at - 1, 0] > low:
            spans[at, 0], spans[at, 1] = spans[at - 1, 0], spans[at - 1, 1]
            at -= 1
        spans[at, 0], spans[at, 1] = low, high
        count += 1
    covered, reached = 0.0, 0.0
    for i in range(count):
        if spans[i, 1] > reached:
            covered += spans[i, 1] - max(spans[i, 0], reached)
            reached = spans[i, 1]
    return covered * math.sqrt(dx * dx + dy * dy + dz * dz)


@kernel
def add_wire(source, ray, points, radius, windows, spans, image):  # type: ignore[no-untyped-def]
    """Add each pixel's mean length [m] of its rays within `radius` of a polyline; changes `image` in place.

    Parameters
    ----------
    source : (3,) float64 [m]
    ray : (3, 3) float64 [m]
        Rows: source to pixel (0, 0), step per row, step per column.
    points : (n, 3) float64 [m]
        Corners, n >= 2, no two neighbours equal.
    radius : float [m]
    windows : (n - 1, 4) int64
        First and last + 1 row and column that each stretch can touch.
    spans : (n - 1, 2) float64
        Scratch.
    image : (rows, cols) float32
    """
    stretches, diagonal = points.shape[0] - 1, 0.0
    axis, near = np.empty((stretches, 4)), np.empty(stretches, np.bool_)
    for i in range(3):
        diagonal += (abs(ray[1, i]) + abs(ray[2, i])) ** 2
    reach = radius + 0.5 * math.sqrt(diagonal)
    for s in range(stretches):
        total = 0.0
        for i in range(3):
            axis[s, i] = points[s + 1, i] - points[s, i]
            total += axis[s, i] ** 2
        axis[s, 3] = math.sqrt(total)
        axis[s, :3] /= axis[s, 3]
    for row in range(windows[:, 0].min(), windows[:, 1].max()):
        for col in range(windows[:, 2].min(), windows[:, 3].max()):
            some = False
            dx = ray[0, 0] + row * ray[1, 0] + col * ray[2, 0]
            dy = ray[0, 1] + row * ray[1, 1] + col * ray[2, 1]
            dz = ray[0, 2] + row * ray[1, 2] + col * ray[2, 2]
            for s in range(stretches):
                near[s] = windows[s, 0] <= row < windows[s, 1] and windows[s, 2] <= col < windows[s, 3]
                if near[s]:
                    ox, oy, oz = source[0] - points[s, 0], source[1] - points[s, 1], source[2] - points[s, 2]
                    low, high = capsule_span(
                        ox, oy, oz, dx, dy, dz, axis[s, 0], axis[s, 1], axis[s, 2], axis[s, 3], reach
                    )
                    near[s] = low < high
                some |= near[s]
            if not some:
                continue
            mean = 0.0
            for k in range(SAMPLES):
                u, v = (k + 0.5) / SAMPLES - 0.5, ((k * TURN) % SAMPLES + 0.5) / SAMPLES - 0.5
                ex = dx + u * ray[1, 0] + v * ray[2, 0]
                ey = dy + u * ray[1, 1] + v * ray[2, 1]
                ez = dz + u * ray[1, 2] + v * ray[2, 2]
                mean += covered_length(ex, ey, ez, source, points, axis, near, radius, spans) / SAMPLES
            image[row, col] += np.float32(mean)
