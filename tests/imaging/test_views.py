"""Square views of a schematic vertebra, however it lies, and how a misaim shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vertebro.errors import CaseError, GeometryError
from vertebro.imaging import CArm, ViewMarks, aim_view, view_quality
from vertebro.imaging.view_marks import PedicleMark, Plane
from vertebro.imaging.views import TRUE_VIEWS, Band, ViewBands
from vertebro.units import deg, mm


def schematic(turn: np.ndarray | None = None, wedge: float = 0.0) -> ViewMarks:
    """An L1 of 42 x 32 x 26 mm, turned by a rotation; `wedge` [rad] tips its upper endplate forwards."""
    turn = np.eye(3) if turn is None else turn

    def pedicle(side: float) -> PedicleMark:
        axis = np.array([-side * np.sin(10 * deg), np.cos(10 * deg), 0.05])
        return PedicleMark(centre=turn @ np.array([side * 13, -20, 5]) * mm, axis=turn @ axis)

    return ViewMarks(
        centre=np.zeros(3),
        half_axes=np.array([21, 16, 13]) * mm,
        superior=Plane(
            point=turn @ np.array([0, 0, 13]) * mm, normal=turn @ np.array([0, np.sin(wedge), np.cos(wedge)])
        ),
        inferior=Plane(point=turn @ np.array([0, 0, -13]) * mm, normal=turn @ np.array([0, 0, -1.0])),
        pedicles={"left": pedicle(-1.0), "right": pedicle(1.0)},
        wall=np.array([[-8, -16, 0], [8, -16, 0]]) @ turn.T * mm,
        spinous_tip=turn @ np.array([0, -65, -8]) * mm,
    )


def rotation(yaw: float, tilt: float, lean: float) -> np.ndarray:
    """About s (rotated spine), about r (kyphosis), about a (scoliosis) [deg]."""
    (cy, sy), (ct, st), (cl, sl) = ((np.cos(x * deg), np.sin(x * deg)) for x in (yaw, tilt, lean))
    about_s = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    about_r = np.array([[1, 0, 0], [0, ct, -st], [0, st, ct]])
    about_a = np.array([[cl, 0, sl], [0, 1, 0], [-sl, 0, cl]])
    return about_s @ about_r @ about_a


LIES = [(0, 0, 0), (20, 0, 0), (-12, 15, 0), (0, -25, 8), (10, 10, -10)]


@pytest.mark.parametrize("view", TRUE_VIEWS)
@pytest.mark.parametrize("lie", LIES)
def test_the_aimed_pose_is_square_however_the_vertebra_lies(view: str, lie: tuple[float, float, float]) -> None:
    marks = schematic(rotation(*lie))
    assert view_quality(aim_view(view, marks).geometry, marks, view).score > 0.95


@pytest.mark.parametrize("view", TRUE_VIEWS)
@pytest.mark.parametrize("off", [(10, 0), (-10, 0), (0, 10), (0, -10)])
def test_ten_degrees_off_are_not_square(view: str, off: tuple[float, float]) -> None:
    marks = schematic(rotation(20, 5, 0))
    aimed = aim_view(view, marks)
    missed = replace(aimed, orbital=aimed.orbital + off[0] * deg, cranial=aimed.cranial + off[1] * deg)
    assert view_quality(missed.geometry, marks, view).score < 0.3


@pytest.mark.parametrize("view", TRUE_VIEWS)
def test_the_score_falls_with_the_misaim(view: str) -> None:
    marks = schematic()
    aimed = aim_view(view, marks)
    scores = [
        view_quality(replace(aimed, orbital=aimed.orbital + off * deg).geometry, marks, view).score
        for off in (0, 2, 4, 6, 8, 10)
    ]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] - scores[-1] > 0.7


def test_straight_ahead_is_not_square_where_the_spine_is_rotated() -> None:
    """Scoliosis: true AP is not 0 degrees."""
    marks = schematic(rotation(20, 0, 0))
    assert view_quality(CArm.ap().geometry, marks, "true-ap").score == 0
    assert aim_view("true-ap", marks).orbital / deg == pytest.approx(20, abs=0.5)


def test_en_face_the_beam_runs_down_the_pedicle_and_a_needle_in_it_is_a_dot() -> None:
    marks = schematic(rotation(5, 5, 5))
    pedicle = marks.pedicles["left"]
    geometry = aim_view("en-face-left", marks).geometry
    needle = pedicle.centre + np.outer([-40 * mm, 0, 30 * mm], pedicle.axis)
    shadow = geometry.project_point(needle)
    assert np.ptp(shadow, axis=0).max() < 0.05  # pixel
    assert view_quality(geometry, marks, "en-face-left").axis_angle == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("tilt", [2, 5, 10])
def test_a_tilted_endplate_has_two_contours_as_far_apart_as_its_depth_says(tilt: float) -> None:
    """Near and far rim of a 32 mm deep endplate, seen from the side of a tilted beam."""
    marks = replace(schematic(), superior=Plane(point=np.zeros(3), normal=np.array([0, 0, 1.0])))
    quality = view_quality(CArm.ap(cranial=tilt * deg).geometry, marks, "true-ap")
    assert quality.endplate_contour[0] == pytest.approx(32 * mm * np.sin(tilt * deg), rel=0.02)
    assert abs(quality.endplate_tilts[0]) == pytest.approx(tilt * deg, rel=1e-6)
    assert view_quality(CArm.ap().geometry, marks, "true-ap").endplate_contour[0] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("turn", [3, 6, 12])
def test_a_turned_lateral_has_two_posterior_walls(turn: float) -> None:
    """Left and right part of the wall, 16 mm apart."""
    marks = schematic()
    quality = view_quality(CArm.lateral(orbital=(90 + turn) * deg).geometry, marks, "true-lateral")
    assert quality.wall_contour == pytest.approx(16 * mm * np.sin(turn * deg), abs=0.4 * mm)
    assert quality.pedicle_offset == pytest.approx(26 * mm * np.sin(turn * deg), abs=0.9 * mm)


def test_rotation_is_the_spinous_process_between_the_pedicles() -> None:
    """The tip lies 45 mm behind the pedicles, 26 mm apart; 6 degrees move it by 4.7 mm, and rays diverge."""
    marks = schematic()
    quality = view_quality(CArm.ap(orbital=6 * deg).geometry, marks, "true-ap")
    assert abs(quality.rotation) == pytest.approx(45 * np.tan(6 * deg) / 26, rel=0.1)
    mirrored = view_quality(CArm.ap(orbital=-6 * deg).geometry, marks, "true-ap")
    assert mirrored.rotation == pytest.approx(-quality.rotation)


@pytest.mark.parametrize("aimed_at", ["upper", "lower", "middle"])
def test_a_wedge_is_square_on_either_endplate_or_between(aimed_at: str) -> None:
    """A fracture of 14 degrees has no common direction: the operator may choose."""
    marks = schematic(wedge=14 * deg)
    cranial = {"upper": 14 * deg, "lower": 0.0, "middle": 7 * deg}[aimed_at]
    scores = [
        view_quality(CArm.ap(cranial=sign * cranial).geometry, marks, "true-ap").parts["tilt"] for sign in (1, -1)
    ]
    assert max(scores) > 0.95
    assert view_quality(CArm.ap(cranial=25 * deg).geometry, marks, "true-ap").parts["tilt"] == 0


def test_a_bone_without_spinous_process_is_judged_by_its_endplates() -> None:
    marks = replace(schematic(), spinous_tip=None)
    quality = view_quality(aim_view("true-ap", marks).geometry, marks, "true-ap")
    assert quality.rotation is None
    assert set(quality.parts) == {"tilt"}


def test_bands_are_settings() -> None:
    marks, geometry = schematic(), CArm.ap(cranial=4.5 * deg).geometry
    strict = ViewBands(tilt=Band(full=1 * deg, none=2 * deg))
    assert view_quality(geometry, marks, "true-ap").score > 0
    assert view_quality(geometry, marks, "true-ap", bands=strict).score == 0
    with pytest.raises(CaseError, match="impossible band"):
        Band(full=2.0, none=1.0)


def test_what_is_missing_or_unknown_is_refused() -> None:
    marks = schematic()
    bare = replace(marks, pedicles={}, wall=None)
    with pytest.raises(CaseError, match="unknown view"):
        aim_view("scotty", marks)
    with pytest.raises(CaseError, match="unknown view"):
        view_quality(CArm.ap().geometry, marks, "front")
    with pytest.raises(GeometryError, match="both pedicles"):
        aim_view("true-ap", bare)
    with pytest.raises(GeometryError, match="no such pedicle"):
        aim_view("en-face-left", bare)
    with pytest.raises(GeometryError, match="posterior wall or two pedicles"):
        aim_view("true-lateral", bare)
    with pytest.raises(GeometryError, match="without length"):
        Plane(point=np.zeros(3), normal=np.zeros(3))
    with pytest.raises(GeometryError, match="not a place"):
        PedicleMark(centre=np.array([0, np.nan, 0]), axis=np.array([0, 1, 0]))
