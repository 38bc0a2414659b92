"""What a needle must not meet, by name, on the simulation grid and on the wider surround.

From compartments and tissue near the vertebra, from the surround's organs farther away; where an anatomy does not
know its organs, only what its tissue tells is there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vertebro.anatomy.anatomy import Anatomy
from vertebro.anatomy.landmark_surfaces import exiting_root
from vertebro.errors import CaseError
from vertebro.grid import VoxelGrid
from vertebro.sources import Constant
from vertebro.tissue import Compartment, Organ, Tissue
from vertebro.units import mm

CANAL_MARGIN = Constant(0.5e-3, "m", 0.0, 3e-3, "vertebro", "ours", "kept from the canal; half a voxel of the grid")
NERVE_RADIUS = Constant(2.5e-3, "m", 1.5e-3, 4e-3, "vertebro", "ours", "root or ganglion, where no label shows it")

Masks = NDArray[np.bool_]
BONE = (Compartment.BODY, Compartment.ARCH, Compartment.TRACK)
_ORGANS = tuple(organ for organ in Organ if organ not in (Organ.NONE, Organ.CANAL, Organ.NERVE))


@dataclass(frozen=True, kw_only=True, slots=True)
class NoGo:
    """One thing a needle must not meet.

    Attributes
    ----------
    name : str
        ``"canal"``, ``"nerve"``, ``"artery"``, ``"vein"``, ``"lung"``, ``"kidney"`` …
    near : (nr, na, ns) bool array
        On the simulation grid.
    organ : Organ or None
        What it is in the surround; None where the anatomy does not know.
    organs : array of `Organ` or None
        The surround's, shared and not copied: a mask for each thing would fill half a gigabyte.
    """

    name: str
    near: Masks
    organ: Organ | None = None
    organs: NDArray[np.uint8] | None = None

    @property
    def far(self) -> Masks | None:
        """On the surround's grid, made when asked for; None where the anatomy does not know."""
        return None if self.organs is None else np.asarray(self.organs == self.organ)

    def is_at(self, index: tuple[int, int, int]) -> bool:
        """Whether it is in a voxel of the surround."""
        return self.organs is not None and bool(self.organs[index] == self.organ)


def no_go_volumes(
    anatomy: Anatomy, *, canal_margin: float = CANAL_MARGIN, nerve_radius: float = NERVE_RADIUS
) -> dict[str, NoGo]:
    """Everything a needle must not meet, by name; things that are nowhere in the scene are left out.

    Parameters
    ----------
    anatomy : Anatomy
    canal_margin : float [m]
        The canal is widened by this, 0…5 mm.
    nerve_radius : float [m]
        Of the course that is assumed under each pedicle, 0.5…6 mm; labelled roots count besides.

    Returns
    -------
    dict of NoGo
        Keys are the names of `Organ` in small letters. Without organs in the surround, "artery" also holds the vena
        cava of a CT: all blood outside bone.

    Raises
    ------
    CaseError
        If a margin is out of range.
    """
    for name, value, high in (("canal_margin", canal_margin, 5 * mm), ("nerve_radius", nerve_radius, 6 * mm)):
        if not 0.0 <= value <= high:
            raise CaseError("margin of a no-go volume", where=name, value=value, allowed=f"0 to {high:g} m")
    near = {"canal": _canal(anatomy, canal_margin), "nerve": _nerve(anatomy, nerve_radius)}
    for organ in _ORGANS:
        near[organ.name.lower()] = _near_organ(anatomy, organ)
    organs = anatomy.surround.organ
    seen = () if organs is None else tuple(Organ(value) for value in np.unique(organs))
    found = {}
    for name, mask in near.items():
        named = Organ[name.upper()]
        if mask.any() or named in seen:
            found[name] = NoGo(name=name, near=mask, organ=None if organs is None else named, organs=organs)
    return found


def _canal(anatomy: Anatomy, margin: float) -> Masks:
    """The canal with the plexus in it (inside the body a vein's compartment is the body's)."""
    canal = np.isin(anatomy.compartment, (Compartment.CANAL, Compartment.VEIN_BASIVERTEBRAL))
    return _widened(canal, margin, anatomy.grid)


def _nerve(anatomy: Anatomy, radius: float) -> Masks:
    """Labelled roots in the foramina and the assumed course under each pedicle, outside bone."""
    foramen = np.isin(anatomy.compartment, (Compartment.FORAMEN_LEFT, Compartment.FORAMEN_RIGHT))
    nerve = foramen & (anatomy.tissue == Tissue.DURA)
    if anatomy.landmarks.canal_centre is not None:
        for pedicle in anatomy.landmarks.pedicles:
            nerve |= _tube(exiting_root(pedicle), radius, anatomy.grid)
    return np.asarray(nerve & ~np.isin(anatomy.compartment, BONE))


def _tube(line: NDArray[np.float64], radius: float, grid: VoxelGrid) -> Masks:
    """Voxels nearer to a polyline (n, 3) than `radius` [m]."""
    length = np.linalg.norm(np.diff(line, axis=0), axis=1)
    along = np.concatenate([[0.0], np.cumsum(length)])
    fine = np.linspace(0.0, along[-1], int(np.ceil(along[-1] / (0.5 * min(grid.spacing)))) + 1)
    points = np.stack([np.interp(fine, along, line[:, d]) for d in range(3)], axis=1)
    index = np.rint(grid.index(points)).astype(int)
    index = index[np.all((index >= 0) & (index < grid.shape), axis=1)]
    seed = np.zeros(grid.shape, bool)
    seed[tuple(index.T)] = True
    return _widened(seed, radius, grid)


def _widened(mask: Masks, margin: float, grid: VoxelGrid) -> Masks:
    """Everything nearer than `margin` [m] to the mask."""
    if margin <= 0 or not mask.any():
        return mask
    box = tuple(
        slice(max(int(low) - pad, 0), int(high) + pad + 1)
        for low, high, pad in zip(
            np.argwhere(mask).min(axis=0),
            np.argwhere(mask).max(axis=0),
            np.ceil(margin / np.asarray(grid.spacing)).astype(int) + 1,
            strict=True,
        )
    )
    out = mask.copy()
    # a mask's border lies half a voxel beyond its last centres
    reach = margin + 0.5 * min(grid.spacing)
    out[box] |= ndimage.distance_transform_edt(~mask[box], sampling=grid.spacing) < reach
    return out


def _near_organ(anatomy: Anatomy, organ: Organ) -> Masks:
    """Organ of the surround on the simulation grid, and the tissue that tells of it, outside this bone."""
    mask = _sampled(anatomy, organ)
    tissue = {Organ.ARTERY: Tissue.BLOOD, Organ.LUNG: Tissue.LUNG}.get(organ)
    if tissue == Tissue.LUNG or (tissue is not None and anatomy.surround.organ is None):
        mask = mask | (anatomy.tissue == tissue)
    return np.asarray(mask & ~np.isin(anatomy.compartment, BONE))


def _sampled(anatomy: Anatomy, organ: Organ) -> Masks:
    """The surround's organ at the simulation grid's voxel centres (nearest)."""
    surround = anatomy.surround
    if surround.organ is None:
        return np.zeros(anatomy.grid.shape, bool)
    lines = zip(anatomy.grid.axes(), surround.grid.origin, surround.grid.spacing, strict=True)
    index = [np.rint((line - origin) / step).astype(int) for line, origin, step in lines]
    inside = [(i >= 0) & (i < n) for i, n in zip(index, surround.grid.shape, strict=True)]
    safe = [np.clip(i, 0, n - 1) for i, n in zip(index, surround.grid.shape, strict=True)]
    within = inside[0][:, None, None] & inside[1][None, :, None] & inside[2][None, None, :]
    return np.asarray((surround.organ[np.ix_(*safe)] == organ) & within)
