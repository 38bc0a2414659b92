"""Closed surfaces of bone and cement for printing and finite elements: STL or PLY, patient LPS, millimetres.

A surface holds what its field holds: the level of the smoothed field is the one that encloses the field's own volume.
Cement is the space it fills, trabeculae within it included, as a printer or a mesh would fill it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vertebro.build import counted_compartments
from vertebro.errors import DataError
from vertebro.grid import VoxelGrid
from vertebro.tissue import Compartment
from vertebro.units import ml, mm
from vertebro.view.cement_fields import inside_and_outside
from vertebro.view.field_files import lps_from_world

if TYPE_CHECKING:
    from vertebro.record import Run

Progress = Callable[[str, float], None]
HEADER = "vertebro, SYNTHETIC, education and research only; unit mm; axes LPS"
BLUR = 0.6  # voxels
LEVELS = (0.05, 0.95)
STEPS = 14  # of the search for the level: 0.9 / 2^14
NUDGE = 1e-4  # no corner may lie on the level: it would pinch the surface
LEAST = 1e-3 * ml


def write_surfaces(run: Run, folder: Path, to: str, tell: Progress) -> dict[str, Any]:
    """``bone``, ``cement`` and ``cement-leaked``, as far as there is any.

    Parameters
    ----------
    run : Run
    folder : Path
        Exists.
    to : {"stl", "ply"}
    tell : callable (stage, share)

    Raises
    ------
    DataError
        If a surface cannot be closed.
    """
    inside, outside = inside_and_outside(run)
    own = np.isin(counted_compartments(run.scene), (Compartment.BODY, Compartment.ARCH, Compartment.TRACK))
    bone = run.anatomy.bone & own
    fields = {"bone": bone.astype(np.float32), "cement": np.maximum(inside, outside), "cement-leaked": outside}
    found = {}
    for k, (name, field) in enumerate(fields.items()):
        tell(f"surface {name}", k / len(fields))
        if float(field.sum()) * run.anatomy.grid.voxel_volume < LEAST:
            continue
        mesh = closed_surface(field, run.anatomy.grid, name)
        mesh.points = np.asarray(mesh.points, float) / mm @ _turn(run).T + lps_from_world(run)[:3, 3]
        _save(mesh, folder / f"{name}.{to}")
        found[f"{name}.{to}"] = _facts(mesh, field, run.anatomy.grid)
    return {"unit": "mm", "axes": "patient LPS", "files": list(found), "surfaces": found}


def closed_surface(field: NDArray[np.floating], grid: VoxelGrid, name: str = "surface") -> Any:
    """Surface in world metres that encloses the field's volume, without open or pinched edges.

    Parameters
    ----------
    field : (nr, na, ns) array
        Share of each voxel, 0 to 1.
    grid : VoxelGrid
    name : str
        For messages.

    Returns
    -------
    pyvista.PolyData

    Raises
    ------
    DataError
        If the field is empty or no closed surface is found.
    """
    wanted = float(np.sum(field, dtype=float)) * grid.voxel_volume
    if not wanted > 0:
        raise DataError("nothing to draw a surface around", where=name, value="an empty field")
    smooth = np.pad(ndimage.gaussian_filter(np.pad(np.asarray(field, np.float32), 3), BLUR), 1)
    low, high = LEVELS
    for _ in range(STEPS):
        middle = (low + high) / 2
        mesh = _contour(smooth, grid, middle)
        low, high = (low, middle) if mesh.n_cells == 0 or float(mesh.volume) < wanted else (middle, high)
    for attempt in range(6):
        mesh = _contour(smooth, grid, (low + high) / 2 * (1 + 0.003 * attempt))
        if mesh.n_cells and mesh.n_open_edges == 0 and mesh.is_manifold:
            return mesh.compute_normals(cell_normals=False, split_vertices=False, auto_orient_normals=True)
    raise DataError(
        "the surface is not closed",
        where=name,
        value=f"{mesh.n_cells} triangles, {mesh.n_open_edges} open edges",
        hint="report this case: a volume's surface should always close",
    )


def _contour(smooth: NDArray[np.float32], grid: VoxelGrid, level: float) -> Any:
    import pyvista as pv

    near = np.abs(smooth - level) < NUDGE
    values = np.where(near, level + NUDGE, smooth)
    image = pv.ImageData(dimensions=values.shape, spacing=grid.spacing, origin=grid.world((-4, -4, -4)))
    image.point_data["field"] = values.ravel(order="F")
    return image.contour([level], scalars="field", method="flying_edges", compute_normals=False, compute_scalars=False)


def _turn(run: Run) -> NDArray[np.float64]:
    """(3, 3) turn from the world's axes to LPS."""
    return np.asarray(lps_from_world(run)[:3, :3] * mm)


def _save(mesh: Any, path: Path) -> None:
    """Binary STL or PLY with unit and axes in its head."""
    if path.suffix == ".ply":
        from vtkmodules.vtkIOPLY import vtkPLYWriter

        writer = vtkPLYWriter()
        writer.AddComment(HEADER)
        writer.SetFileTypeToBinary()
        writer.SetInputData(mesh)
        writer.SetFileName(str(path))
        written = writer.Write()
    else:
        written = _save_stl(mesh, path)
    if not written or not path.is_file():
        raise DataError(
            "the surface cannot be written", where=path.name, hint="free some space or choose another --out"
        )


def _save_stl(mesh: Any, path: Path) -> bool:
    corners = np.asarray(mesh.points, np.float32)[np.asarray(mesh.regular_faces)]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-30)
    record = np.zeros(len(corners), [("n", "<f4", 3), ("c", "<f4", (3, 3)), ("a", "<u2")])
    record["n"], record["c"] = normals, corners
    head = HEADER.encode("ascii")[:80].ljust(80)
    path.write_bytes(head + np.uint32(len(corners)).tobytes() + record.tobytes())
    return True


def _facts(mesh: Any, field: NDArray[np.floating], grid: VoxelGrid) -> dict[str, Any]:
    return {
        "triangles": int(mesh.n_cells),
        "bodies": len(mesh.split_bodies()),
        "volume_ml": round(float(mesh.volume) * mm**3 / ml, 4),
        "field_volume_ml": round(float(np.sum(field, dtype=float)) * grid.voxel_volume / ml, 4),
        "open_edges": int(mesh.n_open_edges),
        "manifold": bool(mesh.is_manifold),
    }
