"""The C-arm: where source and detector stand in the vertebra's own frame, and how the picture is turned.

The patient lies prone, the tube is below the table. At orbital angle 0 the source is therefore on the anterior side
and the detector behind the back. The picture is shown as films are read: superior up, the patient's right on the
viewer's left. An orbital turn of +90 degrees brings the source to the patient's left: the lateral view, anterior on
the left of the picture. A positive cranial angle tips the detector towards the head.

The angles turn about the axes of the table, on which a patient rarely lies as straight as a vertebra would like:
`CArm.lying` says how the patient's axes stand in the world of the vertebra. A machine's limits, speeds, fields and
table are in `gantry`, the poses that show a vertebra squarely in `views`.

>>> import numpy as np
>>> ap = CArm.ap().geometry
>>> row, col = ap.project_point(np.array([0.02, 0.0, 0.01]))  # right of and above the isocentre
>>> bool(row < 255.5), bool(col < 255.5)
(True, True)
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vertebro.errors import GeometryError
from vertebro.units import deg

Float3 = NDArray[np.float64]
Axes = tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]
STRAIGHT: Axes = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectionGeometry:
    """One exposure: a point source and a flat detector, in world metres.

    Parameters
    ----------
    source : (3,) float [m]
    detector_origin : (3,) float [m]
        Centre of pixel (row 0, column 0), the upper left corner of the picture.
    u : (3,) float [m]
        Step from one column to the next (to the right in the picture).
    v : (3,) float [m]
        Step from one row to the next (downwards in the picture).
    rows, cols : int
    isocentre : (3,) float [m]
        The point the C-arm turns about.

    Attributes
    ----------
    normal : (3,) float
        Unit vector from the detector towards the source.

    Raises
    ------
    GeometryError
        If the detector has no pixels or no area, or the source lies in the detector's plane.
    """

    source: Float3
    detector_origin: Float3
    u: Float3
    v: Float3
    rows: int
    cols: int
    isocentre: Float3
    normal: Float3 = field(init=False, repr=False)
    _pixels: Float3 = field(init=False, repr=False)

    def __post_init__(self) -> None:
        _check_pixels(self.rows, self.cols)
        for name in ("source", "detector_origin", "u", "v", "isocentre"):
            vector = np.asarray(getattr(self, name), float)
            if vector.shape != (3,) or not np.isfinite(vector).all():
                raise GeometryError("not a place", where=name, value=vector, allowed="three finite lengths [m]")
            vector.flags.writeable = False
            object.__setattr__(self, name, vector)
        normal = np.cross(self.u, self.v)
        if not np.linalg.norm(normal) > 0:
            raise GeometryError(
                "the detector has no area", where="u, v", value=(self.u, self.v), allowed="not parallel"
            )
        # wanted several times a picture, so made once
        normal = normal / np.linalg.norm(normal)
        facing = (self.source - self.detector_origin) @ normal >= 0
        object.__setattr__(self, "normal", normal if facing else -normal)
        object.__setattr__(self, "_pixels", np.linalg.pinv(np.stack([self.v, self.u], axis=1)).T)
        if not self.distance > 0:
            raise GeometryError(
                "the source lies in the plane of the detector",
                where="source",
                value=self.source,
                allowed="off the plane",
            )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ProjectionGeometry) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[bytes, int, int]:
        places = (self.source, self.detector_origin, self.u, self.v, self.isocentre)
        return b"".join(place.tobytes() for place in places), self.rows, self.cols

    @property
    def distance(self) -> float:
        """Distance of the source from the detector's plane [m]."""
        return float((self.source - self.detector_origin) @ self.normal)

    @property
    def rays(self) -> Float3:
        """(3, 3) [m], rows: from the source to pixel (0, 0), step per row, step per column."""
        return np.stack([self.detector_origin - self.source, self.v, self.u])

    @property
    def pitch(self) -> tuple[float, float]:
        """Pixel size [m]: between rows, between columns."""
        return float(np.linalg.norm(self.v)), float(np.linalg.norm(self.u))

    def pixel(self, row: ArrayLike, col: ArrayLike) -> Float3:
        """World positions (…, 3) [m] of (fractional) pixel coordinates."""
        row, col = np.asarray(row, float)[..., None], np.asarray(col, float)[..., None]
        return np.asarray(self.detector_origin + col * self.u + row * self.v)

    def corners(self) -> Float3:
        """(4, 3) world positions [m] of the corner pixels' centres."""
        last_row, last_col = self.rows - 1, self.cols - 1
        return self.pixel([0, 0, last_row, last_row], [0, last_col, 0, last_col])

    def project_point(self, point: ArrayLike) -> Float3:
        """Shadow of world points (…, 3) [m]: fractional (row, column) pixel coordinates (…, 2).

        Raises
        ------
        GeometryError
            If a point is not in front of the source.
        """
        ray = np.asarray(point, float) - self.source
        depth = -(ray @ self.normal)
        if not np.all(depth > 0):
            raise GeometryError(
                "a point is not in front of the source",
                where="point",
                value=point,
                allowed="between source and detector",
            )
        shadow = self.source + ray * (self.distance / depth)[..., None] - self.detector_origin
        return np.asarray(shadow @ self._pixels)

    def magnification(self, point: ArrayLike) -> float:
        """Size of the shadow over size of the object, for an object at a world point [m]."""
        return self.distance / float((self.source - np.asarray(point, float)) @ self.normal)

    def obliquity(self) -> NDArray[np.float64]:
        """(rows, cols) cosine between each pixel's ray and the detector's normal."""
        row, col = np.mgrid[: self.rows, : self.cols]
        return np.asarray(self.distance / np.linalg.norm(self.pixel(row, col) - self.source, axis=-1))


@dataclass(frozen=True, kw_only=True, slots=True)
class CArm:
    """Position of the C-arm. `geometry` gives source and detector in world metres.

    Parameters
    ----------
    orbital : float [rad]
        Turn about the patient's long axis; 0 is AP, +90 degrees lateral (source at the patient's left).
    cranial : float [rad]
        Tip of the detector towards the head; within (-90, 90) degrees.
    isocentre : tuple of float [m]
        World point in the middle of the picture.
    source_isocentre, source_detector : float [m]
        SOD and SDD; magnification at the isocentre is their ratio.
    rows, cols : int
        Pixels of the detector.
    pitch : float [m]
        Edge of a (square) pixel.
    lying : ((3,), (3,), (3,)) of float
        Right, anterior and superior of the patient on the table, as orthonormal vectors of the world: the axes that
        the angles turn about. Default: the world's own.

    Raises
    ------
    GeometryError
        If a length or an angle is impossible, or `lying` is no right-handed set of axes.
    """

    orbital: float = 0.0
    cranial: float = 0.0
    isocentre: tuple[float, float, float] = (0.0, 0.0, 0.0)
    source_isocentre: float = 0.7
    source_detector: float = 1.0
    rows: int = 512
    cols: int = 512
    pitch: float = 0.5e-3
    lying: Axes = STRAIGHT

    def __post_init__(self) -> None:
        _check_pixels(self.rows, self.cols)
        _require(math.isfinite(self.pitch) and self.pitch > 0, "pitch", self.pitch, "a length > 0 m")
        _require(0.05 <= self.source_isocentre <= 2.0, "source_isocentre", self.source_isocentre, "0.05 to 2 m")
        _require(
            self.source_isocentre < self.source_detector <= 4.0,
            "source_detector",
            self.source_detector,
            f"more than source_isocentre ({self.source_isocentre} m), up to 4 m",
        )
        _require(math.isfinite(self.orbital), "orbital", self.orbital, "a finite angle [rad]")
        _require(abs(self.cranial) < 90 * deg, "cranial", self.cranial, "within (-pi/2, pi/2) rad")
        _require(
            len(self.isocentre) == 3 and all(map(math.isfinite, self.isocentre)), "isocentre", self.isocentre, "3 m"
        )
        axes = np.asarray(self.lying, float)
        square = axes.shape == (3, 3) and np.allclose(axes @ axes.T, np.eye(3), atol=1e-6) and np.linalg.det(axes) > 0
        _require(bool(square), "lying", self.lying, "three orthonormal, right-handed vectors")

    @classmethod
    def ap(cls, **settings: object) -> CArm:
        """Anteroposterior view: patient right on the viewer's left, superior up."""
        return replace(cls(), **settings)  # type: ignore[arg-type]

    @classmethod
    def lateral(cls, **settings: object) -> CArm:
        """Lateral view: anterior on the left of the picture, superior up."""
        return replace(cls(orbital=90 * deg), **settings)  # type: ignore[arg-type]

    @classmethod
    def towards(cls, source: ArrayLike, **settings: object) -> CArm:
        """The pose whose source lies in a world direction (3,) from the isocentre.

        Raises
        ------
        GeometryError
            If the direction has no length, or is the patient's long axis (no cranial angle reaches it).
        """
        base = replace(cls(), **settings)  # type: ignore[arg-type]
        way = np.asarray(source, float)
        length = float(np.linalg.norm(way))
        _require(way.shape == (3,) and math.isfinite(length) and length > 0, "source", source, "a direction (3,)")
        r, a, s = np.asarray(base.lying) @ (way / length)
        return replace(base, orbital=math.atan2(-r, a), cranial=-math.asin(float(np.clip(s, -1, 1))))

    @property
    def towards_source(self) -> Float3:
        """(3,) unit vector of the world from the isocentre to the source."""
        return self._axes()[0]

    @property
    def positioner_angles(self) -> tuple[float, float]:
        """Where the detector stands about the patient [rad], as DICOM counts: primary towards the patient's left from
        the front (a prone patient's AP is 180 degrees), secondary towards the head."""
        right, anterior, superior = -(np.asarray(self.lying) @ self.towards_source)
        return math.atan2(-right, anterior), math.asin(float(np.clip(superior, -1.0, 1.0)))

    @property
    def geometry(self) -> ProjectionGeometry:
        """Source, detector and picture axes in world metres."""
        towards_source, right, down = self._axes()
        centre = np.asarray(self.isocentre) - towards_source * (self.source_detector - self.source_isocentre)
        u, v = self.pitch * right, self.pitch * down
        return ProjectionGeometry(
            source=np.asarray(self.isocentre) + towards_source * self.source_isocentre,
            detector_origin=centre - u * (self.cols - 1) / 2 - v * (self.rows - 1) / 2,
            u=u,
            v=v,
            rows=self.rows,
            cols=self.cols,
            isocentre=np.asarray(self.isocentre, float),
        )

    def _axes(self) -> tuple[Float3, Float3, Float3]:
        turn, tip = (_cos_sin(angle) for angle in (self.orbital, self.cranial))
        level = np.array([-turn[1], turn[0], 0.0])
        superior = np.array([0.0, 0.0, 1.0])
        right = np.array([-turn[0], -turn[1], 0.0])
        axes = tip[0] * level - tip[1] * superior, right, -tip[0] * superior - tip[1] * level
        if self.lying == STRAIGHT:
            return axes
        turned = np.stack(axes) @ np.asarray(self.lying)
        return turned[0], turned[1], turned[2]


def _cos_sin(angle: float) -> tuple[float, float]:
    """Exact zeros at quarter turns, so that AP and lateral rays meet the slices squarely."""
    quarter = angle / (90 * deg)
    if abs(quarter - round(quarter)) < 1e-12:
        return ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))[round(quarter) % 4]
    return math.cos(angle), math.sin(angle)


def _check_pixels(rows: int, cols: int) -> None:
    good = all(int(n) == n and 1 <= n <= 8192 for n in (rows, cols))
    _require(good, "rows, cols", (rows, cols), "whole numbers from 1 to 8192")


def _require(good: bool, where: str, value: object, allowed: str) -> None:
    if not good:
        raise GeometryError("impossible C-arm", where=where, value=value, allowed=allowed)
