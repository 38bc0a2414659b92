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
        name: np.full(parts, value)
        for name, value in zip(("conductance", "volume", "length", "radius"), one, strict=True)
    }


def slit(width: float, breadth: float, length: float, parts: int = 1):
    """As `duct` for a slit."""
    part = length / parts
    one = (width**3 * breadth / (12 * part), width * breadth * part, part, width / 2)
    return {
        name: np.full(parts, value)
        for name, value in zip(("conductance", "volume", "length", "radius"), one, strict=True)
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


# the two-path estimate (physics.md 7.9): 4 mL at 3 mL/min, a ball of bone and one duct whose mouth is 5 mm from the tip
RATE, DOSE, PHI, K = 5e-8, 4e-6, 0.88, 1e-8
DUCT, LENGTH, MOUTH, OUTER = 1e-3, 30e-3, 5e-3, 20e-3
VISCOSITIES = (1.0, 5.0, 10.0, 50.0, 100.0, 500.0, 2000.0)
# rows: marrow [Pa·s] and pressure in the vein [Pa]; leaked volume [mL], as the dossier prints it
TWO_PATHS = {
    (0.05, 0.0): (0.056, 0.054, 0.054, 0.054, 0.054, 0.054, 0.054),
    (1.0, 0.0): (0.083, 0.061, 0.058, 0.055, 0.055, 0.054, 0.054),
    (10.0, 0.0): (0.280, 0.106, 0.083, 0.061, 0.058, 0.055, 0.054),
    (50.0, 0.0): (0.992, 0.280, 0.173, 0.083, 0.070, 0.058, 0.055),
    (0.05, 1e3): (0.0, 0.0, 0.0, 0.028, 0.042, 0.052, None),
}


def two_paths(cement: float, marrow: float, vein: float, outer: float = OUTER) -> float:
    """Leaked volume [m³] of the estimate: a ball that grows, and a duct that fills from its surface inwards.

    Both paths begin at the pressure of the ball at the mouth's radius; what the duct takes does not bend the ball.
    """

    def rates(_, filled):
        bone, column = filled
        radius = (3 * bone / (4 * np.pi * PHI)) ** (1 / 3)
        if radius <= MOUTH:
            return RATE, 0.0
        ball = (cement * (1 / MOUTH - 1 / radius) + marrow * (1 / radius - 1 / outer)) / (4 * np.pi * K)
        wet = min(column, LENGTH)
        tube = 8 * (cement * wet + BLOOD * (LENGTH - wet)) / (np.pi * DUCT**4) + cement / (2 * np.pi * K * DUCT)
        leak = max(0.0, (RATE * ball - vein) / (ball + tube))
        return RATE - leak, leak / (np.pi * DUCT**2)

    end = DOSE / RATE
    found = solve_ivp(rates, (0, end), (1e-15, 0.0), rtol=1e-7, atol=1e-13, max_step=end / 800)
    return float(np.pi * DUCT**2 * found.y[1, -1])


def shells(cement, marrow: float, vein: float, *, mouth: int = 24, parts: int = 6, **more):
    """The ball as a row of cells that are shells in truth: their area goes into permeability and porosity.

    The mouth's cell is centred at `MOUTH`, the outlet's at about `OUTER`.
    """
    h = MOUTH / (mouth + 0.5)
    n = round(OUTER / h + 0.5)
    side = 0.08
    area = 4 * np.pi * ((np.arange(n) + 0.5) * h) ** 2 / side**2
    vessels = VesselNetwork(
        segment=chain(parts),
        coupling_node=[0],
        coupling_cell=[(mouth, 0, 0)],
        coupling=[2 * np.pi * K * DUCT],
        outlet_node=[parts],
        outlet_pressure=[vein],
        outlet_name=["vein"],
        viscosity=BLOOD,
        **duct(DUCT, LENGTH, parts),
    )
    return FlowProblem(
        grid=VoxelGrid(shape=(n, 1, 1), spacing=(h, side, side)),
        porosity=(PHI * area)[:, None, None],
        permeability=(K * area)[:, None, None],
        injected=cement,
        displaced=marrow,
        wells=[Well(cells=[(0, 0, 0)], rate=RATE)],
        outlets=[Outlet(cells=[(n - 1, 0, 0)])],
        vessels=vessels,
        **more,
    )


def leaked(state) -> float:
    """Injected volume that has left the voxels by vessels [m³]."""
    return state.vessels.held + sum(state.vessels.outflow.values())
