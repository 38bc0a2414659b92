"""The whole input of a simulation as one frozen record; TOML in and out, exactly.

>>> case = Case.preset("first-injection")
>>> case.needles[0].gauge
11
>>> Case.loads(case.dumps()) == case
True
"""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from vertebro import case_text
from vertebro.case_anatomy import AnatomyInput
from vertebro.case_imaging import ImagingInput
from vertebro.case_leakage import LeakageInput
from vertebro.errors import CaseError
from vertebro.quantity import Record, Within


class MarrowInput(Record):
    """The fluid that cement displaces. Its resistance is the most important unknown (physics.md 3.4, 7.9)."""

    viscosity: Annotated[float, Within("Pa.s", 0.004, 100, "zhong2011")] = 0.05
    """Newtonian viscosity; liquid marrow at 37 degC 0.04-0.15, intact tissue may act like 1-50"""
    yield_stress: Annotated[float, Within("Pa", 0, 1000, "papanastasiou1987")] = 0.0
    """stress below which marrow creeps like a soft solid; 0 is a liquid; viscosity then is its consistency"""
    flow_index: Annotated[float, Within("1", 0.2, 1, "papanastasiou1987")] = 1.0
    """index of the yield-stress form; 1 is a Bingham fluid"""
    residual: Annotated[float, Within("1", 0, 0.3, "vertebro")] = 0.0
    """share of the marrow that stays behind the front"""


class CementInput(Record):
    """Which cement, and how old it is when the clock of the schedule starts."""

    preset: str = "generic-medium"
    """card name: generic-low, generic-medium, generic-high, kyphon-hvr … (vertebro explain cement.kyphon-hvr)"""
    age_at_start: Annotated[float, Within("min", 0, 60, "vertebro")] = 240.0
    """time since mixing at schedule time zero"""
    temperature: Annotated[float, Within("degC", 0, 60, "iso5833")] = 296.15
    """temperature the cement cures at until it is injected"""
    rheology: Literal["card", "carreau", "power-law"] = "card"
    """law of shear thinning; card = as the cement's card says"""
    yield_stress: Annotated[float, Within("Pa", 0, 500, "papanastasiou1987")] | None = None
    """of the cement at its card's anchor age, grows with the viscosity; absent = as the card says"""
    shear_factor: Literal["capillary", "cannella"] = "capillary"
    """from Darcy velocity to shear rate in the pores; cannella thins four times as much (physics.md 4.1)"""


class DeliveryInput(Record):
    """Syringe, drive and cannula of all needles."""

    syringe: Literal[1, 3, 5] = 3
    """nominal volume [ml]; a small bore turns the same force into more pressure"""
    drive: Literal["hand", "screw"] = "hand"
    """hand = at most 250 N on the plunger; screw = hydraulic or screw injector, at most 2000 N"""
    force: Annotated[float, Within("N", 1, 2000, "krebs2005")] | None = None
    """largest plunger force; absent = 200 N by hand, 1000 N by screw"""
    compliance: Annotated[float, Within("ml/MPa", 0, 2, "vertebro")] = 0.0
    """volume that syringe and air give way per pressure; cement then flows on after the plunger stops"""
    primed: bool = True
    """cannula full at the start; false = its dead volume must be pushed in before anything comes out"""
    tissue_temperature: Annotated[float, Within("degC", 0, 60, "vertebro")] = 310.15
    """of the inserted part of the cannula; cement that dwells there cures faster"""

    @model_validator(mode="after")
    def _the_drive_has_the_force(self) -> DeliveryInput:
        if self.force is None:
            return self
        from vertebro.procedure.injector import DRIVES  # brings half of scipy, which most cases need not wait for

        most = DRIVES[self.drive].high
        if self.force > most:
            hint = 'drive = "screw" pushes up to 2000 N' if self.drive == "hand" else "2000 N is what a screw can do"
            facts = {"allowed": f"1 to {most:g} N", "hint": hint, "value": f"{self.force:g} N", "key": "force"}
            raise PydanticCustomError("beyond_drive", f"force beyond a {self.drive}", facts)
        return self


class NeedleInput(Record):
    """One needle. Either an approach computed from the anatomy, or entry and tip points."""

    name: str = Field("left", pattern=r"^[a-z0-9_-]{1,24}$")
    """how the schedule calls it"""
    approach: Literal[
        "transpedicular",
        "parapedicular",
        "posterolateral",
        "anterolateral",
        "short-axis",
        "long-axis",
        "acetabular",
        "acetabular-posterior",
        "points",
    ] = "transpedicular"
    """posterolateral = beside the pedicle (lumbar); anterolateral = from the front of the neck; sacrum: short-axis,
    long-axis; hip bone: acetabular, acetabular-posterior; points = entry and tip below"""
    side: Literal["left", "right"] = "left"
    """side the needle comes from"""
    gauge: Literal[8, 10, 11, 13, 15] = 11
    """8, 10, 11, 13 or 15"""
    opening: Literal["end", "side"] = "end"
    """end = at the tip; side = two holes across the shaft just behind a closed tip"""
    depth: Annotated[float, Within("1", 0.3, 0.95, "jp_tech")] = 0.7
    """tip depth in the body: 0 = posterior wall, 1 = anterior wall; the usual target is the anterior third"""
    lateral: Annotated[float, Within("mm", -15, 20, "openrad")] = 0.0
    """where the tip aims beside the midline, positive towards the needle's own side; 0 for a single needle"""
    entry: tuple[float, float, float] | None = None
    """points only: skin entry [mm] as right, anterior, superior of the body centre"""
    tip: tuple[float, float, float] | None = None
    """points only: tip [mm]"""

    @model_validator(mode="after")
    def _points_come_in_pairs(self) -> NeedleInput:
        given = self.entry is not None and self.tip is not None
        if (self.approach == "points") != given:
            raise ValueError('approach = "points" needs entry and tip, the other approaches take neither')
        return self


class StepInput(Record):
    """One step of the schedule."""

    do: Literal["inject", "wait", "stylet", "retract", "withdraw", "batch"] = "inject"
    """inject, wait, stylet (push the cannula empty), retract (pull back a little), withdraw (take out), batch (freshly
    mixed cement in the syringe)"""
    needle: str = "left"
    """which needle (not for wait)"""
    control: Literal["rate", "force"] = "rate"
    """inject: the plunger keeps a rate, or a force"""
    rate: Annotated[float, Within("ml/min", 0.05, 30, "vertebro")] = 5e-8
    """inject, stylet: flow rate; under force control it is whatever the force drives"""
    volume: Annotated[float, Within("ml", 0.05, 20, "vertebro")] | None = 4e-6
    """inject: stop after this volume has left the tip"""
    pressure: Annotated[float, Within("MPa", 0.01, 10, "krebs2005")] = 2.0e6
    """inject: highest syringe pressure of the hand; above it the rate falls"""
    force: Annotated[float, Within("N", 1, 2000, "krebs2005")] | None = None
    """inject: highest plunger force; above it the rate falls; the force kept under force control"""
    until_pressure: Annotated[float, Within("MPa", 0.01, 10, "krebs2005")] | None = None
    """inject: stop when the wanted rate would need more than this at the syringe"""
    until_force: Annotated[float, Within("N", 1, 2000, "krebs2005")] | None = None
    """inject: stop when the wanted rate would need more than this on the plunger"""
    duration: Annotated[float, Within("s", 0.1, 3600, "vertebro")] = 600.0
    """wait: how long; inject: give up after"""
    release: bool = False
    """wait: pull the plunger back first, so that no cement flows after"""
    distance: Annotated[float, Within("mm", 0.5, 100, "vertebro")] = 5e-3
    """retract: how far"""
    age: Annotated[float, Within("min", 0, 60, "vertebro")] = 180.0
    """batch: time since its mixing; no batch comes from the future"""

    @model_validator(mode="after")
    def _force_control_has_a_force(self) -> StepInput:
        if self.control == "force" and self.force is None:
            raise ValueError('control = "force" needs a force, such as force = "150 N"')
        return self


class FlowInput(Record):
    """Numerics of the flow engine."""

    mode: Literal["two-phase", "cement-only"] = "two-phase"
    """cement-only is faster but blind to viscosity (physics.md 7.9): not for leakage"""
    relative_permeability: Literal["piston", "corey2"] = "piston"
    """piston = sharp front"""
    interval: Annotated[float, Within("s", 0.1, 30, "vertebro")] = 5.0
    """time between looks at limits and leaks"""
    tolerance: Annotated[float, Within("1", 1e-12, 1e-3, "vertebro")] = 1e-4
    """relative residual of the pressure solve; volumes balance to round-off whatever it is"""


class HeatInput(Record):
    """The heat of curing (physics.md 2): temperature, cure, thermal dose. The cement comes at `cement.temperature`."""

    enabled: bool = True
    """follow temperature and cure during the injection and afterwards until the cement has set"""
    body_temperature: Annotated[float, Within("degC", 0, 60, "belkoff2003")] = 310.15
    """of the patient, or of the bath around a specimen"""
    marrow_perfusion: Annotated[float, Within("ml/min/100g", 0, 30, "marrow_dce")] = 1e-6
    """blood through the marrow; 17.6 in young adults, 5-8 beyond 50 years, 0 in a specimen"""
    soft_perfusion: Annotated[float, Within("ml/min/100g", 0, 60, "vertebro")] = 5e-7
    """blood through muscle, fat and the canal; 0 in a specimen"""
    bone_conductivity: Annotated[float, Within("W/m/K", 0.2, 2, "cortical_heat")] = 0.7
    """of solid bone tissue"""
    marrow_conductivity: Annotated[float, Within("W/m/K", 0.15, 0.65, "cancellous_heat")] = 0.244
    """of marrow; cancellous bone then conducts 0.29"""
    boiling_point: Annotated[float, Within("degC", 100, 200, "belkoff2003")] = 385.65
    """where monomer that has not cured boils and holds the temperature; pure 100.5, nobody measured above 113"""
    follow_up: Annotated[float, Within("min", 0, 120, "vertebro")] = 1800.0
    """longest time after the schedule; it ends earlier when the cement has set and is below 45 degC"""
    bone_dose: Annotated[float, Within("min", 1, 300, "eriksson1983")] = 960.0
    """CEM43 from which bone counts as damaged; 16 min is 47 degC for one minute"""
    nerve_dose: Annotated[float, Within("min", 0.5, 60, "yarmolenko2011")] = 120.0
    """CEM43 in the canal or a foramen that is an event"""


class Case(Record):
    """Everything that decides a run. Frozen; `replace` makes variants."""

    schema_version: Literal[1] = Field(1, alias="schema")
    """version of this format"""
    title: str = "Untitled"
    """one line for people"""
    seed: int = Field(1, ge=0, le=2**31 - 1)
    """seeds the anatomy and the image noise"""
    anatomy: AnatomyInput = AnatomyInput()
    marrow: MarrowInput = MarrowInput()
    cement: CementInput = CementInput()
    delivery: DeliveryInput = DeliveryInput()
    needles: tuple[NeedleInput, ...] = Field((NeedleInput(),), min_length=1, max_length=4)
    steps: tuple[StepInput, ...] = Field((StepInput(),), min_length=1, max_length=100)
    heat: HeatInput = HeatInput()
    flow: FlowInput = FlowInput()
    leakage: LeakageInput = LeakageInput()
    imaging: ImagingInput = ImagingInput()

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=True, use_attribute_docstrings=True
    )

    @model_validator(mode="after")
    def _names_meet(self) -> Case:
        names = [needle.name for needle in self.needles]
        if len(set(names)) < len(names):
            raise ValueError(f"needle names repeat: {names}")
        return self

    @classmethod
    def parse(cls, data: dict[str, Any], *, where: str = "case") -> Case:
        """Validate plain data.

        Raises
        ------
        CaseError
            Names the dotted key, its value, what is allowed and the cure.
        """
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise _explain(error, where) from None

    @classmethod
    def loads(cls, text: str, *, where: str = "case") -> Case:
        """Read a TOML text; raises `CaseError` with the line if it is no TOML."""
        try:
            data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise CaseError(
                f"not TOML: {error}", where=where, hint="vertebro new PRESET prints a complete case"
            ) from None
        return cls.parse(data, where=where)

    @classmethod
    def load(cls, path: str | Path) -> Case:
        """Read a case file (or the ``case.toml`` of a case or run folder)."""
        path = Path(path)
        if path.is_dir():
            path = path / "case.toml"
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CaseError(
                f"cannot read the case file: {error}", where=str(path), hint="vertebro new PRESET > case.toml"
            ) from None
        return cls.loads(text, where=str(path))

    @classmethod
    def preset(cls, name: str) -> Case:
        """A case of the library (`vertebro cases`)."""
        from vertebro.cases import CASES

        if name not in CASES:
            raise CaseError(
                "unknown case", where="preset", value=name, allowed=", ".join(CASES), hint=_closest(name, list(CASES))
            )
        return cls.parse(CASES[name], where=name)

    def dumps(self) -> str:
        """The complete case as commented TOML that `loads` reads back to an equal case."""
        return case_text.dumps(self)

    def save(self, path: str | Path) -> None:
        """Write `dumps` to a file."""
        Path(path).write_text(self.dumps(), encoding="utf-8")

    def replace(self, **settings: Any) -> Case:
        """A variant: dotted keys with ``__`` for the dot, e.g. ``replace(cement__age_at_start="6 min")``."""
        return self.with_settings({key.replace("__", "."): value for key, value in settings.items()})

    def with_settings(self, settings: dict[str, Any]) -> Case:
        """A variant: dotted keys to values, e.g. ``{"needles.0.gauge": 13, "steps.0.volume": "6 ml"}``."""
        data = case_text.plain(self)
        for key, value in settings.items():
            _put(data, key, value)
        return Case.parse(data, where="--set")


def _put(data: Any, key: str, value: Any) -> None:
    *parents, last = key.split(".")
    here = data
    for name in parents:
        here = _child(here, name, key)
    if isinstance(here, list):
        index = _index(here, last, key)
        here[index] = value
    elif isinstance(here, dict):
        here[last] = value
    else:
        raise CaseError("no such key", where=key, hint="dotted keys as in the case file, e.g. needles.0.gauge")


def _child(here: Any, name: str, key: str) -> Any:
    if isinstance(here, list):
        return here[_index(here, name, key)]
    if isinstance(here, dict) and name in here:
        return here[name]
    names = list(here) if isinstance(here, dict) else []
    raise CaseError("unknown key", where=key, value=name, allowed=", ".join(names), hint=_closest(name, names))


def _index(here: list[Any], name: str, key: str) -> int:
    if not name.isdigit() or int(name) >= len(here):
        raise CaseError("no such entry", where=key, value=name, allowed=f"0 to {len(here) - 1}")
    return int(name)


def _explain(error: ValidationError, where: str) -> CaseError:
    # an entry that failed leaves its tuple short: pydantic reports that again, people need not see it
    faults = [fault for fault in error.errors() if fault["type"] != "too_short"] or error.errors()
    first = faults[0]
    context = first.get("ctx") or {}
    place = ".".join(str(part) for part in (*first["loc"], *([context["key"]] if "key" in context else [])))
    allowed = context.get("allowed") or context.get("expected") or context.get("expected_tags")
    hint = context.get("hint", "vertebro new first-injection prints every key with its unit and range")
    message = first["msg"].removeprefix("Value error, ")
    if first["type"].startswith("union_tag"):
        message, place = "a kind of record that does not exist", f"{place}.kind"
        hint = _closest(str(context.get("tag", "")), re.findall(r"'([^']*)'", str(allowed))) or hint
    if first["type"] == "extra_forbidden":
        known = _known_keys(first["loc"])
        message, allowed = "unknown key", ", ".join(known)
        hint = _closest(str(first["loc"][-1]), known) or hint
    value = None if isinstance(first["input"], dict) or first["type"] == "missing" else first["input"]
    value = context.get("value", None if isinstance(value, BaseModel) else value)
    more = len(faults) - 1
    if more:
        message += f" (and {more} more)"
    return CaseError(message, where=f"{where}: {place}" if place else where, value=value, allowed=allowed, hint=hint)


def _known_keys(place: tuple[int | str, ...]) -> list[str]:
    model: Any = Case
    for part in place[:-1]:
        if isinstance(part, int):
            continue
        if isinstance(model, dict):  # one of several kinds of record: pydantic names the kind in the place
            model = model[part]
            continue
        annotation = model.model_fields[part].annotation
        model = (
            annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else annotation.__args__[0]
        )
        kinds = getattr(getattr(model, "__origin__", None), "__args__", None)
        if kinds:
            model = {kind.model_fields["kind"].default: kind for kind in kinds}
    if isinstance(model, dict):
        return ["kind"]
    return [field.alias or name for name, field in model.model_fields.items()]


def _closest(name: str, names: list[str]) -> str | None:
    close = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {close[0]!r}?" if close else None
