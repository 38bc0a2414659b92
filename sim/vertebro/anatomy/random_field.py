"""Correlated random fields that live in physical space: refining a grid samples the same field more finely.

Unit normal numbers sit on a fixed lattice; the field is their sum under Gaussian bells. Because a Gaussian is a
product over the axes, sampling a grid costs three small matrix products.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import CaseError
from vertebro.grid import VoxelGrid

HALF_EXTENT = 0.080  # m; beyond it the lattice repeats (periodic), far outside one vertebra


def normal_field(
    grid: VoxelGrid, *, seed: int, correlation_length: float, mirrored: bool = False
) -> NDArray[np.float32]:
    """Standard normal field with Gaussian correlation exp(−d²/ℓ²), sampled at the voxel centres.

    Parameters
    ----------
    grid : VoxelGrid
        Any part of space; overlapping grids see the same field.
    seed : int
        The same seed gives the same field everywhere.
    correlation_length : float [m]
        ℓ; the correlation falls to 1/e at this distance.
    mirrored : bool
        Reflect left and right.

    Returns
    -------
    (nr, na, ns) float32 array [1]
        Mean 0, standard deviation 1 over the seeds at every point (within 1 %).

    Raises
    ------
    CaseError
        If the correlation length is not between 1 and 40 mm.
    """
    if not 1e-3 <= correlation_length <= 40e-3:
        raise CaseError(
            "correlation length", where="correlation_length", value=correlation_length, allowed="1 to 40 mm"
        )
    bell = correlation_length / 2.0  # two equal bells convolve to exp(−d²/(4 bell²)) = exp(−d²/ℓ²)
    count = 2 * int(np.ceil(HALF_EXTENT / bell))
    noise = np.random.default_rng(seed).standard_normal((count,) * 3, dtype=np.float32)
    r, a, s = grid.axes()
    field: NDArray[Any] = np.tensordot(_bells(s, bell, count), noise, axes=(1, 2))
    field = np.tensordot(_bells(a, bell, count), field, axes=(1, 2))
    field = np.tensordot(_bells(-r if mirrored else r, bell, count), field, axes=(1, 2))
    return np.ascontiguousarray(field, dtype=np.float32)


def _bells(x: NDArray[np.float64], bell: float, count: int) -> NDArray[np.float32]:
    """(n, count) weights of the lattice nodes at `x`, scaled so that each row's squares sum to one."""
    nodes = (np.arange(count) - count / 2 + 0.5) * bell
    period = count * bell
    away = (x[:, None] - nodes[None, :] + period / 2) % period - period / 2
    weights = np.exp(-(away**2) / (2 * bell**2))
    weights /= np.sqrt(np.sum(weights**2, axis=1, keepdims=True))
    return np.asarray(weights, dtype=np.float32)
