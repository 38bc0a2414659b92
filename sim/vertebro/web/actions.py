"""The one table of what a trainee can do: keys, buttons, help sheet and commands of the page are read from it.

A field of a command may be taken from the read-outs or from the page: ``{"from": "page.needle"}``, and may be moved
from there: ``{"from": "page.target.orbital_deg", "add": 5}``.

>>> {action.id: action.key for action in ACTIONS}["xray.pedal"]
'Space'
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

Command = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Action:
    """One thing a trainee can do.

    Attributes
    ----------
    id, group, label : str
        Name in the page, heading in the help sheet, words.
    key : str
        Default: a letter, a sign, or ``Space``, ``ArrowUp``, ..., with ``Shift+``, ``Ctrl+`` or ``Alt+`` before it.
    command : dict, optional
        Sent to the session; None: the page works it out itself.
    release : dict, optional
        Sent when the key is let go: the action is held.
    repeats : bool
        Whether a held key goes on.
    """

    id: str
    group: str
    label: str
    key: str
    command: Command | None = None
    release: Command | None = None
    repeats: bool = False


def _from(path: str, add: float | None = None) -> dict[str, Any]:
    return {"from": path} if add is None else {"from": path, "add": add}


NEEDLE = _from("page.needle")
PLANE = _from("page.plane")


def _xray() -> list[Action]:
    group = "X-ray"
    down, up = {"kind": "pedal", "down": True}, {"kind": "pedal", "down": False}
    return [
        Action(id="xray.pedal", group=group, label="X-ray pedal (hold)", key="Space", command=down, release=up),
        Action(id="xray.expose", group=group, label="Single picture", key="x", command={"kind": "expose"}),
        Action(id="xray.store", group=group, label="Store picture", key="s", command={"kind": "save", "plane": PLANE}),
        Action(id="xray.mask", group=group, label="Mask for subtraction", key="Shift+u", command={"kind": "mask"}),
        Action(id="xray.subtract", group=group, label="Subtracted / roadmap / plain", key="u"),
        Action(id="xray.faster", group=group, label="More pulses a second", key="]"),
        Action(id="xray.slower", group=group, label="Fewer pulses a second", key="["),
        Action(id="xray.close", group=group, label="Close collimator", key="c"),
        Action(id="xray.open", group=group, label="Open collimator", key="Shift+c"),
        Action(id="xray.magnify", group=group, label="Magnification", key="g"),
    ]


def _arm() -> list[Action]:
    group = "C-arm and table"

    def move(name: str, label: str, key: str, axis: str, add: float) -> Action:
        command = {"kind": "arm", axis: _from(f"page.target.{axis}", add)}
        return Action(id=f"arm.{name}", group=group, label=label, key=key, command=command, repeats=True)

    return [
        Action(id="arm.view", group=group, label="Swing AP / lateral", key="v"),
        Action(id="arm.stop", group=group, label="Stop the motors", key="h", command={"kind": "arm_stop"}),
        move("orbital_down", "Orbital − 2°", "q", "orbital_deg", -2.0),
        move("orbital_up", "Orbital + 2°", "e", "orbital_deg", 2.0),
        move("cranial_up", "Cranial + 2°", "r", "cranial_deg", 2.0),
        move("cranial_down", "Caudal + 2°", "f", "cranial_deg", -2.0),
        move("head", "Table to the head 10 mm", "Ctrl+ArrowUp", "table_longitudinal_mm", 10.0),
        move("feet", "Table to the feet 10 mm", "Ctrl+ArrowDown", "table_longitudinal_mm", -10.0),
        move("left", "Table left 10 mm", "Ctrl+ArrowLeft", "table_lateral_mm", -10.0),
        move("right", "Table right 10 mm", "Ctrl+ArrowRight", "table_lateral_mm", 10.0),
        move("up", "Table up 10 mm", "PageUp", "table_height_mm", 10.0),
        move("down", "Table down 10 mm", "PageDown", "table_height_mm", -10.0),
    ]


def _needle() -> list[Action]:
    group = "Needle"

    def step(name: str, label: str, key: str, kind: str, field: str, add: float) -> Action:
        command = {"kind": kind, "needle": NEEDLE, field: add}
        return Action(id=f"needle.{name}", group=group, label=label, key=key, command=command, repeats=True)

    def act(name: str, label: str, key: str, kind: str) -> Action:
        return Action(id=f"needle.{name}", group=group, label=label, key=key, command={"kind": kind, "needle": NEEDLE})

    return [
        Action(id="needle.other", group=group, label="Other needle", key="n"),
        act("numb", "Local anaesthetic", "l", "anaesthetise"),
        Action(id="needle.place", group=group, label="Aim at the skin; again: puncture", key="p"),
        step("advance", "Advance 0.5 mm", "ArrowUp", "advance", "distance_mm", 0.5),
        step("withdraw", "Pull back 0.5 mm", "ArrowDown", "advance", "distance_mm", -0.5),
        step("advance5", "Advance 5 mm", "Shift+ArrowUp", "advance", "distance_mm", 5.0),
        step("withdraw5", "Pull back 5 mm", "Shift+ArrowDown", "advance", "distance_mm", -5.0),
        step("medial", "Steeper to the midline 1°", "ArrowRight", "rotate", "convergence_deg", 1.0),
        step("lateral", "Away from the midline 1°", "ArrowLeft", "rotate", "convergence_deg", -1.0),
        step("caudal", "Tip caudal 1°", "Shift+ArrowRight", "rotate", "caudal_deg", 1.0),
        step("cranial", "Tip cranial 1°", "Shift+ArrowLeft", "rotate", "caudal_deg", -1.0),
        Action(id="needle.skin_up", group=group, label="Entry cranial 1 mm", key="Alt+ArrowUp", repeats=True),
        Action(id="needle.skin_down", group=group, label="Entry caudal 1 mm", key="Alt+ArrowDown", repeats=True),
        Action(id="needle.skin_left", group=group, label="Entry left 1 mm", key="Alt+ArrowLeft", repeats=True),
        Action(id="needle.skin_right", group=group, label="Entry right 1 mm", key="Alt+ArrowRight", repeats=True),
        act("confirm", "Sits well in two planes", "t", "confirm"),
        act("contrast", "Contrast test 1 ml", "y", "contrast"),
        act("remove", "Take the needle out", "Shift+w", "withdraw"),
    ]


def _cement() -> list[Action]:
    group = "Cement"
    push = {"kind": "inject", "needle": NEEDLE, "rate_ml_min": _from("page.rate")}
    mark = {"kind": "mark_leak", "plane": PLANE, "pixel": _from("page.pixel")}
    return [
        Action(id="cement.mix", group=group, label="Mix cement", key="k", command={"kind": "mix"}),
        Action(
            id="cement.inject", group=group, label="Inject (hold)", key="j", command=push, release={"kind": "stop"}
        ),
        Action(id="cement.faster", group=group, label="Faster", key="+"),
        Action(id="cement.slower", group=group, label="Slower", key="-"),
        Action(id="cement.leak", group=group, label="I see a leak", key="m", command=mark),
        Action(
            id="cement.stylet", group=group, label="Push the rest with the stylet", key="z",
            command={"kind": "stylet", "needle": NEEDLE},
        ),
    ]  # fmt: skip


def _calls() -> list[Action]:
    group = "Patient and help"

    def call(whom: str, label: str, key: str) -> Action:
        return Action(id=f"call.{whom}", group=group, label=label, key=key, command={"kind": "call", "whom": whom})

    return [
        call("analgesia", "More analgesia", "a"),
        call("oxygen", "Oxygen", "o"),
        call("surgeon", "Call spine surgery", "Shift+o"),
        call("emergency", "Emergency call", "Shift+e"),
        Action(id="call.ct", group=group, label="CT sequence", key="b", command={"kind": "ct"}),
        Action(id="call.shot", group=group, label="Quick CT shot at the needle", key="Shift+b"),
    ]


def _screen() -> list[Action]:
    view, session = "Picture", "Session"
    return [
        Action(id="view.invert", group=view, label="Invert", key="i"),
        Action(id="view.reset", group=view, label="Reset view", key="0"),
        Action(id="view.cross", group=view, label="Crosshair at the isocentre", key="Shift+x"),
        Action(id="view.room", group=view, label="CT / X-ray monitors", key="w"),
        Action(id="view.slice_up", group=view, label="CT slice cranial", key="Shift+PageUp", repeats=True),
        Action(id="view.slice_down", group=view, label="CT slice caudal", key="Shift+PageDown", repeats=True),
        Action(id="view.in", group=view, label="Zoom in", key=".", repeats=True),
        Action(id="view.out", group=view, label="Zoom out", key=",", repeats=True),
        Action(id="view.brighter", group=view, label="Level up", key="Alt+PageUp", repeats=True),
        Action(id="view.darker", group=view, label="Level down", key="Alt+PageDown", repeats=True),
        Action(id="view.harder", group=view, label="Narrower window", key="Alt+Home", repeats=True),
        Action(id="view.softer", group=view, label="Wider window", key="Alt+End", repeats=True),
        Action(id="session.pause", group=session, label="Pause / go on", key="F2"),
        Action(id="session.faster", group=session, label="Clock faster", key=">"),
        Action(id="session.slower", group=session, label="Clock slower", key="<"),
        Action(id="session.level", group=session, label="Next level", key="d"),
        Action(id="session.help", group=session, label="This sheet", key="?"),
        Action(id="session.settings", group=session, label="Settings", key="F4"),
        Action(id="session.meter", group=session, label="Latency meter", key="F9"),
        Action(id="session.finish", group=session, label="Finish the procedure", key="F8"),
    ]


ACTIONS: tuple[Action, ...] = (*_xray(), *_arm(), *_needle(), *_cement(), *_calls(), *_screen())


def table() -> list[dict[str, Any]]:
    """The table as plain JSON values."""
    return [asdict(action) for action in ACTIONS]


def held_releases() -> list[Command]:
    """What is sent when nobody holds anything any more."""
    return [dict(action.release) for action in ACTIONS if action.release is not None]


def help_text() -> str:
    """The help sheet for a terminal."""
    lines: list[str] = []
    for group in dict.fromkeys(action.group for action in ACTIONS):
        lines += ["", group]
        lines += [f"  {action.key:<18} {action.label}" for action in ACTIONS if action.group == group]
    return "\n".join(lines[1:])
