"""Two or more runs side by side: what was set differently, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from vertebro.errors import CaseError
from vertebro.record import Run
from vertebro.view import charts_run, report_plates, tables, theme, words
from vertebro.view.charts import STYLES
from vertebro.view.report import case_facts, check_free, render, version_of, write_page

MOST = STYLES  # more lines in one chart cannot be told apart
LETTERS = "ABCDEFGH"
ABSENT = "–"
SAME_KERNELS = ("vertebro", "numpy", "scipy", "numba", "kernel_hash")
Summary = dict[str, Any]


def _leaked(summary: Summary) -> float:
    return float(sum(leak["volume_ml"] for leak in summary.get("leaks", [])))


def _unseen(summary: Summary) -> float:
    return float(sum(leak["volume_ml"] for leak in summary.get("leaks", []) if leak.get("t_visible_s") is None))


def _first_leak(summary: Summary) -> float | None:
    return min((leak["t_leak_s"] for leak in summary.get("leaks", [])), default=None)


def _result(key: str) -> Callable[[Summary], float | None]:
    """A share of the result measures in per cent; None in a run without them."""

    def find(summary: Summary) -> float | None:
        value = (summary.get("result") or {}).get(key)
        return None if value is None else 100.0 * value

    return find


def _heat(what: str, place: str) -> Callable[[Summary], float | None]:
    def find(summary: Summary) -> float | None:
        found = (summary.get("heat") or {}).get(what, {}).get(place)
        return None if found is None else float(found)

    return find


# name, unit, digits, how to find it in a summary
NUMBERS: tuple[tuple[str, str, int, Callable[[Summary], float | None]], ...] = (
    ("cement injected", "mL", 2, lambda summary: summary["volume_injected_ml"]),
    ("in the bone", "mL", 2, lambda summary: summary["volume_in_body_ml"]),
    ("filling", "%", 1, lambda summary: 100 * summary["fill_fraction"]),
    ("leaked", "mL", 3, _leaked),
    ("leaked unseen", "mL", 3, _unseen),
    ("first leak", "s", 0, _first_leak),
    ("beyond the segmental veins", "mL", 4, lambda summary: summary.get("embolic_load_ml")),
    ("share of the canal taken", "%", 2, _result("canal_encroachment")),
    ("rearmost cement", "% of the depth", 1, _result("posterior_margin")),
    ("share in the anterior half", "%", 1, _result("anterior_half_share")),
    ("symmetry of the halves", "%", 1, _result("symmetry")),
    ("peak syringe pressure", "kPa", 0, lambda summary: summary["peak_syringe_pressure_kpa"]),
    ("peak bone pressure", "kPa", 1, lambda summary: summary["peak_bone_pressure_kpa"]),
    ("hottest cement", "°C", 1, lambda summary: summary.get("peak_temperature_c")),
    ("hottest bone beside it", "°C", 1, _heat("peak_c", "interface")),
    ("bone above 50 °C", "s", 0, _heat("seconds_above_50_c", "interface")),
    ("hottest in the canal", "°C", 1, _heat("peak_c", "canal")),
    ("duration", "s", 0, lambda summary: summary["simulated_s"]),
    ("dose-area product", "Gy·cm²", 3, lambda summary: summary.get("dose", {}).get("dap_gy_cm2")),
)


def write_comparison(runs: Sequence[str | Path | Run], path: str | Path) -> Path:
    """Write a page that compares runs.

    Parameters
    ----------
    runs : sequence of path or Run
        Two to eight run folders, or runs in memory; differences are taken from the first.
    path : path
        File to write; must not exist.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    CaseError
        If there are fewer than two or more than eight runs, or a folder is named twice.
    DataError
        If a folder is missing or damaged, or the file exists or cannot be written.
    """
    path = Path(path)
    _check(runs)
    check_free(path)
    loaded = [run if isinstance(run, Run) else Run.load(run) for run in runs]
    write_page(render_comparison(loaded).encode(), path)
    return path


def _check(runs: Sequence[str | Path | Run]) -> None:
    if not 2 <= len(runs) <= MOST:
        raise CaseError(
            "a comparison needs other runs beside the first", where="runs", value=len(runs), allowed=f"2 to {MOST}",
            hint="vertebro report RUN1 RUN2 --out compare.html",
        )  # fmt: skip
    known: list[object] = []
    for run in runs:
        folder = run.folder if isinstance(run, Run) else Path(run)
        key = run if folder is None else Path(folder).resolve()
        if any(key is other or (isinstance(key, Path) and key == other) for other in known):
            raise CaseError("a run is named twice", where="runs", value=str(folder), allowed="each run once")
        known.append(key)


def render_comparison(runs: Sequence[Run]) -> str:
    """The comparison as HTML text; runs are named A, B, C … in their order."""
    letters = list(LETTERS[: len(runs)])
    summaries = [run.summary for run in runs]
    settings, equal = setting_rows(runs)
    context = {
        "title": f"{len(runs)} runs compared",
        "version": version_of(runs[0]),
        "letters": letters,
        "runs": [_card(run, letter, style) for style, (run, letter) in enumerate(zip(runs, letters, strict=True))],
        "numbers": number_rows(summaries),
        "settings": settings,
        "equal": equal,
        "versions": version_rows(runs),
        "charts": charts_run.compared_charts(runs, letters),
        "leaks": leak_rows(summaries),
        "pictures": _pictures(runs, letters),
    }
    return render("compare.html.j2", context)


def _card(run: Run, letter: str, style: int) -> dict[str, Any]:
    return {
        "letter": letter,
        "style": style,
        "title": run.case.title,
        "folder": "" if run.folder is None else Path(run.folder).name,
        "verdict": words.verdict(run.summary),
        "tone": words.tone(run.summary),
        "opening": words.opening(run.summary, case_facts(run)),
        "rerun": tables.rerun_command(run),
    }


def number_rows(summaries: Sequence[Summary]) -> list[dict[str, Any]]:
    """Key numbers of every run, and from the second on how far from the first."""
    rows = []
    for name, unit, digits, find in NUMBERS:
        values = [find(summary) for summary in summaries]
        if all(value is None for value in values):
            continue
        cells = [
            {"value": ABSENT if value is None else f"{value:.{digits}f}", "change": _change(value, values[0], digits)}
            for value in values
        ]
        cells[0]["change"] = ""
        rows.append({"name": name, "unit": unit, "cells": cells})
    return rows


def _change(value: float | None, first: float | None, digits: int) -> str:
    if value is None or first is None:
        return ""
    difference = round(value - first, digits)
    if difference == 0:
        return "same"
    share = f", {100 * (value - first) / abs(first):+.0f} %" if abs(first) > 0.5 * 10.0**-digits else ""
    return f"{difference:+.{digits}f}{share}".replace("-", "−")


def setting_rows(runs: Sequence[Run]) -> tuple[list[dict[str, Any]], int]:
    """The settings and cement constants that differ, with one value per run; and how many are equal.

    A needle or step that only some runs have is one row, told by what is set in it.
    """
    books = [_book(run) for run in runs]
    rows: list[dict[str, Any]] = []
    equal = 0
    for key in dict.fromkeys(key for book in books for key in book):
        groups = [book.get(key) for book in books]
        if not all(groups):
            rows.append({"name": key, "values": [_told(group) if group else ABSENT for group in groups]})
            continue
        sheets = [{row["name"]: row["value"] for row in group or []} for group in groups]
        for name in dict.fromkeys(name for sheet in sheets for name in sheet):
            values = [sheet.get(name, ABSENT) for sheet in sheets]
            if len(set(values)) == 1:
                equal += 1
            else:
                rows.append({"name": f"{key}: {name}", "values": values})
    return rows, equal


def _book(run: Run) -> dict[str, list[tables.Row]]:
    """Rows of settings by section, sections with rows only."""
    book = {group["key"]: group["rows"] for group in tables.parameter_groups(run)}
    book["cement card"] = tables.cement_rows(run)
    return {key: rows for key, rows in book.items() if rows}


def _told(rows: Sequence[tables.Row]) -> str:
    """What a record sets, in a line."""
    return ", ".join(f"{row['name']} {row['value']}" for row in rows if row["mark"] == "set") or "defaults"


def version_rows(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Versions and kernel hashes that differ: then differences of the numbers may come from the code."""
    rows = []
    for key in SAME_KERNELS:
        values = [str(run.manifest.get(key, ABSENT)) for run in runs]
        if len(set(values)) > 1:
            rows.append({"name": words.readable(key), "values": values})
    return rows


def leak_rows(summaries: Sequence[Summary]) -> list[dict[str, Any]]:
    """One row per kind of leak that any run has: number, volume, onset, whether a frame shows it."""
    rows = []
    for kind in theme.LEAK_WORDS:
        cells = [_leak_cell([leak for leak in s.get("leaks", []) if leak["kind"] == kind]) for s in summaries]
        if any(cells):
            rows.append({"kind": kind, "meaning": words.leak_words(kind), "cells": [cell or ABSENT for cell in cells]})
    return rows


def _leak_cell(leaks: Sequence[Summary]) -> str:
    if not leaks:
        return ""
    volume, onset = sum(leak["volume_ml"] for leak in leaks), min(leak["t_leak_s"] for leak in leaks)
    seen = [leak["t_visible_s"] for leak in leaks if leak.get("t_visible_s") is not None]
    shown = f"seen from {words.clock(min(seen))}" if seen else "not seen"
    number = "" if len(leaks) == 1 else f" in {len(leaks)} places"
    return f"{words.ml(volume)}{number} from {words.clock(onset)}, {shown}"


def _pictures(runs: Sequence[Run], letters: Sequence[str]) -> list[dict[str, Any]]:
    kinds: tuple[tuple[str, Callable[[Run], report_plates.Plate | None]], ...] = (
        ("Last frames", report_plates.last_plate),
        ("CT before and after", report_plates.ct_plate),
        ("In three dimensions", lambda run: report_plates.scene_plates(run, first_only=True)[0]),
    )
    rows = []
    for name, draw in kinds:
        plates = [(letter, plate) for letter, run in zip(letters, runs, strict=True) if (plate := draw(run))]
        if plates:
            rows.append({"name": name, "plates": [_named(plate, letter) for letter, plate in plates]})
    return rows


def _named(plate: report_plates.Plate, letter: str) -> dict[str, Any]:
    return {"url": plate.url, "size": plate.size, "alt": f"Run {letter}: {plate.alt}", "caption": f"Run {letter}"}
