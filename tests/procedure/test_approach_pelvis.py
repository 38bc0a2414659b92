"""Ways into sacrum and hip bone on built anatomies: inside bone, clear of nerves and joints, on the right side."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from vertebro.anatomy.anatomy import Anatomy
from vertebro.anatomy.parametric import ParametricSpec, build_parametric
from vertebro.approaches import ideal_paths, plan_path
from vertebro.errors import CaseError, PlacementError
from vertebro.procedure import check_placement
from vertebro.procedure.approach_pelvis import PelvicMap, pelvic_path
from vertebro.tissue import Compartment, Organ
from vertebro.units import mm

WAYS = [
    ("S1", "short-axis", "left"),
    ("S1", "short-axis", "right"),
    ("S1", "long-axis", "left"),
    ("S1", "long-axis", "right"),
    ("HIP_L", "acetabular", "left"),
    ("HIP_R", "acetabular", "right"),
    ("HIP_L", "acetabular-posterior", "left"),
    ("HIP_R", "acetabular-posterior", "right"),
]


@cache
def patient(level: str) -> Anatomy:
    return build_parametric(ParametricSpec(level=level, spacing=1.2e-3, surround_spacing=2.4e-3))


@pytest.mark.parametrize(("level", "approach", "side"), WAYS)
def test_the_ideal_way_lies_in_bone_and_clear_of_nerves_and_joints(level: str, approach: str, side: str) -> None:
    one = patient(level)
    path = plan_path(one, approach, side, gauge=13)
    marks = one.landmarks
    placement = check_placement(
        path.needle("n"), one.grid, one.compartment, anterior_wall=marks.anterior_wall,
        posterior_wall=marks.posterior_wall,
    )  # fmt: skip
    assert placement.tip_compartment == "body"
    assert placement.breaches == ()
    assert path.medial_margin > 1 * mm
    assert path.wall_margin > 1 * mm
    assert 40 * mm < np.linalg.norm(path.entry - path.tip) < 240 * mm


@pytest.mark.parametrize(("level", "approach", "side"), WAYS)
def test_it_starts_on_the_skin(level: str, approach: str, side: str) -> None:
    one = patient(level)
    path = plan_path(one, approach, side, gauge=13)
    outward = (path.entry - path.tip) / np.linalg.norm(path.entry - path.tip)
    grid, hu = one.surround.grid, one.surround.hu
    assert hu[grid.nearest(path.entry - 5 * mm * outward)] > -300
    assert hu[grid.nearest(path.entry + 5 * mm * outward)] < -300


def test_short_axis_needles_come_from_behind_and_mirror_each_other() -> None:
    left, right = (plan_path(patient("S1"), "short-axis", side, gauge=13) for side in ("left", "right"))
    assert left.tip[0] < -24 * mm
    assert right.tip[0] > 24 * mm
    for path in (left, right):
        assert path.entry[1] < path.tip[1]
    np.testing.assert_allclose(left.tip * [-1, 1, 1], right.tip, atol=2.5 * mm)


def test_a_long_axis_needle_runs_up_the_ala() -> None:
    one = patient("S1")
    path = plan_path(one, "long-axis", "left", gauge=13)
    direction = (path.tip - path.entry) / np.linalg.norm(path.tip - path.entry)
    assert direction[2] > 0.6
    short = plan_path(one, "short-axis", "left", gauge=13)

    def in_bone(way: object) -> float:
        points = way.tip - np.arange(0, 0.1, 0.5e-3)[:, None] * (way.tip - way.entry) / np.linalg.norm(
            way.tip - way.entry
        )
        index = np.rint(one.grid.index(points)).astype(int)
        on = np.all((index >= 0) & (index < one.grid.shape), axis=1)
        return float((one.compartment[tuple(index[on].T)] == Compartment.BODY).sum()) * 0.5 * mm

    assert in_bone(path) > 1.3 * in_bone(short)  # one needle reaches S1 to S3


def test_the_acetabular_needle_keeps_off_the_sciatic_nerve() -> None:
    one = patient("HIP_L")
    nerve = one.surround.grid.world(np.argwhere(one.surround.organ == Organ.NERVE))
    for approach in ("acetabular", "acetabular-posterior"):
        path = plan_path(one, approach, "left", gauge=11)
        line = path.tip + np.linspace(0, 1, 200)[:, None] * (path.entry - path.tip)
        assert np.linalg.norm(line[:, None] - nerve[None, ::7], axis=2).min() > 3 * mm
    assert plan_path(one, "acetabular", "left", gauge=11).entry[0] < -30 * mm  # lateral of a left hip


def test_ideal_paths_of_the_pelvis_cross_nothing() -> None:
    found = {plan.path.approach: plan for level in ("S1", "HIP_R") for plan in ideal_paths(patient(level))}
    assert set(found) == {
        "short-axis-left", "short-axis-right", "long-axis-left", "long-axis-right",
        "acetabular-right", "acetabular-posterior-right",
    }  # fmt: skip
    for name, plan in found.items():
        assert not plan.crosses, (name, plan.crosses)


def test_an_approach_that_does_not_fit_the_bone_says_what_does() -> None:
    with pytest.raises(CaseError, match="short-axis"):
        plan_path(patient("S1"), "acetabular", "left", gauge=11)
    with pytest.raises(CaseError, match="acetabular"):
        plan_path(patient("HIP_L"), "transpedicular", "left", gauge=11)
    with pytest.raises(CaseError, match="other side"):
        plan_path(patient("HIP_L"), "acetabular", "right", gauge=11)


@pytest.mark.parametrize("wrong", [{"approach": "axial"}, {"side": "middle"}, {"gauge": 12}, {"depth": 0.1}])
def test_impossible_requests_are_refused(wrong: dict) -> None:
    one = patient("S1")
    scene = PelvicMap(
        grid=one.grid, compartment=one.compartment, picture_grid=one.surround.grid, picture=one.surround.hu,
        nerves=np.empty((0, 3)),
    )  # fmt: skip
    good = {"approach": "short-axis", "side": "left", "gauge": 13, "depth": 0.6} | wrong
    with pytest.raises(CaseError):
        pelvic_path(good.pop("approach"), scene=scene, **good)


def test_a_bone_without_an_ala_has_no_place_for_the_tip() -> None:
    one = patient("S1")
    nothing = np.zeros_like(one.compartment)
    scene = PelvicMap(
        grid=one.grid, compartment=nothing, picture_grid=one.surround.grid, picture=one.surround.hu,
        nerves=np.empty((0, 3)),
    )  # fmt: skip
    with pytest.raises(PlacementError, match="no bone"):
        pelvic_path("short-axis", side="left", scene=scene)
