"""The run folder: whole or not at all, and readable by others."""

from __future__ import annotations

import errno
import json

import h5py
import numpy as np
import pytest

from vertebro import record
from vertebro.case import Case
from vertebro.errors import DataError
from vertebro.record import Run, check_free


def test_a_run_folder_holds_what_the_design_lists(run_folder):
    names = {path.name for path in run_folder.iterdir()}
    assert {"case.toml", "run.vtkhdf", "events.jsonl", "summary.json", "frames", "manifest.json"} <= names
    summary = json.loads((run_folder / "summary.json").read_text())
    wanted = (
        "simulated_s wall_s volume_injected_ml volume_in_body_ml body_volume_ml fill_fraction volume_balance_error "
        "peak_syringe_pressure_kpa peak_bone_pressure_kpa peak_temperature_c leaks dose warnings"
    )
    assert set(wanted.split()) <= set(summary)


def test_a_run_reads_back_as_it_was(run_folder, short_run):
    again = Run.load(run_folder)
    assert again.case == short_run.case
    assert np.array_equal(again.saturation, short_run.saturation)
    assert np.array_equal(again.injection_time, short_run.injection_time, equal_nan=True)
    assert again.events == short_run.events
    assert again.summary == short_run.summary
    assert [p.name for p in again.pictures] == [p.name for p in short_run.pictures]
    assert np.array_equal(again.pictures[-1].display16, short_run.pictures[-1].display16)
    for name, column in short_run.history.items():
        assert np.array_equal(again.history[name], column)


def test_the_fields_lie_as_vtk_wants_them(run_folder, short_run):
    """VTKHDF ImageData: [time, superior, anterior, right], one offset per step and array."""
    with h5py.File(run_folder / "run.vtkhdf") as file:
        root = file["VTKHDF"]
        assert root.attrs["Type"] == b"ImageData"
        steps = int(root["Steps"].attrs["NSteps"])
        assert root["CellData/saturation"].shape == (steps, *short_run.anatomy.grid.shape[::-1])
        assert root["Steps/CellDataOffsets/hu"][-1] == 0
        assert root["Steps/CellDataOffsets/saturation"][-1] == steps - 1


def test_vtk_reads_the_fields(run_folder, short_run):
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkIOHDF import vtkHDFReader

    reader = vtkHDFReader()
    reader.SetFileName(str(run_folder / "run.vtkhdf"))
    reader.UpdateInformation()
    reader.UpdateTimeStep(float(short_run.times[-1]))
    image = reader.GetOutputDataObject(0)
    values = vtk_to_numpy(image.GetCellData().GetArray("saturation"))
    assert np.array_equal(values.reshape(short_run.anatomy.grid.shape[::-1]).T, short_run.saturation[-1])
    assert np.allclose(image.GetSpacing(), short_run.anatomy.grid.spacing)


def test_a_used_folder_is_refused(run_folder, short_run):
    with pytest.raises(DataError, match="already used"):
        short_run.save(run_folder)


def test_a_full_disk_leaves_nothing_behind(short_run, tmp_path, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(record, "_write_fields", full)
    with pytest.raises(DataError, match="disk is full"):
        short_run.save(tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_a_nearly_full_disk_is_refused_before_the_run(tmp_path):
    with pytest.raises(DataError, match="too full"):
        check_free(tmp_path / "run", needed=1e18)


@pytest.mark.parametrize("name", ["run.vtkhdf", "anatomy.h5"])
def test_a_truncated_file_is_a_data_error(short_run, tmp_path, name):
    folder = short_run.save(tmp_path / "run")
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: len(data) // 3])
    with pytest.raises(DataError):
        Run.load(folder)


def test_no_run_folder_is_said_so(tmp_path):
    with pytest.raises(DataError, match="not a run folder"):
        Run.load(tmp_path)


def test_a_moment_outside_the_run_is_refused(short_run):
    with pytest.raises(DataError, match="no such moment"):
        short_run.cement_fraction(1e4)


def test_the_saved_case_is_complete(run_folder, short_run):
    assert Case.load(run_folder) == short_run.case
