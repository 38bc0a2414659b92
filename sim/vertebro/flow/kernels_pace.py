"""Kernels of the step's length: how fast the front moves, and where the injected fluid is."""

import numpy as np

from vertebro._jit import kernel


@kernel(nogil=True)
def front_speed(s, pore, source, active, p, t, first, end, found):
    """Free pore volume [m³] of the front and speed of its fastest cell [cells/s] in planes ``[first, end)``.

    Front cells are part filled, at a well, or beside a cell more than half full. A cell's speed is what flows in from
    cells with injected fluid over its pore volume. found : (2, planes).
    """
    for i in range(first, end):
        room = fastest = 0.0
        for j in range(1, s.shape[1] - 1):
            for k in range(1, s.shape[2] - 1):
                here = s[i, j, k]
                if here >= 1.0 or not active[i, j, k]:
                    continue
                near, rate = here > 0.0 or source[i, j, k] > 0.0, source[i, j, k]
                for d in range(3):
                    for side in range(2):
                        a = i + (d == 0) * (1 - 2 * side)
                        b = j + (d == 1) * (1 - 2 * side)
                        c = k + (d == 2) * (1 - 2 * side)
                        if s[a, b, c] > 0.5:
                            near = True
                            face = t[d, i, j, k] if side == 0 else t[d, a, b, c]
                            rate += max(0.0, face * (p[a, b, c] - p[i, j, k]))
                if near:
                    room += (1.0 - here) * pore[i, j, k]
                    fastest = max(fastest, rate / pore[i, j, k])
        found[0, i], found[1, i] = room, fastest


@kernel(nogil=True)
def wet_cells(s, t, p, half, storage, scale, first, end, index, rates):
    """List the cells with injected fluid in planes ``[first, end)`` and their Darcy shear rates [1/s].

    index : flat indices in the box. rates : beside them, as `kernels.shear_rates`. Returns how many there are.
    """
    nj, nk = s.shape[1], s.shape[2]
    count = 0
    for i in range(first, end):
        for j in range(1, nj - 1):
            for k in range(1, nk - 1):
                if s[i, j, k] <= 0.0:
                    continue
                total = 0.0
                for d in range(3):
                    a, b, c = d == 0, d == 1, d == 2
                    ahead = t[d, i, j, k] * (p[i, j, k] - p[i + a, j + b, k + c])
                    behind = t[d, i - a, j - b, k - c] * (p[i - a, j - b, k - c] - p[i, j, k])
                    total += (ahead * ahead + behind * behind) * half[d, i, j, k]
                index[count] = (i * nj + j) * nk + k
                rates[count] = scale * np.sqrt(total / storage[i, j, k])
                count += 1
    return count


@kernel
def front_room(s, pore, source, active):
    """Free pore volume [m³] of the front cells: part filled, at a well, or beside one more than half full."""
    total = 0.0
    for i in range(1, s.shape[0] - 1):
        for j in range(1, s.shape[1] - 1):
            here, a, b, c, d = s[i, j], s[i - 1, j], s[i + 1, j], s[i, j - 1], s[i, j + 1]
            for k in range(1, s.shape[2] - 1):
                most = max(max(a[k], b[k]), max(c[k], d[k]), max(here[k - 1], here[k + 1]))
                if here[k] < 1.0 and (most > 0.5 or here[k] > 0.0 or source[i, j, k] > 0.0) and active[i, j, k]:
                    total += (1.0 - here[k]) * pore[i, j, k]
    return total
