"""The pedicle's waist as an elliptic tube, and the search for the best straight line through it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vertebro.errors import CaseError, GeometryError
from vertebro.procedure.gauges import gauge
from vertebro.procedure.points import finite_point
from vertebro.units import mm

Float = NDArray[np.float64]

ASIDE = 12 * mm  # farthest a tip may stay off its target, towards the needle's own side


@dataclass(frozen=True, slots=True)
class Waist:
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


def build_waist(
    side: str, centre: ArrayLike, axis: ArrayLike, width: float, height: float, number: int, half_length: float
) -> Waist:
    """The waist of one pedicle for one gauge; refuses sizes and sides that cannot be (errors as in the approaches)."""
    if side not in ("left", "right"):
        raise CaseError("unknown side", where="approach.side", value=side, allowed="left, right")
    for name, size in (("half_width", width), ("half_height", height), ("half_length", half_length)):
        if not (math.isfinite(size) and 0.5 * mm <= size <= 20 * mm):
            raise CaseError("impossible pedicle size", where=f"pedicle.{name}", value=size, allowed="0.5 to 20 mm")
    middle, forward = finite_point(centre, "pedicle.centre"), finite_point(axis, "pedicle.axis")
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
    return Waist(middle, np.stack([medial, up, forward]), width, height, radius, half_length)


def best_line(waist: Waist, target: Float, bone_margin: float, steepest: float) -> tuple[Float, Float]:
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
        steep = np.maximum(across[:, 0] - steepest * across[:, 1], 0.0)
        cost = choice[:, 2] + 40.0 * np.maximum(bone_margin - margin, 0.0) + 40.0 * steep - 0.1 * margin
        middle, reach = choice[int(np.argmin(cost))], reach / 5.0
    through, tip = _line(waist, target, middle[None])
    return through[0], tip[0]


def _line(waist: Waist, target: Float, choice: Float) -> tuple[Float, Float]:
    """Isthmus points and tips (n, 3) of choices (n, 3): medial, up in the waist, tip offset to the needle's side."""
    through = waist.centre + choice[:, :2] @ waist.frame[:2]
    tip = np.tile(target, (len(choice), 1))
    tip[:, 0] += np.sign(waist.centre[0]) * choice[:, 2]
    return through, tip
