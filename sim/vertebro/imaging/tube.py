"""What the tube does to an even field: the heel effect of its anode, and the soft edge of its shutters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from vertebro.errors import CaseError
from vertebro.imaging.carm import ProjectionGeometry
from vertebro.imaging.spectrum import Spectrum, whole_kev
from vertebro.materials.attenuation import Material
from vertebro.sources import Constant
from vertebro.units import deg

Floats = NDArray[np.float64]
Side = Literal["top", "bottom", "left", "right"]
SIDES = ("top", "bottom", "left", "right")
TUNGSTEN = Material(name="tungsten", density=19300.0, fractions=(("W", 1.0),), source="xraydb")
ANODE_ANGLE = Constant(11 * deg, "rad", 6 * deg, 20 * deg, "spekpy", "computed", "anode of the shipped spectra")
DEPTH = Constant(0.857e-6, "m", 0.3e-6, 3e-6, "spekpy", "computed", "depth of origin in the anode at 80 kV")
DEPTH_POWER = Constant(1.77, "1", 1.5, 2.0, "spekpy", "computed", "growth of that depth with the voltage")
FOCUS_TO_SHUTTER = Constant(0.3, "m", 0.15, 0.5, "vertebro", "ours", "from the focus to the shutters")


@dataclass(frozen=True, kw_only=True, slots=True)
class Heel:
    """Photons that leave the anode at a grazing angle cross more of it: that side of the field is weaker and harder.

    The path to the surface of a photon born at depth d, that leaves at take-off angle g, is d / sin(g). Depths follow
    SpekPy's off-axis spectra within 2 % between 15 cm to either side at 1 m, 60 to 120 kV.

    Parameters
    ----------
    side : str
        Side of the picture towards which the anode looks: ``"top"``, ``"bottom"``, ``"left"`` or ``"right"``.
    angle : float [rad]
        Of the anode.
    depth : float [m]
        At which photons arise at 80 kV.

    Raises
    ------
    CaseError
        If a value is out of range.
    """

    side: Side = "top"
    angle: float = ANODE_ANGLE
    depth: float = DEPTH

    def __post_init__(self) -> None:
        if self.side not in SIDES:
            raise CaseError("unknown side", where="heel side", value=self.side, allowed=", ".join(SIDES))
        if not (2 * deg <= self.angle <= 45 * deg and 0 <= self.depth <= 1e-5):
            raise CaseError("impossible anode", value=self, allowed="angle 2 to 45 degrees, depth 0 to 1e-5 m")

    def share(self, spectrum: Spectrum, off_axis: NDArray[np.floating]) -> Floats:
        """(energies, n) share of the middle's photons at angles [rad] from it, positive towards the anode."""
        leaving = np.maximum(self.angle - np.asarray(off_axis, float), 1e-3)
        path = 1 / np.sin(leaving) - 1 / math.sin(self.angle)
        depth = self.depth * (spectrum.kvp / 80) ** DEPTH_POWER
        return np.asarray(np.exp(-np.outer(whole_kev(TUNGSTEN, spectrum.energy) * depth, path)))

    def field(self, spectrum: Spectrum, geometry: ProjectionGeometry) -> Floats:
        """(energies, rows, 1) or (energies, 1, cols) share of the middle's photons in each row or column."""
        along_rows = self.side in ("top", "bottom")
        count, pitch = (geometry.rows, geometry.pitch[0]) if along_rows else (geometry.cols, geometry.pitch[1])
        place = (np.arange(count) - (count - 1) / 2) * pitch
        towards = -1 if self.side in ("top", "left") else 1
        share = self.share(spectrum, np.arctan(towards * place / geometry.distance))
        return share[:, :, None] if along_rows else share[:, None, :]


def lit_share(
    opening: NDArray[np.bool_], geometry: ProjectionGeometry, focal_spot: float, shutter: float | None
) -> NDArray[np.float32]:
    """(rows, cols) share of the focus that each pixel sees past the shutters.

    Seen from the detector's plane, shutters at distance s from a focus of size f have a shadow with an edge
    f (SDD - s) / s wide (full width at half maximum).

    Parameters
    ----------
    opening : (rows, cols) bool array
        A rectangle.
    geometry : ProjectionGeometry
    focal_spot : float [m]
    shutter : float [m], optional
        Distance of the shutters from the focus; None makes sharp edges.
    """
    sigma = 0.0 if shutter is None else focal_spot * (geometry.distance - shutter) / shutter / 2.355
    if not sigma > 0.05 * geometry.pitch[0]:
        return opening.astype(np.float32)
    rows, cols = (
        _edge(np.flatnonzero(opening.any(axis=1 - axis)), n, sigma / pitch)
        for axis, (n, pitch) in enumerate(zip(opening.shape, geometry.pitch, strict=True))
    )
    return np.outer(rows, cols).astype(np.float32)


def _edge(inside: NDArray[np.intp], count: int, sigma: float) -> Floats:
    """(count,) share of light along one axis; a border of the detector is no shutter."""
    place = np.arange(count)
    share = np.ones(count)
    if inside[0] > 0:
        share *= ndtr((place - inside[0] + 0.5) / sigma)
    if inside[-1] < count - 1:
        share *= ndtr((inside[-1] + 0.5 - place) / sigma)
    return share
