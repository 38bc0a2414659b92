"""Pictures of an anatomy alone, without needles or cement: fluoroscopy frames and CT slices."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from vertebro.aim import aim
from vertebro.anatomy.anatomy import Anatomy
from vertebro.imaging import CTField, CTSlice, Fluoroscope, Scanner, covered_field, ct_slice, tissue_layers
from vertebro.scans import PLANES


def frames(
    anatomy: Anatomy, views: Iterable[str] = ("ap", "lateral"), *, rows: int = 512, field: float = 0.2, seed: int = 0
) -> dict[str, NDArray[np.uint8]]:
    """Fluoroscopy frames centred on the vertebra.

    Parameters
    ----------
    anatomy : Anatomy
    views : iterable of str
        Names of `vertebro.aim.VIEWS`, or ``"<orbital>,<cranial>"`` in degrees.
    rows : int
        Rows and columns of a frame.
    field : float [m]
        Width of the picture at the vertebra.
    seed : int
        Of the noise.

    Returns
    -------
    dict of (rows, rows) uint8 arrays
        0 black to 255 white, the patient's right on the left.

    Raises
    ------
    CaseError
        If a view is unknown.
    """
    around = anatomy.surround
    layers = tissue_layers(anatomy.hu, anatomy.grid, surround_hu=around.hu, surround_grid=around.grid)
    pictures = {}
    for number, view in enumerate(views):
        pose = aim(view, anatomy, rows=rows, field=field)
        prepared = Fluoroscope().prepare(pose, layers, collimation=covered_field(pose.geometry, around.grid))
        display16 = prepared.frame(seed=seed, number=number).display16
        pictures[view] = (display16 >> 8).astype(np.uint8)
    return pictures


def slices(
    anatomy: Anatomy,
    planes: Iterable[str] = PLANES,
    *,
    width: float = 0.12,
    pixels: int = 512,
    centre: tuple[float, float, float] = (0.0, 0.0, 0.0),
    seed: int = 0,
) -> dict[str, CTSlice]:
    """CT slices through a point of the vertebra.

    Parameters
    ----------
    anatomy : Anatomy
    planes : iterable of str
        ``"axial"``, ``"sagittal"``, ``"coronal"``.
    width : float [m]
        Field of view.
    pixels : int
    centre : (3,) float [m]
        The point in the vertebra's frame.
    seed : int
        Of the noise; a patient's CT brings its own.
    """
    noise = 0.0 if anatomy.provenance.get("source") == "ct" else 12.0
    return {
        plane: ct_slice(
            CTField(plane=plane, centre=centre, width=width, pixels=pixels),  # type: ignore[arg-type]
            anatomy.hu,
            anatomy.grid,
            surround_hu=anatomy.surround.hu,
            surround_grid=anatomy.surround.grid,
            scanner=Scanner(noise=noise),
            seed=seed,
            number=number,
        )
        for number, plane in enumerate(planes)
    }
