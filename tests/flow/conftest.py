"""Small flow problems that several tests share."""

from __future__ import annotations

import numpy as np
import pytest

from vertebro.flow import FlowProblem, Outlet, Well
from vertebro.grid import VoxelGrid


@pytest.fixture
def bone(rng):
    """Maker of a small heterogeneous problem; keyword arguments replace fields."""

    def make(shape=(11, 9, 10), **changes):
        centre = tuple(n // 2 for n in shape)
        fields = {
            "grid": VoxelGrid(shape=shape, spacing=(1e-3, 1.1e-3, 0.9e-3)),
            "porosity": 0.9,
            "permeability": 1e-8 * np.exp(rng.normal(size=(3, *shape))),
            "injected": 100.0,
            "displaced": 0.05,
            "wells": [Well(cells=[centre], rate=5e-8)],
            "outlets": [Outlet(cells=[(0, 0, 0), (shape[0] - 1, 0, 0)])],
        }
        return FlowProblem(**{**fields, **changes})

    return make
