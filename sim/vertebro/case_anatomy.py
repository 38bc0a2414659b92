"""The part of a case that says which vertebra: generated or imported, how dense, how diseased."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from vertebro.quantity import Record, Within


class AnatomyInput(Record):
    """Which vertebra."""

    source: Literal["parametric", "folder"] = "parametric"
    """parametric = our own generator; folder = made by `vertebro import`"""
    folder: str = ""
    """source folder only: where anatomy.h5 lies, relative to this file"""
    level: str = Field("L1", pattern=r"^[A-Za-z][A-Za-z0-9]{0,3}$")
    """vertebral level"""
    spacing: Annotated[float, Within("mm", 0.4, 1.5, "vertebro")] = 0.8e-3
    """edge of a simulation voxel (parametric; an imported folder keeps its own)"""
    bone_fraction: Annotated[float, Within("1", 0.03, 0.35, "vertebro")] = 0.08
    """mean trabecular BV/TV of the body (parametric); 0.06-0.10 is osteoporotic, 0.15-0.20 young"""
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
    venous_pressure: Annotated[float, Within("kPa", 0, 12, "iop1981")] = 1000.0
    """pressure at the veins' outer ends; prone 0.7-2 kPa"""
    permeability_factor: Annotated[float, Within("1", 0.01, 100, "baroud2004")] = 1.0
    """multiplies the permeability of the bone; density explains little of it, so vary this"""
