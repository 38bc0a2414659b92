"""Charts, timeline, doses, constants and the film of a report."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vertebro.observe import Picture
from vertebro.record import Run
from vertebro.sources import SOURCES
from vertebro.view import benchmarks, charts, charts_run, constants, report_film, tables, timeline
from vertebro.view.report_film import make_film
from view.page import Page

TIME = np.linspace(0, 80, 9)


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e7))
def test_ticks_are_round_inside_and_a_handful(low: float, span: float) -> None:
    ticks = charts.nice_ticks(low, low + span)
    assert 2 <= len(ticks) <= 7
    slack = 1e-9 * max(abs(low), span)
    assert low - slack <= ticks[0]
    assert ticks[-1] <= low + span + slack
    step = ticks[1] - ticks[0]
    mantissa = step / 10 ** np.floor(np.log10(step * 1.0001))
    assert min(abs(mantissa - np.array([1, 2, 5, 10]))) < 1e-4


def test_axis_maps_ends_to_ends_and_decades_evenly() -> None:
    straight = charts.Axis(low=0, high=10, start=200, end=50)
    np.testing.assert_allclose(straight([0, 5, 10, 99]), [200, 125, 50, 50])
    decades = charts.Axis(low=1, high=100, start=0, end=100, log=True)
    np.testing.assert_allclose(decades([1, 10, 100, 0.0]), [0, 50, 100, 0])
    assert decades.ticks() == [1, 10, 100]


def test_thinning_keeps_peaks_and_ends() -> None:
    x = np.arange(10_000.0)
    y = np.zeros_like(x)
    y[7777], y[123] = 5.0, -3.0
    a, b = charts.thinned(x, y)
    assert len(a) <= charts.MOST_POINTS + 2
    assert (a[0], a[-1], b.max(), b.min()) == (0.0, 9999.0, 5.0, -3.0)


def test_a_chart_names_quantity_and_unit_and_escapes() -> None:
    line = charts.Line(x=TIME, y=TIME * 2, label="<b>&")
    drawn = charts.line_chart([line], name="Volume", unit="mL", marks=[charts.Mark(x=42.0, label="D")])
    page = Page(drawn)
    assert not page.open
    assert "Volume" in drawn
    assert "[mL]" in drawn
    assert "<b>" not in drawn
    assert "&lt;b&gt;&amp;" in drawn
    assert "from 0 to 160, at most 160 mL" in drawn
    assert 'role="img"' in drawn


def test_series_differ_by_dash_not_only_by_colour(root: Path) -> None:
    """Every style but the first has its own dash pattern in the page's style sheet."""
    css = (root / "sim/vertebro/view/templates/page.css.j2").read_text(encoding="utf-8")
    dashes = [re.search(rf"svg \.s{n} \{{[^}}]*?(?:stroke-dasharray: ([^;}}]*))?; \}}", css) for n in range(8)]
    patterns = [found.group(1) if found else "missing" for found in dashes]
    assert patterns[0] is None
    assert len(set(patterns)) == charts.STYLES


def test_values_that_are_not_numbers_leave_no_trace() -> None:
    y = np.where(TIME > 40, np.nan, TIME)
    drawn = charts.line_chart([charts.Line(x=TIME, y=y, label="a")], name="n", unit="s")
    assert "nan" not in drawn
    empty = charts.line_chart([charts.Line(x=[], y=[], label="a")], name="n", unit="s", decades=True)
    assert "no values" in empty
    assert "nan" not in empty


def test_a_negligible_volume_does_not_look_like_much() -> None:
    drawn = charts.line_chart([charts.Line(x=TIME, y=TIME * 1e-9)], name="leaked", unit="mL", least=0.01)
    ticks = re.findall(r'text-anchor="end">([\d.e-]+)<', drawn)
    assert ticks[-1] == "0.01"
    assert all("e" not in tick for tick in ticks)


def test_run_charts_show_every_leak_and_every_unit(run: Run) -> None:
    drawn = charts_run.run_charts(run)
    assert len(drawn) == 6  # the invented run has neither heat nor margins
    for chart, unit in zip(drawn, ("mL", "mL", "kPa", "Pa·s", "mL/min", "N"), strict=True):
        assert f"[{unit}]" in chart
        assert re.findall(r'class="leakname"[^>]*>(\w+)<', chart) == ["D", "S"]


def _event(time: float, name: str, **more: Any) -> dict[str, Any]:
    return {"time_s": time, "event": name, **more}


def test_phases_follow_each_other_and_end_with_the_run() -> None:
    events = [
        _event(0, "cannula fills", needle="left"),
        _event(10, "injection starts", needle="left"),
        _event(50, "injection ends", reason="volume"),
        _event(50, "waiting", duration_s=100.0),
        _event(80, "injection starts", needle="right"),
    ]
    assert timeline.phases(events, 120.0) == [
        (0.0, 10.0, "fill left"), (10.0, 50.0, "inject left"), (50.0, 80.0, "wait"), (80.0, 120.0, "inject right"),
    ]  # fmt: skip


def test_timeline_tells_hidden_leaks_from_seen_ones(run: Run) -> None:
    leaks = [leak | {"t_visible_s": seen} for leak, seen in zip(run.summary["leaks"], (None, 64.0), strict=True)]
    drawn = timeline.draw_timeline(dataclasses.replace(run, summary=run.summary | {"leaks": leaks}))
    assert drawn.count('class="leakdot"') == 2
    assert drawn.count('class="leakdot seen"') == 1
    assert "never seen" in drawn
    assert "seen from 1 min 04 s" in drawn
    assert "exposures, AP" in drawn
    assert "exposures, lateral" in drawn
    assert "stop: volume" in drawn
    assert not Page(drawn).open


def test_signals_at_one_moment_do_not_cover_each_other() -> None:
    axis = charts.Axis(low=0, high=100, start=timeline.LABEL, end=timeline.WIDTH - timeline.RIGHT)
    events = [_event(50, "injection ends", reason="volume"), _event(50, "needle withdrawn"), _event(90, "fresh batch")]
    drawn, lanes = timeline._stops(events, axis, 100.0)
    assert lanes == 2
    heights = [float(y) for y in re.findall(r'class="tag" x="[\d.]+" y="(\d+)"', drawn)]
    assert heights[0] != heights[1]


def test_dose_of_the_phases_adds_up_to_the_run(run: Run) -> None:
    facts = {"reference_kerma_ugy": 500.0, "dap_ugy_m2": 7.0}
    pictures = [dataclasses.replace(p, facts=p.facts | facts) for p in run.pictures]
    rows = benchmarks.phase_rows(dataclasses.replace(run, pictures=pictures))
    assert [row["name"] for row in rows][-1] == "whole run"
    assert rows[-1] == {"name": "whole run", "frames": "5 ap, 5 lateral", "kerma": "5 mGy", "dap": "0.7 Gy·cm²"}
    parts = [float(row["kerma"].split()[0]) for row in rows[:-1]]
    assert sum(parts) == pytest.approx(5.0)


def test_every_frame_belongs_to_one_phase(run: Run) -> None:
    late = Picture(name="x", time=500.0, view="ap", display16=run.pictures[0].display16, facts={})
    rows = benchmarks.phase_rows(dataclasses.replace(run, pictures=[*run.pictures, late]))
    counts = [sum(int(n) for n in re.findall(r"\d+", row["frames"])) for row in rows]
    assert sum(counts[:-1]) == counts[-1] == 11


def test_benchmarks_say_share_spread_and_source(run: Run) -> None:
    rows = benchmarks.benchmark_rows(run.summary)
    first = rows[0]
    assert first["share"] == "9.2 %"  # 0.12 of 1.30
    assert first["published"] == "1.3 (0.9 to 2.2) Gy·cm²"
    assert all(row["source"] in SOURCES and row["mark"] == "seen" for row in rows)
    assert benchmarks.benchmark_rows(run.summary | {"dose": {}})[0]["here"] == "not counted"


def test_constants_of_the_model_are_all_there_once() -> None:
    from vertebro.leakage.measures import POSTERIOR_QUARTER

    groups = {group["title"]: group["rows"] for group in constants.constant_groups()}
    (row,) = [row for row in groups["leakage, measures"] if row["name"] == "posterior quarter"]
    assert row["value"] == f"{float(POSTERIOR_QUARTER):g}"
    assert (row["range"], row["source"], row["mark"]) == ("0.2 to 0.34", "jp_tech", "seen")
    keys = [(title, row["name"]) for title, rows in groups.items() for row in rows]
    assert len(keys) == len(set(keys)) > 150
    assert {row["mark"] for rows in groups.values() for row in rows} <= {"seen", "recalled", "computed", "ours"}


def test_constants_stand_where_they_are_defined() -> None:
    """`leakage.measures` defines the posterior quarter, others import it."""
    homes = [g["title"] for g in constants.constant_groups() for r in g["rows"] if r["name"] == "posterior quarter"]
    assert homes == ["leakage, measures"]


def test_files_of_the_run_come_with_digests(run: Run, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"files": {"case.toml": "aa", "frames/0.png": "bb", "frames/1.png": "c"}}')
    manifest = {key: value for key, value in run.manifest.items() if key != "files"}
    saved = dataclasses.replace(run, folder=tmp_path, manifest=manifest)
    assert tables.file_rows(saved) == [{"name": "case.toml", "value": "aa"}, {"name": "frames/", "value": "2 files"}]


def test_a_small_film_is_inside_a_large_one_beside(
    small_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_film, "MOST_FRAMES", {".mp4": 3, ".gif": 3})
    page = tmp_path / "report.html"
    film = make_film(small_run, page)
    assert film.inside
    assert film.url.startswith(f"data:{film.kind};base64,")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(report_film, "LARGEST_INSIDE", 10)
    film = make_film(small_run, page)
    assert not film.inside
    assert (tmp_path / film.url).stat().st_size == film.size > 10
