"""What an operator could perceive, and when to look: pictures from the C-arm and the CT, schedules.

`Observation` is kept apart from the truth (the full state) on purpose: scores may use both, a trainee sees only this.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """One stored fluoroscopy frame.

    Attributes
    ----------
    name : str
        File stem, sorts by time.
    time : float [s]
        Schedule time.
    view : str
        ``"ap"``, ``"lateral"`` or ``"<orbital>,<cranial>"`` in degrees.
    display16 : (rows, cols) uint16 array
        Display values, 0 black to 65535 white.
    facts : dict
        Geometry, tube and dose as plain JSON values.
    """

    name: str
    time: float
    view: str
    display16: NDArray[np.uint16]
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def display8(self) -> NDArray[np.uint8]:
        """The same picture in 8 bits."""
        return (self.display16 >> 8).astype(np.uint8)


@dataclass(frozen=True, kw_only=True, slots=True)
class Observation:
    """What the operator could know at one moment.

    Attributes
    ----------
    time, time_since_mixing : float [s]
    volume_injected : float [m³]
        Read off the syringe.
    syringe_pressure : float [Pa]
    plunger_force : float [N]
    cement_state : str
        How the cement feels: "liquid", "toothpaste" …
    """

    time: float
    time_since_mixing: float
    volume_injected: float
    syringe_pressure: float
    plunger_force: float
    cement_state: str
