"""Where DICOM slices lie, and whether they make one straight, even stack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import DataError
from vertebro.units import deg

Floats = NDArray[np.float64]
NEEDED = {"ImagePositionPatient": 3, "ImageOrientationPatient": 6, "PixelSpacing": 2}
TILT = 0.5  # degrees of shear that are resampled away unseen
SAME = 0.01  # mm; two slices closer than this are one
UNEVEN = 0.02  # share of the slice distance


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where one slice lies.

    Attributes
    ----------
    position : (3,) float [mm]
        LPS position of the first pixel's centre.
    right, down : (3,) unit vectors
        Along a row, along a column.
    spacing : (float, float) [mm]
        From row to row, from column to column.
    size : (int, int)
        Rows, columns.
    name : str
        File or frame, for messages.
    """

    position: Floats
    right: Floats
    down: Floats
    spacing: tuple[float, float]
    size: tuple[int, int]
    name: str


def read_place(groups: Mapping[str, Any] | Any, dataset: Any, where: str, name: str) -> Place:
    """Geometry of one slice.

    Parameters
    ----------
    groups : mapping of attributes
        The slice's data set, or the frame's functional groups.
    dataset : pydicom data set
        Holds rows and columns.
    where, name : str
        For messages.

    Raises
    ------
    DataError
        If position, orientation or pixel size is missing or impossible.
    """
    values: dict[str, Floats] = {}
    for key, count in NEEDED.items():
        try:
            values[key] = np.asarray([float(x) for x in groups.get(key) or ()])
        except (TypeError, ValueError):
            values[key] = np.zeros(0)
        if values[key].shape != (count,) or not np.isfinite(values[key]).all():
            raise DataError(
                f"a DICOM slice does not say where it lies: {key} is missing or broken",
                where=where,
                value=str(groups.get(key)),
                allowed=f"{count} numbers",
                hint="export the original CT, not a screen capture or a secondary series",
            )
    right, down = values["ImageOrientationPatient"][:3], values["ImageOrientationPatient"][3:]
    lengths = np.array([np.linalg.norm(right), np.linalg.norm(down)])
    if np.any(np.abs(lengths - 1) > 1e-3) or abs(right @ down) > 1e-3 or values["PixelSpacing"].min() <= 0:
        raise DataError(
            "a DICOM slice has an impossible orientation or pixel size",
            where=where,
            value=f"{values['ImageOrientationPatient'].tolist()}, {values['PixelSpacing'].tolist()} mm",
            allowed="two perpendicular unit vectors, two lengths > 0",
            hint="export the series again",
        )
    rows, columns = (float(x) for x in values["PixelSpacing"])
    return Place(
        position=values["ImagePositionPatient"],
        right=right / lengths[0],
        down=down / lengths[1],
        spacing=(rows, columns),
        size=(int(dataset.Rows), int(dataset.Columns)),
        name=name,
    )


def number_of(dataset: Any, what: str) -> int:
    """``SamplesPerPixel`` and its like: 1 where absent."""
    return int(dataset.get(f"{what}PerPixel", 1) or 1)


def check_stack(places: Sequence[Place], name: str) -> tuple[list[int], Floats]:
    """The order of the slices along the stack, and the affine from voxels (column, row, slice) to LPS [mm].

    Raises
    ------
    DataError
        If slices differ in size or direction, are double, missing, or sheared by a tilted gantry.
    """
    first = places[0]
    _check_alike(places, name)
    normal = np.cross(first.right, first.down)
    height = np.array([place.position @ normal for place in places])
    order = [int(i) for i in np.argsort(height, kind="stable")]
    ordered = [places[i] for i in order]
    _check_steps(height[order], ordered, name)
    travel = ordered[-1].position - ordered[0].position
    _check_tilt(travel, normal, name)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = first.right * first.spacing[1], first.down * first.spacing[0]
    affine[:3, 2] = normal * (travel @ normal) / (len(places) - 1)
    affine[:3, 3] = ordered[0].position
    return order, affine


def _check_alike(places: Sequence[Place], name: str) -> None:
    first = places[0]
    for place in places:
        if max(np.abs(place.right - first.right).max(), np.abs(place.down - first.down).max()) > 1e-3:
            raise DataError(
                "the DICOM slices are not parallel",
                where=f"{name}, {place.name}",
                value=np.round(np.concatenate([place.right, place.down]), 4).tolist(),
                allowed=str(np.round(np.concatenate([first.right, first.down]), 4).tolist()),
                hint="keep one series per folder, without its scout pictures",
            )
        if place.size != first.size or np.abs(np.subtract(place.spacing, first.spacing)).max() > 1e-4:
            raise DataError(
                "the DICOM slices differ in size",
                where=f"{name}, {place.name}",
                value=f"{place.size[0]} x {place.size[1]} pixels of {place.spacing[0]:g} x {place.spacing[1]:g} mm",
                allowed=f"{first.size[0]} x {first.size[1]} pixels of {first.spacing[0]:g} x {first.spacing[1]:g} mm",
                hint="two reconstructions in one series; keep the slices of one of them",
            )


def _check_steps(height: Floats, places: Sequence[Place], name: str) -> None:
    steps = np.diff(height)
    double = np.flatnonzero(steps < SAME)
    if double.size:
        k = int(double[0])
        raise DataError(
            f"slices are double: {double.size} lie where another one does",
            where=f"{name}, {places[k].name} and {places[k + 1].name}",
            value=f"{steps[k]:.3f} mm apart",
            allowed="one slice at each place",
            hint="remove the copies, or separate the phases or reconstructions",
        )
    usual = float(np.median(steps))
    odd = np.flatnonzero(np.abs(steps - usual) > max(UNEVEN * usual, SAME))
    if odd.size:
        k = int(odd[0])
        raise DataError(
            f"slices are missing or unevenly spaced: {odd.size} gap(s)",
            where=f"{name}, between {places[k].name} and {places[k + 1].name}",
            value=f"{steps[k]:.2f} mm",
            allowed=f"{usual:.2f} mm between all slices",
            hint="export the complete series",
        )


def _check_tilt(travel: Floats, normal: Floats, name: str) -> None:
    tilt = float(np.arccos(np.clip(abs(travel @ normal) / np.linalg.norm(travel), 0, 1))) / deg
    if tilt > TILT:
        raise DataError(
            "the gantry was tilted: the slices are sheared",
            where=name,
            value=f"{tilt:.1f} degrees",
            allowed=f"{TILT:g} degrees",
            hint="resample the series to an untilted volume first (dcm2niix does this)",
        )
