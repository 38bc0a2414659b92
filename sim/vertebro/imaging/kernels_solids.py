"""Exact chords of rays through a cylinder cut by planes."""

from __future__ import annotations

import numpy as np

from vertebro._jit import kernel


@kernel
def add_cut_cylinder(source, ray, start, axis, radius, planes, sign, window, image):  # type: ignore[no-untyped-def]
    """Add ``sign`` times the chord length [m] of each ray in a convex cut cylinder; changes `image` in place.

    Parameters
    ----------
    source : (3,) float64 [m]
    ray : (3, 3) float64 [m]
        Rows: source to pixel (0, 0), step per row, step per column.
    start, axis : (3,) float64
        A point of the axis [m] and its unit vector.
    radius : float [m]
    planes : (n, 4) float64
        The solid keeps the points x with ``planes[:, :3] · (x - start) <= planes[:, 3]``.
    sign : float
    window : (4,) int64
        First and last + 1 row, first and last + 1 column.
    image : (rows, cols) float32
    """
    ox, oy, oz = source[0] - start[0], source[1] - start[1], source[2] - start[2]
    along = ox * axis[0] + oy * axis[1] + oz * axis[2]
    c = ox * ox + oy * oy + oz * oz - along * along - radius * radius
    for row in range(window[0], window[1]):
        for col in range(window[2], window[3]):
            dx = ray[0, 0] + row * ray[1, 0] + col * ray[2, 0]
            dy = ray[0, 1] + row * ray[1, 1] + col * ray[2, 1]
            dz = ray[0, 2] + row * ray[1, 2] + col * ray[2, 2]
            length = np.sqrt(dx * dx + dy * dy + dz * dz)
            slope = dx * axis[0] + dy * axis[1] + dz * axis[2]
            a = length * length - slope * slope
            b = ox * dx + oy * dy + oz * dz - along * slope
            low, high = 0.0, 1.0
            if a > 1e-24 * length * length:
                root = b * b - a * c
                if root <= 0.0:
                    continue
                root = np.sqrt(root)
                low, high = max(low, (-b - root) / a), min(high, (root - b) / a)
            elif c > 0.0:
                continue
            for i in range(planes.shape[0]):
                rise = planes[i, 0] * dx + planes[i, 1] * dy + planes[i, 2] * dz
                room = planes[i, 3] - (planes[i, 0] * ox + planes[i, 1] * oy + planes[i, 2] * oz)
                if rise > 0.0:
                    high = min(high, room / rise)
                elif rise < 0.0:
                    low = max(low, room / rise)
                elif room < 0.0:
                    high = low
            if high > low:
                image[row, col] += np.float32(sign * (high - low) * length)


@kernel
def add_ellipsoid(source, ray, centre, unit, window, image):  # type: ignore[no-untyped-def]
    """Add the chord length [m] of each ray in an ellipsoid; changes `image` in place.

    Parameters
    ----------
    source : (3,) float64 [m]
    ray : (3, 3) float64 [m]
        Rows: source to pixel (0, 0), step per row, step per column.
    centre : (3,) float64 [m]
    unit : (3, 3) float64 [1/m]
        Turns the ellipsoid into the unit ball: ``unit @ (x - centre)``.
    window : (4,) int64
        First and last + 1 row, first and last + 1 column.
    image : (rows, cols) float32
    """
    o, d = np.empty(3), np.empty(3)
    for axis in range(3):
        o[axis] = 0.0
        for i in range(3):
            o[axis] += unit[axis, i] * (source[i] - centre[i])
    c = o[0] * o[0] + o[1] * o[1] + o[2] * o[2] - 1.0
    for row in range(window[0], window[1]):
        for col in range(window[2], window[3]):
            dx = ray[0, 0] + row * ray[1, 0] + col * ray[2, 0]
            dy = ray[0, 1] + row * ray[1, 1] + col * ray[2, 1]
            dz = ray[0, 2] + row * ray[1, 2] + col * ray[2, 2]
            for axis in range(3):
                d[axis] = unit[axis, 0] * dx + unit[axis, 1] * dy + unit[axis, 2] * dz
            a = d[0] * d[0] + d[1] * d[1] + d[2] * d[2]
            b = o[0] * d[0] + o[1] * d[1] + o[2] * d[2]
            root = b * b - a * c
            if root <= 0.0:
                continue
            root = np.sqrt(root)
            low, high = max(0.0, (-b - root) / a), min(1.0, (root - b) / a)
            if high > low:
                image[row, col] += np.float32((high - low) * np.sqrt(dx * dx + dy * dy + dz * dz))


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
def add_wire(source, ray, points, radius, windows, spans, image):  # type: ignore[no-untyped-def]
    """Add the length [m] of each ray within `radius` of a polyline, joints counted once; changes `image` in place.

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
    stretches = points.shape[0] - 1
    axis = np.empty((stretches, 4))
    for s in range(stretches):
        total = 0.0
        for i in range(3):
            axis[s, i] = points[s + 1, i] - points[s, i]
            total += axis[s, i] ** 2
        axis[s, 3] = np.sqrt(total)
        axis[s, :3] /= axis[s, 3]
    for row in range(windows[:, 0].min(), windows[:, 1].max()):
        for col in range(windows[:, 2].min(), windows[:, 3].max()):
            count = 0
            dx = ray[0, 0] + row * ray[1, 0] + col * ray[2, 0]
            dy = ray[0, 1] + row * ray[1, 1] + col * ray[2, 1]
            dz = ray[0, 2] + row * ray[1, 2] + col * ray[2, 2]
            for s in range(stretches):
                if row < windows[s, 0] or row >= windows[s, 1] or col < windows[s, 2] or col >= windows[s, 3]:
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
            if covered > 0.0:
                image[row, col] += np.float32(covered * np.sqrt(dx * dx + dy * dy + dz * dz))
