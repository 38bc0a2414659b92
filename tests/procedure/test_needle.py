"""Gauges and the needle as a solid."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest

from vertebro.errors import CaseError, GeometryError, VertebroError
from vertebro.grid import VoxelGrid
from vertebro.procedure import GAUGES, Needle
from vertebro.units import mm

ENTRY, TIP = (10 * mm, -30 * mm, 0.0), (0.0, 5 * mm, 1 * mm)


def _needle(**changes: object) -> Needle:
    return Needle(**({"name": "right", "gauge": 11, "entry": ENTRY, "tip": TIP} | changes))  # type: ignore[arg-type]


def test_thicker_needles_have_smaller_gauge_numbers() -> None:
    rows = [GAUGES[number] for number in sorted(GAUGES)]
    assert [row.gauge for row in rows] == [8, 10, 11, 13, 15]
    for outer, inner in ((a.outer_diameter, a.inner_diameter) for a in rows):
        assert 0.7 < inner / outer < 0.85
    assert all(np.diff([row.outer_diameter for row in rows]) < 0)


def test_wrong_gauge_lists_the_existing_ones() -> None:
    with pytest.raises(CaseError) as caught:
        _needle(gauge=12)
    assert caught.value.allowed == "8 G, 10 G, 11 G, 13 G, 15 G"
    assert caught.value.where == "needle.gauge"


def test_needle_knows_its_geometry() -> None:
    needle = _needle()
    assert needle.length == pytest.approx(math.dist(ENTRY, TIP))
    assert needle.entry + needle.length * needle.direction == pytest.approx(np.array(TIP))
    assert needle.cannula_length == 0.125
    assert _needle(entry=(0.0, -0.15, 0.0)).cannula_length == pytest.approx(0.155, abs=1e-3)


def test_needle_travels_to_other_processes() -> None:
    needle = _needle()
    twin = pickle.loads(pickle.dumps(needle))
    assert twin.tip == pytest.approx(needle.tip)
    assert twin.outer_diameter == needle.outer_diameter


def test_needle_cannot_be_changed_by_accident() -> None:
    tip = np.zeros(3)
    needle = _needle(tip=tip)
    tip[0] = 1.0
    assert needle.tip[0] == 0.0
    with pytest.raises(ValueError, match="read-only"):
        needle.tip[0] = 1.0


def test_distance_is_to_the_segment_not_to_the_line() -> None:
    needle = _needle(entry=(0.0, -0.1, 0.0), tip=(0.0, 0.0, 0.0))
    points = np.array([[3 * mm, -0.05, 4 * mm], [0.0, 7 * mm, 0.0], [0.0, -0.03, 0.0]])
    assert needle.distance(points) == pytest.approx([5 * mm, 7 * mm, 0.0])


def test_cells_fill_the_shafts_volume() -> None:
    """Voxels inside a cylinder: volume π/4 d² L within 2 % on a fine grid."""
    needle = _needle(entry=(0.3 * mm, -20 * mm, 0.2 * mm), tip=(0.0, 10 * mm, 0.0))
    grid = VoxelGrid.around((-4 * mm, -15 * mm, -4 * mm), (4 * mm, 5 * mm, 4 * mm), 0.2 * mm)
    volume = needle.cells(grid).sum() * grid.voxel_volume
    assert volume == pytest.approx(math.pi / 4 * needle.outer_diameter**2 * 20 * mm, rel=0.02)


def test_needle_beside_the_grid_fills_nothing() -> None:
    grid = VoxelGrid.around((0.1, 0.1, 0.1), (0.12, 0.12, 0.12), 2 * mm)
    assert not _needle().cells(grid).any()


def test_tip_cells_are_a_ball_of_the_bore() -> None:
    needle = _needle(tip=(0.1 * mm, 0.1 * mm, 0.1 * mm))
    grid = VoxelGrid.around((-5 * mm,) * 3, (5 * mm,) * 3, 0.2 * mm)
    cells = np.array(needle.tip_cells(grid))
    assert len(cells) * grid.voxel_volume == pytest.approx(math.pi / 6 * needle.inner_diameter**3, rel=0.05)
    assert np.linalg.norm(grid.world(cells) - needle.tip, axis=1).max() <= needle.inner_diameter / 2


def test_coarse_grid_has_one_tip_cell() -> None:
    grid = VoxelGrid.around((-9 * mm,) * 3, (9 * mm,) * 3, 6 * mm)
    assert _needle(tip=(1 * mm, 1 * mm, 1 * mm)).tip_cells(grid) == ((1, 1, 1),)


def test_tip_cells_stay_in_the_tips_compartment() -> None:
    grid = VoxelGrid.around((-5 * mm,) * 3, (5 * mm,) * 3, 0.5 * mm)
    compartment = np.zeros(grid.shape, np.uint8)
    compartment[:10] = 1
    cells = np.array(_needle(tip=(-0.25 * mm, 0.25 * mm, 0.25 * mm)).tip_cells(grid, compartment=compartment))
    assert cells[:, 0].max() == 9


@pytest.mark.parametrize(
    "changes",
    [
        {"tip": ENTRY},
        {"tip": (0.0, math.nan, 0.0)},
        {"tip": (0.0, 1.0)},
        {"tip": "here"},
        {"tip": (0.0, 0.5, 0.0)},
        {"name": ""},
        {"gauge": True},
        {"cannula_length": 0.01},
        {"cannula_length": math.nan},
    ],
)
def test_impossible_needles_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(VertebroError) as caught:
        _needle(**changes)
    assert caught.value.allowed


def test_tip_outside_the_grid_has_no_cells() -> None:
    with pytest.raises(GeometryError):
        _needle(tip=(0.0, 0.09, 0.0)).tip_cells(VoxelGrid.around((-5 * mm,) * 3, (5 * mm,) * 3, 1 * mm))
