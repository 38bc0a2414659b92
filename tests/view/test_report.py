"""The report: whole in itself, safe, honest, complete."""

from __future__ import annotations

import dataclasses
import itertools
import re
from pathlib import Path

import pytest

from vertebro.errors import DataError
from vertebro.record import Run
from vertebro.sources import SOURCES
from vertebro.view import report, report_plates, tables, theme, write_report
from view.page import Page


@pytest.fixture(scope="module")
def html(run: Run) -> str:
    return report.render_report(run)


@pytest.fixture
def words_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A report without pictures, which cost ten seconds and say nothing about its words."""
    bare = {"last": None, "strip": None, "series": [], "scenes": [], "gl_note": ""}
    plate = report_plates.Plate(url="data:,", alt="no picture", caption="", size=(1, 1))
    monkeypatch.setattr(report, "_pictures", lambda run: bare | {"ct": plate})


def test_report_holds_everything_itself(html: str) -> None:
    """No request leaves the page: addresses are data or anchors, the style sheet loads nothing, no script runs."""
    page = Page(html)
    assert all(address.startswith(("data:", "#")) for address in page.addresses)
    assert {address[1:] for address in page.addresses if address.startswith("#")} <= set(page.ids)
    assert "<script" not in html
    assert "@import" not in html
    assert "url(" not in html
    assert not re.search(r"https?://", html)


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
        *("Pictures at the end", "CT before and after", "In three dimensions", "Course of the injection", "Leaks"),
        *("Result", "Needles", "Radiation", "Heat of curing", "What happened, in order", "Limits of the model"),
        *("Parameters", "Sources", "Provenance"),
    ]
    assert [heading for heading in Page(html).headings if heading != "The procedure in five pictures"] == wanted


def test_headings_never_skip_a_level(html: str) -> None:
    levels = Page(html).levels
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_numbers_of_the_run_are_in_the_report(run: Run, html: str) -> None:
    """Volumes, filling, pressures, duration and doses with their units."""
    text = " ".join(Page(html).text)
    for told in ("4.00 mL", "14.7 %", "0.30 mL", "980 kPa", "360 kPa", "80 s", "10 stored frames", "0.12 Gy·cm²"):
        assert told in text
    assert "15 % of its 25.1 mL" in text
    assert f"{run.summary['volume_balance_error']:.1e}" in text


def test_every_leak_has_its_row(run: Run, html: str) -> None:
    rows = tables.leak_rows(run.summary)
    assert len(rows) == len(run.summary["leaks"]) == html.count('<span class="kind ')
    for row in rows:
        assert all(row[key] in html for key in ("meaning", "volume", "onset", "place", "position"))


@pytest.mark.usefixtures("words_only")
def test_seen_and_hidden_leaks_differ_by_shape_and_word(run: Run) -> None:
    leaks = [leak | {"t_visible_s": seen} for leak, seen in zip(run.summary["leaks"], (None, 64.0), strict=True)]
    html = report.render_report(dataclasses.replace(run, summary=run.summary | {"leaks": leaks}))
    assert '<span class="kind seen">S</span>' in html
    assert '<span class="kind ">D</span>' in html
    assert "on no stored frame" in html
    assert "1 of 2 leaks show on a stored frame; 0.21 mL went unseen." in html


def _luminance(colour: str) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in theme.rgb(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_text_and_lines_stand_out_in_light_and_dark(html: str) -> None:
    """WCAG: text 4.5 to 1 on every ground it stands on, lines of charts 3 to 1."""
    dresses = [
        dict(re.findall(r"--([\w-]+): (#\w{6}|#\w{3});", part))
        for part in re.findall(r":root \{(.*?)\n *\}", html, re.S)
    ]
    assert len(dresses) == 2
    for dress in dresses:
        dress = {name: "#" + "".join(c * 2 for c in v[1:]) if len(v) == 4 else v for name, v in dress.items()}
        grounds = [
            dress[name] for name in ("paper", "tint", "calm-tint", "notice-tint", "alarm-tint", "inject", "wait")
        ]
        for ground in grounds:
            assert _contrast(dress["ink"], ground) >= 4.5
        for ground in grounds[:5]:
            assert _contrast(dress["muted"], ground) >= 4.5
        for name in ("leak", "accent", "c0"):
            assert _contrast(dress[name], dress["paper"]) >= 4.5
        for n in range(8):
            assert _contrast(dress[f"c{n}"], dress["paper"]) >= 3


def test_dark_dress_is_for_screens_only(html: str) -> None:
    assert html.count("prefers-color-scheme") == 1
    assert "@media screen and (prefers-color-scheme: dark)" in html
    assert "@page { size: A4;" in html


@pytest.mark.usefixtures("words_only")
def test_an_interrupted_run_says_so(run: Run) -> None:
    cut = dataclasses.replace(run, summary=run.summary | {"status": "interrupted"})
    assert "interrupted before its schedule ended" in report.render_report(cut)


def test_the_command_to_run_it_again_is_given(run: Run, html: str, tmp_path: Path) -> None:
    saved = dataclasses.replace(run, folder=tmp_path / "my-run")
    assert tables.rerun_command(saved) == "vertebro run my-run/case.toml --out my-run-again --seed 1"
    assert tables.rerun_command(run) in html


@pytest.mark.usefixtures("words_only")
def test_result_measures_have_numbers_and_units(run: Run) -> None:
    result = {
        "fill_fraction": 0.147, "symmetry": 0.81, "crosses_midline": True, "anterior_half_share": 0.88,
        "cranial_half_share": 0.57, "both_endplates": False, "posterior_margin": -0.02, "in_posterior_quarter": True,
        "canal_encroachment": 0.031, "spongy_index": 13.1, "left_volume_ml": 2.1, "right_volume_ml": 1.6,
        "foramen_volume_ml": 0.02, "superior_contact_mm2": 276.5, "inferior_contact_mm2": 3.0,
    }  # fmt: skip
    told = dataclasses.replace(run, summary=run.summary | {"result": result, "embolic_load_ml": 0.25})
    rows = {row["name"]: row["value"] for row in tables.result_rows(told.summary)}
    assert {row["id"] for row in tables.result_rows(told.summary)} == {f"R{n}" for n in range(1, 8)}
    assert rows["halves"] == "2.1 mL left, 1.6 mL right"
    assert rows["cement within 2 mm of the endplates"] == "276 mm² upper, 3 mm² lower"
    assert rows["largest share of the canal's section taken"] == "3.1 %"
    assert rows["beyond the segmental veins"] == "0.25 mL"
    text = " ".join(Page(report.render_report(told)).text)
    assert "It crosses the midline, does not touch both endplates and reaches back to the posterior wall." in text


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


@pytest.mark.usefixtures("words_only")
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


@pytest.mark.usefixtures("words_only")
def test_titles_cannot_inject_markup(run: Run) -> None:
    case = run.case.model_copy(update={"title": "<script>alert(1)</script>"})
    hostile = dataclasses.replace(run, scene=dataclasses.replace(run.scene, case=case), pictures=[])
    text = report.render_report(hostile)
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "The run holds no fluoroscopy frames." in text


def test_same_run_same_report(run: Run, html: str) -> None:
    assert report.render_report(run) == html


@pytest.mark.usefixtures("words_only")
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
    monkeypatch.setattr(report, "render_report", lambda run, film: "<html></html>")
    with pytest.raises(DataError, match="no folder"):
        write_report(run)
    saved = dataclasses.replace(run, folder=tmp_path)
    assert write_report(saved) == tmp_path / "report.html"
    assert write_report(saved) == tmp_path / "report.html", "the run's own report is written anew"
    assert write_report(run, tmp_path / "new" / "other.html").read_text() == "<html></html>"
    with pytest.raises(DataError, match="exists already"):
        write_report(run, tmp_path / "new" / "other.html")
    assert sorted(path.name for path in tmp_path.rglob("*.html")) == ["other.html", "report.html"]


def test_a_path_that_cannot_be_written_is_an_error_with_a_cure(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "render_report", lambda run, film: "<html></html>")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot write the report"):
        write_report(run, tmp_path / "file" / "report.html")


def test_facts_of_events_read_like_language() -> None:
    facts = {"step": 0, "needle": "left", "rate_ml_min": 3.0, "volume_ml": -0.0, "breaches": [], "reason": None}
    assert tables._facts(facts) == "step 1, needle left, rate 3 mL/min, volume 0 mL"
    sign = {"sign": "canal_narrowed", "value": 0.3, "limit": 0.25, "source": "vertebro", "words": "a third is taken"}
    assert tables._facts(sign) == "canal narrowed: a third is taken"


def test_leak_events_are_told_in_words() -> None:
    facts = {"kind": "D", "volume_ml": 0.01, "position_words": "upper disc", "route": "endplate"}
    assert tables._facts(facts) == "0.01 mL so far through an endplate into the disc; upper disc"


@pytest.mark.usefixtures("words_only")
def test_heat_is_told_place_by_place(run: Run) -> None:
    """Cement has no dose to fear; doses beyond sense are not printed as numbers."""
    numbers = {"cement": (95.0, 210.0, 1e20), "interface": (58.0, 120.0, 5e4), "canal": (37.4, 0.0, 0.25)}
    peaks, warm, doses = ({place: values[i] for place, values in numbers.items()} for i in range(3))
    heat = {
        "peak_c": peaks, "seconds_above_45_c": warm, "cem43_min": doses, "followed_s": 640.0, "conversion": 0.99,
        "seconds_above_50_c": {"interface": 75.0}, "bone_over_dose_ml": 1.3, "bone_dose_limit_min": 16.0,
        "nerve_dose_limit_min": 2.0,
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
    tiles = {tile["name"]: f"{tile['value']} {tile['unit']}" for tile in report.tiles(summary)}
    assert tiles["hottest bone"] == "58 °C"  # not the cement's own, which every run reaches
    assert tiles["bone above 50 °C"] == "75 s"
    cold = {tile["name"]: tile["value"] for tile in report.tiles(run.summary)}
    assert cold["hottest bone"] == "–"
    assert "bone above 50 °C" not in cold
