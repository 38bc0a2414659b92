"""Two fluids in porous bone: cement pushes marrow out through whatever is open.

**Darcy.** Both fluids obey ``u = -(K/μ) ∇p``; pores and fluids are incompressible, so ``∇·u = q`` at every moment:
one elliptic equation for the pressure, with the rates of the needles as source and the outlets held at their
pressures. Permeability spans many decades, so it is solved by multigrid-preconditioned conjugate gradients.

**Front.** A cement more viscous than marrow pushes it like a piston (``relative_permeability="piston"``): inside a
cell the two fluids resist in series. With Corey powers the Buckley-Leverett equation is solved instead. Fluxes follow
falling pressure, so the fill is found cell by cell in that order, in one pass, for any time step.

**Conservation.** In the same pass each cell's outflow is scaled to its inflow, and a sliver that meets a dead end
goes to the nearest cell with room: the injected volume is conserved to round-off, whatever the solver's tolerance.

**Wells** have a rate, a pressure, or a rate up to a pressure; their pressure is that on the needle's sphere (`radius`)
for any grid. A well with nowhere to push to makes an event, not an error.

Example
-------
>>> from vertebro.grid import VoxelGrid
>>> grid = VoxelGrid(shape=(9, 9, 9), spacing=(1e-3,) * 3)
>>> tip, corners = Well(cells=[(4, 4, 4)], rate=5e-8), Outlet(cells=[(0, 0, 0), (8, 8, 8)])
>>> problem = FlowProblem(grid=grid, porosity=0.9, permeability=1e-8, injected=100.0, displaced=0.05,
...                       wells=[tip], outlets=[corners])
>>> state = problem.initial_state()
>>> report = Stepper(problem).advance(state, 2.0)
>>> round(state.injected_volume * 1e6, 3), report.balance_error < 1e-12
(0.1, True)
"""

from vertebro.flow.laws import capillary_shear_factor, newtonian
from vertebro.flow.pressure import PressureReport, solve_pressure
from vertebro.flow.problem import FlowProblem, Outlet, Well
from vertebro.flow.report import FlowEvent, StepReport
from vertebro.flow.state import FlowState
from vertebro.flow.stepper import Stepper
from vertebro.flow.vessels import VesselNetwork, VesselState
from vertebro.flow.wells import lattice_green

__all__ = [
    "FlowEvent",
    "FlowProblem",
    "FlowState",
    "Outlet",
    "PressureReport",
    "StepReport",
    "Stepper",
    "VesselNetwork",
    "VesselState",
    "Well",
    "capillary_shear_factor",
    "lattice_green",
    "newtonian",
    "solve_pressure",
]
