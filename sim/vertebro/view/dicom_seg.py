"""Segments of a run as a DICOM segmentation that refers to its CT slices, pixel by pixel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from vertebro import __version__
from vertebro.errors import DataError
from vertebro.grid import VoxelGrid
from vertebro.imaging import CTSlice
from vertebro.view.dicom_study import MARK, Study
from vertebro.view.segments import OWN_SCHEME, Segment

CATEGORIES = {"anatomy": codes.SCT.AnatomicalStructure, "cement": codes.SCT.PhysicalObject}


def seg_dataset(
    segments: Sequence[Segment],
    slices: Sequence[CTSlice],
    sources: Sequence[Dataset],
    grid: VoxelGrid,
    study: Study,
    *,
    number: int,
) -> Dataset:
    """A binary segmentation on the pixels of a CT series.

    Parameters
    ----------
    segments : sequence of Segment
        On `grid`; they may overlap (cement fills bone).
    slices : sequence of CTSlice
        Where the pixels are; each is sampled in the middle of its thickness.
    sources : sequence of Dataset
        The same slices as DICOM.
    grid : VoxelGrid
    study : Study
    number : int
        Of the series.

    Raises
    ------
    DataError
        If no segment meets a slice.
    """
    pixels = segment_pixels(segments, slices, grid)
    met = np.flatnonzero(pixels.any(axis=(0, 1, 2)))
    if not met.size:
        raise DataError("no segment meets a slice of the CT", where="seg", hint="widen the CT's field of view")
    known = [_description(k + 1, segments[int(i)]) for k, i in enumerate(met)]
    series = str(sources[0].SeriesInstanceUID)
    ds = hd.seg.Segmentation(
        source_images=list(sources),
        pixel_array=np.ascontiguousarray(pixels[..., met]),
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=known,
        series_instance_uid=study.uid("series", "seg", series),
        series_number=number,
        sop_instance_uid=study.uid("instance", "seg", series),
        instance_number=1,
        manufacturer="vertebro (simulator)",
        manufacturer_model_name="vertebro",
        software_versions=__version__,
        device_serial_number=study.digest[:16],
        content_description="SYNTHETIC: parts of a simulated vertebra",
        content_label="VERTEBRO",
    )
    return _settled(ds, sources[0], study, series)


def segment_pixels(segments: Sequence[Segment], slices: Sequence[CTSlice], grid: VoxelGrid) -> NDArray[np.uint8]:
    """(slices, rows, columns, segments) 0 or 1: each pixel takes the value of the voxel that holds it."""
    rows, columns = slices[0].hu.shape
    out = np.zeros((len(slices), rows, columns, len(segments)), np.uint8)
    for k, picture in enumerate(slices):
        i, j = np.mgrid[:rows, :columns]
        points = picture.origin + i[..., None] * picture.row_step + j[..., None] * picture.col_step
        index = np.rint(grid.index(points)).astype(np.int64)
        on = np.all((index >= 0) & (index < np.asarray(grid.shape)), axis=-1)
        voxels = tuple(index[on].T)
        for n, segment in enumerate(segments):
            out[k, on, n] = segment.mask[voxels]
    return out


def _description(number: int, segment: Segment) -> Any:
    if segment.code.isupper():
        kind = hd.sr.CodedConcept(segment.code, OWN_SCHEME, segment.label)
    else:
        kind = getattr(codes.SCT, segment.code)
    return hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=segment.label,
        segmented_property_category=CATEGORIES[segment.kind],
        segmented_property_type=kind,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=hd.AlgorithmIdentificationSequence(
            name="vertebro", family=hd.sr.CodedConcept("SIMULATION", OWN_SCHEME, "Simulation"), version=__version__
        ),
        display_color=hd.color.CIELabColor.from_rgb(*segment.colour),
    )


def _settled(ds: Dataset, source: Dataset, study: Study, series: str) -> Dataset:
    """Dates and identifiers that follow from the run, not from the day it is exported."""
    ds.SeriesDate, ds.SeriesTime = source.SeriesDate, source.SeriesTime
    ds.ContentDate, ds.ContentTime = source.ContentDate, source.ContentTime
    ds.SeriesDescription, ds.PatientComments = "SYNTHETIC segmentation", MARK
    ds.BodyPartExamined = source.BodyPartExamined
    for key in ("InstanceCreationDate", "InstanceCreationTime", "ContributingEquipmentSequence"):
        if key in ds:
            delattr(ds, key)
    organisation = study.uid("dimensions", "seg", series)
    for item in (*ds.DimensionOrganizationSequence, *ds.DimensionIndexSequence):
        item.DimensionOrganizationUID = organisation
    return ds
