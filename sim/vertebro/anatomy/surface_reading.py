"""Closed bone surfaces from STL, PLY, VTP or OBJ files: read, checked, repaired a little, put into RAS metres."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import DataError
from vertebro.units import cm, mm

Floats = NDArray[np.float64]
SURFACE_SUFFIXES = (".stl", ".ply", ".vtp", ".obj")
UNITS = {"mm": mm, "cm": cm, "m": 1.0, "inch": 25.4 * mm}
SIZE_RANGE = (45 * mm, 140 * mm)  # longest edge of the box around a whole vertebra; thoracic child to large lumbar
HOLE = 4 * mm  # radius; wider holes are not closed: the shape there would be a guess
SPECK = 0.02  # pieces below this share of the largest one are dropped
_LETTERS = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "S": (2, 1), "I": (2, -1)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Surface:
    """A watertight triangle surface in RAS metres.

    Attributes
    ----------
    points : (n, 3) float [m]
    triangles : (m, 3) int
        Normals point outwards.
    name, digest : str
    remarks : tuple of str
        Everything that was repaired.
    """

    points: Floats
    triangles: NDArray[np.int64]
    name: str
    digest: str
    remarks: tuple[str, ...]

    @property
    def volume(self) -> float:
        """Enclosed volume [m³], positive with outward normals."""
        return signed_volume(self.points, self.triangles)


def is_surface(path: str | Path) -> bool:
    """Whether a path names a surface file."""
    return Path(path).suffix.lower() in SURFACE_SUFFIXES


def axes_matrix(axes: str) -> Floats:
    """(3, 3) matrix to RAS from coordinates that grow along three letters (``"LPS"``: left, posterior, superior).

    Raises
    ------
    DataError
        If the letters are not one of each pair R/L, A/P, S/I.
    """
    letters = axes.strip().upper()
    if len(letters) != 3 or any(x not in _LETTERS for x in letters) or len({_LETTERS[x][0] for x in letters}) != 3:
        raise DataError(
            "axes of the surface",
            where="axes",
            value=axes or None,
            allowed="three letters, one of R or L, one of A or P, one of S or I: what x, y and z grow towards",
            hint="3D Slicer writes LPS; ask whoever made the file: a wrong letter exchanges left and right",
        )
    out = np.zeros((3, 3))
    for column, letter in enumerate(letters):
        row, sign = _LETTERS[letter]
        out[row, column] = sign
    return out


def read_surface(path: str | Path, axes: str, unit: str = "auto") -> Surface:
    """Read one bone.

    Parameters
    ----------
    path : path
        .stl, .ply, .vtp or .obj
    axes : str
        What x, y and z grow towards, e.g. ``"RAS"``, ``"LPS"``, ``"ALS"``.
    unit : str
        ``"mm"``, ``"cm"``, ``"m"``, ``"inch"`` or ``"auto"``: millimetres, or another unit where the size allows only
        that one.

    Raises
    ------
    DataError
        If the file cannot be read, holds no closed surface of one bone, or its unit cannot be told.
    """
    path = Path(path)
    turn = axes_matrix(axes)
    if not path.is_file():
        raise DataError("no such file", where=path.name, allowed=", ".join(SURFACE_SUFFIXES), hint="check the path")
    mesh, remarks = _one_piece(_read(path), path.name)
    mesh, more = _closed(mesh, path.name)
    points = np.asarray(mesh.points, float)
    triangles = np.asarray(mesh.regular_faces, np.int64)
    scale, note = _scale(points, unit, path.name)
    points = points @ turn.T * scale
    if np.linalg.det(turn) < 0:
        triangles = triangles[:, ::-1]  # a mirrored frame turns every triangle over
    if signed_volume(points, triangles) < 0:
        triangles = triangles[:, ::-1]
        more.append("the surface's normals pointed inwards and were turned")
    return Surface(
        points=points,
        triangles=np.ascontiguousarray(triangles),
        name=path.name,
        digest=hashlib.sha256(path.read_bytes()).hexdigest(),
        remarks=(*remarks, *more, *note),
    )


def signed_volume(points: Floats, triangles: NDArray[np.int64]) -> float:
    """Enclosed volume [m³] by the divergence theorem; negative where the normals point inwards."""
    a, b, c = (points[triangles[:, k]] - points.mean(axis=0) for k in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6.0)


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


def _scale(points: Floats, unit: str, name: str) -> tuple[float, list[str]]:
    """Metres per file unit, and a remark where it is not the millimetre."""
    size = float(np.max(points.max(axis=0) - points.min(axis=0)))
    fits = [u for u, factor in UNITS.items() if SIZE_RANGE[0] <= size * factor <= SIZE_RANGE[1]]
    wish = f"{SIZE_RANGE[0] / mm:.0f} to {SIZE_RANGE[1] / mm:.0f} mm for the longest side of a vertebra"
    if unit != "auto":
        if unit not in UNITS:
            raise DataError("unit of the surface", where="unit", value=unit, allowed=f"auto, {', '.join(UNITS)}")
        if unit not in fits:
            raise DataError(
                "a bone of this size is no vertebra", where=name, value=f"longest side {size:.4g} {unit}", allowed=wish
            )
        return UNITS[unit], []
    if len(fits) == 1:
        note = (
            [] if fits == ["mm"] else [f"the surface was taken to be in {fits[0]} by its size ({size:.3g}), not in mm"]
        )
        return UNITS[fits[0]], note
    raise DataError(
        "the unit of the surface cannot be told from its size",
        where=name,
        value=f"longest side {size:.4g}; possible: {', '.join(fits) or 'none'}",
        allowed=wish,
        hint="name it: --unit mm, cm, m or inch" if fits else "is this one whole vertebra?",
    )
