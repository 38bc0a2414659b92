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
def planes(job, first, end, t, free, source, x, r, d, q, z, u, b, alpha, scale, part):
    """Do one job of the conjugate gradient on the planes ``[first, end)``.

    Job 0: r = source - outflow of x at the free cells, part = r·r. 1: q = operator on d (0 at pinned cells),
    part = d·q. 2: step x and r by alpha along d and q, hand scale·r to the cycle (`b`, colours apart), part = r·r.
    3: z = the cycle's answer `u`, part = z·q and z·r. 4: d = z + alpha d.
    """
    v, out = (x, r) if job == 0 else (d, q)
    nk = x.shape[2]
    for i in range(first, end):
        one = two = 0.0
        for j in range(1, x.shape[1] - 1):
            if job < 2:
                mine, row, on, right = v[i, j], out[i, j], free[i, j], source[i, j]
                ax, bx, fx, gx = v[i + 1, j], v[i - 1, j], t[0, i, j], t[0, i - 1, j]
                ay, by, fy, gy = v[i, j + 1], v[i, j - 1], t[1, i, j], t[1, i, j - 1]
                fz = t[2, i, j]
                for k in range(1, nk - 1):
                    w = mine[k]
                    flow = fx[k] * (w - ax[k]) + gx[k] * (w - bx[k]) + (fy[k] * (w - ay[k]) + gy[k] * (w - by[k]))
                    flow += fz[k] * (w - mine[k + 1]) + fz[k - 1] * (w - mine[k - 1])
                    flow = (right[k] - flow if job == 0 else flow) * on[k]
                    row[k] = flow
                    one += flow * (flow if job == 0 else w)
            elif job == 2:
                here, left, way, change = x[i, j], r[i, j], d[i, j], q[i, j]
                for k in range(1, nk - 1):
                    here[k] += alpha * way[k]
                for k in range(1, nk - 1):
                    left[k] -= alpha * change[k]
                    one += left[k] * left[k]
                for c in range(2):
                    par, cycle = (i + j + c) % 2, b[c, i, j]
                    for m in range(1 - par, (nk - par) // 2):
                        cycle[m] = np.float32(left[2 * m + par] * scale)
            elif job == 3:
                answer, old, now = z[i, j], q[i, j], r[i, j]
                for c in range(2):
                    par, cycle = (i + j + c) % 2, u[c, i, j]
                    for m in range(1 - par, (nk - par) // 2):
                        answer[2 * m + par] = cycle[m]
                for k in range(1, nk - 1):
                    one += answer[k] * old[k]
                    two += answer[k] * now[k]
            else:
                way, answer = d[i, j], z[i, j]
                for k in range(1, nk - 1):
                    way[k] = answer[k] + alpha * way[k]
        part[0, i], part[1, i] = one, two


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
