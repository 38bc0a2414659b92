"""Kernels of the front: implicit upwind transport in the order of falling pressure, one pass, any step size."""

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
def implicit_saturation(old, volume_in, through, ratio, power):
    """Solve s = old + volume_in - through·f(s) on [0, 1] by bisected Newton steps (volumes over the pore volume)."""
    low, high = 0.0, 1.0
    s = min(1.0, max(0.0, old + volume_in - through * flowing_share(old, ratio, power)))
    for _ in range(100):
        g = s - old - volume_in + through * flowing_share(s, ratio, power)
        if g > 0.0:
            high = s
        else:
            low = s
        if abs(g) < 1e-15 or high - low < 1e-15:
            break
        e = 1e-7
        slope = 1.0 + through * (flowing_share(s + e, ratio, power) - flowing_share(s - e, ratio, power)) / (2 * e)
        step = s - g / slope
        s = step if low < step < high else 0.5 * (low + high)
    return s


@kernel
def transport(
    p, t, strides, pore, s, birth, source, pinned, ratio, power, dt, now, heap, n, seen, out, through, excess, ledger
):
    """Move the injected fluid over one step; `s` and `birth` change in place. Flat padded arrays, `t` is (3, cells).

    Cells are taken from a heap by falling pressure, so all inflow of a cell is known when it is reached. Outflows are
    scaled so that each visited cell's outflow equals its corrected inflow: the fluxes become divergence-free to
    round-off whatever the solver left. `power` 0 is the piston: a cell passes on what exceeds its room. `source` is
    the inflow of wells [m³/s]; `pinned` is 0 or 1 + the outlet's number; the first `n` of `heap` are the cells to start
    from. Work: seen (zeros), out and through : injected and total outflow per raw outflow. birth : (2, cells) mean
    injection time of what is held and of what leaves [s]; excess : what found no way out [m³]; ledger : injected volume
    [m³] that left through each outlet. Returns the number of cells visited.
    """
    for m in range(1, n + 1):
        sift_up(heap, m, p)
    visited = 0
    while n > 0:
        i = heap[0]
        n -= 1
        heap[0] = heap[n]
        sift_down(heap, n, p)
        visited += 1
        flow_in = cement_in = age_in = flow_out = 0.0
        for d in range(3):
            pair_flow = pair_cement = pair_age = pair_out = 0.0
            for side in range(2):
                j = i + strides[d] if side == 0 else i - strides[d]
                face = t[d, i] if side == 0 else t[d, j]
                if face == 0.0:
                    continue
                q = face * (p[j] - p[i])
                if q > 0.0:
                    if seen[j] == 1:
                        pair_flow += q * through[j]
                        pair_cement += q * out[j]
                        pair_age += q * out[j] * birth[1, j]
                    else:
                        pair_flow += q
                else:
                    pair_out -= q
            flow_in += pair_flow
            cement_in += pair_cement
            age_in += pair_age
            flow_out += pair_out
        flow_in += source[i]
        cement_in += source[i]
        age_in += source[i] * (now + 0.5 * dt)
        to_outlet = 0.0
        if pinned[i] > 0:
            to_outlet = max(0.0, flow_in - flow_out)
            flow_in = max(flow_in, flow_out)
        volume_in = cement_in * dt
        held = s[i] * pore[i]
        if power == 0.0:
            left = max(0.0, volume_in - (pore[i] - held))
            now_held = min(held + volume_in, pore[i])
        else:
            s_new = implicit_saturation(s[i], volume_in / pore[i], flow_in * dt / pore[i], ratio[i], power)
            left = held + volume_in - s_new * pore[i]
            # traces stay where they are: they would run to the outlets ahead of the front
            if left < 1e-9 * pore[i] and held + volume_in <= pore[i]:
                left = 0.0
            now_held = held + volume_in - left
        time_in = age_in / cement_in if cement_in > 0.0 else 0.0
        old_birth = birth[0, i] if held > 0.0 else time_in
        # plug flow through the cell: what was there first leaves first
        old_out = min(left, held)
        birth[1, i] = (old_out * old_birth + (left - old_out) * time_in) / left if left > 0.0 else 0.0
        kept_old, kept_new = held - old_out, volume_in - (left - old_out)
        if now_held > 0.0:
            birth[0, i] = (kept_old * old_birth + kept_new * time_in) / max(kept_old + kept_new, 1e-300)
        s[i] = min(1.0, now_held / pore[i])
        exits = flow_out + to_outlet
        if exits > 0.0:
            through[i] = flow_in / exits
            out[i] = left / dt / exits
            if to_outlet > 0.0:
                ledger[pinned[i] - 1] += left * to_outlet / exits
        else:
            out[i] = 0.0
            through[i] = 0.0
            excess[i] += left
        seen[i] = 1
        if out[i] > 0.0:
            for d in range(3):
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
