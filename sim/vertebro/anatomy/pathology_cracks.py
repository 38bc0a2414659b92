"""Cracks as planar conduits, and holes in the cortex: what lets cement out.

Between two walls a distance w apart a fluid meets the permeability w²/12. A crack that is wider than a voxel is voxels:
each of the layer it runs through gets the share w/T of crack (T: thickness of the layer), so that volume w and
conductance w³/12 per length of crack are its own on every grid. Where it crosses a shell or an endplate the layer in
the face is gone. A thinner one becomes chains of slits beside the voxels where that is better (`pathology_slits`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vertebro.anatomy.anatomy import Anatomy
from vertebro.anatomy.pathology_draft import Draft
from vertebro.anatomy.pathology_records import EndplateCrack, SacralFracture, WallFissure
from vertebro.grid import VoxelGrid
from vertebro.sources import Constant
from vertebro.tissue import Compartment, Tissue
from vertebro.units import mm

Array = NDArray[Any]
CRACK_POROSITY = 0.97
HU_CRACK = Constant(20.0, "HU", -100.0, 60.0, "vertebro", "ours", "blood and debris in a crack")
LOOSE_PERMEABILITY = Constant(1e-9, "m^2", 1e-12, 1e-8, "vertebro", "ours", "torn or tumorous tissue before a breach")
LOOSE_POROSITY = Constant(0.5, "1", 0.1, 0.9, "vertebro", "ours", "share that cement can push aside there")
# as fissures of 0.2 mm in 3 % of the section
TORN_DISC = Constant(1e-10, "m^2", 1e-13, 1e-9, "vertebro", "ours", "disc under a cracked endplate: fissured nucleus")
TORN_POROSITY = Constant(0.25, "1", 0.1, 0.6, "vertebro", "ours", "of the fissured disc")
SACRAL_TEAR = 2 * mm  # soft tissue torn in front of a sacral crack
S2_MIDDLE = 0.42  # from the lower end of S1 to the middle of S2, share of the height of S1
TORN_REACH = 12 * mm  # how far from the crack the disc is fissured
HAEMATOMA = Constant(5e-3, "m", 2e-3, 10e-3, "vertebro", "ours", "soft tissue torn around a fissure of a wall, outside")


@dataclass(frozen=True, kw_only=True, slots=True)
class Crack:
    """A flat gap.

    Attributes
    ----------
    centre, normal : (3,) float arrays
        Point [m] and unit vector.
    along, across : (3,) unit vectors in the plane
    half : (2,) floats [m]
        Half extents along and across.
    width : float [m]
    beyond : float [m]
        How far outside the bone it still tears soft tissue.
    ways : tuple of (3,) unit vectors
        `along`, `across` or their opposites: ways out of the bone.
    torn : float [m]
        How far from it soft tissue outside is torn.
    name : str
    """

    centre: Array
    normal: Array
    along: Array
    across: Array
    half: tuple[float, float]
    width: float
    beyond: float = np.inf
    ways: tuple[Array, ...] = ()
    torn: float = 0.0
    name: str = "crack"

    @property
    def corners_mm(self) -> list[list[float]]:
        """Its four corners [mm] in order around it, for pictures."""
        steps = ((-1, -1), (1, -1), (1, 1), (-1, 1))
        places = (self.centre + i * self.half[0] * self.along + j * self.half[1] * self.across for i, j in steps)
        return [[round(float(x) / mm, 3) for x in place] for place in places]

    def layer(self, grid: VoxelGrid) -> float:
        """Thickness [m] of the layer of voxels that the crack runs through, thick enough that they stay joined."""
        return float(np.abs(self.normal) @ np.asarray(grid.spacing))

    def is_slit(self, grid: VoxelGrid) -> bool:
        """Whether it leads out and is thinner than a voxel."""
        return bool(self.ways) and self.width < self.layer(grid)

    def share(self, grid: VoxelGrid) -> NDArray[np.float32]:
        """Share [1] of each voxel that is crack."""
        offset = [x - c for x, c in zip(grid.open_mesh(), self.centre, strict=True)]

        def project(axis: Array) -> Array:
            return np.asarray(sum(x * n for x, n in zip(offset, axis, strict=True)))

        layer = self.layer(grid)
        away = project(self.normal) - 1e-6 * layer  # midway between two voxels it takes one of them
        inside = (away > -0.5 * layer) & (away <= 0.5 * layer)
        for axis, half in zip((self.along, self.across), self.half, strict=True):
            inside = inside & (np.abs(project(axis)) <= half)
        return np.where(inside, np.float32(min(self.width / layer, 1.0)), np.float32(0))


def crack_of(draft: Draft, record: EndplateCrack) -> Crack:
    """The plane of an endplate crack: upright, through the endplate, from the body into the disc."""
    upper = record.endplate == "superior"
    sign = 1.0 if upper else -1.0
    f = draft.frame
    r, a = f.middle_r + record.right * f.half_width, f.middle_a + record.front * 0.5 * f.depth
    hollow = f.bowl(upper=upper) * max(1 - 1.7 * float(f.radius(np.asarray(r), np.asarray(a))), 0.0)
    point = np.array([draft.sides * r, a, float(f.rim(a, upper=upper)) - sign * hollow])
    if draft.warp is not None:
        point = draft.warp.push(point)
    point[2] += sign * 0.5 * (record.reach - record.depth)
    along = np.array([draft.sides * np.sin(record.angle), np.cos(record.angle), 0.0])
    upright = np.array([0.0, 0.0, 1.0])
    return Crack(
        centre=point,
        normal=np.cross(along, upright),
        along=along,
        across=upright,
        half=(0.5 * record.length, 0.5 * (record.reach + record.depth)),
        width=record.width,
        ways=(sign * upright,),
        name="endplate crack",
    )


def fissure_of(draft: Draft, record: WallFissure) -> Crack:
    """The plane of a wall fissure: from the body through the wall into the canal or the tissue beside the spine."""
    beyond = 5 * mm
    axis, sign = {"posterior": (1, -1.0), "anterior": (1, 1.0), "left": (0, -1.0), "right": (0, 1.0)}[record.wall]
    shares = (record.right, sign) if axis == 1 else (sign, record.right)
    point = draft.place(*shares, record.up) * np.array([draft.sides, 1.0, 1.0])
    out = (sign if axis == 1 else draft.sides * sign) * np.eye(3)[axis]
    point = point + 0.5 * (beyond - record.depth) * out
    beside, upright = np.eye(3)[1 - axis], np.array([0.0, 0.0, 1.0])
    flat = record.plane == "horizontal"
    return Crack(
        centre=point,
        normal=upright if flat else beside,
        along=np.eye(3)[axis],
        across=beside if flat else upright,
        half=(0.5 * (record.depth + beyond), 0.5 * record.length),
        width=record.width,
        ways=(out,),
        torn=float(HAEMATOMA),
        name=f"fissure of the {record.wall} wall",
    )


def sacral_cracks(draft: Draft, record: SacralFracture) -> list[Crack]:
    """Upright cracks through the alae, beside the foramina and along the joint, and the bar through S2 between them."""
    marks = draft.landmarks
    tall = marks.superior_endplate - marks.inferior_endplate
    low = marks.inferior_endplate - S2_MIDDLE * tall
    x, y, z = np.eye(3)
    cracks = []
    for name, sign in (("left", -1.0), ("right", 1.0)):
        if record.side not in (name, "both"):
            continue
        lean = draft.sides * sign * np.sin(record.lean)
        along = np.array([lean, 0.0, np.cos(record.lean)])
        centre = np.array([draft.sides * sign * record.lateral, 0.5 * (marks.anterior_wall + marks.posterior_wall), 0])
        centre = centre + (0.5 * (marks.superior_endplate + low)) * along
        half = (0.5 * (marks.superior_endplate - low) + 10 * mm, 30 * mm)
        cracks.append(
            Crack(
                centre=centre,
                normal=np.cross(along, y),
                along=along,
                across=y,
                half=half,
                width=record.width,
                beyond=SACRAL_TEAR,
                ways=(y, -y, along, -along),
                torn=SACRAL_TEAR,
                name=f"sacral crack, {name}",
            )
        )
    if record.bar:
        ends = {"left": (-1.0, 0.0), "right": (0.0, 1.0), "both": (-1.0, 1.0)}[record.side]
        start, end = (draft.sides * (record.lateral + low * np.tan(record.lean)) * e for e in ends)
        centre = np.array([0.5 * (start + end), marks.anterior_wall, low])
        half = (0.5 * (marks.anterior_wall - marks.posterior_wall), 0.5 * abs(end - start))
        cracks.append(
            Crack(
                centre=centre,
                normal=z,
                along=y,
                across=x,
                half=half,
                width=record.width,
                beyond=SACRAL_TEAR,
                ways=(y, -y),
                torn=SACRAL_TEAR,
                name="sacral crack, across",
            )
        )
    return cracks


def darken(draft: Draft, crack: Crack, *, sclerosis: float = 0.0) -> None:
    """Show a crack on CT: its share of each bone voxel is blood; optionally a dense band beside it (in place)."""
    share = crack.share(draft.grid) * draft.own
    if sclerosis:
        band = Crack(
            centre=crack.centre,
            normal=crack.normal,
            along=crack.along,
            across=crack.across,
            half=crack.half,
            width=1.0,
        )
        away = ndimage.distance_transform_edt(band.share(draft.grid) == 0, sampling=draft.grid.spacing)
        patchy = np.clip(1 + 0.5 * draft.wobble(59, 6 * mm), 0.2, 2.0)
        draft.hu = np.asarray(draft.hu + sclerosis * patchy * np.exp(-((away / (3 * mm)) ** 2)) * draft.own, np.float32)
    draft.hu = np.asarray(draft.hu + share * (float(HU_CRACK) - draft.hu), np.float32)


def conduct(anatomy: Anatomy, crack: Crack, within: NDArray[np.bool_] | None = None) -> None:
    """Open a crack as voxels: pores, permeability in its plane, faces it crosses (changes the arrays in place).

    `within` are the voxels to be opened; without it all that it cuts but the dura, and the disc there is fissured.
    """
    cut = cut_cells(anatomy, crack)
    hit = cut if within is None else cut & within
    part = crack.share(anatomy.grid)[hit]
    anatomy.porosity[hit] = anatomy.porosity[hit] * (1 - part) + np.float32(CRACK_POROSITY) * part
    anatomy.bone_fraction[hit] *= 1 - part
    for axis in range(3):
        along = (crack.width**2 / 12.0) * (1 - crack.normal[axis] ** 2)
        anatomy.permeability[axis][hit] = anatomy.permeability[axis][hit] * (1 - part) + along * part
    open_faces(anatomy, hit, crack.normal)
    if within is None:
        tear_disc(anatomy, hit)


def cut_cells(anatomy: Anatomy, crack: Crack) -> NDArray[np.bool_]:
    """(…) voxels that a crack runs through, up to its end outside the bone; it does not cut the dural sac."""
    cells = (crack.share(anatomy.grid) > 0) & (anatomy.tissue != Tissue.DURA)
    if np.isfinite(crack.beyond):
        own = anatomy.bone
        cells &= ndimage.distance_transform_edt(~own, sampling=anatomy.grid.spacing) <= crack.beyond
    return np.asarray(cells)


def tear_disc(anatomy: Anatomy, cells: NDArray[np.bool_]) -> None:
    """Fissure the disc around the cells of a crack (in place)."""
    disc = np.isin(anatomy.compartment, (Compartment.DISC_SUPERIOR, Compartment.DISC_INFERIOR))
    crack = cells & disc
    if not crack.any():
        return
    away = ndimage.distance_transform_edt(~crack, sampling=anatomy.grid.spacing)
    torn = disc & (away < TORN_REACH) & (anatomy.tissue == Tissue.DISC)
    anatomy.permeability[:, torn] = np.maximum(anatomy.permeability[:, torn], float(TORN_DISC))
    anatomy.porosity[torn] = np.maximum(anatomy.porosity[torn], np.float32(TORN_POROSITY))


def tear_tissue(anatomy: Anatomy, cells: NDArray[np.bool_], reach: float) -> None:
    """Loosen the soft tissue that a broken wall has torn, as before a breach; bone, veins, dura stay (in place).

    `reach` is how far [m] from the crack's cells outside bone it does.

    Without it a fissure ends in intact muscle or fat (1e-12, 1e-11 m²): its own lumen outside, at most 0.03 mL, fills
    and nothing more leaks.
    """
    own = anatomy.bone
    outside = cells & ~own
    if not outside.any():
        return
    away = ndimage.distance_transform_edt(~outside, sampling=anatomy.grid.spacing)
    torn = (away < reach) & np.isin(anatomy.tissue, (Tissue.FAT, Tissue.MUSCLE)) & ~own
    anatomy.permeability[:, torn] = np.maximum(anatomy.permeability[:, torn], float(LOOSE_PERMEABILITY))
    anatomy.porosity[torn] = np.maximum(anatomy.porosity[torn], np.float32(LOOSE_POROSITY))


def open_faces(anatomy: Anatomy, cells: NDArray[np.bool_], normal: Array | None = None) -> None:
    """Take the layers out of the faces between two of these cells; a crack opens none across itself (in place)."""
    if anatomy.face_resistance is None:
        return
    for axis in range(3):
        if normal is not None and abs(normal[axis]) > 0.99:
            continue
        here, there = [slice(None)] * 3, [slice(None)] * 3
        here[axis], there[axis] = slice(None, -1), slice(1, None)
        both = cells[tuple(here)] & cells[tuple(there)]
        anatomy.face_resistance[axis][tuple(here)][both] = 0.0


def open_holes(anatomy: Anatomy, draft: Draft) -> None:
    """Lesions and linings as open as they are, breaches without shell, torn tissue before them (all in place).

    Notes
    -----
    A breach alone is no leak. Cement must reach it, and finds the torn tissue and the epidural fat behind it (1e-9 m²)
    tighter than an osteoporotic body (median 1.3e-8 m²), a tumour of `flow_factor` 0.1 (5e-9 m²) in between. Measured
    at 1.5 mm without veins, lesion at `front` -0.5 with a posterior breach, 35 open faces to the canal, in the canal:
    needle at 70 % of the depth, 3 mL: nothing, the rearmost cement at 36 %; at 35 %: nothing of 3 mL, 0.007 mL of 6 mL;
    with `flow_factor` 1 0.002 and 0.089 mL. Lesion at -0.7, `flow_factor` 1, needle at 30 %: 0.025 mL of 3 mL.
    """
    anatomy.permeability[...] *= draft.openness.astype(float)
    open_faces(anatomy, draft.breach)
    loose = draft.loose & ~np.isin(anatomy.tissue, (Tissue.VEIN, Tissue.DURA)) & ~draft.own
    anatomy.permeability[:, loose] = np.maximum(anatomy.permeability[:, loose], float(LOOSE_PERMEABILITY))
    anatomy.porosity[loose] = np.maximum(anatomy.porosity[loose], np.float32(LOOSE_POROSITY))
