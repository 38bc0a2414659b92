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
