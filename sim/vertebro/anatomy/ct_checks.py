"""Is this a CT in Hounsfield units, and do the labels lie on its bones? Errors that say what to do, and remarks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vertebro.anatomy.nifti_check import not_finite
from vertebro.anatomy.volumes import Volume, same_grid
from vertebro.errors import DataError
from vertebro.units import mm

METAL_HU = 2500.0
CONTRAST_HU = 150.0


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
    """The label map as integers, on the CT's grid unless `resample_labels`.

    Raises
    ------
    DataError
        If values are not whole numbers, all are zero, or the grids differ.
    """
    data = labels.data
    if data.dtype.kind == "f":
        if not np.all(np.isfinite(data)) or np.any(data != np.rint(data)):
            raise DataError(
                "labels are not whole numbers", where=labels.name, hint="is this an image, not a label map?"
            )
        labels = labels.with_data(data.astype(np.int32))
    if not np.any(labels.data > 0):
        raise DataError("the label map is empty", where=labels.name, hint="run the segmentation again")
    if not resample_labels and not same_grid(labels, ct):
        raise DataError(
            "the labels lie on another grid than the CT",
            where=labels.name,
            value=labels.geometry,
            allowed=ct.geometry,
            hint="give the CT that was segmented; if both show one scan: --resample-labels (resample_labels=True)",
        )
    return labels


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
    if report["metal_share"] > 1e-4:
        remarks.append("metal near the vertebra: CT numbers beside it are unreliable")
    if report["contrast_hu"] is not None:
        remarks.append(
            f"contrast medium in vessels ({report['contrast_hu']:.0f} HU): bone density reads a few percent too high"
        )
    return remarks


def _not_hounsfield(ct: Volume, low: float, high: float, reason: str) -> DataError:
    return DataError(
        f"not a CT in Hounsfield units: {reason}",
        where=ct.name,
        value=f"values {low:g} to {high:g}",
        allowed="air near -1000, soft tissue 0 to 100, bone up to 2000 HU or more",
        hint="export the CT with its rescale slope and intercept applied",
    )
