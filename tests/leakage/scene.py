"""A toy vertebra of boxes on a small grid, and cement painted into it along paths."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from vertebro.grid import VoxelGrid
from vertebro.leakage import BodyFrame, LeakMonitor, LeakSettings
from vertebro.tissue import Compartment
from vertebro.units import ml, mm

GRID = VoxelGrid.around((-20 * mm, -20 * mm, -10 * mm), (20 * mm, 20 * mm, 10 * mm), 2 * mm)
VOXEL = GRID.voxel_volume  # 8 mm³
FRAME = BodyFrame(
    half_axes=(12 * mm, 10 * mm, 6 * mm),
    anterior_wall=10 * mm,
    posterior_wall=-10 * mm,
    superior_endplate=6 * mm,
    inferior_endplate=-6 * mm,
    canal_centre=(0.0, -15 * mm, 0.0),
    canal_half_axes=(8 * mm, 5 * mm),
)
EXITS = {"vein left": "segmental", "vein right": "segmental", "plexus": "basivertebral", "border": "tissue"}
Points = Iterable[tuple[float, float, float]]


def compartments() -> np.ndarray:
    """Body box, canal behind it, foramina beside the canal, discs above and below, one vein of each sort."""
    r, a, s = np.meshgrid(*(axis / mm for axis in GRID.axes()), indexing="ij")
    out = np.zeros(GRID.shape, np.uint8)
    block = (abs(r) < 12) & (abs(a) < 10)
    out[block & (abs(s) < 6)] = Compartment.BODY
    out[block & (s > 6)] = Compartment.DISC_SUPERIOR
    out[block & (s < -6)] = Compartment.DISC_INFERIOR
    out[(abs(r) < 8) & (a < -10)] = Compartment.CANAL
    out[(r < -8) & (r > -12) & (a < -10)] = Compartment.FORAMEN_LEFT
    out[(r > 8) & (r < 12) & (a < -10)] = Compartment.FORAMEN_RIGHT
    out[(abs(r) < 2) & (a < -10) & (a > -14) & (abs(s) < 2)] = Compartment.VEIN_BASIVERTEBRAL
    out[(r > 12) & (r < 18) & (abs(a - 5) < 1) & (abs(s - 1) < 1)] = Compartment.VEIN_SEGMENTAL
    out[(r < -12) & (r > -18) & (abs(a - 5) < 1) & (abs(s - 1) < 1)] = Compartment.VEIN_SEGMENTAL
    return out


def monitor(compartment: np.ndarray | None = None, **options: object) -> LeakMonitor:
    """A monitor of the toy vertebra; a single full voxel (0.008 mL) is below its threshold, two are above."""
    options.setdefault("settings", LeakSettings(threshold=0.01 * ml))
    return LeakMonitor(
        grid=GRID,
        compartment=compartments() if compartment is None else compartment,
        frame=FRAME,
        exit_routes=EXITS,
        **options,  # type: ignore[arg-type]
    )


def line(start: tuple[float, float, float], end: tuple[float, float, float]) -> list[tuple[float, float, float]]:
    """Points [mm] every 2 mm along an axis-parallel line, on voxel centres."""
    count = round(max(abs(b - x) for x, b in zip(start, end, strict=True)) / 2.0)
    return [tuple(np.linspace(start, end, count + 1)[i]) for i in range(count + 1)]  # type: ignore[misc]


def paint(cement: np.ndarray, points: Points, share: float = 1.0) -> np.ndarray:
    """Fill the voxels at points [mm]; returns the array."""
    for point in points:
        cement[GRID.nearest(np.asarray(point) * mm)] = share * VOXEL
    return cement


def empty() -> np.ndarray:
    """No cement."""
    return np.zeros(GRID.shape)
