"""vertebro: percutaneous bone-cement injection under imaging, simulated. Education and research only.

The public names load on first use, so that ``import vertebro`` costs nothing:

>>> import vertebro as vb
>>> vb.Case.preset("first-injection").cement.preset
'generic-medium'
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vertebro.case import Case
    from vertebro.errors import VertebroError
    from vertebro.flow import FlowProblem, Outlet, Stepper, Well, newtonian, solve_pressure
    from vertebro.grid import VoxelGrid
    from vertebro.imaging import CArm, project
    from vertebro.imported import import_case
    from vertebro.record import Run
    from vertebro.simulation import Simulation

__version__ = "0.1.0"

_HOMES = {
    "Case": "case",
    "Simulation": "simulation",
    "Run": "record",
    "import_case": "imported",
    "VoxelGrid": "grid",
    "FlowProblem": "flow",
    "Well": "flow",
    "Outlet": "flow",
    "Stepper": "flow",
    "newtonian": "flow",
    "solve_pressure": "flow",
    "CArm": "imaging",
    "project": "imaging",
    "VertebroError": "errors",
}
__all__ = [
    "CArm",
    "Case",
    "FlowProblem",
    "Outlet",
    "Run",
    "Simulation",
    "Stepper",
    "VertebroError",
    "VoxelGrid",
    "Well",
    "import_case",
    "newtonian",
    "project",
    "solve_pressure",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'vertebro' has no attribute {name!r}")
    return getattr(importlib.import_module(f"vertebro.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
