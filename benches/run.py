"""A whole injection: how fast the clock runs, and the wait for the first picture."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benches.measure import Clocked, Result, clock, clock_child

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


def simulated_seconds(quick: bool) -> Result:
    """Simulated seconds per wall second of the first injection, kernels compiled, no pictures."""
    from vertebro.case import Case
    from vertebro.simulation import Simulation

    settings = {"anatomy.spacing": "1.2 mm" if quick else "0.8 mm"}
    case = Case.preset(PRESET).with_settings(settings)
    simulations: list[Simulation] = []

    def prepare() -> Simulation:
        simulations.append(
            Simulation(case, pictures=False, anatomy=simulations[0].scene.anatomy if simulations else None)
        )
        return simulations[-1]

    prepare().run()
    clocked = [clock(prepare().run, repeats=1, warm=False) for _ in range(1 if quick else 3)]
    wall, cpu = min(c.wall[0] for c in clocked), min(c.cpu[0] for c in clocked)
    simulated, shape = simulations[-1].state.time, simulations[-1].scene.anatomy.grid.shape
    return Result(
        name="simulated time / wall time",
        value=simulated / wall,
        unit="s/s",
        note=f"{' x '.join(map(str, shape))} voxels of {settings['anatomy.spacing']}, {simulated:.0f} s simulated",
        more={"wall_s": wall, "cpu_s": cpu, "simulated_s": simulated},
    )


def _waited(name: str, clocked: Clocked, note: str = "") -> Result:
    note = ", ".join(text for text in (note, f"cpu {min(clocked.cpu):.1f} s, {max(clocked.memory):.0f} MB") if text)
    return Result(name=name, value=clocked.best, unit="s", note=note, more=clocked.numbers)


BENCHES = [first_picture, simulated_seconds, demo]
