"""The gauge table of bone needles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from vertebro.errors import CaseError
from vertebro.sources import Constant
from vertebro.units import mm


@dataclass(frozen=True, kw_only=True, slots=True)
class Gauge:
    """One row of the gauge table: nominal diameters [m]."""

    gauge: int
    outer_diameter: Constant
    inner_diameter: Constant


def _row(gauge: int, outer: float, inner: float, *, tolerance: float) -> Gauge:
    """Diameters in mm; the bore's tolerance is three times the outer one's (regular wall)."""

    def length(value: float, within: float) -> Constant:
        return Constant(value * mm, "m", (value - within) * mm, (value + within) * mm, "stubs_gauge", "seen")

    return Gauge(gauge=gauge, outer_diameter=length(outer, tolerance), inner_diameter=length(inner, 3.0 * tolerance))


GAUGES: Mapping[int, Gauge] = MappingProxyType(
    {
        row.gauge: row
        for row in (
            _row(8, 4.191, 3.429, tolerance=0.025),
            _row(10, 3.404, 2.692, tolerance=0.025),
            _row(11, 3.048, 2.388, tolerance=0.025),
            _row(13, 2.413, 1.803, tolerance=0.025),
            _row(15, 1.829, 1.372, tolerance=0.013),
        )
    }
)


def gauge(number: int) -> Gauge:
    """Row of the gauge table.

    Raises
    ------
    CaseError
        If bone needles of this gauge do not exist; the error lists those that do.
    """
    if isinstance(number, bool) or number not in GAUGES:
        raise CaseError(
            "there is no bone needle of this gauge",
            where="needle.gauge",
            value=number,
            allowed=", ".join(f"{g} G" for g in GAUGES),
        )
    return GAUGES[number]
