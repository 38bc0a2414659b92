"""The pictures' surroundings of one import, with remarks about what the field of view lacks."""

from __future__ import annotations

import numpy as np

from vertebro.anatomy.anatomy import Surround
from vertebro.anatomy.beyond_field import is_cut
from vertebro.anatomy.ct_job import Job
from vertebro.anatomy.frame import Scout
from vertebro.anatomy.surround import build_surround, ends_near, in_field, posterior_skin, without_table
from vertebro.units import mm

SURROUND_SPACING = 1.0 * mm
_PICTURE_REACH = 260 * mm


def surround_of(job: Job, scout: Scout) -> Surround:
    """The patient around the vertebra; a long scan is cut first, to save time."""
    centre = np.linalg.inv(job.ct.ras_from_voxel) @ scout.ras_from_world[:, 3]
    half = np.ceil(_PICTURE_REACH / job.ct.spacing)
    part = job.ct.crop(np.floor(centre[:3] - half), np.ceil(centre[:3] + half))
    if ends_near(part, scout.ras_from_world):
        job.remarks.append("the CT ends near the level: pictures are continued by mirrored slices, for looks only")
    clean = without_table(part)
    if is_cut(clean):
        job.remarks.append("the field of view cuts the patient's sides: a smooth trunk follows there, for looks only")
    return build_surround(clean, scout.ras_from_world, SURROUND_SPACING)


def skin_behind(job: Job, scout: Scout, surround: Surround) -> float:
    """a-coordinate [m] of the skin behind the vertebra; a remark where the field of view does not hold it."""
    behind = float(scout.grid.world(np.argwhere(scout.bone))[:, 1].min())
    skin = posterior_skin(surround, behind)
    if not in_field(job.ct, scout.ras_from_world, np.array([0.0, skin - 4 * mm, 0.0])):
        job.remarks.append("the skin behind the vertebra is outside the field of view; its distance is a lower bound")
    return skin
