"""The CT of a scene as numbers on a grid and as a file in the patient's coordinates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.volumes import Volume, write_volume
from vertebro.build import Scene
from vertebro.imaging import CTVolume
from vertebro.imaging.scanner import CLIP_EXTENDED
from vertebro.scans import cement_rise


def save_ct_volume(
    scene: Scene,
    path: str | Path,
    cement_fraction: NDArray[np.float32] | None = None,
    *,
    stack: CTVolume | None = None,
) -> None:
    """Write CT numbers with cement as NIfTI, NRRD or MHA in the patient's coordinates.

    Parameters
    ----------
    scene : Scene
    path : path
    cement_fraction : (nr, na, ns) array, optional
        Fast mode: CT numbers on the simulation grid.
    stack : CTVolume, optional
        Reconstructed slices (`ct_stack`) instead.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    if stack is None:
        values, grid = ct_numbers(scene, cement_fraction), scene.anatomy.grid
    else:
        values, grid = np.rint(np.clip(stack.hu, *CLIP_EXTENDED)).astype(np.int16), stack.grid
    affine = scene.anatomy.patient_from_world @ grid.world_from_voxel
    write_volume(Volume(data=values, ras_from_voxel=affine, name=Path(path).name, digest=""), path)


def ct_numbers(scene: Scene, cement_fraction: NDArray[np.float32] | None = None) -> NDArray[np.int16]:
    """(nr, na, ns) CT numbers [HU] on the simulation grid, with cement, without the scanner's blur and noise."""
    hu = scene.anatomy.hu.astype(np.float32)
    if cement_fraction is not None:
        hu = hu + cement_fraction * np.float32(cement_rise(scene.cement))
    return np.asarray(np.rint(np.clip(hu, *CLIP_EXTENDED)), np.int16)
