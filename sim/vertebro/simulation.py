"""`Simulation`: owns the clock and couples the rooms; schedule in, `Run` out.

Each round: the hand decides the rate, the flow engine moves the cement, the leak monitor looks, the camera shoots when
its time has come. Rounds end exactly at schedule points, picture times and limits.
"""

from __future__ import annotations

import math
import time as wall_clock
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from vertebro.anatomy.anatomy import Anatomy
from vertebro.build import Scene, build, flow_problem, leak_monitor, well_of
from vertebro.case import Case
from vertebro.delivery import Push
from vertebro.drainage import gone, vein_cement
from vertebro.flow import FlowProblem, Stepper
from vertebro.flow.vessels import QUICK
from vertebro.handling import Handling, planned_duration
from vertebro.interrupts import Interrupts
from vertebro.leakage import face_conductance
from vertebro.observe import Camera
from vertebro.procedure import Inject, Needle, Step, Wait
from vertebro.procedure.schedule import MAX_RATE, FreshBatch, Retract, Stylet, Withdraw
from vertebro.procedure.withdrawal import PULL_SPEED
from vertebro.record import Run
from vertebro.summary import manifest, summarise
from vertebro.tracks import open_track, tail_parts
from vertebro.units import ml, mm
from vertebro.warmth import Warmth
from vertebro.witness import Witness

Handle = Retract | Withdraw | Stylet | FreshBatch
SNAPSHOTS = 40
FRONT_STEP = 1.0  # voxels the front may advance on one pressure field


class Simulation:
    """One case, ready to run.

    Parameters
    ----------
    case : Case
    base : Path, optional
        Folder that names in the case are relative to.
    anatomy : Anatomy, optional
        Use this one instead of building the case's.
    progress : callable, optional
        ``progress(stage, fraction)``.
    pictures : bool
        Take fluoroscopy frames on the way.
    sketch : bool
        Generate what lies around the bone coarsely: for runs without pictures that will not be saved.
    scene : Scene, optional
        Use this one instead of building the case's; its needles may lie where no case could put them.

    Examples
    --------
    >>> sim = Simulation(Case.preset("first-injection"))        # doctest: +SKIP
    >>> sim.run().summary["volume_injected_ml"]                 # doctest: +SKIP
    4.0
    """

    def __init__(
        self,
        case: Case,
        *,
        base: Path | None = None,
        anatomy: Anatomy | None = None,
        progress: Callable[[str, float], None] | None = None,
        pictures: bool = True,
        sketch: bool = False,
        scene: Scene | None = None,
    ) -> None:
        self.case = case
        self.progress = progress or (lambda stage, fraction: None)
        self.progress("building the anatomy", 0.0)
        start = wall_clock.perf_counter()
        self.scene = scene or build(case, base=base, anatomy=anatomy, sketch=sketch and not pictures)
        self.seconds = dict.fromkeys(("build", "flow", "heat", "leakage", "imaging"), 0.0)
        self.seconds["build"] = wall_clock.perf_counter() - start
        self.handling = Handling(self.scene)
        self.problem = flow_problem(self.scene, self.handling.record)
        self.stepper = self._new_stepper(self.problem)
        self.state = self.problem.initial_state()
        self.monitor = leak_monitor(self.scene)
        self.camera = Camera(self.scene) if pictures else None
        self.deliveries = self.handling.deliveries
        self.veins = vein_cement(self.scene.anatomy.network, self.problem.vessels, self.state)  # m³ per segment
        self.witness = Witness(self.scene, self.state, self.monitor, self.camera, self.veins)
        self._happens = self.witness.tell
        self.warmth = None
        if case.heat.enabled:
            self.warmth = Warmth(self.scene, self.problem, self._happens, self.handling.record)
        self.voxel_pores = self.problem.pore_volume
        self._cement = np.zeros_like(self.voxel_pores)  # m³ per voxel, at the last look
        self.planned = planned_duration(self.scene)
        self.status = "finished"
        self._balance = 0.0
        self._interrupts = Interrupts()
        self._wells = {needle.name: (0.0, 0.0) for needle in self.scene.needles}  # rest pressure, resistance

    def run(self) -> Run:
        """Follow the schedule to its end; Ctrl-C ends it early, after a whole round, and keeps what is done."""
        with self._interrupts:
            return self._follow()

    def _follow(self) -> Run:
        self._happens("start", cement=self.scene.cement.name, level=self.scene.anatomy.level)
        for placement in self.scene.placements:
            self._happens("needle placed", **placement.to_dict())
        try:
            self._look()
            for number, step in enumerate(self.scene.steps):
                self._do(number, step)
        except KeyboardInterrupt:
            self.status = "interrupted"
            self._happens("interrupted")
            if self.warmth is not None:
                self.warmth.settle(self.stepper, self.state)
        if not self.witness.history:  # nothing moved: one line that says so
            self._note(None, 0.0, 0.0, 0.0, 0)
        self.witness.keep_fields()
        if self.status == "finished":
            self._shoot()
        end = self._set_hard()
        self._happens("end", at_s=end, status=self.status)
        return self._run()

    def _new_stepper(self, problem: FlowProblem) -> Stepper:
        return Stepper(problem, tolerance=self.case.flow.tolerance, front_step=FRONT_STEP, keep=True, vessel_care=QUICK)

    def _do(self, number: int, step: Step) -> None:
        if isinstance(step, Wait):
            self._wait(step)
        elif step.needle not in self.handling.needles:
            self._happens("step skipped", step=number, needle=step.needle, reason="the needle is out")
        elif isinstance(step, Inject):
            self._inject(number, step)
        else:
            self._handle(step)

    def _handle(self, step: Handle) -> dict[str, Any]:
        """Do something with a needle other than inject; returns the event that says what became of it."""
        if isinstance(step, FreshBatch):
            return self._happens("fresh batch", **self.handling.fresh(step))
        return self._push_stylet(step) if isinstance(step, Stylet) else self._pull(step)

    def _inject(self, number: int, step: Inject) -> None:
        self._happens("injection starts", step=number, needle=step.needle, rate_ml_min=step.rate * 6e7)
        if (facts := self.handling.beyond_drive(step)) is not None:
            self._happens("force beyond the drive", **facts)
        self._fill_cannula(step)
        start, begun = self.state.time, self.state.injected[step.needle]
        reason, capped = "", False
        while not (reason := self._limit_reached(step, start, begun)):
            left, time_left = self._left(step, start, begun)
            dt = min(self._round(), time_left)
            push = self._plan(step, dt, self.handling.cap(step))
            if push.rate * dt > left:
                dt = left / push.rate
                push = self._plan(step, dt, self.handling.cap(step))
            if push.rate <= 0.0 and push.capped:
                reason = self._why_stuck(step)
                break
            if push.capped and not capped and step.rate < MAX_RATE:  # force control is capped by intent
                capped = True
                self._happens("pressure cap reached", rate_ml_min=push.rate * 6e7, **self._effort(step.needle, push))
            if not self._advance(step.needle, push.rate, dt, push):
                reason = "the needle's tip lies in a sealed pocket: the marrow has nowhere to go"
                break
        self._stop(step.needle)
        volume = self.state.injected[step.needle] - begun
        self._happens("injection ends", step=number, needle=step.needle, reason=reason, volume_ml=volume * 1e6)

    def _effort(self, needle: str, push: Push) -> dict[str, Any]:
        """Pressure and force of a push, for events."""
        force = self.deliveries[needle].injector.plunger_force(push.pressure)
        return {"needle": needle, "syringe_kpa": push.pressure / 1e3, "force_n": force}

    def _fill_cannula(self, step: Inject) -> None:
        """Push an empty cannula full: its dead volume goes in before anything comes out."""
        missing = self.deliveries[step.needle].column.missing
        if missing <= 0.0:
            return
        self._happens("cannula fills", needle=step.needle, dead_volume_ml=missing * 1e6)
        push = Push(rate=step.rate, plunger=step.rate, pressure=0.0, capped=False)
        while (missing := self.deliveries[step.needle].column.missing) > 1e-15:
            dt = min(self._round(), missing / step.rate)
            self._advance(None, 0.0, dt, push, step.needle)

    def _push_stylet(self, step: Stylet) -> dict[str, Any]:
        """Push the cannula empty, as far as the hand can."""
        column, begun = self.deliveries[step.needle].column, self.state.injected[step.needle]
        force = 0.0
        while (left := column.content) > 0.0:
            rest, resistance = self._wells[step.needle]
            push = self.deliveries[step.needle].plan_stylet(step.rate, rest=rest, resistance=resistance)
            force = max(force, push.pressure * column.area)
            if push.rate <= 0.0 or not self._advance(
                step.needle, push.rate, min(self._round(), left / push.rate), push
            ):
                break
        self._stop(step.needle)
        volume = self.state.injected[step.needle] - begun
        facts = {"volume_ml": volume * 1e6, "left_ml": column.content * 1e6, "force_n": force}
        return self._happens("stylet pushed", needle=step.needle, **facts)

    def _pull(self, step: Retract | Withdraw) -> dict[str, Any]:
        """Needle back or out: what it leaves behind, and where cement comes out from now on."""
        needle = self.handling.needles[step.needle]
        event, facts, moved = self.handling.pull(step, self.state.saturation)
        told = self._happens(event, **facts)
        if facts["distance_mm"] > 0.0:
            self._open_track(needle, moved)
            if facts["tail_ml"] > 0.0:
                self._leave_tail(needle, facts["tail_ml"] * ml, facts["distance_mm"] * mm / PULL_SPEED)
        if moved is not None:
            self._open_at(moved)
        if self.camera is not None:
            self.camera.show_needles(tuple(self.handling.needles.values()))
        return told

    def _open_track(self, needle: Needle, moved: Needle | None) -> None:
        """What a pulled needle leaves is open from now on."""
        anatomy = self.scene.anatomy
        self.problem = open_track(self.problem, needle, moved, anatomy.bone)
        for outlet in self.problem.outlets:
            self.state.outflow.setdefault(outlet.name, 0.0)
            self.state.outflow_displaced.setdefault(outlet.name, 0.0)
        self.stepper = self._new_stepper(self.problem)
        spacing = anatomy.grid.spacing
        self.monitor.rewire(face_conductance(self.problem.permeability, self.problem.face_resistance, spacing))

    def _leave_tail(self, needle: Needle, volume: float, duration: float) -> None:
        """Cement that follows the tip while it is pulled fills the track from its deep end."""
        anatomy = self.scene.anatomy
        for cells, part in tail_parts(needle, anatomy.grid, anatomy.bone, volume):
            self.problem = self.problem.with_well(needle.name, cells=cells, radius=None)
            self.stepper = self._new_stepper(self.problem)
            self._let_in(needle.name, part, duration * part / volume)

    def _let_in(self, needle: str, volume: float, duration: float) -> None:
        """Rounds in which cement enters without a plunger."""
        rounds = math.ceil(duration / self.case.flow.interval)
        for _ in range(rounds):
            with self._timed("flow"):
                self.stepper.set_well(needle, rate=volume / duration)
                report = self.stepper.advance(self.state, duration / rounds)
            self._warm(needle, volume / duration, duration / rounds)
            self._balance = max(self._balance, report.balance_error)
            self.handling.elapse(duration / rounds, {}, self.state.time)
            self._look()
            self._note(None, 0.0, self._resting_pressure(), 0.0, report.iterations)
        self._stop(needle)

    def _open_at(self, needle: Needle) -> None:
        """From now on cement comes out where this needle's openings are."""
        well = well_of(needle, self.scene.anatomy)
        self.problem = self.problem.with_well(needle.name, cells=well.cells, radius=well.radius)
        self.stepper = self._new_stepper(self.problem)
        self._wells[needle.name] = (0.0, 0.0)

    def _left(self, step: Inject, start: float, begun: float) -> tuple[float, float]:
        """Volume [m³] and time [s] that the step's limits leave."""
        volume, time = step.until.volume or np.inf, step.until.time or np.inf
        return volume - (self.state.injected[step.needle] - begun), time - (self.state.time - start)

    def _limit_reached(self, step: Inject, start: float, begun: float) -> str:
        volume, time = self._left(step, start, begun)
        if volume <= 1e-9 * (step.until.volume or 1.0):
            return "volume"
        if time <= 1e-9:
            return "time"
        stop = self.handling.stop_pressure(step)
        if stop is not None and self._plan(step, min(self._round(), time), stop).capped:
            return "pressure" if stop == step.until.pressure else "force"
        return ""

    def _wait(self, step: Wait) -> None:
        end = self.state.time + step.duration
        self._happens("waiting", duration_s=step.duration)
        if step.release:
            self.handling.release()
        while end - self.state.time > 1e-9:
            self._rest(min(self._round(), end - self.state.time))

    def _rest(self, dt: float) -> None:
        """One round with all plungers still; a soft syringe goes on pushing."""
        flowing = self.handling.afterflow(dt, self._wells)
        if flowing is None:
            self._advance(None, 0.0, dt)
            return
        needle, push = flowing
        self._advance(needle, push.rate, dt, push)
        self._stop(needle)

    def _plan(self, step: Inject, dt: float, cap: float) -> Push:
        """What the plunger reaches in the coming round, against the bone as the last round found it."""
        rest, resistance = self._wells[step.needle]
        return self.deliveries[step.needle].plan(step.rate, dt, cap=cap, rest=rest, resistance=resistance)

    def _why_stuck(self, step: Inject) -> str:
        place = self.deliveries[step.needle].column.set_at()
        if place is None:
            return "the hand cannot push it any further"
        self._happens("cement has set in the cannula", needle=step.needle, behind_tip_mm=place * 1e3)
        return "the cement has set"

    def _round(self) -> float:
        """Length of the next round [s]: the look interval, cut at the next picture."""
        upcoming = [t - self.state.time for t in self._picture_times() if t - self.state.time > 1e-6]
        return min([self.case.flow.interval, *upcoming])

    def _picture_times(self) -> np.ndarray:
        return np.linspace(0.0, self.planned, self.case.imaging.frames)

    def _advance(
        self, needle: str | None, rate: float, dt: float, push: Push | None = None, into: str | None = None
    ) -> bool:
        """One round; False when nothing can be injected because the tip is sealed in.

        `push` is what the plunger of the needle does (of `into` while its cannula fills).
        """
        self._interrupts.check()
        with self._timed("flow"):
            if needle is not None:
                self.stepper.set_well(needle, rate=rate)
            report = self.stepper.advance(self.state, dt)
        self._warm(needle, rate, dt)
        for event in report.events:
            self._happens(event.kind, well=event.well, text=event.text)
        self._balance = max(self._balance, report.balance_error)
        sealed = any(event.kind == "sealed" for event in report.events)
        plunger = into or needle
        pushes = {plunger: push} if push is not None and plunger is not None and not sealed else {}
        # a stylet's pressure is not the syringe's
        by_syringe = needle is not None and not (push is not None and push.stylet)
        lost = self.deliveries[needle].drop(rate) if needle is not None and by_syringe else 0.0
        self.handling.elapse(dt, pushes, self.state.time)
        bone = report.well_pressures[needle] if needle is not None and not sealed else self._resting_pressure()
        if needle is not None and rate > 0 and not sealed:
            rest = self._resting_pressure()
            self._wells[needle] = (rest, (bone - rest) / rate)
        self._look()
        self._note(needle, rate, bone, lost, report.iterations)
        self.progress(
            f"injecting: {self.state.injected_volume * 1e6:.1f} ml, {self.state.time:.0f} s",
            0.1 + 0.75 * min(self.state.time / self.planned, 1.0),
        )
        return not sealed

    @contextmanager
    def _timed(self, part: str) -> Iterator[None]:
        """Count the wall time of a part of the work."""
        start = wall_clock.perf_counter()
        try:
            yield
        finally:
            self.seconds[part] += wall_clock.perf_counter() - start

    def _warm(self, needle: str | None, rate: float, dt: float) -> None:
        """Let heat and cure follow the round that the flow has just made; call it before the columns move on."""
        if self.warmth is not None:
            with self._timed("heat"):
                delivery = self.deliveries[needle] if needle is not None and rate > 0.0 else None
                self.warmth.follow(self.stepper, self.state, dt, needle if delivery else None, delivery)

    def _stop(self, needle: str) -> None:
        """Stop a needle; heat follows what it has injected."""
        if self.warmth is not None:
            with self._timed("heat"):
                self.warmth.settle(self.stepper, self.state)
        self.stepper.set_well(needle, rate=0.0)

    def _set_hard(self) -> float:
        """After the schedule: follow the cure until the cement has set; returns the time [s] then."""
        end = self.state.time
        if self.warmth is None or self.status != "finished":
            return end
        with self._timed("heat"):
            try:
                end = self.warmth.finish(end, self._cured)
            except KeyboardInterrupt:
                self.status, end = "interrupted", self.warmth.followed
                self._happens("interrupted", at_s=end)
        return end

    def _cured(self, text: str, share: float) -> None:
        self.progress(text, 0.85 + 0.1 * share)
        self._interrupts.check()

    def _resting_pressure(self) -> float:
        """Marrow pressure without flow [Pa]: the mean of exits and veins' ends."""
        network = self.scene.anatomy.network
        ends = [] if network is None else network.outlet_pressure.tolist()
        return float(np.mean([exit_.pressure for exit_ in self.scene.anatomy.exits] + ends or [0.0]))

    def _look(self) -> None:
        """Leaks, pictures and fields of this moment."""
        with self._timed("leakage"):
            cement = np.multiply(self.state.saturation, self.voxel_pores, out=self._cement)
            state = self.state
            self.veins[:] = vein_cement(self.scene.anatomy.network, self.problem.vessels, state)
            for leak in self.monitor.update(state.time, cement, gone(state), pressure=state.pressure, veins=self.veins):
                self._happens("leak", **leak.to_dict())
            self.witness.watch(cement)
        due = sum(t <= self.state.time + 1e-6 for t in self._picture_times())
        if due > len(self.witness.pictures) // len(self.witness.views):
            self._shoot()
        self.witness.keep_fields(self.planned / SNAPSHOTS)

    def _shoot(self) -> None:
        with self._timed("imaging"):
            self.witness.shoot()

    def _note(self, needle: str | None, rate: float, bone: float, lost: float, iterations: int) -> None:
        delivery = self.deliveries[needle or self.scene.needles[0].name]
        syringe = bone + lost if delivery.rigid or delivery.pressure == 0.0 else delivery.pressure
        self.witness.note(
            bone,
            rate_m3_s=rate,
            syringe_pressure_pa=syringe,
            plunger_force_n=delivery.injector.plunger_force(syringe),
            viscosity_pa_s=float(delivery.viscosity(1.0)),
            iterations=float(iterations),
        )

    def _run(self) -> Run:
        kept = self.witness
        run = Run(
            scene=self.scene,
            times=np.asarray(kept.times),
            saturation=np.stack(kept.saturation),
            veins=np.stack(kept.veins),
            injection_time=self.state.injection_time.astype(np.float32),
            pressure=kept.pressure,
            history=kept.curves(),
            events=kept.events,
            pictures=kept.pictures,
            summary={},
            manifest=manifest(self.case, self.scene, self.seconds),
            heat=self.warmth.result() if self.warmth is not None else None,
        )
        run.summary.update(
            summarise(
                run,
                self.monitor,
                balance_error=self._balance,
                status=self.status,
                seconds=self.seconds,
                visible=kept.visible,
                cement_volume=self.state.saturation * self.voxel_pores,
                veins=self.veins,
                outflow=sum(gone(self.state).values()),
                deliveries=self.handling.summary(),
                signs=kept.risks.signs,
                heat=self.warmth.summary() if self.warmth is not None else None,
            )
        )
        return run
