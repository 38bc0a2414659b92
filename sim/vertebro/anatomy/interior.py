"""What the bone and its neighbours are like inside: porosity and permeability of every voxel.

Cancellous bone follows its CT number (`materials.bone`); everything else gets one porosity and one permeability per
tissue, small and argued below, so that marrow can drain and leaked cement has somewhere to go.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vertebro.anatomy.interior_settings import InteriorSettings
from vertebro.anatomy.random_field import normal_field
from vertebro.grid import VoxelGrid
from vertebro.materials import bone
from vertebro.tissue import Compartment, Tissue

__all__ = ["BONE_TISSUES", "InteriorSettings", "bone_fractions", "layer_resistance", "porosity_and_permeability"]

BONE_TISSUES = (Tissue.CANCELLOUS, Tissue.CORTICAL, Tissue.LESION, Tissue.CLEFT)


@dataclass(frozen=True, slots=True)
class TissueFlow:
    """Porosity [1] (space that cement can take) and isotropic permeability [m²] of a tissue."""

    porosity: float
    permeability: float


# All ours. Loose tissue gives way to cement, so its "pores" are the share that can be pushed aside within minutes;
# permeabilities fall from the plexus-filled epidural fat over fascia and muscle to cartilage and dura (tight).
TISSUE_FLOW: dict[Tissue, TissueFlow] = {
    Tissue.AIR: TissueFlow(0.95, 1e-8),
    Tissue.FAT: TissueFlow(0.30, 1e-11),
    Tissue.MUSCLE: TissueFlow(0.20, 1e-12),
    Tissue.CANCELLOUS: TissueFlow(0.90, 2e-8),
    Tissue.CORTICAL: TissueFlow(0.05, 1e-13),
    Tissue.DISC: TissueFlow(0.10, 1e-15),
    Tissue.EPIDURAL: TissueFlow(0.50, 1e-9),
    Tissue.DURA: TissueFlow(0.05, 1e-16),
    Tissue.VEIN: TissueFlow(0.90, 3e-8),
    Tissue.BLOOD: TissueFlow(0.05, 1e-16),
    Tissue.LUNG: TissueFlow(0.30, 1e-11),
    Tissue.CLEFT: TissueFlow(0.97, 1e-7),
    Tissue.LESION: TissueFlow(0.95, 5e-8),
}


def bone_fractions(
    hu: NDArray[np.floating[Any]], tissue: NDArray[np.uint8], grid: VoxelGrid, settings: InteriorSettings
) -> NDArray[np.float32]:
    """BV/TV of every voxel: the mixture law in cancellous and cortical voxels, 0 elsewhere.

    Parameters
    ----------
    hu : (nr, na, ns) float array [HU]
    tissue : (nr, na, ns) uint8 array of `Tissue`

    Returns
    -------
    (nr, na, ns) float32 array [1]
    """
    solid = np.isin(tissue, BONE_TISSUES)
    smooth = _masked_gaussian(np.asarray(hu, np.float32), solid, grid, settings.denoise)
    fraction = bone.bone_fraction_from_hu(
        smooth, hu_marrow=settings.hu_marrow, hu_bone=settings.hu_bone, low=settings.bone_fraction_floor, high=0.95
    )
    return np.where(solid, fraction, 0.0).astype(np.float32)


def porosity_and_permeability(
    fraction: NDArray[np.float32],
    tissue: NDArray[np.uint8],
    grid: VoxelGrid,
    settings: InteriorSettings,
    seed: int,
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Porosity [1] and the three principal permeabilities [m²] of every voxel.

    Parameters
    ----------
    fraction : (nr, na, ns) float32 array [1]
        BV/TV from `bone_fractions`.
    seed : int
        Seed of the log-normal multiplier.

    Returns
    -------
    porosity : (nr, na, ns) float32 array
    permeability : (3, nr, na, ns) float64 array
    """
    table = np.array([[TISSUE_FLOW[t].porosity, TISSUE_FLOW[t].permeability] for t in Tissue])
    phi, k = table[tissue, 0], table[tissue, 1]
    cancellous = tissue == Tissue.CANCELLOUS
    phi[cancellous] = bone.porosity(fraction[cancellous].astype(float))
    law = bone.permeability_law(settings.permeability_law)
    k[cancellous] = law(phi[cancellous], thickness=settings.trabecular_thickness)
    if settings.k_sigma > 0:
        field = normal_field(
            grid, seed=seed, correlation_length=settings.k_correlation_length, mirrored=settings.mirrored
        )
        k[cancellous] *= np.exp(settings.k_sigma * field[cancellous].astype(float))
    tensor = np.empty((3, *grid.shape))
    for axis, factor in enumerate(bone.principal_factors(settings.anisotropy)):
        tensor[axis] = np.where(cancellous, k * factor, k)
    return phi.astype(np.float32), tensor


def layer_resistance(
    tissue: NDArray[np.uint8], compartment: NDArray[np.uint8], settings: InteriorSettings
) -> NDArray[np.float64]:
    """Cortical shell and endplates as layers in the faces, thickness / permeability.

    A face carries a layer when exactly one side is bone, or when this vertebra meets another bone (facet joint).
    Towards a disc it is the endplate, elsewhere the shell. Where a vein runs through (both sides `Tissue.VEIN`) there
    is a foramen: no layer.

    Returns
    -------
    (3, nr, na, ns) float64 array [1/m]
        Entry [d, i, j, k] sits between voxel (i, j, k) and its next neighbour along d; the last row along d is 0.
    """
    own = np.isin(compartment, (Compartment.BODY, Compartment.ARCH, Compartment.TRACK))
    kind = np.where(own, 1, np.where(np.isin(tissue, BONE_TISSUES), 2, 0)).astype(np.int8)
    disc = np.isin(compartment, (Compartment.DISC_SUPERIOR, Compartment.DISC_INFERIOR)) | (tissue == Tissue.DISC)
    vein = tissue == Tissue.VEIN
    shell = settings.shell_thickness / settings.shell_permeability
    endplate = settings.endplate_thickness / settings.endplate_permeability
    resistance = np.zeros((3, *tissue.shape))
    for axis in range(3):
        here, there = _pair(axis)
        wall = (kind[here] != kind[there]) & ~(vein[here] & vein[there])
        layer = np.where(disc[here] | disc[there], endplate, shell)
        resistance[axis][here] = np.where(wall, layer, 0.0)
    return resistance


def _pair(axis: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    here = [slice(None)] * 3
    there = [slice(None)] * 3
    here[axis], there[axis] = slice(None, -1), slice(1, None)
    return tuple(here), tuple(there)


def _masked_gaussian(
    values: NDArray[np.float32], mask: NDArray[np.bool_], grid: VoxelGrid, sigma: float
) -> NDArray[np.float32]:
    """Gaussian mean over the voxels of the mask only, so that outside tissue does not bleed in."""
    if sigma <= 0 or not mask.any():
        return values
    box = ndimage.find_objects(mask.astype(np.uint8))[0]
    width = [sigma / h for h in grid.spacing]
    weight = mask[box].astype(np.float32)
    mean = ndimage.gaussian_filter(values[box] * weight, width, truncate=3.0)
    norm = ndimage.gaussian_filter(weight, width, truncate=3.0)
    smooth = values.copy()
    smooth[box] = np.where(mask[box], mean / np.maximum(norm, 1e-6), values[box])
    return smooth
