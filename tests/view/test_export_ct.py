"""CT and segmentation as DICOM: other readers find every pixel where the patient had it, left on the left."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest

from anatomy import ct_phantom as phantom
from vertebro.anatomy.from_ct import import_volumes
from vertebro.anatomy.volumes import read_volume
from vertebro.errors import CaseError, DataError
from vertebro.imaging import CTSlice, Scanner
from vertebro.record import Run
from vertebro.scan_series import ct_series
from vertebro.scans import ct_scanner
from vertebro.units import mm
from vertebro.view import export
from vertebro.view.dicom_ct import CTSeries, ct_datasets
from vertebro.view.dicom_seg import seg_dataset
from vertebro.view.dicom_study import MARK, study_of
from vertebro.view.segments import run_segments
from view.placed_run import askew, centroid, lps_mm, placed, read_series

WISH = export.CTWish(width=0.11, pixels=96, thickness=3e-3)


@pytest.fixture(scope="module")
def there(run: Run) -> Run:
    return placed(run)


@pytest.fixture(scope="module")
def folder(there: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("ct") / "study"
    export.export_dicom(there, out, parts=("ct", "seg"), ct=WISH)
    return out


def _slices(folder: Path, moment: str = "after") -> list[pydicom.Dataset]:
    return [pydicom.dcmread(path) for path in sorted((folder / f"ct-{moment}").glob("*.dcm"))]


def test_simpleitk_and_pydicom_find_the_landmarks_where_the_patient_has_them(folder, there):
    """Geometry to 1e-3 mm: a landmark's own pixel leads back to the landmark."""
    marks = there.anatomy.landmarks
    points = np.array([marks.pedicle_left.centre, marks.pedicle_right.centre, marks.spinous_tip, marks.canal_centre])
    grid = list(ct_series(there.scene, width=WISH.width, pixels=WISH.pixels, thickness=WISH.thickness))
    first, pitch = grid[0], WISH.width / WISH.pixels
    # in the world's axes: columns run to the left, rows to the back, slices upwards
    pixel = (points - first.origin) / np.array([-pitch, -pitch, WISH.thickness])
    image, expected = read_series(folder / "ct-after"), lps_mm(points, askew())
    read = [image.TransformContinuousIndexToPhysicalPoint(index.tolist()) for index in pixel]
    np.testing.assert_allclose(read, expected, atol=1e-3)
    slices = _slices(folder)
    for (column, row, k), place in zip(pixel, expected, strict=True):
        ds = slices[0]
        right, down = (np.array(ds.ImageOrientationPatient[i : i + 3], float) for i in (0, 3))
        dy, dx = (float(x) for x in ds.PixelSpacing)
        start = np.array(slices[0].ImagePositionPatient, float)
        step = np.array(slices[1].ImagePositionPatient, float) - start
        np.testing.assert_allclose(start + column * dx * right + row * dy * down + k * step, place, atol=1e-3)


def test_cement_injected_on_the_left_lies_on_the_left(folder, there):
    """What the CT after shows more than the CT before lies at +x of the body's middle in LPS, on the cement."""
    after, before = (np.stack([ds.pixel_array for ds in _slices(folder, m)]).astype(float) for m in ("after", "before"))
    image = read_series(folder / "ct-after")
    seen = centroid(image, np.where(after - before > 400, after - before, 0))
    inside = there.cement_fraction() * (there.anatomy.grid.open_mesh()[0] < 0)
    r, a, s = (float((inside * x).sum() / inside.sum()) for x in there.anatomy.grid.open_mesh())
    np.testing.assert_allclose(seen, lps_mm([r, a, s], askew())[0], atol=6.0)
    middle = lps_mm([0, 0, 0], askew())[0]
    left_of = lps_mm([-0.01, 0, 0], askew())[0] - middle
    assert left_of[0] > 0
    assert (np.array(centroid(image, (after - before > 900).astype(float))) - middle) @ left_of > 0


def test_pixels_are_the_hall_s_hounsfield_units(folder, there):
    expected = [
        picture.hu
        for picture in ct_series(
            there.scene,
            there.cement_fraction(),
            number=1,
            width=WISH.width,
            pixels=WISH.pixels,
            thickness=WISH.thickness,
        )
    ]
    for ds, hu in zip(_slices(folder), expected, strict=True):
        read = ds.pixel_array * float(ds.RescaleSlope) + float(ds.RescaleIntercept)
        np.testing.assert_allclose(read, hu, atol=0.51)


def test_headers_say_what_this_is(folder, there):
    before, after = _slices(folder, "before"), _slices(folder)
    for ds in (*before, *after):
        assert MARK in ds.ImageComments
        assert ds.ImageType[:2] == ["DERIVED", "SECONDARY"]
        assert "simulated" in ds.DerivationDescription
        assert (float(ds.KVP), ds.RescaleType, float(ds.SliceThickness)) == (120.0, "HU", 3.0)
        assert list(ds.WindowCenterWidthExplanation) == ["BONE", "SOFT TISSUE"]
    both = [*before, *after]
    assert len({ds.FrameOfReferenceUID for ds in both}) == len({ds.StudyInstanceUID for ds in both}) == 1
    assert before[0].SeriesInstanceUID != after[0].SeriesInstanceUID
    assert len({ds.SOPInstanceUID for ds in both}) == len(both)
    assert after[0].StudyInstanceUID == study_of(there).uid("study")


def test_segments_lie_on_the_ct_pixel_by_pixel(folder, there):
    seg, slices = hd.seg.segread(folder / "seg" / "segmentation.dcm"), _slices(folder)
    labels = {seg.get_segment_description(n).segment_label: n for n in seg.segment_numbers}
    assert {"vertebral body", "vertebral arch", "vertebral canal", "cement in the bone"} <= set(labels)
    assert "cement leaked into veins" in labels
    pixels = seg.get_pixels_by_source_instance(
        [ds.SOPInstanceUID for ds in slices], assert_missing_frames_are_empty=True
    )
    hu = np.stack([ds.pixel_array for ds in slices])
    cement = pixels[..., list(seg.segment_numbers).index(labels["cement in the bone"])] > 0
    body = pixels[..., list(seg.segment_numbers).index(labels["vertebral body"])] > 0
    assert hu[cement].mean() > 900 > hu[body & ~cement].mean()
    voxel = np.prod([*(float(x) for x in slices[0].PixelSpacing), float(slices[0].SliceThickness)]) * 1e-9
    assert body.sum() * voxel == pytest.approx(there.anatomy.body_volume, rel=0.03)
    assert str(seg.FrameOfReferenceUID) == str(slices[0].FrameOfReferenceUID)


def test_left_and_right_foramina_are_named_by_their_side(there):
    """The codes of the segments follow the compartments, which name their sides."""
    from vertebro.tissue import Compartment

    marked = there.anatomy.compartment.copy()
    r = there.anatomy.grid.open_mesh()[0]
    for sign, part in ((-1, Compartment.FORAMEN_LEFT), (1, Compartment.FORAMEN_RIGHT)):
        marked[np.broadcast_to((abs(r - sign * 0.03) < 3e-3), marked.shape)] = part
    anatomy = replace(there.anatomy, compartment=marked)
    parts = {s.label: s.mask for s in run_segments(replace(there, scene=replace(there.scene, anatomy=anatomy)))}
    assert (parts["foramen, left"] * r).sum() < 0 < (parts["foramen, right"] * r).sum()


def test_dciodvfy_finds_no_errors(folder):
    tool = shutil.which("dciodvfy")
    if tool is None:
        pytest.skip("dciodvfy is absent (Debian: apt-get install dicom3tools)")
    paths = [*sorted((folder / "ct-before").glob("*.dcm"))[:2], *sorted((folder / "ct-after").glob("*.dcm"))[-2:]]
    for path in [*paths, folder / "seg" / "segmentation.dcm"]:
        answer = subprocess.run([tool, "-new", str(path)], capture_output=True, text=True, check=False)
        said = (answer.stdout + answer.stderr).splitlines()
        # an own coding scheme has no place in its list
        said = [line for line in said if "Unrecognized defined term = <99VERTEBRO>" not in line]
        assert [line for line in said if line.startswith(("Error", "Warning"))] == []
        assert said[0].startswith("Segmentation" if "seg" in path.parts else "CTImage")


def test_the_same_run_gives_the_same_bytes(folder, there, tmp_path):
    export.export_dicom(there, tmp_path / "again", parts=("seg",), ct=WISH)
    for path in (p.relative_to(folder) for p in folder.rglob("*.dcm")):
        assert (tmp_path / "again" / path).read_bytes() == (folder / path).read_bytes(), path


def test_an_imported_ct_overlays_its_original(run, tmp_path):
    """Landmarks agree to 1e-3 mm, and the exported pixels show what the original shows at the same place."""
    import SimpleITK as sitk  # noqa: N813

    pose = phantom.rotation(kyphosis=14.0, scoliosis=-8.0, turn=5.0)
    pose[:3, 3] = (31.0, -17.0, 640.0)
    made = phantom.make(ras_from_phantom=pose, shape=(72, 62, 50), spacing=(2.2, 2.2, 2.2))
    ct, labels = phantom.write_pair(tmp_path, made)
    anatomy = import_volumes(read_volume(ct), read_volume(labels), "L1", spacing=1.5 * mm)
    nothing = np.zeros((1, *anatomy.grid.shape), np.float32)
    scene = replace(run.scene, anatomy=anatomy, needles=())
    mine = replace(run, scene=scene, times=run.times[:1], saturation=nothing, injection_time=nothing[0], veins=None)
    wish = export.CTWish(width=0.1, pixels=80, thickness=1.5e-3)
    export.export_dicom(mine, tmp_path / "study", parts=("ct",), ct=wish)
    assert ct_scanner(scene).noise == 0
    image, original = read_series(tmp_path / "study" / "ct-before"), sitk.ReadImage(str(ct))
    marks = anatomy.landmarks
    points = np.array([marks.pedicle_left.centre, marks.pedicle_right.centre, [0, 0, 0]])
    first = next(iter(ct_series(scene, width=0.1, pixels=80, thickness=1.5e-3)))
    pixel = (points - first.origin) / np.array([-0.1 / 80, -0.1 / 80, 1.5e-3])
    read = [image.TransformContinuousIndexToPhysicalPoint(index.tolist()) for index in pixel]
    np.testing.assert_allclose(read, lps_mm(points, anatomy.patient_from_world), atol=1e-3)
    there = sitk.GetArrayFromImage(sitk.Resample(original, image, sitk.Transform(), sitk.sitkLinear, -1000.0))
    shown = sitk.GetArrayFromImage(image)
    core = (slice(8, -8), slice(20, -20), slice(3, -3))  # the ball on the left is in it
    likeness = np.corrcoef(there[core].ravel(), shown[core].ravel())[0, 1]
    mirrored = np.corrcoef(there[core][:, :, ::-1].ravel(), shown[core].ravel())[0, 1]
    assert likeness > 0.97
    assert mirrored < 0.9


def test_bad_wishes_are_refused_and_leave_nothing(there, tmp_path):
    with pytest.raises(CaseError, match="unknown part"):
        export.export_dicom(there, tmp_path / "out", parts=("mri",))
    with pytest.raises(CaseError, match="impossible CT"):
        export.CTWish(pixels=4)
    with pytest.raises(CaseError, match="impossible CT"):
        export.CTWish(thickness=0.0)
    assert list(tmp_path.iterdir()) == []


def test_impossible_slices_are_refused(there):
    series = CTSeries(
        name="x", number=1, time=0.0, patient_from_world=np.eye(4), scanner=Scanner(), source="a test"
    )  # fmt: skip
    study = study_of(there)
    with pytest.raises(DataError, match="without slices"):
        ct_datasets([], series, study)
    step = np.array([0.0, -1e-3, 0.0])
    bright = CTSlice(
        hu=np.full((4, 4), 4e4, np.float32), origin=np.zeros(3), row_step=step, col_step=step[[1, 0, 2]],
        plane="axial", thickness=1e-3,
    )  # fmt: skip
    with pytest.raises(DataError, match="do not fit"):
        ct_datasets([bright], series, study)
    far = replace(bright, hu=np.zeros((4, 4), np.float32), origin=np.ones(3))
    sets = ct_datasets([far], series, study)
    with pytest.raises(DataError, match="no segment meets"):
        seg_dataset(run_segments(there), [far], sets, there.anatomy.grid, study, number=1)


def test_a_reconstructed_series_lies_where_the_fast_one_does(there):
    size = {"width": 0.1, "pixels": 64, "thickness": 8e-3}
    fast = list(ct_series(there.scene, there.cement_fraction(), **size))
    slow = list(ct_series(there.scene, there.cement_fraction(), mode="reconstructed", **size))
    assert len(fast) == len(slow)
    for a, b in zip(fast, slow, strict=True):
        np.testing.assert_allclose(a.origin, b.origin)
        np.testing.assert_allclose((a.row_step, a.col_step), (b.row_step, b.col_step))
    middle = len(fast) // 2
    assert np.corrcoef(fast[middle].hu.ravel(), slow[middle].hu.ravel())[0, 1] > 0.8
