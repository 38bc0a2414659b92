"""Which cells take part: open cells, cells held at a pressure, pockets that no outlet drains."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertebro.flow import kernels
from vertebro.flow.problem import FlowProblem
from vertebro.flow.window import Window, bounding_box, canonical_flip

Float = NDArray[np.float64]
Mask = NDArray[np.bool_]
GROW = 6  # cells of margin when the window of the cement-only mode is (re)drawn
INNER = (slice(1, -1),) * 3  # a padded box without its ghosts
EMPTY_SHARE = 1e-4  # resistance of what is empty in cement-only mode, as a share of the injected fluid's
SEALED_RING = 2  # empty cells around the filled region that still take part in cement-only mode


@dataclass(slots=True)
class Box:
    """Static data of one window, padded: geometry, pores, outlets.

    Attributes
    ----------
    half : (3, …) h/(2KA) [1/m³]; 0 where closed.
    layer : (3, …) thin layers over face area [1/m³], or (3, 1, 1, 1) when there are none.
    pore : (…) movable pore volume [m³].
    outlet : (…) int16; 0 or 1 + number of the outlet.
    ends, held : (n,) flat indices of the outlet cells, and their pressures [Pa].
    active : (…) cells that take part.
    level : the one pressure of all cells that are held at one [Pa]; None if they differ or there are none.
    """

    window: Window
    half: Float
    layer: Float
    pore: Float
    outlet: NDArray[np.int16]
    ends: NDArray[np.int64]
    held: Float
    active: Mask
    level: float | None


def drained(mask: Mask, half: Float, layer: Float, pinned: Mask) -> Mask:
    """Cells of `mask` from which open faces lead to a pinned cell (padded arrays)."""
    reached = mask & pinned
    start = np.flatnonzero(reached)
    stack = np.empty(mask.size, np.int32)
    stack[: start.size] = start
    strides = np.array([mask.shape[1] * mask.shape[2], mask.shape[2], 1])
    flat, walls, gates = half.reshape(3, -1), layer.reshape(3, -1), np.empty(mask.size, np.uint8)
    kernels.drain(flat, walls, mask.reshape(-1), strides, stack, start.size, gates, reached.reshape(-1))
    return reached


def drained_by_all(problem: FlowProblem, window: Window, mask: Mask, half: Float, layer: Float, pinned: Mask) -> Mask:
    """As `drained`, also through vessels: those that end in an outlet or in other cells that are drained."""
    net = problem.vessels
    if net is None or len(net.coupling) == 0:
        return drained(mask, half, layer, pinned)
    part, place = net.component, tuple(window.cells(net.coupling_cell).T)
    mouths = part[net.coupling_node]
    leads = np.isin(mouths, part[net.outlet_node])
    while True:
        ends = pinned.copy()
        ends[tuple(axis[leads] for axis in place)] = True
        reached = drained(mask, half, layer, ends)
        more = np.isin(mouths, mouths[reached[place]])
        if not np.any(more & ~leads):
            return reached
        leads |= more


def whole_window(problem: FlowProblem) -> Window:
    """Box around everything that can take part in two-phase flow, in canonical orientation."""
    mask = problem.open_cells
    for well in problem.wells:  # also one in closed cells has its place, to be told that it is sealed
        mask[tuple(well.cells.T)] = True
    _mark_mouths(problem, mask)
    low, high = bounding_box(mask)
    return Window(_three(low), _three(high), orientation(problem))


def orientation(problem: FlowProblem) -> tuple[bool, bool, bool]:
    """Mirror axes that bring the problem into canonical orientation, see `canonical_flip`."""
    return canonical_flip(_fields(problem))


def _fields(problem: FlowProblem) -> Iterator[Float]:
    """Everything that can tell left from right, as values of cells, made one after the other."""
    marks, exits, held = (np.zeros(problem.grid.shape) for _ in range(3))
    for n, well in enumerate(problem.wells):
        marks[tuple(well.cells.T)] += 1.0 + n
    yield marks
    for n, outlet in enumerate(problem.outlets):
        exits[tuple(outlet.cells.T)] += 1.0 + n
        held[tuple(outlet.cells.T)] = outlet.pressure
    yield from (exits, problem.porosity, *problem.permeability, held)
    if problem.vessels is not None:
        mouths = np.zeros(problem.grid.shape)
        number = 1.0 + np.arange(len(problem.vessels.coupling))
        np.add.at(mouths, tuple(problem.vessels.coupling_cell.T), number)
        yield mouths
    for axis, layer in enumerate(problem.face_resistance if problem.face_resistance is not None else ()):
        walls = np.where(np.isfinite(layer), layer, 2.0 * np.max(layer, where=np.isfinite(layer), initial=1.0))
        yield walls + np.roll(walls, 1, axis)


def filled_window(problem: FlowProblem, filled: Mask, flip: tuple[bool, bool, bool]) -> Window:
    """Box around the filled cells and the wells with a margin, for the cement-only mode."""
    low, high = filled_bounds(problem, filled)
    size = np.asarray(problem.grid.shape)
    return Window(_three(np.maximum(low - GROW, 0)), _three(np.minimum(high + GROW, size)), flip)


def filled_bounds(problem: FlowProblem, filled: Mask) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Bounds of the filled cells, the wells and the ring of empty cells around."""
    mask = filled.copy()
    for well in problem.wells:
        mask[tuple(well.cells.T)] = True
    _mark_mouths(problem, mask)
    low, high = bounding_box(mask)
    size = np.asarray(problem.grid.shape)
    ring = SEALED_RING + 1
    return np.maximum(low - ring, 0), np.minimum(high + ring, size)


def _mark_mouths(problem: FlowProblem, mask: Mask) -> None:
    if problem.vessels is not None:
        mask[tuple(problem.vessels.coupling_cell.T)] = True


def make_box(problem: FlowProblem, window: Window) -> Box:
    """Cut the static arrays of a window out of the problem."""
    h = np.asarray(problem.grid.spacing)
    area = problem.grid.voxel_volume / h
    active = window.take(problem.open_cells, bool)
    half = np.zeros((3, *window.padded))
    place = np.array(window.low), np.array(window.flip)
    for axis in range(3):
        kernels.halves(h[axis] / (2 * area[axis]), problem.permeability[axis], *place, active, half[axis])
    layer = np.zeros((3, 1, 1, 1))
    if problem.face_resistance is not None and np.any(problem.face_resistance > 0):
        layer = np.ascontiguousarray(window.take_faces(problem.face_resistance) / area[:, None, None, None])
    outlet = np.zeros(window.padded, np.int16)
    held = np.zeros(window.padded)
    for n, one in enumerate(problem.outlets):
        inside = np.all((one.cells >= window.low) & (one.cells < window.high), axis=1)
        place = tuple(window.cells(one.cells[inside]).T)
        outlet[place] = n + 1
        held[place] = np.broadcast_to(one.pressure, len(one.cells))[inside]
    outlet[~active] = 0
    ends = np.flatnonzero(outlet)
    values = held = held.reshape(-1)[ends]
    if problem.mode == "cement-only":
        values = np.append(held, problem.displaced_pressure)
    if problem.vessels is not None:
        values = np.concatenate([values, problem.vessels.outlet_pressure])
    pumped = problem.vessels is not None and bool(np.any(problem.vessels.blood))
    level = float(values[0]) if values.size and np.ptp(values) == 0.0 and not pumped else None
    box = Box(window, half, layer, window.take(problem.pore_volume), outlet, ends, held, active, level)
    if problem.mode == "two-phase":
        box.active = drained_by_all(problem, window, active, half, layer, outlet > 0)
        cut_off = active & ~box.active
        if cut_off.any():
            half[:, cut_off] = 0.0
    return box


def _three(values: NDArray[np.int64]) -> tuple[int, int, int]:
    a, b, c = (int(v) for v in values)
    return a, b, c
