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


@dataclass(frozen=True, kw_only=True, slots=True)
class Routes:
    """Volumes of a whole round [m³], flat and padded.

    Attributes
    ----------
    order : (m,) int array
        Cells by falling pressure.
    thick, thin : (3, cells) arrays
        Injected and displaced fluid through each face, positive towards the next cell.
    supply : (cells,) array
        Injected fluid that entered.
    drain_thick, drain_thin : (cells,) arrays
        Fluid that left the warm region or the grid.
    """

    order: NDArray[np.int64]
    thick: Float
    thin: Float
    supply: Float
    drain_thick: Float
    drain_thin: Float


def check_share(values: Float, where: str) -> None:
    """Raise `CaseError` unless all values lie between 0 and 1."""
    bad = ~((values >= 0.0) & (values <= 1.0))
    if np.any(bad):
        raise CaseError("a fill is a share", where=where, value=float(values[bad][0]), allowed="0 to 1")


def padded(values: NDArray[Any], lead: int = 0) -> Float:
    """Copy of grid arrays with one layer of zeros around; the first `lead` axes are left alone."""
    return np.pad(np.asarray(values, float), [(0, 0)] * lead + [(1, 1)] * 3)


def find_routes(
    problem: HeatProblem, movement: Movement, fill: Float, gain: Float, warm: NDArray[np.bool_]
) -> Routes | None:
    """Face volumes that turn the old fill into the new one; None if nothing moved.

    Parameters
    ----------
    problem : HeatProblem
    movement : Movement
    fill : padded array
        The movement's saturation.
    gain : padded array [m³]
        Injected volume gained by each cell.
    warm : padded bool array
        Cells that hold injected fluid or heat; the displaced fluid is followed in them and `AHEAD` cells around.
    """
    drain = _drained(problem, movement, gain.shape)
    if not np.any(gain) and not np.any(drain):
        return None
    strides = np.array([gain.shape[1] * gain.shape[2], gain.shape[2], 1], np.int64)
    q = padded(movement.fluxes, lead=1).reshape(3, -1)
    inside = warm
    for _ in range(AHEAD):
        inside = _with_neighbours(inside)
    cells = np.flatnonzero(inside)
    order = cells[np.argsort(-padded(movement.pressure).reshape(-1)[cells], kind="stable")]
    well = np.zeros(gain.shape, bool)
    well[tuple(np.asarray(movement.wells, np.int64).reshape(-1, 3).T + 1)] = True
    size = gain.size
    thick, thin, supply, lost = np.zeros((3, size)), np.zeros((3, size)), np.zeros(size), np.zeros(size)
    flat = gain.reshape(-1)
    kernels_heat.route_injected(
        order, q, strides, flat, fill.reshape(-1), well.reshape(-1), bool(well.any()), thick, supply, drain.reshape(-1)
    )
    kernels_heat.route_displaced(order, q, strides, flat, inside.reshape(-1), thin, lost)
    return Routes(order=order, thick=thick, thin=thin, supply=supply, drain_thick=drain.reshape(-1), drain_thin=lost)


def _with_neighbours(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask and its cells' six neighbours, without the ghosts."""
    out = np.zeros_like(mask)
    core = (slice(1, -1),) * 3
    out[core] = mask[core]
    for axis in range(3):
        for shift in (0, 2):
            behind = list(core)
            behind[axis] = slice(shift, mask.shape[axis] - 2 + shift)
            out[core] |= mask[tuple(behind)]
    return out


def _drained(problem: HeatProblem, movement: Movement, shape: tuple[int, ...]) -> Float:
    """Padded volumes [m³] that the outlets took from each of their cells, in proportion to fill and pores."""
    out = np.zeros(shape)
    for cells, volume in movement.drained:
        place = tuple(np.asarray(cells, np.int64).T)
        weight = movement.saturation[place] * problem.pore_volume[place]
        if volume > 0.0 and weight.sum() > 0.0:
            out[tuple(index + 1 for index in place)] += volume * weight / weight.sum()
    return out
