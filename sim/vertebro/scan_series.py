"""A series of axial CT slices of a scene, as a CT study holds it."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from vertebro.build import Scene
from vertebro.imaging import CTField, CTSlice, Scanner
from vertebro.imaging.ct import Mode
from vertebro.scans import FIELD, PIXELS, Progress, Veins, check_mode, ct_section, ct_stack


def ct_series(
    scene: Scene,
    cement_fraction: NDArray[np.float32] | None = None,
    *,
    veins: Veins | None = None,
    width: float = FIELD,
    pixels: int = PIXELS,
    thickness: float = 2e-3,
    needles: bool = False,
    number: int = 0,
    mode: Mode = "fast",
    scanner: Scanner | None = None,
    progress: Progress | None = None,
) -> Iterator[CTSlice]:
    """Axial CT slices of the vertebra, touching one another, from below upwards over the whole simulation grid.

    Parameters
    ----------
    scene : Scene
    cement_fraction : (nr, na, ns) array, optional
        Volume share of cement.
    veins : (m,) array, optional [m³]
        As `scene_body`.
    width : float [m]
        Field of view, about the grid's middle.
    pixels : int
    thickness : float [m]
        Of a slice, and from slice to slice.
    needles : bool
        Show the needles.
    number : int
        Fixes the noise together with the case's seed.
    mode : {"fast", "reconstructed"}
    scanner : Scanner, optional
        Default: as the mode wants it.
    progress : callable, optional
        ``progress(stage, fraction)``.

    Raises
    ------
    CaseError
        If the mode is unknown.
    """
    check_mode(mode)
    low, high = scene.anatomy.grid.extent
    middle = (low + high) / 2
    count = max(1, math.ceil((high[2] - low[2]) / thickness - 1e-6))
    fields = [
        CTField(
            centre=(float(middle[0]), float(middle[1]), float(middle[2] + (k - (count - 1) / 2) * thickness)),
            width=width,
            pixels=pixels,
            thickness=thickness,
        )
        for k in range(count)
    ]
    if mode == "fast":
        for k, view in enumerate(fields):
            if progress:
                progress(f"CT slice {k + 1} of {count}", k / count)
            shot = 1000 * (number + 1) + k
            yield ct_section(scene, view, cement_fraction, veins=veins, scanner=scanner, needles=needles, number=shot)
        return
    stack = ct_stack(
        scene,
        cement_fraction,
        veins=veins,
        width=width,
        pixels=pixels,
        needles=scene.needles if needles else (),
        number=number,
        centre=(float(middle[0]), float(middle[1]), float(middle[2])),
        scanner=scanner,
        thickness=thickness,
        slices=count,
        progress=progress,
    )
    for k, view in enumerate(fields):  # rows run down (posterior), columns to the viewer's right (patient's left)
        yield CTSlice.of(view, np.ascontiguousarray(stack.hu[::-1, ::-1, k].T))
