"""Fractures: heights as graded, no folds, no bone lost, neighbours that follow."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from anatomy.sick import sick
from vertebro.anatomy.anatomy import Anatomy
from vertebro.anatomy.pathology_frame import Frame, measure
from vertebro.anatomy.pathology_records import LOSSES, Biconcave, Crush, Fracture, Plana, Wedge, losses
from vertebro.anatomy.pathology_warp import Warp, broken_heights, fracture_warp
from vertebro.errors import CaseError
from vertebro.tissue import Compartment
from vertebro.units import mm

ALL = [
    *(kind(grade=grade) for kind in (Wedge, Biconcave, Crush) for grade in (1, 2, 3)),
    Plana(),
]
BAND = {1: (0.20, 0.25), 2: (0.25, 0.40), 3: (0.40, 0.85)}  # genant1993
AREA = {1: (0.10, 0.20), 2: (0.20, 0.40), 3: (0.40, 0.85)}


def _id(fracture: Fracture) -> str:
    return f"{fracture.kind}-{fracture.grade}"


@cache
def _frame() -> Frame:
    healthy = sick()
    return measure(healthy.grid, healthy.compartment)


def _area(frame: Frame, warp: Warp | None = None) -> float:
    """Area of the midsagittal section between the endplates [m²], from pushed outlines."""
    a = np.linspace(*frame.stations, 41)
    bowl = np.maximum(1 - 1.7 * frame.radius(np.zeros(41), a), 0)
    outline = []
    for upper, sign in ((True, 1.0), (False, -1.0)):
        s = frame.rim(a, upper=upper) - sign * frame.bowl(upper=upper) * bowl
        points = np.stack([np.zeros(41), a, s], axis=1)
        outline.append(points if warp is None else warp.push(points))
    ring = np.concatenate([outline[0], outline[1][::-1]])[:, 1:]
    x, y = ring.T
    return float(0.5 * abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))))


@pytest.mark.parametrize("fracture", ALL, ids=_id)
def test_heights_and_areas_meet_genants_grade(fracture: Fracture) -> None:
    """Height loss 20-25, 25-40, over 40 %; area loss 10-20, 20-40, over 40 % (genant1993)."""
    frame = _frame()
    warp = fracture_warp(fracture, frame)
    lost = 1 - np.array(broken_heights(warp)) / np.array(frame.heights)
    np.testing.assert_allclose(lost, losses(fracture), atol=0.005)
    low, high = BAND[fracture.grade]
    assert low <= lost.max() <= high
    low, high = AREA[fracture.grade]
    assert low <= 1 - _area(frame, warp) / _area(frame) <= high


def _endplate(one: Anatomy, point: NDArray[np.float64]) -> float:
    """s [m] of the compact layer on the upright line through a point: centre of what is brighter than its feet."""
    line = point[2] + np.linspace(-3 * mm, 3 * mm, 121)
    world = np.stack([np.full(121, point[0]), np.full(121, point[1]), line], axis=1)
    hu = ndimage.map_coordinates(one.hu, one.grid.index(world).T, order=1)
    bright = np.maximum(hu - 0.6 * hu.max(), 0)
    return float((bright * line).sum() / bright.sum())


@pytest.mark.slow
@pytest.mark.parametrize("fracture", [Wedge(grade=2), Biconcave(grade=3), Crush(grade=2)], ids=_id)
def test_the_built_vertebra_measures_as_ordered(fracture: Fracture) -> None:
    """Heights between the bright endplates of the CT, before and after, at the three stations."""
    whole, broken = sick(spacing=0.8e-3), sick(fracture, spacing=0.8e-3)
    frame = measure(whole.grid, whole.compartment)
    warp = fracture_warp(fracture, frame)
    behind, ahead = frame.stations
    ends = [
        (ahead, frame.front_top, frame.front_low),
        (frame.middle_a, frame.middle_top, frame.middle_low),
        (behind, frame.back_top, frame.back_low),
    ]
    for share, (a, top, low) in zip(losses(fracture), ends, strict=True):
        points = np.array([[0.0, a, top], [0.0, a, low]])
        before = _endplate(whole, points[0]) - _endplate(whole, points[1])
        upper, lower = warp.push(points)
        after = _endplate(broken, upper) - _endplate(broken, lower)
        assert after == pytest.approx((1 - share) * before, abs=0.7 * mm)  # less than a voxel


@pytest.mark.parametrize("fracture", [*ALL, Crush(grade=2, retropulsion=6 * mm)], ids=_id)
def test_the_map_never_folds(fracture: Fracture) -> None:
    warp = fracture_warp(fracture, _frame())
    r = np.linspace(-60 * mm, 60 * mm, 41)[:, None, None]
    a = np.linspace(-80 * mm, 120 * mm, 101)[None, :, None]
    s = np.linspace(-60 * mm, 60 * mm, 121)[None, None, :]
    assert warp.volume_ratio(r, a, s).min() > 0.05


@pytest.mark.parametrize("fracture", [Wedge(grade=3), Plana(), Biconcave(grade=3)], ids=_id)
def test_push_undoes_pull(fracture: Fracture) -> None:
    warp = fracture_warp(fracture, _frame())
    points = np.random.default_rng(1).uniform((-25 * mm, -40 * mm, -30 * mm), (25 * mm, 30 * mm, 40 * mm), (200, 3))
    np.testing.assert_allclose(warp.push(warp.pull_points(points)), points, atol=0.02 * mm)


def test_the_spine_above_follows_rigidly_and_tips_by_the_wedge_angle() -> None:
    warp = fracture_warp(Wedge(grade=2), _frame())
    body = np.array([[0.0, a, s] for a in (-10 * mm, 10 * mm) for s in (25 * mm, 45 * mm)])
    moved = warp.push(body)
    apart = [np.linalg.norm(x[:, None] - x[None], axis=2) for x in (body, moved)]
    np.testing.assert_allclose(apart[1], apart[0], rtol=0.03, atol=0.1 * mm)
    tilt = np.arctan2(*(moved[1] - moved[0])[1:])
    assert tilt == pytest.approx(warp.angle, abs=0.02)
    assert 8 < np.degrees(warp.angle) < 20


@pytest.mark.parametrize(
    "fracture", [Wedge(grade=3), pytest.param(Crush(grade=3), marks=pytest.mark.slow), Plana()], ids=_id
)
def test_the_spine_below_rises_as_one_and_the_arch_stays(fracture: Fracture) -> None:
    warp = fracture_warp(fracture, _frame())
    below = np.array([[0.0, 0.0, -25 * mm], [10 * mm, -30 * mm, -35 * mm], [0.0, 60 * mm, -40 * mm]])
    moved = warp.push(below) - below
    np.testing.assert_allclose(moved, np.tile([0.0, 0.0, warp.sink], (3, 1)), atol=0.02 * mm)
    healthy, broken = sick(), sick(fracture)
    for side in ("pedicle_left", "pedicle_right"):
        moved = getattr(broken.landmarks, side).centre - getattr(healthy.landmarks, side).centre
        assert np.linalg.norm(moved) < 0.35 * warp.sink + 1.0 * mm


@pytest.mark.parametrize("fracture", [ALL[0], *ALL[2::3], Plana()], ids=_id)
def test_compressed_bone_keeps_its_mineral(fracture: Fracture) -> None:
    """Up to a third of the volume is left, and all of the bone in it."""

    def mineral(one: Anatomy) -> float:
        body = one.compartment == Compartment.BODY
        return float(one.bone_fraction[body].sum() * one.grid.voxel_volume)

    healthy, broken = sick(), sick(fracture)
    assert mineral(broken) == pytest.approx(mineral(healthy), rel=0.04)
    assert broken.body_volume < 0.95 * healthy.body_volume


def test_the_disc_fills_what_the_endplate_left() -> None:
    """Under a dented endplate lies disc, nowhere muscle or air."""
    broken = sick(Biconcave(grade=3))
    frame = _frame()
    cell = broken.grid.nearest([0.0, frame.middle_a, frame.middle_top - 3 * mm])
    assert broken.compartment[cell] == Compartment.DISC_SUPERIOR


def test_impossible_heights_are_refused() -> None:
    with pytest.raises(CaseError, match="heights") as caught:
        fracture_warp(Wedge(anterior=0.9, middle=0.0, posterior=0.0), _frame())
    assert caught.value.hint


def test_the_table_of_grades_is_ordered() -> None:
    for kind in ("wedge", "biconcave", "crush"):
        for place in range(3):
            assert LOSSES[kind, 1][place] < LOSSES[kind, 2][place] < LOSSES[kind, 3][place]
