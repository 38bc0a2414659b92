"""``vertebro cases · new · check · schema``: the input side."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vertebro.cli.output import JsonOption, emit

if TYPE_CHECKING:
    from vertebro.case import Case


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("cases")(list_cases)
    app.command("new")(new)
    app.command("check")(check)
    app.command("schema")(schema)


def list_cases(as_json: JsonOption = False) -> None:
    """List the case library."""
    from vertebro.case import Case
    from vertebro.cases import CASES

    titles = {name: Case.preset(name).title for name in CASES}
    emit({"cases": titles}, "\n".join(f"{name:<18} {title}" for name, title in titles.items()), as_json)


def new(
    preset: Annotated[str, typer.Argument(help="Name from `vertebro cases`.")] = "first-injection",
    as_json: JsonOption = False,
) -> None:
    """Print a complete, commented case: vertebro new first-injection > case.toml"""
    from vertebro.case import Case
    from vertebro.case_text import plain

    case = Case.preset(preset)
    emit(plain(case), case.dumps(), as_json)


def check(
    case_file: Annotated[Path, typer.Argument(metavar="CASE", help="Case file, or - for stdin.")],
    as_json: JsonOption = False,
) -> None:
    """Validate a case, place its needles and say what would be run."""
    from vertebro.approaches import ideal_paths
    from vertebro.build import build

    case, base = read_case(case_file)
    scene = build(case, base=base)
    ways = [plan.to_dict() for plan in ideal_paths(scene.anatomy)]
    findings = [placement.to_dict() for placement in scene.placements]
    lines = [f"ok: {case.title}", f"  {scene.anatomy.level}, body {scene.anatomy.body_volume * 1e6:.1f} ml"]
    lines += [
        f"  needle {p.needle}: tip at {100 * p.depth_fraction:.0f} % of the depth, breach grade {p.grade}"
        for p in scene.placements
    ]
    lines += [f"  cement: {scene.cement.title}"]
    lines += [_way_text(way) for way in ways]
    emit({"ok": True, "title": case.title, "needles": findings, "ways_in": ways}, "\n".join(lines), as_json)


def _way_text(way: dict[str, Any]) -> str:
    margins = {"pedicle": way["wall_margin_mm"], "root": way["nerve_margin_mm"]}
    room = ", ".join(f"{name} {value:g} mm" for name, value in margins.items() if value is not None)
    met = ", ".join(f"{name} {length:g} mm" for name, length in way["crosses_mm"].items())
    moved = ", ".join(way["moved_mm"])
    return (
        f"  way in: {way['approach']} {way['gauge']} G, {way['convergence_deg']:.0f} deg, room: {room}; "
        f"{'crosses ' + met if met else 'free'}{'; held aside: ' + moved if moved else ''}"
    )


def schema(as_json: JsonOption = True) -> None:
    """Print the JSON schema of a case."""
    import json

    from vertebro.case import Case

    data = Case.model_json_schema()
    emit(data, json.dumps(data, indent=1), as_json)


def read_case(path: Path) -> tuple[Case, Path]:
    """A case and the folder its relative names start from; ``-`` reads stdin, a preset's name works too."""
    from vertebro.case import Case
    from vertebro.cases import CASES

    if str(path) == "-":
        return Case.loads(sys.stdin.read(), where="stdin"), Path()
    if str(path) in CASES and not path.exists():
        return Case.preset(str(path)), Path()
    return Case.load(path), path if path.is_dir() else path.parent
