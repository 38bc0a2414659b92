"""A run in other people's formats: DICOM objects in a folder.

``xa/`` holds the loops. A CT (``ct/``) and its segmentation (``seg/``) belong beside it, in the same study: see
`vertebro.view.dicom_study`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vertebro.record import check_free, whole_or_nothing
from vertebro.view.dicom_study import save_dataset, study_of
from vertebro.view.dicom_xa import facts_of, xa_pair
from vertebro.view.loops import LOOPS, LoopMaker

if TYPE_CHECKING:
    from vertebro.record import Run

Progress = Callable[[str, float], None]


def export_dicom(
    run: Run,
    folder: str | Path,
    *,
    maker: LoopMaker | None = None,
    loops: Sequence[str] = LOOPS,
    bits: int = 16,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write the needle and injection loops as X-Ray Angiographic multi-frames; two views are a biplane pair.

    Parameters
    ----------
    run : Run
    folder : path
        New or empty; written whole or not at all.
    maker : LoopMaker, optional
        Views, pulse rate and number of frames; default: AP and lateral.
    loops : sequence of {"needle", "injection"}
    bits : int
        12 or 16 per pixel.
    progress : callable (stage, share), optional

    Returns
    -------
    dict
        What was written, also in ``index.json``.

    Raises
    ------
    CaseError, DataError
        If the folder is used, a loop or view is unknown, or a moment is outside the run.
    """
    folder, maker, study = check_free(folder), maker or LoopMaker(run=run), study_of(run)
    index: dict[str, Any] = {"study_uid": study.uid("study"), "patient_id": f"VERTEBRO-{study.digest[:8].upper()}"}
    with whole_or_nothing(folder) as partial:
        (partial / "xa").mkdir()
        index["objects"] = []
        for number, name in enumerate(loops):
            if progress is not None:
                progress(f"{name} loop", number / len(loops))
            planes = maker.loop(name)
            for plane, ds in zip(planes, xa_pair(planes, study, bits=bits, series=number + 1), strict=True):
                file = f"xa/{name}-{plane.acquisition.plane}-{plane.view.replace(',', '_')}.dcm"
                save_dataset(ds, partial / file)
                index["objects"].append({"file": file, **facts_of(ds)})
        (partial / "index.json").write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
    return index
