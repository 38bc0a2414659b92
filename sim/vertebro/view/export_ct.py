"""The CT half of a DICOM study: slices before and after cement, and the segmentation of the latter."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vertebro.imaging import CTSlice, Scanner
from vertebro.scan_series import ct_series
from vertebro.scans import ct_scanner
from vertebro.view.dicom_ct import CTSeries, ct_datasets
from vertebro.view.dicom_study import Study, save_dataset
from vertebro.view.export import FIRST_CT, FIRST_SEG, CTWish, Progress
from vertebro.view.segments import run_segments

if TYPE_CHECKING:
    from vertebro.record import Run

MOMENTS = ("before", "after")


def write_ct(run: Run, study: Study, folder: Path, wish: CTWish, *, seg: bool, tell: Progress) -> list[dict[str, Any]]:
    """Write both series and, if wished, the segmentation; returns facts of each.

    Parameters
    ----------
    run : Run
    study : Study
    folder : Path
        Exists; ``ct-before``, ``ct-after`` and ``seg`` are made in it.
    wish : CTWish
    seg : bool
    tell : callable (stage, share)
    """
    found = []
    for k, moment in enumerate(MOMENTS):
        share = 0.5 + 0.2 * k
        slices = list(_slices(run, moment, wish, tell, share))
        series = CTSeries(
            name=moment,
            number=FIRST_CT + k,
            time=float(run.times[0 if moment == "before" else -1]),
            patient_from_world=run.anatomy.patient_from_world,
            scanner=ct_scanner(run.scene) if wish.mode == "fast" else Scanner(),
            source=_source(run),
        )
        sets = ct_datasets(slices, series, study)
        (folder / f"ct-{moment}").mkdir()
        for ds in sets:
            save_dataset(ds, folder / f"ct-{moment}" / f"{int(ds.InstanceNumber):03d}.dcm")
        found.append(_facts(f"ct-{moment}", sets))
    if seg:
        tell("segmentation", 0.92)
        found.append(_segmentation(run, study, folder, slices, sets))
    return found


def _slices(run: Run, moment: str, wish: CTWish, tell: Progress, share: float) -> Iterator[CTSlice]:
    cement = None if moment == "before" else run.cement_fraction()
    veins = None if moment == "before" else run.vein_cement()
    number = MOMENTS.index(moment)
    return ct_series(
        run.scene,
        cement,
        veins=veins,
        width=wish.width,
        pixels=wish.pixels,
        thickness=wish.thickness,
        number=number,
        mode=wish.mode,
        progress=lambda stage, part: tell(f"{moment} cement: {stage}", share + 0.2 * part),
    )


def _segmentation(run: Run, study: Study, folder: Path, slices: list[CTSlice], sets: list[Any]) -> dict[str, Any]:
    from vertebro.view.dicom_seg import seg_dataset

    ds = seg_dataset(run_segments(run), slices, sets, run.anatomy.grid, study, number=FIRST_SEG)
    (folder / "seg").mkdir()
    save_dataset(ds, folder / "seg" / "segmentation.dcm")
    return {
        "file": "seg/segmentation.dcm",
        "sop_instance_uid": str(ds.SOPInstanceUID),
        "frames": int(ds.NumberOfFrames),
        "segments": [str(item.SegmentLabel) for item in ds.SegmentSequence],
        "of": "ct-after",
    }


def _source(run: Run) -> str:
    """What the CT numbers rest on, for the derivation's description."""
    kind = run.anatomy.provenance.get("source")
    tissue = "anatomy resampled from an imported CT" if kind == "ct" else "anatomy invented"
    return f"{tissue}, cement simulated"


def _facts(folder: str, sets: list[Any]) -> dict[str, Any]:
    first = sets[0]
    return {
        "file": folder,
        "series_uid": str(first.SeriesInstanceUID),
        "slices": len(sets),
        "rows": int(first.Rows),
        "columns": int(first.Columns),
        "pixel_mm": [float(x) for x in first.PixelSpacing],
        "slice_mm": float(first.SliceThickness),
        "kvp": float(first.KVP),
        "first_position_lps_mm": [float(x) for x in first.ImagePositionPatient],
        "orientation_lps": [float(x) for x in first.ImageOrientationPatient],
    }
