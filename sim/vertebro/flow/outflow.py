"""Total flow out of each outlet in the present pressure field: the ledger of the displaced fluid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vertebro.flow.pressure import PressureField

Float = NDArray[np.float64]


class OutletFlow:
    """Rates [m³/s] out of the outlets of one box, measured once per pressure field.

    Attributes
    ----------
    rates : (n,) float array [m³/s]
        One per outlet of the problem.
    """

    def __init__(self, flow: PressureField) -> None:
        self.flow = flow
        outlet = flow.box.outlet.reshape(-1)
        _, nj, nk = flow.p.shape
        self._cells = np.flatnonzero(outlet)
        self._names = outlet[self._cells] - 1
        self._strides = (nj * nk, nk, 1)
        self.rates: Float = np.zeros(len(flow.problem.outlets))

    def measure(self) -> None:
        """Read the rates of the present field."""
        p, t, cells = self.flow.p.reshape(-1), self.flow.t.reshape(3, -1), self._cells
        here = p[cells]
        net = self.flow.source.reshape(-1)[cells].copy()
        for d, step in enumerate(self._strides):
            net += t[d, cells] * (p[cells + step] - here) + t[d, cells - step] * (p[cells - step] - here)
        self.rates = np.bincount(self._names, weights=net, minlength=len(self.rates)).astype(np.float64)
