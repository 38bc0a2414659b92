"""The vertebra's own axes: superior from its endplates, anterior from canal to body, right to complete them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vertebro.anatomy.canal import CanalTube, labelled_holes, measure_tube, ring_holes
from vertebro.anatomy.resampling import resample
from vertebro.anatomy.volumes import Volume
from vertebro.errors import DataError
from vertebro.grid import VoxelGrid
from vertebro.units import deg, mm

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
_BOX = (np.array([-60.0, -95.0, -45.0]) * mm, np.array([60.0, 50.0, 45.0]) * mm)
_COARSE = VoxelGrid.around(*_BOX, 2.0 * mm)  # for the first turns
_SCOUT = VoxelGrid.around(*_BOX, 1.0 * mm)
_ROUNDS = 5  # on each of the two grids
_FAR = 30 * mm  # distance assumed beyond the crop around a label


@dataclass(frozen=True, kw_only=True, slots=True)
class Scout:
    """What one look at the vertebra in its own frame shows, on a 1 mm grid.

    Attributes
    ----------
    ras_from_world : (4, 4) float array
        Rigid; the world frame's origin is the body centre.
    grid : VoxelGrid
    distance : float32 array [m]
        Signed distance to the whole vertebra.
    body, bone, holes : bool arrays
        The vertebral body; the whole vertebra; the hole of the canal where the arch closes it.
    tube : CanalTube
    """

    ras_from_world: Floats
    grid: VoxelGrid
    distance: NDArray[np.float32]
    body: Bools
    bone: Bools
    holes: Bools
    tube: CanalTube


def find_frame(
    distance: Volume,
    up: NDArray[np.float64] | None = None,
    body_distance: Volume | None = None,
    canal_distance: Volume | None = None,
) -> Scout:
    """Find the frame of one vertebra by looking, turning and looking again.

    Parameters
    ----------
    distance : Volume
        Signed distance to the whole vertebra [m].
    up : (3,) float, optional
        First guess of the superior direction in RAS (from the neighbours); default the patient's long axis.
    body_distance : Volume, optional
        Signed distance to the body alone, where sub-region labels are known.
    canal_distance : Volume, optional
        Signed distance to a labelled canal; without it the canal is the hole in the arch.

    Raises
    ------
    DataError
        If no canal or no body is found, or the search does not settle.
    """
    frame = coarse_frame(distance, up, body_distance, canal_distance)
    frame = _settle(distance, frame, body_distance, canal_distance, _SCOUT, 0.4 * deg)
    _check_upright(frame, up)
    return look(distance, frame, body_distance, canal_distance)


def coarse_frame(
    distance: Volume,
    up: NDArray[np.float64] | None = None,
    body_distance: Volume | None = None,
    canal_distance: Volume | None = None,
) -> Floats:
    """As `find_frame`, good to a few degrees and a millimetre or two, in a fifth of the time: ``ras_from_world``."""
    frame = _first_guess(distance, up)
    return _settle(distance, frame, body_distance, canal_distance, _COARSE, 1.5 * deg)


def _settle(
    distance: Volume, frame: Floats, body: Volume | None, canal: Volume | None, grid: VoxelGrid, enough: float
) -> Floats:
    """Look and turn until a turn is smaller than `enough` [rad]."""
    for _ in range(_ROUNDS):
        turn = _correction(look(distance, frame, body, canal, grid))
        frame = frame @ turn
        angle = np.arccos(np.clip((np.trace(turn[:3, :3]) - 1) / 2, -1, 1))
        if angle < enough and np.linalg.norm(turn[:3, 3]) < 0.3 * grid.spacing[0]:
            break
    return frame


def look(
    distance: Volume,
    frame: Floats,
    body_distance: Volume | None = None,
    canal_distance: Volume | None = None,
    grid: VoxelGrid = _SCOUT,
) -> Scout:
    """Resample the vertebra into a frame and tell body and canal apart there."""
    field = resample(distance, grid, frame, mode="constant", outside=_FAR)
    bone = np.asarray(field < 0)
    if canal_distance is None:
        holes = ring_holes(field, grid)
    else:
        canal = resample(canal_distance, grid, frame, mode="constant", outside=_FAR) < 0
        holes = labelled_holes(canal, bone)
    tube = measure_tube(holes, grid)
    if body_distance is None:
        body = split_body(bone, tube, grid)
    else:
        body = np.asarray(resample(body_distance, grid, frame, mode="constant", outside=_FAR) < 0)
    if np.count_nonzero(body) * grid.voxel_volume < 1.5e-6:
        raise DataError("no vertebral body in front of the canal", where="labels", hint="check the label map")
    return Scout(ras_from_world=frame, grid=grid, distance=field, body=body, bone=bone, holes=holes, tube=tube)


def split_body(bone: Bools, tube: CanalTube, grid: VoxelGrid) -> Bools:
    """The part of a vertebra in front of its canal.

    Beside the canal a plane across (straight in r) through the front edge of the rings parts body and pedicles;
    straight in front of the canal everything is body.
    """
    r, a, _ = grid.open_mesh()
    medial = np.abs(r - tube.centre[None, None, :, 0]) < 0.7 * tube.half[None, None, :, 0]
    forward = (a > wall_line(tube, grid)[None, None, :]) | (medial & (a > tube.centre[None, None, :, 1]))
    out = bone & forward
    if not out.any():
        return np.asarray(out)
    box = ndimage.find_objects(out.astype(np.uint8))[0]
    out[box] &= _without_spurs(out[box], max(1, round(1.0 * mm / grid.spacing[0])))
    return np.asarray(out)


def _without_spurs(part: Bools, width: int) -> Bools:
    """The largest piece of a mask, slightly grown, that an opening by `width` voxels leaves."""
    opened = ndimage.binary_opening(part, iterations=width)
    pieces, count = ndimage.label(opened)
    if count == 0:
        return np.asarray(opened)
    biggest = pieces == 1 + int(np.argmax(np.bincount(pieces.ravel())[1:]))
    return np.asarray(ndimage.binary_dilation(biggest, iterations=2))  # gives back what the opening shaved off


def wall_line(tube: CanalTube, grid: VoxelGrid) -> Floats:
    """(ns,) a-coordinate [m] of the posterior wall in every slice, a straight line through the rings' front."""
    _, _, s = grid.axes()
    known = tube.measured
    height, front = s[known], tube.front[known]
    slope = 0.0
    if known.sum() >= 6:
        slope = float(np.clip(_median_slope(height, front), -0.12, 0.12))
    return np.asarray(np.median(front - slope * height) + slope * s)


def mirror_turn(bone: Bools, grid: VoxelGrid, around: float = 0.0, limit: float = 8 * deg) -> float:
    """Turn about s [rad], near `around`, after which the vertebra, seen from above, is most like its mirror image.

    The canal-to-body direction rests on two points; the outline of arch and processes steadies it. Bone thicker than
    8 mm along s counts no more than that, so that the body does not drown the processes.
    """
    plan = np.minimum(bone.sum(axis=2) * grid.spacing[2], 8 * mm).astype(np.float32)
    plan = ndimage.gaussian_filter(plan, 1.5)
    angles = around + np.arange(-limit, limit + 0.5 * deg, 1.0 * deg)
    likeness = np.array([_mirror_likeness(plan, grid, angle) for angle in angles])
    best = int(np.clip(likeness.argmax(), 1, len(angles) - 2))
    before, here, after = likeness[best - 1 : best + 2]
    bend = before - 2 * here + after
    shift = 0.5 * (before - after) / bend if bend < 0 else 0.0
    return float(angles[best] + np.clip(shift, -1, 1) * (angles[1] - angles[0]))


def _mirror_likeness(plan: NDArray[np.float32], grid: VoxelGrid, angle: float) -> float:
    """Largest correlation of the turned plan with its mirror image over shifts of up to 8 mm sideways."""
    r, a, _ = grid.axes()
    c, s = np.cos(angle), np.sin(angle)
    # sample the plan at turned positions, about the world origin
    middle = np.array([-r[0], -a[0]]) / grid.spacing[0]
    matrix = np.array([[c, -s], [s, c]])
    turned = ndimage.affine_transform(plan, matrix, middle - matrix @ middle, order=1)
    spectrum = np.fft.rfft(turned, n=2 * turned.shape[0], axis=0)
    # mirror about an axis = correlation of the rows with themselves reversed
    match = np.fft.irfft((spectrum**2).sum(axis=1), n=2 * turned.shape[0])
    origin = round(2 * middle[0])
    reach = round(16 * mm / grid.spacing[0])
    return float(match[origin - reach : origin + reach + 1].max() / (turned**2).sum())


def endplate_points(body: Bools, grid: VoxelGrid, share: float = 0.65) -> tuple[Floats, Floats]:
    """Points (n, 3) [m] of the superior and of the inferior endplate over the inner part of the footprint."""
    footprint = body.any(axis=2)
    i, j = np.nonzero(footprint)
    middle = np.array([i.mean(), j.mean()])
    reach = 2.0 * np.array([i.std(), j.std()]) * share
    near = ((i - middle[0]) / reach[0]) ** 2 + ((j - middle[1]) / reach[1]) ** 2 < 1.0
    columns = body[i[near], j[near]]
    last = columns.shape[1] - 1
    top = last - np.argmax(columns[:, ::-1], axis=1) + 0.5
    bottom = np.argmax(columns, axis=1) - 0.5
    plan = np.stack([i[near], j[near]], axis=1)
    points = [grid.world(np.column_stack([plan, level])) for level in (top, bottom)]
    return points[0], points[1]


def plane_normal(points: Floats) -> Floats:
    """Upward unit normal of a plane s = s0 + p·r + q·a, fitted with the worst fifth of the points left out."""
    design = np.column_stack([np.ones(len(points)), points[:, :2]])
    keep = np.ones(len(points), bool)
    for _ in range(3):
        fit, *_ = np.linalg.lstsq(design[keep], points[keep, 2], rcond=None)
        miss = np.abs(points[:, 2] - design @ fit)
        keep = miss <= np.quantile(miss, 0.8)
    normal = np.array([-fit[1], -fit[2], 1.0])
    return np.asarray(normal / np.linalg.norm(normal))


def body_centre(body: Bools, grid: VoxelGrid) -> Floats:
    """Middle of the body (3,) [m]: between its side walls, its front and back, and its endplates."""
    top, bottom = endplate_points(body, grid, share=0.3)
    s0 = (np.median(top[:, 2]) + np.median(bottom[:, 2])) / 2
    r, a, s = grid.axes()
    waist = body[:, :, np.abs(s - s0) <= 5 * mm].sum(axis=2)
    i, j = np.nonzero(waist > 0.5 * waist.max())
    r0 = (np.quantile(r[i], 0.01) + np.quantile(r[i], 0.99)) / 2
    line = a[j[np.abs(r[i] - r0) <= 4 * mm]]
    return np.array([r0, (line.min() + line.max()) / 2, s0])


def rigid(right: Floats, anterior: Floats, superior: Floats, origin: Floats) -> Floats:
    """(4, 4) transform whose columns are three axes and an origin."""
    out = np.eye(4)
    out[:3] = np.column_stack([right, anterior, superior, origin])
    return out


def _first_guess(distance: Volume, up: Floats | None) -> Floats:
    inside = np.argwhere(distance.data < 0)
    if not inside.size:
        raise DataError("the vertebra's label is empty", where=distance.name)
    superior = np.array([0.0, 0.0, 1.0]) if up is None else up / np.linalg.norm(up)
    right = np.cross([0.0, 1.0, 0.0], superior)
    right /= np.linalg.norm(right)
    return rigid(right, np.cross(superior, right), superior, distance.world(inside).mean(axis=0))


def _correction(scout: Scout) -> Floats:
    """Rigid transform from the better frame to the scout's frame."""
    top, bottom = endplate_points(scout.body, scout.grid)
    superior = plane_normal(top) + plane_normal(bottom)
    superior /= np.linalg.norm(superior)
    centre = body_centre(scout.body, scout.grid)
    forward = centre - _canal_middle(scout.tube, scout.grid)
    angle = mirror_turn(scout.bone, scout.grid, float(np.arctan2(-forward[0], forward[1])))
    anterior = np.array([-np.sin(angle), np.cos(angle), 0.0])
    anterior -= superior * (anterior @ superior)
    anterior /= np.linalg.norm(anterior)
    return rigid(np.cross(anterior, superior), anterior, superior, centre)


def _canal_middle(tube: CanalTube, grid: VoxelGrid) -> Floats:
    _, _, s = grid.axes()
    rows = np.column_stack([tube.centre, s])[tube.measured]
    return np.asarray(np.median(rows, axis=0))


def _median_slope(x: Floats, y: Floats) -> float:
    """Theil's slope: the median over all pairs of points."""
    i, j = np.triu_indices(len(x), 1)
    return float(np.median((y[j] - y[i]) / (x[j] - x[i])))


def _check_upright(frame: Floats, up: Floats | None) -> None:
    """Refuse a frame that lies on its side: the search went astray."""
    expected = np.array([0.0, 0.0, 1.0]) if up is None else up / np.linalg.norm(up)
    lean = np.arccos(np.clip(frame[:3, 2] @ expected, -1, 1))
    turn = np.arccos(np.clip(frame[1, 1] / np.hypot(frame[0, 1], frame[1, 1]), -1, 1))
    if lean > 50 * deg or turn > 60 * deg:
        raise DataError(
            "the vertebra's axes could not be told from its label",
            where="labels",
            value=f"leans {lean / deg:.0f} degrees, is turned {turn / deg:.0f} degrees",
            allowed="lean below 50, turn below 60 degrees from the patient's axes",
            hint="check the label map and the patient position recorded in the CT",
        )
