"""From labels and CT numbers to an `Anatomy`: the one path that CT-based and generated anatomies share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.anatomy import Anatomy, Exit, Landmarks, Surround
from vertebro.anatomy.interior import (
    InteriorSettings,
    bone_fractions,
    porosity_and_permeability,
)
from vertebro.anatomy.network_places import Scene, find_mouth
from vertebro.anatomy.network_tracing import trace_network
from vertebro.anatomy.shell import find_shell
from vertebro.anatomy.vessels import FORAMEN_LUMEN, VEIN_POROSITY, foramen_share
from vertebro.errors import DataError, GeometryError
from vertebro.grid import VoxelGrid
from vertebro.tissue import Compartment, Tissue

__all__ = ["InteriorSettings", "assemble"]


def assemble(
    *,
    level: str,
    grid: VoxelGrid,
    tissue: NDArray[np.uint8],
    compartment: NDArray[np.uint8],
    hu: NDArray[np.floating[Any]],
    landmarks: Landmarks,
    surround: Surround,
    patient_from_world: NDArray[np.float64],
    settings: InteriorSettings,
    seed: int,
    provenance: dict[str, Any],
) -> Anatomy:
    """Fill the bone: fractions, porosity, permeability, shell and endplates, veins and exits.

    Parameters
    ----------
    level : str
    grid : VoxelGrid
        Aligned with the vertebra's axes, origin in the body's centre.
    tissue, compartment : (nr, na, ns) uint8 arrays
        Labels without veins; not changed. Neighbouring bones: a bone tissue in compartment PARAVERTEBRAL.
    hu : (nr, na, ns) float array [HU]
        Without cement.
    landmarks, surround, patient_from_world
        Passed on.
    settings : InteriorSettings
    seed : int
        Of everything random here (vein details, permeability multiplier).
    provenance : dict
        Plain JSON values of the source; the settings, seed and veins are added.

    Returns
    -------
    Anatomy

    Raises
    ------
    GeometryError
        If an array does not fit the grid.
    DataError
        If CT numbers are not finite, a label is unknown, or there is no vertebral body.
    """
    tissue, compartment = np.asarray(tissue, np.uint8), np.asarray(compartment, np.uint8)
    _check(grid, tissue, compartment, hu, level)
    scene = Scene(grid, compartment, landmarks, -1.0 if settings.mirrored else 1.0)
    network = trace_network(scene, settings, seed, level) if settings.veins else None
    fraction = bone_fractions(hu, tissue, grid, settings)
    phi, tensor = porosity_and_permeability(fraction, tissue, grid, settings, seed)
    filled = tissue
    if network is not None:
        share = foramen_share(grid, landmarks, settings, find_mouth(scene)[1]) * (compartment == Compartment.BODY)
        fraction = fraction * (1.0 - share)
        phi = phi * (1.0 - share) + np.float32(VEIN_POROSITY) * share
        tensor = tensor * (1.0 - share) + share * (FORAMEN_LUMEN**2 / 8.0)
        filled = np.where(share > 0, np.uint8(Tissue.VEIN), tissue)
    shell = find_shell(
        grid, filled, compartment, fraction, landmarks=landmarks, level=level, settings=settings, seed=seed
    )
    return Anatomy(
        level=level,
        grid=grid,
        tissue=filled,
        compartment=compartment,
        hu=np.ascontiguousarray(hu, dtype=np.float32),
        bone_fraction=fraction.astype(np.float32),
        porosity=phi.astype(np.float32),
        permeability=np.ascontiguousarray(tensor),
        face_resistance=shell.resistance(),
        exits=_border_exit(grid, compartment, settings),
        surround=surround,
        landmarks=landmarks,
        patient_from_world=np.asarray(patient_from_world, float),
        body_volume=float(np.count_nonzero(compartment == Compartment.BODY) * grid.voxel_volume),
        network=network,
        provenance={
            **provenance,
            "interior": settings.to_dict(),
            "seed": seed,
            "veins": network.table() if network is not None else [],
        },
    )


def _check(
    grid: VoxelGrid,
    tissue: NDArray[np.uint8],
    compartment: NDArray[np.uint8],
    hu: NDArray[np.floating[Any]],
    level: str,
) -> None:
    for name, array in (("tissue", tissue), ("compartment", compartment), ("hu", hu)):
        if array.shape != grid.shape:
            raise GeometryError(
                "an array does not fit its grid", where=name, value=array.shape, allowed=str(grid.shape)
            )
    if not np.all(np.isfinite(hu)):
        raise DataError(
            "CT numbers that are not finite",
            where="hu",
            value=f"{int(np.count_nonzero(~np.isfinite(hu)))} voxels",
            hint="replace them (air is -1000) before assembling",
        )
    if tissue.max(initial=0) > max(Tissue) or compartment.max(initial=0) > max(Compartment):
        raise DataError("unknown label", where="tissue, compartment", value=(int(tissue.max()), int(compartment.max())))
    if not np.any(compartment == Compartment.BODY):
        raise DataError("no voxel of the vertebral body", where=f"compartment ({level})", hint="check the labels")


def _border_exit(grid: VoxelGrid, compartment: NDArray[np.uint8], settings: InteriorSettings) -> tuple[Exit, ...]:
    """The grid's outermost cells, other than this vertebra, drain into the tissue around."""
    border = np.ones(grid.shape, bool)
    border[1:-1, 1:-1, 1:-1] = False
    border &= ~np.isin(compartment, (Compartment.BODY, Compartment.ARCH, Compartment.TRACK))
    cells = np.argwhere(border)
    if not len(cells):
        return ()
    return (Exit(name="tissue around", route="tissue", cells=cells, pressure=float(settings.tissue_pressure)),)
