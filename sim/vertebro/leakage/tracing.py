"""Back-tracing on the grid: every cell that cement reaches learns which neighbour fed it and by which route."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.grid import VoxelGrid
from vertebro.leakage.routes import Route, route_out_of_bone
from vertebro.tissue import Compartment

Float = NDArray[np.float64]
Index = NDArray[np.int64]
NOBODY = -1
_STEPS = ((0, -1), (0, 1), (1, -1), (1, 1), (2, -1), (2, 1))  # axis, direction


class Tracer:
    """Feeder and route of every wet cell, grown step by step.

    A newly wet cell takes as its feeder the wet face neighbour that sends it most cement: conductance × pressure drop
    where both are known, conductance × cement where only the conductance is, else the fuller neighbour, favouring
    those on its own side of the bone's surface (a wall is a barrier). Cells wetted in the same step wait for a better
    feeder that is itself not yet traced.

    Parameters
    ----------
    grid : VoxelGrid
    compartment : (…) uint8 array of `Compartment`
    in_bone : (…) bool array
        Cells whose cement is no leak.
    vein : (…) bool array
        Cells that are a vein (inside the bone it matters for the route).
    conductance : (3, …) float array, optional
        How easily cement crosses the face between a cell and its next neighbour along the axis, any unit.
    threshold : float [m³]
        Cement that makes a cell wet.
    """

    def __init__(
        self,
        grid: VoxelGrid,
        compartment: NDArray[np.uint8],
        *,
        in_bone: NDArray[np.bool_],
        vein: NDArray[np.bool_],
        conductance: Float | None = None,
        threshold: float,
    ) -> None:
        self._shape, self._threshold = grid.shape, threshold
        self._strides = (grid.shape[1] * grid.shape[2], grid.shape[2], 1)
        self._compartment = np.ascontiguousarray(compartment, np.uint8).ravel()
        self._in_bone = np.ascontiguousarray(in_bone).ravel()
        self._vein = np.ascontiguousarray(vein).ravel()
        self._conductance: Float | None = None
        if conductance is not None:
            self.rewire(conductance)
        self.route = np.zeros(grid.size, np.uint8)
        self.feeder = np.full(grid.size, NOBODY, np.int64)
        self.seed = np.full(grid.size, NOBODY, np.int64)  # where this cell's cement left the bone

    def rewire(self, conductance: Float) -> None:
        """From now on cement crosses faces as easily as this, (3, …) [m]."""
        self._conductance = np.asarray(conductance, float).reshape(3, -1)

    def advance(self, amount: Float, cells: Index, pressure: Float | None = None) -> Index:
        """Trace the cells that are wet for the first time; changes `route`, `feeder` and `seed`.

        Parameters
        ----------
        amount : (n,) float array
            Cement per cell, flat.
        cells : (k,) int array
            Flat indices of the cells that hold cement.
        pressure : (n,) float array, optional [Pa]

        Returns
        -------
        (m,) int array
            Flat indices of the newly traced cells.
        """
        fresh = cells[(amount[cells] > self._threshold) & (self.route[cells] == Route.DRY)]
        if fresh.size:
            self._trace(fresh, amount, pressure)
        return fresh

    def path(self, cell: int) -> Index:
        """Flat indices from a cell back along its feeders to where the cement came from."""
        steps = [cell]
        while (feeder := int(self.feeder[steps[-1]])) != NOBODY:
            steps.append(feeder)
        return np.asarray(steps, np.int64)

    def _trace(self, fresh: Index, amount: Float, pressure: Float | None) -> None:
        neighbour, score = self._feeders(fresh, amount, pressure)
        best = score.max(axis=1)
        pending = np.arange(fresh.size)
        while pending.size:
            known = np.where(self.route[neighbour[pending]] != Route.DRY, score[pending], -1.0)
            choice = known.argmax(axis=1)
            value, top = known[np.arange(pending.size), choice], best[pending]
            merit = np.where(value < 0.0, -1.0, np.where(top > 0.0, value / np.where(top > 0.0, top, 1.0), 1.0))
            if merit.max() < 0.0:
                rank = amount if pressure is None else pressure
                self._strand(fresh[pending], top < 0.0, rank)
                pending = pending[self.route[fresh[pending]] == Route.DRY]
                continue
            # wait for a feeder that gives at least half of the best, unless everybody waits
            ready = merit >= min(0.5, float(merit.max()))
            done = pending[ready]
            self._join(fresh[done], neighbour[done, choice[ready]])
            pending = pending[~ready]

    def _feeders(self, cells: Index, amount: Float, pressure: Float | None) -> tuple[Index, Float]:
        """(n, 6) neighbours and how much each may feed the cell; -1 where it cannot."""
        place = np.stack(np.unravel_index(cells, self._shape), axis=1)
        neighbour = np.empty((cells.size, 6), np.int64)
        score = np.empty((cells.size, 6))
        for column, (axis, sign) in enumerate(_STEPS):
            there = place[:, axis] + sign
            on = (there >= 0) & (there < self._shape[axis])
            other = np.where(on, cells + sign * self._strides[axis], cells)
            neighbour[:, column] = other
            value = self._score(cells, other, axis, sign, amount, pressure)
            score[:, column] = np.where(on & (amount[other] > self._threshold), value, -1.0)
        return neighbour, score

    def _score(self, cells: Index, other: Index, axis: int, sign: int, amount: Float, pressure: Float | None) -> Any:
        if self._conductance is None:
            # the largest pressure drop is across a tight wall, so pressure alone would mislead
            ease = np.where(self._in_bone[cells] == self._in_bone[other], 1.0, 0.1)
            return ease * amount[other]
        ease = self._conductance[axis, np.where(sign > 0, cells, other)]
        drive = amount[other] if pressure is None else np.maximum(pressure[other] - pressure[cells], 0.0)
        return ease * drive

    def _join(self, cells: Index, feeder: Index) -> None:
        self.feeder[cells] = feeder
        bone, from_bone = self._in_bone[cells], self._in_bone[feeder]
        crossing = ~bone & from_bone
        out = route_out_of_bone(self._compartment[cells], self._compartment[feeder], self._vein[feeder])
        self.route[cells] = np.where(bone, Route.BONE, np.where(crossing, out, self.route[feeder]))
        self.seed[cells] = np.where(bone, NOBODY, np.where(crossing, cells, self.seed[feeder]))

    def _strand(self, cells: Index, lonely: NDArray[np.bool_], rank: Float) -> None:
        """Start anew where no traced cell feeds: cells without wet neighbours, and the likeliest source of the rest.

        The likeliest source is the bone's cell of highest pressure (or most cement), else any such cell.
        """
        rest = cells[~lonely]
        if np.any(self._in_bone[rest]):
            rest = rest[self._in_bone[rest]]
        start = np.append(cells[lonely], rest[[np.argmax(rank[rest])]] if rest.size else rest)
        bone = self._in_bone[start]
        veins = np.zeros(start.size, bool)
        out = route_out_of_bone(self._compartment[start], np.full(start.size, Compartment.BODY, np.uint8), veins)
        self.route[start] = np.where(bone, Route.BONE, out)
        self.seed[start] = np.where(bone, NOBODY, start)
