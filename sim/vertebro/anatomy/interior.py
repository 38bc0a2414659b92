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
from vertebro.materials.permeability import permeability_tensor
from vertebro.materials.trabecular import Microstructure, microstructure
from vertebro.tissue import Tissue

__all__ = ["BONE_TISSUES", "InteriorSettings", "bone_fractions", "porosity_and_permeability", "structure"]

_THICKNESS_STREAM = 700_001  # added to the seed: trabecular thickness varies independently of permeability
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

    Raises
    ------
    CaseError
        If the correlation length is out of range.
    """
    table = np.array([[TISSUE_FLOW[t].porosity, TISSUE_FLOW[t].permeability] for t in Tissue])
    phi, k = table[tissue, 0], table[tissue, 1]
    cancellous = tissue == Tissue.CANCELLOUS
    phi[cancellous] = bone.porosity(fraction[cancellous].astype(float))
    tensor = np.broadcast_to(k, (3, *grid.shape)).copy()
    tensor[:, cancellous] = permeability_tensor(
        structure(fraction, cancellous, grid, settings, seed), settings.permeability_law
    )
    if settings.k_sigma > 0:
        field = _field(grid, settings, seed, settings.k_correlation_length)
        tensor[:, cancellous] *= np.exp(settings.k_sigma * field[cancellous].astype(float))
    return phi.astype(np.float32), tensor


def structure(
    fraction: NDArray[np.float32],
    where: NDArray[np.bool_],
    grid: VoxelGrid,
    settings: InteriorSettings,
    seed: int,
) -> Microstructure:
    """Tb.Th, Tb.Sp and anisotropy of the voxels `where`, in their order.

    Tb.Th is log-normal about its mean, independent of BV/TV (thomsen2013: of age, too); Tb.Sp follows from the two.

    Parameters
    ----------
    fraction : (nr, na, ns) float32 array [1]
        BV/TV.
    where : (nr, na, ns) bool array
        n voxels of cancellous bone.
    seed : int

    Returns
    -------
    Microstructure
        (n,) arrays.
    """
    thickness = np.full(int(np.count_nonzero(where)), float(settings.trabecular_thickness))
    sigma = settings.thickness_sigma
    if sigma > 0:
        field = _field(grid, settings, seed + _THICKNESS_STREAM, settings.k_correlation_length)
        thickness *= np.exp(sigma * field[where].astype(float) - sigma * sigma / 2)
    return microstructure(
        np.maximum(fraction[where].astype(float), 1e-3),
        thickness=thickness,
        rod_share=settings.rod_share,
        anisotropy=settings.anisotropy,
    )


def _field(grid: VoxelGrid, settings: InteriorSettings, seed: int, length: float) -> NDArray[np.float32]:
    return normal_field(grid, seed=seed, correlation_length=length, mirrored=settings.mirrored)


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
