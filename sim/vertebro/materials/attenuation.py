"""How strongly matter attenuates X-rays: materials as mass fractions of elements, tables from 10 to 150 keV.

The mass attenuation of an element is tabulated at whole keV (shipped file, made by `make_tables`); a material's linear
attenuation is its density times the mass-weighted sum.

>>> from vertebro.materials.attenuation import MATERIALS
>>> mu = MATERIALS["water"].linear_attenuation(60.0)  # 1/m
>>> round(float(mu) / 100, 3)  # 1/cm
0.206
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vertebro.errors import CaseError
from vertebro.sources import Constant

Floats = NDArray[np.float64]
LOWEST_ENERGY, HIGHEST_ENERGY = 10.0, 150.0


@functools.cache
def photon_tables() -> dict[str, Any]:
    """Shipped tables: elements, energies, mass_attenuation, air_absorption, voltages, spectra (see `make_tables`)."""
    with files("vertebro.materials").joinpath("data/photons.npz").open("rb") as stream, np.load(stream) as archive:
        return {name: archive[name] for name in archive.files}


@functools.cache
def mass_attenuation(element: str) -> Floats:
    """(141,) mass attenuation of an element [m²/kg] at 10, 11 … 150 keV (xraydb).

    Raises
    ------
    CaseError
        If the element is not in the shipped table.
    """
    tables = photon_tables()
    index = np.flatnonzero(tables["elements"] == element)
    if index.size == 0:
        raise CaseError("no table for this element", value=element, allowed=", ".join(tables["elements"]))
    return np.asarray(tables["mass_attenuation"][index[0]], float)


@dataclass(frozen=True, kw_only=True, slots=True)
class Material:
    """A homogeneous mixture of elements.

    Parameters
    ----------
    name : str
    density : float [kg/m³]
    fractions : tuple of (str, float)
        Elements and mass fractions; they add up to 1.
    source : str
        Key of `vertebro.sources.SOURCES`.

    Raises
    ------
    CaseError
        If the density is not positive or the fractions do not add up to 1 within 1 %.
    """

    name: str
    density: float
    fractions: tuple[tuple[str, float], ...]
    source: str = "icru44"

    def __post_init__(self) -> None:
        total = sum(share for _, share in self.fractions)
        if not self.density > 0 or not abs(total - 1) < 0.01:
            raise CaseError(
                "impossible material",
                where=self.name,
                value=(self.density, total),
                allowed="density > 0, fractions sum 1",
            )

    def table(self) -> Floats:
        """(141,) linear attenuation [1/m] at 10, 11 … 150 keV."""
        return _material_table(self)

    def linear_attenuation(self, energy: ArrayLike) -> Floats:
        """Linear attenuation [1/m] at photon energies [keV].

        Log-log interpolation between whole keV; a bin that holds an absorption edge takes its nearer end.

        Raises
        ------
        CaseError
            If an energy lies outside 10 to 150 keV.
        """
        energy = np.asarray(energy, float)
        if not np.all((energy >= LOWEST_ENERGY) & (energy <= HIGHEST_ENERGY)):
            raise CaseError("photon energy", where="energy [keV]", value=energy, allowed="10 to 150 keV")
        return _interpolate(self.table(), energy)


@functools.cache
def _material_table(material: Material) -> Floats:
    mass = sum(share * mass_attenuation(element) for element, share in material.fractions)
    table = np.asarray(material.density * mass)
    table.flags.writeable = False
    return table


def _interpolate(table: Floats, energy: Floats) -> Floats:
    place = energy - LOWEST_ENERGY
    low = np.minimum(place.astype(int), len(table) - 2)
    share = np.log(energy / (low + LOWEST_ENERGY)) / np.log((low + 1 + LOWEST_ENERGY) / (low + LOWEST_ENERGY))
    below, above = table[low], table[low + 1]
    share = np.where(above > below, np.rint(place - low), share)
    return np.asarray(below ** (1 - share) * above**share)


def mixture(name: str, parts: list[tuple[Material, float]], *, source: str = "vertebro") -> Material:
    """Mix materials by mass; their volumes add.

    Parameters
    ----------
    name : str
    parts : list of (Material, float)
        Mass fractions, adding up to 1.
    source : str

    Raises
    ------
    CaseError
        If a share is negative or the shares do not add up to 1.
    """
    shares = np.array([share for _, share in parts])
    if np.any(shares < 0) or not abs(shares.sum() - 1) < 1e-6:
        raise CaseError("mass fractions must add up to 1", where=name, value=shares.tolist(), allowed="0 to 1, sum 1")
    elements: dict[str, float] = {}
    for material, share in parts:
        for element, fraction in material.fractions:
            elements[element] = elements.get(element, 0.0) + share * fraction
    density = 1 / sum(share / material.density for material, share in parts)
    return Material(name=name, density=density, fractions=tuple(elements.items()), source=source)


def _entry(name: str, density: float, source: str, **percent: float) -> Material:
    total = sum(percent.values())
    return Material(
        name=name,
        density=1e3 * density,
        fractions=tuple((element, share / total) for element, share in percent.items()),
        source=source,
    )


def _catalogue(*entries: Material) -> dict[str, Material]:
    return {entry.name: entry for entry in entries}


# density in g/cm³, composition in per cent of mass (normalised)
MATERIALS: dict[str, Material] = _catalogue(
    _entry("water", 1.0, "icru44", H=11.19, O=88.81),
    _entry("air", 0.001205, "icru44", C=0.01, N=75.53, O=23.18, Ar=1.28),
    _entry("adipose", 0.95, "icru44", H=11.4, C=59.8, N=0.7, O=27.8, Na=0.1, S=0.1, Cl=0.1),
    _entry("soft tissue", 1.06, "icru44", H=10.2, C=14.3, N=3.4, O=70.8, Na=0.2, P=0.3, S=0.3, Cl=0.2, K=0.3),
    _entry("muscle", 1.05, "icru44", H=10.2, C=14.3, N=3.4, O=71.0, Na=0.1, P=0.2, S=0.3, Cl=0.1, K=0.4),
    _entry("blood", 1.06, "icru44", H=10.2, C=11.0, N=3.3, O=74.5, Na=0.1, P=0.1, S=0.2, Cl=0.3, K=0.2, Fe=0.1),
    _entry("lung", 0.26, "icru44", H=10.3, C=10.5, N=3.1, O=74.9, Na=0.2, P=0.2, S=0.3, Cl=0.3, K=0.2),
    _entry("red marrow", 1.03, "icru46", H=10.5, C=41.4, N=3.4, O=43.9, P=0.1, S=0.2, Cl=0.2, K=0.2, Fe=0.1),
    _entry("yellow marrow", 0.98, "icru46", H=11.5, C=64.4, N=0.7, O=23.1, Na=0.1, S=0.1, Cl=0.1),
    _entry("spongiosa", 1.18, "icru46", H=8.5, C=40.4, N=2.8, O=36.7, Na=0.1, Mg=0.1, P=3.4, S=0.2, Cl=0.2, K=0.1,
           Ca=7.4, Fe=0.1),
    _entry("cortical bone", 1.92, "icru44", H=3.4, C=15.5, N=4.2, O=43.5, Na=0.1, Mg=0.2, P=10.3, S=0.3, Ca=22.5),
    _entry("cartilage", 1.10, "icru44", H=9.6, C=9.9, N=2.2, O=74.4, Na=0.5, P=2.2, S=0.9, Cl=0.3),
    _entry("PMMA", 1.18, "icru44", H=8.0538, C=59.9848, O=31.9614),
    _entry("barium sulfate", 4.50, "xraydb", Ba=58.84, S=13.74, O=27.42),
    _entry("zirconium dioxide", 5.70, "xraydb", Zr=74.03, O=25.97),
    _entry("iohexol 300", 1.349, "xraydb", I=22.239, H=8.196, C=13.357, N=2.454, O=53.754),
    _entry("steel 304", 8.0, "xraydb", Fe=69.45, Cr=19.0, Ni=9.25, Mn=1.5, Si=0.75, C=0.05),
    _entry("Ti-6Al-4V", 4.43, "xraydb", Ti=90.0, Al=6.0, V=4.0),
    _entry("aluminium", 2.699, "xraydb", Al=100.0),
    _entry("copper", 8.96, "xraydb", Cu=100.0),
    _entry("lead", 11.35, "xraydb", Pb=100.0),
    _entry("caesium iodide", 4.51, "xraydb", Cs=51.155, I=48.845),
)  # fmt: skip
OPACIFIER_SHARE = Constant(
    0.20, "1", 0.0, 0.6, "vertebro", "ours", "30 % BaSO4 of the powder at 2:1 powder to liquid is 20 % of set cement"
)


def material(name: str) -> Material:
    """Look up a material by name.

    Raises
    ------
    CaseError
        If there is none of this name.
    """
    if name not in MATERIALS:
        raise CaseError("unknown material", where="material", value=name, allowed=", ".join(MATERIALS))
    return MATERIALS[name]


def cement_material(opacifier: str = "barium sulfate", share: float = OPACIFIER_SHARE) -> Material:
    """Set acrylic cement: PMMA with an opacifier.

    Parameters
    ----------
    opacifier : str
        ``"barium sulfate"`` or ``"zirconium dioxide"`` (or any name of `MATERIALS`).
    share : float
        Mass fraction of the set cement (not of the powder), 0 to 0.6.

    Raises
    ------
    CaseError
        If the opacifier is unknown or the share outside 0 to 0.6.
    """
    if not 0 <= share <= 0.6:
        raise CaseError("opacifier share", where="share", value=share, allowed="0 to 0.6 of the mass")
    parts = [(material("PMMA"), 1 - share), (material(opacifier), float(share))]
    return mixture(f"PMMA + {100 * share:g} % {opacifier}", parts)
