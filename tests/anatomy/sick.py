"""Sick vertebrae on coarse grids, built once for the pathology tests."""

from __future__ import annotations

from functools import cache

from vertebro.anatomy.anatomy import Anatomy
from vertebro.anatomy.parametric import ParametricSpec, build_parametric
from vertebro.quantity import Record

COARSE = 1.2e-3


@cache
def sick(*records: Record, spacing: float = COARSE, mirrored: bool = False, level: str = "L1") -> Anatomy:
    """A vertebra with these records; no records, the same one healthy."""
    spec = ParametricSpec(
        level=level,
        spacing=spacing,
        surround_spacing=3e-3,
        surround_height=0.10,
        mirrored=mirrored,
        pathology=records,
    )
    return build_parametric(spec)
