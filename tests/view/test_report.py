"""The report: whole in itself, safe, honest, complete."""

from __future__ import annotations

import dataclasses
from html.parser import HTMLParser
from pathlib import Path

import pytest

from vertebro.errors import DataError
from vertebro.record import Run
from vertebro.sources import SOURCES
from vertebro.view import report, tables, write_report

VOID = {"meta", "img", "br", "link", "input"}


class Page(HTMLParser):
    """Collects pictures, addresses and open tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.images: list[dict[str, str | None]] = []
        self.addresses: list[str] = []
        self.open: list[str] = []
        self.headings: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        self.addresses += [value for key in ("src", "href") if (value := known.get(key))]
        if tag == "img":
            self.images.append(known)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)


@pytest.fixture(scope="module")
def html(run: Run) -> str:
    return report.render_report(run)


def test_report_holds_everything_itself(html: str) -> None:
    page = Page(html)
    assert page.addresses
    assert all(address.startswith("data:") for address in page.addresses)
    assert "<script" not in html
    assert "@import" not in html


def test_report_is_small_enough_to_mail(html: str) -> None:
    assert len(html.encode()) < report.LARGEST


def test_tags_close_and_pictures_have_words(html: str) -> None:
    page = Page(html)
    assert not page.open
    assert len(page.images) >= 5
    assert all(len(image["alt"] or "") > 20 for image in page.images)


def test_report_says_what_it_is_for(html: str) -> None:
    assert "Education and research only" in html
    assert "not for treatment planning" in html


def test_sections_are_complete(html: str) -> None:
    wanted = [
        *("Fluoroscopy", "CT before and after", "In three dimensions", "Course of the injection", "Leaks", "Needles"),
        *(
            "Radiation and heat",
            "What happened, in order",
            "Limits of the model",
            "Parameters",
            "Sources",
            "Provenance",
        ),
    ]
    assert [heading for heading in Page(html).headings if heading != "Filling"] == wanted


def test_every_leak_is_explained(html: str) -> None:
    assert "through an endplate into the disc" in html
    assert "into a segmental vein" in html
    assert "-6.0, +4.0, +14.0" in html


def test_a_leak_tells_its_route_and_its_way_back_to_the_needle() -> None:
    leak = {
        "kind": "canal",
        "compartment": "epidural",
        "route": "wall",
        "volume_ml": 0.1,
        "t_leak_s": 12.0,
        "position_words": "anterior epidural, in the midline",
        "source_voxel": [4, 5, 6],
        "path_mm": [[0, -16, 0], [0, -12, 3], [0, -2, 3]],
    }
    (row,) = tables.leak_rows({"leaks": [leak]})
    assert (row["route"], row["source"]) == ("wall", "voxel 4, 5, 6, 15 mm back to the needle")
    (row,) = tables.leak_rows({"leaks": [leak | {"source_voxel": None}]})
    assert row["source"] == "–"


def test_warning_signs_come_with_their_limit_and_its_source(run: Run) -> None:
    sign = {"sign": "embolic load", "t_s": 30.0, "value_ml": 0.02, "limit_ml": 0.01, "source": "vertebro", "words": "x"}
    share = {"sign": "canal narrowed", "t_s": 8.0, "value": 0.3, "limit": 0.25, "source": "vertebro", "words": "y"}
    told = dataclasses.replace(run, summary=run.summary | {"warning_signs": [sign, share]})
    assert [row["limit"] for row in tables.sign_rows(told.summary)] == ["0.01 mL", "25 %"]
    page = report.render_report(told)
    assert "Warning signs" in page
    assert "canal narrowed" in page


def test_heat_is_not_claimed(html: str) -> None:
    assert "not simulated" in html
    assert "The heat of curing is not simulated in this run." in html


def test_every_setting_of_the_case_is_listed(run: Run) -> None:
    listed = {(group["title"], row["name"]) for group in tables.parameter_groups(run) for row in group["rows"]}
    for section in ("anatomy", "marrow", "cement", "flow", "leakage", "imaging"):
        fields = type(getattr(run.case, section)).model_fields
        assert {(section, name.replace("_", " ")) for name in fields} <= listed


def test_quantities_carry_unit_range_and_source(run: Run) -> None:
    rows = {
        row["name"]: row
        for group in tables.parameter_groups(run)
        if group["title"] == "marrow"
        for row in group["rows"]
    }
    assert rows["viscosity"]["value"] == f"{run.case.marrow.viscosity:g} Pa·s"
    assert rows["viscosity"]["range"] == "0.004 to 100 Pa·s"
    assert rows["viscosity"]["source"] == "zhong2011"


def test_sources_that_rows_name_are_cited(run: Run, html: str) -> None:
    for key in ("zhong2011", "yeom2003"):
        assert SOURCES[key].text.split(",")[0] in html


def test_titles_cannot_inject_markup(run: Run) -> None:
    case = run.case.model_copy(update={"title": "<script>alert(1)</script>"})
    hostile = dataclasses.replace(run, scene=dataclasses.replace(run.scene, case=case), pictures=[])
    text = report.render_report(hostile)
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "Fluoroscopy" not in Page(text).headings


def test_same_run_same_report(run: Run, html: str) -> None:
    assert report.render_report(run) == html


def test_calm_run_says_so(calm_run: Run) -> None:
    text = report.render_report(calm_run)
    assert "all of it stayed inside the bone" in text
    assert "No cement left the bone." in text


@pytest.mark.usefixtures("no_gl")
def test_bare_machine_gets_projections_and_the_advice(run: Run) -> None:
    text = report.render_report(run)
    assert "libegl1 libgl1-mesa-dri" in text
    assert len(Page(text).images) >= 4


def test_report_lands_in_the_run_folder(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "render_report", lambda run: "<html></html>")
    with pytest.raises(DataError, match="no folder"):
        write_report(run)
    saved = dataclasses.replace(run, folder=tmp_path)
    assert write_report(saved) == tmp_path / "report.html"
    assert write_report(run, tmp_path / "new" / "other.html").read_text() == "<html></html>"


def test_a_path_that_cannot_be_written_is_an_error_with_a_cure(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "render_report", lambda run: "<html></html>")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot write the report"):
        write_report(run, tmp_path / "file" / "report.html")


def test_facts_of_events_read_like_language() -> None:
    facts = {"step": 0, "needle": "left", "rate_ml_min": 3.0, "volume_ml": -0.0, "breaches": [], "reason": None}
    assert tables._facts(facts) == "step 1, needle left, rate 3 mL/min, volume 0 mL"


def test_leak_events_are_told_in_words() -> None:
    facts = {"kind": "D", "volume_ml": 0.01, "position_words": "upper disc", "route": "endplate"}
    assert tables._facts(facts) == "0.01 mL so far through an endplate into the disc; upper disc"


def test_heat_is_told_place_by_place(run: Run) -> None:
    """Cement has no dose to fear; doses beyond sense are not printed as numbers."""
    numbers = {"cement": (95.0, 210.0, 1e20), "interface": (58.0, 120.0, 5e4), "canal": (37.4, 0.0, 0.25)}
    peaks, warm, doses = ({place: values[i] for place, values in numbers.items()} for i in range(3))
    heat = {
        "peak_c": peaks, "seconds_above_45_c": warm, "cem43_min": doses, "followed_s": 640.0, "conversion": 0.99,
        "bone_over_dose_ml": 1.3, "bone_dose_limit_min": 16.0, "nerve_dose_limit_min": 2.0,
    }  # fmt: skip
    summary = run.summary | {"peak_temperature_c": 95.0, "heat": heat}
    rows = {row["name"]: row for row in tables.heat_rows(summary)}
    assert rows["cement"]["dose"] == "–"
    assert rows["interface"]["dose"] == "over 1000 min"
    assert rows["canal"] == {"name": "canal", "peak": "37.4 °C", "warm": "0 s", "dose": "0.2 min"}
    html = report.render_report(dataclasses.replace(run, summary=summary))
    assert "Heat of curing" in html
    assert "10 min 40 s" in html
    assert "1.3 mL of bone" in html
