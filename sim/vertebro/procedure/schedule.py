"""The procedure as the operator says it: inject until a limit, wait, pull the needle back, mix a fresh batch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vertebro.errors import CaseError
from vertebro.sources import Constant
from vertebro.units import UNITS, ml, parse, show

MAX_VOLUME = Constant(20 * ml, "m^3", 10 * ml, 20 * ml, "vertebro", "ours", "absurd per level; 8 mL is a lot")
MAX_RATE = Constant(0.5 * ml, "m^3/s", 0.1 * ml, 0.5 * ml, "vertebro", "ours", "faster than any hand or pump")
MAX_PRESSURE = Constant(10e6, "Pa", 5e6, 20e6, "vertebro", "ours", "beyond hydraulic injectors")
MAX_FORCE = Constant(2000.0, "N", 1000.0, 5000.0, "vertebro", "ours", "beyond screw injectors")
MAX_TIME = Constant(3600.0, "s", 1800.0, 3600.0, "vertebro", "ours", "any cement has set")
MAX_PULL = Constant(0.1, "m", 0.05, 0.1, "vertebro", "ours", "longer than any path through bone")


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """When an injection step ends: whichever comes first.

    Parameters
    ----------
    volume : float [m³], optional
        Injected in this step; at most 20 mL.
    pressure : float [Pa], optional
        At the syringe; at most 10 MPa.
    time : float [s], optional
        Duration of the step; at most an hour.
    force : float [N], optional
        On the plunger; at most 2000 N.

    Raises
    ------
    CaseError
        If no limit is given, or one is not positive or absurd.

    Examples
    --------
    >>> Limit.parse("3 ml or 1.2 MPa").pressure
    1200000.0
    """

    volume: float | None = None
    pressure: float | None = None
    time: float | None = None
    force: float | None = None

    def __post_init__(self) -> None:
        if all(getattr(self, name) is None for name, *_ in _LIMITS):
            raise CaseError("an injection without an end", where="until", allowed='a limit, such as "3 ml or 1.2 MPa"')
        for name, high, unit, dimension in _LIMITS:
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, _positive(value, f"until.{name}", high, unit, dimension))

    @classmethod
    def parse(cls, text: str, *, where: str = "until") -> Limit:
        """Read ``"3 ml or 1.2 MPa or 90 s"``.

        Raises
        ------
        CaseError
            If a part is no volume, pressure, time or force, or comes twice.
        """
        found: dict[str, float] = {}
        for part in text.split(" or "):
            unit = part.strip().lstrip("+-.0123456789eE ").strip()
            name = _KIND.get(UNITS[unit][0]) if unit in UNITS else None
            if name is None or name in found:
                raise CaseError(
                    "not a limit" if name is None else f"two limits of {name}",
                    where=where,
                    value=text,
                    allowed='volume, pressure, time and force, such as "3 ml or 1.2 MPa or 90 s or 150 N"',
                )
            found[name] = parse(part, UNITS[unit][0], where=where)
        return cls(**found)

    def __str__(self) -> str:
        parts = [show(v, unit) for name, _, unit, _ in _LIMITS if (v := getattr(self, name)) is not None]
        return " or ".join(parts)


_LIMITS: tuple[tuple[str, float, str, str], ...] = (
    ("volume", MAX_VOLUME, "ml", "m^3"),
    ("pressure", MAX_PRESSURE, "MPa", "Pa"),
    ("time", MAX_TIME, "s", "s"),
    ("force", MAX_FORCE, "N", "N"),
)
_KIND = {"m^3": "volume", "Pa": "pressure", "s": "time", "N": "force"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Inject:
    """Inject through one needle at a set rate until a limit.

    Parameters
    ----------
    needle : str
        Name of the needle.
    rate : float [m³/s]
        Wanted flow rate, at most 0.5 mL/s.
    until : Limit
    pressure_cap : float [Pa], optional
        The syringe pressure is never raised above it: the rate falls instead. Default: the injector's own cap.
    force_cap : float [N], optional
        The same for the force on the plunger.

    Raises
    ------
    CaseError
        If the rate or the cap is not positive or absurd.
    """

    needle: str
    rate: float
    until: Limit
    pressure_cap: float | None = None
    force_cap: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", _positive(self.rate, "inject.rate", MAX_RATE, "ml/s", "m^3/s"))
        if self.pressure_cap is not None:
            cap = _positive(self.pressure_cap, "inject.pressure_cap", MAX_PRESSURE, "MPa", "Pa")
            object.__setattr__(self, "pressure_cap", cap)
        if self.force_cap is not None:
            force = _positive(self.force_cap, "inject.force_cap", MAX_FORCE, "N", "N")
            object.__setattr__(self, "force_cap", force)


@dataclass(frozen=True, kw_only=True, slots=True)
class Wait:
    """Do nothing for a while; the cement goes on curing, a soft syringe goes on pushing.

    Parameters
    ----------
    duration : float [s]
    release : bool
        Pull the plunger back first, so that nothing flows after.

    Raises
    ------
    CaseError
        If the duration is not positive or above an hour.
    """

    duration: float
    release: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "duration", _positive(self.duration, "wait.duration", MAX_TIME, "s", "s"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Retract:
    """Pull a needle back along its axis and leave it there.

    Parameters
    ----------
    needle : str
    distance : float [m]
        At most 100 mm.
    """

    needle: str
    distance: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "distance", _positive(self.distance, "retract.distance", MAX_PULL, "mm", "m"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Stylet:
    """Push what is left in a cannula through with its stylet; without cement in the bore a needle leaves no tail.

    Parameters
    ----------
    needle : str
    rate : float [m³/s]
        Wanted flow rate, at most 0.5 mL/s.
    """

    needle: str
    rate: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", _positive(self.rate, "stylet.rate", MAX_RATE, "ml/s", "m^3/s"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Withdraw:
    """Take a needle out for good.

    Parameters
    ----------
    needle : str
    """

    needle: str


@dataclass(frozen=True, kw_only=True, slots=True)
class FreshBatch:
    """Fill the syringe of a needle with a newly mixed batch; the old cement stays in its cannula.

    Parameters
    ----------
    needle : str
    age : float [s]
        Of the new batch, now; it cannot be mixed in the future.

    Raises
    ------
    CaseError
        If the age is negative or above an hour.
    """

    needle: str
    age: float

    def __post_init__(self) -> None:
        age = parse(self.age, "s", where="batch.age")
        if not 0.0 <= age <= MAX_TIME:
            what = "cement mixed in the future" if age < 0.0 else "cement older than an hour"
            raise CaseError(what, where="batch.age", value=f"{age:g} s", allowed=f"0 to {MAX_TIME:g} s since mixing")
        object.__setattr__(self, "age", age)


Step = Inject | Wait | Stylet | Retract | Withdraw | FreshBatch


def check_schedule(steps: Sequence[Step], needle_names: Iterable[str]) -> None:
    """Check a schedule as a whole.

    Raises
    ------
    CaseError
        If there is no injection, a step names an unknown needle or one that is out already, or the volumes add up to
        more than 20 mL.
    """
    names = tuple(needle_names)
    injections = [step for step in steps if isinstance(step, Inject)]
    if not injections:
        raise CaseError("a schedule without an injection", where="schedule", allowed="at least one inject step")
    out: set[str] = set()
    for number, step in enumerate(steps):
        if isinstance(step, Wait):
            continue
        where = f"schedule[{number}].needle"
        if step.needle not in names:
            raise CaseError("no needle of this name", where=where, value=step.needle, allowed=", ".join(names))
        if step.needle in out:
            raise CaseError("this needle has been withdrawn", where=where, value=step.needle)
        if isinstance(step, Withdraw):
            out.add(step.needle)
    total = sum(step.until.volume or 0.0 for step in injections)
    if total > MAX_VOLUME * (1 + 1e-12):
        raise CaseError(
            "absurd total volume for one level",
            where="schedule",
            value=f"{total / ml:.4g} ml",
            allowed=f"at most {MAX_VOLUME / ml:g} ml",
        )


def _positive(value: float, where: str, high: float, unit: str, dimension: str) -> float:
    number = parse(value, dimension, where=where)
    if not (math.isfinite(number) and 0.0 < number <= high):
        raise CaseError(
            "out of range",
            where=where,
            value=f"{number / UNITS[unit][1]:.6g} {unit}",
            allowed=f"above 0, at most {high / UNITS[unit][1]:g} {unit}",
        )
    return number
