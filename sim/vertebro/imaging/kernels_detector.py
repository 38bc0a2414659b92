"""Separable blur of a picture."""

from __future__ import annotations

from vertebro._jit import kernel


@kernel(fastmath=True)
def blur(image, taps, line, out):  # type: ignore[no-untyped-def]
    """Convolve rows and columns with a symmetric kernel; the border repeats. Writes `out`.

    Parameters
    ----------
    image : (rows, cols) float32
    taps : (radius + 1,) float32
        Centre first; they add up to 1 with both sides counted.
    line : (cols + 2 radius,) float32
        Scratch.
    out : (rows, cols) float32
        Not the same memory as `image`.
    """
    rows, cols = image.shape
    radius = taps.size - 1
    for row in range(rows):
        middle = line[radius : radius + cols]
        here = image[row]
        for col in range(cols):
            middle[col] = taps[0] * here[col]
        for t in range(1, radius + 1):
            above, below = image[max(row - t, 0)], image[min(row + t, rows - 1)]
            weight = taps[t]
            for col in range(cols):
                middle[col] += weight * (above[col] + below[col])
        for t in range(radius):
            line[t] = middle[0]
            line[radius + cols + t] = middle[cols - 1]
        target = out[row]
        for col in range(cols):
            target[col] = taps[0] * middle[col]
        for t in range(1, radius + 1):
            left, right = line[radius - t : radius - t + cols], line[radius + t : radius + t + cols]
            weight = taps[t]
            for col in range(cols):
                target[col] += weight * (left[col] + right[col])
