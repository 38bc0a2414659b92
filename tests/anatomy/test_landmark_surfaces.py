"""Walls, planes and lines measured on bones whose answers are known."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from anatomy.block import GRID, block, labels, landmarks
from vertebro.anatomy.anatomy import Anatomy
from vertebro.anatomy.landmark_surfaces import (
    endplate_planes,
    exiting_root,
    medial_pedicle_line,
    pedicle_of,
    posterior_wall,
    wall_rule,
)
from vertebro.anatomy.parametric import ParametricSpec, build_parametric
from vertebro.errors import GeometryError
from vertebro.tissue import Compartment, Tissue


@cache
def toy() -> Anatomy:
    """The elliptic cylinder."""
    return block(veins=False)


@cache
def generated(level: str) -> Anatomy:
    """A coarse vertebra."""
    return build_parametric(ParametricSpec(level=level, spacing=1.0e-3, surround_spacing=3e-3, surround_height=0.08))


def _recut(top: Any, back: Any = None) -> Anatomy:
    """The toy with another upper end (a function of r, a) or posterior wall (of s)."""
    parts = labels()
    r, a, s = GRID.open_mesh()
    body = ((r / 0.021) ** 2 + (a / 0.0155) ** 2 < 1) & (s > -0.012) & (s < top(r, a))
    if back is not None:
        body &= a > back(s)
    was = parts["compartment"] == Compartment.BODY
    parts["compartment"][was], parts["tissue"][was] = 0, Tissue.MUSCLE
    parts["compartment"][body], parts["tissue"][body] = Compartment.BODY, Tissue.CANCELLOUS
    return block(arrays=parts, veins=False)


def test_the_wall_of_a_cylinder_is_its_ellipse() -> None:
    wall = posterior_wall(toy())
    for r in (0.0, 5e-3, 9e-3):
        truth = -0.0155 * np.sqrt(1 - (r / 0.021) ** 2)
        assert float(wall.at(r, 0.0)) == pytest.approx(truth, abs=0.6e-3)
    assert abs(wall.concavity) < 0.1e-3
    assert np.isnan(wall.at(0.0, 0.018))


def test_a_hollow_wall_is_concave_and_a_bulging_one_negative() -> None:
    hollow = _recut(lambda r, a: 0.012, lambda s: -0.0125 - 2.5e-3 * (s / 0.012) ** 2)
    bulging = _recut(lambda r, a: 0.012, lambda s: -0.0150 + 2.5e-3 * (s / 0.012) ** 2)
    assert 0.9e-3 < posterior_wall(hollow).concavity < 2.4e-3
    assert -2.4e-3 < posterior_wall(bulging).concavity < -0.9e-3


def test_a_point_has_passed_the_wall_when_it_is_in_front_of_it() -> None:
    wall = posterior_wall(toy())
    assert wall.passed([0.0, 0.0, 0.0])
    assert not wall.passed([0.0, -0.02, 0.0])
    assert not wall.passed([0.0, 0.0, 0.05])


def test_planes_of_a_cylinder_are_level_and_flat() -> None:
    superior, inferior = endplate_planes(toy())
    assert superior.point[2] == pytest.approx(0.012, abs=0.65e-3)
    assert inferior.point[2] == pytest.approx(-0.012, abs=0.65e-3)
    np.testing.assert_allclose(superior.normal, [0, 0, 1], atol=1e-9)
    np.testing.assert_allclose(inferior.normal, [0, 0, -1], atol=1e-9)
    assert superior.flatness < 1e-9


@pytest.mark.parametrize("tilt", [-12.0, 8.0])
def test_a_wedged_endplate_is_tilted_by_its_wedge(tilt: float) -> None:
    superior, inferior = endplate_planes(_recut(lambda r, a: 0.009 + a * np.tan(np.radians(tilt))))
    assert np.degrees(np.arctan2(-superior.normal[1], superior.normal[2])) == pytest.approx(tilt, abs=1.5)
    assert abs(inferior.normal[1]) < 1e-9


def test_a_bowl_has_its_depth() -> None:
    superior, _ = endplate_planes(_recut(lambda r, a: 0.009 + 3e-3 * ((r / 0.021) ** 2 + (a / 0.0155) ** 2)))
    assert 1.0e-3 < superior.depth < 3.0e-3
    assert 0.3e-3 < superior.flatness < 1.2e-3


@pytest.mark.parametrize("level", ["L1", "T8", "C6"])
def test_generated_planes_and_walls_agree_with_the_frame(level: str) -> None:
    one = generated(level)
    for plane, outward in zip(endplate_planes(one), (1.0, -1.0), strict=True):
        assert np.degrees(np.arccos(outward * plane.normal[2])) < 4.0
        assert plane.depth > 0
        marked = one.landmarks.superior_endplate if outward > 0 else one.landmarks.inferior_endplate
        assert 0 <= outward * (plane.point[2] - marked) < 2.5e-3  # the landmark is the bowl's floor
    wall = posterior_wall(one)
    assert float(wall.at(0.0, 0.0)) == pytest.approx(one.landmarks.posterior_wall, abs=1.0e-3)


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_medial_line_is_the_inner_half_of_the_isthmus(side: Any) -> None:
    line, pedicle = medial_pedicle_line(generated("L1"), side), pedicle_of(generated("L1"), side)
    sign = -1.0 if side == "left" else 1.0
    inner = line.points[len(line.points) // 2]
    assert np.linalg.norm(inner - pedicle.centre) == pytest.approx(pedicle.half_width)
    assert sign * inner[0] < sign * pedicle.centre[0]
    assert np.ptp(line.points[:, 2]) == pytest.approx(2 * pedicle.half_height, rel=0.05)
    assert line.beyond([0.0, 0.0, inner[2]]) == pytest.approx(sign * inner[0])
    assert line.beyond(pedicle.centre) < 0
    assert line.beyond([sign * 0.05, 0.0, inner[2]]) < -0.02


def test_the_wall_rule_tells_the_place_where_a_tip_went_medial_too_early() -> None:
    one = generated("L1")
    pedicle = pedicle_of(one, "right")
    along = np.linspace(-12e-3, 30e-3, 43)[:, None] * pedicle.axis
    assert wall_rule(one, "right", pedicle.centre + along) is None
    medial = pedicle.centre - [1.2 * pedicle.half_width, 0.0, 0.0]
    assert wall_rule(one, "right", np.stack([pedicle.centre, medial, [0.0, 0.0, 0.0]])) == 1
    assert wall_rule(one, "right", [[0.0, 0.0, 0.0], [-5e-3, 5e-3, 0.0]]) is None


def test_roots_run_below_their_pedicle_outwards_and_down() -> None:
    for pedicle in generated("L1").landmarks.pedicles:
        root, sign = exiting_root(pedicle), np.sign(pedicle.centre[0])
        assert np.all(np.diff(sign * root[:, 0]) > 0)
        assert np.all(np.diff(root[:, 2]) < 0)
        assert root[1, 2] < pedicle.centre[2] - pedicle.half_height


def test_assumed_roots_follow_the_painted_ones() -> None:
    """Nearly every voxel of the assumed course beside the canal lies near a root that the generator painted."""
    one = generated("L1")
    foramen = np.isin(one.compartment, (Compartment.FORAMEN_LEFT, Compartment.FORAMEN_RIGHT))
    painted = one.grid.world(np.argwhere(foramen & (one.tissue == Tissue.DURA)))
    for pedicle in one.landmarks.pedicles:
        gap = np.linalg.norm(painted - exiting_root(pedicle)[1], axis=1).min()
        assert gap < 2.0e-3


def test_bones_without_a_canal_or_pedicles_say_so() -> None:
    bare = replace(landmarks(), canal_centre=None, canal_half_axes=None, pedicle_left=None, pedicle_right=None)
    hip = replace(toy(), landmarks=bare)
    with pytest.raises(GeometryError, match="posterior wall"):
        posterior_wall(hip)
    with pytest.raises(GeometryError, match="pedicle"):
        medial_pedicle_line(hip, "left")
