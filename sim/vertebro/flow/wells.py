"""Well pressure independent of the grid: a three-dimensional Peaceman index from the lattice's own Green function.

A unit source in one cell of an infinite lattice of faces ``t_d = K_d A_d / h_d`` raises the pressure of a cell at
offset ``n`` by ``μ G(n)``, ``G(n) = ∫ Π_d exp(-2 t_d s) I_{n_d}(2 t_d s) ds``. For a cubic lattice
``G(0) = 0.252731/(K h)``: the cell's pressure is the continuum pressure at ``r_eq = 0.31487 h``. On a sphere of radius
``r`` in anisotropic rock it is ``μQ/(4π √(k1k2k3)) R_F(r²/k1, r²/k2, r²/k3)`` (the capacity of an ellipsoid).

A needle thinner than the cell's equivalent sphere gets the difference added, with the viscosity in the cell. A needle
thicker than it is resolved by the grid: its pressure is then a mean over the cells about its surface, with positive
weights, so it stays meaningful while the first cement comes out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import elliprf, ive

Float = NDArray[np.float64]
Cells = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Gauge:
    """How to read a well's pressure: ``Σ weights·p[cells] + index·rate·viscosity``.

    Attributes
    ----------
    cells : (n, 3) int array
    weights : (n,) array, sum 1
    index : float [1/m³]
    """

    cells: Cells
    weights: Float
    index: float


def lattice_green(offsets: ArrayLike, faces: ArrayLike) -> Float:
    """Pressure at cell `offsets` (…, 3) from a unit source of unit viscosity in a lattice of face conductances (3,).

    >>> round(float(lattice_green((0, 0, 0), (1.0, 1.0, 1.0))), 6)
    0.252731
    """
    t = np.asarray(faces, float)
    scale = float(t.mean())
    width = 2 * t / scale
    n = np.abs(np.asarray(offsets))
    cut = 1e4 / float(width.min())
    x, w = _log_panels(1e-9, cut)
    value = np.full(n.shape[:-1], 1e-9)
    product = np.ones((*n.shape[:-1], x.size))
    for d in range(3):
        # few distances along an axis serve many offsets
        known, back = np.unique(n[..., d], return_inverse=True)
        product *= ive(known[:, None], width[d] * x)[back.reshape(n.shape[:-1])]
    value = value + product @ w
    # beyond the cut e^-y I_n(y) = (1 - (4n² - 1)/(8y)) / sqrt(2πy)
    lead = math.prod(1 / math.sqrt(2 * math.pi * v) for v in width)
    first = np.sum((4 * n**2 - 1) / (8 * width), axis=-1)
    out: Float = (value + lead * (2 / math.sqrt(cut) - first * (2 / 3) / cut**1.5)) / scale
    return out


def _log_panels(low: float, high: float) -> tuple[Float, Float]:
    node, weight = np.polynomial.legendre.leggauss(12)
    edges = np.linspace(math.log(low), math.log(high), 41)
    half = np.diff(edges)[:, None] / 2
    u = (edges[:-1, None] + half) + half * node
    x = np.exp(u)
    return x.ravel(), (x * half * weight).ravel()


def well_shares(permeability: Float, active: NDArray[np.bool_]) -> Float:
    """Shares of a well's rate among its cells, sum 1: by mean permeability among those that take part.

    Parameters
    ----------
    permeability : (3, n) array [m²]
    active : (n,) mask of the cells that have a pressure
    """
    share = np.cbrt(permeability[0]) * np.cbrt(permeability[1]) * np.cbrt(permeability[2]) * active
    total = float(share.sum())
    out: Float = share / total if total > 0 else np.full(len(active), 1.0 / len(active))
    return out


def needle_gauge(
    cells: Cells,
    shares: Float,
    permeability: Float,
    spacing: tuple[float, float, float],
    radius: float,
    active: NDArray[np.bool_],
) -> Gauge:
    """Gauge of a spherical needle tip.

    Parameters
    ----------
    cells : (n, 3) int array
    shares : (n,) array
        Shares of the rate, sum 1.
    permeability : (3,) array [m²]
    spacing : tuple of float [m]
    radius : float [m]
    active : (…) mask of the cells that have a pressure
    """
    k, h = np.asarray(permeability, float), np.asarray(spacing, float)
    if not np.all(k > 0):
        return Gauge(cells, shares, 0.0)
    faces = k * h.prod() / h**2
    target = float(elliprf(*(radius**2 / k))) / (4 * math.pi * math.sqrt(k.prod()))
    mean = float(shares @ _source_pressure(cells, cells, shares, faces))
    if target >= mean:
        return Gauge(cells, shares, target - mean)
    near = _neighbourhood(cells, active, np.ceil(radius / h).astype(int) + 2)
    values = _source_pressure(near, cells, shares, faces)
    reach = 0.5 * float(h.max()) / radius
    return _around_sphere(near, values, target, reach, Gauge(cells, shares, 0.0), mean)


def _source_pressure(at: Cells, cells: Cells, shares: Float, faces: Float) -> Float:
    """Lattice pressure at cells `at` from a source spread over `cells`."""
    offsets = np.abs(at[:, None, :] - cells[None, :, :])
    size = tuple(offsets.max(axis=(0, 1)) + 1)
    known, back = np.unique(np.ravel_multi_index(tuple(np.moveaxis(offsets, -1, 0)), size), return_inverse=True)
    green = lattice_green(np.stack(np.unravel_index(known, size), axis=-1), faces)[back].reshape(offsets.shape[:2])
    out: Float = green @ shares
    return out


def _neighbourhood(cells: Cells, active: NDArray[np.bool_], reach: NDArray[np.int64]) -> Cells:
    low = np.maximum(cells.min(axis=0) - reach, 0)
    high = np.minimum(cells.max(axis=0) + reach + 1, active.shape)
    box = active[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    return np.argwhere(box) + low


def _around_sphere(near: Cells, values: Float, target: float, reach: float, own: Gauge, mean: float) -> Gauge:
    """Mean over the cells about the sphere whose lattice pressure is `target`, half a cell to either side.

    `reach` is the relative change of pressure over half a cell. Cells inside and outside the sphere are weighted so
    that the reading is exact in even bone; in uneven bone many cells share the say.
    """
    below = values <= target
    if not below.any():
        return own
    outside = below & (values >= min(target * (1.0 - reach), float(values[below].max()) * (1.0 - 1e-6)))
    outer, lower = near[outside], float(values[outside].mean())
    inside = (values > target) & (values <= target * (1.0 + reach))
    inner, upper, weights = own.cells, mean, own.weights
    if inside.any():
        inner, upper = near[inside], float(values[inside].mean())
        weights = np.full(len(inner), 1.0 / len(inner))
    share = (target - lower) / (upper - lower)
    return Gauge(
        np.concatenate([inner, outer]),
        np.concatenate([share * weights, np.full(len(outer), (1.0 - share) / len(outer))]),
        0.0,
    )
