"""Landmarks of a labelled vertebra, measured in its own frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vertebro.anatomy.anatomy import Landmarks, Pedicle
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


def measure_landmarks(scout: Scout, posterior_skin: float) -> Landmarks:
    """Measure all landmarks.

    Parameters
    ----------
    scout : Scout
        The vertebra in its own frame.
    posterior_skin : float [m]
        a-coordinate of the skin, from the CT.

    Raises
    ------
    DataError
        If a pedicle cannot be found.
    """
    inferior, superior = _endplates(scout)
    back, front = _walls(scout)
    left, right = (measure_pedicle(scout, side) for side in (-1, 1))
    centre, half = _canal_at(scout, (left.centre[2] + right.centre[2]) / 2)
    return Landmarks(
        body_half_axes=np.array([_half_width(scout), (front - back) / 2, (superior - inferior) / 2]),
        anterior_wall=front,
        posterior_wall=back,
        superior_endplate=superior,
        inferior_endplate=inferior,
        canal_centre=centre,
        canal_half_axes=half,
        pedicle_left=left,
        pedicle_right=right,
        spinous_tip=_spinous_tip(scout),
        posterior_skin=posterior_skin,
    )


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
    """Centre of the least section along the axis, within 4 mm."""
    best, least = centre, np.inf
    for step in np.arange(-4.0, 4.1, 1.0) * mm:
        section = cut(scout, centre + step * axis, axis, side)
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
    rings = tube.measured
    front = float(np.median(tube.front[rings]))
    middle = float(np.median(tube.centre[rings, 1]))
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


def _ring_middle(scout: Scout) -> float:
    s = scout.grid.axes()[2][scout.tube.measured]
    return float(np.median(s))


def _walls(scout: Scout) -> tuple[float, float]:
    """a-coordinates of the posterior and the anterior wall in the midline at mid height."""
    r, a, s = scout.grid.axes()
    rows = np.ix_(np.abs(r) <= 3 * mm, np.ones(len(a), bool), np.abs(s) <= 3 * mm)
    back, front = _body_span(scout.distance[rows].mean(axis=(0, 2)), scout.body[rows].mean(axis=(0, 2)) > 0.5, a)
    return back, front


def _endplates(scout: Scout) -> tuple[float, float]:
    """s-coordinates of the inferior and the superior endplate at the body's centre line."""
    r, a, s = scout.grid.axes()
    rows = np.ix_(np.abs(r) <= 4 * mm, np.abs(a) <= 4 * mm, np.ones(len(s), bool))
    return _body_span(scout.distance[rows].mean(axis=(0, 1)), scout.body[rows].mean(axis=(0, 1)) > 0.5, s)


def _body_span(distance: NDArray[np.floating[Any]], inside: Bools, x: Floats) -> tuple[float, float]:
    """Where a profile enters and leaves the body [m]: the zero of the distance nearest to the mask's ends."""
    index = np.flatnonzero(inside)
    if not index.size:
        raise DataError("the middle of the body is empty", where="labels", hint="check the label map")
    return _zero(distance, x, int(index[0]), -1), _zero(distance, x, int(index[-1]), 1)


def _zero(distance: NDArray[np.floating[Any]], x: Floats, last: int, step: int) -> float:
    """Zero crossing of the distance beyond sample `last`; half a sample out where the bone goes on (a pedicle)."""
    there = last + step
    if 0 <= there < len(x) and distance[last] < 0 <= distance[there]:
        share = distance[last] / (distance[last] - distance[there])
        return float(x[last] + share * (x[there] - x[last]))
    return float(x[last] + 0.5 * step * abs(x[1] - x[0]))


def _half_width(scout: Scout) -> float:
    """Half of the body's width at mid height and mid depth."""
    r, a, s = scout.grid.axes()
    rows = np.ix_(np.ones(len(r), bool), np.abs(a) <= 3 * mm, np.abs(s) <= 3 * mm)
    left, right = _body_span(scout.distance[rows].mean(axis=(1, 2)), scout.body[rows].mean(axis=(1, 2)) > 0.5, r)
    return (right - left) / 2


def _canal_at(scout: Scout, height: float) -> tuple[Floats, Floats]:
    s = scout.grid.axes()[2]
    row = [np.interp(height, s, column) for column in (*scout.tube.centre.T, *scout.tube.half.T)]
    return np.array([row[0], row[1], height]), np.array(row[2:])


def _spinous_tip(scout: Scout) -> Floats:
    """Middle of the hindmost 1.5 mm of the bone near the midline."""
    r, _, _ = scout.grid.axes()
    bone = scout.bone & (np.abs(r - np.median(scout.tube.centre[:, 0])) < 15 * mm)[:, None, None]
    points = scout.grid.world(np.argwhere(bone))
    return np.asarray(points[points[:, 1] <= points[:, 1].min() + 1.5 * mm].mean(axis=0))


def foramen_reach(landmarks: Landmarks) -> tuple[float, float]:
    """r-coordinates [m] of the outer edges of the left and the right pedicle."""
    left, right = landmarks.pedicle_left, landmarks.pedicle_right
    return float(left.centre[0] - left.half_width), float(right.centre[0] + right.half_width)


def scout_box(scout: Scout, margin: float = 12 * mm, ends: float = 15 * mm) -> tuple[Floats, Floats]:
    """Low and high corner (3,) [m] of the box around body, pedicles and canal that a simulation needs."""
    points = scout.grid.world(np.argwhere(scout.body))
    low, high = points.min(axis=0), points.max(axis=0)
    back = float(np.min((scout.tube.centre[:, 1] - scout.tube.half[:, 1])[scout.tube.measured]))
    low = np.array([low[0] - margin, min(low[1], back) - margin - 2 * mm, low[2] - ends])
    return low, high + np.array([margin, margin, ends])


def _no_pedicle(side: int) -> DataError:
    return DataError(
        f"no {'left' if side < 0 else 'right'} pedicle was found beside the canal",
        where="labels",
        hint="the label lacks the pedicle, or it is destroyed; correct the label map",
    )
