"""Projector and fluoroscope: new poses against itk-rtk, live frames, first picture from a cold cache."""

from __future__ import annotations

import math
import statistics
import tempfile
import time
from collections.abc import Callable

import numpy as np

from benches import imaging_rtk
from benches.imaging_phantom import cube, exact, voxels
from benches.measure import Result, clock, clock_child
from vertebro.grid import VoxelGrid
from vertebro.imaging import CArm, Fluoroscope, needle_path, project, tissue_layers

POSES = {
    "AP": CArm.ap(),
    "lateral": CArm.lateral(),
    "30 deg": CArm(orbital=math.radians(30)),
    "30 + 15 deg": CArm(orbital=math.radians(30), cranial=math.radians(15)),
}
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


def _thread_times(calls: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Best processor time of each call, interleaved so that a busy machine disturbs all alike."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(repeats):
        for name, call in calls.items():
            start = time.process_time()
            call()
            times[name].append(time.process_time() - start)
    return {name: min(values) for name, values in times.items()}


def _pose(name: str, pixels: int, quick: bool) -> Result:
    size = 96 if quick else 256
    grid = cube(size, 0.128 / size)
    carm = CArm(
        orbital=POSES[name].orbital, cranial=POSES[name].cranial, rows=pixels, cols=pixels, pitch=0.256 / pixels
    )
    volume, geometry = voxels(grid), carm.geometry
    calls: dict[str, Callable[[], object]] = {"vertebro": lambda: project(volume, grid, geometry)}
    peer = imaging_rtk.load() is not None
    if peer:
        calls["rtk"] = imaging_rtk.projector(volume, grid, carm)
    seconds = _thread_times(calls, 2 if quick else 5)
    truth = exact(geometry, grid)
    error = {key: float(np.sqrt(np.mean((np.asarray(call()) - truth) ** 2))) for key, call in calls.items()}
    note = f"{size}³, {pixels}², 1 thread; RMSE {error['vertebro']:.4f}"
    if peer:
        note += f"; itk-rtk Joseph {1e3 * seconds['rtk']:.0f} ms, RMSE {error['rtk']:.4f}"
    more = {f"{key}_s": value for key, value in seconds.items()} | {f"{key}_rmse": e for key, e in error.items()}
    if peer:
        more["times_faster_than_rtk"] = seconds["rtk"] / seconds["vertebro"]
        note += f"; {more['times_faster_than_rtk']:.1f} x faster"
    return Result(name=f"new pose, {name}", value=1e3 * seconds["vertebro"], unit="ms", note=note, more=more)


def new_pose(quick: bool) -> list[Result]:
    """Line integrals of one volume from a new pose, beside itk-rtk."""
    return [_pose(name, 512, quick) for name in POSES] + [_pose("30 + 15 deg", 1024, quick)]


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


BENCHES = [new_pose, live_frame, first_frame]
