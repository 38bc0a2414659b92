"""The command line as a user meets it: in a process of its own, one JSON object on stdout, exit codes."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


def vertebro(*words, stdin=None):
    command = [sys.executable, "-m", "vertebro.cli.main", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, input=stdin, timeout=600)


def test_cases_and_new_feed_each_other(tmp_path):
    listed = json.loads(vertebro("cases", "--json").stdout)["cases"]
    assert "first-injection" in listed
    text = vertebro("new", "two-needles").stdout
    (tmp_path / "case.toml").write_text(text)
    answer = vertebro("check", tmp_path / "case.toml", "--json")
    assert answer.returncode == 0, answer.stderr
    facts = json.loads(answer.stdout)
    assert facts["ok"]
    assert {needle["needle"] for needle in facts["needles"]} == {"left", "right"}


def test_schema_lists_the_tables():
    assert {"anatomy", "cement", "needles", "steps"} <= set(json.loads(vertebro("schema").stdout)["properties"])


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("run", "absent.toml", "--out", "x"), 2, "cannot read"),
        (("run", "first-injection", "--out", "x", "--set", "needles.0.guage=3"), 2, "did you mean"),
        (("run", "first-injection", "--out", "x", "--set", "nonsense"), 2, "key=value"),
        (("new", "no-such-case"), 2, "first-injection"),
        (("explain", "cement.glue"), 2, "kyphon-hvr"),
        (("explain", "cement.confidence", "--plot", "x.docx"), 2, ".png"),
        (("explain", "needles.gauge", "--plot", "x.png"), 2, "only cements"),
        (("report", "no-such-folder"), 3, "not a run folder"),
        (("import", "absent.nii.gz", "--labels", "absent.nii.gz", "--level", "L1", "--out", "x"), 3, "absent.nii.gz"),
    ],
)
def test_errors_have_codes_and_name_the_cure(words, code, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    answer = vertebro(*words)
    assert answer.returncode == code
    assert says in answer.stderr
    assert "Traceback" not in answer.stderr
    assert list(tmp_path.iterdir()) == []


def test_errors_are_json_when_asked(tmp_path):
    answer = vertebro("report", tmp_path, "--json")
    assert answer.returncode == 3
    assert json.loads(answer.stdout)["error"] == "DataError"


def test_explain_prints_a_card_with_sources_and_a_plot(tmp_path):
    """Every number with unit, range, mark and source; 13.5 min stays 13.5 min; the curve climbs to the right."""
    answer = vertebro("explain", "cement.kyphon-hvr", "--plot", tmp_path / "hvr.png")
    assert answer.returncode == 0, answer.stderr
    row = next(line for line in answer.stdout.splitlines() if line.startswith("set_time"))
    assert row.split()[1:6] == ["13.5", "12", "to", "15", "min"]
    assert "kyphon_ifu: Medtronic" in answer.stdout
    curve = [line for line in answer.stdout.splitlines() if "|" in line]
    columns = [line.index("o") for line in curve if "o" in line]
    assert len(columns) >= 8
    assert columns == sorted(columns, reverse=True)
    assert (tmp_path / "hvr.png").read_bytes()[:4] == b"\x89PNG"


def test_explain_card_as_json_is_complete():
    facts = json.loads(vertebro("explain", "cement.simplex-p", "--json").stdout)
    assert {row["source"] for row in facts["numbers"]} == set(facts["sources"])
    assert all(row["low"] <= row["value"] <= row["high"] for row in facts["numbers"])
    warm, room = (facts["viscosity_at_rest_pa_s"]["at_degc"][key] for key in ("37", "23"))
    assert all(hot >= cool for hot, cool in zip(warm, room, strict=True))


def test_run_shoot_ct_and_report_work_together(tmp_path):
    out = tmp_path / "run"
    quick = ["anatomy.spacing=1.5 mm", "steps.0.volume=0.6 ml", "imaging.rows=96", "imaging.frames=2"]
    settings = [word for text in quick for word in ("--set", text)]
    answer = vertebro("run", "-", "--out", out, *settings, "--json", stdin=vertebro("new").stdout)
    assert answer.returncode == 0, answer.stderr
    facts = json.loads(answer.stdout)
    assert facts["volume_injected_ml"] == pytest.approx(0.6)
    assert (out / "report.html").stat().st_size > 50_000
    assert vertebro("shoot", out, "--view", "30,10", "--at", "5", "--out", tmp_path / "f.png").returncode == 0
    assert vertebro("ct", out, "--out", tmp_path / "ct.nii.gz").returncode == 0
    assert vertebro("ct", out, "--out", tmp_path / "planes").returncode == 0
    assert {path.name for path in (tmp_path / "planes").iterdir()} == {"axial.png", "sagittal.png", "coronal.png"}
    again = vertebro("run", "first-injection", "--out", out)
    assert again.returncode == 3
    assert "already used" in again.stderr


def test_the_exported_ct_lies_where_the_patient_lay(run_folder, short_run, tmp_path):
    """RAS metres become LPS millimetres: the voxel that holds the tip is found again at the tip's place."""
    import numpy as np
    import SimpleITK as sitk  # noqa: N813

    from vertebro.scan_files import save_ct_volume

    save_ct_volume(short_run.scene, tmp_path / "ct.nii.gz", short_run.cement_fraction())
    image = sitk.ReadImage(str(tmp_path / "ct.nii.gz"))
    tip = short_run.scene.needles[0].tip
    patient = short_run.anatomy.patient_from_world @ [*tip, 1.0]
    index = image.TransformPhysicalPointToContinuousIndex((patient[:3] * [-1, -1, 1] * 1e3).tolist())
    assert np.allclose(index, short_run.anatomy.grid.index(tip), atol=1e-3)
    assert np.max(sitk.GetArrayFromImage(image)) > 2000
