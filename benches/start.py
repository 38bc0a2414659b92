"""How long a user waits before anything happens."""

from __future__ import annotations

from benches.measure import Result, clock_child


def import_time(quick: bool) -> Result:
    """``import vertebro`` in a fresh process, the bare interpreter subtracted."""
    repeats = 3 if quick else 9
    bare, full = (clock_child(["-c", code], repeats=repeats) for code in ("pass", "import vertebro"))
    return Result(
        name="import vertebro",
        value=max(full.best - bare.best, 0.0),
        unit="s",
        note=f"bare interpreter {bare.best:.3f} s subtracted",
        more=full.numbers,
    )


def help_time(quick: bool) -> Result:
    """``vertebro --help`` in a fresh process, the interpreter included."""
    code = "import sys; sys.argv = ['vertebro', '--help']; from vertebro.cli.main import main; main()"
    clocked = clock_child(["-c", code], repeats=3 if quick else 9)
    note = f"aim < 0.5; cpu {min(clocked.cpu):.2f} s"
    return Result(name="vertebro --help", value=clocked.best, unit="s", note=note, more=clocked.numbers)


BENCHES = [import_time, help_time]
