"""``python -m benches [--quick] [--only NAME] [--list] [--json FILE] [--readme]``: one table, one JSON file."""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

import benches
from benches.measure import Result

Bench = Callable[[bool], "Result | list[Result]"]
README = Path(__file__).resolve().parents[1] / "README.md"
MARKS = ("<!-- measured -->\n", "<!-- /measured -->")
# the landing page shows these; everything else is in the printed table and in results.json
README_ROWS = (
    "vertebro",
    "simulated time",
    "first picture",
    "cold solve vertebra",
    "Buckley-Leverett",
    "new pose, 30 deg",
    "live frame",
    "turning C-arm",
    "reference: itk-rtk",
    "members per hour",
)
NO_BENCHES = {"__main__", "measure"}
FIRST = ("machine", "start", "run")  # a child's peak memory begins at its parent's: while this process is small


def found() -> Iterator[tuple[str, Bench]]:
    """Every bench as ``file.function``, the machine's yardstick first."""
    names = {info.name for info in pkgutil.iter_modules(benches.__path__)} - NO_BENCHES
    for name in sorted(names, key=lambda name: (name not in FIRST, name)):
        module = importlib.import_module(f"benches.{name}")
        for bench in getattr(module, "BENCHES", ()):
            yield f"{name}.{bench.__name__}", bench


def main(arguments: list[str] | None = None) -> int:
    """Run the chosen benches; a bench that fails is a row and an exit code, not the end of the others."""
    options = _parser().parse_args(arguments)
    chosen = [(name, bench) for name, bench in found() if not options.only or options.only in name]
    if options.list:
        sys.stdout.write("\n".join(name for name, _ in chosen) + "\n")
        return 0
    rows, failures = _measure(chosen, options.quick)
    _print(rows, failures)
    _write(rows, failures, options)
    if options.readme and not failures:
        _write_readme(rows)
    return 1 if failures or not chosen else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benches", description=benches.__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller problems, fewer repeats")
    parser.add_argument("--only", metavar="NAME", help="run benches whose file.function contains NAME")
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    parser.add_argument("--json", type=Path, default=Path(__file__).with_name("results.json"), help="where to write")
    parser.add_argument("--readme", action="store_true", help="put the table into README.md")
    return parser


def _measure(chosen: list[tuple[str, Bench]], quick: bool) -> tuple[list[dict[str, object]], dict[str, str]]:
    rows, failures = [], {}
    for name, bench in chosen:
        sys.stderr.write(f"{name} ...\n")
        start = time.perf_counter()
        try:
            results = bench(quick)
        except KeyboardInterrupt:  # what is measured is kept
            failures[name] = "stopped by Ctrl-C, with all that would have followed"
            break
        except Exception as error:  # one broken bench must not hide the others
            failures[name] = f"{type(error).__name__}: {error}"
            continue
        seconds = time.perf_counter() - start
        results = results if isinstance(results, list) else [results]
        rows += [{"bench": name, "took_s": seconds, **asdict(result)} for result in results]
    return rows, failures


def _print(rows: list[dict[str, object]], failures: dict[str, str]) -> None:
    table = Table("measured", "value", "unit", "conditions", title="vertebro benches")
    for row in rows:
        table.add_row(str(row["name"]), f"{row['value']:.4g}", str(row["unit"]), str(row["note"]))
    for name, why in failures.items():
        table.add_row(name, "failed", "", why.splitlines()[-1][:100])
    Console(width=None if sys.stdout.isatty() else 140).print(table)


def _write(rows: list[dict[str, object]], failures: dict[str, str], options: argparse.Namespace) -> None:
    from benches.machine import describe

    report = {"quick": options.quick, "machine": describe(), "results": rows, "failures": failures}
    options.json.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _write_readme(rows: list[dict[str, object]]) -> None:
    from benches.machine import describe

    facts = describe()
    shown = [row for row in rows if str(row["name"]).startswith(README_ROWS)]
    lines = [f"| {row['name']} | {row['value']:.3g} {row['unit']} | {row['note']} |" for row in shown]
    where = (
        f"{facts['processor']}, {facts['cores']} cores, Python {facts['python']}, numba {facts['libraries']['numba']}"
    )
    table = "\n".join(["| measured | value | conditions |", "|---|---|---|", *lines, "", f"Measured on {where}.", ""])
    before, rest = README.read_text("utf-8").split(MARKS[0])
    _, after = rest.split(MARKS[1])
    README.write_text(before + MARKS[0] + table + MARKS[1] + after, "utf-8")


if __name__ == "__main__":
    sys.exit(main())
