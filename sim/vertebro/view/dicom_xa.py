"""Fluoroscopy as DICOM: X-Ray Angiographic Image Storage, single frames and loops, one plane or two.

Attributes follow PS3.3 A.14 and C.8.7. Angles are the patient's, however he lies: primary 0 is the detector before the
chest, +90 the detector at his left; secondary is positive towards the head. A prone patient's AP has the detector
behind his back: primary 180.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import XRayAngiographicImageStorage

from vertebro.errors import CaseError
from vertebro.imaging import Acquisition, ProjectionGeometry
from vertebro.imaging.fluoroscope import PULSE_WIDTH
from vertebro.units import deg, mm
from vertebro.view.dicom_study import Study, code, ds_number, new_dataset, save_dataset, stamp

DGY_CM2 = 1e-5  # Gy m² of one dGy cm², the unit of (0018,115E)
BITS = (12, 16)


@dataclass(frozen=True, kw_only=True, slots=True)
class XAPlane:
    """One plane's loop or single frame with what the pictures do not tell.

    Attributes
    ----------
    acquisition : Acquisition
        The stored frames.
    name : str
        Of the loop (``"needle"``, ``"injection"``, ``"shot"``).
    view : str
        Name of the view, for people.
    opening : (rows, cols) bool array, optional
        Inside the collimator.
    pulses : int
        That were fired, stored or not; dose and exposure count all of them. 0 stands for the stored ones.
    pulse_share : float
        Dose of a pulse over that of a stored frame's `Dose` (a filtered picture rests on several pulses).
    grid : bool
        Anti-scatter grid in place.
    filters : (float, float) [m]
        Aluminium and copper.
    focus : float [m]
        Focal spot.
    pulse_width : float [s]
        Splits the charge of a pulse into current and time.
    """

    acquisition: Acquisition
    name: str
    view: str
    opening: NDArray[np.bool_] | None = None
    pulses: int = 0
    pulse_share: float = 1.0
    grid: bool = True
    filters: tuple[float, float] = (3e-3, 0.2e-3)
    focus: float = 0.6e-3
    pulse_width: float = PULSE_WIDTH

    @property
    def fired(self) -> int:
        """Pulses, stored or not."""
        return self.pulses or len(self.acquisition)

    @property
    def dose_factor(self) -> float:
        """Dose of the loop over the sum of the stored frames' doses."""
        return self.fired / len(self.acquisition) * self.pulse_share


def xa_pair(planes: Sequence[XAPlane], study: Study, *, bits: int = 16, series: int = 1) -> list[Dataset]:
    """One or two planes as data sets; two refer to each other as a biplane pair.

    Parameters
    ----------
    planes : sequence of XAPlane
        One, or A and B of a biplane system.
    study : Study
    bits : int
        12 or 16 per pixel.
    series : int
        Number of the series within the study.

    Raises
    ------
    CaseError
        If there are more than two planes, or bits are neither 12 nor 16.
    """
    if not 1 <= len(planes) <= 2:
        raise CaseError("a C-arm has one plane or two", where="planes", value=len(planes), allowed="1 or 2")
    kinds = ["SINGLE PLANE"] if len(planes) == 1 else ["BIPLANE A", "BIPLANE B"]
    sets = [xa_dataset(p, study, kind=k, bits=bits, series=series) for p, k in zip(planes, kinds, strict=True)]
    for ds, other in zip(sets, sets[::-1], strict=True):
        if ds is not other:
            ds.ReferencedImageSequence = [_reference(other)]
    return sets


def write_xa(planes: Sequence[XAPlane], study: Study, paths: Sequence[str | Path], *, bits: int = 16) -> list[Path]:
    """Write one or two planes as DICOM files; see `xa_pair`.

    Raises
    ------
    CaseError
        As `xa_pair`.
    DataError
        If a file exists or cannot be written.
    """
    sets = xa_pair(planes, study, bits=bits)
    return [save_dataset(ds, path) for ds, path in zip(sets, paths, strict=True)]


def xa_dataset(plane: XAPlane, study: Study, *, kind: str = "SINGLE PLANE", bits: int = 16, series: int = 1) -> Dataset:
    """One plane as a data set without its partner's reference; see `xa_pair`."""
    if bits not in BITS:
        raise CaseError("bits per pixel", where="bits", value=bits, allowed="12 or 16")
    loop = plane.acquisition
    name = (plane.name, plane.view, bits, f"{loop.times[0]:.6f}", f"{loop.times[-1]:.6f}", len(loop))
    ds = new_dataset(study, XRayAngiographicImageStorage, *name)
    ds.Modality, ds.SeriesInstanceUID = "XA", study.uid("series", plane.name, bits)
    ds.SeriesNumber, ds.InstanceNumber = series, 2 if kind.endswith("B") else 1
    ds.AcquisitionNumber = series
    ds.SeriesDescription = f"SYNTHETIC {plane.name}"[:64]
    ds.SeriesDate, ds.SeriesTime = stamp(loop.times[0])
    ds.AcquisitionDate, ds.AcquisitionTime = stamp(loop.times[0])
    ds.ContentDate, ds.ContentTime = stamp(loop.times[0])
    ds.ImageType = ["ORIGINAL", "PRIMARY", kind]
    ds.PatientPosition = "HFP"
    ds.PatientOrientation = list(patient_orientation(loop.shots[0].geometry, study.patient_from_world))
    ds.ImageComments = f"{ds.ImageComments} View: {plane.view}, {plane.name}. {_dose_words(plane)}"
    _pixels(ds, loop.pictures, bits)
    _cine(ds, loop)
    _exposure(ds, plane)
    _positioner(ds, loop, study.patient_from_world)
    if plane.opening is not None:
        _collimator(ds, plane.opening)
    return ds


def positioner_angles(geometry: ProjectionGeometry, patient_from_world: NDArray[np.float64]) -> tuple[float, float]:
    """Primary and secondary angle [deg] of the detector about the patient.

    Parameters
    ----------
    geometry : ProjectionGeometry
    patient_from_world : (3, 3) float array
    """
    r, a, s = patient_from_world @ -geometry.normal
    primary = math.atan2(-r, a) / deg
    # straight behind the back is 180, not -180, whatever the last digit says
    return 180.0 if primary < -180 + 1e-6 else primary, math.asin(float(np.clip(s, -1, 1))) / deg


def patient_orientation(geometry: ProjectionGeometry, patient_from_world: NDArray[np.float64]) -> tuple[str, str]:
    """Letters of the patient's directions along rows (to the right) and columns (down) of the picture."""
    words = []
    for step in (geometry.u, geometry.v):
        way = patient_from_world @ (step / np.linalg.norm(step))
        parts = sorted(zip(way, ("RL", "AP", "HF"), strict=True), key=lambda part: -abs(part[0]))
        words.append("".join(pair[0 if x > 0 else 1] for x, pair in parts if abs(x) > 0.2))
    return words[0], words[1]


def _reference(other: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = other.SOPClassUID, other.SOPInstanceUID
    item.PurposeOfReferenceCodeSequence = [code(codes.DCM.OtherImageOfBiplanePair)]
    return item


def _pixels(ds: Dataset, pictures: NDArray[np.uint16], bits: int) -> None:
    values = pictures >> (16 - bits)
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows, ds.Columns = values.shape[1:]
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, bits, bits - 1, 0
    ds.PixelIntensityRelationship = "DISP"
    ds.WindowCenter, ds.WindowWidth = str(2 ** (bits - 1)), str(2**bits)
    ds.PixelData = np.ascontiguousarray(values, "<u2").tobytes()


def _cine(ds: Dataset, loop: Acquisition) -> None:
    if len(loop) == 1:
        return
    ds.NumberOfFrames = len(loop)
    steps = np.diff(loop.times, prepend=loop.times[0]) * 1e3
    ds.FrameTimeVector = [ds_number(step) for step in steps]
    ds.add_new("FrameIncrementPointer", "AT", 0x00181065)
    ds.CineRate = max(1, round(1e3 * (len(loop) - 1) / max(float(steps.sum()), 1e-9)))
    ds.RecommendedDisplayFrameRate = 10
    ds.PreferredPlaybackSequencing = 0
    ds.FrameDelay = "0"
    ds.EffectiveDuration = ds_number(float(steps.sum()) * 1e-3)


def _exposure(ds: Dataset, plane: XAPlane) -> None:
    loop, share = plane.acquisition, plane.pulse_share
    width = plane.pulse_width
    pulse = float(np.mean([shot.dose.mas for shot in loop.shots])) * share
    pulses = plane.fired
    ds.KVP = ds_number(float(np.mean([shot.dose.kvp for shot in loop.shots])))
    ds.XRayTubeCurrent = max(1, round(pulse / width))
    ds.ExposureTime = max(1, round(pulses * width * 1e3))
    ds.ExposureInuAs = max(1, round(pulses * pulse * 1e3))
    ds.AveragePulseWidth = ds_number(width * 1e3)
    ds.RadiationSetting = "GR" if loop.mode == "single" else "SC"
    ds.RadiationMode = "CONTINUOUS" if loop.mode == "continuous" else "PULSED"
    ds.ImageAndFluoroscopyAreaDoseProduct = ds_number(loop.dose.dose_area_product * plane.dose_factor / DGY_CM2)
    ds.Grid = "IN" if plane.grid else "NONE"
    ds.TypeOfFilters = "FLAT"
    ds.FocalSpots = ds_number(plane.focus / mm)
    geometry = loop.shots[0].geometry
    ds.ImagerPixelSpacing = [ds_number(pitch / mm) for pitch in geometry.pitch]
    ds.FieldOfViewShape = "RECTANGLE"
    ds.FieldOfViewDimensions = [
        round(geometry.pitch[0] * geometry.rows / mm), round(geometry.pitch[1] * geometry.cols / mm)
    ]  # fmt: skip


def _positioner(ds: Dataset, loop: Acquisition, patient: NDArray[np.float64]) -> None:
    pose, geometry = loop.shots[0].pose, loop.shots[0].geometry
    ds.PositionerMotion = "DYNAMIC" if loop.moved() else "STATIC"
    ds.DistanceSourceToDetector = ds_number(pose.source_detector / mm)
    ds.DistanceSourceToPatient = ds_number(pose.source_isocentre / mm)
    ds.EstimatedRadiographicMagnificationFactor = ds_number(geometry.magnification(geometry.isocentre))
    angles = np.array([positioner_angles(shot.geometry, patient) for shot in loop.shots])
    ds.PositionerPrimaryAngle, ds.PositionerSecondaryAngle = (ds_number(round(x, 4) + 0.0) for x in angles[0])
    if loop.moved():
        turned = np.rad2deg(np.unwrap(np.deg2rad(angles), axis=0)) - angles[0]
        ds.PositionerPrimaryAngleIncrement = [ds_number(round(x, 4)) for x in turned[:, 0]]
        ds.PositionerSecondaryAngleIncrement = [ds_number(round(x, 4)) for x in turned[:, 1]]


def _collimator(ds: Dataset, opening: NDArray[np.bool_]) -> None:
    rows, cols = np.flatnonzero(opening.any(axis=1)), np.flatnonzero(opening.any(axis=0))
    ds.CollimatorShape = "RECTANGULAR"
    # DICOM counts pixels from 1; the edges are the first dark columns and rows
    ds.CollimatorLeftVerticalEdge, ds.CollimatorRightVerticalEdge = int(cols[0]), int(cols[-1]) + 2
    ds.CollimatorUpperHorizontalEdge, ds.CollimatorLowerHorizontalEdge = int(rows[0]), int(rows[-1]) + 2


def _dose_words(plane: XAPlane) -> str:
    """What plain XA has no attribute for."""
    kerma = plane.acquisition.dose.reference_air_kerma * plane.dose_factor
    aluminium, copper = (x / mm for x in plane.filters)
    pulses = f"{plane.fired} pulses" if plane.acquisition.mode != "single" else "one exposure"
    stored = f", {len(plane.acquisition)} stored" if plane.fired > len(plane.acquisition) else ""
    return (
        f"Air kerma at the reference point {kerma * 1e3:.4g} mGy in {pulses}{stored}; "
        f"filters {aluminium:g} mm Al + {copper:g} mm Cu."
    )


def facts_of(ds: Dataset) -> dict[str, Any]:
    """The facts of a data set that people ask for, as plain JSON values."""
    return {
        "sop_instance_uid": str(ds.SOPInstanceUID),
        "image_type": list(ds.ImageType),
        "frames": int(ds.get("NumberOfFrames", 1)),
        "rows": int(ds.Rows),
        "columns": int(ds.Columns),
        "bits": int(ds.BitsStored),
        "primary_angle_deg": float(ds.PositionerPrimaryAngle),
        "secondary_angle_deg": float(ds.PositionerSecondaryAngle),
        "kvp": float(ds.KVP),
        "tube_current_ma": int(ds.XRayTubeCurrent),
        "pulse_width_ms": float(ds.AveragePulseWidth),
        "dap_gy_cm2": float(ds.ImageAndFluoroscopyAreaDoseProduct) * 0.1,
        "source_detector_mm": float(ds.DistanceSourceToDetector),
        "source_isocentre_mm": float(ds.DistanceSourceToPatient),
        "imager_pitch_mm": float(ds.ImagerPixelSpacing[0]),
    }
