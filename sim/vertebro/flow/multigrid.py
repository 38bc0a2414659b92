"""Geometric multigrid (float32) as preconditioner of a float64 flexible conjugate gradient.

Cell-centred 2x2x2 aggregates, constant prolongation, coarse faces = half the sum of the fine faces between aggregates,
red-black Gauss-Seidel in a symmetric order, a dense inverse at the bottom. Any grid size; closed and pinned cells take
no part. The choice among eight variants is measured in the project's research notes: harmonically re-discretised
coarse operators fail behind thin shells, better interpolation pays on smooth coefficients only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertebro.flow import kernels

Single = NDArray[np.float32]
Double = NDArray[np.float64]
BOTTOM = 80  # cells of the dense coarsest level


@dataclass(slots=True)
class Level:
    """One grid of the hierarchy: operator (t, sink, dinv) and vectors (u, b), padded."""

    t: Single
    sink: Single
    dinv: Single
    u: Single
    b: Single

    @classmethod
    def empty(cls, shape: tuple[int, ...]) -> Level:
        """Level of zeros with padded `shape`."""
        return cls(np.zeros((3, *shape), np.float32), *(np.zeros(shape, np.float32) for _ in range(4)))


@dataclass(frozen=True, slots=True)
class Solution:
    """How a linear solve went: iterations, relative residuals (one per iteration, first = start)."""

    iterations: int
    residuals: tuple[float, ...]
    converged: bool


class Multigrid:
    """Solver of one box; keeps its work arrays from solve to solve.

    Parameters
    ----------
    shape : tuple of int
        Padded shape.
    sweeps : int
        Red-black sweeps before and after the coarse correction.
    """

    def __init__(self, shape: tuple[int, int, int], sweeps: int = 2) -> None:
        self.sweeps = sweeps
        self.levels = [Level.empty(shape)]
        inner = [n - 2 for n in shape]
        while math.prod(inner) > BOTTOM:
            inner = [(n + 1) // 2 for n in inner]
            self.levels.append(Level.empty(tuple(n + 2 for n in inner)))
        self.inverse = np.zeros((0, 0), np.float32)
        self.r, self.d, self.q = (np.zeros(shape) for _ in range(3))

    def setup(self, t: Double, free: NDArray[np.uint8]) -> None:
        """Build the hierarchy from float64 faces and the mask of free cells."""
        top = self.levels[0]
        scale = 1.0 / max(float(t.max()), 1e-300)
        kernels.fine_level(t, free, scale, top.t, top.dinv, top.sink)
        for fine, coarse in zip(self.levels[:-1], self.levels[1:], strict=True):
            kernels.coarsen(fine.t, fine.sink, coarse.t, coarse.sink, coarse.dinv)
        self.inverse = _dense_inverse(self.levels[-1])

    def cycle(self, n: int = 0) -> None:
        """One V-cycle from level `n` down: its `u` becomes an approximate solution for its `b`, starting from 0."""
        here = self.levels[n]
        if n == len(self.levels) - 1:
            inner = here.u[1:-1, 1:-1, 1:-1]
            inner[...] = (self.inverse @ here.b[1:-1, 1:-1, 1:-1].ravel()).reshape(inner.shape)
            return
        here.u[:] = 0
        for _ in range(self.sweeps):
            kernels.relax(here.u, here.b, here.t, here.dinv, 0)
            kernels.relax(here.u, here.b, here.t, here.dinv, 1)
        below = self.levels[n + 1]
        kernels.restrict(here.u, here.b, here.t, here.dinv, below.b)
        self.cycle(n + 1)
        kernels.prolong(below.u, here.dinv, here.u)
        for _ in range(self.sweeps):
            kernels.relax(here.u, here.b, here.t, here.dinv, 1)
            kernels.relax(here.u, here.b, here.t, here.dinv, 0)

    def solve(
        self,
        t: Double,
        free: NDArray[np.uint8],
        source: Double,
        x: Double,
        *,
        norm: float,
        tolerance: float,
        limit: int = 300,
    ) -> Solution:
        """Improve `x` in place until the residual is `tolerance` times `norm` [m³/s].

        `x` holds the pressures of pinned cells; `setup` must have been called with the same faces.
        """
        r, d, q, top = self.r, self.d, self.q, self.levels[0]
        d[:] = 0
        rr = kernels.residual(t, x, free, source, r)
        residuals = [math.sqrt(rr) / norm]
        slope = 1.0
        while residuals[-1] > tolerance and len(residuals) <= limit and math.isfinite(rr):
            # the float32 cycle sees a residual of unit size
            scale = 1.0 / math.sqrt(rr)
            np.multiply(r, scale, out=top.b, casting="same_kind")
            self.cycle()
            zq, zr = kernels.products(top.u, q, r)
            kernels.turn(top.u, -zq / slope if len(residuals) > 1 else 0.0, d)
            slope = kernels.apply(t, d, free, q)
            if not slope > 0.0:
                break
            rr = kernels.advance(x, r, d, q, zr / slope, scale, top.b)
            residuals.append(math.sqrt(rr) / norm)
        return Solution(len(residuals) - 1, tuple(residuals), residuals[-1] <= tolerance)


def _dense_inverse(level: Level) -> Single:
    shape = tuple(n - 2 for n in level.u.shape)
    index = np.arange(math.prod(shape)).reshape(shape)
    diagonal = level.dinv[1:-1, 1:-1, 1:-1].ravel().astype(float)
    matrix = np.diag(np.where(diagonal > 0, 1.0 / np.where(diagonal > 0, diagonal, 1.0), 1.0))
    for axis in range(3):
        here = np.take(index, range(shape[axis] - 1), axis).ravel()
        there = np.take(index, range(1, shape[axis]), axis).ravel()
        face = np.take(level.t[axis][1:-1, 1:-1, 1:-1], range(shape[axis] - 1), axis).ravel()
        matrix[here, there] -= face
        matrix[there, here] -= face
    inverse = np.linalg.inv(matrix) * np.outer(diagonal > 0, diagonal > 0)
    return np.ascontiguousarray(inverse, np.float32)
