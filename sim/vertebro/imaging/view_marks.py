"""The points and planes of a vertebra that decide whether a view of it is square."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import GeometryError
from vertebro.imaging.carm import Float3


@dataclass(frozen=True, kw_only=True, slots=True)
class Plane:
    """An endplate: the point (3,) [m] in its middle and its unit normal (3,), out of the body."""

    point: Float3
    normal: Float3

    def __post_init__(self) -> None:
        for name in ("point", "normal"):
            object.__setattr__(self, name, vector(getattr(self, name), name))
        object.__setattr__(self, "normal", unit(self.normal, "normal"))


@dataclass(frozen=True, kw_only=True, slots=True)
class PedicleMark:
    """A pedicle: centre (3,) [m] of its narrowest section and its axis (3,), from the arch into the body."""

    centre: Float3
    axis: Float3

    def __post_init__(self) -> None:
        for name in ("centre", "axis"):
            object.__setattr__(self, name, vector(getattr(self, name), name))
        object.__setattr__(self, "axis", unit(self.axis, "axis"))


@dataclass(frozen=True, kw_only=True, slots=True)
class ViewMarks:
    """What of a vertebra decides whether a view is square, in world metres.

    Attributes
    ----------
    centre : (3,) float [m]
        Of the body; AP and lateral views are centred on it.
    half_axes : (3,) float [m]
        Half width, depth and height of the body.
    superior, inferior : Plane
        Endplates.
    pedicles : mapping of str to PedicleMark
        ``"left"`` and ``"right"``; may be empty.
    wall : (2, 3) float [m], optional
        A left and a right point of the posterior wall at one height.
    spinous_tip : (3,) float [m], optional
    """

    centre: Float3
    half_axes: Float3
    superior: Plane
    inferior: Plane
    pedicles: Mapping[str, PedicleMark]
    wall: NDArray[np.float64] | None = None
    spinous_tip: Float3 | None = None

    @property
    def up(self) -> Float3:
        """(3,) unit normal of the plane midway between the endplates."""
        return unit(self.superior.normal - self.inferior.normal, "endplates")

    def pair(self) -> tuple[PedicleMark, PedicleMark]:
        """Left and right pedicle.

        Raises
        ------
        GeometryError
            If one is missing.
        """
        if not {"left", "right"} <= set(self.pedicles):
            raise GeometryError(
                "this view needs both pedicles", where="pedicles", value=tuple(self.pedicles), allowed="left and right"
            )
        return self.pedicles["left"], self.pedicles["right"]


def vector(value: Any, where: str) -> Float3:
    """Three finite numbers, or a `GeometryError`."""
    place = np.asarray(value, float)
    if place.shape != (3,) or not np.isfinite(place).all():
        raise GeometryError("not a place", where=where, value=value, allowed="three finite numbers")
    return place


def unit(way: Float3, where: str) -> Float3:
    """A direction of length 1, or a `GeometryError`."""
    length = float(np.linalg.norm(way))
    if not length > 0:
        raise GeometryError("a direction without length", where=where, value=way, allowed="length > 0")
    return np.asarray(way / length)
