"""Chords of rays through convex solids: means over each pixel for cut cylinders, centres of pixels for the others."""

from __future__ import annotations

import math

import numpy as np

from vertebro._jit import kernel

GAUSS = 0.3872983346207417  # of a pixel: Gauss's three points, with these weights
OUTER, INNER = 5 / 18, 8 / 18
SAMPLES, TURN = 34, 21  # Fibonacci lattice: samples of a pixel of which no two share a row or column


@kernel(inline=True)
def cut_chord(dx, dy, dz, ox, oy, oz, axis, along, c, planes):  # type: ignore[no-untyped-def]
    """Chord length [m] of one ray in a convex cut cylinder; see `add_cut_cylinder`."""
    square = dx * dx + dy * dy + dz * dz
    slope = dx * axis[0] + dy * axis[1] + dz * axis[2]
    a = square - slope * slope
    b = ox * dx + oy * dy + oz * dz - along * slope
    low, high = 0.0, 1.0
    if a > 1e-24 * square:
        root = b * b - a * c
        if root <= 0.0:
            return 0.0
        root = math.sqrt(root)
        low, high = max(low, (-b - root) / a), min(high, (root - b) / a)
    elif c > 0.0:
        return 0.0
    for i in range(planes.shape[0]):
        rise = planes[i, 0] * dx + planes[i, 1] * dy + planes[i, 2] * dz
        room = planes[i, 3] - (planes[i, 0] * ox + planes[i, 1] * oy + planes[i, 2] * oz)
        if rise > 0.0:
            high = min(high, room / rise)
        elif rise < 0.0:
            low = max(low, room / rise)
        elif room < 0.0:
            high = low
    return max(high - low, 0.0) * math.sqrt(square)


@kernel
def sampled_chord(dx, dy, dz, ray, ox, oy, oz, axis, along, c, planes):  # type: ignore[no-untyped-def]
    """Mean of `cut_chord` over the pixel about a ray; `ray` as in `add_cut_cylinder`."""
    mean = 0.0
    for k in range(SAMPLES):
        u, v = (k + 0.5) / SAMPLES - 0.5, ((k * TURN) % SAMPLES + 0.5) / SAMPLES - 0.5
        ex = dx + u * ray[1, 0] + v * ray[2, 0]
        ey = dy + u * ray[1, 1] + v * ray[2, 1]
        ez = dz + u * ray[1, 2] + v * ray[2, 2]
        mean += cut_chord(ex, ey, ez, ox, oy, oz, axis, along, c, planes) / SAMPLES
    return mean


@kernel(inline=True)
def edge_area(strip, x):  # type: ignore[no-untyped-def]
    """Integral of k sqrt(w² - s²) from the middle of a strip (middle, w, k) to x; beyond its edges it stays."""
    w = strip[1]
    if w <= 0.0:
        return 0.0
    s = min(max(x - strip[0], -w), w)
    u = abs(s / w)
    rest = math.sqrt(1.0 - u)
    # arcsine to 2e-8 (Abramowitz and Stegun 4.4.46)
    angle = 0.5 * math.pi - rest * (
        1.570796305 + u * (-0.2145988016 + u * (0.0889789874 + u * (-0.0501743046 + u * (
            0.030891881 + u * (-0.0170881256 + u * (0.0066700901 - u * 0.0012624911))))))
    )  # fmt: skip
    area = 0.5 * strip[2] * w * w * (u * rest * math.sqrt(1.0 + u) + angle)
    return math.copysign(area, s)


@kernel(inline=True)
def gauss_area(lines, x):  # type: ignore[no-untyped-def]
    """Mean of `edge_area` over a pixel, from its strips at -GAUSS, 0 and GAUSS of it."""
    return OUTER * (edge_area(lines[0], x) + edge_area(lines[2], x)) + INNER * edge_area(lines[1], x)


@kernel
def line_strip(bx, by, bz, fx, fy, fz, ox, oy, oz, axis, along, c):  # type: ignore[no-untyped-def]
    """Where a line of rays b + x f crosses an endless cylinder: the half chord is k sqrt(w² - (x - middle)²) / a.

    Returns
    -------
    tuple of float
        middle, w, k; w is 0 if it misses and -1 if the line does not leave the cylinder.
    """
    slope_b, slope_f = bx * axis[0] + by * axis[1] + bz * axis[2], fx * axis[0] + fy * axis[1] + fz * axis[2]
    b0 = ox * bx + oy * by + oz * bz - along * slope_b
    b1 = ox * fx + oy * fy + oz * fz - along * slope_f
    a0 = bx * bx + by * by + bz * bz - slope_b * slope_b
    a1 = bx * fx + by * fy + bz * fz - slope_b * slope_f
    a2 = fx * fx + fy * fy + fz * fz - slope_f * slope_f
    q0, q1, q2 = b0 * b0 - c * a0, b0 * b1 - c * a1, b1 * b1 - c * a2
    if q2 >= -1e-12 * (b1 * b1 + abs(c) * a2):
        return 0.0, -1.0, 0.0
    square = (q1 * q1 - q0 * q2) / (q2 * q2)
    return -q1 / q2, math.sqrt(max(square, 0.0)), math.sqrt(-q2)


@kernel
def may_be_cut(dx, dy, dz, ox, oy, oz, axis, along, radius, planes, step):  # type: ignore[no-untyped-def]
    """Whether a plane, the source or the detector may cut the cylinder within a pixel about this ray.

    `step` is the pixel's diagonal [m]. Everything the pixel sees lies within one half of the longest chord, and one
    pixel, of the point nearest the axis.
    """
    square = dx * dx + dy * dy + dz * dz
    slope = dx * axis[0] + dy * axis[1] + dz * axis[2]
    a = square - slope * slope
    if a <= 1e-6 * square:
        return True
    middle = (along * slope - ox * dx - oy * dy - oz * dz) / a
    half = radius / math.sqrt(a)
    shift = step * middle * math.sqrt(square / a)
    half += shift / math.sqrt(square)
    if middle - half <= 0.0 or middle + half >= 1.0:
        return True
    for i in range(planes.shape[0]):
        rise = planes[i, 0] * dx + planes[i, 1] * dy + planes[i, 2] * dz
        room = planes[i, 3] - (planes[i, 0] * ox + planes[i, 1] * oy + planes[i, 2] * oz)
        if middle * rise + half * abs(rise) + shift > room:
            return True
    return False


@kernel
def add_cut_cylinder(source, ray, start, axis, radius, planes, sign, window, image):  # type: ignore[no-untyped-def]
    """Add ``sign`` times each pixel's mean chord length [m] in a convex cut cylinder; changes `image` in place.

    Along the picture's axis that crosses the cylinder more steeply the mean is in closed form, along the other it is
    Gauss's with three points. Pixels that a plane may cut are sampled.

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
    # how steeply the picture's axes cross the plane through source and cylinder
    nx, ny, nz = oy * axis[2] - oz * axis[1], oz * axis[0] - ox * axis[2], ox * axis[1] - oy * axis[0]
    down = abs(nx * ray[1, 0] + ny * ray[1, 1] + nz * ray[1, 2])
    across = abs(nx * ray[2, 0] + ny * ray[2, 1] + nz * ray[2, 2])
    fast, slow = (1, 2) if down > across else (2, 1)
    fx, fy, fz = ray[fast, 0], ray[fast, 1], ray[fast, 2]
    first, last = (window[0], window[1]) if fast == 1 else (window[2], window[3])
    begin, end = (window[2], window[3]) if fast == 1 else (window[0], window[1])
    step = 0.0
    for i in range(3):
        step += (abs(ray[1, i]) + abs(ray[2, i])) ** 2
    step = math.sqrt(step)
    lines = np.empty((3, 3))
    for j in range(begin, end):
        low, high = first, last
        for k in range(3):
            at = j + (k - 1) * GAUSS
            bx, by, bz = ray[0, 0] + at * ray[slow, 0], ray[0, 1] + at * ray[slow, 1], ray[0, 2] + at * ray[slow, 2]
            lines[k] = line_strip(bx, by, bz, fx, fy, fz, ox, oy, oz, axis, along, c)
        endless = c <= 0.0 or lines[:, 1].min() < 0.0
        if not endless:
            # the shadow's borders are straight lines
            left, right = lines[:, 0] - lines[:, 1], lines[:, 0] + lines[:, 1]
            wide = 0.25 * max(abs(left[2] - left[0]), abs(right[2] - right[0])) / GAUSS
            low, high = max(low, math.floor(left[1] - wide + 0.5)), min(high, math.ceil(right[1] + wide + 0.5))
        # what the line's pixels see lies between what its first and its last pixel see
        wary = endless
        for i in (low, high - 1):
            if not wary and low < high:
                dx = ray[0, 0] + j * ray[slow, 0] + i * fx
                dy = ray[0, 1] + j * ray[slow, 1] + i * fy
                dz = ray[0, 2] + j * ray[slow, 2] + i * fz
                wary = may_be_cut(dx, dy, dz, ox, oy, oz, axis, along, radius, planes, step)
        before, ready = 0.0, False
        for i in range(low, high):
            dx = ray[0, 0] + j * ray[slow, 0] + i * fx
            dy = ray[0, 1] + j * ray[slow, 1] + i * fy
            dz = ray[0, 2] + j * ray[slow, 2] + i * fz
            if wary and (endless or may_be_cut(dx, dy, dz, ox, oy, oz, axis, along, radius, planes, step)):
                mean, ready = sampled_chord(dx, dy, dz, ray, ox, oy, oz, axis, along, c, planes), False
            else:
                if not ready:
                    before = gauss_area(lines, i - 0.5)
                upto = gauss_area(lines, i + 0.5)
                square = dx * dx + dy * dy + dz * dz
                slope = dx * axis[0] + dy * axis[1] + dz * axis[2]
                mean = 2.0 * (upto - before) * math.sqrt(square) / (square - slope * slope)
                before, ready = upto, True
            if mean > 0.0:
                if fast == 1:
                    image[i, j] += np.float32(sign * mean)
                else:
                    image[j, i] += np.float32(sign * mean)


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
