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
from vertebro.procedure.needle import Needle
from vertebro.procedure.waist import Waist, best_line, build_waist
from vertebro.sources import Constant
from vertebro.units import deg, mm

Float = NDArray[np.float64]
Side = Literal["left", "right"]

TARGET_DEPTH = Constant(0.30, "1", 0.25, 0.34, "openrad", "seen", "anterior third (openrad) or quarter (jp_tech)")
TUBE_HALF_LENGTH = Constant(3 * mm, "m", 2 * mm, 5 * mm, "vertebro", "ours", "half length of the pedicle's waist")
MAX_CONVERGENCE = Constant(30 * deg, "rad", 20 * deg, 35 * deg, "openrad", "seen", "0 deg lumbar to 20-30 deg thoracic")
STEEPEST_BESIDE = Constant(38 * deg, "rad", 30 * deg, 45 * deg, "vertebro", "ours", "parapedicular paths are steeper")
BONE_MARGIN = Constant(1 * mm, "m", 0.0, 2 * mm, "vertebro", "ours", "bone wanted between needle and pedicle wall")


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
    nerve_margin : float [m]
        Clearance between the needle's surface and the exiting root, where the approach looks at it; infinite else.
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
    nerve_margin: float = math.inf

    def needle(self, name: str, *, gauge: int | None = None, cannula_length: float = 0.0) -> Needle:
        """A needle that follows this path."""
        number = self.gauge if gauge is None else gauge
        return Needle(name=name, gauge=number, entry=self.entry, tip=self.tip, cannula_length=cannula_length)


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
    waist = build_waist(side, pedicle_centre, pedicle_axis, pedicle_half_width, pedicle_half_height, gauge, half_length)
    target = wanted_target(
        side, anterior_wall, posterior_wall, posterior_skin, target_depth, target_lateral, target_height
    )
    through, tip = best_line(waist, target, bone_margin, _slope(max_convergence))
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
    waist = build_waist(side, pedicle_centre, pedicle_axis, pedicle_half_width, pedicle_half_height, gauge, half_length)
    target = wanted_target(
        side, anterior_wall, posterior_wall, posterior_skin, target_depth, target_lateral, target_height
    )
    lateral = pedicle_half_width + waist.needle_radius + bone_margin
    through = waist.centre + np.array([-lateral, 0.3 * pedicle_half_height, 0.0]) @ waist.frame
    across = _slope(max_convergence) * (target[1] - through[1])
    tip = target.copy()
    tip[0] = np.sign(through[0]) * max(abs(through[0]) - across, np.sign(through[0]) * target[0])
    inside = float(waist.margin(waist.offsets(through, tip), 721)) + waist.needle_radius
    quality = (-inside - waist.needle_radius, float(np.linalg.norm(tip - target)))
    return _path(f"parapedicular-{side}", gauge, waist, (through, tip), posterior_skin, quality)


def _path(
    approach: str, number: int, waist: Waist, line: tuple[Float, Float], skin: float, quality: tuple[float, float]
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


def wanted_target(
    side: str, anterior: float, posterior: float, skin: float | None, depth: float, lateral: float, height: float
) -> Float:
    """Where the tip is wanted (3,) [m]; `skin` is the posterior one, None for paths from the front.

    Raises
    ------
    CaseError
        If the depth or an offset is impossible.
    GeometryError
        If walls and skin are out of order.
    """
    behind = skin is None or (math.isfinite(skin) and skin < posterior)
    if not (behind and posterior < anterior):
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


def _slope(max_convergence: float) -> float:
    """Tangent of the steepest angle allowed."""
    if not 0.05 <= max_convergence <= 1.3:
        raise CaseError(
            "impossible angle",
            where="approach.max_convergence",
            value=max_convergence,
            allowed="0.05 to 1.3 rad (3 to 74 deg)",
        )
    return math.tan(max_convergence)
