"""An anatomy taken apart for a disease to work on: labels without veins, CT numbers, and what must stay open."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vertebro.anatomy.anatomy import Anatomy, Landmarks, Pedicle, SpineLevel, Surround
from vertebro.anatomy.interior_settings import InteriorSettings
from vertebro.anatomy.network_settings import VeinSettings
from vertebro.anatomy.pathology_frame import Frame, measure
from vertebro.anatomy.pathology_warp import Warp
from vertebro.anatomy.random_field import normal_field
from vertebro.grid import VoxelGrid
from vertebro.tissue import Compartment, Tissue
from vertebro.units import mm

Array = NDArray[Any]
OWN = (Compartment.BODY, Compartment.ARCH)
DENSEST = 0.85  # BV/TV that compressed bone can reach
IMPACTED = 2 * mm  # how far crushed bone is pushed in one pass, standard deviation
IMPACTIONS = 6
SLAB = 24  # layers of the surround that are looked up at once


@dataclass(kw_only=True, slots=True)
class Draft:
    """Arrays on the simulation grid that records change one after another.

    Attributes
    ----------
    level : str
    grid : VoxelGrid
    tissue, compartment : (nr, na, ns) uint8 arrays
        Without veins.
    hu : (nr, na, ns) float32 array [HU]
    plain : (nr, na, ns) float32 array [HU]
        The same without anything painted; the surround learns the difference.
    openness : (nr, na, ns) float32 array [1]
        Factor on the permeability of lesions.
    breach : (nr, na, ns) bool array
        Voxels on both sides of a hole in the cortex.
    loose : (nr, na, ns) bool array
        Soft tissue that a breach or a crack has torn.
    wide_grid, wide_hu, organ
        The surround.
    landmarks : Landmarks
    spine : tuple of SpineLevel
    frame : Frame
        Of the unbroken body.
    warp : Warp or None
        The fracture, once there is one.
    settings : InteriorSettings
    sides : float
        −1 in a mirrored patient: records keep their own sides, the patient's are exchanged.
    """

    level: str
    grid: VoxelGrid
    tissue: NDArray[np.uint8]
    compartment: NDArray[np.uint8]
    hu: NDArray[np.float32]
    plain: NDArray[np.float32]
    openness: NDArray[np.float32]
    breach: NDArray[np.bool_]
    loose: NDArray[np.bool_]
    wide_grid: VoxelGrid
    wide_hu: NDArray[np.float32]
    organ: NDArray[np.uint8] | None
    landmarks: Landmarks
    spine: tuple[SpineLevel, ...]
    frame: Frame
    settings: InteriorSettings
    sides: float = 1.0
    warp: Warp | None = field(default=None)

    @property
    def own(self) -> NDArray[np.bool_]:
        """This vertebra's voxels."""
        return np.asarray(np.isin(self.compartment, OWN))

    def mesh(self) -> tuple[Array, Array, Array]:
        """Open coordinates [m] of the simulation grid, r seen in the record's sides."""
        r, a, s = self.grid.open_mesh()
        return self.sides * r, a, s

    def place(self, right: float, front: float, up: float) -> Array:
        """Point (3,) [m], in the record's sides, at shares of the (broken) body's half axes."""
        point = self.frame.place(right, front, up)
        if self.warp is not None:
            point[0] *= self.sides
            point = self.warp.push(point)
            point[0] *= self.sides
        return point

    def wobble(self, seed: int, length: float) -> NDArray[np.float32]:
        """Correlated standard normal field, the same on every grid; mirrored with the patient."""
        return normal_field(self.grid, seed=seed, correlation_length=length, mirrored=self.sides < 0)

    def surround(self) -> Surround:
        """The wider field as the anatomy keeps it."""
        hu = np.clip(np.rint(self.wide_hu), -1024, 32000).astype(np.int16)
        return Surround(grid=self.wide_grid, hu=hu, organ=self.organ)


def take_apart(anatomy: Anatomy, neighbours: tuple[SpineLevel, ...]) -> Draft:
    """Copy an anatomy's labels and CT numbers, with the veins taken out again (the surroundings grow in)."""
    vein = anatomy.tissue == Tissue.VEIN
    drawn = np.isin(anatomy.compartment, (Compartment.VEIN_BASIVERTEBRAL, Compartment.VEIN_SEGMENTAL))
    own = np.isin(anatomy.compartment, OWN)
    place = _grown(anatomy.compartment, drawn)
    tissue = anatomy.tissue.copy()
    tissue[vein & own] = Tissue.CANCELLOUS
    outside = vein & ~own
    solid = own | outside
    tissue[outside] = _grown(np.where(own, np.uint8(Tissue.MUSCLE), tissue), solid)[outside] if outside.any() else 0
    values = dict(anatomy.provenance["interior"])
    values["basivertebral_size"] = tuple(values["basivertebral_size"])
    values["network"] = VeinSettings(**values["network"])
    settings = InteriorSettings(**values)
    return Draft(
        level=anatomy.level,
        grid=anatomy.grid,
        tissue=tissue,
        compartment=place,
        hu=anatomy.hu.astype(np.float32, copy=True),
        plain=anatomy.hu.astype(np.float32, copy=True),
        openness=np.ones(anatomy.grid.shape, np.float32),
        breach=np.zeros(anatomy.grid.shape, bool),
        loose=np.zeros(anatomy.grid.shape, bool),
        wide_grid=anatomy.surround.grid,
        wide_hu=anatomy.surround.hu.astype(np.float32),
        organ=anatomy.surround.organ,
        landmarks=anatomy.landmarks,
        spine=anatomy.spine or neighbours,
        frame=measure(anatomy.grid, place),
        settings=settings,
        sides=-1.0 if settings.mirrored else 1.0,
    )


def _grown(labels: NDArray[np.uint8], gone: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Labels with the voxels of `gone` taken over by their nearest neighbours."""
    if not gone.any() or gone.all():
        return labels.copy()
    nearest = ndimage.distance_transform_edt(gone, return_distances=False, return_indices=True)
    return np.asarray(labels[tuple(nearest)])


def bend(draft: Draft, warp: Warp) -> None:
    """Break the draft: every voxel looks up where its tissue came from (changes the draft in place).

    Bone keeps its mineral: BV/TV grows by old volume over new volume, up to `DENSEST`; what does not fit is pushed
    into the marrow beside it. Beyond the simulation grid CT numbers come from the surround; labels repeat the last
    voxel.
    """
    r, a, s = np.broadcast_arrays(*draft.grid.open_mesh())
    source = warp.pull(r, a, s)
    index = [(x - o) / h for x, o, h in zip(source, draft.grid.origin, draft.grid.spacing, strict=True)]
    outside = np.zeros(draft.grid.shape, bool)
    for i, n in zip(index, draft.grid.shape, strict=True):
        outside |= (i < -0.5) | (i > n - 0.5)
    near = tuple(np.clip(np.rint(i), 0, n - 1).astype(np.intp) for i, n in zip(index, draft.grid.shape, strict=True))
    beyond = _sample(draft.wide_hu, draft.wide_grid, [x[outside] for x in source])
    moved, mineral = {}, {}
    for name in ("hu", "plain"):
        mineral[name] = float(_shares(getattr(draft, name), draft)[draft.compartment == Compartment.BODY].sum())
        moved[name] = ndimage.map_coordinates(getattr(draft, name), index, order=1, mode="nearest", output=np.float32)
        moved[name][outside] = beyond
    for name in ("tissue", "compartment", "openness", "breach", "loose"):
        setattr(draft, name, np.ascontiguousarray(getattr(draft, name)[near]))
    ratio = np.where(np.isin(draft.compartment, (Compartment.BODY,)), warp.volume_ratio(r, a, s), 1.0)
    for name, hu in moved.items():
        setattr(draft, name, _compressed(hu, ratio.astype(np.float32), draft, mineral[name]))
    _bend_surround(draft, warp)
    draft.landmarks = _moved_landmarks(draft.landmarks, warp)
    draft.spine = tuple(_moved_level(level, warp) for level in draft.spine)
    draft.warp = warp


def _shares(hu: NDArray[np.float32], draft: Draft) -> Array:
    """Share of solid bone [1] in each voxel; negative in fat and gas."""
    marrow, solid = np.float32(draft.settings.hu_marrow), np.float32(draft.settings.hu_bone)
    return np.asarray((hu - marrow) / (solid - marrow))


def _compressed(hu: NDArray[np.float32], ratio: NDArray[np.float32], draft: Draft, mineral: float) -> Array:
    """CT numbers [HU] after the volume ratio; the body's shares of solid bone sum up to `mineral` as before."""
    share, body = _shares(hu, draft), draft.compartment == Compartment.BODY
    bone = np.maximum(share, 0)
    dense = np.where(ratio >= 1, np.maximum(np.minimum(bone * ratio, DENSEST), bone), bone * ratio)
    excess = bone * ratio - dense
    total = float((bone * ratio)[body].sum())
    excess = excess + dense * body * ((mineral - total) / float(dense[body].sum()))  # what sampling thin layers lost
    dense = _impacted(dense, excess, body, draft.grid)
    marrow, solid = np.float32(draft.settings.hu_marrow), np.float32(draft.settings.hu_bone)
    return np.asarray(marrow + np.where(share <= 0, share, dense) * (solid - marrow), np.float32)


def _impacted(share: Array, excess: Array, body: NDArray[np.bool_], grid: VoxelGrid) -> Array:
    """Bone that found no room where it was (buckled walls, endplates) goes to its neighbours in the body.

    Each pass hands every surplus out in proportion to the room (up to `DENSEST`) within reach; what does not fit waits
    for the next. The sum of both stays: smoothing with a symmetric window moves mineral and loses none.
    """
    if not body.any():
        return share
    box = ndimage.find_objects(body.astype(np.uint8))[0]
    out, part, inside = share.copy(), share[box], body[box]
    left = np.where(inside, excess[box], 0.0).astype(np.float64)
    for _ in range(IMPACTIONS):
        room = np.where(inside, np.maximum(DENSEST - part, 0.0), 0.0)
        window = [IMPACTED / h for h in grid.spacing]
        near = ndimage.gaussian_filter(room, window, mode="constant")
        reached = near > 1e-4
        sent = np.where(reached, left / np.maximum(near, 1e-4), 0.0)
        came = room * ndimage.gaussian_filter(sent, window, mode="constant")
        taken = np.minimum(came, room)
        part = part + taken
        left = np.where(reached, 0.0, left) + came - taken
    out[box] = part
    return out


def _bend_surround(draft: Draft, warp: Warp) -> None:
    grid, old = draft.wide_grid, draft.wide_hu
    r, a, s = grid.open_mesh()
    new, organ = np.empty_like(old), None if draft.organ is None else np.empty_like(draft.organ)
    for k in range(0, grid.shape[2], SLAB):
        part = slice(k, k + SLAB)
        source = np.broadcast_arrays(*warp.pull(*np.broadcast_arrays(r, a, s[..., part])))
        new[..., part] = _sample(old, grid, list(source))
        if organ is not None and draft.organ is not None:
            organ[..., part] = _sample(draft.organ, grid, list(source), order=0)
    draft.wide_hu, draft.organ = new, organ


def _sample(volume: Array, grid: VoxelGrid, points: list[Array], order: int = 1) -> Array:
    index = [(p - o) / h for p, o, h in zip(points, grid.origin, grid.spacing, strict=True)]
    return np.asarray(ndimage.map_coordinates(volume, index, order=order, mode="nearest", output=volume.dtype))


def _moved_landmarks(marks: Landmarks, warp: Warp) -> Landmarks:
    f = warp.frame

    def push(point: Any) -> Array:
        return warp.push(np.asarray(point, float))

    def pedicle(one: Pedicle | None) -> Pedicle | None:
        return None if one is None else replace(one, centre=push(one.centre))

    top = push([f.middle_r, f.middle_a, marks.superior_endplate])[2]
    low = push([f.middle_r, f.middle_a, marks.inferior_endplate])[2]
    upper_back, lower_back = push([[f.middle_r, f.back, f.back_top], [f.middle_r, f.back, f.back_low]])
    shrink = (upper_back[2] - lower_back[2]) / (f.back_top - f.back_low)
    level = 0.5 * (top + low)
    return replace(
        marks,
        body_half_axes=marks.body_half_axes * np.array([1.0, 1.0, shrink]),
        anterior_wall=float(push([f.middle_r, marks.anterior_wall, level])[1]),
        posterior_wall=float(push([f.middle_r, marks.posterior_wall, level])[1]),
        superior_endplate=float(top),
        inferior_endplate=float(low),
        pedicle_left=pedicle(marks.pedicle_left),
        pedicle_right=pedicle(marks.pedicle_right),
        canal_centre=None if marks.canal_centre is None else push(marks.canal_centre),
        spinous_tip=None if marks.spinous_tip is None else push(marks.spinous_tip),
    )


def _moved_level(level: SpineLevel, warp: Warp) -> SpineLevel:
    centre = warp.push(level.centre)
    step = 4 * mm
    turned = np.stack([warp.push(level.centre + step * axis) - centre for axis in level.axes])
    front = turned[1] / np.linalg.norm(turned[1])
    right = level.axes[0]
    return replace(level, centre=centre, axes=np.stack([right, front, np.cross(right, front)]))
