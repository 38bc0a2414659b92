"""Settings of the bone's interior: mixture law, permeability, shell, veins, outside pressures; each with a range."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any

from vertebro.anatomy.network_settings import VeinSettings
from vertebro.errors import CaseError
from vertebro.materials import bone
from vertebro.materials.permeability import PERMEABILITY_LAWS
from vertebro.materials.trabecular import ANISOTROPY_LAWS, ROD_SHARE, TRABECULAR_THICKNESS
from vertebro.sources import Constant

SHELL_THICKNESS = Constant(0.35e-3, "m", 0.09e-3, 0.86e-3, "silva1994", "seen", "mean of 16 L1; CT doubles it")
SHELL_PERMEABILITY = Constant(1e-13, "m^2", 1e-15, 1e-12, "vertebro", "ours", "intact to averaged vascular foramina")
ENDPLATE_THICKNESS = Constant(0.6e-3, "m", 0.4e-3, 0.8e-3, "vertebro", "recalled", "bony endplate")
ARCH_THICKNESS = Constant(0.85e-3, "m", 0.5e-3, 2.5e-3, "vertebro", "ours", "pedicles, laminae, processes")
SHELL_SIGMA = Constant(0.25, "1", 0.0, 0.6, "vertebro", "ours", "spread of ln thickness; spans the range of silva1994")
SHELL_LENGTH = Constant(4e-3, "m", 1e-3, 10e-3, "vertebro", "ours", "correlation length of the shell's thickness")
FORAMINA = Constant(1.0e4, "1/m^2", 0.0, 5e4, "vertebro", "ours", "nutrient foramina of the wall: 1 per cm²")
FORAMEN_DIAMETER = Constant(0.5e-3, "m", 0.2e-3, 1.5e-3, "vertebro", "ours", "of a nutrient foramen")
SHELL_FROM_HU = Constant(0.5, "1", 0.0, 1.0, "vertebro", "ours", "power of the wall's brightness in its thickness")
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
    thickness_sigma : float [1]
        Standard deviation of ln Tb.Th, correlated as k_correlation_length says, 0…0.5.
    rod_share : float [1]
        Of trabeculae, for Tb.Sp: 0 plates, 1 rods.
    anisotropy : float or str
        K_SI / K_transverse: a name of `materials.trabecular.ANISOTROPY_LAWS` or a ratio, measured means 1.28
        (baroud2004) and 2.05 (nauman1999).
    k_sigma : float [1]
        Standard deviation of ln K of a correlated log-normal multiplier, 0…1.2; 0.5–0.8 in ensembles.
    k_correlation_length : float [m]
        Correlation length of the multiplier, 1…10 mm.
    bone_fraction_floor : float [1]
        Lowest BV/TV, 0.01…0.10.
    shell_thickness : float [m]; shell_permeability : float [m²]
        Cortical shell as a layer in the faces: mean over the body, 0.09…0.86 mm (silva1994), 1e-15…1e-12 (ours).
    endplate_thickness : float [m]; endplate_permeability : float [m²]
        Bony and cartilage endplate, mean 0.4…0.8 mm, 1e-17…1e-12 (ours).
    arch_thickness : float [m]
        Cortex of pedicles, laminae and processes.
    shell_sigma, shell_correlation_length : float [1], [m]
        Random part of the thickness: standard deviation of its logarithm, correlation length. With sigma 0 and
        `shell_pattern` False every layer has its mean thickness.
    shell_pattern : bool
        Front thicker than back, endplates thinnest in the middle, level as measured (`anatomy.shell_thickness`).
    shell_from_hu : float [1]
        Power with which a brighter wall is a thicker one, 0…1; mean kept. 0 for synthetic bone.
    foramina_density : float [1/m²]; foramen_diameter : float [m]
        Nutrient foramina of the wall at random places, 0…5 per cm², 0.2…1.5 mm (ours).
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
    trabecular_thickness: float = TRABECULAR_THICKNESS
    thickness_sigma: float = 0.0
    rod_share: float = ROD_SHARE
    anisotropy: float | str = "osteoporosis"
    k_sigma: float = K_SIGMA
    k_correlation_length: float = K_LENGTH
    bone_fraction_floor: float = BONE_FRACTION_FLOOR
    shell_thickness: float = SHELL_THICKNESS
    shell_permeability: float = SHELL_PERMEABILITY
    endplate_thickness: float = ENDPLATE_THICKNESS
    endplate_permeability: float = ENDPLATE_PERMEABILITY
    arch_thickness: float = ARCH_THICKNESS
    shell_sigma: float = SHELL_SIGMA
    shell_correlation_length: float = SHELL_LENGTH
    shell_pattern: bool = True
    shell_from_hu: float = SHELL_FROM_HU
    foramina_density: float = FORAMINA
    foramen_diameter: float = FORAMEN_DIAMETER
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
        wrong += self._wrong_names()
        if len(self.basivertebral_size) != 3 or not all(_within(x, 1e-3, 25e-3) for x in self.basivertebral_size):
            wrong.append(f"basivertebral_size = {self.basivertebral_size!r} (three lengths, 1 to 25 mm)")
        if wrong:
            raise CaseError(
                "interior settings out of range", where="interior", value="; ".join(wrong), allowed="see each entry"
            )

    def _wrong_names(self) -> list[str]:
        wrong = []
        if self.permeability_law not in PERMEABILITY_LAWS:
            wrong.append(f"permeability_law = {self.permeability_law!r} ({', '.join(PERMEABILITY_LAWS)})")
        law = self.anisotropy
        if law not in ANISOTROPY_LAWS if isinstance(law, str) else not _within(law, 1.0, 4.0):
            wrong.append(f"anisotropy = {law!r} ({', '.join(ANISOTROPY_LAWS)}, or a ratio 1 to 4)")
        return wrong

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, for provenance and case files."""
        return {f.name: _plain(getattr(self, f.name)) for f in fields(self)}


RANGES: dict[str, tuple[float, float, str]] = {
    "hu_marrow": (-80.0, 30.0, "HU"),
    "hu_bone": (1500.0, 2200.0, "HU"),
    "denoise": (0.0, 3e-3, "m"),
    "trabecular_thickness": (0.10e-3, 0.26e-3, "m"),
    "thickness_sigma": (0.0, 0.5, "1"),
    "rod_share": (0.0, 1.0, "1"),
    "k_sigma": (0.0, 1.2, "1"),
    "k_correlation_length": (1e-3, 10e-3, "m"),
    "bone_fraction_floor": (0.01, 0.10, "1"),
    "shell_thickness": (0.05e-3, 2e-3, "m"),
    "shell_permeability": (1e-17, 1e-9, "m^2"),
    "endplate_thickness": (0.1e-3, 2e-3, "m"),
    "endplate_permeability": (1e-18, 1e-9, "m^2"),
    "arch_thickness": (0.1e-3, 3e-3, "m"),
    "shell_sigma": (0.0, 0.6, "1"),
    "shell_correlation_length": (1e-3, 10e-3, "m"),
    "shell_from_hu": (0.0, 1.0, "1"),
    "foramina_density": (0.0, 5e4, "1/m^2"),
    "foramen_diameter": (0.2e-3, 1.5e-3, "m"),
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
