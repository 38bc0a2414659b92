"""Surfaces of generated bones as files: watertight, millimetres, RAS+, with a registry of how each was made."""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pyvista as pv
from scipy import ndimage

from vertebro import __version__
from vertebro.anatomy.parametric import ParametricSpec, vertebra_label
from vertebro.anatomy.parametric_pelvis_dimensions import PELVIC_LEVELS
from vertebro.errors import DataError
from vertebro.units import mm

SPACING, PELVIC_SPACING = 0.6 * mm, 0.9 * mm
TRIANGLES = 8_000


def vertebra_surface(spec: ParametricSpec, *, triangles: int = TRIANGLES) -> Any:
    """Closed surface of a generated vertebra, sacrum or hip bone.

    Parameters
    ----------
    spec : ParametricSpec
    triangles : int
        About how many are left after decimation.

    Returns
    -------
    pyvista.PolyData
        Points in millimetres, axes right, anterior, superior, origin as `frame_words` says.

    Raises
    ------
    DataError
        If the surface is not closed.
    """
    grid, label = vertebra_label(spec)
    parts, _ = ndimage.label(label)
    largest = parts == 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))
    field = np.pad(ndimage.gaussian_filter(largest.astype(np.float32), 0.8), 1)
    image = pv.ImageData(
        dimensions=field.shape, spacing=np.asarray(grid.spacing) / mm, origin=grid.world((-1, -1, -1)) / mm
    )
    image.point_data["field"] = field.ravel(order="F")
    mesh = image.contour([0.5], scalars="field", method="flying_edges", compute_scalars=False).extract_largest()
    mesh = mesh.smooth_taubin(n_iter=30, pass_band=0.1)
    mesh = mesh.decimate(max(0.0, 1 - triangles / mesh.n_cells))
    mesh = mesh.compute_normals(cell_normals=False, split_vertices=False, auto_orient_normals=True)
    if mesh.n_open_edges or not mesh.is_manifold:
        raise DataError("the surface is not closed", where=spec.level, value=f"{mesh.n_open_edges} open edges")
    return mesh


def usual_spacing(level: str) -> float:
    """Edge [m] of the voxels a surface is made on."""
    return PELVIC_SPACING if level in PELVIC_LEVELS else SPACING


def frame_words(level: str) -> str:
    """Axes and origin of a level's surface, in words."""
    if level == "S1":
        return "right, anterior, superior of S1's upper endplate, origin = centre of the body of S1"
    if level in PELVIC_LEVELS:
        return "RAS+, pelvis upright, origin = in the bone above the roof of the acetabulum"
    return "RAS+, origin = centre of the vertebral body"


def write_mesh(level: str, path: Path, *, spacing: float | None = None) -> dict[str, Any]:
    """Write one level as binary STL; returns its registry entry.

    Parameters
    ----------
    spacing : float [m], optional
        Edge of the voxels the surface is made on; `usual_spacing` when left out.
    """
    edge = usual_spacing(level) if spacing is None else spacing
    mesh = vertebra_surface(ParametricSpec(level=level, spacing=edge))
    path.parent.mkdir(parents=True, exist_ok=True)
    mesh.save(path, binary=True)
    size = np.ptp(np.asarray(mesh.points), axis=0)
    return {
        "file": path.name,
        "level": level,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "unit": "mm",
        "frame": frame_words(level),
        "triangles": int(mesh.n_cells),
        "volume_ml": round(float(mesh.volume) * 1e-3, 3),
        "size_mm": [round(float(x), 2) for x in size],
        "licence": "Apache-2.0",
        "made_by": f"vertebro {__version__}: vertebro mesh {level} --out {path.name}",
    }


def read_registry(path: Path) -> list[dict[str, Any]]:
    """The entries of a registry file; none when there is no file.

    Raises
    ------
    DataError
        If the file is not a registry.
    """
    if not path.exists():
        return []
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))["mesh"]
    except (tomllib.TOMLDecodeError, KeyError) as error:
        raise DataError(f"not a registry of meshes: {error}", where=str(path), hint="remove it, or repair it") from None
    return list(entries)


def updated_registry(entries: list[dict[str, Any]], entry: dict[str, Any]) -> list[dict[str, Any]]:
    """The entries with one added, or replaced where the file's name is the same."""
    names = [known["file"] for known in entries]
    if entry["file"] in names:
        return [entry if known["file"] == entry["file"] else known for known in entries]
    return [*entries, entry]


def registry_text(entries: list[dict[str, Any]]) -> str:
    """The registry as TOML."""
    lines = ["# Surfaces made by our own generator; `made_by` makes them again. A test compares."]
    for entry in entries:
        lines += ["", "[[mesh]]"]
        lines += [f"{key} = {json.dumps(value)}" for key, value in entry.items()]
    return "\n".join([*lines, ""])
