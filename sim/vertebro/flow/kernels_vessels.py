"""Kernels of the vessels: a network reduced to its ends without a subtraction, queues of parcels that flow.

A segment holds a queue of parcels, that of column 0 at its node 0. What enters at one end pushes as much out of the
other: a front stays sharp however long the step.
"""

import numpy as np

from vertebro._jit import kernel

# rows of `mouth` (MOUTH_ROWS, couplings): volume from the cell in the step, injected part of it, time at which that
# was injected; what goes to the cell: injected volume, and volume times injection time
DRAWN, DRAWN_INJECTED, DRAWN_BIRTH, GIVEN, GIVEN_BIRTH, MOUTH_ROWS = 0, 1, 2, 3, 4, 5
AGE_SCALE = 100.0  # [s] difference of age that counts as much as pure against none when parcels must be joined


@kernel
def eliminate(c, inflow, n):
    """Remove the first `n` nodes of a network: their neighbours get the conductances that look the same from outside.

    c (N, N) : conductances in the upper triangle; row v of a removed node keeps those to the nodes after it, their sum
    on the diagonal. inflow (N,) : what enters at each node; handed on to the neighbours. Only sums, products and
    quotients of positive numbers: accurate for any contrast (star-mesh transform).
    """
    size = c.shape[0]
    near = np.zeros(size, np.int64)
    for v in range(n):
        total, count = 0.0, 0
        for i in range(v + 1, size):
            if c[v, i] > 0.0:
                total += c[v, i]
                near[count] = i
                count += 1
        c[v, v] = total
        for a in range(count):
            i = near[a]
            share = c[v, i] / total
            inflow[i] += inflow[v] * share
            for b in range(a + 1, count):
                c[i, near[b]] += share * c[v, near[b]]


@kernel
def distribute(c, ground, share):
    """Turn what pulls at each node into the node's pressure, in place of `share`.

    c (n, n) : conductances between the nodes in the upper triangle; changed. ground (n,) : sum of a node's conductances
    to places of given pressure; changed. share (n, places) : those conductances, or inflows; becomes the pressure of
    each node for a pressure 1, or an inflow 1, at each place alone. No subtraction either; closed parts get 0.
    """
    n = c.shape[0]
    for v in range(n):
        total = ground[v]
        for i in range(v + 1, n):
            total += c[v, i]
        c[v, v] = total
        if total <= 0.0:
            continue
        for i in range(v + 1, n):
            if c[v, i] > 0.0:
                part = c[v, i] / total
                ground[i] += part * ground[v]
                for k in range(share.shape[1]):  # whole rows at once would cost seconds of compiling
                    share[i, k] += part * share[v, k]
                for j in range(i + 1, n):
                    c[i, j] += part * c[v, j]
    for m in range(n):
        v = n - 1 - m
        for i in range(v + 1, n):
            if c[v, i] > 0.0:
                for k in range(share.shape[1]):
                    share[v, k] += c[v, i] * share[i, k]
        for k in range(share.shape[1]):
            share[v, k] = share[v, k] / c[v, v] if c[v, v] > 0.0 else 0.0


@kernel
def restore(c, inflow, p, n):
    """Fill the pressures of the first `n` nodes after `eliminate` from those of the nodes that were left."""
    for m in range(n):
        v = n - 1 - m
        total = inflow[v]
        for i in range(v + 1, c.shape[0]):
            total += c[v, i] * p[i]
        p[v] = total / c[v, v] if c[v, v] > 0.0 else 0.0


@kernel
def close_dead_ends(order, ends, at_node, at_mouth, outlet, flow, drawn):
    """Set flows to 0 that lead nowhere: what round-off leaves in closed ends.

    order (n,) : nodes by falling pressure. ends (m, 2). at_node, at_mouth (n + 1 + …,) : segments and couplings of each
    node, first n + 1 starts. outlet (n,) : -1 or the outlet's number. flow (m,), drawn (k,) : changed in place.
    """
    n = order.size
    for v in order[::-1]:
        leads = outlet[v] >= 0
        for a in range(at_node[v], at_node[v + 1]):
            e = at_node[n + 1 + a]
            leads = leads or (flow[e] > 0.0 and ends[e, 0] == v) or (flow[e] < 0.0 and ends[e, 1] == v)
        for a in range(at_mouth[v], at_mouth[v + 1]):
            leads = leads or drawn[at_mouth[n + 1 + a]] < 0.0
        if not leads:
            for a in range(at_node[v], at_node[v + 1]):
                flow[at_node[n + 1 + a]] = 0.0
            for a in range(at_mouth[v], at_mouth[v + 1]):
                drawn[at_mouth[n + 1 + a]] = 0.0


@kernel
def join_cheapest(e, count, volume, injected, birth):
    """Join the two neighbouring parcels of queue `e` that are most alike; conserves both volumes and the mean age."""
    best, least = 0, np.inf
    for a in range(count - 1):
        v, w = volume[e, a], volume[e, a + 1]
        x = injected[e, a] / v if v > 0.0 else 0.0
        y = injected[e, a + 1] / w if w > 0.0 else 0.0
        unlike = abs(x - y) + min(x, y) * abs(birth[e, a] - birth[e, a + 1]) / AGE_SCALE
        cost = unlike * v * w / max(v + w, 1e-300)
        if cost < least:
            best, least = a, cost
    merge_into(e, best, volume[e, best + 1], injected[e, best + 1], birth[e, best + 1], volume, injected, birth)
    for a in range(best + 1, count - 1):
        volume[e, a], injected[e, a], birth[e, a] = volume[e, a + 1], injected[e, a + 1], birth[e, a + 1]
    return count - 1


@kernel
def merge_into(e, a, v, x, age, volume, injected, birth):
    """Add a volume `v` with `x` of injected fluid of a certain age to parcel `a` of queue `e`."""
    total = injected[e, a] + x
    if total > 0.0:
        birth[e, a] = (injected[e, a] * birth[e, a] + x * age) / total
    volume[e, a] += v
    injected[e, a] = total


@kernel
def push(e, front, v, x, age, count, volume, injected, birth):
    """Put a parcel into queue `e` at its node 0 (`front`) or 1; equal neighbours become one."""
    if v <= 0.0:
        return
    last = count[e] - 1
    a = 0 if front else last
    if last >= 0 and volume[e, a] > 0.0:
        share, own = x / v, injected[e, a] / volume[e, a]
        if abs(share - own) < 1e-9 and (own == 0.0 or abs(birth[e, a] - age) < 0.5):
            merge_into(e, a, v, x, age, volume, injected, birth)
            return
    if count[e] == volume.shape[1]:
        count[e] = join_cheapest(e, count[e], volume, injected, birth)
    a = count[e]
    if front:
        for b in range(count[e]):
            c = count[e] - 1 - b
            volume[e, c + 1], injected[e, c + 1], birth[e, c + 1] = volume[e, c], injected[e, c], birth[e, c]
        a = 0
    volume[e, a], injected[e, a], birth[e, a] = v, x, age
    count[e] += 1


@kernel
def pop(e, front, v, count, volume, injected, birth, out):
    """Take a volume from queue `e` at its node 0 (`front`) or 1; row `e` of `out` gets volume, injected, times age."""
    left = v
    while left > 0.0 and count[e] > 0:
        a = 0 if front else count[e] - 1
        part = 1.0 if left >= volume[e, a] else left / volume[e, a]
        x = injected[e, a] * part
        out[e, 1] += x
        out[e, 2] += x * birth[e, a]
        if part < 1.0:
            volume[e, a] -= left
            injected[e, a] -= x
            left = 0.0
            break
        left -= volume[e, a]
        count[e] -= 1
        if front:
            for b in range(count[e]):
                volume[e, b], injected[e, b], birth[e, b] = volume[e, b + 1], injected[e, b + 1], birth[e, b + 1]
        volume[e, count[e]] = injected[e, count[e]] = birth[e, count[e]] = 0.0
    out[e, 0] += v


@kernel
def advance(
    order, ends, at_node, at_mouth, outlet, flow, drawn, blood, dt, now,
    count, volume, injected, birth, mouth, out, gone, leaving, leaving_birth,
):  # fmt: skip
    """Move everything in the network over a time `dt`, node by node down the pressure.

    order … drawn : as of `close_dead_ends`; flow along segments and from cells [m³/s]. blood (n,) : resting fluid that
    enters. count (m,), volume, injected, birth (m, parcels) : the queues. mouth (MOUTH_ROWS, k) : see above. out (m, 3)
    : work. gone (outlets, 2) : injected and other volume out of each outlet, added to. leaving, leaving_birth (n,) :
    injected share of what leaves each node, and its injection time; kept where nothing flows. A node divides what
    reaches it as its flows leave: volumes are conserved to round-off whatever the flows' errors.
    """
    n = order.size
    out[:] = 0.0
    for v in order:
        total, cement, dated, exits = blood[v] * dt, 0.0, 0.0, 0.0
        for a in range(at_node[v], at_node[v + 1]):
            e = at_node[n + 1 + a]
            if (flow[e] > 0.0) == (ends[e, 0] == v):
                exits += abs(flow[e])
            elif flow[e] != 0.0:
                total += out[e, 0]
                cement += out[e, 1]
                dated += out[e, 2]
        for a in range(at_mouth[v], at_mouth[v + 1]):
            k = at_mouth[n + 1 + a]
            exits += max(0.0, -drawn[k])
            total += mouth[DRAWN, k]
            cement += mouth[DRAWN_INJECTED, k]
            dated += mouth[DRAWN_INJECTED, k] * mouth[DRAWN_BIRTH, k]
        if outlet[v] >= 0:
            share = min(1.0, exits * dt / total) if total > 0.0 else 0.0
            gone[outlet[v], 0] += cement * (1.0 - share)
            gone[outlet[v], 1] += (total - cement) * (1.0 - share)
            if exits * dt > total:
                gone[outlet[v], 1] -= exits * dt - total
            cement, dated, total = cement * share, dated * share, exits * dt
        if total <= 0.0:
            continue
        part, age = cement / total, dated / cement if cement > 0.0 else now
        leaving[v], leaving_birth[v] = min(1.0, part), age
        if exits <= 0.0:
            continue
        for a in range(at_node[v], at_node[v + 1]):
            e = at_node[n + 1 + a]
            if flow[e] != 0.0 and (flow[e] > 0.0) == (ends[e, 0] == v):
                amount, front = total * abs(flow[e]) / exits, flow[e] > 0.0
                push(e, front, amount, cement * abs(flow[e]) / exits, age, count, volume, injected, birth)
                pop(e, not front, amount, count, volume, injected, birth, out)
        for a in range(at_mouth[v], at_mouth[v + 1]):
            k = at_mouth[n + 1 + a]
            if drawn[k] < 0.0:
                x = cement * -drawn[k] / exits
                mouth[GIVEN, k] += x
                mouth[GIVEN_BIRTH, k] += x * age
