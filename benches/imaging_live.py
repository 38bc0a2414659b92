"""Video rate: one picture with everything on, at a fixed C-arm and while it turns, and the first one of a process."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from benches import imaging_rtk
from benches.measure import Result, clock_child
from vertebro.grid import VoxelGrid
from vertebro.imaging import CArm, Fluoroscope, Frame, Stream, TissueLayer, needle_shadow, project_layers, tissue_layers
from vertebro.imaging.fluoroscope import expose
from vertebro.imaging.projector import Quality
from vertebro.units import deg

SIZES = ((512, 48), (512, 96), (1024, 48), (1024, 96))
AIMS = {(512, 48): 4, (512, 96): 8, (1024, 48): 12, (1024, 96): 20}  # ms, the median
VOXEL = 0.5e-3


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


@dataclass
class Clock:
    """Milliseconds of this thread per named part of a picture."""

    parts: dict[str, list[float]] = field(default_factory=dict)

    def part(self, name: str, call: Callable[[], object]) -> object:
        """Time one part."""
        start = time.thread_time()
        answer = call()
        self.parts.setdefault(name, []).append(1e3 * (time.thread_time() - start))
        return answer

    @property
    def totals(self) -> list[float]:
        """Of each picture."""
        return [sum(parts) for parts in zip(*self.parts.values(), strict=True)]


def live_frame(quick: bool) -> list[Result]:
    """Cement that grows to a box of 48³ or 96³ voxels, a needle that moves, and the whole detector chain."""
    return [_live(pixels, size, 20 if quick else 60) for pixels, size in SIZES]


def _live(pixels: int, size: int, frames: int) -> Result:
    body = VoxelGrid.around([-0.1, -0.08, -0.1], [0.1, 0.08, 0.1], 2e-3)
    carm = CArm.lateral(rows=pixels, cols=pixels, pitch=0.256 / pixels)
    view = Fluoroscope().prepare(carm, tissue_layers(np.zeros(body.shape), body))
    box = VoxelGrid((size,) * 3, (VOXEL,) * 3, (-(size - 1) / 2 * VOXEL,) * 3)
    away = sum(axis**2 for axis in box.open_mesh())
    stream, clock = Stream(view, seed=1), Clock()
    cement = np.full(box.shape, 0.1, np.float32)
    for number in range(frames + 2):
        cement[away < (VOXEL * size / 2 * number / frames) ** 2] = 0.8
        _picture(stream, cement, box, number, clock)
    totals = clock.totals[2:]
    middle, least = statistics.median(totals), min(totals)
    late = sorted(totals)[int(0.95 * len(totals))]
    parts = {name: statistics.median(values[2:]) for name, values in clock.parts.items()}
    return Result(
        name=f"live frame, {pixels}², cement {size}³",
        value=least,
        unit="ms",
        note=f"median {middle:.1f} (aim <= {AIMS[pixels, size]}), p95 {late:.1f}; "
        + ", ".join(f"{name} {value:.1f}" for name, value in parts.items()),
        more=parts | {"median_ms": middle, "p95_ms": late, "p95_over_median": late / middle},
    )


def _picture(stream: Stream, cement: np.ndarray, box: VoxelGrid, number: int, clock: Clock) -> None:
    view = stream.view
    tip = [0.0, 0.01 + 1e-4 * number, 0.0]
    line = clock.part("cement", lambda: view.cement_shadow(cement, box))
    steel = clock.part(
        "needle",
        lambda: needle_shadow(view.geometry, [0, -0.05, 0], tip, outer_diameter=3e-3, inner_diameter=2.4e-3),
    )
    shot: Callable[[], Frame] = lambda: stream.frame(cement_line=line, needle_line=steel)  # type: ignore[arg-type]  # noqa: E731
    clock.part("chain", shot)


def turning(quick: bool) -> list[Result]:
    """The whole chain at a new angle each time, two basis materials of 256³ voxels: 15 pictures per second is 67 ms."""
    grid = VoxelGrid((256,) * 3, (VOXEL,) * 3, (-127.5 * VOXEL,) * 3)
    soft = np.ones(grid.shape, np.float32)
    bone = np.zeros_like(soft)
    bone[90:160, 90:160, :] = 0.3
    layer = TissueLayer(soft=soft, bone=bone, grid=grid)
    return [_turning(layer, quality, 6 if quick else 15) for quality in ("preview", "exact")]


def _turning(layer: TissueLayer, quality: Quality, pictures: int) -> Result:
    fluoroscope, pose = Fluoroscope(), CArm.ap()
    everywhere = np.ones((pose.rows, pose.cols), bool)
    window, clock = None, Clock()
    for number in range(pictures):
        geometry = CArm(orbital=(2 + 2 * number) * deg).geometry
        lines = clock.part("projections", lambda: project_layers([layer], geometry, quality=quality))  # noqa: B023
        view = clock.part("pose", lambda: expose(fluoroscope, geometry, *lines, everywhere, window))  # type: ignore[misc]  # noqa: B023
        clock.part("picture", lambda: view.frame(number=number))  # type: ignore[attr-defined]  # noqa: B023
        window = view.window  # type: ignore[attr-defined]
    totals = clock.totals[1:]
    parts = {name: statistics.median(values[1:]) for name, values in clock.parts.items()}
    return Result(
        name=f"turning C-arm, whole chain, 512², {quality}",
        value=min(totals),
        unit="ms",
        note=f"median {statistics.median(totals):.0f} (aim <= 67, 15 pictures/s); "
        + ", ".join(f"{name} {value:.1f}" for name, value in parts.items()),
        more=parts | {"median_ms": statistics.median(totals)},
    )


def reference(quick: bool) -> list[Result]:
    """How fast the machine is just now: memory copied, and the peer's projection of 256³ voxels to 512²."""
    source = np.ones(2**25, np.float32)
    target, clock = np.empty_like(source), Clock()
    for _ in range(3 if quick else 8):
        clock.part("copy", lambda: np.copyto(target, source))
    times = clock.parts["copy"][1:]
    speed, middle = (2e-6 * source.nbytes / value for value in (min(times), statistics.median(times)))
    rows = [Result(name="reference: copy of 128 MiB", value=speed, unit="GB/s", note=f"median {middle:.1f}")]
    if imaging_rtk.load() is not None:
        grid = VoxelGrid((256,) * 3, (VOXEL,) * 3, (-127.5 * VOXEL,) * 3)
        call = imaging_rtk.projector(np.ones(grid.shape, np.float32), grid, CArm(orbital=30 * deg))
        for _ in range(2 if quick else 4):
            start = time.process_time()
            call()
            clock.parts.setdefault("rtk", []).append(1e3 * (time.process_time() - start))
        note = f"median {statistics.median(clock.parts['rtk']):.0f}; 256³, 512², 30 deg, 1 thread"
        rows.append(Result(name="reference: itk-rtk projection", value=min(clock.parts["rtk"]), unit="ms", note=note))
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


BENCHES = [reference, live_frame, turning, first_frame]
