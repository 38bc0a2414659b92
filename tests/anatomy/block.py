"""A toy vertebra of boxes and ellipses with known answers, for tests of the interior and the veins."""

from __future__ import annotations

from typing import Any

import numpy as np

from vertebro.anatomy.anatomy import Anatomy, Landmarks, Pedicle, Surround
from vertebro.anatomy.assemble import InteriorSettings, assemble
from vertebro.grid import VoxelGrid
from vertebro.tissue import Compartment, Tissue

GRID = VoxelGrid.around((-0.032, -0.040, -0.021), (0.032, 0.024, 0.021), 1.2e-3)


def landmarks() -> Landmarks:
    """Landmarks of the toy."""
    left, right = (
        Pedicle(
            centre=np.array([side * 0.016, -0.020, 0.005]),
            axis=np.array([0.0, 1.0, 0.0]),
            half_width=4e-3,
            half_height=7e-3,
        )
        for side in (-1, 1)
    )
    return Landmarks(
        body_half_axes=np.array([0.021, 0.0155, 0.012]),
        anterior_wall=0.0155,
        posterior_wall=-0.0155,
        superior_endplate=0.012,
        inferior_endplate=-0.012,
        canal_centre=np.array([0.0, -0.025, 0.005]),
        canal_half_axes=np.array([0.0115, 0.009]),
        pedicle_left=left,
        pedicle_right=right,
        spinous_tip=np.array([0.0, -0.060, -0.010]),
        posterior_skin=-0.09,
    )


def labels(grid: VoxelGrid = GRID) -> dict[str, Any]:
    """Tissue, compartment and CT numbers: an elliptic body of 107 HU, a canal behind it, discs, muscle around."""
    r, a, s = grid.open_mesh()
    body = ((r / 0.021) ** 2 + (a / 0.0155) ** 2 < 1) & (np.abs(s) < 0.012)
    canal = ((r / 0.0115) ** 2 + ((a + 0.025) / 0.009) ** 2 < 1) & np.isfinite(s)
    disc = ((r / 0.021) ** 2 + (a / 0.0155) ** 2 < 1) & (np.abs(s) >= 0.012)
    tissue = np.full(grid.shape, Tissue.MUSCLE, np.uint8)
    compartment = np.zeros(grid.shape, np.uint8)
    hu = np.full(grid.shape, 50.0, np.float32)
    for mask, what, where, number in (
        (canal, Tissue.EPIDURAL, Compartment.CANAL, -70.0),
        (disc & (s > 0), Tissue.DISC, Compartment.DISC_SUPERIOR, 80.0),
        (disc & (s < 0), Tissue.DISC, Compartment.DISC_INFERIOR, 80.0),
        (body, Tissue.CANCELLOUS, Compartment.BODY, 107.0),
    ):
        tissue[mask], compartment[mask], hu[mask] = what, where, number
    return {"tissue": tissue, "compartment": compartment, "hu": hu}


def block(grid: VoxelGrid = GRID, *, seed: int = 0, arrays: dict[str, Any] | None = None, **settings: Any) -> Anatomy:
    """The toy, assembled."""
    parts = labels(grid) if arrays is None else arrays
    return assemble(
        level="L1",
        grid=grid,
        **parts,
        landmarks=landmarks(),
        surround=Surround(grid=grid, hu=np.nan_to_num(parts["hu"]).astype(np.int16)),
        patient_from_world=np.eye(4),
        settings=InteriorSettings(**settings),
        seed=seed,
        provenance={"source": "toy"},
    )
