"""CT slices through anatomy, cement and needles, in two modes behind one door.

Fast: no sinogram. What cement or steel adds to the CT number follows from the attenuation tables and the scanner's
spectrum behind 20 cm of water; blur and noise are the scanner's; there are no streaks.

Reconstructed: the beam's energies through basis materials along rays, counting noise, water correction and filtered
back-projection (`ct_scan`). Streaks, cupping, blooming and starvation follow from the physics.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from vertebro.errors import CaseError, DataError
from vertebro.grid import VoxelGrid
from vertebro.imaging.ct_body import Beyond, CTNeedle, ct_body
from vertebro.imaging.ct_field import CTField, CTSlice
from vertebro.imaging.ct_scan import scan_slice
from vertebro.imaging.scanner import CLIP_12_BIT, CLIP_EXTENDED, Scanner, scanner_noise
from vertebro.materials.attenuation import Material, cement_material, material

Image = NDArray[np.float32]
Mode = Literal["fast", "reconstructed"]
MODES = ("fast", "reconstructed")


def ct_slice(
    view: CTField,
    hu: NDArray[np.number],
    grid: VoxelGrid,
    *,
    surround_hu: NDArray[np.number] | None = None,
    surround_grid: VoxelGrid | None = None,
    cement_fraction: NDArray[np.floating] | None = None,
    cement_beyond: Beyond | None = None,
    cement: Material | None = None,
    replaced: str = "yellow marrow",
    needles: tuple[CTNeedle, ...] = (),
    scanner: Scanner | None = None,
    mode: Mode = "fast",
    seed: int = 0,
    number: int = 0,
) -> CTSlice:
    """A CT slice through anatomy, cement and needles.

    Parameters
    ----------
    view : CTField
    hu : (nr, na, ns) array [HU]
        CT numbers without cement on the simulation grid.
    grid : VoxelGrid
    surround_hu, surround_grid : array [HU] and VoxelGrid, optional
        The wider field of view; air beyond it.
    cement_fraction : (nr, na, ns) float array, optional
        Volume fraction of cement (saturation times porosity) on `grid`.
    cement_beyond : (fraction, VoxelGrid), optional
        More cement on another grid.
    cement : Material, optional
        Default: PMMA with 20 % of barium sulfate.
    replaced : str
        Material that made room for the cement.
    needles : tuple of CTNeedle
    scanner : Scanner, optional
    mode : {"fast", "reconstructed"}
        CT numbers added, or a sinogram reconstructed (a sagittal or coronal picture then costs a stack of slices).
    seed, number : int
        They fix the noise.

    Raises
    ------
    CaseError
        If the mode is unknown.
    GeometryError
        If an array does not fit its grid.
    DataError
        If CT numbers or cement are not finite.
    """
    scanner = scanner or Scanner()
    if mode not in MODES:
        raise CaseError("unknown mode", where="mode", value=mode, allowed=", ".join(MODES))
    grid.check(hu, "hu")
    if mode == "reconstructed":
        reach = max(view.thickness, view.width if view.plane != "axial" else 0.0) / 2
        body = ct_body(
            hu,
            grid,
            surround_hu=surround_hu,
            surround_grid=surround_grid,
            cement_fraction=cement_fraction,
            cement_beyond=cement_beyond,
            cement=cement,
            replaced=replaced,
            needles=needles,
            heights=(view.centre[2] - reach, view.centre[2] + reach),
        )
        return scan_slice(view, body, scanner, seed=seed, number=number)
    layers = _layers(view, min(grid.spacing))
    weight = 1.0 / len(layers)
    tissue = np.zeros((view.pixels, view.pixels), np.float32)
    cement_share, steel_share = np.zeros_like(tissue), np.zeros_like(tissue)
    for layer in layers:
        points = view.points(layer)
        tissue += weight * _tissue(points, hu, grid, surround_hu, surround_grid)
        if cement_fraction is not None:
            grid.check(cement_fraction, "cement_fraction")
            cement_share += weight * _sample(cement_fraction, grid, points, 0.0)
        if cement_beyond is not None:
            cement_share += weight * _sample(*cement_beyond, points, 0.0)
        for needle in needles:
            steel_share += weight * _coverage(points, needle, view.width / view.pixels)
    if not (np.isfinite(tissue).all() and np.isfinite(cement_share).all()):
        raise DataError("the slice crosses NaN or infinity", where="hu, cement_fraction", allowed="finite numbers")
    added = cement_share * np.float32(scanner.hu(cement or cement_material()) - scanner.hu(material(replaced)))
    added += np.clip(steel_share, 0, 1) * np.float32(scanner.hu(material("steel 304")))
    picture = tissue + gaussian_filter(added, scanner.psf * view.pixels / view.width)
    if scanner.noise > 0:
        picture += scanner_noise(picture.shape, scanner.noise, view.width / view.pixels, seed=seed, number=number)
    return CTSlice.of(view, np.clip(picture, *(CLIP_EXTENDED if scanner.extended else CLIP_12_BIT)))


def _layers(view: CTField, spacing: float) -> NDArray[np.float64]:
    """Offsets, in thicknesses, of the thin layers whose mean is the slice."""
    count = max(1, math.ceil(view.thickness / spacing))
    return np.asarray((np.arange(count) + 0.5) / count - 0.5)


def _tissue(
    points: NDArray[np.float64],
    hu: NDArray[np.number],
    grid: VoxelGrid,
    surround_hu: NDArray[np.number] | None,
    surround_grid: VoxelGrid | None,
) -> Image:
    """Fine CT numbers where the fine grid reaches, the wide ones elsewhere, blended over two voxels."""
    if surround_hu is None or surround_grid is None:
        return _sample(hu, grid, points, -1000.0)
    wide = _sample(surround_hu, surround_grid, points, -1000.0)
    blend = np.ones(points.shape[1:], np.float32)
    for axis in range(3):
        index = (points[axis] - grid.origin[axis]) / grid.spacing[axis]
        inside = np.minimum(index, grid.shape[axis] - 1 - index)
        blend *= np.clip(inside / 2, 0, 1).astype(np.float32)
    return blend * _sample(hu, grid, points, 0.0) + (1 - blend) * wide


def _sample(volume: NDArray[np.number], grid: VoxelGrid, points: NDArray[np.float64], outside: float) -> Image:
    index = [(p - o) / h for p, o, h in zip(points, grid.origin, grid.spacing, strict=True)]
    return np.asarray(map_coordinates(volume, index, order=1, mode="constant", cval=outside, output=np.float32))


def _coverage(points: NDArray[np.float64], needle: CTNeedle, pitch: float) -> Image:
    """Share of steel around each point: 0 to 1 over one pixel at the walls."""
    start, axis, length = needle.axis()
    offset = points - start[:, None, None]
    along = np.tensordot(axis, offset, 1)
    radius = np.sqrt(np.maximum((offset**2).sum(axis=0) - along**2, 0))
    inside = np.minimum(needle.outer_radius - radius, radius - needle.inner_radius if needle.inner_radius else np.inf)
    inside = np.minimum(inside, np.minimum(along, length - along))
    return np.asarray(np.clip(0.5 + inside / pitch, 0, 1), np.float32)
