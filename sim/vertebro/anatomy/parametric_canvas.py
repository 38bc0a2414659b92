"""A painter for CT numbers and labels: later shapes cover earlier ones, edges keep their partial volume."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.shapes import Pose, Shape, Slices, crop, evaluate, is_empty
from vertebro.grid import VoxelGrid
from vertebro.materials import bone
from vertebro.sources import Constant
from vertebro.tissue import Compartment, Organ, Tissue

CORTEX_FRACTION = Constant(0.90, "1", 0.80, 0.97, "vertebro", "recalled", "bone share of compact bone")
BLUR = Constant(0.8e-3, "m", 0.4e-3, 1.5e-3, "vertebro", "ours", "least edge width: a CT's point spread")
SOFT = Constant(
    1.5, "1", 0.5, 2.0, "vertebro", "ours", "half the edge of thin wide plates in voxels: no stripes of the grid"
)

Array = NDArray[Any]


class Picture(Protocol):
    """CT numbers that change over a canvas."""

    def on(self, region: Slices, /) -> Array:
        """Values on a region of the canvas."""
        ...


@dataclass(frozen=True, slots=True)
class Labels:
    """Tissue and compartment of every voxel, (nr, na, ns) uint8 arrays."""

    tissue: NDArray[np.uint8]
    compartment: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Canvas:
    """CT numbers on a grid, and labels where they are wanted (the surround has none).

    Attributes
    ----------
    grid : VoxelGrid
    hu : (nr, na, ns) float32 array [HU]
    labels : Labels or None
    organ : (nr, na, ns) uint8 array of `Organ` or None
    """

    grid: VoxelGrid
    hu: NDArray[np.float32]
    labels: Labels | None
    organ: NDArray[np.uint8] | None = None

    @classmethod
    def blank(cls, grid: VoxelGrid, labels: Labels | None = None, organ: NDArray[np.uint8] | None = None) -> Canvas:
        """Air everywhere."""
        return cls(grid, np.full(grid.shape, -1000.0, np.float32), labels, organ)

    @property
    def edge(self) -> float:
        """Width [m] over which an edge is spread."""
        return max(max(self.grid.spacing), float(BLUR))

    def region(self, shapes: list[Shape], pose: Pose, margin: float = 2e-3) -> Slices:
        """Index ranges that hold all the shapes."""
        low, high = np.min([s.low for s in shapes], axis=0), np.max([s.high for s in shapes], axis=0)
        return crop(self.grid, *pose.box(low - margin, high + margin))

    def paint(
        self,
        shapes: list[Shape],
        hu: float | Picture,
        tissue: Tissue,
        compartment: Compartment = Compartment.PARAVERTEBRAL,
        *,
        pose: Pose | None = None,
        blend: float = 0.0,
        within: NDArray[np.float32] | None = None,
        organ: Organ = Organ.NONE,
    ) -> None:
        """Cover the union of shapes with one tissue (changes the canvas in place).

        Parameters
        ----------
        hu : float or Picture [HU]
            One number, or one that changes over the canvas.
        blend : float [m]
            Fillet between the shapes.
        within : (nr, na, ns) float32 array [1], optional
            Cover that the paint is limited to.
        organ : Organ
            What a needle would meet here.
        """
        pose = Pose() if pose is None else pose
        region = self.region(shapes, pose)
        if is_empty(region):
            return
        cover = self.cover(evaluate(shapes, self.grid, pose, region, blend))
        if within is not None:
            cover = cover * within[region]
        colour = hu if isinstance(hu, float) else hu.on(region)
        self.blend(region, cover, colour, tissue, compartment, organ)

    def blend(
        self,
        region: Slices,
        cover: Array,
        hu: float | Array,
        tissue: Tissue,
        compartment: Compartment,
        organ: Organ = Organ.NONE,
    ) -> None:
        """Mix a CT number in by its cover; label the voxels that are covered by more than half (in place)."""
        view = self.hu[region]
        view += cover * (hu - view)
        major = cover > 0.5
        if self.organ is not None:
            self.organ[region][major] = organ
        if self.labels is not None:
            self.labels.tissue[region][major] = tissue
            self.labels.compartment[region][major] = compartment

    def cover(self, distance: Array) -> Array:
        """Share of a voxel inside a surface at this signed distance [m]."""
        return np.asarray(np.clip(0.5 - distance * np.float32(1 / self.edge), 0, 1))

    def soft_cover(self, distance: Array) -> Array:
        """`cover` over three voxels instead of one: plates along the beam leave no stripes of the grid in a picture."""
        x = np.clip(distance * np.float32(1 / (SOFT * self.edge)), -1, 1)
        return np.asarray(0.5 - 0.75 * x + 0.25 * x * x * x)

    def touched(self, distance: Array, *, soft: bool = False) -> NDArray[np.bool_]:
        """Voxels that a surface at this signed distance [m] covers at least partly."""
        return np.asarray(distance < (SOFT if soft else 0.5) * self.edge)

    def paint_bone(
        self,
        region: Slices,
        hit: NDArray[np.bool_],
        distance: Array,
        cortex: float | Array,
        core: float | Array,
        label: Compartment | NDArray[np.uint8] = Compartment.PARAVERTEBRAL,
        *,
        soft: bool = False,
    ) -> None:
        """Cover with bone: a compact cortex around a spongy core (changes the canvas in place).

        Parameters
        ----------
        region : slices
        hit : bool array of the region's shape
            Voxels to paint, n of them, from `touched`.
        distance : (n,) float array [m]
        cortex : float or (n,) float array [m]
            Thickness of the compact layer.
        core : float or (n,) float array [1]
            BV/TV inside.
        label : Compartment or (n,) uint8 array
        soft : bool
            Surfaces as of `soft_cover`.
        """
        cover = self.soft_cover if soft else self.cover
        total, inner = cover(distance), cover(distance + np.float32(1) * cortex)
        fraction = (total - inner) * np.float32(CORTEX_FRACTION) + inner * core
        slope = np.float32(bone.HU_BONE - bone.HU_MARROW)
        view = self.hu[region]
        under = view[hit]
        view[hit] = under + total * (np.float32(bone.HU_MARROW) - under) + fraction * slope
        if self.organ is not None:
            organ = self.organ[region]
            organ[hit] = np.where(total > 0.5, np.uint8(Organ.NONE), organ[hit])
        if self.labels is None:
            return
        tissue, place = self.labels.tissue[region], self.labels.compartment[region]
        material = np.where(fraction > 0.6, np.uint8(Tissue.CORTICAL), np.uint8(Tissue.CANCELLOUS))
        tissue[hit] = np.where(total > 0.5, material, tissue[hit])
        place[hit] = np.where(total > 0.5, np.asarray(label, np.uint8), place[hit])
