"""Joined cells on the levels of the multigrid: what a network brings from cell to cell, summed over aggregates.

A node of the network stays an unknown on every level, tied to the aggregates that hold its cells. Balancing the nodes
once before and once after a coarse correction is a symmetric block relaxation of cells and nodes together, so the cycle
stays positive definite. The nodes need no storage: with their pressures ``S⁻¹ B x`` the cells get ``Bᵀ S⁻¹ B x``, `B`
a list of links on each level; the product is part of the dense inverse of the coarsest level.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Single = NDArray[np.float32]
Double = NDArray[np.float64]
Index = NDArray[np.int64]


class Joints:
    """Joined cells of all levels.

    Parameters
    ----------
    table : (levels, 5) int array
        Offset, planes, rows, width of half a row, cells of a row of each level; see `kernels_multigrid.cycle_steps`.
    cells : (c, 3) int array
        Joined cells of the finest level, each once.

    Attributes
    ----------
    spans, spots, links, tie, network, held : arrays
        As of `kernels_multigrid.joined_down`.
    bottom : (x, x) array
        Matrix of the coarsest level, of its inner cells in natural order.
    """

    def __init__(self, table: Index, cells: Index) -> None:
        self.count = len(cells)
        starts, spots = [0], []
        self._numbers: list[tuple[Index, int]] = [(np.arange(self.count), max(1, self.count))]
        for near, coarse in pairwise(table):
            parents = (cells + 1) // 2
            spots.append(np.stack([_places(near, cells), _places(coarse, parents)]))
            starts.append(starts[-1] + len(cells))
            cells, back = _each_once(parents)
            self._numbers.append((back[self._numbers[-1][0]], max(1, len(cells))))
        self.spans = np.stack([starts, np.zeros(len(starts))], axis=1).astype(np.int64)
        self.spots = np.concatenate([*spots, np.zeros((2, 0), np.int64)], axis=1)
        self.links, self.tie = np.zeros((2, 0), np.int64), np.zeros(0, np.float32)
        self.network = np.zeros((0, 0), np.float32)
        self.held = np.zeros((2, starts[-1]), np.float32)
        _, ni, nj, _, nk = table[-1].tolist()
        inner = ((cells[:, 0] - 1) * (nj - 2) + cells[:, 1] - 1) * (nk - 2) + cells[:, 2] - 1
        self.bottom = np.zeros(((ni - 2) * (nj - 2) * (nk - 2),) * 2)
        self._bottom = np.ix_(inner, inner)

    def set(self, draw: Double, network: Double) -> None:
        """Take the conductances (n, c) between nodes and cells, and the pressures (n, n) of the nodes for inflows."""
        node, cell = np.nonzero(draw)
        self.network = network.astype(np.float32)
        links, ties, sums = [], [], draw[node, cell]
        for n, (number, size) in enumerate(self._numbers):
            pair, back = np.unique(node * size + number[cell], return_inverse=True)
            whole = np.bincount(back.reshape(-1), sums, len(pair))
            if n + 1 < len(self._numbers):
                links.append(np.stack(np.divmod(pair, size)))
                ties.append(whole.astype(np.float32))
                self.spans[n + 1, 1] = self.spans[n, 1] + len(pair)
            elif self.count:
                among = np.zeros((len(draw), size))
                among[np.divmod(pair, size)] = whole
                self.bottom[self._bottom] = np.einsum("nc,nd->cd", among, np.einsum("nm,mc->nc", network, among))
        self.links = np.concatenate([*links, np.zeros((2, 0), np.int64)], axis=1)
        self.tie = np.concatenate([*ties, np.zeros(0, np.float32)])

    def give_back(self, right: Single) -> Double:
        """Take from the finest right-hand side what the cycle added to it; returns that (c,)."""
        if len(self.spans) == 1:
            return np.zeros(self.count)
        flat, at, base = right.reshape(-1), self.spots[0, : self.count], self.held[0, : self.count]
        extra = flat[at].astype(float) - base
        flat[at] = base
        return extra


def _places(level: Index, cells: Index) -> Index:
    """Places of cells (c, 3) in the flat storage of all levels."""
    start, _, nj, nm, _ = level.tolist()
    i, j, k = cells.T
    out: Index = start + ((4 * i + 2 * (j % 2) + k % 2) * ((nj + 1) // 2) + j // 2) * nm + k // 2
    return out


def _each_once(cells: Index) -> tuple[Index, Index]:
    """Cells, each once in the order in which they come, and for each of `cells` its number there."""
    _, first, back = np.unique(cells, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    return cells[first[order]], np.argsort(order)[back.reshape(-1)]
