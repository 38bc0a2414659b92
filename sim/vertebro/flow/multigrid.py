"""Geometric multigrid as preconditioner of a flexible conjugate gradient, in mixed precision.

**Multigrid** (float32). Cell-centred 2x2x2 aggregates, constant prolongation, fine faces between aggregates summed and
weakened, red-black Gauss-Seidel in a symmetric order, W-cycle, a dense inverse at the bottom. Weakening by more than
1/2 keeps it positive definite: two cycles in a row turn an eigenvalue e <= 1/`WEAKEN` of the coarse answer into
e (2 - e). Any grid size; closed and pinned cells take no part. The choice among eight variants is measured in the
project's research notes: harmonically re-discretised coarse operators fail behind thin shells, better interpolation
pays on smooth coefficients.

Where a few iterations show that this will take long, coarse levels of connected pieces replace the geometric ones for
the rest of the solve and in later solves of the box (`vertebro.flow.aggregation`).

**Conjugate gradient**. Cells of colour 1 touch only cells of colour 0, so they are eliminated exactly: all vectors hold
one colour, and after a sweep that ends on colour 1 only colour 0 has a residual. Directions and their images are
float32; the solution is float64 and its true residual is computed whenever the float32 one has fallen to `TRUST` of it
(van der Vorst & Ye 2000: replace the residual, keep the directions). Where directions lose their conjugacy, at
contrasts beyond float32, they are followed in float64. It stops no later than where round-off of float64 alone makes
the residual.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.flow import kernels
from vertebro.flow import kernels_aggregation as ka
from vertebro.flow import kernels_multigrid as mg
from vertebro.flow.aggregation import LARGEST, PATIENCE, PATIENCE_WITH_NETWORK, Aggregation, worth_it
from vertebro.flow.bypass import Bypass
from vertebro.flow.joints import Joints
from vertebro.flow.team import Team, usual_size
from vertebro.flow.wavefront import BALANCE, CORRECT, RESIDUAL, Plan, Program, chase, cycle_plan, finest_plans, merge

Single = NDArray[np.float32]
Double = NDArray[np.float64]
WEAKEN = 0.55  # factor of the faces between aggregates
BOTTOM = 80  # cells of the dense coarsest level
TRUST = 0.03  # fall of the float32 residual after which the true one is computed
INEXACT = 1e-5  # loss of conjugacy, as a cosine, from which on directions are followed in float64
PARALLEL = 1.0 - 1e-6  # square of the cosine from which on two directions count as one
NO_LEAK = np.zeros((1, 1, 1))
ROUNDING = 16 * float(np.finfo(np.float64).eps)
SHARED = 40  # planes of a level from which on threads share its set-up
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
        shapes = [shape]
        while math.prod(n - 2 for n in shapes[-1]) > BOTTOM:
            a, b, c = ((n - 1) // 2 + 2 for n in shapes[-1])
            shapes.append((a, b, c))
        self.table, size = _table(shapes)
        self.flat = tuple(np.zeros(size * lead, np.float32) for lead in (1, 1, 4))
        self.u, self.b, self.coef = (self._views(n) for n in range(3))
        cells = [math.prod(n - 2 for n in s) for s in shapes]
        first_small = next((n for n, count in enumerate(cells) if count <= SMALL), len(cells) - 1)
        self.team = Team((threads or usual_size()) if cells[0] > SMALL else 1)
        # scratch of a thread: two planes of one colour, a coarse plane
        self.rows = np.zeros((self.team.size, 6 * math.prod(self.u[0].shape[3:]) + 64), np.float32)
        planes = self.table[:, 1].tolist()
        self._first_small, self._sweeps = first_small, sweeps
        self.plan = cycle_plan(planes, first_small, sweeps, self.team.size)
        truth = [(CORRECT, 0, 0), (BALANCE, 0, 0), (RESIDUAL, 0, 0)]
        self.truth = merge(chase(truth, planes[0], self.team.size))
        self.finest = finest_plans(planes[0], sweeps, self.team.size)
        self.pieces: Aggregation | None = None
        self.inverse = np.zeros((cells[-1], cells[-1]), np.float32)
        self.work = np.zeros(cells[-1], np.float32)
        # conjugate gradient: direction, operator on direction and on the cycle's answer, sum of steps; colour 0 only
        ni, _, _, nh, nm = self.u[0].shape
        self.vectors = np.zeros((4, ni, 2, nh * nm), np.float32)
        self.d, self.q, self.w, self.y = self.vectors
        self.part = np.zeros((5, ni))
        self.scale = 1.0
        self.bypass: Bypass | None = None
        self.joints = Joints(self.table, np.zeros((0, 3), np.int64))

    def join(self, bypass: Bypass) -> None:
        """Let something outside the grid join cells; `setup` must follow."""
        self.bypass = bypass
        shape = tuple(self.table[0, [1, 2, 4]].tolist())
        self.joints = Joints(self.table, np.stack(np.unravel_index(bypass.cells, shape), axis=1))
        planes, joined = self.table[:, 1].tolist(), len(bypass.cells) > 0
        self.plan = cycle_plan(planes, self._first_small, self._sweeps, self.team.size, joined=joined)

    def _views(self, which: int) -> list[Single]:
        lead = ((), (), (4,))[which]
        out = []
        for start, ni, nj, nm, _ in self.table.tolist():
            shape = (*lead, ni, 2, 2, (nj + 1) // 2, nm)
            first = start * (4 if lead else 1)
            out.append(self.flat[which][first : first + math.prod(shape)].reshape(shape))
        return out

    def setup(self, t: Double, free: NDArray[np.uint8]) -> None:
        """Build the hierarchy from float64 faces and the mask of free cells."""
        largest = float(t.max())
        if largest == 0.0 and self.bypass is not None:
            largest = float(self.bypass.sinks.max(initial=0.0))
        self.scale = 1.0 / max(largest, 1e-300)
        depth, planes, rows = self.table[:, 4].tolist(), self.table[:, 1].tolist(), self.table[:, 2].tolist()
        # flows to pinned cells are needed here only: they lie where the cycle's solutions will be
        self.flat[0][:] = 0
        self.team.share(
            0,
            planes[0] - 1,
            lambda a, b, _: mg.fine_level(a, b, t, free, self.scale, self.coef[0], self.u[0]),
        )
        if self.bypass is not None:
            self.bypass.prepare(t, free, self.scale, self.u[0])
            self.joints.set(self.bypass.links, self.scale * self.bypass.tie, self.bypass.network / self.scale)
        for n in range(len(depth) if self.pieces is None else 1):
            if n > 0:
                near = n - 1
                fine = (self.coef[near], self.u[near], rows[near], depth[near], np.float32(WEAKEN))
                self._planes(planes[n], mg.coarsen, *fine, self.coef[n], self.u[n])
            self._planes(planes[n], mg.diagonal, self.coef[n], self.u[n], rows[n], depth[n])
        self.flat[0][:] = 0
        if self.pieces is None:
            self.inverse[...] = _dense_inverse(natural(self.coef[-1], rows[-1], depth[-1]), self.joints.bottom)
        else:
            self.pieces.setup(t, free, self.bypass)

    def _planes(self, planes: int, kernel: Callable[..., None], *fields: Any) -> None:
        """Let the team share the inner planes of a level, or the first member do a small one."""
        if planes > SHARED:
            self.team.share(1, planes - 1, lambda a, b, _: kernel(a, b, *fields))
        else:
            kernel(1, planes - 1, *fields)

    def cycle(self) -> None:
        """One cycle: ``u[0]`` becomes an approximate solution for ``b[0]``, `w` the operator on its colour 0.

        The right-hand side of colour 1 on the finest level is 0: it is eliminated.
        """
        if self.pieces is None:
            self.follow(self.plan)
        else:
            self._cycle_pieces(self.pieces)

    def _cycle_pieces(self, pieces: Aggregation) -> None:
        """The cycle whose coarse levels are connected pieces."""
        down, up = self.finest
        u, b, coef, number = self.u[0], self.b[0], self.coef[0], pieces.number
        right, answer = pieces.right, pieces.answer
        right[:] = 0.0
        self.follow(down)
        self.team.share(
            1, len(u) - 1, lambda a, e, _: ka.residual_to_nodes(u, b, coef, number, a, e, right), even_chunks=True
        )
        pieces.cycle()
        self.team.share(1, len(u) - 1, lambda a, e, _: ka.nodes_to_cells(u, number, a, e, answer))
        self.follow(up)

    def follow(self, plan: Plan, steps: Callable[[Program, int], None] | None = None) -> None:
        """Work through a plan of cycle steps, or of other `steps`."""
        steps = steps or self._steps
        for programs in plan:
            if len(programs) == 1:
                steps(programs[0], 0)
            else:
                self._side_by_side(programs, steps)

    def _side_by_side(self, programs: list[Program], steps: Callable[[Program, int], None]) -> None:
        self.team.share(0, len(programs), lambda a, _, who: steps(programs[a], who))

    def _steps(self, program: Program, who: int) -> None:
        us, bs, cs = self.flat
        joints = self.joints
        w, d, q = (v.reshape(len(v), -1) for v in (self.w, self.d, self.q))
        mg.cycle_steps(
            us, bs, cs, self.table, program, self.inverse, self.work, self.rows[who], w, d, q, self.part, joints.spans,
            joints.spots, joints.links, joints.tie, joints.network, joints.held,
        )  # fmt: skip

    def residual_norm(self, t: Double, free: NDArray[np.uint8], source: Double, x: Double) -> float:
        """Length of source minus outflow of `x` [m³/s]."""
        leak, joined = NO_LEAK, self.bypass
        if joined is not None:
            leak, source = joined.leak, source.copy()
            source.reshape(-1)[joined.cells] += joined.brought(x)
        self.team.share(1, x.shape[0] - 1, lambda a, b, _: kernels.residual(a, b, t, free, source, leak, x, self.part))
        return math.sqrt(float(self.part[0].sum()))

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
        """Improve `x` in place until the residual is `tolerance` times `norm` [m³/s], or all that float64 resolves.

        `x` holds the pressures of pinned cells; `setup` must have been called with the same faces.
        """
        if self.bypass is not None:
            source = self.bypass.start(source)
        system = (t, free, source, x)
        self.vectors[:] = 0
        self.flat[1][: self.b[0].size] = 0
        true, floor = self._refresh(*system, self.y, norm)
        residuals, slope, precise = [true], 0.0, False
        while residuals[-1] > max(tolerance, floor) and len(residuals) <= limit and math.isfinite(residuals[-1]):
            self.cycle()
            zr, zw, zq, dr, dw = self.part.sum(axis=1).tolist()
            if self.bypass is not None:
                extra = np.zeros(self.joints.count) if self.pieces else self.joints.give_back(self.flat[1])
                less = self.bypass.correct(self.u[0], self.d, self.w, self.scale, extra)
                zr, zw, dr, dw = (value - part for value, part in zip((zr, zw, dr, dw), less, strict=True))
            # but for round-off u·A d and d·A u are the same, and u·A u is positive
            if not precise and not (zw > 0.0 and abs(dw - zq) <= INEXACT * math.sqrt(slope * zw)):
                precise, (true, floor) = True, self._settle(*system, norm)
                residuals.append(true)
                continue
            # an answer along the last direction starts anew: only the replaced residual brings it up again
            fresh = slope > 0.0 and zq * zq < PARALLEL * slope * abs(zw)
            beta = -zq / slope if fresh else 0.0
            slope = self._precise_slope(t, free, source, beta) if precise else zw + beta * zq
            if not slope > 0.0:
                break
            length = (zr + beta * dr) / slope
            if precise:
                true, floor = self._refresh(*system, self.d, norm, length)
            else:
                guess = math.sqrt(self._step(length, beta))
                if guess > max(tolerance, floor, TRUST * true):
                    residuals.append(guess)
                    self._judge(t, free, residuals, max(tolerance, floor))
                    continue
                true, floor = self._settle(*system, norm)
            residuals.append(true)
            self._judge(t, free, residuals, max(tolerance, floor))
        return Solution(len(residuals) - 1, tuple(residuals), residuals[-1] <= max(tolerance, floor))

    def _judge(self, t: Double, free: NDArray[np.uint8], residuals: list[float], tolerance: float) -> None:
        """Change over to connected pieces where the geometric levels would take long.

        With a network the first iterations are slow whatever the levels: pieces have to be far worth it.
        """
        patience = PATIENCE if self.bypass is None else PATIENCE_WITH_NETWORK
        if self.pieces is None and worth_it(residuals, tolerance, patience) and max(free.shape) <= LARGEST:
            self.pieces = Aggregation(free.shape)
            self.pieces.setup(t, free, self.bypass)

    def _settle(
        self, t: Double, free: NDArray[np.uint8], source: Double, x: Double, norm: float
    ) -> tuple[float, float]:
        """Add the sum of the float32 steps to the solution; residuals as of `_refresh`."""
        found = self._refresh(t, free, source, x, self.y, norm)
        self.y[:] = 0
        return found

    def _refresh(
        self,
        t: Double,
        free: NDArray[np.uint8],
        source: Double,
        x: Double,
        step: Single,
        norm: float,
        length: float = 1.0,
    ) -> tuple[float, float]:
        """Take a step, balance colour 1, hand the true residual to the cycle.

        Returns the length of the residual over `norm`, and what it is by round-off alone.
        """
        gain, leak = length * norm * self.scale, NO_LEAK
        if self.bypass is not None:
            leak = self.bypass.leak
            self.bypass.feed(source, x, step, gain)
        fields = (t, free, 1.0, source, leak, x, step, self.b[0], gain, 1.0 / norm, self.part)
        self.follow(self.truth, lambda program, _: kernels.refresh(program, *fields))
        square, _, size, _, _ = self.part.sum(axis=1).tolist()
        return math.sqrt(square) / norm, ROUNDING * math.sqrt(size) / norm

    def _step(self, alpha: float, beta: float) -> float:
        """New direction, step along it, all in float32; returns the squared residual."""
        ni, cells = len(self.w), self.w.shape[-1]
        u, b = (v.reshape(ni, 2, 2, cells) for v in (self.u[0], self.b[0]))
        self.team.share(
            1,
            ni - 1,
            lambda first, end, _: mg.turn_and_step(
                first, end, u, b, self.w, self.d, self.q, self.y, alpha, beta, self.part
            ),
        )
        return float(self.part[0].sum())

    def _precise_slope(self, t: Double, free: NDArray[np.uint8], source: Double, beta: float) -> float:
        """New direction and its curvature in float64, for contrasts beyond float32."""
        self.d *= np.float32(beta)
        self.d += _colour0(self.u[0], self.d.shape)
        way, leak, load = np.zeros(free.shape), NO_LEAK, 0.0
        if self.bypass is not None:
            leak, load, source = self.bypass.leak, 1.0, np.zeros(free.shape)
            self.bypass.along(source, self.d)
        fields = (t, free, load, source, leak, way, self.d, self.b[0], 1.0, -self.scale, self.part)
        self.follow(self.truth, lambda program, _: kernels.refresh(program, *fields))
        self.q[...] = _colour0(self.b[0], self.q.shape)
        return -self.scale * float(self.part[1].sum())


def _colour0(blocks: Single, shape: tuple[int, ...]) -> Single:
    """Copy of the colour 0 of a level array (ni, 2, 2, nj // 2, nk // 2)."""
    out = np.empty(shape, np.float32)
    sorted_cells = blocks.reshape(len(blocks), 2, 2, -1)
    for i in range(2):
        for jp in range(2):
            out[i::2, jp] = sorted_cells[i::2, jp, (i + jp) % 2]
    return out


def _table(shapes: list[tuple[int, int, int]]) -> tuple[NDArray[np.int64], int]:
    rows, start = [], 0
    for ni, nj, nk in shapes:
        m = (nk + 1) // 2
        rows.append((start, ni, nj, m, nk))
        start += 4 * ni * ((nj + 1) // 2) * m
    return np.array(rows, np.int64), start


def natural(blocks: Single, rows: int, depth: int) -> Single:
    """Array (…, ni, nj, nk) of a level array (…, ni, 2, 2, nj // 2, nk // 2) sorted by parities."""
    *lead, ni, _, _, nh, nm = blocks.shape
    axes = [*range(len(lead)), *(len(lead) + n for n in (0, 3, 1, 4, 2))]
    turned = blocks.transpose(axes).reshape(*lead, ni, 2 * nh, 2 * nm)
    out: Single = np.ascontiguousarray(turned[..., :rows, :depth])
    return out


def _dense_inverse(coef: Single, ties: Double) -> Single:
    """Inverse over the inner cells of a level in natural order; closed cells get zero rows and columns.

    ties : conductances among the cells besides the faces, what goes back to a cell itself on the diagonal.
    """
    shape = tuple(n - 2 for n in coef.shape[1:])
    index = np.arange(math.prod(shape)).reshape(shape)
    inner = coef[:, 1:-1, 1:-1, 1:-1].astype(float)
    diagonal = inner[3].ravel()
    matrix = np.diag(np.where(diagonal > 0, 1.0 / np.where(diagonal > 0, diagonal, 1.0), 1.0)) - ties
    for axis in range(3):
        here = np.take(index, range(shape[axis] - 1), axis).ravel()
        there = np.take(index, range(1, shape[axis]), axis).ravel()
        face = np.take(inner[axis], range(shape[axis] - 1), axis).ravel()
        matrix[here, there] -= face
        matrix[there, here] -= face
    inverse = np.linalg.inv(matrix) * np.outer(diagonal > 0, diagonal > 0)
    return np.ascontiguousarray(inverse, np.float32)
