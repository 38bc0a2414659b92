"""The CT scanner's settings: CT numbers of materials from spectrum and attenuation, its noise, its windows."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import CaseError
from vertebro.imaging.spectrum import tube_spectrum
from vertebro.materials.attenuation import MATERIALS, Material
from vertebro.sources import Constant

Image = NDArray[np.float32]
PSF = Constant(0.5e-3, "m", 0.3e-3, 0.8e-3, "vertebro", "ours", "sigma of a body kernel in the plane")
NOISE = Constant(12.0, "HU", 3.0, 40.0, "vertebro", "ours", "standard deviation of a body scan, 2 mm slices")
CLIP_12_BIT = (-1024.0, 3071.0)
CLIP_EXTENDED = (-1024.0, 31743.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Scanner:
    """Settings of the CT scanner.

    Parameters
    ----------
    kvp : float [kV]
    aluminium : float [m]
        Filtration.
    psf : float [m]
        Sigma of the blur of cement and needle in the plane (a real CT's anatomy is already blurred).
    noise : float [HU]
        Standard deviation added.
    extended : bool
        Metal scale; False clips at 3071 HU as 12-bit scanners do.

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

    def __post_init__(self) -> None:
        tube_spectrum(self.kvp, aluminium=self.aluminium)
        if not (0 <= self.psf <= 5e-3 and 0 <= self.noise <= 500):
            raise CaseError(
                "impossible scanner", value=(self.psf, self.noise), allowed="psf 0 to 5e-3 m, noise 0 to 500 HU"
            )

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


@functools.lru_cache(maxsize=128)
def _hu(material: Material, kvp: float, aluminium: float) -> float:
    beam = tube_spectrum(kvp, aluminium=aluminium).behind(MATERIALS["water"], 0.2)
    weight = beam.fluence * beam.energy
    effective, water = (
        float(weight @ matter.linear_attenuation(beam.energy) / weight.sum())
        for matter in (material, MATERIALS["water"])
    )
    return 1000.0 * (effective / water - 1.0)
