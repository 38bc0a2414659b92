"""Disease and injury as data: a list of records turns a healthy (or merely osteoporotic) vertebra into a sick one.

One path for generated and imported anatomies: the vertebra is taken apart (labels without veins, CT numbers), a
fracture bends it (`pathology_warp`), lesions are painted (`pathology_paint`), it is assembled anew with its veins, and
cracks and breaches are opened for flow (`pathology_cracks`, `pathology_slits`). Records act in the order of the list;
cracks come last because they cut whatever is there, with the neighbours' old cement.

Simplifications: one fracture shape per vertebra; behind the body the arch keeps its form and the joints above it give
way; a lesion's tough tissue is a lower permeability, since the flow knows one displaced fluid only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vertebro.anatomy.anatomy import Anatomy, SpineLevel
from vertebro.anatomy.assemble import assemble
from vertebro.anatomy.pathology_cracks import Crack, conduct, crack_of, darken, fissure_of, open_holes, sacral_cracks
from vertebro.anatomy.pathology_draft import Draft, bend, take_apart
from vertebro.anatomy.pathology_paint import paint_cleft, paint_haemangioma, paint_metastasis, paint_myeloma
from vertebro.anatomy.pathology_records import (
    Biconcave,
    Cleft,
    Crush,
    EndplateCrack,
    Haemangioma,
    Metastasis,
    Myeloma,
    OldCement,
    Plana,
    SacralFracture,
    WallFissure,
    Wedge,
)
from vertebro.anatomy.pathology_slits import with_slits
from vertebro.anatomy.pathology_warp import fracture_warp
from vertebro.anatomy.random_field import normal_field
from vertebro.errors import CaseError
from vertebro.grid import VoxelGrid
from vertebro.materials.attenuation import cement_material, material
from vertebro.materials.presets import cement
from vertebro.quantity import Record

__all__ = ["with_pathology"]

Array = NDArray[Any]
FRACTURES = (Wedge, Biconcave, Crush, Plana)
CT_ENERGY = 70.0  # keV, mean of a 120 kVp spectrum in the body
OPACIFIERS = {"BaSO4": "barium sulfate", "ZrO2": "zirconium dioxide"}
SCLEROSIS = 280.0  # HU beside a healing sacral crack


def with_pathology(anatomy: Anatomy, records: Sequence[Record], *, neighbours: tuple[SpineLevel, ...] = ()) -> Anatomy:
    """Apply a list of records.

    Parameters
    ----------
    anatomy : Anatomy
        Not changed.
    records : sequence of pathology records
        See `pathology_records`; an empty one returns the anatomy itself.
    neighbours : tuple of SpineLevel
        Where the other vertebrae are, for an anatomy that does not know its spine.

    Returns
    -------
    Anatomy

    Raises
    ------
    CaseError
        If a record does not fit the level, its place or the other records.
    """
    if not records:
        return anatomy
    _check(anatomy.level, records)
    draft = take_apart(anatomy, neighbours)
    for record in records:
        _apply(draft, record)
    cracks = [crack for record in records for crack in _cut(draft, record)]
    old = [record for record in records if isinstance(record, OldCement)]
    for record in old:
        _paint_old_cement(draft, record, draft.grid, draft.hu)
    _tell_surround(draft)
    for record in old:
        _paint_old_cement(draft, record, draft.wide_grid, draft.wide_hu)
    broken = _assembled(draft, anatomy, records)
    open_holes(broken, draft)
    for crack in cracks:
        if not crack.is_slit(broken.grid):
            conduct(broken, crack)
    whole = with_slits(broken, [crack for crack in cracks if crack.is_slit(broken.grid)])
    if not cracks:
        return whole
    return replace(whole, provenance=whole.provenance | {"cracks_mm": [crack.corners_mm for crack in cracks]})


def _check(level: str, records: Sequence[Record]) -> None:
    shapes = [record.kind for record in records if isinstance(record, FRACTURES)]
    if len(shapes) > 1:
        raise CaseError(
            "two fractures of one body do not compose",
            where="anatomy.pathology",
            value=", ".join(shapes),
            allowed="one of wedge, biconcave, crush, plana",
            hint="give one of them explicit anterior, middle and posterior losses",
        )
    sacral = level.startswith("S")
    for record in records:
        if isinstance(record, SacralFracture) and not sacral:
            raise CaseError(
                "a sacral fracture needs a sacrum",
                where="anatomy.pathology (sacral-fracture)",
                value=level,
                allowed="level S1",
                hint='set level = "S1", or choose wedge, biconcave or crush',
            )
        if isinstance(record, FRACTURES) and (sacral or level in ("hip", "acetabulum", "AC")):
            raise CaseError(
                "this bone has no vertebral body to collapse",
                where=f"anatomy.pathology ({record.kind})",
                value=level,
                allowed="a level with discs above and below",
                hint="sacral-fracture is the sacrum's own",
            )


def _apply(draft: Draft, record: Record) -> None:
    if isinstance(record, FRACTURES):
        bend(draft, fracture_warp(record, draft.frame))
    elif isinstance(record, Cleft):
        paint_cleft(draft, record)
    elif isinstance(record, Metastasis):
        paint_metastasis(draft, record)
    elif isinstance(record, Myeloma):
        paint_myeloma(draft, record)
    elif isinstance(record, Haemangioma):
        paint_haemangioma(draft, record)
        radius = max(record.draining_radius, draft.settings.segmental_radius)
        draft.settings = replace(draft.settings, segmental_radius=radius)


def _cut(draft: Draft, record: Record) -> list[Crack]:
    """The cracks of a record, drawn into the CT numbers (in place)."""
    if isinstance(record, EndplateCrack):
        cracks = [crack_of(draft, record)]
    elif isinstance(record, WallFissure):
        cracks = [fissure_of(draft, record)]
    elif isinstance(record, SacralFracture):
        cracks = sacral_cracks(draft, record)
    else:
        return []
    for crack in cracks:
        if not (draft.own & (crack.share(draft.grid) > 0)).any():
            raise CaseError(
                "the crack misses the bone",
                where=f"anatomy.pathology ({getattr(record, 'kind', '')})",
                value=f"centre {np.round(crack.centre * 1e3, 1).tolist()} mm",
                allowed="a place on the vertebra",
                hint="bring right, front and up nearer to 0",
            )
        darken(draft, crack, sclerosis=SCLEROSIS if isinstance(record, SacralFracture) else 0.0)
    return cracks


def _assembled(draft: Draft, anatomy: Anatomy, records: Sequence[Record]) -> Anatomy:
    provenance = {k: v for k, v in anatomy.provenance.items() if k not in ("interior", "seed", "veins")}
    provenance["pathology"] = [record.model_dump(mode="json") for record in records]
    made = assemble(
        level=draft.level,
        grid=draft.grid,
        tissue=draft.tissue,
        compartment=draft.compartment,
        hu=draft.hu,
        landmarks=draft.landmarks,
        surround=draft.surround(),
        patient_from_world=anatomy.patient_from_world,
        settings=draft.settings,
        seed=int(anatomy.provenance["seed"]),
        provenance=provenance,
    )
    return replace(made, spine=draft.spine if anatomy.spine else made.spine)


def _tell_surround(draft: Draft) -> None:
    """Carry what was painted on the simulation grid over to the surround, so that X-rays see it (in place)."""
    change = draft.hu - draft.plain
    grid = draft.wide_grid
    index = [(x - o) / h for x, o, h in zip(grid.open_mesh(), draft.grid.origin, draft.grid.spacing, strict=True)]
    near = tuple(
        np.flatnonzero((i.ravel() >= 0) & (i.ravel() <= n - 1)) for i, n in zip(index, draft.grid.shape, strict=True)
    )
    box = tuple(slice(int(n[0]), int(n[-1]) + 1) for n in near)
    part = [np.asarray(i).ravel()[b] for i, b in zip(index, box, strict=True)]
    mesh = np.meshgrid(*part, indexing="ij")
    draft.wide_hu[box] += ndimage.map_coordinates(change, mesh, order=1, mode="nearest", output=np.float32)


def _paint_old_cement(draft: Draft, record: OldCement, grid: VoxelGrid, hu: NDArray[np.float32]) -> None:
    """A lumpy cast in a neighbour's body, in the CT numbers of one grid (in place)."""
    place = {level.name: level for level in draft.spine}.get(record.level)
    if place is None or record.level == draft.level:
        names = ", ".join(level.name for level in draft.spine if level.name != draft.level)
        raise CaseError(
            "no such neighbour in the picture",
            where="anatomy.pathology (old-cement).level",
            value=record.level,
            allowed=names or "none: this anatomy does not know its other levels",
            hint="choose a level next to the treated one",
        )
    share = _cast(grid, place, record, draft.sides)
    hu += share * (np.float32(cement_hu(record.preset)) - hu)


def _cast(grid: VoxelGrid, level: SpineLevel, record: OldCement, sides: float) -> NDArray[np.float32]:
    """Share of each voxel in the old cast."""
    size = (3 * record.volume / (4 * np.pi * 1.35 * 1.05 * 0.70)) ** (1 / 3)
    half = size * np.array([1.35, 1.05, 0.70])
    offset = [x - c for x, c in zip(grid.open_mesh(), level.centre + np.array([0, 2e-3, 0]), strict=True)]
    along = [
        sum(x * n for x, n in zip(offset, axis, strict=True)) / h for axis, h in zip(level.axes, half, strict=True)
    ]
    radius = np.sqrt(sum(x * x for x in along))
    lumps = normal_field(grid, seed=record.seed + 3000, correlation_length=4e-3, mirrored=sides < 0)
    distance = (radius - 1) * float(half.min()) + 0.16 * size * lumps * (radius < 2)
    return np.asarray(np.clip(0.5 - distance / max(grid.spacing), 0, 1), np.float32)


def cement_hu(preset: str) -> float:
    """CT number [HU] of a set cement at 70 keV, from its opacifier (limited to what scanners store)."""
    card = cement(preset)
    solid = cement_material(OPACIFIERS[card.opacifier], float(card.opacifier_fraction))
    water = float(material("water").linear_attenuation(CT_ENERGY))
    return float(min(1000.0 * (float(solid.linear_attenuation(CT_ENERGY)) / water - 1.0), 3071.0))
