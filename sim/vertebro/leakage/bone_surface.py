"""The bone's surface on the grid: which cells are inside, and how easily cement crosses each face."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vertebro.grid import VoxelGrid
from vertebro.leakage.events import TRACK_DEPTH
from vertebro.leakage.routes import PLACE_OF_COMPARTMENT, Place
from vertebro.tissue import Compartment

Float = NDArray[np.float64]


def face_conductance(permeability: Float, face_resistance: Float | None, spacing: tuple[float, float, float]) -> Float:
    """(3, …) conductance [m] of the faces between a cell and its next neighbour: two half cells and a layer in series.

    Parameters
    ----------
    permeability : (3, …) float array [m²]
    face_resistance : (3, …) float array, optional [1/m]
    spacing : tuple of float [m]
    """
    out = np.zeros_like(permeability, dtype=float)
    for axis in range(3):
        here = tuple(slice(None, -1) if d == axis else slice(None) for d in range(3))
        there = tuple(slice(1, None) if d == axis else slice(None) for d in range(3))
        with np.errstate(divide="ignore"):
            series = 0.5 * spacing[axis] * (1.0 / permeability[axis][here] + 1.0 / permeability[axis][there])
        if face_resistance is not None:
            series = series + face_resistance[axis][here]
        out[axis][here] = 1.0 / series
    return out


def bone_side(
    grid: VoxelGrid, compartment: NDArray[np.uint8], *, track_depth: float = TRACK_DEPTH
) -> NDArray[np.bool_]:
    """(…) mask of cells whose cement is no leak: body, arch, and the needle's channel within them.

    The channel (TRACK) counts as bone while bone is nearer than `track_depth` [m].
    """
    bone = (compartment == Compartment.BODY) | (compartment == Compartment.ARCH)
    track = compartment == Compartment.TRACK
    if track.any() and bone.any():
        near = ndimage.distance_transform_edt(~bone, sampling=grid.spacing) <= track_depth
        bone |= track & near
    return np.asarray(bone)


def places(compartment: NDArray[np.uint8], in_bone: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """(…) uint8 array of `Place`; BONE where cement is no leak."""
    table = np.array([PLACE_OF_COMPARTMENT[c] for c in Compartment], np.uint8)
    return np.where(in_bone, np.uint8(Place.BONE), table[compartment])
