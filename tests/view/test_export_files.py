"""Volumes, fields, surfaces and tables: read back, they are the run, where the patient lay."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import pyvista as pv
import SimpleITK as sitk  # noqa: N813
from typer.testing import CliRunner

from vertebro.anatomy.surfaces import Surface
from vertebro.cli.main import app
from vertebro.errors import CaseError, DataError, MissingExtra
from vertebro.grid import VoxelGrid
from vertebro.record import Run
from vertebro.tissue import Compartment
from vertebro.units import ml, mm
from vertebro.view import export, printable
from vertebro.view.dicom_study import MARK
from vertebro.view.surface_files import read_surface
from view.placed_run import askew, centroid, lps_mm, placed


@pytest.fixture(scope="module")
def there(run: Run) -> Run:
    return placed(run)


@pytest.fixture(scope="module")
def made(there: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every format but DICOM, each in a folder (or file) of its name."""
    out = tmp_path_factory.mktemp("exports")
    for kind in export.FORMATS[1:]:
        export.export_run(there, kind, out / ("run.vtkhdf" if kind == "vtkhdf" else kind))
    return out


@pytest.mark.parametrize("kind", ["nii.gz", "nrrd"])
def test_volumes_lie_where_the_patient_lay_and_left_is_left(made, there, kind):
    image = sitk.ReadImage(str(made / kind / f"cement_fraction.{kind}"))
    cement = sitk.GetArrayFromImage(image)
    np.testing.assert_array_equal(cement.transpose(2, 1, 0), there.cement_fraction())
    grid = there.anatomy.grid
    for index in ((0, 0, 0), (5, 3, 2), tuple(n - 1 for n in grid.shape)):
        read = image.TransformIndexToPhysicalPoint(index)
        np.testing.assert_allclose(read, lps_mm(grid.world(index), askew())[0], atol=1e-3)
    left = grid.open_mesh()[0] < 0
    seen = centroid(image, cement * left.transpose(2, 1, 0))
    assert (seen - lps_mm([0, 0, 0], askew())[0])[0] > 0  # LPS: +x is the patient's left


def test_every_volume_says_its_unit_and_labels_their_names(made, there):
    index = json.loads((made / "nii.gz" / "index.json").read_text(encoding="utf-8"))
    assert index["notice"] == MARK
    assert set(index["units"]) == set(index["files"])
    assert index["compartments"][str(int(Compartment.BODY))] == "body"
    after, before = (
        sitk.GetArrayFromImage(sitk.ReadImage(str(made / "nii.gz" / f"ct_{m}.nii.gz"))) for m in ("after", "before")
    )
    cement = there.cement_fraction().transpose(2, 1, 0)
    assert (after - before)[cement > 0.3].min() > 300
    assert np.abs(after - before)[cement == 0].max() == 0
    peak = sitk.GetArrayFromImage(sitk.ReadImage(str(made / "nii.gz" / "peak_temperature_c.nii.gz")))
    np.testing.assert_array_equal(peak.transpose(2, 1, 0), there.heat.peak)


def test_fields_over_time_open_in_vtk_at_the_patient_s_place(made, there):
    """Each moment's cement, and the same cell centres from both kinds of file, to 1e-3 mm."""
    reader = pv.PVDReader(str(made / "vti" / "cement.pvd"))
    np.testing.assert_allclose(reader.time_values, there.times)
    reader.set_active_time_value(float(there.times[3]))
    image = reader.read()[0]
    read = np.asarray(image.cell_data["saturation"]).reshape(there.anatomy.grid.shape, order="F")
    np.testing.assert_array_equal(read, there.saturation[3])
    centres = np.asarray(image.cell_centers().points)
    world = there.anatomy.grid.world(np.argwhere(np.ones(there.anatomy.grid.shape[::-1]))[:, ::-1])
    np.testing.assert_allclose(centres, lps_mm(world, askew()), atol=1e-3)
    still = pv.read(made / "vti" / "still.vti")
    assert {"tissue", "compartment", "hu", "pressure", "peak_temperature_c"} <= set(still.cell_data.keys())
    from vtkmodules.vtkIOHDF import vtkHDFReader

    hdf = vtkHDFReader()
    hdf.SetFileName(str(made / "run.vtkhdf"))
    hdf.UpdateInformation()
    hdf.SetStep(3)
    hdf.Update()
    field = pv.wrap(hdf.GetOutputDataObject(0))
    np.testing.assert_array_equal(
        np.asarray(field.cell_data["cement_fraction"]).reshape(there.anatomy.grid.shape, order="F"),
        there.cement_fraction(float(there.times[3])),
    )
    np.testing.assert_allclose(np.asarray(field.cell_centers().points), lps_mm(world, askew()), atol=1e-3)


@pytest.mark.parametrize("kind", ["stl", "ply"])
def test_surfaces_are_closed_and_as_large_as_their_fields(made, there, kind):
    index = json.loads((made / kind / "index.json").read_text(encoding="utf-8"))
    assert (index["unit"], index["axes"]) == ("mm", "patient LPS")
    assert set(index["files"]) == {f"bone.{kind}", f"cement.{kind}", f"cement-leaked.{kind}"}
    bone = np.isin(there.anatomy.compartment, (Compartment.BODY, Compartment.ARCH))
    field = {"bone": bone.sum(), "cement": there.saturation[-1].sum()}
    for name, voxels in field.items():
        mesh = pv.read(made / kind / f"{name}.{kind}").clean()
        assert mesh.n_open_edges == 0
        assert mesh.is_manifold
        expected = float(voxels) * there.anatomy.grid.voxel_volume / ml
        # the needle's track is taken out of the bone
        assert float(mesh.volume) * 1e-3 == pytest.approx(expected, rel=0.04)
    head = (made / kind / f"cement.{kind}").read_bytes()[:400]
    assert b"unit mm" in head
    assert b"LPS" in head


def test_a_printed_bone_comes_back_through_our_own_reader_on_its_side(made, there):
    surface: Surface = read_surface(made / "stl" / "bone.stl", "LPS")
    bone = np.isin(there.anatomy.compartment, (Compartment.BODY, Compartment.ARCH))
    middle = there.anatomy.grid.world(np.argwhere(bone)).mean(axis=0)
    a, b, c = np.moveaxis(surface.points[surface.triangles], 1, 0)
    volume = np.einsum("ij,ij->i", a, np.cross(b, c))
    centre = ((a + b + c) * volume[:, None]).sum(axis=0) / 4 / volume.sum()  # of the tetrahedra from the origin
    np.testing.assert_allclose(centre * 1e3, lps_mm(middle, askew())[0] * [-1, -1, 1], atol=1.0)


def test_the_leak_on_the_right_is_printed_on_the_right(made):
    leaks = pv.read(made / "stl" / "cement-leaked.stl")
    vein = max(leaks.split_bodies(), key=lambda piece: abs(piece.center[0] - lps_mm([0, 0, 0], askew())[0][0]))
    assert vein.center[0] < lps_mm([0, 0, 0], askew())[0][0] - 10


def test_a_ball_has_its_volume_and_an_empty_field_is_refused():
    grid = VoxelGrid.around([-0.01] * 3, [0.01] * 3, 1e-3)
    distance = np.sqrt(sum(x**2 for x in grid.open_mesh()))
    ball = np.clip((8e-3 - distance) / 1e-3 + 0.5, 0, 1)
    mesh = printable.closed_surface(ball, grid)
    assert float(mesh.volume) == pytest.approx(4 / 3 * np.pi * 8e-3**3, rel=0.01)
    assert float(np.abs(np.asarray(mesh.points)).max()) == pytest.approx(8e-3, abs=0.2 * mm)
    full = printable.closed_surface(np.ones(grid.shape), grid)  # cement up to the border closes all the same
    assert full.n_open_edges == 0
    with pytest.raises(DataError, match="nothing to draw"):
        printable.closed_surface(np.zeros(grid.shape), grid)


def test_curves_read_back_are_the_history(made, there):
    with (made / "csv" / "curves.csv").open(encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows[0] == list(there.history)
    read = np.array(rows[1:], float)
    np.testing.assert_array_equal(read, np.column_stack(list(there.history.values())))
    assert all(name.endswith(("_s", "_m3", "_pa", "_n", "_m3_s", "_pa_s", "_c", "_ml", "_mm")) for name in rows[0])


def test_parquet_holds_the_same_tables(made, there):
    pq = pytest.importorskip("pyarrow.parquet")
    curves = pq.read_table(made / "parquet" / "curves.parquet")
    assert curves.schema.metadata[b"notice"].decode() == MARK
    for name, column in there.history.items():
        np.testing.assert_array_equal(curves[name].to_numpy(), column)
    leaks = pq.read_table(made / "parquet" / "leaks.parquet")
    assert leaks["kind"].to_pylist() == ["D", "S"]
    assert leaks["t_visible_s"].to_pylist() == [None, None]
    np.testing.assert_allclose(
        [leaks[f"position_lps_{axis}_mm"][1].as_py() for axis in "xyz"],
        lps_mm([24e-3, -1e-3, -1e-3], askew())[0],
        atol=1e-3,
    )
    events = pq.read_table(made / "parquet" / "events.parquet").to_pylist()
    assert [e["event"] for e in events] == [e["event"] for e in there.events]
    assert json.loads(events[0]["details_json"]) == {"rate_ml_min": 3.0}
    assert pq.read_table(made / "parquet" / "heat.parquet")["highest_c"].to_pylist() == [37.0, 51.123456789012345]


def test_a_run_without_leaks_heat_or_leaked_cement_exports_what_it_has(calm_run, tmp_path):
    index = export.export_run(calm_run, "parquet", tmp_path / "tables")
    assert index["rows"]["leaks"] == 0
    assert "heat" not in index["rows"]
    assert export.export_run(calm_run, "stl", tmp_path / "stl")["files"] == ["bone.stl", "cement.stl"]
    assert "peak_temperature_c.nrrd" not in export.export_run(calm_run, "nrrd", tmp_path / "nrrd")["files"]


def test_targets_in_use_unknown_formats_and_absent_packages_are_refused(there, tmp_path, monkeypatch):
    with pytest.raises(CaseError, match="unknown format") as caught:
        export.export_run(there, "docx", tmp_path / "x")
    assert "parquet" in str(caught.value)
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "mine").write_text("mine")
    with pytest.raises(DataError, match="already used"):
        export.export_run(there, "csv", tmp_path / "used")
    with pytest.raises(DataError, match="exists already"):
        export.export_run(there, "vtkhdf", tmp_path / "used" / "mine")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match="pyarrow"):
        export.export_run(there, "parquet", tmp_path / "tables")
    assert [path.name for path in tmp_path.iterdir()] == ["used"]
    assert (tmp_path / "used" / "mine").read_text() == "mine"


@pytest.mark.parametrize("kind", ["nii.gz", "vti", "stl", "vtkhdf"])
def test_a_write_that_fails_half_way_leaves_nothing(there, tmp_path, monkeypatch, kind):
    from vertebro.view import field_files

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    for module, name in (
        (field_files, "write_volume"), (field_files, "_save_image"), (field_files, "write_image_series"),
        (printable, "_save"),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, full)
    with pytest.raises(DataError, match=r"disk is full|cannot write"):
        export.export_run(there, kind, tmp_path / f"out.{kind}")
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_exports_and_refuses(there, tmp_path):
    there.save(tmp_path / "run")
    runner = CliRunner()
    answer = runner.invoke(
        app, ["export", str(tmp_path / "run"), "--to", "csv", "--out", str(tmp_path / "t"), "--json"]
    )
    assert answer.exit_code == 0, answer.output
    assert (tmp_path / "t" / "curves.csv").is_file()
    assert json.loads(answer.stdout)["format"] == "csv"
    wish = ["--only", "seg", "--ct-pixels", "32", "--ct-slice", "6 mm", "--ct-field", "12 cm"]
    answer = runner.invoke(app, ["export", str(tmp_path / "run"), "--to", "dicom", "--out", str(tmp_path / "d"), *wish])
    assert answer.exit_code == 0, answer.output
    assert {path.name for path in (tmp_path / "d").iterdir()} == {"ct-before", "ct-after", "seg", "index.json"}
    answer = runner.invoke(app, ["export", str(tmp_path / "run"), "--to", "docx", "--out", str(tmp_path / "x")])
    assert isinstance(answer.exception, CaseError)
    answer = runner.invoke(app, ["export", str(tmp_path / "run"), "--to", "vtkhdf", "--out", str(tmp_path / "x")])
    assert isinstance(answer.exception, CaseError)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d", "run", "t"]
