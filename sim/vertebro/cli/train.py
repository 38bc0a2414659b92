"""``vertebro train``: the trainer in the browser."""

from __future__ import annotations

import sys
import webbrowser
from typing import Annotated

import typer

from vertebro.cli.output import NOTICE


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command("train")(train)


def train(
    scenario: Annotated[str | None, typer.Argument(help="Training case; without it the page lets you choose.")] = None,
    port: Annotated[int, typer.Option("--port", help="Port to listen at; 0 takes a free one.")] = 0,
    host: Annotated[str, typer.Option("--host", help="Address to listen at; others need --token.")] = "127.0.0.1",
    token: Annotated[str | None, typer.Option("--token", help="Secret in the address, of your own choice.")] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the address.")] = False,
    mode: Annotated[str, typer.Option("--mode", help="coach: hints that fade; exam: silent.")] = "coach",
    seed: Annotated[int | None, typer.Option("--seed", help="Anatomy; default: the case's first one.")] = None,
) -> None:
    """Practise the procedure in the browser: C-arm, needle, cement, leaks, debrief."""
    import uvicorn

    from vertebro.web.catalogue import catalogue
    from vertebro.web.server import Trainer, check_choice, check_exposure, create_app, listen

    cases = catalogue()
    check_choice(cases, scenario or cases[0]["name"], mode)
    secret = check_exposure(host, token)
    bound = listen(host, port)
    trainer = Trainer(cases, default_mode=mode)
    if scenario is None:
        trainer.await_choice()
    else:
        trainer.begin(scenario, seed, mode)
    address = f"http://{f'[{host}]' if ':' in host else host}:{bound.getsockname()[1]}/?token={secret}"
    sys.stdout.write(f"{address}\n")
    sys.stdout.flush()
    sys.stderr.write(f"{NOTICE}\nThe trainer runs until Ctrl+C.\n")
    if not no_browser:
        webbrowser.open(address)
    app = create_app(trainer, token=secret, hosts=[host])
    uvicorn.Server(uvicorn.Config(app, log_level="warning", ws_max_size=65536)).run(sockets=[bound])
