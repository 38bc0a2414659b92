"""DICOM of every kind people have: read where it lies, or refused with reason, place, what is allowed and the cure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset

from anatomy import ct_phantom as phantom
from anatomy import dicom_made
from vertebro.anatomy.from_ct import import_volumes
from vertebro.anatomy.volumes import Volume, read_volume
from vertebro.errors import DataError
from vertebro.units import mm

SMALL = {"shape": (14, 12, 10), "spacing": (5.0, 4.0, 4.5)}


@pytest.fixture
def made() -> phantom.Phantom:
    """A small oblique stack; its pixels are not square."""
    return phantom.make(direction=phantom.rotation(6.0, -4.0, 9.0)[:3, :3] @ np.diag([-1, -1, 1]), **SMALL)


@pytest.fixture
def sets(made: phantom.Phantom) -> list[Dataset]:
    return dicom_made.slices(made)


def _as_made(volume: Volume, made: phantom.Phantom) -> None:
    """Every voxel's value and place to 1e-3 mm, whatever way the stack runs."""
    if volume.data.shape != made.hu.shape:
        raise AssertionError(f"{volume.data.shape} is not {made.hu.shape}")
    ours = volume.ras_from_voxel / mm
    ours[3] = (0, 0, 0, 1)
    np.testing.assert_allclose(ours[:3], made.affine[:3], atol=1e-3)
    np.testing.assert_allclose(volume.data, np.rint(made.hu).clip(-1024), atol=0.51)


def _refused(folder: Path, match: str) -> DataError:
    with pytest.raises(DataError, match=match) as caught:
        read_volume(folder)
    error = caught.value
    assert error.where
    assert error.hint
    assert str(folder.parent) not in str(error)
    return error


def test_pixels_that_are_not_square_keep_their_two_sizes(tmp_path, made, sets):
    """Row spacing comes first in DICOM; exchanged, the body would be 25 % too wide."""
    volume = read_volume(dicom_made.save(tmp_path / "ct", sets))
    _as_made(volume, made)
    np.testing.assert_allclose(volume.spacing / mm, SMALL["spacing"], atol=1e-6)


def test_an_anatomy_from_pixels_that_are_not_square_is_the_same(tmp_path):
    """Imports meet on cubic voxels: the body is as wide and as deep from either scan."""
    found = []
    for spacing, shape in (((2.2, 2.2, 2.5), (60, 56, 40)), ((1.7, 2.8, 2.5), (78, 44, 40))):
        made = phantom.make(shape=shape, spacing=spacing, direction=np.diag([-1.0, -1.0, 1.0]))
        folder = dicom_made.save(tmp_path / str(spacing[0]), dicom_made.slices(made))
        labels = phantom.write(tmp_path / f"{spacing[0]}.nii.gz", made.labels, made.affine)
        found.append(import_volumes(read_volume(folder), read_volume(labels), "L1", spacing=1.5 * mm))
    one, other = found
    np.testing.assert_allclose(other.landmarks.body_half_axes, one.landmarks.body_half_axes, atol=1.0 * mm)
    assert other.body_volume == pytest.approx(one.body_volume, rel=0.06)
    assert other.landmarks.pedicle_left.centre[0] < 0 < other.landmarks.pedicle_right.centre[0]


def test_an_enhanced_multi_frame_is_the_same_scan(tmp_path, made):
    """Frames out of order, rescaled one by one."""
    folder = dicom_made.save(tmp_path / "enhanced", [dicom_made.enhanced(made)])
    _as_made(read_volume(folder), made)
    _as_made(read_volume(folder / "000.dcm"), made)


def test_slices_are_sorted_by_place_whatever_their_names_and_numbers(tmp_path, made, sets):
    for k, ds in enumerate(sets):
        ds.InstanceNumber = (7 * k) % 10
    _as_made(read_volume(dicom_made.save(tmp_path / "ct", sets[5:] + sets[:5])), made)


def test_rescaling_may_differ_from_slice_to_slice(tmp_path, made, sets):
    for ds in sets[::2]:
        values = np.frombuffer(ds.PixelData, "<u2")
        ds.RescaleSlope, ds.RescaleIntercept = "0.5", "-1024"
        ds.PixelData = (2 * values).astype("<u2").tobytes()
    _as_made(read_volume(dicom_made.save(tmp_path / "ct", sets)), made)


@pytest.mark.parametrize("key", ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"])
@pytest.mark.parametrize("kind", ["single", "enhanced"])
def test_missing_geometry_is_refused_by_name(tmp_path, made, sets, key, kind):
    """SimpleITK would take 1 mm pixels at the origin."""
    if kind == "single":
        delattr(sets[3], key)
        error = _refused(dicom_made.save(tmp_path / "ct", sets), f"{key} is missing")
        assert "003.dcm" in str(error.where)
        return
    ds = dicom_made.enhanced(made)
    groups = {
        "ImagePositionPatient": (ds.PerFrameFunctionalGroupsSequence[3], "PlanePositionSequence"),
        "ImageOrientationPatient": (ds.SharedFunctionalGroupsSequence[0], "PlaneOrientationSequence"),
        "PixelSpacing": (ds.SharedFunctionalGroupsSequence[0], "PixelMeasuresSequence"),
    }
    delattr(*groups[key])
    error = _refused(dicom_made.save(tmp_path / "ct", [ds]), f"{key} is missing")
    assert "frame" in str(error.where)


def test_a_multi_frame_without_functional_groups_is_refused(tmp_path, made):
    ds = dicom_made.enhanced(made)
    del ds.PerFrameFunctionalGroupsSequence
    _refused(dicom_made.save(tmp_path / "ct", [ds]), "does not say where its frames lie")


def test_an_impossible_orientation_is_refused(tmp_path, sets):
    sets[2].ImageOrientationPatient = [1, 0, 0, 1, 0, 0]
    _refused(dicom_made.save(tmp_path / "ct", sets), "impossible orientation")


@pytest.mark.parametrize("kind", ["single", "enhanced"])
def test_a_double_slice_is_named(tmp_path, made, sets, kind):
    if kind == "single":
        copy = dicom_made.slices(made)[4]
        copy.SOPInstanceUID = copy.file_meta.MediaStorageSOPInstanceUID = f"{dicom_made.ROOT}.1.99"
        error = _refused(dicom_made.save(tmp_path / "ct", [*sets, copy]), "slices are double")
        assert "004.dcm and 010.dcm" in str(error.where)
        return
    ds = dicom_made.enhanced(made, shuffle=False)
    ds.PerFrameFunctionalGroupsSequence[5].PlanePositionSequence = ds.PerFrameFunctionalGroupsSequence[
        4
    ].PlanePositionSequence
    assert "frame 5 and frame 6" in str(_refused(dicom_made.save(tmp_path / "ct", [ds]), "slices are double").where)


@pytest.mark.parametrize("kind", ["single", "enhanced"])
def test_a_missing_slice_is_named(tmp_path, made, sets, kind):
    if kind == "single":
        error = _refused(dicom_made.save(tmp_path / "ct", sets[:4] + sets[5:]), "missing or unevenly spaced")
        assert "003.dcm and 004.dcm" in str(error.where)
        return
    ds = dicom_made.enhanced(made, shuffle=False)
    del ds.PerFrameFunctionalGroupsSequence[4]
    ds.NumberOfFrames = 9
    ds.PixelData = ds.PixelData[: 9 * 2 * ds.Rows * ds.Columns]
    assert "9.00 mm" in str(_refused(dicom_made.save(tmp_path / "ct", [ds]), "missing or unevenly spaced"))


@pytest.mark.parametrize("kind", ["single", "enhanced"])
def test_a_tilted_gantry_is_refused_with_its_angle(tmp_path, made, sets, kind):
    ds = dicom_made.enhanced(made, shuffle=False)
    single = [(one, one) for one in sets]
    frames = [(f.PlanePositionSequence[0], ds) for f in ds.PerFrameFunctionalGroupsSequence]
    shear = 4.5 * np.tan(np.radians(12.0))
    for k, (item, _) in enumerate(single if kind == "single" else frames):
        down = np.array(sets[0].ImageOrientationPatient[3:], float)
        item.ImagePositionPatient = [f"{x:.5f}" for x in np.array(item.ImagePositionPatient, float) + k * shear * down]
    folder = dicom_made.save(tmp_path / "ct", sets if kind == "single" else [ds])
    assert "12.0 degrees" in str(_refused(folder, "gantry was tilted"))


def test_mixed_series_are_refused_and_listed(tmp_path, made, sets):
    for ds, name in ((sets, "bone"), (other := dicom_made.slices(made, series=2), "soft")):
        for one in ds:
            one.SeriesDescription = name
    error = _refused(dicom_made.save(tmp_path / "ct", [*sets, *other]), "more than one DICOM series")
    assert "bone" in str(error.value)
    assert "soft" in str(error.value)
    assert "10 slices" in str(error.value)


def test_a_scout_and_strangers_beside_the_stack_do_not_disturb(tmp_path, made, sets):
    """One scout picture, a DICOMDIR's like, a text, and an MR series: the CT is the one that is meant."""
    scout = dicom_made.slices(made, series=8)[0]
    scout.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    mri = dicom_made.slices(made, series=7)
    for ds in mri:
        ds.Modality = "MR"
    folder = dicom_made.save(tmp_path / "ct", [*sets, scout, *mri])
    (folder / "README.txt").write_text("hello")
    (folder / ".DS_Store").write_bytes(b"\0" * 200)
    _as_made(read_volume(folder), made)


def test_a_scout_within_the_series_is_named(tmp_path, sets):
    sets[6].ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
    assert "006.dcm" in str(_refused(dicom_made.save(tmp_path / "ct", sets), "not parallel").where)


def test_two_reconstructions_under_one_number_are_refused(tmp_path, sets):
    sets[6].PixelSpacing = ["3.9", "5.0"]
    assert "006.dcm" in str(_refused(dicom_made.save(tmp_path / "ct", sets), "differ in size").where)


def test_magnetic_resonance_alone_is_no_ct(tmp_path, sets):
    for ds in sets:
        ds.Modality = "MR"
    assert "MR series 1" in str(_refused(dicom_made.save(tmp_path / "ct", sets), "holds no CT").value)


@pytest.mark.parametrize("keep", [0.5, 0.97])
@pytest.mark.parametrize("kind", ["single", "enhanced"])
def test_a_truncated_file_is_named(tmp_path, made, sets, kind, keep):
    folder = dicom_made.save(tmp_path / "ct", sets if kind == "single" else [dicom_made.enhanced(made)])
    path = folder / ("002.dcm" if kind == "single" else "000.dcm")
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(DataError) as caught:
        read_volume(folder)
    assert path.name in str(caught.value) or "missing or unevenly spaced" in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize("keep", [0, 200, 420])
def test_the_last_slice_cut_within_its_header_is_not_lost(tmp_path, sets, keep):
    """Its neighbours would make an even stack without it."""
    folder = dicom_made.save(tmp_path / "ct", sets)
    (folder / "009.dcm").write_bytes((folder / "009.dcm").read_bytes()[:keep])
    assert _refused(folder, "cannot be read").where == "009.dcm"


def test_our_own_export_is_read_as_two_series(tmp_path, made, sets):
    """Before and after share a study: the reader asks for one of them."""
    for ds in (after := dicom_made.slices(made, series=12)):
        ds.SeriesDescription = "SYNTHETIC CT after cement"
    dicom_made.save(tmp_path / "study" / "ct-before", sets)
    dicom_made.save(tmp_path / "study" / "ct-after", after)
    _refused(tmp_path / "study", "more than one DICOM series")
    _as_made(read_volume(tmp_path / "study" / "ct-after"), made)
