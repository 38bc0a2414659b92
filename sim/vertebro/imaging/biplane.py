"""Two C-arms about one isocentre: each plane has its own geometry, the table is shared.

>>> pair = Biplane().carms(Position(), Position(orbital=90 * deg))
>>> [round(arm.orbital / deg) for arm in pair]
[0, 90]
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from vertebro.errors import GeometryError
from vertebro.imaging.carm import STRAIGHT, Axes, CArm
from vertebro.imaging.gantry import Gantry, Position
from vertebro.sources import Constant
from vertebro.units import deg


@dataclass(frozen=True, kw_only=True, slots=True)
class Biplane:
    """Two planes about one isocentre and over one table; they expose in turn.

    Attributes
    ----------
    frontal, side : Gantry
    least_angle : float [rad]
        Between the beams, below which the two arms would meet.
    """

    frontal: Gantry = field(default_factory=Gantry.angiography)
    side: Gantry = field(default_factory=lambda: replace(Gantry.angiography(), source_isocentre=0.75))
    least_angle: float = Constant(45 * deg, "rad", 20 * deg, 70 * deg, "vertebro", "ours", "two arms side by side")

    def carms(
        self,
        frontal: Position,
        side: Position,
        *,
        aimed: tuple[float, float, float] = (0.0, 0.0, 0.0),
        lying: Axes = STRAIGHT,
    ) -> tuple[CArm, CArm]:
        """Both poses.

        Raises
        ------
        GeometryError
            If one cannot be reached, the table is not the same, or the arms would meet.
        """
        for name in ("lateral", "height", "longitudinal"):
            if not math.isclose(getattr(frontal, name), getattr(side, name), abs_tol=1e-9):
                raise GeometryError(
                    "two planes share one table",
                    where=name,
                    value=(getattr(frontal, name), getattr(side, name)),
                    allowed="equal",
                )
        poses = self.frontal.carm(frontal, aimed=aimed, lying=lying), self.side.carm(side, aimed=aimed, lying=lying)
        between = math.acos(min(1.0, abs(float(poses[0].towards_source @ poses[1].towards_source))))
        if between < self.least_angle:
            raise GeometryError(
                "the two arms would meet",
                where="frontal, side",
                value=f"{between / deg:.0f} deg between the beams",
                allowed=f"at least {self.least_angle / deg:.0f} deg",
            )
        return poses
