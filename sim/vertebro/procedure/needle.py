"""Needles: the gauge table and a straight cannula from the skin to its tip."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vertebro.errors import CaseError, GeometryError
from vertebro.grid import VoxelGrid
from vertebro.procedure.gauges import Gauge, gauge
from vertebro.procedure.points import finite_point
from vertebro.sources import Constant

Float = NDArray[np.float64]
SIDE_HOLE_SETBACK = Constant(0.004, "m", 0.002, 0.010, "vertebro", "ours", "side holes behind a closed tip")
SIDE_HOLE_BORE = Constant(0.8, "1", 0.5, 1.0, "vertebro", "ours", "diameter of a side hole over that of the bore")
OPENINGS = ("end", "side")
CANNULA_LENGTH = Constant(0.125, "m", 0.100, 0.150, "krebs2005", "recalled", "usual length of a vertebroplasty cannula")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Needle:
    """A straight cannula in place.

    Parameters
    ----------
    name : str
        Names it in schedules and pictures.
    gauge : int
        One of `GAUGES`.
    entry, tip : (3,) float [m]
        Skin entry and tip opening, world frame.
    cannula_length : float [m], optional
        Hub to tip; by default 125 mm, or the inserted length where that is more.
    opening : {"end", "side"}
        At the tip, or two holes on opposite sides of the shaft just behind a closed tip.

    Raises
    ------
    CaseError
        If the gauge or the opening does not exist, the name is empty or the cannula is shorter than the path.
    GeometryError
        If a point is not three finite numbers, or entry and tip coincide, or the path is longer than 0.4 m.
    """

    name: str
    gauge: int
    entry: Float
    tip: Float
    cannula_length: float = 0.0
    opening: str = "end"
    _gauge: Gauge = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.name:
            raise CaseError("a needle needs a name", where="needle.name", value=self.name, allowed="any text")
        if self.opening not in OPENINGS:
            raise CaseError(
                "there is no such opening", where="needle.opening", value=self.opening, allowed=", ".join(OPENINGS)
            )
        object.__setattr__(self, "_gauge", gauge(self.gauge))
        for end in ("entry", "tip"):
            object.__setattr__(self, end, finite_point(getattr(self, end), f"needle.{end}"))
        if not 1e-3 <= self.length <= 0.4:
            raise GeometryError(
                "impossible needle path", where="needle length [m]", value=self.length, allowed="0.001 to 0.4 m"
            )
        object.__setattr__(self, "cannula_length", self._checked_cannula())

    def _checked_cannula(self) -> float:
        if self.cannula_length == 0.0:
            return max(float(CANNULA_LENGTH), self.length)
        if not self.length <= self.cannula_length <= 0.5:
            raise CaseError(
                "the cannula does not reach from the hub to the tip",
                where="needle.cannula_length",
                value=self.cannula_length,
                allowed=f"{self.length:.3f} to 0.5 m",
                hint="choose a longer cannula or a nearer entry",
            )
        return float(self.cannula_length)

    @property
    def outer_diameter(self) -> float:
        """Outer diameter [m]."""
        return float(self._gauge.outer_diameter)

    @property
    def inner_diameter(self) -> float:
        """Bore [m]."""
        return float(self._gauge.inner_diameter)

    @property
    def length(self) -> float:
        """Inserted length, skin to tip [m]."""
        return float(np.linalg.norm(self.tip - self.entry))

    @property
    def direction(self) -> Float:
        """Unit vector from entry to tip."""
        return np.asarray((self.tip - self.entry) / self.length)

    @property
    def dead_volume(self) -> float:
        """Cement the cannula holds when full [m³]."""
        return math.pi / 4.0 * self.inner_diameter**2 * self.cannula_length

    @property
    def holes(self) -> tuple[tuple[Float, float], ...]:
        """Centre (3,) [m] and radius [m] of every opening."""
        if self.opening == "end":
            return ((self.tip, self.inner_diameter / 2.0),)
        across = np.cross(self.direction, np.eye(3)[int(np.argmin(np.abs(self.direction)))])
        across = across / np.linalg.norm(across) * (self.outer_diameter / 2.0)
        middle = self.tip - min(float(SIDE_HOLE_SETBACK), 0.5 * self.length) * self.direction
        radius = float(SIDE_HOLE_BORE) * self.inner_diameter / 2.0
        return (middle + across, radius), (middle - across, radius)

    @property
    def tip_radius(self) -> float:
        """Radius [m] of the sphere with the pressure of all openings together, for the well index.

        Equal holes share the flow: p = μQ/(4πK) · Σ_ij 1/(n² |x_i - x_j|), with the hole's own radius for i = j.
        """
        centres = np.array([centre for centre, _ in self.holes])
        apart = np.linalg.norm(centres[:, None] - centres[None], axis=-1)
        np.fill_diagonal(apart, [radius for _, radius in self.holes])
        return float(1.0 / np.mean(1.0 / apart))

    def moved(self, distance: float) -> Needle:
        """The needle pulled back along its axis by a distance [m] less than its inserted length."""
        return replace(self, tip=self.tip - distance * self.direction)

    def distance(self, points: ArrayLike) -> Float:
        """Distance [m] of points (…, 3) to the needle's axis segment."""
        offset = np.asarray(points, float) - self.entry
        along = np.clip(offset @ self.direction, 0.0, self.length)
        return np.asarray(np.linalg.norm(offset - along[..., None] * self.direction, axis=-1))

    def cells(self, grid: VoxelGrid) -> NDArray[np.bool_]:
        """Mask of voxels whose centre lies inside the shaft (outer diameter)."""
        mask = np.zeros(grid.shape, bool)
        box = _box(grid, np.stack([self.entry, self.tip]), self.outer_diameter)
        if box is not None:
            r, a, s = (axis[part] for axis, part in zip(grid.axes(), box, strict=True))
            points = np.stack(np.meshgrid(r, a, s, indexing="ij"), axis=-1)
            mask[box] = self.distance(points) <= self.outer_diameter / 2.0
        return mask

    def tip_cells(
        self, grid: VoxelGrid, *, compartment: NDArray[np.integer[Any]] | None = None
    ) -> tuple[tuple[int, int, int], ...]:
        """Voxels that receive the cement: a ball of the hole's radius at each opening, at least the hole's own voxel.

        Parameters
        ----------
        grid : VoxelGrid
        compartment : (…) integer array, optional
            Keeps only voxels of the tip's own compartment.

        Raises
        ------
        GeometryError
            If an opening lies outside the grid.
        """
        cells = {cell for centre, radius in self.holes for cell in _ball(grid, centre, radius)}
        if compartment is not None:
            own = compartment[grid.nearest(self.holes[0][0])]
            cells = {cell for cell in cells if compartment[cell] == own}
        return tuple(sorted(cells))


def _ball(grid: VoxelGrid, centre: Float, radius: float) -> set[tuple[int, int, int]]:
    """Cells whose centres lie in a ball, and the one that holds its centre."""
    cells = {grid.nearest(centre)}
    box = _box(grid, centre[None], radius)
    if box is not None:
        index = np.stack(np.meshgrid(*(np.arange(p.start, p.stop) for p in box), indexing="ij"), -1).reshape(-1, 3)
        near = np.linalg.norm(grid.world(index) - centre, axis=1) <= radius
        cells |= {(int(i), int(j), int(k)) for i, j, k in index[near]}
    return cells


def _box(grid: VoxelGrid, points: Float, pad: float) -> tuple[slice, slice, slice] | None:
    low = np.maximum(np.floor(grid.index(points.min(axis=0) - pad)).astype(int), 0)
    high = np.minimum(np.ceil(grid.index(points.max(axis=0) + pad)).astype(int) + 1, grid.shape)
    if np.any(low >= high):
        return None
    return slice(low[0], high[0]), slice(low[1], high[1]), slice(low[2], high[2])
