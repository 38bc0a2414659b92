"""Scenarios as data: a patient, what to decide, what to aim for, and the case underneath.

>>> scenario = load_scenario("first-steps")
>>> scenario.case(scenario.seeds[0]).anatomy.level
'L3'
"""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vertebro.errors import SessionError

if TYPE_CHECKING:
    from vertebro.case import Case

FOLDER = Path(__file__).parent / "scenarios"
CHECKLIST = Path(__file__).parent / "checklist.toml"
COMMON = {"heat.enabled": False, "flow.interval": "0.5 s"}


class Part(BaseModel):
    """Base of the records below."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Patient(Part):
    """The record a trainee reads before anything else."""

    age: int
    sex: Literal["female", "male"]
    history: str
    pain: str
    imaging: str
    inr: float
    platelets: int
    allergies: tuple[str, ...] = ()
    drugs: tuple[str, ...] = ()
    diseases: tuple[str, ...] = ()


class Question(Part):
    """A decision before the needle. A wrong answer costs its rule's points, or the case if it is critical."""

    id: str
    rule: Literal["A1", "A2", "A3"]
    text: str
    options: tuple[str, ...]
    right: tuple[str, ...]
    critical: Literal["", "K1", "K2"] = ""
    why: str = ""


class Item(Part):
    """A line of a checklist; `rule` says where it counts."""

    id: str
    rule: Literal["A2", "A3", "G3", "K9"]
    text: str


class Windows(Part):
    """What good looks like in this case. All values are drafts of ours unless the rubric cites a source."""

    volume_ml: tuple[float, float]
    fill: tuple[float, float] = (0.15, 0.30)
    rate_limit_ml_min: float = 5.0
    dap_gy_cm2: float
    minutes: float = 45.0
    symmetry: bool = False
    goal: Literal["both-endplates", "anterior-half"] = "both-endplates"
    contrast: bool = False  # whether the case asks for a contrast test before cement
    largest_total_ml: float = 7.0


class Site(Part):
    """One level to treat: a preset of the case library with its changes."""

    preset: str = "first-injection"
    settings: dict[str, Any] = Field(default_factory=dict)


class Scenario(Part):
    """One training case. `rules`, where given, are those it is scored by: a drill's few, or what a bone can be held to.

    `guidance` says on what the needle is placed; `places` are those where a leak of this bone can be; `variants` are
    settings by seed, for what the generator does not vary by itself.
    """

    id: str
    version: int
    title: str
    difficulty: int = Field(ge=1, le=5)
    teaching: str
    pitfalls: tuple[str, ...] = ()
    seeds: tuple[int, ...] = Field(min_length=1)
    variants: dict[int, dict[str, Any]] = Field(default_factory=dict)
    kind: Literal["case", "drill"] = "case"
    guidance: Literal["fluoroscopy", "ct"] = "fluoroscopy"
    places: tuple[str, ...] = ("canal", "foramen", "vein", "disc", "paravertebral", "track")
    rules: tuple[str, ...] = ()
    patient: Patient
    questions: tuple[Question, ...] = ()
    checklist: tuple[Item, ...] = ()
    windows: Windows
    sites: tuple[Site, ...] = Field(min_length=1)

    def case(self, seed: int, number: int = 0, settings: dict[str, Any] | None = None) -> Case:
        """The simulator's case of one level.

        Parameters
        ----------
        seed : int
            Of the anatomy.
        number : int
            Which of the sites.
        settings : dict, optional
            Further dotted keys, such as a coarser grid for tests.
        """
        from vertebro.case import Case  # the server lists scenarios without it

        site = self.sites[number]
        changes = COMMON | {"seed": seed} | site.settings | self.variants.get(seed, {}) | (settings or {})
        return Case.preset(site.preset).with_settings(changes)

    @property
    def digest(self) -> str:
        """Of everything in it, for the log."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]


def scenario_names() -> tuple[str, ...]:
    """Names of all scenarios, in teaching order."""
    found = [(path.stem, _read(path)) for path in FOLDER.glob("*.toml")]
    return tuple(
        name for name, _ in sorted(found, key=lambda pair: (pair[1].kind != "case", pair[1].difficulty, pair[0]))
    )


def load_scenario(name: str | Scenario) -> Scenario:
    """A scenario by name.

    Raises
    ------
    SessionError
        If there is none of that name.
    """
    if isinstance(name, Scenario):
        return name
    path = FOLDER / f"{name.partition('@')[0]}.toml"
    known = sorted(p.stem for p in FOLDER.glob("*.toml"))
    if path.stem not in known:
        raise SessionError("unknown scenario", where="scenario", value=name, allowed=", ".join(known))
    return _read(path)


def _read(path: Path) -> Scenario:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        data.setdefault("checklist", tomllib.loads(CHECKLIST.read_text(encoding="utf-8"))["checklist"])
        return Scenario.model_validate(data)
    except (ValidationError, tomllib.TOMLDecodeError) as error:
        raise SessionError(f"a broken scenario: {error}", where=str(path.name)) from None
