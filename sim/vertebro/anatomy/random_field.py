"""Correlated random fields that live in physical space: refining a grid samples the same field more finely.

Unit normal numbers sit on a fixed lattice; the field is their sum under Gaussian bells. Because a Gaussian is a
product over the axes, sampling a grid costs three small matrix products.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import CaseError
from vertebro.grid import VoxelGrid
from vertebro.products import product

HALF_EXTENT = 0.080  # m; beyond it the lattice repeats (periodic), far outside one vertebra
NEGLIGIBLE = 1e-6  # weight below which a node does not count


def normal_field(
    grid: VoxelGrid, *, seed: int, correlation_length: float | tuple[float, float, float], mirrored: bool = False
) -> NDArray[np.float32]:
    """Standard normal field with Gaussian correlation exp(−d²/ℓ²), sampled at the voxel centres.

    Parameters
    ----------
    grid : VoxelGrid
        Any part of space; overlapping grids see the same field.
    seed : int
        The same seed gives the same field everywhere.
    correlation_length : float or three floats [m]
        ℓ, one per axis if three; the correlation falls to 1/e at this distance.
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
    lengths = correlation_length if isinstance(correlation_length, tuple) else (correlation_length,) * 3
    if not all(1e-3 <= length <= 40e-3 for length in lengths):
        raise CaseError("correlation length", where="correlation_length", value=lengths, allowed="1 to 40 mm")
    bells = [length / 2.0 for length in lengths]  # two equal bells convolve to exp(−d²/(4 bell²)) = exp(−d²/ℓ²)
    counts = [2 * int(np.ceil(HALF_EXTENT / bell)) for bell in bells]
    noise = _noise(seed, *counts)
    r, a, s = grid.axes()
    lines = (-r if mirrored else r, a, s)
    weights = [_bells(x, bell, n) for x, bell, n in zip(lines, bells, counts, strict=True)]
    near = [np.flatnonzero(w.max(axis=0) > NEGLIGIBLE) for w in weights]
    w_r, w_a, w_s = (w[:, nodes] for w, nodes in zip(weights, near, strict=True))
    field: NDArray[Any] = noise[np.ix_(*near)]
    for weight in (w_s, w_a, w_r):  # each product brings the next axis to the end
        rest = field.shape[:-1]
        field = product(weight, field.reshape(-1, field.shape[-1]).T).reshape(len(weight), *rest)
    return np.ascontiguousarray(field, dtype=np.float32)


@functools.lru_cache(maxsize=4)
def _noise(seed: int, *counts: int) -> NDArray[np.float32]:
    """The whole lattice, whatever part is asked for: the same numbers for every grid."""
    noise = np.random.default_rng(seed).standard_normal(counts, dtype=np.float32)
    noise.setflags(write=False)
    return noise


def _bells(x: NDArray[np.float64], bell: float, count: int) -> NDArray[np.float32]:
    """(n, count) weights of the lattice nodes at `x`, scaled so that each row's squares sum to one."""
    nodes = (np.arange(count) - count / 2 + 0.5) * bell
    period = count * bell
    away = (x[:, None] - nodes[None, :] + period / 2) % period - period / 2
    weights = np.exp(-(away**2) / (2 * bell**2))
    weights /= np.sqrt(np.sum(weights**2, axis=1, keepdims=True))
    return np.asarray(weights, dtype=np.float32)
