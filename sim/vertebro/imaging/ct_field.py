"""Where a CT picture lies, and the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import GeometryError

Image = NDArray[np.float32]
Plane = Literal["axial", "sagittal", "coronal"]
AXES: dict[str, tuple[int, int, int]] = {"axial": (2, 1, 0), "sagittal": (0, 2, 1), "coronal": (1, 2, 0)}


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
        if not np.isfinite(self.centre).all() or np.shape(self.centre) != (3,):
            raise GeometryError(
                "impossible centre", where="centre [m]", value=self.centre, allowed="three finite lengths"
            )
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

    @classmethod
    def of(cls, view: CTField, hu: Image) -> CTSlice:
        """A picture (rows, cols) [HU] of a field."""
        down, right, _ = view.steps()
        return cls(
            hu=np.asarray(hu, np.float32),
            origin=view.points()[:, 0, 0],
            row_step=down,
            col_step=right,
            plane=view.plane,
            thickness=view.thickness,
        )
