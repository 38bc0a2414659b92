"""Between the user's state and the solver's box, and what scales a whole field; threads share the planes."""

from __future__ import annotations

import copy

import numpy as np

from vertebro.flow.domain import INNER
from vertebro.flow.front import Front
from vertebro.flow.pressure import PressureField
from vertebro.flow.state import FlowState
from vertebro.flow.team import Team, usual_size

SMALL = 30_000  # cells below which threads cost more than they bring


class Exchange:
    """Copies of one box from and to states, without temporary arrays.

    Parameters
    ----------
    flow : PressureField
    front : Front
    """

    def __init__(self, flow: PressureField, front: Front) -> None:
        self.flow, self.front = flow, front
        self.team = Team(usual_size() if flow.p.size > SMALL else 1)
        self._dry = np.zeros(flow.p[INNER].shape, bool)

    def store(self, state: FlowState) -> None:
        """Write pressure, fill and age into the state."""
        window = self.flow.box.window
        pressure, fill = window.view(state.pressure), window.view(state.saturation)
        entered, dry = window.view(state.injection_time), self._dry
        p, s, birth = self.flow.p[INNER], self.front.s[INNER], self.front.birth[INNER]

        def work(a: int, b: int, who: int) -> None:
            pressure[a:b], fill[a:b], entered[a:b] = p[a:b], s[a:b], birth[a:b]
            np.less_equal(s[a:b], 0.0, out=dry[a:b])
            np.copyto(entered[a:b], np.nan, where=dry[a:b])

        self.team.share(0, p.shape[0], work)
        if self.flow.network is not None:
            state.vessels = copy.deepcopy(self.flow.network.state)

    def load(self, state: FlowState) -> None:
        """Read pressure, fill and age from the state."""
        window = self.flow.box.window
        self.flow.p[...] = window.take(state.pressure)
        self.front.s[...] = window.take(state.saturation)
        self.front.birth[...] = np.nan_to_num(window.take(state.injection_time))
        if self.flow.network is not None and state.vessels is not None:
            self.flow.network.state = copy.deepcopy(state.vessels)

    def holds(self, state: FlowState) -> bool:
        """Whether the box's fill is the state's."""
        fill, s = self.flow.box.window.view(state.saturation), self.front.s[INNER]
        differs = self._dry
        found = np.zeros(s.shape[0], bool)

        def work(a: int, b: int, who: int) -> None:
            np.not_equal(fill[a:b], s[a:b], out=differs[a:b])
            np.any(differs[a:b], axis=(1, 2), out=found[a:b])

        self.team.share(0, s.shape[0], work)
        network = self.flow.network
        return not found.any() and (network is None or state.vessels is None or network.state.same(state.vessels))

    def scale(self, ratio: float, factor: float) -> None:
        """Change viscosity by `ratio` and all rates by `factor`: exact but for the displaced fluid's share.

        Pressures above the outlets rise by both, faces fall with the viscosity.
        """
        if ratio * factor == 1.0:
            return
        flow, rise = self.flow, ratio * factor
        base = flow.box.level
        if base is None:
            held = flow.p[(flow.free == 0) & ~flow.sealed]
            base = float(held.mean()) if held.size else 0.0
        p, free, t, res = flow.p, flow.free.view(np.bool_), flow.t, flow.res

        def work(a: int, b: int, who: int) -> None:
            np.multiply(p[a:b], rise, out=p[a:b], where=free[a:b])
            np.add(p[a:b], base * (1.0 - rise), out=p[a:b], where=free[a:b])
            t[:, a:b] *= 1.0 / ratio
            res[a:b] *= ratio

        self.team.share(0, p.shape[0], work)
