"""Ways into the sacrum and the hip bone: straight paths found by searching labels for room around the needle.

- *Short axis* (sacroplasty): from behind through the ala, between the root canals and the sacroiliac joint.
- *Long axis*: from below upwards along the ala, parallel to the joint, one needle for S1 to S3.
- *Acetabular*: from the side, or from behind and the side, into the bone above the roof of the hip joint, clear of the
  joint and of the sciatic nerve.

Each looks for the target with the most bone around it near the wished depth, then, among directions around the
textbook one, for the line with the most room to canal, root canals, joint and nerves. A bad margin is a finding.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from vertebro.errors import CaseError, PlacementError
from vertebro.grid import VoxelGrid
from vertebro.procedure.approach import NeedlePath, Side
from vertebro.procedure.gauges import GAUGES
from vertebro.sources import Constant
from vertebro.tissue import Compartment
from vertebro.units import deg, mm

Float = NDArray[np.float64]
PelvicApproach = Literal["short-axis", "long-axis", "acetabular", "acetabular-posterior"]
PELVIC_APPROACHES: tuple[PelvicApproach, ...] = ("short-axis", "long-axis", "acetabular", "acetabular-posterior")
WANTED_ROOM = Constant(
    7 * mm, "m", 3 * mm, 12 * mm, "vertebro", "ours", "bone around the tip beyond which more is no better"
)
CLEARANCE = Constant(6 * mm, "m", 3 * mm, 10 * mm, "vertebro", "ours", "room beside nerves and joints that is enough")
SEARCH = Constant(
    24 * deg, "rad", 10 * deg, 40 * deg, "vertebro", "ours", "how far directions turn from the textbook's"
)
LONGEST = 0.25  # m; skin is looked for this far
_NERVES = (Compartment.CANAL, Compartment.FORAMEN_LEFT, Compartment.FORAMEN_RIGHT)
_STEP = 1 * mm
_AIR_HU = -300.0


@dataclass(frozen=True, kw_only=True, slots=True)
class PelvicMap:
    """What the search looks at.

    Attributes
    ----------
    grid : VoxelGrid
    compartment : (nr, na, ns) uint8 array of `Compartment`
    picture_grid : VoxelGrid
        Of the wider field of view.
    picture : (…) int16 array [HU]
        Finds the skin.
    nerves : (n, 3) float array [m]
        Points of nerves and vessels outside the bone; may be empty.
    """

    grid: VoxelGrid
    compartment: NDArray[np.uint8]
    picture_grid: VoxelGrid
    picture: NDArray[Any]
    nerves: Float


@dataclass(frozen=True, slots=True)
class _Rooms:
    """Distances [m] on the grid: inside bone to its surface; to canal and root canals; to the joint."""

    bone: Float
    nerve: Float
    joint: Float


def pelvic_path(
    approach: PelvicApproach, *, side: Side, scene: PelvicMap, gauge: int = 13, depth: float = 0.6
) -> NeedlePath:
    """Straight path of a pelvic approach.

    Parameters
    ----------
    approach : str
        One of `PELVIC_APPROACHES`.
    side : {"left", "right"}
        Which ala; for a hip bone its own side.
    scene : PelvicMap
    gauge : int
    depth : float [1]
        Wished place of the tip along the approach's axis within the bone, 0.3 (near side) to 0.95 (far side).

    Returns
    -------
    NeedlePath
        `medial_margin` is the room between the needle's surface and canal, root canals and nerves, `wall_margin` that
        to the joint; both negative where the needle enters them, infinite where there is none.

    Raises
    ------
    CaseError
        If the approach, the gauge or the depth is impossible.
    PlacementError
        If the bone has no place for the tip.
    """
    _check(approach, side, gauge, depth)
    sign = -1.0 if side == "left" else 1.0
    rooms = _measure(scene)
    direction = _textbook(approach, sign)
    tip = _target(approach, sign, scene, rooms, direction, depth)
    best, quality = _best_direction(scene, rooms, tip, direction, 0.5 * GAUGES[gauge].outer_diameter)
    entry = tip - best * _to_skin(scene, tip, best)
    return NeedlePath(
        entry=entry,
        tip=tip,
        approach=f"{approach}-{side}",
        gauge=gauge,
        medial_margin=quality[0],
        wall_margin=quality[1],
        tip_error=0.0,
        convergence=math.atan2(-best[0] * sign, best[1]),
        caudal=math.atan2(-best[2], math.hypot(best[0], best[1])),
    )


def _check(approach: str, side: str, gauge: int, depth: float) -> None:
    if approach not in PELVIC_APPROACHES:
        raise CaseError("unknown approach", where="approach", value=approach, allowed=", ".join(PELVIC_APPROACHES))
    if side not in ("left", "right"):
        raise CaseError("unknown side", where="approach.side", value=side, allowed="left, right")
    if gauge not in GAUGES:
        raise CaseError("unknown gauge", where="approach.gauge", value=gauge, allowed=", ".join(map(str, GAUGES)))
    if not 0.3 <= depth <= 0.95:
        raise CaseError("impossible depth", where="approach.depth", value=depth, allowed="0.3 to 0.95")


def _textbook(approach: str, sign: float) -> Float:
    """Unit direction (3,) from skin to tip that the search starts from."""
    vector = {
        "short-axis": (0.15 * sign, 1.0, 0.0),
        "long-axis": (0.12 * sign, 0.45, 0.88),
        "acetabular": (-sign, 0.0, -0.15),
        "acetabular-posterior": (-0.75 * sign, 0.65, -0.1),
    }[approach]
    return np.array(vector) / np.linalg.norm(vector)


def _measure(scene: PelvicMap) -> _Rooms:
    place, spacing = scene.compartment, scene.grid.spacing
    bone = np.isin(place, (Compartment.BODY, Compartment.ARCH))
    never = (np.isin(place, _NERVES), place == Compartment.JOINT)
    rooms = (
        ndimage.distance_transform_edt(~mask, sampling=spacing) if mask.any() else np.full(place.shape, np.inf)
        for mask in never
    )
    return _Rooms(ndimage.distance_transform_edt(bone, sampling=spacing), *rooms)


def _target(approach: str, sign: float, scene: PelvicMap, rooms: _Rooms, direction: Float, depth: float) -> Float:
    """The tip (3,) [m]: much room, near the wished depth along the approach's axis."""
    zone = scene.compartment == Compartment.BODY
    r, a, s = scene.grid.open_mesh()
    if approach.startswith("acetabular"):
        zone = zone & (np.sqrt(r * r + a * a + s * s) < 22 * mm)
    else:
        low, high = (-12 * mm, 8 * mm) if approach == "short-axis" else (-6 * mm, 12 * mm)
        zone = zone & (sign * r > 24 * mm) & (s > low) & (s < high)
    cells = np.argwhere(zone & (rooms.bone > 2 * mm))
    if not len(cells):
        raise PlacementError(
            "no bone for the tip",
            where=f"approach {approach}",
            value=f"{int(zone.sum())} voxels",
            allowed="a sacrum or hip bone",
            hint="check that the level fits the approach",
        )
    points = scene.grid.world(cells)
    along = points @ _axis(approach, direction)
    wished = along.min() + depth * (along.max() - along.min())
    at = tuple(cells.T)
    room = np.minimum(np.minimum(rooms.bone[at], rooms.nerve[at]), np.minimum(rooms.joint[at], WANTED_ROOM))
    middle = points.mean(axis=0)
    score = room - 0.15 * np.abs(along - wished) - 0.05 * np.linalg.norm(points - middle, axis=1)
    return np.asarray(points[int(np.argmax(score))])


def _axis(approach: str, direction: Float) -> Float:
    """The axis that depth is measured along."""
    return np.array([0.0, 1.0, 0.0]) if approach == "short-axis" else direction


def _best_direction(
    scene: PelvicMap, rooms: _Rooms, tip: Float, textbook: Float, radius: float
) -> tuple[Float, tuple[float, float]]:
    """Direction (3,) with the most room near the textbook's, and its margins to nerves and joint [m]."""
    tree = cKDTree(scene.nerves) if len(scene.nerves) else None
    helper = np.array([0.0, 0.0, 1.0]) if abs(textbook[2]) < 0.8 else np.array([1.0, 0.0, 0.0])
    u = np.cross(textbook, helper) / np.linalg.norm(np.cross(textbook, helper))
    v = np.cross(u, textbook)
    turns = np.tan(np.linspace(-SEARCH, SEARCH, 9))
    best: tuple[float, Float, tuple[float, float]] | None = None
    for x, y in itertools.product(turns, turns):
        direction = textbook + x * u + y * v
        direction = direction / np.linalg.norm(direction)
        margins = _margins(scene, rooms, tree, tip, direction, radius)
        score = sum(min(m, CLEARANCE) for m in margins) - 4 * mm * (x * x + y * y)
        if best is None or score > best[0]:
            best = (score, direction, margins)
    assert best is not None
    return best[1], best[2]


def _margins(
    scene: PelvicMap, rooms: _Rooms, tree: cKDTree | None, tip: Float, direction: Float, radius: float
) -> tuple[float, float]:
    points = tip - np.arange(0.0, 0.12, _STEP)[:, None] * direction
    index = np.rint(scene.grid.index(points)).astype(int)
    on = np.all((index >= 0) & (index < scene.grid.shape), axis=1)
    at = tuple(index[on].T)
    half = 0.5 * min(scene.grid.spacing)
    nerve, joint = float(rooms.nerve[at].min()) - half, float(rooms.joint[at].min()) - half
    if tree is not None:
        nerve = min(nerve, float(tree.query(points)[0].min()))
    return nerve - radius, joint - radius


def _to_skin(scene: PelvicMap, tip: Float, direction: Float) -> float:
    """Way [m] back along the needle to the skin: where 8 mm of air begin, or the picture ends."""
    way = np.arange(0.0, LONGEST, _STEP)
    index = np.rint(scene.picture_grid.index(tip - way[:, None] * direction)).astype(int)
    on = np.all((index >= 0) & (index < scene.picture_grid.shape), axis=1)
    end = int(np.argmin(np.append(on, False)))
    air = scene.picture[tuple(index[:end].T)] < _AIR_HU
    run = np.convolve(air, np.ones(8), mode="valid") == 8 if end >= 8 else np.zeros(0, bool)
    return float(way[int(np.argmax(run))]) if run.any() else float(way[end - 1])
