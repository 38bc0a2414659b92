"""Kernels of the cells that a network joins: small dense algebra whose order of sums no thread count changes."""

import math

from vertebro._jit import kernel


@kernel
def without_cells(nodes, draw, weight, out):
    """Write ``nodes - draw diag(weight) drawᵀ`` into `out` (n, n); draw (n, c)."""
    n, c = draw.shape
    for v in range(n):
        for u in range(v + 1):
            total = 0.0
            for i in range(c):
                total += draw[v, i] * weight[i] * draw[u, i]
            out[v, u] = nodes[v, u] - total
            out[u, v] = out[v, u]


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
