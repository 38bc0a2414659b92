"""Trabecular bone of the generated vertebrae: correlated log-normal BV/TV with the known regional pattern."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.parametric_dimensions import Dimensions
from vertebro.anatomy.parametric_vertebra import body_shape
from vertebro.sources import Constant
from vertebro.units import mm

ENDPLATE_GAIN = Constant(1.2, "1", 0.3, 2.0, "thomsen2013", "ours", "extra BV/TV right under the endplates")
ENDPLATE_DECAY = Constant(3.0e-3, "m", 1e-3, 6e-3, "vertebro", "ours", "falls to 1/e over this depth")
POSTERIOR_GAIN = Constant(0.45, "1", 0.0, 1.0, "vertebro", "ours", "extra BV/TV at the posterior wall")
ARCH_FACTOR = Constant(1.9, "1", 1.0, 3.0, "vertebro", "ours", "cancellous bone of pedicles and arch over the body's")
BODY_CORTEX = Constant(0.40e-3, "m", 0.09e-3, 0.86e-3, "silva1994", "seen", "shell; range seen, mean recalled")
ENDPLATE_CORTEX = Constant(
    0.40e-3, "m", 0.3e-3, 0.8e-3, "vertebro", "recalled", "compact share of the porous bony endplate"
)
ARCH_CORTEX = Constant(1.05e-3, "m", 0.5e-3, 2.5e-3, "vertebro", "ours", "pedicles, laminae, processes")

Array = NDArray[Any]


def regional_pattern(dim: Dimensions, a: Array, s: Array) -> Array:
    """BV/TV relative to the body's mean, before the random field: denser near endplates and posterior wall.

    Parameters
    ----------
    a, s : broadcastable float arrays [m]
        In the bone's own frame.

    Returns
    -------
    broadcast float array [1]
        Mean 1 over the core, more than 3 mm from the surface.
    """
    return np.asarray(_pattern(dim, a, s) / np.float32(_mean_pattern(dim)))


def _pattern(dim: Dimensions, a: Array, s: Array) -> Array:
    depth = np.maximum(np.float32(0.5 * dim.height - 1.2 * mm) - np.abs(s), 0)
    ends = np.float32(ENDPLATE_GAIN) * np.exp(-depth / np.float32(ENDPLATE_DECAY))
    back = np.float32(POSTERIOR_GAIN) * np.clip(-a / np.float32(0.5 * dim.depth), 0, 1) ** 2
    lower = -0.10 * np.clip(s / np.float32(0.5 * dim.height), -1, 1)  # the lower half is a little denser
    return np.asarray(1 + ends + back + lower)


@functools.lru_cache(maxsize=64)
def _mean_pattern(dim: Dimensions) -> float:
    """Mean over the core (where a QCT region of interest lies) on a fixed lattice, whatever the grid."""
    line = (np.arange(-16, 17) * 1.5 * mm).astype(np.float32)
    r, a, s = line[:, None, None], line[None, :, None], line[None, None, :]
    inside = body_shape(dim).distance(r, a, s) < -3.0 * mm
    pattern = np.broadcast_to(_pattern(dim, a, s), inside.shape)
    return float(pattern[inside].mean())


def cortex_thickness(dim: Dimensions, body: Array, s: Array) -> Array:
    """Thickness [m] of the compact layer: thin on the body, thicker on its endplates, thick behind it.

    Parameters
    ----------
    body : float array [m]
        Signed distance to the body.
    """
    rim = np.clip((np.abs(s) - np.float32(0.5 * dim.height - 3.5 * mm)) / np.float32(1.5 * mm), 0, 1)
    wall = np.float32(BODY_CORTEX) + np.float32(ENDPLATE_CORTEX - BODY_CORTEX) * rim
    behind = np.clip(body / np.float32(2.0 * mm), 0, 1)
    return np.asarray(wall + (np.float32(ARCH_CORTEX) - wall) * behind)


def core_fraction(dim: Dimensions, mean: float, body: Array, a: Array, s: Array) -> Array:
    """BV/TV [1] of the spongy core without the random field and without the basivertebral void.

    Parameters
    ----------
    mean : float [1]
        Mean of the body's core.
    body, a, s : float arrays [m]
        Signed distance to the body and coordinates in the bone's frame.
    """
    pattern = regional_pattern(dim, a, s)
    behind = np.clip(body / np.float32(3.0 * mm) + 0.3, 0, 1)
    return np.asarray(np.float32(mean) * (pattern + (np.float32(ARCH_FACTOR) - pattern) * behind))
