"""Curves of a run: pressures, volumes, viscosity, rate and force over time, with the leaks marked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vertebro.view import theme
from vertebro.view.panels import STYLE, new_figure, save

if TYPE_CHECKING:
    from vertebro.record import Run

ML_PER_MIN = 6e7  # from m³/s
LEGEND: dict[str, Any] = {"fontsize": 8, "frameon": True, "framealpha": 0.85, "edgecolor": "none", "borderpad": 0.2}
Columns = dict[str, NDArray[np.float64]]


def draw_curves(run: Run, path: str | Path | None = None) -> Figure:
    """Draw pressure, volume, viscosity and rate over the schedule's time; red lines mark leaks.

    Parameters
    ----------
    run : Run
    path : path, optional
        Also save there.
    """
    parts: tuple[Callable[[Any, Columns], None], ...] = (_pressures, _volumes, _viscosity, _rate)
    with rc_context(STYLE):
        figure = new_figure(10.2, 5.4)
        panels = figure.subplots(2, 2, sharex=True)
        for axes, draw in zip(panels.flat, parts, strict=True):
            draw(axes, run.history)
            _dress(axes)
            _mark_leaks(axes, run, named=axes in panels[0])
        panels[0, 0].set_xlim(0.0, max(float(run.times[-1]), 1e-6))
        for axes in panels[1]:
            axes.set_xlabel("time on the schedule [s]")
        figure.align_ylabels()
        figure.tight_layout(w_pad=2.2, h_pad=1.0, rect=(0, 0, 1, 0.985))
    return save(figure, path)


def _pressures(axes: Any, history: Columns) -> None:
    time = history["time_s"]
    axes.plot(time, history["syringe_pressure_pa"] / 1e3, color=theme.BLUE, lw=1.8, label="in the syringe")
    axes.plot(
        time,
        history["bone_pressure_pa"] / 1e3,
        color=theme.ORANGE,
        lw=1.8,
        ls=(0, (5, 1.5)),
        label="in the bone at the tip",
    )
    if history["syringe_pressure_pa"].max() > 15 * max(history["bone_pressure_pa"].max(), 1.0):
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
    axes.set_ylabel("pressure [kPa]")
    axes.legend(**LEGEND, loc="best")


def _volumes(axes: Any, history: Columns) -> None:
    time = np.concatenate([[0.0], history["time_s"]])
    history = {name: np.concatenate([[0.0], column]) for name, column in history.items()}
    axes.plot(time, history["volume_injected_m3"] * 1e6, color=theme.INK, lw=1.8, label="injected")
    axes.plot(
        time,
        history["volume_in_body_m3"] * 1e6,
        color=theme.GREEN,
        lw=1.8,
        ls=(0, (5, 1.5)),
        label="in the vertebral body",
    )
    axes.plot(time, history["volume_leaked_m3"] * 1e6, color=theme.LEAK, lw=1.8, ls=(0, (1.5, 1.2)), label="leaked")
    axes.set_ylabel("cement volume [mL]")
    axes.legend(**LEGEND, loc="upper left")


def _viscosity(axes: Any, history: Columns) -> None:
    values = history["viscosity_pa_s"]
    axes.plot(history["time_s"], values, color=theme.PURPLE, lw=1.8)
    axes.set_ylabel("cement viscosity [Pa·s]")
    known = values[np.isfinite(values) & (values > 0)]
    if known.size and known.max() > 20 * known.min():
        axes.set_yscale("log")


def _rate(axes: Any, history: Columns) -> None:
    time = history["time_s"]
    axes.step(time, history["rate_m3_s"] * ML_PER_MIN, where="post", color=theme.BLUE, lw=1.8, label="injection rate")
    axes.set_ylabel("rate [mL/min]")
    force = axes.twinx()
    force.plot(time, history["plunger_force_n"], color=theme.ORANGE, lw=1.8, ls=(0, (5, 1.5)))
    force.set_ylabel("force on the plunger [N]", color=theme.ORANGE)
    force.set_ylim(bottom=0)
    force.spines[["top"]].set_visible(False)
    axes.plot([], [], color=theme.ORANGE, lw=1.8, ls=(0, (5, 1.5)), label="force on the plunger")
    axes.legend(**LEGEND, loc="best")


def _dress(axes: Any) -> None:
    axes.grid(True, color=theme.RULE, lw=0.5)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    if axes.get_yscale() == "linear":
        axes.set_ylim(bottom=0)


def _mark_leaks(axes: Any, run: Run, *, named: bool) -> None:
    top = axes.get_xaxis_transform()
    span = max(float(np.ptp(run.history["time_s"])), 1e-9)
    free = -np.inf
    for leak in sorted(run.summary.get("leaks", []), key=lambda leak: leak["t_leak_s"]):
        onset, half = float(leak["t_leak_s"]), (0.008 + 0.010 * len(leak["kind"])) * span
        axes.axvline(onset, color=theme.LEAK, lw=0.9, ls=":", zorder=1)
        if named and onset - half > free:  # a name that would cover its neighbour stays in the table
            axes.text(
                onset, 1.015, leak["kind"], color=theme.LEAK, fontsize=8, weight="bold", ha="center", transform=top
            )
            free = onset + half
