"""A second peer: the distance-driven projector of XCIST (gecatsim), called in its C library; orbital views only.

gecatsim 1.6.9 does not install on Linux as it is: unpack its source, turn the line ends of ``clib_build`` into LF, run
BuildLinux64 and name the library it makes in the environment variable VERTEBRO_XCIST.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from vertebro.grid import VoxelGrid
from vertebro.imaging import CArm

LIBRARY = "VERTEBRO_XCIST"


def load() -> ctypes.CDLL | None:
    """The library, or None where the environment does not name one."""
    path = os.environ.get(LIBRARY)
    return ctypes.CDLL(path) if path else None


def projector(volume: NDArray[np.float32], grid: VoxelGrid, carm: CArm) -> Callable[[], NDArray[np.float32]]:
    """A call that projects anew; lengths are millimetres there, voxels equal along r and a."""
    library = load()
    if library is None:
        raise RuntimeError(f"{LIBRARY} does not name a libcatsim.so")
    if carm.cranial:
        raise ValueError("XCIST turns about one axis only")
    floats = np.ctypeslib.ndpointer(ctypes.c_float)
    number, whole = ctypes.c_float, ctypes.c_int
    run = library.DD3Proj_roi_notrans_mm
    run.argtypes = [number] * 3 + [whole] * 2 + [floats] * 3 + [number] * 3 + [floats] * 2 + [whole, floats]
    run.argtypes += [whole] * 3 + [floats] + [number] * 2 + [np.ctypeslib.ndpointer(ctypes.c_ubyte)]
    run.restype = None
    nr, na, ns = grid.shape
    # rows run from anterior to posterior, columns to the right, planes upwards
    image = np.ascontiguousarray(volume.transpose(1, 0, 2)[::-1])
    mask = np.ones((2 * na, nr), np.uint8)
    pitch = carm.pitch * 1e3
    across = ((np.arange(carm.cols) - (carm.cols - 1) / 2) * pitch).astype(np.float32)
    behind = np.full(carm.cols, -(carm.source_detector - carm.source_isocentre) * 1e3, np.float32)
    up = ((np.arange(carm.rows) - (carm.rows - 1) / 2) * pitch).astype(np.float32)
    angle, shift = np.array([carm.orbital], np.float32), np.zeros(1, np.float32)

    def call() -> NDArray[np.float32]:
        picture = np.zeros((1, carm.cols, carm.rows), np.float32)
        source = 0.0, carm.source_isocentre * 1e3, 0.0
        sizes, steps = (nr, na, ns), (grid.spacing[0] * 1e3, grid.spacing[2] * 1e3)
        run(*source, carm.cols, carm.rows, across, behind, up, 0.0, 0.0, 0.0, angle, shift, 1, picture, *sizes, image,
            *steps, mask)  # fmt: skip
        return picture[0].T[::-1, ::-1] * np.float32(1e-3)

    return call
