"""One small box of bone per route with one way out: flow and monitor together find it, name it and lose nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from leakage.scene import FRAME, GRID, compartments
from vertebro.flow import FlowProblem, Outlet, Stepper, VesselNetwork, Well
from vertebro.leakage import LeakEvent, LeakMonitor, LeakSettings, VeinCourse
from vertebro.tissue import Compartment
from vertebro.units import ml, mm

RATE, STEP = 5e-8, 0.5  # m³/s, s
Low = tuple[float, float, float]


@dataclass(frozen=True)
class Way:
    """A box [mm] of open tissue from the body's face on, its far end the exit; the needle's tip in the body."""

    tip: Low
    low: Low
    high: Low
    end: Low
    exit: str
    tissue: Compartment | None = None


CENTRES = np.meshgrid(*(axis / mm for axis in GRID.axes()), indexing="ij")
WAYS = {
    "C": Way((1, 5, 1), (-2, 10, -2), (2, 20, 2), (1, 19, 1), "tissue"),
    "D": Way((1, 1, 3), (-4, -4, 6), (4, 4, 10), (3, 3, 9), "disc_superior"),
    "canal": Way((5, -7, 3), (4, -20, 2), (8, -10, 6), (5, -19, 3), "canal"),
    "foramen": Way((9, -7, 1), (8, -20, -2), (12, -10, 2), (9, -19, 1), "foramen_right"),
    "track": Way((9, -5, -3), (12, -6, -4), (20, -4, -2), (19, -5, -3), "track", Compartment.TRACK),
}
ROUTES = {"C": "wall", "D": "endplate", "canal": "wall", "foramen": "wall", "track": "track"}
# veins: routes of three segments, where they run [mm], lumen of each [mL]
VEINS = {
    "B": (("basivertebral", "basivertebral", "epidural"), [(1, -5, 1), (1, -12, 1), (1, -15, 3)], 0.2),
    "S": (("segmental", "segmental", "segmental"), [(9, 5, 1), (14, 5, 1), (17, 5, 1)], 0.2),
    "embolus": (("segmental", "segmental", "outlet"), [(9, 5, 1), (14, 5, 1), (19, 5, 1)], 0.02),
}


def _bone(compartment: np.ndarray, way: np.ndarray) -> dict[str, np.ndarray]:
    """Marrow in the body, fat along the way, everything else closed."""
    body = compartment == Compartment.BODY
    return {
        "porosity": np.where(body, 0.8, 0.5) * (body | way),
        "permeability": np.where(body, 1e-9, 1e-8) * (body | way),
    }


def _pushed(problem: FlowProblem, watch: LeakMonitor, volume: float) -> list[LeakEvent]:
    """Inject [m³]; after every round all that was injected is in a compartment or has left."""
    state, stepper = problem.initial_state(), Stepper(problem)
    while state.injected_volume < volume:
        stepper.advance(state, STEP)
        held = state.vessels
        gone = state.outflow | ({} if held is None else held.outflow)
        veins = None if held is None else held.content
        waiting = 0.0 if held is None else float(held.waiting.sum())
        watch.update(state.time, state.saturation * problem.pore_volume, gone, pressure=state.pressure, veins=veins)
        assert watch.total() + waiting == pytest.approx(state.injected_volume, rel=1e-6)
    return list(watch.leaks())


def _watch(compartment: np.ndarray, exits: dict[str, str], veins: VeinCourse | None = None) -> LeakMonitor:
    settings = LeakSettings(threshold=0.005 * ml, embolus_threshold=0.005 * ml)
    return LeakMonitor(
        grid=GRID, compartment=compartment, frame=FRAME, exit_routes=exits, veins=veins, settings=settings
    )


@pytest.mark.parametrize("kind", WAYS)
def test_an_opening_in_the_shell_leaks_its_own_way(kind: str) -> None:
    """A broken wall, an endplate, a fissure to the canal, a hole to a foramen, the channel of a pulled needle."""
    way, compartment = WAYS[kind], compartments()
    box = np.all([(x > a) & (x < b) for x, a, b in zip(CENTRES, way.low, way.high, strict=True)], axis=0)
    if way.tissue is not None:
        compartment[box] = way.tissue
    problem = FlowProblem(
        grid=GRID,
        **_bone(compartment, box),
        injected=20.0,
        displaced=1.0,
        wells=[Well(cells=[GRID.nearest(np.asarray(way.tip) * mm)], rate=RATE)],
        outlets=[Outlet(cells=[GRID.nearest(np.asarray(way.end) * mm)], name="end")],
    )
    leaks = _pushed(problem, _watch(compartment, {"end": way.exit}), 0.4 * ml)
    assert {(leak.kind.value, leak.route) for leak in leaks} == {(kind, ROUTES[kind])}
    assert np.linalg.norm(leaks[0].path[-1] - np.asarray(way.tip) * mm) < 3 * mm


@pytest.mark.parametrize(("kind", "kinds"), [("B", {"B"}), ("S", {"S"}), ("embolus", {"S", "embolus"})])
def test_a_vein_leaks_by_its_own_name(kind: str, kinds: set[str]) -> None:
    """The basivertebral vein into the epidural space, a segmental one beside the spine, and on to the cava."""
    routes, middle, lumen = VEINS[kind]
    problem, course = _veined(routes, np.asarray(middle, float) * mm, lumen * ml)
    leaks = _pushed(problem, _watch(compartments(), {"cava": "vein"}, course), 0.4 * ml)
    assert {leak.kind.value for leak in leaks} == kinds
    assert {leak.route for leak in leaks} == {"basivertebral" if kind == "B" else "segmental"}


def _veined(routes: Sequence[str], middle: np.ndarray, lumen: float) -> tuple[FlowProblem, VeinCourse]:
    """A duct from the bone in three parts, its mouth 2 mm from the tip, the only outlet at its far end."""
    length = np.full(3, 6 * mm)
    radius = np.sqrt(lumen / (np.pi * length))
    segments, mouth = np.array([[0, 1], [1, 2], [2, 3]]), GRID.nearest(middle[0])
    vessels = VesselNetwork(
        segment=segments,
        conductance=np.pi * radius**4 / (8.0 * length),
        volume=np.full(3, lumen),
        length=length,
        radius=radius,
        coupling_node=[0],
        coupling_cell=[mouth],
        coupling=[1e-11],
        outlet_node=[3],
        outlet_pressure=[0.0],
        outlet_name=["cava"],
        viscosity=4e-3,
    )
    course = VeinCourse(
        segments=segments,
        middle=middle,
        volume=np.full(3, lumen),
        inside=np.array([True, False, False]),
        routes=tuple(routes),
        names=("in the bone", "beside it", "far off"),
    )
    tip = GRID.nearest(middle[0] + np.array([-2 * mm, 0.0, 0.0]))
    problem = FlowProblem(
        grid=GRID,
        **_bone(compartments(), np.zeros(GRID.shape, bool)),
        injected=20.0,
        displaced=1.0,
        wells=[Well(cells=[tip], rate=RATE)],
        vessels=vessels,
    )
    return problem, course
