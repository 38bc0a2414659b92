"""Cement in veins and thin cracks: a network of segments beside the grid, watched like the grid's cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import GeometryError
from vertebro.leakage.routes import EXIT_ROUTES, Place, Route
from vertebro.sources import Constant

Float = NDArray[np.float64]
Index = NDArray[np.int64]
NOBODY = -1
WET_SHARE = Constant(1e-3, "1", 1e-6, 1e-1, "vertebro", "ours", "share of a segment from which its cement is traced")

# where a crack leads → the compartment that cement in it outside bone is counted in
CRACK_COMPARTMENTS = {
    "disc_superior": "disc_superior",
    "disc_inferior": "disc_inferior",
    "canal": "canal",
    "foramen_left": "foramen_left",
    "foramen_right": "foramen_right",
    "tissue": "paravertebral",
}
# route name of a vein or a crack → place and route of cement in it outside bone, before its own way there is known
VEIN_PLACES: dict[str, tuple[Place, Route]] = {
    "basivertebral": (Place.EPIDURAL, Route.BASIVERTEBRAL),
    "epidural": (Place.EPIDURAL, Route.BASIVERTEBRAL),
    "intervertebral": (Place.FORAMEN_LEFT, Route.BASIVERTEBRAL),
    "segmental": (Place.PARAVERTEBRAL, Route.SEGMENTAL),
    "ascending": (Place.PARAVERTEBRAL, Route.SEGMENTAL),
    "outlet": (Place.BEYOND, Route.SEGMENTAL),
} | {route: EXIT_ROUTES[route] for route in CRACK_COMPARTMENTS}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class VeinCourse:
    """Veins as the monitor sees them.

    Parameters
    ----------
    segments : (m, 2) int array
        Node numbers of the ends.
    middle : (m, 3) float array [m]
    volume : (m,) float array [m³]
        Lumen.
    inside : (m,) bool array
        Within bone: cement in it is no leak.
    routes : (m,) sequence of str
        Keys of `VEIN_PLACES`.
    names : (m,) sequence of str
        Of the vein that each segment belongs to.

    Raises
    ------
    GeometryError
        If the arrays differ in length, or a route is unknown.
    """

    segments: Index
    middle: Float
    volume: Float
    inside: NDArray[np.bool_]
    routes: tuple[str, ...]
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        sizes = {len(x) for x in (self.segments, self.middle, self.volume, self.inside, self.routes, self.names)}
        if len(sizes) != 1:
            raise GeometryError("arrays of veins differ in length", where="veins", value=sorted(sizes))
        if unknown := sorted(set(self.routes) - set(VEIN_PLACES)):
            raise GeometryError("unknown route of a vein", where="veins", value=unknown, allowed=", ".join(VEIN_PLACES))

    @property
    def place(self) -> NDArray[np.uint8]:
        """(m,) `Place` of cement in each segment."""
        out = np.array([VEIN_PLACES[route][0] for route in self.routes], np.uint8).reshape(len(self.routes))
        veins = np.array([route == "intervertebral" for route in self.routes], bool)
        right = veins & (self.middle[:, 0] > 0.0)
        out[right] = Place.FORAMEN_RIGHT
        out[self.inside] = Place.BONE
        return out

    @property
    def own_route(self) -> NDArray[np.uint8]:
        """(m,) `Route` of cement that reaches a segment from within the bone."""
        return np.array([VEIN_PLACES[route][1] for route in self.routes], np.uint8).reshape(len(self.routes))


class VeinTracer:
    """Feeder and route of every segment that cement reaches.

    A newly wet segment is fed by the fullest wet segment that it meets at a node; it keeps that one's route, so that
    epidural cement fed by a segmental vein stays segmental. The first one outside the bone takes its own vein's.

    Parameters
    ----------
    course : VeinCourse
    """

    def __init__(self, course: VeinCourse) -> None:
        self.course = course
        m = len(course.segments)
        self.place, self._own = course.place, course.own_route
        self.route = np.zeros(m, np.uint8)
        self.feeder = np.full(m, NOBODY, np.int64)
        at: dict[int, list[int]] = {}
        for segment, ends in enumerate(course.segments.tolist()):
            for node in ends:
                at.setdefault(node, []).append(segment)
        self._near = [sorted({n for v in ends for n in at[v]} - {s}) for s, ends in enumerate(course.segments.tolist())]

    def advance(self, content: Float) -> Index:
        """Trace the segments that are wet for the first time, given the cement [m³] in each; returns their numbers."""
        fill = content / self.course.volume
        fresh = np.flatnonzero((fill > WET_SHARE) & (self.route == Route.DRY))
        pending = [int(s) for s in fresh if not self.course.inside[s]]
        self.route[fresh[self.course.inside[fresh]]] = Route.BONE
        while pending:
            fed = [s for s in pending if any(self.route[n] != Route.DRY for n in self._near[s])]
            for segment in fed or pending:  # cement from nowhere in the network: its own vein's route
                self._join(segment, fill)
            pending = [s for s in pending if self.route[s] == Route.DRY]
        return fresh

    def path(self, segment: int) -> Index:
        """Segments from one back along its feeders."""
        steps = [segment]
        while (feeder := int(self.feeder[steps[-1]])) != NOBODY:
            steps.append(feeder)
        return np.asarray(steps, np.int64)

    def _join(self, segment: int, fill: Float) -> None:
        known = [n for n in self._near[segment] if self.route[n] != Route.DRY]
        if not known:
            self.route[segment] = self._own[segment]
            return
        feeder = max(known, key=lambda n: (float(fill[n]), -n))
        self.feeder[segment] = feeder
        self.route[segment] = self._own[segment] if self.course.inside[feeder] else self.route[feeder]


def volumes_by_compartment(course: VeinCourse, content: Float) -> Mapping[str, float]:
    """Cement [m³] in veins and cracks by compartment: ``body``, ``vein_basivertebral``, ``vein_segmental`` …"""
    crack = np.isin(course.routes, list(CRACK_COMPARTMENTS)).reshape(len(course.routes))
    behind = (course.own_route == Route.BASIVERTEBRAL) & ~course.inside & ~crack
    beside = ~behind & ~course.inside & ~crack
    found = {
        "body": float(content[course.inside].sum()),
        "vein_basivertebral": float(content[behind].sum()),
        "vein_segmental": float(content[beside].sum()),
    }
    for route in sorted({course.routes[n] for n in np.flatnonzero(crack & ~course.inside)}):
        held = np.array([r == route for r in course.routes], bool) & ~course.inside
        found[CRACK_COMPARTMENTS[route]] = float(content[held].sum())
    return found
