"""Is this a CT in Hounsfield units, and do the labels lie on its bones? Errors that say what to do, and remarks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vertebro.anatomy.label_tables import LEFT_PARTS, NAMES, RIGHT_PARTS
from vertebro.anatomy.nifti_check import not_finite
from vertebro.anatomy.volumes import Volume, same_grid
from vertebro.errors import DataError
from vertebro.units import mm

METAL_HU = 2500.0
HIGHEST_LABEL = 4095
BODY_SIZE = (np.array([12.0, 10.0, 5.0]) * mm, np.array([75.0, 55.0, 42.0]) * mm)
CONTRAST_HU = 150.0
SPACING_RANGE = (0.4 * mm, 1.5 * mm)


def check_spacing(spacing: float) -> None:
    """Refuse an edge [m] of simulation voxels out of range.

    Raises
    ------
    DataError
        Below 0.4 or above 1.5 mm.
    """
    low, high = SPACING_RANGE
    if not low * (1 - 1e-9) <= spacing <= high * (1 + 1e-9):
        raise DataError("grid spacing", where="spacing", value=f"{spacing / mm:g} mm", allowed="0.4 to 1.5 mm")


def check_hounsfield(ct: Volume) -> None:
    """Refuse a volume that is not a CT in Hounsfield units.

    Raises
    ------
    DataError
        NaN or infinite values (with count and place), a constant, a window-levelled picture (0…255), CT numbers
        stored with an offset, fractions.
    """
    data = ct.data
    if data.dtype.kind == "f":
        bad = ~np.isfinite(data)
        if bad.any():
            place = tuple(int(i) for i in np.argwhere(bad)[0])
            raise not_finite(ct.name, place, int(bad.sum()), data.size)
    low, high = float(data.min()), float(data.max())
    if low == high:
        raise _not_hounsfield(ct, low, high, "the volume is constant")
    if low >= 0 and high > 1500:
        raise _not_hounsfield(ct, low, high, "the CT numbers carry an offset; subtract it (often 1024)")
    if low > -100 or high - low < 400:
        raise _not_hounsfield(ct, low, high, "a CT has fat or air below -100 HU; was a display window saved?")


def check_labels(labels: Volume, ct: Volume, resample_labels: bool) -> Volume:
    """The label map as uint8 or uint16, on the CT's grid unless `resample_labels`.

    Raises
    ------
    DataError
        If values are not whole numbers, negative or huge, all are zero, or the grids differ.
    """
    data = labels.data
    if data.dtype.kind == "f" and (not np.all(np.isfinite(data)) or np.any(data != np.rint(data))):
        raise DataError("labels are not whole numbers", where=labels.name, hint="is this an image, not a label map?")
    low, high = float(data.min()), float(data.max())
    if high <= 0 <= low:
        raise DataError("the label map is empty", where=labels.name, hint="run the segmentation again")
    if low < 0 or high > HIGHEST_LABEL:
        raise DataError(
            "values that are no label numbers",
            where=labels.name,
            value=f"{low:g} to {high:g}",
            allowed=f"0 to {HIGHEST_LABEL}",
            hint="is this the CT, not a label map?",
        )
    labels = labels.with_data(data.astype(np.uint8 if high < 256 else np.uint16, copy=False))
    if not resample_labels and not same_grid(labels, ct):
        raise DataError(
            "the labels lie on another grid than the CT",
            where=labels.name,
            value=labels.geometry,
            allowed=ct.geometry,
            hint="give the CT that was segmented; if both show one scan: --resample-labels (resample_labels=True)",
        )
    return labels


def check_sides(middles: Mapping[int, NDArray[np.float64]], scheme: str, parts: Volume | None, name: str) -> None:
    """Refuse a label map whose left structures lie on the right.

    Left and right come from the affine alone; whatever names its side (kidneys, lungs, ribs, muscles, articular
    processes of a sub-region map) must agree with it, and the liver lies right of the spleen.

    Parameters
    ----------
    middles : mapping from id to (3,) float array [m]
        RAS middle of every label.
    scheme : str
    parts : Volume, optional
        TPTBox sub-regions.

    Raises
    ------
    DataError
    """
    at = {text: float(middles[number][0]) for number, text in NAMES[scheme].items() if number in middles}
    pairs = [(text, at[text], at[text.replace("left", "right")]) for text in at if text.replace("left", "right") in at]
    apart = [right - left for text, left, right in pairs if "left" in text]
    if "liver" in at and "spleen" in at:
        apart.append(at["liver"] - at["spleen"])
    if parts is not None:
        left, right = (_mean_r(parts, ids) for ids in (LEFT_PARTS, RIGHT_PARTS))
        if left is not None and right is not None:
            apart.append(right - left)
            name = parts.name
    exchanged = [x for x in apart if x < -5 * mm]
    if len(exchanged) > 0.5 * len(apart):
        raise DataError(
            "left and right are exchanged in the labels",
            where=name,
            value=f"{len(exchanged)} of {len(apart)} left-right pairs lie the wrong way round",
            allowed="structures named left at smaller R than those named right, the spleen left of the liver",
            hint="the label map (or its header) was flipped; export it again with the CT's own geometry",
        )


def _mean_r(parts: Volume, ids: tuple[int, ...]) -> float | None:
    index = np.argwhere(np.isin(parts.data[::2, ::2, ::2], ids))
    return float(parts.world(2 * index)[:, 0].mean()) if len(index) else None


def check_size(size: NDArray[np.float64], level: str) -> None:
    """Refuse a body that no vertebra has: two under one number, a fragment, an affine in the wrong unit.

    Parameters
    ----------
    size : (3,) float array [m]
        Width, depth and height of the vertebral body.

    Raises
    ------
    DataError
    """
    if np.any(size < BODY_SIZE[0]) or np.any(size > BODY_SIZE[1]):
        low, high = (" x ".join(f"{x / mm:g}" for x in edge) for edge in BODY_SIZE)
        raise DataError(
            f"the body of {level} has a size that no vertebra has",
            where="labels",
            value=" x ".join(f"{x / mm:.0f}" for x in size) + " mm (width x depth x height)",
            allowed=f"{low} to {high} mm",
            hint="check the label map (two vertebrae under one number?) and the voxel size in the header",
        )


def check_on_bone(ct_values: NDArray[np.floating[Any]], distance: NDArray[np.floating[Any]], name: str) -> None:
    """Refuse labels that do not lie on bone, or bone whose CT numbers are clipped.

    Parameters
    ----------
    ct_values, distance : float arrays of one shape [HU], [m]
        CT numbers around the vertebra and the signed distance to it.

    Raises
    ------
    DataError
    """
    inside, shell = ct_values[distance < 0], ct_values[(distance > 3 * mm) & (distance < 8 * mm)]
    if inside.mean() < 0 or inside.mean() < shell.mean():
        raise DataError(
            "the labels do not lie on bone",
            where=name,
            value=f"mean {inside.mean():.0f} HU inside the label, {shell.mean():.0f} HU around it",
            allowed="brighter inside than around",
            hint="labels and CT belong to different scans, or one of them is flipped",
        )
    top = float(ct_values.max())
    share = float(np.mean(inside >= top))
    if share > 0.02 and top < 2000:
        raise DataError(
            "the CT numbers are clipped inside the bone",
            where=name,
            value=f"{100 * share:.0f} % of the vertebra at {top:.0f} HU",
            allowed="a range of at least [-1024, 2000] HU",
            hint="a display window was saved; export the original CT numbers",
        )


def quality(
    ct_values: NDArray[np.float32], distance: NDArray[np.float32], bone: NDArray[np.bool_]
) -> tuple[dict[str, Any], list[str]]:
    """Noise, core density, metal and contrast around the vertebra, and remarks on them.

    Parameters
    ----------
    ct_values : (…) float32 array [HU]
        Native voxels around the vertebra.
    distance : (…) float32 array [m]
        Signed distance to it.
    bone : (…) bool array
        Every labelled bone; what is bright elsewhere, and thick, is contrast medium.
    """
    steps = np.diff(ct_values, axis=0) / np.sqrt(2)
    soft = (ct_values[1:] > 0) & (ct_values[1:] < 110) & (ct_values[:-1] > 0) & (ct_values[:-1] < 110)
    # the middle 110 HU of a wider noise distribution were kept: a lower bound, good to some tens of percent
    noise = float(1.4826 * np.median(np.abs(steps[soft]))) if soft.sum() > 100 else float("nan")
    core = ct_values[distance < -5 * mm]
    outside = (distance > 2 * mm) & ~ndimage.binary_dilation(bone, iterations=2)
    metal = float(np.mean(ct_values > METAL_HU))
    bright = outside & (ct_values > CONTRAST_HU) & (ct_values < 700)
    vessel = ndimage.binary_erosion(bright, iterations=3)
    report: dict[str, Any] = {
        "noise_hu": None if np.isnan(noise) else round(noise, 1),
        "core_hu_mean": round(float(core.mean()), 1) if core.size else None,
        "core_hu_sd": round(float(core.std()), 1) if core.size else None,
        "metal_share": round(metal, 6),
        "contrast_hu": round(float(np.median(ct_values[vessel])), 0) if vessel.sum() > 50 else None,
    }
    return report, _remarks(report, core)


def _remarks(report: dict[str, Any], core: NDArray[np.float32]) -> list[str]:
    remarks = []
    if core.size and report["core_hu_sd"] > 80:
        remarks.append(f"noisy CT: CT numbers in the body scatter by {report['core_hu_sd']:.0f} HU")
    return remarks


def _not_hounsfield(ct: Volume, low: float, high: float, reason: str) -> DataError:
    return DataError(
        f"not a CT in Hounsfield units: {reason}",
        where=ct.name,
        value=f"values {low:g} to {high:g}",
        allowed="air near -1000, soft tissue 0 to 100, bone up to 2000 HU or more",
        hint="export the CT with its rescale slope and intercept applied",
    )
