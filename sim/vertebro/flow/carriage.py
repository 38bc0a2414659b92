"""Who carried what through which face: volumes of both fluids that explain how the fill has changed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import CaseError, GeometryError
from vertebro.flow import kernels_heat
from vertebro.flow.heat_problem import HeatProblem, check_temperature

Float = NDArray[np.float64]
AHEAD = 2  # cells around the warm region in which the displaced fluid is followed


@dataclass(frozen=True, kw_only=True, slots=True)
class Movement:
    """What the flow did during a round.

    Parameters
    ----------
    saturation : (…) array
        Injected share of the pores at the end.
    pressure : (…) array [Pa]
    fluxes : (3, …) array [m³/s]
        Through the face to the next cell along each axis, positive towards it and down the pressure; only directions
        and proportions count.
    wells : (n, 3) int array
        Cells where fluid entered; none in a pause.
    temperature : float [K]
        Of the fluid that enters; 0 to 60 °C.
    cure_age : float [s]
        Of the fluid that enters when the round starts.
    cure_speed : float [1]
        Speed of its cure clock until it enters.
    drained : sequence of ((n, 3) int array, float [m³])
        Injected fluid that left through outlets: their cells and the volume.
    """

    saturation: Float
    pressure: Float
    fluxes: Float
    wells: NDArray[np.int64]
    temperature: float
    cure_age: float
    cure_speed: float = 1.0
    drained: Sequence[tuple[NDArray[np.int64], float]] = ()

    def __post_init__(self) -> None:
        check_temperature(self.temperature, "movement.temperature")
        for name in ("cure_age", "cure_speed"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise CaseError(f"{name} of the fluid", where=f"movement.{name}", value=value, allowed=">= 0, finite")
        check_share(self.saturation, "movement.saturation")
        for name in ("pressure", "fluxes"):
            if not np.all(np.isfinite(getattr(self, name))):
                raise CaseError(f"{name} of the flow", where=f"movement.{name}", value="nan", allowed="finite")
        if self.fluxes.shape != (3, *self.pressure.shape):
            raise GeometryError(
                "fluxes do not fit the pressure",
                where="movement.fluxes",
                value=self.fluxes.shape,
                allowed=str((3, *self.pressure.shape)),
            )


def check_share(values: Float, where: str) -> None:
    """Raise `CaseError` unless all values lie between 0 and 1."""
    bad = ~((values >= 0.0) & (values <= 1.0))
    if np.any(bad):
        raise CaseError("a fill is a share", where=where, value=float(values[bad][0]), allowed="0 to 1")


def padded(values: NDArray[Any], lead: int = 0) -> Float:
    """Copy of grid arrays with one layer of zeros around; the first `lead` axes are left alone."""
    return np.pad(np.asarray(values, float), [(0, 0)] * lead + [(1, 1)] * 3)


class Carriage:
    """Face volumes of one problem; its arrays are used again every round.

    Attributes
    ----------
    order : (m,) int array
        Cells by falling pressure.
    thick, thin : (3, cells) arrays [m³]
        Injected and displaced fluid through each face in the whole round, positive towards the next cell.
    supply : (cells,) array [m³]
        Injected fluid that entered.
    drain_thick, drain_thin : (cells,) arrays [m³]
        Fluid that left the warm region or the grid.
    """

    def __init__(self, problem: HeatProblem) -> None:
        self.problem = problem
        shape = tuple(n + 2 for n in problem.grid.shape)
        size = math.prod(shape)
        self.strides = np.array([shape[1] * shape[2], shape[2], 1], np.int64)
        self.order = np.zeros(0, np.int64)
        self.thick, self.thin, self._q = (np.zeros((3, size)) for _ in range(3))
        self.supply, self.drain_thick, self.drain_thin = (np.zeros(size) for _ in range(3))
        self._p, self._well = np.zeros(shape), np.zeros(size, bool)
        self._inside, self._spare = np.zeros(shape, bool), np.zeros(shape, bool)

    def load(self, movement: Movement, fill: Float, gain: Float, warm: NDArray[np.bool_]) -> bool:
        """Find the volumes that turn the old fill into the new one; False if nothing moved.

        Parameters
        ----------
        movement : Movement
        fill : padded array
            Its saturation.
        gain : padded array [m³]
            Injected volume gained by each cell.
        warm : padded bool array
            Cells that hold injected fluid or heat; the displaced fluid is followed in them and `AHEAD` cells around.
        """
        for values in (self.thick, self.thin, self.supply, self.drain_thick, self.drain_thin):
            values[...] = 0.0
        self._drain(movement)
        if not np.any(gain) and not np.any(self.drain_thick):
            return False
        shape, core = gain.shape, (slice(1, -1),) * 3
        self._q.reshape(3, *shape)[(slice(None), *core)] = movement.fluxes
        self._p[core] = movement.pressure
        inside = self._widened(warm)
        cells = np.flatnonzero(inside)
        self.order = cells[np.argsort(-self._p.reshape(-1)[cells], kind="stable")]
        wells = np.asarray(movement.wells, np.int64).reshape(-1, 3) + 1
        self._well[:] = False
        self._well[wells @ self.strides] = True
        flat = gain.reshape(-1)
        kernels_heat.route_injected(
            self.order,
            self._q,
            self.strides,
            flat,
            fill.reshape(-1),
            self._well,
            len(wells) > 0,
            self.thick,
            self.supply,
            self.drain_thick,
        )
        kernels_heat.route_displaced(
            self.order, self._q, self.strides, flat, inside.reshape(-1), self.thin, self.drain_thin
        )
        return True

    def _widened(self, warm: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """The warm cells and `AHEAD` layers of neighbours, without the ghosts."""
        core = (slice(1, -1),) * 3
        mask, out = self._inside, self._spare
        mask[core] = warm[core]
        for _ in range(AHEAD):
            out[core] = mask[core]
            for axis in range(3):
                for shift in (0, 2):
                    beside = list(core)
                    beside[axis] = slice(shift, mask.shape[axis] - 2 + shift)
                    out[core] |= mask[tuple(beside)]
            mask, out = out, mask
        return mask

    def _drain(self, movement: Movement) -> None:
        """Share what each outlet took among its cells, in proportion to fill and pores."""
        for cells, volume in movement.drained:
            place = tuple(np.asarray(cells, np.int64).T)
            weight = movement.saturation[place] * self.problem.pore_volume[place]
            if volume > 0.0 and weight.sum() > 0.0:
                index = (np.stack(place, axis=1) + 1) @ self.strides
                self.drain_thick[index] += volume * weight / weight.sum()
