"""``vertebro sample · import``: real CT in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from vertebro.cli.output import JsonOption, emit, progress


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("sample")(sample)
    app.command("import")(import_ct)


def sample(name: Annotated[str, typer.Argument(help="lidc")] = "lidc", as_json: JsonOption = False) -> None:
    """Fetch an openly licensed real CT with labels into the user's cache folder."""
    from vertebro.anatomy.sample import fetch_sample

    with progress(f"sample {name}") as report:
        paths = fetch_sample(name, progress=report)
    facts = {"ct": str(paths.ct), "labels": str(paths.labels), "licence": paths.licence, "citation": paths.citation}
    emit(facts, "\n".join(f"{key:<9} {value}" for key, value in facts.items()), as_json)


def import_ct(
    ct: Annotated[
        Path, typer.Argument(help="CT (NIfTI, NRRD, MHA, DICOM folder), or a bone's surface (STL, PLY, VTP, OBJ).")
    ],
    level: Annotated[str, typer.Option(help="Vertebral level, e.g. L1. One vertebra alone does not tell which it is.")],
    out: Annotated[Path, typer.Option(help="Case folder to make.")],
    labels: Annotated[
        Path | None, typer.Option(help="Label map (TotalSegmentator or VerSe numbers) or folder of masks.")
    ] = None,
    seed_point: Annotated[
        str,
        typer.Option(help='Without labels: a point inside the body, "r, a, s mm" in scanner RAS as viewers show it.'),
    ] = "",
    labels_only: Annotated[
        bool, typer.Option(help="The first file is a label map without a CT: synthetic interior.")
    ] = False,
    axes: Annotated[str, typer.Option(help="Surfaces: what x, y, z grow towards, e.g. RAS, LPS, ALS.")] = "",
    unit: Annotated[str, typer.Option(help="Surfaces: auto (by size), mm, cm, m or inch.")] = "auto",
    above: Annotated[Path | None, typer.Option(help="Surface of the vertebra above, same coordinates.")] = None,
    below: Annotated[Path | None, typer.Option(help="Surface of the vertebra below, same coordinates.")] = None,
    bone_fraction: Annotated[float, typer.Option(help="Synthetic interior: mean BV/TV of the body, 0.03-0.30.")] = 0.08,
    spacing: Annotated[str, typer.Option(help="Edge of a simulation voxel, 0.4 to 1.5 mm.")] = "0.8 mm",
    scheme: Annotated[
        str, typer.Option(help="Label numbers: auto, totalsegmentator, totalsegmentator-v1 or verse.")
    ] = "auto",
    subregions: Annotated[Path | None, typer.Option(help="TPTBox (SPINEPS) map: body, arch, canal, processes.")] = None,
    calibration: Annotated[
        str, typer.Option(help="CT numbers from fat, muscle, blood, air: auto (if they contradict) or none (report).")
    ] = "auto",
    resample_labels: Annotated[bool, typer.Option(help="Allow labels on another grid than the CT.")] = False,
    seed: Annotated[int, typer.Option(help="Of what a CT cannot show: veins, scatter of permeability.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Make a case folder from a patient's CT or a bone's shape: case.toml, anatomy.h5 and import-check.png."""
    shape = {"axes": axes, "unit": unit, "above": above, "below": below}
    with progress(f"import {level}") as report:
        shared: dict[str, Any] = {"spacing": spacing, "seed": seed, "progress": report}
        if _is_shape(ct, labels_only, labels, seed_point, shape):
            facts = _import_shape(ct, level, out, shape | {"scheme": scheme}, bone_fraction, shared)
        else:
            facts = _import_scan(
                ct,
                labels,
                level,
                out,
                seed_point,
                {"scheme": scheme, "resample_labels": resample_labels, "subregions": subregions}
                | {"calibration": calibration}
                | shared,
            )
        report("picture sheet", 0.9)
        from vertebro.anatomy.store import load_anatomy
        from vertebro.view.figures_import import draw_import_check

        draw_import_check(load_anatomy(out / "anatomy.h5"), out / "import-check.png")
    lines = [f"made {out}: {facts['level']}, body {facts['body_volume_ml']:.1f} ml, grid {facts['shape']}"]
    lines += calibration_lines(facts["calibration"])
    lines += [f"  warning: {text}" for text in facts["warnings"]]
    lines += [f"  look at {out / 'import-check.png'}, then: vertebro run {out} --out RUN"]
    emit(facts, "\n".join(lines), as_json)


def _is_shape(path: Path, labels_only: bool, labels: Path | None, seed_point: str, shape: dict[str, Any]) -> bool:
    """Whether the file is a bone's shape and not a CT; refuses options that contradict each other."""
    from vertebro.errors import CaseError
    from vertebro.view.surface_files import is_surface

    surface = is_surface(path)
    given = [name for name, value in {"--labels": labels, "--seed-point": seed_point}.items() if value]
    if (surface or labels_only) and given:
        raise CaseError("options that need a CT", where=", ".join(given), value=path.name, hint="leave them out")
    wants = [f"--{name}" for name, value in shape.items() if value and value != "auto"]
    if not surface and wants:
        raise CaseError("options for surfaces only", where=", ".join(wants), value=path.name, hint="leave them out")
    return surface or labels_only


def _import_shape(
    path: Path, level: str, out: Path, shape: dict[str, Any], bone_fraction: float, shared: dict[str, Any]
) -> dict[str, Any]:
    from vertebro.anatomy.shape_ct import ShapeInterior
    from vertebro.anatomy.shape_import import ShapeSource
    from vertebro.imported import import_shape_case
    from vertebro.view.surface_files import is_surface, read_surface

    files = {"shape": path, "above": shape["above"], "below": shape["below"]}
    if is_surface(path):
        read = {k: None if f is None else read_surface(f, shape["axes"], shape["unit"]) for k, f in files.items()}
        source = ShapeSource(shape=read["shape"] or path, above=read["above"], below=read["below"])
    else:
        source = ShapeSource(shape=path, scheme=shape["scheme"])
    return import_shape_case(source, level, out, interior=ShapeInterior(bone_fraction=bone_fraction), **shared)


def _import_scan(
    ct: Path, labels: Path | None, level: str, out: Path, seed_point: str, shared: dict[str, Any]
) -> dict[str, Any]:
    from vertebro.anatomy.segment_import import parse_point
    from vertebro.imported import import_case

    point = parse_point(seed_point) if seed_point else None
    return import_case(ct, labels, level, out, seed_point=point, **shared)


def calibration_lines(report: dict[str, Any]) -> list[str]:
    """What the patient's own tissues say about the scale of CT numbers, in a few lines."""
    found = ", ".join(
        f"{r['name']} {r['mean_hu']:.0f} (should be {r['expected_hu']:.0f})" for r in report["references"]
    )
    lines = [f"  CT numbers: {found or 'no reference tissue found'}"]
    if "slope" in report:
        used = "applied" if report["applied"] else "not applied"
        lines.append(
            f"    HU' = ({report['slope']:.3f} ± {report['slope_sd']:.3f}) HU "
            f"{report['offset_hu']:+.1f} ± {report['offset_sd_hu']:.1f}: {used}"
        )
    lines.append(f"    {report['reason']}")
    if report["vbmd_mg_cm3"] is not None:
        note = f" ({report['vbmd_note']})" if report["vbmd_note"] else ""
        lines.append(
            f"    core {report['core_hu_used']:.0f} HU: about {report['vbmd_mg_cm3']:.0f} ± "
            f"{report['vbmd_sd_mg_cm3']:.0f} mg/cm3 of hydroxyapatite{note}, {report['vbmd_source']}"
        )
    return lines
