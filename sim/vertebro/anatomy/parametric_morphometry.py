"""Dimensions measured on a built vertebra's voxels, beside the published means: does the generator keep its word?

The labels know nothing of the table: spans, gaps and axes are measured as a reader would on a CT.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vertebro.anatomy.parametric import ParametricSpec, whole_bone
from vertebro.anatomy.parametric_dimensions import LEVELS, Dimensions, dimensions, published
from vertebro.anatomy.parametric_vertebra import pedicle_centre
from vertebro.grid import VoxelGrid
from vertebro.tissue import Compartment
from vertebro.units import mm

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """One dimension of one level: published `mean` and `sd`, what was `built`, in `unit` (SI), and the source."""

    level: str
    name: str
    mean: float
    sd: float
    built: float
    unit: str
    source: str
    mark: str

    @property
    def deviation(self) -> float:
        """Built minus mean, in standard deviations."""
        return (self.built - self.mean) / self.sd


@dataclass(frozen=True, slots=True)
class _Bone:
    grid: VoxelGrid
    body: NDArray[np.bool_]
    arch: NDArray[np.bool_]
    canal: NDArray[np.bool_]
    dim: Dimensions

    @property
    def whole(self) -> NDArray[np.bool_]:
        return self.body | self.arch

    def index(self, r: float, a: float, s: float) -> tuple[int, int, int]:
        return self.grid.nearest((r, a, s))


def morphometry(levels: Sequence[str] = LEVELS, *, spacing: float = 0.5e-3) -> tuple[Measured, ...]:
    """Build the mean patient's vertebrae and measure them.

    Parameters
    ----------
    levels : sequence of str
    spacing : float [m]
        Of the voxels measured on; 0.4…1.5 mm.

    Returns
    -------
    tuple of Measured
        Every measured dimension of every level, in the order of `MEASURES`.
    """
    rows = []
    for level in levels:
        grid, labels = whole_bone(ParametricSpec(level=level, sex="mean", spacing=spacing, variation=0.0))
        place = labels.compartment
        body, arch, canal = (place == kind for kind in (Compartment.BODY, Compartment.ARCH, Compartment.CANAL))
        bone = _Bone(grid, body, arch, canal, dimensions(level))
        for name, measure in MEASURES.items():
            known = published(level, name)
            rows.append(
                Measured(
                    level=level,
                    name=name,
                    mean=known.mean,
                    sd=known.sd,
                    built=measure(bone),
                    unit=known.unit,
                    source=known.source,
                    mark=known.mark,
                )
            )
    return tuple(rows)


def _span(mask: Any, step: float) -> float:
    hits = np.flatnonzero(mask)
    return float((hits[-1] - hits[0] + 1) * step) if len(hits) else 0.0


def _run(mask: Array, at: int, step: float) -> float:
    """Length of the run of equal values around an index."""
    changes = np.flatnonzero(mask != mask[at])
    before, after = changes[changes < at], changes[changes > at]
    low = before[-1] if len(before) else -1
    high = after[0] if len(after) else len(mask)
    return float((high - low - 1) * step)


def _band(bone: _Bone, s: float, half: float = 1.5 * mm) -> Array:
    return bone.body[:, :, np.abs(bone.grid.axes()[2] - s) <= half]


def _lower_width(bone: _Bone) -> float:
    return _span(_band(bone, -0.5 * bone.dim.height + 1.5 * mm).any(axis=(1, 2)), bone.grid.spacing[0])


def _upper_width(bone: _Bone) -> float:
    """Over the rim, or between the uncinate processes where there are some."""
    half = 0.5 * bone.dim.height
    if bone.dim.uncus > 0:
        i, j, k = bone.index(0.0, -0.05 * bone.dim.depth, half + 0.35 * bone.dim.uncus)
        return _run(bone.body[:, j, k], i, bone.grid.spacing[0])
    return _span(_band(bone, half - 1.5 * mm).any(axis=(1, 2)), bone.grid.spacing[0])


def _depth(bone: _Bone) -> float:
    near = np.abs(bone.grid.axes()[0]) < 2 * mm
    ends = (s * (0.5 * bone.dim.height - 1.5 * mm) for s in (1.0, -1.0))
    return float(np.mean([_span(_band(bone, s)[near].any(axis=(0, 2)), bone.grid.spacing[1]) for s in ends]))


def _height_near(bone: _Bone, a: float) -> float:
    """Height within 1.3 mm of a coronal plane near the midline, the tallest third: at the rim, off the hollow."""
    r, a_axis, _ = bone.grid.axes()
    wide = (0.24 if bone.dim.uncus > 0 else 0.38) * bone.dim.upper_width
    part = bone.body[np.abs(r) < wide][:, np.abs(a_axis - a) <= 1.3 * mm]
    spans = np.sort([_span(column, bone.grid.spacing[2]) for column in part.reshape(-1, part.shape[2])])
    return float(spans[-len(spans) // 3 :].mean())


def _height(bone: _Bone) -> float:
    return _height_near(bone, -0.5 * bone.dim.depth + 3.0 * mm)


def _front_ratio(bone: _Bone) -> float:
    """Heights a little inside the back and the front, taken on to the walls."""
    behind, ahead = 3.0 * mm, min(4.2 * mm, 0.14 * bone.dim.depth)
    back, front = _height(bone), _height_near(bone, 0.5 * bone.dim.depth - ahead)
    slope = (front - back) / (bone.dim.depth - ahead - behind)
    return (front + slope * ahead) / (back - slope * behind)


def _canal_centre(bone: _Bone) -> tuple[int, int, int]:
    back = -0.5 * bone.dim.depth - 0.5 * bone.dim.canal_depth
    return bone.index(0.0, back, float(pedicle_centre(bone.dim, 1.0)[2]))


def _canal_width(bone: _Bone) -> float:
    _, j, k = _canal_centre(bone)
    reach = int(0.4 * bone.dim.canal_depth / bone.grid.spacing[1])
    return max(_span(bone.canal[:, j + d, k], bone.grid.spacing[0]) for d in range(-reach, reach + 1))


def _canal_depth(bone: _Bone) -> float:
    i, _, k = _canal_centre(bone)
    return _span(bone.canal[i, :, k], bone.grid.spacing[1])


def _pedicle(bone: _Bone, side: float) -> tuple[float, float, float, float]:
    """Width and height across the pedicle's axis at its isthmus, and that axis's transverse and sagittal angle.

    The axis runs through the middles of sections around the isthmus, those of nearly the least area (at least four);
    sections are coronal, in the neck turned to face the pedicle.
    """
    turn = np.radians(40.0) if bone.dim.region == "cervical" else 0.0
    axis = np.array([-side * np.sin(turn), np.cos(turn), 0.0])
    offsets = (np.arange(-2.6, 0.81, 0.2) if turn == 0 else np.arange(0.6, 4.3, 0.2)) * mm
    sections = [_section(bone, pedicle_centre(bone.dim, side) + t * axis, axis) for t in offsets]
    areas = np.array([area for area, *_ in sections])
    keep = areas <= max(1.06 * areas.min(), np.sort(areas)[3])
    middles, widths, heights = (np.array([section[i] for section in sections])[keep] for i in (1, 2, 3))
    line = np.polyfit(offsets[keep], middles, 1)[0]
    transverse, sagittal = float(np.arctan2(-side * line[0], line[1])), float(np.arctan2(-line[2], line[1]))
    return (
        float(np.median(widths)) * np.cos(transverse - turn),
        float(np.median(heights)) * np.cos(sagittal),
        transverse,
        sagittal,
    )


def _section(bone: _Bone, centre: Array, axis: Array, step: float = 0.25 * mm) -> tuple[float, Array, float, float]:
    """Area, middle (3,), width and height of the pedicle's part in the section across an axis."""
    across, up = np.array([axis[1], -axis[0], 0.0]), np.array([0.0, 0.0, 1.0])
    wide = 0.8 * bone.dim.pedicle_width + 1.5 * mm
    u, w = np.arange(-wide, wide + step, step), np.arange(-15 * mm, 15 * mm + step, step)
    points = centre + u[:, None, None] * across + w[None, :, None] * up
    plane = (
        ndimage.map_coordinates(bone.whole.astype(np.float32), bone.grid.index(points).transpose(2, 0, 1), order=1)
        > 0.5
    )
    parts, _ = ndimage.label(plane)
    i, k = len(u) // 2, len(w) // 2
    part = parts == parts[i, k] if parts[i, k] else plane
    rows, columns = np.nonzero(part)
    middle = centre + u[rows].mean() * across + w[columns].mean() * up
    at = round(float(rows.mean())), round(float(columns.mean()))
    width, height = _run(part[:, at[1]], at[0], step), _run(part[at[0]], at[1], step)
    return len(rows) * step * step, middle, width, height


def _pedicles(part: int) -> Callable[[_Bone], float]:
    return lambda bone: float(np.mean([_pedicle(bone, side)[part] for side in (1.0, -1.0)]))


def _process_width(bone: _Bone) -> float:
    return _span(bone.arch.any(axis=(1, 2)), bone.grid.spacing[0])


def _tip(bone: _Bone) -> tuple[float, float]:
    """Hindmost a of the spinous process, and its middle height there."""
    near = np.abs(bone.grid.axes()[0]) < 6 * mm
    rows = np.flatnonzero(bone.arch[near].any(axis=(0, 2)))
    end = bone.arch[near][:, rows[0] : rows[0] + int(np.ceil(2 * mm / bone.grid.spacing[1]))]
    s = bone.grid.axes()[2][end.any(axis=(0, 1))]
    return float(bone.grid.axes()[1][rows[0]] - 0.5 * bone.grid.spacing[1]), float(0.5 * (s.min() + s.max()))


def _reach(bone: _Bone) -> float:
    return -0.5 * bone.dim.depth - _tip(bone)[0]


def _drop(bone: _Bone) -> float:
    return -_tip(bone)[1]


MEASURES: dict[str, Callable[[_Bone], float]] = {
    "upper_width": _upper_width,
    "lower_width": _lower_width,
    "depth": _depth,
    "height": _height,
    "front_ratio": _front_ratio,
    "canal_width": _canal_width,
    "canal_depth": _canal_depth,
    "pedicle_width": _pedicles(0),
    "pedicle_height": _pedicles(1),
    "pedicle_transverse": _pedicles(2),
    "pedicle_sagittal": _pedicles(3),
    "process_width": _process_width,
    "reach": _reach,
    "drop": _drop,
}
