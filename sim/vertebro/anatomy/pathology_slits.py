"""Cracks thinner than a voxel as chains of slits from the bone out, in the same network as the veins.

A crack is cut along its length into strips a few millimetres broad. Each strip is one chain: it begins at the crack's
deep edge, has a node where it leaves the bone, and ends where the crack does or at the dura, which it does not cut.
Between two plates a distance w apart a strip of breadth b conducts b w³/(12 L), and its cement moves as a front
(physics.md 7.8). Strips exchange through the voxels along them (`network_slits`) and so with each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.anatomy import Anatomy
from vertebro.anatomy.network import VeinNetwork
from vertebro.anatomy.pathology_cracks import Crack, tear_disc, tear_tissue
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
        Its permeability and porosity are changed in place where disc or soft tissue is torn.
    cracks : sequence of Crack
        Each with a way out.
    """
    network = anatomy.network
    for crack in cracks:
        cells = crack.share(anatomy.grid) > 0
        tear_disc(anatomy, cells)
        tear_tissue(anatomy, cells)
        for strip in _strips(anatomy, crack):
            network = _joined(network, strip)
    return replace(anatomy, network=network)


def _strips(anatomy: Anatomy, crack: Crack) -> list[VeinNetwork]:
    """One chain for each strip that meets bone."""
    if crack.out is None:
        return []
    forward = abs(float(crack.out @ crack.along)) > 0.5
    deep, half = crack.half if forward else crack.half[::-1]
    side = crack.across if forward else crack.along
    number = max(int(np.ceil(2.0 * half / STRIP - 1e-9)), 1)
    breadth = 2.0 * half / number
    chains = []
    for n in range(number):
        start = crack.centre + ((n + 0.5) * breadth - half) * side - deep * crack.out
        begin, border, end, route = _course(anatomy, start, crack.out, 2.0 * deep)
        if border > begin:
            cuts, inside = _cuts(begin, border, end)
            chains.append(_chain(crack, start + cuts[:, None] * crack.out, breadth * side, inside, route))
    return chains


def _course(anatomy: Anatomy, start: Float, out: Float, length: float) -> tuple[float, float, float, str]:
    """Where a strip enters bone, leaves it and ends, from its start [m], and where it leads; nothing without bone."""
    grid, at = anatomy.grid, (np.arange(max(round(length / STEP), 1)) + 0.5) * STEP
    index = np.rint(grid.index(start + at[:, None] * out)).astype(int)
    on = np.all((index >= 0) & (index < np.asarray(grid.shape)), axis=1)
    cells = tuple((index * on[:, None]).T)
    own = on & np.isin(anatomy.compartment[cells], OWN)
    if not own.any():
        return 0.0, 0.0, 0.0, "tissue"
    first = int(np.argmax(own))
    left = first + int(np.argmax(~own[first:])) if not own[first:].all() else len(own)
    blocked = ~on | own | np.isin(anatomy.tissue[cells], (Tissue.DURA, Tissue.CANCELLOUS, Tissue.CORTICAL))
    stop = left + int(np.argmax(blocked[left:])) if blocked[left:].any() else len(own)
    places = [Compartment(int(c)) for c in anatomy.compartment[cells][left:stop]]
    route = next((LEADS_TO[c] for c in places if c in LEADS_TO), "tissue")  # a thin rim of no name lies on the bone
    return first * STEP, left * STEP, stop * STEP, route


def _cuts(begin: float, border: float, end: float) -> tuple[Float, NDArray[np.bool_]]:
    """Where the nodes of a chain lie along it [m], and which of its segments lie within bone."""
    inner = np.linspace(begin, border, max(int(np.ceil((border - begin) / PIECE - 1e-9)), 1) + 1)
    outer = np.linspace(border, end, max(int(np.ceil((end - border) / PIECE - 1e-9)), 1) + 1)
    if not end > border:
        outer = inner[-1:]
    cuts = np.concatenate([inner, outer[1:]])
    return cuts, np.arange(len(cuts) - 1) < len(inner) - 1


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
