"""The channel that a pulled needle leaves: a bore through bone, half closed in soft tissue, open to later cement.

In place the needle fills it. Pulled, what it leaves conducts ``π a⁴ / 8`` per length, its share in each voxel it runs
through, and the shell that it pierced is open there. Its walls are the bone's own pores. Fluid in it is what the marrow
is; the skin's hole is taken as closed, so that what runs along it ends in soft tissue at the grid's rim.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vertebro.flow import FlowProblem, Outlet, Well, solve_pressure
from vertebro.grid import VoxelGrid
from vertebro.procedure import Needle
from vertebro.sources import Constant

SOFT_OPEN = Constant(0.5, "1", 0.1, 1.0, "vertebro", "ours", "of its radius that a track keeps in soft tissue")
STEP = 0.25  # voxels, along the axis
TRIAL = 1e-8  # m² and m³/s

Mask = NDArray[np.bool_]
Index = NDArray[np.int64]
Float = NDArray[np.float64]


def open_track(problem: FlowProblem, needle: Needle, moved: Needle | None, bone: Mask) -> FlowProblem:
    """The problem with what a needle leaves open.

    Parameters
    ----------
    problem : FlowProblem
    needle : Needle
        As it lay.
    moved : Needle, optional
        As it lies now; None where it is out.
    bone : (…) bool array
    """
    grid = problem.grid
    behind = np.zeros(grid.shape, bool) if moved is None else track_cells(moved, grid)
    track = track_cells(needle, grid) & ~behind
    if not track.any():
        return problem
    share = np.where(bone, 1.0, float(SOFT_OPEN))
    bore = _conducts(needle, share, track, grid)
    permeability = np.where(track, np.maximum(problem.permeability, bore * share**4), problem.permeability)
    layers = problem.face_resistance
    if layers is not None:
        layers = layers.copy()
        for axis in range(3):
            layers[axis][track & np.roll(track, -1, axis)] = 0.0  # a last face, round the rim, is none
    return replace(
        problem,
        permeability=permeability,
        face_resistance=layers,
        outlets=[*problem.outlets, *_rim(problem, needle, track)],
    )


def track_exit(needle: str) -> str:
    """Name of the way out along a needle's track."""
    return f"needle track, {needle}"


def _rim(problem: FlowProblem, needle: Needle, track: Mask) -> list[Outlet]:
    """Where the track meets a way out of the grid, what leaves there leaves by the track."""
    name = track_exit(needle.name)
    found = [outlet for outlet in problem.outlets if track[tuple(outlet.cells.T)].any() and outlet.name != name]
    if not found or name in [outlet.name for outlet in problem.outlets]:
        return []
    cells = found[0].cells[track[tuple(found[0].cells.T)]]
    return [Outlet(name=name, cells=cells, pressure=float(np.mean(found[0].pressure)))]


def tail_parts(needle: Needle, grid: VoxelGrid, bone: Mask, volume: float) -> list[tuple[Index, float]]:
    """What a tail of cement fills: (n, 3) voxels in bone and beyond, with the cement [m³] for each.

    Pulling leaves a void of the shaft's section behind the tip; the tail fills as much of its length as it can from the
    deep end on. What reaches beyond the grid is left out.
    """
    length = volume / (np.pi / 4.0 * needle.outer_diameter**2)
    cells = np.argwhere(track_cells(needle, grid))
    depth = (needle.tip - grid.world(cells)) @ needle.direction
    depth -= depth.min()
    within = depth <= max(length, min(grid.spacing))
    share = min(1.0, (float(depth.max()) + min(grid.spacing)) / max(length, 1e-12)) / max(int(within.sum()), 1)
    inside = bone[tuple(cells.T)]
    parts = [cells[within & side] for side in (inside, ~inside)]
    return [(part, volume * share * len(part)) for part in parts if len(part)]


def track_cells(needle: Needle, grid: VoxelGrid) -> Mask:
    """(…) voxels whose centres lie in the shaft, and those that its axis runs through, joined face to face."""
    mask = needle.cells(grid)
    number = max(int(np.ceil(needle.length / (STEP * min(grid.spacing)))), 2)
    points = needle.tip + np.linspace(0.0, 1.0, number)[:, None] * (needle.entry - needle.tip)
    index = np.rint(grid.index(points)).astype(np.int64)
    on = index[np.all((index >= 0) & (index < np.asarray(grid.shape)), axis=1)]
    mask[tuple(on.T)] = True
    for axis in range(2):  # one axis after the other from each to the next
        between = on[1:].copy()
        between[:, axis + 1 :] = on[:-1, axis + 1 :]
        mask[tuple(between.T)] = True
    return mask


def _conducts(needle: Needle, share: Float, track: Mask, grid: VoxelGrid) -> float:
    """Permeability [m²] of the whole bore's voxels with which the track conducts what the bore would.

    An oblique chain of voxels is longer than its axis and narrower than its voxels: the pressure that a flow along it
    asks for is found with a permeability of `TRIAL` ``share⁴``, and scaled.
    """
    cells, rim, bore = np.argwhere(track), max(grid.spacing), np.pi / 8.0 * (needle.outer_diameter / 2.0) ** 4
    along = (grid.world(cells) - needle.entry) @ needle.direction
    deep, shallow = along > along.max() - rim, along < along.min() + rim
    if np.ptp(along) < 2.0 * rim:
        return float(bore / rim**2)
    problem = FlowProblem(
        grid=grid, porosity=track, permeability=TRIAL * track * share**4, injected=1.0, displaced=1.0,
        wells=[Well(cells=cells[deep], rate=TRIAL)], outlets=[Outlet(cells=cells[shallow])],
    )  # fmt: skip
    state = problem.initial_state()
    solve_pressure(problem, state)
    between = (along > along.min() + 0.5 * rim) & (along < along.max() - 0.5 * rim)
    length = float(along[deep].mean() - along[shallow].mean())
    ideal = TRIAL / bore * length * float(np.mean(share[track][between] ** -4))
    return float(TRIAL * state.pressure[track][deep].mean() / ideal)
