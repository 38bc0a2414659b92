"""A pose with its standing tissue, ready for frames: cement and steel in, scatter, noise, display."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import DataError
from vertebro.grid import VoxelGrid
from vertebro.imaging.carm import ProjectionGeometry
from vertebro.imaging.detector import detect
from vertebro.imaging.display import Window, to_bytes, to_grey
from vertebro.imaging.dose import Dose
from vertebro.imaging.kernels_detector import transmit
from vertebro.imaging.kernels_frame import compose
from vertebro.imaging.projector import box_shadow, project_box
from vertebro.imaging.scatter import coarsened
from vertebro.imaging.shadows import Places, Shadow, soft_shadow
from vertebro.imaging.spectrum import EnergyBins, Spectrum, whole_kev
from vertebro.materials.attenuation import Material, cement_material, material

if TYPE_CHECKING:
    from vertebro.imaging.fluoroscope import Fluoroscope

Image = NDArray[np.float32]
CONTRAST = "iohexol 300"
EMPTY: Image = np.zeros((0, 0), np.float32)


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
class CoarseField:
    """The coarse grid of scatter and stray light.

    Attributes
    ----------
    factor : int
        Pixels per coarse pixel.
    pitch : float [m]
        Of a coarse pixel.
    gap : float [m]
        From the isocentre to the detector.
    water : float [1/m]
        Attenuation of water, mean over the body, to tell its thickness.
    bare : (n, m) float32 array
        Quanta without a patient.
    """

    factor: int
    pitch: float
    gap: float
    water: float
    bare: Image


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """What a pose has before a tube voltage is chosen.

    Attributes
    ----------
    body : float [m]
        Water-equivalent thickness in the measuring field.
    measured : three (n,) float32 arrays
        Soft and bone path [m] there, and the fluence over that at 1 m [1/m²].
    light : (rows, cols) float32 array [1/m²]
        Fluence over that at 1 m: distance, slant, shutters.
    lines : two (rows, cols) float32 arrays [m]
        Soft and bone path, blurred by the focus.
    """

    body: float
    measured: tuple[Image, Image, Image]
    light: Image
    lines: tuple[Image, Image]


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
        Quanta each bin would leave in the detector behind the tissue, blurred by the focus.
    primary : (rows, cols) float32 array
        Their sum.
    open_quanta : (rows, cols) float32 array
        Quanta without a patient.
    coarse : CoarseField
        What scatter and stray light need of the pose.
    focus : float [pixel]
        Standard deviation of the focus's shadow of things at the isocentre.
    opening : (rows, cols) bool array
        Inside the collimator.
    standing : Standing
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
    coarse: CoarseField
    focus: float
    opening: NDArray[np.bool_]
    standing: Standing
    dose: Dose
    window: Window

    def cement_line(self, cement_fraction: NDArray[np.floating], grid: VoxelGrid) -> Image:
        """(rows, cols) path through cement [m] from the volume fraction of cement in each voxel."""
        return project_box(cement_fraction, grid, self.geometry)

    def cement_shadow(self, cement_fraction: NDArray[np.floating], grid: VoxelGrid) -> Shadow:
        """`cement_line` where it may differ from zero: quicker, as it leaves the rest of the picture alone."""
        return box_shadow(cement_fraction, grid, self.geometry)

    def frame(
        self,
        *,
        cement_line: Image | Shadow | None = None,
        needle_line: Image | Shadow | None = None,
        contrast_line: Image | Shadow | None = None,
        cement: Material | None = None,
        replaced: str = "yellow marrow",
        places: Places | None = None,
        seed: int = 0,
        number: int = 0,
        noise: bool = True,
    ) -> Frame:
        """Shoot one picture.

        Parameters
        ----------
        cement_line, needle_line, contrast_line : (rows, cols) float32 array [m] or Shadow, optional
            Paths through cement, through steel and through contrast agent (iohexol with 300 mg of iodine per ml).
        cement : Material, optional
            Default: PMMA with 20 % of barium sulfate.
        replaced : str
            Material that made room for the cement.
        places : Places, optional
            Where the layers lie along the beam, for the blur by the focus; default: at the isocentre.
        seed, number : int
            Of the run and of the frame; they fix the noise.
        noise : bool

        Raises
        ------
        DataError
            If a path is not finite or has another shape.
        """
        quanta = self.expected(cement_line, needle_line, contrast_line, cement=cement, replaced=replaced, places=places)
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
        cement_line: Image | Shadow | None = None,
        needle_line: Image | Shadow | None = None,
        contrast_line: Image | Shadow | None = None,
        *,
        cement: Material | None = None,
        replaced: str = "yellow marrow",
        places: Places | None = None,
    ) -> Image:
        """(rows, cols) expected detected quanta: primary behind all layers, blurred by the focus, scatter and glare."""
        at = places or Places()
        lines = [
            soft_shadow(self, line, place)
            for line, place in (
                (cement_line, at.cement),
                (needle_line, at.needle),
                (contrast_line, at.contrast),
            )
        ]
        primary = self.primary if all(line is None for line in lines) else self.behind(lines, cement, replaced)
        return add_scatter(self.fluoroscope, self.coarse, primary)

    def behind(
        self,
        layers: list[Shadow | None],
        cement: Material | None = None,
        replaced: str = "yellow marrow",
        out: Image | None = None,
    ) -> Image:
        """(rows, cols) primary quanta behind tissue, cement, steel and contrast agent (paths [m] in this order).

        `out` holds `primary` and is changed where a layer lies; default: a copy.
        """
        mu = _layer_attenuation(self.energy_bins.energy[self.energy_bins.node].tobytes(), cement, replaced)
        cols = self.primary.shape[1]
        out = self.primary.copy() if out is None else out
        one, two, three = (EMPTY if layer is None else np.ascontiguousarray(layer.path, np.float32) for layer in layers)
        places = np.array([(0, 0) if layer is None else (layer.top, layer.left) for layer in layers], np.int64)
        if not transmit(self.tissue, (one, two, three), places, mu, np.empty((3, cols), np.float32), out):
            raise DataError("a path does not fit the picture", value="NaN or infinity", allowed="finite lengths [m]")
        return out


@functools.lru_cache(maxsize=64)
def _layer_attenuation(energies: bytes, cement: Material | None, replaced: str) -> Image:
    """(3, bins) attenuation [1/m] of cement over what it replaced, of steel, and of contrast agent over blood."""
    energy = np.frombuffer(energies)
    matter = [cement or cement_material(), *(material(name) for name in (replaced, "steel 304", CONTRAST, "blood"))]
    new, old, steel, agent, blood = (whole_kev(entry, energy) for entry in matter)
    return np.array([new - old, steel, agent - blood], np.float32)


def add_scatter(fluoroscope: Fluoroscope, field: CoarseField, primary: Image, out: Image | None = None) -> Image:
    """Quanta at the detector: the primary passed by the grid, plus scatter, plus stray light."""
    share, low = smooth_part(fluoroscope, field, primary)
    if low is None:
        return primary
    target = np.empty_like(primary) if out is None else out
    compose(primary, np.float32(share), low, field.factor, np.empty((2, primary.shape[1]), np.float32), target)
    return target


def smooth_part(fluoroscope: Fluoroscope, field: CoarseField, primary: Image) -> tuple[float, Image | None]:
    """Factor on the primary, and scatter with stray light on the coarse grid (None without either)."""
    scatter, glare = fluoroscope.scatter, fluoroscope.glare
    if scatter is None and glare is None:
        return 1.0, None
    coarse = coarsened(primary, field.factor)
    share, low = 1.0, np.zeros_like(coarse)
    if scatter is not None:
        share = scatter.primary_share()
        thickness = _thickness(coarse, field.bare, field.water)
        low = scatter.picture(coarse, thickness, field.pitch, gap=field.gap)
    if glare is not None and glare.share > 0:
        stray = glare.picture(np.float32(share) * coarse + low, field.pitch)
        share, low = share * (1 - glare.share), np.float32(1 - glare.share) * low + stray
    return share, np.asarray(low, np.float32)


def _thickness(coarse: Image, bare: Image, water: float) -> Image:
    """Water-equivalent thickness [m] behind which `bare` quanta become `coarse`."""
    with np.errstate(divide="ignore", invalid="ignore"):
        loss = np.where(bare > 0, -np.log(np.maximum(coarse, np.float32(1e-12)) / bare), 0)
    return np.asarray(loss / np.float32(water), np.float32)
