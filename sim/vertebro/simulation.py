"""`Simulation`: owns the clock and couples the rooms; schedule in, `Run` out.

Each round: the hand decides the rate, the flow engine moves the cement, the leak monitor looks, the camera shoots when
its time has come. Rounds end exactly at schedule points, picture times and limits.
"""

from __future__ import annotations

import time as wall_clock
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.anatomy import Anatomy
from vertebro.build import Scene, build, flow_problem, leak_monitor
from vertebro.case import Case
from vertebro.delivery import Delivery
from vertebro.flow import Stepper
from vertebro.observe import Camera, Picture
from vertebro.procedure import Inject, Wait
from vertebro.record import Run
from vertebro.summary import manifest, plain_json, summarise
from vertebro.warmth import Warmth

SNAPSHOTS = 40
FRONT_STEP = 1.0  # voxels the front may advance on one pressure field
VIEWS = ("ap", "lateral")


def _silent(stage: str, fraction: float) -> None:
    return None


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
    ) -> None:
        self.case = case
        self.progress = progress or _silent
        self.progress("building the anatomy", 0.0)
        start = wall_clock.perf_counter()
        self.scene = build(case, base=base, anatomy=anatomy)
        self.seconds = {"build": wall_clock.perf_counter() - start, "flow": 0.0}
        self.seconds |= {"heat": 0.0, "leakage": 0.0, "imaging": 0.0}
        self.problem = flow_problem(self.scene)
        self.stepper = Stepper(self.problem, tolerance=case.flow.tolerance, front_step=FRONT_STEP, keep=True)
        self.state = self.problem.initial_state()
        self.monitor = leak_monitor(self.scene)
        self.camera = Camera(self.scene) if pictures else None
        self.deliveries = _deliveries(self.scene)
        self.warmth = Warmth(self.scene, self.problem, self._happens) if case.heat.enabled else None
        self.voxel_pores = self.problem.pore_volume
        self._cement = np.zeros_like(self.voxel_pores)  # m³ per voxel, at the last look
        self.planned = _planned_duration(self.scene)
        self.status = "finished"
        self._events: list[dict[str, Any]] = []
        self._history: list[dict[str, float]] = []
        self._times: list[float] = []
        self._saturation: list[np.ndarray] = []
        self._pictures: list[Picture] = []
        self._pressure = np.zeros(self.scene.anatomy.grid.shape, np.float32)
        self._peak = 0.0
        self._balance = 0.0
        self._visible: dict[int, float] = {}  # leak -> time of the first frame that shows it
        self._wells = {needle.name: (0.0, 0.0) for needle in self.scene.needles}  # rest pressure, resistance

    def run(self) -> Run:
        """Follow the schedule to its end; Ctrl-C ends it early and keeps what is done."""
        self._happens("start", cement=self.scene.cement.name, level=self.scene.anatomy.level)
        for placement in self.scene.placements:
            self._happens("needle placed", **placement.to_dict())
        try:
            self._look()
            for number, step in enumerate(self.scene.steps):
                self._wait(step) if isinstance(step, Wait) else self._inject(number, step)
        except KeyboardInterrupt:
            self.status = "interrupted"
            self._happens("interrupted")
        self._record_fields()
        if self.camera is not None and self.status == "finished":
            self._shoot()
        end = self._set_hard()
        self._happens("end", at_s=end, status=self.status)
        return self._run()

    def _inject(self, number: int, step: Inject) -> None:
        start, begun = self.state.time, self.state.injected[step.needle]
        self._happens("injection starts", step=number, needle=step.needle, rate_ml_min=step.rate * 6e7)
        reason, capped = "", False
        while not (reason := self._limit_reached(step, start, begun)):
            rate = self._rate(step)
            if rate <= 0.0:
                reason = self._why_stuck(step)
                break
            if rate < step.rate and not capped:
                capped = True
                self._happens("pressure cap reached", needle=step.needle, rate_ml_min=rate * 6e7)
            left, time_left = self._left(step, start, begun)
            if not self._advance(step.needle, rate, min(self._round(), left / rate, time_left)):
                reason = "the needle's tip lies in a sealed pocket: the marrow has nowhere to go"
                break
        self._settle_heat()
        self.stepper.set_well(step.needle, rate=0.0)
        volume = self.state.injected[step.needle] - begun
        self._happens("injection ends", step=number, needle=step.needle, reason=reason, volume_ml=volume * 1e6)

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
        if step.until.pressure is not None and self._hand(step, step.until.pressure) < step.rate:
            return "pressure"
        return ""

    def _wait(self, step: Wait) -> None:
        end = self.state.time + step.duration
        self._happens("waiting", duration_s=step.duration)
        while end - self.state.time > 1e-9:
            self._advance(None, 0.0, min(self._round(), end - self.state.time))

    def _rate(self, step: Inject) -> float:
        """Rate [m³/s] the hand reaches now; 0 when the cement has set."""
        delivery = self.deliveries[step.needle]
        if self._has_set(delivery):
            return 0.0
        return self._hand(step, step.pressure_cap or delivery.injector.pressure_cap)

    def _hand(self, step: Inject, cap: float) -> float:
        rest, resistance = self._wells[step.needle]
        return self.deliveries[step.needle].rate(step.rate, self.state.time, cap=cap, rest=rest, resistance=resistance)

    def _has_set(self, delivery: Delivery) -> bool:
        return delivery.age_at_start + self.state.time >= delivery.cement.set_time_at(delivery.temperature)

    def _why_stuck(self, step: Inject) -> str:
        if self._has_set(self.deliveries[step.needle]):
            return "the cement has set"
        return "the hand cannot push it any further"

    def _round(self) -> float:
        """Length of the next round [s]: the look interval, cut at the next picture."""
        upcoming = [t - self.state.time for t in self._picture_times() if t - self.state.time > 1e-6]
        return min([self.case.flow.interval, *upcoming])

    def _picture_times(self) -> np.ndarray:
        return np.linspace(0.0, self.planned, self.case.imaging.frames)

    def _advance(self, needle: str | None, rate: float, dt: float) -> bool:
        """One round; False when nothing can be injected because the tip is sealed in."""
        start = wall_clock.perf_counter()
        if needle is not None:
            self.stepper.set_well(needle, rate=rate)
        report = self.stepper.advance(self.state, dt)
        self.seconds["flow"] += wall_clock.perf_counter() - start
        self._warm(needle, rate, dt)
        for event in report.events:
            self._happens(event.kind, well=event.well, text=event.text)
        self._balance = max(self._balance, report.balance_error)
        sealed = any(event.kind == "sealed" for event in report.events)
        bone = report.well_pressures[needle] if needle is not None and not sealed else self._resting_pressure()
        if needle is not None and rate > 0 and not sealed:
            rest = self._resting_pressure()
            self._wells[needle] = (rest, (bone - rest) / rate)
        if bone > self._peak:
            self._peak = bone
            self._pressure = self.state.pressure.astype(np.float32)
        self._look()
        self._note(needle, rate, bone, report.iterations)
        self.progress(
            f"injecting: {self.state.injected_volume * 1e6:.1f} ml, {self.state.time:.0f} s",
            0.1 + 0.75 * min(self.state.time / self.planned, 1.0),
        )
        return not sealed

    def _warm(self, needle: str | None, rate: float, dt: float) -> None:
        """Let heat and cure follow the round that the flow has just made."""
        if self.warmth is None:
            return
        start = wall_clock.perf_counter()
        delivery = self.deliveries[needle or self.scene.needles[0].name]
        speed = float(delivery.cement.clock(delivery.temperature))
        age = delivery.age_at_start + self.state.time - dt
        self.warmth.follow(
            self.stepper,
            self.state,
            dt,
            needle=needle if rate > 0 else None,
            temperature=delivery.temperature,
            cure_age=age * speed,
            cure_speed=speed,
        )
        self.seconds["heat"] += wall_clock.perf_counter() - start

    def _settle_heat(self) -> None:
        start = wall_clock.perf_counter()
        if self.warmth is not None:
            self.warmth.settle(self.stepper, self.state)
        self.seconds["heat"] += wall_clock.perf_counter() - start

    def _set_hard(self) -> float:
        """After the schedule: follow the cure until the cement has set; returns the time [s] then."""
        end = self.state.time
        if self.warmth is None or self.status != "finished":
            return end
        start = wall_clock.perf_counter()
        try:
            end = self.warmth.finish(end, lambda text, share: self.progress(text, 0.85 + 0.1 * share))
        except KeyboardInterrupt:
            self.status = "interrupted"
            self._happens("interrupted")
        self.seconds["heat"] += wall_clock.perf_counter() - start
        return end

    def _resting_pressure(self) -> float:
        """Marrow pressure without flow [Pa]: the exits' mean."""
        return float(np.mean([exit_.pressure for exit_ in self.scene.anatomy.exits] or [0.0]))

    def _look(self) -> None:
        """Leaks, pictures and fields of this moment."""
        start = wall_clock.perf_counter()
        cement = np.multiply(self.state.saturation, self.voxel_pores, out=self._cement)
        for leak in self.monitor.update(self.state.time, cement, self.state.outflow, pressure=self.state.pressure):
            self._happens("leak", **leak.to_dict())
        self.seconds["leakage"] += wall_clock.perf_counter() - start
        spacing = self.planned / SNAPSHOTS
        due = [t for t in self._picture_times() if t <= self.state.time + 1e-6]
        if len(due) > len(self._pictures) // len(VIEWS) and self.camera is not None:
            self._shoot()
        if not self._times or self.state.time - self._times[-1] >= spacing - 1e-6:
            self._record_fields()

    def _record_fields(self) -> None:
        if self._times and self.state.time <= self._times[-1]:
            return
        self._times.append(self.state.time)
        self._saturation.append(self.state.saturation.astype(np.float32))

    def _shoot(self) -> None:
        """One frame per view; the fields of that moment are kept too, so `shoot` can repeat it."""
        if self.camera is None or (self._pictures and self._pictures[-1].time >= self.state.time):
            return
        start = wall_clock.perf_counter()
        self._record_fields()
        fraction = self.scene.cement_fraction(self.state.saturation)
        for view in VIEWS:
            number = len(self._pictures)
            self._pictures.append(self.camera.shoot(view, self.state.time, fraction, number=number))
        self._find_visible(self.camera, fraction)
        self.seconds["imaging"] += wall_clock.perf_counter() - start

    def _find_visible(self, camera: Camera, fraction: NDArray[np.float32]) -> None:
        """Note the leaks that the frames just taken show for the first time."""
        for leak in self.monitor.leaks():
            cells = tuple(self.monitor.cells(leak).T)
            if leak.key in self._visible or not len(cells[0]):
                continue
            leaked = np.zeros_like(fraction)
            leaked[cells] = fraction[cells]
            for view in VIEWS:
                if camera.sees(view, leaked, fraction):
                    self._visible[leak.key] = self.state.time
                    self._happens("leak visible", kind=leak.kind.value, compartment=leak.compartment, view=view)
                    break

    def _note(self, needle: str | None, rate: float, bone: float, iterations: int) -> None:
        delivery = self.deliveries[needle or self.scene.needles[0].name]
        syringe = bone + delivery.drop(rate, self.state.time)
        volumes = self.monitor.compartment_volumes()
        inside = sum(volumes.get(name, 0.0) for name in ("body", "arch"))
        self._history.append(
            {
                "time_s": self.state.time,
                "volume_injected_m3": self.state.injected_volume,
                "rate_m3_s": rate,
                "bone_pressure_pa": bone,
                "syringe_pressure_pa": syringe,
                "plunger_force_n": delivery.injector.plunger_force(syringe),
                "viscosity_pa_s": float(delivery.viscosity(1.0, self.state.time)),
                "volume_in_body_m3": inside,
                "volume_leaked_m3": self.monitor.leaked_volume,
                "iterations": float(iterations),
            }
        )

    def _happens(self, event: str, /, **facts: Any) -> None:
        time = facts.pop("at_s", self.state.time)
        self._events.append(plain_json({"time_s": round(time, 6), "event": event, **facts}))

    def _run(self) -> Run:
        names = list(self._history[0]) if self._history else []
        run = Run(
            scene=self.scene,
            times=np.asarray(self._times),
            saturation=np.stack(self._saturation),
            injection_time=self.state.injection_time.astype(np.float32),
            pressure=self._pressure,
            history={name: np.array([row[name] for row in self._history]) for name in names},
            events=self._events,
            pictures=self._pictures,
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
                visible=self._visible,
                cement_volume=self.state.saturation * self.voxel_pores,
                outflow=sum(self.state.outflow.values()),
                heat=self.warmth.summary() if self.warmth is not None else None,
            )
        )
        return run


def _deliveries(scene: Scene) -> dict[str, Delivery]:
    wish = scene.case.cement
    return {
        needle.name: Delivery.through(
            needle, scene.cement, age_at_start=wish.age_at_start, temperature=wish.temperature
        )
        for needle in scene.needles
    }


def _planned_duration(scene: Scene) -> float:
    total = 0.0
    for step in scene.steps:
        if isinstance(step, Wait):
            total += step.duration
        else:
            by_volume = step.until.volume / step.rate if step.until.volume else np.inf
            total += min(by_volume, step.until.time or np.inf)
    return float(total)
