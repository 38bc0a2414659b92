"""Kernels of the cells that a network joins: small dense algebra whose order of sums no thread count changes."""

import math

import numpy as np

from vertebro._jit import kernel


@kernel
def without_cells(nodes, links, tie, weight, out):
    """Write ``nodes - B diag(weight) Bᵀ`` into `out` (n, n).

    links (2, l), tie (l,) : node, cell and conductance of each entry of `B`, those of a cell one after the other.
    weight (c,) : of the cells.
    """
    for a in range(nodes.shape[0]):
        for b in range(nodes.shape[1]):
            out[a, b] = nodes[a, b]
    first = 0
    while first < tie.size:
        cell, end = links[1, first], first + 1
        while end < tie.size and links[1, end] == cell:
            end += 1
        for a in range(first, end):
            for b in range(first, end):
                out[links[0, a], links[0, b]] -= tie[a] * weight[cell] * tie[b]
        first = end


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
def give(answer, links, tie, level, out):
    """Write ``Bᵀ answer B level`` into `out` (c,): what the others bring for the pressures `level` (c,) of the cells.

    answer (n, n) : pressure of each node for an inflow at each. links, tie : as of `without_cells`.
    """
    n = answer.shape[0]
    inflow, pressure = np.zeros(n), np.zeros(n)
    for m in range(tie.size):
        inflow[links[0, m]] += tie[m] * level[links[1, m]]
    for v in range(n):
        for u in range(n):
            pressure[v] += answer[v, u] * inflow[u]
    out[:] = 0.0
    for m in range(tie.size):
        out[links[1, m]] += tie[m] * pressure[links[0, m]]


@kernel(fastmath=True)
def complete(answer, way, operated, in_level, in_half, weights, black, network, links, tie, extra, scale, sums):
    """Complete the operator on a cycle's `answer`; see `Bypass.correct`.

    answer, way, operated : flat storage of the finest level, the last two of colour 0. in_level, in_half (c, 7) :
    places there, of a joined cell's neighbours and its own. weights (c, 7) : their part in its pressure. black, extra
    (c,). network (n, n), links, tie : as of `give`. sums (4,) : written.
    """
    c = black.size
    level, along, back = np.zeros(c), np.zeros(c), np.zeros(c)
    for i in range(c):
        for e in range(7):
            level[i] += weights[i, e] * answer[in_level[i, e]]
            along[i] += weights[i, e] * way[in_half[i, e]]
    give(network, links, tie, level, back)
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
