"""Read closed bone surfaces from STL, PLY, VTP or OBJ files: checked, repaired a little, handed on as bare arrays."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from vertebro.anatomy.surfaces import Surface, axes_matrix, place_surface
from vertebro.errors import DataError
from vertebro.units import mm

SURFACE_SUFFIXES = (".stl", ".ply", ".vtp", ".obj")
HOLE = 4 * mm  # radius; wider holes are not closed: the shape there would be a guess
SPECK = 0.02  # pieces below this share of the largest one are dropped


def is_surface(path: str | Path) -> bool:
    """Whether a path names a surface file."""
    return Path(path).suffix.lower() in SURFACE_SUFFIXES


def read_surface(path: str | Path, axes: str, unit: str = "auto") -> Surface:
    """Read one bone.

    Parameters
    ----------
    path : path
        .stl, .ply, .vtp or .obj
    axes, unit : str
        As `vertebro.anatomy.surfaces.place_surface`.

    Raises
    ------
    DataError
        If the file cannot be read, holds no closed surface of one bone, or its unit cannot be told.
    """
    path = Path(path)
    axes_matrix(axes)  # a missing convention is said before a large file is read
    if not path.is_file():
        raise DataError("no such file", where=path.name, allowed=", ".join(SURFACE_SUFFIXES), hint="check the path")
    mesh, remarks = _one_piece(_read(path), path.name)
    mesh, more = _closed(mesh, path.name)
    return place_surface(
        np.asarray(mesh.points, float),
        np.asarray(mesh.regular_faces, np.int64),
        axes=axes,
        unit=unit,
        name=path.name,
        digest=hashlib.sha256(path.read_bytes()).hexdigest(),
        remarks=(*remarks, *more),
    )


def _read(path: Path) -> Any:
    import pyvista as pv

    try:
        mesh = pv.read(path)
    except Exception as error:  # the library raises whatever its parsers raise
        raise DataError(f"the surface cannot be read: {error}", where=path.name) from error
    if not isinstance(mesh, pv.PolyData) or mesh.n_points < 20 or mesh.n_cells < 20:
        raise DataError(
            "the file holds no surface",
            where=path.name,
            value=f"{type(mesh).__name__}, {getattr(mesh, 'n_points', 0)} points",
            allowed="a closed triangle surface of one vertebra",
        )
    if not np.all(np.isfinite(mesh.points)):
        raise DataError("points that are not finite", where=path.name, hint="export the surface again")
    return mesh.triangulate().clean()


def _one_piece(mesh: Any, name: str) -> tuple[Any, list[str]]:
    """The largest piece; specks and inner shells are dropped, a second bone is refused."""
    pieces = sorted(mesh.split_bodies(), key=lambda piece: -_box_volume(piece))
    largest = pieces[0].extract_surface(algorithm="dataset_surface").triangulate().clean()
    remarks = []
    for piece in pieces[1:]:
        share = _box_volume(piece) / max(_box_volume(largest), 1e-30)
        if share < SPECK:
            remarks.append("specks beside the surface were dropped")
        elif _encloses(largest, piece):
            remarks.append("a surface inside the bone (marrow cavity, void) was dropped: the bone is taken as filled")
        else:
            raise DataError(
                f"the surface holds {len(pieces)} separate bodies",
                where=name,
                value=[round(_box_volume(p) ** (1 / 3), 4) for p in pieces[:6]],
                allowed="one vertebra per file",
                hint="save each vertebra in a file of its own; give neighbours with --above and --below",
            )
    return largest, list(dict.fromkeys(remarks))


def _box_volume(piece: Any) -> float:
    low, high = np.array(piece.bounds[::2]), np.array(piece.bounds[1::2])
    return float(np.prod(np.maximum(high - low, 1e-12)))


def _encloses(outer: Any, piece: Any) -> bool:
    low, high = np.array(outer.bounds[::2]), np.array(outer.bounds[1::2])
    points = np.asarray(piece.points)
    if np.any(points.min(axis=0) < low) or np.any(points.max(axis=0) > high) or outer.n_open_edges:
        return False
    import pyvista as pv

    some = pv.PolyData(points[:: max(1, len(points) // 50)].astype(float))
    return bool(np.all(some.select_interior_points(outer, method="cell_locator").point_data["selected_points"]))


def _closed(mesh: Any, name: str) -> tuple[Any, list[str]]:
    """The mesh without open edges; only tiny holes are filled."""
    remarks: list[str] = []
    if mesh.n_open_edges:
        before = int(mesh.n_open_edges)
        size = float(np.max(np.array(mesh.bounds[1::2]) - np.array(mesh.bounds[::2])))
        mesh = mesh.fill_holes(HOLE / (90 * mm) * size).triangulate().clean()  # the unit is not known yet
        if not mesh.n_open_edges:
            remarks.append(f"holes of less than {HOLE / mm:.0f} mm radius with {before} edges were filled")
    if mesh.n_open_edges:
        raise DataError(
            "the surface is open",
            where=name,
            value=f"{mesh.n_open_edges} edges belong to one triangle only",
            allowed=f"a watertight surface; holes up to about {HOLE / mm:.0f} mm radius are filled",
            hint="close it in a mesh editor (MeshLab: Close Holes; Blender: Make Manifold)",
        )
    if not mesh.is_manifold:
        raise DataError(
            "the surface is not a manifold: some edges belong to three or more triangles",
            where=name,
            allowed="a watertight surface of one bone",
            hint="repair it in a mesh editor (MeshLab: Repair non Manifold Edges)",
        )
    return mesh.compute_normals(consistent_normals=True, auto_orient_normals=True, split_vertices=False), remarks
