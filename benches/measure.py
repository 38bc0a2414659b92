"""What a bench returns, and the clocks it uses."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Result:
    """One row of the table.

    Attributes
    ----------
    name : str
        What was measured, readable.
    value : float
        The headline number.
    unit : str
    note : str
        Conditions: grid, threads, peer, iterations.
    more : mapping
        Further plain numbers for the JSON file.
    """

    name: str
    value: float
    unit: str
    note: str = ""
    more: Mapping[str, float | int | str] = field(default_factory=dict)


@dataclass(frozen=True)
class Clocked:
    """Seconds of repeated calls: wall clock and processor time of all threads."""

    wall: tuple[float, ...]
    cpu: tuple[float, ...]

    @property
    def best(self) -> float:
        """Smallest wall time: what the code can do when nobody else is running."""
        return min(self.wall)

    @property
    def numbers(self) -> dict[str, float]:
        """For the JSON file."""
        return {
            "wall_min_s": min(self.wall),
            "wall_median_s": statistics.median(self.wall),
            "cpu_min_s": min(self.cpu),
            "cpu_median_s": statistics.median(self.cpu),
            "repeats": len(self.wall),
        }


def clock(call: Callable[[], object], *, repeats: int = 5, warm: bool = True) -> Clocked:
    """Time a call several times in this process, after one unmeasured call."""
    if warm:
        call()
    wall, cpu = [], []
    for _ in range(repeats):
        wall_start, cpu_start = time.perf_counter(), time.process_time()
        call()
        wall.append(time.perf_counter() - wall_start)
        cpu.append(time.process_time() - cpu_start)
    return Clocked(tuple(wall), tuple(cpu))


def clock_child(arguments: Sequence[str], *, repeats: int = 3, **environment: str) -> Clocked:
    """Time a fresh Python process: ``python <arguments>``, imports and compilation included."""
    times = [_one_child(arguments, environment) for _ in range(repeats)]
    return Clocked(tuple(wall for wall, _ in times), tuple(cpu for _, cpu in times))


def _one_child(arguments: Sequence[str], environment: Mapping[str, str]) -> tuple[float, float]:
    before, start = os.times(), time.perf_counter()
    run = subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, **environment},
        cwd=Path(__file__).resolve().parents[1],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    wall, after = time.perf_counter() - start, os.times()
    if run.returncode:
        raise RuntimeError(f"python {' '.join(arguments)} failed:\n{run.stderr[-2000:]}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return wall, cpu
