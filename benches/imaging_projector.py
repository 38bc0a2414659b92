"""Projector: line integrals from a new pose beside itk-rtk (and XCIST where its library is named), one thread."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from benches import imaging_rtk, imaging_xcist
from benches.imaging_phantom import cube, exact, voxels
from benches.measure import Result
from vertebro.grid import VoxelGrid
from vertebro.imaging import CArm, Matter, project, project_layers, project_matter, tissue_layers

Calls = dict[str, Callable[[], NDArray[np.float32]]]
POSES = {  # orbital, cranial [degrees]
    "AP": (0, 0),
    "lateral": (90, 0),
    "30 deg": (30, 0),
    "30 + 15 deg": (30, 15),
    "15 deg cranial": (0, 15),
    "60 deg cranial": (0, 60),
}
EVERYWHERE = 0.5  # 1/m, added to every voxel: no line is empty


def _arm(name: str, pixels: int) -> CArm:
    orbital, cranial = (math.radians(angle) for angle in POSES[name])
    return CArm(orbital=orbital, cranial=cranial, rows=pixels, cols=pixels, pitch=0.256 / pixels)


def thread_times(calls: Calls, repeats: int) -> dict[str, float]:
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


def _calls(volume: NDArray[np.float32], grid: VoxelGrid, arm: CArm) -> Calls:
    matter, dense = Matter([volume], grid), Matter([volume + np.float32(EVERYWHERE)], grid)
    geometry = arm.geometry
    calls: Calls = {
        "vertebro": lambda: project_matter(matter, geometry)[0],
        "preview": lambda: project_matter(matter, geometry, quality="preview")[0],
        "dense": lambda: project_matter(dense, geometry)[0],
        "once": lambda: project(volume, grid, geometry),
    }
    if imaging_rtk.load() is not None:
        calls["rtk"] = imaging_rtk.projector(volume, grid, arm)
    if imaging_xcist.load() is not None and not arm.cranial:
        calls["xcist"] = imaging_xcist.projector(volume, grid, arm)
    return calls


def _pose(name: str, pixels: int, quick: bool) -> list[Result]:
    size = 96 if quick else 256
    grid = cube(size, 0.128 / size)
    arm = _arm(name, pixels)
    calls = _calls(voxels(grid), grid, arm)
    seconds = thread_times(calls, 2 if quick else 7)
    truth = exact(arm.geometry, grid)
    checked = [key for key in calls if key != "dense"]
    error = {key: float(np.sqrt(np.mean((np.asarray(calls[key]()) - truth) ** 2))) for key in checked}
    more = {f"{key}_s": value for key, value in seconds.items()} | {f"{key}_rmse": e for key, e in error.items()}
    note = f"{size}³, {pixels}², 1 thread; no empty lines {1e3 * seconds['dense']:.0f}, "
    note += f"projected once {1e3 * seconds['once']:.0f} ms; RMSE {error['vertebro']:.4f}"
    for peer in ("rtk", "xcist"):
        if peer in seconds:
            more[f"times_faster_than_{peer}"] = seconds[peer] / seconds["vertebro"]
            more[f"rmse_over_{peer}"] = error["vertebro"] / error[peer]
            note += f"; {peer} {1e3 * seconds[peer]:.0f} ms, {seconds[peer] / seconds['vertebro']:.1f} x as long "
            note += f"(no empty lines {seconds[peer] / seconds['dense']:.1f} x), RMSE {error[peer]:.4f}"
    rows = [Result(name=f"new pose, {name}", value=1e3 * seconds["vertebro"], unit="ms", note=note, more=more)]
    if pixels == 512:
        coarse = f"RMSE {error['preview']:.4f}; aim <= 20"
        rows.append(Result(name=f"preview, {name}", value=1e3 * seconds["preview"], unit="ms", note=coarse))
    return rows


def new_pose(quick: bool) -> list[Result]:
    """Line integrals of one volume from a new pose, and its preview."""
    chosen = [(name, 512) for name in POSES] + [("AP", 1024), ("30 + 15 deg", 1024)]
    return [row for name, pixels in chosen for row in _pose(name, pixels, quick)]


def moving_arm(quick: bool) -> list[Result]:
    """Two basis volumes of a torso around a finer vertebra, as a trainer's C-arm that turns meets them."""
    vertebra = VoxelGrid.around([-0.03, -0.03, -0.024], [0.03, 0.03, 0.024], 0.7e-3)
    torso = VoxelGrid.around([-0.16, -0.11, -0.12], [0.16, 0.11, 0.12], 3e-3)
    layers = tissue_layers(_hu(vertebra), vertebra, surround_hu=_hu(torso), surround_grid=torso)
    rows = []
    for name in ("AP", "30 + 15 deg"):
        geometry = _arm(name, 512).geometry
        calls: Calls = {
            "exact": lambda geometry=geometry: project_layers(layers, geometry)[0],  # type: ignore[misc]
            "preview": lambda geometry=geometry: project_layers(layers, geometry, quality="preview")[0],  # type: ignore[misc]
        }
        seconds = thread_times(calls, 2 if quick else 7)
        note = f"soft and bone, vertebra {vertebra.shape} in torso {torso.shape}, 512²; "
        note += f"preview {1e3 * seconds['preview']:.1f} ms; aim <= 40"
        rows.append(Result(name=f"moving C-arm, {name}", value=1e3 * seconds["exact"], unit="ms", note=note))
    return rows


def two_volumes(quick: bool) -> Result:
    """Soft tissue and bone of the whole 256³ grid in one pass."""
    size = 96 if quick else 256
    grid = cube(size, 0.128 / size)
    soft = voxels(grid)
    matter, geometry = Matter([soft, np.maximum(soft - 30, 0)], grid), _arm("30 + 15 deg", 512).geometry
    seconds = thread_times({"both": lambda: project_matter(matter, geometry)}, 2 if quick else 7)
    note = f"{size}³, 512², 30 + 15 deg, 1 thread; aim <= 40"
    return Result(name="two volumes in one pass", value=1e3 * seconds["both"], unit="ms", note=note)


def _hu(grid: VoxelGrid) -> NDArray[np.float32]:
    """A body of soft tissue with a textured vertebra in it [HU]."""
    r, a, s = grid.open_mesh()
    inside = (r / 0.15) ** 2 + ((a + 0.02) / 0.1) ** 2 + 0 * s <= 1
    bone = (r / 0.023) ** 2 + (a / 0.017) ** 2 <= np.where(np.abs(s) < 0.014, 1, 0)
    texture = 60 * np.sin(2e3 * r) * np.sin(1.7e3 * a) * np.sin(2.3e3 * s)
    return np.where(bone, 180 + texture, np.where(inside, 40 + 0.3 * texture, -1000)).astype(np.float32)


BENCHES = [new_pose, two_volumes, moving_arm]
