"""A vein network while it is being drawn: polylines with radii become nodes and segments."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vertebro.anatomy.network import VeinNetwork

Float = NDArray[np.float64]
FINE, COARSE = 1.5e-3, 3e-3  # m, segments within and outside bone


class Sketch:
    """Collects veins; `finish` makes the network."""

    def __init__(self) -> None:
        self._nodes: list[Float] = []
        self._blood: list[float] = []
        self._segments: list[tuple[int, int]] = []
        self._radius: list[float] = []
        self._length: list[float] = []
        self._vein: list[int] = []
        self._inside: list[bool] = []
        self._names: list[str] = []
        self._routes: list[str] = []
        self._outlets: list[tuple[int, str]] = []

    def node(self, point: ArrayLike) -> int:
        """A new node [m]; returns its number."""
        self._nodes.append(np.asarray(point, float))
        self._blood.append(0.0)
        return len(self._nodes) - 1

    def place(self, node: int) -> Float:
        """Where a node lies [m]."""
        return self._nodes[node]

    def vein(
        self,
        name: str,
        route: str,
        points: ArrayLike,
        radius: ArrayLike,
        *,
        start: int | None = None,
        end: int | None = None,
        inside: bool = False,
        lumped: float | None = None,
    ) -> list[int]:
        """Draw a vein along a polyline from its source to where it drains; returns its nodes in order.

        Parameters
        ----------
        name, route : str
        points : (k, 3) array [m]
            Replaced at the ends by the given nodes.
        radius : float or (k,) array [m]
        start, end : int, optional
            Existing nodes that the vein begins and ends at.
        inside : bool
            Within bone.
        lumped : float [m], optional
            One segment of this length, wherever its ends lie.
        """
        points = np.array(points, float)
        for where, node in ((0, start), (-1, end)):
            if node is not None:
                points[where] = self.place(node)
        radii = np.broadcast_to(np.asarray(radius, float), (len(points),))
        if lumped is None:
            points, radii = resample(points, radii, FINE if inside else COARSE)
        nodes = [self.node(p) for p in points[1:-1]]
        first = self.node(points[0]) if start is None else start
        last = self.node(points[-1]) if end is None else end
        nodes = [first, *nodes, last]
        self._names.append(name)
        self._routes.append(route)
        for here, there, a, b in zip(nodes, nodes[1:], radii, radii[1:], strict=False):
            apart = float(np.linalg.norm(self.place(there) - self.place(here)))
            self._add(here, there, float(2.0 / (a**-4 + b**-4)) ** 0.25, lumped or max(apart, 1e-5), inside)
        return nodes

    def split(self, nodes: list[int], point: ArrayLike) -> int:
        """The node of a list that lies nearest to a point [m]: where another vein joins."""
        apart = [float(np.linalg.norm(self.place(n) - np.asarray(point, float))) for n in nodes]
        return nodes[int(np.argmin(apart))]

    def outlet(self, node: int, name: str) -> None:
        """Mark a node as an outlet."""
        self._outlets.append((node, name))

    def feed(self, node: int, flow: float) -> None:
        """Let blood [m³/s] enter at a node."""
        self._blood[node] += flow

    def finish(self, pressure: float) -> VeinNetwork:
        """The network, with one venous pressure [Pa] at all outlets."""
        return VeinNetwork(
            nodes=np.array(self._nodes).reshape(-1, 3),
            segments=np.array(self._segments, np.int64).reshape(-1, 2),
            radius=np.array(self._radius),
            length=np.array(self._length),
            vein=np.array(self._vein, np.int64),
            names=tuple(self._names),
            routes=tuple(self._routes),
            inside=np.array(self._inside, bool),
            outlet_node=np.array([n for n, _ in self._outlets], np.int64),
            outlet_pressure=np.full(len(self._outlets), float(pressure)),
            outlet_names=tuple(name for _, name in self._outlets),
            blood=np.array(self._blood),
        )

    def _add(self, here: int, there: int, radius: float, length: float, inside: bool) -> None:
        self._segments.append((here, there))
        self._radius.append(radius)
        self._length.append(length)
        self._vein.append(len(self._names) - 1)
        self._inside.append(inside)


def resample(points: Float, radius: Float, step: float) -> tuple[Float, Float]:
    """Points and radii at equal steps of at most `step` [m] along a polyline."""
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    t = np.linspace(0.0, along[-1], max(int(np.ceil(along[-1] / step - 1e-9)) + 1, 2))
    return np.stack([np.interp(t, along, points[:, d]) for d in range(3)], axis=1), np.interp(t, along, radius)
