r"""How ducts in bone exchange fluid with the voxels around them, the same on every grid.

A duct of radius a in bone of permeability K takes, per length, ``2 π K (p(ρ) − p_duct) / (μ ln(ρ/a))`` from a cylinder
of radius ρ (Peaceman's well). Voxels are often wider than the duct, so the exchange is spread over the voxels within a
reach ρ of its axis, weight ``w ∝ 1 − (r/ρ)²``, and the strength is chosen so that the spread exchange
``G w (p − p_duct)`` takes what the duct itself would: with ``x = r/ρ`` and ``G = 2 π K g``, pressure obeys
``(x y')'/x = 4 g (1 − x²) y``, and g is where ``y(1)/y'(1) = ln(ρ/a)``. The reach does not know voxels up to 1.1 mm, so
refinement changes nothing but the quadrature. In anisotropic bone K is ``√(det K / t·K t)`` along the duct's direction
t: the geometric mean of the two across it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.network import VeinNetwork
from vertebro.grid import VoxelGrid
from vertebro.sources import Constant

REACH = Constant(1.25e-3, "m", 1.0e-3, 2e-3, "vertebro", "ours", "spread of a thin duct's exchange")
WIDER = 1.25  # least reach of a wide duct, in radii
COARSE = 1.1  # least reach, in voxels
SAMPLE = 0.25e-3  # m, along a duct
_TERMS = 30

Float = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Coupling:
    """Exchange between nodes and voxels: flow = conductance / viscosity × (voxel pressure − node pressure).

    Attributes
    ----------
    node : (k,) int array
    cell : (k, 3) int array
    conductance : (k,) float array [m³]
    """

    node: NDArray[np.int64]
    cell: NDArray[np.int64]
    conductance: Float


def couple(network: VeinNetwork, grid: VoxelGrid, permeability: Float, bone: NDArray[np.bool_]) -> Coupling:
    """Exchange of all ducts inside bone with the bone's voxels; slits have their own (`network_slits`).

    Parameters
    ----------
    network : VeinNetwork
    grid : VoxelGrid
    permeability : (3, …) float array [m²]
    bone : (…) bool array
        Voxels that a duct may drink from.

    Returns
    -------
    Coupling
        Sorted by node, then voxel; one entry for each pair.
    """
    numbers: list[NDArray[np.int64]] = []
    values: list[Float] = []
    for segment in np.flatnonzero(network.inside & ~network.slit):
        node, cell, value = _segment(network, int(segment), grid, permeability, bone)
        numbers.append(node * grid.size + cell)
        values.append(value)
    if not numbers:
        return Coupling(node=np.zeros(0, np.int64), cell=np.zeros((0, 3), np.int64), conductance=np.zeros(0))
    pair, back = np.unique(np.concatenate(numbers), return_inverse=True)
    cells = np.stack(np.unravel_index(pair % grid.size, grid.shape), axis=1).astype(np.int64)
    total = np.zeros(len(pair))
    np.add.at(total, back, np.concatenate(values))
    return Coupling(node=pair // grid.size, cell=cells, conductance=total)


def _segment(
    network: VeinNetwork, segment: int, grid: VoxelGrid, permeability: Float, bone: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64], Float]:
    """Node numbers, flat cells and conductances [m³] of one segment; each half drinks for its own node."""
    ends = network.segments[segment]
    a, b = network.nodes[ends]
    radius, length = float(network.radius[segment]), float(network.length[segment])
    reach = max(float(REACH), WIDER * radius, COARSE * max(grid.spacing))
    count = max(2 * int(np.ceil(length / SAMPLE / 2)), 2)
    along = (np.arange(count) + 0.5) / count
    near = _near(grid, a, b, reach)
    near = near[bone[tuple(near.T)]]
    if not len(near):
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    weight = _cover(grid, near, a + along[:, None] * (b - a), b - a, reach)
    total = weight.sum(axis=1, keepdims=True)
    share = np.divide(weight, total, out=np.zeros_like(weight), where=total > 0.0)
    halves = share.reshape(2, count // 2, len(near)).sum(axis=1) / count
    across = _across(permeability[(slice(None), *near.T)], (b - a) / max(float(np.linalg.norm(b - a)), 1e-12))
    strength = 2.0 * np.pi * spread_strength(np.log(reach / radius)) * length * across
    node = np.repeat(ends, len(near))
    value = (halves * strength).ravel()
    flat = np.tile(np.ravel_multi_index(tuple(near.T), grid.shape), 2)
    return node[value > 0], flat[value > 0], value[value > 0]


def _cover(grid: VoxelGrid, cells: NDArray[np.int64], samples: Float, direction: Float, reach: float) -> Float:
    """(samples, cells) weight 1 − (r/ρ)² of each sample's slice, mean over eight points of every voxel."""
    corner = 0.25 * np.asarray(grid.spacing)
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    centre = grid.world(cells)
    tangent = direction / max(float(np.linalg.norm(direction)), 1e-12)
    thick = 0.5 * max(grid.spacing) + 0.5 * float(np.linalg.norm(direction)) / len(samples)
    weight = np.zeros((len(samples), len(cells)))
    for sign in signs:
        away = (centre + sign * corner)[None] - samples[:, None]
        ahead = away @ tangent
        beside = np.einsum("nkd,nkd->nk", away, away) - ahead**2
        weight += np.clip(1.0 - beside / reach**2, 0.0, None) * np.clip(1.0 - np.abs(ahead) / (2 * thick), 0.0, None)
    return weight


def _near(grid: VoxelGrid, a: Float, b: Float, reach: float) -> NDArray[np.int64]:
    """(n, 3) voxels in the box around a line, widened by `reach` [m]."""
    margin = reach + max(grid.spacing)
    low = np.maximum(np.floor(grid.index(np.minimum(a, b) - margin)).astype(int), 0)
    high = np.minimum(np.ceil(grid.index(np.maximum(a, b) + margin)).astype(int) + 1, grid.shape)
    box = [np.arange(x, max(x, y)) for x, y in zip(low, high, strict=True)]
    return np.stack(np.meshgrid(*box, indexing="ij"), -1).reshape(-1, 3).astype(np.int64)


def _across(tensor: Float, tangent: Float) -> Float:
    """(k,) permeability [m²] across a direction from principal values (3, k)."""
    along = np.einsum("dk,d->k", tensor, tangent**2)
    return np.sqrt(tensor.prod(axis=0) / np.maximum(along, 1e-300))


def spread_strength(logarithm: float) -> float:
    """g for which a duct's exchange, spread over the disc of radius ρ, has the resistance ln(ρ/a)/(2πK).

    >>> round(spread_strength(10.0), 4)                       # a thin duct: 1/g + 11/24 = ln(ρ/a)
    0.1048
    """
    low, high = 1e-6, 1e3
    for _ in range(60):
        g = float(np.sqrt(low * high))
        low, high = (g, high) if _spread_resistance(g) > logarithm else (low, g)
    return g


def _spread_resistance(g: float) -> float:
    """y(1)/y'(1) of (x y')'/x = 4 g (1 − x²) y by its power series in x²."""
    terms = [1.0]
    for n in range(1, int(_TERMS + 6 * np.sqrt(g))):
        before = terms[n - 2] if n >= 2 else 0.0
        terms.append(4.0 * g * (terms[n - 1] - before) / (2 * n) ** 2)
    series = np.asarray(terms)
    slope = float((2.0 * np.arange(len(series)) * series).sum())
    return float(series.sum()) / slope
