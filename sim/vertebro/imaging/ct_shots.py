"""CT fluoroscopy: single shots and shots of three slices at little charge, the table's place and the dose kept.

>>> len(shot_levels(0.0, 3, 4e-3)), shot_levels(0.01, 1, 5e-3)
(3, (0.01,))
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from vertebro.errors import CaseError
from vertebro.imaging.ct_body import CTBody
from vertebro.imaging.ct_dose import CTDose, ct_dose
from vertebro.imaging.ct_field import CTField, CTSlice
from vertebro.imaging.ct_rays import rays_around
from vertebro.imaging.ct_scan import scan_slice
from vertebro.imaging.scanner import Scanner
from vertebro.sources import Constant

SHOT_MAS = Constant(30.0, "mAs", 5.0, 60.0, "schauberger2012", "computed", "59 mA for half a second")
SHOT_THICKNESS = Constant(4e-3, "m", 2e-3, 8e-3, "vertebro", "ours", "of each slice of a shot")
SHOT_SLICES = (1, 3)
SHOT_VIEWS = 360


@dataclass(frozen=True, kw_only=True, slots=True)
class CTShot:
    """One press of the pedal.

    Attributes
    ----------
    slices : tuple of CTSlice
        From inferior to superior.
    dose : CTDose
    table : float [m]
        Height of the middle slice.
    """

    slices: tuple[CTSlice, ...]
    dose: CTDose
    table: float


def shot_scanner(scanner: Scanner | None = None, *, mas: float = SHOT_MAS) -> Scanner:
    """Settings of CT fluoroscopy: little charge, few views, a soft kernel."""
    return replace(scanner or Scanner(), mas=float(mas), views=SHOT_VIEWS, kernel="soft")


def shot_levels(table: float, slices: int, thickness: float) -> tuple[float, ...]:
    """Heights [m] of a shot's slices, side by side around the table's place."""
    return tuple(table + thickness * (i - (slices - 1) / 2) for i in range(slices))


def ct_shots(
    body: CTBody,
    view: CTField,
    *,
    slices: int = 1,
    scanner: Scanner | None = None,
    seed: int = 0,
    number: int = 0,
) -> CTShot:
    """A single shot or one of three slices.

    Parameters
    ----------
    body : CTBody
        With the needle as it lies now.
    view : CTField
        Axial; its centre is the table's place, its thickness each slice's.
    slices : int
        1 or 3.
    scanner : Scanner, optional
        Default: `shot_scanner`.
    seed, number : int
        They fix the noise; another number for another shot.

    Raises
    ------
    CaseError
        If the number of slices or the plane is impossible.
    """
    if slices not in SHOT_SLICES or view.plane != "axial" or not view.thickness > 0:
        raise CaseError(
            "impossible shot",
            where="slices, plane, thickness",
            value=(slices, view.plane, view.thickness),
            allowed="1 or 3 axial slices with a thickness",
        )
    scanner = scanner or shot_scanner()
    rays = rays_around(*body.extent(), scanner)
    right, anterior, table = view.centre
    pictures = tuple(
        scan_slice(
            replace(view, centre=(right, anterior, level)),
            body,
            scanner,
            seed=seed,
            number=8 * number + i,
            rays=rays,
        )
        for i, level in enumerate(shot_levels(table, slices, view.thickness))
    )
    dose = ct_dose(kvp=scanner.kvp, mas=scanner.mas, length=slices * view.thickness)
    return CTShot(slices=pictures, dose=dose, table=float(table))
