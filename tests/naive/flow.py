"""The flow kernels once more, slow and obvious: loops over cells, sorted lists, dense matrices."""

from __future__ import annotations

import itertools
import math

import numpy as np
from scipy.optimize import brentq

from naive.heat import (  # noqa: F401 -- the room's twins are looked for here
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

AXES = ((1, 0, 0), (0, 1, 0), (0, 0, 1))


def inner(shape):
    """Indices of the cells that are no ghosts."""
    return itertools.product(*(range(1, n - 1) for n in shape))


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


def outflow(x, t, cell):
    return sum(face * (x[cell] - x[other]) for other, face, _ in face_neighbours(cell, t))


def planes(job, first, end, t, free, source, x, r, d, q, z, u, b, alpha, scale, part):
    part[:, first:end] = 0.0
    for cell in inner(x.shape):
        i = cell[0]
        if not first <= i < end:
            continue
        c, place = sum(cell) % 2, (*cell[:2], cell[2] // 2)
        if job == 0:
            r[cell] = (source[cell] - outflow(x, t, cell)) * free[cell]
            part[0, i] += r[cell] ** 2
        elif job == 1:
            q[cell] = outflow(d, t, cell) * free[cell]
            part[0, i] += d[cell] * q[cell]
        elif job == 2:
            x[cell] += alpha * d[cell]
            r[cell] -= alpha * q[cell]
            b[(c, *place)] = r[cell] * scale
            part[0, i] += r[cell] ** 2
        elif job == 3:
            z[cell] = u[(c, *place)]
            part[0, i] += z[cell] * q[cell]
            part[1, i] += z[cell] * r[cell]
        else:
            d[cell] = z[cell] + alpha * d[cell]


def shear_rates(t, p, half, storage, scale, out):
    for cell in inner(p.shape):
        total = sum(
            (face * (p[cell] - p[other])) ** 2 * half[(d, *cell)] for other, face, d in face_neighbours(cell, t)
        )
        out[cell] = scale * math.sqrt(total / storage[cell]) if storage[cell] > 0 else 0.0


# kernels_multigrid.py -------------------------------------------------------------------------------------------


def unpack(flat, row, lead=()):
    """Natural (…, ni, nj, nk) array of one level in the flat storage."""
    start, ni, nj, nm, nk = (int(v) for v in row)
    count = lead[0] if lead else 1
    split = flat[count * start : count * (start + 2 * ni * nj * nm)].reshape(2, *lead, ni, nj, nm)
    out = np.zeros((*lead, ni, nj, nk))
    for i, j, k in itertools.product(range(ni), range(nj), range(nk)):
        out[..., i, j, k] = split[(i + j + k) % 2, ..., i, j, k // 2]
    return out


def pack(array, flat, row):
    """Write a natural array into the flat storage."""
    start, ni, nj, nm, nk = (int(v) for v in row)
    split = flat[start : start + 2 * ni * nj * nm].reshape(2, ni, nj, nm)
    for i, j, k in itertools.product(range(ni), range(nj), range(nk)):
        split[(i + j + k) % 2, i, j, k // 2] = array[i, j, k]


def level_faces(coef):
    """(3, …) faces ahead from natural coefficients: the upper face of an even cell is 'same place', of an odd '+1'."""
    odd = np.arange(coef.shape[-1]) % 2 == 1
    return np.stack([coef[0], coef[2], np.where(odd, coef[6], coef[4])])


def cycle_steps(us, bs, cs, table, program, first, end, inverse, work, row):
    for job, n, colour in program:
        u, b, coef = unpack(us, table[n]), unpack(bs, table[n]), unpack(cs, table[n], (8,))
        t, dinv = level_faces(coef), coef[7]
        near = min(n + 1, len(table) - 1)
        uc, bc = unpack(us, table[near]), unpack(bs, table[near])
        low, high = (first, end) if end > 0 else (1, len(u) - 1)
        if job == 4:
            cells = list(inner(u.shape))
            answer = inverse @ np.array([b[c] for c in cells])
            for cell, value in zip(cells, answer, strict=True):
                u[cell] = value
        if job == 1:
            bc[(low + 1) // 2 : high // 2 + 1] = 0.0
        for cell in inner(u.shape):
            if job == 4 or not low <= cell[0] < high or sum(cell) % 2 != colour or dinv[cell] == 0:
                continue
            parent = tuple((v + 1) // 2 for v in cell)
            pull = b[cell] + sum(face * u[other] for other, face, _ in face_neighbours(cell, t))
            if job == 0:
                u[cell] = pull * dinv[cell]
            elif job == 1:
                bc[parent] += pull - u[cell] / dinv[cell]
            elif job == 2:
                u[cell] += uc[parent]
            else:
                u[cell] = b[cell] * dinv[cell]
        pack(u, us, table[n])
        if job == 1:
            pack(bc, bs, table[near])


def bottom(us, bs, start, ni, nj, nm, nk, inverse, work):
    row = np.array([start, ni, nj, nm, nk])
    b, u = unpack(bs, row), unpack(us, row)
    u[1:-1, 1:-1, 1:-1] = (inverse @ b[1:-1, 1:-1, 1:-1].ravel()).reshape(ni - 2, nj - 2, nk - 2)
    pack(u, us, row)


def spread(t, lost, nk, coef):
    """Coefficients of a level from its (3, …) faces ahead and its sinks, all natural; `coef` (2, 8, …) has colours."""
    for cell in inner(t.shape[1:]):
        c, (i, j, k), m = sum(cell) % 2, cell, cell[2] // 2
        faces = [(t[0, i, j, k], 0), (t[0, i - 1, j, k], 1), (t[1, i, j, k], 2), (t[1, i, j - 1, k], 3)]
        faces += [(t[2, i, j, k], 6 if k % 2 else 4), (t[2, i, j, k - 1], 4 if k % 2 else 5)]
        coef[c, :, i, j, m] = 0.0
        for face, place in faces:
            coef[c, place, i, j, m] = face
        total = lost[cell] + sum(face for face, _ in faces)
        coef[c, 7, i, j, m] = 1 / total if total > 0 else 0.0


def fine_level(t64, free, scale, coef, sink):
    t, lost = np.zeros(t64.shape), np.zeros(free.shape)
    for cell in inner(free.shape):
        for d, step in enumerate(AXES):
            t[(d, *cell)] = scale * t64[(d, *cell)] * free[cell] * free[tuple(np.add(cell, step))]
        lost[cell] = sum(scale * f * free[cell] * (1 - free[other]) for other, f, _ in face_neighbours(cell, t64))
        sink[sum(cell) % 2, cell[0], cell[1], cell[2] // 2] = lost[cell]
    spread(t, lost, free.shape[2], coef)


def coarsen(coef, sink, nk, coarse, sinkc, nkc):
    def at(cell):
        return (sum(cell) % 2, *cell[:2], cell[2] // 2)

    shape = (*sinkc.shape[1:3], nkc)
    t, lost = np.zeros((3, *shape)), np.zeros(shape)
    for cell in inner((*sink.shape[1:3], nk)):
        parent = tuple((v + 1) // 2 for v in cell)
        lost[parent] += sink[at(cell)]
        ahead = [coef[at(cell)[0], row, *at(cell)[1:]] for row in (0, 2, 6 if cell[2] % 2 else 4)]
        for d in range(3):
            if cell[d] % 2 == 0:
                t[(d, *parent)] += ahead[d] / 2
    for cell in inner(shape):
        sinkc[at(cell)] = lost[cell]
    spread(t, lost, nkc, coarse)


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
    """Small steps: open gates pass all, the gate at the fill passes what does not let it fall."""
    left[:] = 0.0
    s, steps = held, 2_000
    h = dt / steps
    for _ in range(steps):
        volume = rate_in * h
        for e in np.argsort(gates, kind="stable"):
            free = max(0.0, s + volume - gates[e]) if rates[e] > 0 else 0.0
            gone = min(rates[e] * h, free)
            left[e] += gone
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
