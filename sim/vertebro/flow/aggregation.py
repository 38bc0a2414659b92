"""Coarse levels from connected pieces of blocks: the remedy for long channels in tight rock.

Geometric coarsening lumps whatever lies in a block, so that channels which pass each other without touching become one:
such fields take 100 iterations and more. Here the nodes of a 2x2x2 block are joined only while the pair is a good
aggregate, best first: face · (1/D₁ + 1/D₂) >= 1/8, the D being the sums of all faces of the two pieces (the quality of
Napov & Notay, SIAM J. Sci. Comput. 34, 2012, for zero row sums). A block of one kind becomes one node as before, one
with a channel and rock two or three; a level has 1 to 1.2 nodes per block.

Prolongation is constant; faces between nodes are summed and weakened by 0.55, sinks summed. A W cycle, with one forward
and one backward Gauss-Seidel sweep: two cycles in a row turn an eigenvalue e <= 1/0.55 of the coarse answer into
e (2 - e) > 0, so the cycle stays positive definite, which weakening by 0.5, the best for a V cycle, does not grant. A
level that hardly shrinks is visited once and must not be weakened: eigenvalues above 2 would explode in the cycles
above. The levels take some 20 bytes per fine cell and as long to build as five cycles of 128³ cells, so the geometric
levels stay in use where they do well (`worth_it`).
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.flow import kernels_aggregation as ka
from vertebro.flow.bypass import Bypass, sinks_of_nodes

Single = NDArray[np.float32]
Index = NDArray[np.uint32]
ENOUGH = (1 / 8, 1 / 32, 1e-9)  # least quality of a pair; the laxer ones where a level would hardly shrink
SHRINK = 0.7  # largest share of nodes that a coarser level may keep before the rule is laxer
WEAKEN = 0.55  # factor of the faces between nodes
BOTTOM = 256  # nodes below which a level is solved by a dense inverse
DENSE_MOST = 1000  # nodes of a coarsest level beyond which it is only smoothed
TWICE = 0.5  # a level at most this large, compared with the one above, is weakened and visited twice
LARGEST = 2048  # cells along an axis: places have ten bits
TRIAL, PATIENCE, WINDOW = 10, 22, 8  # iterations: before judging, still bearable, over which the rate is taken
PATIENCE_WITH_NETWORK = 120
FORWARD_ZERO, RESTRICT_UPPER, FORWARD, RESTRICT, PROLONG, BACKWARD, SOLVE = range(
    7
)  # jobs of kernels_aggregation.cycle


def worth_it(residuals: list[float], tolerance: float, patience: float) -> bool:
    """Tell whether a solve will take so long that other coarse levels pay: more than `patience` iterations at its rate.

    Parameters
    ----------
    residuals : list of float
        Relative residual at the start and after each iteration.
    tolerance : float
        The aim.
    patience : float
    """
    if len(residuals) <= TRIAL or not residuals[-1] > tolerance:
        return False
    # the mean decay of the last few iterations; conjugate gradients do not fall evenly
    rate = math.log(residuals[-1 - WINDOW] / residuals[-1]) / WINDOW
    return math.log(residuals[-1] / tolerance) > patience * rate


class Aggregation:
    """Coarse levels of one box below its finest level; keeps its memory from set-up to set-up.

    Parameters
    ----------
    shape : tuple of int
        Padded shape of the finest level.

    Attributes
    ----------
    number : array of uint32, padded shape
        Node of every cell, counted from 1; 0 for cells that take no part.
    """

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.shape = shape
        self.number = np.zeros(shape, np.uint32)
        self.ptr, self.mid, self.up, self.place = (np.zeros(0, np.uint32) for _ in range(4))
        self.dinv, self.sink, self.x, self.b = (np.zeros(0, np.float32) for _ in range(4))
        self.cols, self.vals = np.zeros(0, np.uint32), np.zeros(0, np.float32)
        self.first, self.begin = np.zeros(2, np.int64), np.zeros(1, np.int64)
        self.inverse = np.zeros((0, 0), np.float32)
        self.program = np.zeros((0, 2), np.int64)

    @property
    def counts(self) -> list[int]:
        """Nodes of every level."""
        return [int(e - a) - 1 for a, e in pairwise(self.first.tolist())]

    @property
    def right(self) -> Single:
        """Right-hand side of the first coarse level, by node."""
        out: Single = self.b[: self.first[1]]
        return out

    @property
    def answer(self) -> Single:
        """Solution of the first coarse level, by node; that of node 0 is 0."""
        out: Single = self.x[: self.first[1]]
        return out

    def setup(self, t: NDArray[np.float64], free: NDArray[np.uint8], bypass: Bypass | None = None) -> None:
        """Build the levels from float64 faces (3, …) [m³/(s·Pa)], the mask of free cells, leaks of joined cells."""
        scale = 1.0 / max(float(t.max()), 1e-300)
        count = ka.split_blocks(t, free, ENOUGH[0], self.number)
        self.first, self.begin = np.array([0, count + 1]), np.array([0])
        self._room(int(1.2 * count) + 64, 7 * count)
        self._empty_node(0)
        work = np.zeros((3, count + 1), np.uint32)
        while True:
            level = self._level(0)
            found = ka.first_rows(
                t, free, self.number, scale, WEAKEN, level.ptr, level.mid, self.cols, self.vals, level.dinv, level.sink,
                level.place, work[0],
            )  # fmt: skip
            if self._room(0, found):
                break
        if bypass is not None:
            sinks_of_nodes(bypass, self.number, scale, level.sink, level.dinv)
        self.begin = np.append(self.begin, found)
        blocks = [(n - 1) // 2 for n in self.shape]
        while self.counts[-1] > BOTTOM:
            blocks = [(n + 1) // 2 for n in blocks]
            if not self._coarsen(blocks, work):
                break
        self._bottom()
        self.program = _program(self.counts)

    def cycle(self) -> None:
        """One cycle: `answer` becomes an approximate solution for `right`."""
        ka.cycle(
            self.program, self.first, self.begin, self.ptr, self.mid, self.cols, self.vals, self.dinv, self.up, self.x,
            self.b, self.inverse,
        )  # fmt: skip

    def _room(self, nodes: int, faces: int) -> bool:
        """Enlarge the storage if need be; True if there was room for the faces."""
        for name in ("ptr", "mid", "up", "place", "dinv", "sink", "x", "b"):
            setattr(self, name, _longer(getattr(self, name), nodes))
        enough = faces <= len(self.cols)
        if not enough:
            more = faces + faces // 10
            self.cols, self.vals = _longer(self.cols, more), _longer(self.vals, more)
        return enough

    def _empty_node(self, n: int) -> None:
        """Node 0 of a level has no row, no answer and no coarser node."""
        at = int(self.first[n])
        self.ptr[at] = self.up[at] = 0
        self.x[at] = 0.0

    def _level(self, n: int) -> _Level:
        a, e = int(self.first[n]), int(self.first[n + 1])
        return _Level(self, slice(a, e))

    def _coarsen(self, blocks: list[int], work: NDArray[np.uint32]) -> bool:
        """Append the next level, whose nodes are pieces of `blocks` blocks; False if nothing can be joined."""
        n = len(self.first) - 2
        nodes, begin, end = self.counts[-1], int(self.begin[n]), int(self.begin[n + 1])
        fine = self._level(n)
        head, count = np.zeros(max(math.prod(blocks), nodes + 1), np.uint32), nodes
        for enough in ENOUGH:
            count = ka.split_nodes(
                fine.ptr, self.cols[begin:end], self.vals[begin:end], fine.dinv, fine.sink, fine.place, blocks[1],
                blocks[2], enough, fine.up, work[0], head[: math.prod(blocks)], work[1],
            )  # fmt: skip
            if count <= SHRINK * nodes:
                break
        if count in (0, nodes):
            return False
        self.first = np.append(self.first, self.first[-1] + count + 1)
        self._room(int(self.first[-1]), 0)
        self._empty_node(n + 1)
        weaken = WEAKEN if count <= TWICE * nodes else 1.0
        while True:
            fine, next_ = self._level(n), self._level(n + 1)
            found = ka.coarse_rows(
                fine.ptr, self.cols[begin:end], self.vals[begin:end], fine.sink, fine.place, fine.up, weaken, next_.ptr,
                next_.mid, self.cols[end:], self.vals[end:], next_.dinv, next_.sink, next_.place, head[: count + 1],
                work[1], work[2],
            )  # fmt: skip
            if self._room(0, end + found):
                break
        self.begin = np.append(self.begin, end + found)
        return True

    def _bottom(self) -> None:
        """Invert the coarsest level unless it is too large."""
        n, size = len(self.first) - 2, self.counts[-1]
        if size > DENSE_MOST:
            return
        ptr, level = self._level(n).ptr.astype(np.int64), self._level(n)
        matrix = np.zeros((size + 1, size + 1))
        at = slice(int(self.begin[n]), int(self.begin[n + 1]))
        rows = np.repeat(np.arange(1, size + 1), np.diff(ptr))
        matrix[rows, self.cols[at]] = -self.vals[at].astype(float)
        diagonal = level.sink - matrix.sum(axis=1)
        # a region without outlet has no unique pressure: lift it by a millionth
        matrix[np.diag_indices(size + 1)] = np.where(diagonal > 0, diagonal * (1.0 + 1e-6), 1.0)
        self.inverse = np.ascontiguousarray(np.linalg.inv(matrix[1:, 1:]), np.float32)


class _Level:
    """Views of the storage of one level."""

    def __init__(self, whole: Aggregation, part: slice) -> None:
        self.ptr, self.mid, self.up, self.place = (v[part] for v in (whole.ptr, whole.mid, whole.up, whole.place))
        self.dinv, self.sink = whole.dinv[part], whole.sink[part]


def _longer(values: NDArray[Any], size: int) -> NDArray[Any]:
    if size <= len(values):
        return values
    out = np.zeros(size, values.dtype)
    out[: len(values)] = values
    return out


def _program(counts: list[int]) -> NDArray[np.int64]:
    """Steps (job, level) of a W cycle; levels that hardly shrink are visited once."""
    steps: list[tuple[int, int]] = []
    last = len(counts) - 1

    def visit(n: int) -> None:
        if n == last and counts[n] <= DENSE_MOST:
            steps.append((SOLVE, n))
            return
        if n == last:
            steps.extend([(FORWARD_ZERO, n), (BACKWARD, n)] + [(FORWARD, n), (BACKWARD, n)] * 3)
            return
        steps.extend([(FORWARD_ZERO, n), (RESTRICT_UPPER, n)])
        visit(n + 1)
        steps.extend([(PROLONG, n), (BACKWARD, n)])
        if counts[n + 1] <= TWICE * counts[n]:
            steps.extend([(FORWARD, n), (RESTRICT, n)])
            visit(n + 1)
            steps.extend([(PROLONG, n), (BACKWARD, n)])

    visit(0)
    return np.array(steps, np.int64)
