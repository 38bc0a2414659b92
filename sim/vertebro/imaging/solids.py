"""Needles, cannulas and stylets as exact solids: a voxelised needle would be wrong by its own thickness."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vertebro.errors import GeometryError
from vertebro.imaging.carm import Float3, ProjectionGeometry
from vertebro.imaging.kernels_solids import add_cut_cylinder
from vertebro.imaging.shadows import Shadow

Image = NDArray[np.float32]


def cylinder_path(
    geometry: ProjectionGeometry,
    start: ArrayLike,
    end: ArrayLike,
    outer_radius: float,
    inner_radius: float = 0.0,
    *,
    bevel: float = 0.0,
    bevel_towards: ArrayLike | None = None,
    out: Image | None = None,
) -> Image:
    """Mean length over each pixel of its rays inside a (hollow) cylinder: edges without stairs.

    Parameters
    ----------
    geometry : ProjectionGeometry
    start, end : (3,) float [m]
        World points of the axis: the hub side and the tip.
    outer_radius, inner_radius : float [m]
        Wall and lumen; 0 <= inner < outer.
    bevel : float [rad]
        Angle between the tip's cut and a square cut, 0 to 80 degrees; the longest edge stays at `end`.
    bevel_towards : (3,) float, optional
        Direction in which the bevel's opening looks; any vector not along the axis.
    out : (rows, cols) float32 array, optional
        Frame to add to, in place.

    Returns
    -------
    (rows, cols) float32 array [m]

    Raises
    ------
    GeometryError
        If the cylinder has no length, the radii or the bevel are impossible, or `out` does not fit.
    """
    begin, tip = np.asarray(start, float), np.asarray(end, float)
    _check(begin, tip, outer_radius, inner_radius, bevel)
    image = checked_frame(geometry, out)
    axis = (tip - begin) / np.linalg.norm(tip - begin)
    planes = _planes(begin, tip, axis, outer_radius, bevel, bevel_towards)
    window = _window(geometry, begin, tip, axis, outer_radius)
    _add_tube(geometry.source, geometry.rays, begin, axis, (outer_radius, inner_radius), planes, window, image)
    return image


def _add_tube(
    source: Float3,
    rays: Float3,
    begin: Float3,
    axis: Float3,
    radii: tuple[float, float],
    planes: NDArray[np.float64],
    window: NDArray[np.int64],
    image: Image,
) -> None:
    for radius, sign in zip(radii, (1.0, -1.0), strict=True):
        if radius > 0:
            add_cut_cylinder(source, rays, begin, axis, float(radius), planes, sign, window, image)


def needle_path(
    geometry: ProjectionGeometry,
    entry: ArrayLike,
    tip: ArrayLike,
    *,
    outer_diameter: float,
    inner_diameter: float,
    stylet: bool = False,
    hub_length: float = 0.1,
    bevel: float = math.radians(30),
    bevel_towards: ArrayLike | None = None,
    out: Image | None = None,
) -> Image:
    """Steel path of a bone needle: a cannula that sticks out of the skin, with or without its stylet.

    Parameters
    ----------
    geometry : ProjectionGeometry
    entry, tip : (3,) float [m]
        Where the needle enters the bone or the skin, and its tip.
    outer_diameter, inner_diameter : float [m]
    stylet : bool
        A solid stylet with a bevelled point fills the lumen and stands out 3 mm.
    hub_length : float [m]
        Length of the shaft behind `entry`.
    bevel : float [rad]
        Of the stylet's point (the cannula is cut square).
    bevel_towards : (3,) float, optional
    out : (rows, cols) float32 array, optional
        Frame to add to, in place.

    Returns
    -------
    (rows, cols) float32 array [m]

    Raises
    ------
    GeometryError
        As `cylinder_path`.
    """
    begin, end = np.asarray(entry, float), np.asarray(tip, float)
    _check(begin, end, outer_diameter / 2, inner_diameter / 2, bevel)
    axis = (end - begin) / np.linalg.norm(end - begin)
    back = begin - hub_length * axis
    if not stylet:
        return cylinder_path(geometry, back, end, outer_diameter / 2, inner_diameter / 2, out=out)
    mouth = end - STYLET_REACH * axis
    image = cylinder_path(geometry, back, mouth, outer_diameter / 2, inner_diameter / 2, out=out)
    return cylinder_path(geometry, back, end, inner_diameter / 2, bevel=bevel, bevel_towards=bevel_towards, out=image)


def needle_shadow(
    geometry: ProjectionGeometry,
    entry: ArrayLike,
    tip: ArrayLike,
    *,
    outer_diameter: float,
    inner_diameter: float,
    hub_length: float = 0.1,
) -> Shadow:
    """`needle_path` without a stylet where it may differ from zero: quicker, as it leaves the rest alone.

    Parameters and errors as `needle_path`.
    """
    begin, end = np.asarray(entry, float), np.asarray(tip, float)
    _check(begin, end, outer_diameter / 2, inner_diameter / 2, 0.0)
    axis = (end - begin) / np.linalg.norm(end - begin)
    back = begin - hub_length * axis
    window = _window(geometry, back, end, axis, outer_diameter / 2)
    top, bottom, left, right = window.tolist()
    path = np.zeros((bottom - top, right - left), np.float32)
    rays = geometry.rays
    rays[0] += top * rays[1] + left * rays[2]
    planes = _planes(back, end, axis, outer_diameter / 2, 0.0, None)
    here = window - np.array([top, top, left, left])
    _add_tube(geometry.source, rays, back, axis, (outer_diameter / 2, inner_diameter / 2), planes, here, path)
    return Shadow(path=path, top=top, left=left)


STYLET_REACH = 3e-3


def _check(begin: Float3, tip: Float3, outer: float, inner: float, bevel: float) -> None:
    finite = begin.shape == tip.shape == (3,) and bool(np.isfinite([begin, tip]).all())
    if not finite or not np.linalg.norm(tip - begin) > 0:
        raise GeometryError("a needle without length", where="start, end", value=(begin, tip), allowed="two points [m]")
    if not 0 <= inner < outer < 0.05:
        raise GeometryError(
            "impossible radii",
            where="outer_radius, inner_radius [m]",
            value=(outer, inner),
            allowed="0 <= inner < outer < 0.05",
        )
    if not 0 <= bevel <= math.radians(80):
        raise GeometryError("impossible bevel", where="bevel [rad]", value=bevel, allowed="0 to 80 degrees")


def _planes(
    begin: Float3, tip: Float3, axis: Float3, radius: float, bevel: float, towards: ArrayLike | None
) -> NDArray[np.float64]:
    """Square cut at the start, (bevelled) cut whose longest edge ends at the tip."""
    length = float(np.linalg.norm(tip - begin))
    side = _perpendicular(axis, towards)
    normal = math.cos(bevel) * axis + math.sin(bevel) * side
    edge = length * axis - radius * side if bevel > 0 else length * axis
    return np.array([[*(-axis), 0.0], [*normal, float(normal @ edge)]])


def _perpendicular(axis: Float3, towards: ArrayLike | None) -> Float3:
    wish = np.eye(3)[np.argmin(np.abs(axis))] if towards is None else np.asarray(towards, float)
    side = wish - (wish @ axis) * axis
    norm = float(np.linalg.norm(side))
    if not norm > 1e-9:
        raise GeometryError(
            "the bevel looks along the axis", where="bevel_towards", value=wish, allowed="across the axis"
        )
    return np.asarray(side / norm)


def _window(geometry: ProjectionGeometry, begin: Float3, tip: Float3, axis: Float3, radius: float) -> NDArray[np.int64]:
    one = _perpendicular(axis, None)
    two = [
        axis[1] * one[2] - axis[2] * one[1],
        axis[2] * one[0] - axis[0] * one[2],
        axis[0] * one[1] - axis[1] * one[0],
    ]
    around = radius * (SQUARE @ np.array([one, two]))
    return shadow_window(geometry, np.concatenate([begin + around, tip + around]))


SQUARE = np.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])


def shadow_window(geometry: ProjectionGeometry, corners: NDArray[np.float64]) -> NDArray[np.int64]:
    """First and last + 1 row and column that hold the shadow of a convex body with these corners (n, 3) [m].

    The whole detector if a corner lies beside or behind the source.
    """
    rows, cols = geometry.rows, geometry.cols
    depth = (geometry.source - corners) @ geometry.normal
    if not np.all(depth > 0.02 * geometry.distance):
        return np.array([0, rows, 0, cols])
    pixel = geometry.project_point(corners)
    (top, left), (bottom, right) = pixel.min(axis=0).tolist(), pixel.max(axis=0).tolist()
    ends = [
        (min(max(math.floor(low) - 1, 0), count), min(max(math.ceil(high) + 2, 0), count))
        for low, high, count in ((top, bottom, rows), (left, right, cols))
    ]
    return np.array([*ends[0], *ends[1]], np.int64)


def checked_frame(geometry: ProjectionGeometry, out: Image | None) -> Image:
    """`out`, or a new empty frame; raises GeometryError when `out` has another shape or type."""
    image = np.zeros((geometry.rows, geometry.cols), np.float32) if out is None else out
    if image.shape != (geometry.rows, geometry.cols) or image.dtype != np.float32:
        raise GeometryError("the frame does not fit", where="out", value=image.shape, allowed="(rows, cols) float32")
    return image
