"""From a patient's CT and its label map to an `Anatomy` of one level."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vertebro.anatomy import labels as numbering
from vertebro.anatomy.anatomy import Anatomy
from vertebro.anatomy.assemble import InteriorSettings, assemble
from vertebro.anatomy.canal import CanalTube, measure_tube, on_grid, ring_holes
from vertebro.anatomy.compartments import Bones, classify_tissue, mark_compartments
from vertebro.anatomy.ct_checks import check_hounsfield, check_labels, check_on_bone, quality
from vertebro.anatomy.frame import Scout, find_frame, split_body, wall_line
from vertebro.anatomy.landmarks_from_labels import foramen_reach, measure_landmarks, scout_box
from vertebro.anatomy.resampling import resample, signed_distance, soften
from vertebro.anatomy.surround import HU_RANGE, build_surround, posterior_skin, soft_outside, without_table
from vertebro.anatomy.volumes import Volume, read_volume
from vertebro.errors import DataError
from vertebro.grid import VoxelGrid
from vertebro.units import mm

SPACING_RANGE = (0.4 * mm, 1.5 * mm)
SURROUND_SPACING = 1.0 * mm
BODY_SUBREGIONS = (49, 50)
_FAR = 30 * mm
_log = logging.getLogger(__name__)
Progress = Callable[[str, float], None]
Floats = NDArray[np.float64]


@dataclass(kw_only=True)
class _Job:
    """What the steps of one import share."""

    ct: Volume
    labels: Volume
    level: str
    number: int
    scheme: str
    spacing: float
    subregions: Volume | None
    remarks: list[str]


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
    licence: str | None = None,
    progress: Progress | None = None,
) -> Anatomy:
    """Build the anatomy of one level from a CT and a vertebra label map.

    Parameters
    ----------
    ct : path
        NIfTI, NRRD or MetaImage file, DICOM folder, or zip of DICOM slices; any axis order, flip or obliquity.
    labels : path
        Label map with TotalSegmentator or VerSe numbering.
    level : str
        ``"L1"`` …
    spacing : float [m]
        Voxel size of the simulation grid, 0.4 to 1.5 mm.
    settings : InteriorSettings, optional
    seed : int
        Of the synthetic veins.
    label_scheme : str
        ``"auto"``, ``"totalsegmentator"`` or ``"verse"``.
    resample_labels : bool
        Accept labels on another grid than the CT.
    subregions : path, optional
        TPTBox sub-region map (49, 50 = vertebral body), used to tell body from arch.
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
    if not SPACING_RANGE[0] <= spacing <= SPACING_RANGE[1]:
        raise DataError("grid spacing", where="spacing", value=f"{spacing / mm:g} mm", allowed="0.4 to 1.5 mm")
    tell = progress or _silent
    tell("reading", 0.0)
    job = _read(ct, labels, level, spacing, label_scheme, resample_labels, subregions)
    tell("finding the vertebra's axes", 0.15)
    own = _distance(job, (job.number,))
    scout = find_frame(own, _up(job), _body_distance(job))
    _check_field(job, own, scout)
    report = _check_values(job, own)
    tell("resampling the surroundings", 0.35)
    clean = without_table(_cut_around(job.ct, scout.ras_from_world))
    surround = build_surround(clean, scout.ras_from_world, SURROUND_SPACING)
    tell("compartments", 0.65)
    skin, seen = posterior_skin(surround, float(scout.grid.world(np.argwhere(scout.bone))[:, 1].min()))
    if not seen:
        job.remarks.append("the skin behind the vertebra is outside the field of view; its distance is a lower bound")
    landmarks = measure_landmarks(scout, skin)
    grid = _simulation_grid(scout, spacing)
    tube, bones = _bones(job, own, scout, grid)
    wall = np.interp(grid.axes()[2], scout.grid.axes()[2], wall_line(scout.tube, scout.grid))
    compartment = mark_compartments(bones, tube, wall, foramen_reach(landmarks), grid)
    hu = resample(soften(_local(job.ct, grid, scout.ras_from_world), spacing), grid, scout.ras_from_world, order=3)
    np.clip(hu, *HU_RANGE, out=hu)
    if soft_outside(hu, job.ct, grid, scout.ras_from_world) > 0.01:
        job.remarks.append("the simulation grid leaves the field of view; soft tissue was assumed there")
    tissue = classify_tissue(bones, compartment, hu, _organ(job, scout, grid), grid)
    tell("bone interior and veins", 0.85)
    anatomy = assemble(
        level=job.level,
        grid=grid,
        tissue=tissue,
        compartment=compartment,
        hu=hu,
        landmarks=landmarks,
        surround=surround,
        patient_from_world=scout.ras_from_world,
        settings=settings or InteriorSettings(),
        seed=seed,
        provenance=_provenance(job, report, licence),
    )
    tell("done", 1.0)
    return anatomy


def _read(
    ct: str | Path,
    labels: str | Path,
    level: str,
    spacing: float,
    scheme: str,
    resample_labels: bool,
    subregions: str | Path | None,
) -> _Job:
    level = numbering.parse_level(level)
    scan = read_volume(ct)
    check_hounsfield(scan)
    marks = check_labels(read_volume(labels), scan, resample_labels)
    number, found = numbering.level_id(marks.data, level, scheme)
    parts = None if subregions is None else check_labels(read_volume(subregions), scan, resample_labels)
    job = _Job(
        ct=scan, labels=marks, level=level, number=number, scheme=found, spacing=spacing, subregions=parts, remarks=[]
    )
    if resample_labels:
        job.remarks.append("labels lie on another grid than the CT and were resampled")
    if scan.spacing.max() > 3.0 * mm:
        job.remarks.append(f"thick slices ({scan.spacing.max() / mm:.1f} mm): walls and endplates are approximate")
    return job


def _distance(job: _Job, numbers: tuple[int, ...], parts: Volume | None = None) -> Volume:
    """Signed distance [m] to labels, in a box 15 mm around them (the labels' edge ends it)."""
    source = parts or job.labels
    mask = np.isin(source.data, numbers)
    index = [np.flatnonzero(mask.any(axis=tuple(k for k in range(3) if k != axis))) for axis in range(3)]
    if not all(i.size for i in index):
        raise DataError("no voxel has these labels", where=source.name, value=numbers)
    margin = np.ceil(15 * mm / source.spacing).astype(int)
    low, high = np.array([i[0] for i in index]) - margin, np.array([i[-1] + 1 for i in index]) + margin
    box = source.with_data(mask).crop(low, high)
    return signed_distance(box.with_data(_main_part(box.data, job.remarks)))


def _main_part(mask: NDArray[np.bool_], remarks: list[str]) -> NDArray[np.bool_]:
    """Without specks far smaller than the bone, and without inner cavities."""
    parts, count = ndimage.label(mask, structure=np.ones((3, 3, 3), bool))
    if count > 1:
        sizes = np.bincount(parts.ravel())
        sizes[0] = 0
        keep = sizes >= 0.02 * sizes.max()
        dropped = int(sizes[~keep].sum())
        if dropped:
            remarks.append(f"{dropped} stray voxels of a bone's label were dropped")
        mask = keep[parts]
    return np.asarray(ndimage.binary_fill_holes(mask))


def _up(job: _Job) -> Floats | None:
    """Superior direction (RAS) from the centroids of this vertebra and its neighbours."""
    above, below = numbering.neighbour_ids(job.number, job.scheme)
    middle = {n: _centroid(job, n) for n in (above, job.number, below) if n is not None}
    high = next((m for n in (above, job.number) if n is not None and (m := middle[n]) is not None), None)
    low = next((m for n in (below, job.number) if n is not None and (m := middle[n]) is not None), None)
    if high is None or low is None or np.linalg.norm(high - low) < 10 * mm:
        return None
    return np.asarray((high - low) / np.linalg.norm(high - low))


def _centroid(job: _Job, number: int) -> Floats | None:
    """Centroid of a label, unless the field of view cuts it."""
    index = np.argwhere(job.labels.data == number)
    if (
        not index.size
        or np.any(index.min(axis=0) == 0)
        or np.any(index.max(axis=0) == np.array(job.labels.data.shape) - 1)
    ):
        return None
    return np.asarray(job.labels.world(index).mean(axis=0))


def _body_distance(job: _Job) -> Volume | None:
    if job.subregions is None:
        return None
    parts, own = job.subregions, job.labels.data == job.number
    if parts.data.shape != own.shape:
        return _distance(job, BODY_SUBREGIONS, parts)
    return _distance(job, BODY_SUBREGIONS, parts.with_data(np.where(own, parts.data, 0)))


def _check_field(job: _Job, own: Volume, scout: Scout) -> None:
    """Refuse a level whose body or pedicles the field of view cuts; remark on a cut process."""
    world_from_ras = np.linalg.inv(scout.ras_from_world)
    points = np.concatenate([_beyond(own, job.ct), _at_edge(job)])
    if not len(points):
        return
    points = points @ world_from_ras[:3, :3].T + world_from_ras[:3, 3]
    middle = float(np.median(scout.tube.centre[scout.tube.measured, 1]))
    vital = points[points[:, 1] > middle]
    if len(vital) > 3:
        raise DataError(
            f"{job.level} is cut by the field of view",
            where="level",
            value=f"{len(vital)} voxels of its body or pedicles lie on the edge of the scan",
            allowed="a level that is complete in CT and labels",
            hint="choose another level, or a scan that covers this one",
        )
    job.remarks.append("a process of the arch is cut by the field of view")


def _beyond(own: Volume, ct: Volume) -> Floats:
    """RAS points of the vertebra outside the CT's voxels."""
    points = own.world(np.argwhere(own.data < 0))
    inverse = np.linalg.inv(ct.ras_from_voxel)
    index = points @ inverse[:3, :3].T + inverse[:3, 3]
    outside = np.any((index < -0.5) | (index > np.array(ct.data.shape) - 0.5), axis=1)
    return np.asarray(points[outside])


def _at_edge(job: _Job) -> Floats:
    """RAS points of the vertebra in the outermost voxels of the label map."""
    index = np.argwhere(job.labels.data == job.number)
    edge = np.any((index == 0) | (index == np.array(job.labels.data.shape) - 1), axis=1)
    return job.labels.world(index[edge])


def _check_values(job: _Job, own: Volume) -> dict[str, Any]:
    """Look at the CT numbers on the vertebra's own label voxels."""
    affine = np.linalg.inv(job.ct.ras_from_voxel) @ own.ras_from_voxel
    values = np.empty(own.data.shape, np.float32)
    ndimage.affine_transform(
        job.ct.data, affine[:3, :3], affine[:3, 3], output_shape=values.shape, output=values, order=0, mode="nearest"
    )
    check_on_bone(values, own.data, job.labels.name)
    report, remarks = quality(values, own.data)
    job.remarks.extend(remarks)
    return report


def _cut_around(ct: Volume, ras_from_world: Floats, reach: float = 260 * mm) -> Volume:
    """The part of the CT that the pictures can show, to save time on long scans."""
    centre = np.linalg.inv(ct.ras_from_voxel) @ ras_from_world[:, 3]
    half = np.ceil(reach / ct.spacing)
    return ct.crop(np.floor(centre[:3] - half), np.ceil(centre[:3] + half))


def _local(volume: Volume, grid: VoxelGrid, ras_from_world: Floats) -> Volume:
    """The part of a volume under a grid, with a margin of 6 mm."""
    low, high = grid.extent
    corners = np.array(np.meshgrid(*zip(low, high, strict=True), indexing="ij")).reshape(3, -1).T
    affine = np.linalg.inv(volume.ras_from_voxel) @ ras_from_world
    index = corners @ affine[:3, :3].T + affine[:3, 3]
    margin = 6 * mm / volume.spacing
    return volume.crop(np.floor(index.min(axis=0) - margin), np.ceil(index.max(axis=0) + margin) + 1)


def _simulation_grid(scout: Scout, spacing: float) -> VoxelGrid:
    low, high = scout_box(scout).extent
    return VoxelGrid.around(low, high, spacing)


def _bones(job: _Job, own: Volume, scout: Scout, grid: VoxelGrid) -> tuple[CanalTube, Bones]:
    """Every labelled vertebra and the canal through all of them on the simulation grid."""
    frame = scout.ras_from_world
    above, below = numbering.neighbour_ids(job.number, job.scheme)
    wide = {name: _field(job, n, scout.grid, frame) for name, n in (("above", above), ("below", below))}
    holes = scout.holes.copy()
    for field in wide.values():
        holes |= _neighbour_holes(field, scout)
    tube = on_grid(measure_tube(holes, scout.grid), scout.grid, grid)
    bone = resample(own, grid, frame, mode="constant", outside=_FAR) < 0
    body = _own_body(job, bone, scout, grid)
    ring = Volume(data=holes, ras_from_voxel=frame @ scout.grid.world_from_voxel, name="canal", digest="")
    fields = {name: _field(job, n, grid, frame) for name, n in (("above", above), ("below", below))}
    return tube, Bones(
        body=body,
        arch=bone & ~body,
        above=(fields["above"] < 0) & ~bone,
        below=(fields["below"] < 0) & ~bone,
        others=_other_vertebrae(job, {job.number, above, below}, grid, frame) & ~bone,
        holes=resample(ring, grid, frame) > 0.5,
    )


def _own_body(job: _Job, bone: NDArray[np.bool_], scout: Scout, grid: VoxelGrid) -> NDArray[np.bool_]:
    parts = _body_distance(job)
    if parts is not None:
        inside = resample(parts, grid, scout.ras_from_world, mode="constant", outside=_FAR) < 0
        return np.asarray(inside & bone)
    return split_body(bone, on_grid(scout.tube, scout.grid, grid), grid)


def _field(job: _Job, number: int | None, grid: VoxelGrid, frame: Floats) -> NDArray[np.float32]:
    """Signed distance [m] to a label on a grid; far away everywhere when the label is not there."""
    if number is None:
        return np.full(grid.shape, _FAR, np.float32)
    local = _local(job.labels, grid, frame)
    mask = local.data == number
    if not mask.any():
        return np.full(grid.shape, _FAR, np.float32)
    distance = signed_distance(local.with_data(mask))
    return resample(distance, grid, frame, mode="constant", outside=_FAR)


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


def _other_vertebrae(job: _Job, known: set[int | None], grid: VoxelGrid, frame: Floats) -> NDArray[np.bool_]:
    table = set(numbering.SCHEMES[job.scheme].values()) - known
    if job.scheme == "totalsegmentator":
        table.add(numbering.TS_SACRUM)
    local = _local(job.labels, grid, frame)
    mask = np.isin(local.data, sorted(n for n in table if n is not None))
    return np.asarray(resample(local.with_data(mask), grid, frame, mode="constant") > 0.5)


def _organ(job: _Job, scout: Scout, grid: VoxelGrid) -> NDArray[np.bool_]:
    """Aorta and cava where a complete TotalSegmentator map knows them."""
    if job.scheme != "totalsegmentator":
        return np.zeros(grid.shape, bool)
    local = _local(job.labels, grid, scout.ras_from_world)
    mask = np.isin(local.data, (numbering.TS_AORTA, numbering.TS_CAVA))
    return np.asarray(resample(local.with_data(mask), grid, scout.ras_from_world, mode="constant") > 0.5)


def _provenance(job: _Job, report: dict[str, Any], licence: str | None) -> dict[str, Any]:
    out: dict[str, Any] = {
        "source": "ct",
        "ct": {"name": job.ct.name, "sha256": job.ct.digest, "geometry": job.ct.geometry},
        "labels": {"name": job.labels.name, "sha256": job.labels.digest, "geometry": job.labels.geometry},
        "label_scheme": job.scheme,
        "label_id": job.number,
        "spacing_mm": round(job.spacing / mm, 4),
        "quality": report,
        "warnings": list(dict.fromkeys(job.remarks)),
        "licence": licence,
    }
    if job.subregions is not None:
        out["subregions"] = {"name": job.subregions.name, "sha256": job.subregions.digest}
    return out


def _silent(text: str, share: float) -> None:
    _log.debug("%s (%.0f %%)", text, 100 * share)
