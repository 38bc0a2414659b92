"""Advance a flow in time: exact at the requested times, adaptive in between, with events instead of exceptions."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import CaseError
from vertebro.flow.control import WellRun, place_well, solve_with_wells
from vertebro.flow.domain import filled_bounds, filled_window, make_box, orientation, whole_window
from vertebro.flow.front import Front
from vertebro.flow.laws import evaluate
from vertebro.flow.pressure import PressureField
from vertebro.flow.problem import FlowProblem, Well, check_control
from vertebro.flow.state import FlowState

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FlowEvent:
    """Something a person should know: ``sealed``, ``pressure-cap``, ``cap-released`` or ``full``.

    Attributes
    ----------
    kind : str
    time : float [s]
    well : str
    text : str
        A sentence with numbers.
    """

    kind: str
    time: float
    well: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class StepReport:
    """What one `Stepper.advance` did.

    Attributes
    ----------
    steps, iterations : int
        Pressure steps and multigrid iterations.
    residual : float
        Largest relative residual of the pressure solves.
    balance_error : float
        |injected - in the pores - out of the outlets| / injected since time 0.
    well_pressures, well_rates : dict of float [Pa], [m³/s]
        At the last step; an infinite pressure means that nothing can flow.
    events : tuple of FlowEvent
    seconds : float
        CPU seconds of this thread.
    """

    steps: int
    iterations: int
    residual: float
    balance_error: float
    well_pressures: dict[str, float]
    well_rates: dict[str, float]
    events: tuple[FlowEvent, ...] = ()
    seconds: float = field(default=0.0, compare=False)


class Stepper:
    """Time stepping of one problem.

    Parameters
    ----------
    problem : FlowProblem
    tolerance : float
        Relative residual of each pressure solve. Volumes are conserved whatever it is.
    front_step : float
        Mean advance of the front per step, in voxels.
    max_step : float [s]
        Longest step.
    picard : int
        Extra solves per step for shear-dependent viscosity.
    sharp : bool
        Second-order limited fluxes along the stream, for Corey fronts and for the age; first order if false.

    Examples
    --------
    See the example in `vertebro.flow`.
    """

    def __init__(
        self,
        problem: FlowProblem,
        *,
        tolerance: float = 1e-6,
        front_step: float = 1.0,
        max_step: float = math.inf,
        picard: int = 0,
        sharp: bool = True,
    ) -> None:
        for name, value in (("tolerance", tolerance), ("front_step", front_step), ("max_step", max_step)):
            if not value > 0:
                raise CaseError(name, where=name, value=value, allowed="> 0")
        self.problem = problem
        self.tolerance, self.front_step, self.max_step, self.picard = tolerance, front_step, max_step, picard
        self.sharp = sharp
        self._wells: dict[str, Well] = {w.name: w for w in problem.wells}
        self._flip = orientation(problem)
        self._flow: PressureField | None = None
        self._fluxes: Float | None = None
        self._announced: set[tuple[str, str]] = set()
        self._last_viscosity = 0.0
        self._solved_at = math.nan

    def set_well(self, name: str, *, rate: float | None = None, pressure: float | None = None) -> None:
        """Give a well a new rate [m³/s], pressure [Pa], or a rate with a pressure cap; neither closes it."""
        if name not in self._wells:
            raise CaseError("no such well", where="name", value=name, allowed=", ".join(self._wells) or "none")
        check_control(rate, pressure, None, f"wells[{name}]")
        if (rate, pressure) == (self._wells[name].rate, self._wells[name].pressure):
            return
        self._wells[name] = replace(self._wells[name], rate=rate, pressure=pressure)
        self._solved_at = math.nan
        for run in self._runs if self._flow is not None else ():
            if run.well.name == name:
                run.well, run.capped = self._wells[name], False

    def advance(self, state: FlowState, dt: float) -> StepReport:
        """Advance `state` in place by exactly `dt` seconds.

        Raises
        ------
        CaseError
            If `dt` is negative or not finite.
        SolverError
            If a pressure solve fails; the state then is that of the last complete step.
        """
        if not (math.isfinite(dt) and dt >= 0):
            raise CaseError("time step", where="dt", value=dt, allowed=">= 0 s, finite")
        cpu = time.thread_time()
        end = state.time + dt
        tally = _Tally()
        self._load(state)
        while state.time < end:
            step = self._step_to(state, end, tally)
            state.time = end if step >= end - state.time else state.time + step
        # the pressures handed out belong to the fill handed out; the next step starts from them
        self._solve(state, tally)
        self._store(state)
        self._release_flags()
        return tally.report(self._runs, self._balance(state), time.thread_time() - cpu)

    def face_fluxes(self) -> Float:
        """(3, …) total flux [m³/s] through the face to the next cell along each axis, at the pressures handed out.

        The array is used again by the next call.
        """
        flow, _ = self._ready_box()
        if self._fluxes is None:
            self._fluxes = np.zeros((3, *self.problem.grid.shape))
        flow.box.window.put_fluxes(flow.t, flow.p, self._fluxes)
        return self._fluxes

    # one step ---------------------------------------------------------------------------------------------------

    def _step_to(self, state: FlowState, end: float, tally: _Tally) -> float:
        self._solve(state, tally)
        flow, front = self._ready_box()
        total = sum(w.rate for w in self._runs)
        step = min(self._longest(flow, front, total), end - state.time)
        count = max(1, math.ceil((end - state.time) / step - 1e-9)) if step > 0 else 1
        step = (end - state.time) / count
        if total > 0:
            self._flow_out(state, flow, front, step)
        self._solved_at = math.nan
        for run in self._runs:
            state.injected[run.well.name] += run.rate * step
        tally.steps += 1
        return step

    def _solve(self, state: FlowState, tally: _Tally) -> None:
        """Pressure of the present fill, time and controls, unless it is the one that was found last."""
        if self._solved_at == state.time:
            return
        flow, front = self._ready(state)
        now = state.time
        thick = float(evaluate(self.problem.law("injected"), np.array([1.0]), now)[0])
        if self._last_viscosity > 0 and self._last_viscosity != thick:
            self._scale_start(flow, thick / self._last_viscosity)
        self._last_viscosity = thick
        flow.source[:] = 0.0
        for run in self._runs:
            flow.source[run.place] = 1.0
        flow.pin(front.s)
        self._mark_sealed(flow)
        fresh = tally.steps == 0 and not np.any(flow.p)
        for _ in range(1 + (self.picard if not fresh else max(self.picard, 1))):
            flow.fluids(front.s, now)
            flow.faces()
            iterations, residual = solve_with_wells(flow, self._runs, tolerance=self.tolerance, now=now)
            tally.iterations += iterations
        tally.residual = max(tally.residual, residual)
        tally.events += self._news(now)
        self._solved_at = now

    def _scale_start(self, flow: PressureField, ratio: float) -> None:
        """Warm start: with the viscosity the pressure above the outlets changes in proportion."""
        held = flow.p[(flow.free == 0) & ~flow.sealed]
        base = float(held.mean()) if held.size else 0.0
        inside = flow.free == 1
        flow.p[inside] = base + (flow.p[inside] - base) * ratio
        for run in self._runs:
            if run.response is not None:
                run.response *= ratio

    def _longest(self, flow: PressureField, front: Front, total: float) -> float:
        if total <= 0:
            return self.max_step
        room = front.room(flow)
        return min(self.front_step * room / total, self.max_step) if room > 0 else self.max_step

    def _flow_out(self, state: FlowState, flow: PressureField, front: Front, step: float) -> None:
        names = [o.name for o in self.problem.outlets]
        net = front.outlet_flow(len(names))
        gone, lost = front.move(step, state.time, len(names))
        for name, injected, all_out in zip(names, gone, net, strict=True):
            state.outflow[name] += float(injected)
            state.outflow_displaced[name] += float(all_out) * step - float(injected)
        self._lost += lost

    # sealed wells, events --------------------------------------------------------------------------------------

    def _mark_sealed(self, flow: PressureField) -> None:
        for run in self._runs:
            run.sealed = bool(np.all(flow.sealed[run.place]))
            if run.sealed:
                run.rate = 0.0
                cap = run.well.pressure
                wants = run.well.rate is None or run.well.rate > 0
                run.pressure = cap if cap is not None else (math.inf if wants else 0.0)

    def _news(self, now: float) -> list[FlowEvent]:
        found = []
        for run in self._runs:
            name, cap = run.well.name, run.well.pressure
            if run.sealed and (run.well.rate or cap) and self._first(name, "sealed"):
                text = f"well {name!r} lies in a region without a way out: the displaced fluid has nowhere to go"
                found.append(FlowEvent("sealed", now, name, f"{text}; nothing flows, at {run.pressure:g} Pa"))
            if run.capped and cap is not None and self._first(name, "pressure-cap"):
                text = f"well {name!r} reached {cap:g} Pa: the rate falls to {run.rate:.3g} of {run.well.rate:g} m³/s"
                found.append(FlowEvent("pressure-cap", now, name, text))
            if not run.capped and (name, "pressure-cap") in self._announced:
                self._announced.discard((name, "pressure-cap"))
                found.append(FlowEvent("cap-released", now, name, f"well {name!r} is back at its rate"))
        return found

    def _first(self, name: str, kind: str) -> bool:
        new = (name, kind) not in self._announced
        self._announced.add((name, kind))
        return new

    def _release_flags(self) -> None:
        for run in self._runs:
            if not run.sealed:
                self._announced.discard((run.well.name, "sealed"))

    # between the state and the box -----------------------------------------------------------------------------

    def _load(self, state: FlowState) -> None:
        if self._flow is None:
            self._runs: list[WellRun] = []
            self._lost = 0.0
            self._draw(state.saturation > 0)
        flow, front = self._ready_box()
        window = flow.box.window
        s = window.take(state.saturation)
        if self._solved_at == state.time and np.array_equal(s, front.s):
            return
        self._solved_at = math.nan
        front.s[...] = s
        front.birth[...] = np.nan_to_num(window.take(state.injection_time))
        pressure = window.take(state.pressure)
        flow.p[...] = pressure

    def _draw(self, filled: NDArray[np.bool_]) -> None:
        problem = self.problem
        only = problem.mode == "cement-only"
        window = filled_window(problem, filled, self._flip) if only else whole_window(problem)
        self._flow = PressureField(problem, make_box(problem, window))
        self._front = Front(self._flow, self.sharp)
        self._runs = [place_well(problem, well, self._flow) for well in self._wells.values()]

    def _ready_box(self) -> tuple[PressureField, Front]:
        if self._flow is None:
            raise CaseError("the stepper has no state yet", hint="call advance")
        return self._flow, self._front

    def _ready(self, state: FlowState) -> tuple[PressureField, Front]:
        """Grow the window of the cement-only mode when the fill comes near its border."""
        flow, front = self._ready_box()
        if self.problem.mode == "cement-only":
            filled = np.zeros(self.problem.grid.shape, bool)
            flow.box.window.put(front.s > 0, filled)
            if not flow.box.window.holds(*filled_bounds(self.problem, filled)):
                self._store(state)
                capped = {run.well.name: run for run in self._runs}
                self._draw(filled)
                for run in self._runs:
                    old = capped[run.well.name]
                    run.capped, run.rate = old.capped, old.rate
                self._load(state)
        return self._ready_box()

    def _store(self, state: FlowState) -> None:
        flow, front = self._ready_box()
        window = flow.box.window
        window.put(flow.p, state.pressure)
        window.put(front.s, state.saturation)
        age = np.where(front.s > 0, front.birth, np.nan)
        window.put(age, state.injection_time)

    def _balance(self, state: FlowState) -> float:
        injected = state.injected_volume
        if injected == 0:
            return 0.0
        inside = float(np.sum(state.saturation * self.problem.pore_volume))
        return abs(injected - inside - sum(state.outflow.values())) / injected


@dataclass(slots=True)
class _Tally:
    steps: int = 0
    iterations: int = 0
    residual: float = 0.0
    events: list[FlowEvent] = field(default_factory=list)

    def report(self, runs: list[WellRun], balance: float, seconds: float) -> StepReport:
        return StepReport(
            steps=self.steps,
            iterations=self.iterations,
            residual=self.residual,
            balance_error=balance,
            well_pressures={r.well.name: r.pressure for r in runs},
            well_rates={r.well.name: r.rate for r in runs},
            events=tuple(self.events),
            seconds=seconds,
        )
