"""A pose with its standing tissue, ready for frames: cement and steel in, scatter, noise, display."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vertebro.errors import CaseError, DataError
from vertebro.grid import VoxelGrid
from vertebro.imaging.carm import ProjectionGeometry
from vertebro.imaging.detector import detect, gaussian_taps
from vertebro.imaging.display import Window, to_bytes, to_grey
from vertebro.imaging.dose import Dose
from vertebro.imaging.kernels_detector import smear, soften, transmit
from vertebro.imaging.kernels_frame import compose
from vertebro.imaging.projector import project_box
from vertebro.imaging.scatter import coarsened
from vertebro.imaging.spectrum import EnergyBins, Spectrum, whole_kev
from vertebro.materials.attenuation import Material, cement_material, material

if TYPE_CHECKING:
    from vertebro.imaging.fluoroscope import Fluoroscope

Image = NDArray[np.float32]
CONTRAST = "iohexol 300"
FWHM = 2.355  # of a Gaussian, in standard deviations
STILL = 0.05  # pixels of a way below which a layer stands still
FASTEST = 10.0  # m/s
SHARP_FOCUS = 0.05  # pixels (sigma) below which the focus is a point


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
        places: Places | None = None,
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
        cement_line: Image | None = None,
        needle_line: Image | None = None,
        contrast_line: Image | None = None,
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
        lines: list[Image | None],
        cement: Material | None = None,
        replaced: str = "yellow marrow",
        out: Image | None = None,
        touched: NDArray[np.bool_] | None = None,
    ) -> Image:
        """(rows, cols) primary quanta behind tissue, cement, steel and contrast agent (paths [m] in this order).

        `touched` names the rows in which a path may differ from zero (default: all).
        """
        mu = _layer_attenuation(self.energy_bins.energy[self.energy_bins.node].tobytes(), cement, replaced)
        rows, cols = self.primary.shape
        absent = np.zeros((1, cols), np.float32)
        paths = [absent if line is None else np.ascontiguousarray(line, np.float32) for line in lines]
        out = np.empty((rows, cols), np.float32) if out is None else out
        one, two, three = paths
        line, bits = np.empty(cols, np.float32), np.empty(cols, np.int32)
        touched = np.ones(rows, np.bool_) if touched is None else touched
        if not transmit(self.tissue, self.primary, one, two, three, touched, mu, line, bits, out):
            raise DataError("a path does not fit the picture", value="NaN or infinity", allowed="finite lengths [m]")
        return out


@dataclass(frozen=True, kw_only=True, slots=True)
class Places:
    """World points [m] about which the layers lie: the farther from the detector, the wider the focus blurs them.

    None stands for the isocentre.
    """

    cement: ArrayLike | None = None
    needle: ArrayLike | None = None
    contrast: ArrayLike | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Motions:
    """Velocities (3,) [m/s] of the layers in the world during a pulse: each is smeared over its way.

    None stands still.
    """

    cement: ArrayLike | None = None
    needle: ArrayLike | None = None
    contrast: ArrayLike | None = None


@functools.lru_cache(maxsize=64)
def _layer_attenuation(energies: bytes, cement: Material | None, replaced: str) -> Image:
    """(3, bins) attenuation [1/m] of cement over what it replaced, of steel, and of contrast agent over blood."""
    energy = np.frombuffer(energies)
    matter = [cement or cement_material(), *(material(name) for name in (replaced, "steel 304", CONTRAST, "blood"))]
    new, old, steel, agent, blood = (whole_kev(entry, energy) for entry in matter)
    return np.array([new - old, steel, agent - blood], np.float32)


class ShadowMemory:
    """Where a layer's blurred path is kept from picture to picture: most rows are empty and stay so.

    Attributes
    ----------
    path : (rows, cols) float32 array [m]
    touched : (rows,) bool array
        Rows that are not zero.
    streak : (rows, cols) float32 array [m]
        The path smeared over its way within the pulse, before the blur by the focus.
    """

    def __init__(self, rows: int, cols: int) -> None:
        self.path = np.zeros((rows, cols), np.float32)
        self.touched, self.filled = np.zeros(rows, np.bool_), np.empty(rows, np.bool_)
        self._streak: Image | None = None

    @property
    def streak(self) -> Image:
        """Made when something moves."""
        if self._streak is None:
            self._streak = np.empty_like(self.path)
        return self._streak


def soft_shadow(
    view: FluoroView,
    line: Image | None,
    place: ArrayLike | None,
    memory: ShadowMemory | None = None,
    velocity: ArrayLike | None = None,
) -> Image | None:
    """A layer's path [m] smeared by its motion and blurred by the focus at that layer's own magnification.

    The answer lies in `memory` (default: a new one) until the next picture.
    """
    rows, cols = view.primary.shape
    if line is None:
        return None
    if line.shape != (rows, cols):
        raise DataError("a path does not fit the picture", value=line.shape, allowed=f"({rows}, {cols}), finite [m]")
    memory = memory or ShadowMemory(rows, cols)
    down, across = _way(view, place, velocity)
    if math.hypot(down, across) >= STILL:
        steps = max(2, math.ceil(2 * math.hypot(down, across)))
        smear(np.ascontiguousarray(line, np.float32), down, across, steps, memory.filled, memory.streak)
        line = memory.streak
    sigma = view.focus if place is None else focus_sigma(view.fluoroscope.focal_spot, view.geometry, place)
    taps = np.asarray(gaussian_taps(round(sigma, 3) if sigma >= SHARP_FOCUS else 0.0), np.float32)
    scratch = np.empty(cols + 2 * len(taps) - 2, np.float32), memory.filled
    soften(np.ascontiguousarray(line, np.float32), taps, *scratch, memory.touched, memory.path)
    return memory.path


def _way(view: FluoroView, place: ArrayLike | None, velocity: ArrayLike | None) -> tuple[float, float]:
    """Rows and columns that the shadow of a layer crosses within a pulse."""
    if velocity is None:
        return 0.0, 0.0
    speed = np.asarray(velocity, float)
    if speed.shape != (3,) or not np.all(np.abs(speed) <= FASTEST):
        raise CaseError("impossible velocity", where="motions [m/s]", value=speed, allowed=f"three, up to {FASTEST}")
    width = view.fluoroscope.pulse_width or 0.0
    middle = np.asarray(view.geometry.isocentre if place is None else place, float)
    before, after = view.geometry.project_point(middle + np.outer([-0.5, 0.5], speed * width))
    down, across = (after - before).tolist()
    return down, across


def focus_sigma(focal_spot: float, geometry: ProjectionGeometry, place: ArrayLike | None = None) -> float:
    """Standard deviation [pixel] of the focus's shadow, of an object at a world point (default: the isocentre).

    A focus of size f (full width at half maximum) casts (M - 1) f on the detector, M f' / M = (M - 1) f / M back at
    the object.
    """
    magnification = geometry.magnification(geometry.isocentre if place is None else place)
    return max(focal_spot * (magnification - 1) / FWHM / geometry.pitch[0], 0.0)


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
