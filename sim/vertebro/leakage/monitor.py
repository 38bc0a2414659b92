"""The watch on all compartments: volumes that add up, and an event for each leak with kind, place, time and volume."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vertebro.errors import CaseError, GeometryError, SolverError
from vertebro.grid import VoxelGrid
from vertebro.leakage.bone_surface import bone_side, places
from vertebro.leakage.events import LeakEvent, LeakSettings
from vertebro.leakage.frame import BodyFrame, place_in_words
from vertebro.leakage.routes import EXIT_ROUTES, Place, Route, kind_of
from vertebro.leakage.tracing import Tracer
from vertebro.leakage.veins import VeinCourse, VeinTracer, volumes_by_compartment
from vertebro.tissue import Compartment

Float = NDArray[np.float64]
_UNSIDED = 2
TRACE = 0.01  # of the threshold of emboli
NEAR = 5e-3  # m, how far from a crack's segment the voxel lies that it fed


class LeakMonitor:
    """Watches the cement: call `update` after every step.

    Parameters
    ----------
    grid : VoxelGrid
    compartment : (…) integer array of `Compartment`
    frame : BodyFrame
    exit_routes : mapping
        Exit name → route, one of `EXIT_ROUTES`.
    vein : (…) bool array, optional
        Vein cells inside the bone; cement that leaves the bone from one of them took the vein.
    conductance : (3, …) float array, optional
        How easily cement crosses the face between a cell and its next neighbour (see `face_conductance`).
    exit_positions : mapping, optional
        Exit name → (3,) point [m], for the position of cement that left there.
    veins : VeinCourse, optional
        Veins beside the grid.
    settings : LeakSettings

    Raises
    ------
    GeometryError
        If an array does not fit the grid.
    CaseError
        If an exit's route is unknown.
    """

    def __init__(
        self,
        *,
        grid: VoxelGrid,
        compartment: NDArray[np.integer[Any]],
        frame: BodyFrame,
        exit_routes: Mapping[str, str],
        vein: NDArray[np.bool_] | None = None,
        conductance: Float | None = None,
        exit_positions: Mapping[str, ArrayLike] | None = None,
        veins: VeinCourse | None = None,
        settings: LeakSettings | None = None,
    ) -> None:
        grid.check(compartment, "compartment")
        for name, array in (("vein", vein), ("conductance", conductance)):
            if array is not None:
                grid.check(array, name)
        self._grid, self._frame, self._settings = grid, frame, settings or LeakSettings()
        self._exits = {name: _exit_place(name, route) for name, route in exit_routes.items()}
        # veins carry traces of cement far ahead of it: they are no beginning
        self._least = 0.0 if veins is None else TRACE * self._settings.embolus_threshold
        self._exit_positions = {name: np.asarray(p, float) for name, p in (exit_positions or {}).items()}
        self._compartment = np.ascontiguousarray(compartment, np.uint8)
        in_bone = bone_side(grid, self._compartment, track_depth=self._settings.track_depth)
        self._place = places(self._compartment, in_bone).ravel()
        in_vein = np.zeros(grid.shape, bool) if vein is None else np.asarray(vein, bool)
        self._tracer = Tracer(
            grid,
            self._compartment,
            in_bone=in_bone,
            vein=in_vein,
            conductance=conductance,
            threshold=self._settings.wet_fraction * grid.voxel_volume,
        )
        self._key = np.zeros(grid.size, np.int64)
        self._veins = None if veins is None else VeinTracer(veins)
        self._vein_key = np.zeros(0 if veins is None else len(veins.segments), np.int64)
        self._vein_content = np.zeros(len(self._vein_key))
        # key -> (time, first cell; -1: beyond; -2 - number: a vein's segment)
        self._onset: dict[int, tuple[float, int]] = {}
        self._detected: dict[int, float] = {}
        self._leaked: dict[int, float] = {}
        self._volumes = dict.fromkeys((c.name.lower() for c in Compartment), 0.0)
        self._outflow = dict.fromkeys(self._exits, 0.0)
        self._outside = 0.0
        self._time = -math.inf

    def rewire(self, conductance: Float) -> None:
        """From now on cement crosses faces as easily as this, (3, …) [m]: something has opened or closed."""
        self._grid.check(conductance, "conductance")
        self._tracer.rewire(conductance)

    def update(
        self,
        time: float,
        cement_volume: Float,
        outflow: Mapping[str, float] | None = None,
        *,
        pressure: Float | None = None,
        veins: Float | None = None,
    ) -> list[LeakEvent]:
        """Book the cement of this moment and return the leaks that crossed their threshold since the last one.

        Parameters
        ----------
        time : float [s]
        cement_volume : (…) float array [m³]
            Cement in every cell.
        outflow : mapping, optional
            Exit name → cement that has left there so far [m³].
        pressure : (…) float array, optional [Pa]
            Sharpens the back-tracing where the monitor knows the `conductance`.
        veins : (m,) float array, optional [m³]
            Cement in every segment of the veins.

        Raises
        ------
        GeometryError
            If an array does not fit the grid.
        SolverError
            If a volume is not finite or clearly negative, or time runs backwards.
        CaseError
            If an exit is unknown.
        """
        self._check_fit(time, cement_volume, outflow or {}, pressure)
        self._check_veins(time, veins)
        amount = np.ascontiguousarray(cement_volume, float).ravel()
        cells = np.flatnonzero(amount)  # all that follows looks at these few only
        self._check_volumes(time, amount[cells])
        self._time = time
        flat_pressure = None if pressure is None else np.asarray(pressure, float).ravel()
        fresh = self._tracer.advance(amount, cells, flat_pressure)
        self._mark(fresh, amount, time)
        self._mark_veins(time)
        self._book(amount, cells, outflow or {}, time)
        return self._new_events(time)

    def leaks(self) -> tuple[LeakEvent, ...]:
        """All leaks so far, in order of detection, with their present volume."""
        order = sorted(self._detected, key=lambda key: (self._detected[key], self._onset[key][0], key))
        return tuple(self._event(key) for key in order)

    def compartment_volumes(self) -> dict[str, float]:
        """Cement [m³] in every compartment, and ``"outside: <exit>"`` for what left; sums to all injected."""
        return self._volumes | {f"outside: {name}": volume for name, volume in self._outflow.items()}

    def total(self) -> float:
        """All cement booked [m³]: compartments and outflow."""
        return math.fsum(self.compartment_volumes().values())

    @property
    def leaked_volume(self) -> float:
        """All cement outside the bone [m³], events or not; the needle's channel within bone is inside."""
        return self._outside + math.fsum(self._outflow.values())

    @property
    def embolic_volume(self) -> float:
        """Cement [m³] on its way to the cava: what left the region through veins, and what fills those leading away."""
        gone = [v for name, v in self._outflow.items() if self._exits[name][0] == Place.BEYOND]
        if self._veins is not None:
            gone.append(float(self._vein_content[self._veins.place == Place.BEYOND].sum()))
        return math.fsum(gone)

    def path(self, event: LeakEvent) -> Float:
        """(n, 3) points [m] from the leak's first cell back along its feeders to where the cement came in."""
        return self._path(self._onset[event.key][1])

    def _path(self, cell: int) -> Float:
        way = [np.empty((0, 3))]
        if cell <= -2 and self._veins is not None:
            segments = self._veins.path(-2 - cell)
            way.append(self._veins.course.middle[segments])
            cell = self._mouth(way[-1][-1])
        if cell >= 0:
            cells = self._tracer.path(cell)
            way.append(self._grid.world(np.stack(np.unravel_index(cells, self._grid.shape), axis=1)))
            if self._place[cells[-1]] != Place.BONE:
                way.append(self._through_network(way[-1][-1]))
        return np.concatenate(way)

    def _through_network(self, point: Float) -> Float:
        """Path of cement that entered a voxel outside bone from a vein or crack: along it, then on in the bone."""
        if self._veins is None:
            return np.empty((0, 3))
        wet = np.flatnonzero((self._vein_key > 0) & (self._vein_content > 0.0))
        away = np.linalg.norm(self._veins.course.middle[wet] - point, axis=1)
        if not wet.size or away.min() > NEAR:
            return np.empty((0, 3))
        segments = self._veins.path(int(wet[np.argmin(away)]))
        way = self._veins.course.middle[segments]
        mouth = self._mouth(way[-1], bone=True)
        if mouth < 0:
            return np.asarray(way)
        cells = np.unravel_index(self._tracer.path(mouth), self._grid.shape)
        return np.concatenate([way, self._grid.world(np.stack(cells, axis=1))])

    def segments(self, event: LeakEvent) -> NDArray[np.int64]:
        """(k,) segments of the veins that hold a leak, as it is now."""
        return np.flatnonzero((self._vein_key == event.key) & (self._vein_content > 0.0))

    def cells(self, event: LeakEvent) -> NDArray[np.int64]:
        """(n, 3) voxel indices of a leak, as it is now."""
        return np.stack(np.unravel_index(np.flatnonzero(self._key == event.key), self._grid.shape), axis=1)

    def _check_fit(
        self, time: float, cement_volume: Float, outflow: Mapping[str, float], pressure: Float | None
    ) -> None:
        self._grid.check(cement_volume, "cement_volume")
        if pressure is not None:
            self._grid.check(pressure, "pressure")
        if not time >= self._time:
            raise SolverError("time runs backwards", where="time", value=time, allowed=f"{self._time} s or later")
        if unknown := sorted(set(outflow) - set(self._exits)):
            raise CaseError("unknown exits", where="outflow", value=unknown, allowed=", ".join(self._exits) or "none")

    def _check_veins(self, time: float, veins: Float | None) -> None:
        if veins is None:
            return
        if np.shape(veins) != self._vein_content.shape:
            allowed = str(self._vein_content.shape)
            raise GeometryError(
                "cement in veins does not fit them", where="veins", value=np.shape(veins), allowed=allowed
            )
        self._check_volumes(time, np.asarray(veins, float))
        self._vein_content = np.array(veins, float)

    def _check_volumes(self, time: float, volumes: Float) -> None:
        low, high = float(np.min(volumes, initial=0.0)), float(np.max(volumes, initial=0.0))
        if not (low >= -1e-6 * self._grid.voxel_volume and math.isfinite(high)):
            raise SolverError("impossible cement volume", where="cement_volume [m³]", value=(low, high), time=time)

    def _mark(self, fresh: NDArray[np.int64], amount: Float, time: float) -> None:
        seed = self._tracer.seed[fresh]
        leaked, seed = fresh[seed >= 0], seed[seed >= 0]
        if not leaked.size:
            return
        place, route = self._place[leaked], self._tracer.route[leaked]
        # what a basivertebral vein spills between body and canal lies in the epidural space, whatever the labels say
        place = np.where((place == Place.PARAVERTEBRAL) & (route == Route.BASIVERTEBRAL), Place.EPIDURAL, place)
        left = self._grid.axes()[0][np.unravel_index(seed, self._grid.shape)[0]] < 0.0
        side = np.where(place == Place.PARAVERTEBRAL, np.where(left, 0, 1), _UNSIDED)
        self._key[leaked] = _key(place, route, side)
        for key in np.unique(self._key[leaked]):
            if int(key) not in self._onset:
                own = self._key[leaked] == key
                sources = seed[own][self._key[seed[own]] == key]
                candidates = sources if sources.size else leaked[own]
                self._onset[int(key)] = (time, int(candidates[np.argmax(amount[candidates])]))

    def _mark_veins(self, time: float) -> None:
        if self._veins is None:
            return
        fresh = self._veins.advance(self._vein_content)
        fresh = fresh[self._veins.place[fresh] != Place.BONE]
        place, route = self._veins.place[fresh], self._veins.route[fresh]
        left = self._veins.course.middle[fresh, 0] < 0.0
        side = np.where(place == Place.PARAVERTEBRAL, np.where(left, 0, 1), _UNSIDED)
        self._vein_key[fresh] = _key(place, route, side)
        for segment in fresh[np.argsort(-self._vein_content[fresh], kind="stable")]:
            self._onset.setdefault(int(self._vein_key[segment]), (time, -2 - int(segment)))

    def _mouth(self, point: Float, *, bone: bool = False) -> int:
        """The traced cell (in bone) nearest to a point [m], flat; -1 without one."""
        traced = self._tracer.route != Route.DRY
        wet = np.flatnonzero(traced & (self._place == Place.BONE) if bone else traced)
        if not wet.size:
            return -1
        away = self._grid.world(np.stack(np.unravel_index(wet, self._grid.shape), axis=1)) - point
        return int(wet[np.argmin((away**2).sum(axis=1))])

    def _book(self, amount: Float, cells: NDArray[np.int64], outflow: Mapping[str, float], time: float) -> None:
        volumes = np.bincount(self._compartment.ravel()[cells], weights=amount[cells], minlength=len(Compartment))
        self._volumes = {c.name.lower(): float(volumes[c]) for c in Compartment}
        outside = self._place[cells] != Place.BONE
        self._outside = float(amount[cells[outside]].sum())
        by_key = np.bincount(self._key[cells], weights=amount[cells])
        self._leaked = {int(key): float(by_key[key]) for key in np.flatnonzero(by_key) if key}
        self._book_veins()
        self._outflow |= {name: float(volume) for name, volume in outflow.items()}
        for name, volume in self._outflow.items():
            if volume > 0.0:
                place, route = self._exits[name]
                key = int(_key(place, route, _UNSIDED))
                self._leaked[key] = self._leaked.get(key, 0.0) + volume
                if volume > self._least:
                    self._onset.setdefault(key, (time, -1))

    def _book_veins(self) -> None:
        if self._veins is None:
            return
        for name, volume in volumes_by_compartment(self._veins.course, self._vein_content).items():
            self._volumes[name] += volume
        self._outside += float(self._vein_content[~self._veins.course.inside].sum())
        for key in np.unique(self._vein_key[self._vein_content > 0.0]):
            if key:
                held = float(self._vein_content[self._vein_key == key].sum())
                self._leaked[int(key)] = self._leaked.get(int(key), 0.0) + held

    def _new_events(self, time: float) -> list[LeakEvent]:
        events = []
        for key, volume in sorted(self._leaked.items()):
            embolus = _place_of(key) == Place.BEYOND
            threshold = self._settings.embolus_threshold if embolus else self._settings.threshold
            if key not in self._detected and volume >= threshold:
                self._detected[key] = time
                events.append(self._event(key))
        return events

    def _event(self, key: int) -> LeakEvent:
        place, route = _place_of(key), _route_of(key)
        onset, cell = self._onset[key]
        position, words = self._where(key, cell)
        return LeakEvent(
            kind=kind_of(place, route),
            compartment=place.name.lower(),
            route=route.name.lower(),
            volume=self._leaked.get(key, 0.0),
            length=self._length(key, cell),
            onset=onset,
            detected=self._detected[key],
            position=position,
            words=words,
            key=key,
            source_voxel=self._voxel(cell, position),
            path=self._path(cell),
        )

    def _voxel(self, cell: int, position: Float | None) -> tuple[int, int, int] | None:
        """Indices of a leak's first cell; of a vein's or crack's first segment where it passes the grid."""
        if cell >= 0:
            i, j, k = (int(n) for n in np.unravel_index(cell, self._grid.shape))
            return i, j, k
        if cell == -1 or position is None:
            return None
        index = np.rint(self._grid.index(position)).astype(int)
        on = np.all((index >= 0) & (index < np.asarray(self._grid.shape)))
        return (int(index[0]), int(index[1]), int(index[2])) if on else None

    def _length(self, key: int, cell: int) -> float:
        points = self._grid.world(
            np.stack(np.unravel_index(np.flatnonzero(self._key == key), self._grid.shape), axis=1)
        )
        start = None
        if cell >= 0:
            start = self._grid.world(np.stack(np.unravel_index(cell, self._grid.shape), axis=-1))
        elif cell <= -2 and self._veins is not None:
            start = self._veins.course.middle[-2 - cell]
        if start is None:
            return 0.0
        if self._veins is not None:
            own = (self._vein_key == key) & (self._vein_content > 0.0)
            points = np.concatenate([points, self._veins.course.middle[own]])
        return float(np.linalg.norm(points - start, axis=1).max(initial=0.0)) + min(self._grid.spacing)

    def _where(self, key: int, cell: int) -> tuple[Float | None, str]:
        place = _place_of(key)
        if cell >= 0:
            position = self._grid.world(np.stack(np.unravel_index(cell, self._grid.shape), axis=-1))
            return position, place_in_words(position, place.name.lower(), self._frame)
        if cell <= -2 and self._veins is not None:
            position = self._veins.course.middle[-2 - cell]
            near = "paravertebral" if place == Place.BEYOND else place.name.lower()
            vein = self._veins.course.names[-2 - cell]
            return position, f"{place_in_words(position, near, self._frame)}, in the {vein}"
        names = [n for n, v in self._outflow.items() if v > self._least and self._exits[n] == (place, _route_of(key))]
        # a vein ends at a point; the tissue around ends at no place in particular
        veins = names if _route_of(key) in (Route.BASIVERTEBRAL, Route.SEGMENTAL) else []
        known = next((self._exit_positions[n] for n in veins if n in self._exit_positions), None)
        return known, "beyond the simulated region, through " + " and ".join(names)


def _exit_place(name: str, route: str) -> tuple[Place, Route]:
    if route not in EXIT_ROUTES:
        raise CaseError("unknown route of an exit", where=f"exit {name!r}", value=route, allowed=", ".join(EXIT_ROUTES))
    return EXIT_ROUTES[route]


def _key(place: Any, route: Any, side: Any) -> Any:
    return (np.asarray(place, np.int64) * len(Route) + route) * 3 + side


def _place_of(key: int) -> Place:
    return Place(key // (3 * len(Route)))


def _route_of(key: int) -> Route:
    return Route(key // 3 % len(Route))
