"""What every DICOM object of a run shares: an invented patient, one study, names that follow from the run.

Unique identifiers are hashes of the run (case, anatomy, seed, code), so the same run gives the same files, and a CT
and its segmentation made another day join the study of the loops. Dates are invented: the first of January 2000,
at midnight plus the schedule's clock.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian

from vertebro import __version__
from vertebro.view.files import whole_file

if TYPE_CHECKING:
    from vertebro.record import Run

START = datetime(2000, 1, 1)
MARK = "SYNTHETIC: computed by vertebro, not a picture of a person. Education and research only. Dates are invented."
_NAMES = uuid.UUID("5f0c5f0e-9d3b-5b0e-8a53-1d1b5f9f7a11")  # our own name space for version-5 UUIDs
IMPLEMENTATION = "1.2.826.0.1.3680043.8.498.1"  # pydicom's root
REGIONS = {"C": ("CSPINE", "CervicalSpine"), "T": ("TSPINE", "ThoracicSpine"), "L": ("LSPINE", "LumbarSpine")}


@dataclass(frozen=True, kw_only=True, slots=True)
class Study:
    """A run as a DICOM study.

    Attributes
    ----------
    digest : str
        Hash of all that decides the run; the identifiers come from it.
    title, level : str
    sex : str
        ``"F"``, ``"M"`` or ``""``.
    patient_from_world : (3, 3) float array
        Turns the simulation's axes into the patient's (right, anterior, superior).
    seed : int
    """

    digest: str
    title: str
    level: str
    sex: str
    patient_from_world: NDArray[np.float64]
    seed: int

    def uid(self, *parts: object) -> str:
        """The identifier of a part of the study; the same parts give the same one."""
        text = "/".join([self.digest, *map(str, parts)])
        return f"2.25.{uuid.uuid5(_NAMES, text).int}"


def study_of(run: Run) -> Study:
    """The study of a run: its identity is that of its inputs and code, not of the day it was computed."""
    facts = {key: run.manifest.get(key) for key in ("vertebro", "kernel_hash", "seed", "case_digest", "anatomy")}
    text = json.dumps(facts, sort_keys=True, default=str) + run.case.model_dump_json()
    sex = str((run.anatomy.provenance.get("spec") or {}).get("sex", ""))
    return Study(
        digest=hashlib.sha256(text.encode()).hexdigest(),
        title=run.case.title,
        level=run.anatomy.level,
        sex={"female": "F", "male": "M"}.get(sex, ""),
        patient_from_world=np.asarray(run.anatomy.patient_from_world, float)[:3, :3],
        seed=run.case.seed,
    )


def new_dataset(study: Study, sop_class: str, *name: object) -> Dataset:
    """A data set with patient, study, equipment and the SOP's identity; `name` tells it from the study's others."""
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID, ds.SOPInstanceUID = sop_class, study.uid("instance", *name)
    ds.StudyInstanceUID, ds.StudyID = study.uid("study"), study.digest[:8]
    ds.StudyDate, ds.StudyTime = stamp(0.0)
    ds.AccessionNumber, ds.ReferringPhysicianName = "", ""
    ds.StudyDescription = f"SYNTHETIC {study.title}"[:64]
    ds.PatientName, ds.PatientID = "SYNTHETIC^VERTEBRO", f"VERTEBRO-{study.digest[:8].upper()}"
    ds.PatientBirthDate, ds.PatientSex = "", study.sex
    ds.PatientComments = MARK
    ds.Manufacturer, ds.ManufacturerModelName = "vertebro (simulator)", "vertebro"
    ds.SoftwareVersions, ds.DeviceSerialNumber = __version__, study.digest[:16]
    ds.QualityControlImage, ds.BurnedInAnnotation = "YES", "NO"
    ds.LossyImageCompression = "00"
    ds.DerivationDescription = f"simulated, seed {study.seed}, run {study.digest[:16]}"
    ds.ImageComments = MARK
    _region(ds, study.level)
    return ds


def _region(ds: Dataset, level: str) -> None:
    part, name = REGIONS.get(level[:1], ("", ""))
    if not part:
        part, name = ("SSPINE", "Sacrum") if level.startswith("S") else ("PELVIS", "Pelvis")
    ds.BodyPartExamined = part
    ds.AnatomicRegionSequence = [code(getattr(codes.SCT, name))]


def code(meaning: Any) -> Dataset:
    """A code-sequence item of a pydicom code."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator = meaning.value, meaning.scheme_designator
    item.CodeMeaning = meaning.meaning
    return item


def stamp(seconds: float) -> tuple[str, str]:
    """Date and time (DA, TM) of a moment of the schedule [s]."""
    moment = START + timedelta(seconds=max(float(seconds), 0.0))
    return moment.strftime("%Y%m%d"), moment.strftime("%H%M%S.%f")


def ds_number(value: float) -> str:
    """A number as DICOM's decimal string (at most 16 characters)."""
    for digits in range(10, 3, -1):
        text = f"{float(value):.{digits}g}"
        if len(text) <= 16:
            return text
    return f"{float(value):.3e}"


def save_dataset(ds: Dataset, path: str | Path) -> Path:
    """Write one object as a DICOM file, whole or not at all.

    Raises
    ------
    DataError
        If the file exists or cannot be written.
    """
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    meta.TransferSyntaxUID, meta.ImplementationClassUID = ExplicitVRLittleEndian, IMPLEMENTATION
    meta.ImplementationVersionName = f"VERTEBRO {__version__}"[:16]
    with whole_file(path) as partial:
        file = FileDataset(str(partial), ds, file_meta=meta, preamble=b"\0" * 128)
        pydicom.dcmwrite(partial, file, enforce_file_format=True)
    return Path(path)
