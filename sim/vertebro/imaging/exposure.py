"""Exposure control: which pixels are irradiated, which voltage and how much tube charge the patient needs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import CaseError, GeometryError
from vertebro.grid import VoxelGrid
from vertebro.imaging.carm import ProjectionGeometry
from vertebro.imaging.spectrum import Spectrum, whole_kev
from vertebro.materials.attenuation import MATERIALS
from vertebro.sources import Constant

Image = NDArray[np.float32]
BONE_AS_WATER = 3.0  # water-equivalent metres per metre of cortical bone near 60 keV, for the automatic voltage only
CONTROL_TIME = Constant(0.15, "s", 0.05, 0.5, "vertebro", "ours", "time constant of the brightness control")
VOLTAGE_STEP = Constant(2.0, "kV", 0.5, 10.0, "vertebro", "ours", "steps in which the control changes the voltage")
HYSTERESIS = 0.75  # of a step: a control that sits on the border of two steps must not swing between them
THICKEST = 0.6  # m of water


@dataclass(frozen=True, kw_only=True, slots=True)
class ExposureControl:
    """Automatic brightness control of a running fluoroscopy.

    It measures the signal in the middle of the field and acts as if the patient were thicker or thinner: voltage and
    charge follow the curve of `automatic_kvp`. The monitor's gain keeps the mean grey there.

    Parameters
    ----------
    time_constant : float [s]
        In which the relative error falls by e; 0 corrects it at once.
    voltage_step : float [kV]
    monitor : bool
        Whether the monitor's gain follows too; else a thing that enters darkens its own pixels only.

    Raises
    ------
    CaseError
        If a value is out of range.
    """

    time_constant: float = CONTROL_TIME
    voltage_step: float = VOLTAGE_STEP
    monitor: bool = True

    def __post_init__(self) -> None:
        if not (0 <= self.time_constant <= 10 and 0.1 <= self.voltage_step <= 20):
            raise CaseError("impossible exposure control", value=self, allowed="0 to 10 s, steps of 0.1 to 20 kV")

    def answer(self, wait: float) -> float:
        """Share of an error that is corrected after a time [s]."""
        return 1.0 if self.time_constant == 0 else 1 - math.exp(-wait / self.time_constant)

    def voltage(self, wanted: float, now: float, start: float) -> float:
        """Voltage [kV] in whole steps from `start`; `now` is kept while `wanted` is near."""
        if abs(wanted - now) < HYSTERESIS * self.voltage_step:
            return now
        steps = round((wanted - start) / self.voltage_step)
        return float(np.clip(start + steps * self.voltage_step, 40.0, 150.0))


def open_field(geometry: ProjectionGeometry, collimation: tuple[int, int, int, int] | None) -> NDArray[np.bool_]:
    """(rows, cols) pixels that the collimator leaves open.

    Raises
    ------
    GeometryError
        If none is left.
    """
    opening = np.zeros((geometry.rows, geometry.cols), bool)
    top, bottom, left, right = collimation or (0, geometry.rows, 0, geometry.cols)
    opening[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = True
    if not opening.any():
        raise GeometryError(
            "the collimator is closed: an exposure would show nothing",
            where="collimation",
            value=collimation,
            allowed=f"0 <= first < last <= ({geometry.rows} rows, {geometry.cols} columns)",
            hint="open the collimator",
        )
    return opening


def covered_field(geometry: ProjectionGeometry, grid: VoxelGrid) -> tuple[int, int, int, int]:
    """Collimation (row, row, col, col) that keeps to the rows where a grid reaches along the patient's long axis.

    A CT that ends within the field leaves rows without anatomy; an operator would collimate them away.

    Parameters
    ----------
    geometry : ProjectionGeometry
    grid : VoxelGrid
        The widest grid of the tissue.
    """
    low, high = grid.extent
    ends = np.array([geometry.isocentre, geometry.isocentre])
    ends[:, 2] = high[2], low[2]
    first, last = geometry.project_point(ends)[:, 0]
    if first > last:
        first, last = last, first
    return max(math.ceil(first), 0), min(math.floor(last) + 1, geometry.rows), 0, geometry.cols


def automatic_kvp(thickness: float) -> float:
    """Tube voltage [whole kV] for a water-equivalent thickness [m]: 60 up to 10 cm, 2 more per cm, at most 120."""
    return float(np.clip(round(60 + 200 * (thickness - 0.10)), 60, 120))


def measuring_field(opening: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The middle half (per axis) of the open field, where the exposure is measured."""
    rows, cols = np.flatnonzero(opening.any(axis=1)), np.flatnonzero(opening.any(axis=0))
    middle = np.zeros_like(opening)
    top, left = rows[0] + len(rows) // 4, cols[0] + len(cols) // 4
    middle[top : top + max(len(rows) // 2, 1), left : left + max(len(cols) // 2, 1)] = True
    return middle


def body_thickness(soft_line: Image, bone_line: Image, measuring: NDArray[np.bool_]) -> float:
    """Water-equivalent thickness [m] of the body in the measuring field."""
    return float(np.median((soft_line + np.float32(BONE_AS_WATER) * bone_line)[measuring]))


def detector_kerma(spectrum: Spectrum, soft_line: Image, bone_line: Image) -> NDArray[np.float64]:
    """Air kerma per mAs at 1 m behind the tissue, for a sample of pixels."""
    every = max(1, soft_line.size // 2000)
    kerma = kerma_behind(spectrum, soft_line[::every], bone_line[::every]).sum(axis=1)
    return np.asarray(np.repeat(kerma, every)[: soft_line.size], float)


def kerma_behind(spectrum: Spectrum, soft: Image, bone: Image) -> NDArray[np.float64]:
    """(pixels, energies) air kerma per mAs at 1 m behind tissue paths [m]."""
    water, cortical = (whole_kev(MATERIALS[name], spectrum.energy) for name in ("water", "cortical bone"))
    left = np.exp(-np.outer(soft, water) - np.outer(bone, cortical))
    return np.asarray(left * (spectrum.fluence * spectrum.kerma_per_photon()))
