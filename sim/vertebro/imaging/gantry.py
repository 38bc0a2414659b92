"""The machine that carries tube and detector: axes with limits and speeds, table, magnification fields.

The isocentre stands still in the room and the table moves the patient through it; in the vertebra's own world the
patient stands still, so a table that moves headwards moves the isocentre towards the feet. The patient lies prone:
the table rises towards the back.

>>> gantry = Gantry.angiography()
>>> ap, lateral = Position(), Position(orbital=90 * deg)
>>> round(gantry.move_time(ap, lateral), 1)  # s
6.1
>>> arm = gantry.carm(Position(field=1))
>>> (arm.rows, round(arm.pitch * arm.rows, 3))  # pixels, m at the detector
(1024, 0.199)
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import CaseError, GeometryError
from vertebro.imaging.carm import STRAIGHT, Axes, CArm
from vertebro.imaging.gantry_parts import AXES, Axis, MagnificationField, Surroundings, angiography_axes, mobile_axes
from vertebro.sources import Constant
from vertebro.units import deg, mm

LOOK = 0.25  # s, between two looks along a move
NEARER = 1e-6  # m, less is rounding


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """Where the machine stands.

    Attributes
    ----------
    orbital, cranial : float [rad]
        As `CArm`.
    source_detector : float [m]
    lateral, height, longitudinal : float [m]
        Table: towards the patient's right, upwards (the back of a prone patient), headwards; 0 has the aimed
        point in the isocentre.
    field : int
        Number of the magnification field; 0 is the whole detector.
    """

    orbital: float = 0.0
    cranial: float = 0.0
    source_detector: float = 1.0
    lateral: float = 0.0
    height: float = 0.0
    longitudinal: float = 0.0
    field: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Gantry:
    """A C-arm with its table.

    Attributes
    ----------
    name : str
    source_isocentre : float [m]
    axes : mapping of str to Axis
        One for each of `AXES`.
    settle : float [s]
        Start, stop and brakes, added to every move.
    pixel : float [m]
        Edge of a detector element.
    fields : tuple of MagnificationField
        From the whole detector to the smallest part.
    tube_housing : float [m]
        From the focus to the front of the collimator, for collisions.
    tube_radius : float [m]
    zoom_exponent : float
        With which the detector dose rises as the field's edge shrinks.
    frame : float [m]
        Housing around the detector's picture.
    surroundings : Surroundings
    """

    name: str = "angiography system"
    source_isocentre: float = 0.70
    axes: Mapping[str, Axis] = field(default_factory=angiography_axes)
    settle: float = Constant(0.1, "s", 0.0, 1.0, "vertebro", "ours", "brakes and motor start")
    pixel: float = Constant(0.194e-3, "m", 0.14e-3, 0.2e-3, "angio_sheets", "recalled", "1536 elements on 30 cm")
    fields: tuple[MagnificationField, ...] = (
        MagnificationField(size=0.298, binning=2),
        MagnificationField(size=0.199),
        MagnificationField(size=0.149),
    )
    tube_housing: float = Constant(0.25, "m", 0.15, 0.35, "vertebro", "ours", "focus to the collimator's front")
    tube_radius: float = Constant(0.12, "m", 0.08, 0.2, "vertebro", "ours", "half the collimator's width")
    zoom_exponent: float = Constant(1.0, "1", 0.0, 2.0, "angio_sheets", "ours", "detector dose over the field's edge")
    frame: float = Constant(0.02, "m", 0.01, 0.05, "vertebro", "ours", "housing beside the picture")
    surroundings: Surroundings = field(default_factory=Surroundings)

    def __post_init__(self) -> None:
        if set(self.axes) != set(AXES) or not self.fields:
            raise CaseError("an incomplete machine", where=self.name, value=tuple(self.axes), allowed=", ".join(AXES))

    @classmethod
    def angiography(cls) -> Gantry:
        """A motorised single-plane system on the floor, 30 cm panel."""
        return cls()

    @classmethod
    def mobile(cls) -> Gantry:
        """A mobile C-arm with a 30 cm panel: rigid, moved by hand, turned under the table for the lateral view."""
        return cls(name="mobile C-arm", axes=mobile_axes(), source_isocentre=0.60)

    def check(self, position: Position) -> None:
        """Refuse a place that the machine cannot reach.

        Raises
        ------
        GeometryError
            If an axis is beyond its limits, there is no such field, or tube or detector hit patient or table.
        """
        for name in AXES:
            value, axis = getattr(position, name), self.axes[name]
            if not axis.low - 1e-9 <= value <= axis.high + 1e-9:
                unit, scale = ("deg", deg) if name in ("orbital", "cranial") else ("mm", mm)
                what = (
                    "table out of range"
                    if name in ("lateral", "height", "longitudinal")
                    else "beyond the machine's limit"
                )
                raise GeometryError(
                    what,
                    where=name,
                    value=f"{value / scale:.1f} {unit}",
                    allowed=f"{axis.low / scale:.0f} to {axis.high / scale:.0f} {unit} ({self.name})",
                )
        self.field(position.field)
        room = self.clearance(position)
        if room < self.surroundings.margin:
            raise GeometryError(
                "tube or detector would hit the patient or the table",
                where="position",
                value=f"{room / mm:.0f} mm of room",
                allowed=f"at least {self.surroundings.margin / mm:.0f} mm",
                hint="a smaller angle, a larger source-detector distance, or the table back in the middle",
            )

    def field(self, number: int) -> MagnificationField:
        """A magnification field by number.

        Raises
        ------
        GeometryError
            If there is none.
        """
        if not (0 <= number < len(self.fields)):
            raise GeometryError(
                "no such magnification field", where="field", value=number, allowed=f"0 to {len(self.fields) - 1}"
            )
        return self.fields[number]

    def dose_factor(self, number: int) -> float:
        """Detector dose per exposure that a field asks for, over the whole detector's: inverse to its edge.

        A magnified picture is noisier per millimetre shown unless the dose rises; machines settle between no rise and
        the inverse square. For `Fluoroscope.detector_dose`.
        """
        return float((self.fields[0].size / self.field(number).size) ** self.zoom_exponent)

    def clearance(self, position: Position) -> float:
        """Room [m] between the machine's heads and patient or table; negative when they would meet."""
        arm = self.standing(position)
        half = 0.5 * self.fields[0].size + self.frame
        turn = np.linspace(0, 2 * math.pi, 16, endpoint=False)
        heads = [
            (-(position.source_detector - self.source_isocentre), half * _square(turn)),
            (self.source_isocentre - self.tube_housing, self.tube_radius * np.stack([np.cos(turn), np.sin(turn)])),
        ]
        geometry = arm.geometry
        right, down = (axis / np.linalg.norm(axis) for axis in (geometry.u, geometry.v))
        centre = np.asarray(arm.isocentre)
        rooms = []
        for along, (x, y) in heads:
            rim = centre + along * arm.towards_source + x[:, None] * right + y[:, None] * down
            middle = centre + along * arm.towards_source
            rooms.append(self.surroundings.distance(np.vstack([rim, 0.5 * (rim + middle), middle])).min())
        return float(min(rooms))

    def carm(
        self, position: Position, *, aimed: tuple[float, float, float] = (0.0, 0.0, 0.0), lying: Axes = STRAIGHT
    ) -> CArm:
        """The pose in the vertebra's world.

        Parameters
        ----------
        position : Position
        aimed : (3,) float [m]
            World point that lies in the isocentre when the table is at 0.
        lying : ((3,), (3,), (3,)) of float
            As `CArm.lying`.

        Raises
        ------
        GeometryError
            As `check`.
        """
        self.check(position)
        return self.standing(position, aimed=aimed, lying=lying)

    def standing(
        self, position: Position, *, aimed: tuple[float, float, float] = (0.0, 0.0, 0.0), lying: Axes = STRAIGHT
    ) -> CArm:
        """The pose, as `carm`, of a machine that stands there already, even if the patient has moved close to it."""
        patient = np.array([-position.lateral, position.height, -position.longitudinal])
        r, a, s = (float(x) for x in np.asarray(aimed) + patient @ np.asarray(lying))
        part = self.field(position.field)
        pitch = self.pixel * part.binning
        count = 4 * max(1, round(part.size / pitch / 4))
        return CArm(
            orbital=position.orbital,
            cranial=position.cranial,
            isocentre=(r, a, s),
            source_isocentre=self.source_isocentre,
            source_detector=position.source_detector,
            rows=count,
            cols=count,
            pitch=float(pitch),
            lying=lying,
        )

    def position(self, pose: CArm, *, aimed: tuple[float, float, float] = (0.0, 0.0, 0.0), field: int = 0) -> Position:
        """The place of the machine that makes a pose, for example one of `views.aim_view`.

        Raises
        ------
        GeometryError
            As `check`.
        """
        r, a, s = np.asarray(pose.lying) @ (np.asarray(pose.isocentre) - np.asarray(aimed))
        low, high = self.axes["source_detector"].low, self.axes["source_detector"].high
        place = Position(
            orbital=pose.orbital,
            cranial=pose.cranial,
            source_detector=float(np.clip(pose.source_detector, low, high)),
            lateral=-float(r),
            height=float(a),
            longitudinal=-float(s),
            field=field,
        )
        self.check(place)
        return place

    def move_time(self, start: Position, end: Position) -> float:
        """Duration of a move [s]: all axes run at once, the slowest decides; 0 without a move.

        Raises
        ------
        GeometryError
            If `end` cannot be reached. Where the machine stands already is not questioned.
        """
        self.check(end)
        longest = max(abs(getattr(end, name) - getattr(start, name)) / self.axes[name].speed for name in AXES)
        return float(longest + self.settle) if longest > 0 else 0.0

    def on_the_way(self, start: Position, end: Position, elapsed: float) -> Position:
        """Where the machine is `elapsed` seconds after it set out; every axis at its own speed."""
        moved = {}
        for name in AXES:
            begin, goal = getattr(start, name), getattr(end, name)
            reach = self.axes[name].speed * max(elapsed - self.settle, 0.0)
            moved[name] = begin + float(np.clip(goal - begin, -reach, reach))
        return replace(end, **moved)

    def free_for(self, start: Position, end: Position) -> float:
        """For how long a move goes on [s] until a bumper stops it; infinite if nothing is met on the way.

        From a place that is too near already, for example because the patient has moved, every way leads that does not
        lead nearer. Looked at every `LOOK` seconds.
        """
        whole, before = self.move_time(start, end), self.clearance(start)
        for elapsed in np.arange(LOOK, whole + LOOK, LOOK):
            room = self.clearance(self.on_the_way(start, end, elapsed))
            if room < min(self.surroundings.margin, before - NEARER):
                return float(elapsed - LOOK)
            before = room
        return math.inf


def _square(turn: NDArray[np.float64]) -> NDArray[np.float64]:
    """(2, n) points on the rim of a square of half width 1."""
    x, y = np.cos(turn), np.sin(turn)
    return np.asarray(np.stack([x, y]) / np.maximum(np.abs(x), np.abs(y)))
