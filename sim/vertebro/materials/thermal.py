"""How tissues store, conduct and carry away heat, and when heat hurts them.

A voxel is a mixture of solid and pore fluid by volume. The marrow's numbers are chosen so that cancellous bone of the
usual porosity 0.9 has the measured heat capacity and conductivity. Gas is given the heat capacity of fat: it lies far
from any cement, and a voxel that stores almost nothing would only shorten the time steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vertebro.errors import CaseError
from vertebro.materials.rheology import GAS_CONSTANT
from vertebro.sources import Constant
from vertebro.tissue import Tissue

Array = NDArray[np.float64]

BODY_TEMPERATURE = Constant(310.15, "K", 303.15, 315.15, "vertebro", "recalled", "37 degC")
CANCELLOUS_CONDUCTIVITY = Constant(0.29, "W/(m.K)", 0.2, 0.6, "cancellous_heat", "seen", "7e-4 cal/(cm.s.K), isotropic")
CANCELLOUS_CAPACITY = Constant(3.06e6, "J/(m3.K)", 2.0e6, 3.8e6, "cancellous_heat", "seen", "0.73 cal/(cm3.K)")
BONE_CONDUCTIVITY = Constant(0.7, "W/(m.K)", 0.3, 2.0, "cortical_heat", "seen", "0.70 dry, 0.80 wet; 0.16-4.9 in print")
BONE_CAPACITY = Constant(2.5e6, "J/(m3.K)", 2.0e6, 3.0e6, "huiskes1980", "recalled", "bone tissue without marrow")
MARROW_CONDUCTIVITY = Constant(0.244, "W/(m.K)", 0.18, 0.6, "cancellous_heat", "computed", "0.29 at porosity 0.9")
MARROW_CAPACITY = Constant(3.12e6, "J/(m3.K)", 2.0e6, 4.1e6, "cancellous_heat", "computed", "3.06e6 at porosity 0.9")
FAT_CONDUCTIVITY = Constant(0.2, "W/(m.K)", 0.18, 0.25, "vertebro", "recalled", "adipose tissue")
FAT_CAPACITY = Constant(2.1e6, "J/(m3.K)", 1.9e6, 2.6e6, "vertebro", "recalled", "adipose tissue")
SOFT_CONDUCTIVITY = Constant(0.5, "W/(m.K)", 0.4, 0.6, "vertebro", "recalled", "muscle, disc, cord: watery tissue")
SOFT_CAPACITY = Constant(3.8e6, "J/(m3.K)", 3.4e6, 4.2e6, "vertebro", "recalled", "muscle, disc, cord: watery tissue")
BLOOD_CAPACITY = Constant(3.8e6, "J/(m3.K)", 3.6e6, 4.0e6, "vertebro", "recalled", "1060 kg/m3 x 3600 J/(kg.K)")
TISSUE_DENSITY = Constant(1050.0, "kg/m^3", 950.0, 1200.0, "vertebro", "recalled", "for perfusion per mass")
MARROW_PERFUSION = Constant(
    1e-6, "m3/(kg.s)", 0.0, 3.5e-6, "marrow_dce", "computed", "6 mL/min/100 g beyond 50 years; young 17.6 (marrow_pet)"
)
SOFT_PERFUSION = Constant(5e-7, "m3/(kg.s)", 0.0, 1e-5, "vertebro", "recalled", "3 mL/min/100 g, resting muscle")
VESSEL_EXCHANGE = Constant(0.1, "1/s", 0.01, 1.0, "vertebro", "ours", "large vessels renew their blood at once")

VAPOUR_HEAT = Constant(3.6e5, "J/kg", 3.4e5, 3.8e5, "vertebro", "recalled", "methyl methacrylate, 36 kJ/mol")
BOILING_POINT = Constant(
    385.65, "K", 373.65, 423.15, "belkoff2003", "ours", "pure monomer 100.5 degC, dissolved higher; none measured > 113"
)

CEM43_BREAK = Constant(316.15, "K", 316.15, 316.15, "sapareto1984", "seen", "43 degC")
BONE_DOSE = Constant(16.0, "min", 1.0, 300.0, "eriksson1983", "computed", "47 degC for 1 min in CEM43")
NERVE_DOSE = Constant(2.0, "min", 0.5, 60.0, "yarmolenko2011", "recalled", "CEM43 of 1-5 flagged for roots and cord")
DAMAGE_FREQUENCY = Constant(3.1e98, "1/s", 1e98, 1e99, "henriques1947", "recalled", "A; skin")
DAMAGE_ENERGY = Constant(6.28e5, "J/mol", 6e5, 6.6e5, "henriques1947", "recalled", "E; skin")

# solid part of a voxel: conductivity, heat capacity
SOLIDS: Mapping[Tissue, tuple[float, float]] = MappingProxyType(
    {
        Tissue.AIR: (FAT_CONDUCTIVITY, FAT_CAPACITY),
        Tissue.FAT: (FAT_CONDUCTIVITY, FAT_CAPACITY),
        Tissue.LUNG: (FAT_CONDUCTIVITY, FAT_CAPACITY),
        Tissue.EPIDURAL: (FAT_CONDUCTIVITY, FAT_CAPACITY),
        Tissue.CANCELLOUS: (BONE_CONDUCTIVITY, BONE_CAPACITY),
        Tissue.CORTICAL: (BONE_CONDUCTIVITY, BONE_CAPACITY),
        Tissue.CLEFT: (BONE_CONDUCTIVITY, BONE_CAPACITY),
        Tissue.LESION: (SOFT_CONDUCTIVITY, SOFT_CAPACITY),
        Tissue.MUSCLE: (SOFT_CONDUCTIVITY, SOFT_CAPACITY),
        Tissue.DISC: (SOFT_CONDUCTIVITY, SOFT_CAPACITY),
        Tissue.DURA: (SOFT_CONDUCTIVITY, SOFT_CAPACITY),
        Tissue.VEIN: (SOFT_CONDUCTIVITY, SOFT_CAPACITY),
        Tissue.BLOOD: (SOFT_CONDUCTIVITY, SOFT_CAPACITY),
    }
)
MARROW_FED = (Tissue.CANCELLOUS, Tissue.LESION, Tissue.VEIN)
SOFT_FED = (Tissue.FAT, Tissue.MUSCLE, Tissue.EPIDURAL, Tissue.DURA)


def heat_capacity(tissue: NDArray[np.integer], porosity: ArrayLike) -> Array:
    """Heat capacity [J/(m³·K)] of voxels of a tissue whose pores hold marrow; volumes add.

    Parameters
    ----------
    tissue : int array of `Tissue`
    porosity : array [1]
    """
    pores = np.asarray(porosity, float)
    solid = _by_tissue(tissue, {kind: pair[1] for kind, pair in SOLIDS.items()})
    return np.asarray((1.0 - pores) * solid + pores * MARROW_CAPACITY)


def conductivity(
    tissue: NDArray[np.integer],
    porosity: ArrayLike,
    *,
    bone: float = BONE_CONDUCTIVITY,
    marrow: float = MARROW_CONDUCTIVITY,
) -> Array:
    """Conductivity [W/(m·K)] of voxels of a tissue whose pores hold marrow; solid and fluid conduct side by side.

    Parameters
    ----------
    tissue : int array of `Tissue`
    porosity : array [1]
    bone, marrow : float [W/(m·K)]
        Of bone tissue and of what fills the pores.
    """
    pores = np.asarray(porosity, float)
    solids = {kind: bone if pair[0] is BONE_CONDUCTIVITY else pair[0] for kind, pair in SOLIDS.items()}
    return np.asarray((1.0 - pores) * _by_tissue(tissue, solids) + pores * marrow)


def perfusion(tissue: NDArray[np.integer], *, marrow: float = MARROW_PERFUSION, soft: float = SOFT_PERFUSION) -> Array:
    """Heat [W/(m³·K)] that blood takes from a tissue per kelvin above body temperature.

    Parameters
    ----------
    tissue : int array of `Tissue`
    marrow, soft : float [m³/(kg·s)]
        Perfusion of marrow and of soft tissue; discs, cortical bone and clefts have none, large vessels their own.

    Raises
    ------
    CaseError
        If a perfusion is negative or not finite.
    """
    for name, value in (("marrow", marrow), ("soft", soft)):
        if not 0.0 <= value < 1e-3:
            raise CaseError("impossible perfusion", where=name, value=value, allowed="0 to 6000 mL/min/100 g")
    per_mass = dict.fromkeys(MARROW_FED, marrow) | dict.fromkeys(SOFT_FED, soft)
    fed = {kind: rate * TISSUE_DENSITY * BLOOD_CAPACITY for kind, rate in per_mass.items()}
    return _by_tissue(tissue, fed | {Tissue.BLOOD: VESSEL_EXCHANGE * BLOOD_CAPACITY})


def _by_tissue(tissue: NDArray[np.integer], values: Mapping[Tissue, float]) -> Array:
    table = np.zeros(max(Tissue) + 1)
    for kind, value in values.items():
        table[kind] = value
    return np.asarray(table[tissue])


def cem43_rate(temperature: ArrayLike) -> Array:
    """Equivalent minutes at 43 °C per minute, R^(43-T) with R = 0.5 above 43 °C and 0.25 below (sapareto1984).

    Parameters
    ----------
    temperature : array [K]
    """
    over = np.asarray(temperature, float) - CEM43_BREAK
    return np.asarray(np.where(over >= 0.0, 2.0**over, 4.0**over))


def henriques_moritz_rate(temperature: ArrayLike) -> Array:
    """Rate A exp(-E/RT) [1/s] of the damage integral Ω; Ω = 1 is a burn of skin (henriques1947).

    Parameters
    ----------
    temperature : array [K]
    """
    exponent = np.log(float(DAMAGE_FREQUENCY)) - DAMAGE_ENERGY / (GAS_CONSTANT * np.asarray(temperature, float))
    return np.asarray(np.exp(exponent))
