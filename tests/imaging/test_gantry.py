"""The machine: limits, table, speeds, fields, collimator, two planes."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from vertebro.errors import CaseError, GeometryError
from vertebro.imaging import Biplane, CArm, Fluoroscope, Gantry, Position, TissueLayer, collimation
from vertebro.imaging.gantry_parts import Axis, MagnificationField
from vertebro.units import deg, mm

ROOM = Gantry.angiography()


def test_a_table_that_moves_headwards_shows_what_lies_towards_the_feet() -> None:
    assert ROOM.carm(Position(longitudinal=0.1)).isocentre == pytest.approx((0, 0, -0.1))
    assert ROOM.carm(Position(lateral=0.05)).isocentre == pytest.approx((-0.05, 0, 0))


def test_a_table_that_rises_brings_a_prone_patient_nearer_to_the_detector_above() -> None:
    """The isocentre comes to lie deeper (anterior), so the vertebra lies farther from the tube: less magnified."""
    low, high = (ROOM.carm(Position(height=height)).geometry for height in (-0.05, 0.05))
    assert low.magnification(np.zeros(3)) == pytest.approx(1.0 / 0.65)
    assert high.magnification(np.zeros(3)) == pytest.approx(1.0 / 0.75)


def test_the_table_knows_the_patients_axes_only() -> None:
    turned = ((0.0, 1.0, 0.0), (-1.0, 0.0, 0.0), (0.0, 0.0, 1.0))
    assert ROOM.carm(Position(lateral=0.05), lying=turned).isocentre == pytest.approx((0, -0.05, 0))


def test_the_slowest_axis_decides_how_long_a_move_takes() -> None:
    start, end = Position(), Position(orbital=90 * deg, height=0.02, longitudinal=0.1)
    durations = {"orbital": 90 * deg, "height": 0.02, "longitudinal": 0.1}
    slowest = max(way / ROOM.axes[name].speed for name, way in durations.items())
    assert ROOM.move_time(start, end) == pytest.approx(slowest + ROOM.settle)
    assert ROOM.move_time(end, start) == pytest.approx(ROOM.move_time(start, end))
    assert ROOM.move_time(start, start) == 0.0


def test_a_hand_moved_arm_is_slower() -> None:
    there = Position(orbital=90 * deg)
    assert Gantry.mobile().move_time(Position(), there) > ROOM.move_time(Position(), there)


def test_on_the_way_each_axis_runs_at_its_own_speed_and_stops_at_its_goal() -> None:
    start, end = Position(), Position(orbital=90 * deg, height=0.02, field=2)
    total = ROOM.move_time(start, end)
    half = ROOM.on_the_way(start, end, ROOM.settle + 2.0)
    assert half.orbital == pytest.approx(2.0 * ROOM.axes["orbital"].speed)
    assert half.height == pytest.approx(0.02)
    assert ROOM.on_the_way(start, end, total + 1.0) == end
    assert replace(ROOM.on_the_way(start, end, 0.0), field=0) == start


@pytest.mark.parametrize(
    ("place", "match"),
    [
        ({"longitudinal": 1.0}, "table out of range"),
        ({"height": -0.3}, "table out of range"),
        ({"lateral": 0.3}, "table out of range"),
        ({"orbital": 130 * deg}, "beyond the machine's limit"),
        ({"cranial": -60 * deg}, "beyond the machine's limit"),
        ({"source_detector": 1.5}, "beyond the machine's limit"),
        ({"orbital": float("nan")}, "beyond the machine's limit"),
        ({"field": 3}, "no such magnification field"),
        ({"orbital": 90 * deg, "cranial": 45 * deg}, "would hit"),
        ({"orbital": 90 * deg, "lateral": 0.13}, "would hit"),
    ],
)
def test_places_that_the_machine_cannot_reach_are_refused(place: dict, match: str) -> None:
    with pytest.raises(GeometryError, match=match):
        ROOM.carm(Position(**place))
    with pytest.raises(GeometryError, match=match):
        ROOM.move_time(Position(), Position(**place))


def test_a_machine_that_is_too_near_already_may_leave_but_not_come_nearer() -> None:
    near = Position(orbital=53 * deg, cranial=28.6 * deg, lateral=-0.0075, field=1)
    assert 0.0 < ROOM.clearance(near) < ROOM.surroundings.margin
    with pytest.raises(GeometryError, match="would hit"):
        ROOM.check(near)
    assert ROOM.standing(near).orbital == near.orbital
    back, on = replace(near, cranial=20 * deg), replace(near, cranial=30 * deg)
    assert ROOM.free_for(near, back) == math.inf
    assert ROOM.free_for(replace(near, cranial=20 * deg), replace(near, orbital=30 * deg, cranial=20 * deg)) == math.inf
    assert ROOM.clearance(on) < ROOM.clearance(near) < ROOM.clearance(back)


def test_a_bumper_stops_a_swing_between_two_free_places_before_it_is_too_near() -> None:
    start, end = (Position(orbital=orbital * deg, cranial=28 * deg, field=1) for orbital in (60, 20))
    free = ROOM.free_for(start, end)
    assert 0.0 < free < ROOM.move_time(start, end)
    assert ROOM.clearance(ROOM.on_the_way(start, end, free)) >= ROOM.surroundings.margin
    assert ROOM.clearance(ROOM.on_the_way(start, end, free + 0.25)) < ROOM.surroundings.margin


@pytest.mark.parametrize("orbital", [-90, -30, 0, 30, 90])
@pytest.mark.parametrize("cranial", [-15, 0, 15])
def test_everyday_poses_are_free(orbital: float, cranial: float) -> None:
    far = 1.0 if abs(orbital) < 90 else 1.15
    assert ROOM.clearance(Position(orbital=orbital * deg, cranial=cranial * deg, source_detector=far)) > 0.01


def test_a_detector_drawn_back_has_more_room() -> None:
    tipped = Position(orbital=90 * deg, cranial=30 * deg)
    assert ROOM.clearance(replace(tipped, source_detector=1.2)) > ROOM.clearance(tipped) + 0.05


def test_a_smaller_field_is_a_part_of_the_detector_at_no_coarser_pixels() -> None:
    arms = [ROOM.carm(Position(field=number)) for number in range(3)]
    sizes = [arm.rows * arm.pitch for arm in arms]
    assert sizes == pytest.approx([0.298, 0.199, 0.149], abs=1e-3)
    assert [arm.rows for arm in arms] == [768, 1024, 768]
    assert arms[1].pitch == arms[2].pitch == arms[0].pitch / 2
    assert np.allclose(arms[0].geometry.project_point(np.zeros(3)), 383.5)


def test_magnification_costs_dose() -> None:
    assert [ROOM.dose_factor(number) for number in range(3)] == pytest.approx([1.0, 1.5, 2.0], rel=0.01)
    assert replace(ROOM, zoom_exponent=2.0).dose_factor(2) == pytest.approx(4.0)


def test_a_position_leads_back_to_its_pose() -> None:
    pose = ROOM.carm(Position(orbital=20 * deg, cranial=-5 * deg, lateral=0.03, height=0.02, longitudinal=0.1, field=1))
    place = ROOM.position(pose, field=1)
    assert np.allclose(ROOM.carm(place).geometry.source, pose.geometry.source)
    assert ROOM.carm(place).rows == pose.rows
    assert place.longitudinal == pytest.approx(0.1)


def test_two_planes_share_the_table_and_have_their_own_geometry() -> None:
    pair = Biplane()
    frontal, side = pair.carms(Position(longitudinal=0.05), Position(orbital=90 * deg, longitudinal=0.05))
    assert frontal.isocentre == side.isocentre
    assert (frontal.source_isocentre, side.source_isocentre) == (0.70, 0.75)
    assert abs(frontal.towards_source @ side.towards_source) < 1e-12
    with pytest.raises(GeometryError, match="share one table"):
        pair.carms(Position(), Position(orbital=90 * deg, longitudinal=0.05))
    with pytest.raises(GeometryError, match="two arms would meet"):
        pair.carms(Position(), Position(orbital=20 * deg))


def test_the_collimator_opens_as_many_millimetres_as_it_is_told() -> None:
    geometry = CArm.ap().geometry
    top, bottom, left, right = collimation(geometry, 60 * mm, 40 * mm)
    corners = geometry.pixel([top - 0.5, bottom - 0.5], [left - 0.5, right - 0.5])
    height, width = (np.linalg.norm(np.diff(corners, axis=0) @ axis) * 0.7 for axis in ([0, 0, 1], [1, 0, 0]))
    assert (width, height) == pytest.approx((0.06, 0.04), abs=0.4e-3)
    assert collimation(geometry, 0.1, 0.05, at="detector") == (206, 306, 156, 356)


def test_an_opening_aside_is_cut_at_the_detectors_edge() -> None:
    geometry = CArm.ap().geometry
    top, bottom, left, right = collimation(geometry, 0.1, 0.1, centre=(0.12, 0.0), at="detector")
    assert (left, right) == (396, 512)
    assert (top, bottom) == (156, 356)


@pytest.mark.parametrize(("width", "height", "centre"), [(0, 0.1, (0, 0)), (0.1, -0.1, (0, 0)), (0.05, 0.05, (0.5, 0))])
def test_a_closed_collimator_is_refused(width: float, height: float, centre: tuple[float, float]) -> None:
    with pytest.raises(GeometryError, match="collimator is closed"):
        collimation(CArm.ap().geometry, width, height, centre=centre)


def test_lengths_are_measured_in_known_planes() -> None:
    with pytest.raises(CaseError, match="unknown plane"):
        collimation(CArm.ap().geometry, 0.1, 0.1, at="skin")


def test_a_source_inside_the_patient_and_a_closed_exposure_are_refused(patient: tuple[TissueLayer, ...]) -> None:
    with pytest.raises(GeometryError, match="source"):
        Fluoroscope().prepare(CArm.ap(source_isocentre=0.05, rows=32, cols=32), patient)
    with pytest.raises(GeometryError, match="collimator is closed"):
        Fluoroscope().prepare(CArm.ap(rows=32, cols=32), patient, collimation=(10, 10, 0, 32))


def test_impossible_machines_are_refused() -> None:
    with pytest.raises(CaseError, match="incomplete machine"):
        Gantry(axes={"orbital": Axis(low=-1, high=1, speed=1)})
    with pytest.raises(CaseError, match="impossible axis"):
        Axis(low=1, high=1, speed=1)
    with pytest.raises(GeometryError, match="no size"):
        MagnificationField(size=0.0)
