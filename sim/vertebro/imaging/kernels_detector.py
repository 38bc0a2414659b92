"""The frame's inner loops: cement and steel into the primary, light that spreads, noise, memory, grey values.

Pictures are (rows, cols) float32. Loops over columns are written such that the compiler turns them into vector
instructions: exponentials and logarithms are polynomials whose exponent bits are put together in a scratch row.
"""

from __future__ import annotations

import numpy as np

from vertebro._jit import kernel, scaled

LOG2_E = np.float32(1.4426950408889634)
# 2^f for |f| <= 1/2, relative error 1e-07 (least squares)
P1, P2, P3, P4, P5 = (np.float32(v) for v in (0.693146856, 0.24022238, 0.0555089295, 0.00967169794, 0.00132186725))
ONE = np.float32(1.0)


@kernel(fastmath=True, inline=True)
def exponential(x):  # type: ignore[no-untyped-def]
    """exp(x) of a float32, relative error 5e-6; below exp(-87) the answer stays tiny."""
    y = min(max(x * LOG2_E, np.float32(-125.0)), np.float32(125.0))
    whole = np.rint(y)
    f = y - whole
    return scaled(ONE + f * (P1 + f * (P2 + f * (P3 + f * (P4 + f * P5)))), whole)


@kernel(fastmath=True)
def blur_row(image, row, taps, line, target):  # type: ignore[no-untyped-def]
    """One row of a picture convolved along rows and columns with a symmetric kernel; the border repeats.

    Parameters
    ----------
    image : (rows, cols) float32
    row : int
    taps : (radius + 1,) float32
        Centre first; they add up to 1 with both sides counted.
    line : (cols + 2 radius,) float32
        Scratch.
    target : (cols,) float32
        Not the same memory as `image`.
    """
    rows, cols = image.shape
    radius = taps.size - 1
    middle = line[radius : radius + cols]
    here = image[row]
    for col in range(cols):
        middle[col] = taps[0] * here[col]
    t = 1
    while t < radius:  # two taps at a time: half the stores
        above, below = image[max(row - t, 0)], image[min(row + t, rows - 1)]
        higher, lower = image[max(row - t - 1, 0)], image[min(row + t + 1, rows - 1)]
        near, far = taps[t], taps[t + 1]
        for col in range(cols):
            middle[col] += near * (above[col] + below[col]) + far * (higher[col] + lower[col])
        t += 2
    if t == radius:
        above, below = image[max(row - t, 0)], image[min(row + t, rows - 1)]
        for col in range(cols):
            middle[col] += taps[t] * (above[col] + below[col])
    for t in range(radius):
        line[t] = middle[0]
        line[radius + cols + t] = middle[cols - 1]
    for col in range(cols):
        target[col] = taps[0] * middle[col]
    t = 1
    while t + 2 <= radius:  # three taps at a time
        left, right = line[radius - t - 2 : radius - t + cols], line[radius + t : radius + t + 2 + cols]
        near, next_, far = taps[t], taps[t + 1], taps[t + 2]
        for col in range(cols):
            target[col] += (
                near * (left[col + 2] + right[col])
                + next_ * (left[col + 1] + right[col + 1])
                + far * (left[col] + right[col + 2])
            )
        t += 3
    while t <= radius:
        left, right = line[radius - t : radius - t + cols], line[radius + t : radius + t + cols]
        weight = taps[t]
        for col in range(cols):
            target[col] += weight * (left[col] + right[col])
        t += 1


@kernel(fastmath=True)
def blur(image, taps, line, out):  # type: ignore[no-untyped-def]
    """Convolve rows and columns with a symmetric kernel; the border repeats. Writes `out`. See `blur_row`."""
    for row in range(image.shape[0]):
        blur_row(image, row, taps, line, out[row])


@kernel(fastmath=True)
def filled_window(path, window):  # type: ignore[no-untyped-def]
    """Where a picture differs from zero: writes first and last + 1 row and column, all 0 when it nowhere does.

    Parameters
    ----------
    path : (rows, cols) float32
    window : (4,) int64

    Returns
    -------
    float32
        Sum of all magnitudes: not finite when a pixel is not.
    """
    rows, cols = path.shape
    amount = np.float32(0.0)
    window[0], window[1], window[2], window[3] = rows, 0, cols, 0
    for row in range(rows):
        here, total = path[row], np.float32(0.0)
        for col in range(cols):
            total += abs(here[col])
        if total == 0:  # NaN is not
            continue
        amount += total
        first, last = 0, cols
        while here[first] == 0:
            first += 1
        while here[last - 1] == 0:
            last -= 1
        window[0], window[1] = min(window[0], row), row + 1
        window[2], window[3] = min(window[2], first), max(window[3], last)
    if window[1] == 0:
        window[:] = 0
    return amount


@kernel(fastmath=True)
def smear(path, down, across, steps, filled, out):  # type: ignore[no-untyped-def]
    """Mean of a picture over a straight way, sampled at middles of equal steps; the border repeats. Writes `out`.

    Parameters
    ----------
    path : (rows, cols) float32
    down, across : float
        The way [pixel].
    steps : int
    filled : (rows,) bool
        Scratch.
    out : (rows, cols) float32
        Not the same memory as `path`.
    """
    rows, cols = path.shape
    for row in range(rows):
        here, total = path[row], np.float32(0.0)
        for col in range(cols):
            total += abs(here[col])
        filled[row] = total != 0  # NaN counts as filled
        out[row] = np.float32(0.0)
    for step in range(steps):
        share = (step + 0.5) / steps - 0.5
        low, left = int(np.floor(-share * down)), int(np.floor(-share * across))
        y, x = np.float32(-share * down - low), np.float32(-share * across - left)
        for row in range(rows):
            one, two = min(max(row + low, 0), rows - 1), min(max(row + low + 1, 0), rows - 1)
            if not (filled[one] or filled[two]):
                continue
            above, below, target = path[one], path[two], out[row]
            for col in range(cols):
                near, far = min(max(col + left, 0), cols - 1), min(max(col + left + 1, 0), cols - 1)
                first = above[near] + x * (above[far] - above[near])
                second = below[near] + x * (below[far] - below[near])
                target[col] += (first + y * (second - first)) / np.float32(steps)


@kernel(fastmath=True)
def absorb(soft, bone, mu_soft, mu_bone, weight, scale, span, out, primary):  # type: ignore[no-untyped-def]
    """Quanta of each energy bin behind the standing tissue, and their sum.

    Parameters
    ----------
    soft, bone : (rows, cols) float32 [m]
    mu_soft, mu_bone : (bins,) float32 [1/m]
    weight : (bins, rows, cols) float32, or with 1 for rows or cols
        Quanta without tissue, over `scale`.
    scale : (rows, cols) float32
    span : (2,) int64
        First and last + 1 row to do.
    out : (bins, rows, cols) float32
    primary : (rows, cols) float32
    """
    bins, _, cols = out.shape
    for row in range(span[0], span[1]):
        for col in range(cols):
            primary[row, col] = np.float32(0.0)
        for b in range(bins):
            line, total, here = out[b, row], primary[row], scale[row]
            near, far, mu_near, mu_far = soft[row], bone[row], mu_soft[b], mu_bone[b]
            for col in range(cols):
                line[col] = exponential(-(mu_near * near[col] + mu_far * far[col]))
            lamp = weight[b, min(row, weight.shape[1] - 1)]
            if lamp.size == 1:
                one = lamp[0]
                for col in range(cols):
                    line[col] *= one * here[col]
                    total[col] += line[col]
            else:
                for col in range(cols):
                    line[col] *= lamp[col] * here[col]
                    total[col] += line[col]


@kernel(fastmath=True)
def transmit(tissue, layers, places, mu, lines, out):  # type: ignore[no-untyped-def]
    """Primary quanta behind the tissue and three thin layers, where these are; False if a path is not finite.

    Parameters
    ----------
    tissue : (bins, rows, cols) float32
    layers : tuple of three (h, w) float32 arrays [m]
        Paths through the layers; an absent one has no pixels.
    places : (3, 2) int64
        Row and column of each layer's first pixel.
    mu : (3, bins) float32 [1/m]
    lines : (3, cols) float32
        Scratch.
    out : (rows, cols) float32
        Holds the sum of the bins; written where a layer is.
    """
    bins, rows, cols = tissue.shape
    for row in range(rows):
        first, last = cols, 0
        for n in range(3):
            height, width = layers[n].shape
            if places[n, 0] <= row < places[n, 0] + height and width > 0:
                first, last = min(first, places[n, 1]), max(last, places[n, 1] + width)
        if first >= last:
            continue
        total = np.float32(0.0)
        for n in range(3):
            line, layer = lines[n], layers[n]
            for col in range(first, last):
                line[col] = np.float32(0.0)
            if places[n, 0] <= row < places[n, 0] + layer.shape[0]:
                here, left = layer[row - places[n, 0]], places[n, 1]
                for col in range(here.size):
                    line[left + col] = here[col]
                    total += abs(here[col])
        if total == 0:
            continue
        if not total < np.inf:  # NaN is not
            return False
        a, b, c = lines[0, first:last], lines[1, first:last], lines[2, first:last]
        target = out[row, first:last]
        target[:] = np.float32(0.0)
        for n in range(bins):
            mu_a, mu_b, mu_c = mu[0, n], mu[1, n], mu[2, n]
            behind = tissue[n, row, first:last]
            for i in range(target.size):
                target[i] += behind[i] * exponential(-(mu_a * a[i] + mu_b * b[i] + mu_c * c[i]))
    return True


@kernel(fastmath=True)
def coarsen(image, factor, line, out):  # type: ignore[no-untyped-def]
    """Means over blocks of factor² pixels; blocks that hang over the border repeat the last pixels.

    Parameters
    ----------
    image : (rows, cols) float32
    factor : int
    line : (cols,) float32
        Scratch.
    out : (ceil(rows / factor), ceil(cols / factor)) float32
    """
    rows, cols = image.shape
    share = ONE / np.float32(factor * factor)
    for i in range(out.shape[0]):
        line[:] = np.float32(0.0)
        for row in range(i * factor, (i + 1) * factor):
            here = image[min(row, rows - 1)]
            for col in range(cols):
                line[col] += here[col]
        for j in range(out.shape[1]):
            total = np.float32(0.0)
            for col in range(j * factor, min((j + 1) * factor, cols)):
                total += line[col]
            for _ in range(cols, (j + 1) * factor):
                total += line[cols - 1]
            out[i, j] = share * total
