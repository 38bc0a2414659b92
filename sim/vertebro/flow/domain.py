"""Which cells take part: open cells, cells held at a pressure, pockets that no outlet drains."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from vertebro.flow.problem import FlowProblem
from vertebro.flow.window import Window, bounding_box, canonical_flip

Float = NDArray[np.float64]
Mask = NDArray[np.bool_]
GROW = 6  # cells of margin when the window of the cement-only mode is (re)drawn
SEALED_RING = 2  # empty cells around the filled region that still take part in cement-only mode


@dataclass(slots=True)
class Box:
    """Static data of one window, padded: geometry, pores, outlets.

    Attributes
    ----------
    half : (3, …) h/(2KA) [1/m³]; 0 where closed.
    layer : (3, …) thin layers over face area [1/m³], or (3, 1, 1, 1) when there are none.
    pore : (…) movable pore volume [m³].
    outlet : (…) int32; 0 or 1 + number of the outlet.
    held : (…) pressure of outlet cells [Pa], 0 elsewhere.
    active : (…) cells that take part.
    level : the one pressure of all cells that are held at one [Pa]; None if they differ or there are none.
    """

    window: Window
    half: Float
    layer: Float
    pore: Float
    outlet: NDArray[np.int32]
    held: Float
    active: Mask
    level: float | None


def _pairs(axis: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Slices to all cells with a next neighbour along the axis, and to those neighbours."""
    here, ahead = [slice(None)] * 3, [slice(None)] * 3
    here[axis], ahead[axis] = slice(0, -1), slice(1, None)
    return tuple(here), tuple(ahead)


def flow_faces(half: Float, layer: Float) -> Mask:
    """(3, …) mask of the faces through which fluid can pass, towards the next neighbour (padded arrays)."""
    open_faces = np.zeros(half.shape, bool)
    for axis in range(3):
        here, ahead = _pairs(axis)
        conducting = half[axis] > 0
        np.logical_and(conducting[here], conducting[ahead], out=open_faces[axis][here])
    if layer.shape[1] > 1:
        open_faces &= np.isfinite(layer)
    return open_faces


def label_regions(mask: Mask, faces: Mask) -> tuple[NDArray[np.int32], int]:
    """Number the regions of `mask` that are connected through open `faces`; 0 outside."""
    closed = False
    for axis in range(3):
        here, ahead = _pairs(axis)
        closed = closed or bool(np.any(mask[here] & mask[ahead] & ~faces[axis][here]))
    if not closed:
        labels, count = ndimage.label(mask)
        return labels.astype(np.int32), int(count)
    index = np.full(mask.shape, -1)
    index[mask] = np.arange(int(mask.sum()))
    rows, cols = [], []
    for axis in range(3):
        here, ahead = _pairs(axis)
        joined = mask[here] & mask[ahead] & faces[axis][here]
        rows.append(index[here][joined])
        cols.append(index[ahead][joined])
    row, col = np.concatenate(rows), np.concatenate(cols)
    graph = coo_array((np.ones(len(row), np.int8), (row, col)), shape=(int(mask.sum()),) * 2)
    count, found = connected_components(graph, directed=False)
    labels = np.zeros(mask.shape, np.int32)
    labels[mask] = found + 1
    return labels, int(count)


def drained(mask: Mask, faces: Mask, pinned: Mask) -> Mask:
    """Cells of `mask` in a region that holds at least one pinned cell."""
    labels, count = label_regions(mask, faces)
    alive = np.zeros(count + 1, bool)
    alive[labels[pinned & mask]] = True
    alive[0] = False
    return alive[labels]


def whole_window(problem: FlowProblem) -> Window:
    """Box around everything that can take part in two-phase flow, in canonical orientation."""
    mask = problem.open_cells
    for well in problem.wells:  # also one in closed cells has its place, to be told that it is sealed
        mask[tuple(well.cells.T)] = True
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
    low, high = bounding_box(mask)
    size = np.asarray(problem.grid.shape)
    ring = SEALED_RING + 1
    return np.maximum(low - ring, 0), np.minimum(high + ring, size)


def make_box(problem: FlowProblem, window: Window) -> Box:
    """Cut the static arrays of a window out of the problem."""
    h = np.asarray(problem.grid.spacing)
    area = problem.grid.voxel_volume / h
    k = window.take(problem.permeability)
    active = window.take(problem.open_cells, bool)
    half = np.zeros(k.shape)
    for axis in range(3):
        np.divide(h[axis] / (2 * area[axis]), k[axis], out=half[axis], where=active & (k[axis] > 0))
    layer = np.zeros((3, 1, 1, 1))
    if problem.face_resistance is not None and np.any(problem.face_resistance > 0):
        layer = np.ascontiguousarray(window.take_faces(problem.face_resistance) / area[:, None, None, None])
    outlet = np.zeros(window.padded, np.int32)
    held = np.zeros(window.padded)
    for n, one in enumerate(problem.outlets):
        inside = np.all((one.cells >= window.low) & (one.cells < window.high), axis=1)
        place = tuple(window.cells(one.cells[inside]).T)
        outlet[place] = n + 1
        held[place] = np.broadcast_to(one.pressure, len(one.cells))[inside]
    outlet[~active] = 0
    values = held[outlet > 0]
    if problem.mode == "cement-only":
        values = np.append(values, problem.displaced_pressure)
    level = float(values[0]) if values.size and np.ptp(values) == 0.0 else None
    box = Box(window, half, layer, window.take(problem.pore_volume), outlet, held, active, level)
    if problem.mode == "two-phase":
        box.active = drained(active, flow_faces(half, layer), outlet > 0)
        for axis in range(3):
            half[axis][~box.active] = 0.0
    return box


def _three(values: NDArray[np.int64]) -> tuple[int, int, int]:
    a, b, c = (int(v) for v in values)
    return a, b, c
