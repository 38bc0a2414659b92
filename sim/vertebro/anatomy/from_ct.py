"""From a patient's CT and its label map to an `Anatomy` of one level."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.anatomy import Anatomy, Landmarks, Surround
from vertebro.anatomy.assemble import InteriorSettings, assemble
from vertebro.anatomy.canal import CanalTube, measure_tube, on_grid, ring_holes
from vertebro.anatomy.compartments import Bones, classify_tissue, mark_compartments
from vertebro.anatomy.ct_calibration import calibrate, check_calibration, corrected, without_calibration
from vertebro.anatomy.ct_checks import check_size, check_spacing
from vertebro.anatomy.ct_foreign import find_foreign, replaced
from vertebro.anatomy.ct_job import (
    FAR,
    Job,
    around,
    body_distance,
    bone_distance,
    canal_distance,
    check_field,
    check_values,
    cord_distance,
    make_job,
    superior_hint,
)
from vertebro.anatomy.ct_single import check_single
from vertebro.anatomy.ct_surround import skin_behind, surround_of
from vertebro.anatomy.frame import Scout, find_frame, split_body, wall_line
from vertebro.anatomy.interior import BONE_TISSUES
from vertebro.anatomy.label_folder import read_labels
from vertebro.anatomy.label_tables import ids_named
from vertebro.anatomy.landmarks_from_labels import foramen_reach, measure_landmarks, scout_box
from vertebro.anatomy.organs_from_labels import map_organs
from vertebro.anatomy.painted import Painted
from vertebro.anatomy.resampling import inside_field, resample, soften
from vertebro.anatomy.spine_from_labels import measure_spine
from vertebro.anatomy.surround import (
    HU_RANGE,
    continued,
    soft_outside,
)
from vertebro.anatomy.volumes import Volume, read_volume
from vertebro.errors import DataError
from vertebro.grid import VoxelGrid
from vertebro.tissue import Tissue
from vertebro.units import mm

_log = logging.getLogger(__name__)
Progress = Callable[[str, float], None]
Floats = NDArray[np.float64]


def import_ct(
    ct: str | Path,
    labels: str | Path,
    level: str,
    *,
    spacing: float = 0.8 * mm,
    settings: InteriorSettings | None = None,
    seed: int = 0,
    label_scheme: str = "auto",
    resample_labels: bool = False,
    subregions: str | Path | None = None,
    calibration: str = "auto",
    licence: str | None = None,
    progress: Progress | None = None,
) -> Anatomy:
    """Build the anatomy of one level from a CT and a vertebra label map.

    Parameters
    ----------
    ct : path
        NIfTI, NRRD or MetaImage file, DICOM folder, or zip of DICOM slices; any axis order, flip or obliquity.
    labels : path
        Label map with TotalSegmentator (1 or 2) or VerSe numbering, or a folder of TotalSegmentator's masks.
    level : str
        ``"L1"`` …
    spacing : float [m]
        Voxel size of the simulation grid, 0.4 to 1.5 mm.
    settings : InteriorSettings, optional
    seed : int
        Of the synthetic veins.
    label_scheme : str
        ``"auto"``, ``"totalsegmentator"``, ``"totalsegmentator-v1"`` or ``"verse"``.
    resample_labels : bool
        Accept labels on another grid than the CT.
    subregions : path, optional
        TPTBox (SPINEPS) sub-region map: 49, 50 tell body from arch, 61 shows the canal, left and right are checked.
    calibration : str
        ``"auto"``: put CT numbers on the scale of fat, muscle, blood and air where these contradict the scanner's;
        ``"none"``: only report what they say.
    licence : str, optional
        Licence and citation of the data, carried into the provenance.
    progress : callable, optional
        Called with a text and the share done.

    Returns
    -------
    Anatomy

    Raises
    ------
    DataError
        Whatever is wrong with the data, with its cure.
    """
    check_spacing(spacing)
    tell = progress or _silent
    tell("reading", 0.0)
    return import_volumes(
        read_volume(ct),
        read_labels(labels),
        level,
        spacing=spacing,
        settings=settings,
        seed=seed,
        label_scheme=label_scheme,
        resample_labels=resample_labels,
        subregions=None if subregions is None else read_volume(subregions),
        calibration=calibration,
        licence=licence,
        progress=progress,
    )


def import_volumes(
    ct: Volume,
    labels: Volume,
    level: str,
    *,
    spacing: float = 0.8 * mm,
    settings: InteriorSettings | None = None,
    seed: int = 0,
    label_scheme: str = "auto",
    resample_labels: bool = False,
    subregions: Volume | None = None,
    calibration: str = "auto",
    licence: str | None = None,
    progress: Progress | None = None,
) -> Anatomy:
    """As `import_ct`, from volumes already in memory (a segmentation just made, a part cut out).

    Parameters
    ----------
    ct : Volume
        CT numbers [HU].
    labels : Volume
        Vertebra numbers; on the CT's grid unless `resample_labels`.
    subregions : Volume, optional

    Returns
    -------
    Anatomy

    Raises
    ------
    DataError
        As `import_ct`.
    """
    check_spacing(spacing)
    check_calibration(calibration)
    tell = progress or _silent
    job = make_job(ct, labels, level, scheme=label_scheme, resample_labels=resample_labels, subregions=subregions)
    tell("finding the vertebra's axes", 0.3)
    scout = _scout(job, _own_distance(job))
    return import_job(
        job,
        scout,
        spacing=spacing,
        settings=settings,
        seed=seed,
        picture=calibration,
        licence=licence,
        progress=progress,
    )


def import_job(
    job: Job,
    scout: Scout,
    *,
    spacing: float,
    settings: InteriorSettings | None,
    seed: int,
    picture: str | Painted,
    licence: str | None,
    progress: Progress | None,
) -> Anatomy:
    """The second half of `import_volumes`: inputs are checked and the vertebra's frame is known.

    Parameters
    ----------
    job : Job
    scout : Scout
    picture : str or Painted
        How to calibrate a patient's CT; or the painted picture that stands in for one.

    Raises
    ------
    DataError
        As `import_ct`.
    """
    check_spacing(spacing)
    tell = progress or _silent
    own = _own_distance(job)
    check_field(job, own, scout)
    check_single(scout, job.level, job.labels.name)
    report = check_values(job, own)
    foreign = find_foreign(job, own, report["contrast_hu"])
    tell("calibrating CT numbers", 0.45)
    job, scale = _calibrated(job, scout, picture, report["core_hu_mean"], foreign.contrast)
    tell("resampling the surroundings", 0.5)
    surround, landmarks = _surroundings(job, scout, picture)
    check_size(2 * landmarks.body_half_axes, job.level)
    tell("naming compartments", 0.75)
    grid = VoxelGrid.around(*scout_box(scout), spacing)
    hu, tissue, compartment = _voxels(job, own, scout, landmarks, grid, foreign.contrast)
    seen = hu
    masks = foreign.masks(grid, scout.ras_from_world)
    if masks is not None:
        hu = replaced(hu, masks[1], np.isin(tissue, BONE_TISSUES), grid)
        tissue[masks[0]] = Tissue.CORTICAL
    tell("mapping organs and levels", 0.85)
    organ = map_organs(job, surround, scout.ras_from_world, grid, compartment, foreign.contrast)
    spine = measure_spine(job, scout)
    tell("filling the bone", 0.9)
    anatomy = assemble(
        level=job.level,
        grid=grid,
        tissue=tissue,
        compartment=compartment,
        hu=hu,
        landmarks=landmarks,
        surround=replace(surround, organ=organ),
        patient_from_world=scout.ras_from_world,
        settings=settings or InteriorSettings(),
        seed=seed,
        provenance=_provenance(job, spacing, report | foreign.report, licence) | {"calibration": scale},
    )
    tell("done", 1.0)
    return replace(anatomy, hu=np.ascontiguousarray(seen, np.float32), spine=spine)  # pictures show metal as it is


def _calibrated(
    job: Job, scout: Scout, picture: str | Painted, core_hu: float | None, contrast: float | None
) -> tuple[Job, dict[str, Any]]:
    """The job on the calibrated scale, and the report; nothing is calibrated in a painted picture."""
    if isinstance(picture, Painted):
        return job, without_calibration(core_hu)
    scale = calibrate(job, scout, core_hu, contrast, picture)
    return replace(job, ct=corrected(job.ct, scale)), scale


def _surroundings(job: Job, scout: Scout, picture: str | Painted) -> tuple[Surround, Landmarks]:
    if isinstance(picture, Painted):
        skin = skin_behind(job, scout, picture.surround)
        return picture.surround, replace(picture.landmarks, posterior_skin=skin)
    surround = surround_of(job, scout)
    return surround, measure_landmarks(scout, skin_behind(job, scout, surround))


def _own_distance(job: Job) -> Volume:
    own = bone_distance(job, job.number)
    if own is None:
        raise DataError(f"the label of {job.level} is empty", where=job.labels.name)
    return own


def _scout(job: Job, own: Volume) -> Scout:
    """The vertebra's own frame; a labelled cord stands in where the arch closes no canal."""
    up, body, canal = superior_hint(job), body_distance(job), canal_distance(job)
    try:
        return find_frame(own, up, body, canal)
    except DataError as error:
        cord = None if canal is not None else cord_distance(job)
        if cord is None:
            raise error if job.oriented else _unoriented(error) from error
        scout = find_frame(own, up, body, cord)
    job.remarks.append("the arch closes no canal: the canal is guessed as 3 mm around the labelled cord")
    return scout


def _unoriented(error: DataError) -> DataError:
    """The same error with its likeliest cause where a header does not say how the patient lies."""
    return DataError(
        error.message,
        where=error.where,
        value=error.value,
        allowed=error.allowed,
        hint="the header gives no orientation, and the usual order of voxels (towards left, back, head) does not fit; "
        "convert the DICOM series again, with its geometry",
    )


def _voxels(
    job: Job, own: Volume, scout: Scout, landmarks: Landmarks, grid: VoxelGrid, contrast: float | None
) -> tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.uint8]]:
    """CT numbers, tissue and compartments on the simulation grid."""
    frame = scout.ras_from_world
    tube, bones = _bones(job, own, scout, grid)
    wall = np.interp(grid.axes()[2], scout.grid.axes()[2], wall_line(scout.tube, scout.grid))
    compartment = mark_compartments(bones, tube, wall, foramen_reach(landmarks), grid)
    near = continued(around(job.ct, grid, frame))
    hu = resample(soften(near, min(grid.spacing)), grid, frame, order=3)
    np.clip(hu, *HU_RANGE, out=hu)
    soft_outside(hu, near, grid, frame)
    if not np.all(inside_field(job.ct, grid, frame)):
        job.remarks.append("the simulation grid leaves the field of view: mirrored slices or soft tissue fill the rest")
    vessels = ids_named(job.scheme, "aorta", "vena_cava", "iliac_")
    tissue = classify_tissue(bones, compartment, hu, job.mask(vessels, grid, frame), grid, contrast)
    return hu, tissue, compartment


def _bones(job: Job, own: Volume, scout: Scout, grid: VoxelGrid) -> tuple[CanalTube, Bones]:
    """Every labelled vertebra and the canal through all of them on the simulation grid."""
    frame = scout.ras_from_world
    above, below = bone_distance(job, job.above), bone_distance(job, job.below)
    holes = scout.holes.copy()
    for neighbour in (above, below):
        holes |= _neighbour_holes(job.field(neighbour, scout.grid, frame), scout)
    tube = on_grid(measure_tube(holes, scout.grid), scout.grid, grid)
    ring = Volume(data=holes, ras_from_voxel=frame @ scout.grid.world_from_voxel, name="canal", digest="")
    canal = canal_distance(job)
    bone = job.field(own, grid, frame) < 0
    body = _own_body(job, bone, scout, grid)
    others = {n for n in job.bone_ids if n not in {job.number, job.above, job.below}}
    return tube, Bones(
        body=body,
        arch=bone & ~body,
        above=(job.field(above, grid, frame) < 0) & ~bone,
        below=(job.field(below, grid, frame) < 0) & ~bone,
        others=job.mask(others, grid, frame) & ~bone,
        holes=resample(ring, grid, frame) > 0.5 if canal is None else job.field(canal, grid, frame) < 0,
    )


def _own_body(job: Job, bone: NDArray[np.bool_], scout: Scout, grid: VoxelGrid) -> NDArray[np.bool_]:
    parts = body_distance(job)
    if parts is None:
        return split_body(bone, on_grid(scout.tube, scout.grid, grid), grid)
    inside = resample(parts, grid, scout.ras_from_world, mode="constant", outside=FAR) < 0
    return np.asarray(inside & bone)


def _neighbour_holes(field: NDArray[np.float32], scout: Scout) -> NDArray[np.bool_]:
    """Canal rings of a neighbour, where they continue this vertebra's canal."""
    nothing = np.zeros(field.shape, bool)
    if not np.any(field < 0):
        return nothing
    try:
        holes = ring_holes(field, scout.grid)
    except DataError:
        return nothing  # its arch is outside the field of view
    tube = measure_tube(holes, scout.grid)
    apart = np.linalg.norm(tube.centre - scout.tube.centre, axis=1)
    return holes & (apart < 15 * mm)[None, None, :]


def _provenance(job: Job, spacing: float, report: dict[str, Any], licence: str | None) -> dict[str, Any]:
    out: dict[str, Any] = {
        "source": "ct",
        "ct": {"name": job.ct.name, "sha256": job.ct.digest, "geometry": job.ct.geometry},
        "labels": {"name": job.labels.name, "sha256": job.labels.digest, "geometry": job.label_geometry},
        "label_scheme": job.scheme,
        "label_id": job.number,
        "spacing_mm": round(spacing / mm, 4),
        "quality": report,
        "warnings": list(dict.fromkeys(job.remarks)),
        "licence": licence,
    }
    if job.subregions is not None:
        out["subregions"] = {"name": job.subregions.name, "sha256": job.subregions.digest}
    return out


def _silent(text: str, share: float) -> None:
    _log.debug("%s (%.0f %%)", text, 100 * share)
