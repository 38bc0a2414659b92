"""``vertebro``: the one entry point."""

from __future__ import annotations

import sys

import typer

from vertebro import __version__
from vertebro.cli import cases, ct, data, explain, export, look, machine, mesh, output, replay, runs, sweep, train
from vertebro.errors import VertebroError

app = typer.Typer(
    name="vertebro",
    help="Simulate percutaneous bone-cement injection under imaging. Education and research only.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich help costs a third of the start-up time
)
for room in (runs, ct, export, look, cases, explain, data, mesh, sweep, replay, machine, train):
    room.register(app)


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"vertebro {__version__}\n")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Simulate percutaneous bone-cement injection under imaging. Education and research only."""


def main() -> None:
    """Run the command line; errors become messages and exit codes (2 case, 3 data, 4 solver, 5 session)."""
    try:
        app()
    except VertebroError as error:
        output.report_error(error, "--json" in sys.argv)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
