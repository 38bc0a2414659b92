"""From primary quanta to grey values in one walk down the picture: a row is finished while its neighbours are in cache.

Three stages follow each other as closely as their blurs allow. Rows that wait for rows below them lie in rings; a
ring's row r is ``ring[r % len(ring)]``.
"""

from __future__ import annotations

import numpy as np

from vertebro._jit import kernel

LN_2, ONE, HALF = np.float32(0.6931471805599453), np.float32(1.0), np.float32(0.5)


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
def widen(values, factor, target):  # type: ignore[no-untyped-def]
    """One value per block of pixels, interpolated linearly between the blocks' centres; the ends stay.

    Parameters
    ----------
    values : (m,) float32
    factor : int
        Even number of pixels per block.
    target : (<= m factor,) float32
    """
    last, half = values.size - 1, factor // 2
    for j in range(-1, values.size):
        left, right = values[max(j, 0)], values[min(j + 1, last)]
        step, start = (right - left) / np.float32(factor), j * factor + half
        begin, end = max(start, 0), min(start + factor, target.size)
        origin = left + step * (HALF + np.float32(begin - start))
        for col in range(begin, end):
            target[col] = origin + step * np.float32(col - begin)


@kernel(fastmath=True)
def compose_row(sharp, share, smooth, factor, row, pair, target):  # type: ignore[no-untyped-def]
    """One row of `compose`, to be called row after row from the first. Writes `target`, (cols,) float32."""
    half, last = factor // 2, smooth.shape[0] - 1
    low = (row + half) // factor - 1
    if row == 0 or (row + half) % factor == 0:
        widen(smooth[max(low, 0)], factor, pair[0])
        widen(smooth[min(low + 1, last)], factor, pair[1])
    weight = (np.float32(row - low * factor - half) + HALF) / np.float32(factor)
    here, above, below = sharp[row], pair[0], pair[1]
    for col in range(target.size):
        target[col] = share * here[col] + above[col] + weight * (below[col] - above[col])


@kernel(fastmath=True)
def compose(sharp, share, smooth, factor, pair, out):  # type: ignore[no-untyped-def]
    """A sharp picture times `share`, plus a coarse one interpolated linearly between its blocks' centres.

    Parameters
    ----------
    sharp : (rows, cols) float32
    share : float32
    smooth : (n, m) float32
        Beyond its outermost centres its values stay.
    factor : int
        Even number of pixels per block.
    pair : (2, cols) float32
        Scratch: the two coarse rows next to a row.
    out : (rows, cols) float32
    """
    for row in range(sharp.shape[0]):
        compose_row(sharp, share, smooth, factor, row, pair, out[row])


@kernel(fastmath=True, inline=True)
def add_three(weights, t, left, right, next_left, next_right, far_left, far_right, target):  # type: ignore[no-untyped-def]
    """Add three pairs of rows times ``weights[t : t + 3]`` to a row, in place."""
    near, middle, far = weights[t], weights[t + 1], weights[t + 2]
    for col in range(target.size):
        target[col] += (
            near * (left[col] + right[col])
            + middle * (next_left[col] + next_right[col])
            + far * (far_left[col] + far_right[col])
        )


@kernel(fastmath=True)
def blur_across(row, taps, line, target):  # type: ignore[no-untyped-def]
    """A row convolved with a symmetric kernel; its ends repeat.

    Parameters
    ----------
    row : (cols,) float32
    taps : (radius + 1,) float32
        Centre first.
    line : (>= cols + 2 radius,) float32
        Scratch.
    target : (cols,) float32
    """
    cols, radius = row.size, taps.size - 1
    for t in range(radius):
        line[t], line[radius + cols + t] = row[0], row[cols - 1]
    middle = line[radius : radius + cols]
    for col in range(cols):
        middle[col] = row[col]
        target[col] = taps[0] * row[col]
    t = 1
    while t + 2 <= radius:
        low, high = radius - t, radius + t
        add_three(
            taps, t, line[low : low + cols], line[high : high + cols], line[low - 1 : low - 1 + cols],
            line[high + 1 : high + 1 + cols], line[low - 2 : low - 2 + cols], line[high + 2 : high + 2 + cols], target,
        )  # fmt: skip
        t += 3
    while t <= radius:
        left, right, weight = line[radius - t : radius - t + cols], line[radius + t : radius + t + cols], taps[t]
        for col in range(cols):
            target[col] += weight * (left[col] + right[col])
        t += 1


@kernel(fastmath=True)
def blur_down(ring, row, rows, taps, target):  # type: ignore[no-untyped-def]
    """A row of a picture whose rows lie in a ring, convolved down the columns; the first and last row repeat.

    Parameters
    ----------
    ring : (>= 2 radius + 1, >= cols) float32
    row, rows : int
        The row, and how many the picture has.
    taps : (radius + 1,) float32
    target : (cols,) float32
        Not in the ring.
    """
    size, radius, last = ring.shape[0], taps.size - 1, rows - 1
    here = ring[row % size]
    for col in range(target.size):
        target[col] = taps[0] * here[col]
    t = 1
    while t + 2 <= radius:
        add_three(
            taps, t, ring[max(row - t, 0) % size], ring[min(row + t, last) % size], ring[max(row - t - 1, 0) % size],
            ring[min(row + t + 1, last) % size], ring[max(row - t - 2, 0) % size], ring[min(row + t + 2, last) % size],
            target,
        )  # fmt: skip
        t += 3
    while t <= radius:
        above, below, weight = ring[max(row - t, 0) % size], ring[min(row + t, last) % size], taps[t]
        for col in range(target.size):
            target[col] += weight * (above[col] + below[col])
        t += 1


@kernel(fastmath=True)
def register_row(now, shot, read, tube, memory, spread, traps, row, old, gain, line, bits, tone):  # type: ignore[no-untyped-def]
    """What the detector and its filter make of a row of expected quanta, and its logarithm for the display.

    Parameters
    ----------
    now : (cols,) float32
        Expected quanta after the spread of light; becomes the filtered signal.
    shot, read : (cols,) int16
        Normal numbers: spread like light, and plain.
    tube : (4,) float32
        Scale of `now`; then variance of the counting noise over the signal, standard deviation of the read-out's, and
        the unit of the normal numbers.
    memory : (2 + 3 t,) float32
        Share of the newest picture and threshold of movement (standard deviations squared; 0: none). Then for each
        of t traps: share of the signal that it takes, share of its load that stays, factor on its old load.
    spread : float32
        What the spread of light leaves of the counting noise's variance.
    traps : (t, rows, cols) float32
        Signal that comes late; changed in place.
    row : int
    old : (cols,) float32
        The last shown picture.
    gain : (cols,) float32
        Factor before the logarithm.
    line : (>= cols,) float32
    bits : (cols,) int32
        Scratch.
    tone : (cols,) float32
        The logarithm of the signal times `gain`.
    """
    cols = now.size
    share, threshold, scale, grain, readout = memory[0], memory[1], tube[0], tube[1], tube[2]
    for col in range(cols):
        clean = now[col] * scale
        tone[col] = max(clean, np.float32(0.0)) * grain
        now[col] = clean
    if grain > 0 or readout > 0:
        unit = tube[3]
        for col in range(cols):
            now[col] += unit * (np.sqrt(tone[col]) * np.float32(shot[col]) + readout * np.float32(read[col]))
    late = np.float32(0.0)
    for t in range(traps.shape[0]):
        late += memory[2 + 3 * t]
    if traps.shape[0] > 0:
        take, keep, carry = memory[2] * (ONE - memory[3]), memory[3], memory[4]
        load = traps[0, row]
        for col in range(cols):
            signal, held = now[col], load[col] * carry
            line[col] = signal
            now[col] = signal * (ONE - late) + held
            load[col] = keep * held + take * signal
    for t in range(1, traps.shape[0]):
        take, keep, carry = memory[2 + 3 * t] * (ONE - memory[3 + 3 * t]), memory[3 + 3 * t], memory[4 + 3 * t]
        load = traps[t, row]
        for col in range(cols):
            held = load[col] * carry
            now[col] += held
            load[col] = keep * held + take * line[col]
    if threshold > 0:
        wide = (ONE + share / (np.float32(2.0) - share)) * threshold
        for col in range(cols):
            step = now[col] - old[col]
            variance = wide * (tone[col] * spread + readout * readout) + np.float32(1e-12)
            moved = min(max(step * step / variance - ONE, np.float32(0.0)), ONE)
            now[col] = old[col] + (share + (ONE - share) * moved) * step
    else:
        for col in range(cols):
            now[col] = old[col] + share * (now[col] - old[col])
    for col in range(cols):
        tone[col] = max(now[col], HALF) * gain[col]
    logarithm(tone, bits)


@kernel(fastmath=True)
def grey_row(level, smooth, sharpen, low, scale, curve, inside, target):  # type: ignore[no-untyped-def]
    """Grey values of a row of the logarithm: edges enhanced, then a table.

    Parameters
    ----------
    level, smooth : (cols,) float32
        The logarithm, and blurred.
    sharpen : float32
        Strength; 0 for none.
    low, scale : float32
        The table's index is (level - low) * scale.
    curve : (n,) uint16
    inside : (cols,) bool
        Elsewhere the picture is black.
    target : (cols,) uint16
    """
    last = np.float32(curve.size - 1)
    for col in range(level.size):
        value = level[col] + sharpen * (level[col] - smooth[col])
        smooth[col] = min(max((value - low) * scale, np.float32(0.0)), last)
    for col in range(level.size):
        target[col] = curve[np.uint32(smooth[col])] if inside[col] else np.uint16(0)


@kernel(fastmath=True)
def develop(scene, light, noise, tube, memory, traps, before, gain, screen, scratch, shown, out):  # type: ignore[no-untyped-def]
    """Scatter added, light spread, noise, lag, filter and display.

    Parameters
    ----------
    scene : tuple
        primary, (rows, cols) float32; share, smooth and factor as in `compose`; sample, (4,) int64, first and last + 1
        row and column of the field whose mean is wanted.
    light : (radius + 1,) float32
        Taps of the spread of light, centre first; they add up to 1 with both sides counted.
    noise : tuple
        bank, (2, …, …) int16, normal numbers, spread like light and plain; place, (4,) int64, first row and
        column in either.
    tube, memory, traps
        As `register_row`.
    before, gain : (rows, cols) float32
        The last shown picture; the factor before the logarithm.
    screen : tuple
        taps, (radius + 1,) float32, of the blur that is subtracted; sharpen, low, scale and curve as in `grey_row`;
        opening, (rows, cols) bool.
    scratch : tuple
        ring, (>= 2 radius + 1, >= cols) float32 for `light`; blurs and levels, the same for the taps of the screen;
        pair, (2, cols) float32; line, (>= cols + 2 radius,) float32, row, (cols,) float32, and bits, (cols,) int32.
    shown : (rows, cols) float32
        The filtered signal.
    out : (rows, cols) uint16

    Returns
    -------
    float
        Mean of every fourth expected quantum in the sample, both ways.
    """
    primary, share, smooth, factor, sample = scene
    bank, place = noise
    taps, sharpen, low, scale, curve, opening = screen
    ring, blurs, levels, pair, line, fresh, bits = scratch
    rows, cols = primary.shape
    reach, wide = light.size - 1, taps.size - 1
    spread = np.float32(0.0)
    for t in range(light.size):
        spread += light[t] * light[t] * (ONE if t == 0 else np.float32(2.0))
    spread *= spread
    total, count = 0.0, 0
    for step in range(rows + reach + wide):
        if step < rows:
            compose_row(primary, share, smooth, factor, step, pair, fresh)
            blur_across(fresh, light, line, ring[step % ring.shape[0], :cols])
            if sample[0] <= step < sample[1] and (step - sample[0]) % 4 == 0:
                for col in range(sample[2], sample[3], 4):
                    total += fresh[col]
                    count += 1
        row = step - reach
        if 0 <= row < rows:
            now, tone = shown[row], levels[row % levels.shape[0], :cols]
            blur_down(ring, row, rows, light, now)
            shot = bank[0, place[0] + row, place[1] : place[1] + cols]
            read = bank[1, place[2] + row, place[3] : place[3] + cols]
            register_row(now, shot, read, tube, memory, spread, traps, row, before[row], gain[row], line, bits, tone)
            blur_across(tone, taps, line, blurs[row % blurs.shape[0], :cols])
        row = step - reach - wide
        if 0 <= row < rows:
            blur_down(blurs, row, rows, taps, fresh)
            level = levels[row % levels.shape[0], :cols]
            grey_row(level, fresh, sharpen, low, scale, curve, opening[row], out[row])
    return total / max(count, 1)
