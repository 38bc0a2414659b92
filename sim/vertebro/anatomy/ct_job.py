"""One import's inputs, read and checked: the CT, the labels around the level, distances to its bones."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vertebro.anatomy import labels as numbering
from vertebro.anatomy.ct_checks import check_hounsfield, check_labels, check_on_bone, check_sides, quality
from vertebro.anatomy.frame import Scout
from vertebro.anatomy.label_middles import centroids
from vertebro.anatomy.label_tables import BODY_PARTS, CANAL, CORD, bone_ids, ids_named
from vertebro.anatomy.resampling import resample, signed_distance
from vertebro.anatomy.volumes import Volume, same_grid
from vertebro.errors import DataError
from vertebro.grid import VoxelGrid
from vertebro.units import ml, mm

FAR = 30 * mm  # distance assumed beyond the box around a label
_LABEL_REACH = 130 * mm
DISC_MIDDLE = 0.58  # of the way from one vertebra's middle to the next; the disc's own middle lies near 0.5
LARGEST_BLEEDING = 0.25
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """What the steps of one import share.

    Attributes
    ----------
    ct : Volume
    labels : Volume
        Cut to the surroundings of the level.
    whole : Volume
        The uncut label map.
    middles : dict
        RAS middle (3,) [m] of every label in it.
    subregions : Volume or None
    label_geometry : str
        Of the uncut label map.
    level, scheme : str
    number, above, below : int
        Label ids of the level and its neighbours (None past the ends of the spine).
    remarks : list of str
        Grows while the import goes on.
    distances : dict
        What `bone_distance` has measured already.
    """

    ct: Volume
    labels: Volume
    whole: Volume
    middles: dict[int, Floats]
    subregions: Volume | None
    label_geometry: str
    level: str
    scheme: str
    number: int
    above: int | None
    below: int | None
    remarks: list[str] = field(default_factory=list)
    distances: dict[int, Volume | None] = field(default_factory=dict)

    @property
    def oriented(self) -> bool:
        """Whether both files say how their voxels lie in the patient."""
        return self.ct.oriented and self.whole.oriented

    @property
    def bone_ids(self) -> set[int]:
        """Ids of all vertebrae, and of sacrum and ribs where the scheme has them."""
        return bone_ids(self.scheme)

    def field(self, distance: Volume | None, grid: VoxelGrid, frame: Floats) -> NDArray[np.float32]:
        """Signed distance [m] on a grid; far away everywhere for a bone that is not there."""
        if distance is None:
            return np.full(grid.shape, FAR, np.float32)
        return resample(distance, grid, frame, mode="constant", outside=FAR)

    def mask(self, numbers: set[int], grid: VoxelGrid, frame: Floats) -> Bools:
        """Voxels of a grid inside any of some labels."""
        local = around(self.labels, grid, frame)
        chosen = np.isin(local.data, sorted(numbers))
        return np.asarray(resample(local.with_data(chosen), grid, frame, mode="constant") > 0.5)


def make_job(
    scan: Volume,
    labels: Volume,
    level: str,
    *,
    scheme: str,
    resample_labels: bool,
    subregions: Volume | None,
) -> Job:
    """Check volumes already in memory; see `import_volumes` for the arguments and errors."""
    level = numbering.parse_level(level)
    check_hounsfield(scan)
    marks = check_labels(labels, scan, resample_labels)
    middles = centroids(marks)
    number, found = numbering.find_level(list(middles), level, scheme, {n: float(m[2]) for n, m in middles.items()})
    above, below = numbering.neighbour_ids(number, found, list(middles))
    parts = None if subregions is None else check_labels(subregions, scan, resample_labels)
    job = Job(
        ct=scan,
        labels=_cut_to_level(marks, number),
        whole=marks,
        middles=middles,
        subregions=parts,
        label_geometry=marks.geometry,
        level=level,
        scheme=found,
        number=number,
        above=above,
        below=below,
    )
    check_sides(middles, found, parts, marks.name)
    if not same_grid(marks, scan):
        job.remarks.append("the labels lie on another grid than the CT; they were carried over by position")
    if not job.oriented:
        job.remarks.append(
            "a header gives no orientation: left, right, head and foot are assumed from the voxels' order; check them"
        )
    if scan.spacing.max() > 3.0 * mm:
        job.remarks.append(f"thick slices ({scan.spacing.max() / mm:.1f} mm): walls and endplates are approximate")
    return job


def bone_distance(job: Job, number: int | None) -> Volume | None:
    """Signed distance [m] to a label in a box 15 mm around it, None where the label is absent."""
    if number is None:
        return None
    if number not in job.distances:
        mask = job.labels.data == number
        if number == job.number:
            mask &= ~_bleeding(job, mask)
        job.distances[number] = _distance(job.labels.with_data(mask), job.remarks)
    return job.distances[number]


def _bleeding(job: Job, mask: Bools) -> Bools:
    """Voxels of the level's label in a neighbour's body: in front, beyond the middle of the disc between them.

    Raises
    ------
    DataError
        If that is a large part of the label.
    """
    out = np.zeros(mask.shape, bool)
    own = _centroid(job, job.number)
    if own is None:
        return out
    index = np.argwhere(mask)
    away = job.labels.world(index) - own
    for name, other in (("above", job.above), ("below", job.below)):
        middle = _centroid(job, other)
        if middle is None:
            continue
        pitch = float(np.linalg.norm(middle - own))
        along = (middle - own) / pitch
        forward = np.array([0.0, 1.0, 0.0]) - along[1] * along
        beyond = (away @ along > DISC_MIDDLE * pitch) & (away @ forward > 0)
        share = float(beyond.mean())
        if share > LARGEST_BLEEDING:
            raise DataError(
                f"the label of {job.level} runs into the vertebra {name}",
                where=job.labels.name,
                value=f"{100 * share:.0f} % of it lie beyond the disc",
                allowed=f"at most {100 * LARGEST_BLEEDING:.0f} %",
                hint="correct the label map: two vertebrae carry one number",
            )
        if beyond.any():
            out[tuple(index[beyond].T)] = True
            volume = np.count_nonzero(beyond) * float(np.prod(job.labels.spacing)) / ml
            job.remarks.append(f"{volume:.2f} ml of {job.level}'s label lie in the body {name}: left out")
    return out


def body_distance(job: Job) -> Volume | None:
    """Signed distance [m] to the body of the level where sub-region labels tell it.

    Raises
    ------
    DataError
        If a sub-region map shows no body there.
    """
    if job.subregions is None:
        return None
    found = _part_distance(job, BODY_PARTS, near=0.5 * float(job.subregions.spacing.max()))
    if found is None:
        raise DataError(
            f"the sub-region map shows no body of {job.level}",
            where=job.subregions.name,
            allowed=f"ids {BODY_PARTS[:2]} in the vertebral body",
        )
    return found


def canal_distance(job: Job) -> Volume | None:
    """Signed distance [m] to the canal where sub-region labels show it (61, the cord 60 within)."""
    return None if job.subregions is None else _part_distance(job, (CORD, CANAL), near=25 * mm, needed=CANAL)


def cord_distance(job: Job) -> Volume | None:
    """Signed distance [m] to the canal guessed as 3 mm around a labelled cord, for an arch that closes no ring."""
    ids = ids_named(job.scheme, "spinal_cord")
    near = job.labels.with_data(np.isin(job.labels.data, sorted(ids)))
    found = _distance(near, []) if ids else None
    if found is None and job.subregions is not None:
        found = _part_distance(job, (CORD,), near=25 * mm)
    return None if found is None else found.with_data(found.data - np.float32(3 * mm))


def _part_distance(job: Job, parts: tuple[int, ...], *, near: float, needed: int | None = None) -> Volume | None:
    """Distance to sub-regions; these maps show every vertebra, so what lies farther than `near` is left out."""
    own = bone_distance(job, job.number)
    if job.subregions is None or own is None:
        return None
    chosen = np.isin(job.subregions.data, parts)
    if not chosen.any() or (needed is not None and not np.any(job.subregions.data == needed)):
        return None
    affine = np.linalg.inv(own.ras_from_voxel) @ job.subregions.ras_from_voxel
    distance = np.empty(chosen.shape, np.float32)
    ndimage.affine_transform(
        own.data, affine[:3, :3], affine[:3, 3], chosen.shape, distance, order=1, mode="constant", cval=FAR
    )
    return _distance(job.subregions.with_data(chosen & (distance < near)), job.remarks)


def superior_hint(job: Job) -> Floats | None:
    """Superior direction (RAS) from the centroids of this vertebra and its neighbours."""
    above, own, below = (_centroid(job, n) for n in (job.above, job.number, job.below))
    high, low = (above if above is not None else own), (below if below is not None else own)
    if high is None or low is None or np.linalg.norm(high - low) < 10 * mm:
        return None
    return np.asarray((high - low) / np.linalg.norm(high - low))


def check_field(job: Job, own: Volume, scout: Scout) -> None:
    """Refuse a level whose body or pedicles the field of view cuts; remark on a cut process.

    Raises
    ------
    DataError
    """
    points = np.concatenate([_beyond(own, job.ct), _at_edge(job)])
    if not len(points):
        return
    world_from_ras = np.linalg.inv(scout.ras_from_world)
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


def check_values(job: Job, own: Volume) -> dict[str, Any]:
    """Look at the CT numbers around the vertebra on its label's voxels; returns the quality report."""
    values = values_at(job.ct, own)
    check_on_bone(values, own.data, job.labels.name)
    labelled = np.isin(values_at(job.labels, own), sorted(job.bone_ids))
    report, remarks = quality(values, own.data, labelled)
    job.remarks.extend(remarks)
    return report


def values_at(source: Volume, place: Volume) -> NDArray[np.float32]:
    """Nearest values of a volume at another volume's voxels."""
    affine = np.linalg.inv(source.ras_from_voxel) @ place.ras_from_voxel
    values = np.empty(place.data.shape, np.float32)
    ndimage.affine_transform(source.data, affine[:3, :3], affine[:3, 3], values.shape, values, order=0, mode="nearest")
    return values


def around(volume: Volume, grid: VoxelGrid, ras_from_world: Floats, margin: float = 6 * mm) -> Volume:
    """The part of a volume under a grid, with a margin."""
    low, high = grid.extent
    corners = np.array(np.meshgrid(*zip(low, high, strict=True), indexing="ij")).reshape(3, -1).T
    affine = np.linalg.inv(volume.ras_from_voxel) @ ras_from_world
    index = corners @ affine[:3, :3].T + affine[:3, 3]
    pad = margin / volume.spacing
    return volume.crop(np.floor(index.min(axis=0) - pad), np.ceil(index.max(axis=0) + pad) + 1)


def _cut_to_level(labels: Volume, number: int) -> Volume:
    low, high = _box(labels.data == number)
    reach = np.ceil(_LABEL_REACH / labels.spacing)
    part = labels.crop((low + high) / 2 - reach, (low + high) / 2 + reach)
    return replace(part, data=np.ascontiguousarray(part.data))


def _box(mask: Bools) -> tuple[NDArray[Any], NDArray[Any]]:
    """Lowest and highest index (exclusive) of a mask along each axis."""
    spans = [np.flatnonzero(mask.any(axis=tuple(k for k in range(3) if k != axis))) for axis in range(3)]
    return np.array([s[0] for s in spans]), np.array([s[-1] + 1 for s in spans])


def _distance(mask: Volume, remarks: list[str]) -> Volume | None:
    if not mask.data.any():
        return None
    margin = np.ceil(15 * mm / mask.spacing).astype(int)
    low, high = _box(mask.data)
    box = mask.crop(low - margin, high + margin)
    return signed_distance(box.with_data(_main_part(box.data, remarks)))


def _main_part(mask: Bools, remarks: list[str]) -> Bools:
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


def _centroid(job: Job, number: int | None) -> Floats | None:
    """Centroid of a label, unless it is absent or the field of view cuts it."""
    mask = job.labels.data == number
    if number is None or not mask.any():
        return None
    low, high = _box(mask)
    if np.any(low == 0) or np.any(high == np.array(mask.shape)):
        return None
    return np.asarray(job.labels.world(np.argwhere(mask)).mean(axis=0))


def _beyond(own: Volume, ct: Volume) -> Floats:
    """RAS points of the vertebra outside the CT's voxels."""
    points = own.world(np.argwhere(own.data < 0))
    inverse = np.linalg.inv(ct.ras_from_voxel)
    index = points @ inverse[:3, :3].T + inverse[:3, 3]
    outside = np.any((index < -0.5) | (index > np.array(ct.data.shape) - 0.5), axis=1)
    return np.asarray(points[outside])


def _at_edge(job: Job) -> Floats:
    """RAS points of the vertebra in the outermost voxels of the label map."""
    index = np.argwhere(job.labels.data == job.number)
    edge = np.any((index == 0) | (index == np.array(job.labels.data.shape) - 1), axis=1)
    return job.labels.world(index[edge])
