"""The voxels that hold cement: few of all, so what is asked in every round is asked of them alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.grid import VoxelGrid
from vertebro.leakage.frame import BodyFrame
from vertebro.tissue import Compartment

Float = NDArray[np.float64]
Compartments = NDArray[np.integer[Any]]
CANAL = (Compartment.CANAL, Compartment.VEIN_BASIVERTEBRAL)
RIM = 0.15  # of half width and height: a body's rims stand out that far
FORAMINA = (Compartment.FORAMEN_LEFT, Compartment.FORAMEN_RIGHT)


def canal_sections(compartment: Compartments, grid: VoxelGrid) -> Float:
    """(ns,) volume [m³] of the canal in each axial slice."""
    canal = np.isin(compartment, CANAL)
    return np.asarray(canal.sum(axis=(0, 1)) * grid.voxel_volume, np.float64)


@dataclass(frozen=True, slots=True)
class Filled:
    """Cement in voxels.

    Attributes
    ----------
    grid : VoxelGrid
    cells : (n,) int array
        Flat indices of the voxels with cement.
    held : (n,) float array [m³]
    place : (n,) int array
        Their compartments.
    """

    grid: VoxelGrid
    cells: NDArray[np.int64]
    held: Float
    place: Compartments

    @classmethod
    def of(cls, cement_volume: Float, grid: VoxelGrid, compartment: Compartments) -> Filled:
        """The voxels of a field (…) [m³] that are not empty."""
        amount = np.ascontiguousarray(cement_volume, float).ravel()
        cells = np.flatnonzero(amount)
        return cls(grid, cells, amount[cells], np.asarray(compartment).ravel()[cells])

    def canal_encroachment(self, sections: Float) -> float:
        """Largest share [1] of the canal's cross-section taken in any axial slice; `sections` of `canal_sections`."""
        own = np.isin(self.place, CANAL)
        taken = np.bincount(self.cells[own] % self.grid.shape[2], self.held[own], self.grid.shape[2])
        there = sections > 0.0
        return float((taken[there] / sections[there]).max(initial=0.0))

    def foramen_volume(self) -> float:
        """Cement [m³] in both foramina."""
        return float(self.held[np.isin(self.place, FORAMINA)].sum())

    def posterior_margin(self, frame: BodyFrame, visible_fraction: float) -> float | None:
        """Depth [1] of the rearmost cement in the body: 0 posterior wall, 1 anterior wall, None without cement.

        Asked of the body in front of the canal alone: wings and lower bodies of a sacrum lie behind the wall of S1.
        """
        seen = self.cells[(self.place == Compartment.BODY) & (self.held >= visible_fraction * self.grid.voxel_volume)]
        r, a, s = (x[n] for x, n in zip(self.grid.axes(), np.unravel_index(seen, self.grid.shape), strict=True))
        beside = np.abs(r - frame.midline) > (1.0 + RIM) * frame.half_axes[0]
        above, below = s - frame.superior_endplate, frame.inferior_endplate - s
        a = a[~beside & (np.maximum(above, below) <= RIM * frame.height)]
        return frame.depth_fraction(float(a.min()) - self.grid.spacing[1] / 2.0) if a.size else None
