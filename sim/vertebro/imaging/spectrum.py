"""Tungsten tube spectra: filtered, reduced to a few energy bins, turned into air kerma.

>>> beam = tube_spectrum(80.0, aluminium=3e-3, copper=0.2e-3)
>>> round(beam.half_value_layer() * 1e3, 1)  # mm of aluminium
5.6
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from scipy.optimize import brentq, nnls

from vertebro.errors import CaseError
from vertebro.materials.attenuation import LOWEST_ENERGY, MATERIALS, Material, cement_material, photon_tables
from vertebro.products import product

Floats = NDArray[np.float64]
JOULE_PER_KEV = 1.602176634e-16  # exact by definition of the SI
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
    """A beam reduced to a few energies.

    Attributes
    ----------
    weight : (b,) float
        Signal of each in the open beam.
    node : (b,) int
        Their places in `energy`.
    energy : (n,) float [keV]
    """

    weight: Floats
    node: NDArray[np.int64]
    energy: Floats

    def average(self, values: Floats) -> Floats:
        """(b, …) values (n, …) given per keV, at the nodes."""
        return np.asarray(values[self.node])

    def attenuation(self, material: Material) -> Floats:
        """(b,) linear attenuation [1/m] of a material."""
        return whole_kev(material, self.energy[self.node])


def bin_spectrum(spectrum: Spectrum, weight: Floats, *, count: int = 10) -> EnergyBins:
    """A few energies and weights that stand for a whole beam: a quadrature rule made for it.

    The signals behind many combinations of water, bone, cement, contrast agent and steel span few dimensions. The
    rule is right for the `count` strongest of them (singular vectors), with weights that are not negative.

    Parameters
    ----------
    spectrum : Spectrum
    weight : (n,) float
        Detector's signal per photon.
    count : int
        Energies at most, 1 to 40. 10 are right within 0.3 % behind 0 to 40 cm of water, 4 cm of bone, 15 mm of
        cement and 3 mm of steel, 60 to 120 kV.

    Raises
    ------
    CaseError
        If the count is out of range.
    """
    if not 1 <= count <= 40:
        raise CaseError("energy bins", where="count", value=count, allowed="1 to 40")
    signal = spectrum.fluence * weight
    total = float(signal.sum())
    # the shape alone decides; rounded, so that equal beams are met in the cache
    node, share = _quadrature(spectrum.energy.size, np.round(signal / total, 9).tobytes(), count)
    return EnergyBins(weight=share * total, node=node, energy=spectrum.energy)


@functools.lru_cache(maxsize=128)
def _quadrature(size: int, shape: bytes, count: int) -> tuple[NDArray[np.int64], Floats]:
    energy, signal = LOWEST_ENERGY + np.arange(size, dtype=np.float64), np.frombuffer(shape)
    left = np.exp(-product(_training_paths(), np.array([whole_kev(matter, energy) for matter in _training_matter()])))
    left /= product(left, signal)[:, None]
    # singular vectors by the small matrix of products: a voltage step must not wait for a decomposition of all paths
    wanted = [max(size - count, 0), size - 1]
    square, across = scipy.linalg.eigh(_products(left), subset_by_index=wanted, driver="evx")
    square, across = square[::-1], across.T[::-1]
    kept = int(np.count_nonzero(square > 1e-14 * square[0]))
    # every kept direction counts alike: rows scaled to length 1
    share, _ = nnls(across[:kept], product(across[:kept], left.sum(axis=0)) / square[:kept])
    node = np.flatnonzero(share > 0)
    for array in (node, share):
        array.flags.writeable = False  # the cache hands them to everybody
    return node, share[node]


def _products(rows: Floats) -> Floats:
    """``rows.T @ rows`` in pieces so small that a BLAS does not share them with threads that are slow to wake."""
    piece = max(1, 200_000 // rows.shape[1] ** 2)
    parts = (rows[start : start + piece] for start in range(0, len(rows), piece))
    return np.asarray(sum(part.T @ part for part in parts))


def _training_matter() -> list[Material]:
    names = ("water", "cortical bone", "steel 304", "iohexol 300")
    return [*(MATERIALS[name] for name in names), cement_material(), cement_material("zirconium dioxide")]


@functools.cache
def _training_paths() -> Floats:
    """(m, 6) paths [m] through `_training_matter`."""
    water, bone = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4), (0.0, 0.015, 0.04)
    steel, cement = (0.0, 5e-4, 1.5e-3, 3e-3), (0.0, 2e-3, 6e-3, 15e-3)
    rows: list[tuple[float, ...]] = [(w, b, s, 0, c, 0) for w in water for b in bone for s in steel for c in cement]
    rows += [(w, 0, 0, c, 0, 0) for w in water for c in cement] + [(w, 0, 0, 0, 0, c) for w in water for c in cement]
    return np.array(rows, float)
