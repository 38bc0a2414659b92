"""Balloons, wires and markers as exact solids; needles are in `solids`."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vertebro.errors import GeometryError
from vertebro.imaging.carm import ProjectionGeometry
from vertebro.imaging.kernels_solids import add_ellipsoid
from vertebro.imaging.kernels_wires import add_wire
from vertebro.imaging.solids import checked_frame, cylinder_path, shadow_window

Image = NDArray[np.float32]
Floats = NDArray[np.float64]
LARGEST = 0.5  # m, half axis


def ellipsoid_path(
    geometry: ProjectionGeometry,
    centre: ArrayLike,
    half_axes: ArrayLike,
    directions: ArrayLike | None = None,
    *,
    out: Image | None = None,
) -> Image:
    """Mean length over each pixel of its rays inside an ellipsoid; three equal half axes make a ball.

    Parameters
    ----------
    geometry : ProjectionGeometry
    centre : (3,) float [m]
    half_axes : (3,) float [m]
    directions : (3, 3) float, optional
        Rows: orthonormal directions of the half axes; the world's axes by default.
    out : (rows, cols) float32 array, optional
        Frame to add to, in place.

    Returns
    -------
    (rows, cols) float32 array [m]

    Raises
    ------
    GeometryError
        If the centre is not a place, a half axis is not positive, the directions are not orthonormal, or `out` does
        not fit.
    """
    image = checked_frame(geometry, out)
    _add_ellipsoid(geometry, *_checked_ellipsoid(centre, half_axes, directions), image)
    return image


def balloon_path(
    geometry: ProjectionGeometry,
    centre: ArrayLike,
    half_axes: ArrayLike,
    wall: float,
    directions: ArrayLike | None = None,
) -> tuple[Image, Image]:
    """Paths through a balloon's filling (contrast medium) and through its shell.

    Parameters
    ----------
    geometry : ProjectionGeometry
    centre, half_axes, directions
        Of the outer surface, as `ellipsoid_path`.
    wall : float [m]
        Thickness along the half axes: the filling is the ellipsoid whose half axes are shorter by it.

    Returns
    -------
    filling, shell : (rows, cols) float32 arrays [m]

    Raises
    ------
    GeometryError
        As `ellipsoid_path`, or if the wall leaves no filling.
    """
    place, half, turn = _checked_ellipsoid(centre, half_axes, directions)
    if not 0 <= wall < half.min():
        raise GeometryError(
            "impossible wall of a balloon", where="wall [m]", value=wall, allowed=f"0 to less than {half.min()}"
        )
    filling, shell = checked_frame(geometry, None), checked_frame(geometry, None)
    _add_ellipsoid(geometry, place, half - wall, turn, filling)
    _add_ellipsoid(geometry, place, half, turn, shell)
    shell -= filling
    return filling, np.maximum(shell, 0, out=shell)


def wire_path(geometry: ProjectionGeometry, points: ArrayLike, diameter: float, *, out: Image | None = None) -> Image:
    """Mean path over each pixel through a wire along a polyline with round joints and ends; two points: a capsule.

    Where the wire bends back over itself, matter is counted once.

    Parameters
    ----------
    geometry : ProjectionGeometry
    points : (n, 3) float [m]
        n >= 2; neighbours that coincide count as one.
    diameter : float [m]
    out : (rows, cols) float32 array, optional
        Frame to add to, in place.

    Returns
    -------
    (rows, cols) float32 array [m]

    Raises
    ------
    GeometryError
        If there are fewer than two places, the diameter is impossible, or `out` does not fit.
    """
    line = np.asarray(points, float)
    if line.ndim != 2 or line.shape[1] != 3 or not np.isfinite(line).all():
        raise GeometryError("not a wire", where="points", value=line.shape, allowed="(n, 3) finite lengths [m]")
    line = line[np.concatenate([[True], np.any(np.diff(line, axis=0) != 0, axis=1)])] if len(line) else line
    if len(line) < 2:
        raise GeometryError("a wire without length", where="points", value=line, allowed="two different places")
    if not 0 < diameter < 0.1:
        raise GeometryError("impossible wire", where="diameter [m]", value=diameter, allowed="0 to 0.1")
    image = checked_frame(geometry, out)
    corners = diameter / 2 * (np.indices((2, 2, 2)).reshape(3, -1).T * 2 - 1)
    ends = np.stack([line[:-1], line[1:]], axis=1)
    windows = np.array([shadow_window(geometry, (pair[:, None] + corners).reshape(-1, 3)) for pair in ends])
    spans = np.empty((len(line) - 1, 2))
    add_wire(geometry.source, geometry.rays, line, float(diameter / 2), windows, spans, image)
    return image


def marker_path(
    geometry: ProjectionGeometry,
    centre: ArrayLike,
    normal: ArrayLike,
    diameter: float,
    thickness: float,
    *,
    hole: float = 0.0,
    out: Image | None = None,
) -> Image:
    """Path through a flat disc (or ring) on the skin.

    Parameters
    ----------
    geometry : ProjectionGeometry
    centre : (3,) float [m]
    normal : (3,) float
        Across the disc; any length.
    diameter, thickness : float [m]
    hole : float [m]
        Inner diameter of a ring.
    out : (rows, cols) float32 array, optional
        Frame to add to, in place.

    Returns
    -------
    (rows, cols) float32 array [m]

    Raises
    ------
    GeometryError
        If a size or direction is impossible, or `out` does not fit.
    """
    across, place = np.asarray(normal, float), np.asarray(centre, float)
    norm = float(np.linalg.norm(across))
    if across.shape != (3,) or not norm > 0 or not np.isfinite(norm):
        raise GeometryError("a marker without direction", where="normal", value=normal, allowed="three numbers, not 0")
    half = across / norm * thickness / 2
    return cylinder_path(geometry, place - half, place + half, diameter / 2, hole / 2, out=out)


def _checked_ellipsoid(
    centre: ArrayLike, half_axes: ArrayLike, directions: ArrayLike | None
) -> tuple[Floats, Floats, Floats]:
    place, half = np.asarray(centre, float), np.asarray(half_axes, float)
    turn = np.eye(3) if directions is None else np.asarray(directions, float)
    if place.shape != (3,) or not np.isfinite(place).all():
        raise GeometryError("not a place", where="centre", value=place, allowed="three finite lengths [m]")
    if half.shape != (3,) or not np.all((half > 0) & (half <= LARGEST)):
        raise GeometryError("impossible half axes", where="half_axes [m]", value=half, allowed=f"three, 0 to {LARGEST}")
    if turn.shape != (3, 3) or not np.allclose(turn @ turn.T, np.eye(3), atol=1e-6):
        raise GeometryError("directions are not orthonormal", where="directions", value=turn, allowed="rows at 90 deg")
    return place, half, turn


def _add_ellipsoid(geometry: ProjectionGeometry, centre: Floats, half: Floats, turn: Floats, image: Image) -> None:
    box = (np.indices((2, 2, 2)).reshape(3, -1).T * 2 - 1) * half
    window = shadow_window(geometry, centre + box @ turn)
    add_ellipsoid(geometry.source, geometry.rays, centre, turn / half[:, None], window, image)
