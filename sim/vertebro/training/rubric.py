"""The rubric: rules, bands, points and sources as data (``rubric.yaml``), an unvalidated draft.

>>> rubric = load_rubric()
>>> sum(rule.points for rule in rubric.rules)
100.0
>>> rubric.rule("C3").title
'Wall rule'
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections import Counter
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from vertebro.errors import CaseError, DataError
from vertebro.sources import SOURCES
from vertebro.training.metrics import METRICS

RUBRIC = Path(__file__).parent / "rubric.yaml"
LIMIT = re.compile(r"(>=|<=) (-?\d+(?:\.\d+)?)")


class Piece(BaseModel):
    """Base of the records below."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Measured(Piece):
    """What a metric decides."""

    metric: str

    @field_validator("metric")
    @classmethod
    def _known_metric(cls, name: str) -> str:
        if name not in METRICS:
            raise ValueError(f"no such metric: {name}")
        return name


class Band(Measured):
    """One metric of a rule: all points at `full`, none at `none`, straight in between.

    Attributes
    ----------
    metric : str
        A name of `METRICS`.
    full, none : str
        Limits such as ``">= 2"`` and ``"<= -2"``: the first where everything is well, the second where nothing is.
    """

    full: str
    none: str

    @model_validator(mode="after")
    def _in_order(self) -> Band:
        for text in (self.full, self.none):
            if not LIMIT.fullmatch(text):
                raise ValueError(f"a limit reads like '>= 2' or '<= 0.5', not {text!r}")
        (full, none), rising = self.limits, self.full.startswith(">=")
        if self.none.startswith(">=") == rising or (full > none) != rising:
            raise ValueError(
                f"full {self.full} and none {self.none} are not in order: the middle must lie between them"
            )
        return self

    @property
    def limits(self) -> tuple[float, float]:
        """Values of `full` and `none`."""
        return float(self.full[2:]), float(self.none[2:])

    def score(self, value: float) -> float:
        """0 to 1."""
        full, none = self.limits
        return min(max((value - none) / (full - none), 0.0), 1.0)


class Cited(Piece):
    """What rules and critical errors share."""

    id: str
    sources: tuple[str, ...] = Field(min_length=1)

    @field_validator("sources")
    @classmethod
    def _known(cls, keys: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := sorted(set(keys) - set(SOURCES)):
            raise ValueError(f"no such source: {', '.join(unknown)}")
        return keys


class Rule(Cited):
    """A rule of the rubric; the first letter of its id is its domain."""

    title: str
    points: float = Field(gt=0.0)
    bands: tuple[Band, ...] = Field(min_length=1)
    combine: Literal["mean", "least"] = "mean"
    missing: Literal["skip", "none"]
    say: str
    do: str


class Gate(Cited, Measured):
    """A critical error: the metric above the limit."""

    above: float
    text: str


class Domain(Piece):
    """A group of rules with its weight."""

    name: str
    points: float


class Rubric(Piece):
    """All rules; ids are unique, weights add up to 100, per domain and in all."""

    version: str
    status: str
    domains: dict[str, Domain]
    rules: tuple[Rule, ...]
    critical: tuple[Gate, ...]

    @model_validator(mode="after")
    def _adds_up(self) -> Rubric:
        counts = Counter(entry.id for entry in self.entries)
        if twice := sorted(name for name, count in counts.items() if count > 1):
            raise ValueError(f"more than one rule of the name {', '.join(twice)}")
        if stray := [rule.id for rule in self.rules if rule.id[:1] not in self.domains]:
            raise ValueError(f"rules of no domain: {', '.join(stray)}")
        for key, domain in self.domains.items():
            total = sum(rule.points for rule in self.rules if rule.id.startswith(key))
            if abs(total - domain.points) > 1e-9:
                raise ValueError(f"the rules of domain {key} have {total:g} points, not {domain.points:g}")
        total = sum(domain.points for domain in self.domains.values())
        if abs(total - 100.0) > 1e-9:
            raise ValueError(f"the domains have {total:g} points, not 100")
        return self

    @property
    def entries(self) -> tuple[Rule | Gate, ...]:
        """Rules and critical errors."""
        return (*self.rules, *self.critical)

    def rule(self, name: str) -> Rule | Gate:
        """A rule or a gate by id.

        Raises
        ------
        CaseError
            If there is none.
        """
        for entry in self.entries:
            if entry.id == name:
                return entry
        allowed = ", ".join(entry.id for entry in self.entries)
        raise CaseError("no such rule", where="rule", value=name, allowed=allowed)

    @property
    def digest(self) -> str:
        """Of everything in it."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]


def read_rubric(path: Path) -> Rubric:
    """A rubric from its file.

    Raises
    ------
    DataError
        If it is no YAML, or breaks a rule of `Rubric`; says which entry is wrong and why.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(f"cannot read the rubric: {error}", where=path.name) from None
    try:
        return Rubric.model_validate(data)
    except ValidationError as error:
        faults = "; ".join(f"{_place(data, fault['loc'])}: {fault['msg']}" for fault in error.errors())
        raise DataError(f"a broken rubric: {faults}", where=path.name) from None


def _place(data: Any, place: tuple[int | str, ...]) -> str:
    """Where in the file a fault is, a rule by its id: ``rules C3 points``."""
    words, here = [], data
    for step in place:
        try:
            here = here[step]
        except (KeyError, IndexError, TypeError):
            here = None
        named = isinstance(step, int) and isinstance(here, dict) and "id" in here
        words.append(str(here["id"] if named and here is not None else step))
    return " ".join(words) or "as a whole"


@functools.cache
def load_rubric() -> Rubric:
    """The rubric that comes with the package."""
    return read_rubric(RUBRIC)
