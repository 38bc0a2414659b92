"""Vessels and cracks: a network of thin segments beside the voxels, as bare arrays; what they hold at a moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from vertebro.errors import CaseError, GeometryError

Float = NDArray[np.float64]
Index = NDArray[np.int64]
PARCELS = 24  # per segment; neighbours that are most alike are joined when there are more


@dataclass(frozen=True, kw_only=True, slots=True)
class VesselCare:
    """How closely a pressure field follows what vessels hold; the defaults meet the closed forms within 2 %.

    Attributes
    ----------
    drop_error : float [1]
        Error of a segment's pressure drop, of what drives the network, from which on the field is found again.
    drop_change : float [1]
        Change of a drop while one field serves.
    flow_change : float [1]
        Change of the flows through the mouths, of what flows there, while one field serves, by its last trend.
    arrival : float [1]
        Of what is injected meanwhile: what may pass mouths as if the front were not there yet.
    least, least_to_mouth : float [1]
        Share of the front's usual step that a field serves, whatever fills vessels or comes to a mouth.
    """

    drop_error: float = 0.02
    drop_change: float = 0.15
    flow_change: float = 0.25
    arrival: float = 0.01
    least: float = 0.02
    least_to_mouth: float = 0.1


# half the solves; leaks of 0.1 to 0.3 ml change by 1 to 3 %, one of 0.03 ml on 1.5 mm voxels by a third
QUICK = VesselCare(drop_error=0.1, drop_change=0.4, flow_change=0.5, arrival=0.05, least=0.25, least_to_mouth=0.5)


@dataclass(frozen=True, kw_only=True, eq=False)
class VesselNetwork:
    """Thin segments that join nodes, cells of the grid and outlets; full of a resting fluid at time 0.

    Parameters
    ----------
    segment : (m, 2) int array
        Nodes at both ends.
    conductance : (m,) array [m³]
        Flow is ``conductance / viscosity`` times the difference of pressure: πa⁴/(8L) for a duct, w³b/(12L) for a slit.
    volume, length, radius : (m,) arrays [m³], [m], [m]
        Radius is half the width for slits; it gives the shear rate at the wall.
    coupling_node : (k,) int array
    coupling_cell : (k, 3) int array
    coupling : (k,) array [m³]
        Conductances between nodes and cells, over the viscosity of the fluid that flows.
    outlet_node : (o,) int array
    outlet_pressure : (o,) array [Pa]
    outlet_name : (o,) sequence of str
        Outlets of one name share a ledger.
    blood : (n,) array [m³/s], optional
        Resting fluid that enters at each node. Without it there are as many nodes as the arrays name.
    viscosity : float or (m,) array [Pa·s]
        Of the resting fluid, of each segment if they differ: blood in veins, clot in cracks.

    Raises
    ------
    CaseError, GeometryError
        For impossible values, each named with its place and the cure.

    Examples
    --------
    >>> one = VesselNetwork(segment=[(0, 1)], conductance=[1.3e-11], volume=[9.4e-8], length=[0.03], radius=[1e-3],
    ...                     coupling_node=[0], coupling_cell=[(2, 2, 2)], coupling=[6e-11], outlet_node=[1],
    ...                     outlet_pressure=[700.0], outlet_name=["cava"])
    >>> one.nodes
    2
    """

    segment: Any
    conductance: Any
    volume: Any
    length: Any
    radius: Any
    coupling_node: Any = ()
    coupling_cell: Any = ()
    coupling: Any = ()
    outlet_node: Any = ()
    outlet_pressure: Any = ()
    outlet_name: Sequence[str] = ()
    blood: Any = None
    viscosity: Any = 4e-3

    def __post_init__(self) -> None:
        put = lambda name, value: object.__setattr__(self, name, value)  # noqa: E731
        put("segment", _ints(self.segment, "segment", 2))
        for name, unit in (("conductance", "m³"), ("volume", "m³"), ("length", "m"), ("radius", "m")):
            put(name, _numbers(getattr(self, name), len(self.segment), name, f"> 0 {unit}", 0.0))
        put("coupling_node", _ints(self.coupling_node, "coupling_node"))
        put("coupling_cell", _ints(self.coupling_cell, "coupling_cell", 3))
        put("coupling", _numbers(self.coupling, len(self.coupling_node), "coupling", "> 0 m³", 0.0))
        put("outlet_node", _ints(self.outlet_node, "outlet_node"))
        allowed = "finite, in Pa"
        put("outlet_pressure", _numbers(self.outlet_pressure, len(self.outlet_node), "outlet_pressure", allowed, None))
        put("outlet_name", tuple(self.outlet_name))
        ends = [self.segment.ravel(), self.coupling_node, self.outlet_node]
        named = 1 + max((int(part.max()) for part in ends if part.size), default=-1)
        blood = np.zeros(named) if self.blood is None else self.blood
        put("blood", _numbers(blood, max(named, np.size(blood)), "blood", ">= 0 m³/s, finite", -1e-300))
        put("viscosity", _numbers(np.broadcast_to(self.viscosity, len(self.segment)), len(self.segment), "viscosity",
                                  "> 0 Pa·s, finite", 0.0))  # fmt: skip
        _check_network(self)

    @property
    def nodes(self) -> int:
        """Number of nodes."""
        return len(self.blood)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the outlets, each once."""
        return tuple(dict.fromkeys(self.outlet_name))

    @property
    def component(self) -> Index:
        """(n,) number of the connected part of the network that each node belongs to."""
        ones = np.ones(len(self.segment), np.int8)
        graph = coo_array((ones, (self.segment[:, 0], self.segment[:, 1])), shape=(self.nodes, self.nodes))
        return connected_components(graph, directed=False)[1].astype(np.int64)

    def __repr__(self) -> str:
        sizes = f"{len(self.segment)} segments, {len(self.coupling)} couplings, {len(self.outlet_node)} outlets"
        return f"VesselNetwork: {self.nodes} nodes, {sizes}, {self.volume.sum() * 1e6:.4g} ml"

    def fits(self, state: VesselState) -> bool:
        """Whether a state is one of this network."""
        sizes = (len(self.segment), len(self.coupling), self.nodes)
        return (len(state.volume), len(state.waiting), len(state.leaving)) == sizes and set(state.outflow) == set(
            self.names
        )

    def empty(self) -> VesselState:
        """State at time 0: nothing but the resting fluid."""
        m, k, n = len(self.segment), len(self.coupling), self.nodes
        volume = np.zeros((m, PARCELS))
        volume[:, 0] = self.volume
        return VesselState(
            count=np.ones(m, np.int64),
            volume=volume,
            injected=np.zeros((m, PARCELS)),
            birth=np.zeros((m, PARCELS)),
            waiting=np.zeros(k),
            waiting_birth=np.zeros(k),
            leaving=np.zeros(n),
            leaving_birth=np.zeros(n),
            pressure=np.zeros(n),
            flow=np.zeros(m),
            drawn=np.zeros(k),
            outflow=dict.fromkeys(self.names, 0.0),
            outflow_displaced=dict.fromkeys(self.names, 0.0),
        )


@dataclass(kw_only=True)
class VesselState:
    """What a network holds: queues of parcels along the segments, and the ledger of its outlets.

    Attributes
    ----------
    count : (m,) int array
        Parcels of each segment, the first at its node 0.
    volume, injected, birth : (m, parcels) arrays [m³], [m³], [s]
        Of each parcel: volume, injected part of it, time at which that was injected.
    waiting, waiting_birth : (k,) arrays [m³], [s]
        Injected fluid on its way from a node back into a cell.
    leaving, leaving_birth : (n,) arrays
        Injected share of what last left each node, and its injection time [s].
    pressure : (n,) array [Pa]
        Of the nodes.
    flow : (m,) array [m³/s]
        From node 0 to node 1 of each segment.
    drawn : (k,) array [m³/s]
        From cells to nodes.
    outflow, outflow_displaced : dict of float [m³]
        Injected and other fluid that left through each outlet.
    ahead : float [s]
        Half the step for which the present pressures were found.
    """

    count: Index
    volume: Float
    injected: Float
    birth: Float
    waiting: Float
    waiting_birth: Float
    leaving: Float
    leaving_birth: Float
    pressure: Float
    flow: Float
    drawn: Float
    outflow: dict[str, float] = field(default_factory=dict)
    outflow_displaced: dict[str, float] = field(default_factory=dict)
    ahead: float = 0.0

    @property
    def content(self) -> Float:
        """(m,) volume of injected fluid in each segment [m³]."""
        out: Float = self.injected.sum(axis=1)
        return out

    @property
    def held(self) -> float:
        """Volume of injected fluid in the network [m³], that on its way back to cells included."""
        return float(self.content.sum() + self.waiting.sum())

    def same(self, other: VesselState) -> bool:
        """Whether all contents are equal to the last bit."""
        names = ("count", "volume", "injected", "birth", "waiting")
        return all(np.array_equal(getattr(self, name), getattr(other, name)) for name in names)


def _ints(values: Any, where: str, columns: int = 0) -> Index:
    array = np.asarray(values)
    if array.size == 0:
        array = np.zeros((0, columns) if columns else 0, np.int64)
    whole = np.issubdtype(array.dtype, np.integer)
    if not whole or array.ndim != (2 if columns else 1) or (columns and array.shape[1] != columns):
        allowed = f"(any, {columns}) integers" if columns else "a row of integers"
        raise GeometryError("indices", where=f"vessels.{where}", value=values, allowed=allowed)
    if array.size and array.min() < 0:
        raise GeometryError("an index", where=f"vessels.{where}", value=int(array.min()), allowed=">= 0")
    return _frozen(array.astype(np.int64))


def _numbers(values: Any, size: int, name: str, allowed: str, above: float | None) -> Float:
    where = f"vessels.{name}"
    try:
        array = np.asarray(values, float)
    except (TypeError, ValueError):
        raise CaseError(f"{name} is no row of numbers", where=where, value=values, allowed=allowed) from None
    if array.shape != (size,) and not (size == 0 and array.size == 0):
        raise GeometryError("an array of the wrong length", where=where, value=array.shape, allowed=f"({size},)")
    bad = ~np.isfinite(array) | (array <= (-np.inf if above is None else above))
    if bad.any():
        n = int(bad.argmax())
        raise CaseError(name, where=f"{where}[{n}]", value=float(array[n]), allowed=allowed)
    return _frozen(array.reshape(size))


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    out = np.ascontiguousarray(array).view()
    out.flags.writeable = False
    return out


def _check_network(net: VesselNetwork) -> None:
    if len(net.coupling_cell) != len(net.coupling_node):
        sizes = (len(net.coupling_node), len(net.coupling_cell))
        raise GeometryError(
            "a coupling is a node, a cell and a conductance", where="vessels.coupling_cell", value=sizes
        )
    if len(net.outlet_name) != len(net.outlet_node) or not all(isinstance(n, str) for n in net.outlet_name):
        raise CaseError(
            "a name for every outlet", where="vessels.outlet_name", value=net.outlet_name, allowed="o strings"
        )
    if len(np.unique(net.outlet_node)) < len(net.outlet_node):
        nodes = net.outlet_node.tolist()
        raise CaseError("two outlets at one node", where="vessels.outlet_node", value=nodes, hint="add a node")
    if np.any(net.segment[:, 0] == net.segment[:, 1]):
        n = int((net.segment[:, 0] == net.segment[:, 1]).argmax())
        raise GeometryError(
            "a segment ends where it begins", where=f"vessels.segment[{n}]", value=net.segment[n].tolist()
        )
    fed, part = np.flatnonzero(net.blood > 0), net.component
    lost = fed[~np.isin(part[fed], part[net.outlet_node])]
    if lost.size:
        hint = "give each part of the network that blood enters an outlet"
        raise CaseError("blood with no way out", where="vessels.blood", value=int(lost[0]), allowed="nodes", hint=hint)
