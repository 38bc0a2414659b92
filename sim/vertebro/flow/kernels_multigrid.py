"""Kernels of the multigrid cycle: float32, cells sorted by the parities of j and k.

A plane i of a padded level holds four blocks ``[2 (j % 2) + k % 2, j // 2, k // 2]``. In plane i the cells of the
colour ``c = (i + j + k) % 2`` fill two of them, and all neighbours of a block lie in one other block at one offset: a
half sweep over a colour is a few passes over contiguous memory, whatever the length of the rows, with each face stored
once. Coefficients of a level: faces ahead along i, j and k, inverse diagonal (0 in closed cells and ghosts). Loops are
split so that each has few streams: only then does the compiler check aliasing and vectorise. One kernel does all jobs,
because compiling is dear; it frees the interpreter, so that threads can share the planes of a level.
"""

import numpy as np

from vertebro._jit import kernel


@kernel(fastmath=True, nogil=True)
def cycle_steps(us, bs, cs, table, program, inverse, work, row, w, d, q, part, spans, spots, links, tie, network, held):
    """Do the steps (job, level, colour, first plane, end plane) of `program`, one after the other.

    Job 0: half a Gauss-Seidel sweep over `colour`. 1: residual of colour 0 (that of colour 1 is 0 after its sweep) to
    the next coarser right-hand side; `first` must be odd. 2: add the coarse correction to colour 0 (colour 1 is
    overwritten by the next half sweep). 3: first half sweep from zero over colour 0. 4: dense solve at the bottom.
    5: `w` = operator on colour 0 with colour 1 eliminated (just swept with a right-hand side of 0); `part` of a plane
    = u·b, u·w, u·q, d·b, d·w. 6, 7: `joined_down` (first visit if `colour` is 1) and `joined_up`. Flat level
    storage us, bs, cs: solution, right-hand side, four coefficients; `table` holds offset, ni, nj, m, nk of each level;
    `row` is scratch of two planes; `w`, `d`, `q` (planes, half a plane) are colour 0 of level 0; rest: `joined_down`.
    """
    for step in range(program.shape[0]):
        job, n, colour = program[step, 0], program[step, 1], program[step, 2]
        start, ni, nj, nm, nk = table[n, 0], table[n, 1], table[n, 2], table[n, 3], table[n, 4]
        block = (nj + 1) // 2 * nm
        size = 4 * ni * block
        u, b = us[start : start + size].reshape((ni, 4 * block)), bs[start : start + size].reshape((ni, 4 * block))
        coef = cs[4 * start : 4 * (start + size)].reshape((4, ni, 4 * block))
        if job == 4:
            bottom(u, b, nj, nm, nk, inverse, work)
            continue
        if job == 6:
            joined_down(us, bs, spans, spots, links, tie, network, held, n, colour)
            continue
        if job == 7:
            joined_up(us, bs, spans, spots, links, tie, network, held, n)
            continue
        near = min(n + 1, table.shape[0] - 1)
        for i in range(program[step, 3], program[step, 4]):
            if job == 2:
                ascend(us, table, near, i, nj, nm, u, coef, row)
                continue
            for jp in range(2):
                kp = (i + jp + colour) % 2
                # inner rows of the block; slices, so that every stream has the index e and no index can be negative
                width, low = (nj - 2 + jp) // 2 * nm, (1 - jp) * nm
                o = (2 * jp + kp) * block + low
                here, add, scale = u[i, o : o + width], b[i, o : o + width], coef[3, i, o : o + width]
                if job == 3:
                    for e in range(width):
                        here[e] = add[e] * scale[e]
                    continue
                at = ((i + 1) % 2 * 2 + jp) * block + low
                total = row[at : at + width]
                y = (2 - 2 * jp + kp) * block + low + (jp - 1) * nm
                z = (2 * jp + 1 - kp) * block + low + kp - 1
                fx, x0 = coef[0, i, o : o + width], u[i + 1, o : o + width]
                gx, x1 = coef[0, i - 1, o : o + width], u[i - 1, o : o + width]
                fy, y0 = coef[1, i, o : o + width], u[i, y + nm : y + nm + width]
                gy, y1 = coef[1, i, y : y + width], u[i, y : y + width]
                fz, z0 = coef[2, i, o : o + width], u[i, z + 1 : z + 1 + width]
                gz, z1 = coef[2, i, z : z + width], u[i, z : z + width]
                # eight streams besides the result: as many as the compiler checks for overlap
                for e in range(width):
                    total[e] = fx[e] * x0[e] + gx[e] * x1[e] + (fy[e] * y0[e] + gy[e] * y1[e])
                if job == 0:
                    for e in range(width):
                        here[e] = (add[e] + total[e] + (fz[e] * z0[e] + gz[e] * z1[e])) * scale[e]
                elif job == 1:
                    for e in range(width):
                        pull = add[e] + total[e] + (fz[e] * z0[e] + gz[e] * z1[e])
                        total[e] = pull - here[e] / scale[e] if scale[e] > np.float32(0.0) else np.float32(0.0)
                else:
                    at = jp * block + low
                    out, way, old = w[i, at : at + width], d[i, at : at + width], q[i, at : at + width]
                    for e in range(width):
                        pull = total[e] + (fz[e] * z0[e] + gz[e] * z1[e])
                        out[e] = here[e] / scale[e] - pull if scale[e] > np.float32(0.0) else np.float32(0.0)
                    one = two = three = four = five = np.float32(0.0)
                    for e in range(width):
                        one += here[e] * add[e]
                        two += here[e] * out[e]
                        three += here[e] * old[e]
                        four += way[e] * add[e]
                        five += way[e] * out[e]
                    if jp == 0:
                        part[:, i] = 0.0
                    part[0, i] += one
                    part[1, i] += two
                    part[2, i] += three
                    part[3, i] += four
                    part[4, i] += five
            if job == 1 and (i % 2 == 0 or i == program[step, 4] - 1):
                descend(bs, table, near, i, nj, nm, row)


@kernel(fastmath=True)
def descend(bs, table, near, i, nj, nm, row):
    """Sum the residuals of colour 0 in `row` (planes i - 1 and i, or i alone if odd) into coarse plane (i + 1) // 2.

    A fine cell ``[j // 2, k // 2]`` of block (jp, kp) belongs to the coarse cell ``[j // 2 + jp, k // 2 + kp]``.
    """
    start, ni, nq, nm_to, ns = table[near, 0], table[near, 1], table[near, 2], table[near, 3], table[near, 4]
    block, block_to, a = (nj + 1) // 2 * nm, (nq + 1) // 2 * nm_to, (i + 1) // 2
    other = bs[start : start + 4 * ni * block_to].reshape((ni, 2, 2, (nq + 1) // 2, nm_to))
    sums = row[4 * block : 5 * block + 2 * nm]
    sums[:] = np.float32(0.0)
    for plane in range(2 * a - 1, i + 1):
        for jp in range(2):
            width, low = (nj - 2 + jp) // 2 * nm, (1 - jp) * nm
            at, to = ((plane + 1) % 2 * 2 + jp) * block + low, low + jp * nm + (plane + jp) % 2
            into, residual = sums[to : to + width], row[at : at + width]
            for e in range(width):
                into[e] += residual[e]
    for j in range(1, nq - 1):
        for kp in range(2):
            out, line = other[a, j % 2, kp, j // 2], sums[j * nm : (j + 2) * nm]
            for m in range(1 - kp, (ns - kp) // 2):
                out[m] = line[2 * m + kp]


@kernel(fastmath=True)
def ascend(us, table, near, i, nj, nm, u, coef, row):
    """Add the coarse solution to colour 0 of fine plane i; closed cells stay."""
    start, ni, nq, nm_to, ns = table[near, 0], table[near, 1], table[near, 2], table[near, 3], table[near, 4]
    block, block_to, a = (nj + 1) // 2 * nm, (nq + 1) // 2 * nm_to, (i + 1) // 2
    other = us[start : start + 4 * ni * block_to].reshape((ni, 2, 2, (nq + 1) // 2, nm_to))
    natural = row[: block + 2 * nm]
    for j in range(1, nq - 1):
        for kp in range(2):
            coarse, line = other[a, j % 2, kp, j // 2], natural[j * nm : (j + 2) * nm]
            for m in range(1 - kp, (ns - kp) // 2):
                line[2 * m + kp] = coarse[m]
    for jp in range(2):
        kp, width, low = (i + jp) % 2, (nj - 2 + jp) // 2 * nm, (1 - jp) * nm
        o, at = (2 * jp + kp) * block + low, low + jp * nm + kp
        here, scale, add = u[i, o : o + width], coef[3, i, o : o + width], natural[at : at + width]
        for e in range(width):
            here[e] += add[e] if scale[e] > np.float32(0.0) else np.float32(0.0)


@kernel
def bottom(u, b, nj, nm, nk, inverse, work):
    """Dense solve on the coarsest level: u = inverse b over its inner cells in natural order."""
    half = (nj + 1) // 2
    for put in range(2):
        n = 0
        for i in range(1, u.shape[0] - 1):
            for j in range(1, nj - 1):
                for k in range(1, nk - 1):
                    at = ((2 * (j % 2) + k % 2) * half + j // 2) * nm + k // 2
                    if put == 0:
                        work[n] = b[i, at]
                    else:
                        total = np.float32(0.0)
                        for m in range(inverse.shape[0]):
                            total += inverse[n, m] * work[m]
                        u[i, at] = total
                    n += 1


@kernel(fastmath=True)
def joined_down(us, bs, spans, spots, links, tie, network, held, n, first):
    """Hand what joined cells of level `n` bring each other, beyond what their right-hand sides hold, to coarser ones.

    spans (levels + 1, 2) : where the cells and the links of a level begin. spots (2, cells) : place of a cell in `bs`,
    and that of the coarser cell it lies in. links (2, …), tie : node, cell of the level and conductance of each link.
    network (nodes, nodes) : pressure of each node for an inflow of 1 at each. held (2, cells) : right-hand side without
    the others' part, noted where `first` is 1; a row of scratch.
    """
    a, e = spans[n, 0], spans[n + 1, 0]
    base, level = held[0, a:e], held[1, a:e]
    for i in range(e - a):
        level[i] = us[spots[0, a + i]]
        if first == 1:
            base[i] = bs[spots[0, a + i]]
    bring(level, links[:, spans[n, 1] : spans[n + 1, 1]], tie[spans[n, 1] : spans[n + 1, 1]], network)
    for i in range(e - a):
        bs[spots[1, a + i]] += base[i] + level[i] - bs[spots[0, a + i]]


@kernel(fastmath=True)
def joined_up(us, bs, spans, spots, links, tie, network, held, n):
    """Write into the right-hand sides of joined cells of level `n` what they bring each other after the correction.

    As of `joined_down`; the coarse solution is not added yet.
    """
    a, e = spans[n, 0], spans[n + 1, 0]
    base, level = held[0, a:e], held[1, a:e]
    for i in range(e - a):
        level[i] = us[spots[0, a + i]] + us[spots[1, a + i]]
    bring(level, links[:, spans[n, 1] : spans[n + 1, 1]], tie[spans[n, 1] : spans[n + 1, 1]], network)
    for i in range(e - a):
        bs[spots[0, a + i]] = base[i] + level[i]


@kernel(fastmath=True)
def bring(level, links, tie, network):
    """Turn the pressures of joined cells, `level`, into what the nodes bring them; `links` as of `joined_down`."""
    inflow = np.zeros(network.shape[0], np.float32)
    for m in range(tie.size):
        inflow[links[0, m]] += tie[m] * level[links[1, m]]
    level[:] = np.float32(0.0)
    pressure = np.zeros(network.shape[0], np.float32)
    for v in range(network.shape[0]):
        total = np.float32(0.0)
        for w in range(network.shape[1]):
            total += network[v, w] * inflow[w]
        pressure[v] = total
    for m in range(tie.size):
        level[links[1, m]] += tie[m] * pressure[links[0, m]]


@kernel(fastmath=True, nogil=True)
def turn_and_step(first, end, u, b, w, d, q, y, alpha, beta, part):
    """Conjugate gradient on colour 0 of planes ``[first, end)``: d = u + beta d, q = w + beta q, y += alpha d,
    b -= alpha q; `part` of a plane = b·b. `u`, `b` (planes, 2, 2, cells) hold both colours, the others one
    (planes, 2, cells).
    """
    step, turn = np.float32(alpha), np.float32(beta)
    for i in range(first, end):
        total = np.float32(0.0)
        for jp in range(2):
            answer, left = u[i, jp, (i + jp) % 2], b[i, jp, (i + jp) % 2]
            way, change, operated, sums = d[i, jp], q[i, jp], w[i, jp], y[i, jp]
            for e in range(way.size):
                way[e] = answer[e] + turn * way[e]
            for e in range(way.size):
                sums[e] += step * way[e]
            for e in range(way.size):
                change[e] = operated[e] + turn * change[e]
            for e in range(way.size):
                left[e] -= step * change[e]
                total += left[e] * left[e]
        part[0, i] = total


@kernel(nogil=True)
def fine_level(first, end, t64, free, scale, coef, sink):
    """Fill faces and sinks (flow to pinned cells) of planes ``[first, end)`` of the finest level from float64 faces.

    coef (4, ni, 2, 2, nj // 2, nk // 2) and sink likewise without the 4; only faces among free cells stay.
    """
    nk = free.shape[2]
    for i in range(first, end):
        for j in range(free.shape[1] - 1):
            jp, h = j % 2, j // 2
            on, ahead_x, ahead_y, tx, ty, tz = (
                free[i, j],
                free[i + 1, j],
                free[i, j + 1],
                t64[0, i, j],
                t64[1, i, j],
                t64[2, i, j],
            )
            for kp in range(2):
                cx, cy, cz, lost = (
                    coef[0, i, jp, kp, h],
                    coef[1, i, jp, kp, h],
                    coef[2, i, jp, kp, h],
                    sink[i, jp, kp, h],
                )
                for m in range((nk - kp) // 2):
                    k = 2 * m + kp
                    here = scale * on[k]
                    cx[m] = tx[k] * here * ahead_x[k]
                    cy[m] = ty[k] * here * ahead_y[k]
                    cz[m] = tz[k] * here * on[k + 1]
                if i > 0 and j > 0:
                    off_x, off_y, bx, by = free[i - 1, j], free[i, j - 1], t64[0, i - 1, j], t64[1, i, j - 1]
                    for m in range(1 - kp, (nk - kp) // 2):
                        k = 2 * m + kp
                        held = tx[k] * (1 - ahead_x[k]) + bx[k] * (1 - off_x[k]) + ty[k] * (1 - ahead_y[k])
                        held += by[k] * (1 - off_y[k]) + tz[k] * (1 - on[k + 1]) + tz[k - 1] * (1 - on[k - 1])
                        lost[m] = scale * on[k] * held


@kernel(nogil=True)
def coarsen(first, end, coef, sink, nj, nk, weaken, coarse, sinkc):
    """Fill faces and sinks of coarse planes ``[first, end)``: `weaken` times the fine faces between aggregates, sinks
    summed.
    """
    coarse[:, first:end] = np.float32(0.0)
    sinkc[first:end] = np.float32(0.0)
    for i in range(2 * first - 1, min(2 * end - 1, sink.shape[0] - 1)):
        a = (i + 1) // 2
        for j in range(1, nj - 1):
            q = (j + 1) // 2
            for kp in range(2):
                fx, fy, fz = coef[0, i, j % 2, kp, j // 2], coef[1, i, j % 2, kp, j // 2], coef[2, i, j % 2, kp, j // 2]
                lost = sink[i, j % 2, kp, j // 2]
                for m in range(1 - kp, (nk - kp) // 2):
                    s = m + kp
                    sinkc[a, q % 2, s % 2, q // 2, s // 2] += lost[m]
                    if i % 2 == 0:
                        coarse[0, a, q % 2, s % 2, q // 2, s // 2] += weaken * fx[m]
                    if j % 2 == 0:
                        coarse[1, a, q % 2, s % 2, q // 2, s // 2] += weaken * fy[m]
                    if kp == 0:
                        coarse[2, a, q % 2, s % 2, q // 2, s // 2] += weaken * fz[m]


@kernel(fastmath=True, nogil=True)
def diagonal(first, end, coef, sink, nj, nk):
    """Fill the inverse diagonal of planes ``[first, end)`` of a level from its faces and sinks."""
    for i in range(first, end):
        for j in range(1, nj - 1):
            jp, h = j % 2, j // 2
            below = (j - 1) // 2
            for kp in range(2):
                fx, gx = coef[0, i, jp, kp, h], coef[0, i - 1, jp, kp, h]
                fy, gy, lost = coef[1, i, jp, kp, h], coef[1, i, 1 - jp, kp, below], sink[i, jp, kp, h]
                fz, gz, out = coef[2, i, jp, kp, h], coef[2, i, jp, 1 - kp, h], coef[3, i, jp, kp, h]
                shift = 1 - kp
                for m in range(1 - kp, (nk - kp) // 2):
                    total = lost[m] + (fx[m] + gx[m]) + (fy[m] + gy[m]) + (fz[m] + gz[m - shift])
                    out[m] = np.float32(1.0) / total if total > np.float32(0.0) else np.float32(0.0)
