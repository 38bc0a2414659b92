"""A schematic lumbar vertebra from boxes and cylinders, for needles to aim at."""

from __future__ import annotations

import numpy as np

from vertebro.grid import VoxelGrid
from vertebro.tissue import Compartment
from vertebro.units import mm

HALF = np.array([22.0, 17.0, 13.5]) * mm
PEDICLE = {
    "pedicle_half_width": 5.5 * mm,
    "pedicle_half_height": 7.5 * mm,
    "anterior_wall": 17 * mm,
    "posterior_wall": -17 * mm,
    "posterior_skin": -80 * mm,
}
WALLS = {"anterior_wall": 17 * mm, "posterior_wall": -17 * mm}


def pedicle(side: str) -> dict[str, object]:
    """Landmarks of one pedicle, as `transpedicular` wants them."""
    sign = -1.0 if side == "left" else 1.0
    return PEDICLE | {
        "side": side,
        "pedicle_centre": (sign * 13.5 * mm, -22 * mm, 5 * mm),
        "pedicle_axis": (0.0, 1.0, 0.0),
    }


def vertebra(spacing: float = 1 * mm) -> tuple[VoxelGrid, np.ndarray]:
    """Grid and compartments: elliptic body, pedicles, a back plate as arch, canal, foramina, discs."""
    grid = VoxelGrid.around((-28 * mm, -60 * mm, -20 * mm), (28 * mm, 24 * mm, 20 * mm), spacing)
    r, a, s = np.meshgrid(*grid.axes(), indexing="ij")
    out = np.zeros(grid.shape, np.uint8)
    out[(abs(r) < 26 * mm) & (a < -28 * mm) & (a > -45 * mm) & (abs(s) < 18 * mm)] = Compartment.ARCH
    out[(abs(r) < 8 * mm) & (a < -17 * mm) & (a > -32 * mm)] = Compartment.CANAL
    tube = ((abs(r) - 13.5 * mm) / (5.5 * mm)) ** 2 + ((s - 5 * mm) / (7.5 * mm)) ** 2 <= 1.0
    out[tube & (a > -45 * mm) & (a < 0.0)] = Compartment.ARCH
    beside = (abs(r) >= 8 * mm) & (abs(r) < 19 * mm) & (a < -17 * mm) & (a > -28 * mm) & ~tube
    out[beside & (r < 0)] = Compartment.FORAMEN_LEFT
    out[beside & (r > 0)] = Compartment.FORAMEN_RIGHT
    round_ = (r / HALF[0]) ** 2 + (np.maximum(a, 0.0) / HALF[1]) ** 2 <= 1.0
    block = round_ & (a > -17 * mm)
    out[block & (abs(s) < HALF[2])] = Compartment.BODY
    out[block & (s >= HALF[2])] = Compartment.DISC_SUPERIOR
    out[block & (s <= -HALF[2])] = Compartment.DISC_INFERIOR
    return grid, out
