"""Cells joined by something outside the grid, seen by the pressure solver: exact, and free where there is none.

A network between cells adds to the grid's operator ``L - N``: `L` a leak of each joined cell, ``N = Bᵀ S⁻¹ B - D`` the
flow that the network's nodes give back for the pressures of the others. `B` holds the conductances between nodes and
cells, `S` is the network's own matrix, and `D`, the diagonal of ``Bᵀ S⁻¹ B``, is left out of `L` from the start: in
float64 it is never subtracted. The float32 operator and the multigrid (`vertebro.flow.joints`) know ``L + D`` and
``Bᵀ S⁻¹ B``. Colour 1 is eliminated as in the grid: ``x₁ = (b₁ + Σ t x₀ + λ₁)/D₁``. With `V` for the pressures that
colour 0 alone would bring about in the joined cells, `H` for 1/D₁ in those of colour 1 and ``E = 1/(1 + D H)``, what
the others bring is ``λ = E (Bᵀ y - D v)``, ``y = (S - B H E Bᵀ)⁻¹ B E v``, ``v = Vᵀ x₀ + H b``; with `D` in the grid's
part it is ``Bᵀ (S - B H E Bᵀ)⁻¹ B E v`` at colour 1 and the same without `E` at colour 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.flow import kernels_bypass as kb

Single = NDArray[np.float32]
Double = NDArray[np.float64]


class Bypass:
    """Joined cells of one box.

    Parameters
    ----------
    shape : tuple of int
        Padded shape.
    cells : (c,) int array
        Flat indices of the joined cells, each once.

    Attributes
    ----------
    leak : padded array [m³/(s·Pa)]
    draw : (n, c) array [m³/(s·Pa)]
        B, of the nodes that have mouths.
    share : (n, c) array [1]
        S⁻¹ B: part of each cell's pressure that a node has.
    own : (c,) array [m³/(s·Pa)]
        D.
    network : (n, n) array [Pa·s/m³]
        S⁻¹: pressure of each node for an inflow at each.
    supply : (c,) array [m³/s]
        Constant inflow of each cell.
    """

    def __init__(self, shape: tuple[int, int, int], cells: NDArray[np.int64]) -> None:
        self.cells, size = cells, len(cells)
        self.leak, self.supply = np.zeros(shape), np.zeros(size)
        self.draw, self.share, self._nodes = np.zeros((0, size)), np.zeros((0, size)), np.zeros((0, 0))
        _, nj, nk = shape
        self._strides = np.array([nj * nk, nk, 1])
        steps = np.concatenate([self._strides, -self._strides, [0]])
        self._near = cells[:, None] + steps
        i, j, k = np.unravel_index(self._near, shape)
        self._black = (i[:, 6] + j[:, 6] + k[:, 6]) % 2 == 1
        nm = (nk + 1) // 2
        block = (nj + 1) // 2 * nm
        inside = (j // 2) * nm + k // 2
        self._in_half, self._in_level = (2 * i + j % 2) * block + inside, (4 * i + 2 * (j % 2) + k % 2) * block + inside
        self._way, self._all, self._h = np.zeros((size, 7)), np.zeros((size, 7)), np.zeros(size)
        self._whole_way, self._response = np.zeros((size, 7)), np.zeros((0, size))
        self._answer: Double = np.zeros((0, size))
        self.network: Double = np.zeros((0, 0))
        self.own: Double = np.zeros(size)
        self._damp: Double = np.ones(size)
        self._base = np.zeros(size)

    def set(self, leak: Double, draw: Double, share: Double, nodes: Double, network: Double, supply: Double) -> None:
        """Take new conductances, `nodes` (n, n) is S, `network` S⁻¹; `prepare` must follow."""
        self.leak.reshape(-1)[self.cells] = leak
        self.draw, self.share, self._nodes, self.supply = draw, share, nodes, supply
        self.network = network
        self.own = np.einsum("nc,nc->c", draw, share)

    def prepare(self, t: Double, free: NDArray[np.uint8], scale: float, sinks: Single) -> None:
        """Eliminate colour 1 and add the leaks to the `sinks` of the finest level."""
        flat, on = t.reshape(3, -1), free.reshape(-1)[self.cells] == 1
        faces = np.zeros(self._near.shape)
        for d in range(3):
            faces[:, d], faces[:, 3 + d] = flat[d, self.cells], flat[d, self.cells - self._strides[d]]
        leak = self.leak.reshape(-1)[self.cells]
        total = faces.sum(axis=1) + leak
        inverse = np.divide(1.0, total, out=np.zeros_like(total), where=total > 0.0)
        own = np.eye(7)[6]
        near = free.reshape(-1)[self._near]
        self._all = np.where(self._black[:, None], faces * inverse[:, None], own)
        self._way = self._all * near
        self._h = np.where(self._black & on, inverse, 0.0)
        self.draw, self.share, self.own = self.draw * on, self.share * on, self.own * on
        self._damp = 1.0 / (1.0 + self.own * self._h)
        self._whole_way = np.where(self._black[:, None], self._way * self._damp[:, None], self._way)
        nodes, response = np.zeros_like(self._nodes), self.draw.copy()
        kb.without_cells(self._nodes, self.draw, self._h * self._damp, nodes)
        kb.solve_definite(nodes, response)
        self._response, self._answer = response, response * self._damp
        sinks.reshape(-1)[self._in_level[on, 6]] += (self.sinks[on] * scale).astype(np.float32)

    @property
    def sinks(self) -> Double:
        """(c,) conductance from each joined cell to the network [m³/(s·Pa)]."""
        out: Double = self.leak.reshape(-1)[self.cells] + self.own
        return out

    def start(self, source: Double) -> Double:
        """Copy of a source field that `feed` may change."""
        out = source.copy()
        self._base = out.reshape(-1)[self.cells]
        return out

    def feed(self, source: Double, x: Double, step: Single, gain: float) -> None:
        """Write into `source` what the others bring to each joined cell once `gain` `step` is added to colour 0 of x.

        Pressures of joined cells of colour 1 are those that balance them.
        """
        values = x.reshape(-1)[self._near] + gain * step.reshape(-1)[self._in_half].astype(float)
        level = np.einsum("ce,ce->c", self._all, values) + self._h * self._base
        source.reshape(-1)[self.cells] = self._base + self._give(level)

    def along(self, source: Double, way: Single) -> None:
        """Write into `source`, 0 elsewhere, what the others bring along a direction `way` of colour 0."""
        level = np.einsum("ce,ce->c", self._way, way.reshape(-1)[self._in_half].astype(float))
        source.reshape(-1)[self.cells] = self._give(level)

    def correct(
        self, answer: Single, way: Single, operated: Single, scale: float, extra: Double
    ) -> tuple[float, float, float, float]:
        """Complete the operator on a cycle's `answer`; returns what its products with residual and operator lack.

        answer : level array, both colours. way, operated : colour 0. extra : (c,) what the cycle's right-hand side held
        more than the residual. Returned: what to subtract from answer · residual, answer · operated, way · residual and
        way · operated.
        """
        less = np.zeros(4)
        kb.complete(
            answer.reshape(-1), way.reshape(-1), operated.reshape(-1), self._in_level, self._in_half, self._whole_way,
            self._black, self.draw, self._response, extra, scale, less,
        )  # fmt: skip
        one, two, three, four = less.tolist()
        return one, two, three, four

    def brought(self, x: Double) -> Double:
        """(c,) what the others bring to each joined cell at pressures `x` [m³/s]."""
        values = x.reshape(-1)[self.cells]
        out = np.zeros_like(values)
        kb.give(self.share, self.draw, self.own, np.ones_like(values), values, out)
        return out

    def _give(self, level: Double) -> Double:
        out = np.zeros_like(level)
        kb.give(self._answer, self.draw, self.own, self._damp, level, out)
        return out


def sinks_of_nodes(bypass: Bypass, number: NDArray[Any], scale: float, sink: Single, dinv: Single) -> None:
    """Add the leaks to the sinks of the nodes that the joined cells belong to, and to their diagonals."""
    nodes = number.reshape(-1)[bypass.cells]
    more = np.zeros(len(sink))
    np.add.at(more, nodes, np.where(nodes > 0, bypass.sinks * scale, 0.0))
    sink += more.astype(np.float32)
    at = np.flatnonzero(more)
    total = np.divide(1.0, dinv[at], out=np.zeros(at.size), where=dinv[at] > 0.0) + more[at]
    dinv[at] = (1.0 / total).astype(np.float32)
