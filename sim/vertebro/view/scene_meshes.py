"""Surfaces of a run for the 3-D picture, in millimetres: anatomy, pathology, cement, leaks, needles."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyvista as pv
from numpy.typing import NDArray
from scipy import ndimage

from vertebro.drainage import LONG, vein_grid, vein_raster
from vertebro.grid import VoxelGrid
from vertebro.tissue import Compartment, Tissue
from vertebro.view.cement_fields import IN_BONE, bony_box, inside_and_outside
from vertebro.view.scene_colours import colouring
from vertebro.view.scene_leaks import leaked_by_kind

if TYPE_CHECKING:
    from vertebro.record import Run

MM = 1e3
NEEDLE_REACH = 0.008  # m of the needle shown beyond the vertebra
NEIGHBOUR_REACH = 0.007  # m of disc and canal shown above and below the body
CEMENT_LEVEL = 0.3  # smoothed saturation at the drawn surface
VEIN_PIXEL = 0.6e-3  # m, of the grid on which veins are drawn
CRACK_PIXEL = 0.4  # mm
CRACKED = (Compartment.BODY, Compartment.ARCH, Compartment.DISC_SUPERIOR, Compartment.DISC_INFERIOR)
_SMALLEST = 12  # triangles; less is a speck of noise


@dataclass(frozen=True, kw_only=True, slots=True)
class Surfaces:
    """Meshes in world millimetres; None where there is nothing to draw.

    Attributes
    ----------
    bone, canal, veins, discs : pyvista.PolyData or None
    cleft, lesion, cracks : pyvista.PolyData or None
        Pathology: the cavity of an old fracture, tumour, fissures thinner than a voxel.
    cement : pyvista.PolyData or None
        Cement in the bone; carries the point array ``colour``.
    leaks : dict of str to pyvista.PolyData
        Cement outside the bone by kind of leak.
    needles : tuple of pyvista.PolyData
    """

    bone: Any
    canal: Any
    veins: Any
    discs: Any
    cleft: Any = None
    lesion: Any = None
    cracks: Any = None
    cement: Any = None
    leaks: dict[str, Any] = field(default_factory=dict)
    needles: tuple[Any, ...] = ()

    def points(self) -> NDArray[np.float64]:
        """(n, 3) points [mm] of everything, thinned: what a picture must hold."""
        single = (self.bone, self.canal, self.veins, self.discs, self.cement, *self.leaks.values())
        meshes = [mesh for mesh in (*single, *self.needles) if mesh is not None]
        return np.concatenate([np.asarray(mesh.points, float)[::7] for mesh in meshes] or [np.zeros((1, 3))])


def build_surfaces(
    run: Run, time: float | None = None, *, colour: str = "time", still: Surfaces | None = None
) -> Surfaces:
    """All surfaces of a run at a time [s] (default: the end).

    Parameters
    ----------
    run : Run
    time : float [s], optional
    colour : str
        What the cement's colour says, see `vertebro.view.scene_colours.colouring`.
    still : Surfaces, optional
        Surfaces of another moment; what does not move is taken from them.
    """
    anatomy = still or still_surfaces(run)
    outside = leaked_by_kind(run, time)
    leaks = {
        kind: _surface(share, run.anatomy.grid, sigma=0.45, level=0.2, relax=10) for kind, share in outside.items()
    }
    return replace(
        anatomy,
        cement=cement_surface(run, time, colour=colour),
        leaks={kind: mesh for kind, mesh in leaks.items() if mesh is not None},
    )


def still_surfaces(run: Run) -> Surfaces:
    """The surfaces that do not change during an injection: anatomy, pathology, needles."""
    anatomy = run.anatomy
    grid, compartment, tissue = anatomy.grid, anatomy.compartment, anatomy.tissue
    dura = tissue == Tissue.DURA
    canal = dura if dura.any() else compartment == Compartment.CANAL
    discs = (compartment == Compartment.DISC_SUPERIOR) | (compartment == Compartment.DISC_INFERIOR)
    near = _near_the_body(run)
    return Surfaces(
        bone=_bone(run),
        canal=_surface(canal & near, grid, sigma=1.0, level=0.5, relax=30),
        veins=_veins(run) or _surface(tissue == Tissue.VEIN, grid, sigma=0.5, level=0.3, relax=15),
        discs=_surface(discs & near, grid, sigma=1.0, level=0.5, relax=30),
        cleft=_surface(tissue == Tissue.CLEFT, grid, sigma=0.7, level=0.4, relax=20),
        lesion=_surface(tissue == Tissue.LESION, grid, sigma=0.9, level=0.45, relax=25),
        cracks=_cracks(run),
        needles=tuple(_needle(needle, bony_box(run)) for needle in run.scene.needles),
    )


def cement_surface(
    run: Run, time: float | None = None, *, colour: str = "time", cut_towards: NDArray[np.float64] | None = None
) -> Any:
    """Surface of the cement in the bone with the point array ``colour``; None without cement.

    Parameters
    ----------
    run : Run
    time : float [s], optional
    colour : str
        See `vertebro.view.scene_colours.colouring`.
    cut_towards : (3,) unit vector, optional
        Leave out what lies in this direction from the tip of the first needle.
    """
    grid = run.anatomy.grid
    smooth = _smooth(inside_and_outside(run, time)[0], sigma=0.55)
    if cut_towards is not None and run.scene.needles:
        # the smaller of two level functions bounds the intersection: cement, and the half-space behind the plane
        tip, h = np.asarray(run.scene.needles[0].tip, float), float(np.mean(grid.spacing))
        ahead = sum((x - t) * n for x, t, n in zip(grid.open_mesh(), tip, cut_towards, strict=True)) / h
        smooth = np.minimum(smooth, (CEMENT_LEVEL - 0.3 * ahead).astype(np.float32))
    mesh = _contour(smooth, grid, CEMENT_LEVEL, relax=0 if cut_towards is not None else 15)
    values = None if mesh is None else colouring(run, colour, time).values
    if values is not None:
        mesh["colour"] = _sample(values, grid, mesh.points)
    return mesh


def behind(mesh: Any, point: NDArray[np.float64], towards: NDArray[np.float64]) -> Any:
    """The part of a mesh beyond a point [mm], seen from `towards`; None if nothing is left."""
    part = None if mesh is None else mesh.clip(normal=towards, origin=point)
    return part if part is not None and part.n_cells >= _SMALLEST else None


def _near_the_body(run: Run) -> NDArray[np.bool_]:
    """Heights at which neighbours are drawn: more of them would hide the vertebra."""
    marks, height = run.anatomy.landmarks, run.anatomy.grid.open_mesh()[2]
    return (height > marks.inferior_endplate - NEIGHBOUR_REACH) & (height < marks.superior_endplate + NEIGHBOUR_REACH)


def _bone(run: Run) -> Any:
    """The vertebra without its neighbours: its label, sharpened by the CT numbers so that thin laminae stay."""
    anatomy = run.anatomy
    label = np.isin(anatomy.compartment, IN_BONE) & (anatomy.tissue != Tissue.VEIN)
    if not label.any():
        return None
    smooth = ndimage.gaussian_filter(label.astype(np.float32), 0.7)
    dense = np.clip((anatomy.hu - 150.0) / 700.0, 0.0, 0.25) * label
    return _contour(smooth + dense.astype(np.float32), anatomy.grid, 0.5, relax=40)


def _veins(run: Run) -> Any:
    """The vein network near the vertebra, its ducts as one surface; None without one."""
    network = run.anatomy.network
    if network is None:
        return None
    apart = np.linalg.norm(np.diff(network.nodes[network.segments], axis=1)[:, 0], axis=1)
    near = (network.length <= LONG * apart) & ~network.slit  # the others stand for a course far off
    grid = vein_grid(network, VEIN_PIXEL)
    lumen = vein_raster(network, grid).fraction(np.where(near, network.volume, 0.0))
    return _surface(lumen, grid, sigma=0.7, level=0.3, relax=15)


def _cracks(run: Run) -> Any:
    """Fissures as thin sheets where they cut bone or disc; None without one (or in a run of an older vertebro)."""
    anatomy = run.anatomy
    sheets = []
    for corners in anatomy.provenance.get("cracks_mm", ()):
        start, beside, _, above = np.asarray(corners, float)
        count = [max(int(np.linalg.norm(side - start) / CRACK_PIXEL), 1) for side in (beside, above)]
        sheet = pv.Plane(i_resolution=count[0], j_resolution=count[1])
        share = np.asarray(sheet.points)[:, :2] + 0.5
        sheet.points = start + share[:, :1] * (beside - start) + share[:, 1:] * (above - start)
        middle = np.asarray(sheet.cell_centers().points, float) / MM
        where = np.rint(anatomy.grid.index(middle)).astype(int)
        on = np.all((where >= 0) & (where < anatomy.grid.shape), axis=1)
        on[on] = np.isin(anatomy.compartment[tuple(where[on].T)], CRACKED)
        if on.any():
            sheets.append(sheet.extract_cells(np.flatnonzero(on)).extract_surface(algorithm="geometry"))
    return pv.merge(sheets) if sheets else None


def _surface(values: NDArray[Any], grid: VoxelGrid, *, sigma: float, level: float, relax: int) -> Any:
    return _contour(_smooth(values, sigma), grid, level, relax=relax)


def _smooth(values: NDArray[Any], sigma: float) -> NDArray[np.float32]:
    values = np.asarray(values, np.float32)
    field = np.zeros_like(values)
    if (values > 0.02).any():
        box = _box(values > 0.02, margin=4)
        field[box] = ndimage.gaussian_filter(values[box], sigma)
    return field


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
    mesh = mesh.smooth_taubin(n_iter=relax, pass_band=0.1) if relax else mesh
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


def _needle(needle: Any, box: NDArray[np.float64]) -> Any:
    """Metal tube from a little outside the vertebra to the tip."""
    low, high = box[0] - NEEDLE_REACH, box[1] + NEEDLE_REACH
    tip, outer = np.asarray(needle.tip, float), clip_to_box(needle.entry, needle.tip, low, high)
    length = float(np.linalg.norm(tip - outer))
    return pv.Cylinder(
        center=(tip + outer) / 2 * MM,
        direction=(tip - outer) / length,
        radius=needle.outer_diameter / 2 * MM,
        height=length * MM,
        resolution=40,
    )


def clip_to_box(entry: Any, tip: Any, low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3,) point [m] where the straight line from the tip towards the entry leaves the box from `low` to `high`."""
    entry, tip = np.asarray(entry, float), np.asarray(tip, float)
    step = entry - tip
    with np.errstate(divide="ignore", invalid="ignore"):
        exits = np.where(step > 0, (high - tip) / step, np.where(step < 0, (low - tip) / step, np.inf))
    share = float(np.clip(exits.min(), 0.05, 1.0))
    point: NDArray[np.float64] = tip + share * step
    return point
