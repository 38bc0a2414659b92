"""The awake patient: voice, blood pressure, oxygen; simple on purpose, every number a setting.

Pressure falls a little whenever cement goes in (9 +- 10 mmHg, albers) and a lot with cement in the lungs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from vertebro.sources import Constant
from vertebro.units import ml

MEAN_DROP = Constant(9.0, "mmHg", 0.0, 20.0, "albers", "seen", "mean fall of arterial pressure after an injection")
DROP_SPREAD = Constant(5.0, "mmHg", 0.0, 10.0, "albers", "ours", "half the published spread, as it may not rise")
FULL_DROP = Constant(4e-6, "m^3", 1e-6, 1e-5, "vertebro", "ours", "volume with which that fall is reached")
EMBOLUS_DROP = Constant(
    40.0 / ml, "mmHg/m^3", 5.0 / ml, 100.0 / ml, "vertebro", "ours", "fall with cement in the lungs"
)
EMBOLUS_OXYGEN = Constant(12.0 / ml, "%/m^3", 1.0 / ml, 30.0 / ml, "vertebro", "ours", "saturation lost with it")
ANSWER = Constant(20.0, "s", 5.0, 60.0, "vertebro", "ours", "time constant of the circulation's answer")
NERVE_VOLUME = Constant(0.2 * ml, "m^3", 0.05 * ml, 1.0 * ml, "vertebro", "ours", "in canal or foramen: new leg pain")


@dataclass(slots=True)
class Patient:
    """Vital signs of now; changes with time.

    Attributes
    ----------
    map_start, map_now : float [mmHg]
        Mean arterial pressure.
    oxygen : float [%]
    pulse : float [1/min]
    voice : list of str
        What the patient said last.
    """

    seed: int
    map_start: float = 95.0
    map_now: float = 95.0
    oxygen: float = 96.0
    pulse: float = 78.0
    pain: float = 0.0
    on_oxygen: bool = False
    _drop: float = 0.0
    voice: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        random = np.random.default_rng((self.seed, 17))
        self._drop = max(0.0, float(MEAN_DROP + DROP_SPREAD * random.standard_normal()))

    def live(self, dt: float, injected: float, embolic: float) -> None:
        """Let time pass [s] with cement injected and gone to the lungs so far [m³]. Changes the patient."""
        fall = self._drop * min(injected / FULL_DROP, 1.0) + EMBOLUS_DROP * embolic
        share = -math.expm1(-dt / ANSWER)
        wanted = 96.0 + 3.0 * self.on_oxygen - EMBOLUS_OXYGEN * embolic
        self.map_now += share * (max(self.map_start - fall, 30.0) - self.map_now)
        self.oxygen += share * (min(max(wanted, 60.0), 100.0) - self.oxygen)
        self.pulse += share * (78.0 + 0.6 * (self.map_start - self.map_now) + 3.0 * self.pain - self.pulse)
        self.pain *= math.exp(-dt / 60.0)

    @property
    def alarming(self) -> bool:
        """Pressure down by more than 30 %, or oxygen below 88 %."""
        return self.map_now < 0.7 * self.map_start or self.oxygen < 88.0

    def say(self, words: str, pain: float = 0.0) -> None:
        """Let the patient speak."""
        self.voice = [*self.voice[-4:], words]
        self.pain = max(self.pain, pain)
