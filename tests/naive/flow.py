"""The flow kernels once more, slow and obvious: loops over cells, sorted lists, dense matrices."""

from __future__ import annotations

import itertools
import math

import numpy as np
from scipy.optimize import brentq

from naive.flow_aggregation import (
    agglomerate,
    close_row,
    coarse_rows,
    cycle,
    first_rows,
    larger_block,
    nodes_to_cells,
    residual_to_nodes,
    split_blocks,
    split_nodes,
)
from naive.flow_vessels import (
    advance,
    close_dead_ends,
    complete,
    distribute,
    eliminate,
    give,
    join_cheapest,
    merge_into,
    pop,
    push,
    restore,
    solve_definite,
    without_cells,
)
from naive.heat import (
    condense,
    conduct,
    cure,
    expose,
    leaving,
    link,
    note_peak,
    perfuse,
    route_displaced,
    route_injected,
    stiffest,
    transport_heat,
)
from naive.multigrid import (
    AXES,
    ascend,
    bottom,
    bring,
    coarsen,
    cycle_steps,
    descend,
    diagonal,
    fine_level,
    inner,
    joined_down,
    joined_up,
    refresh,
    residual,
    turn_and_step,
)
from vertebro.flow import kernels_front as kf

__all__ = [
    "advance",
    "agglomerate",
    "ascend",
    "bottom",
    "bring",
    "close_dead_ends",
    "close_row",
    "coarse_rows",
    "coarsen",
    "complete",
    "condense",
    "conduct",
    "cure",
    "cycle",
    "cycle_steps",
    "descend",
    "diagonal",
    "distribute",
    "eliminate",
    "expose",
    "fine_level",
    "first_rows",
    "give",
    "join_cheapest",
    "joined_down",
    "joined_up",
    "larger_block",
    "leaving",
    "link",
    "merge_into",
    "nodes_to_cells",
    "note_peak",
    "perfuse",
    "pop",
    "push",
    "refresh",
    "residual",
    "residual_to_nodes",
    "restore",
    "route_displaced",
    "route_injected",
    "solve_definite",
    "split_blocks",
    "split_nodes",
    "stiffest",
    "transport_heat",
    "turn_and_step",
    "without_cells",
]


def face_neighbours(cell, t):
    """(neighbour, transmissibility, axis) of a cell's six faces."""
    for d, step in enumerate(AXES):
        ahead, behind = tuple(np.add(cell, step)), tuple(np.subtract(cell, step))
        yield ahead, t[(d, *cell)], d
        yield behind, t[(d, *behind)], d


# kernels.py -----------------------------------------------------------------------------------------------------


def assemble(half, layer, res, p, series, t, first, end):
    for d, step in enumerate(AXES):
        for cell in itertools.product(range(first, end), *(range(n - 1) for n in res.shape[1:])):
            other = tuple(np.add(cell, step))
            if not (half[(d, *cell)] > 0 and half[(d, *other)] > 0):
                t[(d, *cell)] = 0.0
                continue
            up = (res[cell] + res[other]) / 2
            if p[cell] != p[other]:
                up = res[cell] if p[cell] > p[other] else res[other]
            bulk = (half[(d, *cell)] + half[(d, *other)]) * up
            if series:
                bulk = half[(d, *cell)] * res[cell] + half[(d, *other)] * res[other]
            t[(d, *cell)] = 1.0 / (bulk + (layer[(d, *cell)] * up if layer.shape[1] > 1 else 0.0))


def halves(factor, k, low, flip, active, out):
    out[:] = 0.0
    steps = tuple(slice(None, None, -1 if turned else 1) for turned in flip)
    box = k[tuple(slice(a, a + n - 2) for a, n in zip(low, out.shape, strict=True))][steps]
    for cell in np.ndindex(box.shape):
        inside = tuple(c + 1 for c in cell)
        out[inside] = factor / box[cell] if active[inside] and box[cell] > 0 else 0.0


def drain(half, layer, mask, strides, stack, n, gates, reached):
    """Until nothing changes: a cell with a reached neighbour behind an open face is reached."""
    changed = True
    while changed:
        changed = False
        for i in np.flatnonzero(mask & ~reached):
            for d in range(3):
                for j in (i + strides[d], i - strides[d]):
                    wall = layer[d, min(i, j)] if layer.shape[1] > 1 else 0.0
                    if half[d, i] > 0 and half[d, j] > 0 and wall < math.inf and reached[j] and not reached[i]:
                        reached[i] = changed = True


def shear_rates(t, p, half, storage, scale, out):
    for cell in inner(p.shape):
        total = sum(
            (face * (p[cell] - p[other])) ** 2 * half[(d, *cell)] for other, face, d in face_neighbours(cell, t)
        )
        out[cell] = scale * math.sqrt(total / storage[cell]) if storage[cell] > 0 else 0.0


# kernels_pace.py ------------------------------------------------------------------------------------------------


def front_speed(s, pore, source, active, p, t, first, end, found):
    for cell in inner(s.shape):
        if not (first <= cell[0] < end and active[cell] and s[cell] < 1):
            continue
        beside = [(other, face) for other, face, _ in face_neighbours(cell, t) if s[other] > 0.5]
        if s[cell] > 0 or source[cell] > 0 or beside:
            inflow = source[cell] + sum(max(0.0, face * (p[other] - p[cell])) for other, face in beside)
            found[0, cell[0]] += (1 - s[cell]) * pore[cell]
            found[1, cell[0]] = max(found[1, cell[0]], inflow / pore[cell])


def wet_cells(s, t, p, half, storage, scale, first, end, index, rates):
    everywhere = np.zeros(s.shape)
    shear_rates(t, p, half, storage, scale, everywhere)
    wet = [cell for cell in inner(s.shape) if first <= cell[0] < end and s[cell] > 0]
    index[: len(wet)] = [np.ravel_multi_index(cell, s.shape) for cell in wet]
    rates[: len(wet)] = [everywhere[cell] for cell in wet]
    return len(wet)


def front_room(s, pore, source, active):
    total = 0.0
    for cell in inner(s.shape):
        if active[cell] and s[cell] < 1:
            beside = [s[tuple(np.add(cell, side * np.array(step)))] for step in AXES for side in (-1, 1)]
            if s[cell] > 0 or source[cell] > 0 or max(beside) > 0.5:
                total += (1 - s[cell]) * pore[cell]
    return total


# kernels_front.py -----------------------------------------------------------------------------------------------


def flowing_share(s, ratio, power):
    s = min(max(s, 0.0), 1.0)
    return s**power / (s**power + ratio * (1 - s) ** power)


def implicit_saturation(start, supply, through, ahead, ratio, power):
    def balance(s):
        return s - supply + through * flowing_share(s + ahead, ratio, power)

    if balance(1.0) < 0:
        return 1.0
    return 0.0 if balance(0.0) > 0 else brentq(balance, 0.0, 1.0, xtol=1e-15)


def limited(before, here, after):
    a, b = here - before, after - here
    return 2 / (1 / a + 1 / b) if a * b > 0 else 0.0


def neighbours(i, p, t, strides):
    """(neighbour, inflow > 0 or outflow < 0, axis, side) of the six faces."""
    for d in range(3):
        ahead, behind = i + strides[d], i - strides[d]
        yield ahead, t[d, i] * (p[ahead] - p[i]), d, 1
        yield behind, t[d, behind] * (p[behind] - p[i]), d, -1


def gather(i, p, t, strides, s, birth, place, rows, highest, face, sums):
    around = list(neighbours(i, p, t, strides))
    into = [(j, q, d) for j, q, d, _ in around if q > 0]
    for j, _, _ in into:
        if place[j] == 0 and (s[j] > 0 or p[j] <= highest):
            return j
    row = {j: rows[place[j] - 1] for j, _, _ in into if place[j] > 0}
    for d in range(3):
        mine = [(j, q) for j, q, e in into if e == d]
        face[kf.NET, d] = sum(q * side for _, q, e, side in around if e == d)
        face[kf.IN, d] = sum(q * (row[j][kf.THROUGH] if j in row else 1.0) for j, q in mine)
        face[kf.CEMENT, d] = sum(q * row[j][d] for j, q in mine if j in row)
        face[kf.AT_END, d] = sum(q * row[j][kf.NOW + d] for j, q in mine if j in row)
        face[kf.OUT, d] = sum(-q for _, q, e, _ in around if e == d and q < 0)
    down = [(j, -q) for j, q, _, _ in around if q < 0]
    sums[kf.RAW_IN] = sum(q for _, q, _ in into)
    sums[kf.UP] = sum(q * s[j] for j, q, _ in into)
    sums[kf.FRESH] = sum(q * row[j][kf.FILL] for j, q, _ in into if j in row)
    sums[kf.UP_AGE] = sum(q * birth[j] for j, q, _ in into if s[j] > 0)
    sums[kf.UP_WET] = sum(q for j, q, _ in into if s[j] > 0)
    sums[kf.EARLY] = sum(q * row[j][d] * row[j][kf.FIRST] for j, q, d in into if j in row)
    sums[kf.LATE] = sum(q * row[j][d] * row[j][kf.LAST] for j, q, d in into if j in row)
    sums[kf.DOWN] = sum(q * s[j] for j, q in down)
    sums[kf.DOWN_AGE] = sum(q * birth[j] for j, q in down if s[j] > 0)
    sums[kf.DOWN_WET] = sum(q for j, q in down if s[j] > 0)
    return -1


def stream(face, gates):
    size = np.abs(face[kf.NET, :3])
    face[kf.GATE], face[kf.LEAD] = 1.0, 0.5
    if size.max() == 0 or face[kf.CEMENT, 3] != 0:
        return
    face[kf.LEAD, :3] = 0.5 * size * size.sum() / (size**2).sum()
    if gates:
        face[kf.GATE, :3] = 0.5 + np.round(16 * (size / size.max()) ** 0.75) / 32


def passage(a, b, c):
    """Streamlines by where they enter: u away from the face across b in many steps, v from that across c in all."""
    u = (np.arange(100_000) + 0.5) / 100_000
    return float(np.mean(np.where(u / b < 1 / a, np.clip(1 - u * c / b, 0, 1), 0.0)))


def exit_shares(face, row, mean):
    into, out, got = face[kf.IN, :3], face[kf.OUT, :3], face[row, :3]
    v = (into + out) / 2
    for e in range(3):
        a, b = (e + 1) % 3, (e + 2) % 3
        face[kf.SHARE, e] = mean
        if v[e] > 0 and out[e] > 0:
            weight = np.zeros(3)
            weight[e] = math.prod(max(0.0, 1 - v[d] / v[e]) for d in (a, b))
            for d, other in ((a, b), (b, a)):
                weight[d] = passage(v[d], v[e], v[other]) if v[d] > 0 else 0.0
            if weight @ into > 0:
                face[kf.SHARE, e] = min(1.0, weight @ got / (weight @ into))
    share = face[kf.SHARE, :3]
    miss = mean * out.sum() - out @ share
    if miss > 0 and out @ (1 - share) > 0:
        share += min(1.0, miss / (out @ (1 - share))) * (1 - share)
    elif miss < 0 and out @ share > 0:
        share *= max(0.0, 1 + miss / (out @ share))


def piston_exits(held, reach, cement, dt, face):
    """Small steps: an exit passes its share of what would lift the fill above its gate, the last gate all of it."""
    face[kf.LEFT] = 0.0
    s, steps = held, 4_000
    h = dt / steps
    for _ in range(steps):
        volume, rates = cement * h, face[kf.OUT] * face[kf.SHARE] * h
        for e in np.argsort(face[kf.GATE], kind="stable"):
            gone = min(rates[e], max(0.0, s + volume - reach * face[kf.GATE, e]), volume)
            face[kf.LEFT, e] += gone
            volume -= gone
        s += volume
    return s


def corey_exits(held, cement, through, dt, face, ratio, power, upstream, upstream_now, downstream, sharp):
    def slope_of_share(s):
        e = 1e-7
        inside = 0 < s < 1
        return (flowing_share(s + e, ratio, power) - flowing_share(s - e, ratio, power)) / (2 * e) if inside else 0.0

    rates, lead, available, slope = face[kf.OUT], face[kf.LEAD], held + cement * dt, 0.0
    jump = flowing_share(upstream, ratio, power) - flowing_share(held, ratio, power)
    wave = max(slope_of_share(held), jump / (upstream - held) if upstream != held else 0.0)
    if sharp and through * wave <= 1:
        slope = limited(upstream, held, downstream)
        s = held - through * slope_of_share(held) * slope / 2
    else:
        s = implicit_saturation(held, available, through, 0.0, ratio, power)
        if sharp:
            slope = limited(upstream_now, s, downstream)
            ahead = (lead @ rates) * dt / through if through > 0 else 0.0
            s = implicit_saturation(s, available, through, slope * ahead, ratio, power)
    wanted = np.array([r * dt * flowing_share(s + a * slope, ratio, power) for r, a in zip(rates, lead, strict=True)])
    allowed = min(max(wanted.sum(), available - 1), available)
    if wanted.sum() < 1e-9 and allowed < 1e-9:
        allowed = 0.0
    if wanted.sum() > 0:
        face[kf.LEFT] = wanted * allowed / wanted.sum()
    else:
        face[kf.LEFT] = rates * dt / through * allowed if through > 0 else 0.0
    return available - allowed


def ages(held, here, volume_in, gone, early, late, up, down, limits):
    mean = ends = here
    if gone > held:
        ends = np.interp(gone - held, [0, volume_in], [early, late])
        mean = np.average([here, (early + ends) / 2], weights=[held, gone - held])
    elif limits and gone < held:
        mean = ends = here + (1 - gone / held) / 2 * limited(up, here, down)
    stays = held + volume_in - gone
    kept = (held * here + volume_in * (early + late) / 2 - gone * mean) / stays if stays > 0 else here
    first = np.clip(2 * mean - ends, min(here, early), max(here, late))
    return first, 2 * mean - first, kept


def pass_on(rate, outlet, vein, room, held, here, ratio, power, sharp, dt, now, face, sums, rows, k):
    leaves, enters, fed, fed_birth = vein
    supply = rate + fed
    flow, cement, ends = (face[row, :3].sum() + rate for row in (kf.IN, kf.CEMENT, kf.AT_END))
    flow, cement, ends = flow + enters, cement + fed, ends + fed
    out, face[kf.CEMENT, 3], face[kf.OUT, 3] = face[kf.OUT, :3].sum(), supply, 0.0 if outlet else leaves
    if outlet:
        face[kf.OUT, 3], flow = max(0.0, flow - out), max(flow, out)
    exits = face[kf.OUT].sum()
    through = flow / exits if exits > 0 else 0.0
    steady = max(ends, cement)
    mean = min(1.0, steady / flow) if flow > 0 else 1.0
    piston = power == 0 and not outlet
    face[kf.SHARE] = mean
    if piston and mean < 1 and supply == 0 and leaves == 0 and exits > 0:
        exit_shares(face, kf.AT_END if ends > cement else kf.CEMENT, mean)
    below = sums[kf.DOWN] / out if out > 0 else held
    face[kf.OUT] *= through / room
    stream(face, piston)
    if exits == 0:
        face[kf.LEFT] = 0.0
        kept = min(1.0, held + cement * dt / room)
        rows[k, kf.SPARE] = held * room + cement * dt - kept * room
    elif piston:
        kept = piston_exits(held, mean, steady / room, dt * cement / steady if steady > 0 else 0.0, face)
    else:
        raw = sums[kf.RAW_IN] + rate
        above, fresh = ((sums[r] + rate) / raw if raw > 0 else held for r in (kf.UP, kf.FRESH))
        curve = (ratio, power) if power > 0 else (1.0, 1.0)
        limits = sharp and power > 0
        kept = corey_exits(held, cement / room, flow * dt / room, dt, face, *curve, above, fresh, below, limits)
    early = (sums[kf.EARLY] + rate * now + fed * fed_birth) / cement if cement > 0 else now
    late = (sums[kf.LATE] + rate * (now + dt) + fed * fed_birth) / cement if cement > 0 else now
    up = down = here
    if sums[kf.UP_WET] + rate > 0 and sums[kf.DOWN_WET] > 0:
        up = (sums[kf.UP_AGE] + rate * (now - dt / 2)) / (sums[kf.UP_WET] + rate)
        down = sums[kf.DOWN_AGE] / sums[kf.DOWN_WET]
    old = here if held > 0 else early
    found = ages(held, old, cement * dt / room, face[kf.LEFT].sum(), early, late, up, down, sharp)
    rows[k, [kf.FIRST, kf.LAST, kf.AGE]] = found
    rows[k, kf.THROUGH], rows[k, kf.FILL] = through, min(1.0, max(0.0, kept))
    for d in range(3):
        leads = face[kf.OUT, d] > 0
        rows[k, d] = face[kf.LEFT, d] / (face[kf.OUT, d] * dt) * through if leads else 0.0
        rows[k, kf.NOW + d] = face[kf.SHARE, d] * through if power == 0 and face[kf.LEFT, d] > 0 else 0.0
    if outlet or leaves > 0:
        rows[k, kf.SPARE] = room * face[kf.LEFT, 3]


def push_starts(p, s, source, vessel, mixed, order):
    fed = np.broadcast_to(vessel[kf.FED], p.shape)
    starts = [i for i in range(p.size) if source[i] > 0 or fed[i] > 0 or (mixed and s[i] > 0)]
    highest = max((p[i] for i in starts), default=-np.inf)
    if len(starts) > order.size:
        return -1, highest
    order[order.size - len(starts) :] = starts
    return order.size - len(starts), highest


def next_reached(scan, ready, p, t, strides, place, order, rows):
    for face in range(scan, 6 * ready):
        k, d, side = face // 6, (face // 2) % 3, 1 - 2 * (face % 2)
        for j, q, e, where in neighbours(order[k], p, t, strides):
            if (e, where) == (d, side) and q < 0 and rows[k, d] > 0 and place[j] == 0:
                return j, face + 1
    return -1, max(scan, 6 * ready)


def transport(
    p, t, strides, pore, s, birth, source, pinned, vessel, ratio, power, sharp, dt, now,
    place, order, rows, face, sums, ledger,
):  # fmt: skip
    """Every cell in the order of falling pressure; cells that nothing injected reaches change nothing."""
    size, blank = p.size, np.zeros(rows.shape[1])
    blank[kf.THROUGH] = 1.0
    mine, done = np.tile(blank, (size, 1)), np.zeros(size, np.int32)
    exchange = np.broadcast_to(vessel, (len(vessel), size))
    touched = (source > 0) | (exchange[kf.FED] > 0) | (s > 0 if power > 0 else False)
    old_s, old_birth = s.copy(), birth.copy()
    for i in sorted(range(size), key=lambda c: (-p[c], c)):
        if touched[i]:
            gather(i, p, t, strides, old_s, old_birth, done, mine, -np.inf, face, sums)
            more = (ratio[i % ratio.size], power, sharp, dt, now, face, sums, mine, i)
            vein = tuple(exchange[: kf.TAKEN, i])
            pass_on(source[i], pinned[i] > 0, vein, pore[i], old_s[i], old_birth[i], *more)
            s[i], birth[i] = mine[i, kf.FILL], mine[i, kf.AGE]
            if pinned[i] > 0:
                ledger[pinned[i] - 1] += mine[i, kf.SPARE]
            elif vein[kf.LEAVES] > 0:
                vessel[kf.TAKEN, i] += mine[i, kf.SPARE]
                vessel[kf.TAKEN_BIRTH, i] += mine[i, kf.SPARE] * mine[i, [kf.FIRST, kf.LAST]].mean()
            for j, q, d, _ in neighbours(i, p, t, strides):
                touched[j] |= q < 0 and mine[i, d] > 0
        else:
            mine[i, kf.FILL] = old_s[i]
        done[i] = i + 1
    return int(touched.sum())
