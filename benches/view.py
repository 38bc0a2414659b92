"""Pictures of a run, off-screen in software OpenGL: what the first of a process costs, and each later one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from benches.measure import Result

SCENES = """
import json, time
from vertebro.case import Case
from vertebro.simulation import Simulation
case = Case.preset("first-injection").with_settings({{
    "anatomy.spacing": "{spacing} mm", "steps.0.volume": "{volume} ml", "heat.enabled": False}})
run = Simulation(case, pictures=False).run()
import matplotlib.figure, pyvista.plotting, vertebro.view.loops, vertebro.view.room_meshes, vertebro.view.scene_meshes
from vertebro.view import draw_mpr, draw_scene, fluoro_scene, gl_report, leaflet_series
assert gl_report()["available"], gl_report()["reason"]
pictures = {{
    "scene": lambda: draw_scene(run),
    "scene with slices": lambda: draw_scene(run, slices=("axial", "sagittal")),
    "room": lambda: fluoro_scene(run, "lateral"),
    "MPR with scene": lambda: draw_mpr(run, overlay="time"),
    "leaflet's five pictures": lambda: leaflet_series(run),
}}
rows = {{}}
for name, draw in pictures.items():
    rows[name] = []
    for _ in range({repeats}):
        clocks = time.process_time(), time.perf_counter()
        draw()
        rows[name].append((time.process_time() - clocks[0], time.perf_counter() - clocks[1]))
print(json.dumps(dict(renderer=gl_report()["renderer"], cells=run.anatomy.grid.size, rows=rows)))
"""


def scene_pictures(quick: bool) -> list[Result]:
    """Each picture three times in one fresh process after the imports: the first, then the best of the later ones."""
    code = SCENES.format(spacing=1.2 if quick else 0.8, volume=1.0 if quick else 3.0, repeats=2 if quick else 4)
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=dict(os.environ),
        cwd=Path(__file__).resolve().parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        raise RuntimeError(f"the child ended with {run.returncode}: {run.stderr.strip()[-600:]}")
    facts = json.loads(run.stdout.splitlines()[-1])
    rows = []
    for name, clocks in facts["rows"].items():
        (first, first_wall), later = clocks[0], min(clocks[1:])
        rows.append(
            Result(
                name=f"{name} picture, first and later call" if name == "scene" else f"{name}, first and later call",
                value=first,
                unit="s",
                note=f"cpu; later {later[0]:.2f} s; {facts['cells']} voxels, {facts['renderer'].split('(')[0].strip()}",
                more={
                    "first_cpu_s": first,
                    "first_wall_s": first_wall,
                    "later_cpu_s": later[0],
                    "later_wall_s": later[1],
                },
            )
        )
    return rows


BENCHES = [scene_pictures]
