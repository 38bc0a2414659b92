"""How dense cancellous bone is: CT number, mineral density or T-score to bone volume fraction and porosity.

The chain both anatomy sources share is HU → BV/TV → porosity → structure (`trabecular`) → permeability.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vertebro.errors import CaseError
from vertebro.sources import Constant

HU_MARROW = Constant(-40.0, "HU", -80.0, 30.0, "vertebro", "recalled", "fatty marrow of the elderly; +20 when red")
HU_BONE = Constant(1800.0, "HU", 1500.0, 2200.0, "vertebro", "recalled", "trabecular bone tissue at 120 kVp")
ASH_DENSITY = Constant(1100.0, "kg/m^3", 1000.0, 1200.0, "vertebro", "recalled", "vBMD (HA) of solid bone tissue")

# QCT classes of the spine: osteopenia below 120, osteoporosis below 80 mg/cm³; read as T −1 and −2.5
DENSITY_OSTEOPENIA = Constant(120.0, "kg/m^3", 110.0, 130.0, "acr_qct", "seen", "taken as T-score -1 (recalled)")
DENSITY_OSTEOPOROSIS = Constant(80.0, "kg/m^3", 70.0, 90.0, "acr_qct", "seen", "taken as T-score -2.5 (recalled)")
T_SCORES = (-4.2, 3.0)  # 35 to 227 mg/cm³
MEAN_BONE_FRACTION = Constant(0.07, "1", 0.06, 0.10, "vertebro", "recalled", "osteoporotic, about 90 HU, 77 mg/cm³")

Array = NDArray[np.floating[Any]]


def bone_fraction_from_hu(
    hu: ArrayLike, *, hu_marrow: float = HU_MARROW, hu_bone: float = HU_BONE, low: float = 0.0, high: float = 1.0
) -> Array:
    """Bone volume fraction BV/TV of a mixture of marrow and bone tissue with linear CT numbers.

    Parameters
    ----------
    hu : array [HU]
    hu_marrow, hu_bone : float [HU]
        CT numbers of the two pure parts.
    low, high : float [1]
        The answer is clipped to this range (noise, metal).

    Returns
    -------
    array [1]

    Raises
    ------
    CaseError
        If `hu_bone` does not exceed `hu_marrow`.
    """
    _check_pair(hu_marrow, hu_bone)
    values = np.asarray(hu)
    values = values if np.issubdtype(values.dtype, np.floating) else values.astype(np.float32)
    fraction = (values - float(hu_marrow)) / float(hu_bone - hu_marrow)
    return np.asarray(np.clip(fraction, float(low), float(high)))


def hu_from_bone_fraction(bone_fraction: ArrayLike, *, hu_marrow: float = HU_MARROW, hu_bone: float = HU_BONE) -> Array:
    """CT number [HU] of a mixture; the inverse of `bone_fraction_from_hu`.

    Raises
    ------
    CaseError
        If `hu_bone` does not exceed `hu_marrow`.
    """
    _check_pair(hu_marrow, hu_bone)
    fraction = np.asarray(bone_fraction)
    return np.asarray(fraction * float(hu_bone - hu_marrow) + float(hu_marrow))


def bone_fraction_from_density(density: float) -> float:
    """Mean BV/TV [1] of a volumetric bone mineral density [kg/m³ = mg/cm³ of hydroxyapatite]."""
    return float(density / ASH_DENSITY)


def density_from_t_score(t_score: float) -> float:
    """Volumetric mineral density [kg/m³ = mg/cm³] of the spine at a T-score (DXA scale), a straight line.

    Through the two class limits of quantitative CT, 120 mg/cm³ at −1 and 80 mg/cm³ at −2.5 (acr_qct). T-scores that a
    QCT report prints run lower for the same patient.

    Raises
    ------
    CaseError
        If the score is outside −4.2…3.
    """
    low, high = T_SCORES
    if not low <= t_score <= high:
        raise CaseError("T-score", where="t_score", value=t_score, allowed=f"{low:g} to {high:g}")
    slope = (DENSITY_OSTEOPENIA - DENSITY_OSTEOPOROSIS) / 1.5
    return float(DENSITY_OSTEOPENIA + slope * (t_score + 1.0))


def mean_bone_fraction(
    *,
    bone_fraction: float | None = None,
    density: float | None = None,
    t_score: float | None = None,
    hu: float | None = None,
    default: float = MEAN_BONE_FRACTION,
) -> float:
    """Mean BV/TV [1] of the spongy core from whichever single measure of density is given.

    Parameters
    ----------
    bone_fraction : float [1], optional
    density : float [kg/m³ = mg/cm³], optional
        Volumetric bone mineral density.
    t_score : float [1], optional
        On the scale of DXA.
    hu : float [HU], optional
        Mean CT number of the core.
    default : float [1]
        If none is given.

    Raises
    ------
    CaseError
        If more than one is given, or the T-score is out of range.
    """
    given = {"bone_fraction": bone_fraction, "density": density, "t_score": t_score, "hu": hu}
    named = [name for name, value in given.items() if value is not None]
    if len(named) > 1:
        raise CaseError(
            f"{' and '.join(named)} are both given", where=", ".join(named), hint="they say the same thing: give one"
        )
    if density is not None:
        return bone_fraction_from_density(density)
    if t_score is not None:
        return bone_fraction_from_density(density_from_t_score(t_score))
    if hu is not None:
        return float(bone_fraction_from_hu(hu))
    return float(default if bone_fraction is None else bone_fraction)


def porosity(bone_fraction: ArrayLike) -> Array:
    """Pore share [1] of cancellous bone: all that is not bone tissue is open."""
    return np.asarray(1.0 - np.asarray(bone_fraction))


def _check_pair(hu_marrow: float, hu_bone: float) -> None:
    if not hu_bone > hu_marrow:
        raise CaseError(
            "CT numbers of marrow and bone",
            where="hu_marrow, hu_bone",
            value=(float(hu_marrow), float(hu_bone)),
            allowed="hu_marrow < hu_bone [HU]",
        )
