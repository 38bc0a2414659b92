"""Where to put the C-arm for a view of an anatomy: names of views, and the marks that define the true ones."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from vertebro.anatomy import Anatomy, endplate_planes, posterior_wall
from vertebro.errors import CaseError, GeometryError
from vertebro.imaging.carm import Axes, CArm
from vertebro.imaging.view_marks import PedicleMark, Plane, ViewMarks
from vertebro.imaging.views import TRUE_VIEWS, aim_view
from vertebro.tissue import Compartment
from vertebro.units import deg

STRAIGHT_VIEWS = {"ap": (0.0, 0.0), "lateral": (90.0, 0.0)}
VIEWS = (*STRAIGHT_VIEWS, *TRUE_VIEWS)
WALL_SHARE = 0.8  # of the canal's half width: the straight part of the posterior wall
WALL_BAND = 0.35  # of the body's half height: away from the rims


def aim(view: str, anatomy: Anatomy | None = None, *, rows: int, field: float) -> CArm:
    """A C-arm turned to a view, with a square picture of the vertebra.

    Parameters
    ----------
    view : str
        ``"ap"`` and ``"lateral"`` look along the vertebra's own axes; ``"true-ap"``, ``"true-lateral"``,
        ``"en-face-left"`` and ``"en-face-right"`` are found from its landmarks; ``"<orbital>,<cranial>"`` in degrees.
    anatomy : Anatomy, optional
        Needed by the views that follow landmarks.
    rows : int
        Rows and columns of the picture.
    field : float [m]
        Width of the picture at the isocentre.

    Raises
    ------
    CaseError
        If the view is unknown.
    GeometryError
        If the bone lacks what the view is defined by.
    """
    base = CArm()
    pitch = field * base.source_detector / base.source_isocentre / rows
    if view in TRUE_VIEWS:
        if anatomy is None:
            raise CaseError("this view needs an anatomy", where="view", value=view, allowed=", ".join(STRAIGHT_VIEWS))
        return aim_view(view, view_marks(anatomy), rows=rows, cols=rows, pitch=pitch)
    orbital, cranial = STRAIGHT_VIEWS.get(view) or _angles(view)
    return CArm(orbital=orbital * deg, cranial=cranial * deg, rows=rows, cols=rows, pitch=pitch)


def view_marks(anatomy: Anatomy) -> ViewMarks:
    """The points and planes of a bone that decide whether a view is square.

    Raises
    ------
    DataError
        If the bone has no endplates to be found.
    """
    marks = anatomy.landmarks
    superior, inferior = endplate_planes(anatomy)
    if np.any(anatomy.compartment == Compartment.JOINT):  # a sacrum has no lower endplate: the upper one's parallel
        inferior = replace(
            inferior,
            point=superior.point * (1.0, 1.0, 0.0) + (0.0, 0.0, marks.inferior_endplate),
            normal=-superior.normal,
        )
    pedicles = {"left": marks.pedicle_left, "right": marks.pedicle_right}
    return ViewMarks(
        centre=0.5 * (superior.point + inferior.point),
        half_axes=np.asarray(marks.body_half_axes),
        superior=Plane(point=superior.point, normal=superior.normal),
        inferior=Plane(point=inferior.point, normal=inferior.normal),
        pedicles={side: PedicleMark(centre=p.centre, axis=p.axis) for side, p in pedicles.items() if p is not None},
        wall=_wall_points(anatomy),
        spinous_tip=marks.spinous_tip,
    )


def lying(anatomy: Anatomy) -> Axes:
    """How the patient's axes stand in the vertebra's world, for `CArm.lying`: the table knows the patient only."""
    rotation = np.asarray(anatomy.patient_from_world)[:3, :3]
    r, a, s = (tuple(float(x) for x in row) for row in rotation)
    return (r, a, s)  # type: ignore[return-value]


def _wall_points(anatomy: Anatomy) -> np.ndarray | None:
    """(2, 3) points [m] of the posterior wall left and right of the midline at mid height; None without a canal."""
    half = anatomy.landmarks.canal_half_axes
    if half is None:
        return None
    wall = posterior_wall(anatomy)
    band = np.linspace(-WALL_BAND, WALL_BAND, 9) * float(anatomy.landmarks.body_half_axes[2])
    points = []
    for side in (-1.0, 1.0):
        r = side * WALL_SHARE * float(half[0])
        depth = wall.at(r, band)
        if not np.isfinite(depth).any():
            raise GeometryError("no posterior wall beside the midline", where=anatomy.level, value=r)
        points.append([r, float(np.nanmedian(depth)), 0.0])
    return np.array(points)


def _angles(view: str) -> tuple[float, float]:
    try:
        orbital, cranial = (float(part) for part in view.split(","))
    except ValueError:
        orbital = cranial = math.nan
    if not (abs(orbital) <= 180 and abs(cranial) <= 60):
        raise CaseError(
            "unknown view",
            where="view",
            value=view,
            allowed=f"{', '.join(VIEWS)}, or orbital,cranial in degrees (-180 to 180, -60 to 60)",
            hint='for example --view "30,-10"',
        )
    return orbital, cranial
