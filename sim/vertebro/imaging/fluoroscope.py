"""The fluoroscope: from layers of tissue, cement and steel to the frame the operator sees.

Tissue stands still, so its line integrals and its transmission in each energy bin are computed once per pose
(`Fluoroscope.prepare`). A frame then multiplies cement and steel in where they project, adds scatter, detector noise
and the display (`FluoroView.frame`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import CaseError, DataError, GeometryError
from vertebro.grid import VoxelGrid
from vertebro.imaging.basis import TissueLayer
from vertebro.imaging.carm import CArm, ProjectionGeometry
from vertebro.imaging.detector import Detector, blurred, detect, gaussian_taps
from vertebro.imaging.display import Display, Window, open_window, to_bytes, to_grey
from vertebro.imaging.dose import Dose, exposure_dose
from vertebro.imaging.projector import project, project_box
from vertebro.imaging.scatter import COARSE, Scatter, coarsened, refined
from vertebro.imaging.spectrum import EnergyBins, Spectrum, bin_spectrum, tube_spectrum
from vertebro.materials.attenuation import MATERIALS, Material, cement_material
from vertebro.sources import Constant

Image = NDArray[np.float32]
DETECTOR_DOSE = Constant(
    200e-9,
    "Gy",
    10e-9,
    2e-6,
    "vertebro",
    "ours",
    "air kerma at the panel that one shown frame rests on, about 4 pulses",
)
PULSE_LIMIT = Constant(20.0, "mAs", 1.0, 60.0, "vertebro", "ours", "largest tube charge of one exposure")
FOCAL_SPOT = Constant(0.6e-3, "m", 0.3e-3, 1.2e-3, "vertebro", "ours", "size of the focus (full width)")
BONE_AS_WATER = 3.0  # water-equivalent metres per metre of cortical bone near 60 keV, for the automatic voltage only


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """One picture.

    Attributes
    ----------
    signal : (rows, cols) float32 array
        Detected quanta per pixel (variance equals mean, before the spread of light).
    display : (rows, cols) uint8 array
        Bone, cement and metal dark; outside the collimator black.
    display16 : (rows, cols) uint16 array
        The same in 16 bits.
    dose : Dose
    geometry : ProjectionGeometry
    number : int
    """

    signal: Image
    display: NDArray[np.uint8]
    display16: NDArray[np.uint16]
    dose: Dose
    geometry: ProjectionGeometry
    number: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Fluoroscope:
    """Settings of tube, detector and display.

    Parameters
    ----------
    kvp : float [kV], optional
        40 to 150; None lets the thickness of the patient decide.
    aluminium, copper : float [m]
        Total filtration.
    detector_dose : float [Gy]
        Air kerma behind the patient per exposure that the exposure control aims at.
    pulse_limit : float [mAs]
        Largest tube charge of an exposure; thick patients are noisy.
    focal_spot : float [m]
    scatter : Scatter, optional
        None switches it off.
    detector : Detector
    display : Display
    bins : int
        Energy bins.

    Raises
    ------
    CaseError
        If a value is out of range.
    """

    kvp: float | None = None
    aluminium: float = 3e-3
    copper: float = 0.2e-3
    detector_dose: float = DETECTOR_DOSE
    pulse_limit: float = PULSE_LIMIT
    focal_spot: float = FOCAL_SPOT
    scatter: Scatter | None = field(default_factory=Scatter)
    detector: Detector = field(default_factory=Detector)
    display: Display = field(default_factory=Display)
    bins: int = 12

    def __post_init__(self) -> None:
        for name in ("detector_dose", "pulse_limit"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise CaseError("impossible exposure", where=name, value=value, allowed="> 0")
        if not 0 <= self.focal_spot <= 5e-3:
            raise CaseError("impossible focal spot", where="focal_spot [m]", value=self.focal_spot, allowed="0 to 5e-3")
        tube_spectrum(80.0 if self.kvp is None else self.kvp, aluminium=self.aluminium, copper=self.copper)

    def prepare(
        self,
        pose: CArm | ProjectionGeometry,
        layers: Sequence[TissueLayer],
        *,
        collimation: tuple[int, int, int, int] | None = None,
    ) -> FluoroView:
        """Project the standing tissue and set exposure and window for a pose.

        Parameters
        ----------
        pose : CArm or ProjectionGeometry
        layers : sequence of TissueLayer
            From `tissue_layers`.
        collimation : (row, row, col, col) of int, optional
            First and last + 1 row and column that the collimator leaves open.

        Raises
        ------
        GeometryError
            If the collimator is closed or the source lies inside the patient.
        DataError
            If the tissue is not finite.
        """
        geometry = pose.geometry if isinstance(pose, CArm) else pose
        opening = open_field(geometry, collimation)
        soft, bone = (np.zeros((geometry.rows, geometry.cols), np.float32) for _ in range(2))
        for layer in layers:
            project(layer.soft, layer.grid, geometry, out=soft)
            project(layer.bone, layer.grid, geometry, out=bone)
        np.maximum(soft, 0, out=soft)
        np.maximum(bone, 0, out=bone)
        return expose(self, geometry, soft, bone, opening)


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
        cement: Material | None = None,
        replaced: str = "yellow marrow",
        seed: int = 0,
        number: int = 0,
        noise: bool = True,
    ) -> Frame:
        """Shoot one picture.

        Parameters
        ----------
        cement_line, needle_line : (rows, cols) float32 array [m], optional
            Paths through cement and through steel.
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
        quanta = self.expected(cement_line, needle_line, cement=cement, replaced=replaced)
        signal = detect(
            quanta, self.fluoroscope.detector, self.geometry.pitch[0], seed=seed, number=number, noise=noise
        )
        grey = to_grey(signal, self.window, self.fluoroscope.display)
        grey[~self.opening] = 0
        return Frame(
            signal=signal,
            display=to_bytes(grey).astype(np.uint8),
            display16=to_bytes(grey, bits=16).astype(np.uint16),
            dose=self.dose,
            geometry=self.geometry,
            number=number,
        )

    def expected(
        self,
        cement_line: Image | None = None,
        needle_line: Image | None = None,
        *,
        cement: Material | None = None,
        replaced: str = "yellow marrow",
    ) -> Image:
        """(rows, cols) expected detected quanta: primary blurred by the focus, plus scatter."""
        layers = []
        if cement_line is not None:
            change = self.energy_bins.attenuation(cement or cement_material())
            layers.append((cement_line, change - self.energy_bins.attenuation(MATERIALS[replaced])))
        if needle_line is not None:
            layers.append((needle_line, self.energy_bins.attenuation(MATERIALS["steel 304"])))
        primary = _through(self.tissue, self.primary, layers)
        return add_scatter(self.fluoroscope, self.geometry, primary, self.open_quanta, self.opening)


def open_field(geometry: ProjectionGeometry, collimation: tuple[int, int, int, int] | None) -> NDArray[np.bool_]:
    """(rows, cols) pixels that the collimator leaves open.

    Raises
    ------
    GeometryError
        If none is left.
    """
    opening = np.zeros((geometry.rows, geometry.cols), bool)
    top, bottom, left, right = collimation or (0, geometry.rows, 0, geometry.cols)
    opening[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = True
    if not opening.any():
        raise GeometryError(
            "the collimator is closed: an exposure would show nothing",
            where="collimation",
            value=collimation,
            allowed=f"0 <= first < last <= ({geometry.rows} rows, {geometry.cols} columns)",
            hint="open the collimator",
        )
    return opening


def covered_field(geometry: ProjectionGeometry, grid: VoxelGrid) -> tuple[int, int, int, int]:
    """Collimation (row, row, col, col) that keeps to the rows where a grid reaches along the patient's long axis.

    A CT that ends within the field leaves rows without anatomy; an operator would collimate them away.

    Parameters
    ----------
    geometry : ProjectionGeometry
    grid : VoxelGrid
        The widest grid of the tissue.
    """
    low, high = grid.extent
    ends = np.array([geometry.isocentre, geometry.isocentre])
    ends[:, 2] = high[2], low[2]
    first, last = geometry.project_point(ends)[:, 0]
    if first > last:
        first, last = last, first
    return max(math.ceil(first), 0), min(math.floor(last) + 1, geometry.rows), 0, geometry.cols


def expose(
    fluoroscope: Fluoroscope,
    geometry: ProjectionGeometry,
    soft_line: Image,
    bone_line: Image,
    opening: NDArray[np.bool_],
) -> FluoroView:
    """Set voltage, tube charge and display window for known tissue paths (the automatic exposure control)."""
    measuring = measuring_field(opening)
    thickness = soft_line + np.float32(BONE_AS_WATER) * bone_line
    kvp = automatic_kvp(float(np.median(thickness[measuring]))) if fluoroscope.kvp is None else fluoroscope.kvp
    spectrum = tube_spectrum(kvp, aluminium=fluoroscope.aluminium, copper=fluoroscope.copper)
    absorbed = fluoroscope.detector.absorbed(spectrum.energy) * spectrum.energy
    energy_bins = bin_spectrum(spectrum, absorbed, count=fluoroscope.bins)
    transmission = _transmission(energy_bins, soft_line, bone_line)
    falloff = (geometry.obliquity() ** 3 / geometry.distance**2).astype(np.float32)
    kerma = _detector_kerma(spectrum, soft_line[measuring], bone_line[measuring]) * falloff[measuring]
    mas = min(fluoroscope.detector_dose / float(kerma.mean()), fluoroscope.pulse_limit)
    # one "quantum" deposits the energy that makes the variance of the signal equal to its mean
    behind = spectrum.behind(MATERIALS["water"], float(np.median(thickness[measuring])))
    quantum = float(behind.fluence @ (absorbed * spectrum.energy) / (behind.fluence @ absorbed))
    area = geometry.pitch[0] * geometry.pitch[1]
    scale = (falloff * opening * np.float32(mas * area / quantum)).astype(np.float32)
    transmission *= energy_bins.weight.astype(np.float32)[:, None, None] * scale
    primary = transmission.sum(axis=0)
    open_quanta = np.float32(energy_bins.weight.sum()) * scale
    expected = add_scatter(fluoroscope, geometry, primary, open_quanta, opening)
    still = blurred(expected, fluoroscope.detector.spread(geometry.pitch[0]))
    return FluoroView(
        fluoroscope=fluoroscope,
        geometry=geometry,
        soft_line=soft_line,
        bone_line=bone_line,
        spectrum=spectrum,
        energy_bins=energy_bins,
        tissue=transmission,
        primary=primary,
        open_quanta=open_quanta,
        opening=opening,
        dose=exposure_dose(
            spectrum, mas, geometry, open_share=float(opening.mean()), detector_air_kerma=float(kerma.mean() * mas)
        ),
        window=open_window(still, fluoroscope.display, opening, measuring),
    )


def automatic_kvp(thickness: float) -> float:
    """Tube voltage [kV] for a water-equivalent thickness [m]: 60 kV up to 10 cm, 2 kV more per cm, at most 120 kV."""
    return float(np.clip(60 + 200 * (thickness - 0.10), 60, 120))


def measuring_field(opening: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The middle half (per axis) of the open field, where the exposure is measured."""
    rows, cols = np.flatnonzero(opening.any(axis=1)), np.flatnonzero(opening.any(axis=0))
    middle = np.zeros_like(opening)
    top, left = rows[0] + len(rows) // 4, cols[0] + len(cols) // 4
    middle[top : top + max(len(rows) // 2, 1), left : left + max(len(cols) // 2, 1)] = True
    return middle


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
    coarse, bare = coarsened(primary), coarsened(open_quanta)
    water = float(MATERIALS["water"].linear_attenuation(60.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        thickness = np.where(bare > 0, -np.log(np.maximum(coarse, 1e-12) / bare) / water, 0)
    picture = fluoroscope.scatter.picture(coarse, thickness.astype(np.float32), COARSE * geometry.pitch[0])
    total = np.float32(fluoroscope.scatter.primary_share()) * sharp
    total += refined(picture, (geometry.rows, geometry.cols))
    return total


def _transmission(energy_bins: EnergyBins, soft_line: Image, bone_line: Image) -> Image:
    """(bins, rows, cols) share of each bin's photons behind the tissue."""
    soft = energy_bins.attenuation(MATERIALS["water"]).astype(np.float32)
    bone = energy_bins.attenuation(MATERIALS["cortical bone"]).astype(np.float32)
    transmission = np.empty((len(soft), *soft_line.shape), np.float32)
    for layer, mu_soft, mu_bone in zip(transmission, soft, bone, strict=True):
        np.multiply(soft_line, -mu_soft, out=layer)
        layer -= mu_bone * bone_line
        np.exp(layer, out=layer)
    return transmission


def _detector_kerma(spectrum: Spectrum, soft_line: Image, bone_line: Image) -> NDArray[np.float64]:
    """Air kerma per mAs at 1 m behind the tissue, for a sample of pixels."""
    every = max(1, soft_line.size // 2000)
    soft, bone = soft_line[::every], bone_line[::every]
    water, cortical = (MATERIALS[name].linear_attenuation(spectrum.energy) for name in ("water", "cortical bone"))
    left = np.exp(-np.outer(soft, water) - np.outer(bone, cortical))
    kerma = left @ (spectrum.fluence * spectrum.kerma_per_photon())
    return np.asarray(np.repeat(kerma, every)[: soft_line.size], float)


def _through(tissue: Image, primary: Image, layers: Sequence[tuple[Image, NDArray[np.float64]]]) -> Image:
    """Primary quanta behind tissue and the given layers (path [m], attenuation per bin [1/m])."""
    if not layers:
        return primary
    for path, _ in layers:
        if path.shape != primary.shape or not np.isfinite(path).all():
            raise DataError("a path does not fit the picture", value=path.shape, allowed=f"{primary.shape}, finite [m]")
    touched = np.flatnonzero(np.any([path.ravel() != 0 for path, _ in layers], axis=0))
    exponent = sum(np.outer(mu.astype(np.float32), path.ravel()[touched]) for path, mu in layers)
    seen = primary.copy()
    seen.ravel()[touched] = (tissue.reshape(len(tissue), -1)[:, touched] * np.exp(-exponent)).sum(axis=0)
    return seen
