"""`Bedside`: a simulation without a schedule; somebody decides on the way what happens in the next second.

The rounds are those of `Simulation`: the same engine, monitor and handling; only who says when differs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.anatomy import Anatomy
from vertebro.build import Scene, body_frame, build, counted_compartments, flow_problem
from vertebro.case import Case
from vertebro.delivery import Push
from vertebro.drainage import cement_in_voxels, vein_cement
from vertebro.errors import CaseError
from vertebro.flow import FlowState, Stepper, newtonian
from vertebro.leakage import LeakEvent, ResultMeasures, measure_result
from vertebro.procedure import Inject, Limit, Needle, Placement, check_placement
from vertebro.procedure.schedule import MAX_TIME
from vertebro.simulation import Handle, Simulation
from vertebro.tissue import Compartment

SPACING = 1800.0  # s, for the distance of the fields that are kept


class Bedside(Simulation):
    """An injection that is decided on the way.

    Parameters
    ----------
    scene : Scene
        With the needles as they lie now; the case's schedule is ignored.

    Examples
    --------
    >>> bedside = Bedside(build(Case.preset("first-injection")))       # doctest: +SKIP
    >>> bedside.push("left", 5e-8, 1.0).rate                           # doctest: +SKIP
    5e-08
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene.case, scene=scene, pictures=False)
        self.planned = SPACING

    @property
    def events(self) -> list[dict[str, Any]]:
        """What has happened so far; times [s] since the beginning of this injection."""
        return self.witness.events

    def push(self, needle: str, rate: float, dt: float, *, pressure: float | None = None) -> Push:
        """One round with a plunger pushed at a wanted rate; says what it did.

        Parameters
        ----------
        needle : str
        rate : float [m³/s]
            Wanted; less is reached when the hand is too weak.
        dt : float [s]
        pressure : float, optional [Pa]
            The hand's own cap on the syringe pressure.
        """
        wish = Inject(needle=needle, rate=rate, until=Limit(time=MAX_TIME), pressure_cap=pressure)
        missing = self.deliveries[needle].column.missing
        if missing > 1e-15:
            filling = Push(rate=rate, plunger=rate, pressure=0.0, capped=False)
            first = min(dt, missing / rate)
            self._advance(None, 0.0, first, filling, needle)
            if dt - first < 1e-6:
                return filling
            dt -= first
        push = self._plan(wish, dt, self.handling.cap(wish))
        if not self._advance(needle, push.rate, dt, push):
            return replace(push, rate=0.0)
        return push

    def rest(self, dt: float) -> None:
        """One round with all plungers still."""
        self._rest(dt)

    def stop(self, needle: str) -> None:
        """Take the hand off a plunger: nothing more flows than what the syringe's give drives."""
        self._stop(needle)

    def release(self) -> None:
        """Pull all plungers back."""
        self.handling.release()

    def handle(self, step: Handle) -> dict[str, Any]:
        """Pull a needle, push a stylet or take a fresh batch; returns what became of it, not a leak on the way."""
        if step.needle not in self.handling.needles:
            raise CaseError(
                "the needle is out", where="needle", value=step.needle, allowed=", ".join(self.handling.needles)
            )
        return self._handle(step)

    def place(self, needle: Needle) -> None:
        """A needle of this name lies somewhere else now."""
        self.handling.needles[needle.name] = needle
        self._open_at(needle)

    def leaks(self) -> tuple[LeakEvent, ...]:
        """All leaks so far."""
        return self.monitor.leaks()

    def fraction(self) -> NDArray[np.float32]:
        """(nr, na, ns) volume share of cement now."""
        return self.scene.cement_fraction(self.state.saturation, self.veins)

    def measures(self) -> ResultMeasures:
        """The filling in numbers."""
        cement = self.state.saturation * self.voxel_pores
        return measure_result(
            cement_in_voxels(self.scene.anatomy, cement, self.veins),
            grid=self.scene.anatomy.grid,
            compartment=counted_compartments(self.scene),
            frame=body_frame(self.scene.anatomy),
        )


class Tracer:
    """Contrast agent through a needle in the same bone: thin, never cures, gone with the blood after a while.

    Parameters
    ----------
    scene : Scene
        With the needle in place.
    needle : str
    viscosity : float [Pa·s]
    """

    def __init__(self, scene: Scene, needle: str, *, viscosity: float) -> None:
        self.problem = problem = replace(flow_problem(scene), injected=newtonian(viscosity))
        self.scene, self.needle = scene, needle
        self.stepper = Stepper(problem, tolerance=scene.case.flow.tolerance)
        self.state: FlowState = problem.initial_state()
        self._pores = problem.pore_volume

    def push(self, rate: float, dt: float) -> None:
        """Inject at a rate [m³/s] for a while [s]."""
        self.stepper.set_well(self.needle, rate=rate)
        self.stepper.advance(self.state, dt)
        self.stepper.set_well(self.needle, rate=0.0)

    def fraction(self) -> NDArray[np.float32]:
        """(nr, na, ns) volume share of the agent, that in the veins included."""
        veins = vein_cement(self.scene.anatomy.network, self.problem.vessels, self.state)
        return self.scene.cement_fraction(self.state.saturation, veins)

    def volumes(self) -> dict[str, float]:
        """Agent [m³] by name of compartment, in the veins within and outside the bone, and what left (``"gone"``)."""
        agent, anatomy = self.state.saturation * self._pores, self.scene.anatomy
        found = {c.name.lower(): float(agent[anatomy.compartment == c].sum()) for c in Compartment}
        veins = vein_cement(anatomy.network, self.problem.vessels, self.state)
        within = 0.0 if anatomy.network is None else float(veins[anatomy.network.inside].sum())
        found |= {"veins within": within, "veins outside": float(veins.sum()) - within}
        return found | {"gone": float(sum(self.state.outflow.values()))}


def scene_with(case: Case, anatomy: Anatomy, needles: tuple[Needle, ...]) -> Scene:
    """The scene of a case with needles where somebody has put them.

    Parameters
    ----------
    case : Case
    anatomy : Anatomy
    needles : tuple of Needle
        One of each name of the case.
    """
    scene = build(case, anatomy=anatomy)
    return replace(scene, needles=needles, placements=tuple(judge(needle, anatomy) for needle in needles))


def judge(needle: Needle, anatomy: Anatomy) -> Placement:
    """What can be said about a needle wherever its tip is."""
    marks = anatomy.landmarks
    return check_placement(
        needle,
        anatomy.grid,
        anatomy.compartment,
        anterior_wall=marks.anterior_wall,
        posterior_wall=marks.posterior_wall,
        anywhere=True,
    )
