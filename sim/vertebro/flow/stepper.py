"""Advance a flow in time: exact at the requested times, adaptive in between, with events instead of exceptions."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from numbers import Real

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import CaseError
from vertebro.flow.control import WellRun, place_well, read_pressures, solve_with_wells, write_source
from vertebro.flow.domain import filled_bounds, filled_window, make_box, orientation, whole_window
from vertebro.flow.exchange import Exchange
from vertebro.flow.fluids import Resistance
from vertebro.flow.front import Front
from vertebro.flow.network import Network
from vertebro.flow.outflow import OutletFlow
from vertebro.flow.pace import Pace, viscosity
from vertebro.flow.pressure import PressureField
from vertebro.flow.problem import FlowProblem, Well, check_control, check_meeting
from vertebro.flow.report import FlowEvent, StepReport, Tally
from vertebro.flow.state import FlowState
from vertebro.flow.vessels import VesselCare

Float = NDArray[np.float64]
RATE_CHANGE = 1.1  # largest change of a rate that a kept pressure field follows in proportion
MOST_STEPS = 1e7  # of one advance
MOST_AGAIN = 4  # further solves for a field until it goes with what the vessels will hold


class Stepper:
    """Time stepping of one problem.

    Parameters
    ----------
    problem : FlowProblem
    tolerance : float
        Relative residual of each pressure solve. Volumes are conserved whatever it is.
    front_step : float
        Largest mean advance of the front per pressure field, in voxels; less while a few cells run far ahead or the
        viscosity or the needle's pressure change fast (see `pace`).
    max_step : float [s]
        Longest step.
    picard : int
        Extra solves per step for shear-dependent viscosity.
    sharp : bool
        Second-order limited fluxes along the stream, for Corey fronts and for the age; first order if false.
    keep : bool
        Go on with the last pressure field from call to call while it serves; its pressures follow the viscosity and
        the rates. Otherwise every call ends with the pressures of its own fill.
    vessel_care : VesselCare, optional
        How closely the field follows what the vessels hold; default within 2 % of the closed forms.

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
        keep: bool = False,
        vessel_care: VesselCare | None = None,
    ) -> None:
        for name, value in (("tolerance", tolerance), ("front_step", front_step), ("max_step", max_step)):
            if not value > 0:
                raise CaseError(name, where=name, value=value, allowed="> 0")
        if not (isinstance(picard, int) and picard >= 0):
            raise CaseError("picard", where="picard", value=picard, allowed="0, 1, 2, …")
        self.problem = problem
        self.tolerance, self.picard, self.sharp, self.keep = tolerance, picard, sharp, keep
        self._care = vessel_care or VesselCare()
        self.pace = Pace(front_step, max_step)
        self._wells: dict[str, Well] = {w.name: w for w in problem.wells}
        self._flip = orientation(problem)
        self._flow: PressureField | None = None
        self._fluxes: Float | None = None
        self._announced: set[tuple[str, str]] = set()
        self._viscosity = 0.0  # that of the present field
        self._solved_at = math.nan  # time of the present field; nan when it is out of date
        self._stored_at = math.nan
        self._pinned = False
        self._fresh = True
        self._call = 0.0  # length of the present call [s]

    def set_well(self, name: str, *, rate: float | None = None, pressure: float | None = None) -> None:
        """Give a well a new rate [m³/s], pressure [Pa], or a rate with a pressure cap; neither closes it."""
        if name not in self._wells:
            raise CaseError("no such well", where="name", value=name, allowed=", ".join(self._wells) or "none")
        check_control(rate, pressure, None, f"wells[{name}]")
        if (rate, pressure) == (self._wells[name].rate, self._wells[name].pressure):
            return
        changed = replace(self._wells[name], rate=rate, pressure=pressure)
        check_meeting(changed, self.problem.outlets)
        self._wells[name] = changed
        for run in self._runs if self._flow is not None else ():
            if run.well.name == name:
                run.well, run.capped = self._wells[name], False
        self._solved_at = math.nan

    def advance(self, state: FlowState, dt: float) -> StepReport:
        """Advance `state` in place by exactly `dt` seconds.

        Raises
        ------
        CaseError
            If `dt` is negative or not finite, if it would take absurdly many steps, or for a state of another problem.
        SolverError
            If a pressure solve fails; the state then is that of the last complete step.
        """
        if not (isinstance(dt, Real) and math.isfinite(dt) and dt >= 0):
            raise CaseError("time step", where="dt", value=dt, allowed=">= 0 s, finite")
        self.problem.check_state(state)
        cpu = time.thread_time()
        end = state.time + dt
        self._call = dt if dt > 0.0 else self._call
        tally = Tally()
        self._load(state)
        self._check_size(dt)
        try:
            while state.time < end:
                step = self._step_to(state, end, tally)
                state.time = end if step >= end - state.time else state.time + step
            # the pressures handed out belong to the fill handed out; the next step starts from them
            self._find(state, tally, 0.0)
        finally:
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

    def _step_to(self, state: FlowState, end: float, tally: Tally) -> float:
        self._find(state, tally, end - state.time)
        flow, front = self._ready_box()
        step = self.pace.part(end - state.time)
        if any(run.rate > 0.0 for run in self._runs) or (flow.network is not None and flow.network.moving):
            self._flow_out(state, flow, front, step)
        self.pace.age += step
        self._solved_at = math.nan
        for run in self._runs:
            state.injected[run.well.name] += run.rate * step
        tally.steps += 1
        return step

    def _find(self, state: FlowState, tally: Tally, seconds: float) -> None:
        """Pressure of the present fill, time and controls: the last field while it may be kept, else a new one."""
        if self._solved_at == state.time and (self.pace.age == 0.0 or self.pace.serves(seconds)):
            return
        flow, front = self._ready(state)
        if not self._kept(flow, seconds, state.time):
            self._solve(flow, front, state.time, tally)
        self._solved_at = state.time

    def _solve(self, flow: PressureField, front: Front, now: float, tally: Tally) -> None:
        flow.source[:] = 0.0
        for run in self._runs:
            flow.source[run.place] = 1.0
        if not self._pinned or self.problem.mode == "cement-only":
            flow.pin(front.s)
            self._pinned = True
        self._mark_sealed(flow)
        # without faces yet there is no flow to take shear rates from
        passes = 1 + (max(self.picard, 1) if self._fresh else self.picard)
        self._fresh = False
        for _ in range(passes):
            residual = self._pass(flow, front, now, tally)
        tally.solves += 1
        self.pace.renew(flow, front, self._runs, now, self._exchange.team)
        if flow.network is not None:
            residual = self._with_vessels(flow, flow.network, front, now, tally, residual)
        tally.residual = max(tally.residual, residual)
        tally.events += self._news(now)
        self._outlet_flow.measure()

    def _pass(self, flow: PressureField, front: Front, now: float, tally: Tally) -> float:
        """One solve with the resistances of the last pressures; returns the relative residual."""
        self._resistance.fill(front.s, now)
        flow.vessels(front.s, now)
        flow.faces()
        iterations, residual = solve_with_wells(flow, self._runs, tolerance=self.tolerance, now=now)
        if flow.network is not None:
            flow.network.settle(flow.p)
        tally.iterations += iterations
        return residual

    def _with_vessels(
        self, flow: PressureField, network: Network, front: Front, now: float, tally: Tally, residual: float
    ) -> float:
        """Solve again until the vessels' flows go with what they hold in the middle of the time the field serves."""
        for again in range(MOST_AGAIN + 1):
            longest = self.pace.life if self.keep else min(self.pace.life, self._call)
            longest = longest if math.isfinite(longest) else self._call  # at rest a field would serve for ever
            arrival = network.arrival(flow.p, flow.t, front.s, flow.source, now, longest)
            self.pace.shorten(arrival, self._call, network.care.least_to_mouth)
            longest = min(longest, self.pace.life)
            self.pace.shorten(network.life(front.s, now, longest), self._call, network.care.least)
            ahead = 0.5 * min(longest, self.pace.life)
            if network.agrees(flow.p, flow.res, front.s, flow.source, now, ahead) or again == MOST_AGAIN:
                break
            residual = self._pass(flow, front, now, tally)
            self.pace.renew(flow, front, self._runs, now, self._exchange.team)
        return residual

    def _factor(self) -> float | None:
        """What multiplies the last field so that it follows its wells' rates and viscosity; None if it cannot."""
        runs = self._runs
        if any(run.sealed or run.well.pressure is not None for run in runs):
            return None
        changed = [run for run in runs if run.rate != (run.well.rate or 0.0)]
        if not changed:
            return 1.0
        lone = len(changed) == 1 and changed[0].rate > 0.0 and sum(run.rate > 0.0 for run in runs) == 1
        factor = (changed[0].well.rate or 0.0) / changed[0].rate if lone else 0.0
        return factor if 1.0 / RATE_CHANGE <= factor <= RATE_CHANGE else None

    def _kept(self, flow: PressureField, seconds: float, now: float) -> bool:
        """Bring the last field up to the present viscosity and rates; whether it still serves."""
        thick = viscosity(self.problem.law("injected"), now)
        ratio = thick / self._viscosity if self._viscosity > 0.0 else 1.0
        self._viscosity = thick
        factor = self._factor()
        scales = flow.box.level is not None or (ratio == 1.0 and factor == 1.0)
        kept = self.keep and factor is not None and scales and self.pace.serves(seconds)
        self._exchange.scale(ratio, factor or 1.0)
        for run in self._runs:
            if run.response is not None:
                run.response *= ratio
        if kept and factor is not None:
            self._follow(flow, factor)
        return kept

    def _follow(self, flow: PressureField, factor: float) -> None:
        """Rates and readings of a field that was scaled."""
        if factor != 1.0:
            for run in self._runs:
                run.rate *= factor
            write_source(flow, self._runs)
            self._outlet_flow.rates *= factor
            if flow.network is not None:
                flow.network.scale(factor)
            self.pace.hurry(factor)
        read_pressures(flow, self._runs)

    def _check_size(self, dt: float) -> None:
        """Refuse rates and steps that no machine could follow, mistakes of units mostly."""
        fixed = sum(w.rate for w in self._wells.values() if w.rate is not None and w.pressure is None)
        steps = dt / self.pace.max_step
        usual = self._ready_box()[0].usual_pores
        if usual > 0:
            steps = max(steps, fixed * dt / (self.pace.front_step * usual))
        if steps > MOST_STEPS:
            hint = "look at the units of rates, porosity and spacing, and at max_step"
            raise CaseError("far too many steps", where="dt", value=steps, allowed=f"<= {MOST_STEPS:g}", hint=hint)

    def _flow_out(self, state: FlowState, flow: PressureField, front: Front, step: float) -> None:
        names, network = [o.name for o in self.problem.outlets], flow.network
        if network is not None:
            network.offer(front.vessel, step)
        gone, lost = front.move(step, state.time, len(names))
        if network is not None:
            network.move(front.vessel, step, state.time)
        for name, injected, all_out in zip(names, gone, self._outlet_flow.rates, strict=True):
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
        if self._stored_at == state.time and self._exchange.holds(state):
            return
        self._solved_at, self._pinned = math.nan, False
        self.pace.end()
        self._exchange.load(state)

    def _draw(self, filled: NDArray[np.bool_]) -> None:
        problem = self.problem
        only = problem.mode == "cement-only"
        window = filled_window(problem, filled, self._flip) if only else whole_window(problem)
        self._flow, self._fresh = PressureField(problem, make_box(problem, window)), True
        if self._flow.network is not None:
            self._flow.network.care = self._care
        self._front = Front(self._flow, self.sharp)
        self._exchange = Exchange(self._flow, self._front)
        self._resistance, self._outlet_flow = (
            Resistance(self._flow, self._front, self._exchange.team),
            OutletFlow(self._flow),
        )
        self._pinned, self._stored_at = False, math.nan
        self.pace.end()
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
        self._exchange.store(state)
        self._stored_at = state.time

    def _balance(self, state: FlowState) -> float:
        injected = state.injected_volume
        if injected == 0:
            return 0.0
        flow, front = self._ready_box()
        inside, gone = float(np.einsum("ijk,ijk->", front.s, flow.box.pore)), sum(state.outflow.values())
        if state.vessels is not None:
            inside, gone = inside + state.vessels.held, gone + sum(state.vessels.outflow.values())
        return abs(injected - inside - gone) / injected
