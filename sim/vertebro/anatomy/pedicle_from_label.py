"""A pedicle's narrowest section and axis, measured on the label of its vertebra."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vertebro.anatomy.anatomy import Pedicle
from vertebro.anatomy.frame import Scout
from vertebro.errors import DataError
from vertebro.units import deg, mm

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
_STEP = 0.7 * mm  # sampling of oblique sections
_REACH = 13.0 * mm  # half size of a section: larger than any pedicle


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """A cut through the pedicle: area [m²], centre (3,) [m], half width and half height [m]."""

    area: float
    centre: Floats
    half_width: float
    half_height: float


def measure_pedicle(scout: Scout, side: int) -> Pedicle:
    """The pedicle's narrowest section and the axis across it.

    First the smallest cut among coronal planes from the posterior wall to the middle of the canal; then the cut is
    turned and shifted until its area is least.

    Parameters
    ----------
    side : -1 for left, +1 for right
    """
    start = _coronal_isthmus(scout, side)
    axis = np.array([0.0, 1.0, 0.0])
    centre = start
    for _ in range(2):
        axis, centre = _turn(scout, centre, side)
        centre = _slide(scout, centre, axis, side)
    section = cut(scout, centre, axis, side)
    if section is None:
        raise _no_pedicle(side)
    return Pedicle(centre=section.centre, axis=axis, half_width=section.half_width, half_height=section.half_height)


def cut(scout: Scout, centre: Floats, axis: Floats, side: int) -> Section | None:
    """The vertebra's section by a plane through `centre` across `axis`, the part around the centre only."""
    across, upward = _plane_axes(axis)
    ticks = np.arange(-_REACH, _REACH + _STEP / 2, _STEP)
    u, v = np.meshgrid(ticks, ticks, indexing="ij")
    points = centre + u[..., None] * across + v[..., None] * upward
    index = np.moveaxis(scout.grid.index(points), -1, 0)
    inside = ndimage.map_coordinates(scout.distance, index, order=1, mode="nearest") < 0
    inside &= _beside_canal(scout, points, side)
    chosen = _part_around_middle(inside, ticks)
    if chosen is None:
        return None
    w, h = u[chosen], v[chosen]
    area = w.size * _STEP**2
    spread = np.maximum(np.array([w.std(), h.std()]), 0.5 * mm)
    half = spread * np.sqrt(area / (np.pi * spread[0] * spread[1]))
    middle = centre + w.mean() * across + h.mean() * upward
    return Section(area=area, centre=middle, half_width=float(half[0]), half_height=float(half[1]))


def _turn(scout: Scout, centre: Floats, side: int) -> tuple[Floats, Floats]:
    """Axis of least section through a point: the vertex of a paraboloid through the areas of many directions."""
    found = []
    for inward in np.arange(-15, 41, 5) * deg:
        for rise in np.arange(-30, 31, 5) * deg:
            section = cut(scout, centre, _direction(inward, rise, side), side)
            if section is not None:
                found.append((section.area, inward, rise, *section.centre))
    if not found:
        raise _no_pedicle(side)
    table = np.array(found)
    table = table[table[:, 0] <= 1.3 * table[:, 0].min()]
    inward, rise = _vertex(*table.T[:3])
    near = table[table[:, 0] <= 1.06 * table[:, 0].min()]
    return _direction(inward, rise, side), near[:, 3:].mean(axis=0)


def _vertex(area: Floats, inward: Floats, rise: Floats) -> tuple[float, float]:
    """Angles of least area [rad]; their plain mean where the areas have no clear minimum inside the range."""
    mean = float(inward.mean()), float(rise.mean())
    if area.size < 9:
        return mean
    design = np.stack([np.ones_like(area), inward, rise, inward**2, inward * rise, rise**2], axis=1)
    fit, *_ = np.linalg.lstsq(design, area, rcond=None)
    bend = np.array([[2 * fit[3], fit[4]], [fit[4], 2 * fit[5]]])
    if np.linalg.eigvalsh(bend)[0] <= 0.05 * area.min():
        return mean
    x, y = np.linalg.solve(bend, -fit[1:3])
    inside = inward.min() <= x <= inward.max() and rise.min() <= y <= rise.max()
    return (float(x), float(y)) if inside else mean


def _slide(scout: Scout, centre: Floats, axis: Floats, side: int) -> Floats:
    """Centre of the least section along the axis, within 4 mm and beside the canal's front half."""
    best, least = centre, np.inf
    back, front = _canal_front_half(scout)
    for step in np.arange(-4.0, 4.1, 1.0) * mm:
        start = centre + step * axis
        section = cut(scout, start, axis, side) if back <= start[1] <= front + 2.0 * mm else None
        if section is not None and section.area < least:
            best, least = section.centre, section.area
    return best


def _direction(inward: float, rise: float, side: int) -> Floats:
    """Unit vector pointing forward, `inward` towards the midline and `rise` upwards [rad]."""
    return np.array([-side * np.sin(inward) * np.cos(rise), np.cos(inward) * np.cos(rise), np.sin(rise)])


def _plane_axes(axis: Floats) -> tuple[Floats, Floats]:
    """Two unit vectors across an axis: mostly right, mostly superior."""
    upward = np.array([0.0, 0.0, 1.0]) - axis[2] * axis
    upward /= np.linalg.norm(upward)
    return np.cross(axis, upward), upward


def _beside_canal(scout: Scout, points: Floats, side: int) -> Bools:
    """Points lateral of the canal's inner two thirds, on one side."""
    _, _, s = scout.grid.axes()
    middle = np.interp(points[..., 2], s, scout.tube.centre[:, 0])
    half = np.interp(points[..., 2], s, scout.tube.half[:, 0])
    return np.asarray(side * (points[..., 0] - middle) > 0.66 * half)


def _part_around_middle(inside: Bools, ticks: Floats) -> Bools | None:
    """The connected part nearest to the section's centre (within 4 mm), unless it runs out of the section."""
    parts, count = ndimage.label(inside)
    if count == 0:
        return None
    away = np.hypot(ticks[:, None], ticks[None, :])
    nearest = np.where(inside, away, np.inf)
    i, j = np.unravel_index(int(np.argmin(nearest)), nearest.shape)
    if nearest[i, j] > 4.0 * mm:
        return None
    chosen = parts == parts[i, j]
    return chosen if chosen.sum() * _STEP**2 > 8.0 * mm**2 else None


def _coronal_isthmus(scout: Scout, side: int) -> Floats:
    """Centre of the smallest coronal section of the bone beside the canal, from its front edge to its middle."""
    grid, tube = scout.grid, scout.tube
    r, a, s = grid.axes()
    middle, front = _canal_front_half(scout)
    level = _ring_middle(scout)
    near = np.abs(s - level) < 12.0 * mm
    best, least = None, np.inf
    for j in np.flatnonzero((a <= front + 1.0 * mm) & (a >= middle)):
        plane = scout.bone[:, j, :] & near[None, :]
        plane &= side * (r[:, None] - tube.centre[None, :, 0]) > 0.66 * tube.half[None, :, 0]
        parts, count = ndimage.label(plane)
        if not count:
            continue
        sizes = np.bincount(parts.ravel())
        sizes[0] = 0
        biggest = parts == int(sizes.argmax())
        if 20 <= sizes.max() < least:  # 1 mm voxels: at least 20 mm²
            i, k = np.nonzero(biggest)
            best, least = np.array([r[i].mean(), a[j], s[k].mean()]), sizes.max()
    if best is None:
        raise _no_pedicle(side)
    return best


def _canal_front_half(scout: Scout) -> tuple[float, float]:
    """a-coordinates [m] of the canal's middle and front edge where its ring is closed."""
    tube = scout.tube
    return float(np.median(tube.centre[tube.measured, 1])), float(np.median(tube.front[tube.measured]))


def _ring_middle(scout: Scout) -> float:
    s = scout.grid.axes()[2][scout.tube.measured]
    return float(np.median(s))


def _no_pedicle(side: int) -> DataError:
    return DataError(
        f"no {'left' if side < 0 else 'right'} pedicle was found beside the canal",
        where="labels",
        hint="the label lacks the pedicle, or it is destroyed; correct the label map",
    )
