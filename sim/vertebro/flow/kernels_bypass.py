"""Kernels of the cells that a network joins: small dense algebra whose order of sums no thread count changes."""

import math

import numpy as np

from vertebro._jit import kernel


@kernel
def without_cells(nodes, draw, weight, out):
    """Write ``nodes - draw diag(weight) drawᵀ`` into `out` (n, n); draw (n, c), few of a cell's entries not 0."""
    n, c = draw.shape
    out[:] = nodes
    near = np.zeros(n, np.int64)
    for i in range(c):
        count = 0
        for v in range(n):
            if draw[v, i] > 0.0:
                near[count] = v
                count += 1
        for a in range(count):
            for b in range(count):
                out[near[a], near[b]] -= draw[near[a], i] * weight[i] * draw[near[b], i]


@kernel
def solve_definite(a, b):
    """Solve ``a x = b`` for a symmetric positive definite `a` (n, n), in place of `b` (n, c); `a` keeps its factor."""
    n, c = b.shape
    for v in range(n):
        for u in range(v):
            total = a[v, u]
            for k in range(u):
                total -= a[v, k] * a[u, k]
            a[v, u] = total / a[u, u]
        total = a[v, v]
        for k in range(v):
            total -= a[v, k] * a[v, k]
        a[v, v] = math.sqrt(total)
        for k in range(v):
            for i in range(c):
                b[v, i] -= a[v, k] * b[k, i]
        for i in range(c):
            b[v, i] /= a[v, v]
    for v in range(n - 1, -1, -1):
        for k in range(v + 1, n):
            for i in range(c):
                b[v, i] -= a[k, v] * b[k, i]
        for i in range(c):
            b[v, i] /= a[v, v]


@kernel
def give(answer, draw, own, damp, level, out):
    """Write ``damp (drawᵀ (answer level) - own level)`` into `out` (c,); answer, draw (n, c)."""
    n, c = draw.shape
    for i in range(c):
        out[i] = -own[i] * level[i]
    for v in range(n):
        pressure = 0.0
        for i in range(c):
            pressure += answer[v, i] * level[i]
        for i in range(c):
            out[i] += draw[v, i] * pressure
    for i in range(c):
        out[i] *= damp[i]


@kernel(fastmath=True)
def complete(answer, way, operated, in_level, in_half, weights, black, draw, response, extra, scale, sums):
    """Complete the operator on a cycle's `answer`; see `Bypass.correct`.

    answer, way, operated : flat storage of the finest level, the last two of colour 0. in_level, in_half (c, 7) :
    places there, of a joined cell's neighbours and its own. weights (c, 7) : their part in its pressure. black, extra
    (c,). draw, response (n, c) : conductances, pressure of a node for each cell's. sums (4,) : written.
    """
    n, c = draw.shape
    level, along, back = np.zeros(c), np.zeros(c), np.zeros(c)
    for i in range(c):
        for e in range(7):
            level[i] += weights[i, e] * answer[in_level[i, e]]
            along[i] += weights[i, e] * way[in_half[i, e]]
    for v in range(n):
        pressure = 0.0
        for i in range(c):
            pressure += response[v, i] * level[i]
        for i in range(c):
            back[i] += draw[v, i] * pressure
    sums[:] = 0.0
    for i in range(c):
        more = scale * back[i]
        if black[i]:
            more -= extra[i]
        else:
            sums[0] += extra[i] * level[i]
            sums[2] += extra[i] * along[i]
        sums[1] += more * level[i]
        sums[3] += more * along[i]
        for e in range(7):
            operated[in_half[i, e]] -= np.float32(weights[i, e] * more)
