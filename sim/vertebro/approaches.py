"""Ways into a vertebra: the procedure's approaches fed with an anatomy's landmarks and organs.

>>> from vertebro.anatomy.parametric import ParametricSpec, build_parametric
>>> paths = ideal_paths(build_parametric(ParametricSpec(spacing=1.4e-3, surround_spacing=3e-3)))  # doctest: +SKIP
>>> [plan.path.approach for plan in paths if not plan.crosses]                                     # doctest: +SKIP
['transpedicular-left', 'transpedicular-right', 'posterolateral-left', 'posterolateral-right']
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vertebro.anatomy.anatomy import Anatomy, Landmarks, Pedicle
from vertebro.anatomy.landmark_surfaces import exiting_root
from vertebro.anatomy.no_go import NoGo, no_go_volumes
from vertebro.errors import CaseError
from vertebro.procedure import NeedlePath, anterolateral, parapedicular, posterolateral, surface_points, transpedicular
from vertebro.procedure.approach_pelvis import PELVIC_APPROACHES, PelvicMap, pelvic_path
from vertebro.procedure.breach import station_count
from vertebro.tissue import Compartment, Organ
from vertebro.units import mm

Side = Literal["left", "right"]
Floats = NDArray[np.float64]

APPROACHES = ("transpedicular", "parapedicular", "posterolateral", "anterolateral", *PELVIC_APPROACHES)
SIDES: tuple[Side, Side] = ("left", "right")
_AIR = -300.0  # HU
_NO_NEEDLE = (Organ.NERVE, Organ.ARTERY, Organ.VEIN, Organ.BOWEL, Organ.BLADDER)  # on the way to a hip bone
_UNSEEN = 0.35  # voxels by which a surface may graze a mask before it counts: what the grid cannot show
_MOST_POINTS = 4000
_MOBILE = ("artery", "vein", "thyroid")  # in front of the neck's spine
# where the neck's structures lie when no label shows them, mm: beside the midline, in front of the anterior wall (ours)
_VISCERA, _SHEATH = (11.0, (6.0, 16.0, 26.0)), (27.0, (6.0, 12.0, 18.0))


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedPath:
    """One way in, and what it would cross.

    Attributes
    ----------
    path : NeedlePath
        Entry on the skin, ideal target, margins.
    crosses : dict
        Name of a no-go volume → length [m] of the needle that lies in it; empty when the way is free.
    moved : dict
        The same for what the operator's fingers push aside first: vessels and thyroid in front of the neck's spine.
    """

    path: NeedlePath
    crosses: dict[str, float]
    moved: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, lengths in millimetres, angles in degrees."""
        path = self.path
        return {
            "approach": path.approach,
            "gauge": path.gauge,
            "entry_mm": np.round(path.entry / mm, 1).tolist(),
            "target_mm": np.round(path.tip / mm, 1).tolist(),
            "length_mm": round(float(np.linalg.norm(path.tip - path.entry)) / mm, 1),
            "convergence_deg": round(float(np.degrees(path.convergence)), 1),
            "caudal_deg": round(float(np.degrees(path.caudal)), 1),
            "medial_margin_mm": _margin(path.medial_margin),
            "wall_margin_mm": _margin(path.wall_margin),
            "nerve_margin_mm": _margin(path.nerve_margin),
            "tip_error_mm": round(path.tip_error / mm, 2),
            "crosses_mm": _millimetres(self.crosses),
            "moved_mm": _millimetres(self.moved),
        }


def ideal_paths(anatomy: Anatomy, *, gauge: int | None = None) -> tuple[PlannedPath, ...]:
    """Every approach that applies to the level, both sides, with margins and what it crosses.

    Parameters
    ----------
    anatomy : Anatomy
    gauge : int, optional
        Default: 11 in the loin, 13 in the chest, 15 in the neck.

    Returns
    -------
    tuple of PlannedPath
        Neck: anterolateral. Chest: transpedicular and parapedicular. Loin: transpedicular and posterolateral.
        Sacrum: short and long axis. Hip bone: acetabular, from the side and from behind. Empty for other bones.
    """
    names, usual, sides = _applicable(anatomy)
    volumes = no_go_volumes(anatomy)
    number = usual if gauge is None else gauge
    plans = []
    for name in names:
        for side in sides:
            if name in _THROUGH_PEDICLES and _pedicle(anatomy, side) is None:
                continue
            path = to_skin(plan_path(anatomy, name, side, gauge=number), anatomy)
            plans.append(judged(path, anatomy, volumes))
    return tuple(plans)


def _applicable(anatomy: Anatomy) -> tuple[tuple[str, ...], int, tuple[Side, ...]]:
    """Approaches, usual gauge and sides of a bone; no names for a bone without an approach."""
    if _is_hip(anatomy):
        return ("acetabular", "acetabular-posterior"), 11, (_hip_side(anatomy),)
    if _is_sacrum(anatomy):
        return ("short-axis", "long-axis"), 13, SIDES
    region = re.match(r"[CTL](?=\d)", anatomy.level)
    return (*_BY_REGION[region[0]], SIDES) if region else ((), 11, ())


def _has_joint(anatomy: Anatomy) -> bool:
    return bool(np.any(anatomy.compartment == Compartment.JOINT))


def _is_hip(anatomy: Anatomy) -> bool:
    return anatomy.landmarks.canal_centre is None and _has_joint(anatomy)


def _is_sacrum(anatomy: Anatomy) -> bool:
    return anatomy.landmarks.canal_centre is not None and _has_joint(anatomy)


def _hip_side(anatomy: Anatomy) -> Side:
    return "left" if anatomy.landmarks.midline > 0 else "right"


def _fitting(anatomy: Anatomy) -> str:
    """Approaches that a bone has, for messages."""
    return ", ".join((*_applicable(anatomy)[0], "points"))


def _pelvic(anatomy: Anatomy, approach: str, side: Side, gauge: int, depth: float | None) -> NeedlePath:
    """A path into the sacrum's ala or the bone above the hip joint."""
    hip = approach.startswith("acetabular")
    if not (_is_hip(anatomy) if hip else _is_sacrum(anatomy)):
        raise CaseError(
            f"this approach leads into {'a hip bone' if hip else 'the sacrum'}, the case has {anatomy.level}",
            where="approach",
            value=approach,
            allowed=_fitting(anatomy),
            hint=f"anatomy.level = {'HIP_L or HIP_R' if hip else 'S1'}",
        )
    if hip and side != _hip_side(anatomy):
        raise CaseError("the hip is on the other side", where="side", value=side, allowed=_hip_side(anatomy))
    surround = anatomy.surround
    nerves = np.empty((0, 3))
    if surround.organ is not None and hip:
        nerves = surround.grid.world(np.argwhere(np.isin(surround.organ, _NO_NEEDLE)))
    scene = PelvicMap(
        grid=anatomy.grid,
        compartment=anatomy.compartment,
        picture_grid=surround.grid,
        picture=surround.hu,
        nerves=nerves,
    )
    name = next(known for known in PELVIC_APPROACHES if known == approach)
    return pelvic_path(name, side=side, scene=scene, gauge=gauge, **({} if depth is None else {"depth": depth}))


_THROUGH_PEDICLES = ("transpedicular", "parapedicular", "posterolateral")
_BY_REGION: dict[str, tuple[tuple[str, ...], int]] = {
    "C": (("anterolateral",), 15),
    "T": (("transpedicular", "parapedicular"), 13),
    "L": (("transpedicular", "posterolateral"), 11),
}


def plan_path(
    anatomy: Anatomy, approach: str, side: Side, *, gauge: int, depth: float | None = None, lateral: float = 0.0
) -> NeedlePath:
    """One approach with this anatomy's landmarks.

    Parameters
    ----------
    approach : str
        One of `APPROACHES`.
    side : {"left", "right"}
    gauge : int
    depth : float [1], optional
        Tip depth in the body: 0 posterior, 1 anterior wall; the approach's ideal when left out.
    lateral : float [m]
        Target offset from the midline towards the needle's side.

    Raises
    ------
    CaseError
        If the approach is unknown or needs a pedicle or a canal that this bone has not.
    """
    if approach not in APPROACHES:
        raise CaseError("unknown approach", where="approach", value=approach, allowed=", ".join(APPROACHES))
    if approach in PELVIC_APPROACHES:
        return _pelvic(anatomy, approach, side, gauge, depth)
    marks = anatomy.landmarks
    aim: dict[str, Any] = {
        "side": side,
        "gauge": gauge,
        "target_lateral": lateral,
        "target_height": _aimed_height(marks),
    }
    if depth is not None:
        aim["target_depth"] = 1.0 - depth
    walls: dict[str, Any] = {"anterior_wall": marks.anterior_wall, "posterior_wall": marks.posterior_wall}
    if approach == "anterolateral":
        medial, outer = _neck_corridor(anatomy, side)
        return anterolateral(**aim, **walls, anterior_skin=_anterior_skin(anatomy), medial=medial, lateral=outer)
    pedicle = _pedicle(anatomy, side)
    if pedicle is None or marks.canal_half_axes is None:
        raise CaseError("this bone has no pedicle", where="approach", value=approach, allowed=_fitting(anatomy))
    sizes: dict[str, Any] = {
        "pedicle_centre": pedicle.centre,
        "pedicle_axis": pedicle.axis,
        "pedicle_half_width": pedicle.half_width,
        "pedicle_half_height": pedicle.half_height,
        "posterior_skin": marks.posterior_skin,
    }
    if approach == "posterolateral":
        beside: dict[str, Any] = {"canal_half_width": float(marks.canal_half_axes[0]), "root": exiting_root(pedicle)}
        return posterolateral(**aim, **walls, **sizes, **beside, obstacles=_processes(anatomy, side, pedicle))
    return (transpedicular if approach == "transpedicular" else parapedicular)(**aim, **walls, **sizes)


def _aimed_height(marks: Landmarks) -> float:
    """s [m] that a needle aims at: the body's middle as it was, or the nearest in a crushed one's middle third."""
    low, high = float(marks.inferior_endplate), float(marks.superior_endplate)
    return float(np.clip(0.0, low + (high - low) / 3, high - (high - low) / 3))


def to_skin(path: NeedlePath, anatomy: Anatomy) -> NeedlePath:
    """The path with its entry on the patient's skin, as far as the surround shows it.

    Looking from outside along the path, the first place that is no air; an anatomy whose picture ends inside the
    patient keeps the picture's edge.
    """
    grid, hu = anatomy.surround.grid, anatomy.surround.hu
    back = (path.entry - path.tip) / np.linalg.norm(path.entry - path.tip)
    steps = np.arange(0.0, 0.35, 0.5 * mm)
    index = grid.index(path.tip + steps[:, None] * back)
    seen = np.all((index > -0.5) & (index < np.asarray(grid.shape) - 0.5), axis=1)
    values = ndimage.map_coordinates(hu.astype(np.float32), index[seen].T, order=1, mode="nearest")
    solid = np.flatnonzero(values > _AIR)
    if not len(solid):
        return path
    return dataclasses.replace(path, entry=path.tip + steps[seen][solid[-1]] * back)


def judged(path: NeedlePath, anatomy: Anatomy, volumes: dict[str, NoGo] | None = None) -> PlannedPath:
    """A path with the length [m] of needle whose surface lies in each no-go volume; what it misses is left out.

    On the simulation grid by the near masks, beyond it by the surround's. A graze below a third of a voxel is not
    seen.

    Parameters
    ----------
    volumes : dict of NoGo, optional
        From `no_go_volumes`, to save making them again.
    """
    volumes = no_go_volumes(anatomy) if volumes is None else volumes
    needle = path.needle("plan")
    count = station_count(needle, anatomy.grid)
    step = needle.length / count
    axis = needle.entry + ((np.arange(count) + 0.5) * step)[:, None] * needle.direction
    surface = surface_points(needle, axis)
    near = _inside(surface, anatomy.grid)
    in_front = path.approach.startswith("anterolateral") & (axis[:, 1] > anatomy.landmarks.anterior_wall)
    crosses: dict[str, float] = {}
    moved: dict[str, float] = {}
    for name, volume in volumes.items():
        hit = near & _in_mask(surface, anatomy.grid, volume.near)
        if volume.far is not None:
            hit |= ~near & _in_mask(surface, anatomy.surround.grid, volume.far)
        aside = in_front if name in _MOBILE else np.zeros(count, bool)
        for found, where in ((crosses, ~aside), (moved, aside)):
            length = float(np.count_nonzero(hit.any(axis=1) & where) * step)
            if length > 0:
                found[name] = length
    return PlannedPath(path=path, crosses=crosses, moved=moved)


def _margin(length: float) -> float | None:
    """Millimetres; None where the approach looks at no such thing."""
    return round(length / mm, 2) if np.isfinite(length) else None


def _millimetres(lengths: dict[str, float]) -> dict[str, float]:
    return {name: round(length / mm, 1) for name, length in lengths.items()}


def _pedicle(anatomy: Anatomy, side: Side) -> Pedicle | None:
    return anatomy.landmarks.pedicle_left if side == "left" else anatomy.landmarks.pedicle_right


def _inside(points: Floats, grid: Any) -> NDArray[np.bool_]:
    index = grid.index(points)
    return np.asarray(np.all((index > -0.5) & (index < np.asarray(grid.shape) - 0.5), axis=-1))


def _in_mask(points: Floats, grid: Any, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether points (…, 3) lie in a mask, by more than a third of a voxel."""
    if not mask.any():
        return np.zeros(points.shape[:-1], bool)
    index = grid.index(points).reshape(-1, 3)
    share = ndimage.map_coordinates(mask.astype(np.float32), index.T, order=1, mode="constant", cval=0.0)
    return np.asarray((share > 0.5 + _UNSEEN).reshape(points.shape[:-1]))


def _processes(anatomy: Anatomy, side: Side, pedicle: Pedicle) -> Floats:
    """Bone of the arch lateral of the pedicle: transverse process and joint, thinned out."""
    cells = np.argwhere(anatomy.compartment == Compartment.ARCH)
    points = anatomy.grid.world(cells)
    sign = -1.0 if side == "left" else 1.0
    beside = sign * points[:, 0] > sign * pedicle.centre[0] + pedicle.half_width + 2 * mm
    return _thinned(points[beside])


def _neck_corridor(anatomy: Anatomy, side: Side) -> tuple[Floats, Floats]:
    """Places of airway and oesophagus, and of the great vessels on one side, within 25 mm of the level."""
    sign = -1.0 if side == "left" else 1.0
    medial = _organ_points(anatomy, (Organ.AIRWAY, Organ.OESOPHAGUS))
    vessels = _organ_points(anatomy, (Organ.ARTERY, Organ.VEIN))
    vessels = vessels[sign * vessels[:, 0] > 5 * mm]
    front = anatomy.landmarks.anterior_wall
    levels = np.arange(-20.0, 21.0, 2.0) * mm
    return (
        medial if len(medial) else _column(sign, _VISCERA, front, levels),
        vessels if len(vessels) else _column(sign, _SHEATH, front, levels),
    )


def _column(sign: float, place: tuple[float, tuple[float, ...]], front: float, levels: Floats) -> Floats:
    beside, forward = place
    return np.array([[sign * beside * mm, front + f * mm, s] for f in forward for s in levels])


def _organ_points(anatomy: Anatomy, organs: tuple[Organ, ...]) -> Floats:
    surround = anatomy.surround
    if surround.organ is None:
        return np.zeros((0, 3))
    points = surround.grid.world(np.argwhere(np.isin(surround.organ, organs)))
    return _thinned(points[np.abs(points[:, 2]) < 25 * mm])


def _thinned(points: Floats) -> Floats:
    return points[:: max(1, len(points) // _MOST_POINTS)]


def _anterior_skin(anatomy: Anatomy) -> float:
    """a-coordinate [m] of the skin in front of the vertebra, within 40 mm of the midline."""
    grid, hu = anatomy.surround.grid, anatomy.surround.hu
    r, a, s = grid.axes()
    rows = np.ix_(np.abs(r) < 40 * mm, np.ones(len(a), bool), np.abs(s) < 10 * mm)
    solid = np.flatnonzero((hu[rows] > _AIR).any(axis=(0, 2)))
    return float(a[solid[-1]]) if len(solid) else float(a[-1])
