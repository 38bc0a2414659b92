"""From primary quanta to grey values in one walk down the picture: a row is finished while its neighbours are in cache.

Three stages follow each other as closely as their blurs allow. Rows that wait for rows below them lie in rings; a
ring's row r is ``ring[r % len(ring)]``.
"""

from __future__ import annotations

import numpy as np

from vertebro._jit import exponent_of, kernel, lengthened, scaled, shortened

LN_2, ONE, TWO, HALF = np.float32(0.6931471805599453), np.float32(1.0), np.float32(2.0), np.float32(0.5)
THIRD, FIFTH, SEVENTH = np.float32(0.6666667), np.float32(0.4), np.float32(0.2857143)


@kernel(fastmath=True, inline=True)
def logarithm(x):  # type: ignore[no-untyped-def]
    """log(x) of a float32 x > 0, absolute error 2e-6."""
    whole = exponent_of(x)
    mantissa = scaled(x, -whole)
    s = (mantissa - ONE) / (mantissa + ONE)
    q = s * s
    return whole * LN_2 + s * (TWO + q * (THIRD + q * (FIFTH + q * SEVENTH)))


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
def coarse_rows(values, factor, row, pair):  # type: ignore[no-untyped-def]
    """Keep the two rows of a coarse picture next to a row, widened, in `pair`; called row after row from the first.

    Returns the share of the second one.
    """
    half, last = factor // 2, values.shape[0] - 1
    low = (row + half) // factor - 1
    if row == 0 or (row + half) % factor == 0:
        widen(values[max(low, 0)], factor, pair[0])
        widen(values[min(low + 1, last)], factor, pair[1])
    return (np.float32(row - low * factor - half) + HALF) / np.float32(factor)


@kernel(fastmath=True)
def compose_row(sharp, share, smooth, factor, row, pair, target):  # type: ignore[no-untyped-def]
    """One row of `compose`, to be called row after row from the first. Writes `target`, (cols,) float32."""
    weight = coarse_rows(smooth, factor, row, pair)
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


@kernel(fastmath=True, inline=True)
def begin_three(weights, row, left, right, next_left, next_right, far_left, far_right, target):  # type: ignore[no-untyped-def]
    """Write a row and three pairs of rows times ``weights[:4]`` to a row of other memory."""
    centre, near, middle, far = weights[0], weights[1], weights[2], weights[3]
    for col in range(target.size):
        target[col] = (
            centre * row[col]
            + near * (left[col] + right[col])
            + middle * (next_left[col] + next_right[col])
            + far * (far_left[col] + far_right[col])
        )


@kernel(fastmath=True)
def blur_across(line, taps, target):  # type: ignore[no-untyped-def]
    """A row convolved with a symmetric kernel; its ends repeat.

    Parameters
    ----------
    line : (>= cols + 2 radius,) float32
        The row, with room for `radius` more numbers at both ends, which are written.
    taps : (radius + 1,) float32
        Centre first; the radius is a multiple of three.
    target : (cols,) float32
    """
    cols, radius = target.size, taps.size - 1
    for t in range(radius):
        line[t], line[radius + cols + t] = line[radius], line[radius + cols - 1]
    here = line[radius : radius + cols]
    if radius == 0:
        for col in range(cols):
            target[col] = taps[0] * here[col]
        return
    begin_three(
        taps, here, line[radius - 1 : radius - 1 + cols], line[radius + 1 : radius + 1 + cols],
        line[radius - 2 : radius - 2 + cols], line[radius + 2 : radius + 2 + cols],
        line[radius - 3 : radius - 3 + cols], line[radius + 3 : radius + 3 + cols], target,
    )  # fmt: skip
    for t in range(4, radius, 3):
        low, high = radius - t, radius + t
        add_three(
            taps, t, line[low : low + cols], line[high : high + cols], line[low - 1 : low - 1 + cols],
            line[high + 1 : high + 1 + cols], line[low - 2 : low - 2 + cols], line[high + 2 : high + 2 + cols], target,
        )  # fmt: skip


@kernel(fastmath=True)
def blur_down(ring, row, rows, taps, target):  # type: ignore[no-untyped-def]
    """A row of a picture whose rows lie in a ring, convolved down the columns; the first and last row repeat.

    Parameters
    ----------
    ring : (>= 2 radius + 1, >= cols) float32
    row, rows : int
        The row, and how many the picture has.
    taps : (radius + 1,) float32
        The radius is a multiple of three.
    target : (cols,) float32
        Not in the ring.
    """
    size, last, radius = ring.shape[0], rows - 1, taps.size - 1
    here = ring[row % size]
    if radius == 0:
        for col in range(target.size):
            target[col] = taps[0] * here[col]
        return
    begin_three(
        taps, here, ring[max(row - 1, 0) % size], ring[min(row + 1, last) % size], ring[max(row - 2, 0) % size],
        ring[min(row + 2, last) % size], ring[max(row - 3, 0) % size], ring[min(row + 3, last) % size], target,
    )  # fmt: skip
    for t in range(4, radius, 3):
        add_three(
            taps, t, ring[max(row - t, 0) % size], ring[min(row + t, last) % size],
            ring[max(row - t - 1, 0) % size], ring[min(row + t + 1, last) % size], ring[max(row - t - 2, 0) % size],
            ring[min(row + t + 2, last) % size], target,
        )  # fmt: skip


@kernel(fastmath=True)
def register_row(now, shot, read, tube, memory, spread, traps, row, old, base, line, tone):  # type: ignore[no-untyped-def]
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
    traps : (t, rows, cols) uint16
        Signal that comes late, `shortened`; changed in place.
    row : int
    old : (cols,) float32
        The last shown picture.
    base : tuple
        pair, (2, cols) float32, and the second one's share: the logarithm that the display takes out.
    line : (cols,) float32
        Scratch.
    tone : (cols,) float32
        The logarithm of the signal minus the base.
    """
    cols = now.size
    share, threshold, scale, grain, readout, unit = memory[0], memory[1], tube[0], tube[1], tube[2], tube[3]
    for col in range(cols):
        clean = now[col] * scale
        variance = max(clean, np.float32(0.0)) * grain
        tone[col] = variance
        now[col] = clean + unit * (np.sqrt(variance) * np.float32(shot[col]) + readout * np.float32(read[col]))
    late = np.float32(0.0)
    for t in range(traps.shape[0]):
        late += memory[2 + 3 * t]
    if traps.shape[0] > 0:
        take, keep, carry = memory[2] * (ONE - memory[3]), memory[3], memory[4]
        load = traps[0, row]
        for col in range(cols):
            signal, held = now[col], lengthened(load[col]) * carry
            line[col] = signal
            now[col] = signal * (ONE - late) + held
            load[col] = shortened(keep * held + take * signal)
    for t in range(1, traps.shape[0]):
        take, keep, carry = memory[2 + 3 * t] * (ONE - memory[3 + 3 * t]), memory[3 + 3 * t], memory[4 + 3 * t]
        load = traps[t, row]
        for col in range(cols):
            held = lengthened(load[col]) * carry
            now[col] += held
            load[col] = shortened(keep * held + take * line[col])
    wide = (ONE + share / (TWO - share)) * threshold
    # without a threshold nothing moves
    beyond = (ONE - share) * (ONE if threshold > 0 else np.float32(0.0))
    floor = readout * readout
    (above, below), weight = (base[0][0], base[0][1]), base[1]
    for col in range(cols):
        step = now[col] - old[col]
        variance = wide * (tone[col] * spread + floor) + np.float32(1e-12)
        moved = min(max(step * step / variance - ONE, np.float32(0.0)), ONE)
        signal = old[col] + (share + beyond * moved) * step
        now[col] = signal
        tone[col] = logarithm(max(signal, HALF)) - (above[col] + weight * (below[col] - above[col]))


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
def develop(scene, light, noise, tube, memory, traps, before, base, screen, scratch, shown, out):  # type: ignore[no-untyped-def]
    """Scatter added, light spread, noise, lag, filter and display.

    Parameters
    ----------
    scene : tuple
        primary, (rows, cols) float32; share, smooth and factor as in `compose`; sample, (4,) int64, first and last + 1
        row and column of the field whose mean is wanted.
    light : (reach + 1,) float32
        Taps of the spread of light, centre first; they add up to 1 with both sides counted. As in `blur_across`.
    noise : tuple
        bank, (2, …, …) int16, normal numbers, spread like light and plain; place, (4,) int64, first row and
        column in either.
    tube, memory, traps
        As `register_row`.
    before : (rows, cols) float32
        The last shown picture.
    base : tuple
        values, (n, m) float32, and factor, of the slow part of the logarithm, as `smooth` in `compose`.
    screen : tuple
        taps, (wide + 1,) float32, of the blur that is subtracted; sharpen, low, scale and curve as in `grey_row`;
        opening, (rows, cols) bool.
    scratch : tuple
        ring, (2 reach + 1, >= cols), and levels, (2 wide + 1, >= cols), hold the rows that are spread; line, (cols + 2
        radius,) for the larger radius; row, (cols,), and pairs, (4, cols): all float32.
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
    ring, levels, line, spare, pairs = scratch
    rows, cols = primary.shape
    reach, wide = light.size - 1, taps.size - 1
    spread = np.float32(0.0)
    for t in range(light.size):
        spread += light[t] * light[t] * (ONE if t == 0 else TWO)
    spread *= spread
    total, count = 0.0, 0
    for step in range(rows + reach + wide):
        if step < rows:
            fresh = ring[step % ring.shape[0], :cols]
            compose_row(primary, share, smooth, factor, step, pairs[:2], fresh)
            if sample[0] <= step < sample[1] and (step - sample[0]) % 4 == 0:
                for col in range(sample[2], sample[3], 4):
                    total += fresh[col]
                    count += 1
        row = step - reach
        if 0 <= row < rows:
            now = shown[row]
            blur_down(ring, row, rows, light, line[reach : reach + cols])
            blur_across(line, light, now)
            shot = bank[0, place[0] + row, place[1] : place[1] + cols]
            read = bank[1, place[2] + row, place[3] : place[3] + cols]
            slow = pairs[2:], coarse_rows(base[0], base[1], row, pairs[2:])
            tone = levels[row % levels.shape[0], :cols]
            register_row(now, shot, read, tube, memory, spread, traps, row, before[row], slow, spare, tone)
        row = step - reach - wide
        if 0 <= row < rows:
            blur_down(levels, row, rows, taps, line[wide : wide + cols])
            blur_across(line, taps, spare)
            grey_row(levels[row % levels.shape[0], :cols], spare, sharpen, low, scale, curve, opening[row], out[row])
    return total / max(count, 1)
