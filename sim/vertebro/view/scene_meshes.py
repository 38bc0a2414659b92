"""Surfaces of a run for the 3-D picture, in millimetres: bone, canal, veins, discs, cement, leaks, needles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyvista as pv
from numpy.typing import NDArray
from scipy import ndimage

from vertebro.grid import VoxelGrid
from vertebro.tissue import Compartment, Tissue
from vertebro.view.cement_fields import inside_and_outside, spread_times

if TYPE_CHECKING:
    from vertebro.record import Run

MM = 1e3
BONY = (Compartment.BODY, Compartment.ARCH, Compartment.TRACK)
OUTSIDE_REACH = 0.016  # m of the needle shown beyond the grid
_SMALLEST = 12  # triangles; less is a speck of noise


@dataclass(frozen=True, kw_only=True, slots=True)
class Surfaces:
    """Meshes in world millimetres; None where there is nothing to draw.

    Attributes
    ----------
    bone, canal, veins, discs, cement, leaks : pyvista.PolyData or None
        `cement` carries the point array ``time`` [s].
    needles : tuple of pyvista.PolyData
    """

    bone: Any
    canal: Any
    veins: Any
    discs: Any
    cement: Any
    leaks: Any
    needles: tuple[Any, ...]


def build_surfaces(run: Run, time: float | None = None) -> Surfaces:
    """All surfaces of a run at a time [s] (default: the end)."""
    anatomy = run.anatomy
    grid, compartment, tissue = anatomy.grid, anatomy.compartment, anatomy.tissue
    dura = tissue == Tissue.DURA
    canal = dura if dura.any() else compartment == Compartment.CANAL
    discs = (compartment == Compartment.DISC_SUPERIOR) | (compartment == Compartment.DISC_INFERIOR)
    inside, outside = inside_and_outside(run, time)
    cement = _surface(inside, grid, sigma=0.55, level=0.3, relax=15)
    if cement is not None:
        cement["time"] = _sample(spread_times(run.injection_time), grid, cement.points)
    return Surfaces(
        bone=_bone(run),
        canal=_surface(canal, grid, sigma=1.0, level=0.5, relax=30),
        veins=_surface(tissue == Tissue.VEIN, grid, sigma=0.5, level=0.3, relax=15),
        discs=_surface(discs, grid, sigma=1.0, level=0.5, relax=30),
        cement=cement,
        leaks=_surface(outside, grid, sigma=0.45, level=0.2, relax=10),
        needles=tuple(_needle(needle, grid) for needle in run.scene.needles),
    )


def _bone(run: Run) -> Any:
    """The vertebra without its neighbours: its label, sharpened by the CT numbers so that thin laminae stay."""
    anatomy = run.anatomy
    label = np.isin(anatomy.compartment, BONY) & (anatomy.tissue != Tissue.VEIN)
    if not label.any():
        return None
    smooth = ndimage.gaussian_filter(label.astype(np.float32), 0.7)
    dense = np.clip((anatomy.hu - 150.0) / 700.0, 0.0, 0.25) * label
    return _contour(smooth + dense.astype(np.float32), anatomy.grid, 0.5, relax=25)


def _surface(values: NDArray[Any], grid: VoxelGrid, *, sigma: float, level: float, relax: int) -> Any:
    values = np.asarray(values, np.float32)
    if not (values > 0.02).any():
        return None
    box = _box(values > 0.02, margin=4)
    field = np.zeros_like(values)
    field[box] = ndimage.gaussian_filter(values[box], sigma)
    return _contour(field, grid, level, relax=relax)


def _contour(field: NDArray[np.float32], grid: VoxelGrid, level: float, relax: int) -> Any:
    """Iso-surface by flying edges on the field's own box, closed where it meets the border of the grid."""
    if not (field > level).any():
        return None
    box = _box(field > 0.5 * level, margin=2)
    part = np.pad(field[box], 1)
    start = np.array([side.start - 1 for side in box])
    spacing = np.asarray(grid.spacing) * MM
    image = pv.ImageData(dimensions=part.shape, spacing=spacing, origin=grid.world(start) * MM)
    image.point_data["field"] = part.ravel(order="F")
    mesh = image.contour([level], scalars="field", method="flying_edges", compute_normals=False, compute_scalars=False)
    if mesh.n_cells < _SMALLEST:
        return None
    mesh = mesh.smooth_taubin(n_iter=relax, pass_band=0.12) if relax else mesh
    return mesh.compute_normals(cell_normals=False, split_vertices=False, consistent_normals=False)


def _box(mask: NDArray[np.bool_], margin: int) -> tuple[slice, slice, slice]:
    sides = []
    for axis in range(3):
        hit = np.flatnonzero(mask.any(axis=tuple(i for i in range(3) if i != axis)))
        sides.append(slice(max(hit[0] - margin, 0), min(hit[-1] + margin + 1, mask.shape[axis])))
    return sides[0], sides[1], sides[2]


def _sample(field: NDArray[np.float32], grid: VoxelGrid, points_mm: NDArray[Any]) -> NDArray[np.float32]:
    where = grid.index(np.asarray(points_mm, float) / MM).T
    sampled: NDArray[np.float32] = ndimage.map_coordinates(field, where, order=1, mode="nearest")
    return sampled


def _needle(needle: Any, grid: VoxelGrid) -> Any:
    """Metal tube from just outside the grid to the tip, cut obliquely at neither end (the bore is closed)."""
    tip, outer = np.asarray(needle.tip, float), clip_to_box(needle.entry, needle.tip, grid)
    length = float(np.linalg.norm(tip - outer))
    return pv.Cylinder(
        center=(tip + outer) / 2 * MM,
        direction=(tip - outer) / length,
        radius=needle.outer_diameter / 2 * MM,
        height=length * MM,
        resolution=40,
    )


def clip_to_box(entry: Any, tip: Any, grid: VoxelGrid, reach: float = OUTSIDE_REACH) -> NDArray[np.float64]:
    """(3,) point [m] where the straight line from the tip to the entry leaves the grid's box grown by `reach`."""
    entry, tip = np.asarray(entry, float), np.asarray(tip, float)
    low, high = grid.extent[0] - reach, grid.extent[1] + reach
    step = entry - tip
    with np.errstate(divide="ignore", invalid="ignore"):
        exits = np.where(step > 0, (high - tip) / step, np.where(step < 0, (low - tip) / step, np.inf))
    share = float(np.clip(exits.min(), 0.05, 1.0))
    point: NDArray[np.float64] = tip + share * step
    return point
