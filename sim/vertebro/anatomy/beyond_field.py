"""What a cropped CT does not show: a smooth trunk beyond the sides of its field of view; no edges in pictures.

A narrow reconstruction cuts the patient open at its sides; in a fluoroscopy frame those faces would stand as dark and
white bars. Beyond them each place takes the blurred tissue of the nearest border, inside a trunk of usual size, and the
CT fades into it over its last centimetre and a half. Nothing but pictures sees it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vertebro.anatomy.volumes import Volume
from vertebro.grid import VoxelGrid
from vertebro.sources import Constant
from vertebro.units import mm

AIR = -1000.0
TRUNK_HALF_WIDTH = Constant(0.160, "m", 0.130, 0.200, "vertebro", "ours", "elderly woman at the upper lumbar spine")
TRUNK_HALF_DEPTH = Constant(0.105, "m", 0.085, 0.140, "vertebro", "ours", "elderly woman at the upper lumbar spine")
TRUNK_CENTRE = Constant(0.025, "m", 0.010, 0.045, "vertebro", "ours", "in front of the vertebral body's centre")
BLUR = 10 * mm
FADE = 15 * mm
SOFTEST, DENSEST = -900.0, 45.0  # HU: lung may go on, bone may not
CUT_SHARE = 0.15
_COARSE = 3 * mm
_SKIN_HU = -300


def is_cut(clean: Volume) -> bool:
    """Whether the sides of the field of view cut through the patient."""
    ends = next(n for n, letter in enumerate(clean.axes) if letter in "SI")
    faces = [np.moveaxis(clean.data, n, 0)[edge] for n in range(3) if n != ends for edge in (0, -1)]
    return any(float(np.mean(face > _SKIN_HU)) > CUT_SHARE for face in faces)


def trunk_box() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Low and high corners [m] of the assumed trunk across the spine: (right, anterior)."""
    middle = np.array([0.0, TRUNK_CENTRE])
    half = np.array([TRUNK_HALF_WIDTH, TRUNK_HALF_DEPTH])
    return middle - half, middle + half


def fill_beyond(hu: NDArray[np.int16], unknown: NDArray[np.bool_], grid: VoxelGrid) -> None:
    """Continue the tissue at the border of the field into the assumed trunk, faded at the seam; changes `hu`.

    Parameters
    ----------
    hu : (nr, na, ns) int16 array [HU]
    unknown : (nr, na, ns) bool array
        Voxels outside the field of view.
    grid : VoxelGrid
    """
    step = max(1, round(_COARSE / max(grid.spacing)))
    thin = (slice(None, None, step),) * 3
    known = ~unknown[thin]
    if known.all() or not known.any():
        return
    nearest = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
    coarse = np.clip(hu[thin], SOFTEST, DENSEST).astype(np.float32)[tuple(nearest)]
    edges = step * np.asarray(grid.spacing)
    coarse = ndimage.gaussian_filter(coarse, BLUR / edges, mode="nearest")
    depth = ndimage.distance_transform_edt(known, sampling=edges).astype(np.float32)
    own = _enlarged(np.clip(depth / FADE, 0, 1), step, hu.shape)
    own[unknown] = 0.0
    smooth = np.float32(AIR) + _trunk(grid) * (_enlarged(coarse, step, hu.shape) - np.float32(AIR))
    seam = (own < 1) & (unknown | (hu > _SKIN_HU))
    hu[seam] = np.rint(own[seam] * hu[seam] + (1 - own[seam]) * smooth[seam]).astype(np.int16)


def _trunk(grid: VoxelGrid) -> NDArray[np.float32]:
    """1 inside the assumed trunk, 0 outside, over two millimetres at the skin."""
    r, a, s = grid.open_mesh()
    depth = np.hypot(r / TRUNK_HALF_WIDTH, (a - TRUNK_CENTRE) / TRUNK_HALF_DEPTH) + 0 * s
    return np.clip((1.0 - depth) * TRUNK_HALF_DEPTH / (2 * mm), 0.0, 1.0).astype(np.float32)


def _enlarged(coarse: NDArray[np.float32], step: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    if step == 1:
        return coarse
    index = [np.minimum(np.arange(n) / step, m - 1) for n, m in zip(shape, coarse.shape, strict=True)]
    for axis, place in enumerate(index):
        low = np.floor(place).astype(int)
        high = np.minimum(low + 1, coarse.shape[axis] - 1)
        share = (place - low).astype(np.float32).reshape([-1 if n == axis else 1 for n in range(3)])
        coarse = np.take(coarse, low, axis) * (1 - share) + np.take(coarse, high, axis) * share
    return coarse
