"""Paint the generated pelvis on any grid: soft tissue, canal and roots, discs, joints, then the bones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.parametric_canvas import Canvas
from vertebro.anatomy.parametric_column import Bone, build_canal, disc_shape, foramen_shape
from vertebro.anatomy.parametric_field import (
    HU_ANNULUS,
    HU_DURA,
    HU_EPIDURAL,
    HU_NUCLEUS,
    HU_ROOT,
    FieldSpec,
    texture,
)
from vertebro.anatomy.parametric_pelvis_placing import PelvisScene
from vertebro.anatomy.parametric_pelvis_soft import HU_CARTILAGE, Painter, paint_soft
from vertebro.anatomy.parametric_sacrum_bend import BentRegion
from vertebro.anatomy.parametric_vertebra import arch_shapes, body_shape
from vertebro.anatomy.shapes import FAR, Pose, Shape, Slices, coordinates, evaluate, is_empty, smooth_min
from vertebro.sources import Constant
from vertebro.tissue import Compartment, Organ, Tissue
from vertebro.units import mm

Array = NDArray[Any]
ALA_FACTOR = Constant(0.42, "1", 0.1, 0.8, "peretz1998", "recalled", "spongy bone of the alae over that of S1's body")
ENDPLATE_GAIN = Constant(0.9, "1", 0.3, 2.0, "peretz1998", "recalled", "extra BV/TV under the endplate of S1")
ROOF_GAIN = Constant(1.6, "1", 0.5, 3.0, "vertebro", "ours", "extra BV/TV in the roof of the acetabulum")
HIP_FACTOR = Constant(1.3, "1", 0.8, 2.5, "vertebro", "ours", "spongy bone of the hip bone over that of a vertebra")
HEAD_FACTOR = Constant(2.6, "1", 1.5, 4.0, "vertebro", "ours", "spongy bone of the femoral head over a vertebra's")


def paint_pelvis(canvas: Canvas, scene: PelvisScene, mean: float, spec: FieldSpec) -> None:
    """Paint the patient on a blank canvas (changes it in place).

    Parameters
    ----------
    mean : float [1]
        Mean BV/TV of the spongy core of S1's body.
    """
    painter = Painter(canvas, scene.pose, scene.scale)
    paint_soft(painter, spec.seed)
    _paint_lumbar(painter, scene, mean, spec)
    _paint_bones(painter, scene, mean, spec, None)


def paint_pelvis_below(
    canvas: Canvas, scene: PelvisScene, mean: float, spec: FieldSpec, clearance: Callable[[Slices], Array] | None
) -> None:
    """Paint sacrum, hips and femora under a painted column, as far as the canvas reaches (changes it in place).

    Parameters
    ----------
    clearance : callable, optional
        ``clearance(region) -> distance`` [m] that the sacrum keeps from L5.
    """
    crest = scene.pose.to_world([0.0, 0.0, scene.dim.hip_bone_height])[2]
    if crest > canvas.grid.extent[0, 2]:
        _paint_bones(Painter(canvas, scene.pose, scene.scale), scene, mean, spec, clearance)


def _paint_bones(
    painter: Painter,
    scene: PelvisScene,
    mean: float,
    spec: FieldSpec,
    clearance: Callable[[Slices], Array] | None,
) -> None:
    """Sacral canal, joints, then the bones (in place)."""
    canvas, sacrum = painter.canvas, _sacrum_region(painter.canvas, scene, clearance)
    if sacrum is not None:
        _paint_sacral_canal(painter, scene, sacrum)
    sides = (1.0, -1.0)
    plates = [_hip_distance(canvas, scene, side, sacrum) for side in sides]
    for side, plate in zip(sides, plates, strict=True):
        _paint_joints(painter, scene, side, plate)
    if sacrum is not None:
        _paint_sacrum(painter, scene, sacrum, mean, spec)
    for side, plate in zip(sides, plates, strict=True):
        _paint_hip(painter, scene, side, plate, mean, spec)
        _paint_femur(painter, scene, side, mean, spec)


def _put_bone(
    painter: Painter,
    region: Slices,
    distance: Array,
    cortex: float | Array,
    core: float | Array,
    label: Compartment | Array = Compartment.PARAVERTEBRAL,
) -> None:
    """Paint bone on a region where arrays hold for the whole region (in place)."""
    hit = painter.canvas.touched(distance)
    pick = [x if np.ndim(x) == 0 else np.broadcast_to(x, hit.shape)[hit] for x in (cortex, core, label)]
    painter.canvas.paint_bone(region, hit, distance[hit], pick[0], pick[1], pick[2])  # type: ignore[arg-type]


def _paint_lumbar(painter: Painter, scene: PelvisScene, mean: float, spec: FieldSpec) -> None:
    """Vertebrae above with discs, canal and the foramina under L5 (in place)."""
    canvas, column, place = painter.canvas, scene.column, scene.bend.pose
    last = column.bones[-1]
    first = replace(last, level="S1", pose=_disc_seat(scene, last))
    canal = build_canal(column)
    for side in (1.0, -1.0):
        where = Compartment.FORAMEN_RIGHT if side > 0 else Compartment.FORAMEN_LEFT
        shape = foramen_shape(last, first, side)
        painter.solid([shape], HU_EPIDURAL, Tissue.EPIDURAL, Organ.NERVE, where, pose=Pose())
    low, high = canvas.grid.extent
    box = Shape(lambda r, a, s: r, np.array([-16 * mm, low[1], low[2]]), np.array([16 * mm, high[1], high[2]]))
    region = canvas.region([box], Pose())
    if not is_empty(region):
        coords = coordinates(canvas.grid, region)
        above = np.float32(scene.sacrum.ends[0] - 1 * mm) - place.to_local(*coords)[2]
        for shrink, hu, tissue in ((0.0, HU_EPIDURAL, Tissue.EPIDURAL), (2.4 * mm, HU_DURA, Tissue.DURA)):
            cover = canvas.cover(np.maximum(canal.distance(*coords, shrink), above))
            painter.cover(region, cover, hu, tissue, Organ.CANAL, Compartment.CANAL)
    for upper, lower in ((last, first), *((u, w) for u, w in zip(column.bones, column.bones[1:], strict=False))):
        kind = Compartment.DISC_SUPERIOR if upper is last else Compartment.PARAVERTEBRAL
        for shrink, hu in ((0.0, HU_ANNULUS), (0.28, HU_NUCLEUS)):
            shape, pose = disc_shape(upper, lower, shrink)
            painter.solid([shape], hu, Tissue.DISC, Organ.NONE, kind, pose=pose)
    for bone in column.bones:
        shapes = [body_shape(bone.dim), *arch_shapes(bone.dim, bone.upper, bone.lower)]
        region = canvas.region(shapes, bone.pose)
        if is_empty(region):
            continue
        distance = evaluate(shapes, canvas.grid, bone.pose, region, blend=2.5 * mm, margin=5 * mm)
        distance = np.maximum(distance, -canal.distance(*coordinates(canvas.grid, region)))
        _put_bone(painter, region, distance, 0.6 * mm, mean * 1.3)


def _disc_seat(scene: PelvisScene, last: Bone) -> Pose:
    """Pose of a body as high as L5 whose upper end is the endplate of S1."""
    at = scene.bend.pose.to_world([0.0, 0.0, scene.sacrum.ends[0] - 0.5 * last.dim.height])
    return Pose(float(at[1]), float(at[2]), scene.bend.pose.angle)


@dataclass(frozen=True, slots=True)
class Solid:
    """Signed distance [m] to a bone on its own region of the grid."""

    region: Slices
    distance: Array
    bent: BentRegion

    def on(self, region: Slices) -> Array:
        """The distance on another region; `FAR` where it is not known."""
        out = np.full([x.stop - x.start for x in region], FAR, np.float32)
        common = [(max(x.start, y.start), min(x.stop, y.stop)) for x, y in zip(region, self.region, strict=True)]
        if all(low < high for low, high in common):
            here = tuple(slice(lo - x.start, hi - x.start) for (lo, hi), x in zip(common, region, strict=True))
            there = tuple(slice(lo - x.start, hi - x.start) for (lo, hi), x in zip(common, self.region, strict=True))
            out[here] = self.distance[there]
        return out


def _sacrum_region(canvas: Canvas, scene: PelvisScene, clearance: Callable[[Slices], Array] | None) -> Solid | None:
    """Distance to the sacrum, canal and tunnels taken out."""
    sacrum, bend = scene.sacrum, scene.bend
    shapes = [sacrum.mass(), *sacrum.additions()]
    low, high = np.min([s.low for s in shapes], axis=0), np.max([s.high for s in shapes], axis=0)
    bent = BentRegion.of(canvas.grid, bend, low, high, margin=6 * mm)
    if bent is None:
        return None
    distance = smooth_min(bent.evaluate(shapes[:1], margin=6 * mm), bent.evaluate(shapes[1:], blend=2 * mm), 4 * mm)
    tunnels = [t for n in (1, 2, 3) for side in (1.0, -1.0) for t in sacrum.tunnel(n, side)]
    distance = np.maximum(distance, -bent.evaluate(tunnels, blend=2 * mm))
    distance = np.maximum(distance, -sacrum.canal_distance(*bent.local))
    if clearance is not None:
        distance = np.maximum(distance, clearance(bent.region))
    return Solid(bent.region, np.asarray(distance, np.float32), bent)


def _paint_sacral_canal(painter: Painter, scene: PelvisScene, solid: Solid) -> None:
    """Fat, dural sac (down to S2) and roots in canal and tunnels (in place)."""
    bent, sacrum, canvas = solid.bent, scene.sacrum, painter.canvas
    for side in (1.0, -1.0):
        place = Compartment.FORAMEN_RIGHT if side > 0 else Compartment.FORAMEN_LEFT
        for number in (1, 2, 3):
            cover = canvas.cover(bent.evaluate(sacrum.tunnel(number, side), blend=2 * mm))
            painter.cover(bent.region, cover, HU_EPIDURAL, Tissue.EPIDURAL, Organ.NERVE, place)
            root = canvas.cover(bent.evaluate(sacrum.root(number, side)))
            inside = np.where(cover > 0.5, root, 0)
            painter.cover(bent.region, inside, HU_ROOT, Tissue.DURA, Organ.NERVE, place)
            painter.cover(bent.region, root - inside, HU_ROOT, Tissue.MUSCLE, Organ.NERVE, Compartment.PARAVERTEBRAL)
    z = bent.local[2]
    roof = z - np.float32(sacrum.ends[0] + 1 * mm)
    cover = canvas.cover(np.maximum(sacrum.canal_distance(*bent.local), roof))
    painter.cover(bent.region, cover, HU_EPIDURAL, Tissue.EPIDURAL, Organ.CANAL, Compartment.CANAL)
    sac = np.maximum(sacrum.canal_distance(*bent.local, 2.5 * mm), np.float32(sacrum.ends[2]) - z)
    painter.cover(
        bent.region, canvas.cover(np.maximum(sac, roof)), HU_DURA, Tissue.DURA, Organ.CANAL, Compartment.CANAL
    )


def _paint_sacrum(painter: Painter, scene: PelvisScene, solid: Solid, mean: float, spec: FieldSpec) -> None:
    """Cortex and spongy core: dense under the endplate of S1, nearly empty in the alae (in place)."""
    bent, sacrum = solid.bent, scene.sacrum
    hit = painter.canvas.touched(solid.distance)
    r, n, z = (np.broadcast_to(x, hit.shape)[hit] for x in bent.local)
    width = sacrum.half_width(z)
    ala = np.clip((np.abs(r) - width) / np.float32(9 * mm), 0, 1)
    under = np.exp(-np.maximum(np.float32(sacrum.ends[0] - 1 * mm) - z, 0) / np.float32(4 * mm))
    pattern = 0.8 + np.float32(ENDPLATE_GAIN) * under * (1 - ala)
    for end in sacrum.ends[1:4]:  # what is left of the discs between the segments: a dark line between two bright ones
        off = np.abs(z - np.float32(end))
        pattern = pattern + (1 - ala) * (
            1.6 * np.exp(-(((off - 2.4 * mm) / mm) ** 2)) - 0.7 * np.exp(-((off / mm) ** 2))
        )
    rim = np.exp(-np.maximum(sacrum.lateral(n, z) - np.abs(r), 0) / np.float32(3 * mm))
    pattern = pattern + (np.float32(ALA_FACTOR) + 0.6 * rim - pattern) * ala
    centre, canal, _ = sacrum.canal(z)
    behind = (n < centre) & (np.abs(r) < canal + np.float32(9 * mm))
    process = (n < np.float32(-0.5 * scene.dim.s1_depth)) & (np.abs(r) < canal + np.float32(16 * mm))
    behind |= process & (z > np.float32(sacrum.ends[0] - 4 * mm))
    pattern = np.where(behind, np.float32(1.7), pattern)
    core = np.clip(np.float32(mean) * pattern * texture(painter.canvas.grid, bent.region, hit, spec, 2.0), 0.01, 0.8)
    cortex = np.where(behind, 1.0 * mm, 0.55 * mm).astype(np.float32)
    label: Any = Compartment.PARAVERTEBRAL
    if scene.level == "S1":
        label = np.where(behind, np.uint8(Compartment.ARCH), np.uint8(Compartment.BODY))
    painter.canvas.paint_bone(bent.region, hit, solid.distance[hit], cortex, core, label)


@dataclass(frozen=True, slots=True)
class HipSolid:
    """A hip bone on its own region: the bone, the bone before its joints were carved, and both joints."""

    region: Slices
    distance: Array
    sacroiliac: Array
    hip_joint: Array
    local: tuple[Array, Array, Array]


def _hip_distance(canvas: Canvas, scene: PelvisScene, side: float, sacrum: Solid | None) -> HipSolid | None:
    """Distances to one hip bone and its joints; None if it misses the grid."""
    hip = scene.hip
    shapes = [_on_side(shape, side) for shape in (hip.ilium(), *hip.solids())]
    region = canvas.region(shapes, scene.pose, margin=4 * mm)
    if is_empty(region):
        return None
    raw = evaluate(shapes[:1], canvas.grid, scene.pose, region, margin=6 * mm)
    raw = smooth_min(raw, evaluate(shapes[1:], canvas.grid, scene.pose, region, blend=7 * mm, margin=6 * mm), 6 * mm)
    r, a, s = scene.pose.to_local(*coordinates(canvas.grid, region))
    local = (np.float32(side) * r, a, s)
    distance = np.maximum(raw, -hip.hollow(*local))
    joint = hip.joint(*local)
    gap = np.float32(scene.dim.sacroiliac_gap)
    near = np.full(raw.shape, FAR, np.float32)
    if sacrum is not None:
        away = sacrum.on(region)
        _, n, z = scene.bend.to_local(*coordinates(canvas.grid, region))
        beside = np.where(z > scene.sacrum.ends[4], scene.sacrum.lateral(n, z), -FAR) - local[0]
        raw, distance = np.maximum(raw, beside), np.maximum(distance, beside + gap)
        near = np.maximum(raw, away - gap - np.float32(0.3 * mm))
        distance = np.maximum(distance, gap - away)
    return HipSolid(region, np.asarray(distance, np.float32), near, joint, local)


def _on_side(shape: Shape, side: float) -> Shape:
    """A shape of the right side, or its mirror image."""
    if side > 0:
        return shape
    flip = np.array([-1.0, 1.0, 1.0])
    ends = np.sort([shape.low * flip, shape.high * flip], axis=0)
    return Shape(lambda r, a, s: shape.distance(-r, a, s), ends[0], ends[1])


def _paint_joints(painter: Painter, scene: PelvisScene, side: float, plate: HipSolid | None) -> None:
    """Cartilage of the sacroiliac and the hip joint (in place); bones are painted over its edges."""
    if plate is None:
        return
    for distance in (plate.sacroiliac, plate.hip_joint):
        cover = painter.canvas.cover(distance)
        painter.cover(plate.region, cover, HU_CARTILAGE, Tissue.DISC, Organ.NONE, Compartment.JOINT)


def _paint_hip(
    painter: Painter, scene: PelvisScene, side: float, plate: HipSolid | None, mean: float, spec: FieldSpec
) -> None:
    """One hip bone; spongy bone is dense in the roof of the cup and thins out to the wing (in place)."""
    if plate is None:
        return
    # the wings are thin and wide: in the coarse surroundings a frame would show stripes of the grid
    soft = painter.canvas.labels is None
    hit = painter.canvas.touched(plate.distance, soft=soft)
    r, a, s = (np.broadcast_to(x, hit.shape)[hit] for x in plate.local)
    cup = np.float32(scene.dim.cup_radius)
    away = scene.hip.from_head(r, a, s) - cup
    roof = np.exp(-np.maximum(away, 0) / np.float32(7 * mm)) * np.clip(s / cup, 0, 1)
    core = np.float32(mean * HIP_FACTOR) * (1 + np.float32(ROOF_GAIN) * roof)
    core = np.clip(core * texture(painter.canvas.grid, plate.region, hit, spec, 1.5), 0.01, 0.8)
    cortex = np.float32(1.1 * mm) + np.float32(0.9 * mm) * np.clip(
        (s - np.float32(60 * mm)) / np.float32(40 * mm), 0, 1
    )
    cortex = cortex - np.float32(0.3 * mm) * np.exp(-np.abs(away) / np.float32(2 * mm))
    own = scene.level == ("HIP_R" if side > 0 else "HIP_L")
    label = Compartment.BODY if own else Compartment.PARAVERTEBRAL
    painter.canvas.paint_bone(plate.region, hit, plate.distance[hit], cortex, core, label, soft=soft)


def _paint_femur(painter: Painter, scene: PelvisScene, side: float, mean: float, spec: FieldSpec) -> None:
    """Head, neck and trochanters with thin, shaft with thick cortex (in place)."""
    shapes = [_on_side(shape, side) for shape in scene.hip.femur()]
    region = painter.canvas.region(shapes, scene.pose)
    if is_empty(region):
        return
    distance = evaluate(shapes, painter.canvas.grid, scene.pose, region, blend=8 * mm, margin=6 * mm)
    r, a, s = scene.pose.to_local(*coordinates(painter.canvas.grid, region))
    away = scene.hip.from_head(np.float32(side) * r, a, s) - np.float32(0.5 * scene.dim.head)
    cortex, share = scene.hip.femur_cortex(s)
    dense = 0.4 + 0.6 * np.exp(-np.maximum(away, 0) / np.float32(12 * mm))
    _put_bone(painter, region, distance, cortex, np.float32(mean * HEAD_FACTOR) * dense * share)
