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
    ct: Annotated[Path, typer.Argument(help="CT file (NIfTI, NRRD, MHA) or DICOM folder.")],
    labels: Annotated[Path, typer.Option(help="Label map (TotalSegmentator or VerSe numbers) or folder of masks.")],
    level: Annotated[str, typer.Option(help="Vertebral level, e.g. L1.")],
    out: Annotated[Path, typer.Option(help="Case folder to make.")],
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
    """Make a case folder from a patient's CT: case.toml, anatomy.h5 and import-check.png."""
    from vertebro.imported import import_case

    with progress(f"import {level}") as report:
        facts: dict[str, Any] = import_case(
            ct,
            labels,
            level,
            out,
            spacing=spacing,
            scheme=scheme,
            resample_labels=resample_labels,
            subregions=subregions,
            calibration=calibration,
            seed=seed,
            progress=report,
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
