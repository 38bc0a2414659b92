"""A small patient of water with a bone in it."""

from __future__ import annotations

import numpy as np
import pytest

from vertebro.grid import VoxelGrid
from vertebro.imaging import TissueLayer, tissue_layers


@pytest.fixture(scope="session")
def patient_grid() -> VoxelGrid:
    """A block 16 cm wide, 12 cm deep, 16 cm high."""
    return VoxelGrid.around([-0.08, -0.06, -0.08], [0.08, 0.06, 0.08], 4e-3)


@pytest.fixture(scope="session")
def patient(patient_grid: VoxelGrid) -> tuple[TissueLayer, ...]:
    """Water with a 4 cm cube of spongy bone (300 HU) in the middle."""
    hu = np.zeros(patient_grid.shape)
    r, a, s = patient_grid.open_mesh()
    hu[(abs(r) < 0.02) & (abs(a) < 0.02) & (abs(s) < 0.02)] = 300.0
    return tissue_layers(hu, patient_grid)
