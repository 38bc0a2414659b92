"""The multigrid kernels once more, slow and obvious: natural arrays, loops over cells."""

from __future__ import annotations

import itertools

import numpy as np

AXES = ((1, 0, 0), (0, 1, 0), (0, 0, 1))


def inner(shape):
    """Indices of the cells that are no ghosts."""
    return itertools.product(*(range(1, n - 1) for n in shape))


def place(cell):
    """Where a cell lies in an array sorted by the parities of j and k."""
    i, j, k = cell
    return i, j % 2, k % 2, j // 2, k // 2


def unpack(blocks, nj, nk):
    """Natural (…, ni, nj, nk) array of a level array."""
    ni, lead = blocks.shape[-5], blocks.shape[:-5]
    out = np.zeros((*lead, ni, nj, nk))
    for cell in itertools.product(range(ni), range(nj), range(nk)):
        out[(..., *cell)] = blocks[(..., *place(cell))]
    return out


def pack(natural, blocks):
    """Write a natural array back."""
    for cell in np.ndindex(natural.shape[-3:]):
        blocks[(..., *place(cell))] = natural[(..., *cell)]


def neighbours(cell, t):
    """(neighbour, face) of a cell's six faces."""
    for d, step in enumerate(AXES):
        ahead, behind = tuple(np.add(cell, step)), tuple(np.subtract(cell, step))
        yield ahead, t[(d, *cell)]
        yield behind, t[(d, *behind)]


def level(flat, row, lead=()):
    """View of one level in flat storage, as a level array."""
    start, ni, nj, nm, _ = (int(v) for v in row)
    shape, many = (*lead, ni, 2, 2, (nj + 1) // 2, nm), lead[0] if lead else 1
    return flat[many * start : many * start + int(np.prod(shape))].reshape(shape)


def cycle_steps(us, bs, cs, table, program, inverse, work, row, w, d, q, part, spans, spots, links, tie, network, held):
    for job, n, colour, first, end in program:
        if job == 6:
            joined_down(us, bs, spans, spots, links, tie, network, held, n, colour)
            continue
        if job == 7:
            joined_up(us, bs, spans, spots, links, tie, network, held, n)
            continue
        nj, nk = int(table[n][2]), int(table[n][4])
        near = min(n + 1, len(table) - 1)
        u, b = unpack(level(us, table[n]), nj, nk), unpack(level(bs, table[n]), nj, nk)
        coef = unpack(level(cs, table[n], (4,)), nj, nk)
        coarse = (int(table[near][2]), int(table[near][4]))
        uc, bc = unpack(level(us, table[near]), *coarse), unpack(level(bs, table[near]), *coarse)
        if job == 4:
            cells = list(inner(u.shape))
            for cell, value in zip(cells, inverse @ np.array([b[c] for c in cells]), strict=True):
                u[cell] = value
        elif job == 1:
            bc[(first + 1) // 2 : end // 2 + 1] = 0.0
        elif job == 5:
            part[:, first:end] = 0.0
        for cell in inner(u.shape):
            dinv, i = coef[(3, *cell)], cell[0]
            if job == 4 or not first <= i < end or sum(cell) % 2 != colour or dinv == 0:
                continue
            parent = tuple((v + 1) // 2 for v in cell)
            around = sum(face * u[other] for other, face in neighbours(cell, coef[:3]))
            if job == 0:
                u[cell] = (b[cell] + around) * dinv
            elif job == 1:
                bc[parent] += b[cell] + around - u[cell] / dinv
            elif job == 2:
                u[cell] += uc[parent]
            elif job == 3:
                u[cell] = b[cell] * dinv
            else:
                at = (i, cell[1] % 2 * w.shape[1] // 2 + cell[1] // 2 * int(table[n][3]) + cell[2] // 2)
                w[at] = u[cell] / dinv - around
                part[:3, i] += u[cell] * np.array([b[cell], w[at], q[at]])
                part[3:, i] += d[at] * b[cell], d[at] * w[at]
        pack(u, level(us, table[n]))
        if job == 1:
            pack(bc, level(bs, table[near]))


def joined(spans, spots, n):
    """Numbers of a level's joined cells, their places there and in the next level, its links."""
    (a, first), (e, last) = spans[n], spans[n + 1]
    return slice(a, e), *spots[:, a:e], slice(first, last)


def joined_down(us, bs, spans, spots, links, tie, network, held, n, first):
    mine, here, above, ours = joined(spans, spots, n)
    if first:
        held[0, mine] = bs[here]
    held[1, mine] = us[here]
    bring(held[1, mine], links[:, ours], tie[ours], network)
    np.add.at(bs, above, held[0, mine] + held[1, mine] - bs[here])


def joined_up(us, bs, spans, spots, links, tie, network, held, n):
    mine, here, above, ours = joined(spans, spots, n)
    held[1, mine] = us[here] + us[above]
    bring(held[1, mine], links[:, ours], tie[ours], network)
    bs[here] = held[0, mine] + held[1, mine]


def bring(level, links, tie, network):
    draw = np.zeros((len(network), len(level)))
    np.add.at(draw, tuple(links), tie)
    level[:] = draw.T @ (network @ (draw @ level))


def descend(bs, table, near, i, nj, nm, row):
    """Residuals of planes i - 1 and i in `row`, natural coarse sums out."""
    half = (nj + 1) // 2
    residual = row[: 4 * half * nm].reshape(2, 2, half, nm)
    coarse = level(bs, table[near])
    nq, ns = int(table[near][2]), int(table[near][4])
    a = (i + 1) // 2
    for j, k in itertools.product(range(1, nq - 1), range(1, ns - 1)):
        coarse[place((a, j, k))] = sum(
            residual[(p + 1) % 2, y % 2, y // 2, z // 2]
            for p, y, z in itertools.product(
                range(2 * a - 1, i + 1), range(2 * j - 1, min(2 * j + 1, nj - 1)), (2 * k - 1, 2 * k)
            )
            if (p + y + z) % 2 == 0 and z // 2 < nm
        )


def ascend(us, table, near, i, nj, nm, u, coef, row):
    coarse, half = level(us, table[near]), (nj + 1) // 2
    blocks, gate = u.reshape(len(u), 2, 2, half, nm), coef[3].reshape(len(u), 2, 2, half, nm)
    for j, k in itertools.product(range(1, nj - 1), range(2 * nm)):
        at = place((i, j, k))
        if (i + j + k) % 2 == 0 and gate[at] > 0:
            blocks[at] += coarse[place(((i + 1) // 2, (j + 1) // 2, (k + 1) // 2))]


def bottom(u, b, nj, nm, nk, inverse, work):
    shape = (len(u), 2, 2, (nj + 1) // 2, nm)
    right, out = unpack(b.reshape(shape), nj, nk), np.zeros((len(u), nj, nk))
    inside = right[1:-1, 1:-1, 1:-1]
    out[1:-1, 1:-1, 1:-1] = (inverse @ inside.ravel()).reshape(inside.shape)
    pack(out, u.reshape(shape))


def turn_and_step(first, end, u, b, w, d, q, y, alpha, beta, part):
    for i in range(first, end):
        part[0, i] = 0.0
        for jp in range(2):
            kp = (i + jp) % 2
            d[i, jp] = u[i, jp, kp] + beta * d[i, jp]
            q[i, jp] = w[i, jp] + beta * q[i, jp]
            y[i, jp] += alpha * d[i, jp]
            b[i, jp, kp] -= alpha * q[i, jp]
            part[0, i] += (b[i, jp, kp] ** 2).sum()


def fine_level(first, end, t64, free, scale, coef, sink):
    for cell in itertools.product(range(first, end), *(range(n - 1) for n in free.shape[1:])):
        for d, step in enumerate(AXES):
            coef[(d, *place(cell))] = scale * t64[(d, *cell)] * free[cell] * free[tuple(np.add(cell, step))]
        if min(cell) > 0:
            sink[place(cell)] = sum(scale * f * free[cell] * (1 - free[o]) for o, f in neighbours(cell, t64))


def coarsen(first, end, coef, sink, nj, nk, weaken, coarse, sinkc):
    shape = (sinkc.shape[0], 2 * sinkc.shape[3], 2 * sinkc.shape[4])
    fine, lost = unpack(coef[:3], nj, nk), unpack(sink, nj, nk)
    t, into = np.zeros((3, *shape)), np.zeros(shape)
    for cell in inner(lost.shape):
        parent = tuple((v + 1) // 2 for v in cell)
        into[parent] += lost[cell]
        for d in range(3):
            if cell[d] % 2 == 0:
                t[(d, *parent)] += weaken * fine[(d, *cell)]
    for fill, out in ((t, coarse[:3]), (into[None], sinkc[None])):
        whole = np.zeros_like(out)
        pack(fill, whole)
        out[:, first:end] = whole[:, first:end]


def diagonal(first, end, coef, sink, nj, nk):
    faces, lost = unpack(coef[:3], nj, nk), unpack(sink, nj, nk)
    for cell in inner(lost.shape):
        if first <= cell[0] < end:
            total = lost[cell] + sum(face for _, face in neighbours(cell, faces))
            coef[(3, *place(cell))] = 1 / total if total > 0 else 0.0


def refresh(program, t, free, load, source, leak, x, y, b, gain, scale, part):
    lost = np.broadcast_to(leak, x.shape)
    for job, _, _, first, end in program:
        if job == 12:
            part[:3, first:end] = 0.0
        for cell in inner(x.shape):
            i, jp, kp, h, m = place(cell)
            if not first <= i < end or sum(cell) % 2 != (job == 11):
                continue
            if job == 10:
                at = (i, jp, h * b.shape[4] + m)
                x[cell] += gain * y[at]
                continue
            left = load * source[cell] - sum(face * (x[cell] - x[other]) for other, face in neighbours(cell, t))
            left -= lost[cell] * x[cell]
            total = lost[cell] + sum(face for _, face in neighbours(cell, t))
            if job == 11 and free[cell] and total > 0:
                x[cell] += left / total
            elif job == 12:
                left *= free[cell]
                part[:3, i] += left**2, left * x[cell], (total * x[cell]) ** 2
                b[i, jp, kp, h, m] = scale * left


def residual(first, end, t, free, source, leak, x, part):
    lost = np.broadcast_to(leak, x.shape)
    part[0, first:end] = 0.0
    for cell in inner(x.shape):
        if first <= cell[0] < end and free[cell]:
            out = lost[cell] * x[cell] + sum(face * (x[cell] - x[other]) for other, face in neighbours(cell, t))
            part[0, cell[0]] += (source[cell] - out) ** 2
