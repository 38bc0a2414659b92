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


def _row(gauge: int, outer: float, inner: float) -> Gauge:
    def length(value: float) -> Constant:
        return Constant(
            value * mm, "m", 0.94 * value * mm, 1.06 * value * mm, "stubs_gauge", "recalled", "regular wall"
        )

    return Gauge(gauge=gauge, outer_diameter=length(outer), inner_diameter=length(inner))


GAUGES: Mapping[int, Gauge] = MappingProxyType(
    {
        row.gauge: row
        for row in (
            _row(8, 4.19, 3.4),
            _row(10, 3.40, 2.7),
            _row(11, 3.05, 2.4),
            _row(13, 2.41, 1.8),
            _row(15, 1.83, 1.4),
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
