"""Bad scans and label maps: each is refused with its place and its cure, or repaired with a remark."""

from __future__ import annotations

import locale
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from anatomy import ct_phantom as phantom
from vertebro.anatomy.ct_checks import check_hounsfield
from vertebro.anatomy.ct_job import bone_distance, check_field, check_values
from vertebro.anatomy.frame import find_frame
from vertebro.anatomy.from_ct import import_ct
from vertebro.anatomy.volumes import read_volume
from vertebro.errors import DataError
from vertebro.units import mm


@pytest.fixture(scope="module")
def made() -> phantom.Phantom:
    return phantom.make()


def _files(folder: Path, made: phantom.Phantom, change: Callable[[np.ndarray], np.ndarray]) -> tuple[Path, Path]:
    """CT changed by a function and kept as float, labels as they are."""
    ct = phantom.write(folder / "ct.nii.gz", change(made.hu.copy()).astype(np.float32), made.affine)
    return ct, phantom.write(folder / "labels.nii.gz", made.labels, made.affine)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".mha"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_is_refused_with_count_and_place(tmp_path: Path, made: phantom.Phantom, suffix: str, value: float) -> None:
    """ITK's NIfTI reader would turn NaN into 0 HU, which is a soft tissue."""
    hu = made.hu.copy()
    hu[3, 4, 5] = hu[30, 30, 20] = value
    ct = phantom.write(tmp_path / f"ct{suffix}", hu, made.affine)
    with pytest.raises(DataError, match=r"2 of \d+ voxels") as caught:
        check_hounsfield(read_volume(ct))
    assert "(3, 4, 5)" in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda hu: np.full_like(hu, 40),
        lambda hu: np.clip((hu + 160) * 0.6, 0, 255),
        lambda hu: np.clip(hu, -1000, 600) + 1024,
        lambda hu: hu / 1000,
        lambda hu: np.clip(hu, 0, None),
    ],
    ids=["constant", "0 to 255", "offset 1024", "fractions", "clipped at 0"],
)
def test_what_is_not_in_hounsfield_units_is_refused(
    tmp_path: Path, made: phantom.Phantom, change: Callable[[np.ndarray], np.ndarray]
) -> None:
    with pytest.raises(DataError, match="Hounsfield"):
        import_ct(*_files(tmp_path, made, change), "L1")


def test_bone_clipped_by_a_display_window_is_refused(tmp_path: Path, made: phantom.Phantom) -> None:
    with pytest.raises(DataError, match="clipped inside the bone"):
        import_ct(*_files(tmp_path, made, lambda hu: np.clip(hu, -1024, 250)), "L1")


def test_the_usual_twelve_bit_clipping_is_fine(tmp_path: Path, made: phantom.Phantom) -> None:
    job = phantom.read_job(
        *_files(tmp_path, made, lambda hu: np.clip(hu - 300 * (hu < -900), -1024, 3071)),
        "L1",
    )
    own = bone_distance(job, job.number)
    assert own is not None
    assert check_values(job, own)["noise_hu"] == pytest.approx(8, rel=0.3)


def test_an_empty_label_map_is_refused(tmp_path: Path, made: phantom.Phantom) -> None:
    ct, labels = phantom.write_pair(tmp_path, phantom.Phantom(made.hu, made.labels * 0, made.affine))
    with pytest.raises(DataError, match="label map is empty"):
        import_ct(ct, labels, "L1")


def test_an_absent_level_names_those_present(tmp_path: Path, made: phantom.Phantom) -> None:
    with pytest.raises(DataError, match="T12, L1, L2"):
        import_ct(*phantom.write_pair(tmp_path, made), "L4")


def test_an_image_given_as_labels_is_refused(tmp_path: Path, made: phantom.Phantom) -> None:
    ct, _ = _files(tmp_path, made, lambda hu: hu)
    with pytest.raises(DataError, match="whole numbers"):
        import_ct(ct, ct, "L1")


def test_labels_on_another_grid_are_refused_unless_allowed(tmp_path: Path, made: phantom.Phantom) -> None:
    ct, _ = phantom.write_pair(tmp_path, made)
    other = phantom.make(shape=(70, 56, 52), spacing=(2.0, 2.4, 2.0))
    labels = phantom.write(tmp_path / "other.nii.gz", other.labels, other.affine)
    with pytest.raises(DataError, match="another grid") as caught:
        import_ct(ct, labels, "L1")
    assert "70 x 56 x 52 voxels" in str(caught.value)
    assert "66 x 60 x 46 voxels" in str(caught.value)
    assert "resample_labels=True" in str(caught.value)
    anatomy = import_ct(ct, labels, "L1", spacing=1.5 * mm, resample_labels=True)
    assert any("another grid" in remark for remark in anatomy.provenance["warnings"])
    np.testing.assert_allclose(anatomy.patient_from_world, np.eye(4), atol=0.05)


def test_flipped_labels_do_not_lie_on_bone(tmp_path: Path, made: phantom.Phantom) -> None:
    """The header says one thing, the voxels another: caught because the label's inside is no brighter than around."""
    flipped = phantom.Phantom(made.hu, np.ascontiguousarray(made.labels[:, ::-1]), made.affine)
    with pytest.raises(DataError, match=r"do not lie on bone|axes could not|no spinal canal"):
        import_ct(*phantom.write_pair(tmp_path, flipped), "L1")


@pytest.mark.parametrize(("axis", "keep"), [(2, slice(19, None)), (2, slice(None, 25)), (1, slice(None, 34))])
def test_a_level_cut_by_the_field_of_view_is_refused(
    tmp_path: Path, made: phantom.Phantom, axis: int, keep: slice
) -> None:
    box = tuple(keep if n == axis else slice(None) for n in range(3))
    affine = made.affine.copy()
    affine[:3, 3] += affine[:3, axis] * (keep.start or 0)
    cut = phantom.Phantom(made.hu[box], made.labels[box], affine)
    with pytest.raises(DataError, match=r"cut by the field of view|no spinal canal"):
        import_ct(*phantom.write_pair(tmp_path, cut), "L1")


def test_a_cut_spinous_process_is_only_a_remark(tmp_path: Path, made: phantom.Phantom) -> None:
    keep = 12  # in front of the tip at -56 mm
    affine = made.affine.copy()
    affine[:3, 3] += affine[:3, 1] * keep
    cut = phantom.Phantom(made.hu[:, keep:], made.labels[:, keep:], affine)
    job = phantom.read_job(*phantom.write_pair(tmp_path, cut), "L1")
    own = bone_distance(job, job.number)
    assert own is not None
    check_field(job, own, find_frame(own))
    assert any("process of the arch is cut" in remark for remark in job.remarks)


def test_slices_thicker_than_five_millimetres_are_refused(tmp_path: Path) -> None:
    thick = phantom.make(shape=(66, 60, 16), spacing=(2.2, 2.2, 6.0))
    with pytest.raises(DataError, match="too thick"):
        import_ct(*phantom.write_pair(tmp_path, thick), "L1")


@pytest.mark.slow
def test_five_millimetre_slices_are_accepted_with_a_remark(tmp_path: Path) -> None:
    thick = phantom.make(shape=(66, 60, 22), spacing=(2.2, 2.2, 5.0))
    anatomy = import_ct(*phantom.write_pair(tmp_path, thick), "L1", spacing=1.5 * mm)
    assert any("thick slices" in remark for remark in anatomy.provenance["warnings"])
    assert anatomy.landmarks.pedicle_left.centre[0] < 0 < anatomy.landmarks.pedicle_right.centre[0]


def test_a_missing_dicom_slice_is_named(tmp_path: Path, made: phantom.Phantom) -> None:
    folder = phantom.write_dicom(tmp_path / "series", made, skip=(20,))
    with pytest.raises(DataError, match="missing or unevenly spaced") as caught:
        read_volume(folder)
    assert "019.dcm and 021.dcm" in str(caught.value)


def test_a_tilted_gantry_is_refused(tmp_path: Path, made: phantom.Phantom) -> None:
    folder = phantom.write_dicom(tmp_path / "series", made, shear=0.4)
    with pytest.raises(DataError, match="gantry was tilted"):
        read_volume(folder)


def test_reading_dicom_leaves_the_locale_alone(tmp_path: Path, made: phantom.Phantom) -> None:
    before = locale.setlocale(locale.LC_CTYPE)
    read_volume(phantom.write_dicom(tmp_path / "series", made))
    assert locale.setlocale(locale.LC_CTYPE) == before


def test_two_series_in_one_folder_are_refused(tmp_path: Path, made: phantom.Phantom) -> None:
    phantom.write_dicom(tmp_path / "both" / "one", made)
    phantom.write_dicom(tmp_path / "both" / "two", made)
    with pytest.raises(DataError, match="more than one DICOM series"):
        read_volume(tmp_path / "both")


def test_a_zip_of_slices_is_read_like_the_folder(tmp_path: Path, made: phantom.Phantom) -> None:
    folder = phantom.write_dicom(tmp_path / "series", made)
    shutil.make_archive(str(tmp_path / "slices"), "zip", folder)
    zipped, loose = read_volume(tmp_path / "slices.zip"), read_volume(folder)
    np.testing.assert_array_equal(zipped.data, loose.data)
    np.testing.assert_allclose(zipped.ras_from_voxel[:3] * 1e3, made.affine[:3], atol=1e-3)


@pytest.mark.parametrize("name", ["absent.nii.gz", "notes.txt", "broken.nii.gz", "broken.zip", "empty"])
def test_files_that_are_no_volumes_are_refused_by_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "empty":
        path.mkdir()
    elif name != "absent.nii.gz":
        path.write_bytes(b"no image at all")
    with pytest.raises(DataError) as caught:
        read_volume(path)
    assert str(tmp_path) not in str(caught.value)


def test_a_zip_cannot_write_outside_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "evil.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../escaped.dcm", b"x")
    with pytest.raises(DataError):
        read_volume(path)
    assert not (tmp_path.parent / "escaped.dcm").exists()


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".mha"])
def test_a_truncated_volume_is_refused(tmp_path: Path, made: phantom.Phantom, suffix: str) -> None:
    """ITK's NIfTI reader would fill what is missing with zeros."""
    ct, _ = phantom.write_pair(tmp_path, made, suffix)
    content = ct.read_bytes()
    ct.write_bytes(content[: int(0.6 * len(content))])
    with pytest.raises(DataError, match="cannot be read"):
        read_volume(ct)


@pytest.mark.parametrize("spacing", [0.1 * mm, 2.0 * mm, 0.0])
def test_absurd_grid_spacings_are_refused(tmp_path: Path, made: phantom.Phantom, spacing: float) -> None:
    with pytest.raises(DataError, match=r"0.4 to 1.5 mm"):
        import_ct(*phantom.write_pair(tmp_path, made), "L1", spacing=spacing)
