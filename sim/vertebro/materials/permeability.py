"""Permeability of cancellous bone from its structure, by the names of the laws.

Density explains little of the measured permeability (baroud2004: a weak predictor; r² 0.34 to 0.80 in nauman1999), so
every law is a mean that ensembles should scatter. A law gives the geometric mean of the three principal values; the
anisotropy of the structure splits it over the axes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vertebro.errors import CaseError
from vertebro.materials.trabecular import ANISOTROPY_MOST, Microstructure, principal_factors
from vertebro.sources import Constant

KOZENY_C = Constant(5.0, "1", 3.0, 10.0, "lhdl2009", "computed", "rods; meets a lattice-Boltzmann biopsy in range")
KOHLES_C = Constant(0.022, "1", 0.01, 0.05, "kohles2001", "seen", "bovine bone, fit of K = C φ³/S_v²")
PERMEABILITY_SI = Constant(4.45e-8, "m^2", 1.0e-8, 8.0e-8, "baroud2004", "seen", "20 cores, sd 1.72e-8")
PERMEABILITY_AP = Constant(3.44e-8, "m^2", 1.0e-8, 6.0e-8, "baroud2004", "seen", "14 cores, sd 1.26e-8")
NAUMAN_MOST = Constant(2.00e-8, "m^2", 1.0e-8, 2.0e-8, "nauman1999", "seen", "largest of 56 specimens")
NAUMAN_LEAST = Constant(2.68e-11, "m^2", 2.68e-11, 1e-10, "nauman1999", "seen", "smallest of 56 specimens")
NAUMAN_SPARSE = Constant(0.05, "1", 0.04, 0.10, "vertebro", "ours", "BV/TV given the largest value, along the grain")
NAUMAN_DENSE = Constant(0.50, "1", 0.35, 0.55, "vertebro", "ours", "BV/TV given the smallest value, across the grain")
WIDMER_C = Constant(0.043, "1", 0.02, 0.09, "vertebro", "ours", "K = C φ³ Tb.Sp²; meets baroud2004 at BV/TV 0.07")

Array = NDArray[np.floating[Any]]
Law = Callable[[Microstructure], Array]


def kozeny(phi: ArrayLike, thickness: ArrayLike, c: float = KOZENY_C) -> Array:
    """Permeability [m²] of a lattice of rods: K = φ³ t² / (16 c (1−φ)²).

    Kozeny's law with the specific surface 4(1−φ)/t of rods of diameter t [m]. Against a lattice-Boltzmann biopsy
    (lhdl2009: BV/TV 0.233, t 0.23 mm, K 3.2e-9 to 5.7e-9 m²) it gives 5.5e-9; at φ 0.93 it meets baroud2004.
    """
    pore = np.asarray(phi, float)
    return np.asarray(pore**3 * np.asarray(thickness, float) ** 2 / (16.0 * c * (1.0 - pore) ** 2))


def rod_kozeny(bone: Microstructure) -> Array:
    """Kozeny's law for rods (`kozeny`), its constant checked against one computed biopsy."""
    return kozeny(bone.porosity, bone.thickness)


def kohles2001(bone: Microstructure) -> Array:
    """The Kozeny constant fitted to bovine cores (kohles2001); a low bound in man."""
    return kozeny(bone.porosity, bone.thickness, c=1.0 / KOHLES_C)


def baroud2004(bone: Microstructure) -> Array:
    """The measured mean of lumbar cores whatever the density (baroud2004).

    With the anisotropy of the same name the principal values are the published 3.44e-8 and 4.45e-8 m².
    """
    mean = float((PERMEABILITY_SI * PERMEABILITY_AP**2) ** (1.0 / 3.0))
    return np.full(np.shape(bone.porosity), mean)


def nauman1999(bone: Microstructure) -> Array:
    """A falling power of BV/TV across the published range (nauman1999: 2.68e-11 to 2.00e-8 m²).

    The paper's own coefficients were not at hand. The power (−2.56) is ours: with the published ratio 2.05 it takes
    the largest value along the grain at BV/TV 0.05 and the smallest across it at 0.50.
    """
    along, across = principal_factors(float(ANISOTROPY_MOST))[[2, 0]]
    most, least = NAUMAN_MOST / along, NAUMAN_LEAST / across
    power = np.log(most / least) / np.log(NAUMAN_DENSE / NAUMAN_SPARSE)
    fraction = np.clip(1.0 - np.asarray(bone.porosity, float), NAUMAN_SPARSE, NAUMAN_DENSE)
    return np.asarray(most * (fraction / NAUMAN_SPARSE) ** -power)


def widmer2013(bone: Microstructure) -> Array:
    """Porosity and trabecular spacing, the two predictors that suffice (widmer2013: R² 0.96 to 0.97, with DA 0.98).

    Their regression coefficients were not at hand: K = C φ³ Tb.Sp² has their variables and the right dimension, and
    C is ours, between a round channel (1/32) and a slit (1/12).
    """
    return np.asarray(WIDMER_C * np.asarray(bone.porosity, float) ** 3 * np.asarray(bone.spacing, float) ** 2)


PERMEABILITY_LAWS: dict[str, Law] = {
    "rod-kozeny": rod_kozeny,
    "kohles2001": kohles2001,
    "baroud2004": baroud2004,
    "nauman1999": nauman1999,
    "widmer2013": widmer2013,
}


def permeability_law(name: str) -> Law:
    """Look a law ``law(structure) -> K [m²]`` up by its name.

    Raises
    ------
    CaseError
        If the name is unknown.
    """
    if name not in PERMEABILITY_LAWS:
        raise CaseError(
            "unknown permeability law", where="permeability_law", value=name, allowed=", ".join(PERMEABILITY_LAWS)
        )
    return PERMEABILITY_LAWS[name]


def permeability_tensor(bone: Microstructure, law: str) -> Array:
    """Principal permeabilities (3, …) [m²] along r, a, s: the law's mean split by the structure's anisotropy.

    The tensor is diagonal on the vertebra's own axes: trabeculae follow the endplates' normal.

    Raises
    ------
    CaseError
        If the law is unknown.
    """
    return np.asarray(permeability_law(law)(bone) * principal_factors(bone.anisotropy))
