"""The CT scanner's inner loops: line integrals of a slice, needles in its rays, the beam behind them, back-projection.

Eight numbers lie side by side wherever a loop is hot, so that one index serves a whole vector register: in the
sinogram two thin slices of four basis materials, in the back-projection four views that mirror each other, each seen
from both ends.
"""

from __future__ import annotations

import numpy as np

from vertebro._jit import kernel

LANES = 8


@kernel(fastmath=True, nogil=True)
def project_rows(image, spans, view, origin, step, first, pitch, out):  # type: ignore[no-untyped-def]
    """Add line integrals [m] of a slice for views whose rays cross its rows (Joseph: linear along each row).

    Two rows are summed together: half the traffic to the sinogram.

    Parameters
    ----------
    image : (rows, cols + 3, 8) float32
        Eight pictures; an even number of rows; zeros in the first and the last two columns.
    spans : (rows, 2) int64
        First and last + 1 column (before padding) of each row that holds anything.
    view : (views, 3) float64
        Index in `out`, and the share of a step along columns and along rows in the ray's distance from the axis.
    origin, step : (2,) float64 [m]
        Place of row and column 0 relative to the axis of rotation, and their steps.
    first, pitch : float [m]
        Distance of ray 0 from the axis, and from ray to ray.
    out : (all views, rays, 8) float32
        Changed in place.
    """
    rays = out.shape[1]
    top = np.float64(image.shape[1] - 2)
    for v in range(view.shape[0]):
        line = out[int(view[v, 0])]
        across, along = view[v, 1], view[v, 2]
        scale = np.float32(abs(step[0] / across))
        slope = pitch / (across * step[1])
        drift = step[0] * along / (across * step[1])
        for row in range(0, image.shape[0], 2):
            low, high = min(spans[row, 0], spans[row + 1, 0]), max(spans[row, 1], spans[row + 1, 1])
            if low >= high:
                continue
            begin = ((first - origin[0] * along) / across - origin[1]) / step[1] + 1.0 - row * drift
            after = begin - drift
            # rays that come within a pixel of what the two rows hold
            ends = (low - max(begin, after)) / slope, (high + 1 - min(begin, after)) / slope
            k0, k1 = max(int(np.floor(min(ends))), 0), min(int(np.ceil(max(ends))) + 1, rays)
            upper, lower = image[row], image[row + 1]
            for k in range(k0, k1):
                at = min(max(begin + k * slope, 0.0), top)
                i = int(at)
                i_high = np.float32(at - i) * scale
                i_low = scale - i_high
                at = min(max(after + k * slope, 0.0), top)
                j = int(at)
                j_high = np.float32(at - j) * scale
                j_low = scale - j_high
                for m in range(LANES):
                    line[k, m] += (
                        i_low * upper[i, m] + i_high * upper[i + 1, m] + j_low * lower[j, m] + j_high * lower[j + 1, m]
                    )


@kernel(inline=True)
def tube_chord(o, d, radius, ax, length):  # type: ignore[no-untyped-def]
    """Length of the line o + x d, d of length 1, inside a cylinder of `radius` along `ax` from 0 to `length`."""
    slope, along = d[0] * ax[0] + d[1] * ax[1] + d[2] * ax[2], o[0] * ax[0] + o[1] * ax[1] + o[2] * ax[2]
    a = 1.0 - slope * slope
    b = o[0] * d[0] + o[1] * d[1] + o[2] * d[2] - along * slope
    c = o[0] * o[0] + o[1] * o[1] + o[2] * o[2] - along * along - radius * radius
    low, high = -1e9, 1e9
    if a > 1e-12:
        root = b * b - a * c
        if root <= 0.0:
            return 0.0
        root = np.sqrt(root)
        low, high = (-b - root) / a, (root - b) / a
    elif c >= 0.0:
        return 0.0
    if abs(slope) > 1e-12:
        one, two = -along / slope, (length - along) / slope
        low, high = max(low, min(one, two)), min(high, max(one, two))
    elif along < 0.0 or along > length:
        return 0.0
    return max(high - low, 0.0)


@kernel(nogil=True)
def add_tube(directions, levels, start, axis, length, outer, inner, first, pitch, lanes, out):  # type: ignore[no-untyped-def]
    """Add the steel [m] of a straight tube to the rays of thin slices; changes `out` in place.

    Parameters
    ----------
    directions : (views, 2) float64
        Unit vector in the slice along which the rays are counted; they run square to it.
    levels : (n,) float64 [m]
        Height of each thin slice.
    start, axis : (3,) float64 [m]
        Beginning of the tube relative to the axis of rotation, unit vector along it.
    length, outer, inner : float [m]
        Of the tube, and its radii; inner 0 for a solid rod.
    first, pitch : float [m]
        As `project_rows`.
    lanes : (n,) int64
        Where each thin slice keeps its steel.
    out : (views, rays, lanes) float32
    """
    for v in range(directions.shape[0]):
        nx, ny = directions[v, 0], directions[v, 1]
        d = (-ny, nx, 0.0)
        begin = start[0] * nx + start[1] * ny
        end = begin + length * (axis[0] * nx + axis[1] * ny)
        k0 = max(int(np.floor((min(begin, end) - outer - first) / pitch)), 0)
        k1 = min(int(np.ceil((max(begin, end) + outer - first) / pitch)) + 1, out.shape[1])
        for j in range(levels.size):
            for k in range(k0, k1):
                t = first + k * pitch
                o = (t * nx - start[0], t * ny - start[1], levels[j] - start[2])
                path = tube_chord(o, d, outer, axis, length)
                if path > 0.0 and inner > 0.0:
                    path -= tube_chord(o, d, inner, axis, length)
                out[v, k, lanes[j]] += np.float32(path)


@kernel(fastmath=True, nogil=True)
def weaken(paths, mu, open_beam, out):  # type: ignore[no-untyped-def]
    """Signal of each ray: sum over energies of the open beam times exp(-sum of attenuation times path).

    Parameters
    ----------
    paths : (views, rays, 8) float32 [m]
        Two thin slices, each soft tissue, bone, cement and steel; paths below zero count as zero.
    mu : (bins, 4) float32 [1/m]
    open_beam : (rays, bins) float32
    out : (2, views, rays) float32
    """
    views, rays, _ = paths.shape
    bins = mu.shape[0]
    zero = np.float32(0.0)
    for v in range(views):
        for j in range(out.shape[0]):
            for k in range(rays):
                p = paths[v, k, 4 * j : 4 * j + 4]
                soft, bone, cement, steel = max(p[0], zero), max(p[1], zero), max(p[2], zero), max(p[3], zero)
                total = zero
                if soft == zero and bone == zero and cement == zero and steel == zero:
                    for b in range(bins):
                        total += open_beam[k, b]
                else:
                    for b in range(bins):
                        loss = mu[b, 0] * soft + mu[b, 1] * bone + mu[b, 2] * cement + mu[b, 3] * steel
                        total += open_beam[k, b] * np.exp(-loss)
                out[j, v, k] = total


@kernel(fastmath=True, nogil=True)
def weaken_cells(paths, steel, lane, mu, open_beam, out):  # type: ignore[no-untyped-def]
    """Signal of detector cells in or beside the shadow of steel: the mean over finer rays; others stay.

    A mean of exponentials is not the exponential of a mean: this is why sharp metal blooms and streaks.

    Parameters
    ----------
    paths : (views, rays, 8) float32 [m]
        As `weaken`; tissue is linear between rays.
    steel : (views, n rays, 2) float32 [m]
        Through n finer rays of each cell, of two thin slices.
    lane : int
        The slice, 0 or 1.
    mu, open_beam
        As `weaken`.
    out : (views, rays) float32
        Changed in place.
    """
    views, rays, _ = paths.shape
    fine = steel.shape[1] // rays
    zero = np.float32(0.0)
    for v in range(views):
        for k in range(rays):
            some = False
            for n in range(max(k - 1, 0) * fine, min(k + 2, rays) * fine):
                if steel[v, n, lane] > zero:
                    some = True
            if not some:
                continue
            total = zero
            for n in range(fine):
                off = np.float32((n + 0.5) / fine - 0.5)
                other = min(max(k + (1 if off > zero else -1), 0), rays - 1)
                share = abs(off)
                metal = steel[v, k * fine + n, lane]
                for b in range(mu.shape[0]):
                    loss = mu[b, 3] * metal
                    for m in range(3):
                        here, there = paths[v, k, 4 * lane + m], paths[v, other, 4 * lane + m]
                        loss += mu[b, m] * max((np.float32(1.0) - share) * here + share * there, zero)
                    total += open_beam[k, b] * np.exp(-loss)
            out[v, k] = total / np.float32(fine)


@kernel(fastmath=True, nogil=True)
def spread_cells(lines, centre, side, out):  # type: ignore[no-untyped-def]
    """Each line blurred by three taps; the ends repeat.

    Parameters
    ----------
    lines, out : (n, rays) float32
        Not the same memory.
    centre, side : float32
    """
    last = lines.shape[1] - 1
    for v in range(lines.shape[0]):
        for k in range(lines.shape[1]):
            out[v, k] = centre * lines[v, k] + side * (lines[v, max(k - 1, 0)] + lines[v, min(k + 1, last)])


@kernel(fastmath=True, nogil=True)
def straighten(lines, factors, limit, out):  # type: ignore[no-untyped-def]
    """Add a polynomial of each ray's attenuation without constant term, of its own coefficients; changes `out`.

    Parameters
    ----------
    lines : (views, rays) float32
        Attenuation, -log of the measured share.
    factors : (rays, degree) float32
        Of the first power, the second …
    limit : float32
        Larger attenuations count as this one.
    out : (views, rays) float32
    """
    degree = factors.shape[1]
    for v in range(lines.shape[0]):
        for k in range(lines.shape[1]):
            x = min(lines[v, k], limit)
            value = factors[k, degree - 1]
            for n in range(degree - 2, -1, -1):
                value = value * x + factors[k, n]
            out[v, k] += value * x


@kernel(fastmath=True, nogil=True)
def back_project(lines, views, half, spacing, out):  # type: ignore[no-untyped-def]
    """Back-project views between 0 and 45 degrees, and with them those that mirror them.

    A pixel (row, col) and its opposite through the middle see a view at the same place from either end.

    Parameters
    ----------
    lines : (views, rays, 8) float32
        Filtered; lanes 0 to 3 four mirrored views, 4 to 7 the same with the rays counted from the other end.
    views : (views, 2) float64
        Cosine and sine.
    half : float
        Index of the ray through the middle of the picture.
    spacing : float
        Pixel over distance of rays.
    out : ((pixels + 1) // 2, pixels, 8) float32
        Upper half of the picture; overwritten. Rays beyond the ends of a line count as its ends.
    """
    pixels = out.shape[1]
    last = lines.shape[1] - 2
    for row in range(out.shape[0]):
        line_out = out[row]
        line_out[:] = 0
        y = (row - (pixels - 1) / 2) * spacing
        for v in range(views.shape[0]):
            step = views[v, 0] * spacing
            begin = half + y * views[v, 1] - step * (pixels - 1) / 2
            line = lines[v]
            # the whole row lies within the line: views up to 45 degrees run upwards
            if begin >= 0.0 and begin + step * (pixels - 1) < last + 1:
                for col in range(pixels):
                    at = begin + col * step
                    i = int(at)
                    share = np.float32(at - i)
                    for m in range(LANES):
                        line_out[col, m] += line[i, m] + share * (line[i + 1, m] - line[i, m])
            else:
                for col in range(pixels):
                    at = min(max(begin + col * step, 0.0), last + 1.0)
                    i = min(int(at), last)
                    share = np.float32(at - i)
                    for m in range(LANES):
                        line_out[col, m] += line[i, m] + share * (line[i + 1, m] - line[i, m])
