"""Two or more runs side by side: what was set differently, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from vertebro.errors import CaseError, DataError
from vertebro.record import Run
from vertebro.view import charts_run, report_plates, tables, theme, words
from vertebro.view.charts import STYLES
from vertebro.view.report import case_facts, check_free, render, version_of, write_page

MOST = STYLES  # more lines in one chart cannot be told apart
LETTERS = "ABCDEFGH"
ABSENT = "–"
SAME_KERNELS = ("vertebro", "numpy", "scipy", "numba", "kernel_hash")
# name, unit, digits, how to find it in a summary
Number = tuple[str, str, int, Callable[[dict[str, Any]], float | None]]
NUMBERS: tuple[Number, ...] = (
    ("cement injected", "mL", 2, lambda s: s["volume_injected_ml"]),
    ("in the bone", "mL", 2, lambda s: s["volume_in_body_ml"]),
    ("filling", "%", 1, lambda s: 100 * s["fill_fraction"]),
    ("leaked", "mL", 3, lambda s: sum(leak["volume_ml"] for leak in s.get("leaks", []))),
    ("leaked unseen", "mL", 3, lambda s: sum(x["volume_ml"] for x in s.get("leaks", []) if x.get("t_visible_s") is None)),
    ("first leak", "s", 0, lambda s: min((leak["t_leak_s"] for leak in s.get("leaks", [])), default=None)),
    ("beyond the segmental veins", "mL", 4, lambda s: s.get("embolic_load_ml")),
    ("share of the canal taken", "%", 2, lambda s: _result(s, "canal_encroachment", 100)),
    ("rearmost cement", "% of the depth", 1, lambda s: _result(s, "posterior_margin", 100)),
    ("share in the anterior half", "%", 1, lambda s: _result(s, "anterior_half_share", 100)),
    ("symmetry of the halves", "%", 1, lambda s: _result(s, "symmetry", 100)),
    ("peak syringe pressure", "kPa", 0, lambda s: s["peak_syringe_pressure_kpa"]),
    ("peak bone pressure", "kPa", 1, lambda s: s["peak_bone_pressure_kpa"]),
    ("peak temperature", "°C", 1, lambda s: s.get("peak_temperature_c")),
    ("duration", "s", 0, lambda s: s["simulated_s"]),
    ("dose-area product", "Gy·cm²", 3, lambda s: s.get("dose", {}).get("dap_gy_cm2")),
)  # fmt: skip


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


def _result(summary: dict[str, Any], key: str, factor: float) -> float | None:
    value = (summary.get("result") or {}).get(key)
    return None if value is None else factor * value


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


def number_rows(summaries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
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
    """The settings and cement constants that differ, with one value per run; and how many are equal."""
    books: list[dict[str, str]] = []
    for run in runs:
        groups = [*tables.parameter_groups(run), {"title": "cement card", "rows": tables.cement_rows(run)}]
        books.append({f"{group['title']}: {row['name']}": row["value"] for group in groups for row in group["rows"]})
    names = list(dict.fromkeys(name for book in books for name in book))
    rows, equal = [], 0
    for name in names:
        values = [book.get(name, ABSENT) for book in books]
        if len(set(values)) > 1:
            rows.append({"name": name, "values": values})
        else:
            equal += 1
    return rows, equal


def version_rows(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Versions and kernel hashes that differ: then differences of the numbers may come from the code."""
    rows = []
    for key in SAME_KERNELS:
        values = [str(run.manifest.get(key, ABSENT)) for run in runs]
        if len(set(values)) > 1:
            rows.append({"name": words.readable(key), "values": values})
    return rows


def leak_rows(summaries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row per kind of leak that any run has: number, volume, onset, whether a frame shows it."""
    rows = []
    for kind in theme.LEAK_WORDS:
        cells = [_leak_cell([leak for leak in s.get("leaks", []) if leak["kind"] == kind]) for s in summaries]
        if any(cells):
            rows.append({"kind": kind, "meaning": words.leak_words(kind), "cells": [cell or ABSENT for cell in cells]})
    return rows


def _leak_cell(leaks: Sequence[dict[str, Any]]) -> str:
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
