"""What lies in the scanner: basis materials on their grids, cement, needles; cut into thin slices for the rays."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vertebro.errors import DataError, GeometryError
from vertebro.grid import VoxelGrid
from vertebro.imaging.basis import TissueLayer, tissue_layers
from vertebro.imaging.ct_rays import Rays
from vertebro.imaging.kernels_ct import LANES, add_tube, project_rows
from vertebro.materials.attenuation import Material, cement_material

Volume = NDArray[np.float32]
Beyond = tuple[Volume, VoxelGrid]
MARGIN = 6  # voxels kept around a slab that is cut out, beyond the fading rim of a fine layer
FINE = 4  # rays through a detector cell where steel is near
MATTER = 0.05  # water-equivalent fraction above which a voxel belongs to the patient


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

    def axis(self) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
        """Start [m], unit vector and length [m].

        Raises
        ------
        GeometryError
            If there is no length, a radius is impossible or a number is not finite.
        """
        start, end = np.asarray(self.start, float), np.asarray(self.end, float)
        length = float(np.linalg.norm(end - start))
        if not (np.isfinite(length) and length > 0 and 0 <= self.inner_radius < self.outer_radius):
            raise GeometryError(
                "impossible needle", where="needles", value=self, allowed="length > 0, inner < outer radius"
            )
        return start, (end - start) / length, length


@dataclass(frozen=True, kw_only=True, slots=True)
class CTBody:
    """Everything that weakens the beam.

    Attributes
    ----------
    layers : tuple of TissueLayer
        They add up.
    cement_fraction : (nr, na, ns) float32 array, optional
        Volume fraction of cement on `cement_grid`.
    cement_grid : VoxelGrid, optional
    cement_beyond : (fraction, VoxelGrid), optional
        More cement on another grid: in veins that leave the first one.
    cement : Material
    replaced : str
        Material that made room for the cement.
    needles : tuple of CTNeedle

    Raises
    ------
    GeometryError
        If the cement does not fit its grid or a needle is impossible.
    DataError
        If a fraction of cement is not finite.
    """

    layers: tuple[TissueLayer, ...]
    cement_fraction: Volume | None = None
    cement_grid: VoxelGrid | None = None
    cement_beyond: Beyond | None = None
    cement: Material = field(default_factory=cement_material)
    replaced: str = "yellow marrow"
    needles: tuple[CTNeedle, ...] = ()

    def __post_init__(self) -> None:
        for needle in self.needles:
            needle.axis()
        if self.cement_fraction is not None and self.cement_grid is None:
            raise GeometryError("cement without a grid", where="cement_grid", value=None, allowed="a VoxelGrid")
        for name, fraction, grid in self.cements():
            grid.check(fraction, name)
            if not np.isfinite(fraction.sum(dtype=np.float64)):
                raise DataError("cement holds NaN or infinity", where=name, allowed="finite numbers, 0 to 1")

    def cements(self) -> list[tuple[str, Volume, VoxelGrid]]:
        """Name, volume fraction and grid of all cement."""
        found = [] if self.cement_beyond is None else [("cement_beyond", *self.cement_beyond)]
        if self.cement_fraction is not None and self.cement_grid is not None:
            found.insert(0, ("cement_fraction", self.cement_fraction, self.cement_grid))
        return found

    def extent(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Low and high corner (right, anterior) [m] of what holds matter, over all heights; needles included."""
        lows, highs = [], []
        for layer in self.layers[:1]:
            filled: NDArray[np.bool_] = np.any((layer.soft + layer.bone) > MATTER, axis=2)
            for axis in range(2):
                on = np.flatnonzero(np.any(filled, axis=1 - axis))
                place = layer.grid.axes()[axis]
                lows.append(place[on[0]] if on.size else 0.0)
                highs.append(place[on[-1]] if on.size else 0.0)
        low, high = np.array(lows) - 2e-3, np.array(highs) + 2e-3
        for needle in self.needles:
            start, along, length = needle.axis()
            ends = np.stack([start, start + length * along])[:, :2]
            low = np.minimum(low, ends.min(axis=0) - needle.outer_radius)
            high = np.maximum(high, ends.max(axis=0) + needle.outer_radius)
        return low, high

    def paths(self, levels: NDArray[np.float64], rays: Rays, out: Volume) -> None:
        """Write the line integrals [m] of one or two thin slices, needles left out.

        Parameters
        ----------
        levels : (1 or 2,) float [m]
            Heights.
        rays : Rays
        out : (views, rays, 8) float32 array
            Per slice soft tissue, bone, cement and nothing; overwritten.
        """
        out[:] = 0
        views = rays.directions()
        for pictures, grid in self._pictures(levels):
            add_lines(pictures, np.subtract(grid.origin[:2], rays.axis), np.array(grid.spacing[:2]), rays, views, out)

    def steel(self, levels: NDArray[np.float64], rays: Rays) -> Volume | None:
        """(views, FINE times rays, 2) steel [m] along finer rays of one or two thin slices; None without needles."""
        if not self.needles:
            return None
        out = np.zeros((rays.views, FINE * rays.count, 2), np.float32)
        first, pitch = rays.first + (0.5 / FINE - 0.5) * rays.pitch, rays.pitch / FINE
        lanes = np.arange(len(levels))
        for needle in self.needles:
            start, axis, length = needle.axis()
            begin = start - np.array([*rays.axis, 0.0])
            radii = float(needle.outer_radius), float(needle.inner_radius)
            add_tube(rays.directions(), levels, begin, axis, length, *radii, first, pitch, lanes, out)
        return out

    def _pictures(self, levels: NDArray[np.float64]) -> list[tuple[Volume, VoxelGrid]]:
        """Per grid (nr, na, 8): two thin slices of soft tissue, bone, cement and nothing."""
        found: dict[VoxelGrid, Volume] = {}
        sources = [(layer.grid, 0, layer.soft) for layer in self.layers]
        sources += [(layer.grid, 1, layer.bone) for layer in self.layers]
        sources += [(grid, 2, fraction) for _, fraction, grid in self.cements()]
        for grid, lane, volume in sources:
            if grid not in found:
                found[grid] = np.zeros((*grid.shape[:2], LANES), np.float32)
            for j, level in enumerate(levels):
                found[grid][:, :, 4 * j + lane] = plane(volume, grid, level)
        return [(pictures, grid) for grid, pictures in found.items()]


def add_lines(
    pictures: Volume,
    origin: NDArray[np.float64],
    step: NDArray[np.float64],
    rays: Rays,
    views: NDArray[np.float64],
    out: Volume,
) -> None:
    """Add line integrals of eight pictures (nr, na, 8) to (views, rays, 8); rays cross rows or columns squarely."""
    flat = np.abs(views[:, 0]) >= np.abs(views[:, 1])  # these rays run along anterior, across its rows
    for chosen, turn in ((flat, (1, 0)), (~flat, (0, 1))):
        view = np.column_stack([np.flatnonzero(chosen), views[chosen][:, turn[::-1]]])
        image, spans = padded(pictures.transpose(*turn, 2))
        project_rows(image, spans, view, origin[list(turn)], step[list(turn)], rays.first, rays.pitch, out)


def plane(volume: NDArray[np.floating], grid: VoxelGrid, level: float) -> Volume:
    """(nr, na) a volume at a height [m], linear between its planes; nothing half a voxel beyond its ends."""
    at = (level - grid.origin[2]) / grid.spacing[2]
    top = grid.shape[2] - 1
    if not -0.5 <= at <= top + 0.5:
        return np.zeros(grid.shape[:2], np.float32)
    at = min(max(at, 0.0), float(top))
    low = min(int(at), max(top - 1, 0))
    share = np.float32(at - low)
    return np.asarray((1 - share) * volume[:, :, low] + share * volume[:, :, min(low + 1, top)], np.float32)


def padded(pictures: Volume) -> tuple[Volume, NDArray[np.int64]]:
    """Contiguous, an even number of rows, zeros on both sides; and where each row holds anything."""
    rows, cols, _ = pictures.shape
    image = np.zeros((rows + rows % 2, cols + 3, LANES), np.float32)
    image[:rows, 1 : cols + 1] = pictures
    filled = (image[:, 1 : cols + 1] != 0).any(axis=2)
    some = filled.any(axis=1)
    spans = np.zeros((len(image), 2), np.int64)
    spans[:, 0] = np.where(some, filled.argmax(axis=1), cols)
    spans[:, 1] = np.where(some, cols - filled[:, ::-1].argmax(axis=1), 0)
    return image, spans


def ct_body(
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
    heights: tuple[float, float] | None = None,
) -> CTBody:
    """What `ct_slice` takes, as a body for many slices.

    Parameters
    ----------
    hu, grid, surround_hu, surround_grid, cement_fraction, cement_beyond, cement, replaced, needles
        As `ct.ct_slice`.
    heights : (low, high) [m], optional
        Only what lies between them is kept.

    Raises
    ------
    GeometryError
        If an array does not fit its grid or the heights miss it.
    DataError
        If a number is not finite.
    """
    grid.check(hu, "hu")
    if cement_fraction is not None:
        grid.check(cement_fraction, "cement_fraction")
    if surround_hu is not None and surround_grid is not None:
        surround_grid.check(surround_hu, "surround_hu")
        surround_hu, surround_grid = _slab(surround_hu, surround_grid, heights)
    whole = grid
    hu, grid = _slab(hu, whole, heights)
    if cement_fraction is not None:
        cement_fraction = np.asarray(_slab(cement_fraction, whole, heights)[0], np.float32)
    return CTBody(
        layers=tissue_layers(hu, grid, surround_hu=surround_hu, surround_grid=surround_grid),
        cement_fraction=cement_fraction,
        cement_grid=grid,
        cement_beyond=cement_beyond,
        cement=cement or cement_material(),
        replaced=replaced,
        needles=needles,
    )


def _slab(
    volume: NDArray[np.number], grid: VoxelGrid, heights: tuple[float, float] | None
) -> tuple[NDArray[np.number], VoxelGrid]:
    """The part of a volume between two heights, with a margin."""
    if heights is None:
        return volume, grid
    step, first = grid.spacing[2], grid.origin[2]
    low = max(int(np.floor((heights[0] - first) / step)) - MARGIN, 0)
    high = min(int(np.ceil((heights[1] - first) / step)) + MARGIN + 1, grid.shape[2])
    if low >= high:
        # beyond the grid: its nearest plane, which lies too far away to be seen
        low, high = (0, 1) if high <= 0 else (grid.shape[2] - 1, grid.shape[2])
    origin = (*grid.origin[:2], first + low * step)
    return volume[:, :, low:high], VoxelGrid((*grid.shape[:2], high - low), grid.spacing, origin)
