"""A generated patient: one osteoporotic vertebra with its neighbours and the trunk around, from published sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.anatomy import Anatomy, Landmarks, Pedicle, SpineLevel, Surround
from vertebro.anatomy.assemble import assemble
from vertebro.anatomy.interior import InteriorSettings
from vertebro.anatomy.parametric_canvas import Canvas, Labels
from vertebro.anatomy.parametric_column import Column, build_column
from vertebro.anatomy.parametric_dimensions import LEVELS, SEX_FACTOR, Sex, body_factor
from vertebro.anatomy.parametric_neck import neck_box, neck_skin
from vertebro.anatomy.parametric_pelvis import build_pelvis, pelvis_label
from vertebro.anatomy.parametric_pelvis_dimensions import PELVIC_LEVELS, pelvis_dimensions
from vertebro.anatomy.parametric_pelvis_placing import PelvisScene, pelvis_under
from vertebro.anatomy.parametric_scene import paint_scene
from vertebro.anatomy.parametric_sizes import override_complaint, patient_sizes, qualified
from vertebro.anatomy.parametric_trunk import Trunk, build_trunk
from vertebro.anatomy.parametric_vertebra import body_outline, bowl_depth, pedicle_axis, pedicle_centre
from vertebro.anatomy.pathology import with_pathology
from vertebro.anatomy.pathology_records import Pathology
from vertebro.errors import CaseError
from vertebro.grid import VoxelGrid
from vertebro.materials.bone import T_SCORES, mean_bone_fraction
from vertebro.tissue import Compartment, Tissue
from vertebro.units import mm

PARAMETRIC_INTERIOR = InteriorSettings(denoise=0.0, k_sigma=0.5, thickness_sigma=0.1, shell_from_hu=0.0)
MARGIN = (11 * mm, 7 * mm, 11 * mm)  # room around the bone on the simulation grid: sides, front, above and below


@dataclass(frozen=True, kw_only=True, slots=True)
class ParametricSpec:
    """What to generate.

    Attributes
    ----------
    level : str
        C6, T4 … L5, S1 (the sacrum), HIP_L or HIP_R (a hip bone around its acetabulum).
    spacing : float [m]
        Edge of the simulation grid's voxels, 0.4…1.5 mm.
    bone_fraction : float [1], optional
        Mean BV/TV of the body's spongy core, 0.03…0.35; 0.07 is osteoporotic, about 90 HU.
    density : float [kg/m³ = mg/cm³], optional
        Volumetric bone mineral density, 33…330. Give one of bone_fraction, density, t_score, hu.
    t_score : float [1], optional
        On the scale of DXA, −4.2…3; −2.5 is 80 mg/cm³.
    hu : float [HU], optional
        Mean CT number of the core, 15…510.
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
    dimensions : mapping of str to float
        Sizes by name in SI instead of the published means (`parametric_dimensions.NAMES`); a bare name means this
        level, ``"L2.disc"`` another one of the same patient. Within four standard deviations of the mean.
    size_variation : float [1]
        Standard deviations by which the seed varies the sizes, 0…2; 0 is the mean patient.
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
    t_score: float | None = None
    hu: float | None = None
    variation: float = 0.30
    correlation_length: float = 1.8e-3
    sex: Sex = "female"
    stature: float | None = None
    seed: int = 0
    surround_spacing: float = 1.0e-3
    surround_height: float = 0.2
    mirrored: bool = False
    dimensions: Mapping[str, float] = field(default_factory=dict)
    size_variation: float = 0.0
    pathology: tuple[Pathology, ...] = ()

    def __post_init__(self) -> None:
        wrong = [text for text in map(self._complaint, _RANGES) if text]
        if self.level not in (*LEVELS, *PELVIC_LEVELS):
            wrong.append(f"level = {self.level!r} ({', '.join((*LEVELS, *PELVIC_LEVELS))})")
        if self.sex not in SEX_FACTOR:
            wrong.append(f"sex = {self.sex!r} ({', '.join(SEX_FACTOR)})")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or self.seed < 0:
            wrong.append(f"seed = {self.seed!r} (an integer >= 0)")
        given = [name for name in _DENSITIES if getattr(self, name) is not None]
        if len(given) > 1:
            wrong.append(f"{' and '.join(given)} are both given (give one)")
        wrong += [
            text for key, value in self.dimensions.items() if (text := override_complaint(self.level, key, value))
        ]
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
        """Mean BV/TV [1] of the body's core, from whichever measure of density was given; 0.07 by default."""
        return mean_bone_fraction(**{name: getattr(self, name) for name in _DENSITIES})


FAR_ENOUGH = 2.0  # m; a scene that holds the whole spine
_DENSITIES = ("bone_fraction", "density", "t_score", "hu")
_RANGES: dict[str, tuple[float, float, str]] = {
    "spacing": (0.4e-3, 1.5e-3, "m"),
    "bone_fraction": (0.03, 0.35, "1"),
    "density": (33.0, 330.0, "kg/m^3"),
    "t_score": (*T_SCORES, "1"),
    "hu": (15.0, 510.0, "HU"),
    "variation": (0.0, 0.8, "1"),
    "correlation_length": (1e-3, 10e-3, "m"),
    "stature": (1.3, 2.1, "m"),
    "surround_spacing": (0.8e-3, 3e-3, "m"),
    "surround_height": (0.08, 0.4, "m"),
    "size_variation": (0.0, 2.0, "1"),
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
    if spec.level in PELVIC_LEVELS:
        return with_pathology(build_pelvis(spec, settings), spec.pathology)
    pelvis = _patient(spec)
    column = pelvis.column
    trunk = build_trunk(column, body_factor(spec.sex, spec.stature))
    grid = simulation_grid(column, spec.spacing)
    labels = Labels(np.full(grid.shape, Tissue.AIR, np.uint8), np.zeros(grid.shape, np.uint8))
    far = _wide_canvas(column, trunk, spec)
    near = Canvas.blank(grid, labels)
    paint_scene((near, far), pelvis, trunk, spec.mean_bone_fraction, spec)
    healthy = assemble(
        level=spec.level,
        grid=grid,
        tissue=labels.tissue,
        compartment=labels.compartment,
        hu=near.hu,
        landmarks=_landmarks(column, trunk),
        surround=_as_surround(far),
        patient_from_world=column.patient_from_world,
        settings=settings,
        seed=spec.seed,
        provenance={"source": "parametric", "spec": _plain(asdict(replace(spec, pathology=())))},
    )
    healthy = replace(healthy, spine=_spine(column, spec.surround_height))
    return with_pathology(healthy, spec.pathology, neighbours=_spine(column, FAR_ENOUGH))


def build_surround(spec: ParametricSpec) -> Surround:
    """The generated patient's pictures alone, without a simulation grid: a fraction of `build_parametric`'s time."""
    pelvis = _patient(spec)
    trunk = build_trunk(pelvis.column, body_factor(spec.sex, spec.stature))
    far = _wide_canvas(pelvis.column, trunk, spec)
    paint_scene((far,), pelvis, trunk, spec.mean_bone_fraction, spec)
    return _as_surround(far)


def _wide_canvas(column: Column, trunk: Trunk, spec: ParametricSpec) -> Canvas:
    grid = surround_grid(column, trunk, spec)
    return Canvas.blank(grid, None, np.zeros(grid.shape, np.uint8))


def _as_surround(canvas: Canvas) -> Surround:
    return Surround(grid=canvas.grid, hu=np.rint(canvas.hu).astype(np.int16), organ=canvas.organ)


def build_stack(
    spec: ParametricSpec | None = None,
    levels: Sequence[str] = ("L1", "L3"),
    *,
    interior: InteriorSettings | None = None,
) -> dict[str, Anatomy]:
    """Generate several levels of one patient as one scene.

    Parameters
    ----------
    spec : ParametricSpec, optional
        The patient; its `level` only says which level bare names in `dimensions` mean.
    levels : sequence of str
        Each becomes an anatomy on a grid along its own axes; `Anatomy.patient_from_world` leads from each into the
        one patient frame they share.
    interior : InteriorSettings, optional

    Returns
    -------
    dict of Anatomy
        By level, in the order asked for. Every one carries its own surround of the same patient.

    Raises
    ------
    CaseError
        If a level is unknown, twice there, or none is asked for.
    """
    spec = ParametricSpec() if spec is None else spec
    if not levels or len(set(levels)) != len(levels):
        raise CaseError("a stack needs levels, each once", where="levels", value=tuple(levels), hint='("L1", "L3")')
    shared = qualified(spec.level, spec.dimensions)
    return {x: build_parametric(replace(spec, level=x, dimensions=shared), interior=interior) for x in levels}


def vertebra_label(spec: ParametricSpec) -> tuple[VoxelGrid, NDArray[np.bool_]]:
    """The whole bone of the level, processes included, as a label on a grid of its own (for surfaces and printing).

    Returns
    -------
    grid : VoxelGrid
    label : (nr, na, ns) bool array
    """
    if spec.level in PELVIC_LEVELS:
        return pelvis_label(spec)
    grid, labels = whole_bone(spec)
    return grid, np.isin(labels.compartment, (Compartment.BODY, Compartment.ARCH))


def whole_bone(spec: ParametricSpec) -> tuple[VoxelGrid, Labels]:
    """Labels on a grid that holds the whole bone of the level, processes included."""
    pelvis = _patient(spec)
    column = pelvis.column
    dim = column.main.dim
    back = -0.5 * dim.depth - dim.reach - 10 * mm
    side = 0.5 * max(dim.process_width, dim.lower_width) + 8 * mm
    high, low = 0.5 * dim.height + 16 * mm, 0.5 * dim.height + max(dim.drop, 12 * mm) + 10 * mm
    grid = VoxelGrid.around((-side, back, -low), (side, 0.5 * dim.depth + 10 * mm, high), spec.spacing)
    labels = Labels(np.full(grid.shape, Tissue.AIR, np.uint8), np.zeros(grid.shape, np.uint8))
    trunk = build_trunk(column, body_factor(spec.sex, spec.stature))
    paint_scene([Canvas.blank(grid, labels)], pelvis, trunk, spec.mean_bone_fraction, spec)
    return grid, labels


def _patient(spec: ParametricSpec) -> PelvisScene:
    """Column and pelvis in the frame of the target."""
    sizes = patient_sizes(
        sex=spec.sex,
        stature=spec.stature,
        seed=spec.seed,
        size_variation=spec.size_variation,
        overrides=qualified(spec.level, spec.dimensions),
    )
    column = build_column(spec.level, sex=spec.sex, stature=spec.stature, sizes=sizes)
    dim = pelvis_dimensions(sex=spec.sex, stature=spec.stature, seed=spec.seed, size_variation=spec.size_variation)
    return pelvis_under(column, dim)


def _spine(column: Column, height: float) -> tuple[SpineLevel, ...]:
    """The vertebrae whose bodies lie in the scene."""
    return tuple(
        SpineLevel(
            name=b.level,
            centre=b.pose.to_world([0.0, 0.0, 0.0]),
            axes=b.pose.to_world(np.eye(3)) - b.pose.to_world(np.zeros(3)),
        )
        for b in column.bones
        if abs(b.pose.s) < 0.5 * height + 0.5 * b.dim.height
    )


def simulation_grid(column: Column, spacing: float) -> VoxelGrid:
    """Grid around body, canal, pedicles and laminae of the target, with discs and foramina above and below."""
    dim = column.main.dim
    side = 0.5 * dim.lower_width + MARGIN[0]
    half = 0.5 * dim.height + MARGIN[2]
    back = -0.5 * dim.depth - dim.canal_depth - 12 * mm
    return VoxelGrid.around((-side, back, -half), (side, 0.5 * dim.depth + MARGIN[1], half), spacing)


def surround_grid(column: Column, trunk: Trunk, spec: ParametricSpec) -> VoxelGrid:
    """Grid around the whole trunk or neck, as high as asked."""
    half = 0.5 * spec.surround_height
    if column.main.dim.region == "cervical":
        return VoxelGrid.around(*neck_box(trunk, -half, half), spec.surround_spacing)
    low = np.array([-trunk.half_width - 8 * mm, trunk.back - 8 * mm])
    high = np.array([trunk.half_width + 8 * mm, trunk.back + 2 * trunk.half_depth + 8 * mm])
    ends = [trunk.front_and_back(s) for s in np.linspace(-half, half, 9)]
    low[1], high[1] = min(x[0] for x in ends) - 8 * mm, max(x[1] for x in ends) + 8 * mm
    return VoxelGrid.around((*low, -half), (*high, half), spec.surround_spacing)


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
        superior_endplate=half + tilt - bowl_depth(dim),
        inferior_endplate=-half - tilt + bowl_depth(dim),
        canal_centre=np.array([0.0, back - 0.5 * dim.canal_depth, left.centre[2]]),
        canal_half_axes=np.array([0.5 * dim.canal_width, 0.5 * dim.canal_depth]),
        pedicle_left=left,
        pedicle_right=right,
        spinous_tip=np.array([0.0, back - dim.reach, -dim.drop]),
        posterior_skin=_skin_behind(column, trunk),
    )


def _skin_behind(column: Column, trunk: Trunk) -> float:
    if column.main.dim.region == "cervical":
        return neck_skin(trunk.scale)
    return trunk.front_and_back(0.0)[0]


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {k: float(v) if isinstance(v, float) else v for k, v in values.items() if k != "pathology"}
