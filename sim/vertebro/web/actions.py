"""The one table of actions: keys, buttons, help sheet and commands of the page are read from it.

>>> {action.id: action.key for action in ACTIONS}["xray.pedal"]
'Space'
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

FINE, COARSE = 0.5, 5.0  # mm per press along the needle


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
        Sent to the session; None: the page's own business.
    release : dict, optional
        Sent when the key is let go: the action is held.
    repeats : bool
        Whether a held key goes on.
    """

    id: str
    group: str
    label: str
    key: str
    command: dict[str, Any] | None = None
    release: dict[str, Any] | None = None
    repeats: bool = False


def _xray() -> list[Action]:
    group = "X-ray"
    return [
        Action(
            id="xray.pedal", group=group, label="X-ray pedal (hold)", key="Space",
            command={"kind": "pedal", "on": True}, release={"kind": "pedal", "on": False},
        ),
        Action(id="xray.store", group=group, label="Store image", key="s", command={"kind": "store"}),
        Action(id="xray.view", group=group, label="Swing AP / lateral", key="v", command={"kind": "view"}),
        Action(id="xray.faster", group=group, label="More pulses per second", key="]"),
        Action(id="xray.slower", group=group, label="Fewer pulses per second", key="["),
    ]  # fmt: skip


def _carm() -> list[Action]:
    group = "C-arm"

    def turn(name: str, label: str, key: str, **move: float) -> Action:
        return Action(
            id=f"carm.{name}", group=group, label=label, key=key, command={"kind": "carm", **move}, repeats=True
        )

    return [
        turn("lao", "Orbit towards LAO", "q", orbital_deg=-1.0),
        turn("rao", "Orbit towards RAO", "e", orbital_deg=1.0),
        turn("cranial", "Tilt cranial", "r", cranial_deg=1.0),
        turn("caudal", "Tilt caudal", "f", cranial_deg=-1.0),
        turn("head", "Table towards head", "Ctrl+ArrowUp", longitudinal_mm=5.0),
        turn("feet", "Table towards feet", "Ctrl+ArrowDown", longitudinal_mm=-5.0),
        turn("left", "Table towards left", "Ctrl+ArrowLeft", lateral_mm=-5.0),
        turn("right", "Table towards right", "Ctrl+ArrowRight", lateral_mm=5.0),
        turn("up", "Table up", "PageUp", height_mm=5.0),
        turn("down", "Table down", "PageDown", height_mm=-5.0),
        Action(id="carm.close", group=group, label="Close collimator", key="c"),
        Action(id="carm.open", group=group, label="Open collimator", key="Shift+c"),
    ]


def _needle() -> list[Action]:
    group = "Needle"

    def move(name: str, label: str, key: str, kind: str, **fields: float) -> Action:
        return Action(
            id=f"needle.{name}", group=group, label=label, key=key, command={"kind": kind, **fields}, repeats=True
        )

    return [
        move("advance", "Advance 0.5 mm", "ArrowUp", "needle", mm=FINE),
        move("withdraw", "Withdraw 0.5 mm", "ArrowDown", "needle", mm=-FINE),
        move("advance5", "Advance 5 mm", "Shift+ArrowUp", "needle", mm=COARSE),
        move("withdraw5", "Withdraw 5 mm", "Shift+ArrowDown", "needle", mm=-COARSE),
    ]


ACTIONS: tuple[Action, ...] = (*_xray(), *_carm(), *_needle())
