"""Ways into the body that leave the pedicle alone: from behind beside it (lumbar), from the front of the neck.

Both search two angles through a wanted target for the line that keeps the largest distance from what must not be met.
A corridor that is too narrow gives a path with a negative margin, which is a finding, not an error.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from vertebro.errors import CaseError, GeometryError
from vertebro.procedure.approach import NeedlePath, Side, wanted_target
from vertebro.procedure.gauges import gauge as gauge_of
from vertebro.procedure.waist import Waist, build_waist
from vertebro.sources import Constant
from vertebro.units import deg, mm

Float = NDArray[np.float64]

NERVE_RADIUS = Constant(2.5 * mm, "m", 1.5 * mm, 4 * mm, "vertebro", "ours", "exiting root or ganglion")
SIDEWAYS = Constant(45 * deg, "rad", 35 * deg, 60 * deg, "vertebro", "ours", "usual angle of a posterolateral path")
HOLD_ASIDE = Constant(8 * mm, "m", 0.0, 15 * mm, "vertebro", "ours", "fingers push the carotid sheath outwards")
NECK_DEPTH = Constant(0.60, "1", 0.4, 0.75, "vertebro", "ours", "share of the body passed from the front: centre")
FROM_FRONT = Constant(30 * deg, "rad", 15 * deg, 45 * deg, "vertebro", "ours", "usual angle of an anterolateral path")
ENOUGH = 5 * mm  # more distance than this is no better
_STEP = 1 * mm
_REACH = 110 * mm  # along the path behind the tip
_PEDICLE_REACH = 9 * mm  # half length of the pedicle with its flares


def posterolateral(
    *,
    side: Side,
    pedicle_centre: ArrayLike,
    pedicle_axis: ArrayLike,
    pedicle_half_width: float,
    pedicle_half_height: float,
    canal_half_width: float,
    root: ArrayLike,
    anterior_wall: float,
    posterior_wall: float,
    posterior_skin: float,
    gauge: int = 11,
    target_depth: float = 0.35,
    target_lateral: float = 0.0,
    target_height: float = 0.0,
    nerve_radius: float = NERVE_RADIUS,
    obstacles: ArrayLike | None = None,
) -> NeedlePath:
    """Straight path into the posterolateral wall of a lumbar body, outside the pedicle, above and behind the root.

    The corridor is Kambin's triangle turned to the body: the exiting root below and in front, the pedicle and the
    joint on the inside. Everything is an argument, nothing is looked up.

    Parameters
    ----------
    side : {"left", "right"}
    pedicle_centre, pedicle_axis : (3,) float
        Isthmus [m] and axis, pointing into the body.
    pedicle_half_width, pedicle_half_height : float [m]
    canal_half_width : float [m]
        Nothing behind the posterior wall may be nearer to the midline than this.
    root : (n, 3) float array [m]
        Polyline of the nerve root under the pedicle.
    anterior_wall, posterior_wall, posterior_skin : float [m]
        a-coordinates.
    gauge : int
    target_depth, target_lateral, target_height
        As in `transpedicular`.
    nerve_radius : float [m]
    obstacles : (m, 3) float array [m], optional
        Places to stay clear of besides, such as the transverse process.

    Returns
    -------
    NeedlePath
        `nerve_margin` is the distance between the surfaces of needle and root, `wall_margin` that to the pedicle from
        outside, `medial_margin` that to the canal.

    Raises
    ------
    CaseError, GeometryError
        As `transpedicular`; also if the root is no polyline.
    """
    waist = build_waist(side, pedicle_centre, pedicle_axis, pedicle_half_width, pedicle_half_height, gauge, 3 * mm)
    line = _points(root, "root", least=2)
    target = wanted_target(
        side, anterior_wall, posterior_wall, posterior_skin, target_depth, target_lateral, target_height
    )
    sign = -1.0 if side == "left" else 1.0
    convergence, caudal = _angles((30, 62), (-24, 24))
    back = np.stack(
        [sign * np.sin(convergence) * np.cos(caudal), -np.cos(convergence) * np.cos(caudal), np.sin(caudal)]
    )
    shaft = target + np.arange(0.0, _REACH, _STEP)[:, None] * back.T[:, None, :]
    bore = waist.needle_radius
    nerve = _from_polyline(shaft, line).min(axis=1) - nerve_radius - bore
    beside = np.where(shaft[..., 1] < posterior_wall, _from_pedicle(shaft, waist), np.inf)
    wall = beside.min(axis=1) - bore
    canal = (
        np.where(shaft[..., 1] < posterior_wall, np.abs(shaft[..., 0]), np.inf).min(axis=1) - canal_half_width - bore
    )
    other = _from_points(shaft, obstacles) - bore
    room = _worth(nerve, 4 * mm) + _worth(wall, 2 * mm) + _worth(canal, 2 * mm) + 0.5 * np.minimum(other, 1 * mm)
    unusual = 0.05 * mm / deg * (np.abs(convergence - SIDEWAYS) + np.abs(caudal))
    best = int(np.argmax(room - unusual))
    return NeedlePath(
        entry=target + back[:, best] * (posterior_skin - target[1]) / back[1, best],
        tip=target,
        approach=f"posterolateral-{side}",
        gauge=gauge,
        medial_margin=float(canal[best]),
        wall_margin=float(wall[best]),
        tip_error=0.0,
        convergence=float(convergence[best]),
        caudal=float(caudal[best]),
        nerve_margin=float(nerve[best]),
    )


def anterolateral(
    *,
    side: Side,
    anterior_wall: float,
    posterior_wall: float,
    anterior_skin: float,
    medial: ArrayLike,
    lateral: ArrayLike,
    gauge: int = 13,
    target_depth: float = NECK_DEPTH,
    target_lateral: float = 0.0,
    target_height: float = 0.0,
    hold_aside: float = HOLD_ASIDE,
) -> NeedlePath:
    """Straight path from the front of the neck, between the carotid sheath and the airway with the oesophagus.

    Parameters
    ----------
    side : {"left", "right"}
        Side of the neck that the needle comes through.
    anterior_wall, posterior_wall, anterior_skin : float [m]
        a-coordinates.
    medial, lateral : (n, 3) float arrays [m]
        Places of airway and oesophagus; of carotid artery, jugular and vertebral vein and artery.
    gauge : int
    target_depth : float [1]
        Share of the body's depth that lies in front of the tip.
    target_lateral, target_height : float [m]
        Target offset towards the needle's own side, and upwards.
    hold_aside : float [m]
        The operator's fingers push what lies lateral in front of the spine this far outwards, 0…20 mm.

    Returns
    -------
    NeedlePath
        `medial_margin` is the distance from the medial, `wall_margin` from the lateral structures (held aside).

    Raises
    ------
    CaseError, GeometryError
        If an argument is impossible.
    """
    if not 0.0 <= hold_aside <= 20 * mm:
        raise CaseError("impossible reach", where="approach.hold_aside", value=hold_aside, allowed="0 to 0.02 m")
    if side not in ("left", "right"):
        raise CaseError("unknown side", where="approach.side", value=side, allowed="left, right")
    inner, outer = _points(medial, "medial"), _points(lateral, "lateral")
    target = wanted_target(side, anterior_wall, posterior_wall, None, target_depth, target_lateral, target_height)
    if not (math.isfinite(anterior_skin) and anterior_skin > anterior_wall):
        raise GeometryError("the skin is not in front", where="anterior_skin", value=anterior_skin, allowed="> wall")
    sign = -1.0 if side == "left" else 1.0
    convergence, caudal = _angles((4, 56), (-18, 18))
    back = _backwards(convergence, caudal, sign, 1.0)
    shaft = target + np.arange(0.0, anterior_skin - target[1] + 10 * mm, _STEP)[:, None] * back.T[:, None, :]
    bore = gauge_of(gauge).outer_diameter / 2.0
    held = outer + np.where(outer[:, 1:2] > anterior_wall, 1.0, 0.0) * np.array([sign * hold_aside, 0.0, 0.0])
    visceral, vascular = _from_points(shaft, inner) - bore, _from_points(shaft, held) - bore
    unusual = 0.05 * mm / deg * (np.abs(caudal) + np.abs(convergence - FROM_FRONT))
    best = int(np.argmax(_worth(np.minimum(visceral, vascular), ENOUGH) - unusual))
    return NeedlePath(
        entry=target + back[:, best] * (anterior_skin - target[1]) / back[1, best],
        tip=target,
        approach=f"anterolateral-{side}",
        gauge=gauge,
        medial_margin=float(visceral[best]),
        wall_margin=float(vascular[best]),
        tip_error=0.0,
        convergence=float(convergence[best]),
        caudal=float(caudal[best]),
    )


def _angles(sideways: tuple[int, int], along: tuple[int, int]) -> tuple[Float, Float]:
    """Every pair of whole and half degrees to try, flattened [rad]."""
    grids = np.meshgrid(np.arange(sideways[0], sideways[1] + 1.0), np.arange(along[0], along[1] + 1.0), indexing="ij")
    return grids[0].ravel() * deg, grids[1].ravel() * deg


def _backwards(convergence: Float, caudal: Float, sign: float, forward: float) -> Float:
    """(3, k) unit vectors from the tip towards the skin, behind (`forward` −1) or in front (1) of the patient."""
    flat = np.cos(caudal)
    return np.stack([sign * np.sin(convergence) * flat, forward * np.cos(convergence) * flat, np.sin(caudal)])


def _worth(clearance: Float, enough: float) -> Float:
    """What a distance is worth: nothing more beyond `enough`, and a collision weighs five times."""
    return np.minimum(np.where(clearance < 0, 5.0 * clearance, clearance), enough)


def _points(value: ArrayLike, name: str, least: int = 1) -> Float:
    points = np.asarray(value, float)
    if points.ndim != 2 or points.shape[1] != 3 or len(points) < least or not np.all(np.isfinite(points)):
        raise GeometryError(
            "not a list of points",
            where=f"approach.{name}",
            value=points.shape,
            allowed=f"({least} or more, 3), finite",
        )
    return points


def _from_polyline(shaft: Float, line: Float) -> Float:
    """(k, t) distances [m] of shaft points (k, t, 3) from a polyline."""
    out = np.full(shaft.shape[:2], np.inf)
    for start, end in itertools.pairwise(line):
        along = end - start
        share = np.clip((shaft - start) @ along / max(float(along @ along), 1e-30), 0.0, 1.0)
        out = np.minimum(out, np.linalg.norm(shaft - start - share[..., None] * along, axis=-1))
    return out


def _from_pedicle(shaft: Float, waist: Waist) -> Float:
    """(k, t) distances [m] from the pedicle's elliptic tube, about right outside, negative inside."""
    local = (shaft - waist.centre) @ waist.frame.T
    share = np.hypot(local[..., 0] / waist.half_width, local[..., 1] / waist.half_height)
    aside = np.hypot(local[..., 0], local[..., 1])
    away = np.where(share > 1e-6, aside * (1.0 - 1.0 / np.maximum(share, 1e-6)), -waist.half_width)
    return np.where(np.abs(local[..., 2]) < _PEDICLE_REACH, away, np.inf)


def _from_points(shaft: Float, points: ArrayLike | None) -> Float:
    """(k,) least distances [m] of shafts (k, t, 3) from points, infinite without any."""
    if points is None or not len(np.asarray(points)):
        return np.full(len(shaft), np.inf)
    distance, _ = cKDTree(np.asarray(points, float)).query(shaft.reshape(-1, 3), distance_upper_bound=3 * ENOUGH)
    return np.asarray(distance.reshape(shaft.shape[:2]).min(axis=1))
