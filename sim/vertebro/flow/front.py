"""Move the front: call the transport kernel, settle what found no way out, keep the ledger of the outlets."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from vertebro.flow import kernels_front
from vertebro.flow.pressure import PressureField

Float = NDArray[np.float64]
START_ROOM = 4096  # cells; doubled when a step reaches more


class Front:
    """Work arrays of the transport in one box: rows for the cells that are reached, a number for every cell."""

    def __init__(self, flow: PressureField, sharp: bool = True) -> None:
        shape = flow.p.shape
        self.flow, self.sharp = flow, sharp
        self.s = np.zeros(shape)
        self.birth = np.zeros(shape)
        self.place = np.zeros(self.s.size, np.int32)
        self.face = np.zeros((19, 5))
        self.strides = np.array([shape[1] * shape[2], shape[2], 1], np.int64)
        self.ends = np.flatnonzero(flow.box.outlet)
        self.ledger = np.zeros(max(1, int(flow.box.outlet.max())))
        self._make_room(START_ROOM)

    def _make_room(self, cells: int) -> None:
        self.order = np.zeros(cells, np.int32)
        self.rows = np.zeros((cells, 12))

    def move(self, dt: float, now: float, outlets: int) -> tuple[Float, float]:
        """Advance fill and age over `dt` [s]; returns injected volume per outlet [m³] and the volume left unplaced."""
        reached = self._transport(dt, now)
        while reached < 0:
            self._make_room(2 * self.order.size)
            reached = self._transport(dt, now)
        return self.ledger[:outlets].copy(), self.settle(reached)

    def _transport(self, dt: float, now: float) -> int:
        flow, box = self.flow, self.flow.box
        self.ledger[:] = 0.0
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
                flow.ratio.reshape(-1),
                flow.power,
                self.sharp,
                dt,
                now,
                self.place,
                self.order,
                self.rows,
                self.face,
                self.ledger,
            )
        )

    def room(self, flow: PressureField) -> float:
        """Free pore volume of the cells at the front [m³]."""
        return float(kernels_front.front_room(self.s, flow.box.pore, flow.source, flow.box.active))

    def outlet_flow(self, outlets: int) -> Float:
        """Total flow out of each outlet now [m³/s]."""
        flow = self.flow
        outlet, p, t = flow.box.outlet.reshape(-1), flow.p.reshape(-1), flow.t.reshape(3, -1)
        cells = self.ends
        net = flow.source.reshape(-1)[cells].copy()
        for d, step in enumerate(self.strides):
            net += t[d, cells] * (p[cells + step] - p[cells]) + t[d, cells - step] * (p[cells - step] - p[cells])
        total = np.bincount(outlet[cells] - 1, weights=net, minlength=outlets)[:outlets]
        return total.astype(np.float64)

    def settle(self, reached: int) -> float:
        """Put fluid that met a dead end into the nearest cells with room; returns what found none [m³].

        It is the solver's residual or, in cement-only mode, the last of a step beyond the ring; never more than a
        sliver, but the ledger must close.
        """
        excess = self.rows[:reached, kernels_front.EXCESS]
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
