"""Lesions painted into a vertebra: CT number, tissue, and how open the hole is for cement."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vertebro.anatomy.pathology_draft import Draft
from vertebro.anatomy.pathology_records import Cleft, Haemangioma, Metastasis, Myeloma
from vertebro.errors import CaseError
from vertebro.sources import Constant
from vertebro.tissue import Compartment, Tissue
from vertebro.units import mm

Array = NDArray[Any]
HU_GAS = Constant(-900.0, "HU", -1000.0, -700.0, "vertebro", "ours", "nitrogen in a vacuum cleft, partial volume")
HU_FLUID = Constant(10.0, "HU", -5.0, 30.0, "vertebro", "recalled", "effusion in a cleft")
HU_TUMOUR = Constant(50.0, "HU", 30.0, 70.0, "vertebro", "recalled", "soft tissue of a lytic lesion")
HU_BLASTIC = Constant(900.0, "HU", 600.0, 1200.0, "vertebro", "recalled", "osteoblastic metastasis, mean over 885 HU")
HU_RIM = Constant(160.0, "HU", 0.0, 400.0, "vertebro", "ours", "sclerosis around an old cleft, added")
HU_LAKE = Constant(45.0, "HU", 30.0, 70.0, "vertebro", "ours", "blood")
HU_FATTY = Constant(-30.0, "HU", -90.0, 20.0, "vertebro", "ours", "fatty stroma of a haemangioma, thin trabeculae gone")
HU_STRUT = Constant(520.0, "HU", 300.0, 900.0, "vertebro", "ours", "thick trabeculae of a haemangioma")
CORTEX = 1.0 * mm  # shell that a closed lesion leaves alone


def cover(draft: Draft, distance: Array) -> Array:
    """Share of each voxel inside a surface at this signed distance [m]."""
    return np.asarray(np.clip(0.5 - distance / max(draft.grid.spacing), 0, 1), np.float32)


def ellipsoid(draft: Draft, centre: Array, half: Array) -> Array:
    """First-order signed distance [m] to an ellipsoid along the body's axes."""
    mesh = draft.mesh()
    scaled = [(x - c) / h for x, c, h in zip(mesh, centre, half, strict=True)]
    level = np.sqrt(sum(x * x for x in scaled) + 1e-9)
    slope = np.sqrt(sum((x / h) ** 2 for x, h in zip(scaled, half, strict=True)) + 1e-9 / min(half) ** 2)
    return np.asarray(level * (level - 1) / slope)


def depth_in_bone(draft: Draft) -> Array:
    """Depth [m] of each voxel's centre below the surface of this vertebra, negative outside."""
    own, spacing = draft.own, draft.grid.spacing
    inside = ndimage.distance_transform_edt(own, sampling=spacing)
    outside = ndimage.distance_transform_edt(~own, sampling=spacing)
    half = 0.5 * min(spacing)
    return np.asarray(np.where(own, inside - half, half - outside))


def replace_bone(draft: Draft, share: Array, hu: float | Array, tissue: Tissue | None, openness: float = 1.0) -> None:
    """Mix a CT number in by its share; relabel what is covered by more than half (in place)."""
    draft.hu = np.asarray(draft.hu + share * (hu - draft.hu), np.float32)
    if tissue is not None:
        major = (share > 0.5) & draft.own
        draft.tissue[major] = tissue
        draft.openness[major] = openness


def towards(draft: Draft, centre: Array, side: str) -> NDArray[np.bool_]:
    """Voxels that lie in one direction from a point, measured in half axes of the body."""
    f = draft.frame
    half = (f.half_width, 0.5 * f.depth, 0.5 * f.heights[1])
    away = [(x - c) / h for x, c, h in zip(draft.mesh(), centre, half, strict=True)]
    most = np.maximum(np.maximum(np.abs(away[0]), np.abs(away[1])), np.abs(away[2]))
    axis, sign = {
        "left": (0, -1), "right": (0, 1), "posterior": (1, -1), "anterior": (1, 1), "inferior": (2, -1),
        "superior": (2, 1),
    }[side]  # fmt: skip
    return np.asarray(sign * away[axis] >= 0.999 * most)


def open_wall(draft: Draft, distance: Array, centre: Array, side: str, depth: Array) -> NDArray[np.bool_]:
    """Mark the hole in the cortex towards one side; returns the bone voxels whose shell is gone.

    Raises
    ------
    CaseError
        If the lesion does not come near that wall.
    """
    cone = towards(draft, centre, side) & (distance < 1.5 * mm)
    body = draft.compartment == Compartment.BODY
    rim = cone & body & (depth < 1.6 * max(draft.grid.spacing))
    if not rim.any():
        raise CaseError(
            "the lesion does not reach the wall that it is to break",
            where="anatomy.pathology.breach",
            value=side,
            allowed="a lesion whose surface comes within 1.5 mm of that wall",
            hint="move its centre towards the wall or make it larger",
        )
    outside = ndimage.binary_dilation(rim, iterations=2) & ~draft.own
    draft.breach |= rim | outside
    draft.loose |= outside
    return np.asarray(cone & body)


def paint_cleft(draft: Draft, record: Cleft) -> None:
    """A flat, slightly uneven cavity that follows the broken upper endplate; changes the draft in place."""
    centre = draft.place(record.right, record.front, record.up)
    half = 0.5 * np.array([record.width, record.depth, record.height])
    r, a, s = draft.mesh()
    tilt = 0.0 if draft.warp is None else 0.5 * draft.warp.angle * (1 + record.up)
    turned_a = np.cos(tilt) * (a - centre[1]) - np.sin(tilt) * (s - centre[2])
    turned_s = np.sin(tilt) * (a - centre[1]) + np.cos(tilt) * (s - centre[2])
    parts = [((r - centre[0]), half[0]), (turned_a, half[1]), (turned_s, half[2])]
    level = np.sqrt(sum((x / h) ** 2 for x, h in parts) + 1e-9)
    slope = np.sqrt(sum((x / h**2) ** 2 for x, h in parts) + 1e-9 / half.min() ** 2)
    distance = level * (level - 1) / slope + 0.12 * record.height * draft.wobble(41, 5e-3)
    depth = depth_in_bone(draft)
    _must_be_inside(draft, centre, "cleft")
    allowed = depth - CORTEX
    if record.opening == "anterior":
        hole = open_wall(draft, distance, centre, "anterior", depth)
        allowed = np.where(hole, depth, allowed)
    rim = cover(draft, distance - 1.8 * mm) * cover(draft, -(depth - 0.5 * mm))
    draft.hu = np.asarray(draft.hu + float(HU_RIM) * rim, np.float32)
    draft.openness[(rim > 0.5) & draft.own] = record.lining
    share = cover(draft, distance) * cover(draft, -allowed)
    replace_bone(draft, share, float(HU_GAS if record.fill == "gas" else HU_FLUID), Tissue.CLEFT)


def paint_metastasis(draft: Draft, record: Metastasis) -> None:
    """A lumpy lesion; eats the cortex of the arch always, that of the body only at the breach (in place)."""
    centre = draft.place(record.right, record.front, record.up)
    _must_be_inside(draft, centre, "metastasis")
    distance = ellipsoid(draft, centre, np.full(3, record.radius))
    distance = distance + 0.14 * record.radius * draft.wobble(record.seed + 71, 7e-3)
    depth = depth_in_bone(draft)
    arch = draft.compartment == Compartment.ARCH
    allowed = np.where(arch, 1.0, depth - CORTEX)
    if record.breach != "none":
        allowed = np.where(open_wall(draft, distance, centre, record.breach, depth), depth + 0.5 * mm, allowed)
    share = cover(draft, distance) * cover(draft, -allowed) * draft.own
    if record.pattern != "blastic":
        _clear_ghost(draft, cover(draft, distance), arch | (draft.breach & draft.own))
    patches = draft.wobble(record.seed + 5, 5e-3)
    blastic = float(HU_BLASTIC) * np.clip(1 + 0.12 * draft.wobble(record.seed + 9, 2.5e-3), 0.75, 1.3)
    if record.pattern == "lytic":
        replace_bone(draft, share, float(HU_TUMOUR), Tissue.LESION, record.flow_factor)
    elif record.pattern == "blastic":
        replace_bone(draft, share, np.maximum(blastic, draft.hu), None)
    else:
        eaten = np.clip(0.5 + 2.0 * patches, 0, 1)
        replace_bone(draft, share * (1 - eaten), np.maximum(blastic, draft.hu), None)
        replace_bone(draft, share * eaten, float(HU_TUMOUR), Tissue.LESION, record.flow_factor)
    if record.mass > 0 and record.breach != "none":
        _paint_mass(draft, record, centre, distance)


def _clear_ghost(draft: Draft, share: Array, eaten: NDArray[np.bool_]) -> None:
    """Take the eaten cortex's partial volume out of the voxels just outside, other bones excepted (in place)."""
    other = np.isin(draft.tissue, (Tissue.CANCELLOUS, Tissue.CORTICAL))
    outside = ndimage.binary_dilation(eaten) & ~draft.own & ~other
    soft = np.minimum(draft.hu, float(HU_TUMOUR))
    draft.hu = np.asarray(draft.hu + share * outside * (soft - draft.hu), np.float32)


def _paint_mass(draft: Draft, record: Metastasis, centre: Array, distance: Array) -> None:
    """Soft tissue in front of the breach; compartments and labels stay what they are (in place)."""
    near = towards(draft, centre, record.breach) & ~draft.own
    away = ndimage.distance_transform_edt(~(draft.breach & draft.own), sampling=draft.grid.spacing)
    share = cover(draft, away - record.mass) * near
    draft.hu = np.asarray(draft.hu + share * (float(HU_TUMOUR) - draft.hu), np.float32)
    draft.loose |= share > 0.5


def paint_myeloma(draft: Draft, record: Myeloma) -> None:
    """Round holes at random places of the body and the pedicles, through the cortex where they meet it (in place)."""
    total = np.zeros(draft.grid.shape, np.float32)
    r, a, s = draft.grid.axes()
    for centre, radius in _holes(draft, record):
        reach = radius + 2 * max(draft.grid.spacing)
        box = tuple(slice(*np.searchsorted(x, [c - reach, c + reach])) for x, c in zip((r, a, s), centre, strict=True))
        x, y, z = (line[b] - c for line, b, c in zip((r, a, s), box, centre, strict=True))
        away = np.sqrt(x[:, None, None] ** 2 + y[None, :, None] ** 2 + z[None, None, :] ** 2) - radius
        total[box] = np.maximum(total[box], cover(draft, away))
    _clear_ghost(draft, total, draft.own)
    replace_bone(draft, total * draft.own, float(HU_TUMOUR), Tissue.LESION, record.flow_factor)


def _holes(draft: Draft, record: Myeloma) -> list[tuple[Array, float]]:
    """World centres and radii [m] of the holes; radii are log-uniform, those of the pedicles fill them."""
    rng = np.random.default_rng(record.seed + 1000)
    holes: list[tuple[Array, float]] = []
    for _ in range(record.number):
        place = rng.uniform(-0.95, 0.95, 3)
        while place[0] ** 2 + place[1] ** 2 > 0.95:
            place = rng.uniform(-0.95, 0.95, 3)
        centre = draft.place(*place) * np.array([draft.sides, 1.0, 1.0])
        holes.append((centre, float(record.smallest * (record.largest / record.smallest) ** rng.uniform())))
    marks = draft.landmarks
    sides = (marks.pedicle_left, marks.pedicle_right) if draft.sides > 0 else (marks.pedicle_right, marks.pedicle_left)
    for n in range(record.pedicles):
        pedicle, along, size = sides[n % 2], rng.uniform(-5 * mm, 5 * mm), rng.uniform(0.6, 1.0)
        if pedicle is not None:
            radius = float(np.clip(size * pedicle.half_height, record.smallest, record.largest))
            holes.append((pedicle.centre + along * pedicle.axis, radius))
    return holes


def paint_haemangioma(draft: Draft, record: Haemangioma) -> None:
    """Thick vertical trabeculae in fat and a blood lake (in place)."""
    centre = draft.place(record.right, record.front, 0.0)
    _must_be_inside(draft, centre, "haemangioma")
    r, a, _ = draft.mesh()
    outline = np.hypot(r - centre[0], a - centre[1]) - record.radius
    depth = depth_in_bone(draft)
    region = cover(draft, outline) * cover(draft, -(depth - CORTEX)) * (draft.compartment == Compartment.BODY)
    away = _nearest_strut(r, a, centre, record)
    strut = cover(draft, away - record.strut)
    hu = float(HU_FATTY) + strut * (float(HU_STRUT) - float(HU_FATTY))
    replace_bone(draft, region, hu, Tissue.CANCELLOUS)
    if record.lake > 0:
        size = (3 * record.lake / (4 * np.pi * 1.3 * 1.1 * 0.7)) ** (1 / 3)
        lake = ellipsoid(draft, centre, size * np.array([1.3, 1.1, 0.7])) + 0.1 * size * draft.wobble(
            record.seed + 3, 5e-3
        )
        replace_bone(draft, cover(draft, lake) * region, float(HU_LAKE), Tissue.CLEFT)


def _nearest_strut(r: Array, a: Array, centre: Array, record: Haemangioma) -> Array:
    """Distance [m] in the axial plane to the nearest of the jittered hexagonal lattice's points, (nr, na, 1)."""
    rng = np.random.default_rng(record.seed + 2000)
    n = int(np.ceil(32 * mm / record.pitch))
    i, j = np.meshgrid(np.arange(-n, n + 1), np.arange(-n, n + 1), indexing="ij")
    jitter = rng.uniform(-0.22, 0.22, (2, *i.shape))
    x = centre[0] + record.pitch * (i + 0.5 * (j % 2) + jitter[0])
    y = centre[1] + record.pitch * (0.866 * j + jitter[1])
    near = np.full(np.broadcast_shapes(r.shape, a.shape), np.inf)
    for px, py in zip(x.ravel(), y.ravel(), strict=True):
        np.minimum(near, np.hypot(r - px, a - py), out=near)
    return near


def _must_be_inside(draft: Draft, centre: Array, kind: str) -> None:
    point = centre * np.array([draft.sides, 1.0, 1.0])
    index = np.rint(draft.grid.index(point)).astype(int)
    inside = np.all((index >= 0) & (index < draft.grid.shape)) and draft.own[tuple(index)]
    if not inside:
        raise CaseError(
            "the centre lies outside the vertebra",
            where=f"anatomy.pathology ({kind})",
            value=f"right, anterior, superior = {np.round(point * 1e3, 1).tolist()} mm",
            allowed="a point in the body (shares within about -0.9 to 0.9) or in the arch",
            hint="bring right, front and up nearer to 0",
        )
