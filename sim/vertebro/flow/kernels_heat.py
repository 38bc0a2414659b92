"""Kernels of the heat: who carried what through which face, implicit upwind transport, conduction, cure, exposure.

Arrays are padded by one ghost cell; `g[d]` and the face volumes `[d]` belong to the face to the next cell, positive
towards it. Opposite faces are summed first: mirrored data give mirrored bits. Temperatures `theta` are differences to
the body's [K].
"""

import numpy as np

from vertebro._jit import kernel


@kernel
def route_injected(order, q, strides, gain, share, well, injecting, moved, supply, drain):
    """Face volumes `moved` [m³] of the injected fluid that explain each cell's `gain` [m³]; flat arrays.

    Cells are taken by rising pressure, so what a cell hands on is known when it is reached; it asks its upstream
    neighbours for the sum, in proportion to flux times injected share. A needle's cells, and cells without such a
    neighbour, are served by `supply`; a surplus leaves by `drain`, which enters as what the outlets took.
    """
    for n in range(order.size - 1, -1, -1):
        i = order[n]
        need, offered = gain[i] + drain[i], 0.0
        for d in range(3):
            s = strides[d]
            need += max(moved[d, i], 0.0) + max(-moved[d, i - s], 0.0)
            offered += max(-q[d, i], 0.0) * share[i + s] + max(q[d, i - s], 0.0) * share[i - s]
        if need < 0.0:
            drain[i] -= need
        elif need > 0.0 and (offered == 0.0 or (injecting and well[i])):
            supply[i] += need
        elif need > 0.0:
            for d in range(3):
                s = strides[d]
                if q[d, i] < 0.0:
                    moved[d, i] += need * q[d, i] * share[i + s] / offered
                if q[d, i - s] > 0.0:
                    moved[d, i - s] += need * q[d, i - s] * share[i - s] / offered


@kernel
def route_displaced(order, q, strides, gain, inside, moved, drain):
    """Face volumes `moved` [m³] of the displaced fluid: each cell passes on its inflow and what was pushed out of it.

    Cells are taken by falling pressure and split in proportion to flux; what leaves the box, or meets no lower cell
    (an outlet), goes to `drain` [m³].
    """
    for n in range(order.size):
        i = order[n]
        have, down = gain[i], 0.0
        for d in range(3):
            s = strides[d]
            have += max(-moved[d, i], 0.0) + max(moved[d, i - s], 0.0)
            down += max(q[d, i], 0.0) + max(-q[d, i - s], 0.0)
        if have <= 0.0 or down == 0.0:
            drain[i] += have
            continue
        for d in range(3):
            s = strides[d]
            for side in range(2):
                flux = q[d, i] if side == 0 else -q[d, i - s]
                if flux <= 0.0:
                    continue
                part = have * flux / down
                if not inside[i + s if side == 0 else i - s]:
                    drain[i] += part
                elif side == 0:
                    moved[d, i] = part
                else:
                    moved[d, i - s] = -part


@kernel
def transport_heat(order, strides, thick, thin, supply, drain_thick, drain_thin, inlet, part, theta, fields, books):
    """Carry heat, conversion and cure age through the faces: implicit upwind in the order of falling pressure.

    thick, thin : (3, cells) volumes [m³] of the injected and the displaced fluid in the whole round, of which this
    call moves the share `part`. inlet : theta, conversion and cure age of what enters, heat capacities [J/(m³·K)] of
    the injected and the displaced fluid. fields (5, cells) : conversion, cure age, injected volume [m³], 1/heat
    capacity [K/J], heat in vapour [J]. books : adds injected heat and heat carried away [J].
    """
    conversion, age, volume, slim = fields[0], fields[1], fields[2], fields[3]
    hot, young, old, c, m = inlet[0], inlet[1], inlet[2], inlet[3], inlet[4]
    for n in range(order.size):
        i = order[n]
        v_in = c_in = t_in = p_in = a_in = v_out = 0.0
        for d in range(3):
            v2 = c2 = t2 = p2 = a2 = o2 = 0.0
            for side in range(2):
                j = i + strides[d] if side == 0 else i - strides[d]
                x = -thick[d, i] if side == 0 else thick[d, j]
                y = -thin[d, i] if side == 0 else thin[d, j]
                if x > 0.0:
                    v2 += x
                    p2 += x * conversion[j]
                    a2 += x * age[j]
                else:
                    o2 -= x
                carried = c * max(x, 0.0) + m * max(y, 0.0)
                c2 += carried
                t2 += carried * theta[j]
            v_in, c_in, t_in, v_out = v_in + v2, c_in + c2, t_in + t2, v_out + o2
            p_in, a_in = p_in + p2, a_in + a2
        fresh = part * supply[i]
        v_in, p_in, a_in = part * v_in + fresh, part * p_in + fresh * young, part * a_in + fresh * old
        c_in, t_in = part * c_in + c * fresh, part * t_in + c * fresh * hot
        v_out = part * (v_out + drain_thick[i])
        before, held = 1.0 / slim[i], volume[i]
        theta[i] = (before * theta[i] + t_in) / (before + c_in)
        if v_in > 0.0:
            conversion[i] = (held * conversion[i] + p_in) / (held + v_in)
            age[i] = (held * age[i] + a_in) / (held + v_in)
        volume[i] = max(0.0, held + v_in - v_out)
        slim[i] = 1.0 / (before + (c - m) * (volume[i] - held))
        books[0] += c * fresh * hot
        books[1] += part * (c * drain_thick[i] + m * drain_thin[i]) * theta[i]


@kernel
def link(k, volume, gain, scale, strides, low, high, g):
    """Face conductances `g` [W/K] inside a box: harmonic means of the conductivities k + gain·volume; flat arrays.

    scale (3,) : face area over distance [m]. Faces on the box's sides are left alone.
    """
    n = high[2] - low[2]
    for i in range(low[0], high[0]):
        for j in range(low[1], high[1]):
            c = i * strides[0] + j * strides[1] + low[2]
            for d in range(3):
                s = strides[d]
                if (d == 0 and i == high[0] - 1) or (d == 1 and j == high[1] - 1):
                    continue
                mine, next_, v, w = k[c : c + n], k[c + s : c + s + n], volume[c : c + n], volume[c + s : c + s + n]
                row, twice = g[d, c : c + n], 2.0 * scale[d]
                for m in range(n - (d == 2)):
                    a, b = mine[m] + gain * v[m], next_[m] + gain * w[m]
                    # a hair keeps two insulators from dividing 0 by 0
                    row[m] = twice * a * b / (a + b + 1e-300)


@kernel
def stiffest(g, slim, volume, gain, strides, low, high):
    """Largest Σg/C [1/s] of a box, C the smaller heat capacity before and after `volume` grows by `gain` [m³·J/K]."""
    s, u, n = strides[0], strides[1], high[2] - low[2]
    worst = 0.0
    for i in range(low[0], high[0]):
        for j in range(low[1], high[1]):
            c = i * s + j * u + low[2]
            for k in range(c, c + n):
                total = (g[0, k] + g[0, k - s]) + (g[1, k] + g[1, k - u]) + (g[2, k] + g[2, k - 1])
                worst = max(worst, total * max(slim[k], 1.0 / (1.0 / slim[k] + gain * volume[k])))
    return worst


@kernel(nogil=True)
def conduct(theta, out, g, slim, dt, old, strides, low, high, first, end):
    """One stage of conduction on the planes ``[first, end)`` of a box; flat arrays, `g` [W/K], `slim` [K/J].

    ``out = old·out + (1 - old)·theta + dt·(conduction of theta)``: an explicit step with old = 0, a stage of a
    Runge-Kutta-Legendre method with the negative weight of the stage before.
    """
    s, u, n = strides[0], strides[1], high[2] - low[2]
    for i in range(first, end):
        for j in range(low[1], high[1]):
            # flat slices: with rows of 3-D arrays the compiler gives up vectorising, three times slower
            c = i * s + j * u + low[2]
            mine, row, w = theta[c : c + n], out[c : c + n], slim[c : c + n]
            ax, bx, gx, hx = (
                theta[c + s : c + s + n],
                theta[c - s : c - s + n],
                g[0, c : c + n],
                g[0, c - s : c - s + n],
            )
            ay, by, gy, hy = (
                theta[c + u : c + u + n],
                theta[c - u : c - u + n],
                g[1, c : c + n],
                g[1, c - u : c - u + n],
            )
            az, bz, gz, hz = (
                theta[c + 1 : c + 1 + n],
                theta[c - 1 : c - 1 + n],
                g[2, c : c + n],
                g[2, c - 1 : c - 1 + n],
            )
            for k in range(n):
                t = mine[k]
                x = gx[k] * (ax[k] - t) + hx[k] * (bx[k] - t)
                y = gy[k] * (ay[k] - t) + hy[k] * (by[k] - t)
                z = gz[k] * (az[k] - t) + hz[k] * (bz[k] - t)
                row[k] = old * row[k] + (1.0 - old) * t + dt * w[k] * (x + y + z)


@kernel
def leaving(theta, g, low, high):
    """Heat flow [W] out of a box through its six sides; a side's faces have g = 0 where the box is closed."""
    total = 0.0
    for i in range(low[0], high[0]):
        for j in range(low[1], high[1]):
            a, b = low[2], high[2]
            total += g[2, i, j, b - 1] * (theta[i, j, b - 1] - theta[i, j, b])
            total += g[2, i, j, a - 1] * (theta[i, j, a] - theta[i, j, a - 1])
        for k in range(low[2], high[2]):
            a, b = low[1], high[1]
            total += g[1, i, b - 1, k] * (theta[i, b - 1, k] - theta[i, b, k])
            total += g[1, i, a - 1, k] * (theta[i, a, k] - theta[i, a - 1, k])
    for j in range(low[1], high[1]):
        for k in range(low[2], high[2]):
            a, b = low[0], high[0]
            total += g[0, b - 1, j, k] * (theta[b - 1, j, k] - theta[b, j, k])
            total += g[0, a - 1, j, k] * (theta[a, j, k] - theta[a - 1, j, k])
    return total


@kernel
def perfuse(theta, slim, flow, dt, strides, low, high):
    """Let blood at body temperature cool a box: `flow` [W/K]; second order in dt. Returns the heat it took [J]."""
    total, size = 0.0, high[2] - low[2]
    for i in range(low[0], high[0]):
        for j in range(low[1], high[1]):
            c = i * strides[0] + j * strides[1] + low[2]
            row, w, blood = theta[c : c + size], slim[c : c + size], flow[c : c + size]
            for k in range(size):
                x = min(1.0, 0.5 * dt * blood[k] * w[k])
                before = row[k]
                row[k] = before * (1.0 - x) / (1.0 + x)
                total += before * 2.0 * x / (w[k] * (1.0 + x))
    return total


@kernel
def condense(i, theta, latent, slim, boiling):
    """Move heat between warmth and vapour so that a cell stays at the boiling point while it holds vapour."""
    over = theta[i] - boiling
    if over > 0.0 or latent[i] > 0.0:
        heat = max(over / slim[i], -latent[i])
        latent[i] += heat
        theta[i] -= heat * slim[i]


@kernel
def cure(cells, theta, fields, law, body, dt, most, books):
    """Cure the injected fluid of the listed cells (flat arrays) over `dt` by the log-logistic law and heat them.

    The update of a sub-step is exact at the temperature of its middle; sub-steps are halved until one heats by less
    than `most` [K], so the runaway is followed whatever `dt`. What boils cannot cure until it condenses. fields : as in
    `transport_heat`. law : heat [J/m³], set time [s], shape, E/R [K], reference [K], boiling point [K], heat of
    vaporisation of all monomer [J/m³]. books : adds the reaction heat [J]. Returns the largest rise [K].
    """
    conversion, age, volume, slim, latent = fields[0], fields[1], fields[2], fields[3], fields[4]
    heat, half, shape, warm, reference = law[0], law[1], law[2], law[3], law[4]
    boils, vapour = law[6] > 0.0, law[6]
    largest = 0.0
    for n in range(cells.size):
        i = cells[n]
        if volume[i] == 0.0:
            continue
        if boils:
            condense(i, theta, latent, slim, law[5] - body)
        if conversion[i] > 0.9999:
            continue
        start = p = conversion[i]
        power = heat * volume[i] * slim[i]
        x = (p / (1.0 - p)) ** (1.0 / shape) if p < 1.0 else np.inf
        left = dt
        while left > 0.0:
            step, ahead = left, theta[i]
            for _ in range(2):
                speed = np.exp(warm * (1.0 / reference - 1.0 / (body + ahead)))
                after = x + speed * step / half
                q = 1.0 / (1.0 + after ** (-shape))
                while power * (q - p) > most and step > 1e-6 * dt:
                    step *= 0.5
                    after = x + speed * step / half
                    q = 1.0 / (1.0 + after ** (-shape))
                # the second time at the temperature of the sub-step's middle, unless that hardly differs
                ahead = theta[i] + 0.5 * power * (q - p)
                if ahead - theta[i] < 0.02:
                    break
            liquid = 1.0 - latent[i] / (vapour * volume[i]) if boils else 1.0
            if q > liquid:
                q = max(p, liquid)
                after = (q / (1.0 - q)) ** (1.0 / shape) if q < 1.0 else np.inf
            q = max(p, q)
            theta[i] += power * (q - p)
            if boils:
                condense(i, theta, latent, slim, law[5] - body)
            age[i] += speed * step
            p, x = q, after
            left -= step
        conversion[i] = p
        books[2] += heat * volume[i] * (p - start)
        largest = max(largest, power * (p - start))
    return largest


@kernel
def note_peak(theta, body, strides, low, high, peak):
    """Keep the highest temperature [K] of each cell of a box; flat arrays."""
    n = high[2] - low[2]
    for i in range(low[0], high[0]):
        for j in range(low[1], high[1]):
            c = i * strides[0] + j * strides[1] + low[2]
            row, top = theta[c : c + n], peak[c : c + n]
            for k in range(n):
                t = np.float32(body + row[k])
                top[k] = t if t > top[k] else top[k]


@kernel
def expose(theta, body, dt, strides, low, high, law, dose, damage, above, limits):
    """Add `dt` seconds at the present temperature to what a box has lived through; flat arrays.

    law : ln A, E/R [K] of the damage integral, temperature [K] below which nothing counts. dose : CEM43 [min]. limits
    (2,) [K] of the dwell times `above` (2, …) [s].
    """
    n = high[2] - low[2]
    for i in range(low[0], high[0]):
        for j in range(low[1], high[1]):
            c = i * strides[0] + j * strides[1] + low[2]
            row = theta[c : c + n]
            warm = 0
            for k in range(n):
                warm += row[k] > law[2] - body
            if warm == 0:
                continue
            for k in range(n):
                t = body + row[k]
                if t > law[2]:
                    over = t - 316.15
                    dose[c + k] += dt / 60.0 * np.exp(np.log(2.0) * (over if over >= 0.0 else 2.0 * over))
                    damage[c + k] += dt * np.exp(law[0] - law[1] / t)
                    for m in range(2):
                        if t > limits[m]:
                            above[m, c + k] += dt
