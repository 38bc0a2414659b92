"""Tungsten tube spectra: filtered, reduced to a few energy bins, turned into air kerma.

>>> beam = tube_spectrum(80.0, aluminium=3e-3, copper=0.2e-3)
>>> round(beam.half_value_layer() * 1e3, 1)  # mm of aluminium
5.6
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from vertebro.errors import CaseError
from vertebro.materials.attenuation import LOWEST_ENERGY, MATERIALS, Material, photon_tables

Floats = NDArray[np.float64]
JOULE_PER_KEV = 1.602176634e-16  # exact by definition of the SI
BARIUM_EDGE = 37.44  # keV
LOWEST_KVP, HIGHEST_KVP = 40.0, 150.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Spectrum:
    """Photons of an X-ray beam.

    Attributes
    ----------
    kvp : float [kV]
    energy : (n,) float [keV]
        Bin centres, 1 keV apart.
    fluence : (n,) float [1/(m² mAs)]
        Photons of each bin at 1 m from the focus.
    """

    kvp: float
    energy: Floats
    fluence: Floats

    def behind(self, material: Material, thickness: float) -> Spectrum:
        """The same beam behind a layer [m] (primary photons only)."""
        left = np.exp(-whole_kev(material, self.energy) * thickness)
        return Spectrum(kvp=self.kvp, energy=self.energy, fluence=self.fluence * left)

    def kerma_per_photon(self) -> Floats:
        """(n,) air kerma [Gy m²] of one photon per square metre."""
        index = self.energy.astype(int) - int(photon_tables()["energies"][0])
        return np.asarray(self.energy * JOULE_PER_KEV * photon_tables()["air_absorption"][index])

    def air_kerma(self) -> float:
        """Air kerma at 1 m [Gy/mAs]."""
        return float(self.fluence @ self.kerma_per_photon())

    def mean_energy(self) -> float:
        """Mean photon energy [keV]."""
        return float(self.fluence @ self.energy / self.fluence.sum())

    def half_value_layer(self, material: Material = MATERIALS["aluminium"]) -> float:
        """Thickness [m] that halves the air kerma."""
        open_beam = self.air_kerma()

        def excess(thickness: float) -> float:
            return self.behind(material, thickness).air_kerma() / open_beam - 0.5

        return float(brentq(excess, 0.0, 0.1))


def tube_spectrum(kvp: float, *, aluminium: float = 3e-3, copper: float = 0.0) -> Spectrum:
    """Spectrum of a tungsten tube (11 degree anode) behind its filters (spekpy).

    Parameters
    ----------
    kvp : float [kV]
        40 to 150.
    aluminium, copper : float [m]
        Total filtration; together at least 1 mm of aluminium equivalent is sensible (the table starts at 10 keV).

    Raises
    ------
    CaseError
        If the voltage or a thickness is out of range.
    """
    if not LOWEST_KVP <= kvp <= HIGHEST_KVP:
        raise CaseError("tube voltage", where="kvp [kV]", value=kvp, allowed=f"{LOWEST_KVP:g} to {HIGHEST_KVP:g}")
    for name, thickness in (("aluminium", aluminium), ("copper", copper)):
        if not 0 <= thickness <= 0.02:
            raise CaseError("filter thickness", where=f"{name} [m]", value=thickness, allowed="0 to 0.02")
    bare = _bare_spectrum(float(kvp))
    return bare.behind(MATERIALS["aluminium"], aluminium).behind(MATERIALS["copper"], copper)


@functools.lru_cache(maxsize=64)
def _bare_spectrum(kvp: float) -> Spectrum:
    tables = photon_tables()
    low = min(int(kvp), int(tables["voltages"][-1]) - 1)
    share = kvp - low
    first = low - int(tables["voltages"][0])
    fluence = (1 - share) * tables["spectra"][first] + share * tables["spectra"][first + 1]
    seen = tables["energies"] <= np.ceil(kvp)
    return Spectrum(kvp=kvp, energy=tables["energies"][seen].astype(float), fluence=fluence[seen].astype(float))


def whole_kev(material: Material, energy: Floats) -> Floats:
    """Linear attenuation [1/m] of a material at the whole keV of a spectrum, straight from the table."""
    return np.asarray(material.table()[np.rint(energy - LOWEST_ENERGY).astype(int)])


@dataclass(frozen=True, kw_only=True, slots=True)
class EnergyBins:
    """A spectrum reduced to a few bins; the averages hold behind the body the beam was binned for.

    Attributes
    ----------
    weight : (b,) float
        Sum of the weights of each bin's photons in the open beam.
    start : (b + 1,) int
        First fine bin of each coarse one.
    share : (n,) float
        Share of each fine bin in its coarse bin's average of attenuation.
    energy : (n,) float [keV]
    """

    weight: Floats
    start: NDArray[np.int64]
    share: Floats
    energy: Floats

    def average(self, values: Floats) -> Floats:
        """(b, …) averages of values (n, …) given per fine bin."""
        share = self.share.reshape(-1, *[1] * (np.ndim(values) - 1))
        return np.asarray(np.add.reduceat(share * values, self.start[:-1], axis=0))

    def attenuation(self, material: Material) -> Floats:
        """(b,) linear attenuation [1/m] of a material."""
        return self.average(whole_kev(material, self.energy))


def bin_spectrum(spectrum: Spectrum, weight: Floats, *, count: int = 12, body: float = 0.2) -> EnergyBins:
    """Merge the 1 keV bins of a beam into bins that carry equal weight behind a body of water.

    Parameters
    ----------
    spectrum : Spectrum
    weight : (n,) float
        Detector's signal per photon.
    count : int
        1 or more; the K edge of barium adds a border.
    body : float [m]
        Thickness of water the averages are made for.
    """
    if count < 1:
        raise CaseError("energy bins", where="count", value=count, allowed=">= 1")
    signal = spectrum.fluence * weight
    water = whole_kev(MATERIALS["water"], spectrum.energy)
    behind = signal * np.exp(-water * body)
    rank = np.cumsum(behind) / behind.sum()
    group = np.minimum((count * (rank - 0.5 * behind / behind.sum())).astype(int), count - 1)
    # cement's attenuation jumps at the edge of barium: no average may straddle it
    start = np.flatnonzero(np.diff(2 * group + (spectrum.energy > BARIUM_EDGE), prepend=-1))
    edges = np.append(start, len(group)).astype(np.int64)
    total = np.add.reduceat(behind, start)
    open_weight = np.add.reduceat(behind, start) / np.exp(-np.add.reduceat(behind * water, start) / total * body)
    return EnergyBins(
        weight=open_weight,
        start=edges,
        share=behind / np.repeat(total, np.diff(edges)),
        energy=spectrum.energy,
    )
