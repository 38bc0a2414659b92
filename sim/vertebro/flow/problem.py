"""What to solve: bare arrays on one grid, wells, outlets and two viscosity laws. Nothing here knows anatomy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from numbers import Real
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import CaseError, GeometryError
from vertebro.flow.laws import SHEAR_FACTOR, ViscosityLaw, checked_law, newtonian
from vertebro.flow.state import FlowState
from vertebro.flow.vessels import VesselNetwork
from vertebro.grid import VoxelGrid

Float = NDArray[np.float64]
Mode = Literal["two-phase", "cement-only"]
DENSEST = 1e-2  # m²: a tube of 57 cm; more is a mistake of units
RELATIVE_PERMEABILITY = {"piston": 0.0, "linear": 1.0, "corey2": 2.0, "corey3": 3.0}


@dataclass(frozen=True, kw_only=True)
class Well:
    """Cells where fluid is pushed in (the needle's tip).

    Parameters
    ----------
    cells : sequence of (i, j, k), or (n, 3) int array
    rate : float, optional [m³/s]
        Wanted rate; with `pressure` also given, the rate until the pressure cap.
    pressure : float, optional [Pa]
        Wanted well pressure, or the cap when `rate` is given.
    radius : float, optional [m]
        Radius of the equivalent spherical tip. The well pressure is then the pressure on that sphere, whatever the grid
        (three-dimensional Peaceman index); without it, it is the mean pressure of the well's cells.
    name : str
    """

    cells: Any
    rate: float | None = None
    pressure: float | None = None
    radius: float | None = None
    name: str = "well"


@dataclass(frozen=True, kw_only=True)
class Outlet:
    """Cells held at a pressure, where fluid leaves (or enters as displaced fluid).

    A cell of several outlets, all of one pressure, counts for the last of them.

    Parameters
    ----------
    cells : (n, 3) int array
    pressure : float or (n,) array [Pa]
        Pressure at the centres of the cells.
    name : str
    """

    cells: Any
    pressure: float | Sequence[float] | Float = 0.0
    name: str = "outlet"


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class FlowProblem:
    """Two incompressible fluids in a porous body: one is injected and displaces the other.

    Parameters
    ----------
    grid : VoxelGrid
    porosity : (…) array
        Pore share open to flow, 0 to 1; cells of zero porosity take no part.
    permeability : (…) or (3, …) array [m²]
        Isotropic or principal permeabilities along the axes; cells of zero permeability take no part.
    injected, displaced : law or float [Pa·s]
        ``law(shear_rate [1/s], time [s]) -> Pa·s``.
    wells : sequence of Well
    outlets : sequence of Outlet
    face_resistance : (3, …) array [1/m], optional
        Thin layers (thickness over permeability) in the face between a cell and its next neighbour along the axis.
    residual_displaced : float
        Share of the pores the injected fluid cannot take, 0 to < 1.
    relative_permeability : {"piston", "linear", "corey2", "corey3"}
        Piston: a sharp front inside the cell, resistances in series. Others: powers of the saturation.
    mode : {"two-phase", "cement-only"}
        Whole grid, or only the filled region with the displaced fluid at `displaced_pressure`.
    displaced_pressure : float [Pa]
        Pressure of the displaced fluid at the front in mode ``"cement-only"``.
    shear_factor : float
        C in the Darcy shear rate ``C √(u·K⁻¹u / φ)``.
    vessels : VesselNetwork, optional
        Thin ducts and slits beside the voxels. In mode ``"cement-only"`` what is in them does not resist either.

    Raises
    ------
    CaseError, GeometryError
        For impossible values, each named with its place and the cure.

    Examples
    --------
    >>> grid = VoxelGrid(shape=(5, 5, 5), spacing=(1e-3,) * 3)
    >>> FlowProblem(grid=grid, porosity=0.9, permeability=1e-8, injected=100.0, displaced=0.05,
    ...             wells=[Well(cells=[(2, 2, 2)], rate=5e-8)], outlets=[Outlet(cells=[(0, 0, 0)])])
    FlowProblem: 5 x 5 x 5 cells of 1 x 1 x 1 mm, 125 open, pore volume 0.1125 ml
      permeability 1e-08 to 1e-08 m², two-phase, piston
      well 'well': 1 cell, 5e-08 m³/s
      outlet 'outlet': 1 cell at 0 Pa
    """

    grid: VoxelGrid
    porosity: Any
    permeability: Any
    injected: ViscosityLaw | float
    displaced: ViscosityLaw | float
    wells: Sequence[Well] = ()
    outlets: Sequence[Outlet] = ()
    face_resistance: Any = None
    residual_displaced: float = 0.0
    relative_permeability: str = "piston"
    mode: Mode = "two-phase"
    displaced_pressure: float = 0.0
    shear_factor: float = field(default=SHEAR_FACTOR)
    vessels: VesselNetwork | None = None

    def __post_init__(self) -> None:
        put = lambda name, value: object.__setattr__(self, name, value)  # noqa: E731
        if not isinstance(self.grid, VoxelGrid):
            raise CaseError("grid", where="grid", value=self.grid, allowed="a VoxelGrid")
        shape = self.grid.shape
        put("porosity", _array(self.porosity, shape, "porosity", 1.0, "0 to 1"))
        put("permeability", _array(self.permeability, (3, *shape), "permeability", DENSEST, f"0 to {DENSEST:g} m²"))
        if self.face_resistance is not None:
            put("face_resistance", _array(self.face_resistance, (3, *shape), "face_resistance", math.inf, ">= 0 1/m"))
        for name in ("injected", "displaced"):
            put(name, checked_law(getattr(self, name), name))
        put("wells", tuple(_check_well(w, shape) for w in _records(self.wells, Well, "wells")))
        put("outlets", tuple(_check_outlet(o, shape) for o in _records(self.outlets, Outlet, "outlets")))
        _check_choices(self)
        _check_overlaps(self)
        check_mouths(self.vessels, self.grid.shape, self.outlets)

    @property
    def pore_volume(self) -> Float:
        """Movable pore volume of every cell [m³]."""
        out: Float = self.porosity * ((1.0 - self.residual_displaced) * self.grid.voxel_volume)
        return out

    @property
    def open_cells(self) -> NDArray[np.bool_]:
        """Cells with pores and some permeability."""
        out: NDArray[np.bool_] = (self.porosity > 0) & np.any(self.permeability > 0, axis=0)
        return out

    def law(self, fluid: Literal["injected", "displaced"]) -> ViscosityLaw:
        """Viscosity law of a fluid."""
        law = self.injected if fluid == "injected" else self.displaced
        return law if callable(law) else newtonian(law)

    def initial_state(self) -> FlowState:
        """State at time 0, filled with the displaced fluid."""
        state = FlowState.empty(self.grid.shape, [w.name for w in self.wells], [o.name for o in self.outlets])
        state.vessels = self.vessels.empty() if self.vessels is not None else None
        return state

    def check_state(self, state: FlowState) -> None:
        """Raise `GeometryError` or `CaseError` unless a state fits this problem and its saturation is 0 to 1."""
        for name in ("pressure", "saturation", "injection_time"):
            self.grid.check(getattr(state, name), f"state.{name}")
        _in_range(state.saturation, "state.saturation", 1.0, "0 to 1", None)
        if set(state.injected) != {w.name for w in self.wells} or set(state.outflow) != {o.name for o in self.outlets}:
            names = [*state.injected, *state.outflow]
            raise CaseError(
                "a state of another problem", where="state", value=names, hint="use problem.initial_state()"
            )
        if (state.vessels is None) != (self.vessels is None) or (
            self.vessels is not None and state.vessels is not None and not self.vessels.fits(state.vessels)
        ):
            hint = "use problem.initial_state()"
            raise CaseError("vessels of another problem", where="state.vessels", value=state.vessels, hint=hint)

    def with_well(self, name: str, **changes: Any) -> FlowProblem:
        """Return a problem in which one well has changed.

        Raises
        ------
        CaseError
            If there is no such well, or for an impossible change.
        """
        if name not in [w.name for w in self.wells]:
            allowed = ", ".join(w.name for w in self.wells) or "none"
            raise CaseError("no such well", where="name", value=name, allowed=allowed)
        wells = tuple(replace(w, **changes) if w.name == name else w for w in self.wells)
        return replace(self, wells=wells)

    def __repr__(self) -> str:
        mm = " x ".join(f"{h * 1e3:g}" for h in self.grid.spacing)
        open_cells = self.open_cells
        k = self.permeability[:, open_cells]
        span = f"{k.min():.3g} to {k.max():.3g} m²" if k.size else "none"
        lines = [
            f"FlowProblem: {' x '.join(map(str, self.grid.shape))} cells of {mm} mm, {int(open_cells.sum())} open, "
            f"pore volume {self.pore_volume[open_cells].sum() * 1e6:.4g} ml",
            f"  permeability {span}, {self.mode}, {self.relative_permeability}",
        ]
        lines += [f"  well {w.name!r}: {_cells(w.cells, open_cells)}, {_control(w)}" for w in self.wells]
        if self.vessels is not None:
            lines.append(f"  {self.vessels!r}")
        lines += [f"  outlet {o.name!r}: {_cells(o.cells, open_cells)} at {_span(o.pressure)} Pa" for o in self.outlets]
        return "\n".join(lines)


def _cells(cells: NDArray[np.int64], open_cells: NDArray[np.bool_]) -> str:
    closed = int((~open_cells[tuple(cells.T)]).sum())
    return f"{len(cells)} cell{'s' if len(cells) != 1 else ''}" + (f" ({closed} closed)" if closed else "")


def _span(values: Any) -> str:
    low, high = float(np.min(values)), float(np.max(values))
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _control(well: Well) -> str:
    parts = [] if well.rate is None else [f"{well.rate:g} m³/s"]
    if well.pressure is not None:
        parts.append(f"{'at most' if parts else 'at'} {well.pressure:g} Pa")
    return ", ".join(parts) or "closed"


def _array(values: Any, shape: tuple[int, ...], name: str, high: float, allowed: str) -> Float:
    try:
        array = np.asarray(values, float)
    except (TypeError, ValueError):
        raise CaseError(f"{name} is no array of numbers", where=name, value=values, allowed=allowed) from None
    if array.ndim == 0 or (name == "permeability" and array.shape == shape[1:]):
        array = np.broadcast_to(array, shape)
    if array.shape != shape:
        raise GeometryError("an array does not fit its grid", where=name, value=array.shape, allowed=str(shape))
    _in_range(array, name, high, allowed, "SI units; set cells that take no part to 0")
    # a view that cannot be written to: the problem is frozen, the caller's array stays theirs
    out = np.ascontiguousarray(array).view()
    out.flags.writeable = False
    return out


def _in_range(array: Float, name: str, high: float, allowed: str, hint: str | None) -> None:
    bad = ~((array >= 0.0) & (array <= high))
    if bad.any():
        place = tuple(int(i) for i in np.argwhere(bad)[0])
        raise CaseError(
            f"{name} holds impossible values ({int(bad.sum())} of {bad.size})",
            where=f"{name}{list(place)}",
            value=float(array[place]),
            allowed=allowed,
            hint=hint,
        )


def _records(values: Any, kind: type, where: str) -> Sequence[Any]:
    if not isinstance(values, Sequence) or not all(isinstance(v, kind) for v in values):
        raise CaseError(where, where=where, value=values, allowed=f"a list of {kind.__name__}")
    names = [v.name for v in values]
    if len(set(names)) != len(names):
        raise CaseError("names must differ", where=where, value=names, hint="give each its own name=")
    return values


def _check_cells(cells: Any, shape: tuple[int, ...], where: str) -> NDArray[np.int64]:
    allowed = "at least one (i, j, k), integers"
    try:
        array = np.asarray(cells)
    except ValueError:
        raise GeometryError("cells", where=where, value=cells, allowed=allowed) from None
    if array.size == 0 or array.ndim != 2 or array.shape[1] != 3 or not np.issubdtype(array.dtype, np.integer):
        hint = "np.argwhere(mask) turns a mask into cells" if array.dtype == bool else None
        raise GeometryError("cells", where=where, value=cells, allowed=allowed, hint=hint)
    if np.any(array < 0) or np.any(array >= shape):
        worst = array[np.any((array < 0) | (array >= shape), axis=1)][0]
        raise GeometryError("a cell lies outside the grid", where=where, value=worst.tolist(), allowed=f"< {shape}")
    return np.unique(array.astype(np.int64), axis=0)


def _finite(value: Any) -> bool:
    return isinstance(value, Real) and math.isfinite(value)


def check_control(rate: float | None, pressure: float | None, radius: float | None, where: str) -> None:
    """Raise `CaseError` unless rate, pressure and radius of a well are possible."""
    for name, value in (("rate", rate), ("pressure", pressure)):
        if value is not None and not _finite(value):
            raise CaseError(f"well {name}", where=f"{where}.{name}", value=value, allowed="a finite number")
    if rate is not None and rate < 0:
        raise CaseError("well rate", where=f"{where}.rate", value=rate, allowed=">= 0 m³/s")
    if radius is not None and not (_finite(radius) and radius > 0):
        raise CaseError("well radius", where=f"{where}.radius", value=radius, allowed="> 0 m")


def check_meeting(well: Well, outlets: Sequence[Outlet]) -> None:
    """Raise `CaseError` if a well held at a pressure lies in one outlet altogether: any rate would do, or none."""
    if well.rate is not None or well.pressure is None:
        return
    if any(bool(np.all((well.cells[:, None] == o.cells[None]).all(axis=2).any(axis=1))) for o in outlets):
        where, hint = f"wells[{well.name}]", "give it a rate, or move one of the two"
        raise CaseError(
            "two pressures for the same cells: well and outlet", where=where, value=well.pressure, hint=hint
        )


def check_mouths(vessels: Any, shape: tuple[int, ...], outlets: Sequence[Outlet]) -> None:
    """Raise `CaseError` or `GeometryError` unless a network's mouths lie in the grid, and not in outlets."""
    if vessels is None:
        return
    if not isinstance(vessels, VesselNetwork):
        raise CaseError("vessels", where="vessels", value=vessels, allowed="a VesselNetwork")
    cells, where = vessels.coupling_cell, "vessels.coupling_cell"
    if len(cells) == 0:
        return
    _check_cells(cells, shape, where)
    for outlet in outlets:
        held = (cells[:, None] == outlet.cells[None]).all(axis=2).any(axis=1)
        if held.any():
            hint = f"outlet {outlet.name!r} holds it: end the vessel in an outlet of its own"
            raise CaseError(
                "a vessel's mouth in an outlet's cell", where=where, value=cells[held][0].tolist(), hint=hint
            )


def _check_well(well: Well, shape: tuple[int, ...]) -> Well:
    where = f"wells[{well.name}]"
    check_control(well.rate, well.pressure, well.radius, where)
    return replace(well, cells=_check_cells(well.cells, shape, f"{where}.cells"))


def _check_outlet(outlet: Outlet, shape: tuple[int, ...]) -> Outlet:
    where = f"outlets[{outlet.name}]"
    cells = _check_cells(outlet.cells, shape, f"{where}.cells")
    raw = np.asarray(outlet.cells)
    try:
        pressure = np.asarray(outlet.pressure, float)
    except (TypeError, ValueError):
        pressure = np.array(math.nan)
    if not np.all(np.isfinite(pressure)) or pressure.shape not in ((), (len(raw),)):
        raise CaseError("outlet pressure", where=f"{where}.pressure", value=outlet.pressure, allowed="finite, one or n")
    if pressure.ndim == 0:
        return replace(outlet, cells=cells, pressure=float(pressure))
    _, first, back = np.unique(raw, axis=0, return_index=True, return_inverse=True)
    if np.any(pressure[first][back.ravel()] != pressure):
        raise CaseError("a cell is listed twice, with two pressures", where=f"{where}.cells", hint="list it once")
    return replace(outlet, cells=cells, pressure=pressure[first])


def _check_overlaps(problem: FlowProblem) -> None:
    held = np.full(problem.grid.shape, math.nan)
    for outlet in problem.outlets:
        place = tuple(outlet.cells.T)
        contrary = ~np.isnan(held[place]) & (held[place] != outlet.pressure)
        if contrary.any():
            cell, where = outlet.cells[int(contrary.argmax())].tolist(), f"outlets[{outlet.name}].cells"
            hint = "give each cell to one outlet, or both the same pressure"
            raise CaseError("another outlet holds this cell at another pressure", where=where, value=cell, hint=hint)
        held[place] = outlet.pressure
    for well in problem.wells:
        check_meeting(well, problem.outlets)


def _check_choices(problem: FlowProblem) -> None:
    if problem.relative_permeability not in RELATIVE_PERMEABILITY:
        name, allowed = problem.relative_permeability, ", ".join(RELATIVE_PERMEABILITY)
        raise CaseError("relative permeability", where="relative_permeability", value=name, allowed=allowed)
    if problem.mode not in ("two-phase", "cement-only"):
        raise CaseError("mode", where="mode", value=problem.mode, allowed="two-phase, cement-only")
    if problem.mode == "cement-only" and problem.relative_permeability != "piston":
        name = problem.relative_permeability
        raise CaseError("cement-only mode is a piston", where="relative_permeability", value=name, allowed="piston")
    if not (_finite(problem.residual_displaced) and 0 <= problem.residual_displaced < 1):
        value = problem.residual_displaced
        raise CaseError("residual displaced fluid", where="residual_displaced", value=value, allowed="0 to < 1")
    if not (_finite(problem.shear_factor) and problem.shear_factor > 0):
        raise CaseError("shear factor", where="shear_factor", value=problem.shear_factor, allowed="> 0")
    if not _finite(problem.displaced_pressure):
        value = problem.displaced_pressure
        raise CaseError("displaced pressure", where="displaced_pressure", value=value, allowed="a finite number [Pa]")
