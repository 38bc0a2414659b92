"""Kernels of the front: implicit upwind transport in the order of the stream, one pass, any step size.

What a cell passes on is kept in a row of `rows`, for the cells that were reached only; nothing else is touched.
"""

import numpy as np

from vertebro._jit import kernel

# columns of `rows`: injected outflow per raw outflow along each axis over the step and (+ NOW) at its end, total
# outflow per raw outflow, injection times of what leaves first and last, fill and age after the step, volume that left
# by the outlet or found no way out [m³]
NOW, THROUGH, FIRST, LAST, FILL, AGE, SPARE, COLUMNS = 3, 6, 7, 8, 9, 10, 11, 12
# rows of `face` (…, 4): flows over the two faces of each axis; column 3 is the well's inflow or the outlet's outflow
NET, IN, CEMENT, AT_END, OUT, GATE, LEAD, SHARE, LEFT, ROWS = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9
# rows of `vessel` (…, cells): outflow into vessels and inflow from them [m³/s], injected part of the inflow and its
# injection time; what left into vessels: injected volume, and volume times injection time
LEAVES, ENTERS, FED, FED_BIRTH, TAKEN, TAKEN_BIRTH, VESSEL_ROWS = 0, 1, 2, 3, 4, 5, 6
# entries of `sums`, weighted by flow: what comes in (fill before and after the step, age) and what lies downstream
RAW_IN, UP, FRESH, UP_AGE, UP_WET, EARLY, LATE, DOWN, DOWN_AGE, DOWN_WET, SUMS = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10


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
def implicit_saturation(start, supply, through, ahead, ratio, power):
    """Solve s = supply - through·f(s + ahead) on [0, 1] by bisected Newton steps; volumes per pore volume."""
    low, high = 0.0, 1.0
    s = min(1.0, max(0.0, start))
    for _ in range(100):
        face = s + ahead
        share = flowing_share(face, ratio, power)
        g, steep = s - supply + through * share, 1.0
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


@kernel(inline=True)
def gather(i, p, t, strides, s, birth, place, rows, highest, face, sums):
    """Sum what flows into and out of cell `i` through the faces of each axis into `face` and over all into `sums`.

    Returns -1, or a cell upstream that may hold injected fluid and must be worked out first. Pairs of opposite faces
    are summed first: mirrored data give mirrored bits.
    """
    for r in range(SUMS):
        sums[r] = 0.0
    for d in range(3):
        net = flow = cement = ends = out = 0.0
        raw = up = fresh = up_age = up_wet = early = late = down = down_age = down_wet = 0.0
        for side in range(2):
            j = i + strides[d] if side == 0 else i - strides[d]
            q = t[d, i if side == 0 else j] * (p[j] - p[i])
            if q > 0.0:
                k = place[j] - 1
                raw += q
                up += q * s[j]
                if s[j] > 0.0:
                    up_age += q * birth[j]
                    up_wet += q
                if k >= 0:
                    injected = q * rows[k, d]
                    flow += q * rows[k, THROUGH]
                    fresh += q * rows[k, FILL]
                    ends += q * rows[k, NOW + d]
                    cement += injected
                    early += injected * rows[k, FIRST]
                    late += injected * rows[k, LAST]
                elif s[j] > 0.0 or p[j] <= highest:
                    return j
                else:
                    flow += q
            elif q < 0.0:
                out -= q
                down -= q * s[j]
                if s[j] > 0.0:
                    down_age -= q * birth[j]
                    down_wet -= q
            net += q if side == 0 else -q
        face[NET, d], face[IN, d], face[CEMENT, d], face[AT_END, d], face[OUT, d] = net, flow, cement, ends, out
        sums[RAW_IN] += raw
        sums[UP] += up
        sums[FRESH] += fresh
        sums[UP_AGE] += up_age
        sums[UP_WET] += up_wet
        sums[EARLY] += early
        sums[LATE] += late
        sums[DOWN] += down
        sums[DOWN_AGE] += down_age
        sums[DOWN_WET] += down_wet
    return -1


@kernel
def stream(face, gates):
    """Where the exits lie along the stream: fill at which a plane front reaches each, or the lead over the centre.

    The lead is in distances to the neighbours along the stream. A well's cell is left on all sides alike.
    """
    x, y, z = abs(face[NET, 0]), abs(face[NET, 1]), abs(face[NET, 2])
    fastest, square = max(x, y, z), x * x + y * y + z * z
    for d in range(4):
        face[GATE, d], face[LEAD, d] = 1.0, 0.5
        if d < 3 and square > 0.0 and face[CEMENT, 3] == 0.0:
            share = abs(face[NET, d]) / fastest
            face[LEAD, d] = 0.5 * share * fastest * (x + y + z) / square
            if gates:
                # in steps of 1/32: faces that are reached together open together, whatever the last bits say
                face[GATE, d] = 0.5 + np.round(16.0 * np.sqrt(share * np.sqrt(share))) / 32.0


@kernel
def passage(a, b, c):
    """Share of the streamlines entering a cube through the face across `a` that leave through the face across `b`.

    Uniform velocity (a, b, c) >= 0; they leave by `b` if they reach it before the faces across `a` and `c`.
    """
    m = min(1.0, b / a)
    m = m if c * m <= b else b / c
    return m - 0.5 * m * m * c / b


@kernel
def exit_shares(face, row, mean):
    """Fill row SHARE: the injected share of what leaves along each axis, following the streamlines through the cell.

    `row` holds the injected inflow, `mean` its share of the whole. Mixing in the cell would spread the edge of a stream
    over ever more cells; uniform flow inside the cell says which inflow meets which outflow. Shares are then moved
    towards 0 or 1 until as much leaves as enters.
    """
    gone = rest = out = 0.0
    for e in range(3):
        v, part, whole = 0.5 * (face[IN, e] + face[OUT, e]), 0.0, 0.0
        face[SHARE, e] = mean
        if v > 0.0 and face[OUT, e] > 0.0:
            straight = 1.0
            for k in range(1, 3):
                d, o = (e + k) % 3, (e + 3 - k) % 3
                w, u = 0.5 * (face[IN, d] + face[OUT, d]), 0.5 * (face[IN, o] + face[OUT, o])
                if w > 0.0:
                    turn = passage(w, v, u)
                    part += turn * face[row, d]
                    whole += turn * face[IN, d]
                    straight *= max(0.0, 1.0 - w / v)
            whole += straight * face[IN, e]
            if whole > 0.0:
                face[SHARE, e] = min(1.0, (part + straight * face[row, e]) / whole)
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
def piston_exits(held, reach, cement, dt, face):
    """Fill a cell with a sharp front: row LEFT gets the injected volume through each exit; returns what is held then.

    Volumes are shares of the pore volume, row OUT are rates. Streamlines that bring injected fluid take the share
    `reach` of the cell. An exit passes its share on once they are filled up to its gate (a plane front perpendicular to
    the stream has then reached the face's centre). What a cell has taken it keeps.
    """
    for e in range(4):
        face[LEFT, e] = 0.0
    s, rest = held, dt
    for _ in range(5):
        speed, above = cement, reach
        for e in range(4):
            if face[OUT, e] > 0.0:
                if s >= reach * face[GATE, e]:
                    speed -= face[OUT, e] * face[SHARE, e]
                else:
                    above = min(above, reach * face[GATE, e])
        settled = s >= reach or speed <= 1e-14 * cement
        time = rest if settled else min(rest, (above - s) / speed)
        for e in range(4):
            if face[OUT, e] > 0.0 and s >= reach * face[GATE, e]:
                face[LEFT, e] += face[OUT, e] * face[SHARE, e] * time
        rest -= time
        if not settled:
            s = above if rest > 0.0 else s + speed * time
        if rest <= 0.0:
            break
    return s


@kernel
def corey_exits(held, cement, through, dt, face, ratio, power, upstream, upstream_now, downstream, sharp):
    """As `piston_exits` for powers of the saturation: limited second order along the stream, or implicit upwind.

    The second order holds while the fastest wave stays inside the cell; elsewhere (near the needle) all exits carry the
    flowing share of the new saturation. `through` is the whole volume that passes.
    """
    volume_in, ahead, gone = cement * dt, 0.0, 0.0
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
            s = implicit_saturation(s, held + volume_in, through, slope * ahead / max(through, 1e-300), ratio, power)
            if sharp and again == 0:
                slope = limited(upstream_now, s, downstream)
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
def ages(held, here, volume_in, gone, early, late, up, down, limits):
    """Age of what leaves first, of what leaves last and of what stays; `here` is the age of `held`.

    Plug flow through the cell: what was there first leaves first, then the inflow from `early` to `late`. With
    `limits`, the ages `up` and `down` the stream give a slope inside the cell.
    """
    ends = mean = here
    if gone > held:
        ends = early + (late - early) * (gone - held) / volume_in
        mean = (held * here + (gone - held) * 0.5 * (early + ends)) / gone
    elif limits and gone < held:
        mean += 0.5 * (1.0 - gone / held) * limited(up, here, down)
        ends = mean
    stays = held + volume_in - gone
    kept = (held * here + volume_in * 0.5 * (early + late) - gone * mean) / stays if stays > 0.0 else here
    # linear in between; no portion is younger or older than those it came from
    first = min(max(2.0 * mean - ends, min(here, early)), max(here, late))
    return first, 2.0 * mean - first, kept


@kernel(inline=True)
def pass_on(rate, outlet, vein, room, held, here, ratio, power, sharp, dt, now, face, sums, rows, k):
    """Work out one cell from what `gather` found: its outflows, fill and age into row `k`.

    rate : inflow of wells [m³/s]. outlet : whether fluid leaves the body here. vein : exchange with vessels, the first
    four of the rows of `vessel`. room : pore volume [m³]. held, here :
    fill and its age.
    """
    leaves, enters, fed, fed_birth = vein
    supply = rate + fed
    flow, out = face[IN, 0] + face[IN, 1] + face[IN, 2] + (rate + enters), face[OUT, 0] + face[OUT, 1] + face[OUT, 2]
    cement = face[CEMENT, 0] + face[CEMENT, 1] + face[CEMENT, 2] + supply
    ends = face[AT_END, 0] + face[AT_END, 1] + face[AT_END, 2] + supply
    face[CEMENT, 3], face[OUT, 3] = supply, 0.0
    if leaves > 0.0 and not outlet:
        face[OUT, 3], out = leaves, out + leaves
    if outlet:
        face[OUT, 3] = max(0.0, flow - out)
        flow, out = max(flow, out), out + face[OUT, 3]
    through = flow / out if out > 0.0 else 0.0
    # injected inflow that began within the step is taken to run at its last rate in the last part of the step
    row = AT_END if ends > cement else CEMENT
    steady = max(ends, cement)
    mean, piston = min(1.0, steady / flow) if flow > 0.0 else 1.0, power == 0.0 and not outlet
    for e in range(4):
        face[SHARE, e] = mean
    if piston and mean < 1.0 and supply == 0.0 and leaves == 0.0 and out > 0.0:
        exit_shares(face, row, mean)
    for e in range(4):
        face[OUT, e] *= through / room
    if not (piston and held >= 1.0):
        stream(face, piston)
    volume_in, kept = cement * dt / room, held
    if out == 0.0:
        for e in range(4):
            face[LEFT, e] = 0.0
        kept = min(1.0, held + volume_in)
        rows[k, SPARE] = (held + volume_in - kept) * room
    elif piston and held >= 1.0:
        for e in range(4):
            face[LEFT, e] = face[OUT, e] * face[SHARE, e] * (cement * dt / steady if steady > 0.0 else 0.0)
    elif piston:
        kept = piston_exits(held, mean, steady / room, dt * cement / steady if steady > 0.0 else 0.0, face)
    else:
        above = (sums[UP] + rate) / (sums[RAW_IN] + rate) if sums[RAW_IN] + rate > 0.0 else held
        fresh = (sums[FRESH] + rate) / (sums[RAW_IN] + rate) if sums[RAW_IN] + rate > 0.0 else held
        below = sums[DOWN] / (out - face[OUT, 3]) if out > face[OUT, 3] else held
        limits, curve = sharp and power > 0.0, max(power, 1.0)
        # what streams together at an outlet leaves as it comes, not when the cell is full
        one = ratio if power > 0.0 else 1.0
        kept = corey_exits(held, cement / room, flow * dt / room, dt, face, one, curve, above, fresh, below, limits)
    early = late = now
    if cement > 0.0:
        early = (sums[EARLY] + rate * now + fed * fed_birth) / cement
        late = (sums[LATE] + rate * (now + dt) + fed * fed_birth) / cement
    gone, up, down = face[LEFT, 0] + face[LEFT, 1] + face[LEFT, 2] + face[LEFT, 3], here, here
    wet = sums[UP_WET] + rate
    if wet > 0.0 and sums[DOWN_WET] > 0.0:
        up, down = (sums[UP_AGE] + rate * (now - 0.5 * dt)) / wet, sums[DOWN_AGE] / sums[DOWN_WET]
    first, last, age = ages(held, here if held > 0.0 else early, volume_in, gone, early, late, up, down, sharp)
    rows[k, FIRST], rows[k, LAST], rows[k, AGE] = first, last, age
    rows[k, THROUGH], rows[k, FILL] = through, min(1.0, max(0.0, kept))
    for d in range(3):
        rows[k, d] = face[LEFT, d] / (face[OUT, d] * dt) * through if face[OUT, d] > 0.0 else 0.0
        rows[k, NOW + d] = face[SHARE, d] * through if power == 0.0 and face[LEFT, d] > 0.0 else 0.0
    if outlet or leaves > 0.0:
        rows[k, SPARE] = room * face[LEFT, 3]


@kernel
def push_starts(p, s, source, vessel, mixed, order):
    """Fill the end of `order` with the cells to begin with, lowest index first: wells, mouths that feed, in mixed
    flow all wet cells.

    Returns where they begin, or -1 if `order` is too short, and the highest pressure among them.
    """
    deep, highest = order.size, -np.inf
    for n in range(p.size):
        i = p.size - 1 - n
        if source[i] > 0.0 or (mixed and s[i] > 0.0) or vessel[FED, i % vessel.shape[1]] > 0.0:
            highest = max(highest, p[i])
            deep -= 1
            if deep < 0:
                return -1, highest
            order[deep] = i
    return deep, highest


@kernel
def next_reached(scan, ready, p, t, strides, place, order, rows):
    """Look from face `scan` of the cells that are ready for a cell that something flowed into.

    Returns it, or -1 if there is none, and the face to go on with.
    """
    found = -1
    while scan < 6 * ready and found < 0:
        k, side, d = scan // 6, scan % 2, (scan // 2) % 3
        i, scan = order[k], scan + 1
        j = i + strides[d] if side == 0 else i - strides[d]
        if rows[k, d] > 0.0 and place[j] == 0 and p[j] < p[i] and t[d, i if side == 0 else j] > 0.0:
            found = j
    return found, scan


@kernel(nogil=True)
def transport(
    p, t, strides, pore, s, birth, source, pinned, vessel, ratio, power, sharp, dt, now,
    place, order, rows, face, sums, ledger,
):  # fmt: skip
    """Move the injected fluid over one step; `s` and `birth` change in place. Flat padded arrays, `t` is (3, cells).

    A cell is worked out once all cells upstream are (potential flow has no cycles). Outflows are scaled so that each
    cell's outflow equals its corrected inflow: the fluxes become divergence-free to round-off whatever the solver left.
    `source` is the inflow of wells [m³/s]; `pinned` is 0 or 1 + the outlet's number. vessel
    (VESSEL_ROWS, cells or 1) : exchange with vessels; rows TAKEN are added to. birth : mean injection time [s].
    place (cells,) int32 : 0 on entry and return. order (any,) int32 : the cells reached and a stack. rows (room,
    COLUMNS) : what they pass on. face (ROWS, 4), sums (SUMS,) : work. ledger : gets the injected volume [m³] out of
    each outlet added. Returns the number of cells worked out, or -1, with nothing changed, if `order` or `rows` is too
    short.
    """
    ready, scan, full = np.int64(0), np.int64(0), True  # typed: a literal would compile every callee twice
    deep, highest = push_starts(p, s, source, vessel, power > 0.0, order)
    # the end of `order` is a stack of cells that wait for others upstream
    while deep >= 0 and ready + 1 < deep and ready < rows.shape[0]:
        if deep == order.size:
            start, scan = next_reached(scan, ready, p, t, strides, place, order, rows)
            if start < 0:
                full = False
                break
            deep -= 1
            order[deep] = start
        i = np.int64(order[deep])
        if place[i] > 0:
            deep += 1
            continue
        wait = gather(i, p, t, strides, s, birth, place, rows, highest, face, sums)
        if wait >= 0:
            deep -= 1
            order[deep] = wait
            continue
        deep += 1
        for c in range(COLUMNS):
            rows[ready, c] = 1.0 if c == THROUGH else 0.0
        rows[ready, FILL], rows[ready, AGE] = s[i], birth[i]
        m = i % vessel.shape[1]
        vein = (vessel[LEAVES, m], vessel[ENTERS, m], vessel[FED, m], vessel[FED_BIRTH, m])
        supply = source[i] + vein[FED]
        if (power > 0.0 and s[i] > 0.0) or supply > 0.0 or face[CEMENT, 0] + face[CEMENT, 1] + face[CEMENT, 2] > 0.0:
            curve, ends = ratio[i % ratio.size], pinned[i] > 0
            pass_on(
                source[i], ends, vein, pore[i], s[i], birth[i], curve, power, sharp, dt, now, face, sums, rows, ready
            )
        order[ready] = i
        ready += 1
        place[i] = ready
    for k in range(ready):
        i = order[k]
        place[i] = 0
        if not full:
            s[i], birth[i] = rows[k, FILL], rows[k, AGE]
            if pinned[i] > 0:
                ledger[pinned[i] - 1] += rows[k, SPARE]
                rows[k, SPARE] = 0.0
            elif vessel[LEAVES, i % vessel.shape[1]] > 0.0:
                vessel[TAKEN, i] += rows[k, SPARE]
                vessel[TAKEN_BIRTH, i] += rows[k, SPARE] * 0.5 * (rows[k, FIRST] + rows[k, LAST])
                rows[k, SPARE] = 0.0
    return -1 if full else ready
