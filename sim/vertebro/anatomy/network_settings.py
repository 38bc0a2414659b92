"""Settings of the vein network: radii, counts, lengths and the blood in it; each with a range and a source."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from vertebro.errors import CaseError
from vertebro.sources import Constant

BASIVERTEBRAL_RADIUS = Constant(1.5e-3, "m", 0.75e-3, 2.5e-3, "vertebro", "ours", "trunk among fat in its foramen")
TWO_TRUNKS = Constant(0.45, "1", 0.0, 1.0, "bvf_drybone", "computed", "one foramen 45 %, two 37 % of bodies: 37/82")
SINUSOID_RADIUS = Constant(0.62e-3, "m", 0.5e-3, 0.75e-3, "vertebro", "ours", "radial sinusoids, diameter 1-1.5 mm")
SINUSOIDS = (2, 4)  # radial sinusoids of a body, drawn by the seed (ours)
SEGMENTAL_RANGE = (2, 6)  # foramina of the waist per side (recalled)
SEGMENTAL_DEPTH = Constant(10e-3, "m", 3e-3, 14e-3, "vertebro", "ours", "reach of a segmental vein into the body")
EPIDURAL_RADIUS = Constant(1.25e-3, "m", 1.0e-3, 2.5e-3, "vertebro", "recalled", "anterior internal plexus, ∅ 2-5 mm")
LUMBAR_RADIUS = Constant(1.5e-3, "m", 1.0e-3, 2.5e-3, "vertebro", "recalled", "lumbar or intercostal vein, ∅ 2-5 mm")
INTERVERTEBRAL_RADIUS = Constant(1.0e-3, "m", 0.75e-3, 2.0e-3, "vertebro", "recalled", "vein of a foramen, ∅ 1.5-4 mm")
ASCENDING_RADIUS = Constant(1.75e-3, "m", 1.0e-3, 3.0e-3, "vertebro", "recalled", "ascending lumbar vein, ∅ 2-6 mm")
AZYGOS_LENGTH = Constant(0.12, "m", 0.05, 0.25, "vertebro", "ours", "ascending lumbar vein to the azygos and cava")
CAVA_LENGTH = Constant(25e-3, "m", 10e-3, 60e-3, "vertebro", "ours", "front of the body to the cava, right side")
LEFT_DETOUR = Constant(25e-3, "m", 10e-3, 40e-3, "vertebro", "ours", "left veins pass behind the aorta")
RADIUS_SPREAD = Constant(0.2, "1", 0.0, 0.5, "vertebro", "ours", "standard deviation of ln radius between veins")
BLOOD_VISCOSITY = Constant(4e-3, "Pa.s", 3e-3, 6e-3, "vertebro", "recalled", "whole blood at 37 degC")
BLOOD_FLOW = Constant(
    2.5e-8, "m^3/s", 0.0, 2e-7, "marrow_dce", "computed", "6 mL/min/100 g of 25 g of marrow and bone: 1.5 mL/min"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class VeinSettings:
    """How the veins of a vertebra are drawn; the seed varies what lies between the ranges.

    Attributes
    ----------
    basivertebral_radius : float [m]
        Of the trunk in its foramen, 0.75…2.5 mm.
    sinusoids : int or None
        Radial sinusoids in the marrow, 1…6; None: 2 to 4 by the seed.
    sinusoid_radius : float [m]
        0.5…0.75 mm (∅ 1–1.5 mm).
    trunks : int or None
        Basivertebral veins, 1 or 2; None: by the seed as often as found (bvf_drybone).
    epidural_radius : float [m]
        Long veins of the anterior internal plexus, 1…2.5 mm.
    lumbar_radius : float [m]
        Lumbar (thoracic: intercostal) vein along the waist, 1…2.5 mm.
    vary_counts : bool
        The seed varies the number of segmental veins of each side by one around what is asked for.
    radius_spread : float [1]
        Standard deviation of ln radius between veins, 0…0.5.
    blood_flow : float [m³/s]
        Blood that the body's marrow sends into its sinusoids at rest, 0…12 mL/min; keeps pressure falling from
        the marrow to the cava, and carries cement on.

    Raises
    ------
    CaseError
        Lists every value out of its range.
    """

    basivertebral_radius: float = BASIVERTEBRAL_RADIUS
    sinusoids: int | None = None
    sinusoid_radius: float = SINUSOID_RADIUS
    trunks: int | None = None
    epidural_radius: float = EPIDURAL_RADIUS
    lumbar_radius: float = LUMBAR_RADIUS
    vary_counts: bool = True
    radius_spread: float = RADIUS_SPREAD
    blood_flow: float = BLOOD_FLOW

    def __post_init__(self) -> None:
        wrong = [
            f"{name} = {getattr(self, name)!r} (allowed {low:g} to {high:g} {unit})"
            for name, (low, high, unit) in RANGES.items()
            if getattr(self, name) is not None and not _within(getattr(self, name), low, high)
        ]
        if wrong:
            raise CaseError("vein settings out of range", where="veins", value="; ".join(wrong), allowed="see each")

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {k: float(v) if isinstance(v, float) else v for k, v in asdict(self).items()}


RANGES: dict[str, tuple[float, float, str]] = {
    "basivertebral_radius": (0.75e-3, 2.5e-3, "m"),
    "sinusoids": (1, 6, "1"),
    "sinusoid_radius": (0.5e-3, 0.75e-3, "m"),
    "trunks": (1, 2, "1"),
    "epidural_radius": (1.0e-3, 2.5e-3, "m"),
    "lumbar_radius": (1.0e-3, 2.5e-3, "m"),
    "radius_spread": (0.0, 0.5, "1"),
    "blood_flow": (0.0, 2e-7, "m^3/s"),
}


def _within(value: Any, low: float, high: float) -> bool:
    numeric = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return numeric and low <= value <= high
