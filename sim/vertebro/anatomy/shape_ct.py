"""A synthetic CT around given bone shapes: the generated trunk, its vertebra taken out and the real shape put in."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vertebro.anatomy.anatomy import Surround
from vertebro.anatomy.canal import on_grid
from vertebro.anatomy.compartments import Bones, disc
from vertebro.anatomy.ct_job import Job, bone_distance
from vertebro.anatomy.frame import Scout, wall_line
from vertebro.anatomy.landmarks_from_labels import measure_landmarks
from vertebro.anatomy.painted import Painted
from vertebro.anatomy.parametric import ParametricSpec, build_surround, vertebra_label
from vertebro.anatomy.parametric_bone import core_fraction, cortex_thickness
from vertebro.anatomy.parametric_canvas import Canvas
from vertebro.anatomy.parametric_dimensions import MEAN_STATURE, STATURE_EXPONENT, Dimensions, dimensions
from vertebro.anatomy.random_field import normal_field
from vertebro.anatomy.resampling import resample, resample_hu
from vertebro.anatomy.shapes import crop
from vertebro.anatomy.volumes import Volume
from vertebro.errors import CaseError
from vertebro.grid import VoxelGrid
from vertebro.units import mm

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
SPACING = 1.0 * mm
TRUNK_SPACING = 1.5 * mm
AIR_HU = -1000.0
HEIGHT = 210 * mm
MUSCLE_HU, DISC_HU, EPIDURAL_HU, DURA_HU = 52.0, 85.0, -70.0, 18.0
CARVE_HU = 130.0  # generated bone brighter than this gives way to given neighbours
STATURES = (1.3, 2.1)
_COLUMN = np.array([[-66.0, -98.0, -1000.0], [66.0, 42.0, 1000.0]]) * mm  # box of the bones; they give way there
_DISCS = np.array([[-66.0, -98.0, -46.0], [66.0, 42.0, 46.0]]) * mm  # box of the level's own discs and canal


@dataclass(frozen=True, kw_only=True, slots=True)
class ShapeInterior:
    """What the synthetic bone is like.

    Attributes
    ----------
    bone_fraction : float [1]
        Mean BV/TV of the body's spongy core, 0.03…0.30; 0.08 is osteoporotic.
    variation : float [1]
        Standard deviation of ln BV/TV, 0…0.8.
    correlation_length : float [m]
        Across the spine; three times as long along it. 1…10 mm.

    Raises
    ------
    CaseError
        If a value is out of its range.
    """

    bone_fraction: float = 0.08
    variation: float = 0.30
    correlation_length: float = 1.8e-3

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise CaseError("synthetic bone", where=name, value=value, allowed=f"{low:g} to {high:g}")

    def to_dict(self) -> dict[str, float]:
        """Plain JSON values."""
        return {name: float(value) for name, value in asdict(self).items()}


_RANGES = {"bone_fraction": (0.03, 0.30), "variation": (0.0, 0.8), "correlation_length": (1e-3, 10e-3)}


def paint_ct(job: Job, own: Volume, scout: Scout, interior: ShapeInterior, seed: int) -> Painted:
    """CT numbers around the shapes, along the vertebra's own axes.

    Parameters
    ----------
    job : Job
        With the label map; its CT is not looked at.
    own : Volume
        Signed distance to the level's bone [m].
    scout : Scout
    interior : ShapeInterior
    seed : int
        Of the trunk and the texture.
    """
    marks = measure_landmarks(scout, posterior_skin=float(scout.grid.extent[0, 1]))
    height = marks.superior_endplate - marks.inferior_endplate
    depth = marks.anterior_wall - marks.posterior_wall
    spec = _spec(job.level, height, interior, seed)
    whole, picture = _trunk(spec)
    canvas = _part(Canvas(whole, picture, None), *_COLUMN)  # a view: only the column changes
    distance = _distances(job, own, canvas.grid, scout.ras_from_world)
    _carve(canvas, distance, spec)
    _paint_soft(canvas, job, distance, scout)
    mean = dimensions(job.level)
    for name, field in distance.items():
        if np.any(field < 0):
            _paint_bone(canvas, field, scout, (mean, height, depth), interior, seed, own=name == job.number)
    affine = scout.ras_from_world @ whole.world_from_voxel
    hu = np.rint(picture).astype(np.int16)
    ct = Volume(data=hu, ras_from_voxel=affine, name=f"synthetic CT around {job.labels.name}", digest="")
    return Painted(ct=ct, surround=Surround(grid=whole, hu=hu), landmarks=marks)


def _trunk(spec: ParametricSpec) -> tuple[VoxelGrid, NDArray[np.float32]]:
    """The generated patient, painted coarsely and interpolated: only the bones put in later need fine voxels."""
    coarse = build_surround(spec)
    low, high = coarse.grid.extent
    grid = VoxelGrid.around(low, high, SPACING)
    source = Volume(data=coarse.hu, ras_from_voxel=coarse.grid.world_from_voxel, name="generated trunk", digest="")
    return grid, resample_hu(source, grid, np.eye(4), AIR_HU).astype(np.float32)


def _part(canvas: Canvas, low: Floats, high: Floats) -> Canvas:
    """A box of a canvas as a canvas of its own that shares its CT numbers."""
    box = crop(canvas.grid, low, high)
    shape = tuple(x.stop - x.start for x in box)
    origin = tuple(canvas.grid.world([x.start for x in box]).tolist())
    return Canvas(VoxelGrid(shape, canvas.grid.spacing, origin), canvas.hu[box], None)  # type: ignore[arg-type]


def _spec(level: str, height: float, interior: ShapeInterior, seed: int) -> ParametricSpec:
    """The generated patient whose vertebra is about as high, so that the neighbours keep a disc's distance."""
    factor = height / dimensions(level).height
    stature = float(np.clip(MEAN_STATURE["mean"] * factor ** (1 / STATURE_EXPONENT), *STATURES))
    return ParametricSpec(
        level=level,
        spacing=1.5 * mm,
        bone_fraction=interior.bone_fraction,
        variation=interior.variation,
        correlation_length=interior.correlation_length,
        sex="mean",
        stature=stature,
        seed=seed,
        surround_spacing=TRUNK_SPACING,
        surround_height=HEIGHT,
    )


def _distances(job: Job, own: Volume, grid: VoxelGrid, frame: Floats) -> dict[int, NDArray[np.float32]]:
    """Signed distance [m] to the level and to every other labelled vertebra in the picture; the level last."""
    present = sorted({int(n) for n in np.unique(job.labels.data)} & job.bone_ids - {job.number})
    fields = {n: job.field(bone_distance(job, n), grid, frame) for n in present}
    return {n: field for n, field in fields.items() if np.any(field < 0)} | {job.number: job.field(own, grid, frame)}


def _carve(canvas: Canvas, distance: dict[int, NDArray[np.float32]], spec: ParametricSpec) -> None:
    """Take the generated bones out where given ones come (changes the canvas)."""
    grid, label = vertebra_label(spec)
    source = Volume(
        data=ndimage.binary_dilation(label, iterations=1).astype(np.float32),
        ras_from_voxel=grid.world_from_voxel,
        name="generated vertebra",
        digest="",
    )
    gone = resample(source, canvas.grid, np.eye(4), mode="constant") > 0.3
    if len(distance) > 1:
        solid = np.any([field < 0 for field in distance.values()], axis=0)
        _, _, s = np.nonzero(solid)
        rows = slice(int(s.min()), int(s.max()) + 1)
        gone[:, :, rows] |= ndimage.binary_dilation(canvas.hu[:, :, rows] > CARVE_HU, iterations=1)
    canvas.hu[gone] = MUSCLE_HU


def _paint_soft(canvas: Canvas, job: Job, distance: dict[int, NDArray[np.float32]], scout: Scout) -> None:
    """Canal and discs of the level from the shapes (changes the canvas)."""
    whole, canvas = canvas.grid, _part(canvas, *_DISCS)
    box, grid = crop(whole, *_DISCS), canvas.grid
    bone = distance[job.number][box] < 0
    wall = np.interp(grid.axes()[2], scout.grid.axes()[2], wall_line(scout.tube, scout.grid))
    _, a, _ = grid.open_mesh()
    body = bone & (a > wall[None, None, :])
    nothing = np.zeros(grid.shape, bool)
    above, below = (distance[n][box] < 0 if n in distance else nothing for n in (job.above, job.below))
    bones = Bones(body=body, arch=bone & ~body, above=above, below=below, others=nothing, holes=nothing)
    for neighbour, upward in ((above, True), (below, False)):
        canvas.hu[disc(bones, neighbour, wall, grid, upward=upward)] = DISC_HU
    tube = on_grid(scout.tube, scout.grid, grid)
    inner = float(np.clip(1 - 2.4 * mm / tube.half.mean(), 0.3, 1.0))
    for scale, hu in ((1.0, EPIDURAL_HU), (inner, DURA_HU)):
        canvas.hu[tube.mask(grid, scale) & (a < wall[None, None, :] + 1.0 * mm)] = hu


def _paint_bone(
    canvas: Canvas,
    distance: NDArray[np.float32],
    scout: Scout,
    size: tuple[Dimensions, float, float],
    interior: ShapeInterior,
    seed: int,
    *,
    own: bool,
) -> None:
    """Cortex and spongy core of one bone (changes the canvas).

    The pattern is the mean vertebra's, stretched to this one's height and depth; a neighbour has no regional pattern.
    """
    hit = canvas.touched(distance)
    box = ndimage.find_objects(hit.astype(np.uint8))[0]
    hit = hit[box]
    mean, height, depth = size
    _, a, s = (np.broadcast_to(x, canvas.grid.shape)[box][hit].astype(np.float32) for x in canvas.grid.open_mesh())
    behind = _behind(scout, canvas.grid, a, box, hit)  # 0 in the body, grows into the arch
    if not own:
        s = np.zeros_like(s)
    a, s = a * np.float32(mean.depth / depth), s * np.float32(mean.height / height)
    core = core_fraction(mean, interior.bone_fraction, behind, a, s) * _texture(canvas.grid, box, hit, interior, seed)
    cortex = cortex_thickness(mean, behind, s)
    canvas.paint_bone(box, hit, distance[box][hit], cortex, np.clip(core, 0.01, 0.8))


def _behind(scout: Scout, grid: VoxelGrid, a: Any, box: Any, hit: Bools) -> Any:
    """Distance [m] behind the posterior wall, negative in the body; stands for the distance to the body."""
    wall = np.interp(grid.axes()[2], scout.grid.axes()[2], wall_line(scout.tube, scout.grid)).astype(np.float32)
    plane = np.broadcast_to(wall[None, None, box[2]], hit.shape)[hit]
    return np.asarray(plane - a)


def _texture(grid: VoxelGrid, box: Any, hit: Bools, interior: ShapeInterior, seed: int) -> Any:
    """Log-normal factor with mean 1, longer along the spine."""
    shape = tuple(x.stop - x.start for x in box)
    part = VoxelGrid(shape, grid.spacing, tuple(grid.world([x.start for x in box]).tolist()))  # type: ignore[arg-type]
    length = interior.correlation_length
    field = normal_field(part, seed=seed, correlation_length=(length, length, 3 * length))
    sigma = np.float32(interior.variation)
    return np.exp(sigma * field[hit] - sigma * sigma / 2)
