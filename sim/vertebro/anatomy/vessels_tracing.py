"""Tracing synthetic veins through the labels of a vertebra: where they run, before they are put on the grid."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.anatomy import Landmarks
from vertebro.anatomy.interior import BONE_TISSUES, InteriorSettings
from vertebro.grid import VoxelGrid
from vertebro.sources import Constant
from vertebro.tissue import Compartment

SINUSOID_RADIUS = Constant(0.6e-3, "m", 0.5e-3, 0.75e-3, "vertebro", "ours", "radial sinusoids, diameter 1-1.5 mm")
PLEXUS_RADIUS = Constant(1.25e-3, "m", 1.0e-3, 2.5e-3, "vertebro", "recalled", "anterior internal plexus, ∅ 2-5 mm")
FORAMEN_RISE = Constant(0.06, "1", 0.0, 0.15, "wang2023", "seen", "share of body height; nearer the upper endplate")
SEGMENTAL_DEPTH = Constant(10e-3, "m", 3e-3, 12e-3, "vertebro", "ours", "reach of a segmental vein into the body")
SEGMENTAL_WIDENING = Constant(1.8, "1", 1.0, 3.0, "vertebro", "recalled", "lumbar vein outside over its foramen")
SEGMENTAL_LENGTH = Constant(20e-3, "m", 10e-3, 40e-3, "vertebro", "ours", "course outside, along the waist")
ANTERIOR = np.array([0.0, 1.0, 0.0])
BUNDLE = 0.88  # of a voxel edge: just above half the diagonal of a cube's face-to-face path, √3/2

Points = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Duct:
    """A vein as a polyline.

    Attributes
    ----------
    name : str
    route : str
        ``"basivertebral"`` or ``"segmental"``.
    points : (n, 3) float array [m]
    radius : (n,) float array [m]
    inside : bool
        True for the part within bone (keeps its compartment), False for the part outside (a leak's compartment).
    ends : tuple of int
        Indices of the points where blood leaves the grid: 0, −1 or both.
    """

    name: str
    route: str
    points: Points
    radius: NDArray[np.float64]
    inside: bool
    ends: tuple[int, ...] = ()

    @property
    def length(self) -> float:
        """Length [m]."""
        return float(np.linalg.norm(np.diff(self.points, axis=0), axis=1).sum())


@dataclass(frozen=True, slots=True)
class Scene:
    """What the tracing of veins looks at: labels on a grid, and left and right swapped if `flip` is −1."""

    grid: VoxelGrid
    tissue: NDArray[np.uint8]
    compartment: NDArray[np.uint8]
    landmarks: Landmarks
    flip: float

    def label(self, points: Points) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.bool_]]:
        """Tissue and compartment at points, and whether the point lies on the grid."""
        index = np.rint(self.grid.index(points)).astype(int)
        on = np.all((index >= 0) & (index < np.asarray(self.grid.shape)), axis=-1)
        i, j, k = np.moveaxis(np.where(on[..., None], index, 0), -1, 0)
        return self.tissue[i, j, k], self.compartment[i, j, k], on


def foramen_height(landmarks: Landmarks) -> float:
    """s-coordinate [m] of the basivertebral foramen."""
    low, high = landmarks.inferior_endplate, landmarks.superior_endplate
    return 0.5 * (low + high) + FORAMEN_RISE * (high - low)


def find_mouth(scene: Scene) -> Points:
    """Point (3,) of the posterior wall in the midline at the foramen's height."""
    s = foramen_height(scene.landmarks)
    a = np.arange(scene.landmarks.posterior_wall - 8e-3, scene.landmarks.posterior_wall + 12e-3, 0.2e-3)
    column = np.stack([np.zeros_like(a), a, np.full_like(a, s)], axis=1)
    _, compartment, on = scene.label(column)
    body = np.flatnonzero(on & (compartment == Compartment.BODY))
    wall = a[body[0]] if body.size else scene.landmarks.posterior_wall
    return np.array([0.0, wall, s])


def basivertebral(scene: Scene, settings: InteriorSettings) -> list[Duct]:
    """Three sinusoids in the marrow and, outside, the veins that carry them to the canal's two long veins."""
    mouth = find_mouth(scene)
    tip = mouth + settings.basivertebral_size[1] * ANTERIOR
    half = scene.landmarks.body_half_axes
    ducts = []
    for name, (dr, da) in {"left": (-0.55, 0.30), "right": (0.55, 0.30), "middle": (0.0, 0.55)}.items():
        end = np.array([dr * half[0], da * half[1], mouth[2]])
        ducts.append(_tube(f"sinusoid, {name}", "basivertebral", np.stack([tip - 2e-3 * ANTERIOR, tip, end]), True))
    return ducts + _plexus(scene, mouth)


def _tube(name: str, route: str, points: Points, inside: bool, radius: float = SINUSOID_RADIUS) -> Duct:
    return Duct(name=name, route=route, points=points, radius=np.full(len(points), float(radius)), inside=inside)


def _plexus(scene: Scene, mouth: Points) -> list[Duct]:
    """Two longitudinal veins along the canal's front and a vein behind the body that joins them to the foramen."""
    if scene.landmarks.canal_half_axes is None:
        return []
    inward = 1.1 * PLEXUS_RADIUS
    offset = 0.55 * float(scene.landmarks.canal_half_axes[0])
    ducts = []
    cross_r = np.linspace(-offset, offset, 13)
    front = _canal_front(scene, cross_r, np.full(13, mouth[2]))
    usable = np.isfinite(front)
    if usable.sum() < 3:
        outlet = np.stack([mouth + 1e-3 * ANTERIOR, mouth - 4e-3 * ANTERIOR])
        return [replace(_tube("basivertebral vein", "basivertebral", outlet, False, PLEXUS_RADIUS), ends=(-1,))]
    cross = np.stack([cross_r, front - inward, np.full(13, mouth[2])], axis=1)[usable]
    ducts.append(_tube("retrocorporeal vein", "basivertebral", cross, False, PLEXUS_RADIUS))
    stub = np.stack([mouth + 1e-3 * ANTERIOR, mouth - inward * ANTERIOR])
    ducts.append(_tube("basivertebral vein", "basivertebral", stub, False, PLEXUS_RADIUS))
    for name, r in {"left": -offset, "right": offset}.items():
        s = scene.grid.axes()[2]
        line = _canal_front(scene, np.full(s.size, r), s)
        points = np.stack([np.full(s.size, r), _smooth(line) - inward, s], axis=1)
        points = points[_run_around(np.isfinite(line), int(np.argmin(abs(s - mouth[2]))))]
        if len(points) > 2:
            duct = _tube(f"epidural plexus, {name}", "basivertebral", points, False, PLEXUS_RADIUS)
            ducts.append(replace(duct, ends=(0, -1)))
    return ducts


def _canal_front(scene: Scene, r: NDArray[np.float64], s: NDArray[np.float64]) -> NDArray[np.float64]:
    """a-coordinate of the canal's anterior border at (r, s); NaN where there is no canal."""
    grid = scene.grid
    i = np.clip(np.rint((r - grid.origin[0]) / grid.spacing[0]).astype(int), 0, grid.shape[0] - 1)
    k = np.clip(np.rint((s - grid.origin[2]) / grid.spacing[2]).astype(int), 0, grid.shape[2] - 1)
    canal = scene.compartment[i, :, k] == Compartment.CANAL
    last = grid.shape[1] - 1 - np.argmax(canal[:, ::-1], axis=1)
    front = grid.origin[1] + (last + 0.5) * grid.spacing[1]
    return np.where(canal.any(axis=1), front, np.nan)


def _smooth(line: NDArray[np.float64]) -> NDArray[np.float64]:
    """Running mean over five, blind to NaN; a plexus does not follow single voxels."""
    padded = np.pad(line, 2, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 5)
    known = np.isfinite(windows)
    total = np.where(known, windows, 0.0).sum(axis=1)
    return np.asarray(np.where(np.isfinite(line), total / np.maximum(known.sum(axis=1), 1), np.nan))


def _run_around(good: NDArray[np.bool_], middle: int) -> slice:
    """The longest run of True that holds `middle` (or an empty slice)."""
    if not good[middle]:
        return slice(0, 0)
    bad = np.flatnonzero(~good)
    below, above = bad[bad < middle], bad[bad > middle]
    return slice(int(below[-1]) + 1 if below.size else 0, int(above[0]) if above.size else good.size)


def segmental(scene: Scene, settings: InteriorSettings, seed: int) -> list[Duct]:
    """Veins through the waist of the body: from the marrow out and backwards along the wall."""
    random = np.random.default_rng([seed, 7])
    height = scene.landmarks.superior_endplate - scene.landmarks.inferior_endplate
    middle = 0.5 * (scene.landmarks.superior_endplate + scene.landmarks.inferior_endplate)
    ducts: list[Duct] = []
    for n in range(settings.segmental_veins):
        side = scene.flip * (-1.0 if n % 2 == 0 else 1.0)
        angle = np.radians(random.uniform(28.0, 72.0))
        rung = (n // 2 + 0.5) / max((settings.segmental_veins + 1) // 2, 1) - 0.5  # own height: veins stay apart
        s = middle + height * (0.36 * rung + random.uniform(-0.02, 0.02))
        radius = settings.segmental_radius * random.uniform(0.7, 1.3)
        name = f"segmental vein, {'left' if side < 0 else 'right'} {n // 2 + 1}"
        ducts += _segmental_pair(scene, name, side, float(angle), float(s), float(radius))
    return ducts


def _segmental_pair(scene: Scene, name: str, side: float, angle: float, s: float, radius: float) -> list[Duct]:
    """The part in the bone and the part outside of one segmental vein; nothing if it has no free way out."""
    wide = SEGMENTAL_WIDENING * radius
    gap = max(wide, BUNDLE * max(scene.grid.spacing)) + 1.1 * max(scene.grid.spacing)
    angles = np.linspace(angle, np.radians(115.0), 40)
    wall = _wall_radius(scene, side, angles, s)
    if not np.isfinite(wall[0]):
        return []
    ring = np.where(np.isfinite(wall), wall, np.nan) + gap
    outer = np.stack([side * ring * np.sin(angles), ring * np.cos(angles), np.full(40, s)], axis=1)
    travelled = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(outer, axis=0), axis=1))])
    tissue, _, on = scene.label(np.nan_to_num(outer, nan=1e3))
    free = on & np.isfinite(ring) & ~np.isin(tissue, BONE_TISSUES) & (travelled <= SEGMENTAL_LENGTH)
    outer = outer[_run_around(free, 0)]
    if len(outer) < 4:
        return []
    ray = np.array([side * np.sin(angle), np.cos(angle), 0.0])
    level = np.array([0.0, 0.0, s])
    inner = np.stack([level + (wall[0] - SEGMENTAL_DEPTH) * ray, level + wall[0] * ray])
    outer = np.concatenate([(level + wall[0] * ray)[None], outer])
    within = _tube(f"{name}, in bone", "segmental", inner, True, radius)
    travelled = np.linalg.norm(outer - outer[0], axis=1)
    radii = np.interp(travelled, [0.0, 4e-3], [radius, wide])
    return [within, replace(_tube(name, "segmental", outer, False), radius=radii, ends=(-1,))]


def _wall_radius(scene: Scene, side: float, angles: NDArray[np.float64], s: float) -> NDArray[np.float64]:
    """Distance [m] from the body's axis to its wall in directions measured from anterior; NaN where none is met."""
    reach = np.arange(2e-3, 45e-3, 0.25 * min(scene.grid.spacing))
    r = side * reach[None, :] * np.sin(angles)[:, None]
    a = reach[None, :] * np.cos(angles)[:, None]
    _, compartment, on = scene.label(np.stack([r, a, np.full_like(r, s)], axis=-1))
    body = on & (compartment == Compartment.BODY)
    last = reach.size - 1 - np.argmax(body[:, ::-1], axis=1)
    return np.where(body.any(axis=1), reach[last], np.nan)
