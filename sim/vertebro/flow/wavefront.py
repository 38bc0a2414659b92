"""Order of the half sweeps of a multigrid cycle: on a large level several chase each other over the planes.

A half sweep, a residual or a correction on plane i needs the one before on planes i - 1, i and i + 1 only. Run one
after the other, each reads the whole level from memory; chasing each other one plane apart they find it in the cache.
Threads take a range of planes each and leave out the wedge between two ranges, which one of them does afterwards: the
values do not depend on who computes them, or when.

A program is a list of steps (job, level, colour, first plane, end plane); an act is a list of programs that may run
side by side, a plan a list of acts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Stage = tuple[int, int, int]
Program = NDArray[np.int64]
Plan = list[list[Program]]
SWEEP, DESCEND, ASCEND, START, SOLVE, OPERATE, GATHER, SPREAD = range(8)  # jobs of kernels_multigrid.cycle_steps
CORRECT, BALANCE, RESIDUAL = 10, 11, 12  # jobs of kernels.refresh


def cycle_plan(
    planes: Sequence[int], first_small: int, sweeps: int, threads: int, visits: int = 2, joined: bool = False
) -> Plan:
    """Plan of a multigrid cycle, by default a W-cycle: cheap beside the finest level, and it saves iterations.

    Parameters
    ----------
    planes : sequence of int
        Planes of each level, ghosts included.
    first_small : int
        Levels from here on are whole in the cache and not shared among threads.
    sweeps : int
        Red-black sweeps before and after the coarse correction.
    threads : int
    visits : int
        Visits of each level but the finest: 1 is a V-cycle, 2 a W-cycle.
    joined : bool
        Whether something outside the grid joins cells: its nodes are balanced before and after the coarse correction.
    """
    last = len(planes) - 1

    def visit(n: int, from_zero: bool) -> Plan:
        operate: list[Stage] = [(SWEEP, 0, 1), (OPERATE, 0, 0)] if n == 0 else []
        if n == last:
            return [[whole([(SOLVE, last, 0), *operate], planes[last])]]
        down: list[Stage] = [(SWEEP, n, half % 2) for half in range(2 * sweeps)]
        if from_zero:
            down[0] = (START, n, 0)
        up: list[Stage] = [(ASCEND, n, 0), *((SWEEP, n, 1 - half % 2) for half in range(2 * sweeps)), *operate]
        below = visit(n + 1, True) + (visits - 1 if n + 1 < last else 0) * visit(n + 1, False)
        if joined:
            below = [[whole([(GATHER, n, int(from_zero))], 3)], *below, [whole([(SPREAD, n, 0)], 3)]]
        return [*run([*down, (DESCEND, n, 0)], n), *below, *run(up, n)]

    def run(stages: list[Stage], n: int) -> Plan:
        return chase(stages, planes[n], threads) if n < first_small else [[whole(stages, planes[n])]]

    return merge(visit(0, True))


def finest_plans(planes: int, sweeps: int, threads: int) -> tuple[Plan, Plan]:
    """Plans of the finest level around a coarse correction of another kind: before it and after it."""
    down: list[Stage] = [(START, 0, 0), *((SWEEP, 0, half % 2) for half in range(1, 2 * sweeps))]
    up: list[Stage] = [(SWEEP, 0, 1 - half % 2) for half in range(2 * sweeps)]
    return chase(down, planes, threads), chase([*up, (SWEEP, 0, 1), (OPERATE, 0, 0)], planes, threads)


def whole(stages: Sequence[Stage], planes: int) -> Program:
    """Stages one after the other over all inner planes."""
    return np.array([(*stage, 1, planes - 1) for stage in stages], np.int64).reshape(-1, 5)


def merge(plan: Plan) -> Plan:
    """One call instead of several where nothing is shared."""
    out: Plan = []
    for act in plan:
        if out and len(act) == len(out[-1]) == 1:
            out[-1] = [np.concatenate([out[-1][0], act[0]])]
        else:
            out.append(act)
    return out


def chase(stages: Sequence[Stage], planes: int, threads: int) -> Plan:
    """Plan that does `stages` on the inner planes of a level of `planes` planes, ghosts included.

    Fewer threads are used where their ranges would be shorter than the wedges between them.
    """
    parts = max(1, min(threads, (planes - 2) // (4 * len(stages))))
    cuts = [1 + (planes - 2) * n // parts // 2 * 2 for n in range(parts)] + [planes - 1]
    ranges = [_Range(low, high) for low, high in pairwise(cuts)]
    plan = [[_advance(stages, planes, one) for one in ranges]]
    wedges = [
        (*stage, first, end)
        for left, right in pairwise(ranges)
        for n, stage in enumerate(stages)
        for first, end in _units(stage, left.done[n], right.start[n])
    ]
    return [*plan, [np.array(wedges, np.int64)]] if wedges else plan


@dataclass(slots=True)
class _Range:
    """How far each stage has come on the planes ``[low, high)``: it has done ``[start, done)``."""

    low: int
    high: int
    start: list[int] = field(default_factory=list)
    done: list[int] = field(default_factory=list)


def _size(stage: Stage) -> int:
    """Planes (1, 2), (3, 4), … go down together: they end in one coarse plane."""
    return 2 if stage[0] == DESCEND else 1


def _units(stage: Stage, first: int, end: int) -> list[tuple[int, int]]:
    return [(i, min(i + _size(stage), end)) for i in range(first, end, _size(stage))]


def _advance(stages: Sequence[Stage], planes: int, one: _Range) -> Program:
    """Greedy schedule of a range: each stage follows the one before as closely as it may."""
    for n, stage in enumerate(stages):
        start = one.low if n == 0 or one.low == 1 else one.start[n - 1] + 1
        one.start.append(start + (start + 1) % 2 * (_size(stage) - 1))
    one.done[:] = one.start
    steps: list[tuple[int, ...]] = []
    moved = True
    while moved:
        moved = False
        for n, stage in enumerate(stages):
            first = one.done[n]
            end = min(first + _size(stage), planes - 1)
            ready = one.high + 1 if n == 0 else one.done[n - 1]
            if first < end <= one.high and (end < ready or ready == planes - 1):
                steps.append((*stage, first, end))
                one.done[n] = end
                moved = True
    return np.array(steps, np.int64).reshape(-1, 5)
