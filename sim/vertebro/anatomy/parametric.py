"""A generated patient: one osteoporotic vertebra with its neighbours and the trunk around, from published sizes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.anatomy import Anatomy, Landmarks, Pedicle, SpineLevel, Surround
from vertebro.anatomy.assemble import assemble
from vertebro.anatomy.interior import InteriorSettings
from vertebro.anatomy.parametric_canvas import Canvas, Labels
from vertebro.anatomy.parametric_column import Column, build_column
from vertebro.anatomy.parametric_dimensions import LEVELS, SEX_FACTOR, Sex, dimensions
from vertebro.anatomy.parametric_scene import paint_scene
from vertebro.anatomy.parametric_trunk import Trunk, build_trunk
from vertebro.anatomy.parametric_vertebra import BOWL, body_outline, pedicle_axis, pedicle_centre
from vertebro.anatomy.pathology import with_pathology
from vertebro.anatomy.pathology_records import Pathology
from vertebro.errors import CaseError
from vertebro.grid import VoxelGrid
from vertebro.materials.bone import bone_fraction_from_density
from vertebro.tissue import Compartment, Tissue
from vertebro.units import mm

PARAMETRIC_INTERIOR = InteriorSettings(denoise=0.0, k_sigma=0.5)
MARGIN = (11 * mm, 7 * mm, 11 * mm)  # room around the bone on the simulation grid: sides, front, above and below


@dataclass(frozen=True, kw_only=True, slots=True)
class ParametricSpec:
    """What to generate.

    Attributes
    ----------
    level : str
        T10 … L5.
    spacing : float [m]
        Edge of the simulation grid's voxels, 0.4…1.5 mm.
    bone_fraction : float [1], optional
        Mean BV/TV of the body's spongy core, 0.03…0.30; 0.07 is osteoporotic, about 90 HU.
    density : float [kg/m³ = mg/cm³], optional
        Volumetric bone mineral density instead of `bone_fraction`, 33…330; give one of the two.
    variation : float [1]
        Standard deviation of ln BV/TV, 0…0.8.
    correlation_length : float [m]
        Of the trabecular field across the spine; three times as long along it. 1…10 mm.
    sex : {"female", "male", "mean"}
    stature : float [m], optional
        1.3…2.1 m; the mean of the sex when left out.
    seed : int
        The same seed gives the same patient on every grid; not negative.
    surround_spacing : float [m]
        Edge of the surround's voxels, 0.8…3 mm.
    surround_height : float [m]
        Height of the surround, 0.08…0.4 m.
    mirrored : bool
        Left and right exchanged, everything else equal.
    pathology : tuple of pathology records
        Fractures, lesions, cracks (`pathology_records`), applied in order.

    Raises
    ------
    CaseError
        Lists every value out of its range.
    """

    level: str = "L1"
    spacing: float = 0.8e-3
    bone_fraction: float | None = None
    density: float | None = None
    variation: float = 0.30
    correlation_length: float = 1.8e-3
    sex: Sex = "female"
    stature: float | None = None
    seed: int = 0
    surround_spacing: float = 1.0e-3
    surround_height: float = 0.2
    mirrored: bool = False
    pathology: tuple[Pathology, ...] = ()

    def __post_init__(self) -> None:
        wrong = [text for text in map(self._complaint, _RANGES) if text]
        if self.level not in LEVELS:
            wrong.append(f"level = {self.level!r} ({', '.join(LEVELS)})")
        if self.sex not in SEX_FACTOR:
            wrong.append(f"sex = {self.sex!r} ({', '.join(SEX_FACTOR)})")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or self.seed < 0:
            wrong.append(f"seed = {self.seed!r} (an integer >= 0)")
        if self.bone_fraction is not None and self.density is not None:
            wrong.append("bone_fraction and density are both given (give one)")
        if wrong:
            raise CaseError("a vertebra that cannot be built", where="anatomy", value="; ".join(wrong))

    def _complaint(self, name: str) -> str:
        value, (low, high, unit) = getattr(self, name), _RANGES[name]
        if value is None:
            return ""
        numeric = isinstance(value, int | float) and not isinstance(value, bool)
        return "" if numeric and low <= value <= high else f"{name} = {value!r} ({low:g} to {high:g} {unit})"

    @property
    def mean_bone_fraction(self) -> float:
        """Mean BV/TV [1] of the body's core, from whichever of the two was given; 0.07 by default."""
        if self.density is not None:
            return bone_fraction_from_density(self.density)
        return 0.07 if self.bone_fraction is None else self.bone_fraction


_RANGES: dict[str, tuple[float, float, str]] = {
    "spacing": (0.4e-3, 1.5e-3, "m"),
    "bone_fraction": (0.03, 0.30, "1"),
    "density": (33.0, 330.0, "kg/m^3"),
    "variation": (0.0, 0.8, "1"),
    "correlation_length": (1e-3, 10e-3, "m"),
    "stature": (1.3, 2.1, "m"),
    "surround_spacing": (0.8e-3, 3e-3, "m"),
    "surround_height": (0.08, 0.4, "m"),
}


def build_parametric(spec: ParametricSpec | None = None, *, interior: InteriorSettings | None = None) -> Anatomy:
    """Generate a vertebra with its neighbours.

    Parameters
    ----------
    spec : ParametricSpec, optional
        Default: an osteoporotic female L1.
    interior : InteriorSettings, optional
        Default `PARAMETRIC_INTERIOR`: no denoising, ln K varying by 0.5.

    Returns
    -------
    Anatomy
    """
    spec = ParametricSpec() if spec is None else spec
    settings = PARAMETRIC_INTERIOR if interior is None else interior
    if spec.mirrored:
        settings = replace(settings, mirrored=not settings.mirrored)
    column = build_column(spec.level, sex=spec.sex, stature=spec.stature)
    trunk = build_trunk(column, _scale(spec))
    grid = simulation_grid(column, spec.spacing)
    labels = Labels(np.full(grid.shape, Tissue.AIR, np.uint8), np.zeros(grid.shape, np.uint8))
    near, far = Canvas.blank(grid, labels), Canvas.blank(surround_grid(trunk, spec))
    for canvas in (near, far):
        paint_scene(canvas, column, trunk, spec.mean_bone_fraction, spec)
    healthy = assemble(
        level=spec.level,
        grid=grid,
        tissue=labels.tissue,
        compartment=labels.compartment,
        hu=near.hu,
        landmarks=_landmarks(column, trunk),
        surround=Surround(grid=far.grid, hu=np.rint(far.hu).astype(np.int16)),
        patient_from_world=np.eye(4),
        settings=settings,
        seed=spec.seed,
        provenance={"source": "parametric", "spec": _plain(asdict(replace(spec, pathology=())))},
    )
    return with_pathology(healthy, spec.pathology, neighbours=_levels(column))


def _levels(column: Column) -> tuple[SpineLevel, ...]:
    turn = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    return tuple(
        SpineLevel(
            name=bone.level,
            centre=bone.pose.to_world(np.zeros(3)),
            axes=bone.pose.to_world(turn) - bone.pose.to_world(np.zeros(3)),
        )
        for bone in column.bones
    )


def vertebra_label(spec: ParametricSpec) -> tuple[VoxelGrid, NDArray[np.bool_]]:
    """The whole bone of the level, processes included, as a label on a grid of its own (for surfaces and printing).

    Returns
    -------
    grid : VoxelGrid
    label : (nr, na, ns) bool array
    """
    column = build_column(spec.level, sex=spec.sex, stature=spec.stature)
    dim = column.main.dim
    back = -0.5 * dim.depth - dim.reach - 10 * mm
    high = 0.5 * dim.height + 30 * mm
    grid = VoxelGrid.around((-55 * mm, back, -high), (55 * mm, 0.5 * dim.depth + 10 * mm, high), spec.spacing)
    labels = Labels(np.full(grid.shape, Tissue.AIR, np.uint8), np.zeros(grid.shape, np.uint8))
    paint_scene(Canvas.blank(grid, labels), column, build_trunk(column, _scale(spec)), spec.mean_bone_fraction, spec)
    return grid, np.isin(labels.compartment, (Compartment.BODY, Compartment.ARCH))


def simulation_grid(column: Column, spacing: float) -> VoxelGrid:
    """Grid around body, canal, pedicles and laminae of the target, with discs and foramina above and below."""
    dim = column.main.dim
    side = 0.5 * dim.lower_width + MARGIN[0]
    half = 0.5 * dim.height + MARGIN[2]
    back = -0.5 * dim.depth - dim.canal_depth - 12 * mm
    return VoxelGrid.around((-side, back, -half), (side, 0.5 * dim.depth + MARGIN[1], half), spacing)


def surround_grid(trunk: Trunk, spec: ParametricSpec) -> VoxelGrid:
    """Grid around the whole trunk, as high as asked."""
    low = (-trunk.half_width - 8 * mm, trunk.back - 8 * mm, -0.5 * spec.surround_height)
    high = (trunk.half_width + 8 * mm, trunk.back + 2 * trunk.half_depth + 8 * mm, 0.5 * spec.surround_height)
    return VoxelGrid.around(low, high, spec.surround_spacing)


def _scale(spec: ParametricSpec) -> float:
    own = dimensions(spec.level, sex=spec.sex, stature=spec.stature)
    return own.height / dimensions(spec.level).height


def _landmarks(column: Column, trunk: Trunk) -> Landmarks:
    dim = column.main.dim
    outline = body_outline(dim)
    _, radius, _, waist = outline.polar(np.zeros(2), np.array([1.0, -1.0]))
    walls = radius * (1 - waist)
    half = 0.5 * dim.height
    tilt = 0.5 * dim.height * (dim.front_ratio - 1.0) / dim.depth * 0.5 * dim.depth
    back = -0.5 * dim.depth
    left, right = (
        Pedicle(
            centre=pedicle_centre(dim, side),
            axis=pedicle_axis(dim, side),
            half_width=0.5 * dim.pedicle_width,
            half_height=0.5 * dim.pedicle_height,
        )
        for side in (-1.0, 1.0)
    )
    return Landmarks(
        body_half_axes=np.array([0.25 * (dim.upper_width + dim.lower_width), 0.5 * dim.depth, half]),
        anterior_wall=float(walls[0]) - outline.shift,
        posterior_wall=-float(walls[1]) - outline.shift,
        superior_endplate=half + tilt - BOWL,
        inferior_endplate=-half - tilt + BOWL,
        canal_centre=np.array([0.0, back - 0.5 * dim.canal_depth, left.centre[2]]),
        canal_half_axes=np.array([0.5 * dim.canal_width, 0.5 * dim.canal_depth]),
        pedicle_left=left,
        pedicle_right=right,
        spinous_tip=np.array([0.0, back - dim.reach, -dim.drop]),
        posterior_skin=trunk.back,
    )


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {k: float(v) if isinstance(v, float) else v for k, v in values.items() if k != "pathology"}
