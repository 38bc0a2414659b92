"""Geometric multigrid (float32) as preconditioner of a float64 flexible conjugate gradient.

Cell-centred 2x2x2 aggregates, constant prolongation, coarse faces = half the sum of the fine faces between aggregates,
red-black Gauss-Seidel in a symmetric order, a dense inverse at the bottom. Any grid size; closed and pinned cells take
no part. The choice among eight variants is measured in the project's research notes: harmonically re-discretised
coarse operators fail behind thin shells, better interpolation pays on smooth coefficients only.

Where a few iterations show that this will take long, coarse levels of connected pieces replace the geometric ones for
the rest of the solve and in later solves of the box (`vertebro.flow.aggregation`).

On large levels threads share the planes of a half sweep; all small levels together are one call. After a sweep that
ends on colour 1 only colour 0 has a residual, and one that starts on colour 1 needs the correction on colour 0 only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertebro.flow import kernels
from vertebro.flow import kernels_aggregation as ka
from vertebro.flow import kernels_multigrid as mg
from vertebro.flow.aggregation import LARGEST, Aggregation, worth_it
from vertebro.flow.team import Team, usual_size

Single = NDArray[np.float32]
Double = NDArray[np.float64]
BOTTOM = 80  # cells of the dense coarsest level
SWEEP, DESCEND, ASCEND, START, SOLVE = range(5)  # jobs of kernels_multigrid.cycle_steps
RESIDUAL, OPERATOR, ADVANCE, ANSWER, TURN = range(5)  # jobs of kernels.planes
SMALL = 30_000  # cells below which threads cost more than they bring


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
    threads : int, optional
        Threads on large levels; the usual number if not given.
    """

    def __init__(self, shape: tuple[int, int, int], sweeps: int = 2, threads: int | None = None) -> None:
        self.sweeps = sweeps
        shapes = [shape]
        while math.prod(n - 2 for n in shapes[-1]) > BOTTOM:
            a, b, c = ((n - 1) // 2 + 2 for n in shapes[-1])
            shapes.append((a, b, c))
        self.table, size = _table(shapes)
        self.flat = tuple(np.zeros(size * lead, np.float32) for lead in (1, 1, 8, 1))
        self.u, self.b, self.coef, self.sink = (self._views(n) for n in range(4))
        cells = [math.prod(n - 2 for n in s) for s in shapes]
        self.first_small = next((n for n, count in enumerate(cells) if count <= SMALL), len(cells) - 1)
        self.team = Team((threads or usual_size()) if cells[0] > SMALL else 1)
        self.rows = np.zeros((self.team.size, self.table[0, 2] * self.table[0, 3]), np.float32)
        self.pieces: Aggregation | None = None
        self.program = _program(self.first_small, len(cells) - 1, sweeps)
        self.inverse = np.zeros((cells[-1], cells[-1]), np.float32)
        self.work = np.zeros(cells[-1], np.float32)
        # the front works in the same memory between solves
        self.pool = np.zeros((9, *shape))
        self.r, self.d, self.q = self.pool[0], self.pool[1], self.pool[2]
        self.z = np.zeros(shape, np.float32)
        self.part = np.zeros((2, shape[0]))

    def _views(self, which: int) -> list[Single]:
        out = []
        for start, ni, nj, m, _ in self.table.tolist():
            size, lead, factor = 2 * ni * nj * m, ((2, 8) if which == 2 else (2,)), 8 if which == 2 else 1
            out.append(self.flat[which][factor * start : factor * (start + size)].reshape(*lead, ni, nj, m))
        return out

    def setup(self, t: Double, free: NDArray[np.uint8]) -> None:
        """Build the hierarchy from float64 faces and the mask of free cells."""
        scale = 1.0 / max(float(t.max()), 1e-300)
        mg.fine_level(t, free, scale, self.coef[0], self.sink[0])
        if self.pieces is not None:
            self.pieces.setup(t, free)
            return
        depth = self.table[:, 4].tolist()
        for n in range(len(depth) - 1):
            mg.coarsen(self.coef[n], self.sink[n], depth[n], self.coef[n + 1], self.sink[n + 1], depth[n + 1])
        self.inverse[...] = _dense_inverse(natural(self.coef[-1], depth[-1]))

    def cycle(self, n: int = 0) -> None:
        """One V-cycle from level `n` down: its `u` becomes an approximate solution for its `b`, starting from 0."""
        if n == 0 and self.pieces is not None:
            self._cycle_pieces(self.pieces)
            return
        if n >= self.first_small:
            self._steps(self.program, 0, 0, 0)
            return
        for step in (*_sweeps_down(n, self.sweeps), (DESCEND, n, 0)):
            self._share(step)
        self.cycle(n + 1)
        for step in ((ASCEND, n, 0), *_sweeps_up(n, self.sweeps)):
            self._share(step)

    def _cycle_pieces(self, pieces: Aggregation) -> None:
        """The cycle whose coarse levels are connected pieces."""
        planes, nk = int(self.table[0, 1]) - 1, int(self.table[0, 4])
        u, b, coef, number = self.u[0], self.b[0], self.coef[0], pieces.number
        for step in _sweeps_down(0, self.sweeps):
            self._share(step)
        right, answer = pieces.right, pieces.answer
        right[:] = 0.0
        self.team.share(
            1, planes, lambda a, e, _: ka.residual_to_nodes(u, b, coef, number, nk, a, e, right), even_chunks=True
        )
        pieces.cycle()
        self.team.share(1, planes, lambda a, e, _: ka.nodes_to_cells(u, number, nk, a, e, answer))
        for step in _sweeps_up(0, self.sweeps):
            self._share(step)

    def _share(self, step: Step) -> None:
        """Do one step of a large level, its planes shared by the team in odd starts."""
        program = np.array([step], np.int64)
        self.team.share(
            1, int(self.table[step[1], 1]) - 1, lambda a, b, who: self._steps(program, a, b, who), even_chunks=True
        )

    def _steps(self, program: NDArray[np.int64], first: int, end: int, who: int) -> None:
        us, bs, cs, _ = self.flat
        mg.cycle_steps(us, bs, cs, self.table, program, first, end, self.inverse, self.work, self.rows[who])

    def residual_norm(self, t: Double, free: NDArray[np.uint8], source: Double, x: Double) -> float:
        """Length of source minus outflow of `x` [m³/s]."""
        return math.sqrt(float(self._planes(RESIDUAL, t, free, source, x)[0]))

    def _planes(
        self,
        job: int,
        t: Double,
        free: NDArray[np.uint8],
        source: Double,
        x: Double,
        alpha: float = 0.0,
        scale: float = 0.0,
    ) -> Double:
        vectors = (t, free, source, x, self.r, self.d, self.q, self.z, self.u[0], self.b[0])
        self.team.share(1, x.shape[0] - 1, lambda a, b, _: kernels.planes(job, a, b, *vectors, alpha, scale, self.part))
        sums: Double = self.part.sum(axis=1)
        return sums

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
        self.d[:] = 0
        self.q[:] = 0

        def run(job: int, alpha: float = 0.0, scale: float = 0.0) -> Double:
            return self._planes(job, t, free, source, x, alpha, scale)

        rr, slope = float(run(RESIDUAL)[0]), 1.0
        # no step yet: hands the residual to the cycle, which wants it of unit size
        run(ADVANCE, 0.0, 1.0 / math.sqrt(rr) if rr > 0 else 0.0)
        residuals = [math.sqrt(rr) / norm]
        while residuals[-1] > tolerance and len(residuals) <= limit and math.isfinite(rr):
            self.cycle()
            zq, zr = run(ANSWER)
            run(TURN, -zq / slope if len(residuals) > 1 else 0.0)
            slope = float(run(OPERATOR)[0])
            if not slope > 0.0:
                break
            rr = float(run(ADVANCE, zr / slope, 1.0 / math.sqrt(rr))[0])
            residuals.append(math.sqrt(rr) / norm)
            if self.pieces is None and worth_it(residuals, tolerance) and max(free.shape) <= LARGEST:
                self.pieces = Aggregation(free.shape)
                self.pieces.setup(t, free)
        return Solution(len(residuals) - 1, tuple(residuals), residuals[-1] <= tolerance)


Step = tuple[int, int, int]


def _sweeps_down(n: int, sweeps: int) -> list[Step]:
    return [(START, n, 0)] + [(SWEEP, n, half % 2) for half in range(1, 2 * sweeps)]


def _sweeps_up(n: int, sweeps: int) -> list[Step]:
    return [(SWEEP, n, 1 - half % 2) for half in range(2 * sweeps)]


def _program(first: int, last: int, sweeps: int) -> NDArray[np.int64]:
    """Steps (job, level, colour) of a V-cycle from level `first` to `last`."""
    steps: list[Step] = []
    for n in range(first, last):
        steps += [*_sweeps_down(n, sweeps), (DESCEND, n, 0)]
    steps.append((SOLVE, last, 0))
    for n in range(last - 1, first - 1, -1):
        steps += [(ASCEND, n, 0), *_sweeps_up(n, sweeps)]
    return np.array(steps, np.int64)


def _table(shapes: list[tuple[int, int, int]]) -> tuple[NDArray[np.int64], int]:
    rows, start = [], 0
    for ni, nj, nk in shapes:
        m = (nk + 1) // 2
        rows.append((start, ni, nj, m, nk))
        start += 2 * ni * nj * m
    return np.array(rows, np.int64), start


def natural(split: Single, depth: int) -> Single:
    """Array (…, ni, nj, nk) of a level array (2, …, ni, nj, m) whose colours are apart."""
    i, j, k = np.indices((*split.shape[-3:-1], depth), sparse=True)
    colour, m = np.broadcast_arrays((i + j + k) % 2, k // 2)
    i, j = np.broadcast_to(i, m.shape), np.broadcast_to(j, m.shape)
    moved = np.moveaxis(split, 0, -4)
    out: Single = np.ascontiguousarray(moved[..., colour, i, j, m])
    return out


def _dense_inverse(coef: Single) -> Single:
    """Inverse over the inner cells of a level in natural order; closed cells get zero rows and columns."""
    shape = tuple(n - 2 for n in coef.shape[1:])
    index = np.arange(math.prod(shape)).reshape(shape)
    inner = coef[:, 1:-1, 1:-1, 1:-1].astype(float)
    odd = np.arange(1, shape[2] + 1) % 2 == 1
    ahead = (inner[0], inner[2], np.where(odd, inner[6], inner[4]))
    diagonal = inner[7].ravel()
    matrix = np.diag(np.where(diagonal > 0, 1.0 / np.where(diagonal > 0, diagonal, 1.0), 1.0))
    for axis in range(3):
        here = np.take(index, range(shape[axis] - 1), axis).ravel()
        there = np.take(index, range(1, shape[axis]), axis).ravel()
        face = np.take(ahead[axis], range(shape[axis] - 1), axis).ravel()
        matrix[here, there] -= face
        matrix[there, here] -= face
    inverse = np.linalg.inv(matrix) * np.outer(diagonal > 0, diagonal > 0)
    return np.ascontiguousarray(inverse, np.float32)
