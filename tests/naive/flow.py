"""The flow kernels once more, slow and obvious: loops over cells, sorted lists, dense matrices."""

from __future__ import annotations

import itertools
import math

import numpy as np
from scipy.optimize import brentq

from naive.multigrid import (
    AXES,
    ascend,
    bottom,
    coarsen,
    cycle_steps,
    descend,
    diagonal,
    fine_level,
    inner,
    refresh,
    residual,
    turn_and_step,
)

__all__ = [
    "ascend",
    "bottom",
    "coarsen",
    "cycle_steps",
    "descend",
    "diagonal",
    "fine_level",
    "refresh",
    "residual",
    "turn_and_step",
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


def drain(half, layer, mask, strides, stack, n, reached):
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


# kernels_front.py -----------------------------------------------------------------------------------------------


def _sorted_heap(heap, n, p):
    heap[:n] = sorted((int(c) for c in heap[:n]), key=lambda c: (-p[c], c))


sift_up = sift_down = _sorted_heap


def flowing_share(s, ratio, power):
    s = min(max(s, 0.0), 1.0)
    return s**power / (s**power + ratio * (1 - s) ** power)


def implicit_saturation(old, volume_in, dt, rates, lead, slope, ratio, power):
    def balance(s):
        gone = sum(r * flowing_share(s + a * slope, ratio, power) for r, a in zip(rates, lead, strict=True))
        return s - old - volume_in + dt * gone

    if balance(1.0) < 0:
        return 1.0
    return 0.0 if balance(0.0) > 0 else brentq(balance, 0.0, 1.0, xtol=1e-15)


def limited(before, here, after):
    a, b = here - before, after - here
    return 2 / (1 / a + 1 / b) if a * b > 0 else 0.0


def piston_exits(held, rate_in, dt, rates, gates, left):
    """Small steps: open gates pass all, those at the fill share what does not let it fall."""
    left[:] = 0.0
    s, steps = held, 2_000
    h = dt / steps
    for _ in range(steps):
        volume = rate_in * h
        for gate in sorted({g for g, rate in zip(gates, rates, strict=True) if rate > 0}):
            group = [e for e in range(4) if gates[e] == gate and rates[e] > 0]
            wanted = sum(rates[e] for e in group) * h
            gone = min(wanted, max(0.0, s + volume - gate))
            for e in group:
                left[e] += gone * rates[e] * h / wanted
            volume -= gone
        s = min(1.0, s + volume)
    return s


def corey_exits(held, rate_in, dt, rates, lead, ratio, power, upstream, upstream_now, downstream, sharp, left):
    def slope_of_share(s):
        e = 1e-7
        inside = 0 < s < 1
        return (flowing_share(s + e, ratio, power) - flowing_share(s - e, ratio, power)) / (2 * e) if inside else 0.0

    through, available = sum(rates) * dt, held + rate_in * dt
    jump = flowing_share(upstream, ratio, power) - flowing_share(held, ratio, power)
    wave = max(slope_of_share(held), jump / (upstream - held) if upstream != held else 0.0)
    if sharp and through * wave <= 1:
        slope = limited(upstream, held, downstream)
        s = held - through * slope_of_share(held) * slope / 2
    else:
        s, slope = implicit_saturation(held, rate_in * dt, dt, rates, lead, 0.0, ratio, power), 0.0
        if sharp:
            slope = limited(upstream_now, s, downstream)
            s = implicit_saturation(held, rate_in * dt, dt, rates, lead, slope, ratio, power)
    wanted = np.array([r * dt * flowing_share(s + a * slope, ratio, power) for r, a in zip(rates, lead, strict=True)])
    allowed = min(max(wanted.sum(), available - 1), available)
    if wanted.sum() < 1e-9 and allowed < 1e-9:
        allowed = 0.0
    if wanted.sum() > 0:
        left[:] = wanted * allowed / wanted.sum()
    else:
        left[:] = np.asarray(rates) * dt / through * allowed if through > 0 else 0.0
    return available - allowed


def stream(net, source, gates, lead):
    size = np.abs(net)
    gates[3], lead[3] = 1.0, 0.5
    still = size.max() == 0 or source != 0
    gates[:3] = 1.0 if still else 0.5 + np.round(16 * (size / size.max()) ** 0.75) / 32
    lead[:3] = 0.5 if still else 0.5 * size * size.sum() / (size**2).sum()


def transport(p, t, strides, pore, s, birth, source, pinned, ratio, power, sharp, dt, now, heap, n, seen, work, ledger):
    """Every cell in the order of falling pressure; cells that nothing injected reaches change nothing."""
    injected, through = np.zeros((3, s.size)), np.ones(s.size)
    first, last, old_s, old_birth = np.zeros(s.size), np.zeros(s.size), s.copy(), birth.copy()
    touched = np.zeros(s.size, bool)
    touched[heap[:n]] = True
    for i in sorted(range(s.size), key=lambda c: (-p[c], c)):
        if not touched[i]:
            continue
        faces = []
        for d in range(3):
            faces += [(i + strides[d], t[d, i], d, 1), (i - strides[d], t[d, i - strides[d]], d, -1)]
        flows = [(j, face * (p[j] - p[i]), d, side) for j, face, d, side in faces if face > 0]
        into = [(j, q, d) for j, q, d, _ in flows if q > 0]
        rates = np.zeros(4)
        for _, q, d, _ in flows:
            rates[d] -= min(q, 0.0)
        net = np.array([sum(q * side for _, q, e, side in flows if e == d) for d in range(3)])
        flow_in = source[i] + sum(q * (through[j] if touched[j] else 1.0) for j, q, _ in into)
        cement_in = source[i] + sum(q * injected[d, j] for j, q, d in into)
        early = source[i] * now + sum(q * injected[d, j] * first[j] for j, q, d in into)
        late = source[i] * (now + dt) + sum(q * injected[d, j] * last[j] for j, q, d in into)
        if pinned[i]:
            rates[3] = max(0.0, flow_in - rates.sum())
            flow_in = max(flow_in, rates[:3].sum())
        exits = rates.sum()
        through[i] = flow_in / exits if exits > 0 else 0.0
        left, gates, lead = np.zeros(4), np.zeros(4), np.zeros(4)
        stream(net, source[i], gates, lead)
        scaled = rates * through[i] / pore[i]
        if power == 0 and not pinned[i]:
            kept = piston_exits(s[i], cement_in / pore[i], dt, scaled, gates, left)
        else:
            raw = source[i] + sum(q for _, q, _ in into)
            above = (source[i] + sum(q * old_s[j] for j, q, _ in into)) / raw if raw > 0 else s[i]
            fresh = (source[i] + sum(q * s[j] for j, q, _ in into)) / raw if raw > 0 else s[i]
            out = rates[:3].sum()
            below = sum(-q * old_s[j] for j, q, _, _ in flows if q < 0) / out if out > 0 else s[i]
            curve = (ratio[i % ratio.size], power) if power else (1.0, 1.0)
            args = (scaled, lead, *curve, above, fresh, below, sharp and power > 0, left)
            kept = corey_exits(s[i], cement_in / pore[i], dt, *args)
        kept, gone, held, volume_in = kept * pore[i], left.sum() * pore[i], s[i] * pore[i], cement_in * dt
        if exits == 0 and held + volume_in > pore[i]:
            work[4, i] += held + volume_in - pore[i]
            kept = pore[i]
        early, late = (early / cement_in, late / cement_in) if cement_in > 0 else (now, now)
        here = birth[i] if held > 0 else early
        mean = ends = here
        if gone > held:
            ends = early + (late - early) * (gone - held) / volume_in
            mean = np.average([here, (early + ends) / 2], weights=[held, gone - held])
        ups = [(q, old_birth[j]) for j, q, _ in into if old_s[j] > 0] + [(source[i], now - dt / 2)] * int(source[i] > 0)
        downs = [(-q, old_birth[j]) for j, q, _, _ in flows if q < 0 and old_s[j] > 0]
        courant = flow_in * dt / pore[i]
        if sharp and courant < 1 and gone < held and ups and downs:
            up, down = (np.average([b for _, b in group], weights=[w for w, _ in group]) for group in (ups, downs))
            mean = ends = here + (1 - courant) / 2 * limited(up, here, down)
        first[i], last[i] = 2 * mean - ends, ends
        if kept > 0:
            total = held + volume_in - gone
            birth[i] = (held * here + volume_in * (early + late) / 2 - gone * mean) / total
        s[i] = min(1.0, max(0.0, kept / pore[i]))
        for d in range(3):
            injected[d, i] = left[d] / (scaled[d] * dt) * through[i] if scaled[d] > 0 else 0.0
        if pinned[i]:
            ledger[pinned[i] - 1] += left[3] * pore[i]
        for j, q, d, _ in flows:
            if q < 0 and injected[d, i] > 0:
                touched[j] = True
    return int(touched.sum())


def front_room(s, pore, source, active):
    total = 0.0
    for cell in inner(s.shape):
        if active[cell] and s[cell] < 1:
            beside = [s[tuple(np.add(cell, side * np.array(step)))] for step in AXES for side in (-1, 1)]
            if s[cell] > 0 or source[cell] > 0 or max(beside) > 0.5:
                total += (1 - s[cell]) * pore[cell]
    return total
