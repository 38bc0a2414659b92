"""The delivery as a device: syringe, drive (hand or screw) and cannula; pressures and forces."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from vertebro.errors import CaseError
from vertebro.procedure.needle import Needle
from vertebro.procedure.tube import ShearLaw, cannula_flow_rate, cannula_pressure_drop, check_tube
from vertebro.sources import Constant
from vertebro.units import ml, mm

Drive = Literal["hand", "screw"]

HAND_FORCE = Constant(200.0, "N", 150.0, 250.0, "krebs2005", "recalled", "what a hand can sustain on a plunger")
SCREW_FORCE = Constant(1000.0, "N", 500.0, 2000.0, "vertebro", "ours", "screw or hydraulic injector")


@dataclass(frozen=True, kw_only=True, slots=True)
class Syringe:
    """A syringe by its nominal volume [m³] and bore [m]."""

    volume: float
    inner_diameter: Constant

    @property
    def area(self) -> float:
        """Plunger area [m²]."""
        return float(math.pi / 4.0 * self.inner_diameter**2)

    def force(self, pressure: float) -> float:
        """Plunger force [N] at a pressure [Pa]."""
        return pressure * self.area

    def pressure(self, force: float) -> float:
        """Pressure [Pa] under a plunger force [N]."""
        return force / self.area


DRIVES: Mapping[str, Constant] = MappingProxyType({"hand": HAND_FORCE, "screw": SCREW_FORCE})
MAX_COMPLIANCE = Constant(2e-12, "m^3/Pa", 1e-12, 2e-12, "vertebro", "ours", "2 mL/MPa: mostly air")


def _syringe(volume: float, bore: float) -> Syringe:
    diameter = Constant(bore * mm, "m", 0.97 * bore * mm, 1.03 * bore * mm, "vertebro", "recalled", "luer-lock syringe")
    return Syringe(volume=volume, inner_diameter=diameter)


SYRINGES: Mapping[int, Syringe] = MappingProxyType(
    {1: _syringe(1 * ml, 4.7), 3: _syringe(3 * ml, 8.7), 5: _syringe(5 * ml, 12.0)}
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Injector:
    """Syringe and cannula driven by a hand or a pump.

    Parameters
    ----------
    cannula_length, inner_diameter : float [m]
    syringe : int
        1, 3 or 5 mL.
    drive : {"hand", "screw"}
        A hand sustains at most 250 N on a plunger, a screw or hydraulic injector 2000 N.
    force_limit : float, optional [N]
        Largest plunger force; by default 200 N for a hand, 1000 N for a screw.
    compliance : float [m³/Pa]
        Volume the syringe and the air in the cement give way per pressure; 0 is rigid.

    Raises
    ------
    CaseError
        If the syringe does not exist or a number is out of range.

    Examples
    --------
    >>> injector = Injector(cannula_length=0.125, inner_diameter=2.4e-3)
    >>> round(injector.pressure_cap / 1e6, 2)
    3.36
    """

    cannula_length: float
    inner_diameter: float
    syringe: int = 3
    drive: Drive = "hand"
    force_limit: float | None = None
    compliance: float = 0.0

    def __post_init__(self) -> None:
        if self.syringe not in SYRINGES:
            raise CaseError(
                "there is no such syringe", where="injector.syringe", value=self.syringe, allowed="1, 3, 5 (mL)"
            )
        if self.drive not in DRIVES:
            raise CaseError(
                "there is no such drive", where="injector.drive", value=self.drive, allowed=", ".join(DRIVES)
            )
        usual = DRIVES[self.drive]
        force = float(usual) if self.force_limit is None else self.force_limit
        if not (math.isfinite(force) and 1.0 <= force <= usual.high):
            raise CaseError(
                f"force beyond a {self.drive}",
                where="injector.force_limit",
                value=force,
                allowed=f"1 to {usual.high:g} N",
                hint='drive = "screw" pushes up to 2000 N' if self.drive == "hand" else None,
            )
        object.__setattr__(self, "force_limit", force)
        if not (math.isfinite(self.compliance) and 0.0 <= self.compliance <= MAX_COMPLIANCE):
            raise CaseError(
                "impossible compliance",
                where="injector.compliance",
                value=self.compliance,
                allowed=f"0 to {MAX_COMPLIANCE:g} m³/Pa ({MAX_COMPLIANCE * 1e12:g} ml/MPa)",
            )
        check_tube(0.0, self.cannula_length, self.inner_diameter)

    @classmethod
    def for_needle(
        cls,
        needle: Needle,
        *,
        syringe: int = 3,
        drive: Drive = "hand",
        force_limit: float | None = None,
        compliance: float = 0.0,
    ) -> Injector:
        """The injector on a needle's hub."""
        return cls(
            cannula_length=needle.cannula_length,
            inner_diameter=needle.inner_diameter,
            syringe=syringe,
            drive=drive,
            force_limit=force_limit,
            compliance=compliance,
        )

    @property
    def dead_volume(self) -> float:
        """Cement in the full cannula [m³]; it is injected only by a stylet."""
        return math.pi / 4.0 * self.inner_diameter**2 * self.cannula_length

    @property
    def pressure_cap(self) -> float:
        """Largest syringe pressure [Pa] the force can make."""
        return SYRINGES[self.syringe].pressure(self.force_limit or DRIVES[self.drive])

    def pressure_drop(self, flow_rate: float, viscosity: ShearLaw | float) -> float:
        """Pressure lost in the cannula [Pa] at a flow rate [m³/s]."""
        return cannula_pressure_drop(
            flow_rate, length=self.cannula_length, inner_diameter=self.inner_diameter, viscosity=viscosity
        )

    def plunger_force(self, pressure: float) -> float:
        """Force on the plunger [N] at a syringe pressure [Pa]."""
        return SYRINGES[self.syringe].force(pressure)

    def rate_at_cap(self, tip_pressure: float, viscosity: ShearLaw | float, *, cap: float | None = None) -> float:
        """Largest flow rate [m³/s] the cap drives against a tip pressure [Pa]; 0 where the tip holds the cap."""
        available = max((self.pressure_cap if cap is None else cap) - tip_pressure, 0.0)
        return cannula_flow_rate(
            available, length=self.cannula_length, inner_diameter=self.inner_diameter, viscosity=viscosity
        )
