"""What each voxel lives through: highest temperature, thermal dose, damage integral, dwell times."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import CaseError
from vertebro.flow import kernels_heat

Single = NDArray[np.float32]
CADENCE = 2.0  # s, between additions to the doses


class Exposure:
    """Thermal exposure of every voxel, noted by `HeatField` at the end of each tick.

    Parameters
    ----------
    shape : tuple of int
        Of the grid.
    frequency : float [1/s]
        A of the damage integral ``Ω = ∫ A exp(-E/RT) dt``.
    temperature : float [K]
        E/R of the damage integral.
    limits : (float, float) [K]
        Temperatures whose dwell times are kept.
    floor : float [K]
        Below it dose and damage are not counted: at 39 °C an hour is 0.23 min at 43 °C.

    Attributes
    ----------
    peak : (…) float32 array [K]
        0 where nothing was noted.
    dose : (…) float32 array [min]
        CEM43, equivalent minutes at 43 °C: halves per kelvin above, quarters below.
    damage : (…) float32 array [1]
        Ω; 1 is a burn.
    above : (2, …) float32 array [s]
        Time above each limit.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        *,
        frequency: float,
        temperature: float,
        limits: tuple[float, float] = (318.15, 323.15),
        floor: float = 312.15,
    ) -> None:
        for name, value in (("frequency", frequency), ("temperature", temperature)):
            if not (math.isfinite(value) and value > 0):
                raise CaseError("damage integral", where=name, value=value, allowed="> 0, finite")
        size = tuple(n + 2 for n in shape)
        self._law = np.array([math.log(frequency), temperature, floor])
        self._gathered = 0.0
        self._limits = np.asarray(limits, float)
        self._peak, self._dose, self._damage = (np.zeros(size, np.float32) for _ in range(3))
        self._above = np.zeros((2, *size), np.float32)

    def note(self, theta: NDArray[np.float64], body: float, dt: float, low: Any, high: Any, last: bool = False) -> None:
        """Count `dt` seconds that end at the temperatures body + theta (padded) in a box.

        Doses are added up when `CADENCE` seconds have gathered, or now if it is the `last` call for a while.
        """
        flat, strides = theta.reshape(-1), np.array([theta[0].size, theta.shape[2], 1], np.int64)
        kernels_heat.note_peak(flat, body, strides, low, high, self._peak.reshape(-1))
        self._gathered += dt
        if self._gathered < CADENCE and not last:
            return
        notes = (self._dose.reshape(-1), self._damage.reshape(-1), self._above.reshape(2, -1))
        kernels_heat.expose(flat, body, self._gathered, strides, low, high, self._law, *notes, self._limits)
        self._gathered = 0.0

    @property
    def peak(self) -> Single:
        """(…) array [K]: highest temperature; 0 where nothing was noted."""
        return self._peak[1:-1, 1:-1, 1:-1]

    @property
    def dose(self) -> Single:
        """(…) array [min]: CEM43."""
        return self._dose[1:-1, 1:-1, 1:-1]

    @property
    def damage(self) -> Single:
        """(…) array [1]: Ω of Henriques and Moritz."""
        return self._damage[1:-1, 1:-1, 1:-1]

    @property
    def above(self) -> Single:
        """(2, …) array [s]: time above each limit."""
        return self._above[:, 1:-1, 1:-1, 1:-1]
