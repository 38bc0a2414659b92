"""Left stays left: one scan stored in every axis order, turned in space, or mislabelled."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from anatomy import ct_phantom as phantom
from vertebro.anatomy.anatomy import Anatomy
from vertebro.anatomy.ct_checks import check_size
from vertebro.anatomy.from_ct import import_ct, import_volumes
from vertebro.anatomy.label_tables import TOTAL_2
from vertebro.anatomy.volumes import Volume, read_volume
from vertebro.errors import DataError
from vertebro.tissue import Compartment
from vertebro.units import mm

TINY = {"shape": (62, 52, 40), "spacing": (2.2, 2.4, 2.5), "shift": (0.0, -10.0, 0.0)}
KIDNEYS = {number: name for number, name in TOTAL_2.items() if name.startswith("kidney_") and "cyst" not in name}


def _volume(data: np.ndarray, affine: np.ndarray, name: str = "made up") -> Volume:
    metres = affine.copy()
    metres[:3] *= mm
    return Volume(data=np.ascontiguousarray(data), ras_from_voxel=metres, name=name, digest="")


def _imported(made: phantom.Phantom, spacing: float = 1.5 * mm) -> Anatomy:
    ct = _volume(np.rint(made.hu).astype(np.int16), made.affine)
    return import_volumes(ct, _volume(made.labels, made.affine), "L1", spacing=spacing)


@pytest.fixture(scope="module")
def straight() -> Anatomy:
    return _imported(phantom.make(**TINY))


@pytest.mark.parametrize(
    ("order", "signs"),
    # three of them, every axis flipped and exchanged once, in the default lane
    [
        pytest.param(*way, marks=[] if n in (5, 18, 46) else pytest.mark.slow)
        for n, way in enumerate(phantom.axis_orders())
    ],
)
def test_all_48_ways_to_store_a_scan_give_one_anatomy(
    straight: Anatomy, order: tuple[int, ...], signs: tuple[int, ...]
) -> None:
    """Only the affine tells left from right; a whole import must not notice how the voxels are ordered."""
    other = _imported(phantom.reordered(phantom.make(**TINY), order, signs))
    assert other.grid.shape == straight.grid.shape
    np.testing.assert_allclose(other.patient_from_world, straight.patient_from_world, atol=2e-3)
    assert np.mean(other.compartment != straight.compartment) < 0.01
    body = straight.compartment == Compartment.BODY
    assert np.abs(other.hu - straight.hu)[body].mean() < 2.0
    assert other.landmarks.pedicle_left.centre[0] < 0 < other.landmarks.pedicle_right.centre[0]
    bright = other.surround.grid.world(np.argwhere(other.surround.hu > 450)) / mm
    ball = bright[np.linalg.norm(bright - phantom.MARKER, axis=1) < 14]
    np.testing.assert_allclose(ball.mean(axis=0), phantom.MARKER, atol=2.0)


def _with_kidneys(made: phantom.Phantom, left: int, right: int) -> phantom.Phantom:
    """Boxes beside the spine at 45 mm to the left and to the right, labelled with two ids."""
    index = np.moveaxis(np.indices(made.labels.shape), 0, -1)
    r = (index @ made.affine[:3, :3].T + made.affine[:3, 3])[..., 0]
    made.labels[(r < -38) & (r > -50) & (made.labels == 0)] = left
    made.labels[(r > 38) & (r < 50) & (made.labels == 0)] = right
    return made


def test_labels_that_name_their_sides_must_agree_with_the_affine() -> None:
    numbers = {name: number for number, name in KIDNEYS.items()}
    right_way = _with_kidneys(phantom.make(**TINY), numbers["kidney_left"], numbers["kidney_right"])
    assert _imported(right_way).provenance["label_scheme"] == "totalsegmentator"
    wrong_way = _with_kidneys(phantom.make(**TINY), numbers["kidney_right"], numbers["kidney_left"])
    with pytest.raises(DataError, match="left and right are exchanged"):
        _imported(wrong_way)


def test_a_sub_region_map_that_is_mirrored_is_refused() -> None:
    made = phantom.make(**TINY)
    index = np.moveaxis(np.indices(made.labels.shape), 0, -1)
    r = (index @ made.affine[:3, :3].T + made.affine[:3, 3])[..., 0]
    parts = np.where(made.labels > 0, 50, 0).astype(np.uint8)
    parts[(made.labels > 0) & (r > 14)] = 43  # costal process, left, on the right
    parts[(made.labels > 0) & (r < -14)] = 44
    ct = _volume(np.rint(made.hu).astype(np.int16), made.affine)
    with pytest.raises(DataError, match="left and right are exchanged"):
        import_volumes(ct, _volume(made.labels, made.affine), "L1", subregions=_volume(parts, made.affine))


def test_head_and_foot_exchanged_in_the_labels_is_refused() -> None:
    """Upside down, TotalSegmentator's ids ascend towards the feet, as VerSe's do, but they are not VerSe's."""
    made = phantom.make(**TINY)
    ct = _volume(np.rint(made.hu).astype(np.int16), made.affine)
    turned = _volume(made.labels[:, :, ::-1], made.affine)
    with pytest.raises(DataError, match="do not follow one another from head to foot"):
        import_volumes(ct, turned, "L1")


@pytest.mark.parametrize("angle", [pytest.param(-25.0, marks=pytest.mark.slow), 25.0])
def test_scoliosis_turns_the_frame_and_not_the_anatomy(straight: Anatomy, angle: float) -> None:
    pose = phantom.rotation(scoliosis=angle)
    made = phantom.make(ras_from_phantom=pose, shape=(74, 60, 62), spacing=(2.2, 2.4, 2.5))
    other = _imported(made)
    np.testing.assert_allclose(other.patient_from_world[:3, :3], pose[:3, :3], atol=0.05)
    for before, after in zip(straight.landmarks.pedicles, other.landmarks.pedicles, strict=True):
        # along its axis the phantom's pedicle is equally narrow everywhere
        np.testing.assert_allclose(after.centre[[0, 2]], before.centre[[0, 2]], atol=1.5 * mm)
        assert after.half_width == pytest.approx(before.half_width, abs=1.2 * mm)
    assert other.body_volume == pytest.approx(straight.body_volume, rel=0.1)


def _patched(path: Path, offset: int, kind: str, *values: float) -> None:
    content = bytearray(path.read_bytes())
    struct.pack_into("<" + kind, content, offset, *values)
    path.write_bytes(bytes(content))


def test_two_nifti_geometries_that_disagree_are_refused(tmp_path: Path) -> None:
    """An sform that mirrors what the qform says would silently exchange left and right in half of all readers."""
    made = phantom.make(**TINY)
    path = phantom.write(tmp_path / "ct.nii", np.rint(made.hu).astype(np.int16), made.affine)
    assert read_volume(path).oriented
    mirrored = np.diag([-1.0, 1.0, 1.0, 1.0]) @ made.affine
    _patched(path, 280, "12f", *mirrored[:3].ravel())
    with pytest.raises(DataError, match="qform, sform") as caught:
        read_volume(path)
    assert "mm apart" in str(caught.value)


@pytest.mark.parametrize("fits", [pytest.param(True, marks=pytest.mark.slow), False])
def test_a_header_without_orientation_is_said_aloud(tmp_path: Path, fits: bool) -> None:
    """Readers then take the voxels to run left, back, head; where that fails the error names the cause."""
    made = phantom.make(**TINY)
    if fits:
        made = phantom.reordered(made, (0, 1, 2), (-1, -1, 1))
    ct = phantom.write(tmp_path / "ct.nii", np.rint(made.hu).astype(np.int16), made.affine)
    labels = phantom.write(tmp_path / "labels.nii", made.labels, made.affine)
    for path in (ct, labels):
        _patched(path, 252, "2h", 0, 0)
        assert not read_volume(path).oriented
    if fits:
        remarks = import_ct(ct, labels, "L1", spacing=1.5 * mm).provenance["warnings"]
        assert any("gives no orientation" in text for text in remarks)
    else:
        with pytest.raises(DataError, match="gives no orientation"):
            import_ct(ct, labels, "L1", spacing=1.5 * mm)


def test_voxels_of_one_millimetre_at_the_origin_carry_no_orientation(tmp_path: Path) -> None:
    path = phantom.write(tmp_path / "bare.nrrd", np.zeros((10, 10, 10), np.int16), np.diag([-1.0, -1.0, 1.0, 1.0]))
    assert not read_volume(path).oriented


def test_a_label_that_bleeds_into_the_next_body_is_cut_back(straight: Anatomy) -> None:
    made = phantom.make(**TINY)
    index = np.moveaxis(np.indices(made.labels.shape), 0, -1)
    _, a, s = np.moveaxis(index @ made.affine[:3, :3].T + made.affine[:3, 3], -1, 0)
    made.labels[(made.labels == 30) & (s > -29) & (a > -14)] = 31  # the upper 7 mm of L2's body
    other = _imported(made)
    assert any("label lie in the body below" in text for text in other.provenance["warnings"])
    assert other.landmarks.inferior_endplate == pytest.approx(straight.landmarks.inferior_endplate, abs=1.5 * mm)
    assert other.body_volume == pytest.approx(straight.body_volume, rel=0.05)


def test_a_body_of_impossible_size_is_refused() -> None:
    """Two bodies under one number (58 mm high), or an affine in the wrong unit."""
    check_size(np.array([42.0, 30.0, 26.0]) * mm, "L1")
    for size in ([42.0, 30.0, 58.0], [4.2, 3.0, 2.6]):
        with pytest.raises(DataError, match="size that no vertebra has"):
            check_size(np.array(size) * mm, "L1")


def _points(made: phantom.Phantom) -> np.ndarray:
    return np.moveaxis(np.indices(made.labels.shape), 0, -1) @ made.affine[:3, :3].T + made.affine[:3, 3]


@pytest.mark.slow
def test_bridging_osteophytes_do_not_join_the_bodies(straight: Anatomy) -> None:
    """Labels that touch along a bony bridge in front: each keeps its own number, endplates stay where they are."""
    made = phantom.make(**TINY)
    r, a, s = np.moveaxis(_points(made), -1, 0)
    bridge = (np.abs(r) < 6) & (a > 9) & (a < 15) & (s < -10) & (s > -24)
    made.labels[bridge & (s > -17)], made.labels[bridge & (s <= -17)] = 31, 30
    made.hu[bridge] = 400
    assert ndimage.label(made.labels > 0)[1] < 3
    other = _imported(made)
    assert other.landmarks.inferior_endplate == pytest.approx(straight.landmarks.inferior_endplate, abs=1.5 * mm)
    assert other.patient_from_world[2, 2] > np.cos(np.radians(4))
