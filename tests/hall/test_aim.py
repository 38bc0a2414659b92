"""Square views of whole anatomies, and what can be seen in them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from vertebro.aim import VIEWS, aim, lying, view_marks
from vertebro.anatomy import Anatomy, ParametricSpec, build_parametric
from vertebro.case import Case
from vertebro.errors import CaseError, GeometryError
from vertebro.imaging import CArm, Fluoroscope, Spotter, covered_field, cylinder_path, tissue_layers, view_quality
from vertebro.imaging.views import TRUE_VIEWS, aim_view
from vertebro.units import deg, ml, mm


@cache
def generated(level: str) -> Anatomy:
    """A patient of average size, coarse."""
    return build_parametric(ParametricSpec(level=level, spacing=1.2 * mm, surround_spacing=2.5 * mm))


def _turned(axes: tuple, yaw: float, tilt: float) -> tuple:
    """The patient's axes after the patient rolled and the table tipped [deg]."""
    (cy, sy), (ct, st) = ((np.cos(x * deg), np.sin(x * deg)) for x in (yaw, tilt))
    roll = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]]) @ np.array([[1, 0, 0], [0, ct, -st], [0, st, ct]])
    return tuple(tuple(float(x) for x in row) for row in roll @ np.asarray(axes))


@pytest.mark.parametrize("view", TRUE_VIEWS)
@pytest.mark.parametrize("level", ["T8", "L1", "L4"])
def test_aimed_views_of_a_generated_patient_are_square_and_ten_degrees_off_are_not(level: str, view: str) -> None:
    anatomy = generated(level)
    marks, pose = view_marks(anatomy), aim(view, anatomy, rows=128, field=0.16)
    assert view_quality(pose.geometry, marks, view).score > 0.95
    for orbital, cranial in ((10, 0), (-10, 0), (0, 10), (0, -10)):
        missed = replace(pose, orbital=pose.orbital + orbital * deg, cranial=pose.cranial + cranial * deg)
        assert view_quality(missed.geometry, marks, view).score < 0.5


@pytest.mark.parametrize(("yaw", "tilt"), [(20, 0), (-15, 12), (8, -20)])
def test_a_rotated_and_tilted_patient_is_found_too_and_straight_ahead_is_not_square(yaw: float, tilt: float) -> None:
    anatomy = generated("L1")
    marks, axes = view_marks(anatomy), _turned(lying(anatomy), yaw, tilt)
    straight = view_quality(CArm.ap(isocentre=tuple(marks.centre), lying=axes).geometry, marks, "true-ap")
    assert straight.score < 0.3
    for view in TRUE_VIEWS:
        pose = aim_view(view, marks, lying=axes)
        assert view_quality(pose.geometry, marks, view).score > 0.95
    assert abs(aim_view("true-ap", marks, lying=axes).orbital) > 5 * deg


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize("level", ["T12", "L1"])
def test_aimed_views_of_a_real_kyphoscoliotic_spine_are_square(level: str, shared_data: Path) -> None:
    from vertebro.anatomy import import_ct

    folder = shared_data / "lidc0001"
    labels = folder / "labels_vertebrae_t8_l2.nii.gz"
    anatomy = import_ct(folder / "ct_spine_t8_l2.nii.gz", labels, level=level)
    marks = view_marks(anatomy)
    for view in TRUE_VIEWS:
        pose = aim(view, anatomy, rows=128, field=0.16)
        assert view_quality(pose.geometry, marks, view).score > 0.95
        missed = replace(pose, orbital=pose.orbital + 10 * deg, cranial=pose.cranial + 10 * deg)
        assert view_quality(missed.geometry, marks, view).score < 0.3


def test_endplates_are_sharper_and_posterior_walls_one_in_the_aimed_picture() -> None:
    """The picture itself, not the marks: the true lateral has the steepest endplate of all poses around it."""
    anatomy = generated("L3")
    layers = tissue_layers(
        anatomy.hu, anatomy.grid, surround_hu=anatomy.surround.hu, surround_grid=anatomy.surround.grid
    )
    aimed = aim("true-lateral", anatomy, rows=128, field=0.07)

    def edge(tip: float) -> float:
        pose = replace(aimed, cranial=aimed.cranial + tip * deg)
        view = Fluoroscope(scatter=None, focal_spot=0.0).prepare(pose, layers)
        profile = view.bone_line[:, 50:78].mean(axis=1)  # across the middle of the body
        return float(np.abs(np.diff(profile)).max())

    assert edge(0) > max(edge(10), edge(-10))


def test_views_that_follow_landmarks_need_an_anatomy_with_them() -> None:
    with pytest.raises(CaseError, match="needs an anatomy"):
        aim("true-ap", rows=64, field=0.16)
    with pytest.raises(CaseError, match="unknown view"):
        aim("sideways", generated("L1"), rows=64, field=0.16)
    bare = generated("L1")
    marks = replace(bare.landmarks, pedicle_left=None)
    with pytest.raises(GeometryError, match="no such pedicle"):
        aim("en-face-left", replace(bare, landmarks=marks), rows=64, field=0.16)
    assert set(TRUE_VIEWS) < set(VIEWS)


@pytest.mark.parametrize("view", [*VIEWS, "30,-10", "-12.5,0"])
def test_a_case_may_ask_for_every_view(view: str) -> None:
    case = Case.preset("first-injection").with_settings({"imaging.views": ["lateral", view]})
    assert Case.loads(case.dumps()).imaging.views == ("lateral", view)
    assert aim(view, generated("L1"), rows=64, field=0.16).rows == 64


@pytest.mark.parametrize("views", [["front"], [], ["30"], ["ap", "30,-10,5"]])
def test_a_case_with_unknown_views_is_refused(views: list[str]) -> None:
    with pytest.raises(CaseError, match="views"):
        Case.preset("first-injection").with_settings({"imaging.views": views})


@cache
def lateral_of_l3() -> tuple[Spotter, Anatomy]:
    """True lateral of L3 in an average patient, 512 pixels."""
    anatomy = generated("L3")
    pose = aim("true-lateral", anatomy, rows=512, field=0.16)
    layers = tissue_layers(
        anatomy.hu, anatomy.grid, surround_hu=anatomy.surround.hu, surround_grid=anatomy.surround.grid
    )
    view = Fluoroscope().prepare(pose, layers, collimation=covered_field(pose.geometry, anatomy.surround.grid))
    return Spotter(view), anatomy


def _epidural(volume: float, radius: float) -> np.ndarray:
    """A vein of the plexus in front of the dura, filled along the spine."""
    spotter, anatomy = lateral_of_l3()
    marks = anatomy.landmarks
    r, a = -0.6 * marks.canal_half_axes[0], marks.posterior_wall - 1.5 * mm
    half = 0.5 * volume / (np.pi * radius**2)
    return cylinder_path(spotter.view.geometry, [r, a, -half], [r, a, half], radius)


def test_a_millilitre_in_the_body_is_obvious_on_lateral() -> None:
    spotter, anatomy = lateral_of_l3()
    r, a, s = anatomy.grid.open_mesh()
    radius = (0.75 * ml / np.pi) ** (1 / 3)
    ball = ((r - 5 * mm) ** 2 + a**2 + s**2 < radius**2).astype(np.float32)
    line = spotter.view.cement_line(ball, anatomy.grid)
    frame = spotter.view.frame(cement_line=line)
    seen = spotter.look(line, frame=frame)
    need = spotter.thresholds
    assert seen.visible
    assert seen.snr > 20 * need.snr
    assert seen.clutter_ratio > 2 * need.clutter_ratio
    assert seen.cnr > 2
    assert seen.visible_area == pytest.approx(np.pi * radius**2, rel=0.3)


@pytest.mark.parametrize("radius", [0.8 * mm, 1.0 * mm, 1.25 * mm])
def test_a_twentieth_of_a_millilitre_in_an_epidural_vein_is_near_threshold_on_lateral(radius: float) -> None:
    """Noise would show it; the posterior wall beside it makes it hard: within a factor 1.6 of the clutter's bar."""
    spotter, _ = lateral_of_l3()
    seen = spotter.look(_epidural(0.05 * ml, radius))
    assert seen.snr > spotter.thresholds.snr
    assert 1 / 1.6 < seen.clutter_ratio / spotter.thresholds.clutter_ratio < 1.6


def test_traces_hide_and_a_fifth_of_a_millilitre_shows() -> None:
    spotter, _ = lateral_of_l3()
    assert not spotter.look(_epidural(0.005 * ml, 0.4 * mm)).visible
    assert spotter.look(_epidural(0.2 * ml, 1.5 * mm)).visible
