"""Paint the generated patient on any grid: trunk, canal, foramina, discs, bones, in that order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.parametric_bone import core_fraction, cortex_thickness
from vertebro.anatomy.parametric_canvas import Canvas
from vertebro.anatomy.parametric_chest import Chest, build_chest, paint_chest
from vertebro.anatomy.parametric_column import (
    Bone,
    Canal,
    Column,
    build_canal,
    disc_shape,
    foramen_shape,
    root_shapes,
)
from vertebro.anatomy.parametric_field import HU_ANNULUS, HU_DURA, HU_EPIDURAL, HU_NUCLEUS, HU_ROOT, FieldSpec, texture
from vertebro.anatomy.parametric_head import paint_head
from vertebro.anatomy.parametric_muscles import paint_muscles, paint_near_fat
from vertebro.anatomy.parametric_neck import paint_neck
from vertebro.anatomy.parametric_neck_vertebra import foramen_holes, uncus_shapes, whole_arch
from vertebro.anatomy.parametric_organs import paint_great_vessels, paint_organs
from vertebro.anatomy.parametric_pelvis_placing import PelvisScene
from vertebro.anatomy.parametric_pelvis_scene import paint_pelvis_below
from vertebro.anatomy.parametric_ribs import Part, build_ribs, paint_ribs
from vertebro.anatomy.parametric_trunk import Trunk, paint_section
from vertebro.anatomy.parametric_vertebra import JOINT_GAP, body_shape
from vertebro.anatomy.shapes import FAR, Shape, Slices, coordinates, crop, evaluate, is_empty, smooth_min
from vertebro.anatomy.vessels import funnel
from vertebro.grid import VoxelGrid
from vertebro.tissue import Compartment, Organ, Tissue
from vertebro.units import cm, mm

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Patient:
    """What is built once and painted on every canvas.

    Attributes
    ----------
    pelvis : PelvisScene
        The column and the pelvis under it.
    trunk : Trunk
    chest : Chest
    canal : Canal
    ribs : list of parts
    """

    pelvis: PelvisScene
    trunk: Trunk
    chest: Chest
    canal: Canal
    ribs: list[Part]

    @property
    def column(self) -> Column:
        """The vertebrae."""
        return self.pelvis.column


def paint_scene(canvases: Sequence[Canvas], pelvis: PelvisScene, trunk: Trunk, mean: float, spec: FieldSpec) -> None:
    """Paint the generated patient on blank canvases (changes them in place).

    A mirrored patient is the patient painted on the mirrored grid, then flipped: symmetric by construction.

    Parameters
    ----------
    pelvis : PelvisScene
        The column and the pelvis under it.
    mean : float [1]
        Mean BV/TV of the spongy cores.
    """
    chest = build_chest(trunk)
    ends = [canvas.grid.extent for canvas in canvases]
    low, high = min(float(x[0, 2]) for x in ends), max(float(x[1, 2]) for x in ends)
    ribs = build_ribs(trunk, chest, pelvis.column, low, high)
    patient = Patient(pelvis, trunk, chest, build_canal(pelvis.column), ribs)
    for canvas in canvases:
        if spec.mirrored:
            _paint(Canvas(_mirror(canvas.grid), canvas.hu, canvas.labels, canvas.organ), patient, mean, spec)
            _flip(canvas)
        else:
            _paint(canvas, patient, mean, spec)


def _paint(canvas: Canvas, patient: Patient, mean: float, spec: FieldSpec) -> None:
    column, trunk, canal = patient.column, patient.trunk, patient.canal
    if column.main.dim.region == "cervical":
        paint_neck(canvas, trunk, column)
    else:
        _paint_trunk(canvas, patient, spec)
    paint_near_fat(canvas, column)
    paint_ribs(canvas, patient.ribs)
    _paint_canal(canvas, patient.pelvis, canal)
    _paint_discs(canvas, column)
    if column.main.dim.region == "cervical":
        paint_head(canvas, column, canal, trunk.scale)
    above: Placed | None = None
    for bone in column.bones:
        above = _paint_vertebra(canvas, bone, above, canal, mean, spec, own=bone is column.main)
    paint_pelvis_below(canvas, patient.pelvis, mean, spec, above.clearance if above is not None else None)


def _paint_trunk(canvas: Canvas, patient: Patient, spec: FieldSpec) -> None:
    """Everything soft around the column, from the outside to the inside (changes the canvas in place)."""
    trunk, column = patient.trunk, patient.column
    cavity = paint_section(canvas, trunk)
    paint_organs(canvas, trunk, cavity, spec.seed)
    paint_chest(canvas, trunk, patient.chest, cavity)
    paint_great_vessels(canvas, trunk, column)
    paint_muscles(canvas, trunk, spec.seed)


def _mirror(grid: VoxelGrid) -> VoxelGrid:
    last = grid.origin[0] + (grid.shape[0] - 1) * grid.spacing[0]
    return VoxelGrid(grid.shape, grid.spacing, (-last, grid.origin[1], grid.origin[2]))


def _flip(canvas: Canvas) -> None:
    """Exchange left and right, names of compartments included (in place)."""
    canvas.hu[...] = canvas.hu[::-1].copy()
    if canvas.organ is not None:
        canvas.organ[...] = canvas.organ[::-1].copy()
    if canvas.labels is None:
        return
    for array in (canvas.labels.tissue, canvas.labels.compartment):
        array[...] = array[::-1].copy()
    place = canvas.labels.compartment
    left, right = place == Compartment.FORAMEN_LEFT, place == Compartment.FORAMEN_RIGHT
    place[left], place[right] = Compartment.FORAMEN_RIGHT, Compartment.FORAMEN_LEFT


def _paint_canal(canvas: Canvas, pelvis: PelvisScene, canal: Canal) -> None:
    """Foramina with their roots, epidural fat, dural sac down to the sacrum (changes the canvas in place)."""
    column = pelvis.column
    for n, (upper, lower) in enumerate(column.links):
        own = n in (column.target - 1, column.target)
        for side in (1.0, -1.0):
            place = Compartment.FORAMEN_RIGHT if side > 0 else Compartment.FORAMEN_LEFT
            place = place if own else Compartment.PARAVERTEBRAL
            canvas.paint([foramen_shape(upper, lower, side)], HU_EPIDURAL, Tissue.EPIDURAL, place)
            canvas.paint(root_shapes(upper, side), HU_ROOT, Tissue.DURA, place, organ=Organ.NERVE)
    region = _canal_region(canvas, column)
    if is_empty(region):
        return
    coords = coordinates(canvas.grid, region)
    below = np.float32(pelvis.sacrum.ends[0] - 1 * mm) - pelvis.bend.pose.to_local(*coords)[2]
    for shrink, hu, tissue in ((0.0, HU_EPIDURAL, Tissue.EPIDURAL), (2.4 * mm, HU_DURA, Tissue.DURA)):
        cover = canvas.cover(np.maximum(canal.distance(*coords, shrink), below))
        canvas.blend(region, cover, hu, tissue, Compartment.CANAL, Organ.CANAL)


def _canal_region(canvas: Canvas, column: Column) -> Slices:
    low, high = canvas.grid.extent
    backs = [b.pose.to_world([0.0, -0.5 * b.dim.depth, 0.0])[1] for b in column.bones]
    return crop(
        canvas.grid,
        np.array([-18 * mm, min(backs) - 34 * mm, low[2]]),
        np.array([18 * mm, max(backs) + 4 * mm, high[2]]),
    )


def _paint_discs(canvas: Canvas, column: Column) -> None:
    for n, (upper, lower) in enumerate(column.links):
        place = {column.target - 1: Compartment.DISC_SUPERIOR, column.target: Compartment.DISC_INFERIOR}.get(
            n, Compartment.PARAVERTEBRAL
        )
        for shrink, hu in ((0.0, HU_ANNULUS), (0.28, HU_NUCLEUS)):
            shape, pose = disc_shape(upper, lower, shrink)
            canvas.paint([shape], hu, Tissue.DISC, place, pose=pose)


@dataclass(frozen=True, slots=True)
class Placed:
    """Signed distance to a painted bone, on its own region of the grid."""

    region: Slices
    distance: Array

    def clearance(self, region: Slices) -> Array:
        """Distance kept from this bone by the next one below, so that joints have a space."""
        keep = np.full([x.stop - x.start for x in region], -FAR, np.float32)
        common = [(max(x.start, y.start), min(x.stop, y.stop)) for x, y in zip(region, self.region, strict=True)]
        if all(low < high for low, high in common):
            here = tuple(slice(lo - x.start, hi - x.start) for (lo, hi), x in zip(common, region, strict=True))
            there = tuple(slice(lo - x.start, hi - x.start) for (lo, hi), x in zip(common, self.region, strict=True))
            keep[here] = np.float32(JOINT_GAP) - self.distance[there]
        return keep


def _paint_vertebra(
    canvas: Canvas, bone: Bone, above: Placed | None, canal: Canal, mean: float, spec: FieldSpec, *, own: bool
) -> Placed | None:
    """One bone with its cortex, spongy core and basivertebral void (changes the canvas in place)."""
    low, high = canvas.grid.extent[:, 2]
    if not low - 6 * cm < bone.pose.s < high + 6 * cm:
        return None
    body_part, ridges = body_shape(bone.dim), uncus_shapes(bone.dim)
    arch = whole_arch(bone.dim, bone.upper, bone.lower)
    region = canvas.region([body_part, *ridges, *arch], bone.pose)
    if is_empty(region):
        return None
    world = coordinates(canvas.grid, region)
    body = evaluate([body_part], canvas.grid, bone.pose, region, margin=8 * mm)
    behind = evaluate(arch, canvas.grid, bone.pose, region, blend=2.5 * mm)
    behind = np.maximum(behind, -canal.distance(*world))
    holes = foramen_holes(bone.dim)
    if holes:
        behind = np.maximum(behind, -evaluate(holes, canvas.grid, bone.pose, region))
    if ridges:
        body = smooth_min(body, _ridges(canvas, bone, ridges, above, region), 2.0 * mm)
    if above is not None:
        behind = np.maximum(behind, above.clearance(region))
    distance = smooth_min(body, behind, 3.0 * mm)
    placed = Placed(region, distance)
    hit = canvas.touched(distance)
    r, a, s = (np.broadcast_to(x, hit.shape)[hit] for x in bone.pose.to_local(*world))
    body, distance = body[hit], distance[hit]
    core = core_fraction(bone.dim, mean, body, a, s) * texture(canvas.grid, region, hit, spec, 3.0)
    core = np.clip(core * (1 - np.float32(0.85) * _void(bone, (r, a, s), canvas.edge)), 0.01, 0.8)
    label: Compartment | NDArray[np.uint8] = Compartment.PARAVERTEBRAL
    if own:
        label = np.where(body < 0.3 * mm, np.uint8(Compartment.BODY), np.uint8(Compartment.ARCH))
    canvas.paint_bone(region, hit, distance, cortex_thickness(bone.dim, body, s), core, label)
    return placed


def _ridges(canvas: Canvas, bone: Bone, ridges: list[Shape], above: Placed | None, region: Slices) -> Array:
    """Uncinate processes, with a slit to the bone above."""
    distance = evaluate(ridges, canvas.grid, bone.pose, region, margin=8 * mm)
    return distance if above is None else np.maximum(distance, above.clearance(region) - np.float32(0.6 * mm))


def _void(bone: Bone, local: tuple[Array, Array, Array], edge: float) -> Array:
    dim = bone.dim
    scale = dim.height / (24 * mm)
    size = (7.8 * mm * scale, 12.4 * mm * scale, 5.4 * mm * scale)
    return funnel(*local, wall=-0.48 * dim.depth, height=0.06 * dim.height, size=size, softness=edge)
