"""The heat kernels once more, slow and obvious: loops over cells and faces, closed forms by plain Python floats."""

from __future__ import annotations

import itertools
import math


def box_cells(strides, low, high, planes=None):
    """Flat indices of the cells of a box."""
    first, end = planes or (low[0], high[0])
    ranges = (range(first, end), range(low[1], high[1]), range(low[2], high[2]))
    return [int(sum(a * s for a, s in zip(cell, strides, strict=True))) for cell in itertools.product(*ranges)]


def faces_of(i, strides):
    """(neighbour, axis, cell that owns the face, sign of a value that points away from i) of the six faces."""
    for d, s in enumerate(int(s) for s in strides):
        yield i + s, d, i, 1.0
        yield i - s, d, i - s, -1.0


# routes ----------------------------------------------------------------------------------------------------------


def route_injected(order, q, strides, gain, share, well, injecting, moved, supply, drain):
    for i in [int(i) for i in reversed(order)]:
        faces = list(faces_of(i, strides))
        handed_on = sum(max(0.0, sign * moved[d, owner]) for _, d, owner, sign in faces)
        need = gain[i] + drain[i] + handed_on
        offers = {(j, d, owner, sign): max(0.0, -sign * q[d, owner]) * share[j] for j, d, owner, sign in faces}
        total = sum(offers.values())
        if need < 0.0:
            drain[i] -= need
        elif need > 0.0 and (total == 0.0 or (injecting and well[i])):
            supply[i] += need
        elif need > 0.0:
            for (_, d, owner, sign), offer in offers.items():
                if offer > 0.0:
                    moved[d, owner] += -sign * need * offer / total


def route_displaced(order, q, strides, gain, inside, moved, drain):
    for i in [int(i) for i in order]:
        faces = list(faces_of(i, strides))
        have = gain[i] + sum(max(0.0, -sign * moved[d, owner]) for _, d, owner, sign in faces)
        ways = [(j, d, owner, sign, sign * q[d, owner]) for j, d, owner, sign in faces if sign * q[d, owner] > 0.0]
        down = sum(way[-1] for way in ways)
        if have <= 0.0 or down == 0.0:
            drain[i] += have
            continue
        for j, d, owner, sign, flux in ways:
            if inside[j]:
                moved[d, owner] = sign * have * flux / down
            else:
                drain[i] += have * flux / down


def transport_heat(order, strides, thick, thin, supply, drain_thick, drain_thin, inlet, part, theta, fields, books):
    conversion, age, volume, slim = fields[:4]
    hot, young, old, c, m = inlet
    for i in [int(i) for i in order]:
        arriving = [(part * supply[i], 0.0, hot, young, old)]
        leaving = part * drain_thick[i]
        for j, d, owner, sign in faces_of(i, strides):
            x, y = -sign * thick[d, owner] * part, -sign * thin[d, owner] * part
            arriving.append((max(x, 0.0), max(y, 0.0), theta[j], conversion[j], age[j]))
            leaving += max(-x, 0.0)
        capacity = 1.0 / slim[i]
        carried = [(c * x + m * y, t) for x, y, t, _, _ in arriving]
        theta[i] = (capacity * theta[i] + sum(w * t for w, t in carried)) / (capacity + sum(w for w, _ in carried))
        came, held = sum(a[0] for a in arriving), volume[i]
        if came > 0.0:
            conversion[i] = (held * conversion[i] + sum(a[0] * a[3] for a in arriving)) / (held + came)
            age[i] = (held * age[i] + sum(a[0] * a[4] for a in arriving)) / (held + came)
        volume[i] = max(0.0, held + came - leaving)
        slim[i] = 1.0 / (capacity + (c - m) * (volume[i] - held))
        books[0] += c * part * supply[i] * hot
        books[1] += part * (c * drain_thick[i] + m * drain_thin[i]) * theta[i]


# conduction ------------------------------------------------------------------------------------------------------


def link(k, volume, gain, scale, strides, low, high, g):
    cells = set(box_cells(strides, low, high))
    for i in cells:
        for d, s in enumerate(strides):
            if i + int(s) in cells:
                a, b = (k[j] + gain * volume[j] for j in (i, i + int(s)))
                g[d, i] = 0.0 if a + b == 0.0 else 2.0 * scale[d] * a * b / (a + b)


def stiffest(g, slim, volume, gain, strides, low, high):
    worst = 0.0
    for i in box_cells(strides, low, high):
        total = sum(float(g[d, owner]) for _, d, owner, _ in faces_of(i, strides))
        before = 1.0 / slim[i]
        worst = max(worst, total / min(before, before + gain * volume[i]))
    return worst


def conduct(theta, out, g, slim, dt, old, strides, low, high, first, end):
    for i in box_cells(strides, low, high, (first, end)):
        inflow = sum(float(g[d, owner]) * (theta[j] - theta[i]) for j, d, owner, _ in faces_of(i, strides))
        out[i] = old * out[i] + (1.0 - old) * theta[i] + dt * slim[i] * inflow


def leaving(theta, g, low, high):
    total, shape = 0.0, theta.shape
    strides = (shape[1] * shape[2], shape[2], 1)
    cells = set(box_cells(strides, low, high))
    flat, faces = theta.reshape(-1), g.reshape(3, -1)
    for i in cells:
        for j, d, owner, _ in faces_of(i, strides):
            if j not in cells:
                total += float(faces[d, owner]) * (flat[i] - flat[j])
    return total


def perfuse(theta, slim, flow, dt, strides, low, high):
    total = 0.0
    for i in box_cells(strides, low, high):
        x = min(1.0, dt * flow[i] * slim[i] / 2.0)
        before = theta[i]
        theta[i] = before * (1.0 - x) / (1.0 + x)
        total += (before - theta[i]) / slim[i]
    return total


# cure and exposure -----------------------------------------------------------------------------------------------


def condense(i, theta, latent, slim, boiling):
    if theta[i] > boiling:
        latent[i] += (theta[i] - boiling) / slim[i]
        theta[i] = boiling
    elif latent[i] > 0.0:
        given = min(latent[i], (boiling - theta[i]) / slim[i])
        latent[i] -= given
        theta[i] += given * slim[i]


def cure(cells, theta, fields, law, body, dt, most, books):
    conversion, age, volume, slim, latent = fields
    heat, half, shape, warm, reference, boiling, vapour = law
    largest = 0.0

    def after(p, step, t):
        """Conversion after a step at a temperature, and the clock's speed there."""
        speed = math.exp(warm * (1.0 / reference - 1.0 / (body + t)))
        z = half * (p / (1.0 - p)) ** (1.0 / shape) + speed * step
        return 1.0 / (1.0 + (z / half) ** -shape) if z > 0.0 else 0.0, speed

    for i in [int(i) for i in cells]:
        if vapour > 0.0 and volume[i] > 0.0:
            condense(i, theta, latent, slim, boiling - body)
        if volume[i] == 0.0 or conversion[i] > 0.9999:
            continue
        start, p, left = conversion[i], conversion[i], dt
        rise = heat * volume[i] * slim[i]
        while left > 0.0:
            step, t = left, theta[i]
            for _ in ("at the start's temperature", "at the middle's"):
                q, speed = after(p, step, t)
                while rise * (q - p) > most and step > 1e-6 * dt:
                    step /= 2.0
                    q, speed = after(p, step, t)
                t = theta[i] + rise * (q - p) / 2.0
                if t - theta[i] < 0.02:
                    break
            if vapour > 0.0:
                q = min(q, max(p, 1.0 - latent[i] / (vapour * volume[i])))
            theta[i] += rise * (q - p)
            if vapour > 0.0:
                condense(i, theta, latent, slim, boiling - body)
            age[i] += speed * step
            p, left = q, left - step
        conversion[i] = p
        books[2] += heat * volume[i] * (p - start)
        largest = max(largest, rise * (p - start))
    return largest


def note_peak(theta, body, strides, low, high, peak):
    for i in box_cells(strides, low, high):
        peak[i] = max(peak[i], body + theta[i])


def expose(theta, body, dt, strides, low, high, law, dose, damage, above, limits):
    for i in box_cells(strides, low, high):
        t = body + theta[i]
        if t > law[2]:
            dose[i] += dt / 60.0 * (0.5 if t >= 316.15 else 0.25) ** (316.15 - t)
            damage[i] += dt * math.exp(law[0] - law[1] / t)
            for n, limit in enumerate(limits):
                above[n, i] += dt if t > limit else 0.0
