"""Vessels with closed solutions: a duct fed at a fixed pressure, and the two-path estimate of a ball and a duct."""

from __future__ import annotations

import numpy as np
from scipy.integrate import solve_ivp

from vertebro.flow import FlowProblem, Outlet, VesselNetwork, Well
from vertebro.grid import VoxelGrid

BLOOD = 4e-3


def duct(radius: float, length: float, parts: int = 1):
    """Conductances, volumes, lengths and radii of a round duct in equal parts."""
    part = length / parts
    one = (np.pi * radius**4 / (8 * part), np.pi * radius**2 * part, part, radius)
    return {
        name: np.full(parts, value) for name, value in zip(("conductance", "volume", "length", "radius"), one, strict=True)
    }


def slit(width: float, breadth: float, length: float, parts: int = 1):
    """As `duct` for a slit."""
    part = length / parts
    one = (width**3 * breadth / (12 * part), width * breadth * part, part, width / 2)
    return {
        name: np.full(parts, value) for name, value in zip(("conductance", "volume", "length", "radius"), one, strict=True)
    }


def chain(parts: int):
    """Segments 0-1, 1-2, …"""
    return np.stack([np.arange(parts), np.arange(1, parts + 1)], axis=1)


def fed_duct(shape, *, injected, blood, pressure, parts=1, h=1e-3, tight=None, **more):
    """A duct or slit whose mouth is a block of voxels held at a pressure by a well: bone that hardly resists.

    The well's cell is full of injected fluid after a moment; `coupling` is so large that it does not count.
    """
    grid = VoxelGrid(shape=(3, 3, 3), spacing=(h,) * 3)
    vessels = VesselNetwork(
        segment=chain(parts),
        coupling_node=[0],
        coupling_cell=[(1, 1, 1)],
        coupling=[1e3 * shape["conductance"][0] * parts],
        outlet_node=[parts],
        outlet_pressure=[0.0],
        outlet_name=["end"],
        viscosity=blood,
        **shape,
    )
    porosity = np.zeros((3, 3, 3))
    porosity[1, 1, 1] = 1e-6
    return FlowProblem(
        grid=grid,
        porosity=porosity,
        permeability=tight or 1e-8,
        injected=injected,
        displaced=blood,
        wells=[Well(cells=[(1, 1, 1)], pressure=pressure)],
        vessels=vessels,
        **more,
    )
