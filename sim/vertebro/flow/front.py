"""Move the front: call the transport kernel, settle what found no way out, keep the ledger of the outlets."""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from numpy.typing import NDArray

from vertebro.flow import kernels_front, kernels_pace
from vertebro.flow.pressure import PressureField

Float = NDArray[np.float64]
START_ROOM = 4096  # cells; doubled when a step reaches more
MIXED_STEP = 0.5  # mean advance of a mixed front per transport step, in cells


class Front:
    """Work arrays of the transport in one box: rows for the cells that are reached, a number for every cell."""

    def __init__(self, flow: PressureField, sharp: bool = True) -> None:
        shape = flow.p.shape
        self.flow, self.sharp = flow, sharp
        self.s = np.zeros(shape)
        self.birth = np.zeros(shape)
        self.place = np.zeros(self.s.size, np.int32)
        self.face = np.zeros((kernels_front.ROWS, 4))
        self.sums = np.zeros(kernels_front.SUMS)
        self.strides = np.array([shape[1] * shape[2], shape[2], 1], np.int64)
        self.ledger = np.zeros(max(1, int(flow.box.outlet.max())))
        cells = self.s.size if flow.network is not None else 1
        self.vessel = np.zeros((kernels_front.VESSEL_ROWS, cells))
        self._make_room(START_ROOM)

    def _make_room(self, cells: int) -> None:
        self.order = np.zeros(2 * cells, np.int32)
        self.rows = np.zeros((cells, kernels_front.COLUMNS))

    def move(self, dt: float, now: float, outlets: int) -> tuple[Float, float]:
        """Advance fill and age over `dt` [s]; returns injected volume per outlet [m³] and the volume left unplaced.

        Mixed flow is second order only where waves stay inside their cells: it goes in parts of the step in which the
        front advances by half a cell on average.
        """
        self.ledger[:] = 0.0
        lost, end, total = 0.0, now + dt, 0.0
        if self.sharp and self.flow.power > 0.0:
            total = float(self.flow.source.sum())
        while now < end:
            part = end - now
            if total > 0.0:
                longest = MIXED_STEP * self.room(self.flow) / total
                part /= max(1, math.ceil(part / longest - 1e-9)) if longest > 0.0 else 1
            lost += self._part(part, now)
            now = end if part >= end - now else now + part
        return self.ledger[:outlets].copy(), lost

    def _part(self, dt: float, now: float) -> float:
        reached = self._transport(dt, now)
        while reached < 0:
            self._make_room(2 * len(self.rows))
            reached = self._transport(dt, now)
        return self.settle(reached)

    def _transport(self, dt: float, now: float) -> int:
        flow, box = self.flow, self.flow.box
        return int(
            kernels_front.transport(
                flow.p.reshape(-1),
                flow.t.reshape(3, -1),
                self.strides,
                box.pore.reshape(-1),
                self.s.reshape(-1),
                self.birth.reshape(-1),
                flow.source.reshape(-1),
                box.outlet.reshape(-1),
                self.vessel,
                flow.ratio.reshape(-1),
                flow.power,
                self.sharp,
                dt,
                now,
                self.place,
                self.order,
                self.rows,
                self.face,
                self.sums,
                self.ledger,
            )
        )

    def room(self, flow: PressureField) -> float:
        """Free pore volume of the cells at the front [m³]."""
        return float(kernels_pace.front_room(self.s, flow.box.pore, flow.source, flow.box.active))

    def settle(self, reached: int) -> float:
        """Put fluid that met a dead end into the nearest cells with room; returns what found none [m³].

        It is the solver's residual or, in cement-only mode, the last of a step beyond the ring; never more than a
        sliver, but the ledger must close.
        """
        excess = self.rows[:reached, kernels_front.SPARE]
        return sum((self._place(int(self.order[k]), float(excess[k])) for k in np.flatnonzero(excess)), 0.0)

    def _place(self, start: int, volume: float) -> float:
        s, pore = self.s.reshape(-1), self.flow.box.pore.reshape(-1)
        t, birth = self.flow.t.reshape(3, -1), self.birth.reshape(-1)
        age = float(birth[start])
        queue, known = deque([start]), {start}
        while queue and volume > 0.0:
            i = queue.popleft()
            room = (1.0 - s[i]) * pore[i]
            if room > 0.0:
                put = min(room, volume)
                held = s[i] * pore[i]
                birth[i] = (held * birth[i] + put * age) / (held + put)
                s[i] = min(1.0, (held + put) / pore[i])
                volume -= put
            for d in range(3):
                step = int(self.strides[d])
                for j, face in ((i + step, t[d, i]), (i - step, t[d, i - step])):
                    if face > 0.0 and j not in known:
                        known.add(j)
                        queue.append(j)
        return volume
