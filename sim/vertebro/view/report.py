"""The report: one HTML file that holds everything, opens offline and prints well."""

from __future__ import annotations

import importlib
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vertebro.errors import DataError
from vertebro.view import benchmarks, charts_run, constants, report_plates, tables, theme, words
from vertebro.view.gl import gl_available, gl_help
from vertebro.view.timeline import draw_timeline

if TYPE_CHECKING:
    from vertebro.record import Run
    from vertebro.view.report_film import Film

LARGEST = 6_000_000  # bytes
LIMITS = (
    "Trabeculae are not resolved. Permeability comes from CT numbers through published laws that scatter by about a "
    "factor of ten between samples.",
    "The resistance of the displaced marrow is the least known number of all; vary it before trusting a leak.",
    "Veins are synthetic: they follow typical anatomy, not this patient's vessels.",
    "Bone does not move, break or expand; discs, dura and veins are rigid.",
    "X-ray and CT pictures are simulated from the same fields. They teach appearance, they are no measured images.",
    "A leak counts as seen when a stored frame shows it: between the frames nobody looked.",
    "Nothing here has been validated against outcomes in patients.",
)


def preload() -> None:
    """Load what a report draws with (seconds of imports, the OpenGL probe): call it in a thread while cement flows."""
    gl_available()
    for name in ("figures_strip", "figures_ct", "scene", "scene_meshes"):
        importlib.import_module(f"vertebro.view.{name}")


def write_report(run: Run, path: str | Path | None = None, *, film: bool = False) -> Path:
    """Write the run's report.

    Parameters
    ----------
    run : Run
    path : path, optional
        File to write, which must not exist; default ``report.html`` in the run's folder, written anew.
    film : bool
        Add the injection as a loop: inside the report when small, else as a file beside it.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    DataError
        If there is no path and the run was never saved, the file exists, or it cannot be written.
    """
    target = _target(run) if path is None else Path(path)
    if path is not None:
        check_free(target)
    loop = None
    if film:
        from vertebro.view.report_film import make_film

        loop = make_film(run, target)
    write_page(render_report(run, film=loop).encode(), target)
    return target


def check_free(path: Path) -> None:
    """Raise `DataError` if there is something of that name."""
    if path.exists():
        raise DataError("the output exists already", where=str(path), hint="choose another --out, or remove it")


def write_page(data: bytes, path: Path) -> None:
    """Write a file whole or not at all; one of the same name is replaced.

    Raises
    ------
    DataError
        If it cannot be written.
    """
    partial = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(data)
        partial.replace(path)
    except OSError as error:
        raise DataError(
            f"cannot write the report: {error.strerror or error}", where=str(path), hint="choose another path"
        ) from None
    finally:
        if partial.parent.is_dir():
            partial.unlink(missing_ok=True)


def _target(run: Run) -> Path:
    if run.folder is None:
        raise DataError("the run has no folder yet", where="path", hint="save the run, or name a file")
    return Path(run.folder) / "report.html"


def render_report(run: Run, *, film: Film | None = None) -> str:
    """The report as HTML text."""
    return render("report.html.j2", _context(run) | {"film": film})


def render(template: str, context: dict[str, Any]) -> str:
    """A page from a template of this package; every value is escaped unless the template says it is drawn here."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("vertebro.view"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template(template).render(colours=theme, **context)


def _context(run: Run) -> dict[str, Any]:
    summary = run.summary
    settings, card = tables.parameter_groups(run), tables.cement_rows(run)
    rules = constants.constant_groups()
    marks = benchmarks.benchmark_rows(summary)
    named = [row for group in (*settings, *rules) for row in group["rows"]]
    return {
        "title": run.case.title,
        "level": run.anatomy.level,
        "verdict": words.verdict(summary),
        "tone": words.tone(summary),
        "opening": words.opening(summary, case_facts(run)),
        "findings": words.findings(summary, run.anatomy.level),
        "tiles": tiles(summary),
        "warnings": summary.get("warnings", []),
        "timeline": draw_timeline(run),
        "charts": charts_run.run_charts(run),
        **_pictures(run),
        "result": tables.result_rows(summary),
        "leaks": tables.leak_rows(summary),
        "signs": tables.sign_rows(summary),
        "needles": tables.needle_rows(run),
        "dose_phases": benchmarks.phase_rows(run),
        "dose_more": tables.dose_rows(summary),
        "benchmarks": marks,
        "temperature": _temperature(summary),
        "heat": tables.heat_rows(summary),
        "heat_note": _heat_note(summary),
        "events": tables.event_rows(run),
        "parameters": [*settings, {"title": f"cement card: {run.scene.cement.title}", "rows": card}],
        "constants": rules,
        "sources": tables.cited(named, card, marks),
        "limits": _limits(summary),
        "balance": f"{summary['volume_balance_error']:.1e}",
        "provenance": tables.provenance_rows(run),
        "files": tables.file_rows(run),
        "rerun": tables.rerun_command(run),
        "anatomy": tables.flat_rows(run.anatomy.provenance),
        "version": version_of(run),
    }


def _pictures(run: Run) -> dict[str, Any]:
    return {
        "last": report_plates.last_plate(run),
        "strip": report_plates.strip_plate(run),
        "ct": report_plates.ct_plate(run),
        "series": report_plates.series_plates(run),
        "scenes": report_plates.scene_plates(run),
        "gl_note": "" if gl_available() else gl_help(),
    }


def version_of(run: Run) -> str:
    """Version of vertebro that made the run."""
    return str(run.manifest.get("vertebro", run.manifest.get("version", "")))


def case_facts(run: Run) -> dict[str, str]:
    """Level, cement, its age and the needles in words."""
    case = run.case
    gauges = ", ".join(f"{needle.name} {needle.gauge} G" for needle in case.needles)
    return {
        "level": run.anatomy.level,
        "cement": f"the cement “{run.scene.cement.title}”",
        "age": words.clock(case.cement.age_at_start),
        "needles": f"{words.count(len(case.needles), 'needle')} ({gauges})",
    }


def tiles(summary: dict[str, Any]) -> list[dict[str, str]]:
    """The key figures."""
    leaked = sum(leak["volume_ml"] for leak in summary.get("leaks", []))
    shown = [
        {"name": "injected", "value": f"{summary['volume_injected_ml']:.2f}", "unit": "mL"},
        {"name": "filling", "value": f"{100 * summary['fill_fraction']:.1f}", "unit": "%"},
        {"name": "leaked", "value": f"{leaked:.2f}", "unit": "mL"},
        {"name": "peak syringe pressure", "value": f"{summary['peak_syringe_pressure_kpa']:.0f}", "unit": "kPa"},
        *_heat_tiles(summary.get("heat") or {}),
        {"name": "duration", "value": f"{summary['simulated_s']:.0f}", "unit": "s"},
    ]
    return [tile | {"look": "alarm" if tile["name"] == "leaked" and leaked > 0 else ""} for tile in shown]


def _heat_tiles(heat: dict[str, Any]) -> list[dict[str, str]]:
    """What the bone felt: the cement's own peak is that of its reaction in every run."""
    bone = heat.get("peak_c", {}).get("interface")
    warm = heat.get("seconds_above_50_c", {}).get("interface")
    hottest = {"name": "hottest bone", "value": "–" if bone is None else f"{bone:.0f}", "unit": "°C"}
    return [hottest] if warm is None else [hottest, {"name": "bone above 50 °C", "value": f"{warm:.0f}", "unit": "s"}]


def _temperature(summary: dict[str, Any]) -> str:
    peak = summary.get("peak_temperature_c")
    return "not simulated" if peak is None else f"{peak:.1f} °C"


def _heat_note(summary: dict[str, Any]) -> str:
    heat = summary.get("heat") or {}
    if not heat:
        return ""
    return (
        f"Followed to {words.clock(heat['followed_s'])}, when {words.percent(heat['conversion'])} of the monomer had "
        f"cured. {heat['bone_over_dose_ml']:.1f} mL of bone beside the cement had more than "
        f"{heat['bone_dose_limit_min']:.0f} equivalent minutes at 43 °C; a nerve is flagged from "
        f"{heat['nerve_dose_limit_min']:.0f}. Hottest voxels: tens of kelvin are believable, single degrees are not."
    )


def _limits(summary: dict[str, Any]) -> list[str]:
    cold = (
        () if summary.get("peak_temperature_c") is not None else ("The heat of curing is not simulated in this run.",)
    )
    return [*LIMITS, *cold]
