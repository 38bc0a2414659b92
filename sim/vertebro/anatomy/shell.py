"""Cortical shell and endplates as layers in the faces between voxels: thinner than any voxel, so never voxels.

A face carries thickness / permeability of the layer. A staircase of faces has more area than the surface it stands
for, up to 1.7 times; every face therefore counts with the cosine between its own normal and the surface's, and the
conductances of all faces add up to area × permeability / thickness at any resolution and tilt.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from vertebro.anatomy.anatomy import Landmarks
from vertebro.anatomy.interior import BONE_TISSUES
from vertebro.anatomy.interior_settings import InteriorSettings
from vertebro.anatomy.random_field import normal_field
from vertebro.anatomy.shell_thickness import Place, clipped, layer_thickness
from vertebro.grid import VoxelGrid
from vertebro.sources import Constant
from vertebro.tissue import Compartment, Tissue
from vertebro.units import deg

FORAMEN_OPEN = Constant(0.05, "1", 0.0, 1.0, "vertebro", "ours", "lumen left beside vessel walls and loose tissue")
BARE_ANGLE = Constant(130 * deg, "rad", 90 * deg, 180 * deg, "vertebro", "ours", "foramina this far from the front")
SMOOTHING = 1.5  # voxels; normals of a staircase
LEAST_SHARE = 0.02  # of a face that lies along the surface
_THICKNESS_STREAM, _FORAMINA_STREAM = 700_003, 700_007  # added to the seed: independent of the other random parts

Floats = NDArray[np.float64]
Masks = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, slots=True)
class Shell:
    """Every face that carries a layer, n of them.

    Attributes
    ----------
    grid : VoxelGrid
    axis : (n,) int array
        Direction the face looks along.
    cell : (n, 3) int array
        The voxel on its low side.
    point : (n, 3) float array [m]
        The face's centre, world frame.
    place : (n,) uint8 array of `Place`
    area : (n,) float array [m²]
        Part of the true surface that the face stands for.
    thickness : (n,) float array [m]
    conductance : (n,) float array [m³]
        area × permeability / thickness, foramina included: flow × viscosity per pressure.
    foramina : (m, 3) float array [m]
        Nutrient foramina.
    """

    grid: VoxelGrid
    axis: NDArray[np.int64]
    cell: NDArray[np.int64]
    point: Floats
    place: NDArray[np.uint8]
    area: Floats
    thickness: Floats
    conductance: Floats
    foramina: Floats

    def resistance(self) -> Floats:
        """(3, nr, na, ns) array [1/m]: entry [d, i, j, k] sits between voxel (i, j, k) and its next one along d."""
        out = np.zeros((3, *self.grid.shape))
        out[(self.axis, *self.cell.T)] = face_area(self.grid, self.axis) / self.conductance
        return out


def find_shell(
    grid: VoxelGrid,
    tissue: NDArray[np.uint8],
    compartment: NDArray[np.uint8],
    fraction: NDArray[np.float32],
    *,
    landmarks: Landmarks,
    level: str,
    settings: InteriorSettings,
    seed: int,
) -> Shell:
    """Layers of compact bone, where they are and what they let through.

    A face carries a layer when exactly one side is bone, or when this vertebra meets another bone (facet joint).
    Towards a disc it is the endplate. Where a vein runs through (both sides `Tissue.VEIN`) there is a foramen: none.

    Parameters
    ----------
    tissue, compartment : (nr, na, ns) uint8 arrays
    fraction : (nr, na, ns) float32 array [1]
        BV/TV; tells where the wall of a CT is bright.
    landmarks : Landmarks
    level : str
    settings : InteriorSettings
    seed : int
        Of the random part of the thickness and of the nutrient foramina.
    """
    kind = _kinds(tissue, compartment)
    axis, cell = _walls(kind, tissue)
    place = _places(axis, cell, kind, tissue, compartment)
    point = grid.world(cell + 0.5 * np.eye(3)[axis])
    thickness = layer_thickness(point, place, landmarks, level, settings)
    thickness *= _random_part(grid, axis, cell, settings, seed)
    thickness *= _brightness(_inner(axis, cell, kind), place, fraction, settings.shell_from_hu)
    thickness = clipped(thickness)
    area = face_area(grid, axis) * _cosine(axis, cell, kind)
    plate = place == Place.PLATE
    conductance = area * np.where(plate, settings.endplate_permeability, settings.shell_permeability) / thickness
    shell = Shell(
        grid=grid,
        axis=axis,
        cell=cell,
        point=point,
        place=place,
        area=area,
        thickness=thickness,
        conductance=conductance,
        foramina=np.zeros((0, 3)),
    )
    return _pierced(shell, landmarks, settings, seed)


def face_area(grid: VoxelGrid, axis: NDArray[np.int64]) -> Floats:
    """Area [m²] of a voxel's face across each axis of `axis`."""
    return np.asarray(grid.voxel_volume / np.asarray(grid.spacing)[axis])


def _kinds(tissue: NDArray[np.uint8], compartment: NDArray[np.uint8]) -> NDArray[np.int8]:
    """1 this vertebra, 2 other bones, 0 the rest."""
    own = np.isin(compartment, (Compartment.BODY, Compartment.ARCH, Compartment.TRACK))
    return np.where(own, 1, np.where(np.isin(tissue, BONE_TISSUES), 2, 0)).astype(np.int8)


def _walls(kind: NDArray[np.int8], tissue: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Axis (n,) and low-side voxel (n, 3) of the faces with a layer."""
    vein = tissue == Tissue.VEIN
    found = []
    for axis in range(3):
        here, there = _pair(axis)
        found.append(np.argwhere((kind[here] != kind[there]) & ~(vein[here] & vein[there])))
    axes = np.repeat(np.arange(3), [len(x) for x in found])
    return axes, np.concatenate(found).astype(np.int64)


def _pair(axis: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    here, there = [slice(None)] * 3, [slice(None)] * 3
    here[axis], there[axis] = slice(None, -1), slice(1, None)
    return tuple(here), tuple(there)


def _sides(axis: NDArray[np.int64], cell: NDArray[np.int64]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    return tuple(cell.T), tuple((cell + np.eye(3, dtype=np.int64)[axis]).T)


def _places(
    axis: NDArray[np.int64],
    cell: NDArray[np.int64],
    kind: NDArray[np.int8],
    tissue: NDArray[np.uint8],
    compartment: NDArray[np.uint8],
) -> NDArray[np.uint8]:
    disc = np.isin(compartment, (Compartment.DISC_SUPERIOR, Compartment.DISC_INFERIOR)) | (tissue == Tissue.DISC)
    here, there = _sides(axis, cell)
    own = (kind[here] == 1) | (kind[there] == 1)
    arch = (compartment[here] == Compartment.ARCH) | (compartment[there] == Compartment.ARCH)
    place = np.where(own, np.where(arch, Place.ARCH, Place.WALL), Place.OTHER)
    return np.where(disc[here] | disc[there], Place.PLATE, place).astype(np.uint8)


def _inner(axis: NDArray[np.int64], cell: NDArray[np.int64], kind: NDArray[np.int8]) -> tuple[Any, ...]:
    """Index of the bone's voxel at each face, this vertebra's if both are bone."""
    here, there = _sides(axis, cell)
    low = (kind[here] == 1) | ((kind[here] == 2) & (kind[there] == 0))
    return tuple(np.where(low, h, t) for h, t in zip(here, there, strict=True))


def _cosine(axis: NDArray[np.int64], cell: NDArray[np.int64], kind: NDArray[np.int8]) -> Floats:
    """|n · face normal| (n,) with the surface's normal from the smoothed labels."""
    here, there = _sides(axis, cell)
    own = (kind[here] == 1) | (kind[there] == 1)
    out = np.ones(len(axis))
    for mask, faces in ((kind == 1, own), (kind > 0, ~own)):
        if not faces.any():
            continue
        soft = ndimage.gaussian_filter(mask.astype(np.float32), SMOOTHING, truncate=3.0)
        slope = np.stack([_slope(soft, d, cell[faces], axis[faces]) for d in range(3)], axis=1)
        length = np.maximum(np.linalg.norm(slope, axis=1), 1e-6)
        out[faces] = np.abs(slope[np.arange(len(slope)), axis[faces]]) / length
    return np.maximum(out, LEAST_SHARE)


def _slope(
    soft: NDArray[np.float32], direction: int, cell: NDArray[np.int64], axis: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Derivative per voxel along `direction`, mean of the two voxels at each face."""
    total = np.zeros(len(cell), np.float32)
    step = np.eye(3, dtype=np.int64)
    last = np.asarray(soft.shape) - 1
    for voxel in (cell, cell + step[axis]):
        after, before = np.minimum(voxel + step[direction], last), np.maximum(voxel - step[direction], 0)
        total += soft[tuple(after.T)] - soft[tuple(before.T)]
    return total


def _random_part(
    grid: VoxelGrid, axis: NDArray[np.int64], cell: NDArray[np.int64], settings: InteriorSettings, seed: int
) -> Floats | float:
    """Log-normal factor with mean 1."""
    sigma = settings.shell_sigma
    if sigma == 0:
        return 1.0
    length = settings.shell_correlation_length
    field = normal_field(grid, seed=seed + _THICKNESS_STREAM, correlation_length=length, mirrored=settings.mirrored)
    here, there = _sides(axis, cell)
    return np.asarray(np.exp(sigma * 0.5 * (field[here] + field[there]).astype(float) - sigma * sigma / 2))


def _brightness(
    inner: tuple[Any, ...], place: NDArray[np.uint8], fraction: NDArray[np.float32], power: float
) -> Floats | float:
    """Brighter than the median of its kind of layer is thicker: ratio to a power, between half and double."""
    if power == 0:
        return 1.0
    bright = fraction[inner].astype(float)
    out = np.ones(len(place))
    for kind in (Place.WALL, Place.PLATE, Place.ARCH):
        here = place == kind
        usual = float(np.median(bright[here])) if here.any() else 0.0
        if usual > 0:
            out[here] = np.clip((bright[here] / usual) ** power, 0.5, 2.0)
    return out


def _pierced(shell: Shell, landmarks: Landmarks, settings: InteriorSettings, seed: int) -> Shell:
    """The shell with nutrient foramina at random places of the body's front and sides."""
    wall = np.flatnonzero(shell.place == Place.WALL)
    at = _foramen_places(shell.point[wall], landmarks, settings, seed)
    if not len(at):
        return shell
    tree = cKDTree(shell.point[wall])
    reach = max(0.5 * settings.foramen_diameter, 0.9 * max(shell.grid.spacing))
    hole = 0.25 * np.pi * settings.foramen_diameter**2 * FORAMEN_OPEN * settings.foramen_diameter**2 / 32.0
    conductance = shell.conductance.copy()
    for near in tree.query_ball_point(at, reach):
        faces = wall[near]
        share = shell.area[faces] / shell.area[faces].sum()
        conductance[faces] += hole / shell.thickness[faces] * share
    return replace(shell, conductance=conductance, foramina=at)


def _foramen_places(points: Floats, landmarks: Landmarks, settings: InteriorSettings, seed: int) -> Floats:
    """(m, 3) points on the wall [m]: Poisson in angle and height, then moved to the nearest face."""
    half = landmarks.body_half_axes
    if settings.foramina_density == 0 or not len(points):
        return np.zeros((0, 3))
    random = np.random.default_rng(seed + _FORAMINA_STREAM)
    perimeter = 2 * BARE_ANGLE * float(np.sqrt(0.5 * (half[0] ** 2 + half[1] ** 2)))
    count = int(random.poisson(settings.foramina_density * perimeter * 1.4 * half[2]))
    angle = random.uniform(-BARE_ANGLE, BARE_ANGLE, count) * (-1.0 if settings.mirrored else 1.0)
    height = random.uniform(-0.7, 0.7, count) * half[2]
    middle = 0.5 * (landmarks.anterior_wall + landmarks.posterior_wall)
    own = np.arctan2(points[:, 0] / half[0], (points[:, 1] - middle) / half[1])
    ring = cKDTree(np.stack([np.sin(own) * half[0], np.cos(own) * half[1], points[:, 2]], axis=1))
    _, nearest = ring.query(np.stack([np.sin(angle) * half[0], np.cos(angle) * half[1], height], axis=1))
    return np.asarray(points[nearest].reshape(-1, 3))
