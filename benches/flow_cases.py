"""Permeability fields on which pressure solvers are compared; deterministic, defined in space, not per grid.

``smooth`` coefficients; ``vertebra``: log-normal trabecular bone in soft tissue, a shell of 1e-4, veins of 1e2, a
cement ball of mobility 1/100, outflow at the box; ``marrow``: the same with nothing outside the shell and outflow by
veins only; ``channels``: winding ones in tight rock, like SPE10; ``blocks``: random blocks of four voxels; ``hard``:
sigma 2, shell 1e-5, veins 1e3, oblique one-voxel clefts and barriers.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vertebro.flow import FlowProblem, Outlet, Well
from vertebro.grid import VoxelGrid

Float = NDArray[np.float64]
K0 = 1e-8  # m²
EDGE = 0.05  # m


def smooth_noise(n: int, correlation: float, seed: int) -> Float:
    """Normal field (n, n, n) with a correlation length in units of the box, the same field on every grid."""
    rng = np.random.default_rng(seed)
    modes = 24
    white = rng.normal(size=(modes,) * 3)
    zoomed = ndimage.zoom(white, n / modes, order=1, mode="grid-wrap", grid_mode=True)
    field = ndimage.gaussian_filter(zoomed, correlation * n, mode="wrap")
    return (field - field.mean()) / field.std()


def coordinates(n: int) -> tuple[Float, Float, Float]:
    """Cell centres in units of the box, open mesh."""
    x = (np.arange(n) + 0.5) / n
    return x[:, None, None], x[None, :, None], x[None, None, :]


def smooth(n: int) -> Float:
    """Contrast 1e2 without jumps."""
    x, y, z = coordinates(n)
    return np.asarray(10.0 ** (np.sin(2 * math.pi * x) * np.cos(3 * math.pi * y) * np.cos(2 * math.pi * z)))


def _body(n: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    x, y, z = coordinates(n)
    rho = np.sqrt(((x - 0.5) / 0.36) ** 2 + ((y - 0.5) / 0.28) ** 2)
    height = np.abs(z - 0.5) / 0.24
    level = np.maximum(rho, height)
    inside = level < 1.0
    shell = inside & ~ndimage.binary_erosion(inside, iterations=max(1, n // 64))
    return inside, shell


def _tube(n: int, start: tuple[float, ...], end: tuple[float, ...], radius: float) -> NDArray[np.bool_]:
    x = np.stack(np.broadcast_arrays(*coordinates(n)), axis=-1)
    a, b = np.asarray(start), np.asarray(end)
    along = np.clip(((x - a) @ (b - a)) / float((b - a) @ (b - a)), 0.0, 1.0)
    distance = np.linalg.norm(x - a - along[..., None] * (b - a), axis=-1)
    return np.asarray(distance < max(radius, 0.9 / n))


def _veins(n: int, reach: float) -> NDArray[np.bool_]:
    veins = _tube(n, (0.5, 0.45, 0.5), (0.5, 0.5 - reach, 0.52), 0.012)
    for end in ((0.5 - reach, 0.62, 0.47), (0.5 + reach, 0.6, 0.53), (0.42, 0.5 + reach, 0.5)):
        veins |= _tube(n, (0.5, 0.5, 0.5), end, 0.008)
    return veins


def vertebra(n: int, *, sigma: float = 1.0, shell_factor: float = 1e-4, vein_factor: float = 1e2) -> Float:
    """Bone, shell, veins, a cement ball; soft tissue outside."""
    inside, shell = _body(n)
    k = np.where(inside, np.exp(sigma * smooth_noise(n, 0.02, 1)), 0.1)
    k[shell] = shell_factor
    k[_veins(n, 0.5)] = vein_factor
    x, y, z = coordinates(n)
    ball = (x - 0.42) ** 2 + (y - 0.5) ** 2 + (z - 0.5) ** 2 < 0.12**2
    return np.asarray(np.where(ball, k / 100.0, k))


def channels(n: int) -> Float:
    """Winding channels, 2e7 times more open than the tightest rock around."""
    rock = np.exp(2.0 * smooth_noise(n, 0.01, 2))
    inside = (np.abs(smooth_noise(n, 0.08, 3)) < 0.4) & (np.abs(smooth_noise(n, 0.08, 4)) < 0.4)
    return np.clip(np.where(inside, 1e3 * rock, 1e-2 * rock), 1e-4, 2e3)


def blocks(n: int) -> Float:
    """Independent blocks of four voxels over six decades."""
    rng = np.random.default_rng(5)
    coarse = 10.0 ** rng.uniform(-3.15, 3.15, size=((n + 3) // 4,) * 3)
    return np.asarray(np.kron(coarse, np.ones((4, 4, 4)))[:n, :n, :n])


def hard(n: int) -> Float:
    """The vertebra at its worst: contrast 2e10, oblique clefts and barriers of one voxel."""
    k = vertebra(n, sigma=2.0, shell_factor=1e-5, vein_factor=1e3)
    inside, _ = _body(n)
    i, j, m = np.indices((n,) * 3)
    k[inside & ((i + 2 * j + m) % (n // 2) == 0)] = 1e4
    k[inside & ((2 * i - j + m) % (n // 3) == 0)] = 1e-6
    return k


FIELDS: dict[str, Callable[[int], Float]] = {
    "smooth": smooth,
    "vertebra": vertebra,
    "marrow": vertebra,
    "channels": channels,
    "blocks": blocks,
    "hard": hard,
}


def problem(name: str, n: int) -> FlowProblem:
    """Single-phase problem of a field: a source off the centre, the box (or the veins' ends) as outlet."""
    k = K0 * FIELDS[name](n)
    porosity = np.full((n,) * 3, 0.9)
    border = np.ones((n,) * 3, bool)
    border[1:-1, 1:-1, 1:-1] = False
    if name == "marrow":
        inside, _ = _body(n)
        veins = _veins(n, 0.5)
        porosity[~(inside | veins)] = 0.0
        border &= veins
    tip = (int(0.42 * n), n // 2, n // 2)
    return FlowProblem(
        grid=VoxelGrid(shape=(n,) * 3, spacing=(EDGE / n,) * 3),
        porosity=porosity,
        permeability=k,
        injected=1.0,
        displaced=1.0,
        wells=[Well(cells=[tip], rate=5e-8)],
        outlets=[Outlet(cells=np.argwhere(border), name="box")],
    )
