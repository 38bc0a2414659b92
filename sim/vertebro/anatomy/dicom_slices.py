"""DICOM CT in a folder: one stack of slices, or one enhanced multi-frame object, its geometry checked first.

What cannot be placed in the patient is refused with the file's name: no position, no pixel size, slices of different
sizes, a tilted gantry, missing or double slices, more than one series. Pixels need not be square. The headers are read
with pydicom, the pixels of single slices with SimpleITK (which decompresses more), those of multi-frames with pydicom.
"""

from __future__ import annotations

import locale
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import SimpleITK as sitk  # noqa: N813
from numpy.typing import NDArray
from pydicom.errors import InvalidDicomError
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage

from vertebro.anatomy.dicom_stack import check_stack, number_of, read_place
from vertebro.errors import DataError

FEWEST = 3  # slices of a stack
CT_CLASSES = (CTImageStorage, EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage)
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Stack:
    """A CT as it lies in its files.

    Attributes
    ----------
    data : (ni, nj, nk) array [HU]
        Columns, rows, slices.
    lps_from_voxel : (4, 4) float array [mm]
    files : tuple of Path
    """

    data: NDArray[Any]
    lps_from_voxel: Floats
    files: tuple[Path, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Header:
    """A file's header without pixels."""

    path: Path
    dataset: Any

    @property
    def frames(self) -> int:
        return int(self.dataset.get("NumberOfFrames", 1) or 1)

    @property
    def modality(self) -> str:
        return str(self.dataset.get("Modality", "CT") or "CT")

    @property
    def words(self) -> str:
        """Series in words, for messages."""
        text = str(self.dataset.get("SeriesDescription", "")).strip() or "no description"
        return f"{self.modality} series {self.dataset.get('SeriesNumber', '?')} ({text})"


def read_dicom(path: Path, name: str) -> Stack:
    """Read a folder of DICOM files, or one multi-frame file.

    Parameters
    ----------
    path : Path
    name : str
        What messages call it.

    Raises
    ------
    DataError
        If there is not exactly one CT, or it cannot be read or placed.
    """
    with _own_locale(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom remarks on every private oddity of a vendor
        series = _only_series(_headers(path), name)
        if series[0].frames > 1:
            return _multi_frame(series, name)
        return _single_frames(series, name)


@contextmanager
def _own_locale() -> Iterator[None]:
    """The DICOM library leaves the process in the C locale."""
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        yield
    finally:
        locale.setlocale(locale.LC_CTYPE, before)


def _headers(path: Path) -> list[_Header]:
    """Headers of all DICOM image files below a folder; other files are passed over."""
    found = []
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if not file.is_file() or file.name.startswith("."):
            continue
        dataset = _read_header(file)
        if dataset is not None:
            found.append(_Header(path=file, dataset=dataset))
    return found


def _read_header(file: Path) -> Any:
    """Header of an image; None where the file is no DICOM image. A CT cut off in its header is refused, not lost."""
    try:
        dataset = pydicom.dcmread(file, stop_before_pixels=True)
    except (InvalidDicomError, EOFError) as error:
        if file.suffix.lower() != ".dcm":
            return None
        raise _broken(file, "no DICOM content") from error
    except Exception as error:  # the parser raises whatever it stumbles over
        raise _broken(file, str(error)) from error
    if "Rows" in dataset and "SeriesInstanceUID" in dataset:
        return dataset
    if dataset.file_meta.get("MediaStorageSOPClassUID") in CT_CLASSES:
        raise _broken(file, "it ends within its header")
    return None


def _broken(file: Path, why: str) -> DataError:
    return DataError(
        f"a DICOM file cannot be read: {why}",
        where=file.name,
        value=f"{file.stat().st_size} bytes",
        allowed="a whole DICOM file",
        hint="copy or export it again, or take it out of the folder",
    )


def _only_series(headers: Sequence[_Header], name: str) -> list[_Header]:
    """The files of the only CT stack."""
    series: dict[tuple[Path, str], list[_Header]] = {}
    for header in headers:
        key = (header.path.parent, str(header.dataset.SeriesInstanceUID))
        series.setdefault(key, []).append(header)
    stacks = [s for s in series.values() if sum(h.frames for h in s) >= FEWEST]
    scans = [s for s in stacks if s[0].modality == "CT"]
    if len(scans) == 1:
        return scans[0]
    if stacks and not scans:
        message, hint = "the folder holds no CT", "magnetic resonance and X-ray pictures carry no Hounsfield units"
    elif not scans:
        message, hint = (
            "the folder holds no DICOM stack",
            "a stack has three slices or more, each with rows and columns",
        )
    else:
        message = "the folder holds more than one DICOM series"
        hint = "put the slices of the wanted series into a folder of their own"
    raise DataError(
        message,
        where=name,
        value="; ".join(f"{s[0].words}: {sum(h.frames for h in s)} slices" for s in series.values())
        or "no DICOM image",
        allowed="the slices of exactly one CT series",
        hint=hint,
    )


def _single_frames(series: Sequence[_Header], name: str) -> Stack:
    """One file per slice."""
    for header in series:
        if header.frames > 1:
            raise DataError(
                "single slices and multi-frame objects in one series",
                where=f"{name}, {header.path.name}",
                value=f"{header.frames} frames",
                allowed="one slice per file, or one multi-frame object",
                hint="export the series again",
            )
    places = [read_place(h.dataset, h.dataset, f"{name}, {h.path.name}", h.path.name) for h in series]
    order, affine = check_stack(places, name)
    files = [series[i].path for i in order]
    for file in files:
        _check_whole(file, name)
    try:
        image = sitk.ReadImage([str(file) for file in files])
    except RuntimeError as error:
        said = str(error).strip().splitlines()[-1].replace(f"{files[0].parent}/", "").strip()
        raise DataError(f"the DICOM slices cannot be read: {said}", where=name, hint="copy them again") from error
    if image.GetNumberOfComponentsPerPixel() != 1:
        raise DataError("colour pictures, not CT numbers", where=name, allowed="one value per pixel")
    return Stack(data=sitk.GetArrayFromImage(image).transpose(2, 1, 0), lps_from_voxel=affine, files=tuple(files))


def _check_whole(file: Path, name: str) -> None:
    """Refuse a file that ends before its pixels do; some readers would fill the rest with zeros."""
    try:
        dataset = pydicom.dcmread(file)
        have = len(dataset.PixelData)
    except Exception as error:
        raise DataError(
            f"a DICOM slice cannot be read: {error}", where=f"{name}, {file.name}", hint="copy the file again"
        ) from error
    need = int(dataset.Rows) * int(dataset.Columns) * int(dataset.BitsAllocated) // 8 * number_of(dataset, "Samples")
    need *= int(dataset.get("NumberOfFrames", 1) or 1)
    if not dataset.file_meta.TransferSyntaxUID.is_compressed and have < need:
        raise DataError(
            "a DICOM file is truncated",
            where=f"{name}, {file.name}",
            value=f"{have} bytes of pixels",
            allowed=f"{need} bytes",
            hint="copy the file again",
        )


def _multi_frame(series: Sequence[_Header], name: str) -> Stack:
    """One enhanced CT object: geometry and rescaling stand in its functional groups."""
    if len(series) > 1:
        raise DataError(
            "the series is spread over several multi-frame objects",
            where=name,
            value=f"{len(series)} files",
            allowed="one object",
            hint="join the concatenation, or keep the wanted object alone in a folder",
        )
    header = series[0]
    if "PerFrameFunctionalGroupsSequence" not in header.dataset:
        raise DataError(
            "a multi-frame object does not say where its frames lie",
            where=f"{name}, {header.path.name}",
            value="no per-frame functional groups",
            allowed="an enhanced CT object, or one file per slice",
            hint="export the CT as single slices",
        )
    _check_whole(header.path, name)
    dataset = pydicom.dcmread(header.path)
    shared = _group(dataset.get("SharedFunctionalGroupsSequence"))
    frames = [(item, shared) for item in dataset.PerFrameFunctionalGroupsSequence]
    places = [
        read_place(_merged(own, both), dataset, f"{name}, frame {k + 1}", f"frame {k + 1}")
        for k, (own, both) in enumerate(frames)
    ]
    order, affine = check_stack(places, name)
    try:
        raw = dataset.pixel_array
    except Exception as error:
        raise DataError(
            f"the pixels cannot be decompressed: {error}",
            where=f"{name}, {header.path.name}",
            hint="export the CT uncompressed, or as single slices",
        ) from error
    data = np.stack([_hounsfield(raw[i], _merged(*frames[i])) for i in order])
    return Stack(data=data.transpose(2, 1, 0), lps_from_voxel=affine, files=(header.path,))


def _hounsfield(frame: NDArray[Any], groups: dict[str, Any]) -> NDArray[Any]:
    slope, intercept = float(groups.get("RescaleSlope", 1.0)), float(groups.get("RescaleIntercept", 0.0))
    values = frame * slope + intercept
    whole = slope == int(slope) and intercept == int(intercept)
    return np.rint(values).astype(np.int16) if whole and np.abs(values).max() < 2**15 else values.astype(np.float32)


def _group(sequence: Any) -> Any:
    return sequence[0] if sequence else None


def _merged(*groups: Any) -> dict[str, Any]:
    """Attributes of all functional groups of a frame; the frame's own come before the shared ones."""
    out: dict[str, Any] = {}
    for group in groups:
        if group is None:
            continue
        for element in group:
            if element.VR == "SQ" and len(element.value):
                for inner in element.value[0]:
                    out.setdefault(inner.keyword, inner.value)
    return out
