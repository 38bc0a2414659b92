"""Synthetic DICOM of the phantom: single slices and an enhanced multi-frame, written with pydicom alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, ExplicitVRLittleEndian

from anatomy import ct_phantom as phantom

ROOT = "1.2.826.0.1.3680043.8.498.77"


def _common(made: phantom.Phantom, sop_class: str, name: str, series: int) -> Dataset:
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = sop_class
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = f"{ROOT}.{series}.{name}"
    ds.StudyInstanceUID, ds.SeriesInstanceUID = f"{ROOT}.9", f"{ROOT}.{series}"
    ds.PatientName, ds.PatientID, ds.Modality, ds.SeriesNumber = "PHANTOM", "PHANTOM", "CT", series
    ds.Columns, ds.Rows = made.hu.shape[:2]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
    return ds


def _geometry(made: phantom.Phantom) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """LPS affine [mm], spacing, directions."""
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ made.affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    return lps, spacing, lps[:3, :3] / spacing


def slices(made: phantom.Phantom, *, series: int = 1) -> list[Dataset]:
    """One data set per slice, CT numbers stored with an intercept of -1024."""
    lps, spacing, turn = _geometry(made)
    out = []
    for k in range(made.hu.shape[2]):
        ds = _common(made, CTImageStorage, str(k + 1), series)
        ds.InstanceNumber = k + 1
        ds.ImagePositionPatient = [f"{x:.6f}" for x in lps[:3, 3] + k * lps[:3, 2]]
        ds.ImageOrientationPatient = [f"{x:.6f}" for x in (*turn[:, 0], *turn[:, 1])]
        ds.PixelSpacing = [f"{spacing[1]:.6f}", f"{spacing[0]:.6f}"]
        ds.SliceThickness, ds.RescaleSlope, ds.RescaleIntercept = f"{spacing[2]:.6f}", "1", "-1024"
        ds.PixelData = np.rint(made.hu[:, :, k].T + 1024).clip(0).astype("<u2").tobytes()
        out.append(ds)
    return out


def enhanced(made: phantom.Phantom, *, shuffle: bool = True, series: int = 5) -> Dataset:
    """One enhanced CT object; its frames do not stand in order, and every other one has a rescaling of its own."""
    lps, spacing, turn = _geometry(made)
    order = list(range(made.hu.shape[2]))
    if shuffle:
        order = [*order[1::2], *order[::2]]
    ds = _common(made, EnhancedCTImageStorage, "1", series)
    ds.NumberOfFrames = len(order)
    shared = Dataset()
    shared.PlaneOrientationSequence = [_item(ImageOrientationPatient=[f"{x:.6f}" for x in (*turn[:, 0], *turn[:, 1])])]
    shared.PixelMeasuresSequence = [
        _item(PixelSpacing=[f"{spacing[1]:.6f}", f"{spacing[0]:.6f}"], SliceThickness=f"{spacing[2]:.6f}")
    ]
    ds.SharedFunctionalGroupsSequence = [shared]
    frames, pixels = [], []
    for k in order:
        frame, intercept = Dataset(), -1024 - 10 * (k % 2)
        position = [f"{x:.6f}" for x in lps[:3, 3] + k * lps[:3, 2]]
        frame.PlanePositionSequence = [_item(ImagePositionPatient=position)]
        frame.PixelValueTransformationSequence = [
            _item(RescaleSlope="1", RescaleIntercept=str(intercept), RescaleType="HU")
        ]
        frames.append(frame)
        pixels.append(np.rint(made.hu[:, :, k].T - intercept).clip(0).astype("<u2"))
    ds.PerFrameFunctionalGroupsSequence = frames
    ds.PixelData = np.stack(pixels).tobytes()
    return ds


def _item(**values: Any) -> Dataset:
    item = Dataset()
    for key, value in values.items():
        setattr(item, key, value)
    return item


def save(folder: Path, sets: list[Dataset]) -> Path:
    """Write data sets as ``000.dcm`` …"""
    folder.mkdir(parents=True, exist_ok=True)
    for k, ds in enumerate(sets):
        pydicom.dcmwrite(folder / f"{k:03d}.dcm", ds, enforce_file_format=True)
    return folder
