"""Angles and table of the views a level is worked in, as its planning CT tells them."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from vertebro.aim import lying
from vertebro.anatomy.anatomy import Anatomy
from vertebro.errors import GeometryError
from vertebro.imaging import CArm, Gantry, Position, ViewMarks, aim_view
from vertebro.units import deg, mm

LESS = 5 * deg  # by which a view that cannot be reached is made less steep


def working_views(anatomy: Anatomy, marks: ViewMarks) -> dict[str, dict[str, float]]:
    """Where arm and table stand for AP and lateral.

    The true views; where the machine cannot tilt so far, or cannot swing there from the lateral (the sacrum's AP), the
    steepest it can.

    Raises
    ------
    GeometryError
        If a view cannot be reached at any tilt.
    """
    gantry = Gantry.angiography()
    poses = {plane: aim_view(f"true-{plane}", marks, lying=lying(anatomy)) for plane in ("lateral", "ap")}
    lateral = _reached(gantry, poses["lateral"], None)
    return {"ap": _row(_reached(gantry, poses["ap"], lateral)), "lateral": _row(lateral)}


def _row(place: Position) -> dict[str, float]:
    return {
        "orbital_deg": place.orbital / deg,
        "cranial_deg": place.cranial / deg,
        "table_lateral_mm": place.lateral / mm,
        "table_height_mm": place.height / mm,
        "table_longitudinal_mm": place.longitudinal / mm,
    }


def _reached(gantry: Gantry, pose: CArm, start: Position | None) -> Position:
    """The arm's position for a pose, or for the same with as little less tilt as it takes to get there from `start`."""
    tilt = float(pose.cranial)
    tilts = [*np.arange(abs(tilt), 0.0, -LESS), 0.0]
    for steep in tilts:
        try:
            place = gantry.position(dataclasses.replace(pose, cranial=float(np.copysign(steep, tilt))))
        except GeometryError:
            if steep == 0.0:
                raise
            continue
        if start is None or _swings(gantry, start, place):
            return place
    raise GeometryError("a view out of reach", where="cranial", value=tilt)


def _swings(gantry: Gantry, start: Position, end: Position) -> bool:
    """Whether the arm swings there and back without touching patient or table."""
    return all(math.isinf(gantry.free_for(*way)) for way in ((start, end), (end, start)))
