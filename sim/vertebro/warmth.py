"""The heat of a run: temperature and cure follow the flow round by round, then until the cement has set.

Watched are the cement, the bone around it, the canal, the foramina and the discs: highest temperature, time above 45
and 50 °C, thermal dose. Crossing a nerve's threshold in the canal or a foramen is an event.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.build import Scene
from vertebro.delivery import Delivery
from vertebro.flow import FlowProblem, FlowState, Stepper
from vertebro.flow.carriage import Movement
from vertebro.flow.exposure import Exposure
from vertebro.flow.heat import HeatField
from vertebro.flow.heat_problem import Curing, HeatProblem, ThermalFluid
from vertebro.materials import thermal
from vertebro.materials.batch import TipRecord
from vertebro.materials.rheology import GAS_CONSTANT
from vertebro.tissue import Compartment
from vertebro.units import ZERO_CELSIUS, minute, mm

WARM = 45.0  # °C, from which nerves are at risk within minutes
HOT = 50.0  # °C
PLACES = ("canal", "foramen_left", "foramen_right", "disc_superior", "disc_inferior")
NERVES = PLACES[:3]
WITHIN = 0.3  # share of a voxel from which it counts as cement
TRACE = 0.05  # share up to which a voxel counts as free of it
SET_SHARE = 0.95  # mean conversion at which nobody need wait any longer
LUKEWARM = 3.0  # K above a body that is itself hot: as good as cold
ROUND = 20.0  # s, between notes after the schedule
FOLLOW = 10.0  # s of injection that heat follows at once


@dataclass(frozen=True, kw_only=True, slots=True)
class HeatResult:
    """What heat did in a run.

    Attributes
    ----------
    peak : (nr, na, ns) float32 array [°C]
        Highest temperature.
    dose : (nr, na, ns) float32 array [min]
        CEM43.
    damage : (nr, na, ns) float32 array [1]
        Ω of Henriques and Moritz.
    conversion : (nr, na, ns) float32 array
        At the end; 0 where there is no cement.
    curves : dict of (m,) float arrays
        ``time_s``, highest temperatures ``*_c`` of the moment, mean conversion.
    """

    peak: NDArray[np.float32]
    dose: NDArray[np.float32]
    damage: NDArray[np.float32]
    conversion: NDArray[np.float32]
    curves: dict[str, NDArray[np.float64]]


@dataclass(slots=True)
class _Pending:
    """Rounds of one needle that heat has not followed yet: the cement's state when they began."""

    needle: str
    temperature: float
    cure_age: float
    cure_speed: float
    seconds: float = 0.0


def heat_problem(scene: Scene, flow: FlowProblem) -> HeatProblem:
    """The scene's heat as bare arrays."""
    wish, card, tissue = scene.case.heat, scene.cement, scene.anatomy.tissue
    porosity = np.asarray(scene.anatomy.porosity, float)
    return HeatProblem(
        grid=flow.grid,
        pore_volume=flow.pore_volume,
        heat_capacity=thermal.heat_capacity(tissue, porosity),
        conductivity=thermal.conductivity(
            tissue, porosity, bone=wish.bone_conductivity, marrow=wish.marrow_conductivity
        ),
        perfusion=thermal.perfusion(tissue, marrow=wish.marrow_perfusion, soft=wish.soft_perfusion),
        injected=ThermalFluid(
            heat_capacity=card.density_uncured * card.specific_heat, conductivity=float(card.conductivity)
        ),
        displaced=ThermalFluid(heat_capacity=float(thermal.MARROW_CAPACITY), conductivity=wish.marrow_conductivity),
        curing=Curing(
            heat=float(card.heat_per_volume),
            set_time=float(card.set_time),
            shape=float(card.shape),
            activation_energy=float(card.activation_energy),
            reference_temperature=float(card.reference_temperature),
            boiling_point=wish.boiling_point,
            vapour_heat=card.density_uncured * card.monomer_fraction * thermal.VAPOUR_HEAT,
        ),
        body_temperature=wish.body_temperature,
    )


class Warmth:
    """Temperature of one run.

    Parameters
    ----------
    scene : Scene
    flow : FlowProblem
    tell : callable
        ``tell(event, **facts)`` hears what happens.
    record : TipRecord, optional
        Of the cement's viscosity law: is told the cure ages.
    """

    def __init__(
        self, scene: Scene, flow: FlowProblem, tell: Callable[..., Any], record: TipRecord | None = None
    ) -> None:
        self.scene, self.flow, self.tell, self.record = scene, flow, tell, record
        self.problem = heat_problem(scene, flow)
        self.exposure = Exposure(
            flow.grid.shape,
            frequency=float(thermal.DAMAGE_FREQUENCY),
            temperature=float(thermal.DAMAGE_ENERGY / GAS_CONSTANT),
            limits=(WARM + ZERO_CELSIUS, HOT + ZERO_CELSIUS),
        )
        self.field = HeatField(self.problem, exposure=self.exposure)
        compartment = scene.anatomy.compartment
        self.places = {name: compartment == Compartment[name.upper()] for name in PLACES}
        self._cells = {name: self.field.place(where) for name, where in self.places.items()}
        self.bone = scene.anatomy.bone
        self._outflow: dict[str, float] = {}
        self._pending: _Pending | None = None
        self._rows: list[dict[str, float]] = []
        self._said: set[tuple[str, str]] = set()

    def follow(
        self,
        stepper: Stepper,
        state: FlowState,
        dt: float,
        needle: str | None,
        delivery: Delivery | None,
    ) -> None:
        """Warm the round that the flow has just made, or put it off until `FOLLOW` seconds of one needle have gathered.

        Parameters
        ----------
        stepper, state : Stepper, FlowState
            After the round.
        dt : float [s]
        needle : str or None
            Which injected.
        delivery : Delivery or None
            Its syringe and cannula as they were when the round began.
        """
        if needle is None or delivery is None:
            self.settle(stepper, state)
            self.field.advance(dt)
            self._inform(state)
            self._note(state.time)
            return
        if self._pending is None:
            speed = float(delivery.cement.clock(delivery.tip_temperature))
            self._pending = _Pending(needle, delivery.tip_temperature, delivery.tip_clock, speed)
        self._pending.seconds += dt
        if self._pending.seconds >= FOLLOW - 1e-9:
            self.settle(stepper, state)

    @property
    def followed(self) -> float:
        """Until when temperature is known [s]."""
        return self._rows[-1]["time_s"] if self._rows else 0.0

    def settle(self, stepper: Stepper, state: FlowState) -> None:
        """Warm what was put off; call it when a needle stops."""
        wait, self._pending = self._pending, None
        if wait is None:
            return
        movement = Movement(
            saturation=state.saturation,
            pressure=state.pressure,
            fluxes=stepper.face_fluxes(),
            wells=next(well.cells for well in stepper.problem.wells if well.name == wait.needle),
            temperature=wait.temperature,
            cure_age=wait.cure_age,
            cure_speed=wait.cure_speed,
            drained=self._drained(state),
        )
        self.field.advance(wait.seconds, movement)
        self._inform(state)
        self._note(state.time)

    def _inform(self, state: FlowState) -> None:
        """Let the viscosity know how old the heat has made the cement."""
        if self.record is None:
            return
        cement = (self.field.volume > 0.0) & np.isfinite(state.injection_time)
        speed = self.scene.cement.clock(self.field.temperature[cement])
        ages, volumes = self.field.cure_age[cement], self.field.volume[cement]
        self.record.measure(state.time, state.injection_time[cement], ages, speed, volumes)

    def _drained(self, state: FlowState) -> list[tuple[NDArray[np.int64], float]]:
        before = self._outflow
        gone = [(one.cells, state.outflow[one.name] - before.get(one.name, 0.0)) for one in self.flow.outlets]
        self._outflow = dict(state.outflow)
        return gone

    def finish(self, time: float, progress: Callable[[str, float], None]) -> float:
        """Follow the cure from the schedule's end until the cement has set and is cool, or to the case's limit.

        Parameters
        ----------
        time : float [s]
            End of the schedule.
        progress : callable
            ``progress(text, conversion)``.

        Returns
        -------
        float [s]
            When it ended.
        """
        limit, start = self.scene.case.heat.follow_up, time
        while time - start < limit and not self._over():
            step = min(ROUND, limit - (time - start))
            self.field.advance(step)
            time += step
            self._note(time)
            latest = self._rows[-1]
            progress(f"curing: {latest['conversion']:.0%}, {latest['cement_c']:.0f} °C", min(latest["conversion"], 1.0))
        return time

    def _over(self) -> bool:
        if not self._rows or not np.any(self.field.volume):
            return True
        now = self._rows[-1]
        if now["conversion"] < SET_SHARE:
            return False
        if ("cement", "set") not in self._said:
            self._said.add(("cement", "set"))
            self.tell("cement has set", at_s=now["time_s"], conversion=now["conversion"])
        # dwell times are complete when nothing is warm any more, and no nerve can get warm then
        body = self.problem.body_temperature - ZERO_CELSIUS
        return now["cement_c"] < max(WARM, body + LUKEWARM)

    # what is watched --------------------------------------------------------------------------------------------

    def _note(self, time: float) -> None:
        field = self.field
        row = {
            "time_s": time,
            "cement_c": field.highest(field.filled(WITHIN)) - ZERO_CELSIUS,
            "conversion": field.cured,
        }
        row |= {f"{name}_c": field.highest(cells) - ZERO_CELSIUS for name, cells in self._cells.items()}
        self._rows.append(row)
        for name in NERVES:
            self._warn(name, time, row[f"{name}_c"])

    def _warn(self, name: str, time: float, warmest: float) -> None:
        where = self.places[name]
        if warmest >= WARM and (name, "warm") not in self._said:
            self._said.add((name, "warm"))
            place = self._hottest(self.field.temperature, where)
            self.tell("nerve warmed", compartment=name, at_s=time, temperature_c=warmest, limit_c=WARM, **place)
        if warmest < thermal.CEM43_BREAK - ZERO_CELSIUS - 3.0 or (name, "dose") in self._said:
            return
        dose = float(self.exposure.dose[where].max())
        if dose >= self.scene.case.heat.nerve_dose / minute:
            self._said.add((name, "dose"))
            place = self._hottest(self.exposure.dose, where)
            limit = self.scene.case.heat.nerve_dose / minute
            self.tell("nerve dose reached", compartment=name, at_s=time, cem43_min=dose, limit_min=limit, **place)

    def _hottest(self, values: NDArray[Any], where: NDArray[np.bool_]) -> dict[str, Any]:
        index = np.unravel_index(int(np.argmax(np.where(where, values, -np.inf))), where.shape)
        return {"position_mm": np.round(self.flow.grid.world(np.array(index)) / mm, 2).tolist()}

    def _share(self) -> NDArray[np.float64]:
        """Share of each voxel that is cement."""
        return np.asarray(self.field.volume / self.flow.grid.voxel_volume)

    def interface(self) -> NDArray[np.bool_]:
        """(nr, na, ns) mask: bone free of cement with a neighbour in the cement."""
        share = self._share()
        cement = np.pad(share >= WITHIN, 1)
        beside = np.zeros_like(cement)
        for axis in range(3):
            beside |= np.roll(cement, 1, axis) | np.roll(cement, -1, axis)
        return np.asarray(self.bone & (share <= TRACE) & beside[1:-1, 1:-1, 1:-1])

    def regions(self) -> dict[str, NDArray[np.bool_]]:
        """Watched places by name."""
        return {"cement": self._share() >= WITHIN, "interface": self.interface(), **self.places}

    def summary(self) -> dict[str, Any]:
        """Peaks, dwell times and doses of each place, for ``summary.json``."""
        peak = self._peak_c()
        regions = self.regions()
        bone = self.bone & ~regions["cement"]
        limit = self.scene.case.heat.bone_dose / minute
        necrosis = float(np.count_nonzero(bone & (self.exposure.dose >= limit)) * self.flow.grid.voxel_volume)
        warm, hot = self.exposure.above
        top = {name: where for name, where in regions.items() if where.any()}
        return {
            "peak_c": {name: float(peak[where].max()) for name, where in top.items()},
            "seconds_above_45_c": {name: float(warm[where].max()) for name, where in top.items()},
            "seconds_above_50_c": {name: float(hot[where].max()) for name, where in top.items()},
            "cem43_min": {name: float(self.exposure.dose[where].max()) for name, where in top.items()},
            "damage_integral": {name: float(self.exposure.damage[where].max()) for name, where in top.items()},
            "bone_over_dose_ml": necrosis * 1e6,
            "bone_dose_limit_min": limit,
            "nerve_dose_limit_min": self.scene.case.heat.nerve_dose / minute,
            "conversion": self._rows[-1]["conversion"] if self._rows else 0.0,
            "followed_s": self.followed,
            "reaction_heat_j": self.field.ledger.reaction,
            "energy_balance_error": self.field.balance_error,
        }

    def _peak_c(self) -> NDArray[np.float32]:
        body = self.problem.body_temperature
        return np.asarray(np.maximum(self.exposure.peak, body) - ZERO_CELSIUS, np.float32)

    def result(self) -> HeatResult:
        """Fields and curves to keep."""
        names = list(self._rows[0]) if self._rows else []
        return HeatResult(
            peak=self._peak_c(),
            dose=self.exposure.dose.copy(),
            damage=self.exposure.damage.copy(),
            conversion=self.field.conversion.astype(np.float32),
            curves={name: np.array([row[name] for row in self._rows]) for name in names},
        )
