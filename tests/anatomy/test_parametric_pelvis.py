"""The generated pelvis: sizes measured on the voxels against the published means, sides, joints, landmarks."""

from __future__ import annotations

import time
from dataclasses import fields
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from vertebro.anatomy.anatomy import Anatomy
from vertebro.anatomy.parametric import ParametricSpec, build_parametric, vertebra_label
from vertebro.anatomy.parametric_canvas import Canvas
from vertebro.anatomy.parametric_column import build_column
from vertebro.anatomy.parametric_pelvis import pelvis_label
from vertebro.anatomy.parametric_pelvis import place as place_pelvis
from vertebro.anatomy.parametric_pelvis_dimensions import PELVIS, PelvisDimensions, pelvis_dimensions
from vertebro.anatomy.parametric_pelvis_placing import PelvisScene, build_scene, pelvis_under
from vertebro.anatomy.parametric_sizes import patient_sizes
from vertebro.anatomy.store import load_anatomy, save_anatomy
from vertebro.errors import CaseError
from vertebro.grid import VoxelGrid
from vertebro.sources import SOURCES
from vertebro.tissue import Compartment, Organ, Tissue
from vertebro.units import deg, mm

LEVELS = ("S1", "HIP_L", "HIP_R")
FINE = 0.8e-3


@cache
def mean_patient(level: str, spacing: float = 1.2e-3, mirrored: bool = False) -> Anatomy:
    """The published mean with coarse pictures."""
    return build_parametric(
        ParametricSpec(level=level, sex="mean", spacing=spacing, surround_spacing=3e-3, mirrored=mirrored)
    )


def _span(mask: np.ndarray, step: float) -> float:
    hits = np.flatnonzero(mask)
    return float((hits[-1] - hits[0] + 1) * step)


def _band(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return (values >= low) & (values <= high)


def _within_one_sd(name: str, measured: float, slack: float = 0.0) -> None:
    row = PELVIS[name]
    assert measured / mm == pytest.approx(row.mean("mean"), abs=row.sd + slack), name


def test_the_table_is_the_record_and_cites_its_sources() -> None:
    assert tuple(field.name for field in fields(PelvisDimensions)) == tuple(PELVIS)
    for name, row in PELVIS.items():
        assert row.source in SOURCES, name
        assert row.sd > 0
        assert row.unit in ("mm", "deg")


def test_the_endplate_of_s1_has_the_published_width_and_depth() -> None:
    one = mean_patient("S1", FINE)
    r, a, s = one.grid.axes()
    top = pelvis_dimensions().s1_height / 2
    body = (one.compartment == Compartment.BODY)[:, :, _band(s, top - 2.0 * mm, top)]
    _within_one_sd("s1_width", _span(body[:, _band(a, -2 * mm, 8 * mm)].any(axis=(1, 2)), FINE))
    _within_one_sd("s1_depth", _span(body[_band(r, -3 * mm, 3 * mm)].any(axis=(0, 2)), FINE))


def test_the_alae_have_the_published_width() -> None:
    body = mean_patient("S1", FINE).compartment == Compartment.BODY
    _within_one_sd("sacral_width", _span(body.any(axis=(1, 2)), FINE))


def test_the_sacral_canal_has_the_published_size() -> None:
    one = mean_patient("S1", FINE)
    r, _, s = one.grid.axes()
    top = pelvis_dimensions().s1_height / 2
    canal = (one.compartment == Compartment.CANAL)[:, :, _band(s, top - 2 * mm, top)]
    _within_one_sd("canal_width", _span(canal.any(axis=(1, 2)), FINE))
    _within_one_sd("canal_depth", _span(canal[_band(r, -2 * mm, 2 * mm)][:, :, 0].any(axis=0), FINE))


def mean_scene() -> PelvisScene:
    return build_scene("S1", pelvis_dimensions(), build_column("L5", sex="mean", stature=None))


@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_ventral_foramina_lie_as_far_apart_as_published(number: int) -> None:
    one, scene = mean_patient("S1", FINE), mean_scene()
    for side, place in ((-1.0, Compartment.FORAMEN_LEFT), (1.0, Compartment.FORAMEN_RIGHT)):
        mouth = scene.bend.to_world(
            0.6 * scene.sacrum.foramen(number, side)[2] + 0.4 * scene.sacrum.foramen(number, side)[1]
        )
        i, j, k = one.grid.nearest(mouth)
        assert one.compartment[i, j, k] == place
        line = one.compartment[:, j, k] == place
        inner = one.grid.axes()[0][line]
        _within_one_sd(f"between_{number}", 2 * float(np.abs(inner).min()) - FINE)
        _within_one_sd(f"foramen_{number}", _span(line, FINE), slack=1.0)


def test_the_sacrum_slopes_and_stands_above_the_hips_as_published() -> None:
    one, dim = mean_patient("S1"), pelvis_dimensions()
    up = one.patient_from_world[:3, 2]
    assert np.arctan2(up[1], up[2]) / deg == pytest.approx(PELVIS["slope"].mean("mean"), abs=0.1)
    plate = one.patient_from_world @ [0.0, 0.0, dim.s1_height / 2, 1.0]
    _within_one_sd("hip_to_sacrum", float(np.linalg.norm(plate[:3])))
    assert np.linalg.det(one.patient_from_world[:3, :3]) == pytest.approx(1.0)


def test_the_sacrum_is_bent_forward_as_published() -> None:
    scene = mean_scene()
    down = [scene.bend.direction([0.0, 0.0, -1.0], z) for z in (0.0, scene.sacrum.ends[5])]
    turn = np.arccos(down[0] @ down[1]) / deg
    assert turn == pytest.approx(PELVIS["kyphosis"].mean("mean"), abs=PELVIS["kyphosis"].sd)
    assert down[1][1] > down[0][1]  # the lower end points forward


@pytest.mark.parametrize("level", [pytest.param("HIP_L", marks=pytest.mark.slow), "HIP_R"])  # they are alike, below
def test_head_and_cup_have_the_published_sizes(level: str) -> None:
    one = mean_patient(level, FINE)
    side = 1.0 if level == "HIP_R" else -1.0
    patient = np.array([side * 0.5 * PELVIS["hip_distance"].mean("mean") * mm, 0.0, 0.0, 1.0])
    i, j, k = one.grid.nearest((np.linalg.inv(one.patient_from_world) @ patient)[:3])
    upward = one.compartment[i, j, k:]
    head = int(np.argmax(upward == Compartment.JOINT)) - 0.5
    cup = int(np.argmax(upward == Compartment.BODY)) - 0.5
    _within_one_sd("head", 2 * head * FINE)
    _within_one_sd("joint_space", (cup - head) * FINE, slack=0.4)


@pytest.mark.parametrize(("level", "low", "high"), [("S1", 110, 200), ("HIP_L", 100, 230), ("HIP_R", 100, 230)])
def test_the_treated_bone_is_one_piece_of_plausible_volume(level: str, low: float, high: float) -> None:
    one = mean_patient(level)
    body = one.compartment == Compartment.BODY
    assert ndimage.label(body)[1] == 1
    assert low < one.body_volume * 1e6 < high
    assert np.isin(one.tissue[body], (Tissue.CANCELLOUS, Tissue.CORTICAL)).all()
    assert np.isfinite(one.hu).all()
    assert one.exits


def test_foramina_lie_in_the_bone_and_on_their_side() -> None:
    one = mean_patient("S1")
    r, _, s = one.grid.axes()
    for place, sign in ((Compartment.FORAMEN_LEFT, -1.0), (Compartment.FORAMEN_RIGHT, 1.0)):
        cells = one.compartment == place
        assert (sign * r[np.nonzero(cells)[0]] > 0).all()
        k = one.grid.nearest((0.0, 0.0, -0.5 * pelvis_dimensions().s1_height))[2]
        ring = ndimage.binary_dilation(cells[:, :, k], iterations=2) & ~cells[:, :, k]
        bone = np.isin(one.compartment[:, :, k], (Compartment.BODY, Compartment.ARCH))
        assert bone[ring].mean() > 0.6, s[k]


def test_joints_lie_between_the_bones() -> None:
    for level in LEVELS:
        one = mean_patient(level)
        joint = one.compartment == Compartment.JOINT
        near = ndimage.binary_dilation(joint, iterations=3)
        other = np.isin(one.tissue, (Tissue.CANCELLOUS, Tissue.CORTICAL)) & (
            one.compartment == Compartment.PARAVERTEBRAL
        )
        assert (near & (one.compartment == Compartment.BODY)).any()
        assert (near & other).any()
        assert 3e-6 < joint.sum() * one.grid.voxel_volume < 25e-6


def test_the_alae_are_more_porous_than_the_body_of_s1() -> None:
    one = mean_patient("S1", FINE)
    spongy = (one.compartment == Compartment.BODY) & (one.tissue == Tissue.CANCELLOUS)
    r, a, s = one.grid.open_mesh()
    middle = (np.abs(a + 3 * mm) < 5 * mm) & (np.abs(s) < 8 * mm)
    body = one.bone_fraction[spongy & middle & (np.abs(r) < 12 * mm)].mean()
    ala = one.bone_fraction[spongy & middle & (np.abs(r) > 33 * mm) & (np.abs(r) < 44 * mm)].mean()
    assert ala < 0.75 * body
    end = s > pelvis_dimensions().s1_height / 2 - 5 * mm
    assert one.bone_fraction[spongy & end & (np.abs(a) < 6 * mm) & (np.abs(r) < 12 * mm)].mean() > 1.2 * body


def test_landmarks_say_what_the_bone_has() -> None:
    marks = mean_patient("S1").landmarks
    assert marks.pedicle_left is not None
    assert marks.pedicle_left.centre[0] < 0
    assert marks.posterior_skin < marks.spinous_tip[1] < marks.posterior_wall < marks.anterior_wall
    assert marks.midline == 0.0
    for level, sign in (("HIP_L", 1.0), ("HIP_R", -1.0)):
        marks = mean_patient(level).landmarks
        assert marks.pedicles == ()
        assert marks.canal_centre is None
        assert marks.spinous_tip is None
        assert marks.midline * sign > 70 * mm  # the median plane is right of a left hip
        assert marks.inferior_endplate < 0 < marks.superior_endplate


def test_landmark_cells_carry_their_compartments() -> None:
    one = mean_patient("S1")
    marks, at = one.landmarks, one.grid.nearest
    assert one.compartment[at(marks.canal_centre)] == Compartment.CANAL
    for pedicle in marks.pedicles:
        assert one.compartment[at(pedicle.centre)] in (Compartment.BODY, Compartment.ARCH)
    for level in LEVELS:
        one = mean_patient(level)
        assert one.compartment[one.grid.nearest((0.0, 0.0, 0.0))] == Compartment.BODY


@pytest.mark.parametrize(
    ("level", "twin"), [("S1", "S1"), ("HIP_L", "HIP_R"), pytest.param("HIP_R", "HIP_L", marks=pytest.mark.slow)]
)
def test_a_mirrored_patient_is_the_mirror_image(level: str, twin: str) -> None:
    one, other = mean_patient(level), mean_patient(level, mirrored=True)
    assert other.level == twin
    assert np.array_equal(other.tissue, one.tissue[::-1])
    swap = np.arange(len(Compartment), dtype=np.uint8)
    swap[[Compartment.FORAMEN_LEFT, Compartment.FORAMEN_RIGHT]] = Compartment.FORAMEN_RIGHT, Compartment.FORAMEN_LEFT
    assert np.array_equal(other.compartment, swap[one.compartment[::-1]])
    np.testing.assert_allclose(other.grid.extent[:, 0], -one.grid.extent[::-1, 0], atol=1e-9)
    np.testing.assert_allclose(other.permeability, one.permeability[:, ::-1], rtol=1e-4)
    assert other.landmarks.midline == -one.landmarks.midline
    assert np.array_equal(other.surround.organ, one.surround.organ[::-1])


def test_left_and_right_hips_of_a_patient_are_alike() -> None:
    left, right = mean_patient("HIP_L"), mean_patient("HIP_R")
    assert left.body_volume == pytest.approx(right.body_volume, rel=2e-3)
    assert (left.compartment[::-1] == right.compartment).mean() > 0.998


def test_organs_that_a_needle_must_not_meet_are_on_the_map() -> None:
    one = mean_patient("HIP_L")
    organ, grid = one.surround.organ, one.surround.grid
    for kind in (Organ.NERVE, Organ.ARTERY, Organ.VEIN, Organ.BOWEL, Organ.BLADDER, Organ.CANAL):
        assert (organ == kind).any(), kind
    nerve = grid.world(np.argwhere(organ == Organ.NERVE))
    behind = nerve[(np.abs(nerve[:, 2]) < 30 * mm) & (nerve[:, 0] < 30 * mm) & (nerve[:, 1] < 0)]
    assert len(behind)  # the left sciatic nerve passes behind the acetabulum


def test_sizes_vary_with_sex_stature_and_seed() -> None:
    woman, man = pelvis_dimensions(sex="female"), pelvis_dimensions(sex="male")
    assert man.head > woman.head
    tall = pelvis_dimensions(sex="female", stature=1.80)
    assert tall.sacral_width > woman.sacral_width
    assert tall.slope == woman.slope
    drawn = (
        np.array([pelvis_dimensions(sex="female", seed=n, size_variation=1.0).sacral_width for n in range(200)]) / mm
    )
    assert drawn.mean() == pytest.approx(PELVIS["sacral_width"].female, abs=1.5)
    assert drawn.std() == pytest.approx(PELVIS["sacral_width"].sd, rel=0.25)
    assert pelvis_dimensions(sex="male", seed=3) == man  # without variation the seed does not matter


@pytest.mark.parametrize("seed", [2, pytest.param(5, marks=pytest.mark.slow), pytest.param(9, marks=pytest.mark.slow)])
@pytest.mark.parametrize("sex", ["female", "male"])
def test_every_drawn_patient_has_its_bones_in_one_piece(sex: str, seed: int) -> None:
    for level in ("S1", "HIP_L"):
        spec = ParametricSpec(
            level=level, sex=sex, seed=seed, size_variation=1.0, spacing=1.5e-3, surround_spacing=3e-3
        )
        one = build_parametric(spec)
        assert ndimage.label(one.compartment == Compartment.BODY)[1] == 1
        assert (one.compartment == Compartment.JOINT).any()
        assert one.landmarks.posterior_wall < 0 < one.landmarks.anterior_wall


def test_a_file_keeps_the_landmarks_a_hip_has_not(tmp_path: Path) -> None:
    one = mean_patient("HIP_L")
    save_anatomy(one, tmp_path / "hip.h5")
    again = load_anatomy(tmp_path / "hip.h5")
    assert again.landmarks.canal_centre is None
    assert again.landmarks.pedicles == ()
    assert again.landmarks.midline == one.landmarks.midline
    assert [level.name for level in again.spine] == [level.name for level in one.spine]


def test_the_whole_bone_can_be_had_as_a_label() -> None:
    grid, label = vertebra_label(ParametricSpec(level="HIP_R", sex="mean", spacing=1.5e-3))
    assert label.shape == grid.shape
    parts, _ = ndimage.label(label)
    whole = np.bincount(parts.ravel())[1:].max() * grid.voxel_volume
    assert 250e-6 < whole < 600e-6
    s = grid.axes()[2][label.any(axis=(0, 1))]
    published = PELVIS["hip_bone_height"].mean("mean")
    assert (s.max() - s.min()) / mm == pytest.approx(published, abs=4.0)  # the oblique rims and two voxels


def test_an_unknown_level_names_those_there_are() -> None:
    with pytest.raises(CaseError, match="HIP_L"):
        ParametricSpec(level="HIP")


@pytest.mark.slow
def test_build_time_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    for level in ("S1", "HIP_L"):
        start = time.process_time()
        build_parametric(ParametricSpec(level=level, spacing=0.8e-3))
        print(f"{level} at 0.8 mm: {time.process_time() - start:.1f} s of CPU")
    assert "of CPU" in capsys.readouterr().out


def test_the_sacrum_lies_under_l5_as_in_its_own_scene() -> None:
    """One patient seen from L3 and from S1: the same step from L5 to the sacrum, the same carved joint."""
    dim = pelvis_dimensions()
    under = pelvis_under(build_column("L3", sex="mean", stature=None), dim)
    for scene in (under, mean_scene()):
        last = scene.column.bones[-1]
        plate = last.pose.from_world(scene.bend.pose.to_world([0.0, 0.0, scene.sacrum.ends[0]]))
        hips = last.pose.from_world(scene.pose.to_world([0.0, 0.0, 0.0]))
        gap = -0.5 * last.dim.height - plate[2]
        assert gap == pytest.approx(last.dim.disc, abs=4 * mm)
        assert scene.column.bones[-1].lower.centre == pytest.approx(mean_scene().column.bones[-1].lower.centre)
        assert np.linalg.norm(hips - plate) == pytest.approx(dim.hip_to_sacrum)


def test_a_lumbar_scene_holds_bone_where_the_iliac_wings_are() -> None:
    spec = ParametricSpec(level="L5", sex="mean", spacing=1.5e-3, surround_spacing=3e-3, variation=0.0)
    picture = build_parametric(spec).surround
    scene = pelvis_under(build_column("L5", sex="mean", stature=None), pelvis_dimensions(sex="mean"))
    for side in (-1.0, 1.0):
        wing = scene.pose.to_world(scene.hip.at(97.0, -2.0, 95.0) * np.array([side, 1.0, 1.0]))
        i, j, k = picture.grid.nearest(wing)
        assert picture.hu[i - 3 : i + 4, j, k].max() > 250
    body = scene.bend.to_world([[0.0, 0.0, 0.0], [0.0, 0.0, scene.sacrum.ends[2]]])
    assert all(picture.organ[picture.grid.nearest(x)] == Organ.NONE for x in body)


def test_the_lumbar_bones_above_a_sacrum_have_the_patients_sizes() -> None:
    spec = ParametricSpec(level="S1", seed=5, size_variation=1.0, dimensions={"L4.height": 29e-3})
    sizes = patient_sizes(sex="female", stature=None, seed=5, size_variation=1.0, overrides=spec.dimensions)
    bones = place_pelvis(spec).scene.column.bones
    assert [bone.dim for bone in bones] == [sizes[bone.level] for bone in bones]
    assert bones[-2].dim.height == 29e-3


def test_a_mirrored_hip_surface_lies_on_the_other_side() -> None:
    grid, label = pelvis_label(ParametricSpec(level="HIP_R", spacing=1.5e-3))
    other_grid, other = pelvis_label(ParametricSpec(level="HIP_R", spacing=1.5e-3, mirrored=True))
    np.testing.assert_array_equal(label, other[::-1])
    assert grid.axes()[0] == pytest.approx(-other_grid.axes()[0][::-1])


def test_soft_edges_leave_no_stripes_of_the_grid() -> None:
    """A cortex of 1.1 voxels, wherever it lies between them: its sum stays, its peak changes by an eighth at most."""
    canvas = Canvas.blank(VoxelGrid((40, 4, 4), (1e-3,) * 3, (0.0, 0.0, 0.0)))
    peaks, sums = [], []
    for middle in 20e-3 + np.linspace(0, 1e-3, 11):
        distance = np.abs(np.arange(40) * 1e-3 - middle).astype(np.float32) - np.float32(0.55e-3)
        outside, inside = ((-1.0) * side * (np.arange(40) * 1e-3 - middle) - 0.55e-3 for side in (1, -1))
        soft, hard = (cover(outside) + cover(inside) - 1 for cover in (canvas.soft_cover, canvas.cover))
        assert np.all(canvas.touched(distance, soft=True) >= (soft > 1e-6))
        peaks.append((soft.max(), hard.max()))
        sums.append((soft.sum(), hard.sum()))
    soft, hard = np.ptp(peaks, axis=0) / np.max(peaks, axis=0)
    assert soft < 0.125
    assert soft < 0.5 * hard
    assert np.allclose(sums, 1.1, rtol=0.03)
