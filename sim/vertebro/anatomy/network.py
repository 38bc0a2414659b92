"""The veins of a vertebra, and cracks thinner than a voxel, as a network of segments in space.

Marrow drains through radial sinusoids into one or two basivertebral trunks and through the posterior wall into the
plexus in front of the dura; through segmental veins at the waist into a lumbar (thoracic: intercostal) vein on each
side; through the intervertebral foramina into the ascending lumbar veins; and from there to the cava and the azygos.
What lies far off is one duct of its whole length. The void of the basivertebral foramen is no duct: it is porous
space of the voxels (fat among veins), from which its trunk drinks. Cracks are chains of slits (`pathology_slits`)
that need no outlet: they end in the voxels outside the bone. Nothing here depends on a grid.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from vertebro.errors import GeometryError

Float = NDArray[np.float64]
Index = NDArray[np.int64]
VEIN_ROUTES = ("basivertebral", "epidural", "intervertebral", "segmental", "ascending", "outlet")
CRACK_ROUTES = ("disc_superior", "disc_inferior", "canal", "foramen_left", "foramen_right", "tissue")
ROUTES = VEIN_ROUTES + CRACK_ROUTES


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class VeinNetwork:
    """Ducts and slits between nodes.

    Attributes
    ----------
    nodes : (n, 3) float array [m]
        World frame of the anatomy.
    segments : (m, 2) int array
        Node numbers of each duct's ends; blood runs from the first to the second when nothing is injected.
    radius, length : (m,) float arrays [m]
        A duct that stands for a long course elsewhere is longer than its ends are apart; half the width of a slit.
    vein : (m,) int array
        Which of `names` a segment belongs to.
    names : tuple of str
        ``"sinusoid, left 1"``, ``"lumbar vein, right"``, ``"endplate crack"`` …
    routes : tuple of str
        Of each name, one of `ROUTES`; of a crack, where it leads.
    inside : (m,) bool array
        Within bone: takes from the voxels along it, and cement in it is no leak.
    outlet_node : (o,) int array
    outlet_pressure : (o,) float array [Pa]
    outlet_names : tuple of str
        ``"inferior vena cava"``, ``"azygos vein"`` …; what passes them is on its way to the lungs.
    blood : (n,) float array [m³/s]
        Blood that enters at each node at rest.
    breadth : (m, 3) float array [m], optional
        Of slits, from side to side, across their course; 0 for ducts (all of them, if not given).

    Raises
    ------
    GeometryError
        If arrays do not fit each other, a segment has no size, or a duct reaches no outlet.
    """

    nodes: Float
    segments: Index
    radius: Float
    length: Float
    vein: Index
    names: tuple[str, ...]
    routes: tuple[str, ...]
    inside: NDArray[np.bool_]
    outlet_node: Index
    outlet_pressure: Float
    outlet_names: tuple[str, ...]
    blood: Float
    breadth: Float | None = None

    def __post_init__(self) -> None:
        if self.breadth is None:
            object.__setattr__(self, "breadth", np.zeros((len(self.segments), 3)))
        self._check_shapes()
        self._check_values()

    @property
    def span(self) -> Float:
        """(m,) breadth of slits [m]; 0 for ducts."""
        out: Float = np.linalg.norm(self.sides, axis=1)
        return out

    @property
    def sides(self) -> Float:
        """(m, 3) `breadth` [m], 0 if it was not given."""
        return np.zeros((len(self.segments), 3)) if self.breadth is None else self.breadth

    @property
    def slit(self) -> NDArray[np.bool_]:
        """(m,) whether a segment is a slit."""
        return np.asarray(self.span > 0.0)

    @property
    def conductance(self) -> Float:
        """(m,) π a⁴/(8 L), of slits b w³/(12 L) [m³]: flow = conductance / viscosity × pressure drop."""
        duct, slit = np.pi * self.radius**4 / 8.0, self.span * (2.0 * self.radius) ** 3 / 12.0
        return np.asarray(np.where(self.slit, slit, duct) / self.length)

    @property
    def volume(self) -> Float:
        """(m,) lumen [m³]."""
        section = np.where(self.slit, self.span * 2.0 * self.radius, np.pi * self.radius**2)
        return np.asarray(section * self.length)

    @property
    def route(self) -> NDArray[np.str_]:
        """(m,) route of each segment."""
        return np.asarray(self.routes)[self.vein]

    @property
    def middle(self) -> Float:
        """(m, 3) middles of the segments [m]."""
        out: Float = self.nodes[self.segments].mean(axis=1)
        return out

    def drains_to(self) -> Index:
        """(m,) number of the outlet that each segment reaches with least resistance; −1 if none."""
        distance, nearest = self._nearest_outlet()
        a, b = self.segments.T
        near = np.where(distance[a] < distance[b], a, b)
        return np.where(np.isfinite(distance[near]), nearest[near], -1)

    def with_pressure(self, pressure: float) -> VeinNetwork:
        """The same network with another venous pressure [Pa] at its outlets."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return VeinNetwork(**(values | {"outlet_pressure": np.full(len(self.outlet_node), float(pressure))}))

    def table(self) -> list[dict[str, Any]]:
        """One plain line per vein: name, route, length, mean radius, inside bone, outlet; cracks are no veins."""
        outlet = self.drains_to()
        lines = []
        for number, (name, route) in enumerate(zip(self.names, self.routes, strict=True)):
            own = self.vein == number
            if self.slit[own].any():
                continue
            line = {
                "name": name,
                "route": route,
                "length_mm": round(float(self.length[own].sum()) * 1e3, 2),
                "radius_mm": round(float(np.average(self.radius[own], weights=self.length[own])) * 1e3, 3),
                "inside_bone": bool(self.inside[own].all()),
                "outlet": self.outlet_names[outlet[own][-1]],
            }
            lines.append(line)
        return lines

    def _nearest_outlet(self) -> tuple[Float, Index]:
        """Resistance [1/m³] from every node to its nearest outlet, and that outlet's number."""
        if not len(self.outlet_node):
            return np.full(len(self.nodes), np.inf), np.full(len(self.nodes), -1, np.int64)
        a, b = self.segments.T
        size = (len(self.nodes),) * 2
        graph = coo_array((1.0 / self.conductance, (a, b)), size).tocsr()
        distance, _, source = dijkstra(
            graph, directed=False, indices=self.outlet_node, min_only=True, return_predecessors=True
        )
        number = np.full(len(self.nodes) + 1, -1, np.int64)
        number[self.outlet_node] = np.arange(len(self.outlet_node))
        return distance, number[np.where(source >= 0, source, -1)]

    def _check_shapes(self) -> None:
        n, m, o = len(self.nodes), len(self.segments), len(self.outlet_node)
        wanted = {"nodes": (n, 3), "segments": (m, 2), "breadth": (m, 3), "blood": (n,), "outlet_pressure": (o,)}
        wanted |= dict.fromkeys(("radius", "length", "vein", "inside"), (m,))
        for name, shape in wanted.items():
            if getattr(self, name).shape != shape:
                raise GeometryError(
                    "an array does not fit the vein network",
                    where=f"network.{name}",
                    value=getattr(self, name).shape,
                    allowed=str(shape),
                )
        if len(self.outlet_names) != o or len(self.names) != len(self.routes):
            raise GeometryError("names and veins or outlets differ in number", where="network")

    def _check_values(self) -> None:
        n = len(self.nodes)
        for name in ("nodes", "radius", "length", "breadth", "outlet_pressure", "blood"):
            if not np.all(np.isfinite(getattr(self, name))):
                raise GeometryError("a number that is not finite", where=f"network.{name}")
        if unknown := sorted(set(self.routes) - set(ROUTES)):
            raise GeometryError("unknown route", where="network.routes", value=unknown, allowed=", ".join(ROUTES))
        if np.any(self.radius <= 0) or np.any(self.length <= 0):
            raise GeometryError("a segment without size", where="network", allowed="radius and length > 0")
        for name, limit in (("segments", n), ("outlet_node", n), ("vein", len(self.names))):
            values = getattr(self, name)
            if values.size and not (values.min() >= 0 and values.max() < limit):
                raise GeometryError("a number out of range", where=f"network.{name}", allowed=f"0 to {limit - 1}")
        stranded = (self.drains_to() < 0) & ~self.slit
        if np.any(stranded):
            lost = sorted({self.names[v] for v in self.vein[stranded]})
            raise GeometryError("veins that reach no outlet", where="network", value=lost)
