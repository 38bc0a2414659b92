"""Video rate: one picture with everything on, at a fixed C-arm and while it turns; processor time of one thread."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from benches.measure import Result
from vertebro.grid import VoxelGrid
from vertebro.imaging import CArm, Fluoroscope, Frame, Stream, needle_path, tissue_layers
from vertebro.imaging.fluoroscope import expose
from vertebro.imaging.projector import project
from vertebro.units import deg

SIZES = ((512, 48), (512, 96), (1024, 48), (1024, 96))
AIMS = {(512, 48): 4, (512, 96): 8, (1024, 48): 12, (1024, 96): 20}  # ms, the median
VOXEL = 0.5e-3


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
    line = clock.part("cement", lambda: view.cement_line(cement, box))
    steel = clock.part(
        "needle",
        lambda: needle_path(view.geometry, [0, -0.05, 0], tip, outer_diameter=3e-3, inner_diameter=2.4e-3),
    )
    shot: Callable[[], Frame] = lambda: stream.frame(cement_line=line, needle_line=steel)  # type: ignore[arg-type]  # noqa: E731
    clock.part("chain", shot)


def turning(quick: bool) -> list[Result]:
    """The whole chain at a new angle each time, two basis materials of 256³ voxels: 15 pictures per second is 67 ms."""
    grid = VoxelGrid((256,) * 3, (VOXEL,) * 3, (-127.5 * VOXEL,) * 3)
    soft = np.ones(grid.shape, np.float32)
    bone = np.zeros_like(soft)
    bone[90:160, 90:160, :] = 0.3
    fluoroscope, pose = Fluoroscope(), CArm.ap()
    everywhere = np.ones((pose.rows, pose.cols), bool)
    window, clock = None, Clock()
    for number in range(6 if quick else 15):
        geometry = CArm(orbital=(2 + 4 * number) * deg).geometry
        lines = clock.part("projections", lambda: [project(volume, grid, geometry) for volume in (soft, bone)])  # noqa: B023
        view = clock.part("pose", lambda: expose(fluoroscope, geometry, *lines, everywhere, window))  # type: ignore[misc]  # noqa: B023
        clock.part("picture", lambda: view.frame(number=number))  # type: ignore[attr-defined]  # noqa: B023
        window = view.window  # type: ignore[attr-defined]
    totals = clock.totals[1:]
    parts = {name: statistics.median(values[1:]) for name, values in clock.parts.items()}
    return [
        Result(
            name="turning C-arm, whole chain, 512²",
            value=min(totals),
            unit="ms",
            note=f"median {statistics.median(totals):.0f} (aim <= 67, 15 pictures/s); "
            + ", ".join(f"{name} {value:.1f}" for name, value in parts.items()),
            more=parts | {"median_ms": statistics.median(totals)},
        )
    ]


BENCHES = [live_frame, turning]
