"""Kernels of the front: implicit upwind transport in the order of the stream, one pass, any step size.

What a cell passes on is kept in a row of `rows` for the cells that were reached only; nothing else is touched.
"""

import numpy as np

from vertebro._jit import kernel

# columns of `rows`: injected outflow per raw outflow along each axis, total outflow per raw outflow, injection times of
# what leaves first and last, fill and age after the step, volume that found no way out
THROUGH, FIRST, LAST, FILL, AGE, EXCESS, NOW = 3, 4, 5, 6, 7, 8, 9
# rows of `face` (…, 5): sums over the two faces of an axis, then the well's inflow or the outlet's outflow, then the total
NET, RAW_IN, IN, CEMENT, EARLY, LATE, UP, FRESH, UP_AGE, UP_WET, OUT, DOWN, DOWN_AGE, DOWN_WET, AT_END = range(15)
GATE, LEAD, SHARE, LEFT = 15, 16, 17, 18
SUMS = 15
MIX = 1
GEXP = 1.0


@kernel
def flowing_share(s, ratio, power):
    """Injected share of the flow in a cell: s^n / (s^n + A (1-s)^n), A = injected over displaced viscosity."""
    if s <= 0.0:
        return 0.0
    if s >= 1.0:
        return 1.0
    a, b = s, 1.0 - s
    if power == 2.0:
        a, b = a * a, b * b
    elif power != 1.0:
        a, b = a**power, b**power
    return a / (a + ratio * b)


@kernel
def implicit_saturation(old, volume_in, through, ahead, ratio, power):
    """Solve s = old + volume_in - through·f(s + ahead) on [0, 1] by bisected Newton steps; volumes per pore volume."""
    low, high = 0.0, 1.0
    s = min(1.0, max(0.0, old))
    for _ in range(100):
        face = s + ahead
        share = flowing_share(face, ratio, power)
        g, steep = s - old - volume_in + through * share, 1.0
        # f' = n f (1 - f) / (s (1 - s)) for powers of the saturation
        if 0.0 < face < 1.0:
            steep += through * power * share * (1.0 - share) / (face * (1.0 - face))
        if g > 0.0:
            high = s
        else:
            low = s
        step = s - g / steep
        if abs(step - s) < 1e-12 or high - low < 1e-12:
            break
        s = step if low < step < high else 0.5 * (low + high)
    return s


@kernel
def limited(before, here, after):
    """Slope between neighbours along the stream, 0 at extrema: the harmonic mean of the two differences (van Leer)."""
    a, b = here - before, after - here
    return 2.0 * a * b / (a + b) if a * b > 0.0 else 0.0


@kernel
def gather(i, p, t, strides, s, birth, place, rows, face):
    """Sum what flows into and out of cell `i` through the two faces of each axis into the columns of `face`."""
    for d in range(3):
        for row in range(SUMS):
            face[row, d] = 0.0
        for side in range(2):
            j = i + strides[d] if side == 0 else i - strides[d]
            q = t[d, i if side == 0 else j] * (p[j] - p[i])
            if q == 0.0:
                continue
            face[NET, d] += q if side == 0 else -q
            if q > 0.0:
                through, cement, fresh = 1.0, 0.0, s[j]
                if place[j] > 0:
                    k = place[j] - 1
                    through, cement, fresh = rows[k, THROUGH], rows[k, d], rows[k, FILL]
                    face[AT_END, d] += q * rows[k, NOW + d]
                    face[EARLY, d] += q * cement * rows[k, FIRST]
                    face[LATE, d] += q * cement * rows[k, LAST]
                face[RAW_IN, d] += q
                face[IN, d] += q * through
                face[CEMENT, d] += q * cement
                face[UP, d] += q * s[j]
                face[FRESH, d] += q * fresh
                if s[j] > 0.0:
                    face[UP_AGE, d] += q * birth[j]
                    face[UP_WET, d] += q
            else:
                face[OUT, d] -= q
                face[DOWN, d] -= q * s[j]
                if s[j] > 0.0:
                    face[DOWN_AGE, d] -= q * birth[j]
                    face[DOWN_WET, d] -= q


@kernel
def stream(face):
    """Where the exits lie along the stream: fill at which a plane front reaches each, and lead over the centre.

    The lead is in distances to the neighbours along the stream. A well's cell is left on all sides alike.
    """
    x, y, z = abs(face[NET, 0]), abs(face[NET, 1]), abs(face[NET, 2])
    fastest, square = max(x, y, z), x * x + y * y + z * z
    for d in range(4):
        face[GATE, d], face[LEAD, d] = 1.0, 0.5
        if d < 3 and square > 0.0 and face[CEMENT, 3] == 0.0:
            # in steps of 1/32: faces that are reached together open together, whatever the last bits say
            share = abs(face[NET, d]) / fastest
            face[GATE, d] = 0.5 + np.round(16.0 * np.sqrt(share * np.sqrt(share))) / 32.0
            face[LEAD, d] = 0.5 * abs(face[NET, d]) * (x + y + z) / square


@kernel
def passage(a, b, c):
    """Share of the streamlines entering a cube through the face across `a` that leave through the face across `b`.

    Uniform velocity (a, b, c) >= 0; they leave by `b` if they reach it before the faces across `a` and `c`.
    """
    m = min(1.0, b / a)
    m = m if c * m <= b else b / c
    return m - 0.5 * m * m * c / b


@kernel
def exit_shares(face, row, flow):
    """Fill row SHARE: injected share of what leaves along each axis, following the streamlines through the cell."""
    mean = min(1.0, face[row, 4] / flow)
    for d in range(4):
        face[SHARE, d] = mean
    if MIX == 0 or face[CEMENT, 3] > 0.0 or face[OUT, 3] > 0.0 or mean >= 1.0:
        return
    for e in range(3):
        got = all_in = 0.0
        v = 0.5 * (face[RAW_IN, e] + face[OUT, e])
        if v <= 0.0 or face[OUT, e] <= 0.0:
            continue
        kept_c, kept_a = face[row, e], face[IN, e]
        straight = 1.0
        for k in range(2):
            d, o = (e + 1 + k) % 3, (e + 2 - k) % 3
            w, u = 0.5 * (face[RAW_IN, d] + face[OUT, d]), 0.5 * (face[RAW_IN, o] + face[OUT, o])
            if w > 0.0:
                part = passage(w, v, u)
                got += part * face[row, d]
                all_in += part * face[IN, d]
                straight *= max(0.0, 1.0 - w / v)
        got += straight * kept_c
        all_in += straight * kept_a
        if all_in > 0.0:
            face[SHARE, e] = min(1.0, got / all_in)
    # close the sum
    gone = rest = out = 0.0
    for e in range(3):
        out += face[OUT, e]
        gone += face[OUT, e] * face[SHARE, e]
        rest += face[OUT, e] * (1.0 - face[SHARE, e])
    miss = mean * out - gone
    for e in range(3):
        if miss > 0.0 and rest > 0.0:
            face[SHARE, e] += min(1.0, miss / rest) * (1.0 - face[SHARE, e])
        elif miss < 0.0 and gone > 0.0:
            face[SHARE, e] *= max(0.0, 1.0 + miss / gone)


@kernel
def piston_exits(held, flow, cement, dt, face):
    """Fill a cell with a sharp front: row LEFT gets the injected volume through each exit; returns what is held then.

    Volumes are shares of the pore volume, rows OUT are rates. Streamlines that carry the injected fluid in take the share
    cement / flow of the cell. An exit passes the injected fluid on once these are filled up to its gate (a plane front
    perpendicular to the stream has then reached the face's centre). What a cell has taken it keeps.
    """
    for e in range(4):
        face[LEFT, e] = 0.0
    reach = min(1.0, (cement / flow) ** GEXP) if flow > 0.0 else 1.0
    s, rest = held, dt
    for _ in range(5):
        speed, above = cement, reach
        for e in range(4):
            level = reach * face[GATE, e]
            if face[OUT, e] > 0.0:
                if s >= level:
                    speed -= face[OUT, e] * face[SHARE, e]
                elif level < above:
                    above = level
        last = s >= reach or speed <= 1e-14 * cement
        time = rest if last else min(rest, (above - s) / speed)
        for e in range(4):
            if face[OUT, e] > 0.0 and s >= reach * face[GATE, e]:
                face[LEFT, e] += face[OUT, e] * face[SHARE, e] * time
        if last:
            return s
        s = s + speed * time if time == rest else above
        rest -= time
        if rest <= 0.0:
            return s
    return s


@kernel
def corey_exits(held, cement, through, dt, face, ratio, power, upstream, upstream_now, downstream, sharp):
    """As `piston_exits` for powers of the saturation: limited second order along the stream, or implicit upwind.

    The second order holds while the fastest wave stays inside the cell; elsewhere (near the needle) all exits carry the
    flowing share of the new saturation.
    """
    volume_in, ahead = cement * dt, 0.0
    share, above = flowing_share(held, ratio, power), flowing_share(upstream, ratio, power)
    steep = power * share * (1.0 - share) / (held * (1.0 - held)) if 0.0 < held < 1.0 else 0.0
    wave = max(steep, (above - share) / (upstream - held) if upstream != held else 0.0)
    s, slope = held, 0.0
    if sharp and through * wave <= 1.0:
        slope = limited(upstream, held, downstream)
        s = held - 0.5 * through * steep * slope
    else:
        for e in range(4):
            ahead += face[LEAD, e] * face[OUT, e] * dt
        # one call in a loop: every inlined copy costs compile time
        for again in range(2 if sharp else 1):
            s = implicit_saturation(held, volume_in, through, slope * ahead / max(through, 1e-300), ratio, power)
            if sharp and again == 0:
                slope = limited(upstream_now, s, downstream)
    gone = 0.0
    for e in range(4):
        face[LEFT, e] = face[OUT, e] * dt * flowing_share(s + face[LEAD, e] * slope, ratio, power)
        gone += face[LEFT, e]
    allowed = min(max(gone, held + volume_in - 1.0), held + volume_in)
    # traces stay where they are: they would run to the outlets ahead of the front
    if gone < 1e-9 and allowed < 1e-9:
        allowed = 0.0
    for e in range(4):
        if gone > 0.0:
            face[LEFT, e] *= allowed / gone
        else:
            face[LEFT, e] = allowed * face[OUT, e] * dt / max(through, 1e-300)
    return held + volume_in - allowed


@kernel
def ages(held, here, cement, gone, flow, dt, now, sharp, face, rows, k):
    """Work out the age of what stays and of what leaves first and last, per pore volume; `here` is the age of `held`.

    Plug flow through the cell: what was there first leaves first, then the inflow from its first to its last.
    """
    volume_in, early, late = cement * dt, now, now
    if cement > 0.0:
        early, late = face[EARLY, 4] / face[CEMENT, 4], face[LATE, 4] / face[CEMENT, 4]
    if held <= 0.0:
        here = early
    ends = mean = here
    up, down = face[UP_WET, 4], face[DOWN_WET, 4]
    if gone > held:
        ends = early + (late - early) * (gone - held) / volume_in
        mean = (held * here + (gone - held) * 0.5 * (early + ends)) / gone
    elif sharp and flow * dt < 1.0 and gone < held and up > 0.0 and down > 0.0:
        mean += 0.5 * (1.0 - flow * dt) * limited(face[UP_AGE, 4] / up, here, face[DOWN_AGE, 4] / down)
        ends = mean
    rows[k, FIRST], rows[k, LAST] = 2.0 * mean - ends, ends
    stays = held + volume_in - gone
    rows[k, AGE] = (held * here + volume_in * 0.5 * (early + late) - gone * mean) / stays if stays > 0.0 else here


@kernel
def waits_for(i, p, t, strides, place, s, highest):
    """Index of a cell upstream of `i` that may hold injected fluid and was not worked out yet; -1 if there is none."""
    for d in range(3):
        for side in range(2):
            j = i + strides[d] if side == 0 else i - strides[d]
            if place[j] == 0 and p[j] > p[i] and t[d, i if side == 0 else j] > 0.0 and (s[j] > 0.0 or p[j] <= highest):
                return j
    return -1


@kernel
def pass_on(i, source, pinned, pore, ratio, power, sharp, dt, now, s, birth, face, rows, k, ledger):
    """Work out one cell from what `gather` found: its outflows, fill and age into `row`, outlets into `ledger`."""
    rate = source[i]
    for r in range(SUMS):
        face[r, 3] = 0.0
    for r in (RAW_IN, IN, CEMENT, UP, FRESH, UP_WET, AT_END):
        face[r, 3] = rate
    face[EARLY, 3], face[LATE, 3], face[UP_AGE, 3] = rate * now, rate * (now + dt), rate * (now - 0.5 * dt)
    for r in range(SUMS):
        face[r, 4] = face[r, 0] + face[r, 1] + face[r, 2] + face[r, 3]
    flow, out, cement, room = face[IN, 4], face[OUT, 4], face[CEMENT, 4], pore[i]
    raw_in, held = face[RAW_IN, 4], s[i]
    above = face[UP, 4] / raw_in if raw_in > 0.0 else held
    fresh = face[FRESH, 4] / raw_in if raw_in > 0.0 else held
    below = face[DOWN, 4] / out if out > 0.0 else held
    if pinned[i] > 0:
        face[OUT, 3] = max(0.0, flow - out)
        flow = max(flow, out)
        out += face[OUT, 3]
    exits = out
    through = flow / exits if exits > 0.0 else 0.0
    stream(face)
    steady = AT_END if face[AT_END, 4] > cement else CEMENT
    if exits > 0.0 and power == 0.0:
        exit_shares(face, steady, flow)
    for e in range(4):
        face[OUT, e] *= through / room
    steady_rate = face[steady, 4] / room
    cement, flow = cement / room, flow / room
    if power == 0.0 and pinned[i] == 0:
        kept = piston_exits(held, flow, steady_rate, dt * cement / steady_rate if cement > 0.0 else 0.0, face)
    else:
        # what streams together at an outlet leaves as it comes, not when the cell is full
        one, curve = (1.0, 1.0) if power == 0.0 else (ratio[i % ratio.size], power)
        limits = sharp and power > 0.0
        kept = corey_exits(held, cement, flow * dt if exits > 0.0 else 0.0, dt, face, one, curve, above, fresh, below, limits)
    rows[k, EXCESS] = 0.0
    if exits == 0.0:
        kept = min(1.0, held + cement * dt)
        rows[k, EXCESS] = (held + cement * dt - kept) * room
    gone = face[LEFT, 0] + face[LEFT, 1] + face[LEFT, 2] + face[LEFT, 3]
    ages(held, birth[i], cement, gone, flow, dt, now, sharp, face, rows, k)
    rows[k, THROUGH], rows[k, FILL] = through, min(1.0, max(0.0, kept))
    for d in range(3):
        rows[k, NOW + d] = face[SHARE, d] * through if power == 0.0 and face[LEFT, d] > 0.0 else 0.0
        rows[k, d] = face[LEFT, d] / (face[OUT, d] * dt) * through if face[OUT, d] > 0.0 else 0.0
    if pinned[i] > 0:
        ledger[pinned[i] - 1] += room * face[LEFT, 3]


@kernel(nogil=True)
def transport(p, t, strides, pore, s, birth, source, pinned, ratio, power, sharp, dt, now, place, order, rows, face, ledger):
    """Move the injected fluid over one step; `s` and `birth` change in place. Flat padded arrays, `t` is (3, cells).

    A cell is worked out once all cells upstream are (potential flow has no cycles). Outflows are scaled so that each
    cell's outflow equals its corrected inflow: the fluxes become divergence-free to round-off whatever the solver left.
    `source` is the inflow of wells [m³/s]; `pinned` is 0 or 1 + the outlet's number. birth : mean injection time [s].
    place (cells,) int32 : 0 on entry and return. order (room,) int32, rows (room, 12), face (19, 5) : work.
    ledger : injected volume [m³] out of each outlet. Returns the number of cells reached, or -1, with nothing changed
    but `ledger`, if `room` is too small.
    """
    ready, seed, scan, room, deep, highest = 0, 0, 0, order.size, order.size, -np.inf
    for i in range(p.size):
        if source[i] > 0.0 or s[i] > 0.0:
            highest = max(highest, p[i])
    full = False
    while not full:
        # next cell to work out: a source, in mixed flow any wet cell, then those that something flowed into
        start = -1
        while start < 0 and seed < p.size:
            if place[seed] == 0 and (source[seed] > 0.0 or (power > 0.0 and s[seed] > 0.0)):
                start = seed
            seed += 1
        while start < 0 and scan < 6 * ready:
            i, d = order[scan // 6], scan % 3
            j = i + strides[d] if scan % 6 < 3 else i - strides[d]
            if place[j] == 0 and p[j] < p[i] and rows[scan // 6, d] > 0.0 and t[d, min(i, j)] > 0.0:
                start = j
            scan += 1
        if start < 0:
            break
        deep -= 1
        order[deep] = start
        while deep < room:
            i = order[deep]
            j = waits_for(i, p, t, strides, place, s, highest)
            if deep - ready < 2:
                full = True
                break
            if j >= 0:
                deep -= 1
                order[deep] = j
                continue
            deep += 1
            gather(i, p, t, strides, s, birth, place, rows, face)
            if s[i] == 0.0 and source[i] == 0.0 and face[CEMENT, 0] + face[CEMENT, 1] + face[CEMENT, 2] == 0.0:
                for c in range(12):
                    rows[ready, c] = 1.0 if c == THROUGH else 0.0
            else:
                pass_on(i, source, pinned, pore, ratio, power, sharp, dt, now, s, birth, face, rows, ready, ledger)
            order[ready] = i
            ready += 1
            place[i] = ready
    for k in range(ready):
        i = order[k]
        place[i] = 0
        if not full:
            s[i], birth[i] = rows[k, FILL], rows[k, AGE]
    return -1 if full else ready


@kernel
def front_room(s, pore, source, active):
    """Free pore volume [m³] of the front cells: part filled, at a well, or beside one more than half full."""
    total = 0.0
    for i in range(1, s.shape[0] - 1):
        for j in range(1, s.shape[1] - 1):
            here, a, b, c, d = s[i, j], s[i - 1, j], s[i + 1, j], s[i, j - 1], s[i, j + 1]
            for k in range(1, s.shape[2] - 1):
                most = max(max(a[k], b[k]), max(c[k], d[k]), max(here[k - 1], here[k + 1]))
                if here[k] < 1.0 and (most > 0.5 or here[k] > 0.0 or source[i, j, k] > 0.0) and active[i, j, k]:
                    total += (1.0 - here[k]) * pore[i, j, k]
    return total
