"""Kernels of the multigrid cycle: float32, cells of the two colours apart.

A cell (i, j, k) of a padded grid is stored at ``[c, i, j, k // 2]`` with the colour ``c = (i + j + k) % 2``: a sweep
over one colour then reads and writes whole rows. `t` is ``(2, 3, …)``: faces to the next cells along the axes. Loops
over a row are split so that each has few streams: only then does the compiler check aliasing and vectorise. One kernel
does all jobs, because compiling is dear; it frees the interpreter, so that threads can share the planes of a level.
"""

import numpy as np

from vertebro._jit import kernel


@kernel(fastmath=True, nogil=True)
def cycle_steps(us, bs, ts, ds, table, program, first, end, inverse, work, row):
    """Do the steps (job, level, colour) of `program`, on planes ``[first, end)`` of a level or, if end is 0, on all.

    Job 0: half a Gauss-Seidel sweep over `colour`. 1: residual of colour 0 (that of colour 1 is 0 after its sweep) to
    the next coarser right-hand side; `first` must be odd. 2: add the coarse correction to colour 0 (colour 1 is
    overwritten by the next half sweep). 3: first half sweep from zero over colour 0. 4: dense solve at the bottom.
    Flat level storage us, bs, ts, ds: solution, right-hand side, faces, inverse diagonal; `table` holds offset, ni,
    nj, m, nk of each level.
    """
    for step in range(program.shape[0]):
        job, n, colour = program[step, 0], program[step, 1], program[step, 2]
        start, ni, nj, nm, nk = table[n, 0], table[n, 1], table[n, 2], table[n, 3], table[n, 4]
        size = ni * nj * nm
        at, to = start + colour * size, start + (1 - colour) * size
        mine, far = us[at : at + size].reshape((ni, nj, nm)), us[to : to + size].reshape((ni, nj, nm))
        right, scale = bs[at : at + size].reshape((ni, nj, nm)), ds[at : at + size].reshape((ni, nj, nm))
        at, to = 3 * at, 3 * to
        face = ts[at : at + 3 * size].reshape((3, ni, nj, nm))
        back = ts[to : to + 3 * size].reshape((3, ni, nj, nm))
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
            for j in range(1, nj - 1):
                par, a, q = (i + j + colour) % 2, (i + 1) // 2, (j + 1) // 2
                low, high = 1 - par, nm - par
                if job < 2:
                    for m in range(low, high):
                        row[m] = right[i, j, m] + (
                            face[0, i, j, m] * far[i + 1, j, m] + back[0, i - 1, j, m] * far[i - 1, j, m]
                        )
                    for m in range(low, high):
                        row[m] += face[1, i, j, m] * far[i, j + 1, m] + back[1, i, j - 1, m] * far[i, j - 1, m]
                    for m in range(low, high):
                        up, down = m + par, m + par - 1
                        row[m] += face[2, i, j, m] * far[i, j, up] + back[2, i, j, down] * far[i, j, down]
                if job == 0:
                    for m in range(low, high):
                        mine[i, j, m] = row[m] * scale[i, j, m]
                elif job == 1:
                    for m in range(low, high):
                        if scale[i, j, m] > np.float32(0.0):
                            s = m + par
                            other[(a + q + s) % 2, a, q, s // 2] += row[m] - mine[i, j, m] / scale[i, j, m]
                elif job == 2:
                    for m in range(low, high):
                        if scale[i, j, m] > np.float32(0.0):
                            s = m + par
                            mine[i, j, m] += other[(a + q + s) % 2, a, q, s // 2]
                else:
                    for m in range(low, high):
                        mine[i, j, m] = right[i, j, m] * scale[i, j, m]


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
def fine_level(t64, free, scale, t, dinv, sink):
    """Fill the finest level: faces among free cells, `sink` = faces to pinned cells, inverse diagonal."""
    for i in range(1, free.shape[0] - 1):
        for j in range(1, free.shape[1] - 1):
            for k in range(1, free.shape[2] - 1):
                c, m = (i + j + k) % 2, k // 2
                here = scale * free[i, j, k]
                total, lost = 0.0, 0.0
                for d in range(3):
                    x, y, z = d == 0, d == 1, d == 2
                    ahead = t64[d, i, j, k] * here
                    behind = t64[d, i - x, j - y, k - z] * here
                    on, back = free[i + x, j + y, k + z], free[i - x, j - y, k - z]
                    t[c, d, i, j, m] = ahead * on
                    total += ahead + behind
                    lost += ahead * (1 - on) + behind * (1 - back)
                sink[c, i, j, m] = lost
                dinv[c, i, j, m] = 1.0 / total if total > 0.0 else 0.0


@kernel
def coarsen(t, sink, nk, tc, sinkc, nkc, dinvc):
    """Fill a coarse level: half the sum of the fine faces between aggregates, sinks summed, inverse diagonal."""
    half = np.float32(0.5)
    tc[:] = np.float32(0.0)
    sinkc[:] = np.float32(0.0)
    for i in range(1, sink.shape[1] - 1):
        for j in range(1, sink.shape[2] - 1):
            a, b = (i + 1) // 2, (j + 1) // 2
            for k in range(1, nk - 1):
                c, m, q = (i + j + k) % 2, k // 2, (k + 1) // 2
                cc, mc = (a + b + q) % 2, q // 2
                sinkc[cc, a, b, mc] += sink[c, i, j, m]
                if i % 2 == 0:
                    tc[cc, 0, a, b, mc] += half * t[c, 0, i, j, m]
                if j % 2 == 0:
                    tc[cc, 1, a, b, mc] += half * t[c, 1, i, j, m]
                if k % 2 == 0:
                    tc[cc, 2, a, b, mc] += half * t[c, 2, i, j, m]
    for a in range(1, sinkc.shape[1] - 1):
        for b in range(1, sinkc.shape[2] - 1):
            for q in range(1, nkc - 1):
                c, m = (a + b + q) % 2, q // 2
                o, below = 1 - c, (q - 1) // 2
                total = sinkc[c, a, b, m] + (tc[c, 0, a, b, m] + tc[o, 0, a - 1, b, m])
                total += (tc[c, 1, a, b, m] + tc[o, 1, a, b - 1, m]) + (tc[c, 2, a, b, m] + tc[o, 2, a, b, below])
                dinvc[c, a, b, m] = np.float32(1.0) / total if total > np.float32(0.0) else np.float32(0.0)
