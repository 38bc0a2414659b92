"""Ways into the vertebral body: straight paths computed from a few landmarks.

The transpedicular path runs inside the pedicle's narrowest stretch, an elliptic tube, and converges on a target in the
anterior third near the midline. Of all straight lines through the tube it takes the one whose tip comes nearest to
the target while bone is left around the needle; a pedicle that is too narrow gives a path with a negative margin,
which is a finding, not an error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vertebro.errors import CaseError, GeometryError
from vertebro.procedure.needle import Needle, _point, gauge
from vertebro.sources import Constant
from vertebro.units import deg, mm

Float = NDArray[np.float64]
Side = Literal["left", "right"]

TARGET_DEPTH = Constant(0.30, "1", 0.25, 0.34, "openrad", "seen", "anterior third (openrad) or quarter (jp_tech)")
TUBE_HALF_LENGTH = Constant(3 * mm, "m", 2 * mm, 5 * mm, "vertebro", "ours", "half length of the pedicle's waist")
MAX_CONVERGENCE = Constant(30 * deg, "rad", 20 * deg, 35 * deg, "openrad", "seen", "0 deg lumbar to 20-30 deg thoracic")
STEEPEST_BESIDE = Constant(38 * deg, "rad", 30 * deg, 45 * deg, "vertebro", "ours", "parapedicular paths are steeper")
ASIDE = 12 * mm  # farthest a tip may stay off its target, towards the needle's own side
BONE_MARGIN = Constant(0.5 * mm, "m", 0.0, 1 * mm, "vertebro", "ours", "bone wanted between needle and pedicle wall")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class NeedlePath:
    """A straight way from the skin to the tip.

    Attributes
    ----------
    entry, tip : (3,) float [m]
    approach : str
        ``"transpedicular-left"`` …
    gauge : int
        The gauge it was planned for.
    medial_margin : float [m]
        Bone between the needle's surface and the canal side of the pedicle, negative = breach.
    wall_margin : float [m]
        Transpedicular: least bone between the needle's surface and the pedicle wall on any side, negative = breach.
        Parapedicular: clearance between the needle's surface and the pedicle from outside.
    tip_error : float [m]
        Distance from the wanted target.
    convergence, caudal : float [rad]
        Angle towards the midline in the axial plane; downward angle out of it.
    """

    entry: Float
    tip: Float
    approach: str
    gauge: int
    medial_margin: float
    wall_margin: float
    tip_error: float
    convergence: float
    caudal: float

    def needle(self, name: str, *, gauge: int | None = None, cannula_length: float = 0.0) -> Needle:
        """A needle that follows this path."""
        number = self.gauge if gauge is None else gauge
        return Needle(name=name, gauge=number, entry=self.entry, tip=self.tip, cannula_length=cannula_length)


@dataclass(frozen=True, slots=True)
class _Waist:
    """The pedicle's narrow stretch in its own frame: medial, up, forward; metres."""

    centre: Float
    frame: Float  # rows: medial, up, forward
    half_width: float
    half_height: float
    needle_radius: float
    half_length: float

    def offsets(self, through: Float, tip: Float) -> Float:
        """(…, 3, 2) medial and up offsets of the axis at the back, middle and front of the waist."""
        local_through, local_tip = (through - self.centre) @ self.frame.T, (tip - self.centre) @ self.frame.T
        slope = (local_tip - local_through)[..., :2] / (local_tip - local_through)[..., 2:]
        stations = np.array([-1.0, 0.0, 1.0]) * self.half_length - local_through[..., 2:]
        return np.asarray(local_through[..., None, :2] + stations[..., None] * slope[..., None, :])

    def margin(self, offsets: Float, directions: int = 13) -> Float:
        """(…) least bone [m] between the needle's surface and the wall on any side, negative where it breaks out."""
        # distance to a convex wall = least gap to its tangent lines (support function); one quadrant will do
        angle = np.linspace(0.0, np.pi / 2.0, directions)
        normal = np.stack([np.cos(angle), np.sin(angle)])
        support = np.hypot(self.half_width * normal[0], self.half_height * normal[1])
        gaps = support - np.abs(offsets) @ normal
        return np.asarray(gaps.min(axis=(-2, -1)) - self.needle_radius)

    def medial_margin(self, offsets: Float) -> float:
        """Least bone [m] towards the canal at the needle's own height."""
        up = np.clip(offsets[..., 1] / self.half_height, -1.0, 1.0)
        return float((self.half_width * np.sqrt(1.0 - up**2) - offsets[..., 0]).min() - self.needle_radius)


def transpedicular(
    *,
    side: Side,
    pedicle_centre: ArrayLike,
    pedicle_axis: ArrayLike,
    pedicle_half_width: float,
    pedicle_half_height: float,
    anterior_wall: float,
    posterior_wall: float,
    posterior_skin: float,
    gauge: int = 11,
    target_depth: float = TARGET_DEPTH,
    target_lateral: float = 0.0,
    target_height: float = 0.0,
    half_length: float = TUBE_HALF_LENGTH,
    bone_margin: float = BONE_MARGIN,
    max_convergence: float = MAX_CONVERGENCE,
) -> NeedlePath:
    """Straight path through the pedicle that reaches the target best.

    Parameters
    ----------
    side : {"left", "right"}
    pedicle_centre, pedicle_axis : (3,) float
        Isthmus [m] and axis, pointing into the body.
    pedicle_half_width, pedicle_half_height : float [m]
        Semi-axes of the isthmus.
    anterior_wall, posterior_wall, posterior_skin : float [m]
        a-coordinates.
    gauge : int
    target_depth : float [1]
        Share of the body's depth that stays in front of the tip (openrad, jp_tech).
    target_lateral, target_height : float [m]
        Target offset from the midline towards the needle's own side, and from mid height upwards.
    half_length : float [m]
        The axis stays inside the ellipse this far on both sides of the isthmus.
    bone_margin : float [m]
        Bone wanted around the needle.
    max_convergence : float [rad]
        Steepest angle towards the midline; the tip stops short of the target rather than exceed it.

    Raises
    ------
    CaseError
        If the side, the gauge, a size or the target is impossible.
    GeometryError
        If a landmark is no point, or walls and skin are out of order.
    """
    waist = _waist(side, pedicle_centre, pedicle_axis, pedicle_half_width, pedicle_half_height, gauge, half_length)
    target = _target(side, anterior_wall, posterior_wall, posterior_skin, target_depth, target_lateral, target_height)
    through, tip = _best_line(waist, target, bone_margin, max_convergence)
    margin = float(waist.margin(waist.offsets(through, tip), 721))
    error = float(np.linalg.norm(tip - target))
    return _path(f"transpedicular-{side}", gauge, waist, (through, tip), posterior_skin, (margin, error))


def parapedicular(
    *,
    side: Side,
    pedicle_centre: ArrayLike,
    pedicle_axis: ArrayLike,
    pedicle_half_width: float,
    pedicle_half_height: float,
    anterior_wall: float,
    posterior_wall: float,
    posterior_skin: float,
    gauge: int = 11,
    target_depth: float = TARGET_DEPTH,
    target_lateral: float = 0.0,
    target_height: float = 0.0,
    half_length: float = TUBE_HALF_LENGTH,
    bone_margin: float = BONE_MARGIN,
    max_convergence: float = STEEPEST_BESIDE,
) -> NeedlePath:
    """Straight path along the outside of the pedicle into the body (thoracic levels, narrow pedicles).

    The needle passes the isthmus lateral to its wall, `bone_margin` away and in the upper half; parameters and errors
    as in `transpedicular`. Its `wall_margin` is the clearance outside the pedicle.
    """
    waist = _waist(side, pedicle_centre, pedicle_axis, pedicle_half_width, pedicle_half_height, gauge, half_length)
    target = _target(side, anterior_wall, posterior_wall, posterior_skin, target_depth, target_lateral, target_height)
    lateral = pedicle_half_width + waist.needle_radius + bone_margin
    through = waist.centre + np.array([-lateral, 0.3 * pedicle_half_height, 0.0]) @ waist.frame
    across = math.tan(max_convergence) * (target[1] - through[1])
    tip = target.copy()
    tip[0] = np.sign(through[0]) * max(abs(through[0]) - across, np.sign(through[0]) * target[0])
    inside = float(waist.margin(waist.offsets(through, tip), 721)) + waist.needle_radius
    quality = (-inside - waist.needle_radius, float(np.linalg.norm(tip - target)))
    return _path(f"parapedicular-{side}", gauge, waist, (through, tip), posterior_skin, quality)


def _best_line(waist: _Waist, target: Float, bone_margin: float, max_convergence: float) -> tuple[Float, Float]:
    """Search isthmus points × lateral tip offsets, coarse then fine; lost margin costs forty times a missed target."""
    middle, reach = np.zeros(3), np.array([0.95 * waist.half_width, 0.95 * waist.half_height, ASIDE / 2.0])
    middle[2] = ASIDE / 2.0
    for _ in range(4):
        steps = [np.linspace(-1.0, 1.0, n) * size + at for n, size, at in zip((15, 15, 13), reach, middle, strict=True)]
        choice = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, 3)
        choice[:, 2] = np.clip(choice[:, 2], 0.0, ASIDE)
        through, tip = _line(waist, target, choice)
        margin = waist.margin(waist.offsets(through, tip))
        across = np.abs(tip - through)
        steep = np.maximum(across[:, 0] - math.tan(max_convergence) * across[:, 1], 0.0)
        cost = choice[:, 2] + 40.0 * np.maximum(bone_margin - margin, 0.0) + 40.0 * steep - 0.1 * margin
        middle, reach = choice[int(np.argmin(cost))], reach / 5.0
    through, tip = _line(waist, target, middle[None])
    return through[0], tip[0]


def _line(waist: _Waist, target: Float, choice: Float) -> tuple[Float, Float]:
    """Isthmus points and tips (n, 3) of choices (n, 3): medial, up in the waist, tip offset to the needle's side."""
    through = waist.centre + choice[:, :2] @ waist.frame[:2]
    tip = np.tile(target, (len(choice), 1))
    tip[:, 0] += np.sign(waist.centre[0]) * choice[:, 2]
    return through, tip


def _path(
    approach: str, number: int, waist: _Waist, line: tuple[Float, Float], skin: float, quality: tuple[float, float]
) -> NeedlePath:
    through, tip = line
    direction = (tip - through) / np.linalg.norm(tip - through)
    if direction[1] < 0.2:
        raise GeometryError(
            "the path does not come from behind",
            where="approach",
            value=np.round(direction, 3).tolist(),
            allowed="an anterior component above 0.2",
            hint="check the pedicle's centre and axis",
        )
    entry = tip + direction * (skin - tip[1]) / direction[1]
    return NeedlePath(
        entry=entry,
        tip=tip,
        approach=approach,
        gauge=number,
        medial_margin=waist.medial_margin(waist.offsets(through, tip)),
        wall_margin=quality[0],
        tip_error=quality[1],
        convergence=math.atan2(-direction[0] * np.sign(waist.centre[0]), direction[1]),
        caudal=math.atan2(-direction[2], math.hypot(direction[0], direction[1])),
    )


def _waist(
    side: str, centre: ArrayLike, axis: ArrayLike, width: float, height: float, number: int, half_length: float
) -> _Waist:
    if side not in ("left", "right"):
        raise CaseError("unknown side", where="approach.side", value=side, allowed="left, right")
    for name, size in (("half_width", width), ("half_height", height), ("half_length", half_length)):
        if not (math.isfinite(size) and 0.5 * mm <= size <= 20 * mm):
            raise CaseError("impossible pedicle size", where=f"pedicle.{name}", value=size, allowed="0.5 to 20 mm")
    middle, forward = _point(centre, "pedicle.centre"), _point(axis, "pedicle.axis")
    if middle[0] * (-1.0 if side == "left" else 1.0) <= 0.0:
        raise GeometryError(
            f"this is not the {side} pedicle",
            where="pedicle.centre",
            value=middle.tolist(),
            allowed="left is negative r",
        )
    if forward[1] <= 0.0:
        raise GeometryError(
            "the pedicle's axis must point into the body", where="pedicle.axis", value=forward.tolist(), allowed="a > 0"
        )
    forward = forward / np.linalg.norm(forward)
    medial = np.array([-np.sign(middle[0]), 0.0, 0.0])
    medial = medial - (medial @ forward) * forward
    medial /= np.linalg.norm(medial)
    up = np.cross(medial, forward)
    up *= np.sign(up[2])
    radius = float(gauge(number).outer_diameter) / 2.0
    return _Waist(middle, np.stack([medial, up, forward]), width, height, radius, half_length)


def _target(
    side: str, anterior: float, posterior: float, skin: float, depth: float, lateral: float, height: float
) -> Float:
    if not (math.isfinite(skin) and skin < posterior < anterior):
        raise GeometryError(
            "walls and skin are out of order",
            where="posterior_skin, posterior_wall, anterior_wall",
            value=(skin, posterior, anterior),
            allowed="rising a-coordinates [m]",
        )
    if not 0.02 <= depth <= 0.95:
        raise CaseError(
            "impossible target depth",
            where="approach.target_depth",
            value=depth,
            allowed="0.02 to 0.95 of the body depth",
        )
    for name, offset in (("target_lateral", lateral), ("target_height", height)):
        if not (math.isfinite(offset) and abs(offset) <= 25 * mm):
            raise CaseError("impossible target", where=f"approach.{name}", value=offset, allowed="-0.025 to 0.025 m")
    sign = -1.0 if side == "left" else 1.0
    return np.array([sign * lateral, anterior - depth * (anterior - posterior), height])
