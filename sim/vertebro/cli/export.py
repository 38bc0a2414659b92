"""``vertebro shoot · export``: frames, loops and whole runs out, in the formats other people read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vertebro.cli.output import JsonOption, emit, progress
from vertebro.errors import CaseError

if TYPE_CHECKING:
    from vertebro.record import Run

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")]
FRAME_KINDS = (".png", ".dcm")
FILMS = ("gif", "mp4")


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("shoot")(shoot)
    app.command("export")(export)


def shoot(
    folder: RunFolder,
    out: Annotated[Path, typer.Option(help="frame.dcm (DICOM XA) or frame.png (16 bit; its facts beside it as JSON).")],
    view: Annotated[
        str, typer.Option(help="(true-)ap, (true-)lateral, en-face-left, en-face-right, or orbital,cranial in degrees.")
    ] = "lateral",
    time: Annotated[float | None, typer.Option("--at", help="Schedule time [s]; default: the end.")] = None,
    bits: Annotated[int, typer.Option(help="DICOM: 12 or 16 per pixel.")] = 16,
    as_json: JsonOption = False,
) -> None:
    """Take one fluoroscopy frame of a run at any moment and angle."""
    from vertebro.record import Run
    from vertebro.view.dicom_study import study_of
    from vertebro.view.dicom_xa import write_xa
    from vertebro.view.files import check_new
    from vertebro.view.frame_files import frame_facts, write_png
    from vertebro.view.loops import LoopMaker

    if out.suffix not in FRAME_KINDS:
        raise CaseError("unknown kind of file", where="--out", value=str(out), allowed=", ".join(FRAME_KINDS))
    check_new(out)
    run = Run.load(folder)
    moment = float(run.times[-1]) if time is None else time
    plane, _ = LoopMaker(run=run, views=(view,)).single(view, moment)
    study = study_of(run)
    if out.suffix == ".png":
        facts = write_png(plane, study, out)
    else:
        write_xa([plane], study, [out], bits=bits)
        facts = frame_facts(plane, study)
    emit({"file": str(out), **facts}, f"{out}: {view} at {moment:.1f} s", as_json)


def export(
    folder: RunFolder,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            help="dicom (fluoroscopy, CT before and after, segmentation), nii.gz or nrrd (volumes), vti or vtkhdf "
            "(fields over time), stl or ply (bone and cement, mm), csv or parquet (tables), gif or mp4 (a film).",
        ),
    ],
    out: Annotated[Path, typer.Option(help="New folder; for vtkhdf, gif and mp4 a new file.")],
    only: Annotated[
        list[str] | None, typer.Option(help="dicom: xa, ct or seg (with its CT); may repeat. Default: all.")
    ] = None,
    ct_field: Annotated[str, typer.Option(help="dicom: edge of the CT's field of view.")] = "160 mm",
    ct_pixels: Annotated[int, typer.Option(help="dicom: rows and columns of a CT slice.")] = 512,
    ct_slice: Annotated[str, typer.Option(help="dicom: thickness of a CT slice.")] = "2 mm",
    ct_mode: Annotated[str, typer.Option(help="dicom: fast, or reconstructed (takes minutes).")] = "fast",
    view: Annotated[list[str] | None, typer.Option(help="Plane A, then B (biplane); default: ap and lateral.")] = None,
    loop: Annotated[str, typer.Option(help="needle, injection or both; a film shows one.")] = "",
    frames: Annotated[int, typer.Option(help="Most frames stored per plane.")] = 120,
    rate: Annotated[float, typer.Option(help="Pulses per second: 3, 7.5, 15 or 30.")] = 7.5,
    bits: Annotated[int, typer.Option(help="Loops in DICOM: 12 or 16 per pixel.")] = 16,
    seconds: Annotated[float, typer.Option(help="How long a film runs.")] = 8.0,
    as_json: JsonOption = False,
) -> None:
    """Write a run in other people's formats, whole or not at all.

    Places are the patient's: an imported CT keeps its scanner's coordinates. Folders hold an index.json.
    """
    from vertebro.record import Run
    from vertebro.units import parse
    from vertebro.view.export import FORMATS, PARTS, CTWish, export_run
    from vertebro.view.loops import LoopMaker

    if to not in (*FORMATS, *FILMS):
        raise CaseError("unknown format", where="--to", value=to, allowed=", ".join((*FORMATS, *FILMS)))
    _check_free(to, out)
    wishes: dict[str, Any] = {}
    if to == "dicom":
        wishes["ct"] = CTWish(
            width=parse(ct_field, "m", where="--ct-field"),
            pixels=ct_pixels,
            thickness=parse(ct_slice, "m", where="--ct-slice"),
            mode=ct_mode,  # type: ignore[arg-type]
        )
        wishes |= {"bits": bits, "parts": tuple(only or PARTS), "loops": _loops(loop)}
    run = Run.load(folder)
    maker = LoopMaker(run=run, views=tuple(view or ("ap", "lateral")), rate=rate, most=frames)
    if to in FILMS:
        facts = _film(run, out, maker, loop, seconds, to)
    else:
        if to == "dicom":
            wishes["maker"] = maker
        with progress("export") as tell:
            facts = export_run(run, to, out, progress=tell, **wishes)
        facts |= {"files": _files(out, facts)}
    emit(facts, "\n".join(facts["files"]), as_json)


def _files(out: Path, facts: dict[str, Any]) -> list[str]:
    """What was written, as people find it."""
    if "objects" in facts:
        return [str(out / item["file"]) for item in facts["objects"]]
    return [str(out)] if not out.is_dir() else [str(out / name) for name in facts["files"]]


def _loops(loop: str) -> tuple[str, ...]:
    return ("needle", "injection") if loop in ("", "both") else (loop,)


def _check_free(to: str, out: Path) -> None:
    """Before the run is loaded: nobody wants to wait for this message."""
    if to not in ("vtkhdf", *FILMS):
        from vertebro.record import check_free

        check_free(out)
        return
    from vertebro.view.files import check_new

    if out.suffix != f".{to}":
        raise CaseError("the file's name does not fit the format", where="--out", value=str(out), allowed=f"*.{to}")
    check_new(out)


def _film(run: Run, out: Path, maker: Any, loop: str, seconds: float, to: str) -> dict[str, Any]:
    from vertebro.view.movie import write_movie

    with progress("export") as tell:
        tell(f"{to} film", 0.1)
        write_movie(run, out, loop=loop or "injection", maker=maker, seconds=seconds)
    return {"files": [str(out)], "loop": loop or "injection"}
