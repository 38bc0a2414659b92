"""DICOM XA: what is written is what was shown, where the C-arm stood, and nobody takes it for a patient."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813

from vertebro.errors import CaseError, DataError, VertebroError
from vertebro.imaging import Acquisition, CArm
from vertebro.record import Run
from vertebro.units import deg
from vertebro.view import dicom_xa, export
from vertebro.view.dicom_study import MARK, ds_number, save_dataset, study_of
from vertebro.view.loops import LoopMaker


@pytest.fixture(scope="module")
def maker(small_run: Run) -> LoopMaker:
    return LoopMaker(run=small_run, most=6)


@pytest.fixture(scope="module")
def folder(small_run: Run, maker: LoopMaker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dicom") / "study"
    export.export_dicom(small_run, out, maker=maker, bits=12, parts=("xa",))
    return out


def _files(folder: Path) -> dict[str, pydicom.Dataset]:
    return {path.stem: pydicom.dcmread(path) for path in sorted((folder / "xa").glob("*.dcm"))}


def _turning(maker: LoopMaker) -> dicom_xa.XAPlane:
    """A single frame repeated while the arm turns by 10 degrees each."""
    plane, _ = maker.single("ap", 10.0)
    shots = []
    for number in range(4):
        pose = replace(plane.acquisition.shots[0].pose, orbital=number * 10 * deg)
        shots.append(replace(plane.acquisition.shots[0], pose=pose, geometry=pose.geometry, time=10.0 + number))
    loop = Acquisition(mode="pulsed", rate=7.5, phase="turn", plane="A", shots=tuple(shots))
    return replace(plane, acquisition=loop, name="turn")


def test_pydicom_and_simpleitk_read_the_pixels_that_were_shown(folder, maker):
    shown = maker.loop("injection")
    for plane, name in zip(shown, ("injection-A-ap", "injection-B-lateral"), strict=True):
        path = folder / "xa" / f"{name}.dcm"
        expected = plane.acquisition.pictures >> 4
        np.testing.assert_array_equal(pydicom.dcmread(path).pixel_array, expected)
        np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(path))), expected)


def test_highdicom_reads_the_same_pixels(folder, maker):
    shown = maker.loop("injection")
    for plane, name in zip(shown, ("injection-A-ap", "injection-B-lateral"), strict=True):
        image = hd.imread(folder / "xa" / f"{name}.dcm")
        frames = image.get_frames(apply_voi_transform=False, apply_presentation_lut=False)
        np.testing.assert_array_equal(frames, plane.acquisition.pictures >> 4)
        assert image.SOPClassUID.name == "X-Ray Angiographic Image Storage"


def test_sixteen_bits_keep_every_grey_value(small_run, maker, tmp_path):
    plane, frame = maker.single("lateral", 40.0)
    (path,) = dicom_xa.write_xa([plane], study_of(small_run), [tmp_path / "frame.dcm"])
    ds = pydicom.dcmread(path)
    np.testing.assert_array_equal(ds.pixel_array, frame.display16)
    assert (ds.BitsStored, ds.HighBit, "NumberOfFrames" in ds) == (16, 15, False)


def test_every_object_says_that_no_patient_was_there(folder):
    for ds in _files(folder).values():
        assert "SYNTHETIC" in str(ds.PatientName)
        assert MARK in ds.ImageComments
        assert ds.QualityControlImage == "YES"
        assert "simulat" in ds.Manufacturer
        assert "simulated" in ds.DerivationDescription


def test_two_planes_are_a_pair_that_refers_to_each_other(folder):
    files = _files(folder)
    a, b = files["injection-A-ap"], files["injection-B-lateral"]
    assert (a.ImageType[2], b.ImageType[2]) == ("BIPLANE A", "BIPLANE B")
    assert a.ReferencedImageSequence[0].ReferencedSOPInstanceUID == b.SOPInstanceUID
    assert b.ReferencedImageSequence[0].ReferencedSOPInstanceUID == a.SOPInstanceUID
    assert a.SeriesInstanceUID == b.SeriesInstanceUID != files["needle-A-ap"].SeriesInstanceUID
    assert len({ds.StudyInstanceUID for ds in files.values()}) == 1


def test_geometry_is_the_carm_s(folder):
    files = _files(folder)
    ap, lateral = files["injection-A-ap"], files["injection-B-lateral"]
    # prone: the detector behind the back; at +90 degrees of the arm it stands at the patient's right
    assert float(ap.PositionerPrimaryAngle) == pytest.approx(180)
    assert float(lateral.PositionerPrimaryAngle) == pytest.approx(-90)
    assert list(ap.PatientOrientation) == ["L", "F"]
    assert list(lateral.PatientOrientation) == ["P", "F"]
    assert ap.PatientPosition == "HFP"
    pose = CArm.ap()
    assert float(ap.DistanceSourceToDetector) == pytest.approx(1e3 * pose.source_detector)
    assert float(ap.DistanceSourceToPatient) == pytest.approx(1e3 * pose.source_isocentre)
    ratio = pose.source_detector / pose.source_isocentre
    assert float(ap.EstimatedRadiographicMagnificationFactor) == pytest.approx(ratio)
    assert float(ap.ImagerPixelSpacing[0]) * ap.Rows == pytest.approx(160 * ratio)  # a field of 16 cm


def test_the_collimator_s_edges_are_the_first_dark_lines(folder, maker):
    ds = _files(folder)["injection-A-ap"]
    opening = maker.camera.view("ap").opening
    inside = np.zeros_like(opening)
    # DICOM counts from 1, so the first bright row has index UpperHorizontalEdge when counted from 0
    inside[ds.CollimatorUpperHorizontalEdge : ds.CollimatorLowerHorizontalEdge - 1,
           ds.CollimatorLeftVerticalEdge : ds.CollimatorRightVerticalEdge - 1] = True  # fmt: skip
    np.testing.assert_array_equal(inside, opening)
    assert not opening.all()


def test_frame_times_and_dose_are_those_of_all_pulses(folder, maker, small_run):
    ds = _files(folder)["injection-A-ap"]
    steps = np.array(ds.FrameTimeVector, float)
    assert steps[0] == 0
    assert len(steps) == ds.NumberOfFrames == 6
    assert 1e-3 * steps.sum() == pytest.approx(small_run.times[-1] - small_run.times[0])
    plane = maker.loop("injection")[0]
    pulses = 80 * 7.5 + 1
    one = plane.acquisition.shots[0].dose
    dap = one.dose_area_product * plane.pulse_share * pulses  # Gy m2
    assert float(ds.ImageAndFluoroscopyAreaDoseProduct) == pytest.approx(dap * 1e4 * 10, rel=1e-6)  # dGy cm2
    assert ds.ExposureInuAs == pytest.approx(1e3 * one.mas * plane.pulse_share * pulses, abs=1)
    assert ds.XRayTubeCurrent == pytest.approx(one.mas * plane.pulse_share / 8e-3, abs=1)
    assert float(ds.KVP) == one.kvp


def test_a_turning_arm_is_dynamic(small_run, maker):
    ds = dicom_xa.xa_dataset(_turning(maker), study_of(small_run))
    assert ds.PositionerMotion == "DYNAMIC"
    np.testing.assert_allclose(np.array(ds.PositionerPrimaryAngleIncrement, float), [0, 10, 20, 30], atol=1e-3)


@pytest.mark.parametrize(("orbital", "cranial"), [(0, 0), (90, 0), (-30, 15), (120, -20)])
def test_angles_agree_with_the_carm_s_own(orbital, cranial):
    pose = CArm(orbital=orbital * deg, cranial=cranial * deg)
    ours = dicom_xa.positioner_angles(pose.geometry, np.eye(3))
    theirs = np.array(pose.positioner_angles) / deg
    np.testing.assert_allclose(np.exp(1j * np.deg2rad(ours)), np.exp(1j * np.deg2rad(theirs)), atol=1e-9)


def test_the_same_run_gives_the_same_bytes_and_another_seed_other_names(small_run, maker, tmp_path):
    plane, _ = maker.single("ap", 40.0)
    first, again = (dicom_xa.write_xa([plane], study_of(small_run), [tmp_path / f"{name}.dcm"])[0] for name in "ab")
    assert first.read_bytes() == again.read_bytes()
    other = replace(small_run, manifest=small_run.manifest | {"seed": 2})
    assert study_of(other).uid("study") != study_of(small_run).uid("study")
    assert study_of(small_run).uid("study").startswith("2.25.")
    assert len(study_of(small_run).uid("study")) <= 64


def test_decimal_strings_fit():
    for value in (1 / 3, -1e-7 / 3, 123456.789012345, 0.1 + 0.2, -1.0000000001e-5):
        assert len(ds_number(value)) <= 16
        assert float(ds_number(value)) == pytest.approx(value, rel=1e-6)


def test_dciodvfy_finds_neither_errors_nor_warnings(folder, small_run, maker, tmp_path):
    tool = shutil.which("dciodvfy")
    if tool is None:
        pytest.skip("dciodvfy is absent (Debian: apt-get install dicom3tools)")
    study = study_of(small_run)
    plane, _ = maker.single("30,10", 40.0)
    dicom_xa.write_xa([plane], study, [tmp_path / "single.dcm"])
    save_dataset(dicom_xa.xa_dataset(_turning(maker), study), tmp_path / "turning.dcm")
    paths = [*(folder / "xa").glob("*.dcm"), *tmp_path.glob("*.dcm")]
    assert len(paths) == 6
    for path in paths:
        answer = subprocess.run([tool, "-new", str(path)], capture_output=True, text=True, check=False)
        said = (answer.stdout + answer.stderr).split("\n")
        said = [
            line for line in said if "AngleIncrement" not in line or "Value is zero" not in line
        ]  # frame 1 is at rest
        assert [line for line in said if line.startswith(("Error", "Warning"))] == []
        assert "XAImage" in said


def test_bad_wishes_are_refused_and_leave_nothing(small_run, maker, tmp_path):
    plane, _ = maker.single("ap", 40.0)
    study = study_of(small_run)
    with pytest.raises(CaseError, match="bits"):
        dicom_xa.write_xa([plane], study, [tmp_path / "a.dcm"], bits=8)
    with pytest.raises(CaseError, match="one plane or two"):
        dicom_xa.xa_pair([plane] * 3, study)
    with pytest.raises(DataError, match="folder"):
        dicom_xa.write_xa([plane], study, [tmp_path / "no" / "a.dcm"])
    (tmp_path / "b.dcm").write_text("mine")
    with pytest.raises(DataError, match="exists already"):
        dicom_xa.write_xa([plane], study, [tmp_path / "b.dcm"])
    assert [path.name for path in tmp_path.iterdir()] == ["b.dcm"]
    assert (tmp_path / "b.dcm").read_text() == "mine"


def test_an_export_that_fails_leaves_no_folder(small_run, maker, tmp_path):
    with pytest.raises(CaseError, match="unknown loop"):
        export.export_dicom(small_run, tmp_path / "out", maker=maker, loops=("needle", "dance"))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "mine").touch()
    with pytest.raises(DataError, match="already used"):
        export.export_dicom(small_run, tmp_path / "used", maker=maker)


def test_a_truncated_run_folder_and_a_wrong_suffix_are_refused_at_the_command_line(tmp_path):
    from typer.testing import CliRunner

    from vertebro.cli.main import app

    (tmp_path / "manifest.json").write_text('{"format": 1}')
    commands = {
        "shoot": ["shoot", str(tmp_path), "--out", str(tmp_path / "f.dcm")],
        "export": ["export", str(tmp_path), "--to", "dicom", "--out", str(tmp_path / "out")],
    }
    for command in commands.values():
        assert isinstance(CliRunner().invoke(app, command).exception, VertebroError)
    for wish in (["--to", "vti", "--out", "x.vti"], ["--to", "gif", "--out", "x.mp4"]):
        assert isinstance(CliRunner().invoke(app, ["export", str(tmp_path), *wish]).exception, CaseError)
    assert isinstance(CliRunner().invoke(app, ["shoot", str(tmp_path), "--out", "f.jpg"]).exception, CaseError)
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]
