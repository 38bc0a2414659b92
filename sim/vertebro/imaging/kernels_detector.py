"""The frame's inner loops: cement and steel into the primary, light that spreads, noise, memory, grey values.

Pictures are (rows, cols) float32. Loops over columns are written such that the compiler turns them into vector
instructions: exponentials and logarithms are polynomials whose exponent bits are put together in a scratch row.
"""

from __future__ import annotations

import numpy as np

from vertebro._jit import kernel

LOG2_E = np.float32(1.4426950408889634)
LN_2 = np.float32(0.6931471805599453)
# 2^f for |f| <= 1/2, relative error 1e-07 (least squares)
P1, P2, P3, P4, P5 = (np.float32(v) for v in (0.693146856, 0.24022238, 0.0555089295, 0.00967169794, 0.00132186725))
ONE, HALF = np.float32(1.0), np.float32(0.5)


@kernel(fastmath=True)
def exponential(line, bits):  # type: ignore[no-untyped-def]
    """Replace every x of a row by exp(x), relative error 5e-6; below exp(-87) the answer stays tiny.

    Parameters
    ----------
    line : (n,) float32
    bits : (n,) int32
        Scratch.
    """
    for i in range(line.size):
        x = min(max(line[i] * LOG2_E, np.float32(-125.0)), np.float32(125.0))
        whole = np.int32(x + (HALF if x > 0 else -HALF))
        f = x - np.float32(whole)
        bits[i] = (whole + np.int32(127)) << np.int32(23)
        line[i] = ONE + f * (P1 + f * (P2 + f * (P3 + f * (P4 + f * P5))))
    power = bits.view(np.float32)
    for i in range(line.size):
        line[i] *= power[i]


@kernel(fastmath=True)
def logarithm(line, bits):  # type: ignore[no-untyped-def]
    """Replace every x > 0 of a row by log(x), absolute error 2e-6.

    Parameters
    ----------
    line : (n,) float32, contiguous
    bits : (n,) int32
        Scratch.
    """
    raw = line.view(np.int32)
    for i in range(line.size):
        bits[i] = raw[i]
    mantissa = bits.view(np.float32)
    for i in range(line.size):
        # the mantissa between 1/sqrt(2) and sqrt(2)
        whole = (bits[i] - np.int32(0x3F3504F3)) >> np.int32(23)
        line[i] = np.float32(whole) * LN_2
        bits[i] -= whole << np.int32(23)
    for i in range(line.size):
        s = (mantissa[i] - ONE) / (mantissa[i] + ONE)
        q = s * s
        line[i] += s * (
            np.float32(2.0) + q * (np.float32(0.6666667) + q * (np.float32(0.4) + q * np.float32(0.2857143)))
        )


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
def soften(path, taps, line, filled, out):  # type: ignore[no-untyped-def]
    """`blur` of a picture that is zero in most rows. Writes those rows of `out` that the blur can reach.

    Parameters
    ----------
    path : (rows, cols) float32
    taps : (radius + 1,) float32
    line : (cols + 2 radius,) float32
        Scratch.
    filled : (rows,) bool
        Scratch.
    out : (rows, cols) float32
        Zero on entry.
    """
    rows, cols = path.shape
    radius = taps.size - 1
    for row in range(rows):
        total = np.float32(0.0)
        for col in range(cols):
            total += abs(path[row, col])
        filled[row] = total != 0  # NaN counts as filled
    for row in range(rows):
        near = False
        for other in range(max(row - radius, 0), min(row + radius + 1, rows)):
            near |= filled[other]
        if near:
            blur_row(path, row, taps, line, out[row])


@kernel(fastmath=True)
def absorb(soft, bone, mu_soft, mu_bone, weight, scale, bits, out, primary):  # type: ignore[no-untyped-def]
    """Quanta of each energy bin behind the standing tissue, and their sum.

    Parameters
    ----------
    soft, bone : (rows, cols) float32 [m]
    mu_soft, mu_bone : (bins,) float32 [1/m]
    weight : (bins, rows, cols) float32, or with 1 for rows or cols
        Quanta without tissue, over `scale`.
    scale : (rows, cols) float32
    bits : (cols,) int32
        Scratch.
    out : (bins, rows, cols) float32
    primary : (rows, cols) float32
    """
    bins, rows, cols = out.shape
    for row in range(rows):
        for col in range(cols):
            primary[row, col] = np.float32(0.0)
        for b in range(bins):
            line, total, here = out[b, row], primary[row], scale[row]
            near, far, mu_near, mu_far = soft[row], bone[row], mu_soft[b], mu_bone[b]
            for col in range(cols):
                line[col] = -(mu_near * near[col] + mu_far * far[col])
            exponential(line, bits)
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
def transmit(tissue, primary, one, two, three, mu, line, bits, out):  # type: ignore[no-untyped-def]
    """Primary quanta behind the tissue and up to three thin layers; False if a path is not finite.

    Parameters
    ----------
    tissue : (bins, rows, cols) float32
    primary : (rows, cols) float32
        Its sum over the bins.
    one, two, three : (rows, cols) or (1, cols) float32 [m]
        Paths through the layers; a single row of zeros stands for an absent layer.
    mu : (3, bins) float32 [1/m]
    line : (cols,) float32
    bits : (cols,) int32
        Scratch.
    out : (rows, cols) float32
    """
    bins, rows, cols = tissue.shape
    for row in range(rows):
        a, b = one[min(row, one.shape[0] - 1)], two[min(row, two.shape[0] - 1)]
        c = three[min(row, three.shape[0] - 1)]
        target = out[row]
        total = np.float32(0.0)
        here = primary[row]
        for col in range(cols):
            target[col] = here[col]
            total += abs(a[col]) + abs(b[col]) + abs(c[col])
        if total == 0:
            continue
        if not total < np.inf:  # NaN is not
            return False
        first, last = 0, cols
        while a[first] == 0 and b[first] == 0 and c[first] == 0:
            first += 1
        while a[last - 1] == 0 and b[last - 1] == 0 and c[last - 1] == 0:
            last -= 1
        target[first:last] = np.float32(0.0)
        part = line[first:last]
        layer_a, layer_b, layer_c, lit = a[first:last], b[first:last], c[first:last], target[first:last]
        for n in range(bins):
            mu_a, mu_b, mu_c = mu[0, n], mu[1, n], mu[2, n]
            for i in range(part.size):
                part[i] = -(mu_a * layer_a[i] + mu_b * layer_b[i] + mu_c * layer_c[i])
            exponential(part, bits[first:last])
            behind = tissue[n, row, first:last]
            for i in range(part.size):
                lit[i] += behind[i] * part[i]
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


@kernel(fastmath=True)
def compose(sharp, share, smooth, factor, line, out):  # type: ignore[no-untyped-def]
    """A sharp picture times `share`, plus a coarse one interpolated linearly between its blocks' centres.

    Parameters
    ----------
    sharp : (rows, cols) float32
    share : float32
    smooth : (n, m) float32
        Beyond its outermost centres its values stay.
    factor : int
        Even number of pixels per block.
    line : (m + 2,) float32
        Scratch.
    out : (rows, cols) float32
    """
    rows, cols = sharp.shape
    n, m = smooth.shape
    half = factor // 2
    for row in range(rows):
        place = (np.float32(row) + HALF) / np.float32(factor) - HALF
        low = int(np.floor(place))
        weight = place - np.float32(low)
        above, below = smooth[max(low, 0)], smooth[min(low + 1, n - 1)]
        for j in range(m):
            line[j + 1] = above[j] + weight * (below[j] - above[j])
        line[0], line[m + 1] = line[1], line[m]
        target, here = out[row], sharp[row]
        for j in range(m + 1):
            start = j * factor - half
            step = (line[j + 1] - line[j]) / np.float32(factor)
            begin = max(start, 0)
            origin = line[j] + step * (HALF + np.float32(begin - start))
            for k in range(min(start + factor, cols) - begin):
                target[begin + k] = share * here[begin + k] + origin + step * np.float32(k)


@kernel(fastmath=True)
def register(total, taps, bank, place, tube, memory, traps, before, gain, line, bits, shown, level):  # type: ignore[no-untyped-def]
    """What the detector and its filter make of the expected quanta, and its logarithm for the display.

    Parameters
    ----------
    total : (rows, cols) float32
        Expected quanta per pixel.
    taps : (radius + 1,) float32
        Spread of light.
    bank : (2, …, …) float32
        Standard normal numbers: spread like light, and plain.
    place : (4,) int
        First row and column in either bank.
    tube : (3,) float32
        Scale of `total`; then variance of the counting noise over the signal, standard deviation of the read-out's.
    memory : (2 + 3 t,) float32
        Share of the newest picture and threshold of movement (standard deviations squared; 0: none). Then for each
        of t traps: share of the signal that it takes, share of its load that stays, factor on its old load.
    traps : (t, rows, cols) float32
        Signal that comes late; changed in place.
    before : (rows, cols) float32
        The last shown picture.
    gain : (rows, cols) float32
        Factor before the logarithm.
    line : (cols + 2 radius,) float32
    bits : (cols,) int32
        Scratch.
    shown, level : (rows, cols) float32
        The filtered signal; the logarithm of it times `gain`.
    """
    rows, cols = total.shape
    share, threshold, scale, grain, readout = memory[0], memory[1], tube[0], tube[1], tube[2]
    late = np.float32(0.0)
    for t in range(traps.shape[0]):
        late += memory[2 + 3 * t]
    spread = np.float32(0.0)
    for t in range(taps.size):
        spread += taps[t] * taps[t] * (ONE if t == 0 else np.float32(2.0))
    spread *= spread
    noisy = grain > 0 or readout > 0
    for row in range(rows):
        now, old, tone = shown[row], before[row], level[row]
        blur_row(total, row, taps, line, now)
        shot = bank[0, place[0] + row, place[1] : place[1] + cols]
        read = bank[1, place[2] + row, place[3] : place[3] + cols]
        for col in range(cols):
            clean = now[col] * scale
            tone[col] = max(clean, np.float32(0.0)) * grain
            now[col] = clean
        if noisy:
            for col in range(cols):
                now[col] += np.sqrt(tone[col]) * shot[col] + readout * read[col]
        if traps.shape[0] > 0:
            for col in range(cols):
                line[col] = now[col]
                now[col] *= ONE - late
        for t in range(traps.shape[0]):
            take, keep, carry = memory[2 + 3 * t], memory[3 + 3 * t], memory[4 + 3 * t]
            load = traps[t, row]
            for col in range(cols):
                held = load[col] * carry
                now[col] += held
                load[col] = keep * held + take * (ONE - keep) * line[col]
        if threshold > 0:
            wide = ONE + share / (np.float32(2.0) - share)
            for col in range(cols):
                step = now[col] - old[col]
                variance = wide * threshold * (tone[col] * spread + readout * readout) + np.float32(1e-12)
                moved = min(max(step * step / variance - ONE, np.float32(0.0)), ONE)
                now[col] = old[col] + (share + (ONE - share) * moved) * step
        else:
            for col in range(cols):
                now[col] = old[col] + share * (now[col] - old[col])
        factor = gain[row]
        for col in range(cols):
            tone[col] = max(now[col], HALF) * factor[col]
        logarithm(tone, bits)


@kernel(fastmath=True)
def show(level, taps, sharpen, low, scale, curve, opening, line, smooth, out):  # type: ignore[no-untyped-def]
    """Grey values of a logarithm: edges enhanced, then a table.

    Parameters
    ----------
    level : (rows, cols) float32
    taps : (radius + 1,) float32
        Of the blur that is subtracted.
    sharpen : float32
        Strength; 0 for none.
    low, scale : float32
        The table's index is (level - low) * scale.
    curve : (n,) uint16
    opening : (rows, cols) bool
        Elsewhere the picture is black.
    line : (cols + 2 radius,) float32
    smooth : (cols,) float32
        Scratch.
    out : (rows, cols) uint16
    """
    rows, cols = level.shape
    last = np.float32(curve.size - 1)
    for row in range(rows):
        here, target, inside = level[row], out[row], opening[row]
        if sharpen > 0:
            blur_row(level, row, taps, line, smooth)
            for col in range(cols):
                smooth[col] = here[col] + sharpen * (here[col] - smooth[col])
        else:
            smooth[:] = here
        for col in range(cols):
            index = min(max((smooth[col] - low) * scale, np.float32(0.0)), last)
            target[col] = curve[np.int32(index)] if inside[col] else np.uint16(0)
