"""A pose with its standing tissue, ready for frames: cement and steel in, scatter, noise, display."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import DataError
from vertebro.grid import VoxelGrid
from vertebro.imaging.carm import ProjectionGeometry
from vertebro.imaging.detector import blurred, detect, gaussian_taps
from vertebro.imaging.display import Window, to_bytes, to_grey
from vertebro.imaging.dose import Dose
from vertebro.imaging.projector import project_box
from vertebro.imaging.scatter import coarse_factor, coarsened, refined
from vertebro.imaging.spectrum import EnergyBins, Spectrum
from vertebro.materials.attenuation import Material, cement_material, material

if TYPE_CHECKING:
    from vertebro.imaging.fluoroscope import Fluoroscope

Image = NDArray[np.float32]
CONTRAST = "iohexol 300"
WELL_FILLED = 0.3  # share above which whole rows are faster than picking pixels


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """One picture.

    Attributes
    ----------
    signal : (rows, cols) float32 array
        Detected quanta per pixel (variance equals mean, before the spread of light).
    display16 : (rows, cols) uint16 array
        Bone, cement and metal dark; outside the collimator black.
    dose : Dose
    geometry : ProjectionGeometry
    number : int
    """

    signal: Image
    display16: NDArray[np.uint16]
    dose: Dose
    geometry: ProjectionGeometry
    number: int

    @property
    def display(self) -> NDArray[np.uint8]:
        """The picture in 8 bits."""
        return (self.display16 >> 8).astype(np.uint8)


@dataclass(frozen=True, kw_only=True, slots=True)
class FluoroView:
    """A pose with its standing tissue, ready for frames.

    Attributes
    ----------
    fluoroscope : Fluoroscope
    geometry : ProjectionGeometry
    soft_line, bone_line : (rows, cols) float32 arrays [m]
        Line integrals of the tissue fractions.
    spectrum : Spectrum
    energy_bins : EnergyBins
    tissue : (bins, rows, cols) float32 array
        Quanta each bin would leave in the detector behind the tissue.
    open_quanta : (rows, cols) float32 array
        Quanta without a patient.
    opening : (rows, cols) bool array
        Inside the collimator.
    dose : Dose
        Of one exposure.
    window : Window
        Fixed display window.
    """

    fluoroscope: Fluoroscope
    geometry: ProjectionGeometry
    soft_line: Image
    bone_line: Image
    spectrum: Spectrum
    energy_bins: EnergyBins
    tissue: Image
    primary: Image
    open_quanta: Image
    opening: NDArray[np.bool_]
    dose: Dose
    window: Window

    def cement_line(self, cement_fraction: NDArray[np.floating], grid: VoxelGrid) -> Image:
        """(rows, cols) path through cement [m] from the volume fraction of cement in each voxel."""
        return project_box(cement_fraction, grid, self.geometry)

    def frame(
        self,
        *,
        cement_line: Image | None = None,
        needle_line: Image | None = None,
        contrast_line: Image | None = None,
        cement: Material | None = None,
        replaced: str = "yellow marrow",
        seed: int = 0,
        number: int = 0,
        noise: bool = True,
    ) -> Frame:
        """Shoot one picture.

        Parameters
        ----------
        cement_line, needle_line, contrast_line : (rows, cols) float32 array [m], optional
            Paths through cement, through steel and through contrast agent (iohexol with 300 mg of iodine per ml).
        cement : Material, optional
            Default: PMMA with 20 % of barium sulfate.
        replaced : str
            Material that made room for the cement.
        seed, number : int
            Of the run and of the frame; they fix the noise.
        noise : bool

        Raises
        ------
        DataError
            If a path is not finite or has another shape.
        """
        quanta = self.expected(cement_line, needle_line, contrast_line, cement=cement, replaced=replaced)
        signal = detect(
            quanta, self.fluoroscope.detector, self.geometry.pitch[0], seed=seed, number=number, noise=noise
        )
        grey = to_grey(signal, self.window, self.fluoroscope.display)
        grey[~self.opening] = 0
        return Frame(
            signal=signal,
            display16=to_bytes(grey, bits=16).astype(np.uint16, copy=False),
            dose=self.dose,
            geometry=self.geometry,
            number=number,
        )

    def expected(
        self,
        cement_line: Image | None = None,
        needle_line: Image | None = None,
        contrast_line: Image | None = None,
        *,
        cement: Material | None = None,
        replaced: str = "yellow marrow",
    ) -> Image:
        """(rows, cols) expected detected quanta: primary blurred by the focus, plus scatter."""
        layers = []
        if cement_line is not None:
            change = self.energy_bins.attenuation(cement or cement_material())
            layers.append((cement_line, change - self.energy_bins.attenuation(material(replaced))))
        if needle_line is not None:
            layers.append((needle_line, self.energy_bins.attenuation(material("steel 304"))))
        if contrast_line is not None:
            change = self.energy_bins.attenuation(material(CONTRAST)) - self.energy_bins.attenuation(material("blood"))
            layers.append((contrast_line, change))
        primary = _through(self.tissue, self.primary, layers)
        return add_scatter(self.fluoroscope, self.geometry, primary, self.open_quanta, self.opening)


def add_scatter(
    fluoroscope: Fluoroscope,
    geometry: ProjectionGeometry,
    primary: Image,
    open_quanta: Image,
    opening: NDArray[np.bool_],
) -> Image:
    """Quanta at the detector: primary blurred by the focus and passed by the grid, plus scatter."""
    magnification = geometry.magnification(geometry.isocentre)
    sigma = fluoroscope.focal_spot * (magnification - 1) / 2.355 / geometry.pitch[0]
    sharp = blurred(primary, gaussian_taps(sigma)) if sigma > 0.05 else primary
    if fluoroscope.scatter is None:
        return sharp
    factor = coarse_factor(geometry.pitch[0])
    coarse, bare = coarsened(primary, factor), coarsened(open_quanta, factor)
    water = float(material("water").linear_attenuation(60.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        thickness = np.where(bare > 0, -np.log(np.maximum(coarse, 1e-12) / bare) / water, 0)
    picture = fluoroscope.scatter.picture(coarse, thickness.astype(np.float32), factor * geometry.pitch[0])
    total = np.float32(fluoroscope.scatter.primary_share()) * sharp
    total += refined(picture, (geometry.rows, geometry.cols), factor)
    return total


def _through(tissue: Image, primary: Image, layers: Sequence[tuple[Image, NDArray[np.float64]]]) -> Image:
    """Primary quanta behind tissue and the given layers (path [m], attenuation per bin [1/m])."""
    if not layers:
        return primary
    for path, _ in layers:
        if path.shape != primary.shape or not np.isfinite(path).all():
            raise DataError("a path does not fit the picture", value=path.shape, allowed=f"{primary.shape}, finite [m]")
    touched = np.any([path != 0 for path, _ in layers], axis=0)
    pick = _pick(touched)
    paths = [path[pick] for path, _ in layers]
    total = np.zeros_like(paths[0])
    for number, quanta in enumerate(tissue):
        exponent = sum(np.float32(-mu[number]) * path for path, (_, mu) in zip(paths, layers, strict=True))
        total += quanta[pick] * np.exp(exponent)
    seen = primary.copy()
    seen[pick] = total
    return seen


def _pick(touched: NDArray[np.bool_]) -> Any:
    """The box around the touched pixels where it is well filled (cement), else the pixels themselves (needles)."""
    rows, cols = np.flatnonzero(touched.any(axis=1)), np.flatnonzero(touched.any(axis=0))
    if rows.size == 0:
        return np.s_[0:0, 0:0]
    box = np.s_[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
    return box if touched[box].mean() > WELL_FILLED else np.nonzero(touched)
