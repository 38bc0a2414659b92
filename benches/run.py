"""A whole injection: how fast the clock runs, and the wait for the first picture."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from benches.measure import Clocked, Result, clock_child

PRESET = "first-injection"

FIRST_PICTURE = f"""
from vertebro.build import build
from vertebro.case import Case
from vertebro.observe import Camera
import numpy as np
scene = build(Case.preset({PRESET!r}))
Camera(scene).shoot("lateral", 0.0, np.zeros(scene.anatomy.grid.shape, np.float32), number=0)
"""

DEMO = """
import sys
from vertebro.cli.main import main
sys.argv = ["vertebro", "demo", "--out", {out!r}, "--json"]
main()
"""

INJECTION = """
import json, time
from vertebro.case import Case
from vertebro.simulation import Simulation
case = Case.preset({preset!r}).with_settings({{"steps.0.volume": "4 ml", "steps.0.rate": "1 ml/min"}})
case = case.with_settings({{"heat.enabled": "{heat}"}})
short = case.with_settings({{"anatomy.spacing": "1.2 mm", "steps.0.volume": "0.3 ml"}})
Simulation(short, pictures=False).run()
case = case.with_settings({{"anatomy.spacing": "{spacing} mm"}})
anatomy, rows = Simulation(case, pictures=False).scene.anatomy, []
for _ in range({repeats}):
    simulation = Simulation(case, pictures=False, anatomy=anatomy)
    clocks = time.perf_counter, time.process_time, time.thread_time
    before = [clock() for clock in clocks]
    run = simulation.run()
    wall, cpu, main = (clock() - start for clock, start in zip(clocks, before))
    rows.append(dict(wall_s=wall, cpu_s=cpu, main_s=main, simulated_s=simulation.state.time, cells=anatomy.grid.size,
                     iterations=float(run.history["iterations"].sum())))
print(json.dumps(min(rows, key=lambda row: row["wall_s"])))
"""


def first_picture(quick: bool) -> list[Result]:
    """Fresh process to the first fluoroscopy frame of a patient: with an empty kernel cache, then with a full one."""
    with tempfile.TemporaryDirectory() as cache:
        cold = clock_child(["-c", FIRST_PICTURE], repeats=1, VERTEBRO_CACHE=cache)
        warm = clock_child(["-c", FIRST_PICTURE], repeats=2 if quick else 5, VERTEBRO_CACHE=cache)
    return [_waited("first picture, cold", cold), _waited("first picture, warm", warm)]


def demo(quick: bool) -> list[Result]:
    """``vertebro demo``, report included: the first time on a machine, then again."""
    rows = []
    with tempfile.TemporaryDirectory() as place:
        for name in ("cold",) if quick else ("cold", "warm"):
            code = DEMO.format(out=str(Path(place) / name))
            clocked = clock_child(["-c", code], repeats=1, VERTEBRO_CACHE=str(Path(place) / "cache"))
            rows.append(_waited(f"vertebro demo, {name}", clocked, "report included"))
    return rows


def simulated_seconds(quick: bool) -> list[Result]:
    """Simulated seconds per wall second of 4 ml in 4 minutes, and what a second core brings; no pictures.

    The anatomy is built beforehand; flow, leak watch and record are timed, in one row also the heat until the cement
    has set. Each row is a fresh process whose kernels were loaded by a short injection on a coarse grid.
    """
    rows = []
    for spacing in (1.2,) if quick else (0.8, 0.5):
        repeats = 1 if quick or spacing < 0.8 else 3
        many, one = (_injection(spacing, threads, repeats) for threads in (2, 1))
        warm = _pace_row(spacing, 2, _injection(spacing, 2, 1, heat=True))
        rows += [_pace_row(spacing, 2, many), _pace_row(spacing, 1, one), replace(warm, name=f"{warm.name}, with heat")]
        rows.append(
            Result(
                name=f"two cores over one, whole injection at {spacing:g} mm",
                value=float(one["wall_s"]) / float(many["wall_s"]),
                unit="x",
                note=f"at best {many['cpu_s'] / many['main_s']:.2f}: processor time of all threads over the main one's",
                more={f"{name}_{n}": value for n, run in ((1, one), (2, many)) for name, value in run.items()},
            )
        )
    return rows


def _pace_row(spacing: float, threads: int, run: dict[str, float]) -> Result:
    cores = "two cores" if threads == 2 else "one core"
    # the landing page shows the row of two cores
    name = "simulated time / wall time" if threads == 2 else "simulated / wall time"
    return Result(
        name=f"{name}, {spacing:g} mm, {cores}",
        value=run["simulated_s"] / run["wall_s"],
        unit="s/s",
        note=f"{run['cells']:.0f} voxels, {run['simulated_s']:.0f} s simulated, {run['iterations']:.0f} iterations, "
        f"cpu {run['cpu_s']:.1f} s",
        more=run,
    )


def _injection(spacing: float, threads: int, repeats: int, heat: bool = False) -> dict[str, float]:
    """Numbers of the fastest of some runs in a fresh process."""
    code = INJECTION.format(preset=PRESET, spacing=spacing, repeats=repeats, heat=str(heat).lower())
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "NUMBA_NUM_THREADS": str(threads)},
        cwd=Path(__file__).resolve().parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        raise RuntimeError(f"the child ended with {run.returncode}: {run.stderr.strip()[-600:]}")
    numbers: dict[str, float] = json.loads(run.stdout.splitlines()[-1])
    return numbers


def _waited(name: str, clocked: Clocked, note: str = "") -> Result:
    note = ", ".join(text for text in (note, f"cpu {min(clocked.cpu):.1f} s, {max(clocked.memory):.0f} MB") if text)
    return Result(name=name, value=clocked.best, unit="s", note=note, more=clocked.numbers)


BENCHES = [first_picture, simulated_seconds, demo]
