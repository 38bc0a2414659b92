"""Calibrate CT numbers without a phantom: fat, muscle, blood and air of the patient are the references (lee2017).

The scale of a CT drifts by a few percent between scanners and patients. Tissues of known attenuation, found in the
same picture, give the line HU' = slope · HU + offset with its uncertainty. The line is always reported. It is applied
only when the references, taken together, contradict the scanner's own scale (chi-square beyond its 99 % point) and the
slope is known to 6 % (fat and muscle alone are too alike for that; air or blood must be among them): the references
scatter between people by about as much as good scanners drift, so a small correction would add noise.

What the tissues should read comes from published cohorts and from the definition of the scale, not from any scan at
hand. With them the torso of LIDC-IDRI 1 (arterial contrast) gives fat -102, muscle 45, air -1007 HU: slope 1.001 +-
0.021, offset 6 +- 7 HU, not applied. Read as 0.9 HU + 15 and as 1.1 HU - 20 it is corrected by 1.113 HU - 10 and
0.908 HU + 23: the core of L1 then reads 92 and 90 HU, which the line of the true scan puts at 92 and the scanner at 86.
The noisy crop of TPTBox shows no peak of fat, no air and no aorta: nothing is fitted or applied, distorted or not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, stats

from vertebro.anatomy.ct_job import Job, values_at
from vertebro.anatomy.frame import Scout
from vertebro.anatomy.label_tables import ids_named
from vertebro.anatomy.surround import LIMIT_HIGH
from vertebro.anatomy.volumes import Volume
from vertebro.errors import DataError
from vertebro.sources import Constant
from vertebro.units import ml, mm

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
CALIBRATIONS = ("auto", "none")
FAT_HU = Constant(-100.0, "HU", -118.0, -82.0, "adipose2022", "ours", "visceral -96.7 +- 8.6 seen; skin's lower")
MUSCLE_HU = Constant(
    45.0, "HU", 23.0, 67.0, "icru44", "computed", "lean, 120 kVp; cohorts: psoas 48 young, 42 enhanced"
)
MUSCLE_ENHANCED_HU = Constant(55.0, "HU", 33.0, 77.0, "psoas2021", "ours", "contrast medium adds 18 to 26 % (seen)")
BLOOD_HU = Constant(38.0, "HU", 16.0, 60.0, "aorta2022", "seen", "aorta without contrast medium, mean 37.7")
AIR_HU = Constant(-1000.0, "HU", -1040.0, -960.0, "icru44", "recalled", "beside the patient; defines the scale")
VBMD_SLOPE = Constant(0.82, "mg/cm^3/HU", 0.76, 0.90, "goodsitt1992", "seen", "hydroxyapatite per HU, solid phantoms")
# HU between patients: fat 8.6 (adipose2022, seen); muscle 5.5 in the young (lawlor2022) to 10.8 in patients
# (rollins2019, seen); blood by haemoglobin, quartiles 29 and 45 (blood2022, seen); air ours, scatter and clipping
SPREAD = {"fat": 9.0, "muscle": 11.0, "blood": 11.0, "air": 20.0}
SLOPE_RANGE = (0.75, 1.33)
SLOPE_SPREAD = 0.06  # a slope less certain than this is reported, not applied
SIGNIFICANCE, CONTRADICTION = 0.99, 0.999
FEWEST = 300  # voxels of a reference
LEAST_AIR = 250 * ml  # less of it at the picture's sides may be the table's foam or lung
VALLEY = 0.6  # of fat's peak in the histogram: how deep it must fall before muscle begins
AIR_HALF_WIDTH, AIR_SHARE, BRIGHTEST_AIR = 25.0, 0.35, -880.0  # HU, 1, HU: what tells air from lung
_REACH = 100 * mm
_SMOOTH = 2.0 * mm
_PIXEL = 1.4 * mm


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """One tissue found in the picture: mean, standard deviation and number of its voxels, what it should read."""

    name: str
    mean: float
    sd: float
    n: int
    expected: float

    @property
    def spread(self) -> float:
        """Uncertainty [HU] of the expectation together with that of the mean."""
        # neighbouring voxels share their noise: count one of thirty as independent
        return float(np.hypot(SPREAD[self.name], self.sd / np.sqrt(max(self.n / 30, 1))))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "name": self.name,
            "mean_hu": round(self.mean, 1),
            "sd_hu": round(self.sd, 1),
            "n": self.n,
            "expected_hu": self.expected,
            "spread_hu": SPREAD[self.name],
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """HU' = slope · HU + offset with its covariance (2, 2) of (slope, offset)."""

    slope: float
    offset: float
    covariance: Floats

    def spread_at(self, hu: float) -> float:
        """Standard deviation [HU] of the corrected value of `hu`."""
        row = np.array([hu, 1.0])
        return float(np.sqrt(row @ self.covariance @ row))


def calibrate(job: Job, scout: Scout, core_hu: float | None, contrast: float | None, setting: str) -> dict[str, Any]:
    """Find the references, fit the line and decide.

    Parameters
    ----------
    job : Job
    scout : Scout
    core_hu : float [HU], optional
        Mean of the vertebral body's spongy core.
    contrast : float [HU], optional
        Of vessels, when they are enhanced: no blood reference then.
    setting : str
        ``"auto"`` or ``"none"``.

    Returns
    -------
    dict
        Plain JSON values: references, slope, offset, applied or not and why, estimate of vBMD.
    """
    found = find_references(job, scout, contrast)
    line, reason = fit(found)
    report: dict[str, Any] = {"setting": setting, "applied": False, "references": [r.to_dict() for r in found]}
    if line is not None:
        significant = contradiction(found) > SIGNIFICANCE
        certain = float(np.sqrt(line.covariance[0, 0])) < SLOPE_SPREAD
        report |= {
            "slope": round(line.slope, 4),
            "slope_sd": round(float(np.sqrt(line.covariance[0, 0])), 4),
            "offset_hu": round(line.offset, 1),
            "offset_sd_hu": round(float(np.sqrt(line.covariance[1, 1])), 1),
            "applied": bool(significant and certain and setting == "auto"),
        }
        reason = _verdict(significant, certain, setting)
        job.remarks.extend(_remark(report, significant))
    report["reason"] = reason
    return report | _density(core_hu, line, bool(report["applied"]), contrast)


def _remark(report: dict[str, Any], significant: bool) -> list[str]:
    """What a person must know: the CT numbers were changed, or look wrong and were not."""
    if report["applied"]:
        law = f"{report['slope']:.3f} HU {report['offset_hu']:+.0f}"
        return [f"CT numbers contradicted the patient's own tissues and were put on their scale: HU' = {law}"]
    if significant:
        return [
            "the patient's own tissues contradict the CT numbers, which were left as they are: bone density may be off"
        ]
    return []


def check_calibration(setting: str) -> None:
    """Refuse an unknown setting.

    Raises
    ------
    DataError
        If it is not one of `CALIBRATIONS`.
    """
    if setting not in CALIBRATIONS:
        raise DataError("unknown calibration", where="calibration", value=setting, allowed=", ".join(CALIBRATIONS))


def without_calibration(core_hu: float | None) -> dict[str, Any]:
    """The same report for CT numbers that were made up from bone volume fractions: no tissue has to be looked at."""
    reason = "synthetic CT numbers, on the scanner's scale as they are made"
    report: dict[str, Any] = {"setting": "none", "applied": False, "references": [], "reason": reason}
    return report | _density(core_hu, None, False, None)


def _verdict(significant: bool, certain: bool, setting: str) -> str:
    if not certain:
        return (
            "too uncertain to correct by: fat and muscle alone do not give a slope (no air, no blood without contrast)"
        )
    if not significant:
        return "the references agree with the scanner's scale"
    text = "the references contradict the scanner's scale"
    return text if setting == "auto" else f"{text}; not applied because calibration is none"


def corrected(ct: Volume, report: dict[str, Any]) -> Volume:
    """The CT on the calibrated scale, where the report says so."""
    if not report["applied"]:
        return ct
    hu = np.asarray(ct.data, np.float32) * np.float32(report["slope"]) + np.float32(report["offset_hu"])
    return ct.with_data(np.rint(hu).astype(np.int16) if ct.data.dtype.kind in "iu" else hu)


def fit(references: list[Reference]) -> tuple[Line | None, str]:
    """Weighted line through the references, or None and the reason why there is none."""
    if len(references) < 2:
        names = ", ".join(r.name for r in references) or "none"
        return None, f"too few reference tissues in the picture ({names}); fat, muscle, blood or air, two are needed"
    measured, expected, spread = (
        np.array([getattr(r, key) for r in references]) for key in ("mean", "expected", "spread")
    )
    if np.ptp(expected) < 100:
        return None, "the reference tissues found are too alike to give a slope"
    design = np.stack([measured, np.ones_like(measured)], axis=1) / spread[:, None]
    covariance = np.linalg.inv(design.T @ design)
    slope, offset = covariance @ design.T @ (expected / spread)
    line = Line(slope=float(slope), offset=float(offset), covariance=covariance)
    misfit = float(np.sum(((slope * measured + offset - expected) / spread) ** 2))
    spare = len(references) - 2
    if spare > 0 and stats.chi2.cdf(misfit, spare) > CONTRADICTION:
        return (
            None,
            f"the reference tissues contradict one another (misfit {misfit:.0f} for {spare} degrees of freedom)",
        )
    if not SLOPE_RANGE[0] <= slope <= SLOPE_RANGE[1]:
        return None, f"the references give a slope of {slope:.2f}, outside {SLOPE_RANGE[0]} to {SLOPE_RANGE[1]}"
    return line, ""


def contradiction(references: list[Reference]) -> float:
    """Probability [1] that a true scale would have kept the references closer to their expected values."""
    misfit = sum(((r.mean - r.expected) / r.spread) ** 2 for r in references)
    return float(stats.chi2.cdf(misfit, len(references)))


def find_references(job: Job, scout: Scout, contrast: float | None) -> list[Reference]:
    """Fat, muscle, blood without contrast medium and air around the level, as far as the picture holds them."""
    part = _thinned(job.ct, scout)
    raw = np.asarray(part.data, np.float32)
    smooth = ndimage.gaussian_filter(raw, _SMOOTH / part.spacing, mode="nearest")
    bone = ndimage.binary_dilation(np.isin(values_at(job.labels, part), sorted(job.bone_ids)), iterations=2)
    muscle = MUSCLE_ENHANCED_HU if contrast is not None else MUSCLE_HU
    wanted = [
        ("fat", _inner((smooth > -160) & (smooth < -50), part, 2 * mm), float(FAT_HU)),
        ("muscle", _muscle(job, scout, part, smooth, bone), float(muscle)),
        ("air", _air(raw, smooth, part), float(AIR_HU)),
    ]
    found = [_reference(name, mask, raw, smooth, expected) for name, mask, expected in wanted]
    if contrast is None:
        found.append(_blood(job))
    return [r for r in found if r is not None]


def _reference(name: str, mask: Bools, raw: NDArray[Any], smooth: NDArray[Any], expected: float) -> Reference | None:
    """Mode of the smoothed values of a tissue (its purest part); scatter of the raw ones."""
    if np.count_nonzero(mask) < FEWEST:
        return None
    values = smooth[mask]
    low, high = float(values.min()), float(values.max())
    edges = np.arange(np.floor(low) - 8, np.ceil(high) + 10, 1.0)
    count = ndimage.gaussian_filter1d(np.histogram(values, edges)[0].astype(float), 5.0)
    mode = float(edges[int(count.argmax())] + 0.5)
    near = np.abs(values - mode) < 15
    if name == "fat" and not _is_peak(smooth, mode):
        return None
    return Reference(
        name=name, mean=float(values[near].mean()), sd=float(raw[mask].std()), n=int(values.size), expected=expected
    )


def _is_peak(smooth: NDArray[Any], mode: float) -> bool:
    """Whether fat stands out from what lies between it and muscle; a noisy or narrow picture shows a mere slope."""
    count = np.histogram(smooth, np.arange(mode - 60, mode + 100, 1.0))[0].astype(float)
    count = ndimage.gaussian_filter1d(count, 5.0)
    peak = float(count[50:71].max())
    return float(count[60:].min()) < VALLEY * peak


def _thinned(ct: Volume, scout: Scout) -> Volume:
    """The CT around the level, every so many voxels in the plane."""
    centre = (np.linalg.inv(ct.ras_from_voxel) @ scout.ras_from_world[:, 3])[:3]
    reach = np.where([letter in "SI" for letter in ct.axes], _REACH, float(LIMIT_HIGH[0])) / ct.spacing
    part = ct.crop(np.floor(centre - reach), np.ceil(centre + reach) + 1)
    steps = np.maximum(np.rint(_PIXEL / part.spacing).astype(int), 1)
    affine = part.ras_from_voxel.copy()
    affine[:3, :3] *= steps
    data = part.data[:: steps[0], :: steps[1], :: steps[2]]
    return Volume(data=data, ras_from_voxel=affine, name=ct.name, digest=ct.digest)


def _inner(mask: Bools, place: Volume, depth: float) -> Bools:
    """The part of a mask deeper than `depth` [m]."""
    return np.asarray(ndimage.distance_transform_edt(mask, sampling=place.spacing) > depth)


def _muscle(job: Job, scout: Scout, part: Volume, smooth: NDArray[np.float32], bone: Bools) -> Bools:
    """Labelled back and psoas muscles; without them, what reads like muscle behind and beside the vertebra."""
    lean = (smooth > 0) & (smooth < 110) & ~bone
    ids = ids_named(job.scheme, "autochthon", "iliopsoas")
    labelled = np.isin(values_at(job.whole, part), sorted(ids)) if ids & set(job.middles) else np.zeros(1, bool)
    if labelled.any():
        return _inner(lean & labelled, part, 2 * mm)
    world = np.linalg.inv(scout.ras_from_world) @ part.ras_from_voxel
    i, j, k = np.ogrid[tuple(slice(n) for n in smooth.shape)]
    r, a, s = (world[n, 0] * i + world[n, 1] * j + world[n, 2] * k + world[n, 3] for n in range(3))
    wall = float(np.median(scout.tube.front))
    beside = (np.abs(r) > 12 * mm) & (np.abs(r) < 65 * mm) & (a < wall) & (a > wall - 55 * mm) & (np.abs(s) < 40 * mm)
    return _inner(lean & beside, part, 2 * mm)


def _air(raw: NDArray[np.float32], smooth: NDArray[np.float32], part: Volume) -> Bools:
    """Air beside the patient: connected to the picture's sides, clear of skin and table, not clipped by the file."""
    gas = (smooth < -700) & (raw > raw.min())
    parts, _ = ndimage.label(_inner(gas, part, 4 * mm))
    ends = next(n for n, letter in enumerate(part.axes) if letter in "SI")
    faces = [np.take(parts, edge, axis=n) for n in range(3) if n != ends for edge in (2, 3, -3, -4)]
    outside = np.unique(np.concatenate([face.ravel() for face in faces]))
    air = np.isin(parts, outside[outside > 0])
    if np.count_nonzero(air) * float(np.prod(part.spacing)) < LEAST_AIR:
        return np.zeros_like(air)
    usual = float(np.median(smooth[air][smooth[air] < np.percentile(smooth[air], 60)]))
    core = air & (np.abs(smooth - usual) < AIR_HALF_WIDTH)
    # a narrow field of view shows lung at its sides: brighter, and never so uniform
    uniform = np.count_nonzero(core) > AIR_SHARE * np.count_nonzero(air)
    return core if uniform and usual < BRIGHTEST_AIR else np.zeros_like(air)


def _blood(job: Job) -> Reference | None:
    ids = ids_named(job.scheme, "aorta")
    mask = np.isin(job.labels.data, sorted(ids))
    if not mask.any():
        return None
    values = values_at(job.ct, job.labels)[_inner(mask, job.labels, 3 * mm)]
    if values.size < FEWEST:
        return None
    return Reference(
        name="blood", mean=float(np.median(values)), sd=float(values.std()), n=values.size, expected=float(BLOOD_HU)
    )


def _density(core_hu: float | None, line: Line | None, applied: bool, contrast: float | None) -> dict[str, Any]:
    """vBMD estimate of the core from its CT number on the best scale, with where the number comes from."""
    if core_hu is None:
        return {"core_hu": None, "vbmd_mg_cm3": None}
    hu = line.slope * core_hu + line.offset if line is not None and applied else core_hu
    spread = line.spread_at(core_hu) if line is not None else 10.0
    relative = (VBMD_SLOPE.high - VBMD_SLOPE.low) / 4 / VBMD_SLOPE
    return {
        "core_hu": round(core_hu, 1),
        "core_hu_used": round(hu, 1),
        "vbmd_mg_cm3": round(float(VBMD_SLOPE * hu), 0),
        "vbmd_sd_mg_cm3": round(float(np.hypot(VBMD_SLOPE * spread, relative * VBMD_SLOPE * abs(hu))), 0),
        "vbmd_source": f"{float(VBMD_SLOPE):g} mg/cm3 per HU ({VBMD_SLOPE.source})",
        "vbmd_note": "contrast medium: reads high" if contrast is not None else "",
    }
