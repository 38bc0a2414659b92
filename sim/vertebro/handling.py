"""What the operator does with syringes and needles besides looking: pushing, waiting, pulling back, mixing anew."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.build import Scene
from vertebro.delivery import Delivery, Push
from vertebro.materials.batch import TipRecord
from vertebro.procedure import SYRINGES, Inject, Needle, Wait
from vertebro.procedure.schedule import FreshBatch, Retract, Withdraw
from vertebro.procedure.withdrawal import withdraw
from vertebro.sources import Constant
from vertebro.units import ml, mm

EMBEDDED_SHARE = Constant(0.5, "1", 0.3, 0.9, "vertebro", "ours", "cement share of the pores from which it holds steel")
USUAL_RATE = Constant(5e-8, "m^3/s", 1e-8, 2e-7, "vertebro", "ours", "3 mL/min, for planning under force control")
IDLE = Push(rate=0.0, plunger=0.0, pressure=0.0, capped=False)


class Handling:
    """All needles of a scene with their syringes, over time.

    Parameters
    ----------
    scene : Scene

    Attributes
    ----------
    needles : dict of Needle
        Where they are now; withdrawn ones are gone.
    deliveries : dict of Delivery
    record : TipRecord
        How old the cement was that left the tips, for the flow's viscosity law.
    """

    def __init__(self, scene: Scene) -> None:
        wish, device = scene.case.cement, scene.case.delivery
        self.scene = scene
        self.needles = {needle.name: needle for needle in scene.needles}
        self.deliveries = {
            needle.name: Delivery.through(
                needle,
                scene.cement,
                age_at_start=wish.age_at_start,
                temperature=wish.temperature,
                body=device.tissue_temperature,
                primed=device.primed,
                syringe=device.syringe,
                drive=device.drive,
                force_limit=device.force,
                compliance=device.compliance,
            )
            for needle in scene.needles
        }
        self.record = TipRecord()
        self._note(0.0, self.deliveries[scene.needles[0].name])
        self._loaded: set[str] = set()
        self._tails: dict[str, float] = {}
        self._stuck: set[str] = set()

    def cap(self, step: Inject) -> float:
        """Highest syringe pressure [Pa] of a step: its own cap, its force, and what the drive can make."""
        injector = self.deliveries[step.needle].injector
        caps = [injector.pressure_cap]
        if step.pressure_cap is not None:
            caps.append(step.pressure_cap)
        if step.force_cap is not None:
            caps.append(SYRINGES[injector.syringe].pressure(step.force_cap))
        return min(caps)

    def stop_pressure(self, step: Inject) -> float | None:
        """Syringe pressure [Pa] at which the step ends, from its pressure and force limits."""
        syringe = SYRINGES[self.deliveries[step.needle].injector.syringe]
        limits = [step.until.pressure, None if step.until.force is None else syringe.pressure(step.until.force)]
        return min((limit for limit in limits if limit is not None), default=None)

    def beyond_drive(self, step: Inject) -> dict[str, Any] | None:
        """Facts of an event when a step asks for more force than the drive has."""
        injector = self.deliveries[step.needle].injector
        limit = float(injector.force_limit or 0.0)
        if step.force_cap is None or step.force_cap <= limit:
            return None
        return {"needle": step.needle, "drive": injector.drive, "wanted_n": step.force_cap, "limit_n": limit}

    def elapse(self, duration: float, pushes: Mapping[str, Push], now: float) -> None:
        """Let time pass until `now` [s] while some plungers move; every column warms and ages. Changes deliveries.

        Cement goes into a needle when it is first used; until then it waits in the syringe.
        """
        self._loaded.update(pushes)
        for name, delivery in self.deliveries.items():
            if name not in self._loaded:
                delivery.column.hold(duration)
                continue
            push = pushes.get(name)
            if push is not None and push.rate > 0.0:
                self._note(max(now - duration, self.record.times[-1]), delivery)
            idle = IDLE if delivery.rigid else Push(rate=0.0, plunger=0.0, pressure=delivery.pressure, capped=False)
            out = delivery.commit(push or idle, duration)
            if out > 0.0:
                self._note(now, delivery, out)

    def _note(self, now: float, delivery: Delivery, volume: float = 0.0) -> None:
        speed = float(delivery.cement.clock(delivery.tip_temperature))
        self.record.note(now, delivery.tip_clock, volume, speed=speed)

    def afterflow(self, duration: float, wells: Mapping[str, tuple[float, float]]) -> tuple[str, Push] | None:
        """The needle that goes on flowing most with its plunger still, and how; None when all is quiet.

        Parameters
        ----------
        duration : float [s]
        wells : dict of (rest pressure [Pa], resistance [Pa·s/m³]) by needle
        """
        plans = {
            name: self.deliveries[name].plan(0.0, duration, rest=wells[name][0], resistance=wells[name][1])
            for name in self.needles
            if not self.deliveries[name].rigid
        }
        flowing = [(name, push) for name, push in plans.items() if push.rate > 0.0]
        return max(flowing, key=lambda item: item[1].rate) if flowing else None

    def release(self) -> None:
        """Pull all plungers back. Changes deliveries."""
        for delivery in self.deliveries.values():
            delivery.release()

    def fresh(self, step: FreshBatch) -> dict[str, Any]:
        """Fill a syringe with a new batch; returns the facts of the event. Changes its delivery."""
        delivery = self.deliveries[step.needle]
        delivery.release()
        delivery.column.refill(step.age)
        return {
            "needle": step.needle,
            "age_s": step.age,
            "old_cement_in_cannula_ml": delivery.column.filled / ml,
            "old_cement_age_s": delivery.column.tip_clock,
        }

    def pull(
        self, step: Retract | Withdraw, saturation: NDArray[np.float64]
    ) -> tuple[str, dict[str, Any], Needle | None]:
        """Pull a needle back or out; returns the event, its facts, and the needle where it moved. Changes itself."""
        needle, delivery = self.needles[step.needle], self.deliveries[step.needle]
        delivery.release()
        out = isinstance(step, Withdraw) or self._leaves(needle, step.distance)
        distance = needle.length if isinstance(step, Withdraw) else min(step.distance, needle.length)
        embedded = self.embedded(needle, saturation)
        found = withdraw(needle, delivery.column, distance=distance, embedded=embedded)
        facts = {
            "needle": needle.name,
            "distance_mm": 0.0 if found.stuck else distance / mm,
            "grip_n": found.grip,
            "embedded_mm": embedded / mm,
            "tail_ml": found.tail / ml,
            "tail_mm": found.tail_length / mm,
            "viscosity_pa_s": float(delivery.viscosity(0.0)),
        }
        if found.stuck:
            self._stuck.add(needle.name)
            return "needle stuck in the cement", facts, None
        self._tails[needle.name] = self._tails.get(needle.name, 0.0) + found.tail
        delivery.column.lose(found.tail)
        event = "cement tail in the track" if found.leaves_tail else "needle withdrawn" if out else "needle retracted"
        if out:
            del self.needles[needle.name]
            return event, facts, None
        self.needles[needle.name] = needle.moved(distance)
        return event, facts, self.needles[needle.name]

    def _leaves(self, needle: Needle, distance: float) -> bool:
        """Whether a needle pulled back so far is out of the simulated region."""
        if distance >= needle.length - 1e-3:
            return True
        grid = self.scene.anatomy.grid
        places = np.array([grid.index(centre) for centre, _ in needle.moved(distance).holes])
        return bool(np.any(places < -0.5) or np.any(places >= np.array(grid.shape) - 0.5))

    def embedded(self, needle: Needle, saturation: NDArray[np.float64]) -> float:
        """Length of the shaft [m], from the tip back, that lies in cement."""
        grid = self.scene.anatomy.grid
        step = 0.5 * min(grid.spacing)
        count = math.ceil(needle.length / step)
        points = needle.tip - np.arange(count)[:, None] * step * needle.direction
        index = np.clip(np.rint(grid.index(points)).astype(int), 0, np.array(grid.shape) - 1)
        free = np.flatnonzero(saturation[tuple(index.T)] < EMBEDDED_SHARE)
        return float(step * (free[0] if free.size else count))

    def summary(self) -> list[dict[str, Any]]:
        """Each needle's delivery in numbers, plain JSON values."""
        rows = []
        for name, delivery in self.deliveries.items():
            column, injector = delivery.column, delivery.injector
            rows.append(
                {
                    "needle": name,
                    "syringe_ml": injector.syringe,
                    "drive": injector.drive,
                    "force_limit_n": injector.force_limit,
                    "compliance_ml_mpa": injector.compliance * 1e12,
                    "dead_volume_ml": column.dead_volume / ml,
                    "left_in_cannula_ml": column.content / ml,
                    "pushed_ml": delivery.pushed / ml,
                    "tail_ml": self._tails.get(name, 0.0) / ml,
                    "stuck": name in self._stuck,
                    "withdrawn": name not in self.needles,
                    "cure_age_syringe_s": column.syringe_clock,
                    "cure_age_tip_s": column.tip_clock,
                }
            )
        return rows


def planned_duration(scene: Scene) -> float:
    """Length of the schedule [s] if nothing goes wrong; under force control at a usual rate."""
    total = 0.0
    for step in scene.steps:
        if isinstance(step, Wait):
            total += step.duration
        elif isinstance(step, Inject):
            rate = min(step.rate, USUAL_RATE) if step.force_cap else step.rate
            by_volume = step.until.volume / rate if step.until.volume else np.inf
            total += min(by_volume, step.until.time or np.inf)
    return float(total)
