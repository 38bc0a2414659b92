"""The report of a run: processor time to draw it, and its size; two runs compared."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benches.measure import Result, clock

PRESET = "first-injection"
SETTINGS = {"anatomy.spacing": "1.2 mm", "imaging.rows": 256, "imaging.frames": 3}  # as `vertebro demo --fast`


def report(quick: bool) -> list[Result]:
    """A saved run as HTML, imports and kernels loaded; then the same run beside itself with another title."""
    from vertebro.case import Case
    from vertebro.record import Run
    from vertebro.simulation import Simulation
    from vertebro.view.report import preload, render_report
    from vertebro.view.report_compare import render_comparison

    case = Case.preset(PRESET).with_settings(SETTINGS | ({"steps.0.volume": "1 ml"} if quick else {}))
    with tempfile.TemporaryDirectory() as place:
        run = Run.load(Simulation(case).run().save(Path(place) / "run"))
    preload()
    pages = [render_report(run), ""]  # loads what is left

    def compare() -> None:
        pages[1] = render_comparison([run, run])

    repeats = 1 if quick else 2
    one = clock(lambda: render_report(run), repeats=repeats, warm=False)
    two = clock(compare, repeats=repeats, warm=False)
    sizes = [len(page.encode()) for page in pages]
    return [
        Result(
            name="report of a run, processor time",
            value=min(one.cpu),
            unit="s",
            note=f"{sizes[0] / 1e6:.1f} MB of HTML; at most 8 s and 6 MB wanted",
            more=one.numbers | {"bytes": sizes[0]},
        ),
        Result(
            name="two runs compared, processor time",
            value=min(two.cpu),
            unit="s",
            note=f"{sizes[1] / 1e6:.1f} MB of HTML",
            more=two.numbers,
        ),
    ]


BENCHES = (report,)
