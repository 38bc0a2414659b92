"""Settings of the bone's interior: mixture law, permeability, shell, veins, outside pressures; each with a range."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any

from vertebro.anatomy.network_settings import VeinSettings
from vertebro.errors import CaseError
from vertebro.materials import bone
from vertebro.sources import Constant

SHELL_THICKNESS = Constant(0.35e-3, "m", 0.09e-3, 0.86e-3, "silva1994", "seen", "cortical shell; mean recalled")
SHELL_PERMEABILITY = Constant(1e-13, "m^2", 1e-15, 1e-12, "vertebro", "ours", "intact to averaged vascular foramina")
ENDPLATE_THICKNESS = Constant(0.6e-3, "m", 0.4e-3, 0.8e-3, "vertebro", "recalled", "bony endplate")
ENDPLATE_PERMEABILITY = Constant(1e-15, "m^2", 1e-17, 1e-12, "vertebro", "ours", "sealed by the cartilage endplate")
VENOUS_PRESSURE = Constant(1.0e3, "Pa", 0.0, 12.0e3, "iop1981", "recalled", "5-15 mmHg prone; 90 mmHg in Valsalva")
TISSUE_PRESSURE = Constant(1.0e3, "Pa", 0.0, 12.0e3, "vertebro", "ours", "equal to venous: no resting flow")
K_SIGMA = Constant(0.0, "1", 0.0, 1.2, "baroud2004", "ours", "0.5-0.8 in ensembles: density explains little of K")
K_LENGTH = Constant(4e-3, "m", 1e-3, 10e-3, "vertebro", "ours", "a few trabecular spacings")
DENOISE = Constant(0.8e-3, "m", 0.0, 3e-3, "vertebro", "ours", "Gaussian against CT noise, bone voxels only")
BONE_FRACTION_FLOOR = Constant(0.03, "1", 0.01, 0.10, "vertebro", "ours", "keeps K finite in voids; φ ≤ 0.97")


@dataclass(frozen=True, kw_only=True, slots=True)
class InteriorSettings:
    """Settings of the bone's interior and its openings; defaults suit a CT of an osteoporotic patient.

    Attributes
    ----------
    hu_marrow, hu_bone : float [HU]
        The two ends of the mixture law, −80…30 and 1500…2200 (recalled).
    denoise : float [m]
        Standard deviation of a Gaussian over bone voxels before the law, 0…3 mm; 0 for synthetic bone.
    permeability_law : str
        A name of `materials.bone.PERMEABILITY_LAWS`.
    trabecular_thickness : float [m]
        0.10…0.26 mm (thomsen2013).
    anisotropy : float [1]
        K_SI / K_transverse, 1…2.05 (baroud2004, nauman1999).
    k_sigma : float [1]
        Standard deviation of ln K of a correlated log-normal multiplier, 0…1.2; 0.5–0.8 in ensembles.
    k_correlation_length : float [m]
        Correlation length of the multiplier, 1…10 mm.
    bone_fraction_floor : float [1]
        Lowest BV/TV, 0.01…0.10.
    shell_thickness : float [m]; shell_permeability : float [m²]
        Cortical shell as a layer in the faces, 0.09…0.86 mm (silva1994), 1e-15…1e-12 (ours).
    endplate_thickness : float [m]; endplate_permeability : float [m²]
        Bony and cartilage endplate, 0.4…0.8 mm, 1e-17…1e-12 (ours).
    venous_pressure, tissue_pressure : float [Pa]
        Outside pressures at vein ends and at the grid border, 0…12 kPa (iop1981).
    veins : bool
        Synthetic basivertebral and segmental veins.
    segmental_veins : int
        Number of segmental veins, 0…12 (usually 4–8).
    segmental_radius : float [m]
        Mean radius of a segmental vein in its foramen, 0.25…1 mm (recalled: diameter 0.5–2 mm); wider outside.
    basivertebral_size : (3,) float [m]
        Width, depth and height of the basivertebral foramen (wang2023: 7.8, 12.4, 5.4 mm).
    network : VeinSettings
        Radii, counts and blood of the other veins.
    mirrored : bool
        Reflect everything random about the midline, so that a mirrored anatomy gets a mirrored interior.

    Raises
    ------
    CaseError
        Lists every value out of its range.
    """

    hu_marrow: float = bone.HU_MARROW
    hu_bone: float = bone.HU_BONE
    denoise: float = DENOISE
    permeability_law: str = "rod-kozeny"
    trabecular_thickness: float = bone.TRABECULAR_THICKNESS
    anisotropy: float = bone.ANISOTROPY
    k_sigma: float = K_SIGMA
    k_correlation_length: float = K_LENGTH
    bone_fraction_floor: float = BONE_FRACTION_FLOOR
    shell_thickness: float = SHELL_THICKNESS
    shell_permeability: float = SHELL_PERMEABILITY
    endplate_thickness: float = ENDPLATE_THICKNESS
    endplate_permeability: float = ENDPLATE_PERMEABILITY
    venous_pressure: float = VENOUS_PRESSURE
    tissue_pressure: float = TISSUE_PRESSURE
    veins: bool = True
    segmental_veins: int = 6
    segmental_radius: float = 0.6e-3
    basivertebral_size: tuple[float, float, float] = (7.8e-3, 12.4e-3, 5.4e-3)
    network: VeinSettings = field(default_factory=VeinSettings)
    mirrored: bool = False

    def __post_init__(self) -> None:
        wrong = [
            f"{name} = {getattr(self, name)!r} (allowed {low:g} to {high:g} {unit})"
            for name, (low, high, unit) in RANGES.items()
            if not _within(getattr(self, name), low, high)
        ]
        if len(self.basivertebral_size) != 3 or not all(_within(x, 1e-3, 25e-3) for x in self.basivertebral_size):
            wrong.append(f"basivertebral_size = {self.basivertebral_size!r} (three lengths, 1 to 25 mm)")
        if self.permeability_law not in bone.PERMEABILITY_LAWS:
            wrong.append(f"permeability_law = {self.permeability_law!r} ({', '.join(bone.PERMEABILITY_LAWS)})")
        if wrong:
            raise CaseError(
                "interior settings out of range", where="interior", value="; ".join(wrong), allowed="see each entry"
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, for provenance and case files."""
        return {f.name: _plain(getattr(self, f.name)) for f in fields(self)}


RANGES: dict[str, tuple[float, float, str]] = {
    "hu_marrow": (-80.0, 30.0, "HU"),
    "hu_bone": (1500.0, 2200.0, "HU"),
    "denoise": (0.0, 3e-3, "m"),
    "trabecular_thickness": (0.10e-3, 0.26e-3, "m"),
    "anisotropy": (1.0, 4.0, "1"),
    "k_sigma": (0.0, 1.2, "1"),
    "k_correlation_length": (1e-3, 10e-3, "m"),
    "bone_fraction_floor": (0.01, 0.10, "1"),
    "shell_thickness": (0.05e-3, 2e-3, "m"),
    "shell_permeability": (1e-17, 1e-9, "m^2"),
    "endplate_thickness": (0.1e-3, 2e-3, "m"),
    "endplate_permeability": (1e-18, 1e-9, "m^2"),
    "venous_pressure": (0.0, 12e3, "Pa"),
    "tissue_pressure": (0.0, 12e3, "Pa"),
    "segmental_veins": (0, 12, "1"),
    "segmental_radius": (0.25e-3, 1e-3, "m"),
}


def _within(value: Any, low: float, high: float) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and low <= value <= high
    )


def _plain(value: Any) -> Any:
    if isinstance(value, VeinSettings):
        return value.to_dict()
    if isinstance(value, tuple):
        return [float(v) for v in value]
    return float(value) if isinstance(value, float) else value
