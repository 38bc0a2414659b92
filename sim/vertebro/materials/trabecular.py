"""Trabeculae from bone volume fraction: their spacing, and how much more open they are along the spine.

Thickness hardly changes with age while bone is lost, horizontal struts first (thomsen2013): spacing and anisotropy
follow from BV/TV, thickness is given.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vertebro.errors import CaseError
from vertebro.sources import Constant

TRABECULAR_THICKNESS = Constant(0.13e-3, "m", 0.10e-3, 0.26e-3, "thomsen2013", "recalled", "nearly constant with age")
ROD_SHARE = Constant(0.5, "1", 0.0, 1.0, "vertebro", "ours", "0 plates, 1 rods; 0.5 meets Tb.Sp 0.7-1.2 mm of the old")
ANISOTROPY = Constant(1.28, "1", 1.0, 2.05, "baroud2004", "seen", "mean K_SI / K_AP of 34 lumbar cores")
ANISOTROPY_MOST = Constant(2.05, "1", 1.0, 3.0, "nauman1999", "seen", "mean K ratio of 20 vertebral specimens")
DENSE = Constant(0.20, "1", 0.15, 0.25, "vertebro", "ours", "BV/TV at which the anisotropy is at its least")
SPARSE = Constant(0.05, "1", 0.03, 0.08, "vertebro", "ours", "BV/TV at which the anisotropy is at its most")

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Microstructure:
    """What the laws of permeability may know of the bone, arrays of one shape.

    Attributes
    ----------
    porosity : float array [1]
    thickness, spacing : float arrays [m]
        Tb.Th and Tb.Sp.
    anisotropy : float array [1]
        K along the spine over K across it.
    """

    porosity: Array
    thickness: Array
    spacing: Array
    anisotropy: Array


def microstructure(
    bone_fraction: ArrayLike,
    *,
    thickness: ArrayLike = TRABECULAR_THICKNESS,
    rod_share: float = ROD_SHARE,
    anisotropy: float | str = "osteoporosis",
) -> Microstructure:
    """Structure of bone of a given volume fraction.

    Parameters
    ----------
    bone_fraction : array [1]
        BV/TV, between 0 and 1, both excluded.
    thickness : array [m]
        Tb.Th.
    rod_share : float [1]
        See `trabecular_spacing`.
    anisotropy : float or str
        A ratio, or the name of a law of `ANISOTROPY_LAWS`.

    Raises
    ------
    CaseError
        If the law is unknown or the ratio is not positive.
    """
    fraction = np.asarray(bone_fraction, float)
    thick = np.broadcast_to(np.asarray(thickness, float), fraction.shape)
    return Microstructure(
        porosity=1.0 - fraction,
        thickness=thick,
        spacing=trabecular_spacing(fraction, thick, rod_share=rod_share),
        anisotropy=anisotropy_of(fraction, anisotropy),
    )


def trabecular_spacing(bone_fraction: ArrayLike, thickness: ArrayLike, *, rod_share: float = ROD_SHARE) -> Array:
    """Tb.Sp [m] between the plate model and the rod model, weighted geometrically.

    Parallel plates: t (1/f − 1), the classical relation. Rods of diameter t along the edges of a cubic lattice of
    cell L fill f = 3π t²/(4 L²): a gap of L − t. Real bone is between the two, the more like rods the thinner it is.

    Parameters
    ----------
    bone_fraction : array [1]
    thickness : array [m]
    rod_share : float [1]
        0 plates, 1 rods.
    """
    fraction, thick = np.asarray(bone_fraction, float), np.asarray(thickness, float)
    plates = thick * (1.0 / fraction - 1.0)
    rods = thick * np.maximum(np.sqrt(0.75 * np.pi / fraction) - 1.0, 0.05)
    return np.asarray(plates ** (1.0 - rod_share) * rods**rod_share)


def osteoporosis(bone_fraction: ArrayLike) -> Array:
    """Anisotropy [1] that grows as bone is lost: 1.28 (baroud2004) above BV/TV 0.20 to 2.05 (nauman1999) below 0.05.

    The two ends are measured means of different series, the straight line between them is ours: horizontal struts go
    first (thomsen2013), which closes fewer of the channels along the spine than of those across it.
    """
    lost = np.clip((DENSE - np.asarray(bone_fraction, float)) / (DENSE - SPARSE), 0.0, 1.0)
    return np.asarray(ANISOTROPY + (ANISOTROPY_MOST - ANISOTROPY) * lost)


ANISOTROPY_LAWS: dict[str, Callable[[ArrayLike], Array]] = {
    "osteoporosis": osteoporosis,
    "baroud2004": lambda fraction: np.full(np.shape(fraction), float(ANISOTROPY)),
    "nauman1999": lambda fraction: np.full(np.shape(fraction), float(ANISOTROPY_MOST)),
}


def anisotropy_of(bone_fraction: ArrayLike, law: float | str) -> Array:
    """K along the spine over K across it [1], by a law's name or a fixed ratio.

    Raises
    ------
    CaseError
        If the law is unknown or the ratio is not positive.
    """
    if isinstance(law, str):
        if law not in ANISOTROPY_LAWS:
            raise CaseError(
                "unknown law of anisotropy", where="anisotropy", value=law, allowed=", ".join(ANISOTROPY_LAWS)
            )
        return ANISOTROPY_LAWS[law](bone_fraction)
    if not law > 0:
        raise CaseError("anisotropy", where="anisotropy", value=law, allowed="> 0, measured 1.28 to 2.05")
    return np.full(np.shape(bone_fraction), float(law))


def principal_factors(anisotropy: ArrayLike) -> Array:
    """Multipliers (3, …) for r, a, s of an isotropic permeability; their product is 1, s over r is `anisotropy`."""
    ratio = np.asarray(anisotropy, float)
    across = ratio ** (-1.0 / 3.0)
    return np.stack([across, across, across * ratio])
