"""The invented run in a patient who lies askew, and its reading back: what every export test needs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813
from numpy.typing import NDArray

from vertebro.record import Run
from vertebro.warmth import HeatResult


def askew() -> NDArray[np.float64]:
    """Patient from world: turned about all three axes, shifted; a scan elsewhere than its own middle."""
    out = np.eye(4)
    for axis, angle in enumerate((0.25, -0.18, 0.12)):
        i, j = [(1, 2), (2, 0), (0, 1)][axis]
        turn = np.eye(4)
        turn[i, i] = turn[j, j] = np.cos(angle)
        turn[i, j], turn[j, i] = -np.sin(angle), np.sin(angle)
        out = turn @ out
    out[:3, 3] = (0.0123, -0.0456, -0.2987)
    return out


def placed(run: Run, patient_from_world: NDArray[np.float64] | None = None) -> Run:
    """The run in that patient, with a heat that never was."""
    place = askew() if patient_from_world is None else patient_from_world
    anatomy = replace(run.anatomy, patient_from_world=place)
    cement = run.cement_fraction()
    heat = HeatResult(
        peak=37 + 30 * cement,
        dose=cement,
        damage=cement,
        conversion=cement,
        curves={"time_s": np.array([0.0, 1 / 3]), "highest_c": np.array([37.0, 51.123456789012345])},
    )
    return replace(run, scene=replace(run.scene, anatomy=anatomy), heat=heat)


def lps_mm(points: NDArray[np.float64], place: NDArray[np.float64]) -> NDArray[np.float64]:
    """World metres as LPS millimetres, written out once more."""
    patient = (place[:3, :3] @ np.asarray(points, float).reshape(-1, 3).T).T + place[:3, 3]
    return patient * np.array([-1e3, -1e3, 1e3])


def read_series(folder: Path) -> sitk.Image:
    """A folder of slices as SimpleITK stacks them."""
    return sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder)))


def centroid(image: sitk.Image, weight: NDArray[np.floating]) -> NDArray[np.float64]:
    """LPS centre [mm] of weights (k, j, i) on an image's voxels."""
    index = np.argwhere(weight > 0)[:, ::-1]
    values = weight[weight > 0]
    mean = (index * values[:, None]).sum(axis=0) / values.sum()
    return np.array(image.TransformContinuousIndexToPhysicalPoint(mean.tolist()))
