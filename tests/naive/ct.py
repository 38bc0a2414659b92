"""Naive twins of the CT scanner's kernels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def project_rows(
    image: Array, spans: Array, view: Array, origin: Array, step: Array, first: float, pitch: float, out: Array
) -> None:
    """Where each ray meets each row, a line between the two neighbours; nothing beyond the padding."""
    cols = image.shape[1] - 3
    for index, across, along in view:
        for k in range(out.shape[1]):
            t = first + k * pitch
            for row in range(len(image)):
                y = origin[0] + row * step[0]
                at = ((t - y * along) / across - origin[1]) / step[1]
                low = math.floor(at)
                for i, weight in ((low, 1 - (at - low)), (low + 1, at - low)):
                    if 0 <= i < cols:
                        out[int(index), k] += weight * abs(step[0] / across) * image[row, i + 1]


def tube_chord(o: Any, d: Any, radius: float, ax: Any, length: float) -> float:
    """March along the line in ten-thousandths of the part that can matter."""
    o, d, ax = np.asarray(o, float), np.asarray(d, float), np.asarray(ax, float)
    middle = -float(o @ d) + length / 2 * float(ax @ d)
    reach = radius + length
    x = middle + np.linspace(-reach, reach, 200_001)
    points = o + x[:, None] * d
    along = points @ ax
    off = np.linalg.norm(points - along[:, None] * ax, axis=1)
    return float(((off < radius) & (along >= 0) & (along <= length)).mean() * 2 * reach)


def add_tube(
    directions: Array,
    levels: Array,
    start: Array,
    axis: Array,
    length: float,
    outer: float,
    inner: float,
    first: float,
    pitch: float,
    lanes: Array,
    out: Array,
) -> None:
    """Every ray of every slice, rod minus bore."""
    for (v, (nx, ny)), (j, level) in ((a, b) for a in enumerate(directions) for b in enumerate(levels)):
        for k in range(out.shape[1]):
            t = first + k * pitch
            line = np.array([t * nx, t * ny, level]) - start, (-ny, nx, 0.0)
            path = tube_chord(*line, outer, axis, length)
            if inner > 0:
                path -= tube_chord(*line, inner, axis, length)
            out[v, k, lanes[j]] += path


def weaken(paths: Array, mu: Array, open_beam: Array, out: Array) -> None:
    """Beer and Lambert, energy by energy."""
    for j in range(len(out)):
        loss = np.maximum(paths[:, :, 4 * j : 4 * j + 4], 0).astype(float) @ mu.T.astype(float)
        out[j] = (open_beam * np.exp(-loss)).sum(axis=2)


def weaken_cells(paths: Array, steel: Array, lane: int, mu: Array, open_beam: Array, out: Array) -> None:
    """Finer rays of every cell near steel, tissue interpolated between rays, mean of what they let through."""
    views, rays, _ = paths.shape
    fine = steel.shape[1] // rays
    tissue = paths[:, :, 4 * lane : 4 * lane + 3].astype(float)
    for v, k in np.ndindex(views, rays):
        near = steel[v, max(k - 1, 0) * fine : min(k + 2, rays) * fine, lane]
        if not (near > 0).any():
            continue
        signals = []
        for n in range(fine):
            at = k + (n + 0.5) / fine - 0.5
            here = [np.interp(min(max(at, 0), rays - 1), np.arange(rays), tissue[v, :, m]) for m in range(3)]
            loss = mu.astype(float) @ [*np.maximum(here, 0), steel[v, k * fine + n, lane]]
            signals.append(float((open_beam[k] * np.exp(-loss)).sum()))
        out[v, k] = np.mean(signals)


def spread_cells(lines: Array, centre: float, side: float, out: Array) -> None:
    """Neighbours with the ends repeated."""
    wide = np.pad(lines, ((0, 0), (1, 1)), mode="edge")
    out[:] = centre * lines + side * (wide[:, :-2] + wide[:, 2:])


def straighten(lines: Array, factors: Array, limit: float, out: Array) -> None:
    """Power by power."""
    x = np.minimum(lines.astype(float), limit)
    for n in range(factors.shape[1]):
        out += factors[:, n] * x ** (n + 1)


def back_project(lines: Array, views: Array, half: float, spacing: float, out: Array) -> None:
    """Pixel by pixel."""
    pixels, last = out.shape[1], lines.shape[1] - 1
    out[:] = 0
    for row, col in np.ndindex(out.shape[:2]):
        x, y = (col - (pixels - 1) / 2) * spacing, (row - (pixels - 1) / 2) * spacing
        for line, (c, s) in zip(lines, views, strict=True):
            at = min(max(half + x * c + y * s, 0.0), float(last))
            i = min(math.floor(at), last - 1)
            out[row, col] += (1 - (at - i)) * line[i] + (at - i) * line[i + 1]
