"""The one mutable record of the room: pressure, fill, age, and the ledger of volumes."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertebro.flow.vessels import VesselState

Float = NDArray[np.float64]


@dataclass(kw_only=True)
class FlowState:
    """Where the fluids are.

    Attributes
    ----------
    pressure : (…) array [Pa]
        0 where no fluid moves (closed cells, sealed pockets).
    saturation : (…) array
        Injected share of the movable pore volume, 0 to 1.
    injection_time : (…) array [s]
        Mean time at which the injected fluid in the cell entered; NaN where there is none.
    time : float [s]
    injected : dict of float [m³]
        Volume injected through each well.
    outflow, outflow_displaced : dict of float [m³]
        Volume of injected and of displaced fluid that left through each outlet.
    vessels : VesselState or None
        What the network holds, if the problem has one.
    """

    pressure: Float
    saturation: Float
    injection_time: Float
    time: float = 0.0
    injected: dict[str, float]
    outflow: dict[str, float]
    outflow_displaced: dict[str, float]
    vessels: VesselState | None = None

    @classmethod
    def empty(cls, shape: tuple[int, ...], wells: Sequence[str], outlets: Sequence[str]) -> FlowState:
        """State at time 0 without injected fluid."""
        return cls(
            pressure=np.zeros(shape),
            saturation=np.zeros(shape),
            injection_time=np.full(shape, np.nan),
            injected=dict.fromkeys(wells, 0.0),
            outflow=dict.fromkeys(outlets, 0.0),
            outflow_displaced=dict.fromkeys(outlets, 0.0),
        )

    @property
    def injected_volume(self) -> float:
        """Volume injected through all wells [m³]."""
        return sum(self.injected.values())

    def copy(self) -> FlowState:
        """Return an independent copy."""
        return copy.deepcopy(self)
