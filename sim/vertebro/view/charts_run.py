"""The curves of one run, or of several laid over each other, as charts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vertebro.leakage.measures import POSTERIOR_QUARTER
from vertebro.view.charts import Line, Mark, line_chart

if TYPE_CHECKING:
    from vertebro.record import Run

Columns = dict[str, NDArray[np.float64]]
ML, ML_PER_MIN, KPA = 1e6, 6e7, 1e-3
LEAST_ML = 0.01  # smallest volume worth an axis
# name, unit, ((column, factor, label), ...), decades
PANELS: tuple[tuple[str, str, tuple[tuple[str, float, str], ...], bool], ...] = (
    ("Cement volume", "mL", (("volume_injected_m3", ML, "injected"), ("volume_in_body_m3", ML, "in the bone")), False),
    ("Leaked volume", "mL", (("volume_leaked_m3", ML, "leaked"), ("volume_embolic_m3", ML, "beyond the veins")), False),
    ("Pressure", "kPa", (("syringe_pressure_pa", KPA, "syringe"), ("bone_pressure_pa", KPA, "bone at the tip")), True),
    ("Cement viscosity", "Pa·s", (("viscosity_pa_s", 1.0, ""),), True),
    ("Injection rate", "mL/min", (("rate_m3_s", ML_PER_MIN, ""),), False),
    ("Force on the plunger", "N", (("plunger_force_n", 1.0, ""),), False),
)
COMPARED = (
    ("Cement injected", "mL", "volume_injected_m3", ML, False),
    ("Cement leaked", "mL", "volume_leaked_m3", ML, False),
    ("Pressure in the syringe", "kPa", "syringe_pressure_pa", KPA, True),
    ("Pressure in the bone", "kPa", "bone_pressure_pa", KPA, True),
    ("Cement viscosity", "Pa·s", "viscosity_pa_s", 1.0, True),
    ("Rearmost cement", "% of the depth", "posterior_margin", 100.0, False),
)
QUARTER = (100.0 * POSTERIOR_QUARTER, "posterior quarter")
FROM_ZERO = ("volume_injected_m3", "volume_in_body_m3", "volume_leaked_m3", "volume_embolic_m3")
HEAT_NAMES = {
    "cement_c": "cement",
    "disc_superior_c": "upper disc",
    "disc_inferior_c": "lower disc",
    "canal_c": "canal",
    "foramen_left_c": "left foramen",
    "foramen_right_c": "right foramen",
}


def run_charts(run: Run) -> list[str]:
    """Charts of a run: volumes, pressures, viscosity, rate, force, rearmost cement, temperatures; leaks marked."""
    marks = [Mark(x=float(leak["t_leak_s"]), label=leak["kind"]) for leak in run.summary.get("leaks", [])]
    charts = [
        line_chart(
            [
                _line(run.history, column, factor, label, style)
                for style, (column, factor, label) in enumerate(columns)
                if column in run.history
            ],
            name=name,
            unit=unit,
            marks=marks,
            decades=decades,
            least=LEAST_ML if unit == "mL" else 0.0,
        )
        for name, unit, columns, decades in PANELS
    ]
    if "posterior_margin" in run.history:
        line = _line(run.history, "posterior_margin", 100.0, "0 posterior, 100 anterior wall", 0)
        charts.append(
            line_chart([line], name="Rearmost cement", unit="% of the depth", marks=marks, limit=QUARTER, floor=0.0)
        )
    if run.heat is not None:
        charts.append(_temperatures(run.heat.curves))
    return charts


def compared_charts(runs: Sequence[Run], labels: Sequence[str]) -> list[str]:
    """The same quantity of several runs in one chart each; a run without the quantity has no line."""
    charts = []
    for name, unit, column, factor, decades in COMPARED:
        lines = [
            _line(run.history, column, factor, label, style)
            for style, (run, label) in enumerate(zip(runs, labels, strict=True))
            if column in run.history
        ]
        if lines:
            limit, least = QUARTER if column == "posterior_margin" else None, LEAST_ML if unit == "mL" else 0.0
            charts.append(line_chart(lines, name=name, unit=unit, decades=decades, limit=limit, least=least))
    warm = [
        Line(x=run.heat.curves["time_s"], y=run.heat.curves["cement_c"], label=label, style=style)
        for style, (run, label) in enumerate(zip(runs, labels, strict=True))
        if run.heat is not None and "cement_c" in run.heat.curves
    ]
    if warm:
        charts.append(line_chart(warm, name="Hottest cement", unit="°C", floor=None, x_name="time [s]"))
    return charts


def _line(history: Columns, column: str, factor: float, label: str, style: int) -> Line:
    time, values = history["time_s"], history[column] * factor
    if column in FROM_ZERO:
        time, values = np.concatenate([[0.0], time]), np.concatenate([[0.0], values])
    return Line(x=time, y=values, label=label, style=style, step=column == "rate_m3_s")


def _temperatures(curves: dict[str, Any]) -> str:
    lines = [
        Line(x=curves["time_s"], y=curves[column], label=label, style=style)
        for style, (column, label) in enumerate(_hottest(curves))
    ]
    return line_chart(lines, name="Highest temperature", unit="°C", floor=None, x_name="time [s]")


def _hottest(curves: dict[str, Any]) -> list[tuple[str, str]]:
    """Cement, the hotter disc, the canal and the hotter foramen: four lines can be told apart."""
    groups = (
        ("cement_c",),
        ("disc_superior_c", "disc_inferior_c"),
        ("canal_c",),
        ("foramen_left_c", "foramen_right_c"),
    )
    chosen = []
    for group in groups:
        known = [column for column in group if column in curves and np.isfinite(curves[column]).any()]
        if known:
            column = max(known, key=lambda name: float(np.nanmax(curves[name])))
            chosen.append((column, HEAT_NAMES[column]))
    return chosen
