"""Findings about a needle in a schematic vertebra."""

from __future__ import annotations

import math

import numpy as np
import pytest

from procedure.scene import WALLS, pedicle, vertebra
from vertebro.errors import GeometryError, PlacementError
from vertebro.grid import VoxelGrid
from vertebro.procedure import Needle, Placement, check_placement, transpedicular
from vertebro.procedure.breach import gertzbein_robbins_1990
from vertebro.tissue import Compartment
from vertebro.units import mm

GRID, COMPARTMENT = vertebra(1 * mm)


def _check(entry: tuple[float, ...], tip: tuple[float, ...], gauge: int = 11) -> Placement:
    needle = Needle(name="n", gauge=gauge, entry=np.array(entry) * mm, tip=np.array(tip) * mm)
    return check_placement(needle, GRID, COMPARTMENT, **WALLS)


@pytest.mark.parametrize("side", ["left", "right"])
def test_planned_transpedicular_needle_breaches_nothing(side: str) -> None:
    needle = transpedicular(**pedicle(side), half_length=6 * mm).needle("n")  # type: ignore[arg-type]
    placement = check_placement(needle, GRID, COMPARTMENT, **WALLS)
    assert placement.grade == "A", placement.breaches
    assert placement.tip_compartment == "body"
    assert placement.depth_fraction == pytest.approx(0.7, abs=1e-6)
    assert placement.length == pytest.approx(needle.length)


def test_path_lengths_add_up_to_the_inserted_length() -> None:
    placement = _check((14, -80, 5), (10, 5, 4))
    assert sum(placement.path_lengths.values()) == pytest.approx(placement.length)
    assert placement.path_lengths["outside"] == pytest.approx(20 * mm, abs=1 * mm)
    assert placement.length_in_bone == pytest.approx(50 * mm, abs=2 * mm)


def test_straight_needle_reports_depth_offset_and_reserve() -> None:
    """Along +a at r = 10 mm the wall is met at a = 17 √(1 - (10/22)²) = 15.1 mm."""
    placement = _check((10, -80, 0), (10, 0, 0))
    assert placement.depth_fraction == pytest.approx(0.5)
    assert placement.lateral_offset == pytest.approx(10 * mm)
    assert placement.anterior_reserve == pytest.approx(15.1 * mm, abs=1 * mm)


@pytest.mark.parametrize(("r", "grade"), [(10.0, "A"), (8.5, "B"), (6.5, "C"), (4.5, "D"), (2.5, "E")])
def test_medial_breach_is_graded_by_its_depth_in_the_canal(r: float, grade: str) -> None:
    """The canal's wall is at r = 8 mm and the needle's radius 1.5 mm: its surface intrudes 9.5 mm - r."""
    placement = _check((r, -80, 5), (r, 2, 5))
    assert placement.grade == grade
    if grade != "A":
        canal = next(b for b in placement.breaches if b.compartment == "canal")
        assert canal.depth == pytest.approx(9.5 * mm - r * mm, abs=0.35 * mm)
        assert canal.length == pytest.approx(15 * mm, abs=1.5 * mm)


def test_breach_through_the_disc_is_found() -> None:
    placement = _check((12, -80, 30), (10, 10, 10))
    assert "disc_superior" in {b.compartment for b in placement.breaches} | set(placement.path_lengths)


def test_lateral_breach_is_found_behind_the_first_contact_with_bone() -> None:
    """Through the back plate, out beside the pedicle, into the body: the shaft lies in soft tissue in between."""
    placement = _check((26, -80, 5), (19, 3, 5))
    lateral = next(b for b in placement.breaches if b.compartment == "paravertebral")
    assert lateral.grade != "A"
    assert lateral.length > 5 * mm


def test_epidural_veins_count_as_canal() -> None:
    compartment = np.where(COMPARTMENT == Compartment.CANAL, np.uint8(Compartment.VEIN_BASIVERTEBRAL), COMPARTMENT)
    needle = Needle(name="n", gauge=11, entry=(6.5 * mm, -0.08, 5 * mm), tip=(6.5 * mm, 2 * mm, 5 * mm))
    placement = check_placement(needle, GRID, compartment, **WALLS)
    assert [b.compartment for b in placement.breaches] == ["canal"]
    assert placement.grade == "C"


def test_bone_entry_alone_is_no_breach() -> None:
    assert "paravertebral" not in {b.compartment for b in _check((14, -80, 5), (10, 5, 4)).breaches}


@pytest.mark.parametrize(
    ("tip", "found"), [((0, 23, 0), "paravertebral"), ((0, -25, 0), "canal"), ((0, 5, 17), "disc_superior")]
)
def test_tip_outside_the_body_is_an_error_that_says_where_it_is(tip: tuple[float, ...], found: str) -> None:
    with pytest.raises(PlacementError) as caught:
        _check((14, -80, 5), tip)
    assert found in str(caught.value.value)
    assert caught.value.hint


def test_tip_outside_the_grid_is_an_error() -> None:
    with pytest.raises(PlacementError) as caught:
        _check((14, -80, 5), (0, 60, 0))
    assert "mm" in str(caught.value.allowed)


def test_arrays_and_walls_are_checked() -> None:
    needle = Needle(name="n", gauge=11, entry=(0.0, -0.08, 0.0), tip=(0.0, 0.0, 0.0))
    with pytest.raises(GeometryError):
        check_placement(needle, GRID, COMPARTMENT[:-1], **WALLS)
    with pytest.raises(GeometryError):
        check_placement(needle, GRID, COMPARTMENT, anterior_wall=0.0, posterior_wall=0.0)


def test_grades_follow_gertzbein_and_robbins() -> None:
    depths = (0.0, 0.1, 1.99, 2.0, 3.9, 4.0, 6.0, 20.0)
    assert "".join(gertzbein_robbins_1990(d * mm) for d in depths) == "ABBCCDEE"


def test_findings_become_plain_values() -> None:
    facts = _check((8.5, -80, 5), (8.5, 0.5, 5)).to_dict()
    assert facts["grade"] == "B"
    assert facts["breaches"][0]["compartment"] == "canal"
    assert math.isclose(facts["length_mm"], 80.5)


def test_finer_grid_changes_no_grade() -> None:
    grid, compartment = vertebra(0.7 * mm)
    needle = Needle(name="n", gauge=11, entry=(6.6 * mm, -0.08, 5 * mm), tip=(6.6 * mm, 1 * mm, 5 * mm))
    assert check_placement(needle, grid, compartment, **WALLS).grade == "C"


def test_everything_in_bone_is_one_compartment() -> None:
    grid = VoxelGrid.around((-30 * mm,) * 3, (30 * mm,) * 3, 2 * mm)
    body = np.full(grid.shape, Compartment.BODY, np.uint8)
    needle = Needle(name="n", gauge=11, entry=(0.0, -20 * mm, 0.0), tip=(0.0, 0.0, 0.0))
    placement = check_placement(needle, grid, body, **WALLS)
    assert placement.path_lengths == pytest.approx({"body": 20 * mm})
    assert placement.breaches == ()
