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
    exits = [draw(duct, scene, settings, share, lumen, marked) for duct in ducts]
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


def draw(
    duct: Duct,
    scene: Scene,
    settings: InteriorSettings,
    share: NDArray[np.float32],
    lumen: NDArray[np.float64],
    marked: NDArray[np.uint8],
) -> list[Exit]:
    """Put a duct into `share`, `lumen` and `marked` (all changed in place); return the exits at its ends."""
    bundle = _bundle(duct, scene.grid)
    bone = np.isin(scene.tissue[tuple(bundle.cells.T)], BONE_TISSUES)
    drawn = bundle.where(bone if duct.inside else ~bone)
    i, j, k = drawn.cells.T
    better = drawn.share * drawn.radius**2 / 8.0 > share[i, j, k] * lumen[i, j, k]
    i, j, k = i[better], j[better], k[better]
    share[i, j, k] = drawn.share[better]
    lumen[i, j, k] = drawn.radius[better] ** 2 / 8.0
    if not duct.inside:
        behind = duct.route == "basivertebral"
        marked[i, j, k] = Compartment.VEIN_BASIVERTEBRAL if behind else Compartment.VEIN_SEGMENTAL
    return [_exit(duct, end, drawn, settings) for end in duct.ends if len(drawn.cells)]


@dataclass(frozen=True, slots=True)
class Bundle:
    """Voxels of a duct: indices (n, 3), lumen share [1], radius [m], number of the nearest sample along it."""

    cells: NDArray[np.int64]
    share: NDArray[np.float64]
    radius: NDArray[np.float64]
    place: NDArray[np.int64]

    def where(self, keep: NDArray[np.bool_]) -> Bundle:
        """The part of the bundle that is kept."""
        return Bundle(self.cells[keep], self.share[keep], self.radius[keep], self.place[keep])


def _exit(duct: Duct, end: int, drawn: Bundle, settings: InteriorSettings) -> Exit:
    first, last = drawn.place.min(), drawn.place.max()
    tip = drawn.place <= first + 2 if end == 0 else drawn.place >= last - 2  # two samples are one voxel
    where = "" if len(duct.ends) == 1 else (", lower end" if end == 0 else ", upper end")
    return Exit(
        name=duct.name + where,
        route=duct.route,
        cells=np.ascontiguousarray(drawn.cells[tip]),
        pressure=float(settings.venous_pressure),
    )


def _bundle(duct: Duct, grid: VoxelGrid) -> Bundle:
    """Voxels around a duct's axis, thinned so that they hold the duct's own volume."""
    step = 0.5 * min(grid.spacing)
    samples, radii = _resample(duct.points, duct.radius, step)
    reach = np.maximum(radii, BUNDLE * max(grid.spacing))
    near = _box_cells(grid, samples, float(reach.max()))
    away = grid.world(near)[:, None, :] - samples[None]
    apart = np.linalg.norm(away, axis=2)
    place = np.argmin(apart / reach[None], axis=1)
    rows = np.arange(len(near))
    ends = np.zeros(len(near))
    for sample, tangent in ((0, samples[0] - samples[1]), (len(samples) - 1, samples[-1] - samples[-2])):
        at = place == sample
        ends[at] = away[at, sample] @ (tangent / np.linalg.norm(tangent))
    inside = (apart[rows, place] <= reach[place]) & (ends <= step)  # no caps beyond the ends
    near, place = near[inside], place[inside]
    index = grid.index(samples)
    on_grid = np.all((index >= -0.5) & (index < np.asarray(grid.shape) - 0.5), axis=1)
    between = on_grid[1:] & on_grid[:-1]
    volume = np.pi * float(np.sum((np.linalg.norm(np.diff(samples, axis=0), axis=1) * radii[1:] ** 2)[between]))
    share = radii[place] ** 2
    share *= volume / max(float(share.sum()) * grid.voxel_volume, 1e-30)
    return Bundle(near, np.minimum(share, 1.0), radii[place], place)


def _box_cells(grid: VoxelGrid, samples: Points, reach: float) -> NDArray[np.int64]:
    """Indices (n, 3) of the voxels in the box around a line, widened by `reach` [m]."""
    index = grid.index(samples)
    margin = int(np.ceil(reach / min(grid.spacing))) + 1
    low = np.maximum(np.floor(index.min(axis=0)).astype(int) - margin, 0)
    high = np.minimum(np.ceil(index.max(axis=0)).astype(int) + margin + 1, grid.shape)
    box = [np.arange(x, max(x, y)) for x, y in zip(low, high, strict=True)]
    return np.stack(np.meshgrid(*box, indexing="ij"), -1).reshape(-1, 3).astype(np.int64)


def _resample(points: Points, radius: NDArray[np.float64], step: float) -> tuple[Points, NDArray[np.float64]]:
    """Points and radii at equal steps [m] along a polyline."""
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    t = np.linspace(0.0, along[-1], max(int(np.ceil(along[-1] / step)) + 1, 2))
    return np.stack([np.interp(t, along, points[:, d]) for d in range(3)], axis=1), np.interp(t, along, radius)
