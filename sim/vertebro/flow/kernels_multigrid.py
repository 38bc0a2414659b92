"""Kernels of the multigrid cycle: float32, cells of the two colours apart.

A cell (i, j, k) of a padded grid is stored at ``[c, i, j, k // 2]`` with the colour ``c = (i + j + k) % 2``. All its
neighbours have the other colour and lie at the same place of the planes i - 1, i + 1, of the rows j - 1, j + 1, and in
its own row at the same place and at one beside it: which one depends on k. Seven coefficients per cell make the sweep
over a colour one pass over whole planes, whatever the length of the rows: x+, x-, y+, y-, same place, place - 1,
place + 1; the eighth is the inverse diagonal. Loops are split so that each has few streams: only then does the compiler
check aliasing and vectorise. One kernel does all jobs, because compiling is dear; it frees the interpreter, so that
threads can share the planes of a level.
"""

import numpy as np

from vertebro._jit import kernel


@kernel(fastmath=True, nogil=True)
def cycle_steps(us, bs, cs, table, program, first, end, inverse, work, row):
    """Do the steps (job, level, colour) of `program`, on planes ``[first, end)`` of a level or, if end is 0, on all.

    Job 0: half a Gauss-Seidel sweep over `colour`. 1: residual of colour 0 (that of colour 1 is 0 after its sweep) to
    the next coarser right-hand side; `first` must be odd. 2: add the coarse correction to colour 0 (colour 1 is
    overwritten by the next half sweep). 3: first half sweep from zero over colour 0. 4: dense solve at the bottom.
    Flat level storage us, bs, cs: solution, right-hand side, eight coefficients; `table` holds offset, ni, nj, m, nk
    of each level; `row` has room for a plane of one colour.
    """
    for step in range(program.shape[0]):
        job, n, colour = program[step, 0], program[step, 1], program[step, 2]
        start, ni, nj, nm, nk = table[n, 0], table[n, 1], table[n, 2], table[n, 3], table[n, 4]
        plane, width = nj * nm, (nj - 2) * nm
        size = ni * plane
        at, to = start + colour * size, start + (1 - colour) * size
        mine, far = us[at : at + size].reshape((ni, plane)), us[to : to + size].reshape((ni, plane))
        right = bs[at : at + size].reshape((ni, plane))
        coef = cs[8 * at : 8 * (at + size)].reshape((8, ni, plane))
        if job == 4:
            bottom(us, bs, start, ni, nj, nm, nk, inverse, work)
            continue
        near = min(n + 1, table.shape[0] - 1)
        start, size = table[near, 0], 2 * table[near, 1] * table[near, 2] * table[near, 3]
        flat = bs if job == 1 else us
        other = flat[start : start + size].reshape((2, table[near, 1], table[near, 2], table[near, 3]))
        low_plane, high_plane = (first, end) if end > 0 else (1, ni - 1)
        if job == 1:
            other[:, (low_plane + 1) // 2 : high_plane // 2 + 1] = np.float32(0.0)
        for i in range(low_plane, high_plane):
            # slices to the inner rows, so that every stream has the index e and no index can be negative
            here, add, scale = mine[i, nm : nm + width], right[i, nm : nm + width], coef[7, i, nm : nm + width]
            if job < 2:
                c0, c1, c2 = coef[0, i, nm : nm + width], coef[1, i, nm : nm + width], coef[2, i, nm : nm + width]
                c3, c4, c5 = coef[3, i, nm : nm + width], coef[4, i, nm : nm + width], coef[5, i, nm : nm + width]
                c6, x0, x1 = coef[6, i, nm : nm + width], far[i + 1, nm : nm + width], far[i - 1, nm : nm + width]
                y0, y1 = far[i, 2 * nm : 2 * nm + width], far[i, 0:width]
                z0, z1 = far[i, nm : nm + width], far[i, nm - 1 : nm - 1 + width]
                z2 = far[i, nm + 1 : nm + 1 + width]
                for e in range(width):
                    row[e] = add[e] + (c0[e] * x0[e] + c1[e] * x1[e])
                for e in range(width):
                    row[e] += c2[e] * y0[e] + c3[e] * y1[e]
                for e in range(width):
                    row[e] += c4[e] * z0[e] + (c5[e] * z1[e] + c6[e] * z2[e])
            if job == 0:
                for e in range(width):
                    here[e] = row[e] * scale[e]
            elif job == 3:
                for e in range(width):
                    here[e] = add[e] * scale[e]
            else:
                if job == 1:
                    for e in range(width):
                        row[e] = row[e] - here[e] / scale[e] if scale[e] > np.float32(0.0) else np.float32(0.0)
                a = (i + 1) // 2
                for j in range(1, nj - 1):
                    par, q, base = (i + j + colour) % 2, (j + 1) // 2, (j - 1) * nm
                    for m in range(1 - par, nm - par):
                        s = m + par
                        if job == 1:
                            other[(a + q + s) % 2, a, q, s // 2] += row[base + m]
                        elif scale[base + m] > np.float32(0.0):
                            here[base + m] += other[(a + q + s) % 2, a, q, s // 2]


@kernel
def bottom(us, bs, start, ni, nj, nm, nk, inverse, work):
    """Dense solve on the coarsest level: u = inverse b over its inner cells in natural order."""
    for put in range(2):
        n = 0
        for i in range(1, ni - 1):
            for j in range(1, nj - 1):
                for k in range(1, nk - 1):
                    at = start + (((i + j + k) % 2 * ni + i) * nj + j) * nm + k // 2
                    if put == 0:
                        work[n] = bs[at]
                    else:
                        total = np.float32(0.0)
                        for m in range(inverse.shape[0]):
                            total += inverse[n, m] * work[m]
                        us[at] = total
                    n += 1


@kernel
def fine_level(t64, free, scale, coef, sink):
    """Fill the finest level (2, 8, …) from float64 faces: faces among free cells; `sink` = faces to pinned cells."""
    for i in range(1, free.shape[0] - 1):
        for j in range(1, free.shape[1] - 1):
            for k in range(1, free.shape[2] - 1):
                c, m, odd = (i + j + k) % 2, k // 2, k % 2
                here = scale * free[i, j, k]
                total, lost = 0.0, 0.0
                for d in range(3):
                    x, y, z = d == 0, d == 1, d == 2
                    ahead = t64[d, i, j, k] * here
                    behind = t64[d, i - x, j - y, k - z] * here
                    on, back = free[i + x, j + y, k + z], free[i - x, j - y, k - z]
                    total += ahead + behind
                    lost += ahead * (1 - on) + behind * (1 - back)
                    coef[c, 2 * d + 2 * odd * z, i, j, m] = ahead * on
                    coef[c, 2 * d + z - z * odd + x + y, i, j, m] = behind * back
                coef[c, 6 - odd, i, j, m] = 0.0
                sink[c, i, j, m] = lost
                coef[c, 7, i, j, m] = 1.0 / total if total > 0.0 else 0.0


@kernel
def coarsen(coef, sink, nk, coarse, sinkc, nkc):
    """Fill a coarse level: half the sum of the fine faces between aggregates, sinks summed, inverse diagonal."""
    half = np.float32(0.5)
    coarse[:] = np.float32(0.0)
    sinkc[:] = np.float32(0.0)
    for i in range(1, sink.shape[1] - 1):
        for j in range(1, sink.shape[2] - 1):
            a, b = (i + 1) // 2, (j + 1) // 2
            for k in range(1, nk - 1):
                c, m, q = (i + j + k) % 2, k // 2, (k + 1) // 2
                cc, mc = (a + b + q) % 2, q // 2
                sinkc[cc, a, b, mc] += sink[c, i, j, m]
                if i % 2 == 0:
                    coarse[cc, 0, a, b, mc] += half * coef[c, 0, i, j, m]
                if j % 2 == 0:
                    coarse[cc, 2, a, b, mc] += half * coef[c, 2, i, j, m]
                if k % 2 == 0:
                    coarse[cc, 4 + 2 * (q % 2), a, b, mc] += half * coef[c, 4, i, j, m]
    for a in range(1, sinkc.shape[1] - 1):
        for b in range(1, sinkc.shape[2] - 1):
            for q in range(1, nkc - 1):
                c, m, odd = (a + b + q) % 2, q // 2, q % 2
                o, below = 1 - c, (q - 1) // 2
                coarse[c, 1, a, b, m] = coarse[o, 0, a - 1, b, m]
                coarse[c, 3, a, b, m] = coarse[o, 2, a, b - 1, m]
                # the face below belongs to the cell below as its face ahead
                coarse[c, 5 - odd, a, b, m] = coarse[o, 4 + 2 * (1 - odd), a, b, below]
                total = sinkc[c, a, b, m]
                for e in range(7):
                    total += coarse[c, e, a, b, m]
                coarse[c, 7, a, b, m] = np.float32(1.0) / total if total > np.float32(0.0) else np.float32(0.0)
