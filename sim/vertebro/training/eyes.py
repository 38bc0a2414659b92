"""What a trained eye reads off the picture on display: where the tip seems to be, how square the view is, leaks.

Everything is measured in the picture, so a tilted view lies about depth as it does in the room.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.aim import view_marks
from vertebro.anatomy.anatomy import Anatomy
from vertebro.imaging import ProjectionGeometry, ViewMarks, view_quality
from vertebro.training.needles import Track
from vertebro.units import mm

Floats = NDArray[np.float64]
TRUE = {"ap": "true-ap", "lateral": "true-lateral"}


class Eyes:
    """An observer who knows where to look in one anatomy."""

    def __init__(self, anatomy: Anatomy) -> None:
        self.anatomy = anatomy
        self.marks: ViewMarks = view_marks(anatomy)

    def quality(self, geometry: ProjectionGeometry, plane: str) -> dict[str, Any]:
        """How square a picture is: score and parts, see `vertebro.imaging.view_quality`."""
        found = view_quality(geometry, self.marks, TRUE[plane])
        return {"score": found.score, "parts": found.parts}

    def read(self, geometry: ProjectionGeometry, plane: str, track: Track) -> dict[str, float]:
        """Where a needle's tip seems to be.

        Returns
        -------
        dict
            AP: ``to_medial_mm`` (before the pedicle's medial line; negative beyond it) and ``to_midline_mm``.
            Lateral: ``past_wall_mm`` (in front of the posterior wall) and ``depth`` (share of the body's depth).
        """
        return self._ap(geometry, track) if plane == "ap" else self._lateral(geometry, track)

    def _ap(self, geometry: ProjectionGeometry, track: Track) -> dict[str, float]:
        marks = self.anatomy.landmarks
        left, right = marks.pedicle_left, marks.pedicle_right
        if left is None or right is None:
            return {}
        sign = -1.0 if track.side == "left" else 1.0
        own = left if track.side == "left" else right
        edge = own.centre - np.array([sign * own.half_width, 0.0, 0.0])
        a, b, e, tip = _shadows(geometry, left.centre, right.centre, edge, track.tip)
        across = (b - a) / np.linalg.norm(b - a)
        middle = 0.5 * (a + b)
        place = float((tip - middle) @ across)
        return {
            "to_medial_mm": (sign * place - sign * float((e - middle) @ across)) / mm,
            "to_midline_mm": sign * place / mm,
        }

    def _lateral(self, geometry: ProjectionGeometry, track: Track) -> dict[str, float]:
        marks = self.anatomy.landmarks
        back, front = np.array([0.0, marks.posterior_wall, 0.0]), np.array([0.0, marks.anterior_wall, 0.0])
        a, b, tip = _shadows(geometry, back, front, track.tip)
        length = float(np.linalg.norm(b - a))
        along = float((tip - a) @ (b - a)) / length
        return {"past_wall_mm": along / mm, "depth": along / length}


def _shadows(geometry: ProjectionGeometry, *points: Floats) -> Floats:
    scale = np.array(geometry.pitch) / geometry.magnification(geometry.isocentre)
    return np.asarray(geometry.project_point(np.stack(points)) * scale)


def on_skin(geometry: ProjectionGeometry, pixel: tuple[float, float], skin: float) -> tuple[float, float]:
    """(right, superior) [m] where the ray of a pixel (row, column) passes the skin of the back, at a = `skin` [m]."""
    place = geometry.pixel(*pixel)
    way = place - geometry.source
    share = (skin - geometry.source[1]) / way[1]
    point = geometry.source + share * way
    return float(point[0]), float(point[2])
