"""What a trainee can do: frozen records, told apart by their `kind`.

>>> parse_action({"kind": "advance", "needle": "left", "distance_mm": 5})
Advance(kind='advance', needle='left', distance_mm=5.0)
>>> sorted(ACTIONS)[:3]
['advance', 'anaesthetise', 'answer']
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from vertebro.errors import SessionError

Name = Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,24}$")]
Plane = Literal["ap", "lateral"]
Point = tuple[float, float, float]


class Act(BaseModel):
    """Any action. Angles in degrees, lengths in millimetres, volumes in millilitres: what the controls show."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class MoveArm(Act):
    """Send the C-arm or the table somewhere; what is left out stays. Takes as long as the slowest motor."""

    kind: Literal["arm"] = "arm"
    orbital_deg: float | None = None
    cranial_deg: float | None = None
    table_lateral_mm: float | None = None
    table_height_mm: float | None = None
    table_longitudinal_mm: float | None = None
    magnification: int | None = Field(None, ge=0, le=2)


class StopArm(Act):
    """Stop the C-arm where it is."""

    kind: Literal["arm_stop"] = "arm_stop"


class Collimate(Act):
    """Opening of the shutters at the isocentre; 0 by 0 opens them fully."""

    kind: Literal["collimate"] = "collimate"
    width_mm: float = Field(ge=0, le=400)
    height_mm: float = Field(ge=0, le=400)


class PulseRate(Act):
    """Pulses a second of fluoroscopy."""

    kind: Literal["pulse_rate"] = "pulse_rate"
    rate: float

    @field_validator("rate")
    @classmethod
    def _of_the_machine(cls, rate: float) -> float:
        if rate not in (3.0, 7.5, 15.0):
            raise ValueError("the machine makes 3, 7.5 or 15 pulses a second")
        return rate


class Pedal(Act):
    """X-ray pedal down or up."""

    kind: Literal["pedal"] = "pedal"
    down: bool


class Expose(Act):
    """One single picture."""

    kind: Literal["expose"] = "expose"


class SaveImage(Act):
    """Store the picture of a plane."""

    kind: Literal["save"] = "save"
    plane: Plane = "ap"


class TakeMask(Act):
    """Expose the mask of this view for subtraction: four pictures, averaged."""

    kind: Literal["mask"] = "mask"


class Subtract(Act):
    """Show what came in since the mask (dsa), or the vessels of that run over live pictures (roadmap), or neither."""

    kind: Literal["subtract"] = "subtract"
    mode: Literal["off", "dsa", "roadmap"] = "dsa"


class Anaesthetise(Act):
    """Local anaesthetic along a needle's way, at the periosteum most; without numbers along the planned way."""

    kind: Literal["anaesthetise"] = "anaesthetise"
    needle: Name = "left"
    line_mm: tuple[Point, Point] | None = None
    entry_mm: tuple[float, float] | None = None
    convergence_deg: float | None = None
    caudal_deg: float | None = None


class Place(Act):
    """Needle on the skin. Entry: right and superior of the body's middle, or a pixel of the held AP picture; or a line
    drawn on the CT, from the skin to a target."""

    kind: Literal["place"] = "place"
    needle: Name = "left"
    line_mm: tuple[Point, Point] | None = None
    entry_mm: tuple[float, float] | None = None
    pixel: tuple[float, float] | None = None
    convergence_deg: float = Field(0.0, ge=-60, le=60)
    caudal_deg: float = Field(0.0, ge=-60, le=60)
    gauge: Literal[8, 10, 11, 13, 15] | None = None


class Rotate(Act):
    """Turn a needle about its entry, or about where it enters bone."""

    kind: Literal["rotate"] = "rotate"
    needle: Name = "left"
    convergence_deg: float = Field(0.0, ge=-30, le=30)
    caudal_deg: float = Field(0.0, ge=-30, le=30)


class Advance(Act):
    """Needle forward along its axis; a negative distance pulls it back."""

    kind: Literal["advance"] = "advance"
    needle: Name = "left"
    distance_mm: float = Field(ge=-100, le=60)


class Withdraw(Act):
    """Take a needle out."""

    kind: Literal["withdraw"] = "withdraw"
    needle: Name = "left"


class Confirm(Act):
    """Say that a needle sits well, having looked in two planes."""

    kind: Literal["confirm"] = "confirm"
    needle: Name = "left"


class Contrast(Act):
    """Contrast agent through a needle."""

    kind: Literal["contrast"] = "contrast"
    needle: Name = "left"
    volume_ml: float = Field(1.0, gt=0, le=5)


class Mix(Act):
    """Mix cement."""

    kind: Literal["mix"] = "mix"
    preset: str | None = None


class Inject(Act):
    """Push the plunger at a rate until `stop`; again with another rate changes it."""

    kind: Literal["inject"] = "inject"
    needle: Name = "left"
    rate_ml_min: float = Field(3.0, gt=0, le=30)


class Stop(Act):
    """Stop injecting and let the pressure off the syringe."""

    kind: Literal["stop"] = "stop"


class Stylet(Act):
    """Push what is left in a cannula through with its stylet."""

    kind: Literal["stylet"] = "stylet"
    needle: Name = "left"


class Wait(Act):
    """Let time pass; hands stay where they are."""

    kind: Literal["wait"] = "wait"
    seconds: float = Field(gt=0, le=3600)


class CtSlice(Act):
    """CT through a needle's tip, or a point (right, anterior, superior of the body's middle): a sequence, or a shot."""

    kind: Literal["ct"] = "ct"
    centre_mm: Point = (0.0, 0.0, 0.0)
    needle: Name | None = None
    mode: Literal["sequence", "shot"] = "sequence"


class MarkLeak(Act):
    """I see a leak."""

    kind: Literal["mark_leak"] = "mark_leak"
    plane: Plane | None = None
    pixel: tuple[float, float] | None = None
    place: str | None = Field(None, max_length=40)


class Level(Act):
    """Bring another level of the scenario into the beam."""

    kind: Literal["level"] = "level"
    level: str = Field(max_length=8)


class Answer(Act):
    """Answer to a question of the scenario."""

    kind: Literal["answer"] = "answer"
    question: Name
    answer: str = Field(max_length=200)


class Check(Act):
    """Tick an item of a checklist."""

    kind: Literal["check"] = "check"
    item: Name


class Call(Act):
    """Ask for help: oxygen, surgeon, emergency team."""

    kind: Literal["call"] = "call"
    whom: Literal["oxygen", "emergency", "surgeon", "analgesia"]


class Report(Act):
    """Leaks read on the final pictures, before the truth is shown."""

    kind: Literal["report"] = "report"
    leaks: tuple[Literal["canal", "foramen", "vein", "disc", "joint", "paravertebral", "track"], ...] = ()


class Finish(Act):
    """The end."""

    kind: Literal["finish"] = "finish"


Action = Annotated[
    MoveArm
    | StopArm
    | Collimate
    | PulseRate
    | Pedal
    | Expose
    | SaveImage
    | TakeMask
    | Subtract
    | Anaesthetise
    | Place
    | Rotate
    | Advance
    | Withdraw
    | Confirm
    | Contrast
    | Mix
    | Inject
    | Stop
    | Stylet
    | Wait
    | CtSlice
    | MarkLeak
    | Level
    | Answer
    | Check
    | Call
    | Report
    | Finish,
    Field(discriminator="kind"),
]
_ADAPTER: TypeAdapter[Act] = TypeAdapter(Action)
ACTIONS: dict[str, type[Act]] = {kind.model_fields["kind"].default: kind for kind in Act.__subclasses__()}


def parse_action(data: Act | dict[str, Any]) -> Act:
    """An action from plain data.

    Raises
    ------
    SessionError
        If the kind is unknown or a field is wrong.
    """
    if isinstance(data, Act):
        return data
    try:
        return _ADAPTER.validate_python(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "kind"
        raise SessionError(
            f"this is no action: {first['msg']}",
            where=f"action.{where}",
            value=data,
            allowed=", ".join(sorted(ACTIONS)),
        ) from None
