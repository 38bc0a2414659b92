"""The peer: Joseph forward projection of itk-rtk, one thread, the same volume and poses."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.grid import VoxelGrid
from vertebro.imaging import CArm


def load() -> tuple[Any, Any] | None:
    """The modules itk and RTK, or None where they are not installed."""
    try:
        import itk
        from itk import RTK
    except ImportError:
        return None
    return itk, RTK


def projector(volume: NDArray[np.float32], grid: VoxelGrid, carm: CArm) -> Callable[[], NDArray[np.float32]]:
    """A call that projects anew. RTK's x, y, z are right, superior, anterior here; lengths are millimetres."""
    modules = load()
    if modules is None:
        raise RuntimeError("itk-rtk is not installed: pip install itk-rtk")
    itk, rtk = modules
    itk.MultiThreaderBase.SetGlobalDefaultNumberOfThreads(1)
    kind = itk.Image[itk.F, 3]
    image = itk.image_from_array(np.ascontiguousarray(volume.transpose(1, 2, 0)))
    image.SetSpacing([grid.spacing[axis] * 1e3 for axis in (0, 2, 1)])
    image.SetOrigin([grid.origin[axis] * 1e3 for axis in (0, 2, 1)])
    geometry = rtk.ThreeDCircularProjectionGeometry.New()
    pose = -math.degrees(carm.orbital), 0.0, 0.0, math.degrees(carm.cranial)
    geometry.AddProjection(carm.source_isocentre * 1e3, carm.source_detector * 1e3, *pose)
    pitch = carm.pitch * 1e3

    def call() -> NDArray[np.float32]:
        empty = itk.image_from_array(np.zeros((1, carm.rows, carm.cols), np.float32))
        empty.SetSpacing([pitch, pitch, 1.0])
        empty.SetOrigin([-(carm.cols - 1) / 2 * pitch, -(carm.rows - 1) / 2 * pitch, 0.0])
        joseph = rtk.JosephForwardProjectionImageFilter[kind, kind].New()
        joseph.SetGeometry(geometry)
        joseph.SetInput(0, empty)
        joseph.SetInput(1, image)
        joseph.Update()
        # millimetres to metres; RTK's rows run upwards and its columns to the patient's right
        return np.asarray(itk.array_from_image(joseph.GetOutput())[0, ::-1, ::-1]) * np.float32(1e-3)

    return call
