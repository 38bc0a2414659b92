"""What a study asks: a case, what stays fixed, what varies, and the design that turns ranges into members."""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError, model_validator

from vertebro import case_text
from vertebro.case import Case
from vertebro.errors import CaseError
from vertebro.quantity import Record
from vertebro.study import designs
from vertebro.study.designs import Axis

MOST_MEMBERS = 100_000
Value = float | int | str | bool


class Vary(Record):
    """One setting that varies: a list of values, a range, a record that is there or not, or packages of settings."""

    values: tuple[Value, ...] = ()
    """these values, as in a case file ("4 ml", 0.05, "kyphon-hvr")"""
    weights: tuple[Annotated[float, Field(gt=0)], ...] = ()
    """values, choices: how often each comes, relative to the others; absent = equally often"""
    low: Value | None = None
    """range: its lower end, as in a case file"""
    high: Value | None = None
    """range: its upper end"""
    scale: Literal["linear", "log"] = "linear"
    """range: even (or a bell) in the value or in its logarithm"""
    median: Value | None = None
    """range: middle of a bell over the range, as in a case file"""
    sigma: float | None = Field(None, gt=0, le=3)
    """range: width of the bell, its standard deviation over the median; with scale = "log" that of the logarithm"""
    present: float | None = Field(None, gt=0, lt=1)
    """the key is an entry of a list (anatomy.pathology.1): share of the members that have it; later entries keep their
    numbers in the other keys"""
    choices: dict[str, dict[str, Any]] = Field({})
    """the key is a free name: packages of settings that come together, name to dotted case keys"""

    @model_validator(mode="after")
    def _one_form(self) -> Vary:
        ranged = self.low is not None and self.high is not None
        forms = [ranged, bool(self.values), self.present is not None, bool(self.choices)]
        if (self.low is None) != (self.high is None) or sum(forms) != 1:
            empty = [
                name for name in ("values", "choices") if name in self.model_fields_set and not getattr(self, name)
            ]
            raise ValueError(
                f"{' and '.join(empty)} without any entry"
                if empty
                else "give either values = [...] or both low and high, or present, or choices"
            )
        if (self.median is None) != (self.sigma is None) or (self.median is not None and not ranged):
            raise ValueError("a bell needs low, high, median and sigma")
        if self.weights and len(self.weights) != len(self.values or self.choices):
            raise ValueError("weights: one for each of values or choices")
        return self

    @property
    def even(self) -> bool:
        """Nothing but a plain list, as a grid or a list takes it."""
        return bool(self.values or self.choices) and not self.weights


class Study(Record):
    """A study file."""

    title: str = "Untitled study"
    """one line for people"""
    case: str = "first-injection"
    """preset name, or a case file (or folder) relative to the study file"""
    design: Literal["grid", "list", "lhs", "sobol"] = "grid"
    """grid = every combination of the values; list = the first values together, then the second …; lhs = Latin
    hypercube over the ranges; sobol = Saltelli's design for sensitivity indices (samples × (settings + 2) members)"""
    samples: int = Field(64, ge=2, le=65536)
    """lhs, sobol: size of the design; a power of two for sobol"""
    patients: int | Literal["each"] = 1
    """every design point meets this many patients (anatomy and vein seeds); "each" = every member is a new patient"""
    seed: int = Field(1, ge=0, le=2**31 - 1)
    """of the design; patients count up from the case's own seed"""
    keep: Literal["summary", "run"] = "summary"
    """what stays of a member: case, summary and events, or the whole run folder with fields (10 to 60 MB each)"""
    pictures: bool = False
    """take fluoroscopy frames on the way (first-visible times need them)"""
    fixed: dict[str, Value] = Field({}, alias="set")
    """dotted case keys that are the same for all members"""
    vary: dict[str, Vary] = Field({})
    """dotted case keys that vary"""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=True, use_attribute_docstrings=True
    )

    @model_validator(mode="after")
    def _design_fits(self) -> Study:
        if self.patients != "each" and self.patients < 1:
            raise ValueError("patients must be at least 1")
        ranged = [key for key, vary in self.vary.items() if not vary.even]
        if self.design in ("grid", "list") and ranged:
            raise ValueError(
                f"a {self.design} takes values, not ranges, weights or presence ({', '.join(ranged)}); "
                'design = "lhs" takes all'
            )
        if self.design == "list" and len({len(vary.values or vary.choices) for vary in self.vary.values()}) > 1:
            raise ValueError("a list needs equally many values for every setting")
        if self.design == "sobol" and (len(self.vary) < 2 or self.samples & (self.samples - 1)):
            raise ValueError("sobol needs at least two settings and samples = a power of two (64, 128, 256 …)")
        packed = {key for vary in self.vary.values() for settings in vary.choices.values() for key in settings}
        both = sorted((set(self.fixed) | packed) & set(self.vary))
        if both:
            raise ValueError(f"both fixed and varied: {', '.join(both)}")
        return self

    @classmethod
    def parse(cls, data: dict[str, Any], *, where: str = "study") -> Study:
        """Validate plain data.

        Raises
        ------
        CaseError
            Names the key, its value and the cure.
        """
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise _explained(error, where) from None

    @classmethod
    def load(cls, path: str | Path) -> Study:
        """Read a study file.

        Raises
        ------
        CaseError
            If it cannot be read, is no TOML, or says something impossible.
        """
        path = Path(path)
        try:
            data = tomllib.loads(path.read_text(encoding="utf-8"))
        except tomllib.TOMLDecodeError as error:
            raise CaseError(f"not TOML: {error}", where=str(path)) from None
        except (OSError, UnicodeDecodeError) as error:
            raise CaseError(f"cannot read the study file: {error}", where=str(path)) from None
        return cls.parse(data, where=str(path))

    def base_case(self, base: Path | None = None) -> Case:
        """The case with the fixed settings; `base` is the folder that a case file is relative to."""
        path = (base or Path()) / self.case
        known = path.suffix == ".toml" or path.is_dir()
        case = Case.load(path) if known else Case.preset(self.case)
        return _with(case, dict(self.fixed), "set") if self.fixed else case

    def axes(self, base: Path | None = None) -> list[Axis]:
        """The varied settings with ranges in SI; every value and both ends of a range are validated against the case.

        Raises
        ------
        CaseError
            If a key is unknown or a value out of its range.
        """
        case = self.base_case(base)
        return [_axis(case, key, vary) for key, vary in self.vary.items()]

    def case_of(self, case: Case, settings: dict[str, Value]) -> Case:
        """A member's case from the base case: packages first, then values, then records that are not there go."""
        packed = [self.vary[key].choices[str(value)] for key, value in settings.items() if self._form(key) == "choices"]
        given = {key: value for key, value in settings.items() if self._form(key) == "value"}
        gone = [key for key, value in settings.items() if self._form(key) == "present" and not value]
        merged = {key: value for package in packed for key, value in package.items()} | given
        return _without(case.with_settings(merged), gone)

    def _form(self, key: str) -> str:
        vary = self.vary.get(key)
        return "value" if vary is None else "choices" if vary.choices else "present" if vary.present else "value"

    def points(self, base: Path | None = None) -> list[dict[str, Value]]:
        """The design: one dict of settings per point, ranges in SI."""
        axes = self.axes(base)
        if self.design == "grid":
            return designs.grid(axes)
        if self.design == "list":
            return designs.together(axes)
        if self.design == "lhs":
            return designs.latin_hypercube(axes, self.samples, self.seed)
        return designs.saltelli(axes, self.samples, self.seed)

    def members(self, base: Path | None = None) -> list[Member]:
        """Every member in order: design points, and for each its patients.

        Raises
        ------
        CaseError
            If there are too many, or one is impossible.
        """
        case, points = self.base_case(base), self.points(base)
        copies = 1 if self.patients == "each" else self.patients
        if len(points) * copies > MOST_MEMBERS:
            raise CaseError("too many members", where="study", value=len(points) * copies, allowed=f"{MOST_MEMBERS}")
        members = []
        for number in range(len(points) * copies):
            point, copy = divmod(number, copies)
            settings = dict(points[point])
            if "seed" not in settings:
                settings["seed"] = case.seed + (number if self.patients == "each" else copy)
            members.append(Member(number=number, point=point, settings=settings))
        return members

    def cases(self, base: Path | None = None) -> list[Case]:
        """The case of every member, validated."""
        case = self.base_case(base)
        return [self.case_of(case, member.settings) for member in self.members(base)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """One run of a study: its number, its design point, and the settings that make it."""

    number: int
    point: int
    settings: dict[str, Value]

    @property
    def name(self) -> str:
        """Folder name."""
        return f"{self.number:05d}"


def _explained(error: ValidationError, where: str) -> CaseError:
    """The first mistake of a study file in the words of all our errors."""
    first = error.errors()[0]
    loc = first["loc"][:-1] if first["loc"] and first["loc"][-1] in ("float", "int", "str", "bool") else first["loc"]
    place, fields = ".".join(str(part) for part in loc), Vary if first["loc"][:1] == ("vary",) else Study
    message, allowed, value = first["msg"].removeprefix("Value error, "), None, first["input"]
    if first["type"] == "extra_forbidden":
        message = "unknown key"
        allowed = ", ".join(info.alias or name for name, info in fields.model_fields.items())
    elif first["type"] == "model_type" and fields is Vary:
        message, allowed = "no table", "{ values = [...] } or { low = ..., high = ... }"
    return CaseError(
        message,
        where=f"{where}: {place}" if place else where,
        value=None if isinstance(value, dict | Record) else value,
        allowed=allowed,
        hint='see "vertebro sweep --help" for an example',
    )


def _with(case: Case, settings: dict[str, Any], place: str) -> Case:
    """The case with these settings; what is wrong with them is told at their place in the study."""
    try:
        return case.with_settings(settings)
    except CaseError as error:
        key = (error.where or "").removeprefix("--set").lstrip(": ")
        raise CaseError(
            error.message, where=f"{place}.{key}" if key else place, value=error.value, allowed=error.allowed,
            hint=error.hint,
        ) from None  # fmt: skip


def _axis(case: Case, key: str, vary: Vary) -> Axis:
    if vary.values:
        return Axis(key=key, values=tuple(_held(case, key, value) for value in vary.values), weights=vary.weights)
    if vary.choices:
        for name, settings in vary.choices.items():
            _with(case, settings, f"vary.{key}.choices.{name}")
        return Axis(key=key, values=tuple(vary.choices), weights=vary.weights)
    if vary.present is not None:
        _without(case, [key])
        return Axis(key=key, values=(True, False), weights=(vary.present, 1.0 - vary.present))
    return _range(case, key, vary)


def _range(case: Case, key: str, vary: Vary) -> Axis:
    low, high = (_number(case, key, end) for end in (vary.low, vary.high))
    if not low < high or (vary.scale == "log" and low <= 0):
        raise CaseError(
            "an empty range", where=f"vary.{key}", value=(vary.low, vary.high), allowed="low < high (log: above 0)"
        )
    whole, log = isinstance(low, int) and isinstance(high, int), vary.scale == "log"
    if vary.median is None or vary.sigma is None:
        return Axis(key=key, low=float(low), high=float(high), log=log, whole=whole)
    median = float(_number(case, key, vary.median))
    if not low <= median <= high or median == 0:
        raise CaseError(
            "a bell's middle", where=f"vary.{key}", value=vary.median, allowed="between low and high, not 0"
        )
    return Axis(key=key, low=float(low), high=float(high), log=log, median=median, sigma=vary.sigma)


def _entry(here: Any, name: str) -> Any:
    return here[int(name) if name.isdigit() else name]


def _without(case: Case, keys: list[str]) -> Case:
    """The case without these entries of its lists."""
    if not keys:
        return case
    data = case_text.plain(case)
    for key in sorted(keys, key=lambda key: int(key.split(".")[-1]) if key[-1].isdigit() else -1, reverse=True):
        *path, last = key.split(".")
        try:
            entries: Any = functools.reduce(_entry, path, data)
            del entries[int(last)]
        except (KeyError, IndexError, ValueError, TypeError):
            raise CaseError(
                "no such entry of a list", where=f"vary.{key}", value=key, hint="present takes anatomy.pathology.0 …"
            ) from None
    return Case.parse(data, where="study")


def _held(case: Case, key: str, value: Any) -> Any:
    """A value as the validated case holds it: quantities in SI; a table or a list as it was given."""
    changed: Any = _with(case, {key: value}, "vary")
    found = functools.reduce(_part, key.split("."), changed)
    return found if isinstance(found, int | float | str) else value


def _number(case: Case, key: str, value: Any) -> float | int:
    """As `_held`, for the end of a range."""
    found = _held(case, key, value)
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise CaseError("not a number: no range", where=f"vary.{key}", value=value, hint="values = [...] takes texts")
    return found


def _part(here: Any, name: str) -> Any:
    return here[int(name)] if name.isdigit() else getattr(here, name)
