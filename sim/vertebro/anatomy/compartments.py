"""Tissue and compartments on the simulation grid, from signed distances to the bones, the canal and CT numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vertebro.anatomy.canal import CanalTube
from vertebro.grid import VoxelGrid
from vertebro.tissue import Compartment, Tissue
from vertebro.units import mm

Bools = NDArray[np.bool_]
Distance = NDArray[np.float32]

# All ours: how labels and CT numbers are read as tissue.
CORTICAL_HU = 500.0  # compact bone of the arch and of thick walls; thinner shells are face layers, not voxels
OTHER_BONE_HU = 200.0  # unlabelled bone (ribs, sacrum) outside the vertebra labels
CONTRAST_FACTOR, CONTRAST_MARGIN = 1.25, 50.0  # splines overshoot in thin vessels
LUNG_HU, FAT_HU = -400.0, -30.0
EPIDURAL_DEPTH = 2.0 * mm  # fat and veins between canal wall and thecal sac
DISC_REACH = 18.0 * mm  # no disc is higher
DISC_HEIGHT = 8.0 * mm  # assumed where the neighbour is not in the picture
VESSEL_RADIUS = 4.5 * mm  # contrast-filled vessels are thicker than ribs and processes
VESSEL_HU = (130.0, 700.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Bones:
    """Which bone a voxel belongs to; all (nr, na, ns) bool arrays on one grid.

    Attributes
    ----------
    body, arch : this vertebra
    above, below : the neighbours' whole bones (all False where there is none)
    others : every other labelled bone
    holes : inside of the closed canal rings of all labelled vertebrae
    """

    body: Bools
    arch: Bools
    above: Bools
    below: Bools
    others: Bools
    holes: Bools

    @property
    def own(self) -> Bools:
        """The whole vertebra."""
        return self.body | self.arch

    @property
    def neighbours(self) -> Bools:
        """Every labelled vertebra but this one."""
        return self.above | self.below | self.others

    @property
    def solid(self) -> Bools:
        """All labelled vertebrae."""
        return self.own | self.neighbours


def mark_compartments(
    bones: Bones, tube: CanalTube, wall: NDArray[np.float64], foramen_reach: tuple[float, float], grid: VoxelGrid
) -> NDArray[np.uint8]:
    """Where cement is counted in every voxel.

    Parameters
    ----------
    wall : (ns,) float array [m]
        a-coordinate of the posterior wall.
    foramen_reach : (left, right) [m]
        r-coordinates of the outer edges of the two pedicles; the foramina end there.

    Returns
    -------
    (nr, na, ns) uint8 array of `Compartment`
    """
    out = np.full(grid.shape, Compartment.PARAVERTEBRAL, np.uint8)
    free = ~bones.solid
    seen = in_sight(bones.solid, tube, grid)
    for name, region in foramina(tube, wall, foramen_reach, grid).items():
        out[region & free & seen] = name
    out[canal_region(bones, tube, wall, grid)] = Compartment.CANAL
    out[disc(bones, bones.above, wall, grid, upward=True) & free] = Compartment.DISC_SUPERIOR
    out[disc(bones, bones.below, wall, grid, upward=False) & free] = Compartment.DISC_INFERIOR
    out[bones.arch] = Compartment.ARCH
    out[bones.body] = Compartment.BODY
    return out


def canal_region(bones: Bones, tube: CanalTube, wall: NDArray[np.float64], grid: VoxelGrid) -> Bools:
    """The canal: the holes of the rings and, between them, the interpolated tube behind the posterior wall."""
    _, a, _ = grid.open_mesh()
    between = tube.mask(grid) & (a < wall[None, None, :] + 2.0 * mm)
    region = (bones.holes | between) & ~bones.solid
    opened = ndimage.binary_opening(region)
    parts, count = ndimage.label(opened)
    if count == 0:
        return np.asarray(region)
    biggest = parts == 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))
    return np.asarray(ndimage.binary_dilation(biggest) & region)


def foramina(
    tube: CanalTube, wall: NDArray[np.float64], reach: tuple[float, float], grid: VoxelGrid
) -> dict[Compartment, Bools]:
    """Boxes beside the canal, as deep as the canal and out to the pedicles' outer edges."""
    r, a, _ = grid.open_mesh()
    front = wall[None, None, :] + 2.0 * mm
    back = (tube.centre[:, 1] - 0.6 * tube.half[:, 1])[None, None, :]
    deep = (a < front) & (a > back)
    middle, half = tube.centre[None, None, :, 0], tube.half[None, None, :, 0]
    left = deep & (r < middle - 0.7 * half) & (r > reach[0])
    right = deep & (r > middle + 0.7 * half) & (r < reach[1])
    return {Compartment.FORAMEN_LEFT: left, Compartment.FORAMEN_RIGHT: right}


def in_sight(solid: Bools, tube: CanalTube, grid: VoxelGrid) -> Bools:
    """Voxels that a straight look sideways from the canal's middle reaches without meeting bone."""
    r, _, _ = grid.open_mesh()
    away = r - tube.centre[None, None, :, 0]
    rightwards = np.logical_or.accumulate(solid & (away >= 0), axis=0)
    leftwards = np.logical_or.accumulate((solid & (away < 0))[::-1], axis=0)[::-1]
    return np.asarray(np.where(away >= 0, ~rightwards, ~leftwards))


def disc(bones: Bones, neighbour: Bools, wall: NDArray[np.float64], grid: VoxelGrid, *, upward: bool) -> Bools:
    """The disc above (`upward`) or below the body.

    Column by column, the gap between this body and the neighbour's; where the neighbour is not in the picture,
    a layer of `DISC_HEIGHT` over the body's own end.
    """
    _, a, _ = grid.open_mesh()
    body = bones.body if upward else bones.body[:, :, ::-1]
    in_front = neighbour & (a > wall[None, None, :] - 3.0 * mm)
    next_body = in_front if upward else in_front[:, :, ::-1]
    gap = _gap(body, next_body, round(DISC_REACH / grid.spacing[2]))
    if np.count_nonzero(gap.any(axis=2)) < 0.3 * np.count_nonzero(body.any(axis=2)):
        gap |= _layer_over(body, round(DISC_HEIGHT / grid.spacing[2]))
    gap = ndimage.binary_closing(gap, structure=np.ones((3, 3, 1), bool), iterations=2) & ~body & ~next_body
    gap = ndimage.binary_opening(gap, structure=np.ones((3, 3, 1), bool))
    return np.asarray(gap if upward else gap[:, :, ::-1])


def classify_tissue(
    bones: Bones,
    compartment: NDArray[np.uint8],
    hu: NDArray[np.float32],
    vessel: Bools,
    grid: VoxelGrid,
    contrast: float | None = None,
) -> NDArray[np.uint8]:
    """Tissue of every voxel from compartments and CT numbers.

    Parameters
    ----------
    hu : (nr, na, ns) float32 array [HU]
    vessel : bool array
        Aorta and vena cava, where known.
    contrast : float [HU], optional
        Of contrast medium in vessels: unlabelled parts no brighter than that may be thin vessels and are not bone.
    """
    least = OTHER_BONE_HU if contrast is None else max(OTHER_BONE_HU, CONTRAST_FACTOR * contrast + CONTRAST_MARGIN)
    smooth = ndimage.gaussian_filter(hu, [0.8 * mm / h for h in grid.spacing])
    out = np.full(grid.shape, Tissue.MUSCLE, np.uint8)
    out[smooth < FAT_HU] = Tissue.FAT
    out[smooth < LUNG_HU] = Tissue.LUNG
    out[smooth < -950.0] = Tissue.AIR
    out[smooth > least] = Tissue.CORTICAL
    blood = vessel | thick_bright(smooth, bones.solid, grid)
    out[blood & ~bones.solid] = Tissue.BLOOD
    out[np.isin(compartment, (Compartment.FORAMEN_LEFT, Compartment.FORAMEN_RIGHT))] = Tissue.EPIDURAL
    canal = compartment == Compartment.CANAL
    out[canal] = Tissue.EPIDURAL
    out[canal & (_depth_in_slices(canal, grid) > EPIDURAL_DEPTH)] = Tissue.DURA
    out[np.isin(compartment, (Compartment.DISC_SUPERIOR, Compartment.DISC_INFERIOR))] = Tissue.DISC
    out[bones.solid] = Tissue.CANCELLOUS
    out[bones.solid & (smooth > CORTICAL_HU)] = Tissue.CORTICAL
    return out


def thick_bright(hu: NDArray[np.float32], bone: Bools, grid: VoxelGrid) -> Bools:
    """Contrast-filled great vessels: bright, outside the vertebrae, and thick enough not to be a rib."""
    bright = (hu > VESSEL_HU[0]) & (hu < VESSEL_HU[1]) & ~bone
    depth = ndimage.distance_transform_edt(bright, sampling=grid.spacing)
    core = depth > VESSEL_RADIUS
    if not core.any():
        return np.zeros_like(bright)
    return np.asarray(bright & (ndimage.distance_transform_edt(~core, sampling=grid.spacing) < VESSEL_RADIUS))


def _depth_in_slices(mask: Bools, grid: VoxelGrid) -> NDArray[np.float64]:
    """Distance to the mask's wall within axial slices; the canal's open ends do not count as walls."""
    stretched = (*grid.spacing[:2], 1.0)
    return np.asarray(ndimage.distance_transform_edt(mask, sampling=stretched))


def _gap(body: Bools, neighbour: Bools, reach: int) -> Bools:
    """Voxels with `body` as the nearest bone below and `neighbour` as the nearest above, both within `reach` voxels."""
    n = body.shape[2]
    k = np.arange(n)
    bone = body | neighbour
    below = np.maximum.accumulate(np.where(bone, k, -1), axis=2)
    above = np.minimum.accumulate(np.where(bone, k, n)[:, :, ::-1], axis=2)[:, :, ::-1]
    under = (below >= 0) & np.take_along_axis(body, np.maximum(below, 0), axis=2)
    over = (above < n) & np.take_along_axis(neighbour, np.minimum(above, n - 1), axis=2)
    return np.asarray(~bone & under & over & (above - below <= reach))


def _layer_over(body: Bools, thickness: int) -> Bools:
    """A layer of `thickness` voxels on top of the body's columns."""
    n = body.shape[2]
    k = np.arange(n)
    top = n - 1 - np.argmax(body[:, :, ::-1], axis=2)
    top = np.where(body.any(axis=2), top, -10 * n)
    # bridge the notches that osteophytes and partial columns leave in the end surface
    inner = ndimage.binary_erosion(body.any(axis=2), iterations=1)
    return np.asarray(inner[:, :, None] & (k > top[:, :, None]) & (k <= top[:, :, None] + thickness))
