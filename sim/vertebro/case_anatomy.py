"""The part of a case that says which vertebra: generated or imported, how dense, how diseased."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from vertebro.anatomy.pathology_records import Pathology
from vertebro.quantity import Record, Within


class AnatomyInput(Record):
    """Which vertebra."""

    source: Literal["parametric", "folder"] = "parametric"
    """parametric = our own generator; folder = made by `vertebro import`"""
    folder: str = ""
    """source folder only: where anatomy.h5 lies, relative to this file"""
    level: str = Field("L1", pattern=r"^[A-Za-z][A-Za-z0-9]{0,3}(_[LR])?$")
    """vertebral level; S1 is the sacrum, HIP_L and HIP_R a hip bone around its acetabulum"""
    spacing: Annotated[float, Within("mm", 0.4, 1.5, "vertebro")] = 0.8e-3
    """edge of a simulation voxel (parametric; an imported folder keeps its own)"""
    bone_fraction: Annotated[float, Within("1", 0.03, 0.35, "vertebro")] | None = None
    """mean trabecular BV/TV of the body (parametric); 0.06-0.10 is osteoporotic, 0.15-0.20 young; give this or density
    or t_score or hu; absent all four = 0.08"""
    density: Annotated[float, Within("mg/cm^3", 33, 330, "acr_qct")] | None = None
    """mean volumetric mineral density instead; below 80 is osteoporosis"""
    t_score: Annotated[float, Within("1", -4.2, 3, "acr_qct")] | None = None
    """T-score instead, on the scale of DXA; -2.5 is 80 mg/cm^3"""
    hu: Annotated[float, Within("HU", 15, 510, "hu_l1")] | None = None
    """mean CT number of the spongy core instead; below 91 is osteoporotic"""
    sex: Literal["female", "male"] = "female"
    """morphometry (parametric)"""
    veins: bool = True
    """basivertebral and segmental veins (parametric)"""
    segmental_radius: Annotated[float, Within("mm", 0.25, 1.0, "vertebro")] = 0.5e-3
    """mean radius of the segmental veins (parametric); leaked volume grows with its third to fourth power"""
    basivertebral_radius: Annotated[float, Within("mm", 0.75, 2.5, "vertebro")] = 1.5e-3
    """radius of the basivertebral trunk in its foramen (parametric)"""
    sinusoids: int | None = Field(None, ge=1, le=6)
    """radial sinusoids in the marrow (parametric); 2 to 4 by the seed when left out"""
    epidural_radius: Annotated[float, Within("mm", 1.0, 2.5, "vertebro")] = 1.25e-3
    """mean radius of the long veins in front of the dura (parametric)"""
    blood_flow: Annotated[float, Within("ml/min", 0, 12, "marrow_dce")] = 2.5e-8
    """blood that the body's marrow sends into its veins at rest (parametric); carries cement on"""
    permeability_sigma: Annotated[float, Within("1", 0, 1.2, "baroud2004")] = 0.5
    """standard deviation of ln K over the body (parametric); roughens the cement's outline"""
    permeability_length: Annotated[float, Within("mm", 1, 10, "vertebro")] = 4e-3
    """distance over which that variation is correlated (parametric)"""
    permeability_law: Literal["rod-kozeny", "kohles2001", "baroud2004", "nauman1999", "widmer2013"] = "rod-kozeny"
    """from structure to permeability (parametric)"""
    anisotropy: Literal["osteoporosis", "baroud2004", "nauman1999"] = "osteoporosis"
    """permeability along over across the spine (parametric): 1.28 to 2.05 growing as bone is lost, or fixed"""
    shell_thickness: Annotated[float, Within("mm", 0.09, 0.86, "silva1994")] = 0.35e-3
    """mean thickness of the cortical shell (parametric); it varies with place and seed"""
    foramina_density: Annotated[float, Within("1/cm^2", 0, 5, "vertebro")] = 1.0e4
    """small holes for vessels in the body's wall (parametric)"""
    venous_pressure: Annotated[float, Within("kPa", 0, 12, "iop1981")] = 1000.0
    """pressure at the veins' outer ends; prone 0.7-2 kPa"""
    permeability_factor: Annotated[float, Within("1", 0.01, 100, "baroud2004")] = 1.0
    """multiplies the permeability of the bone; density explains little of it, so vary this"""
    permeability_spread: Annotated[float, Within("1", 0, 1.2, "baroud2004")] = 0.0
    """standard deviation of the logarithm of a further factor that the seed draws for the whole bone; 0.4 is what 20
    cores of lumbar vertebrae scatter, for ensembles over seeds"""
    pathology: tuple[Pathology, ...] = Field((), max_length=20)
    """fractures, lesions and cracks in order: [[anatomy.pathology]] tables, each with its kind (see vertebro cases)"""

    @model_validator(mode="after")
    def _one_measure_of_density(self) -> AnatomyInput:
        given = [name for name in DENSITIES if getattr(self, name) is not None]
        if len(given) > 1:
            facts = {"key": given[1], "allowed": f"one of {', '.join(DENSITIES)}", "hint": f"remove {given[0]}"}
            raise PydanticCustomError("two_densities", f"{' and '.join(given)} are both given", facts)
        return self


DENSITIES = ("bone_fraction", "density", "t_score", "hu")
MEAN_BONE_FRACTION = 0.08
GENERATED_ONLY = (
    *DENSITIES,
    "sex",
    "veins",
    "segmental_radius",
    "basivertebral_radius",
    "sinusoids",
    "epidural_radius",
    "blood_flow",
    "permeability_sigma",
    "permeability_length",
    "permeability_law",
    "anisotropy",
    "shell_thickness",
    "foramina_density",
)
