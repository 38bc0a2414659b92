"""Anatomy from bone shapes alone (a label map or surfaces): a synthetic CT is painted around them, then imported.

The interior follows the generated vertebrae (cortex, regional pattern, correlated log-normal bone volume fraction); the
trunk around is the generator's, scaled to the bone. Only the shapes are the patient's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vertebro.anatomy import labels as numbering
from vertebro.anatomy.anatomy import Anatomy
from vertebro.anatomy.ct_job import Job, body_distance, bone_distance, make_job, superior_hint
from vertebro.anatomy.frame import find_frame
from vertebro.anatomy.from_ct import Progress, import_job
from vertebro.anatomy.interior_settings import InteriorSettings
from vertebro.anatomy.parametric import PARAMETRIC_INTERIOR
from vertebro.anatomy.shape_ct import ShapeInterior, paint_ct
from vertebro.anatomy.surface_labels import label_surfaces
from vertebro.anatomy.surfaces import Surface
from vertebro.anatomy.volumes import Volume, read_volume
from vertebro.errors import DataError
from vertebro.units import mm

LABEL_EDGE = 0.75 * mm  # labels need no finer voxels than surfaces get
_BONE, _REST = 400, -500  # stand-in CT numbers until the frame is known and the real picture can be painted


@dataclass(frozen=True, kw_only=True, slots=True)
class ShapeSource:
    """Where the bone's shape comes from.

    Attributes
    ----------
    shape : Surface or path
        Surface of the level (`vertebro.view.surface_files.read_surface`), or a label map's file.
    above, below : Surface, optional
        The neighbours in the same coordinates.
    scheme : str
        Numbers of a label map, as `vertebro.anatomy.from_ct.import_ct`.
    """

    shape: Surface | str | Path
    above: Surface | None = None
    below: Surface | None = None
    scheme: str = "auto"

    @property
    def name(self) -> str:
        """The file's name without its path."""
        return self.shape.name if isinstance(self.shape, Surface) else Path(self.shape).name


def import_shape(
    source: ShapeSource,
    level: str,
    *,
    spacing: float = 0.8 * mm,
    interior: ShapeInterior | None = None,
    settings: InteriorSettings | None = None,
    seed: int = 0,
    licence: str | None = None,
    progress: Progress | None = None,
) -> Anatomy:
    """Build the anatomy of one level from its shape.

    Parameters
    ----------
    source : ShapeSource
    level : str
        ``"L1"`` … ; names the surface, or picks the bone of a label map.
    spacing : float [m]
        Edge of a simulation voxel.
    interior : ShapeInterior, optional
        Density and texture of the bone.
    settings : InteriorSettings, optional
        Default as for generated vertebrae.
    seed : int
        Of everything random inside.

    Raises
    ------
    DataError
        Whatever is wrong with the shape, with its cure.
    """
    level = numbering.parse_level(level)
    labels, scheme, remarks = _labels(source, level)
    job = make_job(_stand_in(labels), labels, level, scheme=scheme, resample_labels=False, subregions=None)
    own = bone_distance(job, job.number)
    if own is None:
        raise DataError(f"the label of {level} is empty", where=labels.name)
    scout = find_frame(own, superior_hint(job), body_distance(job))
    painted = paint_ct(job, own, scout, interior or ShapeInterior(), seed)
    anatomy = import_job(
        replace(job, ct=painted.ct),
        scout,
        spacing=spacing,
        settings=settings or PARAMETRIC_INTERIOR,
        seed=seed,
        picture=painted,
        licence=licence,
        progress=progress,
    )
    return replace(anatomy, provenance=_provenance(anatomy, source, job, interior or ShapeInterior(), remarks))


def _labels(source: ShapeSource, level: str) -> tuple[Volume, str, list[str]]:
    """Label map, its numbering and what was repaired."""
    if not isinstance(source.shape, Surface):
        if source.above is not None or source.below is not None:
            raise DataError("neighbours beside a label map", where="above, below", hint="a label map holds them itself")
        labels = read_volume(source.shape)
        thin = thinned(labels)
        return thin, source.scheme, [] if thin is labels else [f"fine labels were thinned to {thin.geometry}"]
    number = numbering.VERSE[level]
    above, below = numbering.neighbour_ids(number, "verse", [number])
    given: list[tuple[Surface, int]] = [(source.shape, number)]
    for surface, other, name in ((source.above, above, "above"), (source.below, below, "below")):
        if surface is None:
            continue
        if other is None:
            raise DataError(f"{level} has no vertebra {name} it", where=name, value=surface.name)
        given.append((surface, other))
    remarks = [f"{surface.name}: {text}" for surface, _ in given for text in surface.remarks]
    return label_surfaces(given), "verse", remarks


def thinned(labels: Volume, edge: float = LABEL_EDGE) -> Volume:
    """Every so many voxels of a label map along each axis, so that none is finer than needed; else the map itself."""
    steps = np.maximum(np.floor(edge / labels.spacing + 1e-6).astype(int), 1)
    if np.all(steps == 1):
        return labels
    affine = labels.ras_from_voxel.copy()
    affine[:3, :3] *= steps
    data = np.ascontiguousarray(labels.data[:: steps[0], :: steps[1], :: steps[2]])
    return replace(labels, data=data, ras_from_voxel=affine)


def _stand_in(labels: Volume) -> Volume:
    return labels.with_data(np.where(labels.data > 0, np.int16(_BONE), np.int16(_REST)))


def _provenance(
    anatomy: Anatomy, source: ShapeSource, job: Job, interior: ShapeInterior, remarks: list[str]
) -> dict[str, Any]:
    """The import's own, with the shape as its source and the synthetic parts named."""
    out = dict(anatomy.provenance)
    out["source"] = "surface" if isinstance(source.shape, Surface) else "labels"
    out["labels"] = {"name": job.labels.name, "sha256": job.labels.digest, "geometry": job.label_geometry}
    out["ct"] = {"name": "synthetic", "sha256": "", "geometry": out["ct"]["geometry"]}
    out["synthetic"] = interior.to_dict()
    if isinstance(source.shape, Surface):
        out["axes"] = source.shape.axes
    made_up = "only the bone's shape is real: CT numbers, trabecular bone, soft tissue and the trunk are synthetic"
    false = ("another grid", "field of view", "contrast medium")  # of the painted picture, not of the bone
    kept = [text for text in out["warnings"] if not any(part in text for part in false)]
    out["warnings"] = [made_up, *remarks, *kept]
    return out
