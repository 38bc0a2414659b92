"""How commands talk: one JSON object or text on stdout, progress and errors on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from vertebro.errors import VertebroError

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
NOTICE = "Education and research only: not for planning or guiding the treatment of a patient."


def emit(data: dict[str, Any], text: str, as_json: bool) -> None:
    """Print the answer: JSON for machines, text for people."""
    out = json.dumps(data, ensure_ascii=False, allow_nan=False) if as_json else text
    sys.stdout.write(out.rstrip("\n") + "\n")
    sys.stdout.flush()


def report_error(error: VertebroError, as_json: bool) -> None:
    """Print an error: its parts as JSON on stdout if asked for, always readable on stderr."""
    if as_json:
        emit(error.to_dict(), "", True)
    sys.stderr.write(f"error: {error}\n")


@contextmanager
def progress(title: str, *, every: float = 2.0) -> Iterator[Callable[[str, float], None]]:
    """A progress bar on stderr; yields ``report(stage, fraction)``. Plain lines when stderr is no terminal.

    A plain line is written when the stage's head (before its colon) changes and after each part `every` of the whole.
    """
    if not sys.stderr.isatty():
        yield _plain_lines(title, every)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:<44}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=1.0)
        yield lambda stage, fraction: bar.update(task, description=stage[:44], completed=fraction)


def _plain_lines(title: str, every: float) -> Callable[[str, float], None]:
    last, told = "", 0.0

    def report(stage: str, fraction: float) -> None:
        nonlocal last, told
        head = stage.split(":")[0]
        if head != last or fraction >= told + every:
            sys.stderr.write(f"{title}: {stage if every < 1.0 else head}\n")
            sys.stderr.flush()
            told = fraction
        last = head

    return report
