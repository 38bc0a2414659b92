"""The CT scanner's settings: CT numbers of materials from spectrum and attenuation, its noise, its windows."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import CaseError
from vertebro.imaging.spectrum import tube_spectrum
from vertebro.materials.attenuation import MATERIALS, Material
from vertebro.sources import Constant

Image = NDArray[np.float32]
ReconstructionKernel = Literal["soft", "bone", "ramp"]
MetalReduction = Literal["none", "linear", "normalised"]
RECONSTRUCTION_KERNELS = ("soft", "bone", "ramp")
METAL_REDUCTIONS = ("none", "linear", "normalised")
RANGES = (
    ("mas", 0.1, 2000, "mAs"),
    ("views", 12, 8000, ""),
    ("detector_pitch", 0.1e-3, 10e-3, "m"),
    ("focal_spot", 0, 5e-3, "m"),
    ("collimation", 0.1e-3, 20e-3, "m"),
    ("electronic", 0, 1000, "photons"),
    ("bore", 0.05, 1.0, "m"),
    ("calibrated", 0.1, 0.8, "m of water"),
    ("bins", 1, 40, "energies"),
)
PSF = Constant(0.5e-3, "m", 0.3e-3, 0.8e-3, "vertebro", "ours", "sigma of a body kernel in the plane")
NOISE = Constant(12.0, "HU", 3.0, 40.0, "vertebro", "ours", "standard deviation of a body scan, 2 mm slices")
MAS = Constant(200.0, "mAs", 20.0, 500.0, "vertebro", "ours", "tube charge of a turn of a body scan")
VIEWS = 600  # over half a turn; scanners take about a thousand over a whole one
DETECTOR_PITCH = Constant(0.5e-3, "m", 0.4e-3, 0.7e-3, "vertebro", "ours", "from ray to ray at the axis")
CT_FOCUS = Constant(0.9e-3, "m", 0.4e-3, 1.4e-3, "vertebro", "ours", "size of the focus")
COLLIMATION = Constant(1e-3, "m", 0.5e-3, 2e-3, "vertebro", "ours", "thickness of one row of detectors at the axis")
ELECTRONIC = Constant(8.0, "photons", 2.0, 30.0, "vertebro", "ours", "read-out noise of a detector cell")
CALIBRATED = Constant(0.8, "m", 0.3, 0.8, "vertebro", "ours", "thickest water of the correction; less than 0.4 m cups")
BORE = Constant(0.70, "m", 0.5, 0.9, "vertebro", "ours", "what lies farther out is not seen")
CLIP_12_BIT = (-1024.0, 3071.0)
CLIP_EXTENDED = (-10240.0, 30710.0)  # extended CT scale [coolens2003]


@dataclass(frozen=True, kw_only=True, slots=True)
class Scanner:
    """Settings of the CT scanner.

    Parameters
    ----------
    kvp : float [kV]
    aluminium : float [m]
        Filtration.
    psf : float [m]
        Fast mode: sigma of the blur of cement and needle in the plane (a real CT's anatomy is already blurred).
    noise : float [HU]
        Fast mode: standard deviation added. 0 silences the reconstructing mode too.
    extended : bool
        Metal scale, -10240 to 30710 HU; False clips to -1024 and 3071 HU as 12-bit scanners do.
    mas : float [mAs]
        Tube charge of a turn; from here on for the reconstructing mode.
    kernel : {"soft", "bone", "ramp"}
        Reconstruction kernel.
    views : int
        Over half a turn, a multiple of 4.
    detector_pitch : float [m]
        From ray to ray at the axis of rotation.
    focal_spot : float [m]
    collimation : float [m]
        Thickness of one row of detectors at the axis; a slice is the mean of as many.
    electronic : float
        Read-out noise of a cell in photons.
    bowtie : bool
        A filter that is thicker towards the edge of the field.
    metal_reduction : {"none", "linear", "normalised"}
        Replace rays through metal by their neighbours, as they are or normalised by a simple picture of the patient.
    water_correction : bool
        Off to see the cupping.
    calibrated : float [m]
        Thickest water the correction was made for. A ray weakened more than that counts as this much: a table of 0.3 m
        more than doubles the dark band between two dense cements.
    bore : float [m]
        Diameter within which matter is seen at all.
    bins : int
        Energies that stand for the spectrum.

    Raises
    ------
    CaseError
        If a value is out of range.
    """

    kvp: float = 120.0
    aluminium: float = 8e-3
    psf: float = PSF
    noise: float = NOISE
    extended: bool = True
    mas: float = MAS
    kernel: ReconstructionKernel = "soft"
    views: int = VIEWS
    detector_pitch: float = DETECTOR_PITCH
    focal_spot: float = CT_FOCUS
    collimation: float = COLLIMATION
    electronic: float = ELECTRONIC
    bowtie: bool = False
    metal_reduction: MetalReduction = "none"
    water_correction: bool = True
    calibrated: float = CALIBRATED
    bore: float = BORE
    bins: int = 12

    def __post_init__(self) -> None:
        tube_spectrum(self.kvp, aluminium=self.aluminium)
        if not (0 <= self.psf <= 5e-3 and 0 <= self.noise <= 500):
            raise CaseError(
                "impossible scanner", value=(self.psf, self.noise), allowed="psf 0 to 5e-3 m, noise 0 to 500 HU"
            )
        for name, low, high, unit in RANGES:
            value = getattr(self, name)
            if not low <= value <= high:
                raise CaseError("impossible scanner", where=name, value=value, allowed=f"{low:g} to {high:g} {unit}")
        if self.views % 4:
            raise CaseError("impossible scanner", where="views", value=self.views, allowed="a multiple of 4")
        for name, known in (("kernel", RECONSTRUCTION_KERNELS), ("metal_reduction", METAL_REDUCTIONS)):
            if getattr(self, name) not in known:
                raise CaseError("unknown choice", where=name, value=getattr(self, name), allowed=", ".join(known))

    def hu(self, material: Material) -> float:
        """CT number of a material [HU], energy-integrating, behind 20 cm of water."""
        return _hu(material, self.kvp, self.aluminium)


def window_level(hu: NDArray[np.number], *, centre: float = 400.0, width: float = 1800.0) -> NDArray[np.uint8]:
    """CT numbers as grey values 0 to 255.

    Parameters
    ----------
    hu : (…) array [HU]
    centre, width : float [HU]
        Default: bone window. Soft tissue: 40, 400.

    Raises
    ------
    CaseError
        If the width is not positive.
    """
    if not width > 0:
        raise CaseError("window width", where="width [HU]", value=width, allowed="> 0")
    grey = (np.asarray(hu, np.float32) - np.float32(centre - width / 2)) / np.float32(width)
    return np.asarray(np.clip(grey, 0, 1) * 255 + 0.5).astype(np.uint8)


def scanner_noise(shape: tuple[int, ...], sigma: float, pitch: float, *, seed: int, number: int = 0) -> Image:
    """Noise of filtered back-projection: no slow part, most power near 0.4 line pairs per mm.

    Parameters
    ----------
    shape : (rows, cols)
    sigma : float [HU]
        Standard deviation.
    pitch : float [m]
    seed, number : int
    """
    random = np.random.Generator(np.random.SFC64([abs(int(seed)), abs(int(number)), 7]))
    spectrum = np.fft.rfft2(random.standard_normal(shape, np.float32))
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(shape[0], pitch), np.fft.rfftfreq(shape[1], pitch), indexing="ij"))
    cut = 400.0  # 1/m
    noise = np.fft.irfft2(spectrum * np.sqrt(frequency / cut) * np.exp(-((frequency / cut) ** 2)), s=shape)
    return np.asarray(noise * (sigma / max(float(noise.std()), 1e-12)), np.float32)


def water_attenuation(kvp: float, aluminium: float) -> float:
    """Attenuation of water [1/m] that stands for 0 HU: energy-integrating, behind 20 cm of water."""
    return _effective(MATERIALS["water"], kvp, aluminium)


@functools.lru_cache(maxsize=128)
def _effective(material: Material, kvp: float, aluminium: float) -> float:
    beam = tube_spectrum(kvp, aluminium=aluminium).behind(MATERIALS["water"], 0.2)
    weight = beam.fluence * beam.energy
    return float(weight @ material.linear_attenuation(beam.energy) / weight.sum())


def _hu(material: Material, kvp: float, aluminium: float) -> float:
    return 1000.0 * (_effective(material, kvp, aluminium) / water_attenuation(kvp, aluminium) - 1.0)
