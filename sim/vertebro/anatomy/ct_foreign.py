"""What a CT shows that is not the patient's bone: metal with its streaks, old cement, contrast medium in vessels.

Metal and its streaks must not reach the law from CT numbers to bone density; cement is solid and may stay; contrast
medium is as bright as bone and must not be taken for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vertebro.anatomy.ct_job import Job, values_at
from vertebro.anatomy.label_tables import SCHEMES, ids_named
from vertebro.anatomy.resampling import resample
from vertebro.anatomy.volumes import Volume
from vertebro.grid import VoxelGrid
from vertebro.sources import Constant
from vertebro.units import ml, mm

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
METAL_HU = Constant(2500.0, "HU", 2000.0, 3000.0, "vertebro", "ours", "denser than enamel-free human bone")
DENSE_HU = Constant(1300.0, "HU", 1000.0, 1500.0, "vertebro", "ours", "denser than the walls of an aged vertebra")
BLOOD_LIMIT = Constant(100.0, "HU", 80.0, 130.0, "vertebro", "ours", "blood without contrast medium reads 30 to 60")
LEAST_METAL = 0.02 * ml
LEAST_CEMENT = 0.3 * ml
CEMENT_DEPTH = 2.0 * mm  # a blob this thick is no cortical wall
STREAK_RIM = 3.0 * mm  # around metal nothing can be believed
STREAK_REACH = 20.0 * mm  # within this, bone blacker than fat is a streak
STREAK_HU, STREAK_EDGE = -150.0, 3.0 * mm
_REACH = 40 * mm


@dataclass(frozen=True, kw_only=True, slots=True)
class Foreign:
    """Findings around one level.

    Attributes
    ----------
    metal, unreliable : Volume of bool
        Metal itself; metal with its rim and streaks. On the CT's voxels around the level.
    contrast : float [HU] or None
        What contrast medium reads in the great vessels.
    report : dict
        Plain JSON values: volumes and places.
    """

    metal: Volume
    unreliable: Volume
    contrast: float | None
    report: dict[str, Any]

    def masks(self, grid: VoxelGrid, ras_from_world: Floats) -> tuple[Bools, Bools] | None:
        """Metal and unreliable voxels on a grid; None where there is no metal at all."""
        if not self.metal.data.any():
            return None
        core, rim = (
            resample(v, grid, ras_from_world, mode="constant") > 0.5 for v in (self.metal, self.unreliable)
        )  # fmt: skip
        return np.asarray(core), np.asarray(rim)


def find_foreign(job: Job, own: Volume, contrast_nearby: float | None) -> Foreign:
    """Look for metal, cement and contrast medium around the level.

    Parameters
    ----------
    job : Job
    own : Volume
        Signed distance [m] to the vertebra.
    contrast_nearby : float [HU], optional
        Of bright thick parts beside the vertebra, where no vessel is labelled.
    """
    near = _around_level(job, own)
    hu = np.asarray(near.data, np.float32)
    metal, cement = _sorted_blobs(job, near, hu)
    report = _report(near, own, metal, cement)
    unreliable = metal
    if metal.any():
        away = ndimage.distance_transform_edt(~metal, sampling=near.spacing)
        bone = np.isin(values_at(job.labels, near), sorted(job.bone_ids))
        streak = (away < STREAK_REACH) & bone & (hu < STREAK_HU)
        unreliable = away < STREAK_RIM
        if streak.any():  # with its edges, which are bone and streak mixed
            unreliable |= ndimage.distance_transform_edt(~streak, sampling=near.spacing) < STREAK_EDGE
    aorta = _aorta(job)
    contrast = contrast_nearby if aorta is None else (aorta if aorta > BLOOD_LIMIT else None)
    report["aorta_hu"] = None if aorta is None else round(aorta, 1)
    report["contrast_hu"] = None if contrast is None else round(contrast, 0)
    job.remarks.extend(_remarks(job.level, report))
    return Foreign(metal=near.with_data(metal), unreliable=near.with_data(unreliable), contrast=contrast, report=report)


def replaced(hu: NDArray[np.float32], unreliable: Bools, bone: Bools, grid: VoxelGrid) -> NDArray[np.float32]:
    """CT numbers with unreliable bone voxels filled from the nearest believable bone, smoothed over 2 mm.

    Parameters
    ----------
    hu : (nr, na, ns) float32 array [HU]
    unreliable, bone : (nr, na, ns) bool arrays
    """
    trusted = bone & ~unreliable
    gaps = bone & unreliable
    if not gaps.any() or not trusted.any():
        return hu
    nearest = ndimage.distance_transform_edt(
        ~trusted, sampling=grid.spacing, return_distances=False, return_indices=True
    )
    filled = np.where(trusted | ~bone, hu, hu[tuple(nearest)])
    weight = bone.astype(np.float32)
    width = [2.0 * mm / h for h in grid.spacing]
    mean = ndimage.gaussian_filter(filled * weight, width) / np.maximum(ndimage.gaussian_filter(weight, width), 1e-3)
    return np.asarray(np.where(gaps, mean, hu), np.float32)


def _around_level(job: Job, own: Volume) -> Volume:
    points = own.world(np.argwhere(own.data < 0))
    inverse = np.linalg.inv(job.ct.ras_from_voxel)
    index = points @ inverse[:3, :3].T + inverse[:3, 3]
    pad = _REACH / job.ct.spacing
    return job.ct.crop(np.floor(index.min(axis=0) - pad), np.ceil(index.max(axis=0) + pad) + 1)


def _sorted_blobs(job: Job, near: Volume, hu: NDArray[np.float32]) -> tuple[Bools, Bools]:
    """Masks of metal and of cement among connected parts denser than bone."""
    metal, cement = np.zeros(hu.shape, bool), np.zeros(hu.shape, bool)
    dense = hu > DENSE_HU
    if np.count_nonzero(dense) * _voxel(near) < LEAST_METAL:
        return metal, cement
    parts, _ = ndimage.label(dense)
    vertebra = np.isin(values_at(job.labels, near), sorted(SCHEMES[job.scheme].values()))
    for number, box in enumerate(ndimage.find_objects(parts), start=1):
        blob = parts[box] == number
        volume = np.count_nonzero(blob) * _voxel(near)
        hot = np.count_nonzero(hu[box][blob] > METAL_HU) * _voxel(near)
        depth = ndimage.distance_transform_edt(np.pad(blob, 1), sampling=near.spacing).max()
        inside = float(np.mean(vertebra[box][blob]))
        if hot >= LEAST_METAL and hot > 0.3 * volume:
            metal[box] |= blob
        elif volume >= LEAST_CEMENT and depth >= CEMENT_DEPTH and inside > 0.6:
            cement[box] |= blob
    return metal, cement


def _report(near: Volume, own: Volume, metal: Bools, cement: Bools) -> dict[str, Any]:
    distance = np.full(metal.shape, 1.0, np.float32)
    if metal.any() or cement.any():
        affine = np.linalg.inv(own.ras_from_voxel) @ near.ras_from_voxel
        ndimage.affine_transform(
            own.data, affine[:3, :3], affine[:3, 3], metal.shape, distance, order=1, mode="constant", cval=1.0
        )
    level = distance < 1 * mm
    voxel = _voxel(near)
    return {
        "metal_ml": round(float(np.count_nonzero(metal) * voxel / ml), 3),
        "metal_in_level_ml": round(float(np.count_nonzero(metal & level) * voxel / ml), 3),
        "cement_ml": round(float(np.count_nonzero(cement) * voxel / ml), 3),
        "cement_in_level_ml": round(float(np.count_nonzero(cement & level) * voxel / ml), 3),
        "cement_hu": round(float(np.median(near.data[cement])), 0) if cement.any() else None,
    }


def _remarks(level: str, report: dict[str, Any]) -> list[str]:
    remarks = []
    if report["metal_in_level_ml"] > 0:
        remarks.append(
            f"{report['metal_in_level_ml']:.2f} ml of metal inside {level}: bone beside it takes its density from the "
            "neighbourhood; metal itself is impermeable"
        )
    elif report["metal_ml"] > 0:
        remarks.append(
            f"{report['metal_ml']:.2f} ml of metal near {level}: CT numbers beside it were not used for bone"
        )
    if report["cement_in_level_ml"] > 0:
        remarks.append(
            f"{report['cement_in_level_ml']:.1f} ml of cement (or sclerosis) in {level}, {report['cement_hu']:.0f} HU: "
            "kept as it is, nothing flows through it"
        )
    elif report["cement_ml"] > 0:
        remarks.append(f"{report['cement_ml']:.1f} ml of cement (or sclerosis) in a vertebra next door: kept as it is")
    if report["contrast_hu"] is not None:
        remarks.append(
            f"contrast medium in vessels ({report['contrast_hu']:.0f} HU): bone density reads a few percent too high"
        )
    return remarks


def _aorta(job: Job) -> float | None:
    """Median CT number [HU] well inside the labelled aorta, the iliac arteries where only they are in the picture."""
    for part in ("aorta", "iliac_artery"):
        ids = ids_named(job.scheme, part)
        mask = np.isin(job.labels.data, sorted(ids)) if ids else np.zeros(1, bool)
        if not mask.any():
            continue
        inner = ndimage.binary_erosion(mask, iterations=2)
        chosen = inner if np.count_nonzero(inner) > 50 else mask
        values = values_at(job.ct, job.labels)[chosen]
        return float(np.median(values))
    return None


def _voxel(volume: Volume) -> float:
    return float(np.prod(volume.spacing))
