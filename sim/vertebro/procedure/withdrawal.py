"""Taking the needle out: too early it leaves a tail of cement in its track, too late the cement holds it.

*Tail.* The retreating tip leaves a void; what may fill it from the bore is driven by at most one atmosphere, so
``V = min(Q(1 atm) L/v, bore content, void)`` with the inserted length L and the pulling speed v.
*Grip.* Cement that has cured to a conversion p holds the shaft along the length it embeds and the plug in its bore:
``F = p (τ π d_o l + σ π d_i²/4)``. Both are engineering estimates with numbers one can argue about.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from vertebro.errors import CaseError
from vertebro.materials.curing import conversion_loglogistic
from vertebro.procedure.column import ATMOSPHERE, Column
from vertebro.procedure.needle import Needle
from vertebro.sources import Constant
from vertebro.units import ml

PULL_SPEED = Constant(0.010, "m/s", 0.003, 0.050, "vertebro", "ours", "a steady hand")
PULL_FORCE = Constant(200.0, "N", 100.0, 300.0, "vertebro", "ours", "pulled and twisted by hand")
BOND_STRENGTH = Constant(2e6, "Pa", 0.5e6, 6e6, "vertebro", "recalled", "shear bond of cured cement on smooth steel")
TENSILE_STRENGTH = Constant(25e6, "Pa", 20e6, 40e6, "vertebro", "recalled", "of cured PMMA cement")
TAIL_NOTED = Constant(0.02 * ml, "m^3", 0.005 * ml, 0.1 * ml, "vertebro", "ours", "4 mm of an 11 G bore")


@dataclass(frozen=True, kw_only=True, slots=True)
class Withdrawal:
    """What happened when a needle was pulled.

    Attributes
    ----------
    tail : float [m³]
        Cement left in the track.
    tail_length : float [m]
        Of the bore's column that came out.
    grip : float [N]
        Force the cement held the needle with.
    stuck : bool
        Whether it held.
    """

    tail: float
    tail_length: float
    grip: float
    stuck: bool

    @property
    def leaves_tail(self) -> bool:
        """Whether the tail is large enough to speak of."""
        return not self.stuck and self.tail > TAIL_NOTED


def withdraw(
    needle: Needle, column: Column, *, distance: float, embedded: float, speed: float = PULL_SPEED
) -> Withdrawal:
    """Pull a needle back.

    Parameters
    ----------
    needle : Needle
    column : Column
        The cannula's content; its tip's clock is that of the cement around the tip.
    distance : float [m]
        How far back.
    embedded : float [m]
        Length of the shaft that cement surrounds.
    speed : float [m/s]

    Raises
    ------
    CaseError
        If a number is negative or the speed not positive.
    """
    for name, value in (("distance", distance), ("embedded", embedded), ("speed", speed)):
        if not (math.isfinite(value) and value >= 0.0) or (name == "speed" and value == 0.0):
            raise CaseError("impossible withdrawal", where=f"withdraw.{name}", value=value, allowed="positive, SI")
    card = column.cement
    p = float(conversion_loglogistic(column.tip_clock, set_time=float(card.set_time), shape=float(card.shape)))
    bore = column.area
    grip = p * (
        BOND_STRENGTH * math.pi * needle.outer_diameter * embedded + (TENSILE_STRENGTH * bore if embedded else 0)
    )
    if grip > PULL_FORCE:
        return Withdrawal(tail=0.0, tail_length=0.0, grip=float(grip), stuck=True)
    void = math.pi / 4.0 * needle.outer_diameter**2 * distance
    tail = min(column.flow_rate(float(ATMOSPHERE)) * distance / speed, column.filled, void)
    return Withdrawal(tail=tail, tail_length=tail / bore, grip=float(grip), stuck=False)
