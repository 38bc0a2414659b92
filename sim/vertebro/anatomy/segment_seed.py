"""From a CT and one point inside a vertebral body to labels of body, arch and neighbours, without any other input.

The generated vertebra of the level is laid into the CT (`segment_pose`), its body wall moved onto the edges
(`segment_surface`), its arch grown into the bright bone behind (`segment_arch`). Levels cannot be counted from one
vertebra: the caller names it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vertebro.anatomy import labels as numbering
from vertebro.anatomy.ct_checks import check_hounsfield
from vertebro.anatomy.resampling import inside_field, resample
from vertebro.anatomy.segment_arch import grow_arches
from vertebro.anatomy.segment_pose import Pose, find_poses, follow_pose
from vertebro.anatomy.segment_surface import Wall, refine_wall
from vertebro.anatomy.segment_template import Template, build_template, neighbour
from vertebro.anatomy.volumes import Volume
from vertebro.errors import DataError
from vertebro.grid import VoxelGrid
from vertebro.units import ml, mm

Floats = NDArray[np.float64]
Distances = NDArray[np.float32]
BODY, ARCH = 50, 41  # sub-region ids as TPTBox has them
SEARCH = VoxelGrid.around(np.array([-80.0, -100.0, -75.0]) * mm, np.array([80.0, 65.0, 75.0]) * mm, 1.5 * mm)
_LOW, _HIGH = np.array([-60.0, -90.0, -66.0]) * mm, np.array([60.0, 40.0, 66.0]) * mm
_FINE = 1.0 * mm
# All ours: what a seed and a fit must show. Tuned on good and bad seeds in two patients and in phantoms.
SEED_HU = (-40.0, 900.0)
LEAST_LIKENESS, LEAST_STRENGTH, LEAST_IN_VIEW = 0.28, 0.52, 0.97
SURE_LIKENESS, SURE_STRENGTH = 0.34, 0.60  # below: a remark
SHELL_BLUR = 0.5 * mm  # a thin bright shell, blurred, has its steepest fall that far outside its own surface
ARCH_WEIGHT = 6.0  # of the arch against the body where the arch is fitted once more
VOLUME_RANGE = (0.4, 2.2)  # of the mean body's volume; crushed to large
SURE_VOLUME = 1.5  # of the mean body's volume, from which on a fit must be sure: what lies in no body is fitted large
_CURE = "put the point near the middle of the vertebral body, in spongy bone (RAS mm, as viewers show it)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Segmentation:
    """Labels made from one point.

    Attributes
    ----------
    labels : Volume
        VerSe ids of the level and, where they could be found, of its neighbours; a grid of its own.
    subregions : Volume
        50 in the body, 41 in the arch of the level.
    report : dict
        Plain values: likeness, edge strength, volumes, sizes, remarks.
    """

    labels: Volume
    subregions: Volume
    report: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Laid:
    """The template laid into the CT.

    Attributes
    ----------
    point : (3,) float [m]
        The seed in RAS; `pose` and `frame` are relative to it.
    search : float32 array [HU]
        The CT along the scanner's axes on `SEARCH`, NaN outside the field of view.
    pose : Pose
    grid : VoxelGrid
        Fine grid along the vertebra's axes.
    frame : (4, 4) float
        From the fine grid's world to RAS, rigid.
    hu : float32 array [HU]
        The CT on the fine grid.
    """

    point: Floats
    search: Distances
    pose: Pose
    grid: VoxelGrid
    frame: Floats
    hu: Distances

    def field(self, distance: Distances, template: Template) -> Distances:
        """A field of the template on the fine grid [m]."""
        return self.pose.lay(distance, template, self.grid, self.frame)


def segment_from_seed(ct: Volume, point: Floats, level: str) -> Segmentation:
    """Segment the vertebra around a point.

    Parameters
    ----------
    ct : Volume
    point : (3,) float [m]
        Inside the vertebral body, scanner RAS.
    level : str
        Name of that vertebra, ``"L1"`` …

    Raises
    ------
    DataError
        If the point lies outside the CT, in air, fat, metal or cement, or no vertebral body is found around it.
    """
    level = numbering.parse_level(level)
    template = build_template(level)
    check_hounsfield(ct)
    value = check_point(ct, np.asarray(point, float))
    point = np.asarray(point, float)
    search = _search_field(ct, point)
    tries = [_try(ct, point, search, pose, template) for pose in find_poses(search, SEARCH, template)]
    laid, body, report = max(tries, key=lambda found: found[2]["likeness"] + 0.5 * found[2]["edge_strength"])
    _judge(report, _at_seed(body, laid), point, value)
    return _labelled(laid, template, body, report)


def check_point(ct: Volume, point: Floats) -> float:
    """CT number [HU] around a seed point.

    Raises
    ------
    DataError
        If the point is outside the volume, or its CT number is not that of spongy bone.
    """
    index = np.linalg.inv(ct.ras_from_voxel) @ np.append(point, 1.0)
    size = np.array(ct.data.shape)
    if not np.all(np.isfinite(index)) or np.any(index[:3] < 0) or np.any(index[:3] > size - 1):
        corners = ct.world(np.array([np.zeros(3), size - 1]))
        low, high = (np.round(x / mm, 1).tolist() for x in (corners.min(axis=0), corners.max(axis=0)))
        raise DataError(
            "the seed point lies outside the CT",
            where="seed point (RAS)",
            value=_text(point),
            allowed=f"{low} to {high} mm",
            hint="viewers show RAS or LPS: if yours shows LPS, change the sign of the first two numbers",
        )
    ball = VoxelGrid.around(np.full(3, -2.5 * mm), np.full(3, 2.5 * mm), 1.0 * mm)
    frame = np.eye(4)
    frame[:3, 3] = point
    value = float(np.median(resample(ct, ball, frame)))
    if not SEED_HU[0] <= value <= SEED_HU[1]:
        what = "metal, cement or compact bone" if value > 0 else "fat, lung or air"
        raise DataError(
            f"the seed point lies in {what}",
            where="seed point (RAS)",
            value=f"{_text(point)}, {value:.0f} HU there",
            allowed=f"{SEED_HU[0]:.0f} to {SEED_HU[1]:.0f} HU",
            hint=_CURE,
        )
    return value


def _text(point: Floats) -> str:
    return ", ".join(f"{x / mm:.1f}" for x in point) + " mm"


def _search_field(ct: Volume, point: Floats) -> Distances:
    """The CT around the point along the scanner's axes, NaN outside the field of view."""
    frame = np.eye(4)
    frame[:3, 3] = point
    hu = resample(ct, SEARCH, frame)
    hu[~inside_field(ct, SEARCH, frame)] = np.nan
    return hu


def _try(
    ct: Volume, point: Floats, search: Distances, pose: Pose, template: Template
) -> tuple[Laid, Distances, dict[str, Any]]:
    """One pose looked at closely: the refined body and what speaks for it."""
    grid = VoxelGrid.around(_LOW, _HIGH, _FINE)
    frame = np.eye(4)
    frame[:3, :3], frame[:3, 3] = pose.turn, pose.place
    there = _shifted(frame, point)
    laid = Laid(point, search, pose, grid, frame, resample(ct, grid, there))
    body, wall = _body(laid, template)
    report = _report(laid, template, body, wall)
    seen = inside_field(ct, grid, there)[body < 0]
    report["in_view"] = round(float(seen.mean()), 4) if seen.size else 0.0
    return laid, body, report


def _shifted(frame: Floats, point: Floats) -> Floats:
    out = frame.copy()
    out[:3, 3] += point
    return out


def _body(laid: Laid, template: Template) -> tuple[Distances, Wall]:
    """Distance to the refined body on the fine grid, and its wall."""
    body = laid.field(template.body, template)
    pedicles = np.where(template.bone < template.body - 1e-6, template.bone, np.maximum(template.bone, 20 * mm))
    wall = refine_wall(laid.hu, body, laid.field(pedicles.astype(np.float32), template), laid.grid)
    near = np.abs(body) < 9 * mm
    body[near] -= wall.moves(laid.grid.world(np.argwhere(near))).astype(np.float32) - np.float32(SHELL_BLUR)
    return body, wall


def _at_seed(body: Distances, laid: Laid) -> float:
    """Distance [m] of the seed point from the body's wall, negative inside."""
    own = -laid.pose.place @ laid.pose.turn
    index = laid.grid.index(own)[:, None]
    return float(ndimage.map_coordinates(body, index, order=1, mode="nearest")[0])


def _report(laid: Laid, template: Template, body: Distances, wall: Wall) -> dict[str, Any]:
    inside = body < 0
    volume = float(np.count_nonzero(inside) * laid.grid.voxel_volume)
    return {
        "likeness": round(laid.pose.likeness, 3),
        "edge_strength": round(float(wall.strength.mean()), 3),
        "body_volume_ml": round(volume / ml, 2),
        "expected_volume_ml": round(template.body_volume / ml, 2),
        "size": [round(float(x), 3) for x in laid.pose.size],
        "wall_moves_mm": [round(float(x) / mm, 2) for x in np.percentile(wall.move, [5, 50, 95])],
        "core_hu": round(float(np.median(laid.hu[body < -4 * mm])), 1) if np.any(body < -4 * mm) else None,
    }


def _judge(report: dict[str, Any], depth: float, point: Floats, value: float) -> None:
    """Refuse a fit that is no vertebral body around the point."""
    ratio = report["body_volume_ml"] / report["expected_volume_ml"]
    reasons = []
    if depth > 0:
        reasons.append(f"the nearest body lies {depth / mm:.1f} mm beside the point")
    if report["likeness"] < LEAST_LIKENESS:
        reasons.append(f"the picture resembles a vertebra by {report['likeness']:.2f} only (at least {LEAST_LIKENESS})")
    if report["edge_strength"] < LEAST_STRENGTH:
        reasons.append(f"its wall shows edges of {report['edge_strength']:.2f} only (at least {LEAST_STRENGTH})")
    if report["in_view"] < LEAST_IN_VIEW:
        reasons.append(f"the field of view holds {100 * report['in_view']:.0f} % of the body only")
    if not VOLUME_RANGE[0] <= ratio <= VOLUME_RANGE[1]:
        reasons.append(f"the body would have {ratio:.2f} times the usual volume")
    elif ratio > SURE_VOLUME and _unsure(report):
        reasons.append(f"an unsure fit of {ratio:.2f} times the usual volume (at most {SURE_VOLUME})")
    if reasons:
        raise DataError(
            "no vertebral body was found around the seed point",
            where="seed point (RAS)",
            value=f"{_text(point)}, {value:.0f} HU there: {'; '.join(reasons)}",
            allowed="a point inside a vertebral body that the CT shows completely",
            hint=_CURE + "; or give a label map",
        )


def _unsure(report: dict[str, Any]) -> bool:
    return bool(report["edge_strength"] < SURE_STRENGTH or report["likeness"] < SURE_LIKENESS)


def _labelled(laid: Laid, template: Template, body: Distances, report: dict[str, Any]) -> Segmentation:
    """Labels of the level and its neighbours on the fine grid."""
    others = _neighbours(laid, template)
    own = follow_pose(laid.search, SEARCH, template, laid.pose, arch=ARCH_WEIGHT)
    bones = {template.level: np.minimum(own.lay(template.bone, template, laid.grid, laid.frame), body)}
    bones |= {name: pose.lay(shape.bone, shape, laid.grid, laid.frame) for name, (pose, shape) in others.items()}
    canal = own.lay(template.canal, template, laid.grid, laid.frame)
    grown = grow_arches(laid.hu, laid.grid, bones, body, canal)
    data = np.zeros(laid.grid.shape, np.uint8)
    seen = [template.level, *(name for name, (pose, _) in others.items() if pose.likeness > 0)]
    for name in seen:
        data[grown[name]] = numbering.VERSE[name]
    inside = (body < 0) & grown[template.level]
    parts = np.where(inside, BODY, np.where(grown[template.level], ARCH, 0)).astype(np.uint8)
    report["neighbours"] = seen[1:]
    report["remarks"] = _remarks(report)
    affine = _shifted(laid.frame, laid.point) @ laid.grid.world_from_voxel
    volume = Volume(data=data, ras_from_voxel=affine, name="segmented from one point", digest="")
    return Segmentation(labels=volume, subregions=volume.with_data(parts), report=report)


def _neighbours(laid: Laid, template: Template) -> dict[str, tuple[Pose, Template]]:
    """The vertebrae above and below: fitted where the CT shows enough of them, else where the column expects them."""
    found = {}
    for step in (-1, 1):
        other = neighbour(template.level, step)
        if other is None:
            continue
        level, turn, place = other
        shape = build_template(level)
        expected = laid.pose.moved(turn, place)
        pose = follow_pose(laid.search, SEARCH, shape, expected)
        found[level] = (pose, shape) if pose.likeness > LEAST_LIKENESS else (replace(expected, likeness=0.0), shape)
    return found


def _remarks(report: dict[str, Any]) -> list[str]:
    remarks = ["body and arch were segmented from one seed point, not by a reader: look at the picture sheet"]
    if _unsure(report):
        remarks.append("the built-in segmentation is unsure of the body's wall here: check it before use")
    return remarks
