"""Synthetic veins: a basivertebral trunk with radial sinusoids, the plexus in front of the dura, segmental veins.

Drawn from the labels alone, so that a CT and a generated vertebra get them the same way. A vein is a polyline with
radii. On the grid it is a bundle of voxels at least as wide as the voxels' diagonal (so that it stays connected) whose
porosity and permeability are thinned until volume and Poiseuille conductance are the duct's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.anatomy import Exit, Landmarks
from vertebro.anatomy.interior import BONE_TISSUES, InteriorSettings
from vertebro.anatomy.vessels_tracing import (
    BUNDLE,
    Duct,
    Points,
    Scene,
    basivertebral,
    find_mouth,
    foramen_height,
    segmental,
)
from vertebro.grid import VoxelGrid
from vertebro.sources import Constant
from vertebro.tissue import Compartment

FORAMEN_LUMEN = Constant(1.0e-3, "m", 0.5e-3, 2.0e-3, "vertebro", "ours", "veins among fat inside the foramen")
FORAMEN_TIP = Constant(0.38, "1", 0.2, 0.6, "vertebro", "ours", "width at the blind end over width at the wall")
VEIN_POROSITY = 0.95


@dataclass(frozen=True, kw_only=True, slots=True)
class Veins:
    """Veins on a grid.

    Attributes
    ----------
    share : float32 array [1]
        Part of each voxel that is lumen.
    lumen_permeability : float64 array [m²]
        a²/8 of the vein in the voxel, 0 elsewhere.
    compartment : uint8 array of `Compartment`
        The given one, with the veins outside bone drawn in.
    exits : tuple of Exit
    ducts : tuple of Duct
    """

    share: NDArray[np.float32]
    lumen_permeability: NDArray[np.float64]
    compartment: NDArray[np.uint8]
    exits: tuple[Exit, ...]
    ducts: tuple[Duct, ...]


def build_veins(
    grid: VoxelGrid,
    tissue: NDArray[np.uint8],
    compartment: NDArray[np.uint8],
    landmarks: Landmarks,
    settings: InteriorSettings,
    seed: int,
) -> Veins:
    """Trace the synthetic veins through the labels and put them on the grid.

    Parameters
    ----------
    tissue, compartment : (nr, na, ns) uint8 arrays
        Labels without veins; not changed.
    seed : int
        Varies heights, angles and radii of the segmental veins.

    Returns
    -------
    Veins
        Without ducts when `settings.veins` is False.
    """
    scene = Scene(grid, tissue, compartment, landmarks, -1.0 if settings.mirrored else 1.0)
    ducts: list[Duct] = []
    share = np.zeros(grid.shape, np.float32)
    lumen = np.zeros(grid.shape)
    marked = compartment.copy()
    if settings.veins:
        foramen = foramen_share(grid, landmarks, settings, find_mouth(scene)[1]) * (compartment == Compartment.BODY)
        share[...] = foramen
        lumen[foramen > 0] = FORAMEN_LUMEN**2 / 8.0
        ducts = [*basivertebral(scene, settings), *segmental(scene, settings, seed)]
    exits = [_draw(duct, scene, settings, share, lumen, marked) for duct in ducts]
    return Veins(
        share=share,
        lumen_permeability=lumen,
        compartment=marked,
        exits=tuple(e for group in exits for e in group),
        ducts=tuple(ducts),
    )


def foramen_share(
    grid: VoxelGrid, landmarks: Landmarks, settings: InteriorSettings, wall: float
) -> NDArray[np.float32]:
    """Share of each voxel in the basivertebral foramen; `wall` [m] is the posterior wall's a-coordinate there."""
    height = foramen_height(landmarks)
    share = funnel(
        *grid.open_mesh(), wall=wall, height=height, size=settings.basivertebral_size, softness=min(grid.spacing)
    )
    return np.asarray(share, dtype=np.float32)


def funnel(
    r: NDArray[Any],
    a: NDArray[Any],
    s: NDArray[Any],
    *,
    wall: float,
    height: float,
    size: tuple[float, float, float],
    softness: float,
) -> NDArray[Any]:
    """Share [1] of a voxel in a flat funnel that narrows from the posterior wall forward.

    Parameters
    ----------
    r, a, s : broadcastable float arrays [m]
    wall, height : float [m]
        a-coordinate of the wide end, s-coordinate of the axis.
    size : (3,) float [m]
        Width, depth, height at the wide end.
    softness : float [m]
        Width of the edge, about a voxel.
    """
    along = (a - wall) / size[1]
    taper = np.clip(1.0 - (1.0 - FORAMEN_TIP) * along, FORAMEN_TIP, 1.0)
    away = np.sqrt((2 * r / size[0]) ** 2 + (2 * (s - height) / size[2]) ** 2) / taper
    across = np.clip((1.0 - away) * (0.5 * size[2] / softness) + 0.5, 0.0, 1.0)
    return np.asarray(across * ((along > -0.3) & (along < 1.0)))


def _draw(
    duct: Duct,
    scene: Scene,
    settings: InteriorSettings,
    share: NDArray[np.float32],
    lumen: NDArray[np.float64],
    marked: NDArray[np.uint8],
) -> list[Exit]:
    """Put a duct into `share`, `lumen` and `marked` (all changed in place); return the exits at its ends."""
    cells, radius, place = _bundle(duct, scene.grid)
    i, j, k = cells.T
    bone = np.isin(scene.tissue[i, j, k], BONE_TISSUES)
    keep = bone if duct.inside else ~bone
    i, j, k = cells[keep].T
    radius, place = radius[keep], place[keep]
    full = np.minimum(1.0, (radius / np.maximum(radius, BUNDLE * max(scene.grid.spacing))) ** 2)
    better = full * radius**2 / 8.0 > share[i, j, k] * lumen[i, j, k]
    i, j, k = i[better], j[better], k[better]
    share[i, j, k] = full[better]
    lumen[i, j, k] = radius[better] ** 2 / 8.0
    if not duct.inside:
        outside = duct.route == "basivertebral"
        marked[i, j, k] = Compartment.VEIN_BASIVERTEBRAL if outside else Compartment.VEIN_SEGMENTAL
    drawn = cells[keep]
    return [_exit(duct, end, drawn, place, settings) for end in duct.ends if drawn.size]


def _exit(duct: Duct, end: int, cells: NDArray[np.int64], place: NDArray[np.int64], settings: InteriorSettings) -> Exit:
    tip = place <= place.min() + 2 if end == 0 else place >= place.max() - 2  # two samples are one voxel
    where = "" if len(duct.ends) == 1 else (", lower end" if end == 0 else ", upper end")
    return Exit(
        name=duct.name + where,
        route=duct.route,
        cells=np.ascontiguousarray(cells[tip]),
        pressure=float(settings.venous_pressure),
    )


def _bundle(duct: Duct, grid: VoxelGrid) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Voxels of a duct: indices (n, 3), local radii [m], number of the nearest sample along it."""
    step = 0.5 * min(grid.spacing)
    samples, radii = _resample(duct.points, duct.radius, step)
    reach = np.maximum(radii, BUNDLE * max(grid.spacing))
    margin = int(np.ceil(reach.max() / min(grid.spacing))) + 1
    index = grid.index(samples)
    low = np.maximum(np.floor(index.min(axis=0)).astype(int) - margin, 0)
    high = np.minimum(np.ceil(index.max(axis=0)).astype(int) + margin + 1, grid.shape)
    box = [np.arange(x, y) for x, y in zip(low, high, strict=True)]
    near = np.stack(np.meshgrid(*box, indexing="ij"), -1).reshape(-1, 3)
    apart = np.linalg.norm(grid.world(near)[:, None, :] - samples[None], axis=2)
    place = np.argmin(apart / reach[None], axis=1)
    distance = apart[np.arange(len(near)), place]
    inside = distance <= reach[place]
    return near[inside], radii[place][inside], place[inside]


def _resample(points: Points, radius: NDArray[np.float64], step: float) -> tuple[Points, NDArray[np.float64]]:
    """Points and radii at equal steps [m] along a polyline."""
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    t = np.linspace(0.0, along[-1], max(int(np.ceil(along[-1] / step)) + 1, 2))
    return np.stack([np.interp(t, along, points[:, d]) for d in range(3)], axis=1), np.interp(t, along, radius)
