"""``vertebro demo · run · report``: the main jobs."""

from __future__ import annotations

import sys
import threading
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vertebro import __version__
from vertebro.cli.output import NOTICE, JsonOption, emit, progress
from vertebro.errors import CaseError

if TYPE_CHECKING:
    from vertebro.case import Case
    from vertebro.record import Run

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("demo")(demo)
    app.command("run")(run)
    app.command("report")(report)


def demo(
    out: Annotated[Path, typer.Option(help="Run folder to make.")] = Path("vertebro-demo"),
    real: Annotated[bool, typer.Option("--real", help="L1 of a real patient's CT (downloaded once).")] = False,
    fast: Annotated[bool, typer.Option("--fast", help="Coarser grid and fewer pictures.")] = False,
    as_json: JsonOption = False,
) -> None:
    """One real injection, end to end: report.html with pictures."""
    from vertebro.case import Case

    quick = {"imaging.rows": 256, "imaging.frames": 3} if fast else {}
    if real:
        folder = _real_case_folder(fast)
        case, base = Case.load(folder).with_settings(quick), folder
    else:
        case = Case.preset("first-injection").with_settings(quick | ({"anatomy.spacing": "1.2 mm"} if fast else {}))
        base = Path()
    _run(case, base, out, as_json)


def run(
    case_file: Annotated[Path, typer.Argument(metavar="CASE", help="Case file or folder, preset name, or - (stdin).")],
    out: Annotated[Path, typer.Option(help="Run folder to make.")],
    settings: Annotated[list[str] | None, typer.Option("--set", help="key=value, dotted; may repeat.")] = None,
    seed: Annotated[int | None, typer.Option(help="Overrides the case's seed.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Run a case into a new run folder, report included."""
    from vertebro.cli.cases import read_case

    case, base = read_case(case_file)
    wishes = dict(_setting(text) for text in settings or [])
    if seed is not None:
        wishes["seed"] = seed
    _run(case.with_settings(wishes) if wishes else case, base, out, as_json)


def report(
    folders: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folder; several are compared.")],
    out: Annotated[
        Path | None, typer.Option(help="HTML file to make; default: report.html in the one run's folder.")
    ] = None,
    movie: Annotated[bool, typer.Option("--movie", help="Add the injection as a loop.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write the report of a run, or one page that compares several runs."""
    from vertebro.record import Run
    from vertebro.view.report import write_report

    with progress("report") as tell:
        tell("report", 0.1)
        if len(folders) == 1:
            path = write_report(Run.load(folders[0]), out, film=movie)
        else:
            path = _comparison(folders, out, movie)
    emit({"report": str(path)}, str(path), as_json)


def _comparison(folders: list[Path], out: Path | None, movie: bool) -> Path:
    from vertebro.view.report_compare import write_comparison

    if out is None:
        raise CaseError("a comparison needs a name", where="--out", value=None, allowed="an HTML file")
    if movie:
        raise CaseError("a comparison has no loop", where="--movie", value=True, allowed="one run")
    return write_comparison(folders, out)


def _run(case: Case, base: Path, out: Path, as_json: bool) -> None:
    from vertebro.record import check_free
    from vertebro.simulation import Simulation
    from vertebro.view.report import preload, write_report
    from vertebro.warm import is_warm, warm_all

    check_free(out)
    with progress(case.title) as tell:
        if not is_warm():
            warm_all(tell)
        simulation = Simulation(case, base=base, progress=tell)
        threading.Thread(target=preload, daemon=True).start()
        result = simulation.run()
        tell("saving", 0.86)
        result.save(out)
        tell("report", 0.9)
        path = write_report(result)
        tell("done", 1.0)
    emit(result.summary | {"run": str(out), "report": str(path)}, _summary_text(result, path), as_json)
    if result.summary["status"] == "interrupted":
        sys.exit(130)


def _summary_text(result: Run, path: Path) -> str:
    facts = result.summary
    lines = [
        f"{result.case.title}",
        f"  {facts['volume_injected_ml']:.2f} ml injected in {facts['simulated_s']:.0f} s "
        f"({facts['wall_parts_s']['flow']:.1f} s of computing), {100 * facts['fill_fraction']:.0f} % of the body full",
        f"  peak pressure: syringe {facts['peak_syringe_pressure_kpa']:.0f} kPa, bone "
        f"{facts['peak_bone_pressure_kpa']:.1f} kPa; volume balance error {facts['volume_balance_error']:.1e}",
    ]
    lines += [
        f"  leak {leak['kind']}: {leak['volume_ml']:.3f} ml from {leak['t_leak_s']:.0f} s, {leak['position_words']}"
        for leak in facts["leaks"]
    ] or ["  no leak"]
    lines += [f"  warning: {text}" for text in facts["warnings"]]
    return "\n".join([*lines, f"  report: {path}", f"  {NOTICE}"])


def _setting(text: str) -> tuple[str, Any]:
    key, sign, value = text.partition("=")
    if not sign or not key.strip():
        raise CaseError("not a setting", where="--set", value=text, allowed="key=value", hint="--set cement.preset=x")
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value.strip()


def _real_case_folder(fast: bool) -> Path:
    from vertebro.anatomy.sample import fetch_sample
    from vertebro.imported import import_case
    from vertebro.paths import cache_root

    spacing = "1.2 mm" if fast else "0.8 mm"
    folder = cache_root() / "cases" / f"lidc-l1-{spacing.replace(' ', '')}-{__version__}"
    with progress("real CT") as tell:
        paths = fetch_sample("lidc", progress=tell)
        if not (folder / "case.toml").is_file():
            import_case(
                paths.ct,
                paths.labels,
                "L1",
                folder,
                spacing=spacing,
                title="First injection into a real patient's L1 (LIDC-IDRI-0001)",
                licence=f"{paths.licence}; {paths.citation}",
                progress=tell,
            )
    return folder
