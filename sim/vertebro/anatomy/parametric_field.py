"""What vertebrae and pelvis share when they are painted: what a spec tells, CT numbers, the texture of spongy bone."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.random_field import normal_field
from vertebro.anatomy.shapes import Slices
from vertebro.grid import VoxelGrid

Array = NDArray[Any]
HU_EPIDURAL, HU_DURA, HU_ROOT = -70.0, 18.0, 30.0
HU_ANNULUS, HU_NUCLEUS = 95.0, 70.0


class FieldSpec(Protocol):
    """The part of a spec that painting needs."""

    @property
    def seed(self) -> int: ...
    @property
    def variation(self) -> float: ...
    @property
    def correlation_length(self) -> float: ...
    @property
    def mirrored(self) -> bool: ...


def texture(grid: VoxelGrid, region: Slices, hit: NDArray[np.bool_], spec: FieldSpec, stretch: float) -> Array | float:
    """Log-normal factor with mean 1 at the touched voxels.

    Parameters
    ----------
    stretch : float [1]
        How much longer it is along the spine: the vertical striation of thin bone.
    """
    if spec.variation == 0:
        return 1.0
    shape = tuple(x.stop - x.start for x in region)
    part = VoxelGrid(shape, grid.spacing, tuple(grid.world([x.start for x in region]).tolist()))
    length = spec.correlation_length
    field = normal_field(part, seed=spec.seed, correlation_length=(length, length, stretch * length))
    sigma = np.float32(spec.variation)
    return np.asarray(np.exp(sigma * field[hit] - sigma * sigma / 2))
