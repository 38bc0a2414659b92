"""CT slices: tissue from the anatomy's CT numbers, cement and needle added with the scanner's sharpness and noise.

This is the fast mode (no sinogram): what cement or steel adds to the CT number follows from the attenuation tables and
the scanner's spectrum behind 20 cm of water; blur and noise are the scanner's. Streaks are left to a scanner that
reconstructs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from vertebro.errors import DataError, GeometryError
from vertebro.grid import VoxelGrid
from vertebro.imaging.scanner import CLIP_12_BIT, CLIP_EXTENDED, Scanner, scanner_noise
from vertebro.materials.attenuation import Material, cement_material, material

Image = NDArray[np.float32]
Plane = Literal["axial", "sagittal", "coronal"]
AXES: dict[str, tuple[int, int, int]] = {"axial": (2, 1, 0), "sagittal": (0, 2, 1), "coronal": (1, 2, 0)}


@dataclass(frozen=True, kw_only=True, slots=True)
class CTSlice:
    """One reconstructed slice, turned as it is read.

    Axial: anterior up, patient right on the viewer's left. Sagittal: superior up, anterior on the left. Coronal:
    superior up, patient right on the viewer's left.

    Attributes
    ----------
    hu : (rows, cols) float32 array [HU]
    origin : (3,) float [m]
        World position of pixel (0, 0).
    row_step, col_step : (3,) float [m]
        World step to the next row and to the next column.
    plane : str
    thickness : float [m]
    """

    hu: Image
    origin: NDArray[np.float64]
    row_step: NDArray[np.float64]
    col_step: NDArray[np.float64]
    plane: Plane
    thickness: float


@dataclass(frozen=True, kw_only=True, slots=True)
class CTNeedle:
    """A steel tube in the slice.

    Attributes
    ----------
    start, end : (3,) float [m]
    outer_radius, inner_radius : float [m]
    """

    start: ArrayLike
    end: ArrayLike
    outer_radius: float
    inner_radius: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class CTField:
    """Where the slice lies and how it is sampled.

    Parameters
    ----------
    plane : {"axial", "sagittal", "coronal"}
    centre : (3,) float [m]
        World point in the middle of the picture.
    width : float [m]
        Edge of the square field of view.
    pixels : int
    thickness : float [m]

    Raises
    ------
    GeometryError
        If the plane is unknown or a size impossible.
    """

    plane: Plane = "axial"
    centre: tuple[float, float, float] = (0.0, 0.0, 0.0)
    width: float = 0.2
    pixels: int = 512
    thickness: float = 2e-3

    def __post_init__(self) -> None:
        if self.plane not in AXES:
            raise GeometryError("unknown plane", where="plane", value=self.plane, allowed=", ".join(AXES))
        if not (0 < self.width <= 1 and 1 <= self.pixels <= 4096 and 0 <= self.thickness <= 0.05):
            raise GeometryError(
                "impossible field of view",
                value=(self.width, self.pixels, self.thickness),
                allowed="width 0 to 1 m, 1 to 4096 pixels, thickness 0 to 0.05 m",
            )

    def steps(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """World vectors [m]: one row down, one column right, one slice thickness along the normal."""
        normal_axis, row_axis, col_axis = AXES[self.plane]
        pitch = self.width / self.pixels
        return -pitch * np.eye(3)[row_axis], -pitch * np.eye(3)[col_axis], self.thickness * np.eye(3)[normal_axis]

    def points(self, layer: float = 0.0) -> NDArray[np.float64]:
        """(3, rows, cols) world positions [m], `layer` thicknesses off the middle."""
        down, right, normal = self.steps()
        place = np.arange(self.pixels) - (self.pixels - 1) / 2
        rows, cols = place[:, None], place[None, :]
        return np.stack(
            [c + layer * n + rows * d + cols * r for c, n, d, r in zip(self.centre, normal, down, right, strict=True)]
        )


def ct_slice(
    view: CTField,
    hu: NDArray[np.number],
    grid: VoxelGrid,
    *,
    surround_hu: NDArray[np.number] | None = None,
    surround_grid: VoxelGrid | None = None,
    cement_fraction: NDArray[np.floating] | None = None,
    cement: Material | None = None,
    replaced: str = "yellow marrow",
    needles: tuple[CTNeedle, ...] = (),
    scanner: Scanner | None = None,
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
    cement : Material, optional
        Default: PMMA with 20 % of barium sulfate.
    replaced : str
        Material that made room for the cement.
    needles : tuple of CTNeedle
    scanner : Scanner, optional
    seed, number : int
        They fix the noise.

    Raises
    ------
    GeometryError
        If an array does not fit its grid.
    DataError
        If CT numbers or cement are not finite.
    """
    scanner = scanner or Scanner()
    grid.check(hu, "hu")
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
        for needle in needles:
            steel_share += weight * _coverage(points, needle, view.width / view.pixels)
    if not (np.isfinite(tissue).all() and np.isfinite(cement_share).all()):
        raise DataError("the slice crosses NaN or infinity", where="hu, cement_fraction", allowed="finite numbers")
    added = cement_share * np.float32(scanner.hu(cement or cement_material()) - scanner.hu(material(replaced)))
    added += np.clip(steel_share, 0, 1) * np.float32(scanner.hu(material("steel 304")))
    picture = tissue + gaussian_filter(added, scanner.psf * view.pixels / view.width)
    if scanner.noise > 0:
        picture += scanner_noise(picture.shape, scanner.noise, view.width / view.pixels, seed=seed, number=number)
    down, right, _ = view.steps()
    return CTSlice(
        hu=np.clip(picture, *(CLIP_EXTENDED if scanner.extended else CLIP_12_BIT)).astype(np.float32),
        origin=view.points()[:, 0, 0],
        row_step=down,
        col_step=right,
        plane=view.plane,
        thickness=view.thickness,
    )


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
    start, end = np.asarray(needle.start, float), np.asarray(needle.end, float)
    length = float(np.linalg.norm(end - start))
    if not (length > 0 and 0 <= needle.inner_radius < needle.outer_radius):
        raise GeometryError(
            "impossible needle", where="needles", value=needle, allowed="length > 0, inner < outer radius"
        )
    axis = (end - start) / length
    offset = points - start[:, None, None]
    along = np.tensordot(axis, offset, 1)
    radius = np.sqrt(np.maximum((offset**2).sum(axis=0) - along**2, 0))
    inside = np.minimum(needle.outer_radius - radius, radius - needle.inner_radius if needle.inner_radius else np.inf)
    inside = np.minimum(inside, np.minimum(along, length - along))
    return np.asarray(np.clip(0.5 + inside / pitch, 0, 1), np.float32)
