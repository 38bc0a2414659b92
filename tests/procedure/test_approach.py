"""Paths through the pedicle: they reach the target, stay in bone, and mirror."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from procedure.scene import pedicle
from vertebro.errors import VertebroError
from vertebro.procedure import GAUGES, NeedlePath, parapedicular, transpedicular
from vertebro.units import mm


def _path(side: str = "right", **changes: object) -> NeedlePath:
    return transpedicular(**(pedicle(side) | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("side", ["left", "right"])
def test_wide_pedicle_lets_the_needle_reach_the_anterior_third_in_the_midline(side: str) -> None:
    path = _path(side)
    assert path.tip == pytest.approx([0.0, 17 * mm - 0.3 * 34 * mm, 0.0], abs=1e-9)
    assert path.tip_error == pytest.approx(0.0, abs=1e-9)
    assert path.wall_margin >= 0.9 * mm
    assert path.medial_margin >= path.wall_margin - 1e-9
    assert path.approach == f"transpedicular-{side}"


def test_sides_mirror_each_other() -> None:
    left, right = _path("left"), _path("right")
    flip = np.array([-1.0, 1.0, 1.0])
    assert left.entry == pytest.approx(right.entry * flip)
    assert left.tip == pytest.approx(right.tip * flip)
    assert (left.medial_margin, left.convergence) == pytest.approx((right.medial_margin, right.convergence))


def test_entry_lies_on_the_skin_along_the_needles_axis() -> None:
    path = _path()
    assert path.entry[1] == pytest.approx(-80 * mm)
    centre = np.array([13.5, -22.0, 5.0]) * mm
    through = path.entry + (path.tip - path.entry) * (centre[1] - path.entry[1]) / (path.tip[1] - path.entry[1])
    assert np.abs(through - centre)[[0, 2]] == pytest.approx([0.0, 0.0], abs=8 * mm)
    assert 0.0 < path.convergence < math.radians(35)


@pytest.mark.parametrize("half_length", [2 * mm, 3 * mm, 5 * mm])
def test_axis_and_shaft_stay_inside_the_waist(half_length: float) -> None:
    """Sample the needle's surface along the waist: every point lies inside the ellipse."""
    path = _path(half_length=half_length)
    axis, medial = np.array([0.0, 1.0, 0.0]), np.array([-1.0, 0.0, 0.0])
    direction = (path.tip - path.entry) / np.linalg.norm(path.tip - path.entry)
    centre = np.array([13.5, -22.0, 5.0]) * mm
    radius = GAUGES[11].outer_diameter / 2
    for station in np.linspace(-half_length, half_length, 9):
        along = (station - (path.entry - centre) @ axis) / (direction @ axis)
        point = path.entry + along * direction - centre
        turn = np.linspace(0.0, 2 * math.pi, 60)
        across, up = point @ medial + radius * np.cos(turn), point[2] + radius * np.sin(turn)
        assert np.max((across / (5.5 * mm)) ** 2 + (up / (7.5 * mm)) ** 2) < 1.0


def test_narrow_pedicle_keeps_its_wall_and_gives_up_the_midline() -> None:
    """A pedicle barely wider than the needle allows little convergence: the tip stays on its own side."""
    path = _path(pedicle_half_width=2.3 * mm)
    assert path.wall_margin >= 0.3 * mm
    assert path.tip[0] > 2 * mm
    assert path.tip_error == pytest.approx(path.tip[0], abs=1e-6)


def test_pedicle_thinner_than_the_needle_is_a_finding_not_an_error() -> None:
    path = _path(pedicle_half_width=1.2 * mm)
    assert path.wall_margin < 0.0
    assert path.medial_margin < 0.0


def test_thin_needle_leaves_more_bone() -> None:
    thick, thin = _path(gauge=8), _path(gauge=13)
    assert thin.wall_margin > thick.wall_margin


@given(
    st.floats(2.0, 8.0), st.floats(4.0, 9.0), st.floats(10.0, 16.0), st.floats(0.0, 0.35), st.sampled_from([10, 11, 13])
)
def test_margins_are_consistent_for_any_pedicle(
    width: float, height: float, offset: float, slope: float, gauge: int
) -> None:
    assume(height >= width)
    path = _path(
        pedicle_half_width=width * mm,
        pedicle_half_height=height * mm,
        pedicle_centre=(offset * mm, -22 * mm, 5 * mm),
        pedicle_axis=(-slope, 1.0, 0.0),
        gauge=gauge,
    )
    assert path.wall_margin <= path.medial_margin + 1e-6
    assert path.tip[1] == pytest.approx(17 * mm - 0.3 * 34 * mm)
    # only a pedicle hardly wider than the needle costs bone
    assert path.wall_margin >= 0.9 * mm or width * mm < GAUGES[gauge].outer_diameter / 2 + 2 * mm


def test_convergence_is_limited() -> None:
    """The angle towards the midline stays below its limit at the price of the target."""
    free, limited = _path(), _path(max_convergence=math.radians(15))
    assert free.convergence > math.radians(20)
    assert limited.convergence <= math.radians(15) + 1e-9
    assert limited.tip[0] > free.tip[0] + 3 * mm
    assert limited.wall_margin > 0.9 * mm


def test_target_can_be_moved() -> None:
    path = _path(target_depth=0.5, target_lateral=4 * mm, target_height=3 * mm)
    assert path.tip == pytest.approx([4 * mm, 0.0, 3 * mm], abs=1e-9)


@pytest.mark.parametrize("side", ["left", "right"])
def test_parapedicular_path_passes_outside_the_pedicle(side: str) -> None:
    path = parapedicular(**pedicle(side))  # type: ignore[arg-type]
    inside = _path(side)
    assert abs(path.entry[0]) > abs(inside.entry[0])
    assert path.wall_margin > 0.0
    assert path.medial_margin > 5 * mm
    assert path.approach == f"parapedicular-{side}"


def test_parapedicular_path_is_not_too_steep() -> None:
    """Where the midline asks for more than 38 degrees, the tip stays on its own side."""
    path = parapedicular(**pedicle("right"))  # type: ignore[arg-type]
    assert path.convergence <= math.radians(38) + 1e-9
    assert path.tip[0] == pytest.approx(path.tip_error)


def test_path_makes_a_needle() -> None:
    needle = _path(gauge=13).needle("first")
    assert (needle.name, needle.gauge) == ("first", 13)
    assert needle.tip == pytest.approx(_path(gauge=13).tip)


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"side": "middle"}, "approach.side"),
        ({"gauge": 12}, "needle.gauge"),
        ({"pedicle_half_width": -1.0}, "pedicle.half_width"),
        ({"pedicle_half_height": math.nan}, "pedicle.half_height"),
        ({"pedicle_centre": (-13 * mm, -22 * mm, 0.0)}, "pedicle.centre"),
        ({"pedicle_centre": (0.0, 0.0)}, "pedicle.centre"),
        ({"pedicle_axis": (0.0, -1.0, 0.0)}, "pedicle.axis"),
        ({"posterior_skin": 0.0}, "posterior_skin, posterior_wall, anterior_wall"),
        ({"anterior_wall": -20 * mm}, "posterior_skin, posterior_wall, anterior_wall"),
        ({"target_depth": 1.5}, "approach.target_depth"),
        ({"target_lateral": 1.0}, "approach.target_lateral"),
        ({"target_height": math.inf}, "approach.target_height"),
        ({"max_convergence": math.nan}, "approach.max_convergence"),
        ({"max_convergence": 30.0}, "approach.max_convergence"),
    ],
)
def test_impossible_requests_are_refused(changes: dict[str, object], place: str) -> None:
    with pytest.raises(VertebroError) as caught:
        _path(**changes)
    assert caught.value.where == place
    assert caught.value.allowed
