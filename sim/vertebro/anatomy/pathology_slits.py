"""Cracks thinner than a voxel: chains of slits out of the bone, in the same network as the veins.

A crack is cut along its length into strips a few millimetres broad. Each strip is a chain: it begins in the bone, has a
node where it leaves it, and ends where the crack does or at the dura, which it does not cut. Between two plates a
distance w apart a strip of breadth b conducts b w³/(12 L), and its cement moves as a front (physics.md 7.8). Strips
exchange through the voxels along them (`network_slits`) and so with each other.

Within bone a chain is the better model only where bone is tighter than the crack: fluid moves in a crack at w²/12
times the gradient, in bone at K/φ times it. Where bone is the more open of the two, as osteoporotic spongy bone around
a crack of half a millimetre, its front sweeps the crack instead of running ahead in it; a chain's lumen is emptied by
flow along it only and would hold back clot that the bone's flow carries off across it. There, and all through the bone
that a sheet with several ways out cuts (a chain has one), a crack is voxels, share w/T of each. The chain begins where
they end: in the shell, or at its surface.

Measured: an endplate crack of 0.6 x 20 mm, 3 mL, marrow of 1 Pa·s. What passes it, 0.06 to 0.07 mL at 1.2 and 1.5 mm
by either, is what the torn disc takes; how much of that is cement differs. Voxels of 1.5, 1.2, 0.8 and 0.6 mm: 0.029,
0.024, 0.023, 0.000 mL; chains at the first three: 0.019, 0.008, 0.017. Neither converges: the front's reach of the
endplate depends on the grid too. Chains through the open bone: 0.010, 0.002 mL at 1.5, 1.2 mm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.anatomy import Anatomy
from vertebro.anatomy.network import VeinNetwork
from vertebro.anatomy.pathology_cracks import Crack, conduct, cut_cells, tear_disc, tear_tissue
from vertebro.grid import VoxelGrid
from vertebro.sources import Constant
from vertebro.tissue import Compartment, Tissue

STRIP = Constant(4e-3, "m", 2e-3, 10e-3, "vertebro", "ours", "largest breadth of a strip of a crack")
PIECE = Constant(2e-3, "m", 1e-3, 5e-3, "vertebro", "ours", "largest length of a slit along its chain")
STEP = 0.1e-3  # m, at which a strip looks what it runs through
OWN = (Compartment.BODY, Compartment.ARCH)
LEADS_TO = {
    Compartment.DISC_SUPERIOR: "disc_superior",
    Compartment.DISC_INFERIOR: "disc_inferior",
    Compartment.CANAL: "canal",
    Compartment.VEIN_BASIVERTEBRAL: "canal",
    Compartment.FORAMEN_LEFT: "foramen_left",
    Compartment.FORAMEN_RIGHT: "foramen_right",
}

Float = NDArray[np.float64]


def with_slits(anatomy: Anatomy, cracks: Sequence[Crack]) -> Anatomy:
    """The anatomy with these cracks in its network; the disc beside them is fissured, soft tissue torn.

    Parameters
    ----------
    anatomy : Anatomy
        Its permeability and porosity are changed in place where bone more open than a crack holds it, and where disc or
        soft tissue is torn.
    cracks : sequence of Crack
        Each with ways out.
    """
    network = anatomy.network
    bone = anatomy.bone
    for crack in cracks:
        cells = cut_cells(anatomy, crack)
        swept = _swept(anatomy, crack, cells & bone) & bone
        chained = np.zeros(anatomy.grid.shape, bool)
        for strip in _strips(anatomy, crack, swept, chained):
            network = _joined(network, strip)
        if swept.any():
            conduct(anatomy, crack, bone & ~chained)
        tear_disc(anatomy, cells)
        tear_tissue(anatomy, cells, crack.torn)
    return replace(anatomy, network=network)


def _swept(anatomy: Anatomy, crack: Crack, cut: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(…) where bone is more open than the crack, if most of what it cuts (`cut`) is; everywhere for a sheet."""
    plane = 1.0 - crack.normal**2
    along = np.einsum("d...,d->...", anatomy.permeability, plane) / plane.sum()
    swept = (along > anatomy.porosity * crack.width**2 / 12.0) | (len(crack.ways) > 1)
    return np.asarray(swept & (np.mean(swept[cut]) > 0.5))


def _strips(anatomy: Anatomy, crack: Crack, swept: NDArray[np.bool_], chained: NDArray[np.bool_]) -> list[VeinNetwork]:
    """A chain for each strip and each way out; marks in `chained` the bone's voxels that chains run through."""
    chains = []
    for out in crack.ways:
        forward = abs(float(out @ crack.along)) > 0.5
        deep, half = crack.half if forward else crack.half[::-1]
        side = crack.across if forward else crack.along
        number = max(int(np.ceil(2.0 * half / STRIP - 1e-9)), 1)
        breadth = 2.0 * half / number
        for n in range(number):
            start = crack.centre + ((n + 0.5) * breadth - half) * side - deep * out
            cells = _cells(anatomy.grid, start, out, 2.0 * deep)
            for begin, border, end, route in _courses(anatomy, cells, crack, swept):
                cuts, inside = _cuts(begin, border, end)
                chains.append(_chain(crack, start + cuts[:, None] * out, breadth * side, inside, route))
                for across in (np.arange(9) - 4) / 9.0 * breadth:
                    line = _cells(anatomy.grid, start + across * side + begin * out, out, border - begin)
                    chained[tuple(line[line[:, 0] >= 0].T)] = border > begin
    return chains


def _cells(grid: VoxelGrid, start: Float, out: Float, length: float) -> NDArray[np.int64]:
    """(n, 3) voxels along a line every `STEP`; -1 off the grid."""
    at = (np.arange(max(round(length / STEP), 1)) + 0.5) * STEP
    index = np.rint(grid.index(start + at[:, None] * out)).astype(np.int64)
    on = np.all((index >= 0) & (index < np.asarray(grid.shape)), axis=1)
    return np.where(on[:, None], index, -1)


def _courses(
    anatomy: Anatomy, cells: NDArray[np.int64], crack: Crack, swept: NDArray[np.bool_]
) -> list[tuple[float, float, float, str]]:
    """Where a strip begins in bone, leaves it and ends [m], and where it leads: at its first way out, a sheet at all.

    It begins behind the last voxel where the bone holds the crack itself: in the shell, or at the surface.
    """
    on, at = cells[:, 0] >= 0, tuple(cells.T)
    own = on & np.isin(anatomy.compartment[at], OWN)
    blocked = ~on | own | np.isin(anatomy.tissue[at], (Tissue.DURA, Tissue.CANCELLOUS, Tissue.CORTICAL))
    within = own & swept[at]
    edges = np.flatnonzero(np.diff(np.concatenate([[False], own, [False]]).astype(int)))
    courses = []
    for first, left in edges.reshape(-1, 2)[: None if len(crack.ways) > 1 else 1]:
        stop = left + int(np.argmax(blocked[left:])) if blocked[left:].any() else len(own)
        stop = min(stop, left + round(min(crack.beyond, 1.0) / STEP))
        places = [Compartment(int(c)) for c in anatomy.compartment[at][left:stop]]
        route = next((LEADS_TO[c] for c in places if c in LEADS_TO), "tissue")  # a rim of no name lies on the bone
        if within[first:left].any():
            first += int(np.flatnonzero(within[first:left])[-1]) + 1
        courses.append((first * STEP, left * STEP, stop * STEP, route))
    return courses


def _cuts(begin: float, border: float, end: float) -> tuple[Float, NDArray[np.bool_]]:
    """Where the nodes of a chain lie along it [m], and which of its segments lie within bone."""
    parts = [(a, b, max(int(np.ceil((b - a) / PIECE - 1e-9)), 1)) for a, b in ((begin, border), (border, end)) if b > a]
    cuts = np.concatenate([[begin], *(np.linspace(a, b, n + 1)[1:] for a, b, n in parts)])
    return cuts, cuts[1:] <= border + 1e-9


def _chain(crack: Crack, nodes: Float, breadth: Float, inside: NDArray[np.bool_], route: str) -> VeinNetwork:
    pieces = len(nodes) - 1
    return VeinNetwork(
        nodes=nodes,
        segments=np.stack([np.arange(pieces), np.arange(1, pieces + 1)], axis=1),
        radius=np.full(pieces, 0.5 * crack.width),
        length=np.linalg.norm(np.diff(nodes, axis=0), axis=1),
        vein=np.zeros(pieces, np.int64),
        names=(crack.name,),
        routes=(route,),
        inside=inside,
        outlet_node=np.zeros(0, np.int64),
        outlet_pressure=np.zeros(0),
        outlet_names=(),
        blood=np.zeros(len(nodes)),
        breadth=np.tile(breadth, (pieces, 1)),
    )


def _joined(one: VeinNetwork | None, other: VeinNetwork) -> VeinNetwork:
    """Two networks side by side; the first keeps its numbers."""
    if one is None:
        return other
    shift = {"segments": len(one.nodes), "outlet_node": len(one.nodes), "vein": len(one.names)}
    values: dict[str, Any] = {}
    for item in fields(VeinNetwork):
        a, b = getattr(one, item.name), getattr(other, item.name)
        moved = b + shift[item.name] if item.name in shift else b
        values[item.name] = a + b if isinstance(a, tuple) else np.concatenate([a, moved])
    return VeinNetwork(**values)
