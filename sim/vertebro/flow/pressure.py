"""Pressure of one moment: resistances of the fluids in place, pinned cells, multigrid solve, control of the wells."""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vertebro.errors import SolverError
from vertebro.flow import kernels
from vertebro.flow.domain import EMPTY_SHARE, SEALED_RING, Box, drained_by_all, make_box, whole_window
from vertebro.flow.laws import ViscosityLaw, evaluate, uniform
from vertebro.flow.multigrid import Multigrid, Solution
from vertebro.flow.network import Network
from vertebro.flow.problem import RELATIVE_PERMEABILITY, FlowProblem
from vertebro.flow.state import FlowState
from vertebro.flow.wells import well_shares

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PressureReport:
    """How a pressure solve went.

    Attributes
    ----------
    iterations : int
    residual : float
        Length of the residual over that of the inflow.
    residuals : tuple of float
        History, first the start.
    seconds : float
        CPU seconds of this thread, set-up included.
    cells : int
        Unknowns.
    sealed : tuple of str
        Wells in regions without a way out: their rates were left out.
    """

    iterations: int
    residual: float
    residuals: tuple[float, ...]
    seconds: float
    cells: int
    sealed: tuple[str, ...] = ()


class PressureField:
    """Faces, pressure and solver of one box; remade only when the box changes."""

    def __init__(self, problem: FlowProblem, box: Box, sweeps: int = 2) -> None:
        self.problem, self.box = problem, box
        shape = box.window.padded
        self.power = RELATIVE_PERMEABILITY[problem.relative_permeability]
        self.p = np.zeros(shape)
        self.res = np.zeros(shape)
        self.source = np.zeros(shape)
        self.t = np.zeros((3, *shape))
        self.free = np.zeros(shape, np.uint8)
        self.solver = Multigrid(shape, sweeps)
        self.ratio = np.ones(shape if self.power > 0.0 else 1)
        self.sealed = ~box.active
        self.usual_pores = float(box.pore.sum()) / max(1, int(np.count_nonzero(box.pore)))  # of a cell [m³]
        self.series = True
        self.network = Network(problem, problem.vessels, box) if problem.vessels is not None else None
        if self.network is not None:
            self.solver.join(self.network.bypass)

    def pin(self, s: Float) -> None:
        """Choose the free cells for a fill `s` and write the pressures of the pinned ones."""
        box = self.box
        take_part = box.active
        pinned = box.outlet > 0
        if self.problem.mode == "cement-only":
            wet = (s > 0) | (self.source > 0)
            ring = ndimage.binary_dilation(wet, iterations=SEALED_RING) & box.active
            pinned = pinned | (box.active & ~ring)
            take_part = drained_by_all(self.problem, box.window, box.active, box.half, box.layer, pinned)
            self.p[pinned & (box.outlet == 0)] = self.problem.displaced_pressure
        self.sealed = ~take_part
        np.copyto(self.free, take_part & ~pinned, casting="unsafe")
        self.p.reshape(-1)[box.ends] = box.held
        self.p[~take_part] = 0.0

    def fluids(self, s: Float, now: float, birth: Float | None = None) -> None:
        """Fill the flow resistance [Pa·s] of every cell from the viscosities at the present shear rates and births."""
        problem = self.problem
        thick = self._viscosity(problem.law("injected"), s, now, birth)
        if problem.mode == "cement-only":
            np.multiply(thick, EMPTY_SHARE + (1.0 - EMPTY_SHARE) * s, out=self.res)
            return
        thin = self._viscosity(problem.law("displaced"), s, now)
        if self.power == 0.0:
            np.multiply(s, thick - thin, out=self.res)
            self.res += thin
            return
        np.divide(thick, thin, out=self.ratio)
        # thin fluid behind the front amplifies the grid's directions: series halves that, upwind is sharper else
        self.series = bool(np.all(self.ratio <= 1.0))
        np.divide(1.0, s**self.power / thick + (1.0 - s) ** self.power / thin, out=self.res)

    def _viscosity(self, law: ViscosityLaw, s: Float, now: float, birth: Float | None = None) -> Float | float:
        if uniform(law, now):
            return float(evaluate(law, np.array([1.0]), now)[0])
        rates = np.zeros(s.shape)
        kernels.shear_rates(self.t, self.p, self.box.half, self.box.pore, self.problem.shear_factor, rates)
        return evaluate(law, rates, now, birth)

    def vessels(self, s: Float, now: float) -> None:
        """Work out what the vessels do at the present resistances; `faces` must follow."""
        if self.network is not None:
            self.network.assemble(self.p, self.res, s, self.free, now)

    def right(self, source: Float) -> Float:
        """Right-hand side of the pressure equation [m³/s]: a source, and what vessels supply at pressure 0."""
        if self.network is None:
            return source
        out = source.copy()
        out.reshape(-1)[self.network.bypass.cells] += self.network.bypass.supply
        return out

    def faces(self) -> None:
        """Compute the face transmissibilities and the multigrid hierarchy."""
        box, series = self.box, self.series
        self.solver.team.share(
            0,
            self.res.shape[0] - 1,
            lambda a, b, _: kernels.assemble(box.half, box.layer, self.res, self.p, series, self.t, a, b),
        )
        self.solver.setup(self.t, self.free)

    def solve(self, x: Float, source: Float, tolerance: float, norm: float, now: float) -> Solution:
        """Solve for `x`, in place.

        Raises
        ------
        SolverError
            If it does not converge; carries the residual history.
        """
        if norm <= 0.0:
            return Solution(0, (0.0,), True)
        found = self.solver.solve(self.t, self.free, source, x, norm=norm, tolerance=tolerance)
        if not found.converged and not found.residuals[-1] < 100 * tolerance:
            raise SolverError(
                f"the pressure did not converge in {found.iterations} iterations",
                residuals=found.residuals,
                time=now,
                value=found.residuals[-1],
                allowed=f"relative residual <= {tolerance:g}",
                hint="look for permeabilities that differ by more than 1e12, or loosen the tolerance",
            )
        return found

    def flat_norm(self) -> float:
        """Length of the residual [m³/s] that outlets at different pressures alone cause."""
        rest, one = self.rest()
        if one:
            return 0.0
        flat = np.where(self.free == 1, rest, self.p)
        return self.solver.residual_norm(self.t, self.free, self.right(np.zeros_like(flat)), flat)

    def rest(self) -> tuple[float, bool]:
        """Mean of all pressures that are held [Pa], and whether nothing would flow at that pressure."""
        held, pumped = self.p[(self.free == 0) & ~self.sealed], False
        if self.network is not None:
            net = self.network.net
            held, pumped = np.append(held, net.outlet_pressure), bool(np.any(net.blood))
        if held.size == 0:
            return 0.0, True
        return float(held.mean()), not pumped and np.ptp(held) == 0.0


def length(values: Float) -> float:
    """Euclidean length; einsum, because BLAS wakes threads that spin."""
    flat = values.reshape(-1)
    return math.sqrt(float(np.einsum("i,i", flat, flat)))


def solve_pressure(problem: FlowProblem, state: FlowState, *, tolerance: float = 1e-6) -> PressureReport:
    """Solve the pressure for the present fill and write it into `state.pressure`.

    Wells inject at their `rate` (a cap on the pressure is ignored here; the `Stepper` heeds it).

    Parameters
    ----------
    problem : FlowProblem
    state : FlowState
    tolerance : float
        Relative residual.

    Raises
    ------
    CaseError, GeometryError
        If the state does not fit the problem.
    SolverError
        If the solver does not converge.
    """
    start = time.thread_time()
    problem.check_state(state)
    field = PressureField(problem, make_box(problem, whole_window(problem)))
    window = field.box.window
    s = window.take(state.saturation)
    field.p[...] = window.take(state.pressure)
    sealed = []
    for well in problem.wells:
        place = tuple(window.cells(well.cells).T)
        k = problem.permeability[(slice(None), *well.cells.T)]
        field.source[place] += (well.rate or 0.0) * well_shares(k, field.box.active[place])
        if not field.box.active[place].any():
            sealed.append(well.name)
    field.pin(s)
    field.source[field.sealed] = 0.0
    field.fluids(s, state.time, np.nan_to_num(window.take(state.injection_time)))
    if field.network is not None and state.vessels is not None:
        field.network.state = copy.deepcopy(state.vessels)
        field.network.state.ahead = 0.0
    field.vessels(s, state.time)
    field.faces()
    norm = max(length(field.source), field.flat_norm())
    found = field.solve(field.p, field.right(field.source), tolerance, norm, state.time)
    window.put(field.p, state.pressure)
    seconds = time.thread_time() - start
    unknowns = int(field.free.sum())
    return PressureReport(found.iterations, found.residuals[-1], found.residuals, seconds, unknowns, tuple(sealed))
