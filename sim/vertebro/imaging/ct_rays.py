"""Rays of a CT slice and the beam behind them: from line integrals of basis materials to corrected attenuation.

Parallel rays over half a turn: what a fan of rays measures over a whole turn, sorted. Both rays that share a line
count, so the tube charge of a turn is shared by the views of half a turn.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import GeometryError
from vertebro.imaging.kernels_ct import spread_cells, straighten, weaken, weaken_cells
from vertebro.imaging.scanner import Scanner, water_attenuation
from vertebro.imaging.spectrum import EnergyBins, bin_spectrum, tube_spectrum
from vertebro.materials.attenuation import MATERIALS, Material, material
from vertebro.sources import Constant

Lines = NDArray[np.float32]
SOURCE_TO_AXIS = Constant(0.57, "m", 0.5, 0.65, "vertebro", "ours", "focus to axis of rotation")
SOURCE_TO_DETECTOR = Constant(1.04, "m", 0.9, 1.15, "vertebro", "ours", "focus to detector")
COUNTED = Constant(0.75, "1", 0.5, 0.95, "vertebro", "ours", "noise-equivalent share of the photons (DQE, gaps)")
BOWTIE_WATER = Constant(0.32, "m", 0.16, 0.4, "vertebro", "ours", "diameter of water whose edge the bow-tie fills up")
BOWTIE_SHARE = Constant(0.5, "1", 0.0, 1.0, "vertebro", "ours", "of the missing water that it fills up")
DEGREE = 6
CELL_SIDE = 0.125  # a mean over one step of what is linear from step to step
FLOOR = 1.0  # counts; a starved ray reads no less


@dataclass(frozen=True, kw_only=True, slots=True)
class Rays:
    """Parallel rays of a slice.

    Attributes
    ----------
    views : int
        Over half a turn, a multiple of 4.
    count : int
        Rays of a view.
    pitch : float [m]
        From ray to ray, at the axis.
    axis : (2,) float [m]
        Right and anterior coordinate of the axis of rotation.
    """

    views: int
    count: int
    pitch: float
    axis: tuple[float, float]

    def __post_init__(self) -> None:
        if self.views < 12 or self.views % 4 or self.count < 2 or not 0 < self.pitch < 0.05:
            raise GeometryError(
                "impossible rays",
                value=self,
                allowed="views a multiple of 4 from 12, 2 rays or more, pitch up to 0.05 m",
            )

    @property
    def first(self) -> float:
        """Distance of ray 0 from the axis [m]."""
        return -(self.count - 1) / 2 * self.pitch

    def angles(self) -> NDArray[np.float64]:
        """(views,) angle of each view [rad]: rays are counted along (cos, sin) and run square to it."""
        return (np.arange(self.views) + 0.5) * np.pi / self.views

    def directions(self) -> NDArray[np.float64]:
        """(views, 2) the vectors (cos, sin) of `angles`."""
        angle = self.angles()
        return np.ascontiguousarray(np.stack([np.cos(angle), np.sin(angle)], axis=1))

    def distances(self) -> NDArray[np.float64]:
        """(count,) distance of each ray from the axis [m]."""
        return np.asarray(self.first + self.pitch * np.arange(self.count, dtype=np.float64))


@dataclass(frozen=True, kw_only=True, slots=True)
class Beam:
    """The beam that meets the patient, and how its attenuation is made that of water.

    Attributes
    ----------
    bins : EnergyBins
    open_beam : (rays, bins) float32 array
        Signal of each energy without patient; 1 in all at the thinnest part of the filter.
    signal : (rays,) float32 array
        Their sum.
    factors : (rays, degree) float32 array
        Polynomial from measured attenuation to `water` times thickness of water.
    limit : float
        Attenuation beyond which the polynomial is not asked.
    water : float [1/m]
        Attenuation of water that stands for 0 HU.
    """

    bins: EnergyBins
    open_beam: Lines
    signal: Lines
    factors: Lines
    limit: float
    water: float

    def attenuations(self, cement: Material, replaced: str) -> Lines:
        """(bins, 4) attenuation [1/m] of soft tissue, bone, cement over what it replaced, and steel."""
        water, bone, steel = (self.bins.attenuation(MATERIALS[n]) for n in ("water", "cortical bone", "steel 304"))
        over = self.bins.attenuation(cement) - self.bins.attenuation(material(replaced))
        return np.ascontiguousarray(np.stack([water, bone, over, steel], axis=1), np.float32)


@functools.lru_cache(maxsize=32)
def beam_of(scanner: Scanner, rays: Rays) -> Beam:
    """Spectrum, bow-tie filter and water correction of a scanner."""
    spectrum = tube_spectrum(scanner.kvp, aluminium=scanner.aluminium)
    bins = bin_spectrum(spectrum, spectrum.energy, count=scanner.bins)
    weight = bins.weight / bins.weight.sum()
    plastic = bowtie_thickness(rays.distances()) if scanner.bowtie else np.zeros(rays.count)
    open_beam = weight * np.exp(-np.outer(plastic, bins.attenuation(MATERIALS["PMMA"])))
    water = water_attenuation(scanner.kvp, scanner.aluminium)
    factors, limit = _water_polynomials(open_beam, bins.attenuation(MATERIALS["water"]), water, scanner.calibrated)
    if not scanner.water_correction:
        factors = np.zeros_like(factors)
        # one factor: thin water is right, thick water cups
        factors[:, 0] = water / (weight @ bins.attenuation(MATERIALS["water"]))
    return Beam(
        bins=bins,
        open_beam=open_beam.astype(np.float32),
        signal=open_beam.sum(axis=1).astype(np.float32),
        factors=factors.astype(np.float32),
        limit=limit,
        water=water,
    )


def bowtie_thickness(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Plastic of a body filter [m] at a distance from the axis [m]: thin in the middle, thick at the edge."""
    radius = BOWTIE_WATER / 2
    missing = 2 * (radius - np.sqrt(np.maximum(radius**2 - distance**2, 0)))
    water, plastic = (float(MATERIALS[name].linear_attenuation(60.0)) for name in ("water", "PMMA"))
    return np.asarray(BOWTIE_SHARE * missing * water / plastic)


def _water_polynomials(
    open_beam: NDArray[np.float64], mu: NDArray[np.float64], water: float, deepest: float
) -> tuple[NDArray[np.float64], float]:
    """Per ray: least squares through attenuations of 0 to `deepest` [m] of water, relative error alike everywhere."""
    depth = np.linspace(0.005, deepest, 160)
    left = open_beam @ np.exp(-np.outer(mu, depth)) / open_beam.sum(axis=1)[:, None]
    measured = -np.log(left)
    scale = float(measured.max())
    power = (measured / scale)[:, :, None] ** np.arange(1, DEGREE + 1)
    power /= depth[None, :, None]
    goal = np.full((len(open_beam), depth.size), water)
    normal = np.einsum("kdi,kdj->kij", power, power)
    found = np.linalg.solve(normal, np.einsum("kdi,kd->ki", power, goal)[..., None])[..., 0]
    return found / scale ** np.arange(1, DEGREE + 1), scale


def quanta(scanner: Scanner, rays: Rays, thin: float) -> float:
    """Noise-equivalent photons of a ray through air, of a slice `thin` [m]."""
    spectrum = tube_spectrum(scanner.kvp, aluminium=scanner.aluminium)
    at_axis = float(spectrum.fluence.sum()) / float(SOURCE_TO_AXIS) ** 2
    return at_axis * rays.pitch * thin * scanner.mas / rays.views * COUNTED


def focus_side(scanner: Scanner, pitch: float) -> float:
    """Side tap of the blur by a focus of finite size, a box as wide as its shadow at the axis."""
    shadow = scanner.focal_spot * float((SOURCE_TO_DETECTOR - SOURCE_TO_AXIS) / SOURCE_TO_DETECTOR)
    return float(min((shadow / pitch) ** 2 / 24, 0.3))


def expected_signal(
    paths: Lines, steel: Lines | None, beam: Beam, mu: Lines, scanner: Scanner, rays: Rays, slices: int
) -> Lines:
    """(slices, views, rays) signal of detector cells over that of the open beam's thinnest filter, without noise."""
    shape = paths.shape[:2]
    left = np.empty((slices, *shape), np.float32)
    weaken(paths, mu, beam.open_beam, left)
    cells = np.empty_like(left)
    # a cell sees the mean of what is linear between its rays; where steel is near, of finer rays
    spread_cells(
        left.reshape(-1, shape[1]), np.float32(1 - 2 * CELL_SIDE), np.float32(CELL_SIDE), cells.reshape(-1, shape[1])
    )
    if steel is not None:
        for lane in range(slices):
            weaken_cells(paths, steel, lane, mu, beam.open_beam, cells[lane])
    side = focus_side(scanner, rays.pitch)
    spread_cells(cells.reshape(-1, shape[1]), np.float32(1 - 2 * side), np.float32(side), left.reshape(-1, shape[1]))
    return _turning(left)


def _turning(lines: Lines) -> Lines:
    """The gantry turns while a view is read: a mean over its width; after the last comes the first, turned."""
    before = np.concatenate([lines[:, -1:, ::-1], lines[:, :-1]], axis=1)
    after = np.concatenate([lines[:, 1:], lines[:, :1, ::-1]], axis=1)
    return np.asarray(np.float32(1 - 2 * CELL_SIDE) * lines + np.float32(CELL_SIDE) * (before + after), np.float32)


def add_attenuation(
    signal: Lines, beam: Beam, scanner: Scanner, rays: Rays, thin: float, random: np.random.Generator | None, out: Lines
) -> None:
    """Count photons, take the logarithm, make it that of water, and add it up.

    Parameters
    ----------
    signal : (slices, views, rays) float32 array
        Of `expected_signal`.
    beam : Beam
    scanner : Scanner
    rays : Rays
    thin : float [m]
        Thickness of each slice.
    random : numpy Generator, optional
        None for silence.
    out : (views, rays) float32 array
        Changed in place.
    """
    smallest = 1e-7
    if random is not None:
        flux = quanta(scanner, rays, thin)
        counts = random.poisson(signal * np.float32(flux)).astype(np.float32)
        counts += np.float32(scanner.electronic) * random.standard_normal(counts.shape, np.float32)
        signal = counts / np.float32(flux)
        smallest = FLOOR / flux
    share = np.maximum(signal, np.float32(smallest)) / beam.signal
    for lines in share:
        straighten(-np.log(lines), beam.factors, np.float32(beam.limit), out)


def rays_around(low: NDArray[np.float64], high: NDArray[np.float64], scanner: Scanner) -> Rays:
    """Rays whose axis lies in the middle of a box (2,) and whose circle holds it, as far as the bore reaches."""
    middle = (low + high) / 2
    radius = min(float(np.linalg.norm(high - low)) / 2 + 4 * scanner.detector_pitch, scanner.bore / 2)
    count = 2 * math.ceil(radius / scanner.detector_pitch) + 1
    return Rays(
        views=scanner.views,
        count=count,
        pitch=scanner.detector_pitch,
        axis=(float(middle[0]), float(middle[1])),
    )
