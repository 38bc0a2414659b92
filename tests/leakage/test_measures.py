"""Result measures against shapes whose answers are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from leakage.scene import FRAME, GRID, VOXEL, compartments, empty, line, paint
from vertebro.errors import CaseError, GeometryError
from vertebro.grid import VoxelGrid
from vertebro.leakage import BodyFrame, ResultMeasures, measure_result
from vertebro.tissue import Compartment
from vertebro.units import mm

COMPARTMENT = compartments()
BODY_VOLUME = 24 * mm * 20 * mm * 12 * mm


def _measure(cement: np.ndarray) -> ResultMeasures:
    return measure_result(cement, grid=GRID, compartment=COMPARTMENT, frame=FRAME)


def _box(low: tuple[float, ...], high: tuple[float, ...], share: float = 1.0) -> np.ndarray:
    centres = np.meshgrid(*(axis / mm for axis in GRID.axes()), indexing="ij")
    inside = np.all([(x > a) & (x < b) for x, a, b in zip(centres, low, high, strict=True)], axis=0)
    return np.where(inside, share * VOXEL, 0.0)


def test_empty_body_measures_nothing() -> None:
    result = _measure(empty())
    assert (result.fill_fraction, result.symmetry, result.canal_encroachment) == (0.0, 0.0, 0.0)
    assert result.posterior_margin is None
    assert not any((result.crosses_midline, result.both_endplates, result.in_posterior_quarter))
    assert result.body_volume == pytest.approx(BODY_VOLUME)


def test_full_body_is_symmetric_and_touches_both_endplates() -> None:
    result = _measure(_box((-12, -10, -6), (12, 10, 6)))
    assert result.fill_fraction == pytest.approx(1.0)
    assert result.symmetry == pytest.approx(1.0)
    assert (result.anterior_half_share, result.cranial_half_share) == pytest.approx((0.5, 0.5))
    assert result.superior_contact == pytest.approx(24 * 20 * mm**2)
    assert result.inferior_contact == pytest.approx(24 * 20 * mm**2)
    assert result.posterior_margin == pytest.approx(0.0)
    assert result.in_posterior_quarter


def test_box_on_the_right_in_front_above() -> None:
    """Box r 2..10, a 0..8, s 0..6 mm: all right, all anterior, all cranial, touching only the upper endplate."""
    result = _measure(_box((2, 0, 0), (10, 8, 6), share=0.5))
    assert result.fill_fraction == pytest.approx(0.5 * 8 * 8 * 6 / (24 * 20 * 12))
    assert (result.left_volume, result.symmetry) == (0.0, 0.0)
    assert (result.anterior_half_share, result.cranial_half_share) == pytest.approx((1.0, 1.0))
    assert result.superior_contact == pytest.approx(8 * 8 * mm**2)
    assert result.inferior_contact == 0.0
    assert not result.crosses_midline
    assert not result.both_endplates
    assert result.posterior_margin == pytest.approx(0.5)
    assert not result.in_posterior_quarter


@pytest.mark.parametrize(("rear", "front", "share"), [(-6, 2, 0.25), (-2, 6, 0.75), (-3, 5, 0.625)])
def test_anterior_share_is_the_part_of_a_box_in_front_of_mid_depth(rear: float, front: float, share: float) -> None:
    """Boxes 8 mm deep about the middle at a = 0; the last one is half a voxel off, its end voxels half full."""
    cement = _box((2, rear - 1.5, -2), (10, front + 1.5, 2))
    a = GRID.axes()[1] / mm
    part = np.clip(np.minimum(a + 1, front) - np.maximum(a - 1, rear), 0.0, 2.0) / 2.0
    assert _measure(cement * part[None, :, None]).anterior_half_share == pytest.approx(share)


def test_halves_are_split_where_the_midline_cuts_a_voxel() -> None:
    """An odd grid has a sheet on the midline: a box from -1 to +5 mm is 1/6 left, 5/6 right."""
    grid = VoxelGrid.around((-15 * mm, -15 * mm, -15 * mm), (15 * mm, 15 * mm, 15 * mm), 2 * mm)
    body = np.full(grid.shape, Compartment.BODY, np.uint8)
    cement = np.zeros(grid.shape)
    middle = grid.nearest((0.0, 0.0, 0.0))
    cement[middle[0] : middle[0] + 3, 5:8, 5:8] = grid.voxel_volume
    result = measure_result(cement, grid=grid, compartment=body, frame=FRAME)
    assert result.symmetry == pytest.approx(1.0 / 5.0)


def test_cement_on_both_sides_crosses_the_midline() -> None:
    assert _measure(_box((-4, -2, -2), (8, 2, 2))).crosses_midline
    assert not _measure(_box((-2, -2, -2), (8, 2, 2))).crosses_midline


@pytest.mark.parametrize(("rear", "alarm"), [(-4, False), (-6, True), (-10, True)])
def test_posterior_quarter_rule(rear: float, alarm: bool) -> None:
    """The quarter begins 5 mm in front of the posterior wall at a = -10 mm."""
    result = _measure(_box((-4, rear, -2), (4, 4, 2)))
    assert result.posterior_margin == pytest.approx((rear + 10) / 20)
    assert result.in_posterior_quarter is alarm


@pytest.mark.parametrize(("top", "touches"), [(2, False), (4, False), (6, True)])
def test_an_endplate_is_touched_by_cement_within_two_millimetres(top: float, touches: bool) -> None:
    """Columns of 8 × 8 mm from the lower endplate up; the upper one lies at s = 6 mm."""
    result = _measure(_box((-4, -4, -6), (4, 4, top)))
    assert result.superior_contact == pytest.approx(64 * mm**2 if touches else 0.0)
    assert result.inferior_contact == pytest.approx(64 * mm**2)
    assert result.both_endplates is touches


def test_canal_encroachment_is_the_worst_slice() -> None:
    """Canal and its veins measure 16 × 10 mm; 3 voxels of 2 × 2 mm in one slice are 12/160, one in another 4/160."""
    cement = paint(empty(), [*line((1, -15, 3), (5, -15, 3)), (1, -15, 5)])
    assert _measure(cement).canal_encroachment == pytest.approx(12 / 160)


def test_foraminal_volume_counts_both_sides() -> None:
    result = _measure(paint(empty(), [(11, -15, 1), (-11, -15, 1)]))
    assert result.foramen_volume == pytest.approx(2 * VOXEL)
    assert result.volume_in_body == 0.0


def test_ball_has_the_least_spongy_index() -> None:
    """Surface^1.5/volume of a ball is √(36π) = 10.63; split into sheets the same volume scores far more."""
    grid = VoxelGrid.around((-15 * mm,) * 3, (15 * mm,) * 3, 1 * mm)
    body = np.full(grid.shape, Compartment.BODY, np.uint8)
    r, a, s = grid.open_mesh()
    ball = np.where(np.sqrt(r**2 + a**2 + s**2) < 11 * mm, grid.voxel_volume, 0.0)
    sheets = np.where(np.arange(30)[:, None, None] % 3 == 0, ball, 0.0)
    indices = [measure_result(c, grid=grid, compartment=body, frame=FRAME).spongy_index for c in (ball, sheets)]
    assert indices[0] == pytest.approx(math.sqrt(36 * math.pi), rel=0.05)
    assert indices[1] > 2.5 * indices[0]


def test_measures_become_plain_values() -> None:
    facts = _measure(_box((-12, -10, -6), (12, 10, 6))).to_dict()
    assert facts["body_volume_ml"] == pytest.approx(5.76)
    assert facts["superior_contact_mm2"] == pytest.approx(480.0)
    assert facts["both_endplates"] is True
    assert all(isinstance(v, float | bool) for v in facts.values())


def test_mirrored_filling_has_mirrored_halves(rng: np.random.Generator) -> None:
    cement = rng.random(GRID.shape) * VOXEL
    here, there = _measure(cement), _measure(cement[::-1])
    assert here.left_volume == pytest.approx(there.right_volume)
    assert here.symmetry == pytest.approx(there.symmetry)
    assert here.spongy_index == pytest.approx(there.spongy_index)


def test_bad_input_is_refused() -> None:
    with pytest.raises(GeometryError):
        _measure(empty()[1:])
    with pytest.raises(CaseError):
        measure_result(empty(), grid=GRID, compartment=np.zeros(GRID.shape, np.uint8), frame=FRAME)


def test_depth_fraction_runs_from_back_to_front() -> None:
    frame: BodyFrame = FRAME
    assert [frame.depth_fraction(a * mm) for a in (-10, 0, 10)] == pytest.approx([0.0, 0.5, 1.0])
