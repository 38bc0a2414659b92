"""Parts of a C-arm machine: motors with limits and speeds, detector fields, and what it must not hit.

>>> trunk = Surroundings()
>>> bool(trunk.distance(np.array([[0.0, 0.0, 0.0]]))[0] < 0)  # the aimed vertebra lies inside
True
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import CaseError, GeometryError
from vertebro.sources import Constant
from vertebro.units import deg

AXES = ("orbital", "cranial", "source_detector", "lateral", "height", "longitudinal")
_SHEET = "order of magnitude of data sheets"


@dataclass(frozen=True, kw_only=True, slots=True)
class Axis:
    """One motor: how far it goes and how fast.

    Attributes
    ----------
    low, high : float [rad] or [m]
    speed : float [rad/s] or [m/s]
    """

    low: float
    high: float
    speed: float

    def __post_init__(self) -> None:
        if not (self.low < self.high and self.speed > 0 and math.isfinite(self.speed)):
            raise CaseError("impossible axis", value=(self.low, self.high, self.speed), allowed="low < high, speed > 0")


@dataclass(frozen=True, kw_only=True, slots=True)
class MagnificationField:
    """A square part of the detector, and how many of its pixels are read as one.

    Attributes
    ----------
    size : float [m]
        Edge at the detector.
    binning : int
    """

    size: float
    binning: int = 1

    def __post_init__(self) -> None:
        if not self.size > 0 or int(self.binning) != self.binning or self.binning < 1:
            raise GeometryError(
                "a detector field of no size", where="field", value=(self.size, self.binning), allowed="> 0 m, 1, 2 …"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """What the machine must not hit, about the aimed point: a trunk of elliptic section on a table.

    Attributes
    ----------
    half_width, half_depth : float [m]
        Of the trunk.
    trunk_depth : float [m]
        Its middle lies so far in front of the aimed point.
    table_half_width, table_thickness : float [m]
    margin : float [m]
        Distance kept from both.
    """

    half_width: float = Constant(0.18, "m", 0.12, 0.30, "vertebro", "ours", "half the trunk's width")
    half_depth: float = Constant(0.115, "m", 0.08, 0.20, "vertebro", "ours", "half the trunk's depth")
    trunk_depth: float = Constant(0.04, "m", 0.0, 0.1, "vertebro", "ours", "a vertebra lies in the back half")
    table_half_width: float = Constant(0.23, "m", 0.2, 0.3, "angio_sheets", "ours", "table top about 45 cm wide")
    table_thickness: float = Constant(0.10, "m", 0.03, 0.15, "vertebro", "ours", "table top and mattress")
    margin: float = Constant(0.01, "m", 0.0, 0.05, "vertebro", "ours", "where a bumper stops the machine")

    def distance(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,) rough distance [m] of points (n, 3), in the patient's axes about the aimed point; negative inside."""
        across, deep = points[:, 0], points[:, 1] - self.trunk_depth
        radius = np.hypot(across / self.half_width, deep / self.half_depth)
        trunk = (radius - 1) * np.hypot(across, deep) / np.maximum(radius, 1e-9)
        table_middle = self.half_depth + 0.5 * self.table_thickness
        outside = np.stack(
            [np.abs(across) - self.table_half_width, np.abs(deep - table_middle) - self.table_thickness / 2]
        )
        table = np.linalg.norm(np.maximum(outside, 0), axis=0) + np.minimum(outside.max(axis=0), 0)
        return np.asarray(np.minimum(trunk, table))


def angiography_axes() -> dict[str, Axis]:
    """Travel and speed of a motorised system on the floor with a floating table top."""

    def axis(low: float, high: float, speed: Constant) -> Axis:
        return Axis(low=low, high=high, speed=speed)

    turn = Constant(15 * deg, "rad/s", 5 * deg, 25 * deg, "angio_sheets", "recalled", _SHEET)
    lift = Constant(0.02, "m/s", 0.01, 0.05, "angio_sheets", "recalled", _SHEET)
    push = Constant(0.10, "m/s", 0.05, 0.3, "angio_sheets", "ours", "floating table top, moved by hand")
    draw = Constant(0.06, "m/s", 0.03, 0.15, "angio_sheets", "recalled", _SHEET)
    return {
        "orbital": axis(-120 * deg, 120 * deg, turn),
        "cranial": axis(-45 * deg, 45 * deg, turn),
        "source_detector": axis(0.95, 1.20, draw),
        "lateral": axis(-0.15, 0.15, push),
        "height": axis(-0.15, 0.15, lift),
        "longitudinal": axis(-0.60, 0.60, push),
    }


def mobile_axes() -> dict[str, Axis]:
    """Travel and speed of a mobile arm that a radiographer pushes."""
    hand = Constant(10 * deg, "rad/s", 3 * deg, 20 * deg, "vertebro", "ours", "pushed by a radiographer's hand")
    wheel = Constant(0.05, "m/s", 0.02, 0.2, "vertebro", "ours", "table or stand pushed by hand")
    lift = Constant(0.02, "m/s", 0.01, 0.05, "vertebro", "ours", "motor of the column")
    fixed = Constant(1.0, "m/s", 0.1, 10.0, "vertebro", "ours", "the arm is rigid: never used")
    return {
        "orbital": Axis(low=-45 * deg, high=95 * deg, speed=hand),
        "cranial": Axis(low=-45 * deg, high=45 * deg, speed=hand),
        "source_detector": Axis(low=0.999, high=1.001, speed=fixed),
        "lateral": Axis(low=-0.10, high=0.10, speed=wheel),
        "height": Axis(low=-0.20, high=0.20, speed=lift),
        "longitudinal": Axis(low=-0.40, high=0.40, speed=wheel),
    }
