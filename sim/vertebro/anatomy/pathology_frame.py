"""The vertebral body measured from its own label: rims, endplates, walls; the same for generated and imported bones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vertebro.errors import DataError
from vertebro.grid import VoxelGrid
from vertebro.tissue import Compartment
from vertebro.units import mm

Array = NDArray[Any]
STATION = 0.13  # share of the depth at which anterior and posterior heights are measured, on the rims
MIDLINE = 3.5 * mm  # columns this near the middle count as midline
DISC = 6.0 * mm  # least height over which the neighbourhood takes up a dent in an endplate


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """A body's measures in its own frame [m].

    Attributes
    ----------
    middle_r, half_width : float
    back, front : float
        a of the walls at the rims.
    back_top, back_low, front_top, front_low : float
        s of the rims at the two measuring stations.
    middle_top, middle_low : float
        s of the endplates in the middle.
    """

    middle_r: float
    half_width: float
    back: float
    front: float
    back_top: float
    back_low: float
    front_top: float
    front_low: float
    middle_top: float
    middle_low: float

    @property
    def depth(self) -> float:
        """Between the walls [m]."""
        return self.front - self.back

    @property
    def middle_a(self) -> float:
        """a halfway between the walls [m]."""
        return 0.5 * (self.front + self.back)

    @property
    def middle_s(self) -> float:
        """s halfway between the endplates [m]."""
        return 0.5 * (self.middle_top + self.middle_low)

    @property
    def stations(self) -> tuple[float, float]:
        """a [m] where the posterior and the anterior height are measured."""
        return self.back + STATION * self.depth, self.front - STATION * self.depth

    @property
    def heights(self) -> tuple[float, float, float]:
        """Anterior, middle, posterior height [m]."""
        return (
            self.front_top - self.front_low,
            self.middle_top - self.middle_low,
            self.back_top - self.back_low,
        )

    def rim(self, a: ArrayLike, *, upper: bool) -> Array:
        """s [m] of the line through the upper or lower rims."""
        behind, ahead = self.stations
        low, high = (self.back_top, self.front_top) if upper else (self.back_low, self.front_low)
        return np.asarray(low + (np.asarray(a) - behind) * ((high - low) / (ahead - behind)))

    def bowl(self, *, upper: bool) -> float:
        """Depth [m] of an endplate's concavity below the line through its rims (never negative)."""
        line = float(self.rim(self.middle_a, upper=upper))
        return max(line - self.middle_top if upper else self.middle_low - line, 0.0)

    def radius(self, r: Array, a: Array) -> Array:
        """Squared elliptic radius over the axial section: 1 at the walls."""
        across = (r - self.middle_r) / self.half_width
        along = (a - self.middle_a) / (0.5 * self.depth)
        return np.asarray(across * across + along * along)

    def place(self, right: float, front: float, up: float) -> Array:
        """World point (3,) [m] at shares −1…1 of the half axes."""
        return np.array(
            [
                self.middle_r + right * self.half_width,
                self.middle_a + front * 0.5 * self.depth,
                self.middle_s + up * 0.5 * (self.middle_top - self.middle_low),
            ]
        )


def measure(grid: VoxelGrid, compartment: NDArray[np.uint8]) -> Frame:
    """Measure the body in its midline.

    Parameters
    ----------
    compartment : (nr, na, ns) uint8 array of `Compartment`

    Raises
    ------
    DataError
        If the body is too thin to be measured.
    """
    body = compartment == Compartment.BODY
    r, a, s = grid.axes()
    wide = np.flatnonzero(body.any(axis=(1, 2)))
    if len(wide) < 5:
        raise DataError("no vertebral body to measure", where="compartment", hint="check the labels of the anatomy")
    middle = 0.5 * float(r[wide[0]] + r[wide[-1]])
    columns = body[np.abs(r - middle) <= max(MIDLINE, grid.spacing[0])]
    some = columns.any(axis=2)
    top = s[columns.shape[2] - 1 - np.argmax(columns[:, :, ::-1], axis=2)] + 0.5 * grid.spacing[2]
    low = s[np.argmax(columns, axis=2)] - 0.5 * grid.spacing[2]
    tops = np.where(some, top, 0.0).sum(axis=0) / np.maximum(some.sum(axis=0), 1)
    lows = np.where(some, low, 0.0).sum(axis=0) / np.maximum(some.sum(axis=0), 1)
    tall = some.any(axis=0) & (tops - lows > 0.5 * (tops - lows).max())
    if np.count_nonzero(tall) < 5:
        raise DataError("the vertebral body is too thin to be measured", where="compartment", hint="check the labels")
    used = np.flatnonzero(tall)
    back, front = float(a[used[0]]) - 0.5 * grid.spacing[1], float(a[used[-1]]) + 0.5 * grid.spacing[1]

    def near(where: float, values: Array) -> float:
        weight = np.exp(-(((a - where) / (1.0 * mm)) ** 2)) * tall
        return float((weight * values).sum() / weight.sum())

    behind, ahead = back + STATION * (front - back), front - STATION * (front - back)
    return Frame(
        middle_r=middle,
        half_width=0.5 * float(r[wide[-1]] - r[wide[0]] + grid.spacing[0]),
        back=back,
        front=front,
        back_top=near(behind, tops),
        back_low=near(behind, lows),
        front_top=near(ahead, tops),
        front_low=near(ahead, lows),
        middle_top=near(0.5 * (back + front), tops),
        middle_low=near(0.5 * (back + front), lows),
    )
