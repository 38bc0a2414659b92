"""Leaks by kind, place, time and volume in a toy vertebra."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leakage.scene import EXITS, FRAME, GRID, VOXEL, compartments, empty, line, monitor, paint
from vertebro.errors import CaseError, GeometryError, SolverError
from vertebro.leakage import LeakMonitor, LeakSettings, face_conductance
from vertebro.tissue import Compartment, LeakKind
from vertebro.units import ml, mm

# (where the cement goes from the body's centre, kind, compartment, route)
ROUTES = {
    "basivertebral vein into the canal": (line((1, 1, 1), (1, -15, 1)), "B", "epidural", "basivertebral"),
    "through the posterior wall": (line((5, 1, 1), (5, -15, 1)), "canal", "epidural", "wall"),
    "segmental vein": (line((1, 5, 1), (17, 5, 1)), "S", "paravertebral", "segmental"),
    "through the lateral wall": (line((1, 1, 1), (17, 1, 1)), "C", "paravertebral", "wall"),
    "through the upper endplate": (line((1, 1, 1), (1, 1, 9)), "D", "disc_superior", "endplate"),
    "through the lower endplate": (line((1, 1, -1), (1, 1, -9)), "D", "disc_inferior", "endplate"),
    "through the wall into the left foramen": (line((-9, 1, 1), (-9, -15, 1)), "foramen", "foramen_left", "wall"),
}


@pytest.mark.parametrize("name", ROUTES)
def test_route_decides_the_kind(name: str) -> None:
    path, kind, compartment, route = ROUTES[name]
    watch, cement = monitor(), empty()
    events = []
    for step, point in enumerate(path):
        events += watch.update(float(step), paint(cement, [point]))
    assert [(e.kind.value, e.compartment, e.route) for e in events] == [(kind, compartment, route)]


@pytest.mark.parametrize("name", ROUTES)
def test_one_big_step_gives_the_same_leak_as_many_small_ones(name: str) -> None:
    path, kind, compartment, route = ROUTES[name]
    events = monitor().update(1.0, paint(empty(), path))
    assert [(e.kind.value, e.compartment, e.route) for e in events] == [(kind, compartment, route)]


def test_path_leads_back_from_the_first_leaked_cell_to_the_needle() -> None:
    path = ROUTES["segmental vein"][0]
    watch, cement = monitor(), empty()
    watch.update(0.0, paint(cement, path[:1]))
    (event,) = watch.update(1.0, paint(cement, path))
    back = watch.path(event)
    assert event.position == pytest.approx(np.array([13.0, 5.0, 1.0]) * mm)
    assert back[0] == pytest.approx(event.position)
    assert back[-1] == pytest.approx(np.array(path[0]) * mm)
    assert np.linalg.norm(np.diff(back, axis=0), axis=1) == pytest.approx(2 * mm)


def test_first_step_is_traced_from_the_fullest_cell_in_bone() -> None:
    """Without a history the needle is taken to be where the pressure, or else the cement, is highest."""
    path = ROUTES["through the lateral wall"][0]
    cement = paint(paint(empty(), path, 0.9), [(5, 1, 1)])
    watch = monitor()
    (event,) = watch.update(0.0, cement)
    assert watch.path(event)[-1] == pytest.approx(np.array([5, 1, 1]) * mm)
    pressure = np.zeros(GRID.shape)
    pressure[GRID.nearest(np.array((1, 1, 1)) * mm)] = 1.0
    watch = monitor()
    (event,) = watch.update(0.0, cement, pressure=pressure)
    assert watch.path(event)[-1] == pytest.approx(np.array([1, 1, 1]) * mm)


def test_leak_starts_before_it_is_detected_and_keeps_growing() -> None:
    """Full voxels hold 0.008 mL: the first one outside starts the leak, the second passes 0.01 mL."""
    path = ROUTES["through the lateral wall"][0]
    watch, cement = monitor(), empty()
    seen = [watch.update(10.0 * step, paint(cement, [point])) for step, point in enumerate(path)]
    outside = [step for step, point in enumerate(path) if point[0] > 12]
    (event,) = seen[outside[1]]
    assert (event.onset, event.detected) == (10.0 * outside[0], 10.0 * outside[1])
    assert event.volume == pytest.approx(2 * VOXEL)
    assert sum(map(len, seen)) == 1
    (grown,) = watch.leaks()
    assert grown.length == pytest.approx(len(outside) * 2 * mm)
    assert len(watch.cells(grown)) == len(outside)
    assert grown.volume == pytest.approx(len(outside) * VOXEL)
    assert (grown.kind, grown.onset, grown.key) == (event.kind, event.onset, event.key)


@pytest.mark.parametrize("reach", [13, 15, 19])
def test_a_leak_is_as_long_as_it_reaches_from_where_it_began(reach: int) -> None:
    """A straight thread of voxels in front of the wall at a = 10 mm: its length and volume in closed form."""
    watch, cement = monitor(), empty()
    watch.update(1.0, paint(cement, line((1, 1, 1), (1, 9, 1))))
    (leak,) = watch.update(2.0, paint(cement, line((1, 11, 1), (1, reach, 1))))
    assert leak.length == pytest.approx((reach - 11 + 2) * mm)
    assert leak.volume == pytest.approx((reach - 9) / 2 * VOXEL)
    assert leak.source_voxel == GRID.nearest((1 * mm, 11 * mm, 1 * mm))


def test_cement_that_wanders_on_keeps_its_route() -> None:
    """Epidural cement from the basivertebral vein that creeps into the foramen: B there, foramen here."""
    path = [*line((1, 1, 1), (1, -15, 1)), *line((3, -15, 1), (11, -15, 1))]
    events = monitor().update(0.0, paint(empty(), path))
    found = {(e.kind.value, e.compartment, e.route) for e in events}
    assert found == {("B", "epidural", "basivertebral"), ("foramen", "foramen_right", "basivertebral")}


def test_epidural_cement_fed_by_a_segmental_vein_stays_s() -> None:
    path = [*line((1, 5, 1), (17, 5, 1)), *line((17, 3, 1), (17, -15, 1)), *line((15, -15, 1), (5, -15, 1))]
    events = monitor().update(0.0, paint(empty(), path))
    assert {e.kind for e in events} == {LeakKind.S}
    assert {e.compartment for e in events} == {"paravertebral", "foramen_right", "epidural"}


def test_left_and_right_leaks_are_two() -> None:
    paths = [*line((-17, 5, 1), (17, 5, 1))]
    events = monitor().update(0.0, paint(empty(), paths))
    assert [e.kind for e in events] == [LeakKind.S, LeakKind.S]
    assert sorted(np.sign([e.position[0] for e in events if e.position is not None])) == [-1.0, 1.0]


def test_needle_channel_outside_bone_is_a_track_leak_and_inside_bone_is_none() -> None:
    compartment = compartments()
    i, _, k = GRID.nearest((5 * mm, 0.0, 1 * mm))
    channel = np.zeros(GRID.shape, bool)
    channel[i, :5, k] = True  # behind the body, through the canal's box
    compartment[i + 1, 3:5, k] = Compartment.ARCH
    compartment[channel] = Compartment.TRACK
    near = monitor(compartment).update(0.0, paint(empty(), line((5, 1, 1), (5, -13, 1))))
    assert near == []
    watch = monitor(compartment)
    watch.update(0.0, paint(empty(), line((5, 1, 1), (5, -13, 1))))
    assert watch.leaked_volume == 0.0
    (event,) = monitor(compartment).update(0.0, paint(empty(), line((5, 1, 1), (5, -19, 1))))
    assert (event.kind, event.compartment) == (LeakKind.TRACK, "track")


def test_cement_out_of_the_channel_is_a_track_leak_too() -> None:
    compartment = compartments()
    i, _, k = GRID.nearest((5 * mm, 0.0, 1 * mm))
    compartment[i, 4, k] = Compartment.TRACK
    path = [*line((5, 1, 1), (5, -11, 1)), *line((7, -11, 1), (7, -15, 1))]
    (event,) = monitor(compartment).update(0.0, paint(empty(), path))
    assert (event.kind, event.route, event.compartment) == (LeakKind.TRACK, "track", "epidural")


def test_vein_inside_the_bone_explains_a_leak_without_a_drawn_vein_outside() -> None:
    path = line((5, 1, 1), (5, -15, 1))
    vein = np.zeros(GRID.shape, bool)
    vein[GRID.nearest(np.array((5, -9, 1)) * mm)] = True
    (event,) = monitor(vein=vein).update(0.0, paint(empty(), path))
    assert (event.kind, event.route) == (LeakKind.B, "basivertebral")


def test_conductance_tells_the_open_way_from_the_tight_wall() -> None:
    """A canal cell beside full bone behind an intact wall, and behind a vein cell: the vein fed it.

    With a resistance in the wall's faces the vein wins; without any the fuller bone cell does.
    """
    open_ = np.full((3, *GRID.shape), 1e-9)
    wall = np.zeros((3, *GRID.shape))
    compartment = compartments()
    posterior = GRID.nearest((0.0, -11 * mm, 0.0))[1]
    wall[1, :, posterior] = 1e9
    vein = compartment == Compartment.VEIN_BASIVERTEBRAL
    wall[1][vein] = 0.0
    cement = paint(empty(), [*line((1, 1, 1), (1, -13, 1)), *line((3, 1, 1), (3, -13, 1))])
    cement[GRID.nearest(np.array((1, -11, 1)) * mm)] *= 0.5
    tight = face_conductance(open_, wall, GRID.spacing)
    drop = LeakSettings(threshold=0.001 * ml)
    (event,) = monitor(conductance=tight, settings=drop).update(0.0, cement)
    assert event.kind == LeakKind.B
    loose = face_conductance(open_, None, GRID.spacing)
    kinds = {e.kind for e in monitor(conductance=loose, settings=drop).update(0.0, cement)}
    assert LeakKind.CANAL in kinds


def test_pressure_drop_points_to_the_feeder() -> None:
    """Two wet neighbours, equal conductance: the one at the higher pressure fed the cell."""
    cement = paint(empty(), [*line((9, 1, 1), (9, -11, 1)), *line((7, 1, 1), (7, -11, 1))])
    pressure = np.zeros(GRID.shape)
    pressure[compartments() == Compartment.BODY] = 10.0
    pressure[GRID.nearest(np.array((7, -11, 1)) * mm)] = 5.0
    flat = np.ones((3, *GRID.shape))
    watch = monitor(conductance=flat, settings=LeakSettings(threshold=0.001 * ml))
    events = watch.update(0.0, cement, pressure=pressure)
    foramen = next(e for e in events if e.compartment == "foramen_right")
    assert foramen.position == pytest.approx(np.array([9, -11, 1]) * mm)
    assert watch.path(foramen)[1] == pytest.approx(np.array([9, -9, 1]) * mm)


def test_outflow_of_segmental_veins_is_embolic_load() -> None:
    watch = monitor(exit_positions={"vein left": (-0.02, 0.005, 0.001)})
    watch.update(0.0, empty(), {"vein left": 0.004 * ml})
    (event,) = watch.update(1.0, empty(), {"vein left": 0.02 * ml, "vein right": 0.01 * ml})
    assert (event.kind, event.compartment, event.onset) == (LeakKind.EMBOLUS, "beyond", 0.0)
    assert event.volume == pytest.approx(0.03 * ml)
    assert event.position == pytest.approx([-0.02, 0.005, 0.001])
    assert "vein left and vein right" in event.words
    assert watch.embolic_volume == pytest.approx(0.03 * ml)
    assert watch.path(event).shape == (0, 3)


def test_outflow_elsewhere_counts_for_its_place() -> None:
    places = dict.fromkeys(EXITS, (0.0, 0.0, 0.0))
    watch = monitor(exit_positions=places)
    events = watch.update(0.0, empty(), {"plexus": 0.02 * ml, "border": 0.02 * ml})
    assert {e.kind.value: e.position is None for e in events} == {"B": False, "C": True}
    assert {(e.kind.value, e.compartment) for e in events} == {("B", "epidural"), ("C", "paravertebral")}


@settings(max_examples=12)
@given(st.integers(0, 2**32 - 1), st.floats(0.0, 1.0))
def test_compartments_and_outflow_add_up_to_the_cement(seed: int, filled: float) -> None:
    """Whatever the cement does, the ledger's sum is the sum of its parts to round-off."""
    random = np.random.default_rng(seed)
    cement = np.where(random.random(GRID.shape) < filled, random.random(GRID.shape), 0.0) * VOXEL
    outflow = {name: random.random() * ml for name in EXITS}
    watch = monitor()
    watch.update(0.0, cement * 0.3)
    watch.update(1.0, cement, outflow)
    injected = cement.sum() + sum(outflow.values())
    assert watch.total() == pytest.approx(injected, rel=1e-12)
    by_name = watch.compartment_volumes()
    assert by_name["body"] == pytest.approx(cement[compartments() == Compartment.BODY].sum(), rel=1e-12)
    assert by_name["outside: plexus"] == outflow["plexus"]
    leaked = sum(e.volume for e in watch.leaks())
    assert leaked <= injected - by_name["body"] + 1e-18


def test_mirrored_cement_gives_mirrored_leaks(rng: np.random.Generator) -> None:
    cement = np.where(rng.random(GRID.shape) < 0.4, rng.random(GRID.shape), 0.0) * VOXEL
    here, there = monitor(), monitor()
    here.update(0.0, cement)
    there.update(0.0, cement[::-1])
    swap = {"foramen_left": "foramen_right", "foramen_right": "foramen_left"}
    left = sorted((e.kind.value, e.compartment, round(e.volume / VOXEL, 6)) for e in here.leaks())
    right = sorted(
        (e.kind.value, swap.get(e.compartment, e.compartment), round(e.volume / VOXEL, 6)) for e in there.leaks()
    )
    assert left == right


def test_every_wet_cell_outside_the_bone_belongs_to_a_leak(rng: np.random.Generator) -> None:
    """Sum of leaks = all cement outside the body, even where it is not connected to anything."""
    cement = np.where(rng.random(GRID.shape) < 0.2, VOXEL, 0.0)
    watch = monitor(settings=LeakSettings(threshold=1e-15))
    watch.update(0.0, cement)
    outside = cement[compartments() != Compartment.BODY].sum()
    assert sum(e.volume for e in watch.leaks()) == pytest.approx(outside, rel=1e-12)
    assert watch.leaked_volume == pytest.approx(outside, rel=1e-12)


def test_body_alone_leaks_nothing() -> None:
    cement = np.where(compartments() == Compartment.BODY, VOXEL, 0.0)
    watch = monitor()
    assert watch.update(0.0, cement) == []
    assert watch.leaks() == ()
    assert watch.compartment_volumes()["body"] == pytest.approx(cement.sum())


def test_leak_becomes_plain_values() -> None:
    (event,) = monitor().update(2.0, paint(empty(), ROUTES["basivertebral vein into the canal"][0]))
    facts = event.to_dict()
    assert facts["kind"] == "B"
    assert facts["volume_ml"] == pytest.approx(0.024)
    assert facts["t_leak_s"] == 2.0
    assert facts["position_mm"] == [1.0, -11.0, 1.0]
    assert facts["position_words"] == "anterior epidural, 1 mm right of midline, mid-body height"


@pytest.mark.parametrize("threshold", [0.0, -1.0, np.nan, 1.0])
def test_absurd_thresholds_are_refused(threshold: float) -> None:
    with pytest.raises(CaseError):
        LeakSettings(threshold=threshold)


def test_unknown_exit_routes_and_exits_are_refused() -> None:
    with pytest.raises(CaseError) as caught:
        LeakMonitor(grid=GRID, compartment=compartments(), frame=FRAME, exit_routes={"x": "lymph"})
    assert "segmental" in str(caught.value.allowed)
    with pytest.raises(CaseError):
        monitor().update(0.0, empty(), {"nowhere": 1e-9})


def test_bad_fields_are_refused() -> None:
    watch = monitor()
    with pytest.raises(GeometryError):
        watch.update(0.0, empty()[1:])
    for bad in (np.nan, -1e-6, np.inf):
        cement = empty()
        cement[3, 3, 3] = bad
        with pytest.raises(SolverError):
            watch.update(0.0, cement)
    watch.update(5.0, empty())
    with pytest.raises(SolverError):
        watch.update(4.0, empty())


def test_face_conductance_is_two_half_cells_and_a_layer_in_series() -> None:
    """1/T = h/(2K1) + h/(2K2) + R: K = 1e-8 and 3e-8 m², h = 2 mm, R = 1e5 1/m."""
    permeability = np.full((3, 2, 1, 1), 1e-8)
    permeability[:, 1] = 3e-8
    layer = np.zeros((3, 2, 1, 1))
    layer[0, 0] = 1e5
    out = face_conductance(permeability, layer, (2 * mm, 2 * mm, 2 * mm))
    assert out[0, 0, 0, 0] == pytest.approx(1.0 / (1e-3 / 1e-8 + 1e-3 / 3e-8 + 1e5))
    assert out[0, 1, 0, 0] == 0.0
    assert face_conductance(np.zeros((3, 2, 1, 1)), None, (1.0, 1.0, 1.0)).max() == 0.0
