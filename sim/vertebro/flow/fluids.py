"""Flow resistance of the fluids in place: shear-dependent viscosities are worked out only where the fluid is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vertebro.flow import kernels_pace
from vertebro.flow.laws import depends_on_shear, evaluate
from vertebro.flow.pressure import PressureField
from vertebro.flow.team import Team

Float = NDArray[np.float64]
_UNIT_RATE = np.array([1.0])


class Resistance:
    """Fills the flow resistance [Pa·s] of a box's cells; works in the solver's memory, which is free between solves."""

    def __init__(self, flow: PressureField, team: Team) -> None:
        self.flow, self.team = flow, team
        self._index = flow.solver.flat[0].view(np.int32)
        self._rates = flow.solver.vectors.reshape(-1).view(np.float64)

    def fill(self, s: Float, now: float) -> None:
        """Write `flow.res` for a fill `s` at a time [s], with the shear rates of the last pressure."""
        flow, problem = self.flow, self.flow.problem
        injected, displaced = problem.law("injected"), problem.law("displaced")
        # only a sharp front leaves cells that do not know the injected fluid's viscosity
        if flow.power > 0.0 or problem.mode == "cement-only" or depends_on_shear(displaced, now):
            flow.fluids(s, now)
            return
        thin = float(evaluate(displaced, _UNIT_RATE, now)[0])
        if not depends_on_shear(injected, now):
            np.multiply(s, float(evaluate(injected, _UNIT_RATE, now)[0]) - thin, out=flow.res)
            flow.res += thin
            return
        self.team.share(1, s.shape[0] - 1, lambda a, b, _: self._planes(s, now, thin, a, b))

    def _planes(self, s: Float, now: float, thin: float, first: int, end: int) -> None:
        flow, problem = self.flow, self.flow.problem
        start, stop = (n * s.shape[1] * s.shape[2] for n in (first, end))
        index, rates = self._index[start:stop], self._rates[start:stop]
        fields = (s, flow.t, flow.p, flow.box.half, flow.box.pore, problem.shear_factor)
        count = kernels_pace.wet_cells(*fields, first, end, index, rates)
        wet = index[:count]
        flow.res[first:end].fill(thin)
        flow.res.reshape(-1)[wet] += s.reshape(-1)[wet] * (evaluate(problem.law("injected"), rates[:count], now) - thin)
