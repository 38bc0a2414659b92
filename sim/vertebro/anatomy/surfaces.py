"""Closed bone surfaces as bare arrays, put into RAS metres; `vertebro.view.surface_files` reads them from files."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import DataError
from vertebro.units import cm, mm

Floats = NDArray[np.float64]
Triangles = NDArray[np.int64]
UNITS = {"mm": mm, "cm": cm, "m": 1.0, "inch": 25.4 * mm}
SIZE_RANGE = (45 * mm, 140 * mm)  # longest edge of the box around a whole vertebra; thoracic child to large lumbar
_LETTERS = {"R": (0, 1), "L": (0, -1), "A": (1, 1), "P": (1, -1), "S": (2, 1), "I": (2, -1)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Surface:
    """A watertight triangle surface in RAS metres.

    Attributes
    ----------
    points : (n, 3) float [m]
    triangles : (m, 3) int
        Normals point outwards.
    axes : str
        What the file's x, y and z grow towards, as it was told.
    name, digest : str
    remarks : tuple of str
        Everything that was repaired.
    """

    points: Floats
    triangles: Triangles
    axes: str
    name: str
    digest: str
    remarks: tuple[str, ...]

    @property
    def volume(self) -> float:
        """Enclosed volume [m³], positive with outward normals."""
        return signed_volume(self.points, self.triangles)


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


def place_surface(
    points: Floats, triangles: Triangles, *, axes: str, unit: str, name: str, digest: str, remarks: tuple[str, ...] = ()
) -> Surface:
    """Put a closed surface into RAS metres, normals outwards.

    Parameters
    ----------
    points : (n, 3) float
        In the file's own axes and unit.
    triangles : (m, 3) int
        Consistently wound, without open edges.
    axes : str
        What x, y and z grow towards, e.g. ``"RAS"``, ``"LPS"``, ``"ALS"``.
    unit : str
        ``"mm"``, ``"cm"``, ``"m"``, ``"inch"`` or ``"auto"``: millimetres, or another unit where the size allows only
        that one.
    name, digest : str
        Of the file.
    remarks : tuple of str
        What was repaired before.

    Raises
    ------
    DataError
        If the axes are none, or the unit cannot be told or makes no vertebra of it.
    """
    turn = axes_matrix(axes)
    scale, notes = _scale(points, unit, name)
    points = points @ turn.T * scale
    if np.linalg.det(turn) < 0:
        triangles = triangles[:, ::-1]  # a mirrored frame turns every triangle over
    if signed_volume(points, triangles) < 0:
        triangles = triangles[:, ::-1]
        notes = ["the surface's normals pointed inwards and were turned", *notes]
    return Surface(
        points=points,
        triangles=np.ascontiguousarray(triangles),
        axes=axes.strip().upper(),
        name=name,
        digest=digest,
        remarks=(*remarks, *notes),
    )


def signed_volume(points: Floats, triangles: Triangles) -> float:
    """Enclosed volume [m³] by the divergence theorem; negative where the normals point inwards."""
    a, b, c = (points[triangles[:, k]] - points.mean(axis=0) for k in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6.0)


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
