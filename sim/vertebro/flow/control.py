"""Control of the wells: rates, pressures, and rates up to a pressure cap, by the linear response of the pressure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vertebro.flow.pressure import PressureField, length
from vertebro.flow.problem import FlowProblem, Well
from vertebro.flow.wells import Gauge, needle_gauge, well_shares

Float = NDArray[np.float64]


@dataclass(slots=True)
class WellRun:
    """A well at work: where it is in the box, what it does, how the pressure answers to it.

    Attributes
    ----------
    place : tuple of index arrays into the padded box
    weights : (n,) shares of the rate
    gauge : Gauge
        How the needle's pressure is read, cells in the padded box.
    rate, pressure : float [m³/s], [Pa]
        Now.
    sealed, capped : bool
    response : padded array [Pa·s/m³] or None
        Last answer of the pressure to a unit rate, kept as the next start.
    """

    well: Well
    place: tuple[NDArray[np.int64], ...]
    weights: Float
    gauge: Gauge
    rate: float = 0.0
    pressure: float = 0.0
    sealed: bool = False
    capped: bool = False
    response: Float | None = field(default=None, repr=False)

    def mean(self, values: Float) -> float:
        """Weighted mean over the well's cells."""
        return float(np.dot(self.weights, values[self.place]))

    def read(self, pressure: Float) -> float:
        """Gauge reading of a pressure field, without the part that goes with the well's own rate."""
        return float(np.dot(self.gauge.weights, pressure[tuple(self.gauge.cells.T)]))

    def throat(self, resistance: Float) -> float:
        """Extra needle pressure per rate [Pa·s/m³] at the resistance field of the fluids [Pa·s]."""
        return self.gauge.index * self.mean(resistance)


def place_well(problem: FlowProblem, well: Well, flow: PressureField) -> WellRun:
    """Locate a well in the box and weigh its cells by their permeability."""
    cells = flow.box.window.cells(well.cells)
    place = tuple(cells.T)
    k = problem.permeability[(slice(None), *tuple(well.cells.T))]
    weights = well_shares(k, flow.box.active[place])
    gauge = Gauge(cells, weights, 0.0)
    if well.radius is not None and flow.box.active[place].any():
        gauge = needle_gauge(cells, weights, k @ weights, problem.grid.spacing, well.radius, flow.box.active)
    return WellRun(well, place, weights, gauge)


def solve_with_wells(
    flow: PressureField, wells: Sequence[WellRun], *, tolerance: float, now: float
) -> tuple[int, float]:
    """Set rates and pressures of all wells and the pressure field; returns iterations and the relative residual.

    The pressure is affine in the rates, so wells under pressure control (or at their cap) need one extra solve each,
    for their unit response, and then a small linear system; there are no stiff well terms in the matrix.
    """
    open_wells = [w for w in wells if not w.sealed]
    for w in open_wells:
        if not w.capped and (w.well.rate is not None or w.well.pressure is None):
            w.rate = w.well.rate or 0.0
    found = _solve_rates(flow, open_wells, tolerance, now)
    iterations, residual = found
    for _ in range(2 * len(wells) + 2):
        read_pressures(flow, open_wells)
        held = [w for w in open_wells if _held_by_pressure(w)]
        if not held:
            break
        iterations += sum(_respond(flow, w, tolerance, now) for w in held)
        released = _adjust(flow, held)
        read_pressures(flow, open_wells)
        if not released and not any(_newly_capped(w) for w in open_wells):
            break
    write_source(flow, open_wells)
    return iterations, residual


def write_source(flow: PressureField, wells: Sequence[WellRun]) -> None:
    """Overwrite the source field with the wells' present rates."""
    flow.source[:] = 0.0
    for w in wells:
        flow.source[w.place] += w.rate * w.weights


def _solve_rates(flow: PressureField, wells: Sequence[WellRun], tolerance: float, now: float) -> tuple[int, float]:
    write_source(flow, wells)
    norm = _source_norm(flow, wells)
    if flow.box.level is None:
        norm = max(norm, flow.flat_norm())
    if norm == 0.0:
        flow.p[flow.free == 1] = flow.rest()[0]
        return 0, 0.0
    found = flow.solve(flow.p, flow.right(flow.source), tolerance, norm, now)
    return found.iterations, found.residuals[-1]


def _source_norm(flow: PressureField, wells: Sequence[WellRun]) -> float:
    """Length of the source field [m³/s]."""
    cells = {tuple(cell): None for w in wells for cell in np.stack(w.place, axis=1).tolist()}
    return math.hypot(*(float(flow.source[cell]) for cell in cells))


def read_pressures(flow: PressureField, wells: Sequence[WellRun]) -> None:
    """Note the wells' pressures in the present field."""
    for w in wells:
        w.pressure = w.read(flow.p) + w.throat(flow.res) * w.rate


def _held_by_pressure(w: WellRun) -> bool:
    if w.well.pressure is None:
        w.capped = False
        return False
    if w.well.rate is None:
        return True
    if not w.capped and w.pressure > w.well.pressure:
        w.capped = True
    return w.capped


def _newly_capped(w: WellRun) -> bool:
    was = w.capped
    return _held_by_pressure(w) and w.well.rate is not None and not was


def _respond(flow: PressureField, w: WellRun, tolerance: float, now: float) -> int:
    """Solve for the pressure that a unit rate of this well alone causes, outlets at 0."""
    source = np.zeros_like(flow.source)
    source[w.place] = w.weights
    if w.response is None or w.response.shape != source.shape:
        w.response = np.zeros_like(source)
    w.response[flow.free == 0] = 0.0
    norm = length(source)
    return flow.solve(w.response, source, tolerance, norm, now).iterations


def _adjust(flow: PressureField, held: list[WellRun]) -> bool:
    """Change the rates of the held wells to meet their pressures; returns whether some well left its cap."""
    matrix = np.array([[w.read(v.response) for v in held] for w in held])  # type: ignore[arg-type]
    matrix += np.diag([w.throat(flow.res) for w in held])
    target = np.array([w.well.pressure - w.pressure for w in held])  # type: ignore[operator]
    # wells in the same cells share a rate: the smallest answer
    change = np.linalg.lstsq(matrix, target)[0]
    released = False
    for w, dq in zip(held, change, strict=True):
        wanted = w.rate + float(dq)
        high = w.well.rate if w.well.rate is not None else np.inf
        rate = min(max(wanted, 0.0), high)
        if w.capped and wanted > high:
            w.capped, released = False, True
        flow.p += (rate - w.rate) * w.response  # type: ignore[operator]
        w.rate = rate
    return released
