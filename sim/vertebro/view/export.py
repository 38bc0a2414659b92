"""A run in other people's formats: one folder (or file), written whole or not at all, that says what it holds.

===========  =======================================================================================================
``dicom``    ``xa/`` fluoroscopy loops, ``ct-before/`` and ``ct-after/`` slices, ``seg/`` segmentation of the latter
``nii.gz``   volumes on the simulation grid: CT before and after, compartments, cement, heat; also ``nrrd``
``vti``      fields over time for ParaView, one file a moment and a ``.pvd``; ``vtkhdf``: one file
``stl``      closed surfaces of bone and cement in millimetres; also ``ply``
``csv``      tidy tables: curves, events, leaks, heat; also ``parquet``
===========  =======================================================================================================

Patient coordinates are DICOM's (left, posterior, superior, millimetres) but in NIfTI, whose own are right, anterior,
superior. `FORMATS` names the formats; films are `vertebro.view.movie`'s.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vertebro import __version__
from vertebro.errors import CaseError
from vertebro.imaging.ct import MODES, Mode
from vertebro.record import check_free, whole_or_nothing
from vertebro.view.dicom_study import MARK, Study, save_dataset, study_of
from vertebro.view.loops import LOOPS, LoopMaker

if TYPE_CHECKING:
    from vertebro.record import Run

Progress = Callable[[str, float], None]
PARTS = ("xa", "ct", "seg")
VOLUMES, FIELDS, SURFACES, TABLES = ("nii.gz", "nrrd"), ("vti", "vtkhdf"), ("stl", "ply"), ("csv", "parquet")
FORMATS = ("dicom", *VOLUMES, *FIELDS, *SURFACES, *TABLES)
FIRST_CT, FIRST_SEG = 11, 21  # series numbers; loops count from 1


@dataclass(frozen=True, kw_only=True, slots=True)
class CTWish:
    """How the CT is sampled.

    Parameters
    ----------
    width : float [m]
        Field of view.
    pixels : int
    thickness : float [m]
        Of slices that touch one another.
    mode : {"fast", "reconstructed"}
        See `vertebro.scan_series.ct_series`.

    Raises
    ------
    CaseError
        If a value is out of range.
    """

    width: float = 0.16
    pixels: int = 512
    thickness: float = 2e-3
    mode: Mode = "fast"

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise CaseError("unknown mode of the CT", where="ct.mode", value=self.mode, allowed=", ".join(MODES))
        for key, low, high in (("width", 0.02, 0.5), ("pixels", 16, 2048), ("thickness", 0.3e-3, 10e-3)):
            if not low <= getattr(self, key) <= high:
                raise CaseError(
                    "impossible CT series", where=f"ct.{key}", value=getattr(self, key), allowed=f"{low:g} to {high:g}"
                )


def export_run(
    run: Run, to: str, out: str | Path, *, progress: Progress | None = None, **wishes: Any
) -> dict[str, Any]:
    """Write a run in one of `FORMATS`.

    Parameters
    ----------
    run : Run
    to : str
    out : path
        New or empty folder; a new file for ``vtkhdf``.
    progress : callable (stage, share), optional
    **wishes
        For ``dicom``: those of `export_dicom`.

    Returns
    -------
    dict
        What was written; in a folder also as ``index.json``.

    Raises
    ------
    CaseError
        If the format is unknown.
    DataError
        If the target is used or cannot be written.
    MissingExtra
        If the format needs a package that is absent.
    """
    if to not in FORMATS:
        raise CaseError("unknown format", where="to", value=to, allowed=", ".join(FORMATS))
    if to == "dicom":
        return export_dicom(run, out, progress=progress, **wishes)
    tell = progress or (lambda stage, share: None)
    if to == "vtkhdf":
        from vertebro.view.field_files import write_vtkhdf

        tell("fields", 0.1)
        return about(run, to) | write_vtkhdf(run, out)
    folder = check_free(out)
    with whole_or_nothing(folder) as partial:
        index = about(run, to) | _writer(to)(run, partial, to, tell)
        write_index(index, partial)
    return index


def _writer(to: str) -> Callable[[Run, Path, str, Progress], dict[str, Any]]:
    if to in VOLUMES:
        from vertebro.view.field_files import write_volumes

        return write_volumes
    if to in FIELDS:
        from vertebro.view.field_files import write_vti

        return write_vti
    if to in SURFACES:
        from vertebro.view.printable import write_surfaces

        return write_surfaces
    from vertebro.view.history_files import write_tables

    return write_tables


def about(run: Run, to: str) -> dict[str, Any]:
    """What every index says first."""
    return {
        "notice": MARK,
        "vertebro": __version__,
        "run": study_of(run).digest[:16],
        "title": run.case.title,
        "level": run.anatomy.level,
        "format": to,
    }


def write_index(index: dict[str, Any], folder: Path) -> None:
    """Write ``index.json``."""
    text = json.dumps(index, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / "index.json").write_text(f"{text}\n", encoding="utf-8")


def export_dicom(
    run: Run,
    folder: str | Path,
    *,
    maker: LoopMaker | None = None,
    loops: Sequence[str] = LOOPS,
    bits: int = 16,
    parts: Sequence[str] = PARTS,
    ct: CTWish | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write a run as one DICOM study: fluoroscopy loops, CT before and after, segmentation of the CT after.

    Parameters
    ----------
    run : Run
    folder : path
        New or empty; written whole or not at all.
    maker : LoopMaker, optional
        Views, pulse rate and number of frames; default: AP and lateral. Two views are a biplane pair.
    loops : sequence of {"needle", "injection"}
    bits : int
        12 or 16 per pixel of the loops.
    parts : sequence of {"xa", "ct", "seg"}
        ``"seg"`` brings the CT it refers to.
    ct : CTWish, optional
    progress : callable (stage, share), optional

    Returns
    -------
    dict
        What was written, also in ``index.json``.

    Raises
    ------
    CaseError, DataError
        If the folder is used, a part, loop or view is unknown, or a moment is outside the run.
    """
    unknown = [part for part in parts if part not in PARTS]
    if unknown or not parts:
        raise CaseError("unknown part of a study", where="parts", value=list(parts), allowed=", ".join(PARTS))
    folder, maker, study = check_free(folder), maker or LoopMaker(run=run), study_of(run)
    tell = progress or (lambda stage, share: None)
    index = about(run, "dicom")
    index |= {"study_uid": study.uid("study"), "patient_id": f"VERTEBRO-{study.digest[:8].upper()}", "objects": []}
    with whole_or_nothing(folder) as partial:
        if "xa" in parts:
            index["objects"] += _loops(maker, loops, bits, study, partial, tell)
        if "ct" in parts or "seg" in parts:
            from vertebro.view.export_ct import write_ct

            index["objects"] += write_ct(run, study, partial, ct or CTWish(), seg="seg" in parts, tell=tell)
        write_index(index, partial)
    return index


def _loops(
    maker: LoopMaker, loops: Sequence[str], bits: int, study: Study, folder: Path, tell: Progress
) -> list[dict[str, Any]]:
    from vertebro.view.dicom_xa import facts_of, xa_pair

    (folder / "xa").mkdir()
    found = []
    for number, name in enumerate(loops):
        tell(f"{name} loop", 0.5 * number / len(loops))
        planes = maker.loop(name)
        for plane, ds in zip(planes, xa_pair(planes, study, bits=bits, series=number + 1), strict=True):
            file = f"xa/{name}-{plane.acquisition.plane}-{plane.view.replace(',', '_')}.dcm"
            save_dataset(ds, folder / file)
            found.append({"file": file, **facts_of(ds)})
    return found
