"""``vertebro look``: a run in 3-D, in a window or as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vertebro.cli.output import JsonOption, emit
from vertebro.errors import CaseError

KINDS = (".png", ".jpg", ".jpeg")


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("look")(look)


def look(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")],
    time: Annotated[float | None, typer.Option("--at", help="Schedule time [s]; default: the end.")] = None,
    colour: Annotated[
        str, typer.Option(help="What the cement's colour says: time, age, temperature, cure or plain.")
    ] = "time",
    view: Annotated[
        str, typer.Option(help="posterior-oblique, anterior-oblique, lateral, anterior, posterior, superior or prone.")
    ] = "posterior-oblique",
    planes: Annotated[list[str] | None, typer.Option("--slice", help="axial, sagittal or coronal; may repeat.")] = None,
    screenshot: Annotated[Path | None, typer.Option(help="Draw a picture into this file instead (.png, .jpg).")] = None,
    as_json: JsonOption = False,
) -> None:
    """Turn a run in 3-D: time slider, layers, cement colour, slice planes. Needs a screen, or --screenshot."""
    from vertebro.view.gl import screen_available

    if screenshot is not None and screenshot.suffix.lower() not in KINDS:
        raise CaseError("unknown kind of file", where="--screenshot", value=str(screenshot), allowed=", ".join(KINDS))
    if screenshot is None and not screen_available():
        from vertebro.view.look import no_screen

        raise no_screen()
    from vertebro.record import Run

    run = Run.load(folder)
    if screenshot is None:
        from vertebro.view.look import open_scene

        window = open_scene(run, time=time, colour=colour, off_screen=False).look_from(view)
        for plane in planes or ():
            window.cut(plane)
        window.show()
        return
    from vertebro.view.scene import draw_scene

    picture = draw_scene(run, screenshot, view=view, time=time, colour=colour, slices=tuple(planes or ()))
    size = {"width": picture.shape[1], "height": picture.shape[0]}
    emit({"file": str(screenshot), "at_s": time, "view": view, "colour": colour, **size}, str(screenshot), as_json)
