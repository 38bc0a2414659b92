"""Kernels of the pressure solver in float64. Arrays are padded by one ghost cell; `t[d]` is the face to the next cell.

Sums are taken plane by plane into `part` and added by the caller in fixed order: the same for any number of threads.
"""

import numpy as np

from vertebro._jit import kernel


@kernel(nogil=True)
def assemble(half, layer, res, p, series, t, first, end):
    """Fill planes ``[first, end)`` of the face transmissibilities `t` [m³/(s·Pa)].

    half : (3, …) h/(2KA), 0 where closed. layer : (3, …) or (3, 1, 1, 1) thin layers over area. res : flow resistance
    [Pa·s] of a cell's fluids. series : half cells in series (piston) or harmonic permeability with upwind mobility.
    """
    layered = layer.shape[1] > 1
    # a blend, not a branch: branches multiply the compiled loops
    share = 1.0 if series else 0.0
    for i in range(first, end):
        for j in range(res.shape[1] - 1):
            for d in range(3):
                a, b, c = i + (d == 0), j + (d == 1), int(d == 2)
                h0, h1, r0, r1 = half[d, i, j], half[d, a, b], res[i, j], res[a, b]
                p0, p1, out = p[i, j], p[a, b], t[d, i, j]
                for k in range(res.shape[2] - 1):
                    x, y, s = h0[k], h1[k + c], 0.5 * (r0[k] + r1[k + c])
                    up = r0[k] if p0[k] > p1[k + c] else (r1[k + c] if p0[k] < p1[k + c] else s)
                    total = share * (x * r0[k] + y * r1[k + c]) + (1.0 - share) * ((x + y) * up)
                    if layered:
                        total += layer[d, i, j, k] * up
                    out[k] = 1.0 / total if x > 0.0 and y > 0.0 else 0.0


@kernel(fastmath=True, nogil=True)
def refresh(program, t, free, load, source, leak, x, y, b, gain, scale, part):
    """Do the steps (job, _, _, first plane, end plane) of the float64 side of the conjugate gradient, at free cells.

    The unknowns are the cells of colour 0 (i + j + k even); those of colour 1 follow from them. Job 10: add gain·y to
    `x` (colour 0). 11: balance every cell of colour 1. 12: `b` = scale·r of colour 0 and `part` = r·r, r·x, s·s for the
    residual r = load·source - outflow of `x`, s being the sum of the flows' sizes if no two would cancel.
    `y` (ni, 2, cells) and `b` are sorted by parities as in `kernels_multigrid`. `leak` is a conductance from each cell
    to pressure 0, or (1, 1, 1) if there is none.
    """
    _, nj, nk = x.shape
    nm = b.shape[4]
    leaky = 1.0 if leak.shape[0] > 1 else 0.0
    for step in range(program.shape[0]):
        job = program[step, 0]
        for i in range(program[step, 3], program[step, 4]):
            total = power = size = 0.0
            for j in range(1, nj - 1):
                h, jp = j // 2, j % 2
                par = (i + j + (job == 11)) % 2
                first, end = 1 - par, (nk - par) // 2
                if job == 10:
                    mine, more = x[i, j], y[i, jp, h * nm : (h + 1) * nm]
                    for m in range(first, end):
                        mine[2 * m + par] += gain * more[m]
                    continue
                mine, on, right, out = x[i, j], free[i, j], source[i, j], b[i, jp, par, h]
                ax, bx, fx, gx = x[i + 1, j], x[i - 1, j], t[0, i, j], t[0, i - 1, j]
                ay, by, fy, gy = x[i, j + 1], x[i, j - 1], t[1, i, j], t[1, i, j - 1]
                fz = t[2, i, j]
                lost = leak[i, j] if leaky > 0.0 else fz
                for m in range(first, end):
                    k = 2 * m + par
                    w = mine[k]
                    flow = fx[k] * (w - ax[k]) + gx[k] * (w - bx[k]) + (fy[k] * (w - ay[k]) + gy[k] * (w - by[k]))
                    flow += fz[k] * (w - mine[k + 1]) + fz[k - 1] * (w - mine[k - 1]) + leaky * lost[k] * w
                    left = load * right[k] - flow
                    faces = fx[k] + gx[k] + (fy[k] + gy[k]) + (fz[k] + fz[k - 1]) + leaky * lost[k]
                    if job == 11:
                        if on[k] and faces > 0.0:
                            mine[k] = w + left / faces
                    else:
                        left = left if on[k] else 0.0
                        total += left * left
                        power += left * w
                        size += (faces * w) * (faces * w)
                        out[m] = np.float32(left * scale)
            if job == 12:
                part[0, i], part[1, i], part[2, i] = total, power, size


@kernel(fastmath=True, nogil=True)
def residual(first, end, t, free, source, leak, x, part):
    """Write the squared residual (source minus outflow of `x`) of all free cells of planes ``[first, end)``.

    `leak` as of `refresh`.
    """
    _, nj, nk = x.shape
    leaky = 1.0 if leak.shape[0] > 1 else 0.0
    for i in range(first, end):
        total = 0.0
        for j in range(1, nj - 1):
            mine, on, right = x[i, j], free[i, j], source[i, j]
            ax, bx, fx, gx = x[i + 1, j], x[i - 1, j], t[0, i, j], t[0, i - 1, j]
            ay, by, fy, gy = x[i, j + 1], x[i, j - 1], t[1, i, j], t[1, i, j - 1]
            fz = t[2, i, j]
            lost = leak[i, j] if leaky > 0.0 else fz
            for k in range(1, nk - 1):
                w = mine[k]
                flow = fx[k] * (w - ax[k]) + gx[k] * (w - bx[k]) + (fy[k] * (w - ay[k]) + gy[k] * (w - by[k]))
                flow += fz[k] * (w - mine[k + 1]) + fz[k - 1] * (w - mine[k - 1]) + leaky * lost[k] * w
                left = (right[k] - flow) * on[k]
                total += left * left
        part[0, i] = total


@kernel
def shear_rates(t, p, half, storage, scale, out):
    """Fill `out` with Darcy shear rates: scale·√(Σ u_d²/(K_d φ)), u_d² the mean square of the two faces' velocities.

    `half` is h/(2KA), `storage` the pore volume φV: u_d²/(K_d φ) = (q₊² + q₋²) half / (φV).
    """
    ni, nj, nk = p.shape
    for i in range(1, ni - 1):
        for j in range(1, nj - 1):
            for k in range(1, nk - 1):
                total = 0.0
                for d in range(3):
                    a, b, c = d == 0, d == 1, d == 2
                    ahead = t[d, i, j, k] * (p[i, j, k] - p[i + a, j + b, k + c])
                    behind = t[d, i - a, j - b, k - c] * (p[i - a, j - b, k - c] - p[i, j, k])
                    total += (ahead * ahead + behind * behind) * half[d, i, j, k]
                out[i, j, k] = scale * np.sqrt(total / storage[i, j, k]) if storage[i, j, k] > 0.0 else 0.0


@kernel(nogil=True)
def halves(factor, k, low, flip, active, out):
    """Fill `out` (padded) with factor/k at active cells of `k` > 0, else 0; `low` and `flip` place the box in `k`."""
    ni, nj, nk = out.shape
    for i in range(1, ni - 1):
        a = low[0] + (ni - 2 - i if flip[0] else i - 1)
        for j in range(1, nj - 1):
            b = low[1] + (nj - 2 - j if flip[1] else j - 1)
            for m in range(1, nk - 1):
                c = low[2] + (nk - 2 - m if flip[2] else m - 1)
                value = k[a, b, c]
                out[i, j, m] = factor / value if active[i, j, m] and value > 0.0 else 0.0


@kernel(nogil=True)
def drain(half, layer, mask, strides, stack, n, gates, reached):
    """Mark in `reached` all cells of `mask` that open faces join to the first `n` of `stack`, which are marked already.

    Flat padded arrays; `half` (3, cells) is 0 where closed, `layer` (3, cells) or (3, 1) infinite where a wall seals.
    gates (cells,) uint8 : work; three bits for the axes along which a cell conducts, three for walls ahead.
    """
    layered = layer.shape[1] > 1
    for i in range(mask.size):
        bits = np.uint8(0)
        if mask[i]:
            bits = np.uint8((half[0, i] > 0.0) + 2 * (half[1, i] > 0.0) + 4 * (half[2, i] > 0.0))
        gates[i] = bits
    if layered:
        for d in range(3):
            for i in range(mask.size):
                if layer[d, i] == np.inf:
                    gates[i] |= np.uint8(8 << d)
    while n > 0:
        n -= 1
        i = stack[n]
        for d in range(3):
            if gates[i] >> d & 1:
                for side in range(2):
                    j = i + strides[d] if side == 0 else i - strides[d]
                    if not reached[j] and gates[j] >> d & 1 and not gates[min(i, j)] >> (3 + d) & 1:
                        reached[j] = True
                        stack[n] = j
                        n += 1
