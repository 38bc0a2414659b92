"""A generated pelvis as a target: the sacrum (level "S1") or one hip bone around its acetabulum ("HIP_L", "HIP_R").

**Sacrum.** The world frame is that of S1: s along the normal of its upper endplate, a forward in the median plane,
origin in the middle of its body. The whole bone is BODY (bodies and alae) and ARCH (laminae, crests, upper articular
processes); root canals are FORAMEN_LEFT/RIGHT, the sacroiliac joints JOINT, the lumbosacral disc DISC_SUPERIOR.

**Hip.** The world frame is parallel to the patient's, the anterior iliac spines above the symphysis; its origin lies in
the supra-acetabular bone, `ROOF_HEIGHT` above the roof of the joint. BODY is the hip bone on the grid, JOINT the hip
joint; the femur is a neighbour. There is no canal, no pedicle, no spinous process.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vertebro.anatomy.anatomy import Anatomy, Exit, Landmarks, Pedicle, SpineLevel, Surround
from vertebro.anatomy.assemble import assemble
from vertebro.anatomy.interior import InteriorSettings
from vertebro.anatomy.parametric_canvas import Canvas, Labels
from vertebro.anatomy.parametric_column import build_column
from vertebro.anatomy.parametric_pelvis_dimensions import pelvis_dimensions
from vertebro.anatomy.parametric_pelvis_placing import PelvisScene, build_scene
from vertebro.anatomy.parametric_pelvis_scene import paint_pelvis, paint_pelvis_below
from vertebro.anatomy.parametric_pelvis_soft import skin_distance
from vertebro.anatomy.parametric_sizes import patient_sizes
from vertebro.anatomy.shapes import Pose
from vertebro.grid import VoxelGrid
from vertebro.tissue import Compartment, Tissue
from vertebro.units import deg, mm

if TYPE_CHECKING:
    from vertebro.anatomy.parametric import ParametricSpec

Array = NDArray[Any]
ROOF_HEIGHT = 13 * mm  # of the hip's origin above the roof of the acetabulum
PEDICLE_TURN = 25 * deg  # of the S1 pedicle towards the midline
SURROUND_FACTOR = 1.25  # the pelvis is wide: its picture voxels are larger than a vertebra's
VEIN_DEPTH = 3.6 * mm  # distance of the sacral veins from the walls of the root canals
BODY_REACH = 24 * mm  # the treated part of the hip bone ends this far from its middle


@dataclass(frozen=True, slots=True)
class Placed:
    """A scene with the place of its world frame's origin in the frame it is painted in."""

    scene: PelvisScene
    origin: Array
    side: float

    @property
    def level(self) -> str:
        """The target."""
        return self.scene.level


def build_pelvis(spec: ParametricSpec, settings: InteriorSettings) -> Anatomy:
    """Generate a pelvis with its target (see `build_parametric`, which calls this).

    Veins of the vertebral kind are left out. The sacrum's marrow drains into the veins of the root canals, the hip's
    through its cortex.
    """
    placed = place(spec)
    near_grid = target_grid(placed, spec.spacing)
    far_grid = surround_grid(placed, spec)
    labels = Labels(np.full(near_grid.shape, Tissue.AIR, np.uint8), np.zeros(near_grid.shape, np.uint8))
    organ = np.zeros(far_grid.shape, np.uint8)
    near, far = Canvas.blank(near_grid, labels), Canvas.blank(far_grid, None, organ)
    paint_pelvis(near, placed.scene, spec.mean_bone_fraction, spec)
    _join(labels.compartment)
    paint_pelvis(far, placed.scene, spec.mean_bone_fraction, spec)
    arrays: list[Array] = [labels.tissue, labels.compartment, near.hu, far.hu, organ]
    grids = [_shifted(grid, placed.origin) for grid in (near_grid, far_grid)]
    level, marks, centre = spec.level, _landmarks(placed, labels.compartment, near_grid), placed.origin
    if spec.mirrored:
        arrays, grids = _flipped(arrays), [_mirrored_grid(grid) for grid in grids]
        level, marks = _other_side(level), _mirrored_landmarks(marks)
        centre = centre * np.array([-1.0, 1.0, 1.0])
    anatomy = assemble(
        level=level,
        grid=grids[0],
        tissue=arrays[0],
        compartment=arrays[1],
        hu=arrays[2],
        landmarks=marks,
        surround=Surround(grid=grids[1], hu=np.rint(arrays[3]).astype(np.int16), organ=arrays[4]),
        patient_from_world=_patient_from_world(placed.scene.pose, centre),
        settings=replace(settings, veins=False),
        seed=spec.seed,
        provenance={"source": "parametric", "spec": _plain(asdict(replace(spec, pathology=())))},
    )
    drains = _root_veins(anatomy, settings) if settings.veins and placed.side == 0 else ()
    return replace(anatomy, exits=(*drains, *anatomy.exits), spine=_spine(placed))


def _join(compartment: NDArray[np.uint8]) -> None:
    """Give crumbs of BODY that hang on the arch to the arch (in place)."""
    parts, count = ndimage.label(compartment == Compartment.BODY)
    if count > 1:
        sizes = np.bincount(parts.ravel())
        sizes[0] = 0
        compartment[(parts > 0) & (parts != int(np.argmax(sizes)))] = Compartment.ARCH


def pelvis_label(spec: ParametricSpec) -> tuple[VoxelGrid, NDArray[np.bool_]]:
    """The whole target bone as a label on a grid of its own (for surfaces and printing)."""
    placed = place(spec)
    grid = VoxelGrid.around(*_bone_box(placed), spec.spacing)
    labels = Labels(np.full(grid.shape, Tissue.AIR, np.uint8), np.zeros(grid.shape, np.uint8))
    paint_pelvis_below(Canvas.blank(grid, labels), placed.scene, spec.mean_bone_fraction, spec, None)
    bone = np.isin(labels.compartment, (Compartment.BODY, Compartment.ARCH))
    if spec.mirrored:
        return _mirrored_grid(_shifted(grid, placed.origin)), bone[::-1]
    return _shifted(grid, placed.origin), bone


def _bone_box(placed: Placed) -> tuple[Array, Array]:
    """Corners of a box around the whole target bone, in the painting frame."""
    scene, margin = placed.scene, 4 * mm
    if placed.side == 0:
        mass, more = scene.sacrum.mass(), scene.sacrum.additions()
        ends = np.min([x.low for x in (mass, *more)], axis=0), np.max([x.high for x in (mass, *more)], axis=0)
        low, high = scene.bend.box(*ends)
        return low - margin, high + margin
    shapes = [scene.hip.ilium(), *scene.hip.solids()]
    low, high = np.min([x.low for x in shapes], axis=0) - margin, np.max([x.high for x in shapes], axis=0) + margin
    edges = np.sort(placed.side * np.array([low[0], high[0]]))
    return np.array([edges[0], low[1], low[2]]), np.array([edges[1], high[1], high[2]])


def place(spec: ParametricSpec) -> Placed:
    """The scene of a spec and where its world frame lies."""
    dim = pelvis_dimensions(sex=spec.sex, stature=spec.stature, seed=spec.seed, size_variation=spec.size_variation)
    sizes = patient_sizes(
        sex=spec.sex,
        stature=spec.stature,
        seed=spec.seed,
        size_variation=spec.size_variation,
        overrides=spec.dimensions,
    )
    column = build_column("L5", sex=spec.sex, stature=spec.stature, sizes=sizes)
    scene = build_scene(spec.level, dim, column)
    if spec.level == "S1":
        return Placed(scene, np.zeros(3), 0.0)
    side = 1.0 if spec.level == "HIP_R" else -1.0
    return Placed(scene, np.array([0.5 * side * dim.hip_distance, 1 * mm, dim.cup_radius + ROOF_HEIGHT]), side)


def target_grid(placed: Placed, spacing: float) -> VoxelGrid:
    """Simulation grid in the painting frame: S1 to S3 with both joints, or the bone around one acetabulum."""
    dim, sacrum = placed.scene.dim, placed.scene.sacrum
    if placed.side == 0:
        half = 0.5 * dim.sacral_width + 11 * mm
        end = placed.scene.bend.to_world([[0.0, 12 * mm, sacrum.ends[3]], [0.0, -12 * mm, sacrum.ends[3]]])
        front = max(0.5 * dim.s1_depth + 8 * mm, float(end[0, 1]) + 4 * mm)
        back = float(sacrum.back(np.array(0.0))) - 14 * mm
        low = float(end[:, 2].min()) - 3 * mm
        return VoxelGrid.around((-half, back, low), (half, front, sacrum.ends[0] + 17 * mm), spacing)
    reach, medial, lateral = dim.cup_radius + 24 * mm, dim.cup_radius + 17 * mm, dim.cup_radius + 14 * mm
    edges = np.sort(placed.origin[0] + placed.side * np.array([-medial, lateral]))
    corner = (float(edges[0]), -reach, -dim.cup_radius - 12 * mm)
    return VoxelGrid.around(corner, (edges[1], reach, placed.origin[2] + 36 * mm), spacing)


def surround_grid(placed: Placed, spec: ParametricSpec) -> VoxelGrid:
    """Picture grid in the painting frame, around the whole pelvis."""
    half = 0.5 * spec.surround_height
    width = 186 * mm * placed.scene.scale
    if placed.side == 0:
        half = max(half, 150 * mm)
        low, high = np.array([-width, -185 * mm, -half]), np.array([width, 175 * mm, half])
    else:
        half = max(half, 120 * mm)
        middle = placed.origin[2]
        low, high = np.array([-width, -148 * mm, middle - half]), np.array([width, 120 * mm, middle + half])
    return VoxelGrid.around(low, high, SURROUND_FACTOR * spec.surround_spacing)


def _shifted(grid: VoxelGrid, origin: Array) -> VoxelGrid:
    return VoxelGrid(grid.shape, grid.spacing, tuple((np.array(grid.origin) - origin).tolist()))


def _mirrored_grid(grid: VoxelGrid) -> VoxelGrid:
    last = grid.origin[0] + (grid.shape[0] - 1) * grid.spacing[0]
    return VoxelGrid(grid.shape, grid.spacing, (-last, grid.origin[1], grid.origin[2]))


def _flipped(arrays: list[Array]) -> list[Array]:
    """Arrays with left and right exchanged, the second one's foramina renamed."""
    out = [np.ascontiguousarray(array[::-1]) for array in arrays]
    left, right = out[1] == Compartment.FORAMEN_LEFT, out[1] == Compartment.FORAMEN_RIGHT
    out[1][left], out[1][right] = Compartment.FORAMEN_RIGHT, Compartment.FORAMEN_LEFT
    return out


def _other_side(level: str) -> str:
    return {"HIP_L": "HIP_R", "HIP_R": "HIP_L"}.get(level, level)


def _mirrored_landmarks(marks: Landmarks) -> Landmarks:
    """Only the midline has a side: the sacrum is symmetric."""
    return replace(marks, midline=-marks.midline)


def _patient_from_world(pose: Pose, origin: Array) -> NDArray[np.float64]:
    """Rigid transform (4, 4) to the patient's frame: the pelvis upright, origin between the hips."""
    out = np.eye(4)
    points = np.stack([pose.from_world(origin + np.eye(3)[n]) for n in range(3)], axis=1)
    middle = pose.from_world(origin)
    out[:3, :3], out[:3, 3] = points - middle[:, None], middle
    return out


def _spine(placed: Placed) -> tuple[SpineLevel, ...]:
    """The lumbar vertebrae of the scene and the sacrum."""
    rows = [(bone.level, bone.pose) for bone in placed.scene.column.bones]
    rows.append(("S1", placed.scene.bend.pose))
    return tuple(
        SpineLevel(name=name, centre=pose.to_world(np.zeros(3)) - placed.origin, axes=_axes(pose))
        for name, pose in rows
    )


def _axes(pose: Pose) -> Array:
    origin = pose.to_world(np.zeros(3))
    return np.stack([pose.to_world(np.eye(3)[n]) - origin for n in range(3)])


def _landmarks(placed: Placed, compartment: NDArray[np.uint8], grid: VoxelGrid) -> Landmarks:
    skin = _skin_behind(placed)
    return _sacral_landmarks(placed, skin) if placed.side == 0 else _hip_landmarks(placed, compartment, grid, skin)


def _skin_behind(placed: Placed) -> float:
    """a-coordinate [m] of the skin straight behind the origin, in the world frame."""
    a = np.arange(-0.02, -0.25, -0.25e-3)
    points = placed.scene.pose.from_world(placed.origin + np.stack([0 * a, a, 0 * a], axis=1))
    r, x, s = (v[:, None, None] for v in points.T.astype(np.float32))
    outside = skin_distance(r, x, s, placed.scene.scale).ravel() > 0
    return float(a[int(np.argmax(outside))])


def _sacral_landmarks(placed: Placed, skin: float) -> Landmarks:
    sacrum, dim = placed.scene.sacrum, placed.scene.dim
    middle = np.array(0.0)
    depth, (canal, width, half) = float(sacrum.half_depth(middle)), sacrum.canal(middle)
    floor, roof = sacrum.ends[1] + 0.5 * dim.foramen_1 + 1.5 * mm, sacrum.ends[0] - 3 * mm
    size = 9 * mm
    left, right = (
        Pedicle(
            centre=np.array([side * (float(width) + size + 1 * mm), -depth - 3 * mm, 0.5 * (floor + roof)]),
            axis=np.array([-side * np.sin(PEDICLE_TURN), np.cos(PEDICLE_TURN), 0.0]),
            half_width=size,
            half_height=0.5 * (roof - floor),
        )
        for side in (-1.0, 1.0)
    )
    crest = sacrum.additions()[0]
    return Landmarks(
        body_half_axes=0.5 * np.array([dim.s1_width, dim.s1_depth, dim.s1_height]),
        anterior_wall=depth,
        posterior_wall=-depth,
        superior_endplate=sacrum.ends[0] - 1.5 * mm,
        inferior_endplate=sacrum.ends[1],
        canal_centre=np.array([0.0, float(canal), 0.0]),
        canal_half_axes=np.array([float(width), float(half)]),
        pedicle_left=left,
        pedicle_right=right,
        spinous_tip=np.array([0.0, float(crest.low[1]), 0.5 * float(crest.low[2] + crest.high[2])]),
        posterior_skin=skin,
    )


def _hip_landmarks(placed: Placed, compartment: NDArray[np.uint8], grid: VoxelGrid, skin: float) -> Landmarks:
    """Extents of the bone along the three axes through the origin, at most `BODY_REACH` away."""
    bone = compartment == Compartment.BODY
    i, j, k = grid.nearest(placed.origin)
    reach = [
        _reach(line, at, h)
        for line, at, h in zip((bone[:, j, k], bone[i, :, k], bone[i, j]), (i, j, k), grid.spacing, strict=True)
    ]
    (left, right), (back, front), (down, up) = reach
    return Landmarks(
        body_half_axes=np.array([0.5 * (left + right), 0.5 * (back + front), 0.5 * (down + up)]),
        anterior_wall=front,
        posterior_wall=-back,
        superior_endplate=up,
        inferior_endplate=-down,
        canal_centre=None,
        canal_half_axes=None,
        pedicle_left=None,
        pedicle_right=None,
        spinous_tip=None,
        posterior_skin=skin,
        midline=-float(placed.origin[0]),
    )


def _reach(line: NDArray[np.bool_], at: int, step: float) -> tuple[float, float]:
    """Length [m] of bone on both sides of a voxel of a line."""
    before, after = line[:at][::-1], line[at + 1 :]
    counts = [int(np.argmin(np.append(part, False))) for part in (before, after)]
    return min((counts[0] + 0.5) * step, BODY_REACH), min((counts[1] + 0.5) * step, BODY_REACH)


def _root_veins(anatomy: Anatomy, settings: InteriorSettings) -> tuple[Exit, ...]:
    """Sacral veins in the middle of the root canals: epidural cells at least `VEIN_DEPTH` from bone."""
    bone = anatomy.bone
    deep = ndimage.distance_transform_edt(~bone, sampling=anatomy.grid.spacing) > VEIN_DEPTH
    deep[[0, -1]] = deep[:, [0, -1]] = deep[:, :, [0, -1]] = False
    pressure, out = float(settings.venous_pressure), []
    for name, side in (("left", Compartment.FORAMEN_LEFT), ("right", Compartment.FORAMEN_RIGHT)):
        cells = np.argwhere(deep & (anatomy.compartment == side) & (anatomy.tissue == Tissue.EPIDURAL))
        if len(cells):
            out.append(Exit(name=f"sacral veins, {name}", route=f"foramen_{name}", cells=cells, pressure=pressure))
    return tuple(out)


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {k: float(v) if isinstance(v, float) else v for k, v in values.items()}
