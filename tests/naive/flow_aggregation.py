"""The aggregation kernels once more: sets of cells, dense matrices."""

from __future__ import annotations

import itertools

import numpy as np

from naive.multigrid import inner, neighbours, place, unpack


def agglomerate(face, total, label, m, enough):
    pieces = [{i} for i in range(m) if label[i] >= 0]
    while True:
        found = []
        for one, two in itertools.combinations(pieces, 2):
            between = sum(face[i, j] for i in one for j in two)
            weights = [sum(total[i] for i in piece) for piece in (one, two)]
            found.append((between * (1 / weights[0] + 1 / weights[1]), min(one), min(two)))
        best = max(found, default=(0.0, 0, 0))
        if not best[0] > enough:
            break
        joined = [piece for piece in pieces if best[1] in piece or best[2] in piece]
        pieces = [piece for piece in pieces if piece not in joined] + [joined[0] | joined[1]]
    for piece in pieces:
        for i in piece:
            label[i] = min(piece)


def _pieces(nodes, links, totals, enough):
    """Lists of the nodes of a block that belong together."""
    face = np.array([[links.get((p, q), 0.0) for q in nodes] for p in nodes]).reshape(len(nodes), len(nodes))
    label = np.arange(len(nodes))
    agglomerate(face, np.array([totals[p] for p in nodes]), label, len(nodes), enough)
    return [[p for p, own in zip(nodes, label, strict=True) if own == low] for low in sorted(set(label))]


def split_blocks(t, free, enough, number):
    number[:] = 0
    count = 0
    for corner in itertools.product(*(range(1, n - 1, 2) for n in free.shape)):
        cells = [tuple(np.add(corner, s)) for s in itertools.product((0, 1), repeat=3)]
        cells = [c for c in cells if all(np.less(c, free.shape)) and free[c]]
        totals = {c: sum(f for _, f in neighbours(c, t)) for c in cells}
        cells = [c for c in cells if totals[c] > 0]
        links = {(c, o): f for c in cells for o, f in neighbours(c, t)}
        for piece in _pieces(cells, links, totals, enough):
            count += 1
            for cell in piece:
                number[cell] = count
    return count


def close_row(i, start, end, cols, vals, mid, dinv, sink):
    pairs = sorted(zip(cols[start:end].tolist(), vals[start:end].tolist(), strict=True))
    cols[start:end], vals[start:end] = [c for c, _ in pairs], [v for _, v in pairs]
    mid[i] = start + sum(c < i for c, _ in pairs)
    total = float(sink[i]) + sum(v for _, v in pairs)
    dinv[i] = 1 / total if total > 0 else 0.0


def _write_rows(links, ptr, mid, cols, vals, dinv, sink):
    """Rows from a dense matrix of faces between nodes; returns how many there are."""
    at = 0
    for node in range(1, len(ptr)):
        near = np.flatnonzero(links[node])
        start, at = at, at + len(near)
        ptr[node] = at
        if at <= len(cols):
            cols[start:at], vals[start:at] = near, links[node, near]
            close_row(node, start, at, cols, vals, mid, dinv, sink)
    return at


def first_rows(t, free, number, scale, over, ptr, mid, cols, vals, dinv, sink, place, seen):
    links = np.zeros((len(ptr),) * 2)
    sink[1:] = 0.0
    for cell in np.argwhere(number > 0):
        here = number[tuple(cell)]
        block = (cell - 1) // 2
        place[here] = int(block[0]) << 20 | int(block[1]) << 10 | int(block[2])
        for other, face in neighbours(tuple(cell), t):
            far = number[other]
            if far == 0:
                sink[here] += scale * face
            elif far != here:
                links[here, far] += over * scale * face
    return _write_rows(links, ptr, mid, cols, vals, dinv, sink)


def larger_block(place):
    a, b, c = (place >> 20) // 2, (place >> 10) % 1024 // 2, place % 1024 // 2
    return a << 20 | b << 10 | c


def dense(ptr, cols, vals):
    """Matrix (nodes + 1, nodes + 1) of the faces of a level."""
    out = np.zeros((len(ptr),) * 2)
    for i in range(1, len(ptr)):
        for e in range(int(ptr[i - 1]), int(ptr[i])):
            out[i, cols[e]] = vals[e]
    return out


def split_nodes(ptr, cols, vals, dinv, sink, place, nb, nc, enough, up, seat, head, after):
    matrix = dense(ptr, cols, vals)
    linked = matrix.sum(axis=1)
    up[1:] = 0
    nodes = [i for i in range(1, len(up)) if linked[i] > 0.1 * (linked[i] + sink[i])]
    count = 0
    for block in sorted({larger_block(int(place[i])) for i in nodes}):
        members = [i for i in nodes if larger_block(int(place[i])) == block]
        for start in range(0, len(members), 64):
            part = members[start : start + 64]
            links = {(p, q): matrix[p, q] for p in part for q in part}
            for piece in _pieces(part, links, {p: 1 / dinv[p] for p in part}, enough):
                count += 1
                up[piece] = count
    return count


def coarse_rows(
    ptr, cols, vals, sink, place, up, over, ptrc, midc, colsc, valsc, dinvc, sinkc, placec, head, after, seen
):
    share = np.zeros((len(up), len(ptrc)))
    share[np.arange(len(up)), up] = 1.0
    links = share.T @ dense(ptr, cols, vals) @ share
    sinkc[1:] = (share.T @ np.where(np.arange(len(up)) > 0, sink, 0.0) + links[:, 0])[1:]
    links[:, 0] = 0.0
    np.fill_diagonal(links, 0.0)
    for i in np.flatnonzero(up):
        placec[up[i]] = larger_block(int(place[i]))
    return _write_rows(over * links, ptrc, midc, colsc, valsc, dinvc, sinkc)


def cycle(program, first, begin, ptr, mid, cols, vals, dinv, up, x, b, inverse):
    for job, n in program.tolist():
        here = slice(int(first[n]), int(first[n + 1]))
        faces = dense(ptr[here], cols[int(begin[n]) :], vals[int(begin[n]) :])
        xs, bs, ds = x[here], b[here], dinv[here]
        if job in (0, 2, 5):
            if job == 0:
                xs[1:] = 0.0
            for i in range(1, len(xs)) if job < 5 else range(len(xs) - 1, 0, -1):
                xs[i] = (bs[i] + faces[i, 1:] @ xs[1:]) * ds[i]
        elif job == 6:
            xs[1:] = inverse @ bs[1:]
        else:
            near = slice(int(first[n + 1]), int(first[n + 2]))
            if job == 4:
                xs[1:] += x[near][up[here][1:]]
                continue
            rest = (
                bs[1:] + faces[1:, 1:] @ xs[1:] - np.where(ds[1:] > 0, xs[1:] / np.where(ds[1:] > 0, ds[1:], 1), bs[1:])
            )
            b[near] = np.bincount(up[here][1:], rest, near.stop - near.start)


def residual_to_nodes(u, b, coef, number, first, end, right):
    values, add, c = (unpack(v, *number.shape[1:]) for v in (u, b, coef))
    for cell in inner(number.shape):
        if sum(cell) % 2 == 0 and first <= cell[0] < end and c[(3, *cell)] > 0:
            around = sum(face * values[other] for other, face in neighbours(cell, c[:3]))
            right[number[cell]] += add[cell] - values[cell] / c[(3, *cell)] + around


def nodes_to_cells(u, number, first, end, answer):
    for cell in inner(number.shape):
        if sum(cell) % 2 == 0 and first <= cell[0] < end:
            u[place(cell)] += answer[number[cell]]
