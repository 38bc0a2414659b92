"""Pictures of a study: leaks by volume, by setting, and which setting matters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from vertebro.study.leaks import leak_curve, leak_shares
from vertebro.study.logistic import dose_response
from vertebro.study.member import KINDS
from vertebro.study.plan import Study
from vertebro.view import theme
from vertebro.view.panels import STYLE, new_figure, save

if TYPE_CHECKING:
    import pandas as pd

# colour-blind safe (Okabe and Ito), one per kind of leak
KIND_COLOUR = {
    "B": "#0072B2", "S": "#E69F00", "C": "#009E73", "D": "#CC79A7",
    "track": "#999999", "canal": "#D55E00", "foramen": "#56B4E9", "embolus": "#000000",
}  # fmt: skip
SHOWN = 3  # settings against the leaked volume
LEAST_SPREAD = 0.05  # ml between the members' volumes, for a fit to them


def draw_study(study: Study, table: pd.DataFrame, path: str | Path | None = None) -> Figure:
    """Shares of each kind of leak, P(leak by volume), its logistic fit, and leaks against some varied settings.

    Parameters
    ----------
    study : Study
    table : DataFrame
        From `load_table`; at least one finished member.
    path : path, optional
        Also save there.
    """
    keys = [key for key in study.vary if key in table][:SHOWN]
    with rc_context(STYLE):
        figure = new_figure(4.2 * (3 + len(keys)), 3.8)
        panels = figure.subplots(1, 3 + len(keys))
        draw_shares(panels[0], table)
        draw_curves_by_volume(panels[1], table)
        draw_dose_response(panels[2], table)
        for axes, key in zip(panels[3:], keys, strict=True):
            draw_against(axes, table, key)
        members = int((table["status"] == "finished").sum())
        figure.suptitle(
            f"{study.title}: {members} members. Simulated population, education and research only.", x=0.01, ha="left"
        )
        figure.tight_layout()
    return save(figure, path)


def draw_shares(axes: Any, table: pd.DataFrame) -> None:
    """Share of members with each kind of leak, with 95 % Wilson intervals."""
    shares = {kind: row for kind, row in leak_shares(table).items() if row["share"] > 0 or kind == "any"}
    for y, (kind, row) in enumerate(shares.items()):
        colour = KIND_COLOUR.get(kind, theme.INK)
        axes.plot([100 * row["low"], 100 * row["high"]], [y, y], color=colour, lw=2)
        axes.plot(100 * row["share"], y, "o", color=colour)
    axes.set_yticks(range(len(shares)), list(shares))
    axes.set_ylim(len(shares) - 0.5, -0.5)
    axes.set_xlim(0, 100)
    axes.set_xlabel("members that leak [%]")
    _quiet(axes)


def draw_curves_by_volume(axes: Any, table: pd.DataFrame, kinds: tuple[str, ...] = KINDS) -> None:
    """P(leak by the injected volume) of every kind that occurs, with its 95 % band."""
    for kind in kinds:
        curve = leak_curve(table, kind)
        if not curve.leaks:
            continue
        colour = KIND_COLOUR[kind]
        axes.step(curve.volume, 100 * curve.probability, where="post", color=colour, label=f"{kind} ({curve.leaks})")
        axes.fill_between(curve.volume, 100 * curve.low, 100 * curve.high, step="post", color=colour, alpha=0.15, lw=0)
    axes.set_xlabel("injected volume [ml]")
    axes.set_ylabel("leaked by then [%]")
    axes.set_ylim(0, 100)
    axes.set_xlim(left=0)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=8)
    _quiet(axes)


def draw_dose_response(axes: Any, table: pd.DataFrame, outcome: str = "leak_ml") -> None:
    """Logistic dose-response of the injected volume (Firth) with its 95 % band, and the members it was fitted to.

    Members leak at their end or not; the curves by volume (Kaplan-Meier) also know when.
    """
    rows = table[table["status"] == "finished"]
    volume, leaked = rows["volume_injected_ml"].to_numpy(float), rows[outcome].to_numpy(float) > 0.0
    axes.plot(volume, np.where(leaked, 100.0, 0.0), "|", ms=9, color=theme.MUTED)
    axes.set_xlabel("injected volume [ml]")
    axes.set_ylabel("leak at the end [%]")
    axes.set_ylim(-4, 104)
    _quiet(axes)
    if len(volume) < 3 or np.ptp(volume) < LEAST_SPREAD:
        axes.text(
            0.5, 0.5, "needs members of\nseveral volumes", transform=axes.transAxes, ha="center", color=theme.MUTED
        )
        return
    fit = dose_response(table, "volume_injected_ml", outcome)
    doses = np.linspace(volume.min(), volume.max(), 120)
    middle, low, high = (100.0 * curve for curve in fit.probability(doses))
    axes.plot(doses, middle, color=theme.INK, label=f"logistic ({fit.events} of {fit.members} leak)")
    axes.fill_between(doses, low, high, color=theme.INK, alpha=0.15, lw=0)
    axes.legend(frameon=False, fontsize=8)


def draw_against(axes: Any, table: pd.DataFrame, key: str, outcome: str = "leak_ml") -> None:
    """Leaked volume of every member against one setting."""
    rows = table[table["status"] == "finished"]
    values, y = rows[key], rows[outcome].to_numpy(float)
    if values.dtype.kind in "OTU" or str(values.dtype) in ("str", "string"):
        names = sorted(values.unique())
        place = values.map({name: k for k, name in enumerate(names)}).to_numpy(float)
        x = place + np.random.default_rng(0).uniform(-0.15, 0.15, len(rows))
        axes.set_xticks(range(len(names)), names, rotation=20, ha="right")
    else:
        x = values.to_numpy(float)
        if x.min() > 0 and x.max() / x.min() > 30:
            axes.set_xscale("log")
    axes.plot(x, y, "o", ms=4, color=theme.INK, alpha=0.6, mew=0)
    axes.set_xlabel(f"{key} [SI]")
    axes.set_ylabel("leaked [ml]")
    axes.set_ylim(bottom=0)
    _quiet(axes)


def draw_indices(indices: dict[str, dict[str, float]], path: str | Path | None = None) -> Figure:
    """First-order and total Sobol indices with their intervals, from `vertebro.study.sobol_indices`."""
    with rc_context(STYLE):
        figure = new_figure(6.0, 1.2 + 0.45 * len(indices))
        axes = figure.subplots()
        for y, row in enumerate(indices.values()):
            for shift, name, colour in ((-0.14, "first", "#0072B2"), (0.14, "total", "#D55E00")):
                axes.errorbar(row[name], y + shift, xerr=row[f"{name}_half_width"], fmt="o", color=colour, capsize=2,
                              label=f"{name} order" if name == "first" else name)  # fmt: skip
            if y == 0:
                axes.legend(frameon=False, fontsize=8)
        axes.set_yticks(range(len(indices)), list(indices))
        axes.invert_yaxis()
        axes.set_xlabel("share of the variance")
        axes.axvline(0, color=theme.MUTED, lw=0.7)
        _quiet(axes)
        figure.tight_layout()
    return save(figure, path)


def _quiet(axes: Any) -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
