"""Surfaces and lines that an operator reads off the pictures, measured on any anatomy from its labels.

The posterior wall as a surface, the two endplates as planes, the medial line of a pedicle as the frontal view shows
it, the course of the nerve root under the pedicle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from vertebro.anatomy.anatomy import Anatomy, Pedicle
from vertebro.errors import DataError, GeometryError
from vertebro.sources import Constant
from vertebro.tissue import Compartment
from vertebro.units import mm

RIM_SHARE = Constant(0.80, "1", 0.6, 0.95, "vertebro", "ours", "height of the wall's rims over half the body's")
EDGE = Constant(3.0e-3, "m", 1e-3, 6e-3, "vertebro", "ours", "rounded border of an endplate that its plane ignores")

Side = Literal["left", "right"]
Floats = NDArray[np.float64]
Masks = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, slots=True)
class WallSurface:
    """The posterior wall between the pedicles as a height map.

    Attributes
    ----------
    r : (n,) float array [m]
    s : (m,) float array [m]
        Regular, rising.
    a : (n, m) float array [m]
        Where the wall lies; NaN beside the body.
    concavity : float [m]
        How far the wall at mid height lies in front of the line through its upper and lower rim, in the midline;
        negative when it bulges into the canal.
    """

    r: Floats
    s: Floats
    a: Floats
    concavity: float

    def at(self, r: ArrayLike, s: ArrayLike) -> Floats:
        """a-coordinate [m] of the wall at places (r, s) [m], broadcast; NaN beyond the body."""
        steps = (self.r[1] - self.r[0], self.s[1] - self.s[0])
        across, along = np.broadcast_arrays(
            (np.asarray(r) - self.r[0]) / steps[0], (np.asarray(s) - self.s[0]) / steps[1]
        )
        index = np.stack([across.ravel(), along.ravel()])
        wall = ndimage.map_coordinates(self.a, index, order=1, mode="constant", cval=np.nan)
        return np.asarray(wall.reshape(across.shape))

    def passed(self, point: ArrayLike) -> bool:
        """Whether a world point (3,) [m] lies in front of the wall at its own height; False beside the body."""
        r, a, s = np.asarray(point, float)
        return bool(a > self.at(r, s))


@dataclass(frozen=True, kw_only=True, slots=True)
class EndplatePlane:
    """Plane through one endplate.

    Attributes
    ----------
    point : (3,) float array [m]
        Middle of the endplate, on the plane.
    normal : (3,) unit vector
        Out of the body.
    flatness : float [m]
        Root mean square distance of the endplate from its plane.
    depth : float [m]
        How far the middle of the endplate lies below its rim.
    """

    point: Floats
    normal: Floats
    flatness: float
    depth: float


@dataclass(frozen=True, kw_only=True, slots=True)
class PedicleLine:
    """The medial border of a pedicle, from its lower to its upper pole, as the frontal view shows it.

    Attributes
    ----------
    side : {"left", "right"}
    points : (n, 3) float array [m]
    """

    side: Side
    points: Floats

    def beyond(self, point: ArrayLike) -> float:
        """How far [m] a world point (3,) lies medial of the line in the frontal view; negative on the safe side.

        Above and below the poles the nearer pole counts.
        """
        r, _, s = np.asarray(point, float)
        line = self.points[np.argsort(self.points[:, 2])]
        return float((np.interp(s, line[:, 2], line[:, 0]) - r) * (-1.0 if self.side == "left" else 1.0))


def posterior_wall(anatomy: Anatomy) -> WallSurface:
    """The wall towards the canal, from the body's label.

    Raises
    ------
    GeometryError
        If the bone has no canal.
    DataError
        If there is no body between the pedicles.
    """
    marks, grid = anatomy.landmarks, anatomy.grid
    if marks.canal_half_axes is None:
        raise GeometryError(
            "this bone has no posterior wall", where="landmarks", value=anatomy.level, allowed="a canal"
        )
    body = anatomy.compartment == Compartment.BODY
    r, a, s = grid.axes()
    columns = np.abs(r) <= marks.canal_half_axes[0]
    first = body[columns].argmax(axis=1)
    there = body[columns].any(axis=1)
    if not there.any():
        raise DataError("no vertebral body between the pedicles", where=f"compartment ({anatomy.level})")
    wall = np.where(there, a[first] - 0.5 * grid.spacing[1], np.nan)
    smooth = _smooth(wall, there)
    return WallSurface(r=r[columns], s=s, a=smooth, concavity=_concavity(smooth, r[columns], s, anatomy))


def endplate_planes(anatomy: Anatomy) -> tuple[EndplatePlane, EndplatePlane]:
    """Planes of the superior and the inferior endplate, from the body's label.

    Returns
    -------
    superior, inferior : EndplatePlane

    Raises
    ------
    DataError
        If the body is too small to have endplates.
    """
    body = anatomy.compartment == Compartment.BODY
    tall = body.sum(axis=2)
    foot = tall > 0.6 * np.median(tall[tall > 0]) if tall.any() else np.zeros(tall.shape, bool)
    spacing = anatomy.grid.spacing
    inner = ndimage.distance_transform_edt(np.pad(foot, 1), sampling=spacing[:2])[1:-1, 1:-1] > EDGE
    if np.count_nonzero(inner) < 20:
        raise DataError("no endplates to be found", where=f"compartment ({anatomy.level})", hint="check the body label")
    top = body.shape[2] - 1 - body[:, :, ::-1].argmax(axis=2)
    bottom = body.argmax(axis=2)
    superior = _plane(anatomy, inner, top + 0.5, 1.0)
    return superior, _plane(anatomy, inner, bottom - 0.5, -1.0)


def medial_pedicle_line(anatomy: Anatomy, side: Side, count: int = 25) -> PedicleLine:
    """The half of the pedicle's isthmus that faces the canal.

    Parameters
    ----------
    side : {"left", "right"}
    count : int
        Number of points.

    Raises
    ------
    GeometryError
        If the bone has no pedicle on that side.
    """
    pedicle = pedicle_of(anatomy, side)
    medial, up = isthmus_axes(pedicle)
    angle = np.linspace(-0.5 * np.pi, 0.5 * np.pi, count)[:, None]
    points = pedicle.centre + pedicle.half_width * np.cos(angle) * medial + pedicle.half_height * np.sin(angle) * up
    return PedicleLine(side=side, points=points)


def wall_rule(anatomy: Anatomy, side: Side, tips: ArrayLike) -> int | None:
    """First of the tip positions that breaks the wall rule, None if none does.

    The rule of transpedicular access: in the frontal view the tip must not cross the pedicle's medial border before it
    has passed the posterior wall in the lateral view.

    Parameters
    ----------
    side : {"left", "right"}
    tips : (n, 3) float array [m]
        Successive positions of the tip, world frame.

    Raises
    ------
    GeometryError
        If the bone has no such pedicle or no posterior wall.
    """
    line, wall = medial_pedicle_line(anatomy, side), posterior_wall(anatomy)
    for number, tip in enumerate(np.asarray(tips, float)):
        if tip[1] <= anatomy.landmarks.posterior_wall and not wall.passed(tip) and line.beyond(tip) > 0:
            return number
    return None


def pedicle_of(anatomy: Anatomy, side: Side) -> Pedicle:
    """The pedicle of a side.

    Raises
    ------
    GeometryError
        If there is none.
    """
    pedicle = anatomy.landmarks.pedicle_left if side == "left" else anatomy.landmarks.pedicle_right
    if pedicle is None:
        raise GeometryError("this bone has no pedicle", where="landmarks", value=f"{anatomy.level}, {side}")
    return pedicle


def isthmus_axes(pedicle: Pedicle) -> tuple[Floats, Floats]:
    """Unit vectors towards the midline and upwards in the plane of the isthmus."""
    medial = np.array([-np.sign(pedicle.centre[0]), 0.0, 0.0])
    medial -= (medial @ pedicle.axis) * pedicle.axis
    medial /= np.linalg.norm(medial)
    up = np.cross(medial, pedicle.axis)
    return medial, up * np.sign(up[2])


def exiting_root(pedicle: Pedicle) -> Floats:
    """Course (4, 3) [m] of the nerve root under a pedicle: canal, ganglion, down and outwards, forwards past the body.

    From anatomy textbooks by eye (ours): the ganglion lies 3.5 mm below the pedicle's floor, the root leaves at about
    40° to the spine's axis. A label of the real root is better where there is one.
    """
    side = float(np.sign(pedicle.centre[0]))
    ganglion = pedicle.centre + np.array([0.0, -1.5 * mm, -pedicle.half_height - 3.5 * mm])
    start = ganglion + np.array([-side * (pedicle.half_width + 3.0 * mm), -1.0 * mm, 5.0 * mm])
    step = np.array([side * 14.0, 6.0, -12.0]) * mm
    return np.stack([start, ganglion, ganglion + step, ganglion + 1.8 * step])


def _smooth(wall: Floats, there: Masks) -> Floats:
    """Half a voxel of staircase taken off; only places with a wall count."""
    weight = ndimage.gaussian_filter(there.astype(float), 1.0)
    mean = ndimage.gaussian_filter(np.where(there, wall, 0.0), 1.0)
    return np.where(there, mean / np.maximum(weight, 1e-9), np.nan)


def _concavity(wall: Floats, r: Floats, s: Floats, anatomy: Anatomy) -> float:
    middle = wall[np.abs(r) <= 5.0 * mm]
    profile = np.full(len(s), np.nan)
    there = np.isfinite(middle).any(axis=0)
    profile[there] = np.nanmedian(middle[:, there], axis=0)
    known = np.flatnonzero(np.isfinite(profile))
    centre, half = 0.5 * (s[known[0]] + s[known[-1]]), 0.5 * (s[known[-1]] - s[known[0]])
    low, mid, high = (
        np.interp(centre + x * half, s[known], profile[known]) for x in (-float(RIM_SHARE), 0.0, float(RIM_SHARE))
    )
    return float(mid - 0.5 * (low + high))


def _plane(anatomy: Anatomy, inner: Masks, height: NDArray[Any], outward: float) -> EndplatePlane:
    columns = np.argwhere(inner)
    points = anatomy.grid.world(np.column_stack([columns, height[inner]]))
    point = points.mean(axis=0)
    design = np.column_stack([np.ones(len(points)), points[:, :2] - point[:2]])
    slope = np.linalg.lstsq(design, points[:, 2], rcond=None)[0]
    normal = outward * np.array([-slope[1], -slope[2], 1.0]) / np.sqrt(1.0 + slope[1] ** 2 + slope[2] ** 2)
    off = (points - point) @ normal
    reach = np.hypot(*((points[:, :2] - point[:2]) / points[:, :2].std(axis=0)).T)
    depth = float(off[reach > np.quantile(reach, 0.75)].mean() - off[reach < np.quantile(reach, 0.15)].mean())
    return EndplatePlane(point=point, normal=normal, flatness=float(np.sqrt(np.mean(off**2))), depth=depth)
