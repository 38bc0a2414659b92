"""The kernels of the vessels once more: a Schur complement, lists of parcels."""

from __future__ import annotations

import numpy as np

from vertebro.flow import kernels_vessels as kv


def eliminate(c, inflow, n):
    """Dense Schur complement of the Laplacian, written back as conductances."""
    upper = np.triu(c, 1)
    for v in range(n):
        c[v, v] = upper[v, v + 1 :].sum()
        if c[v, v] == 0:
            continue
        row = upper[v, v + 1 :].copy()
        inflow[v + 1 :] += inflow[v] * row / c[v, v]
        upper[v + 1 :, v + 1 :] += np.triu(np.outer(row, row) / c[v, v], 1)
    keep = np.triu(np.ones_like(c, bool), 1)
    c[keep] = upper[keep]


def restore(c, inflow, p, n):
    for v in range(n - 1, -1, -1):
        p[v] = (inflow[v] + c[v, v + 1 :] @ p[v + 1 :]) / c[v, v] if c[v, v] > 0 else 0.0


def items(lists, n, v):
    return lists[n + 1 + lists[v] : n + 1 + lists[v + 1]].tolist()


def distribute(c, ground, share):
    """Dense solve of the nodes' balance; nodes that nothing holds get 0."""
    upper = np.triu(c, 1)
    among = upper + upper.T
    matrix = np.diag(ground + among.sum(axis=0)) - among
    held = ground > 0
    for _ in range(len(c)):
        held = held | (among[:, held] > 0).any(axis=1)
    share[~held] = 0.0
    if held.any():
        share[held] = np.linalg.solve(matrix[np.ix_(held, held)], share[held])


def close_dead_ends(order, ends, at_node, at_mouth, outlet, flow, drawn):
    n = len(order)
    for v in reversed(order.tolist()):
        out = [e for e in items(at_node, n, v) if flow[e] * (1 if ends[e, 0] == v else -1) > 0]
        if outlet[v] < 0 and not out and not any(drawn[k] < 0 for k in items(at_mouth, n, v)):
            flow[items(at_node, n, v)] = 0.0
            drawn[items(at_mouth, n, v)] = 0.0


def queue(e, count, volume, injected, birth):
    return [[volume[e, a], injected[e, a], birth[e, a]] for a in range(count)]


def write(e, parcels, volume, injected, birth):
    for array, column in ((volume, 0), (injected, 1), (birth, 2)):
        array[e] = 0.0
        array[e, : len(parcels)] = [p[column] for p in parcels]
    return len(parcels)


def joined(a, b):
    x = a[1] + b[1]
    return [a[0] + b[0], x, (a[1] * a[2] + b[1] * b[2]) / x if x > 0 else a[2]]


def merge_into(e, a, v, x, age, volume, injected, birth):
    volume[e, a], injected[e, a], birth[e, a] = joined([volume[e, a], injected[e, a], birth[e, a]], [v, x, age])


def join_cheapest(e, count, volume, injected, birth):
    parcels = queue(e, count, volume, injected, birth)

    def cost(a):
        (v, x, t), (w, y, u) = parcels[a : a + 2]
        unlike = abs(x / v - y / w) + min(x / v, y / w) * abs(t - u) / kv.AGE_SCALE
        return unlike * v * w / (v + w)

    best = min(range(count - 1), key=cost)
    parcels[best : best + 2] = [joined(*parcels[best : best + 2])]
    return write(e, parcels, volume, injected, birth)


def push(e, front, v, x, age, count, volume, injected, birth):
    if v <= 0:
        return
    parcels = queue(e, count[e], volume, injected, birth)
    at = 0 if front else len(parcels) - 1
    if parcels and parcels[at][0] > 0:
        own, share = parcels[at][1] / parcels[at][0], x / v
        if abs(own - share) < 1e-9 and (own == 0 or abs(parcels[at][2] - age) < 0.5):
            merge_into(e, at, v, x, age, volume, injected, birth)
            return
    if len(parcels) == volume.shape[1]:
        parcels = parcels[: join_cheapest(e, len(parcels), volume, injected, birth)]
        parcels = queue(e, len(parcels), volume, injected, birth)
    parcels.insert(0 if front else len(parcels), [v, x, age])
    count[e] = write(e, parcels, volume, injected, birth)


def pop(e, front, v, count, volume, injected, birth, out):
    parcels, left = queue(e, count[e], volume, injected, birth), v
    while parcels and left > 0:
        at = 0 if front else -1
        size, x, age = parcels[at]
        part = min(1.0, left / size) if size > 0 else 1.0
        out[e, 1:] += x * part, x * part * age
        left -= size * part
        if part < 1:
            parcels[at] = [size * (1 - part), x * (1 - part), age]
            break
        parcels.pop(at)
    out[e, 0] += v
    count[e] = write(e, parcels, volume, injected, birth)


def advance(
    order, ends, at_node, at_mouth, outlet, flow, drawn, blood, dt, now,
    count, volume, injected, birth, mouth, out, gone, leaving, leaving_birth,
):  # fmt: skip
    n = len(order)
    out[:] = 0.0
    for v in order.tolist():
        away = {e: flow[e] * (1 if ends[e, 0] == v else -1) for e in items(at_node, n, v)}
        mouths = items(at_mouth, n, v)
        arrived = np.array([blood[v] * dt, 0.0, 0.0])
        arrived += sum(out[e] for e, q in away.items() if q < 0)
        for k in mouths:
            x = mouth[kv.DRAWN_INJECTED, k]
            arrived += mouth[kv.DRAWN, k], x, x * mouth[kv.DRAWN_BIRTH, k]
        leaves = sum(q for q in away.values() if q > 0) + sum(-drawn[k] for k in mouths if drawn[k] < 0)
        if outlet[v] >= 0:
            share = min(1.0, leaves * dt / arrived[0]) if arrived[0] > 0 else 0.0
            gone[outlet[v], 0] += arrived[1] * (1 - share)
            gone[outlet[v], 1] += (arrived[0] - arrived[1]) * (1 - share) - max(0.0, leaves * dt - arrived[0])
            arrived = np.array([leaves * dt, arrived[1] * share, arrived[2] * share])
        if arrived[0] <= 0:
            continue
        leaving[v] = min(1.0, arrived[1] / arrived[0])
        leaving_birth[v] = age = arrived[2] / arrived[1] if arrived[1] > 0 else now
        for e, q in away.items():
            if q > 0:
                amount = arrived * q / leaves
                push(e, ends[e, 0] == v, amount[0], amount[1], age, count, volume, injected, birth)
                pop(e, ends[e, 0] != v, amount[0], count, volume, injected, birth, out)
        for k in mouths:
            if drawn[k] < 0:
                x = arrived[1] * -drawn[k] / leaves
                mouth[kv.GIVEN, k] += x
                mouth[kv.GIVEN_BIRTH, k] += x * age


def without_cells(nodes, draw, weight, out):
    out[...] = nodes - (draw * weight) @ draw.T


def complete(answer, way, operated, in_level, in_half, weights, black, draw, response, extra, scale, sums):
    level, along = (weights * answer[in_level]).sum(axis=1), (weights * way[in_half]).sum(axis=1)
    more = scale * (draw.T @ (response @ level)) - extra * black
    np.subtract.at(operated, in_half, weights * more[:, None])
    red = extra * ~black
    sums[:] = red @ level, more @ level, red @ along, more @ along


def solve_definite(a, b):
    """Solve; the Cholesky factor stays in the lower triangle."""
    b[...] = np.linalg.solve(a, b)
    lower = np.tril(np.ones_like(a, bool))
    a[lower] = np.linalg.cholesky(a)[lower]


def give(answer, draw, own, damp, level, out):
    out[...] = damp * (draw.T @ (answer @ level) - own * level)
