"""A contrast test: agent goes in through a needle piece by piece on the session's clock, and is washed out again."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.bedside import Tracer
from vertebro.build import Scene
from vertebro.sources import Constant
from vertebro.training.log import TICKS
from vertebro.units import ml

CONTRAST_VISCOSITY = Constant(
    0.01, "Pa.s", 0.005, 0.03, "vertebro", "ours", "iohexol 300 at body temperature and blood"
)
CONTRAST_RATE = Constant(2e-7, "m^3/s", 5e-8, 5e-7, "vertebro", "ours", "12 mL/min by hand")
WASHOUT = Constant(15.0, "s", 3.0, 60.0, "vertebro", "ours", "time constant with which contrast leaves the marrow")
SHUNT = Constant(
    0.6, "1", 0.3, 0.9, "vertebro", "ours", "share of the contrast outside bone that speaks of a shunt; veins take half"
)
PIECE = 30  # ticks between two looks at where it has come to
GONE = 0.02  # share of the agent below which nothing of it is seen


class ContrastTest:
    """One injection of contrast agent; changes with the clock.

    Parameters
    ----------
    scene : Scene
        With the needle in place.
    needle : str
    volume : float [m³]
    tick : int
        Of the session's clock, at which it begins.

    Attributes
    ----------
    tick : int
        Up to which the agent has been followed.
    seen : set of str
        Planes whose pictures have shown it.
    alone : bool
        One of them showed it without the bones, on a mask.
    shunt : bool or None
        Whether it ran straight out; None while it goes in.
    """

    def __init__(self, scene: Scene, needle: str, volume: float, tick: int) -> None:
        self.needle, self.volume, self.tick = needle, volume, tick
        self.end = tick + max(1, round(volume / float(CONTRAST_RATE) * TICKS))
        self.seen: set[str] = set()
        self.alone = False
        self.shunt: bool | None = None
        self._tracer = Tracer(scene, needle, viscosity=CONTRAST_VISCOSITY)
        self._rate = volume * TICKS / (self.end - tick)

    @property
    def running(self) -> bool:
        """Whether the plunger still moves."""
        return self.tick < self.end

    @property
    def due(self) -> int:
        """Tick of the next piece; far away when all is in."""
        return min(self.tick + PIECE, self.end) if self.running else 1 << 60

    def push(self, tick: int) -> None:
        """Follow the agent to a tick."""
        if tick > self.tick:
            self._tracer.push(self._rate, (tick - self.tick) / TICKS)
            self.tick = tick

    def fraction(self) -> NDArray[np.float32]:
        """(nr, na, ns) volume share of the agent, as if nothing were washed out."""
        return self._tracer.fraction()

    def left(self, tick: int) -> float:
        """Share of it that the blood has left; 0 when nothing of it is seen any more."""
        share = math.exp(-max(tick - self.end, 0) / TICKS / float(WASHOUT))
        return share if share > GONE else 0.0

    def facts(self) -> dict[str, Any]:
        """Where it went; the test knows its outflow from then on."""
        volumes = self._tracer.volumes()
        outside = self.volume - sum(volumes[place] for place in ("body", "arch", "veins within"))
        self.shunt = bool(outside / self.volume > float(SHUNT))
        return {
            "needle": self.needle,
            "volume_ml": self.volume / ml,
            "outside_share": max(outside, 0.0) / self.volume,
            "canal_ml": (volumes.get("canal", 0.0) + volumes.get("vein_basivertebral", 0.0)) / ml,
            "shunt": self.shunt,
        }
