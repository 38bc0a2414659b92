"""The result in numbers, as clinicians grade it: filling, symmetry, endplate contact, margin, canal encroachment."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import CaseError
from vertebro.grid import VoxelGrid
from vertebro.leakage.filled import Filled, canal_sections
from vertebro.leakage.frame import BodyFrame
from vertebro.sources import Constant
from vertebro.tissue import Compartment
from vertebro.units import ml, mm

Float = NDArray[np.float64]

VISIBLE_FRACTION = Constant(0.10, "1", 0.05, 0.5, "vertebro", "ours", "cement share of a voxel that counts as filled")
ENDPLATE_REACH = Constant(2 * mm, "m", 1 * mm, 3 * mm, "vertebro", "ours", "cement this near touches the endplate")
CONTACT_AREA = Constant(
    50e-6, "m^2", 10e-6, 200e-6, "vertebro", "ours", "area from which an endplate counts as touched"
)
MIDLINE_REACH = Constant(2 * mm, "m", 0.0, 5 * mm, "vertebro", "ours", "cement this far on both sides crosses it")
POSTERIOR_QUARTER = Constant(0.25, "1", 0.20, 0.34, "jp_tech", "seen", "stop when cement enters the posterior quarter")


@dataclass(frozen=True, kw_only=True, slots=True)
class ResultMeasures:
    """What was achieved (training.md R1 to R7).

    Attributes
    ----------
    volume_in_body, body_volume : float [m³]
    fill_fraction : float [1]
        Cement in the body over the body's whole volume.
    left_volume, right_volume : float [m³]
    symmetry : float [1]
        Smaller over larger half; 0 without cement.
    crosses_midline : bool
    anterior_half_share, cranial_half_share : float [1]
        Share of the body's cement in front of mid depth, above mid height.
    superior_contact, inferior_contact : float [m²]
        Area of each endplate with cement within reach.
    both_endplates : bool
    posterior_margin : float [1] or None
        Rearmost cement in the body: 0 at the posterior, 1 at the anterior wall.
    in_posterior_quarter : bool
    canal_encroachment : float [1]
        Largest share of the canal's cross-section taken by cement in any axial slice.
    foramen_volume : float [m³]
    spongy_index : float [1]
        Surface^1.5 / volume of the filled voxels (10.6 for a ball of smooth surface, more when interdigitated).
    """

    volume_in_body: float
    body_volume: float
    fill_fraction: float
    left_volume: float
    right_volume: float
    symmetry: float
    crosses_midline: bool
    anterior_half_share: float
    cranial_half_share: float
    superior_contact: float
    inferior_contact: float
    both_endplates: bool
    posterior_margin: float | None
    in_posterior_quarter: bool
    canal_encroachment: float
    foramen_volume: float
    spongy_index: float

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: volumes in mL, areas in mm²."""
        out = asdict(self)
        for name in ("volume_in_body", "body_volume", "left_volume", "right_volume", "foramen_volume"):
            out[f"{name}_ml"] = out.pop(name) / ml
        for name in ("superior_contact", "inferior_contact"):
            out[f"{name}_mm2"] = out.pop(name) / mm**2
        return out


def measure_result(
    cement_volume: Float,
    *,
    grid: VoxelGrid,
    compartment: NDArray[np.integer[Any]],
    frame: BodyFrame,
    visible_fraction: float = VISIBLE_FRACTION,
    endplate_reach: float = ENDPLATE_REACH,
) -> ResultMeasures:
    """Measure a filling.

    Parameters
    ----------
    cement_volume : (…) float array [m³]
    grid : VoxelGrid
    compartment : (…) integer array of `Compartment`
    frame : BodyFrame
    visible_fraction : float [1]
        Cement share of a voxel that counts as filled for extents, contacts and surface.
    endplate_reach : float [m]

    Raises
    ------
    GeometryError
        If an array does not fit the grid.
    CaseError
        If there is no vertebral body.
    """
    grid.check(cement_volume, "cement_volume")
    grid.check(compartment, "compartment")
    body = np.asarray(compartment == Compartment.BODY)
    if not body.any():
        raise CaseError("no vertebral body to measure", where="compartment", allowed="at least one BODY voxel")
    inside = np.where(body, cement_volume, 0.0)
    visible = inside >= visible_fraction * grid.voxel_volume
    total, body_volume = float(inside.sum()), float(body.sum()) * grid.voxel_volume
    left, right = _halves(inside, grid)
    filled = Filled.of(cement_volume, grid, compartment)
    margin = filled.posterior_margin(frame, visible_fraction)
    contacts = [_contact(visible, body, grid, endplate_reach, upper) for upper in (True, False)]
    return ResultMeasures(
        volume_in_body=total,
        body_volume=body_volume,
        fill_fraction=total / body_volume,
        left_volume=left,
        right_volume=right,
        symmetry=min(left, right) / max(left, right) if total > 0.0 else 0.0,
        crosses_midline=_crosses_midline(visible, grid),
        anterior_half_share=_share(inside, grid, 1, 0.5 * (frame.anterior_wall + frame.posterior_wall)),
        cranial_half_share=_share(inside, grid, 2, 0.5 * (frame.superior_endplate + frame.inferior_endplate)),
        superior_contact=contacts[0],
        inferior_contact=contacts[1],
        both_endplates=min(contacts) >= CONTACT_AREA,
        posterior_margin=margin,
        in_posterior_quarter=frame.canal_centre is not None and margin is not None and margin < POSTERIOR_QUARTER,
        canal_encroachment=filled.canal_encroachment(canal_sections(compartment, grid)),
        foramen_volume=filled.foramen_volume(),
        spongy_index=_spongy_index(visible, grid),
    )


def _halves(inside: Float, grid: VoxelGrid) -> tuple[float, float]:
    r = grid.axes()[0]
    per_sheet = inside.sum(axis=(1, 2))
    # a sheet of voxels cut by the midline is split where the midline cuts it
    right = np.clip(0.5 + r / grid.spacing[0], 0.0, 1.0)
    return float(per_sheet @ (1.0 - right)), float(per_sheet @ right)


def _share(inside: Float, grid: VoxelGrid, axis: int, border: float) -> float:
    per_sheet = inside.sum(axis=tuple(d for d in range(3) if d != axis))
    beyond = np.clip(0.5 + (grid.axes()[axis] - border) / grid.spacing[axis], 0.0, 1.0)
    total = float(per_sheet.sum())
    return float(per_sheet @ beyond) / total if total > 0.0 else 0.0


def _crosses_midline(visible: NDArray[np.bool_], grid: VoxelGrid) -> bool:
    r = grid.axes()[0][visible.any(axis=(1, 2))]
    return bool(r.size and r.min() <= -MIDLINE_REACH and r.max() >= MIDLINE_REACH)


def _contact(visible: NDArray[np.bool_], body: NDArray[np.bool_], grid: VoxelGrid, reach: float, upper: bool) -> float:
    """Area [m²] of the columns whose cement comes within reach of the body's end."""
    if upper:
        visible, body = visible[:, :, ::-1], body[:, :, ::-1]
    end = np.argmax(body, axis=2)
    depth = np.arange(body.shape[2]) - end[:, :, None]
    near = (depth >= 0) & ((depth + 0.5) * grid.spacing[2] <= max(reach, 0.5 * grid.spacing[2]))
    columns = (visible & near).any(axis=2) & body.any(axis=2)
    return float(columns.sum()) * grid.spacing[0] * grid.spacing[1]


def _spongy_index(visible: NDArray[np.bool_], grid: VoxelGrid) -> float:
    count = int(visible.sum())
    if count == 0:
        return 0.0
    padded = np.pad(visible, 1)
    area = 0.0
    for axis in range(3):
        faces = int(np.count_nonzero(np.diff(padded, axis=axis)))
        area += faces * grid.voxel_volume / grid.spacing[axis]
    # voxel faces overstate a smooth surface by 3/2 on average over directions
    return float((area / 1.5) ** 1.5 / (count * grid.voxel_volume))
