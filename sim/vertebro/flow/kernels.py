"""Kernels of the pressure solver. All arrays are padded by one ghost cell; `t[d]` is the face to the +d neighbour."""

import numpy as np

from vertebro._jit import kernel


@kernel
def assemble(half, layer, res, p, series, t):
    """Fill the face transmissibilities `t` [m³/(s·Pa)].

    half : (3, …) h/(2KA), 0 where closed. layer : (3, …) or (3, 1, 1, 1) thin layers over area. res : flow resistance
    [Pa·s] of a cell's fluids. series : half cells in series (piston) or harmonic permeability with upwind mobility.
    """
    ni, nj, nk = res.shape
    layered = layer.shape[1] > 1
    for i in range(ni - 1):
        for j in range(nj - 1):
            for k in range(nk - 1):
                for d in range(3):
                    a, b, c = i + (d == 0), j + (d == 1), k + (d == 2)
                    h0, h1 = half[d, i, j, k], half[d, a, b, c]
                    if h0 == 0.0 or h1 == 0.0:
                        t[d, i, j, k] = 0.0
                        continue
                    r0, r1 = res[i, j, k], res[a, b, c]
                    up = 0.5 * (r0 + r1)
                    if p[i, j, k] > p[a, b, c]:
                        up = r0
                    elif p[i, j, k] < p[a, b, c]:
                        up = r1
                    thin = layer[d, i, j, k] * up if layered else 0.0
                    t[d, i, j, k] = 1.0 / (h0 * r0 + h1 * r1 + thin if series else (h0 + h1) * up + thin)


@kernel
def residual(t, x, free, source, r):
    """Fill `r` with source minus outflow at the free cells, and return its squared length plane by plane, summed."""
    ni, nj, nk = x.shape
    total = 0.0
    for i in range(1, ni - 1):
        plane = 0.0
        for j in range(1, nj - 1):
            for k in range(1, nk - 1):
                v = x[i, j, k]
                out = (t[0, i, j, k] * (v - x[i + 1, j, k]) + t[0, i - 1, j, k] * (v - x[i - 1, j, k])) + (
                    t[1, i, j, k] * (v - x[i, j + 1, k]) + t[1, i, j - 1, k] * (v - x[i, j - 1, k])
                )
                out += t[2, i, j, k] * (v - x[i, j, k + 1]) + t[2, i, j, k - 1] * (v - x[i, j, k - 1])
                value = (source[i, j, k] - out) * free[i, j, k]
                r[i, j, k] = value
                plane += value * value
        total += plane
    return total


@kernel(fastmath=True)
def apply(t, d, free, q):
    """Fill `q` with the operator applied to a direction `d` that is 0 at pinned cells; return d·q."""
    ni, nj, nk = d.shape
    total = 0.0
    for i in range(1, ni - 1):
        plane = 0.0
        for j in range(1, nj - 1):
            for k in range(1, nk - 1):
                v = d[i, j, k]
                out = (t[0, i, j, k] * (v - d[i + 1, j, k]) + t[0, i - 1, j, k] * (v - d[i - 1, j, k])) + (
                    t[1, i, j, k] * (v - d[i, j + 1, k]) + t[1, i, j - 1, k] * (v - d[i, j - 1, k])
                )
                out += t[2, i, j, k] * (v - d[i, j, k + 1]) + t[2, i, j, k - 1] * (v - d[i, j, k - 1])
                out *= free[i, j, k]
                q[i, j, k] = out
                plane += v * out
        total += plane
    return total


@kernel(fastmath=True)
def advance(x, r, d, q, alpha, scale, b):
    """Step `x` and `r` along `d`, fill the float32 `b` with the scaled residual; return r·r."""
    ni, nj, nk = x.shape
    total = 0.0
    for i in range(1, ni - 1):
        plane = 0.0
        for j in range(1, nj - 1):
            for k in range(1, nk - 1):
                x[i, j, k] += alpha * d[i, j, k]
                value = r[i, j, k] - alpha * q[i, j, k]
                r[i, j, k] = value
                b[i, j, k] = np.float32(value * scale)
                plane += value * value
        total += plane
    return total


@kernel(fastmath=True)
def products(u, q, r):
    """Return (u·q, u·r) for a float32 `u`."""
    ni, nj, nk = q.shape
    uq = ur = 0.0
    for i in range(1, ni - 1):
        a = b = 0.0
        for j in range(1, nj - 1):
            for k in range(1, nk - 1):
                v = np.float64(u[i, j, k])
                a += v * q[i, j, k]
                b += v * r[i, j, k]
        uq += a
        ur += b
    return uq, ur


@kernel(fastmath=True)
def turn(u, beta, d):
    """Overwrite the direction: d = u + beta d."""
    ni, nj, nk = d.shape
    for i in range(1, ni - 1):
        for j in range(1, nj - 1):
            for k in range(1, nk - 1):
                d[i, j, k] = u[i, j, k] + beta * d[i, j, k]


@kernel
def fine_level(t64, free, scale, t, dinv, sink):
    """Fill the finest float32 level: faces among free cells, `sink` = faces to pinned cells, inverse diagonal."""
    ni, nj, nk = dinv.shape
    for i in range(1, ni - 1):
        for j in range(1, nj - 1):
            for k in range(1, nk - 1):
                here = free[i, j, k]
                lost = kept = 0.0
                for d in range(3):
                    a, b, c = d == 0, d == 1, d == 2
                    ahead = t64[d, i, j, k] * scale * here
                    behind = t64[d, i - a, j - b, k - c] * scale * here
                    on, back = free[i + a, j + b, k + c], free[i - a, j - b, k - c]
                    t[d, i, j, k] = ahead * on
                    kept += ahead * on + behind * back
                    lost += ahead * (1 - on) + behind * (1 - back)
                sink[i, j, k] = lost
                total = kept + lost
                dinv[i, j, k] = 1.0 / total if total > 0.0 else 0.0


@kernel
def coarsen(t, sink, tc, sinkc, dinvc):
    """Fill a coarse level: half the sum of the fine faces between aggregates, sinks summed, inverse diagonal."""
    ni, nj, nk = sink.shape
    tc[:] = 0.0
    sinkc[:] = 0.0
    for i in range(1, ni - 1):
        for j in range(1, nj - 1):
            for k in range(1, nk - 1):
                a, b, c = (i + 1) // 2, (j + 1) // 2, (k + 1) // 2
                sinkc[a, b, c] += sink[i, j, k]
                if i % 2 == 0:
                    tc[0, a, b, c] += np.float32(0.5) * t[0, i, j, k]
                if j % 2 == 0:
                    tc[1, a, b, c] += np.float32(0.5) * t[1, i, j, k]
                if k % 2 == 0:
                    tc[2, a, b, c] += np.float32(0.5) * t[2, i, j, k]
    mi, mj, mk = sinkc.shape
    for a in range(1, mi - 1):
        for b in range(1, mj - 1):
            for c in range(1, mk - 1):
                total = sinkc[a, b, c] + (tc[0, a, b, c] + tc[0, a - 1, b, c])
                total += (tc[1, a, b, c] + tc[1, a, b - 1, c]) + (tc[2, a, b, c] + tc[2, a, b, c - 1])
                dinvc[a, b, c] = np.float32(1.0) / total if total > 0.0 else np.float32(0.0)


@kernel(fastmath=True)
def relax(u, b, t, dinv, colour):
    """Gauss-Seidel on the cells of one colour."""
    ni, nj, nk = u.shape
    for i in range(1, ni - 1):
        for j in range(1, nj - 1):
            for k in range(1 + (i + j + colour) % 2, nk - 1, 2):
                s = b[i, j, k] + (t[0, i, j, k] * u[i + 1, j, k] + t[0, i - 1, j, k] * u[i - 1, j, k])
                s += t[1, i, j, k] * u[i, j + 1, k] + t[1, i, j - 1, k] * u[i, j - 1, k]
                s += t[2, i, j, k] * u[i, j, k + 1] + t[2, i, j, k - 1] * u[i, j, k - 1]
                u[i, j, k] = s * dinv[i, j, k]


@kernel(fastmath=True)
def restrict(u, b, t, dinv, bc):
    """Fill the coarse right-hand side `bc` with the residual summed over aggregates."""
    ni, nj, nk = u.shape
    bc[:] = 0.0
    for i in range(1, ni - 1):
        for j in range(1, nj - 1):
            for k in range(1, nk - 1):
                if dinv[i, j, k] > 0.0:
                    s = b[i, j, k] + (t[0, i, j, k] * u[i + 1, j, k] + t[0, i - 1, j, k] * u[i - 1, j, k])
                    s += t[1, i, j, k] * u[i, j + 1, k] + t[1, i, j - 1, k] * u[i, j - 1, k]
                    s += t[2, i, j, k] * u[i, j, k + 1] + t[2, i, j, k - 1] * u[i, j, k - 1]
                    bc[(i + 1) // 2, (j + 1) // 2, (k + 1) // 2] += s - u[i, j, k] / dinv[i, j, k]


@kernel(fastmath=True)
def prolong(uc, dinv, u):
    """Add the coarse correction, constant over each aggregate, to the free cells of `u`."""
    ni, nj, nk = u.shape
    for i in range(1, ni - 1):
        for j in range(1, nj - 1):
            for k in range(1, nk - 1):
                if dinv[i, j, k] > 0.0:
                    u[i, j, k] += uc[(i + 1) // 2, (j + 1) // 2, (k + 1) // 2]


@kernel
def shear_rates(t, p, half, storage, scale, out):
    """Fill `out` with Darcy shear rates: scale·√(Σ u_d²/(K_d φ)), u_d² the mean square of the two faces' velocities.

    `half` is h/(2KA); with V the cell volume u²/K = 2 q² half / V. `storage` is the pore volume φV.
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
