"""The C-arm: the picture is turned as films are read, and shadows fall where geometry says."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from vertebro.errors import GeometryError
from vertebro.imaging import CArm, ProjectionGeometry

RIGHT, ANTERIOR, SUPERIOR = np.eye(3) * 0.02


def test_ap_shows_patient_right_on_the_viewers_left_and_superior_up() -> None:
    geometry = CArm.ap().geometry
    middle = geometry.project_point(np.zeros(3))
    assert np.allclose(middle, 255.5)
    assert geometry.project_point(RIGHT)[1] < middle[1]
    assert geometry.project_point(SUPERIOR)[0] < middle[0]


def test_lateral_shows_anterior_on_the_left_and_superior_up() -> None:
    geometry = CArm.lateral().geometry
    assert geometry.project_point(ANTERIOR)[1] < 255.5
    assert geometry.project_point(SUPERIOR)[0] < 255.5


def test_ap_source_is_anterior_and_lateral_source_on_the_patients_left() -> None:
    """Prone patient, tube below the table; +90 degrees orbital turns the source to the left (negative r)."""
    assert np.allclose(CArm.ap().geometry.source, [0, 0.7, 0])
    assert np.allclose(CArm.lateral().geometry.source, [-0.7, 0, 0])


def test_cranial_angle_tips_the_detector_towards_the_head() -> None:
    geometry = CArm(cranial=math.radians(20)).geometry
    detector = geometry.pixel(255.5, 255.5)
    assert detector[2] == pytest.approx(0.3 * math.sin(math.radians(20)))
    assert geometry.source[2] == pytest.approx(-0.7 * math.sin(math.radians(20)))


@pytest.mark.parametrize("orbital", [-2.0, 0.0, 0.4, math.pi / 2, 3.0])
@pytest.mark.parametrize("cranial", [-0.5, 0.0, 0.7])
def test_every_pose_keeps_distances_and_square_pixels(orbital: float, cranial: float) -> None:
    carm = CArm(orbital=orbital, cranial=cranial, isocentre=(0.01, -0.02, 0.03))
    geometry = carm.geometry
    assert geometry.distance == pytest.approx(1.0)
    assert np.linalg.norm(geometry.source - np.array(carm.isocentre)) == pytest.approx(0.7)
    assert geometry.u @ geometry.v == pytest.approx(0)
    assert geometry.pitch == pytest.approx((5e-4, 5e-4))
    assert np.allclose(geometry.project_point(np.array(carm.isocentre)), 255.5)


def test_magnification_is_sdd_over_sod() -> None:
    """Similar triangles: a shadow at SDD of an object at SOD is SDD / SOD times as large."""
    geometry = CArm.ap(source_isocentre=0.6, source_detector=1.2).geometry
    assert geometry.magnification(np.zeros(3)) == pytest.approx(2.0)
    shadow = geometry.project_point(np.array([[0.01, 0, 0], [-0.01, 0, 0]]))
    assert (shadow[1, 1] - shadow[0, 1]) * 5e-4 == pytest.approx(0.02 * 2.0)


def test_projecting_a_pixel_gives_the_pixel_back(rng: np.random.Generator) -> None:
    geometry = CArm(orbital=0.3, cranial=-0.2).geometry
    row, col = rng.uniform(0, 511, (2, 20))
    point = geometry.source + 0.6 * (geometry.pixel(row, col) - geometry.source)
    assert np.allclose(geometry.project_point(point), np.stack([row, col], axis=1))


@pytest.mark.parametrize(
    "wrong",
    [
        {"rows": 0},
        {"cols": 0},
        {"pitch": 0.0},
        {"pitch": math.nan},
        {"source_isocentre": 0.0},
        {"source_detector": 0.6},
        {"cranial": math.pi / 2},
        {"orbital": math.inf},
        {"isocentre": (0.0, math.nan, 0.0)},
    ],
)
def test_impossible_c_arms_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(GeometryError, match="allowed"):
        CArm(**wrong)


def test_degenerate_detectors_are_refused() -> None:
    good = {"rows": 4, "cols": 4, "isocentre": np.zeros(3)}
    place = {"source": [0, 1.0, 0], "detector_origin": [0, 0, 0]}
    with pytest.raises(GeometryError, match="no area"):
        ProjectionGeometry(**good, **place, u=[1e-3, 0, 0], v=[2e-3, 0, 0])
    with pytest.raises(GeometryError, match="plane of the detector"):
        ProjectionGeometry(**good, source=[1.0, 0, 0], detector_origin=[0, 0, 0], u=[1e-3, 0, 0], v=[0, 0, 1e-3])


def test_points_behind_the_source_cast_no_shadow() -> None:
    with pytest.raises(GeometryError, match="in front of the source"):
        CArm.ap().geometry.project_point([0, 0.8, 0])


def test_a_pose_aimed_at_a_direction_has_its_source_there(rng: np.random.Generator) -> None:
    for way in rng.normal(size=(20, 3)):
        arm = CArm.towards(way, isocentre=(0.01, 0.02, 0.03))
        assert np.allclose(arm.towards_source, way / np.linalg.norm(way))
        source = np.array(arm.isocentre) + 0.7 * arm.towards_source
        assert np.allclose(arm.geometry.source, source)


@pytest.mark.parametrize("way", [(0, 0, 0), (0, 0, 1), (math.nan, 0, 1), (1, 0)])
def test_directions_that_no_arm_reaches_are_refused(way: tuple[float, ...]) -> None:
    with pytest.raises(GeometryError, match="impossible C-arm"):
        CArm.towards(way)


def test_angles_turn_about_the_patients_axes_not_the_vertebras() -> None:
    """A vertebra that lies turned by 20 degrees needs 20 degrees of orbital angle for the same picture."""
    turn = math.radians(20)
    lying = ((math.cos(turn), -math.sin(turn), 0.0), (math.sin(turn), math.cos(turn), 0.0), (0.0, 0.0, 1.0))
    straight = CArm.ap()
    aimed = CArm.towards(straight.towards_source, lying=lying)
    assert aimed.orbital == pytest.approx(turn)
    assert np.allclose(aimed.geometry.source, straight.geometry.source)
    assert not np.allclose(CArm.ap(lying=lying).geometry.source, straight.geometry.source)


def test_axes_of_the_patient_must_be_axes() -> None:
    with pytest.raises(GeometryError, match="lying"):
        CArm(lying=((1, 0, 0), (0, 1, 0), (0, 0, -1)))
    with pytest.raises(GeometryError, match="lying"):
        CArm(lying=((1, 0, 0), (1, 0, 0), (0, 0, 1)))


def test_the_detectors_place_is_told_as_dicom_counts_it() -> None:
    """Prone AP: the detector is behind the patient, 180 degrees; source at the left: detector at the right, -90."""
    assert np.rad2deg(CArm.ap().positioner_angles) == pytest.approx((180, 0))
    assert np.rad2deg(CArm.lateral().positioner_angles) == pytest.approx((-90, 0))
    assert np.rad2deg(CArm.lateral(cranial=math.radians(20)).positioner_angles)[1] == pytest.approx(20)
    turned = CArm.ap(lying=((0, 1, 0), (-1, 0, 0), (0, 0, 1)))
    assert abs(math.degrees(turned.positioner_angles[0])) == pytest.approx(180)
