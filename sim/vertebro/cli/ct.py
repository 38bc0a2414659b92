"""``vertebro ct``: the CT of a run at any moment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vertebro.cli.output import JsonOption, emit, progress
from vertebro.errors import CaseError

if TYPE_CHECKING:
    from vertebro.imaging import CTSlice, Scanner
    from vertebro.record import Run

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")]
VOLUMES = (".nii.gz", ".nii", ".nrrd", ".mha")
WINDOWS = {"bone": (400.0, 1800.0), "soft": (40.0, 400.0)}


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("ct")(ct)


def ct(
    folder: RunFolder,
    out: Annotated[Path, typer.Option(help="File (.nii.gz, .nrrd, .mha) or folder of pictures.")],
    time: Annotated[float | None, typer.Option("--at", help="Schedule time [s]; default: the end.")] = None,
    mode: Annotated[str, typer.Option(help="fast, or reconstructed (streaks, noise; takes a minute).")] = "fast",
    before: Annotated[bool, typer.Option("--before", help="Without cement.")] = False,
    needles: Annotated[bool, typer.Option("--needles", help="With the needles in place.")] = False,
    shot: Annotated[int, typer.Option(help="Instead: a CT fluoroscopy shot of 1 or 3 slices.")] = 0,
    table: Annotated[float, typer.Option(help="Height of the shot [mm] in the vertebra's frame.")] = 0.0,
    kernel: Annotated[str, typer.Option(help="soft or bone.")] = "soft",
    thickness: Annotated[float | None, typer.Option(help="Of a slice [mm].")] = None,
    mas: Annotated[float | None, typer.Option(help="Tube charge of a turn [mAs].")] = None,
    kvp: Annotated[float, typer.Option(help="Tube voltage [kV], 80 to 140.")] = 120.0,
    metal: Annotated[str, typer.Option(help="Metal reduction: none, linear or normalised.")] = "none",
    width: Annotated[float, typer.Option(help="Field of view [mm].")] = 160.0,
    pixels: Annotated[int, typer.Option(help="Rows and columns.")] = 512,
    clip: Annotated[bool, typer.Option("--12-bit", help="Clip at 3071 HU.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write the CT of a run: a volume, axial, sagittal and coronal pictures, or a shot with the needle."""
    from vertebro.imaging import Scanner
    from vertebro.record import Run

    if not 80 <= kvp <= 140:
        raise CaseError("tube voltage", where="--kvp", value=kvp, allowed="80 to 140 kV")
    run = Run.load(folder)
    cement, veins = (None, None) if before else (run.cement_fraction(time), run.vein_cement(time))
    scanner = Scanner(kvp=kvp, kernel=kernel, metal_reduction=metal, extended=not clip)  # type: ignore[arg-type]
    field = {"width": width * 1e-3, "pixels": pixels}
    facts: dict[str, Any]
    if shot:
        facts = _shot(run, scanner, (cement, veins), out, shot, table * 1e-3, thickness, mas, field)
    else:
        scanner = _with_charge(scanner, mas)
        slab = None if thickness is None else thickness * 1e-3
        facts = _scan(run, scanner, (cement, veins), out, mode, needles, slab, field)
    emit(facts, "\n".join(facts["files"]), as_json)


def _with_charge(scanner: Scanner, mas: float | None) -> Scanner:
    from dataclasses import replace

    return scanner if mas is None else replace(scanner, mas=mas)


def _shot(
    run: Run,
    scanner: Scanner,
    cement: Any,
    out: Path,
    slices: int,
    table: float,
    thickness: float | None,
    mas: float | None,
    field: dict[str, Any],
) -> dict[str, Any]:
    from vertebro.ct_room import CTSuite

    suite = CTSuite(run.scene, scanner)
    suite.feed(table)
    wish = field | ({} if thickness is None else {"thickness": thickness * 1e-3})
    shot = suite.shots(cement[0], veins=cement[1], slices=slices, mas=mas, **wish)
    pictures = {f"shot-{i + 1}": picture for i, picture in enumerate(shot.slices)}
    return {"files": _pictures(pictures, out, "bone"), "dose": suite.ledger.to_dict()}


def _scan(
    run: Run,
    scanner: Scanner,
    cement: Any,
    out: Path,
    mode: str,
    needles: bool,
    thickness: float | None,
    field: dict[str, Any],
) -> dict[str, Any]:
    from vertebro.imaging import ct_dose
    from vertebro.scan_files import save_ct_volume
    from vertebro.scans import THICKNESS, ct_planes, ct_stack

    scene, (fraction, veins) = run.scene, cement
    if out.name.endswith(VOLUMES) and mode == "fast":
        save_ct_volume(scene, out, fraction)
        return {"files": [str(out)]}
    with progress("CT") as tell:
        if out.name.endswith(VOLUMES) and mode == "reconstructed":
            stack = ct_stack(
                scene,
                fraction,
                veins=veins,
                needles=scene.needles if needles else (),
                scanner=scanner,
                thickness=thickness or THICKNESS,
                progress=tell,
                **field,
            )
            save_ct_volume(scene, out, stack=stack)
            length = stack.grid.shape[2] * stack.grid.spacing[2]
            dose = ct_dose(kvp=scanner.kvp, mas=scanner.mas, length=length).to_dict()
            return {"files": [str(out)], "slices": stack.grid.shape[2], "dose": dose}
        settings: dict[str, Any] = {} if mode == "fast" else {"scanner": scanner, "progress": tell}
        settings |= {"veins": veins, "needles": needles, "mode": mode, "thickness": thickness}
        planes = ct_planes(scene, fraction, **settings, **field)
    return {"files": _pictures(planes, out, "bone")}


def _pictures(slices: dict[str, CTSlice], out: Path, window: str) -> list[str]:
    from PIL import Image

    from vertebro.imaging import window_level

    centre, width = WINDOWS[window]
    out.mkdir(parents=True, exist_ok=True)
    files = []
    for name, picture in slices.items():
        files.append(str(out / f"{name}.png"))
        Image.fromarray(window_level(picture.hu, centre=centre, width=width)).save(files[-1])
    return files
