"""Every labelled vertebra of a scan: name, middle and axes in the world frame of one level, for counting levels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vertebro.anatomy.anatomy import SpineLevel
from vertebro.anatomy.ct_job import Job
from vertebro.anatomy.frame import Scout, coarse_frame
from vertebro.anatomy.label_tables import SCHEMES
from vertebro.anatomy.labels import levels_present
from vertebro.anatomy.resampling import signed_distance
from vertebro.errors import DataError
from vertebro.units import deg, mm

Floats = NDArray[np.float64]
_MARGIN = 8 * mm
_USUAL_FORWARD = 14 * mm  # from the middle of a whole vertebra to the middle of its body


def measure_spine(job: Job, scout: Scout) -> tuple[SpineLevel, ...]:
    """Name, body centre and axes of every labelled vertebra, from the head down.

    Each is turned into its own axes as the level itself, but on a 2 mm grid. Where that fails (the atlas, a vertebra
    that the field of view cuts), its label's middle is moved forward by what its neighbours show, with their axes.

    Returns
    -------
    tuple of SpineLevel
        In the world frame of `scout`; the own level at the origin.
    """
    table = SCHEMES[job.scheme]
    boxes = ndimage.find_objects(job.whole.data)
    names = [n for n in levels_present(job.middles, job.scheme) if not (n == "S1" and job.scheme == "verse")]
    frames: dict[str, Floats] = {job.level: scout.ras_from_world}
    for name in names:
        if name != job.level:
            found = _frame(job, table[name], boxes[table[name] - 1], _tangent(job, [table[n] for n in names], name))
            if found is not None:
                frames[name] = found
    names = [name for name in names if name in frames or not _fragment(job, table[name], table[job.level])]
    _fill_gaps(job, names, frames)
    world = np.linalg.inv(scout.ras_from_world)
    return tuple(_level(name, world @ frames[name]) for name in names)


def _level(name: str, world_from_own: Floats) -> SpineLevel:
    return SpineLevel(name=name, centre=world_from_own[:3, 3].copy(), axes=world_from_own[:3, :3].T.copy())


def _frame(job: Job, number: int, box: tuple[slice, ...] | None, up: Floats) -> Floats | None:
    """``ras_from_own`` of one vertebra, None where its label does not tell."""
    if box is None or _cut(job, box):
        return None
    margin = np.ceil(_MARGIN / job.whole.spacing)
    part = job.whole.crop(np.array([b.start for b in box]) - margin, np.array([b.stop for b in box]) + margin)
    try:
        frame = coarse_frame(signed_distance(part.with_data(part.data == number)), up)
    except DataError:
        return None
    away = np.linalg.norm(frame[:3, 3] - job.middles[number])
    upright = frame[:3, 2] @ up > np.cos(45 * deg) and frame[1, 1] > np.cos(60 * deg)
    return frame if away < 40 * mm and upright else None


def _fragment(job: Job, number: int, own: int) -> bool:
    """Whether the field of view leaves less than half a vertebra, by the size of its label against the own one."""
    boxes = ndimage.find_objects(job.whole.data)
    if boxes[number - 1] is None or not _cut(job, boxes[number - 1]):
        return False
    size, usual = (np.count_nonzero(job.whole.data[boxes[n - 1]] == n) for n in (number, own))
    return bool(size < 0.5 * usual)


def _cut(job: Job, box: tuple[slice, ...]) -> bool:
    """Whether the label reaches the map's edge along the patient."""
    axis = next(n for n, letter in enumerate(job.whole.axes) if letter in "SI")
    return bool(box[axis].start == 0 or box[axis].stop == job.whole.data.shape[axis])


def _tangent(job: Job, chain: list[int], name: str) -> Floats:
    """Direction of the spine (RAS, upward) at a vertebra, from its neighbours' middles."""
    k = chain.index(SCHEMES[job.scheme][name])
    above, below = (job.middles[chain[min(max(n, 0), len(chain) - 1)]] for n in (k - 1, k + 1))
    length = float(np.linalg.norm(above - below))
    return (above - below) / length if length > 1 * mm else np.array([0.0, 0.0, 1.0])


def _fill_gaps(job: Job, names: list[str], frames: dict[str, Floats]) -> None:
    """Frames for what could not be measured, from the nearest vertebra that could; changes `frames`."""
    table = SCHEMES[job.scheme]
    known = [name for name in names if name in frames]
    for k, name in enumerate(names):
        if name in frames:
            continue
        nearest = min(known, key=lambda other: abs(names.index(other) - k))
        frame = frames[nearest].copy()
        shift = frame[:3, 3] - job.middles[table[nearest]]
        forward = float(np.clip(shift @ frame[:3, 1], 0.5 * _USUAL_FORWARD, 2.0 * _USUAL_FORWARD))
        frame[:3, 3] = job.middles[table[name]] + forward * frame[:3, 1]
        frames[name] = frame
