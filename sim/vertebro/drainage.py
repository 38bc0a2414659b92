"""Veins and cracks in the hall: what flow, leak monitor and pictures each need of the anatomy's network."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.anatomy import Anatomy
from vertebro.anatomy.network import VeinNetwork
from vertebro.anatomy.network_coupling import couple
from vertebro.anatomy.network_settings import BLOOD_VISCOSITY
from vertebro.anatomy.network_slits import couple_slits
from vertebro.flow import FlowState, VesselNetwork
from vertebro.grid import VoxelGrid
from vertebro.leakage import VeinCourse
from vertebro.tissue import Tissue

Float = NDArray[np.float64]
LONG = 1.5  # a duct this much longer than its ends are apart runs elsewhere
BESIDE = 4e-3  # m of room around the veins on a grid of their own


class _Same:
    """An anatomy as the key of a cache: equal to itself only."""

    def __init__(self, anatomy: Anatomy) -> None:
        self.anatomy = anatomy

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.anatomy is self.anatomy

    def __hash__(self) -> int:
        return id(self.anatomy)


def flow_vessels(anatomy: Anatomy, *, clot: float = BLOOD_VISCOSITY) -> VesselNetwork | None:
    """Veins and cracks as the flow engine sees them; None without either.

    Ducts in bone exchange with the voxels of the body and the arch along them, slits with all that they cut but the
    dura. No duct opens into a fracture cleft: its wall is dead bone and scar (avascular necrosis, ivc_review). Veins
    hold blood; what fills a crack, clot and marrow, has a viscosity of its own, `clot` [Pa·s]. Kept for the two last
    anatomies, since a session asks again for every test and injection.
    """
    return _flow_vessels(_Same(anatomy), clot)


@lru_cache(maxsize=2)
def _flow_vessels(same: _Same, clot: float) -> VesselNetwork | None:
    anatomy = same.anatomy
    network = anatomy.network
    if network is None:
        return None
    own, porous = anatomy.bone, anatomy.porosity > 0
    ducts = couple(network, anatomy.grid, anatomy.permeability, own & porous & ~_cleft(anatomy))
    around = ~own & porous & (anatomy.tissue != Tissue.DURA)
    for way in anatomy.exits:  # held at a pressure; a crack that reaches the grid's rim gives to the cells before it
        around[tuple(way.cells.T)] = False
    slits = couple_slits(network, anatomy.grid, anatomy.permeability, own & porous, around)
    return VesselNetwork(
        segment=network.segments,
        conductance=network.conductance,
        volume=network.volume,
        length=network.length,
        radius=network.radius,
        coupling_node=np.concatenate([ducts.node, slits.node]),
        coupling_cell=np.concatenate([ducts.cell, slits.cell]),
        coupling=np.concatenate([ducts.conductance, slits.conductance]),
        outlet_node=network.outlet_node,
        outlet_pressure=network.outlet_pressure,
        outlet_name=network.outlet_names,
        blood=network.blood,
        viscosity=np.where(network.slit, clot, float(BLOOD_VISCOSITY)),
    )


def _cleft(anatomy: Anatomy) -> NDArray[np.bool_]:
    """(nr, na, ns) fracture clefts; the lake of a haemangioma looks alike on the grid and is full of vessels."""
    kinds = {record["kind"] for record in anatomy.provenance.get("pathology", ())}
    return np.asarray((anatomy.tissue == Tissue.CLEFT) & ("cleft" in kinds) & ("haemangioma" not in kinds))


def vein_course(anatomy: Anatomy) -> VeinCourse | None:
    """Veins and cracks as the leak monitor sees them; None without either."""
    network = anatomy.network
    if network is None:
        return None
    return VeinCourse(
        segments=network.segments,
        middle=network.middle,
        volume=network.volume,
        inside=network.inside,
        routes=tuple(str(route) for route in network.route),
        names=tuple(network.names[number] for number in network.vein),
    )


def vein_cement(network: VeinNetwork | None, vessels: VesselNetwork | None, state: FlowState) -> Float:
    """(m,) cement [m³] in each segment; what is on its way back into a voxel counts for the duct beside it."""
    held = state.vessels
    if network is None or vessels is None or held is None:
        return np.zeros(0)
    content = held.content.copy()
    back = np.flatnonzero(held.waiting > 0.0)
    if back.size:
        beside = np.zeros(len(network.nodes), np.int64)
        for part in (np.flatnonzero(~network.inside), np.flatnonzero(network.inside)):  # the latter have the last word
            beside[network.segments[part].ravel()] = np.repeat(part, 2)
        content += np.bincount(beside[vessels.coupling_node[back]], held.waiting[back], len(content))
    return content


def cement_in_voxels(anatomy: Anatomy, cement: Float, veins: Float) -> Float:
    """(nr, na, ns) cement [m³] in the voxels' pores and in veins and cracks where they pass the grid.

    Parameters
    ----------
    anatomy : Anatomy
    cement : (nr, na, ns) array [m³]
        In the pores.
    veins : (m,) array [m³]
        In each segment.
    """
    if anatomy.network is None or not veins.any():
        return cement
    fraction = vein_raster(anatomy.network, anatomy.grid).fraction(veins)
    return np.asarray(cement + fraction * anatomy.grid.voxel_volume, np.float64)


def cement_beyond(anatomy: Anatomy, veins: NDArray[np.floating] | None) -> tuple[NDArray[np.float32], VoxelGrid] | None:
    """Volume share of cement in veins that lie beyond the simulation grid, and its own grid; None without any.

    Parameters
    ----------
    anatomy : Anatomy
    veins : (m,) array, optional [m³]
        Cement in each segment.
    """
    network, grid = anatomy.network, anatomy.grid
    if network is None or veins is None or not np.any(veins):
        return None
    wide = vein_grid(network, min(grid.spacing))
    fraction = vein_raster(network, wide).fraction(np.asarray(veins, float))
    low, high = grid.extent
    on = [(x > a) & (x < b) for x, a, b in zip(wide.open_mesh(), low, high, strict=True)]
    fraction[on[0] & on[1] & on[2]] = 0.0
    return (fraction, wide) if fraction.any() else None


def gone(state: FlowState) -> dict[str, float]:
    """Cement [m³] that has left through each exit of the grid and each outlet of the veins."""
    return state.outflow | (state.vessels.outflow if state.vessels is not None else {})


class VeinRaster:
    """Where cement in veins lies on a grid.

    A duct's cement is spread along it and over its section. In a duct that stands for a long course elsewhere it
    fills a straight line from the vertebra's side.

    Parameters
    ----------
    network : VeinNetwork
    grid : VoxelGrid
    """

    def __init__(self, network: VeinNetwork, grid: VoxelGrid) -> None:
        self.grid, self._volume = grid, network.volume
        apart = np.linalg.norm(np.diff(network.nodes[network.segments], axis=1)[:, 0], axis=1)
        self._long = np.where(network.length > LONG * apart, network.length, 0.0)
        rows, cells, along = [], [], []
        for segment in range(len(network.segments)):
            points, t = _tube(network, segment, 0.4 * min(grid.spacing))
            index = np.rint(grid.index(points)).astype(int)
            on = np.all((index >= 0) & (index < np.asarray(grid.shape)), axis=1)
            cells.append(np.where(on, np.ravel_multi_index(tuple((index * on[:, None]).T), grid.shape), -1))
            rows.append(np.full(len(points), segment))
            along.append(t)
        self._row, self._cell, self._along = np.concatenate(rows), np.concatenate(cells), np.concatenate(along)

    def fraction(self, content: Float, segments: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
        """(nr, na, ns) volume share of cement.

        Parameters
        ----------
        content : (m,) float array [m³]
        segments : (k,) int array, optional
            Only of these.
        """
        held = np.asarray(content, float)
        if segments is not None:
            held = np.where(np.isin(np.arange(len(held)), segments), held, 0.0)
        out = np.zeros(self.grid.size)
        if held.any():
            reached = np.where(self._long > 0.0, held / self._volume, 1.0)[self._row]
            weight = (held[self._row] > 0.0) & (self._along <= np.maximum(reached, 1e-9))
            count = np.bincount(self._row, weight, len(held))
            share = weight * np.divide(held, count, out=np.zeros_like(held), where=count > 0)[self._row]
            on = self._cell >= 0
            out = np.bincount(self._cell[on], share[on], self.grid.size) / self.grid.voxel_volume
        return np.minimum(out, 1.0).astype(np.float32).reshape(self.grid.shape)


@lru_cache(maxsize=4)
def vein_raster(network: VeinNetwork, grid: VoxelGrid) -> VeinRaster:
    """The raster of a network on a grid, kept for the next picture."""
    return VeinRaster(network, grid)


def vein_grid(network: VeinNetwork, spacing: float) -> VoxelGrid:
    """A grid around all drawn veins."""
    return VoxelGrid.around(
        tuple((network.nodes.min(axis=0) - BESIDE).tolist()),
        tuple((network.nodes.max(axis=0) + BESIDE).tolist()),
        spacing,
    )


def _tube(network: VeinNetwork, segment: int, step: float) -> tuple[Float, Float]:
    """Points (n, 3) that fill a duct or a slit evenly, and how far along it each lies, 0 to 1."""
    a, b = network.nodes[network.segments[segment]]
    if network.slit[segment]:
        return _plate(a, b, network.sides[segment], step)
    radius, axis = float(network.radius[segment]), b - a
    length = max(float(np.linalg.norm(axis)), 1e-9)
    side = np.cross(axis, np.eye(3)[int(np.argmin(np.abs(axis)))])
    side /= max(float(np.linalg.norm(side)), 1e-12)
    other = np.cross(axis, side) / length
    # a sunflower: points of equal area over the section
    number = max(int(np.ceil(np.pi * (radius / step) ** 2)), 4)
    ring, turn = np.sqrt((np.arange(number) + 0.5) / number) * radius, np.arange(number) * np.pi * (3.0 - np.sqrt(5.0))
    disc = (ring * np.cos(turn))[:, None] * side + (ring * np.sin(turn))[:, None] * other
    t = (np.arange(max(int(np.ceil(length / step)), 2)) + 0.5) / max(int(np.ceil(length / step)), 2)
    points = (a + t[:, None] * axis)[:, None, :] + disc[None]
    return points.reshape(-1, 3), np.repeat(t, number)


def _plate(a: Float, b: Float, breadth: Float, step: float) -> tuple[Float, Float]:
    """The same for a slit, which is thinner than the step."""
    along, beside = (
        (np.arange(n) + 0.5) / n
        for n in (max(int(np.ceil(float(np.linalg.norm(x)) / step)), 2) for x in (b - a, breadth))
    )
    points = a + along[:, None, None] * (b - a) + (beside[None, :, None] - 0.5) * breadth
    return points.reshape(-1, 3), np.repeat(along, len(beside))
