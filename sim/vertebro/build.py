"""Case to scene: the anatomy, the needles in it, the cement, the leak monitor and the flow problem."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.anatomy import Anatomy
from vertebro.anatomy.network_settings import VeinSettings
from vertebro.anatomy.parametric import PARAMETRIC_INTERIOR, ParametricSpec, build_parametric
from vertebro.anatomy.pathology import with_pathology
from vertebro.anatomy.store import load_anatomy
from vertebro.approaches import plan_path, to_skin
from vertebro.case import Case, NeedleInput, StepInput
from vertebro.case_anatomy import DENSITIES, GENERATED_ONLY, MEAN_BONE_FRACTION, AnatomyInput
from vertebro.drainage import flow_vessels, vein_course, vein_raster
from vertebro.errors import CaseError, PlacementError
from vertebro.flow import FlowProblem, Outlet, Well, newtonian
from vertebro.flow.laws import ViscosityLaw
from vertebro.leakage import (
    BodyFrame,
    LeakMonitor,
    LeakSettings,
    RiskSettings,
    RiskWatch,
    face_conductance,
)
from vertebro.materials.batch import WARM_UP, TipRecord
from vertebro.materials.bone import mean_bone_fraction
from vertebro.materials.cement import Cement
from vertebro.materials.marrow import Marrow
from vertebro.materials.presets import cement
from vertebro.materials.rheology import shear_factor
from vertebro.procedure import (
    Inject,
    Limit,
    Needle,
    Placement,
    Step,
    Wait,
    check_placement,
    check_schedule,
)
from vertebro.procedure.schedule import MAX_RATE, FreshBatch, Retract, Stylet, Withdraw
from vertebro.tissue import Compartment, Tissue
from vertebro.tracks import track_exit
from vertebro.units import mm

Progress = Callable[[str, float], None]
PICTURED, SKETCH = 1 * mm, 3 * mm  # edge of the surround's voxels
_BY_LANDMARKS = ("transpedicular", "parapedicular", "points")
_LEVEL_STREAM = 700_011  # added to the seed: independent of everything else it draws


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """What a case describes, built: the rooms' objects on one grid.

    Attributes
    ----------
    case : Case
    anatomy : Anatomy
    cement : Cement
    needles : tuple of Needle
    placements : tuple of Placement
        Findings of each needle: breaches, depth, reserve.
    steps : tuple of Inject or Wait
    """

    case: Case
    anatomy: Anatomy
    cement: Cement
    needles: tuple[Needle, ...]
    placements: tuple[Placement, ...]
    steps: tuple[Step, ...]

    def cement_fraction(
        self, saturation: NDArray[np.floating], veins: NDArray[np.floating] | None = None
    ) -> NDArray[np.float32]:
        """Volume share of cement in each voxel.

        Parameters
        ----------
        saturation : (nr, na, ns) array
            Cement's share of the movable pores.
        veins : (m,) array, optional [m³]
            Cement in each segment of the veins; their part on the grid is added.
        """
        movable = self.anatomy.porosity * (1 - self.case.marrow.residual)
        fraction = np.asarray(saturation * movable, np.float32)
        if veins is None or self.anatomy.network is None or not np.any(veins):
            return fraction
        drawn = vein_raster(self.anatomy.network, self.anatomy.grid).fraction(np.asarray(veins, float))
        return np.minimum(fraction + drawn, 1.0, dtype=np.float32)

    def needle(self, name: str) -> Needle:
        """The needle of that name."""
        return next(needle for needle in self.needles if needle.name == name)


def build(case: Case, *, base: Path | None = None, anatomy: Anatomy | None = None, sketch: bool = False) -> Scene:
    """Build the scene of a case.

    Parameters
    ----------
    case : Case
    base : Path, optional
        Folder that ``anatomy.folder`` is relative to (the case file's own).
    anatomy : Anatomy, optional
        Used as it is instead of building one (a run folder brings its own).
    sketch : bool
        See `build_anatomy`.

    Raises
    ------
    CaseError, PlacementError, DataError
        If the case asks for something that cannot be.
    """
    vertebra = anatomy if anatomy is not None else _tuned(build_anatomy(case, base=base, sketch=sketch), case)
    needles, placements = zip(*(_place(spec, i, vertebra) for i, spec in enumerate(case.needles)), strict=True)
    steps = tuple(_step(step) for step in case.steps)
    check_schedule(steps, [needle.name for needle in needles])
    return Scene(
        case=case,
        anatomy=vertebra,
        cement=chosen_cement(case),
        needles=needles,
        placements=placements,
        steps=steps,
    )


def chosen_cement(case: Case) -> Cement:
    """The card the case names, with the case's own shear law and yield stress."""
    wish, card = case.cement, cement(case.cement.preset)
    changes: dict[str, object] = {}
    if wish.rheology != "card":
        changes["rheology"] = wish.rheology
    if wish.yield_stress is not None:
        changes["yield_stress"] = wish.yield_stress
    return card.replace(**changes) if changes else card


def chosen_marrow(case: Case) -> ViscosityLaw:
    """What the cement displaces: a Newtonian liquid, or a soft solid that must yield."""
    wish = case.marrow
    if wish.yield_stress == 0.0 and wish.flow_index == 1.0:
        return newtonian(wish.viscosity)
    return Marrow(viscosity=wish.viscosity, yield_stress=wish.yield_stress, index=wish.flow_index)


def build_anatomy(case: Case, *, base: Path | None = None, sketch: bool = False) -> Anatomy:
    """The anatomy of a case: generated, or read from its folder.

    Parameters
    ----------
    case : Case
    base : Path, optional
    sketch : bool
        Generate the surround coarsely, for runs without pictures that are not saved: twice as fast. Where needles are
        planned by what lies around the bone, it is as fine as ever.
    """
    wish = case.anatomy
    if wish.source == "folder":
        return _imported_anatomy(wish, base or Path())
    mean = mean_bone_fraction(**{name: getattr(wish, name) for name in DENSITIES}, default=MEAN_BONE_FRACTION)
    spec = ParametricSpec(
        level=wish.level,
        spacing=wish.spacing,
        bone_fraction=mean,
        sex=wish.sex,
        seed=case.seed,
        surround_spacing=SKETCH if sketch and _blind(case) else PICTURED,
        pathology=wish.pathology,
    )
    interior = dataclasses.replace(
        PARAMETRIC_INTERIOR,
        veins=wish.veins,
        venous_pressure=wish.venous_pressure,
        segmental_radius=wish.segmental_radius,
        k_sigma=wish.permeability_sigma,
        k_correlation_length=wish.permeability_length,
        permeability_law=wish.permeability_law,
        anisotropy=wish.anisotropy,
        shell_thickness=wish.shell_thickness,
        foramina_density=wish.foramina_density,
        network=VeinSettings(
            basivertebral_radius=wish.basivertebral_radius,
            sinusoids=wish.sinusoids,
            epidural_radius=wish.epidural_radius,
            blood_flow=wish.blood_flow,
        ),
    )
    return build_parametric(spec, interior=interior)


def _blind(case: Case) -> bool:
    """Whether no needle's way depends on what lies around the bone."""
    return all(needle.approach in _BY_LANDMARKS for needle in case.needles)


def _imported_anatomy(wish: AnatomyInput, base: Path) -> Anatomy:
    if not wish.folder:
        raise CaseError("no folder given", where="anatomy.folder", hint="vertebro import CT --out FOLDER makes one")
    usual = AnatomyInput()
    for name in GENERATED_ONLY:
        if getattr(wish, name) != getattr(usual, name):
            raise CaseError(
                "this setting shapes generated anatomies only; an imported one keeps what its CT shows",
                where=f"anatomy.{name}",
                value=getattr(wish, name),
                hint=f'remove it, or use source = "parametric"; the default is {getattr(usual, name)!r}',
            )
    anatomy = load_anatomy(base / wish.folder / "anatomy.h5")
    if anatomy.level != wish.level:
        raise CaseError(
            "the folder holds another level", where="anatomy.level", value=wish.level, allowed=anatomy.level
        )
    return with_pathology(anatomy, wish.pathology)


def well_of(needle: Needle, anatomy: Anatomy) -> Well:
    """A needle's openings as the flow engine sees them."""
    cells = needle.tip_cells(anatomy.grid, compartment=anatomy.compartment)
    return Well(name=needle.name, cells=cells, rate=0.0, radius=needle.tip_radius)


def flow_problem(scene: Scene, record: TipRecord | None = None) -> FlowProblem:
    """The scene as bare arrays: what the flow engine sees.

    Parameters
    ----------
    scene : Scene
    record : TipRecord, optional
        Where the run notes how old the cement is that leaves the needle.
    """
    case, vertebra = scene.case, scene.anatomy
    age, temperature, body = case.cement.age_at_start, case.cement.temperature, case.delivery.tissue_temperature
    wells = [well_of(needle, vertebra) for needle in scene.needles]
    return FlowProblem(
        grid=vertebra.grid,
        porosity=vertebra.porosity,
        permeability=vertebra.permeability,
        injected=scene.cement.law(age, temperature=temperature, body=body, record=record, warming=float(WARM_UP)),
        displaced=chosen_marrow(case),
        wells=wells,
        outlets=[Outlet(name=e.name, cells=e.cells, pressure=e.pressure) for e in vertebra.exits],
        face_resistance=vertebra.face_resistance,
        residual_displaced=case.marrow.residual,
        relative_permeability=case.flow.relative_permeability,
        mode=case.flow.mode,
        displaced_pressure=case.anatomy.venous_pressure,
        shear_factor=shear_factor(case.cement.shear_factor, float(scene.cement.flow_index)),
        vessels=flow_vessels(vertebra, clot=case.marrow.viscosity),
    )


def body_frame(anatomy: Anatomy) -> BodyFrame:
    """The body's landmarks as the leak monitor reads them."""
    marks = anatomy.landmarks
    return BodyFrame(
        half_axes=marks.body_half_axes,
        anterior_wall=marks.anterior_wall,
        posterior_wall=marks.posterior_wall,
        superior_endplate=marks.superior_endplate,
        inferior_endplate=marks.inferior_endplate,
        canal_centre=marks.canal_centre,
        canal_half_axes=marks.canal_half_axes,
        midline=marks.midline,
    )


def leak_monitor(scene: Scene) -> LeakMonitor:
    """A fresh monitor that watches the scene's compartments."""
    vertebra, network = scene.anatomy, scene.anatomy.network
    return LeakMonitor(
        grid=vertebra.grid,
        compartment=counted_compartments(scene),
        frame=body_frame(vertebra),
        exit_routes={exit_.name: exit_.route for exit_ in vertebra.exits}
        | dict.fromkeys(network.outlet_names if network is not None else (), "vein")
        | {track_exit(needle.name): "track" for needle in scene.needles},
        exit_positions={exit_.name: vertebra.grid.world(exit_.cells).mean(axis=0) for exit_ in vertebra.exits}
        | (dict(zip(network.outlet_names, network.nodes[network.outlet_node], strict=True)) if network else {}),
        vein=vertebra.tissue == Tissue.VEIN,
        veins=vein_course(vertebra),
        conductance=face_conductance(vertebra.permeability, vertebra.face_resistance, vertebra.grid.spacing),
        settings=LeakSettings(threshold=scene.case.leakage.threshold),
    )


def risk_watch(scene: Scene) -> RiskWatch:
    """A fresh watch on the risks, with the case's limits."""
    limits = scene.case.leakage
    return RiskWatch(
        grid=scene.anatomy.grid,
        compartment=counted_compartments(scene),
        frame=body_frame(scene.anatomy),
        settings=RiskSettings(
            posterior_margin=limits.posterior_margin,
            canal_narrowed=limits.canal_narrowed,
            foramen_volume=limits.threshold,
            embolic_load=limits.embolic_load,
        ),
    )


def counted_compartments(scene: Scene) -> np.ndarray:
    """The anatomy's compartments with the needle shafts outside the body marked TRACK."""
    compartment = scene.anatomy.compartment.copy()
    for needle in scene.needles:
        shaft = needle.cells(scene.anatomy.grid)
        compartment[shaft & (compartment != Compartment.BODY)] = Compartment.TRACK
    return compartment


def _tuned(anatomy: Anatomy, case: Case) -> Anatomy:
    """Apply the settings a case may change on any anatomy: venous pressure and the permeability's level."""
    exits = tuple(dataclasses.replace(exit_, pressure=case.anatomy.venous_pressure) for exit_ in anatomy.exits)
    permeability = np.where(anatomy.bone, anatomy.permeability * permeability_level(case), anatomy.permeability)
    network = None if anatomy.network is None else anatomy.network.with_pressure(case.anatomy.venous_pressure)
    return dataclasses.replace(anatomy, exits=exits, permeability=permeability, network=network)


def permeability_level(case: Case) -> float:
    """Factor on the bone's permeability: the case's own times a log-normal one with median 1 that the seed draws."""
    wish, random = case.anatomy, np.random.default_rng(case.seed + _LEVEL_STREAM)
    return wish.permeability_factor * float(np.exp(wish.permeability_spread * random.standard_normal()))


def _place(spec: NeedleInput, index: int, anatomy: Anatomy) -> tuple[Needle, Placement]:
    needle = _needle(spec, anatomy)
    marks = anatomy.landmarks
    try:
        placement = check_placement(
            needle,
            anatomy.grid,
            anatomy.compartment,
            anterior_wall=marks.anterior_wall,
            posterior_wall=marks.posterior_wall,
        )
    except PlacementError as error:
        error.where = f"needles.{index} ({spec.name}): {error.where}"
        raise
    return needle, placement


def _needle(spec: NeedleInput, anatomy: Anatomy) -> Needle:
    if spec.entry is not None and spec.tip is not None:
        return Needle(
            name=spec.name,
            gauge=spec.gauge,
            entry=np.asarray(spec.entry) * mm,
            tip=np.asarray(spec.tip) * mm,
            opening=spec.opening,
        )
    try:
        path = plan_path(anatomy, spec.approach, spec.side, gauge=spec.gauge, depth=spec.depth, lateral=spec.lateral)
    except CaseError as error:
        error.where = f"needles ({spec.name}).{error.where}"
        raise
    if spec.approach in ("posterolateral", "anterolateral"):  # far from the midline, where the skin is elsewhere
        path = to_skin(path, anatomy)
    return dataclasses.replace(path.needle(spec.name), opening=spec.opening)


def _step(spec: StepInput) -> Step:
    if spec.do == "wait":
        return Wait(duration=spec.duration, release=spec.release)
    if spec.do == "retract":
        return Retract(needle=spec.needle, distance=spec.distance)
    if spec.do == "stylet":
        return Stylet(needle=spec.needle, rate=spec.rate)
    if spec.do == "withdraw":
        return Withdraw(needle=spec.needle)
    if spec.do == "batch":
        return FreshBatch(needle=spec.needle, age=spec.age)
    until = Limit(volume=spec.volume, pressure=spec.until_pressure, time=spec.duration, force=spec.until_force)
    by_force = spec.control == "force"
    return Inject(
        needle=spec.needle,
        rate=float(MAX_RATE) if by_force else spec.rate,
        until=until,
        pressure_cap=None if by_force else spec.pressure,
        force_cap=spec.force,
    )
