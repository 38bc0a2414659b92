"""Fluoroscope: live frames, first picture from a cold cache; the projector is in `imaging_projector`."""

from __future__ import annotations

import statistics
import tempfile

import numpy as np

from benches.measure import Result, clock, clock_child
from vertebro.grid import VoxelGrid
from vertebro.imaging import CArm, Fluoroscope, needle_path, tissue_layers

FIRST_FRAME = """
import numpy as np
from vertebro.grid import VoxelGrid
from vertebro.imaging import CArm, Fluoroscope, needle_path, tissue_layers
grid = VoxelGrid.around([-0.05] * 3, [0.05] * 3, 2e-3)
view = Fluoroscope().prepare(CArm.ap(), tissue_layers(np.zeros(grid.shape), grid))
cement = np.zeros(grid.shape, np.float32)
cement[20:24, 20:24, 20:24] = 1
needle = needle_path(view.geometry, [0, -0.03, 0], [0, 0.01, 0], outer_diameter=3e-3, inner_diameter=2e-3)
view.frame(cement_line=view.cement_line(cement, grid), needle_line=needle)
"""


def live_frame(quick: bool) -> list[Result]:
    """One frame with growing cement, moving needle and the whole detector chain, at a fixed C-arm."""
    grid = VoxelGrid.around([-0.1, -0.08, -0.1], [0.1, 0.08, 0.1], 2e-3)
    box = VoxelGrid((96, 96, 96), (0.8e-3,) * 3, (-0.038,) * 3)
    rows = []
    for pixels, size in ((512, 48), (512, 96), (1024, 96)):
        carm = CArm.lateral(rows=pixels, cols=pixels, pitch=0.256 / pixels)
        view = Fluoroscope().prepare(carm, tissue_layers(np.zeros(grid.shape), grid))
        cement = np.zeros(box.shape, np.float32)
        part = slice(48 - size // 2, 48 + size // 2)
        cement[part, part, part] = 0.8
        number = 0

        def frame(view=view, cement=cement) -> None:  # type: ignore[no-untyped-def]
            nonlocal number
            number += 1
            tip = [0.0, 0.01 + 1e-4 * number, 0.0]
            steel = needle_path(view.geometry, [0, -0.05, 0], tip, outer_diameter=3e-3, inner_diameter=2.4e-3)
            view.frame(cement_line=view.cement_line(cement, box), needle_line=steel, number=number)

        clocked = clock(frame, repeats=5 if quick else 15)
        rows.append(
            Result(
                name=f"live frame, {pixels}²",
                value=1e3 * min(clocked.cpu),
                unit="ms",
                note=f"cement box {size}³, 12 bins, scatter, blur, noise, display; "
                f"median {1e3 * statistics.median(clocked.cpu):.1f} ms of processor time",
                more=clocked.numbers,
            )
        )
    return rows


def first_frame(quick: bool) -> Result:
    """A fresh process with an empty kernel cache: import, compile, one frame."""
    with tempfile.TemporaryDirectory() as cache:
        cold = clock_child(["-c", FIRST_FRAME], repeats=1, VERTEBRO_CACHE=cache)
        warm = clock_child(["-c", FIRST_FRAME], repeats=1 if quick else 3, VERTEBRO_CACHE=cache)
    return Result(
        name="first fluoroscopy frame, cold cache",
        value=cold.cpu[0],
        unit="s",
        note=f"processor time, imports included; aim <= 8; warm cache {min(warm.cpu):.2f} s",
        more=cold.numbers | {"warm_cpu_s": min(warm.cpu)},
    )


BENCHES = [live_frame, first_frame]
