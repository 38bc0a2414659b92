"""Where the vertebra around a point lies, how it is turned and how large it is: the template's best place in a CT."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from vertebro.anatomy.kernels_segment import match_template
from vertebro.anatomy.segment_template import Template
from vertebro.grid import VoxelGrid
from vertebro.units import deg, mm

Floats = NDArray[np.float64]
Distances = NDArray[np.float32]
HU_WINDOW = (-120.0, 450.0)  # brighter is compact bone, darker is fat: no further news
_TURN, _SIZE, _FORM = 14 * deg, 0.14, 0.07  # usual spread of turns, of ln size and of its ratios; ours
_PULL = 0.004  # weight of that spread against the likeness
_STEP = np.array([2.0 * mm] * 3 + [3.0 * deg] * 3 + [0.05] * 3)  # first steps of the search
_SHIFTS = np.array([-9.0, -4.5, 0.0, 4.5, 9.0]) * mm
_LEANS = np.array([-22.0, -11.0, 0.0, 11.0, 22.0]) * deg
_SIZES = np.log([0.88, 1.0, 1.14])
_STARTS = 6
_APART = 5 * mm  # poses closer than this are one
_NEAR_PULL = 0.002  # weight of squared steps away from a known pose
LEAST_IN_VIEW = 0.6  # share of the template (by weight) that the CT must cover
_ROOM = np.array([16.0, 11.0, 8.5]) * mm  # the seed's largest distance from the template's centre
_CENTRED = 0.02  # weight of the seed being near the middle


@dataclass(frozen=True, slots=True)
class Pose:
    """A similarity with three sizes: ``ras = turn @ (size * own) + place``.

    Attributes
    ----------
    place : (3,) float [m]
    turn : (3, 3) float
        Columns: the vertebra's right, anterior, superior directions in RAS.
    size : (3,) float [1]
        Relative to the template.
    likeness : float [1]
        Correlation of the CT with the template there, -1 to 1.
    """

    place: Floats
    turn: Floats
    size: Floats
    likeness: float

    @property
    def matrix(self) -> Floats:
        """(4, 4) from the template's coordinates to RAS (about the same origin as `place`)."""
        out = np.eye(4)
        out[:3, :3], out[:3, 3] = self.turn * self.size, self.place
        return out

    def moved(self, turn: Floats, place: Floats) -> Pose:
        """The pose of a neighbour given in this vertebra's template frame, with the same sizes."""
        return Pose(self.place + self.turn @ (self.size * place), self.turn @ turn, self.size, self.likeness)

    def lay(self, field: NDArray[np.float32], template: Template, grid: VoxelGrid, frame: Floats) -> Distances:
        """A distance field of the template on a grid whose frame leads to the pose's RAS; scaled by the mean size."""
        index = np.linalg.inv(self.matrix @ template.grid.world_from_voxel) @ frame @ grid.world_from_voxel
        out = np.empty(grid.shape, np.float32)
        ndimage.affine_transform(
            field * np.float32(np.prod(self.size) ** (1 / 3)),
            index[:3, :3],
            index[:3, 3],
            output_shape=grid.shape,
            output=out,
            order=1,
            mode="nearest",
        )
        return out


class Matcher:
    """Compares a CT with the template at a pose."""

    def __init__(
        self, hu: NDArray[np.float32], grid: VoxelGrid, template: Template, blur: float, arch: float = 0.3
    ) -> None:
        self.inside = np.isfinite(hu)
        window = np.clip(np.where(self.inside, hu, 0.0), *HU_WINDOW).astype(np.float32)
        self.image = ndimage.gaussian_filter(window, [blur / h for h in grid.spacing]) if blur > 0 else window
        self.points, self.look, self.weight = _samples(template, arch)
        self._origin, self._spacing = np.asarray(grid.origin), np.asarray(grid.spacing)

    def likeness(self, x: Floats, thin: int = 1) -> float:
        """Weighted correlation at parameters x: place, rotation vector, ln size; -1 where too little is in view."""
        matrix = Rotation.from_rotvec(x[3:6]).as_matrix() * np.exp(x[6:]) / self._spacing[:, None]
        shift = (x[:3] - self._origin) / self._spacing
        alike, share = match_template(self.image, self.inside, self.points, self.look, self.weight, matrix, shift, thin)
        return float(alike) if share > LEAST_IN_VIEW else -1.0


def find_poses(hu: NDArray[np.float32], grid: VoxelGrid, template: Template) -> list[Pose]:
    """Search the one or two best, clearly different poses around the origin of the grid (the seed point).

    Parameters
    ----------
    hu : (nr, na, ns) float32 array [HU]
        NaN outside the field of view.
    grid : VoxelGrid
        Along the scanner's axes, the seed point at its origin.
    """
    coarse = Matcher(hu, grid, template, 2.0 * mm)
    starts = _starts(coarse)
    tries = [_climb(coarse, x, thin=4) for x in starts]
    tries.sort(key=lambda found: -found[1])
    first = tries[0][0]
    other = [x for x, _ in tries[1:] if np.linalg.norm(x[:3] - first[:3]) > _APART]
    fine = Matcher(hu, grid, template, 0.8 * mm)
    found = []
    for start in [first, *other[:1]]:
        x, _ = _climb(coarse, start, thin=1)
        x, _ = _climb(fine, x, thin=1)
        found.append(Pose(x[:3], Rotation.from_rotvec(x[3:6]).as_matrix(), np.exp(x[6:]), fine.likeness(x)))
    return found


def follow_pose(hu: NDArray[np.float32], grid: VoxelGrid, template: Template, near: Pose, arch: float = 0.3) -> Pose:
    """The best pose close to a known one: a neighbour where the column predicts it, or the arch behind its body.

    Parameters
    ----------
    arch : float
        Weight of what lies behind the body (the body's is 1).
    """
    matcher = Matcher(hu, grid, template, 0.8 * mm, arch)
    start = np.concatenate([near.place, Rotation.from_matrix(near.turn).as_rotvec(), np.log(near.size)])

    def loss(u: Floats) -> float:
        return float(_NEAR_PULL * (u @ u)) - matcher.likeness(start + u * _STEP, 2)

    found = minimize(loss, np.zeros(9), method="Powell", options={"xtol": 0.05, "ftol": 1e-4, "maxiter": 6})
    x = start + found.x * _STEP
    return Pose(x[:3], Rotation.from_rotvec(x[3:6]).as_matrix(), np.exp(x[6:]), matcher.likeness(x))


def _starts(matcher: Matcher) -> list[Floats]:
    """The best coarse parameters on a lattice of shifts, leans and sizes."""
    found: list[tuple[float, Floats]] = []
    for lean in _LEANS:
        for size in _SIZES:
            for place in np.array(np.meshgrid(_SHIFTS, _SHIFTS, _SHIFTS)).reshape(3, -1).T:
                x = np.concatenate([place, [lean, 0.0, 0.0], [size] * 3])
                found.append((_score(matcher, x, thin=16), x))
    found.sort(key=lambda entry: -entry[0])
    chosen: list[Floats] = []
    for _, x in found:
        if all(np.max(np.abs((x - y) / _STEP)) > 2.6 for y in chosen):
            chosen.append(x)
        if len(chosen) == _STARTS:
            break
    return chosen


def _climb(matcher: Matcher, start: Floats, thin: int) -> tuple[Floats, float]:
    """Best parameters near a start."""
    result = minimize(
        lambda u: -_score(matcher, start + u * _STEP, thin),
        np.zeros(9),
        method="Powell",
        options={"xtol": 0.05, "ftol": 1e-4, "maxiter": 8},
    )
    return start + result.x * _STEP, -float(result.fun)


def _score(matcher: Matcher, x: Floats, thin: int) -> float:
    """Likeness less what unusual turns, sizes and a seed outside the body cost."""
    size = float(x[6:].mean())
    odd = np.sum((x[3:6] / _TURN) ** 2) + (size / _SIZE) ** 2 + np.sum(((x[6:] - size) / _FORM) ** 2)
    own = (-x[:3]) @ Rotation.from_rotvec(x[3:6]).as_matrix() / np.exp(x[6:])
    off = np.abs(own) / _ROOM
    away = 0.5 * np.sum(np.maximum(off - 1, 0) ** 2) + _CENTRED * np.sum(off**2)
    return matcher.likeness(x, thin) - _PULL * odd - float(away)


def _samples(template: Template, arch: float) -> tuple[Floats, Floats, Floats]:
    """Points (n, 3), how bright each should look, and its weight."""
    body, bone, canal, others = template.body, template.bone, template.canal, template.others
    near = (bone < 5 * mm) & (others > 0) | ((canal < 0) & (np.abs(template.grid.open_mesh()[2]) < 20 * mm))
    index = np.argwhere(near)
    order = np.random.default_rng(5).permutation(len(index))
    index = index[order]
    pick = tuple(index.T)
    cortex = np.exp(-0.5 * ((bone[pick] + 0.6 * mm) / (1.4 * mm)) ** 2)
    core = np.where(body[pick] < -1.0 * mm, 0.35, 0.75)
    look = np.where(bone[pick] < 0, np.maximum(core, cortex), cortex)
    look = np.where(others[pick] < 2.0 * mm, np.maximum(look, 0.5), look)
    look = np.where((bone[pick] > 2 * mm) & (canal[pick] < 0), 0.0, look)
    weight = np.where(body[pick] < 5 * mm, 1.0, arch)
    own = template.grid.world(index)
    ends = (np.abs(own[:, 0]) < 13 * mm) & (np.abs(own[:, 1]) < 10 * mm)
    look = np.where(ends & (bone[pick] > 0), np.maximum(look, 0.3), look)
    weight = np.where(ends, 2.5, weight)
    return template.grid.world(index), look, weight
