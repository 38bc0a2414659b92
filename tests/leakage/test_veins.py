"""Leaks in a vein network: kinds, routes handed on, volumes that add up, places in words."""

from __future__ import annotations

import numpy as np
import pytest

from leakage.scene import FRAME, GRID, compartments, empty, line, paint
from vertebro.errors import GeometryError, SolverError
from vertebro.leakage import LeakMonitor, VeinCourse
from vertebro.units import ml, mm

# sinusoid - basivertebral - epidural left - intervertebral left; segmental in bone - segmental right - away;
# a bridge from the segmental vein back to the epidural one
ROUTES = (
    "basivertebral",
    "basivertebral",
    "epidural",
    "intervertebral",
    "segmental",
    "segmental",
    "outlet",
    "epidural",
)
MIDDLE = np.array(
    [[0, 0, 0], [0, -13, 0], [-4, -14, 0], [-12, -14, -8], [12, 5, 1], [18, 5, 1], [15, 20, 0], [8, -14, 0]]
)
SEGMENTS = np.array([[0, 1], [1, 2], [2, 3], [3, 4], [5, 6], [6, 7], [7, 8], [7, 9]])
INSIDE = np.array([True, False, False, False, True, False, False, False])


def course() -> VeinCourse:
    return VeinCourse(
        segments=SEGMENTS,
        middle=MIDDLE * mm,
        volume=np.full(8, 0.05 * ml),
        inside=INSIDE,
        routes=ROUTES,
        names=tuple(f"vein {i}" for i in range(8)),
    )


def monitor() -> LeakMonitor:
    routes = {"azygos": "vein"}
    return LeakMonitor(grid=GRID, compartment=compartments(), frame=FRAME, exit_routes=routes, veins=course())


def fill(*held: float) -> np.ndarray:
    return np.array(held) * ml


def test_cement_in_a_duct_within_bone_is_no_leak() -> None:
    watch = monitor()
    assert watch.update(1.0, np.zeros(GRID.shape), veins=fill(0.03, 0, 0, 0, 0.02, 0, 0, 0)) == []
    assert watch.leaked_volume == 0.0
    assert watch.compartment_volumes()["body"] == pytest.approx(0.05 * ml)


def test_kinds_follow_the_veins() -> None:
    watch = monitor()
    watch.update(1.0, np.zeros(GRID.shape), veins=fill(0.05, 0.03, 0, 0, 0.05, 0.02, 0, 0))
    events = watch.update(2.0, np.zeros(GRID.shape), veins=fill(0.05, 0.05, 0.02, 0.03, 0.05, 0.05, 0.02, 0))
    leaks = {leak.compartment: leak for leak in watch.leaks()}
    assert {name: leak.kind.value for name, leak in leaks.items()} == {
        "epidural": "B",
        "paravertebral": "S",
        "foramen_left": "foramen",
        "beyond": "embolus",
    }
    assert {leak.compartment for leak in events} == {"foramen_left", "beyond"}
    assert leaks["epidural"].volume == pytest.approx(0.07 * ml)
    assert leaks["epidural"].onset == 1.0
    assert watch.embolic_volume == pytest.approx(0.02 * ml)
    assert "in the vein 1" in leaks["epidural"].words
    assert "right of midline" in leaks["paravertebral"].words
    assert leaks["foramen_left"].position[0] < 0


def test_epidural_cement_fed_by_a_segmental_vein_stays_segmental() -> None:
    watch = monitor()
    watch.update(1.0, np.zeros(GRID.shape), veins=fill(0, 0, 0, 0, 0.05, 0.03, 0, 0))
    watch.update(2.0, np.zeros(GRID.shape), veins=fill(0, 0, 0, 0, 0.05, 0.05, 0, 0.03))
    assert {(leak.kind.value, leak.compartment) for leak in watch.leaks()} == {
        ("S", "paravertebral"),
        ("S", "epidural"),
    }


def test_everything_adds_up_with_what_left() -> None:
    watch = monitor()
    cement = np.zeros(GRID.shape)
    cement[GRID.shape[0] // 2, GRID.shape[1] // 2, GRID.shape[2] // 2] = 0.001 * ml
    held = fill(0.05, 0.05, 0.01, 0.0, 0.05, 0.05, 0.05, 0.01)
    watch.update(3.0, cement, {"azygos": 0.2 * ml}, veins=held)
    assert watch.total() == pytest.approx(cement.sum() + held.sum() + 0.2 * ml, rel=1e-12)
    assert watch.leaked_volume == pytest.approx(held[~INSIDE].sum() + 0.2 * ml)
    assert watch.embolic_volume == pytest.approx(0.25 * ml)
    (embolus,) = [leak for leak in watch.leaks() if leak.kind.value == "embolus"]
    assert embolus.volume == pytest.approx(0.25 * ml)


def test_the_path_leads_back_into_the_bone_and_segments_are_told() -> None:
    watch = monitor()
    cement = np.zeros(GRID.shape)
    cement[GRID.shape[0] // 2, GRID.shape[1] // 2, GRID.shape[2] // 2] = 0.001 * ml
    watch.update(1.0, cement, veins=fill(0.05, 0.02, 0, 0, 0, 0, 0, 0))
    watch.update(2.0, cement, veins=fill(0.05, 0.05, 0.02, 0.03, 0, 0, 0, 0))
    foramen = next(leak for leak in watch.leaks() if leak.kind.value == "foramen")
    path = watch.path(foramen)
    np.testing.assert_allclose(path[:4], MIDDLE[[3, 2, 1, 0]] * mm)
    assert np.abs(path[-1]).max() < 2 * mm  # the cement in the middle of the body
    assert watch.segments(foramen).tolist() == [3]


def test_wrong_arrays_are_refused() -> None:
    watch = monitor()
    with pytest.raises(GeometryError, match="does not fit"):
        watch.update(1.0, np.zeros(GRID.shape), veins=np.zeros(3))
    with pytest.raises(SolverError, match="impossible"):
        watch.update(1.0, np.zeros(GRID.shape), veins=np.full(8, np.nan))
    with pytest.raises(GeometryError, match="unknown route"):
        VeinCourse(
            segments=SEGMENTS[:1],
            middle=MIDDLE[:1] * mm,
            volume=np.ones(1),
            inside=INSIDE[:1],
            routes=("x",),
            names=("y",),
        )


def cracked() -> LeakMonitor:
    """A fissure from the middle through the rear wall: two slits in bone, one in the canal."""
    crack = VeinCourse(
        segments=np.array([[0, 1], [1, 2], [2, 3]]),
        middle=np.array([[-4, -5, 0], [-4, -8, 0], [-4, -12, 0]]) * mm,
        volume=np.full(3, 0.05 * ml),
        inside=np.array([True, True, False]),
        routes=("canal",) * 3,
        names=("fissure of the posterior wall",) * 3,
    )
    return LeakMonitor(grid=GRID, compartment=compartments(), frame=FRAME, exit_routes={}, veins=crack)


def test_cement_in_a_crack_leaks_where_the_crack_leads() -> None:
    watch = cracked()
    cement = paint(empty(), line((-5, 5, 1), (-5, -3, 1)))
    assert watch.update(1.0, cement, veins=fill(0.05, 0.02, 0.0)) == []
    (leak,) = watch.update(2.0, cement, veins=fill(0.05, 0.05, 0.03))
    assert (leak.kind.value, leak.compartment, leak.route, leak.onset) == ("canal", "epidural", "wall", 2.0)
    assert leak.words.endswith("in the fissure of the posterior wall")
    assert leak.source_voxel == GRID.nearest(np.array([-4, -12, 0]) * mm)
    assert watch.compartment_volumes()["canal"] == pytest.approx(0.03 * ml)
    assert watch.total() == pytest.approx(cement.sum() + 0.13 * ml, rel=1e-12)
    np.testing.assert_allclose(leak.path[:3, 1], np.array([-12, -8, -3]) * mm)  # canal, wall, the wet voxel beside it


def test_cement_beyond_a_crack_is_traced_back_through_it() -> None:
    watch = cracked()
    cement = paint(empty(), line((-5, 5, 1), (-5, -3, 1)))
    watch.update(1.0, cement, veins=fill(0.05, 0.05, 0.005))
    paint(cement, [(-5, -13, 1), (-5, -15, 1)])
    (leak,) = watch.update(2.0, cement, veins=fill(0.05, 0.05, 0.05))
    assert leak.kind.value == "canal"
    path = watch.path(leak)
    assert path[0, 1] < -11 * mm
    assert path[-1, 1] > -4 * mm
