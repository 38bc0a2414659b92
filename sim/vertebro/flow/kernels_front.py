"""Kernels of the front: implicit upwind transport in the order of falling pressure, one pass, any step size."""

import numpy as np

from vertebro._jit import kernel


@kernel
def sift_up(heap, n, p):
    """Restore the heap (highest pressure first, then lowest index) after appending at n - 1."""
    c = n - 1
    while c > 0:
        up = (c - 1) // 2
        a, b = heap[c], heap[up]
        if p[a] > p[b] or (p[a] == p[b] and a < b):
            heap[c], heap[up] = b, a
            c = up
        else:
            break


@kernel
def sift_down(heap, n, p):
    """Restore the heap after its root was replaced."""
    c = 0
    while True:
        best = c
        for child in (2 * c + 1, 2 * c + 2):
            if child < n:
                a, b = heap[child], heap[best]
                if p[a] > p[b] or (p[a] == p[b] and a < b):
                    best = child
        if best == c:
            break
        heap[c], heap[best] = heap[best], heap[c]
        c = best


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
def implicit_saturation(old, volume_in, dt, rates, lead, slope, ratio, power):
    """Solve s = old + volume_in - dt Σ rates·f(s + lead·slope) on [0, 1] by bisected Newton steps."""
    low, high = 0.0, 1.0
    s = min(1.0, max(0.0, old))
    for _ in range(100):
        g, steep = s - old - volume_in, 1.0
        for e in range(4):
            face = s + lead[e] * slope
            share = flowing_share(face, ratio, power)
            g += dt * rates[e] * share
            # f' = n f (1 - f) / (s (1 - s)) for powers of the saturation
            if 0.0 < face < 1.0:
                steep += dt * rates[e] * power * share * (1.0 - share) / (face * (1.0 - face))
        if g > 0.0:
            high = s
        else:
            low = s
        if abs(g) < 1e-15 or high - low < 1e-15:
            break
        step = s - g / steep
        s = step if low < step < high else 0.5 * (low + high)
    return s


@kernel
def limited(before, here, after):
    """Slope between neighbours along the stream, 0 at extrema: the harmonic mean of the two differences (van Leer)."""
    a, b = here - before, after - here
    return 2.0 * a * b / (a + b) if a * b > 0.0 else 0.0


@kernel
def piston_exits(held, rate_in, dt, rates, gates, left):
    """Fill a cell with a sharp front: `left` gets the volume that leaves through each exit; returns what is held then.

    All volumes are shares of the pore volume. An exit carries the injected fluid once the cell is filled up to its gate
    (a plane front perpendicular to the stream has then passed the face's centre). Between gates the fill changes at a
    constant rate; where opening a gate would let the fill fall, the gate carries just what keeps it.
    """
    left[:] = 0.0
    s, rest = held, dt
    for _ in range(12):
        open_rate = at_rate = 0.0
        above, below = 1.0, 0.0
        for e in range(4):
            if rates[e] > 0.0:
                if gates[e] < s:
                    open_rate += rates[e]
                    below = max(below, gates[e])
                elif gates[e] == s:
                    at_rate += rates[e]
                else:
                    above = min(above, gates[e])
        low, high = rate_in - open_rate, rate_in - open_rate - at_rate
        share, speed, target = 0.0, 0.0, s
        if high > 0.0 and s < 1.0:
            share, speed, target = 1.0, high, above
        elif low < 0.0:
            speed, target = low, below
        elif at_rate > 0.0:
            share = min(1.0, low / at_rate)
        time = rest
        if speed != 0.0 and (target - s) / speed < rest:
            time = (target - s) / speed
        for e in range(4):
            if rates[e] > 0.0 and gates[e] <= s:
                left[e] += rates[e] * time * (share if gates[e] == s else 1.0)
        if time == rest:
            return s + speed * time
        s, rest = target, rest - time
    return s


@kernel
def corey_exits(held, rate_in, dt, rates, lead, ratio, power, upstream, upstream_now, downstream, sharp, left):
    """As `piston_exits` for powers of the saturation: limited second order along the stream, or implicit upwind.

    `lead` is how far each exit's face lies ahead of the cell's centre along the stream, in distances to the neighbours.
    The second order holds while the fastest wave stays inside the cell; elsewhere (near the needle) all exits carry the
    flowing share of the new saturation.
    """
    through, volume_in = rates.sum() * dt, rate_in * dt
    share, above = flowing_share(held, ratio, power), flowing_share(upstream, ratio, power)
    steep = power * share * (1.0 - share) / (held * (1.0 - held)) if 0.0 < held < 1.0 else 0.0
    wave = max(steep, (above - share) / (upstream - held) if upstream != held else 0.0)
    explicit = sharp and through * wave <= 1.0
    s, slope = held, 0.0
    if explicit:
        slope = limited(upstream, held, downstream)
        s = held - 0.5 * through * steep * slope
    else:
        # one call in a loop: every inlined copy costs compile time
        for again in range(2 if sharp else 1):
            s = implicit_saturation(held, volume_in, dt, rates, lead, slope, ratio, power)
            if sharp and again == 0:
                slope = limited(upstream_now, s, downstream)
    gone = 0.0
    for e in range(4):
        left[e] = rates[e] * dt * flowing_share(s + lead[e] * slope, ratio, power)
        gone += left[e]
    allowed = min(max(gone, held + volume_in - 1.0), held + volume_in)
    # traces stay where they are: they would run to the outlets ahead of the front
    if gone < 1e-9 and allowed < 1e-9:
        allowed = 0.0
    for e in range(4):
        left[e] = left[e] * allowed / gone if gone > 0.0 else allowed * rates[e] * dt / max(through, 1e-300)
    return held + volume_in - allowed


@kernel
def stream(net, source, gates, lead):
    """Where the faces of the three axes lie along the stream `net` [m³/s]: fill at which each is reached, and lead."""
    fastest = max(abs(net[0]), abs(net[1]), abs(net[2]))
    total = abs(net[0]) + abs(net[1]) + abs(net[2])
    square = net[0] * net[0] + net[1] * net[1] + net[2] * net[2]
    gates[3], lead[3] = 1.0, 0.5
    for d in range(3):
        gates[d] = lead[d] = 1.0
        if fastest > 0.0 and source == 0.0:
            # in steps of 1/32: faces that are reached together open together, whatever the last bits say
            gates[d] = 0.5 + np.round(16.0 * (abs(net[d]) / fastest) ** 0.75) / 32.0
        lead[d] = 0.5 * abs(net[d]) * total / square if square > 0.0 and source == 0.0 else 0.5


@kernel(nogil=True)
def transport(p, t, strides, pore, s, birth, source, pinned, ratio, power, sharp, dt, now, heap, n, seen, work, ledger):
    """Move the injected fluid over one step; `s` and `birth` change in place. Flat padded arrays, `t` is (3, cells).

    Cells are taken from a heap by falling pressure, so all inflow of a cell is known when it is reached. Outflows are
    scaled so that each visited cell's outflow equals its corrected inflow: the fluxes become divergence-free to
    round-off whatever the solver left. `source` is the inflow of wells [m³/s]; `pinned` is 0 or 1 + the outlet's
    number; the first `n` of `heap` are the cells to start from, in
    order; `seen` starts at 0. birth : mean injection time [s].
    work (9, cells) : injected outflow per raw outflow along each axis, total outflow per raw outflow, volume that found
    no way out [m³], copies of `s` and `birth` from before, injection times of what leaves first and last.
    ledger : injected volume [m³] out of each outlet. Returns the number of cells visited.
    """
    out, through, excess, old_s, old_birth, first, last = work[:3], work[3], work[4], work[5], work[6], work[7], work[8]
    rates, gates, lead, left, net = np.zeros(4), np.zeros(4), np.zeros(4), np.zeros(4), np.zeros(3)
    visited = 0
    while n > 0:
        i = heap[0]
        n -= 1
        heap[0] = heap[n]
        sift_down(heap, n, p)
        visited += 1
        seen[i] = 1
        # pairs of opposite faces are summed first: mirrored data give mirrored bits
        n_in = flow_in = cement_in = age_in = late_in = flow_out = raw_in = s_in = b_in = b_weight = s_out = b_out = (
            full_out
        ) = 0.0
        for d in range(3):
            f1 = c1 = a1 = l1 = o1 = r1 = s1 = b1 = w1 = s2 = b2 = w2 = 0.0
            net[d] = 0.0
            for side in range(2):
                j = i + strides[d] if side == 0 else i - strides[d]
                face = t[d, i] if side == 0 else t[d, j]
                q = face * (p[j] - p[i]) if face > 0.0 else 0.0
                net[d] += q if side == 0 else -q
                if q > 0.0:
                    r1 += q
                    s1 += q * old_s[j]
                    n_in += q * s[j]
                    if seen[j] == 1:
                        f1 += q * through[j]
                        c1 += q * out[d, j]
                        a1 += q * out[d, j] * first[j]
                        l1 += q * out[d, j] * last[j]
                    else:
                        f1 += q
                    if old_s[j] > 0.0:
                        b1 += q * old_birth[j]
                        w1 += q
                elif q < 0.0:
                    o1 -= q
                    s2 -= q * old_s[j]
                    if old_s[j] > 0.0:
                        b2 -= q * old_birth[j]
                        w2 -= q
            rates[d] = o1
            late_in += l1
            flow_in, cement_in, age_in, flow_out = flow_in + f1, cement_in + c1, age_in + a1, flow_out + o1
            raw_in, s_in, b_in, b_weight = raw_in + r1, s_in + s1, b_in + b1, b_weight + w1
            s_out, b_out, full_out = s_out + s2, b_out + b2, full_out + w2
        rate = source[i]
        flow_in, cement_in, age_in = flow_in + rate, cement_in + rate, age_in + rate * now
        raw_in, s_in, b_in, b_weight = raw_in + rate, s_in + rate, b_in + rate * (now - 0.5 * dt), b_weight + rate
        n_in += rate
        late_in += rate * (now + dt)
        rates[3] = 0.0
        if pinned[i] > 0:
            rates[3] = max(0.0, flow_in - flow_out)
            flow_in = max(flow_in, flow_out)
        exits = flow_out + rates[3]
        room, volume_in, held = pore[i], cement_in * dt, s[i] * pore[i]
        through[i] = flow_in / exits if exits > 0.0 else 0.0
        for e in range(4):
            rates[e] *= through[i] / room
        stream(net, rate, gates, lead)
        if power == 0.0 and pinned[i] == 0:
            kept = room * piston_exits(s[i], cement_in / room, dt, rates, gates, left)
        else:
            above = s_in / raw_in if raw_in > 0.0 else s[i]
            below = s_out / flow_out if flow_out > 0.0 else s[i]
            # what streams together at an outlet leaves as it comes, not when the cell is full
            one, curve = (1.0, 1.0) if power == 0.0 else (ratio[i % ratio.size], power)
            fresh = n_in / raw_in if raw_in > 0.0 else s[i]
            kept = room * corey_exits(
                s[i], cement_in / room, dt, rates, lead, one, curve, above, fresh, below, sharp and power > 0.0, left
            )
        gone = room * left.sum()
        if exits == 0.0 and held + volume_in > room:
            excess[i] += held + volume_in - room
            kept = room
        early, late = now, now
        if cement_in > 0.0:
            early, late = age_in / cement_in, late_in / cement_in
        here = birth[i] if held > 0.0 else early
        # plug flow through the cell: what was there first leaves first, then the inflow from its first to its last
        ends, mean = here, here
        if gone > held:
            ends = early + (late - early) * (gone - held) / volume_in
            mean = (held * here + (gone - held) * 0.5 * (early + ends)) / gone
        courant = flow_in * dt / room
        if sharp and courant < 1.0 and gone < held and b_weight > 0.0 and full_out > 0.0:
            mean = here + 0.5 * (1.0 - courant) * limited(b_in / b_weight, here, b_out / full_out)
            ends = mean
        if kept > 0.0:
            total = held + volume_in - gone
            birth[i] = (held * here + volume_in * 0.5 * (early + late) - gone * mean) / max(total, 1e-300)
        first[i], last[i] = 2.0 * mean - ends, ends
        s[i] = min(1.0, max(0.0, kept / room))
        for d in range(3):
            out[d, i] = left[d] / (rates[d] * dt) * through[i] if rates[d] > 0.0 else 0.0
        if pinned[i] > 0:
            ledger[pinned[i] - 1] += room * left[3]
        for d in range(3):
            if out[d, i] > 0.0:
                for side in range(2):
                    j = i + strides[d] if side == 0 else i - strides[d]
                    face = t[d, i] if side == 0 else t[d, j]
                    if face > 0.0 and p[j] < p[i] and seen[j] == 0:
                        seen[j] = 2
                        heap[n] = j
                        n += 1
                        sift_up(heap, n, p)
    return visited


@kernel
def front_room(s, pore, source, active):
    """Free pore volume [m³] of the front cells: part filled, at a well, or beside one more than half full."""
    ni, nj, nk = s.shape
    total = 0.0
    for i in range(1, ni - 1):
        for j in range(1, nj - 1):
            for k in range(1, nk - 1):
                if active[i, j, k] and s[i, j, k] < 1.0:
                    near = s[i, j, k] > 0.0 or source[i, j, k] > 0.0
                    near = near or s[i - 1, j, k] > 0.5 or s[i + 1, j, k] > 0.5 or s[i, j - 1, k] > 0.5
                    if near or s[i, j + 1, k] > 0.5 or s[i, j, k - 1] > 0.5 or s[i, j, k + 1] > 0.5:
                        total += (1.0 - s[i, j, k]) * pore[i, j, k]
    return total
