"""What hands can do in the window of `vertebro.view.look`: a time slider, a box per layer, keys."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from vertebro.view import theme
from vertebro.view.look import BOX, HELP, PLANES, STEP, known_colours
from vertebro.view.scene import VIEWS

if TYPE_CHECKING:
    from vertebro.view.look import Look

OURS = (*"1234567", "c", "p")
MOVE = 1e-3  # m, of the slice plane per key press


def add_controls(look: Look) -> None:
    """Put all controls into a scene's plotter."""
    slider = _time_slider(look)
    _boxes(look)
    for key, act in key_bindings(look, slider).items():
        look.plotter.add_key_event(key, act)
    _silence(look)
    look.plotter.add_text(HELP, position="lower_right", font_size=9, color=theme.MUTED, name="help", render=False)


def _silence(look: Look) -> None:
    """VTK has its own meanings for some of our keys (p frames what lies under the pointer, 3 is stereo): none here."""
    interactor = look.plotter.iren.interactor

    def forget(*_: object) -> None:
        if interactor.GetKeyCode() in OURS:
            interactor.SetKeyCode(chr(0))

    interactor.AddObserver("CharEvent", forget, 10.0)


def key_bindings(look: Look, moved: Callable[[], None] = lambda: None) -> dict[str, Callable[[], None]]:
    """What each key does; `moved` is called when a key has changed the time."""

    def then_draw(act: Callable[[], object]) -> Callable[[], None]:
        def both() -> None:
            act()
            moved()
            look.plotter.render()

        return both

    keys: dict[str, Callable[[], object]] = {
        str(number): partial(look.look_from, view) for number, view in enumerate(VIEWS, start=1)
    }
    keys["c"] = lambda: look.colour_by(_next(known_colours(look.run), look.shades.name))
    keys["p"] = lambda: look.cut(_next(PLANES, look.plane))
    keys["bracketleft"] = lambda: look.cut(look.plane, move=-MOVE)
    keys["bracketright"] = lambda: look.cut(look.plane, move=MOVE)
    keys["comma"] = lambda: look.at(_beside(look, -1))
    keys["period"] = lambda: look.at(_beside(look, 1))
    return {key: then_draw(act) for key, act in keys.items()}


def _next(names: tuple[str, ...], now: str) -> str:
    return names[(names.index(now) + 1) % len(names)]


def _beside(look: Look, step: int) -> float:
    """The recorded time before or after the one shown."""
    times = look.run.times
    place = min(max(look.run.index_at(look.time) + step, 0), len(times) - 1)
    return float(times[place])


def _time_slider(look: Look) -> Callable[[], None]:
    """A slider over the run; returns what moves its knob to the time shown."""
    times = look.run.times
    if len(times) < 2:
        return lambda: None
    widget = look.plotter.add_slider_widget(
        look.at, (float(times[0]), float(times[-1])), value=look.time, title="", pointa=(0.3, 0.07),
        pointb=(0.7, 0.07), color=theme.INK, style="modern", fmt="%.0f s", interaction_event="always",
    )  # fmt: skip

    def follow() -> None:
        widget.GetRepresentation().SetValue(look.time)

    return follow


def _boxes(look: Look) -> None:
    """A check box and its word for every layer that the run has, upwards from the lower left."""
    present = [name for name in look.actors if look.actors[name] or name in ("cement", "leaks")]
    for number, name in enumerate(present):
        low = 70 + number * STEP
        look.plotter.add_checkbox_button_widget(
            partial(look.layer, name), value=look.shown[name], position=(12.0, float(low)), size=BOX, border_size=2,
            color_on=theme.ACCENT, color_off="white", background_color=theme.MUTED,
        )  # fmt: skip
        look.plotter.add_text(
            name, position=(12 + BOX + 8, low - 1), font_size=9, color=theme.INK, name=f"box {name}", render=False
        )
