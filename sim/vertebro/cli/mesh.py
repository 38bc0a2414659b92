"""``vertebro mesh``: generated vertebrae, sacrum and hip bones as surfaces."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vertebro.cli.output import JsonOption, emit
from vertebro.errors import CaseError


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("mesh")(mesh)


def mesh(
    level: Annotated[str, typer.Argument(help="C6, T4 to L5, S1, HIP_L, HIP_R.")],
    out: Annotated[Path, typer.Option(help="File to write: .stl")],
    registry: Annotated[bool, typer.Option(help="Also enter it in registry.toml beside it.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a generated bone as a watertight surface in millimetres, RAS+."""
    if out.suffix != ".stl":
        raise CaseError("unknown kind of file", where="--out", value=str(out), allowed=".stl")
    from vertebro.view.meshes import read_registry, registry_text, updated_registry, write_mesh

    entry = write_mesh(level, out)
    if registry:
        path = out.parent / "registry.toml"
        path.write_text(registry_text(updated_registry(read_registry(path), entry)), encoding="utf-8")
    emit(entry, "\n".join(f"{key:<10} {value}" for key, value in entry.items()), as_json)
