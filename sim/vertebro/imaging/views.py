"""Which pose shows a vertebra squarely, and how squarely does a pose show it?

Four views, as they are taught:

- *true AP*: the beam runs along the endplates (one sharp line each), the spinous process lies midway between the
  pedicles;
- *true lateral*: pedicles, posterior wall and endplates superimpose, one posterior wall is seen;
- *en face*, one per side: down the pedicle's axis, so that the pedicle is a ring and a needle in it a dot.

The geometry knows points and planes only (`ViewMarks`); who measures them on a bone joins the two.
Each fault of a pose has a band: full marks up to its first number, none beyond its second. The worst fault is the
score.

>>> import numpy as np
>>> from vertebro.imaging.view_marks import ViewMarks
>>> marks = ViewMarks(
...     centre=np.zeros(3), half_axes=np.array([0.022, 0.016, 0.013]),
...     superior=Plane(point=np.array([0, 0, 0.013]), normal=np.array([0, 0, 1.0])),
...     inferior=Plane(point=np.array([0, 0, -0.013]), normal=np.array([0, 0, -1.0])),
...     pedicles={"left": PedicleMark(centre=np.array([-0.013, -0.02, 0.006]), axis=np.array([0.1, 0.99, 0.0])),
...               "right": PedicleMark(centre=np.array([0.013, -0.02, 0.006]), axis=np.array([-0.1, 0.99, 0.0]))},
...     wall=np.array([[-0.01, -0.016, 0], [0.01, -0.016, 0]]), spinous_tip=np.array([0, -0.07, -0.01]))
>>> round(view_quality(aim_view("true-ap", marks).geometry, marks, "true-ap").score, 2)
1.0
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import CaseError, GeometryError
from vertebro.imaging.carm import CArm, Float3, ProjectionGeometry
from vertebro.imaging.view_marks import PedicleMark, Plane, ViewMarks, unit
from vertebro.sources import Constant
from vertebro.units import deg, mm

TRUE_VIEWS = ("true-ap", "true-lateral", "en-face-left", "en-face-right")
_TRAINER = "band [ours]; trainees on an open C-arm trainer improved by about 2 degrees"
_TEXT = "band [ours] of the taught definition of the view"


@dataclass(frozen=True, kw_only=True, slots=True)
class Band:
    """Full marks up to `full`, none from `none`, straight in between."""

    full: float
    none: float

    def __post_init__(self) -> None:
        if not 0 <= self.full < self.none:
            raise CaseError("impossible band", value=(self.full, self.none), allowed="0 <= full < none")

    def score(self, fault: float) -> float:
        """1 to 0 for a fault's size."""
        return float(np.clip((self.none - abs(fault)) / (self.none - self.full), 0.0, 1.0))


@dataclass(frozen=True, kw_only=True, slots=True)
class ViewBands:
    """How large a fault may be; each with its source.

    Attributes
    ----------
    tilt : Band [rad]
        Between the beam and the endplates.
    rotation : Band
        Spinous process off the middle of the pedicles, over the distance between the pedicles.
    wall : Band [m]
        Double contour of the posterior wall.
    pedicles : Band [m]
        Distance of the two pedicles' shadows on the lateral view.
    axis : Band [rad]
        Between the beam and the pedicle's axis, en face.
    """

    tilt: Band = field(
        default_factory=lambda: Band(
            full=Constant(2 * deg, "rad", 1 * deg, 4 * deg, "allen2022", "ours", _TRAINER),
            none=Constant(6 * deg, "rad", 4 * deg, 12 * deg, "allen2022", "ours", _TRAINER),
        )
    )
    rotation: Band = field(
        default_factory=lambda: Band(
            full=Constant(0.05, "1", 0.02, 0.1, "sp_vpkp", "ours", _TEXT),
            none=Constant(0.15, "1", 0.1, 0.3, "sp_vpkp", "ours", _TEXT),
        )
    )
    wall: Band = field(
        default_factory=lambda: Band(
            full=Constant(1 * mm, "m", 0.5 * mm, 2 * mm, "vertebro", "ours", _TEXT),
            none=Constant(4 * mm, "m", 2 * mm, 8 * mm, "vertebro", "ours", _TEXT),
        )
    )
    pedicles: Band = field(
        default_factory=lambda: Band(
            full=Constant(2 * mm, "m", 1 * mm, 4 * mm, "vertebro", "ours", _TEXT),
            none=Constant(5 * mm, "m", 3 * mm, 10 * mm, "vertebro", "ours", _TEXT),
        )
    )
    axis: Band = field(
        default_factory=lambda: Band(
            full=Constant(3 * deg, "rad", 1 * deg, 5 * deg, "allen2022", "ours", _TRAINER),
            none=Constant(9 * deg, "rad", 6 * deg, 15 * deg, "allen2022", "ours", _TRAINER),
        )
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class ViewQuality:
    """How squarely a pose shows a vertebra. What does not belong to the view, or cannot be measured, is None.

    Attributes
    ----------
    view : str
    score : float
        0 to 1; the worst of `parts`.
    parts : dict of str to float
        Score of each fault that belongs to the view.
    tilt : float [rad]
        Smallest angle between the beam and the upper endplate, the lower one, or the plane midway between.
    endplate_tilts : (float, float) [rad]
        Signed, upper and lower; positive where the beam falls from below.
    endplate_contour : (float, float) [m]
        Distance, at the body, of the two contours that a tilted endplate throws: its near and its far rim.
    rotation : float or None
        Spinous process off the middle, over the distance of the pedicles; positive towards the patient's right.
    wall_contour : float or None [m]
        Distance, at the body, of the contours of the left and the right part of the posterior wall.
    pedicle_offset : float or None [m]
        Distance, at the body, of the pedicles' centres in the picture.
    axis_angle : float or None [rad]
        Between the ray through the pedicle and its axis (en face).
    """

    view: str
    score: float
    parts: dict[str, float]
    tilt: float
    endplate_tilts: tuple[float, float]
    endplate_contour: tuple[float, float]
    rotation: float | None
    wall_contour: float | None
    pedicle_offset: float | None
    axis_angle: float | None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def aim_view(view: str, marks: ViewMarks, **settings: Any) -> CArm:
    """The pose that shows a vertebra squarely.

    Parameters
    ----------
    view : str
        One of `TRUE_VIEWS`.
    marks : ViewMarks
    **settings
        Other fields of `CArm` (distances, detector, how the patient lies).

    Raises
    ------
    CaseError
        If the view is unknown.
    GeometryError
        If the bone lacks what the view is defined by.
    """
    _check_view(view)
    if view.startswith("en-face"):
        pedicle = _pedicle(marks, view)
        return CArm.towards(pedicle.axis, isocentre=tuple(map(float, pedicle.centre)), **settings)
    middle, way = _forward(marks) if view == "true-ap" else _sideways(marks)
    base = CArm(**settings)
    return CArm.towards(
        _parallel(marks, middle, way, base.source_isocentre), isocentre=tuple(map(float, marks.centre)), **settings
    )


def view_quality(
    geometry: ProjectionGeometry, marks: ViewMarks, view: str, *, bands: ViewBands | None = None
) -> ViewQuality:
    """How squarely a pose shows a vertebra, against one of the taught views.

    Parameters
    ----------
    geometry : ProjectionGeometry
    marks : ViewMarks
    view : str
        One of `TRUE_VIEWS`.
    bands : ViewBands, optional

    Raises
    ------
    CaseError
        If the view is unknown.
    GeometryError
        If the bone lacks what the view is defined by, or lies behind the source.
    """
    _check_view(view)
    bands = bands or ViewBands()
    tilts = (
        _tilt(geometry, marks.superior, marks.superior.normal),
        _tilt(geometry, marks.inferior, -marks.inferior.normal),
    )
    middle = math.asin(float(np.clip(_ray(geometry, marks.centre) @ marks.up, -1, 1)))
    tilt = min(map(abs, (*tilts, middle)))
    rotation = _rotation(geometry, marks) if marks.spinous_tip is not None and len(marks.pedicles) == 2 else None
    wall = _apart(geometry, marks, *marks.wall) if marks.wall is not None else None
    pair = _distance(geometry, *(p.centre for p in marks.pair())) if len(marks.pedicles) == 2 else None
    axis = _axis_angle(geometry, _pedicle(marks, view)) if view.startswith("en-face") else None
    faults = {
        "true-ap": {"tilt": tilt, "rotation": rotation},
        "true-lateral": {"tilt": tilt, "wall": wall, "pedicles": pair},
    }.get(view, {"axis": axis})
    parts = {name: getattr(bands, name).score(fault) for name, fault in faults.items() if fault is not None}
    return ViewQuality(
        view=view,
        score=min(parts.values()),
        parts=parts,
        tilt=tilt,
        endplate_tilts=tilts,
        endplate_contour=(_rims(geometry, marks, marks.superior), _rims(geometry, marks, marks.inferior)),
        rotation=rotation,
        wall_contour=wall,
        pedicle_offset=pair,
        axis_angle=axis,
    )


def _forward(marks: ViewMarks) -> tuple[Float3, Float3]:
    """From the spinous process through the middle of the pedicles (else square to their line): a point, a direction."""
    left, right = marks.pair()
    middle = 0.5 * (left.centre + right.centre)
    if marks.spinous_tip is None:
        return middle, np.cross(marks.up, right.centre - left.centre)
    return middle, middle - marks.spinous_tip


def _sideways(marks: ViewMarks) -> tuple[Float3, Float3]:
    """From right to left along the posterior wall and the pedicles' line, their mean: a point, a direction."""
    lines = [] if marks.wall is None else [marks.wall]
    if len(marks.pedicles) == 2:
        lines.append(np.stack([pedicle.centre for pedicle in marks.pair()]))
    if not lines:
        raise GeometryError("a lateral view needs a posterior wall or two pedicles", where="marks", value="neither")
    ways = [unit(_level(left - right, marks.up), "wall") for left, right in lines]
    return np.mean(lines, axis=(0, 1)), np.sum(ways, axis=0)


def _parallel(marks: ViewMarks, middle: Float3, way: Float3, reach: float) -> Float3:
    """Direction from the body's centre to a source, so that the ray through `middle` runs along `way`.

    Rays diverge: a posterior wall beside the central ray is met at an angle of a degree or two, which the arm makes up
    for. Up and down nothing is moved: what lies level with the centre is seen along the endplates.
    """
    along, aside = unit(_level(way, marks.up), "way"), _level(middle - marks.centre, marks.up)
    aside = aside - (aside @ along) * along
    return np.asarray(aside + along * math.sqrt(max(reach**2 - float(aside @ aside), 0.0)))


def _level(vector: Float3, up: Float3) -> Float3:
    return np.asarray(vector - (vector @ up) * up)


def _ray(geometry: ProjectionGeometry, point: Float3) -> Float3:
    return unit(point - geometry.source, "point")


def _tilt(geometry: ProjectionGeometry, plane: Plane, upwards: Float3) -> float:
    return math.asin(float(np.clip(_ray(geometry, plane.point) @ upwards, -1, 1)))


def _shadows(geometry: ProjectionGeometry, *points: Float3) -> NDArray[np.float64]:
    """(n, 2) places of points in the picture [m], scaled back to the isocentre: down and to the right."""
    scale = np.array(geometry.pitch) / geometry.magnification(geometry.isocentre)
    return np.asarray(geometry.project_point(np.stack(points)) * scale)


def _upwards(geometry: ProjectionGeometry, marks: ViewMarks) -> NDArray[np.float64]:
    """(2,) direction of the vertebra's axis in the picture."""
    bottom, top = _shadows(geometry, marks.centre, marks.centre + 5 * mm * marks.up)
    length = np.linalg.norm(top - bottom)
    if length < 0.1 * mm:
        raise GeometryError("the beam runs along the spine", where="geometry", allowed="a view across the spine")
    return np.asarray((top - bottom) / length)


def _rims(geometry: ProjectionGeometry, marks: ViewMarks, plane: Plane) -> float:
    """How far apart the near and the far rim of an endplate are seen."""
    along = unit(_level(_ray(geometry, plane.point), plane.normal), "endplate")
    reach = 1.0 / math.hypot(along[0] / marks.half_axes[0], along[1] / marks.half_axes[1])
    near, far = _shadows(geometry, plane.point - reach * along, plane.point + reach * along)
    return abs(float((far - near) @ _upwards(geometry, marks)))


def _rotation(geometry: ProjectionGeometry, marks: ViewMarks) -> float:
    left, right = marks.pair()
    a, b, tip = _shadows(geometry, left.centre, right.centre, np.asarray(marks.spinous_tip))
    across = b - a
    return float((tip - 0.5 * (a + b)) @ across / max(float(across @ across), (0.1 * mm) ** 2))


def _apart(geometry: ProjectionGeometry, marks: ViewMarks, left: Float3, right: Float3) -> float:
    """Distance of two shadows square to the spine's direction in the picture."""
    a, b = _shadows(geometry, left, right)
    up = _upwards(geometry, marks)
    return abs(float((b - a) @ np.array([-up[1], up[0]])))


def _distance(geometry: ProjectionGeometry, one: Float3, other: Float3) -> float:
    a, b = _shadows(geometry, one, other)
    return float(np.linalg.norm(b - a))


def _axis_angle(geometry: ProjectionGeometry, pedicle: PedicleMark) -> float:
    return math.acos(min(1.0, abs(float(_ray(geometry, pedicle.centre) @ pedicle.axis))))


def _pedicle(marks: ViewMarks, view: str) -> PedicleMark:
    side = view.rsplit("-", 1)[1]
    if side not in marks.pedicles:
        raise GeometryError(
            "this bone has no such pedicle", where="view", value=view, allowed=f"{tuple(marks.pedicles)}"
        )
    return marks.pedicles[side]


def _check_view(view: str) -> None:
    if view not in TRUE_VIEWS:
        raise CaseError("unknown view", where="view", value=view, allowed=", ".join(TRUE_VIEWS))
