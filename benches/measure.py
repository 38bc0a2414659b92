"""What a bench returns, and the clocks it uses."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
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
    """Repeated calls: wall clock and processor time of all threads [s], and of a child its peak memory [MB]."""

    wall: tuple[float, ...]
    cpu: tuple[float, ...]
    memory: tuple[float, ...] = ()

    @property
    def best(self) -> float:
        """Smallest wall time: what the code can do when nobody else is running."""
        return min(self.wall)

    @property
    def numbers(self) -> dict[str, float]:
        """For the JSON file."""
        numbers: dict[str, float] = {
            "wall_min_s": min(self.wall),
            "wall_median_s": statistics.median(self.wall),
            "cpu_min_s": min(self.cpu),
            "cpu_median_s": statistics.median(self.cpu),
            "repeats": len(self.wall),
        }
        return numbers | ({"peak_memory_mb": max(self.memory)} if self.memory else {})


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
    """Time a fresh Python process (POSIX): ``python <arguments>``, imports and compilation included."""
    rows = [_one_child(arguments, environment) for _ in range(repeats)]
    wall, cpu, memory = zip(*rows, strict=True)
    return Clocked(wall, cpu, memory)


def _one_child(arguments: Sequence[str], environment: Mapping[str, str]) -> tuple[float, float, float]:
    with tempfile.TemporaryFile("w+", encoding="utf-8") as said:
        start = time.perf_counter()
        child = subprocess.Popen(
            [sys.executable, *arguments],
            env={**os.environ, **environment},
            cwd=Path(__file__).resolve().parents[1],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        if child.returncode:
            raise RuntimeError(f"the child ended with {child.returncode}: {said.read().strip()[-600:]}")
    per_megabyte = 1e6 if sys.platform == "darwin" else 1e3  # bytes there, kilobytes here
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / per_megabyte
