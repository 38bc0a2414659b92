"""Runs compared: only what differs, every number once per run, refusals with a cure."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vertebro.cli.main import app
from vertebro.errors import CaseError, DataError
from vertebro.record import Run
from vertebro.view import report, report_compare, write_comparison
from view.page import Page


@pytest.fixture(scope="module")
def other(calm_run: Run) -> Run:
    """Another run: thinner marrow, 3 ml, no leak, a title that would be markup."""
    case = calm_run.case.with_settings({"marrow.viscosity": "0.2 Pa.s", "steps.0.volume": "3 ml"})
    case = case.model_copy(update={"title": "<i>thin</i> marrow"})
    summary = calm_run.summary | {"volume_injected_ml": 3.0, "peak_bone_pressure_kpa": 90.0}
    return dataclasses.replace(calm_run, scene=dataclasses.replace(calm_run.scene, case=case), summary=summary)


@pytest.fixture(scope="module")
def html(run: Run, other: Run) -> str:
    return report_compare.render_comparison([run, other])


def test_only_what_differs_is_listed(run: Run, other: Run) -> None:
    rows, equal = report_compare.setting_rows([run, other])
    assert {row["name"]: row["values"] for row in rows} == {
        "marrow: viscosity": [f"{run.case.marrow.viscosity:g} Pa·s", "0.2 Pa·s"],
        "steps 1: volume": ["5 mL", "3 mL"],
    }
    assert equal > 50
    assert report_compare.setting_rows([run, run])[0] == []


def test_a_step_of_one_run_only_is_one_row(run: Run) -> None:
    two = run.case.model_copy(update={"steps": (*run.case.steps, *run.case.steps)})
    longer = dataclasses.replace(run, scene=dataclasses.replace(run.scene, case=two))
    (row,) = report_compare.setting_rows([run, longer])[0]
    assert row["name"] == "steps 2"
    assert row["values"][0] == "–"
    assert row["values"][1]


def test_numbers_come_with_their_difference_from_the_first(run: Run, other: Run) -> None:
    rows = {row["name"]: row for row in report_compare.number_rows([run.summary, other.summary])}
    assert [cell["value"] for cell in rows["cement injected"]["cells"]] == ["4.00", "3.00"]
    assert rows["cement injected"]["cells"][1]["change"] == "−1.00, −25 %"
    assert rows["leaked"]["cells"][1] == {"value": "0.000", "change": "−0.300, −100 %"}
    assert rows["filling"]["cells"][1]["change"] == "same"
    assert [cell["value"] for cell in rows["first leak"]["cells"]] == ["42", "–"]
    assert "hottest cement" not in rows
    assert "hottest bone beside it" not in rows


def test_leaks_stand_side_by_side(run: Run, other: Run) -> None:
    rows = {row["kind"]: row["cells"] for row in report_compare.leak_rows([run.summary, other.summary])}
    assert rows == {
        "S": ["0.09 mL from 1 min, not seen", "–"],
        "D": ["0.21 mL from 42 s, not seen", "–"],
    }


def test_other_code_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_compare, "_pictures", lambda runs, letters: [])
    newer = dataclasses.replace(run, manifest=run.manifest | {"kernel_hash": "ffff"})
    assert report_compare.version_rows([run, newer]) == [{"name": "kernel hash", "values": ["0123abcd", "ffff"]}]
    assert "The runs were made by different code" in report_compare.render_comparison([run, newer])


def test_page_is_whole_safe_and_readable(html: str) -> None:
    page = Page(html)
    assert not page.open
    assert all(address.startswith(("data:", "#")) for address in page.addresses)
    assert {address[1:] for address in page.addresses if address.startswith("#")} <= set(page.ids)
    assert "<script" not in html
    assert "<i>thin</i>" not in html
    assert "&lt;i&gt;thin&lt;/i&gt;" in html
    assert all(len(image["alt"] or "") > 20 for image in page.images)
    assert {str(image["alt"])[:5] for image in page.images} == {"Run A", "Run B"}
    assert len(html.encode()) < 6_000_000


def test_curves_of_all_runs_are_in_each_chart(html: str) -> None:
    charts = html.split('<svg class="chart"')[1:]
    assert len(charts) == 5
    for chart in charts:
        assert "A from" in chart
        assert "B from" in chart


def test_a_comparison_is_written_once(run: Run, other: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_compare, "render_comparison", lambda runs: f"{len(runs)} runs")
    path = write_comparison([run, other], tmp_path / "compare.html")
    assert path.read_text() == "2 runs"
    with pytest.raises(DataError, match="exists already"):
        write_comparison([run, other], path)


def test_impossible_comparisons_are_refused(run: Run, other: Run, tmp_path: Path) -> None:
    out = tmp_path / "compare.html"
    for runs in ([], [run], [run] * 9):
        with pytest.raises(CaseError, match="needs other runs") as caught:
            write_comparison(runs, out)
        assert "2 to 8" in str(caught.value)
    with pytest.raises(CaseError, match="named twice"):
        write_comparison([run, other, run], out)
    folder = tmp_path / "run"
    folder.mkdir()
    with pytest.raises(CaseError, match="named twice"):
        write_comparison([folder, tmp_path / "x" / ".." / "run"], out)
    with pytest.raises(DataError, match="not a run folder"):
        write_comparison([folder, tmp_path / "missing"], out)
    assert not out.exists()


def test_a_damaged_folder_is_named(run: Run, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "manifest.json").write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match="damaged") as caught:
        write_comparison([run, broken], tmp_path / "compare.html")
    assert str(broken) in str(caught.value)


def test_the_command_compares_several_runs_and_reports_one(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[object, ...]] = []

    def compare(folders: list[Path], out: Path) -> Path:
        asked.append((*(folder.name for folder in folders), out.name))
        return out

    def tell(run: Run, out: Path | None, *, film: bool) -> Path:
        asked.append((out, film))
        return Path("report.html")

    monkeypatch.setattr(report_compare, "write_comparison", compare)
    monkeypatch.setattr(report, "write_report", tell)
    monkeypatch.setattr(Run, "load", lambda folder: run)
    runner = CliRunner()
    assert runner.invoke(app, ["report", "a", "b", "--out", "c.html"]).exit_code == 0
    assert runner.invoke(app, ["report", "a", "--movie"]).exit_code == 0
    assert asked == [("a", "b", "c.html"), (None, True)]


@pytest.mark.parametrize(
    ("words", "says"), [(["a", "b"], "needs a name"), (["a", "b", "--out", "c.html", "--movie"], "has no loop")]
)
def test_the_command_refuses_what_it_cannot_do(words: list[str], says: str) -> None:
    found = CliRunner().invoke(app, ["report", *words]).exception
    assert isinstance(found, CaseError)
    assert says in str(found)
