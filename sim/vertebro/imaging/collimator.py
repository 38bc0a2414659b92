"""The collimator: a rectangle in millimetres becomes rows and columns of the picture.

>>> from vertebro.imaging.carm import CArm
>>> collimation(CArm.ap().geometry, 0.10, 0.05, at="detector")  # 10 by 5 cm at the detector, 0.5 mm pixels
(206, 306, 156, 356)
"""

from __future__ import annotations

import math

from vertebro.errors import CaseError, GeometryError
from vertebro.imaging.carm import ProjectionGeometry


def collimation(
    geometry: ProjectionGeometry,
    width: float,
    height: float,
    *,
    centre: tuple[float, float] = (0.0, 0.0),
    at: str = "isocentre",
) -> tuple[int, int, int, int]:
    """A rectangular opening as (row, row, col, col) for `Fluoroscope.prepare`.

    Parameters
    ----------
    geometry : ProjectionGeometry
    width, height : float [m]
        Of the opening.
    centre : (float, float) [m]
        Its middle, to the right and down from the middle of the picture.
    at : {"isocentre", "detector"}
        Where these lengths are measured.

    Raises
    ------
    GeometryError
        If the opening has no size or leaves no pixel of the detector open.
    CaseError
        If `at` is unknown.
    """
    if at not in ("isocentre", "detector"):
        raise CaseError("unknown plane", where="at", value=at, allowed="isocentre, detector")
    scale = geometry.magnification(geometry.isocentre) if at == "isocentre" else 1.0
    edges = []
    for size, middle, pitch, count in (
        (height, centre[1], geometry.pitch[0], geometry.rows),
        (width, centre[0], geometry.pitch[1], geometry.cols),
    ):
        first, last = (0.5 * count + (middle + sign * 0.5 * size) * scale / pitch for sign in (-1.0, 1.0))
        good = math.isfinite(first) and math.isfinite(last) and size > 0
        low, high = (min(max(round(edge), 0), count) for edge in (first, last)) if good else (0, 0)
        if high <= low:
            raise GeometryError(
                "the collimator is closed: an exposure would show nothing",
                where="collimation",
                value=(width, height, centre),
                allowed="width and height > 0, on the detector",
                hint="open the collimator",
            )
        edges += [low, high]
    return edges[0], edges[1], edges[2], edges[3]
