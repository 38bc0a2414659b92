"""Problems with closed solutions: balls, columns. Baseline: 3 mL/min, φ 0.88, K 1e-8 m², marrow 0.05 Pa·s."""

from __future__ import annotations

import numpy as np

from vertebro.flow import FlowProblem, Outlet, Stepper, Well
from vertebro.flow.domain import make_box, whole_window
from vertebro.flow.pressure import PressureField
from vertebro.grid import VoxelGrid

Q, PHI, K, MARROW, R_WELL, R_OUT = 5e-8, 0.88, 1e-8, 0.05, 1.5e-3, 20e-3


def ball(n: int = 43, h: float = 1e-3, *, outer: float = R_OUT, k=(K, K, K), injected=100.0, displaced=MARROW, **more):
    """A needle tip in the middle of a ball held at 0 Pa beyond `outer`; `outer` scales with h·n if None."""
    grid = VoxelGrid(shape=(n,) * 3, spacing=(h,) * 3, origin=(-(n // 2) * h,) * 3)
    x, y, z = grid.open_mesh()
    r = np.sqrt(x**2 + y**2 + z**2)
    porosity = np.where(r < outer + 1.8 * h, PHI, 0.0)
    well = {"rate": Q, "pressure": None, **more.pop("well", {})}
    return FlowProblem(
        grid=grid,
        porosity=porosity,
        permeability=np.broadcast_to(np.reshape(k, (3, 1, 1, 1)), (3, n, n, n)),
        injected=injected,
        displaced=displaced,
        wells=[Well(cells=[(n // 2,) * 3], radius=R_WELL, **well)],
        outlets=[Outlet(cells=np.argwhere((r >= outer) & (porosity > 0)))],
        **more,
    )


def column(n: int = 40, h: float = 1e-3, *, injected=100.0, displaced=MARROW, rate=1e-8, **more):
    """A column along r: inflow in the first cell, the last held at 0 Pa. Distance from the first centre: (n - 1) h."""
    return FlowProblem(
        grid=VoxelGrid(shape=(n, 1, 1), spacing=(h,) * 3),
        porosity=PHI,
        permeability=more.pop("permeability", K),
        injected=injected,
        displaced=displaced,
        wells=[Well(cells=[(0, 0, 0)], rate=rate, **more.pop("well", {}))],
        outlets=[Outlet(cells=[(n - 1, 0, 0)])],
        **more,
    )


def octant(
    n: int, *, share: float, steps: int, injected: float, displaced: float = 1.0, kind: str = "corey2", sharp=True
):
    """Eighth of a ball around a corner cell; the far sides hold the pressure of a point source. Returns state, grid."""
    h, rate = 1e-3, 1e-8
    grid = VoxelGrid(shape=(n,) * 3, spacing=(h,) * 3, origin=(h / 2,) * 3)
    x, y, z = grid.open_mesh()
    r = np.sqrt(x**2 + y**2 + z**2)
    far = np.zeros((n,) * 3, bool)
    far[-1] = far[:, -1] = far[:, :, -1] = True
    problem = FlowProblem(
        grid=grid,
        porosity=1.0,
        permeability=K,
        injected=injected,
        displaced=displaced,
        wells=[Well(cells=[(0, 0, 0)], rate=rate)],
        outlets=[Outlet(cells=np.argwhere(far), pressure=displaced * 8 * rate / (4 * np.pi * K * r[far]))],
        relative_permeability=kind,
    )
    seconds = share * n**3 * h**3 / rate
    state = problem.initial_state()
    stepper = Stepper(problem, tolerance=1e-5, front_step=1e9, max_step=seconds / steps * (1 + 1e-9), sharp=sharp)
    return state, grid, stepper.advance(state, seconds)


def ball_share(grid: VoxelGrid, radius: float, sub: int = 4):
    """Share of each cell (first octant) that lies inside a ball around the origin."""
    n, h = grid.shape[0], grid.spacing[0]
    x = (np.arange(n * sub) + 0.5) / sub * h
    inside = x[:, None, None] ** 2 + x[None, :, None] ** 2 + x[None, None, :] ** 2 < radius**2
    return inside.reshape(n, sub, n, sub, n, sub).mean(axis=(1, 3, 5))


def cone_radius(saturation, grid, radius: float, direction, degrees: float = 15.0) -> float:
    """Radius of the injected ball in a cone around a direction and its mirror images, from the volume in the cone."""
    x = np.stack(np.broadcast_arrays(*grid.open_mesh()), axis=-1)
    unit = np.sort(x / np.linalg.norm(x, axis=-1, keepdims=True), axis=-1)
    along = unit @ np.sort(np.asarray(direction, float) / np.linalg.norm(direction))
    cone = along > np.cos(np.radians(degrees))
    return float(radius * (saturation[cone].sum() / ball_share(grid, radius)[cone].sum()) ** (1 / 3))


def with_source(problem, source):
    """Pressure for a source field [m³/s], sinks included, through the parts that `solve_pressure` is made of."""
    flow = PressureField(problem, make_box(problem, whole_window(problem)))
    fill = np.zeros(flow.p.shape)
    flow.pin(fill)
    flow.fluids(fill, 0.0)
    flow.faces()
    right = flow.box.window.take(source)
    flow.solve(flow.p, right, 1e-10, float(np.linalg.norm(right)), 0.0)
    out = np.zeros(problem.grid.shape)
    flow.box.window.put(flow.p, out)
    return out
