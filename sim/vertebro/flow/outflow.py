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
        cells = np.flatnonzero(outlet)
        # flows between cells of one outlet cancel
        ends = [(d, s) for d, stride in enumerate((nj * nk, nk, 1)) for s in (stride, -stride)]
        beyond = [cells[outlet[cells + step] != outlet[cells]] for _, step in ends]
        self._here = np.concatenate(beyond)
        self._there = np.concatenate([own + step for own, (_, step) in zip(beyond, ends, strict=True)])
        low = np.minimum(self._here, self._there)
        self._face = low + flow.p.size * np.repeat([d for d, _ in ends], [own.size for own in beyond])
        self._name = outlet[self._here] - 1
        self._cells, self._name_of_cell = cells, outlet[cells] - 1
        self.rates: Float = np.zeros(len(flow.problem.outlets))

    def measure(self) -> None:
        """Read the rates of the present field."""
        p, t = self.flow.p.reshape(-1), self.flow.t.reshape(-1)
        through = t[self._face] * (p[self._there] - p[self._here])
        injected = self.flow.source.reshape(-1)[self._cells]
        size = len(self.rates)
        total = np.bincount(self._name, through, size) + np.bincount(self._name_of_cell, injected, size)
        self.rates = total.astype(np.float64)
