"""The vertebral body in plain numbers, and where a point lies in a clinician's words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vertebro.errors import GeometryError
from vertebro.units import mm

Float = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class BodyFrame:
    """Landmarks that words and measures need (world frame, metres).

    Parameters
    ----------
    half_axes : (3,) float
        Half width, half depth, half height of the body.
    anterior_wall, posterior_wall : float
        a-coordinates in the midline.
    superior_endplate, inferior_endplate : float
        s-coordinates on the body's centre line.
    canal_centre : (3,) float, optional
    canal_half_axes : (2,) float, optional
        Half width (r) and half depth (a) of the canal.
    midline : float
        r-coordinate of the patient's median plane; not 0 for a bone beside it.

    Raises
    ------
    GeometryError
        If walls or endplates are out of order or a number is not finite.
    """

    half_axes: Float
    anterior_wall: float
    posterior_wall: float
    superior_endplate: float
    inferior_endplate: float
    canal_centre: Float | None = None
    canal_half_axes: Float | None = None
    midline: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "half_axes", _numbers(self.half_axes, 3, "half_axes"))
        if self.canal_centre is not None:
            object.__setattr__(self, "canal_centre", _numbers(self.canal_centre, 3, "canal_centre"))
        if self.canal_half_axes is not None:
            object.__setattr__(self, "canal_half_axes", _numbers(self.canal_half_axes, 2, "canal_half_axes"))
        for low, high in (("posterior_wall", "anterior_wall"), ("inferior_endplate", "superior_endplate")):
            if not getattr(self, low) < getattr(self, high):
                raise GeometryError(
                    "landmarks out of order",
                    where=f"{low}, {high}",
                    value=(getattr(self, low), getattr(self, high)),
                    allowed="rising",
                )

    @property
    def depth(self) -> float:
        """Distance between the walls [m]."""
        return self.anterior_wall - self.posterior_wall

    @property
    def height(self) -> float:
        """Distance between the endplates [m]."""
        return self.superior_endplate - self.inferior_endplate

    def depth_fraction(self, a: float) -> float:
        """Place of an a-coordinate [m] between the posterior (0) and the anterior wall (1)."""
        return (a - self.posterior_wall) / self.depth


def place_in_words(point: ArrayLike, place: str, frame: BodyFrame) -> str:
    """A point in words: ``"anterior epidural, 3 mm left of midline, mid-body height"``.

    Parameters
    ----------
    point : (3,) float [m]
    place : str
        ``"epidural"``, ``"foramen_left"``, ``"disc_superior"``, ``"paravertebral"``, ``"track"`` …
    frame : BodyFrame
    """
    r, a, s = (float(x) for x in np.asarray(point, float))
    parts = [_region(r, a, place, frame), _beside(r - frame.midline)]
    if not place.startswith("disc"):
        parts.append(_height(s, frame))
    return ", ".join(parts)


def _region(r: float, a: float, place: str, frame: BodyFrame) -> str:
    if place == "epidural":
        return f"{_epidural_quadrant(r, a, frame)} epidural"
    if place.startswith("foramen"):
        return f"{place.removeprefix('foramen_')} foramen"
    if place.startswith("disc"):
        third = ("posterior", "middle", "anterior")[min(max(int(3.0 * frame.depth_fraction(a)), 0), 2)]
        return f"{'upper' if place.endswith('superior') else 'lower'} disc, {third} third"
    if place == "track":
        return "needle track"
    if place == "joint":
        if frame.canal_centre is None:
            return f"{_side(-frame.midline)} hip joint"
        return f"{_side(r)} sacroiliac joint"
    if frame.canal_centre is None and frame.midline != 0.0:
        return _around_the_hip_bone(r, a, frame)
    return _around_the_body(r, a, frame)


def _side(r: float) -> str:
    return "left" if r < 0.0 else "right"


def _around_the_hip_bone(r: float, a: float, frame: BodyFrame) -> str:
    """Soft tissue beside a bone that is not in the midline: the pelvis inside of it, muscle outside."""
    if a > frame.anterior_wall:
        return "in front of the hip bone"
    if a < frame.posterior_wall:
        return "behind the hip bone"
    return "lateral of the hip bone" if r * frame.midline < 0.0 else "inside the pelvis"


def _epidural_quadrant(r: float, a: float, frame: BodyFrame) -> str:
    centre = np.zeros(3) if frame.canal_centre is None else frame.canal_centre
    if frame.canal_centre is None:
        return "anterior"
    axes = np.array([8 * mm, 6 * mm]) if frame.canal_half_axes is None else frame.canal_half_axes
    across, forward = (r - centre[0]) / axes[0], (a - centre[1]) / axes[1]
    if abs(forward) >= 0.7 * abs(across):
        return "anterior" if forward >= 0.0 else "posterior"
    return "left lateral" if across < 0.0 else "right lateral"


def _around_the_body(r: float, a: float, frame: BodyFrame) -> str:
    if a > frame.anterior_wall - 0.15 * frame.depth and abs(r) < 0.5 * frame.half_axes[0]:
        return "prevertebral"
    if a < frame.posterior_wall - 0.3 * frame.depth:
        return "behind the arch" if abs(r) < 0.5 * frame.half_axes[0] else "posterior paravertebral"
    depth = frame.depth_fraction(a)
    return f"{'anterolateral' if depth > 0.67 else 'lateral' if depth > 0.33 else 'posterolateral'} paravertebral"


def _beside(r: float) -> str:
    if abs(r) < 0.75 * mm:
        return "in the midline"
    return f"{round(abs(r) / mm)} mm {'left' if r < 0.0 else 'right'} of midline"


def _height(s: float, frame: BodyFrame) -> str:
    level = (s - frame.inferior_endplate) / frame.height
    if level > 1.0:
        return "above the upper endplate"
    if level < 0.0:
        return "below the lower endplate"
    return ("lower third", "mid-body height", "upper third")[min(int(3.0 * level), 2)]


def _numbers(value: ArrayLike, count: int, where: str) -> Float:
    array = np.array(value, float)
    if array.shape != (count,) or not np.all(np.isfinite(array)):
        raise GeometryError("bad landmark", where=where, value=value, allowed=f"{count} finite numbers [m]")
    array.setflags(write=False)
    return array
