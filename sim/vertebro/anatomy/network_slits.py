r"""How a slit exchanges fluid with the voxels that it cuts.

Both faces of a slit take from the voxels along them. Over a voxel of thickness T across the slit the mean distance to
the slit is T/4, so that an area A of crack exchanges ``2 A K / (T/4)`` with it, K the permeability across the crack:
the embedded fractures of li2008. Within bone a slit meets bone only, outside only what is open there. At its inner end
it drinks as its next `DRINK` would, but without the lumen: the bone there holds that (`pathology_slits`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.network import VeinNetwork
from vertebro.anatomy.network_coupling import Coupling
from vertebro.grid import VoxelGrid
from vertebro.sources import Constant

DRINK = Constant(1e-3, "m", 0.5e-3, 3e-3, "vertebro", "ours", "of crack in bone that a slit's inner end drinks from")
SAMPLE = 0.25e-3  # m, over the area of a slit

Float = NDArray[np.float64]
Index = NDArray[np.int64]


def couple_slits(
    network: VeinNetwork,
    grid: VoxelGrid,
    permeability: Float,
    bone: NDArray[np.bool_],
    around: NDArray[np.bool_],
) -> Coupling:
    """Exchange of all slits with the voxels along them.

    Parameters
    ----------
    network : VeinNetwork
    grid : VoxelGrid
    permeability : (3, …) float array [m²]
    bone, around : (…) bool arrays
        Voxels that slits within bone, and those outside of it, exchange with.

    Returns
    -------
    Coupling
        Sorted by node, then voxel; one entry for each pair.
    """
    numbers: list[Index] = []
    values: list[Float] = []
    outer = _nodes_outside(network)
    inner = np.setdiff1d(network.segments[network.slit, 0], network.segments[network.slit, 1])
    for segment in np.flatnonzero(network.slit):
        ends, inside = network.segments[segment], bool(network.inside[segment])
        a, b = network.nodes[ends]
        parts = [(a, b, _sharing(ends, outer[ends], inside), bone if inside else around)]
        if ends[0] in inner:
            before = a - float(DRINK) * (b - a) / max(float(np.linalg.norm(b - a)), 1e-12)
            parts.append((before, a, (int(ends[0]),) * 2, bone))
        for start, end, nodes, taken in parts:
            node, cell, value = _exchange(start, end, network.sides[segment], nodes, grid, permeability)
            keep = taken.reshape(-1)[cell] & (value > 0.0)
            numbers.append(node[keep] * grid.size + cell[keep])
            values.append(value[keep])
    pair, back = np.unique(np.concatenate([np.zeros(0, np.int64), *numbers]), return_inverse=True)
    cells = np.stack(np.unravel_index(pair % grid.size, grid.shape), axis=1).astype(np.int64)
    total = np.zeros(len(pair))
    np.add.at(total, back, np.concatenate([np.zeros(0), *values]))
    return Coupling(node=pair // grid.size, cell=cells, conductance=total)


def _nodes_outside(network: VeinNetwork) -> NDArray[np.bool_]:
    """(n,) nodes that lie outside the bone: what flows out of it passes the whole slit first."""
    out = np.ones(len(network.nodes), bool)
    out[network.segments[network.inside].ravel()] = False
    out[np.setdiff1d(network.segments[network.slit, 0], network.segments[network.slit, 1])] = False
    return out


def _exchange(
    a: Float, b: Float, breadth: Float, nodes: tuple[int, int], grid: VoxelGrid, permeability: Float
) -> tuple[Index, Index, Float]:
    """Node numbers, flat cells and conductances [m³] of both faces of a slit from a to b, sample by sample.

    Its first half takes for the first of `nodes`, its second for the second.
    """
    span, length = float(np.linalg.norm(breadth)), float(np.linalg.norm(b - a))
    normal = np.cross(b - a, breadth) / (span * max(length, 1e-12))
    along, beside = _fractions(length), _fractions(span) - 0.5
    thick = float(np.abs(normal) @ np.asarray(grid.spacing))
    points = a + along[:, None, None, None] * (b - a) + beside[None, :, None, None] * breadth
    points = points + 0.25 * thick * np.array([-1.0, 1.0])[None, None, :, None] * normal
    index = np.rint(grid.index(points)).astype(int).reshape(-1, 3)
    on = np.all((index >= 0) & (index < np.asarray(grid.shape)), axis=1)
    cell = np.ravel_multi_index(tuple((index * on[:, None]).T), grid.shape).astype(np.int64)
    across = np.einsum("dk,d->k", permeability.reshape(3, -1)[:, cell], normal**2)
    area = span * length / (len(along) * len(beside))
    node = np.repeat(np.where(along < 0.5, *nodes), 2 * len(beside))
    return node.astype(np.int64), cell, on * area * across / (0.25 * thick)


def _sharing(ends: Index, outer: NDArray[np.bool_], inside: bool) -> tuple[int, int]:
    """Which node the first half of a slit belongs to, and which the second: outside, none to one at the bone."""
    first, second = int(ends[0]), int(ends[1])
    if inside:
        return first, second
    return (first if outer[0] else second), (second if outer[1] else first)


def _fractions(length: float) -> Float:
    count = max(int(np.ceil(length / SAMPLE)), 2)
    return (np.arange(count) + 0.5) / count
