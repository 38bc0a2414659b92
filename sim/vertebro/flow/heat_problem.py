"""What to warm: heat capacity, conduction and perfusion of a porous body, the two fluids in it, the law of cure.

Nothing here knows anatomy. Pores and solid of a voxel share one temperature (local thermal equilibrium holds above
0.25 mm: a pore evens out in a second).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import CaseError, GeometryError
from vertebro.grid import VoxelGrid
from vertebro.units import ZERO_CELSIUS

Float = NDArray[np.float64]
Edge = Literal["body", "insulated"]
HANDLED = (ZERO_CELSIUS, ZERO_CELSIUS + 60.0)  # temperatures people, rooms and cements come with


@dataclass(frozen=True, kw_only=True, slots=True)
class ThermalFluid:
    """A fluid in the pores.

    Parameters
    ----------
    heat_capacity : float [J/(m³·K)]
    conductivity : float [W/(m·K)]
    """

    heat_capacity: float
    conductivity: float

    def __post_init__(self) -> None:
        for name in ("heat_capacity", "conductivity"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise CaseError(f"{name} of a fluid", where=name, value=value, allowed="> 0, finite")


@dataclass(frozen=True, kw_only=True, slots=True)
class Curing:
    """Log-logistic cure whose clock runs by Arrhenius, `vertebro.materials.curing`.

    Parameters
    ----------
    heat : float [J/m³]
        Released by the injected fluid over the whole cure; 0 cures cold.
    set_time : float [s]
        Cure age of half conversion.
    shape : float [1]
    activation_energy : float [J/mol]
    reference_temperature : float [K]
        Where the cure clock runs with the wall's.
    boiling_point : float [K]
        Where the monomer that has not cured yet boils: the temperature stands still while heat turns it to vapour,
        which cures only when it condenses.
    vapour_heat : float [J/m³]
        To turn all monomer of the injected fluid to vapour; 0: it never boils.
    """

    heat: float
    set_time: float
    shape: float
    activation_energy: float
    reference_temperature: float
    boiling_point: float = 473.15
    vapour_heat: float = 0.0

    def __post_init__(self) -> None:
        for name, low in (("heat", 0.0), ("activation_energy", 0.0), ("vapour_heat", 0.0)):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= low):
                raise CaseError(f"{name} of the cure", where=name, value=value, allowed=">= 0, finite")
        for name in ("set_time", "shape"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise CaseError(f"{name} of the cure", where=name, value=value, allowed="> 0, finite")
        check_temperature(self.reference_temperature, "reference_temperature")
        if not 353.15 <= self.boiling_point <= 573.15:
            raise CaseError(
                "boiling point", where="boiling_point", value=self.boiling_point, allowed="353.15 to 573.15 K"
            )


@dataclass(frozen=True, kw_only=True, repr=False)
class HeatProblem:
    """Heat in a porous body into which a curing fluid is injected.

    Parameters
    ----------
    grid : VoxelGrid
    pore_volume : (…) array [m³]
        Movable pore volume of each voxel, as in `FlowProblem`.
    heat_capacity : (…) array [J/(m³·K)]
        Per voxel, pores full of the displaced fluid.
    conductivity : (…) array [W/(m·K)]
        Likewise.
    perfusion : (…) array [W/(m³·K)]
        Heat taken per kelvin by blood at body temperature; it stops where the injected fluid fills the voxel.
    injected, displaced : ThermalFluid
    curing : Curing
    body_temperature : float [K]
        Of everything at first and, at edges called ``"body"``, outside the grid.
    edges : "body", "insulated" or one per axis

    Raises
    ------
    CaseError, GeometryError
        For impossible values: a temperature outside 0 to 60 °C, a negative perfusion, a NaN.

    Examples
    --------
    >>> grid = VoxelGrid(shape=(4, 4, 4), spacing=(1e-3,) * 3)
    >>> HeatProblem(grid=grid, pore_volume=0.9e-9, heat_capacity=3.06e6, conductivity=0.29, perfusion=0.0,
    ...             injected=ThermalFluid(heat_capacity=1.9e6, conductivity=0.18),
    ...             displaced=ThermalFluid(heat_capacity=3.1e6, conductivity=0.24),
    ...             curing=Curing(heat=1.55e8, set_time=720.0, shape=9.2, activation_energy=44e3,
    ...                           reference_temperature=296.15))
    HeatProblem: 4 x 4 x 4 cells of 1 x 1 x 1 mm at 37 °C, adiabatic rise of the injected fluid 81.6 K
    """

    grid: VoxelGrid
    pore_volume: Any
    heat_capacity: Any
    conductivity: Any
    perfusion: Any
    injected: ThermalFluid
    displaced: ThermalFluid
    curing: Curing
    body_temperature: float = ZERO_CELSIUS + 37.0
    edges: Edge | Sequence[Edge] = field(default="body")

    def __post_init__(self) -> None:
        volume = self.grid.voxel_volume
        for name, low, high, unit in (
            ("pore_volume", 0.0, volume * (1 + 1e-9), "m³"),
            ("heat_capacity", 1e3, 1e8, "J/(m³·K)"),
            ("conductivity", 0.0, 500.0, "W/(m·K)"),
            ("perfusion", 0.0, 1e6, "W/(m³·K)"),
        ):
            values = _array(getattr(self, name), self.grid.shape, name, low, high, unit)
            object.__setattr__(self, name, values)
        check_temperature(self.body_temperature, "body_temperature")
        _check_replacement(self)
        edges = (self.edges,) * 3 if isinstance(self.edges, str) else tuple(self.edges)
        if len(edges) != 3 or not set(edges) <= {"body", "insulated"}:
            raise CaseError("edges", where="edges", value=self.edges, allowed="body, insulated, or one per axis")
        object.__setattr__(self, "edges", edges)

    @property
    def adiabatic_rise(self) -> float:
        """Rise [K] of injected fluid that cures alone and loses no heat."""
        return self.curing.heat / self.injected.heat_capacity

    def __repr__(self) -> str:
        mm = " x ".join(f"{h * 1e3:g}" for h in self.grid.spacing)
        return (
            f"HeatProblem: {' x '.join(map(str, self.grid.shape))} cells of {mm} mm at "
            f"{self.body_temperature - ZERO_CELSIUS:g} °C, adiabatic rise of the injected fluid "
            f"{self.adiabatic_rise:.1f} K"
        )


def check_temperature(value: float, where: str) -> float:
    """Return a temperature [K]; raise `CaseError` unless it lies between 0 and 60 °C."""
    if not HANDLED[0] - 1e-9 <= value <= HANDLED[1] + 1e-9:
        raise CaseError(
            "impossible temperature",
            where=where,
            value=value,
            allowed="273.15 to 333.15 K (0 to 60 degC)",
            hint='temperatures are kelvin inside; write "37 degC" at the border',
        )
    return value


def _array(values: Any, shape: tuple[int, ...], name: str, low: float, high: float, unit: str) -> Float:
    array = np.asarray(values, float)
    if array.ndim == 0:
        array = np.broadcast_to(array, shape)
    if array.shape != shape:
        raise GeometryError("an array does not fit its grid", where=name, value=array.shape, allowed=str(shape))
    bad = ~((array >= low) & (array <= high))
    if bad.any():
        place = tuple(int(i) for i in np.argwhere(bad)[0])
        raise CaseError(
            f"{name} holds impossible values ({int(bad.sum())} of {bad.size})",
            where=f"{name}{list(place)}",
            value=float(array[place]),
            allowed=f"{low:g} to {high:g} {unit}",
        )
    return np.ascontiguousarray(array)


def _check_replacement(problem: HeatProblem) -> None:
    """A voxel holds at least the displaced fluid that it will give up."""
    share = problem.pore_volume / problem.grid.voxel_volume
    for name, fluid in (
        ("heat_capacity", problem.displaced.heat_capacity),
        ("conductivity", problem.displaced.conductivity),
    ):
        worst = float(np.min(getattr(problem, name) - share * fluid * (1.0 - 1e-9)))
        if worst < 0.0:
            raise CaseError(
                f"{name} of a voxel is less than that of the fluid in its pores",
                where=name,
                value=worst,
                allowed=f"at least porosity x {fluid:g}",
                hint="give voxels the mixture of solid and displaced fluid",
            )
