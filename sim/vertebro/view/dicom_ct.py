"""CT slices as DICOM: CT Image Storage, one file per slice, where the patient lay.

The slices are axial in the vertebra's own frame, so they lie obliquely in the patient; ImagePositionPatient and
ImageOrientationPatient say how. An imported anatomy keeps its scanner's coordinates: the pictures lie over the original
CT. The frame of reference has an identifier of its own, because the original's would be a patient's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage

from vertebro.errors import DataError
from vertebro.imaging import CTSlice, Scanner
from vertebro.units import mm
from vertebro.view.dicom_study import Study, ds_number, new_dataset, stamp

WINDOWS = {"BONE": (400, 1800), "SOFT TISSUE": (40, 400)}
LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0])


@dataclass(frozen=True, kw_only=True, slots=True)
class CTSeries:
    """What the slices do not say themselves.

    Attributes
    ----------
    name : str
        ``"before"``, ``"after"``: tells the series from others of the study.
    number : int
        Of the series.
    time : float [s]
        Schedule time.
    patient_from_world : (4, 4) float array
        To the patient's RAS coordinates [m].
    scanner : Scanner
    source : str
        What the CT numbers rest on, in words.
    """

    name: str
    number: int
    time: float
    patient_from_world: NDArray[np.float64]
    scanner: Scanner
    source: str


def ct_datasets(slices: Iterable[CTSlice], series: CTSeries, study: Study) -> list[Dataset]:
    """Slices as data sets, in their order.

    Parameters
    ----------
    slices : iterable of CTSlice
        Parallel, from below upwards, on the world's axes [m].
    series : CTSeries
    study : Study

    Raises
    ------
    DataError
        If there are no slices, or a CT number does not fit into 16 bits.
    """
    pictures = list(slices)
    if not pictures:
        raise DataError("a CT series without slices", where=series.name, allowed="one slice or more")
    step = float(np.linalg.norm(pictures[-1].origin - pictures[0].origin)) / max(len(pictures) - 1, 1)
    return [_dataset(picture, k + 1, step, series, study) for k, picture in enumerate(pictures)]


def lps(points: NDArray[np.float64], patient_from_world: NDArray[np.float64]) -> NDArray[np.float64]:
    """World points (…, 3) [m] in the patient's LPS coordinates [mm]."""
    patient = points @ patient_from_world[:3, :3].T + patient_from_world[:3, 3]
    return np.asarray(patient @ LPS_FROM_RAS / mm)


def _dataset(picture: CTSlice, number: int, step: float, series: CTSeries, study: Study) -> Dataset:
    ds = new_dataset(study, CTImageStorage, "ct", series.name, number)
    ds.Modality, ds.SeriesInstanceUID = "CT", study.uid("series", "ct", series.name)
    ds.SeriesNumber, ds.AcquisitionNumber, ds.InstanceNumber = series.number, 1, number
    ds.SeriesDescription = f"SYNTHETIC CT {series.name} cement"[:64]
    ds.SeriesDate, ds.SeriesTime = stamp(series.time)
    ds.AcquisitionDate, ds.AcquisitionTime = stamp(series.time)
    ds.ContentDate, ds.ContentTime = stamp(series.time)
    # its pixels rest on voxels that were there before: never an original
    ds.ImageType = ["DERIVED", "SECONDARY", "AXIAL"]
    ds.DerivationDescription = f"{ds.DerivationDescription}; {series.source}"
    _place(ds, picture, step, series, study)
    _pixels(ds, picture.hu, series.name)
    ds.KVP = ds_number(series.scanner.kvp)
    ds.FilterType = "FLAT"
    ds.WindowCenter = [str(centre) for centre, _ in WINDOWS.values()]
    ds.WindowWidth = [str(width) for _, width in WINDOWS.values()]
    ds.WindowCenterWidthExplanation = list(WINDOWS)
    return ds


def _place(ds: Dataset, picture: CTSlice, step: float, series: CTSeries, study: Study) -> None:
    turn = LPS_FROM_RAS @ series.patient_from_world[:3, :3]
    pitch = [float(np.linalg.norm(x)) for x in (picture.row_step, picture.col_step)]
    right, down = turn @ picture.col_step / pitch[1], turn @ picture.row_step / pitch[0]
    position = lps(picture.origin, series.patient_from_world)
    ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = study.uid("frame of reference"), ""
    ds.PatientPosition = "HFP"
    ds.ImagePositionPatient = [ds_number(x) for x in position]
    ds.ImageOrientationPatient = [ds_number(round(x, 12) + 0.0) for x in (*right, *down)]
    ds.PixelSpacing = [ds_number(x / mm) for x in pitch]
    ds.SliceThickness, ds.SpacingBetweenSlices = ds_number(picture.thickness / mm), ds_number(step / mm)
    ds.SliceLocation = ds_number(float(position @ np.cross(right, down)))


def _pixels(ds: Dataset, hu: NDArray[np.float32], name: str) -> None:
    values = np.rint(hu)
    if not np.isfinite(values).all() or np.abs(values).max() >= 2**15:
        raise DataError(
            "CT numbers that do not fit", where=f"CT {name}", value=float(np.abs(values).max()), allowed="below 32768"
        )
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = values.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "0", "1", "HU"
    ds.PixelData = values.astype("<i2").tobytes()
