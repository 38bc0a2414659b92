"""Paths beside the pedicle and from the front of the neck: they reach, keep clear, mirror, and say when they cannot."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from procedure.scene import pedicle
from vertebro.errors import CaseError, GeometryError, VertebroError
from vertebro.procedure import NeedlePath, anterolateral, posterolateral
from vertebro.units import mm

BORE = 1.53 * mm  # 11 G, radius rounded up


def _sign(side: str) -> float:
    return -1.0 if side == "left" else 1.0


def _root(side: str) -> np.ndarray:
    start = np.array([_sign(side) * 13.5, -23.0, -6.0])
    return np.array([start, start + np.array([_sign(side) * 14.0, 6.0, -12.0])]) * mm


def _beside(side: str = "right", **changes: Any) -> NeedlePath:
    own: dict[str, Any] = {"canal_half_width": 9 * mm, "root": _root(side)}
    return posterolateral(**(pedicle(side) | own | changes))


def _neck(side: str = "right", **changes: Any) -> NeedlePath:
    levels = np.arange(-20.0, 21.0, 2.0)
    viscera = np.array([[x, a, s] for x in (-9.0, 0.0, 9.0) for a in (14.0, 24.0) for s in levels]) * mm
    sheath = np.array([[_sign(side) * 27.0, a, s] for a in (14.0, 20.0) for s in levels]) * mm
    own: dict[str, Any] = {"anterior_wall": 8 * mm, "posterior_wall": -8 * mm, "anterior_skin": 45 * mm}
    return anterolateral(**({"side": side, "medial": viscera, "lateral": sheath} | own | changes))


def _along(path: NeedlePath) -> np.ndarray:
    return path.entry + np.linspace(0.0, 1.0, 2000)[:, None] * (path.tip - path.entry)


@pytest.mark.parametrize("side", ["left", "right"])
def test_posterolateral_path_passes_outside_pedicle_and_behind_the_root(side: str) -> None:
    path = _beside(side)
    assert path.approach == f"posterolateral-{side}"
    assert path.tip[0] == 0.0
    assert path.tip_error == 0.0
    assert path.entry[1] == pytest.approx(-80 * mm)
    assert 40 * mm < abs(path.entry[0]) < 140 * mm
    assert np.sign(path.entry[0]) == _sign(side)
    points = _along(path)
    line = _root(side)[0] + np.linspace(0, 1, 200)[:, None] * (_root(side)[1] - _root(side)[0])
    gap = np.linalg.norm(points[:, None] - line[None], axis=2).min()
    assert path.nerve_margin == pytest.approx(gap - BORE - 2.5 * mm, abs=0.15 * mm)
    assert path.nerve_margin > 3 * mm
    assert path.wall_margin > 1.5 * mm
    assert path.medial_margin > 1.5 * mm


def test_posterolateral_sides_mirror_each_other() -> None:
    left, right = _beside("left"), _beside("right")
    np.testing.assert_allclose(left.entry, right.entry * [-1, 1, 1], atol=1e-12)
    assert left.nerve_margin == pytest.approx(right.nerve_margin)
    assert left.convergence == pytest.approx(right.convergence)


def test_a_root_in_the_usual_way_bends_the_path() -> None:
    """A root that crosses the usual line at right angles: the path goes over or under it."""
    usual = _beside()
    middle = usual.tip + (usual.entry - usual.tip) * 0.3
    across = np.array([10 * mm, 0.0, 0.0])
    blocked = _beside(root=np.stack([middle - across, middle + across]))
    assert blocked.nerve_margin > 0
    assert abs(blocked.caudal - usual.caudal) > np.radians(5)


def test_a_corridor_with_no_room_is_a_finding() -> None:
    """Roots everywhere: the margin is negative, no error."""
    usual = _beside()
    middle = usual.tip + (usual.entry - usual.tip) * 0.3
    wall = [middle + np.array([x, 0.0, s]) * mm for s in range(-30, 31, 2) for x in (-40, 40)]
    assert _beside(root=np.array(wall)).nerve_margin < 0


def test_obstacles_are_avoided_when_there_is_room() -> None:
    free = _beside()
    middle = free.tip + (free.entry - free.tip) * 0.45
    bar = middle + np.linspace(-1, 1, 41)[:, None] * np.array([6.0, 0.0, 0.0]) * mm
    path = _beside(obstacles=bar)
    gap = np.linalg.norm(_along(path)[:, None] - bar[None], axis=2).min()
    assert gap > BORE
    assert np.linalg.norm(_along(free)[:, None] - bar[None], axis=2).min() < BORE


@pytest.mark.parametrize("side", ["left", "right"])
def test_anterolateral_path_runs_between_sheath_and_airway(side: str) -> None:
    path = _neck(side)
    assert path.entry[1] == pytest.approx(45 * mm)
    assert np.sign(path.entry[0]) == _sign(side)
    assert path.tip[1] == pytest.approx(8 * mm - 0.6 * 16 * mm)
    assert path.medial_margin > 1 * mm
    assert path.wall_margin > 1 * mm
    inward = path.tip - path.entry
    assert inward[1] < 0
    assert inward[0] * _sign(side) < 0


def test_anterolateral_sides_mirror_each_other() -> None:
    left, right = _neck("left"), _neck("right")
    np.testing.assert_allclose(left.entry, right.entry * [-1, 1, 1], atol=1e-12)
    assert left.wall_margin == pytest.approx(right.wall_margin)


def test_fingers_make_room_for_the_needle() -> None:
    assert _neck(hold_aside=0.0).wall_margin < _neck(hold_aside=10 * mm).wall_margin


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"side": "middle"}, "approach.side"),
        ({"hold_aside": 0.1}, "approach.hold_aside"),
        ({"medial": np.zeros((0, 3))}, "approach.medial"),
        ({"lateral": [[np.nan, 0, 0]]}, "approach.lateral"),
        ({"anterior_skin": 0.0}, "anterior_skin"),
        ({"target_depth": 1.5}, "approach.target_depth"),
        ({"gauge": 12}, "gauge"),
    ],
)
def test_impossible_necks_are_refused(changes: dict[str, Any], place: str) -> None:
    with pytest.raises(VertebroError, match=place):
        _neck(**changes)


def test_impossible_roots_and_walls_are_refused() -> None:
    with pytest.raises(GeometryError, match="root"):
        _beside(root=[[0.0, 0.0, 0.0]])
    with pytest.raises(GeometryError, match="posterior_skin"):
        _beside(posterior_skin=0.0)
    with pytest.raises(CaseError, match=r"approach\.side"):
        _beside(side="middle")
