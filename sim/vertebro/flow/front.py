"""Move the front: call the transport kernel, settle what found no way out, keep the ledger of the outlets."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from vertebro.flow import kernels_front
from vertebro.flow.pressure import PressureField

Float = NDArray[np.float64]


class Front:
    """Work arrays of the transport in one box."""

    def __init__(self, flow: PressureField, sharp: bool = True) -> None:
        shape = flow.p.shape
        self.flow, self.sharp = flow, sharp
        self.s = np.zeros(shape)
        self.birth = np.zeros(shape)
        self.work = flow.solver.pool.reshape(9, -1)
        self.seen = np.zeros(self.s.size, np.uint8)
        self.heap = np.zeros(self.s.size, np.int32)
        self.strides = np.array([shape[1] * shape[2], shape[2], 1], np.int64)

    def move(self, dt: float, now: float, outlets: int) -> tuple[Float, float]:
        """Advance fill and age over `dt` [s]; returns injected volume per outlet [m³] and the volume left unplaced."""
        flow, box, s, birth = self.flow, self.flow.box, self.s.reshape(-1), self.birth.reshape(-1)
        source = flow.source.reshape(-1)
        starts = np.flatnonzero(source) if flow.power == 0.0 else np.flatnonzero((s > 0) | (source > 0))
        # sorted by falling pressure: a heap already
        starts = starts[np.lexsort((starts, -flow.p.reshape(-1)[starts]))]
        self.heap[: starts.size] = starts
        self.seen[:] = 0
        self.seen[starts] = 2
        self.work[4] = 0.0
        self.work[5], self.work[6] = s, birth
        ledger = np.zeros(max(outlets, 1))
        kernels_front.transport(
            flow.p.reshape(-1),
            flow.t.reshape(3, -1),
            self.strides,
            box.pore.reshape(-1),
            s,
            birth,
            source,
            box.outlet.reshape(-1),
            flow.ratio.reshape(-1),
            flow.power,
            self.sharp,
            dt,
            now,
            self.heap,
            starts.size,
            self.seen,
            self.work,
            ledger,
        )
        return ledger[:outlets], self.settle(now)

    def room(self, flow: PressureField) -> float:
        """Free pore volume of the cells at the front [m³]."""
        return float(kernels_front.front_room(self.s, flow.box.pore, flow.source, flow.box.active))

    def outlet_flow(self, outlets: int) -> Float:
        """Total flow out of each outlet now [m³/s]."""
        flow = self.flow
        outlet, p, t = flow.box.outlet.reshape(-1), flow.p.reshape(-1), flow.t.reshape(3, -1)
        cells = np.flatnonzero(outlet)
        net = flow.source.reshape(-1)[cells].copy()
        for d, step in enumerate(self.strides):
            net += t[d, cells] * (p[cells + step] - p[cells]) + t[d, cells - step] * (p[cells - step] - p[cells])
        total = np.bincount(outlet[cells] - 1, weights=net, minlength=outlets)[:outlets]
        return total.astype(np.float64)

    def settle(self, now: float) -> float:
        """Put fluid that met a dead end into the nearest cells with room; returns what found none [m³].

        It is the solver's residual or, in cement-only mode, the last of a step beyond the ring; never more than a
        sliver, but the ledger must close.
        """
        excess = self.work[4]
        lost = 0.0
        for start in np.flatnonzero(excess):
            lost += self._place(int(start), float(excess[start]))
            excess[start] = 0.0
        return lost

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
