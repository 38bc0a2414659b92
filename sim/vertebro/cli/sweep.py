"""``vertebro sweep``: many runs of one case."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from vertebro.cli.output import NOTICE, JsonOption, emit, progress

SHOWN = 5  # failed members that are told one by one
EXAMPLE = """\b
A study file:
  title = "How much cement"
  case = "first-injection"          # preset, or a case file beside the study
  design = "lhs"                    # grid, list, lhs, sobol
  samples = 64
  patients = "each"                 # every member is a new patient (or a number)
  [set]
  "anatomy.spacing" = "1.0 mm"
  "heat.enabled" = false
  [vary]
  "marrow.viscosity" = { low = "0.05 Pa.s", high = "50 Pa.s", scale = "log" }
  "cement.preset" = { values = ["generic-low", "generic-high"] }
"""


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("sweep", epilog=EXAMPLE)(sweep)


def sweep(
    study_file: Annotated[Path, typer.Argument(metavar="STUDY", help="Study file (TOML).")],
    out: Annotated[Path, typer.Option(help="Folder for members, table.parquet and pictures.")],
    workers: Annotated[int | None, typer.Option(help="Local processes; default one per core.")] = None,
    scheduler: Annotated[str | None, typer.Option(help="Address of a Dask scheduler instead.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on in a folder that was begun before.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Run a study: every member on disk as it is done, a table at the end; Ctrl-C and --resume go together."""
    from vertebro.study import Study, load_table, run_sweep

    study = Study.load(study_file)
    with progress(study.title, every=0.02) as tell:
        result = run_sweep(
            study,
            out,
            base=study_file.parent,
            workers=workers,
            scheduler=scheduler,
            resume=resume,
            progress=tell,
        )
    facts: dict[str, Any] = {
        "folder": str(result.folder),
        "table": str(result.table),
        "members": result.members,
        "finished": result.finished,
        "failed": result.failed,
        "seconds": round(result.seconds, 1),
        "interrupted": result.interrupted,
    }
    lines = [
        f"{study.title}: {result.finished} of {result.members} members finished, {result.failed} failed, "
        f"{result.seconds:.0f} s"
    ]
    if result.failed:
        lost = _failures(load_table(result.folder))
        facts["errors"] = lost
        lines += [f"  member {number:05d}: {text}" for number, text in list(lost.items())[:SHOWN]]
        lines += [f"  … and {len(lost) - SHOWN} more in the table"] if len(lost) > SHOWN else []
    if result.finished:
        from vertebro.study import leak_shares
        from vertebro.view.figures_study import draw_study

        table = load_table(result.folder)
        picture = result.folder / "study.png"
        draw_study(study, table, picture)
        facts |= {"leaks": leak_shares(table), "picture": str(picture)}
        lines += [_line(kind, row) for kind, row in facts["leaks"].items() if row["share"] > 0 or kind == "any"]
        lines += [f"  {picture}"]
    lines += [f"  {result.table}", f"  {NOTICE}"]
    if result.interrupted:
        lines.append("  interrupted: the same command with --resume goes on")
    emit(_json(facts), "\n".join(lines), as_json)
    if result.interrupted:
        sys.exit(130)


def _failures(table: Any) -> dict[int, str]:
    """Number of each failed member, and what went wrong."""
    lost = table[table["status"] == "failed"]
    return {int(number): str(text) for number, text in zip(lost["number"], lost["error"], strict=True)}


def _line(kind: str, row: dict[str, float]) -> str:
    band = f"{100 * row['low']:.0f} to {100 * row['high']:.0f} %"
    median = f", median {row['median_ml']:.3f} ml" if row["share"] > 0 else ""
    return f"  leak {kind:<8} {100 * row['share']:5.1f} % ({band}){median}"


def _json(data: Any) -> Any:
    """NaN has no JSON."""
    if isinstance(data, dict):
        return {key: _json(value) for key, value in data.items()}
    return None if isinstance(data, float) and data != data else data
