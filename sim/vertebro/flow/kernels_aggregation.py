"""Kernels of the aggregation hierarchy: connected pieces of blocks as unknowns, rows compressed, float32.

Every level counts its nodes from 1: node 0 stands for whatever takes no part, so that transfers need no question. Row i
holds the faces ``ptr[i - 1] … ptr[i]`` to its neighbours by growing number, those with lower numbers before ``mid[i]``.
"""

import numpy as np

from vertebro._jit import kernel

CROWD = 64  # most nodes that are joined in one go


@kernel
def agglomerate(face, total, label, m, enough):
    """Join the `m` nodes of a block, best pair first, while the quality of the pair is `enough`.

    Quality: the face between two pieces times the sum of the reciprocals of their `total` faces. `label` comes in as
    the nodes' own numbers (-1: takes no part) and leaves as the lowest number of the piece; `face` and `total` are used
    up.
    """
    while True:
        best, p, q = enough, -1, -1
        for i in range(1, m):
            if label[i] == i:
                for j in range(i):
                    if label[j] == j:
                        quality = face[i, j] * (total[i] + total[j])
                        # face / (1 / total_i + 1 / total_j), without dividing in the search
                        if quality > best * total[i] * total[j]:
                            best, p, q = quality / (total[i] * total[j]), j, i
        if p < 0:
            return
        total[p] += total[q]
        for i in range(m):
            if label[i] == q:
                label[i] = p
            face[p, i] += face[q, i]
            face[i, p] = face[p, i]
        face[p, p] = 0.0


@kernel(nogil=True)
def split_blocks(t, free, enough, number):
    """Number the well connected pieces of the 2x2x2 blocks of free cells in `number` (0: no part); return the count."""
    number[:] = 0
    label, total, face = np.empty(8, np.int64), np.empty(8), np.zeros((8, 8))
    count = 0
    for i0 in range(1, free.shape[0] - 1, 2):
        for j0 in range(1, free.shape[1] - 1, 2):
            for k0 in range(1, free.shape[2] - 1, 2):
                for c in range(8):
                    i, j, k = i0 + c // 4, j0 + c // 2 % 2, k0 + c % 2
                    label[c], total[c] = -1, 1.0
                    # the last block of an odd grid reaches the ghost cells, which are not free
                    if i >= free.shape[0] or j >= free.shape[1] or k >= free.shape[2] or free[i, j, k] == 0:
                        continue
                    every = t[0, i, j, k] + t[0, i - 1, j, k] + (t[1, i, j, k] + t[1, i, j - 1, k])
                    every += t[2, i, j, k] + t[2, i, j, k - 1]
                    if every > 0.0:
                        label[c], total[c] = c, every
                face[:] = 0.0
                for d in range(3):
                    bit = 4 >> d
                    for c in range(8):
                        if c & bit == 0 and label[c] >= 0 and label[c | bit] >= 0:
                            face[c, c | bit] = face[c | bit, c] = t[d, i0 + c // 4, j0 + c // 2 % 2, k0 + c % 2]
                agglomerate(face, total, label, label.size, enough)
                for c in range(8):
                    if label[c] == c:
                        count += 1
                        for e in range(c, 8):
                            if label[e] == c:
                                number[i0 + e // 4, j0 + e // 2 % 2, k0 + e % 2] = count
    return count


@kernel
def close_row(i, start, end, cols, vals, mid, dinv, sink):
    """Sort a new row, note where its higher neighbours begin, invert its diagonal."""
    total = sink[i]
    low = start
    for e in range(start, end):
        col, val, f = cols[e], vals[e], e
        total += val
        if col < i:
            low += 1
        while f > start and cols[f - 1] > col:
            cols[f], vals[f] = cols[f - 1], vals[f - 1]
            f -= 1
        cols[f], vals[f] = col, val
    mid[i] = low
    dinv[i] = np.float32(1.0) / total if total > np.float32(0.0) else np.float32(0.0)


@kernel(nogil=True)
def first_rows(t, free, number, scale, over, ptr, mid, cols, vals, dinv, sink, place, seen):
    """Rows of the first coarse level: faces between nodes times `scale` `over`, those to pinned cells are sinks.

    Returns the faces found; those beyond the room in `cols` are not written. `place` is the block's.
    """
    seen[:] = 0
    at, room = np.int64(0), cols.shape[0]  # typed: a literal would compile the callee three times
    for i0 in range(1, free.shape[0] - 1, 2):
        for j0 in range(1, free.shape[1] - 1, 2):
            for k0 in range(1, free.shape[2] - 1, 2):
                low, high = 2**62, 0
                i1, j1, k1 = (
                    min(i0 + 2, free.shape[0] - 1),
                    min(j0 + 2, free.shape[1] - 1),
                    min(k0 + 2, free.shape[2] - 1),
                )
                for i in range(i0, i1):
                    for j in range(j0, j1):
                        for k in range(k0, k1):
                            if number[i, j, k] > 0:
                                low, high = min(low, number[i, j, k]), max(high, number[i, j, k])
                for node in range(low, high + 1):
                    start, lost = at, 0.0
                    for i in range(i0, i1):
                        for j in range(j0, j1):
                            for k in range(k0, k1):
                                if number[i, j, k] != node:
                                    continue
                                for way in range(6):
                                    d, back = way // 2, way % 2
                                    x, y, z = d == 0, d == 1, d == 2
                                    a, b, c = i + x * (1 - 2 * back), j + y * (1 - 2 * back), k + z * (1 - 2 * back)
                                    face, far = t[d, min(a, i), min(b, j), min(c, k)], number[a, b, c]
                                    if face == 0.0 or far == node:
                                        continue
                                    if far == 0:
                                        lost += face
                                    elif seen[far] > start:
                                        if seen[far] <= room:
                                            vals[seen[far] - 1] += np.float32(over * scale * face)
                                    else:
                                        at += 1
                                        seen[far] = at
                                        if at <= room:
                                            cols[at - 1], vals[at - 1] = far, over * scale * face
                    ptr[node], sink[node] = at, scale * lost
                    place[node] = (i0 // 2 * 1024 + j0 // 2) * 1024 + k0 // 2
                    if at <= room:
                        close_row(node, start, at, cols, vals, mid, dinv, sink)
    return at


@kernel
def larger_block(place):
    """Place of the block of twice the size; a place is three coordinates of ten bits."""
    return (place >> 1) & 0x1FF7FDFF


@kernel(nogil=True)
def split_nodes(ptr, cols, vals, dinv, sink, place, nb, nc, enough, up, seat, head, after):
    """Number the well connected pieces of the next larger blocks in `up` (0: left to the smoother); return the count.

    There are `nb` times `nc` larger blocks in a plane. Nodes that hang on sinks, or on nothing, are left out. Blocks
    of very many nodes are cut. `seat`, `head`, `after` are room to work in.
    """
    head[:] = 0
    seat[:] = 0
    for i in range(up.shape[0] - 1, 0, -1):
        linked = np.float32(0.0)
        for e in range(ptr[i - 1], ptr[i]):
            linked += vals[e]
        up[i] = 0
        if linked > np.float32(0.1) * (linked + sink[i]):
            p = larger_block(place[i])
            block = ((p >> 20) * nb + (p >> 10) % 1024) * nc + p % 1024
            after[i] = head[block]
            head[block] = i
    label, total, face = np.empty(CROWD, np.int64), np.empty(CROWD), np.empty((CROWD, CROWD))
    who = np.empty(CROWD, np.int64)
    count = 0
    for block in range(head.shape[0]):
        i = head[block]
        while i > 0:
            m = 0
            while i > 0 and m < CROWD:
                who[m], label[m], total[m] = i, m, 1.0 / dinv[i]
                m += 1
                seat[i] = m
                i = after[i]
            face[:m, :m] = 0.0
            for s in range(m):
                for e in range(ptr[who[s] - 1], ptr[who[s]]):
                    if seat[cols[e]] > 0:
                        face[s, seat[cols[e]] - 1] = vals[e]
            agglomerate(face, total, label, m, enough)
            for s in range(m):
                seat[who[s]] = 0
                if label[s] == s:
                    count += 1
                    up[who[s]] = count
                else:
                    up[who[s]] = up[who[label[s]]]
    return count


@kernel(nogil=True)
def coarse_rows(
    ptr, cols, vals, sink, place, up, over, ptrc, midc, colsc, valsc, dinvc, sinkc, placec, head, after, seen
):
    """Rows of a coarser level: faces between its nodes times `over`, sinks and faces to left-out nodes summed.

    Returns the faces found; those beyond the room in `colsc` are not written.
    """
    head[:] = 0
    seen[:] = 0
    for i in range(up.shape[0] - 1, 0, -1):
        after[i] = head[up[i]]
        head[up[i]] = i
    at, room = np.int64(0), colsc.shape[0]
    for node in range(1, ptrc.shape[0]):
        start, lost, i = at, np.float32(0.0), head[node]
        placec[node] = larger_block(place[i])
        while i > 0:
            lost += sink[i]
            for e in range(ptr[i - 1], ptr[i]):
                far = up[cols[e]]
                if far == 0:
                    lost += vals[e]
                elif far != node:
                    if seen[far] <= start:
                        at += 1
                        seen[far] = at
                        if at <= room:
                            colsc[at - 1], valsc[at - 1] = far, over * vals[e]
                    elif seen[far] <= room:
                        valsc[seen[far] - 1] += over * vals[e]
            i = after[i]
        ptrc[node], sinkc[node] = at, lost
        if at <= room:
            close_row(node, start, at, colsc, valsc, midc, dinvc, sinkc)
    return at


@kernel(fastmath=True, nogil=True)
def cycle(program, first, begin, ptr, mid, cols, vals, dinv, up, x, b, inverse):
    """Do the steps (job, level) of `program`.

    Job 0: forward Gauss-Seidel from zero. 1: residual after job 0 to the next coarser right-hand side. 2: forward
    Gauss-Seidel. 3: residual to the next coarser right-hand side. 4: add the coarse correction. 5: backward
    Gauss-Seidel. 6: dense solve. Level n holds the nodes ``first[n] … first[n + 1]`` (the first of them is node 0) and
    the faces from ``begin[n]``.
    """
    for step in range(program.shape[0]):
        job, n = program[step, 0], program[step, 1]
        o, m = first[n], first[n + 1] - first[n] - 1
        xs, bs, ds, us = x[o : o + m + 1], b[o : o + m + 1], dinv[o : o + m + 1], up[o : o + m + 1]
        to, at = ptr[o : o + m + 1], mid[o : o + m + 1]
        c, w = cols[begin[n] : begin[n + 1]], vals[begin[n] : begin[n + 1]]
        if job == 0:
            for i in range(1, m + 1):
                total = bs[i]
                for e in range(to[i - 1], at[i]):
                    total += w[e] * xs[c[e]]
                xs[i] = total * ds[i]
        elif job == 2:
            for i in range(1, m + 1):
                total = bs[i]
                for e in range(to[i - 1], to[i]):
                    total += w[e] * xs[c[e]]
                xs[i] = total * ds[i]
        elif job == 5:
            for i in range(m, 0, -1):
                total = bs[i]
                for e in range(to[i - 1], to[i]):
                    total += w[e] * xs[c[e]]
                xs[i] = total * ds[i]
        elif job == 6:
            for i in range(m):
                total = np.float32(0.0)
                for j in range(m):
                    total += inverse[i, j] * bs[1 + j]
                xs[1 + i] = total
        else:
            o = first[n + 1]
            size = first[n + 2] - o
            near = x[o : o + size] if job == 4 else b[o : o + size]
            if job == 4:
                for i in range(1, m + 1):
                    xs[i] += near[us[i]]
                continue
            near[:] = np.float32(0.0)
            for i in range(1, m + 1):
                total = np.float32(0.0)
                for e in range(at[i] if job == 1 else to[i - 1], to[i]):
                    total += w[e] * xs[c[e]]
                if job == 3 and ds[i] > np.float32(0.0):
                    total += bs[i] - xs[i] / ds[i]
                near[us[i]] += total


@kernel(nogil=True)
def residual_to_nodes(u, b, coef, number, first, end, right):
    """Add the residual of colour 0 (that of colour 1 is 0 after its sweep) to the nodes, on planes ``[first, end)``.

    u, b (ni, 2, 2, nj // 2, nk // 2) and coef (4, …) of the finest level, see `kernels_multigrid`; `first` is odd.
    """
    nk = number.shape[2]
    for i in range(first, end):
        for j in range(1, number.shape[1] - 1):
            jp, kp, h, below = j % 2, (i + j) % 2, j // 2, (j - 1) // 2
            here, add, scale, row = u[i, jp, kp, h], b[i, jp, kp, h], coef[3, i, jp, kp, h], number[i, j]
            fx, gx, x0, x1 = coef[0, i, jp, kp, h], coef[0, i - 1, jp, kp, h], u[i + 1, jp, kp, h], u[i - 1, jp, kp, h]
            fy, gy, fz = coef[1, i, jp, kp, h], coef[1, i, 1 - jp, kp, below], coef[2, i, jp, kp, h]
            y0, y1 = u[i, 1 - jp, kp, below + 1], u[i, 1 - jp, kp, below]
            gz, far = coef[2, i, jp, 1 - kp, h], u[i, jp, 1 - kp, h]
            for m in range(1 - kp, (nk - kp) // 2):
                if scale[m] > np.float32(0.0):
                    rest = add[m] - here[m] / scale[m] + (fx[m] * x0[m] + gx[m] * x1[m])
                    rest += fy[m] * y0[m] + gy[m] * y1[m]
                    rest += fz[m] * far[m + kp] + gz[m + kp - 1] * far[m + kp - 1]
                    right[row[2 * m + kp]] += rest


@kernel(nogil=True)
def nodes_to_cells(u, number, first, end, answer):
    """Add the nodes' correction to colour 0 (colour 1 is overwritten by the next half sweep)."""
    for i in range(first, end):
        for j in range(1, number.shape[1] - 1):
            kp = (i + j) % 2
            mine, row = u[i, j % 2, kp, j // 2], number[i, j]
            for m in range(1 - kp, (number.shape[2] - kp) // 2):
                mine[m] += answer[row[2 * m + kp]]
