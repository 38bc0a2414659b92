"""Chords of rays through cut cylinders and ellipsoids, as means over each pixel: edges without stairs."""

from __future__ import annotations

import math

import numpy as np

from vertebro._jit import kernel

GAUSS = 0.3872983346207417  # of a pixel: Gauss's three points, with these weights
OUTER, INNER = 5 / 18, 8 / 18
SAMPLES, TURN = 34, 21  # Fibonacci lattice: samples of a pixel of which no two share a row or column
MANY, MANY_TURN = 377, 233  # the same where a plane cuts a cylinder
EVEN = 12.0  # times its change over a pixel: a form so large has a chord whose mean is that of the middle


@kernel(fastmath=True)
def sampled_chord(dx, dy, dz, ray, ox, oy, oz, axis, along, c, planes, lattice, rays):  # type: ignore[no-untyped-def]
    """Mean chord length [m] of the pixel about a ray in a convex cut cylinder; arguments as in `add_cut_cylinder`.

    Sample after sample in loops without branches: several at once.

    Parameters
    ----------
    dx, dy, dz : float [m]
        From the source to the pixel's middle.
    ox, oy, oz, along, c : float
        Source minus start, its part along the axis, and what its square across the axis exceeds the radius's.
    lattice : (2, n) float64
        Samples of the pixel, -1/2 to 1/2.
    rays : (6, n) float64
        Scratch.
    """
    ex, ey, ez, low, high, length = rays[0], rays[1], rays[2], rays[3], rays[4], rays[5]
    ax, ay, az = axis[0], axis[1], axis[2]
    for k in range(lattice.shape[1]):
        u, v = lattice[0, k], lattice[1, k]
        x = dx + u * ray[1, 0] + v * ray[2, 0]
        y = dy + u * ray[1, 1] + v * ray[2, 1]
        z = dz + u * ray[1, 2] + v * ray[2, 2]
        square, slope = x * x + y * y + z * z, x * ax + y * ay + z * az
        # a ray along the axis: far ends
        a = max(square - slope * slope, 1e-24 * square)
        b = ox * x + oy * y + oz * z - along * slope
        root = b * b - a * c
        half = math.sqrt(max(root, 0.0))
        ex[k], ey[k], ez[k], length[k] = x, y, z, math.sqrt(square)
        low[k] = max((-b - half) / a, 0.0)
        high[k] = min((half - b) / a, 1.0) if root > 0.0 else -1.0
    for i in range(planes.shape[0]):
        nx, ny, nz = planes[i, 0], planes[i, 1], planes[i, 2]
        room = planes[i, 3] - (nx * ox + ny * oy + nz * oz)
        for k in range(lattice.shape[1]):
            rise = nx * ex[k] + ny * ey[k] + nz * ez[k]
            end = room / rise if rise != 0.0 else (2.0 if room >= 0.0 else -1.0)
            high[k] = min(high[k], end) if rise >= 0.0 else high[k]
            low[k] = max(low[k], end) if rise < 0.0 else low[k]
    total = 0.0
    for k in range(lattice.shape[1]):
        total += max(high[k] - low[k], 0.0) * length[k]
    return total / lattice.shape[1]


@kernel(inline=True)
def edge_area(middle, w, k, x):  # type: ignore[no-untyped-def]
    """Integral of k sqrt(w² - s²) from the middle of a strip to x; beyond its edges (w from it) it stays."""
    w = max(w, 1e-12)
    s = min(max((x - middle) / w, -1.0), 1.0)
    u = abs(s)
    rest = math.sqrt(1.0 - u)
    # arcsine to 2e-8 (Abramowitz and Stegun 4.4.46)
    angle = 0.5 * math.pi - rest * (
        1.570796305 + u * (-0.2145988016 + u * (0.0889789874 + u * (-0.0501743046 + u * (
            0.030891881 + u * (-0.0170881256 + u * (0.0066700901 - u * 0.0012624911))))))
    )  # fmt: skip
    area = 0.5 * k * w * w * (u * rest * math.sqrt(1.0 + u) + angle)
    return area if s >= 0.0 else -area


@kernel
def gauss_area(lines, x):  # type: ignore[no-untyped-def]
    """Mean of `edge_area` over a pixel, from its strips at -GAUSS, 0 and GAUSS of it."""
    outer = edge_area(lines[0, 0], lines[0, 1], lines[0, 2], x) + edge_area(lines[2, 0], lines[2, 1], lines[2, 2], x)
    return OUTER * outer + INNER * edge_area(lines[1, 0], lines[1, 1], lines[1, 2], x)


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


@kernel(fastmath=True)
def even_lines(strips, ends, count, ray, fast, axis, sign, area, image):  # type: ignore[no-untyped-def]
    """Add the mean chords of lines of pixels that no plane cuts: closed form, pixel by pixel for all lines at once.

    Parameters
    ----------
    strips : (9, >= count) float64
        Middle, w and k of each line, as from `line_strip`, at -GAUSS, then at 0, then at GAUSS of a pixel.
    ends : (3, >= count) int64
        First and last + 1 pixel along each line, and its number across.
    count : int
    ray : (3, 3) float64 [m]
    fast : int
        1 for lines along a column of the picture, 2 along a row.
    axis : (3,) float64
    sign : float
    area : (3, >= count) float64
        Scratch.
    image : (rows, cols) float32
    """
    n, width, low, high, line = count, 0, ends[0], ends[1], ends[2]
    for m in range(n):
        width = max(width, high[m] - low[m])
    slow = 3 - fast
    before, after, mean = area[0], area[1], area[2]
    # the ray of pixel x of line j is b + j s + x f, and along the axis the same with dots
    bb, ss, ff, bs, bf, sf, ba, sa, fa = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(3):
        b, s, f, e = ray[0, i], ray[slow, i], ray[fast, i], axis[i]
        bb, ss, ff, bs, bf, sf = bb + b * b, ss + s * s, ff + f * f, bs + b * s, bf + b * f, sf + s * f
        ba, sa, fa = ba + b * e, sa + s * e, fa + f * e
    m0, w0, k0, m1, w1, k1 = strips[0], strips[1], strips[2], strips[3], strips[4], strips[5]
    m2, w2, k2 = strips[6], strips[7], strips[8]
    for step in range(width + 1):
        for m in range(n):
            x = low[m] + step - 0.5
            outer = edge_area(m0[m], w0[m], k0[m], x) + edge_area(m2[m], w2[m], k2[m], x)
            after[m] = OUTER * outer + INNER * edge_area(m1[m], w1[m], k1[m], x)
        if step > 0:
            for m in range(n):
                j, x = float(line[m]), float(low[m] + step - 1)
                square = bb + j * (2.0 * bs + j * ss) + x * (2.0 * (bf + j * sf) + x * ff)
                slope = ba + j * sa + x * fa
                mean[m] = 2.0 * sign * (after[m] - before[m]) * math.sqrt(square) / (square - slope * slope)
            for m in range(n):
                at = low[m] + step - 1
                if at < high[m]:
                    if fast == 1:
                        image[at, line[m]] += np.float32(mean[m])
                    else:
                        image[line[m], at] += np.float32(mean[m])
        for m in range(n):
            before[m] = after[m]


@kernel
def add_cut_cylinder(source, ray, start, axis, radius, planes, sign, window, image):  # type: ignore[no-untyped-def]
    """Add ``sign`` times each pixel's mean chord length [m] in a convex cut cylinder; changes `image` in place.

    Along the picture's axis that crosses the cylinder more steeply the mean is in closed form, along the other it is
    Gauss's with three points (`even_lines`). Pixels that a plane may cut are sampled.

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
    lattice, rays = np.empty((2, MANY)), np.empty((6, MANY))
    for k in range(MANY):
        lattice[0, k], lattice[1, k] = (k + 0.5) / MANY - 0.5, ((k * MANY_TURN) % MANY + 0.5) / MANY - 0.5
    lines, even = np.empty((3, 3)), np.int64(0)  # a plain 0 would compile `even_lines` a second time
    strips, ends, area = np.empty((9, end - begin)), np.empty((3, end - begin), np.int64), np.empty((3, end - begin))
    for j in range(begin, end):
        low, high, endless, wide = first, last, c <= 0.0, 0.0
        for k in range(3):
            at = j + (k - 1) * GAUSS
            bx, by, bz = ray[0, 0] + at * ray[slow, 0], ray[0, 1] + at * ray[slow, 1], ray[0, 2] + at * ray[slow, 2]
            lines[k, 0], lines[k, 1], lines[k, 2] = line_strip(bx, by, bz, fx, fy, fz, ox, oy, oz, axis, along, c)
            endless = endless or lines[k, 1] < 0.0
        if not endless:
            # the shadow's borders are straight lines
            for side in (-1.0, 1.0):
                wide = max(wide, abs(lines[2, 0] - lines[0, 0] + side * (lines[2, 1] - lines[0, 1])))
            wide *= 0.25 / GAUSS
            low = max(low, math.floor(lines[1, 0] - lines[1, 1] - wide + 0.5))
            high = min(high, math.ceil(lines[1, 0] + lines[1, 1] + wide + 0.5))
        if low >= high:
            continue
        # what the line's pixels see lies between what its first and its last pixel see
        wary = endless
        for i in (low, high - 1):
            if not wary:
                dx = ray[0, 0] + j * ray[slow, 0] + i * fx
                dy = ray[0, 1] + j * ray[slow, 1] + i * fy
                dz = ray[0, 2] + j * ray[slow, 2] + i * fz
                wary = may_be_cut(dx, dy, dz, ox, oy, oz, axis, along, radius, planes, step)
        if not wary:
            for k in range(9):
                strips[k, even] = lines[k // 3, k % 3]
            ends[0, even], ends[1, even], ends[2, even] = low, high, j
            even += 1
            continue
        for i in range(low, high):
            dx = ray[0, 0] + j * ray[slow, 0] + i * fx
            dy = ray[0, 1] + j * ray[slow, 1] + i * fy
            dz = ray[0, 2] + j * ray[slow, 2] + i * fz
            if endless or may_be_cut(dx, dy, dz, ox, oy, oz, axis, along, radius, planes, step):
                mean = sampled_chord(dx, dy, dz, ray, ox, oy, oz, axis, along, c, planes, lattice, rays)
            else:
                square = dx * dx + dy * dy + dz * dz
                slope = dx * axis[0] + dy * axis[1] + dz * axis[2]
                mean = 2.0 * (gauss_area(lines, i + 0.5) - gauss_area(lines, i - 0.5)) * math.sqrt(square)
                mean /= square - slope * slope
            if mean > 0.0:
                if fast == 1:
                    image[i, j] += np.float32(sign * mean)
                else:
                    image[j, i] += np.float32(sign * mean)
    even_lines(strips, ends, even, ray, fast, axis, sign, area, image)


@kernel(inline=True)
def ellipsoid_chord(dx, dy, dz, o, c, unit):  # type: ignore[no-untyped-def]
    """Chord length [m] of one ray in an ellipsoid; `o` is the source in its unit ball's frame, c = o² - 1."""
    a, b = 0.0, 0.0
    for i in range(3):
        d = unit[i, 0] * dx + unit[i, 1] * dy + unit[i, 2] * dz
        a += d * d
        b += o[i] * d
    root = b * b - a * c
    if root <= 0.0:
        return 0.0
    root = math.sqrt(root)
    low, high = max(0.0, (-b - root) / a), min(1.0, (root - b) / a)
    return max(high - low, 0.0) * math.sqrt(dx * dx + dy * dy + dz * dz)


@kernel
def add_ellipsoid(source, ray, centre, unit, window, image):  # type: ignore[no-untyped-def]
    """Add each pixel's mean chord length [m] in an ellipsoid; changes `image` in place.

    A ray meets it where a quadratic form of its direction is positive. Pixels over which the form changes little
    compared with itself take the chord of their middle, the others (the rim, and ends of rays) are sampled.

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
    o, q = np.empty(3), np.empty((3, 3))
    for axis in range(3):
        o[axis] = 0.0
        for i in range(3):
            o[axis] += unit[axis, i] * (source[i] - centre[i])
    c = o[0] * o[0] + o[1] * o[1] + o[2] * o[2] - 1.0
    # the form between all pairs of the ray's three rows
    turned = np.zeros((3, 3))
    for n in range(3):
        for axis in range(3):
            for i in range(3):
                turned[n, axis] += unit[axis, i] * ray[n, i]
    for n in range(3):
        for m in range(3):
            one, two, both = 0.0, 0.0, 0.0
            for i in range(3):
                one, two, both = (
                    one + o[i] * turned[n, i],
                    two + o[i] * turned[m, i],
                    both + turned[n, i] * turned[m, i],
                )
            q[n, m] = one * two - c * both
    bend = 0.25 * (abs(q[1, 1]) + abs(q[2, 2]) + 2.0 * abs(q[1, 2]))
    for row in range(window[0], window[1]):
        for col in range(window[2], window[3]):
            down, across = q[0, 1] + row * q[1, 1] + col * q[1, 2], q[0, 2] + row * q[1, 2] + col * q[2, 2]
            form = q[0, 0] + row * (q[0, 1] + down) + col * (q[0, 2] + across)
            change = abs(down) + abs(across) + bend
            if form < -change:
                continue
            dx = ray[0, 0] + row * ray[1, 0] + col * ray[2, 0]
            dy = ray[0, 1] + row * ray[1, 1] + col * ray[2, 1]
            dz = ray[0, 2] + row * ray[1, 2] + col * ray[2, 2]
            if form > EVEN * change:
                image[row, col] += np.float32(ellipsoid_chord(dx, dy, dz, o, c, unit))
                continue
            mean = 0.0
            for k in range(SAMPLES):
                u, v = (k + 0.5) / SAMPLES - 0.5, ((k * TURN) % SAMPLES + 0.5) / SAMPLES - 0.5
                ex = dx + u * ray[1, 0] + v * ray[2, 0]
                ey = dy + u * ray[1, 1] + v * ray[2, 1]
                ez = dz + u * ray[1, 2] + v * ray[2, 2]
                mean += ellipsoid_chord(ex, ey, ez, o, c, unit) / SAMPLES
            image[row, col] += np.float32(mean)
