"""Landmarks of a labelled vertebra, measured in its own frame."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.anatomy import Landmarks
from vertebro.anatomy.frame import Scout
from vertebro.anatomy.pedicle_from_label import measure_pedicle
from vertebro.errors import DataError
from vertebro.units import mm

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


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
    """Half of the body's width, averaged over the inner 85 % of its height."""
    s = scout.grid.axes()[2]
    low, high = _endplates(scout)
    inner = np.abs(s - (low + high) / 2) <= 0.85 * (high - low) / 2
    columns = scout.body[:, :, inner].any(axis=1).sum(axis=0)
    return float(columns.mean() * scout.grid.spacing[0] / 2)


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
    left, right = landmarks.pedicles
    return float(left.centre[0] - left.half_width), float(right.centre[0] + right.half_width)


def scout_box(scout: Scout, margin: float = 12 * mm, ends: float = 15 * mm) -> tuple[Floats, Floats]:
    """Low and high corner (3,) [m] of the box around body, pedicles and canal that a simulation needs."""
    points = scout.grid.world(np.argwhere(scout.body))
    low, high = points.min(axis=0), points.max(axis=0)
    back = float(np.min((scout.tube.centre[:, 1] - scout.tube.half[:, 1])[scout.tube.measured]))
    low = np.array([low[0] - margin, min(low[1], back) - margin - 2 * mm, low[2] - ends])
    return low, high + np.array([margin, margin, ends])
