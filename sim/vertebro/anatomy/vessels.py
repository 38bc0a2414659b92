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
from vertebro.grid import VoxelGrid
from vertebro.sources import Constant
from vertebro.tissue import Compartment

SINUSOID_RADIUS = Constant(0.6e-3, "m", 0.5e-3, 0.75e-3, "vertebro", "ours", "radial sinusoids, diameter 1-1.5 mm")
PLEXUS_RADIUS = Constant(1.25e-3, "m", 1.0e-3, 2.5e-3, "vertebro", "recalled", "anterior internal plexus, ∅ 2-5 mm")
FORAMEN_LUMEN = Constant(1.0e-3, "m", 0.5e-3, 2.0e-3, "vertebro", "ours", "veins among fat inside the foramen")
FORAMEN_RISE = Constant(0.06, "1", 0.0, 0.15, "wang2023", "seen", "share of body height; nearer the upper endplate")
FORAMEN_TIP = Constant(0.38, "1", 0.2, 0.6, "vertebro", "ours", "width at the blind end over width at the wall")
SEGMENTAL_DEPTH = Constant(7e-3, "m", 3e-3, 12e-3, "vertebro", "ours", "reach of a segmental vein into the body")
SEGMENTAL_LENGTH = Constant(20e-3, "m", 10e-3, 40e-3, "vertebro", "ours", "course outside, along the waist")
VEIN_POROSITY = 0.95
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
        foramen = foramen_share(grid, landmarks, settings, _mouth(scene)[1]) * (compartment == Compartment.BODY)
        share[...] = foramen
        lumen[foramen > 0] = FORAMEN_LUMEN**2 / 8.0
        ducts = [*_basivertebral(scene, settings), *_segmental(scene, settings, seed)]
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
    height = _foramen_height(landmarks)
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


def _foramen_height(landmarks: Landmarks) -> float:
    low, high = landmarks.inferior_endplate, landmarks.superior_endplate
    return 0.5 * (low + high) + FORAMEN_RISE * (high - low)


def _mouth(scene: Scene) -> Points:
    """Point (3,) of the posterior wall in the midline at the foramen's height."""
    s = _foramen_height(scene.landmarks)
    a = np.arange(scene.landmarks.posterior_wall - 8e-3, scene.landmarks.posterior_wall + 12e-3, 0.2e-3)
    column = np.stack([np.zeros_like(a), a, np.full_like(a, s)], axis=1)
    _, compartment, on = scene.label(column)
    body = np.flatnonzero(on & (compartment == Compartment.BODY))
    wall = a[body[0]] if body.size else scene.landmarks.posterior_wall
    return np.array([0.0, wall, s])


def _basivertebral(scene: Scene, settings: InteriorSettings) -> list[Duct]:
    mouth = _mouth(scene)
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
    inward = 1.1 * PLEXUS_RADIUS
    offset = 0.55 * float(scene.landmarks.canal_half_axes[0])
    ducts = []
    cross_r = np.linspace(-offset, offset, 13)
    front = _canal_front(scene, cross_r, np.full(13, mouth[2]))
    usable = np.isfinite(front)
    if usable.sum() < 3:
        outlet = np.stack([mouth + 1e-3 * ANTERIOR, mouth - 4e-3 * ANTERIOR])
        return [_with_ends(_tube("basivertebral vein", "basivertebral", outlet, False, PLEXUS_RADIUS), (-1,))]
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
            ducts.append(_with_ends(duct, (0, -1)))
    return ducts


def _with_ends(duct: Duct, ends: tuple[int, ...]) -> Duct:
    return Duct(name=duct.name, route=duct.route, points=duct.points, radius=duct.radius, inside=duct.inside, ends=ends)


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


def _segmental(scene: Scene, settings: InteriorSettings, seed: int) -> list[Duct]:
    """Veins through the waist of the body: from the marrow out and backwards along the wall."""
    random = np.random.default_rng([seed, 7])
    height = scene.landmarks.superior_endplate - scene.landmarks.inferior_endplate
    middle = 0.5 * (scene.landmarks.superior_endplate + scene.landmarks.inferior_endplate)
    ducts: list[Duct] = []
    for n in range(settings.segmental_veins):
        side = scene.flip * (-1.0 if n % 2 == 0 else 1.0)
        angle = np.radians(28.0 + 42.0 * ((n // 2 + 0.5) / max((settings.segmental_veins + 1) // 2, 1)))
        angle += np.radians(random.uniform(-6.0, 6.0))
        s = middle + height * random.uniform(-0.12, 0.12)
        radius = settings.segmental_radius * random.uniform(0.8, 1.25)
        name = f"segmental vein, {'left' if side < 0 else 'right'} {n // 2 + 1}"
        ducts += _segmental_pair(scene, name, side, float(angle), float(s), float(radius))
    return ducts


def _segmental_pair(scene: Scene, name: str, side: float, angle: float, s: float, radius: float) -> list[Duct]:
    """The part in the bone and the part outside of one segmental vein; nothing if it has no free way out."""
    gap = max(radius, BUNDLE * max(scene.grid.spacing)) + 1.1 * max(scene.grid.spacing)
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
    return [within, _with_ends(_tube(name, "segmental", outer, False, radius), (-1,))]


def _wall_radius(scene: Scene, side: float, angles: NDArray[np.float64], s: float) -> NDArray[np.float64]:
    """Distance [m] from the body's axis to its wall in directions measured from anterior; NaN where none is met."""
    reach = np.arange(2e-3, 45e-3, 0.25 * min(scene.grid.spacing))
    r = side * reach[None, :] * np.sin(angles)[:, None]
    a = reach[None, :] * np.cos(angles)[:, None]
    _, compartment, on = scene.label(np.stack([r, a, np.full_like(r, s)], axis=-1))
    body = on & (compartment == Compartment.BODY)
    last = reach.size - 1 - np.argmax(body[:, ::-1], axis=1)
    return np.where(body.any(axis=1), reach[last], np.nan)


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
    index = np.rint(grid.index(samples)).astype(np.int64)
    offsets = np.stack(np.meshgrid(*[np.arange(-margin, margin + 1)] * 3, indexing="ij"), -1).reshape(-1, 3)
    near = np.unique((index[:, None] + offsets[None]).reshape(-1, 3), axis=0)
    near = near[np.all((near >= 0) & (near < np.asarray(grid.shape)), axis=1)]
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
