"""A cement card as text: its numbers in everyday units with range, mark and source, and a viscosity plot in letters."""

from __future__ import annotations

from typing import Any

import numpy as np

from vertebro.materials.cement import Cement
from vertebro.sources import SOURCES, Constant
from vertebro.units import UNITS, ZERO_CELSIUS

PLOT_ROWS, PLOT_COLUMNS = 13, 64
CURVES = (("o", 23.0), ("+", 37.0))  # letter, °C


def card_facts(card: Cement) -> dict[str, Any]:
    """The card as plain JSON values: numbers in SI, sources, the viscosity at rest of both curves."""
    ages = np.arange(2, 16)
    curves = {f"{celsius:g}": [float(f"{v:.4g}") for v in _curve(card, ages * 60.0, celsius)] for _, celsius in CURVES}
    rows = card.describe()
    used = sorted({row["source"] for row in rows})
    return {
        "key": f"cement.{card.name}",
        "title": card.title,
        "summary": card.summary,
        "opacifier": card.opacifier,
        "rheology": card.rheology,
        "numbers": rows,
        "viscosity_at_rest_pa_s": {"age_min": ages.tolist(), "at_degc": curves},
        "sources": {key: f"{SOURCES[key].text} {SOURCES[key].url}".strip() for key in used},
    }


def card_text(card: Cement) -> str:
    """The card for people: numbers, plot, sources."""
    facts = card_facts(card)
    width = max(len(key) for key, _ in card.rows())
    lines = [card.title, card.summary, f"opacifier {card.opacifier}, shear law {card.rheology}", ""]
    lines.append(f"{'':{width}}  {'value':>9}  {'range':>19}  {'unit':<8}  mark, source, note")
    lines += [_row(key, number, width) for key, number in card.rows()]
    lines += ["", *viscosity_plot(card), ""]
    lines += [f"{key}: {text}" for key, text in facts["sources"].items()]
    return "\n".join(lines)


def viscosity_plot(card: Cement) -> list[str]:
    """Viscosity at rest over age, logarithmic, as lines of text; the working window is the double rule below."""
    last = 60.0 * np.ceil(1.15 * card.set_time / 60.0)
    ages = (np.arange(PLOT_COLUMNS) + 0.5) / PLOT_COLUMNS * last
    low, high = 0.0, np.ceil(np.log10(card.plateau_viscosity))
    canvas = np.full((PLOT_ROWS, PLOT_COLUMNS), " ")
    for letter, celsius in reversed(CURVES):
        height = (np.log10(_curve(card, ages, celsius)) - low) / (high - low) * (PLOT_ROWS - 1)
        rows = PLOT_ROWS - 1 - np.clip(np.rint(height), 0, PLOT_ROWS - 1).astype(int)
        canvas[rows, np.arange(PLOT_COLUMNS)] = letter
    labels = {PLOT_ROWS - 1 - round((e - low) / (high - low) * (PLOT_ROWS - 1)): f"1e{e:.0f}" for e in range(int(high))}
    start, end = card.working_window
    rule = "".join("=" if start <= age <= end else "-" for age in ages)
    what = ", ".join(f"{letter} held at {celsius:g} degC" for letter, celsius in CURVES)
    return [
        f"viscosity at rest [Pa.s]: {what}",
        *(f"{labels.get(row, ''):>5} |{''.join(canvas[row])}".rstrip() for row in range(PLOT_ROWS)),
        f"      +{rule}  min since mixing; === working window at 23 degC",
        f"       {_ticks(last)}",
    ]


def _ticks(last: float) -> str:
    line = [" "] * (PLOT_COLUMNS + 4)
    step = 2 if last <= 1200 else 5
    for minute in range(0, int(last / 60.0) + 1, step):
        place = round(minute * 60.0 / last * PLOT_COLUMNS)
        line[place : place + len(str(minute))] = str(minute)
    return "".join(line).rstrip()


def _curve(card: Cement, ages: np.ndarray, celsius: float) -> np.ndarray:
    return card.zero_shear_viscosity(ages, temperature=celsius + ZERO_CELSIUS)


def _row(key: str, number: Constant, width: int) -> str:
    unit, factor, offset = _everyday(number)
    value, low, high = (f"{(v - offset) / factor:.5g}" for v in (float(number), number.low, number.high))
    note = f": {number.note}" if number.note else ""
    return f"{key:{width}}  {value:>9}  {low + ' to ' + high:>19}  {unit:<8}  {number.mark}, {number.source}{note}"


def _everyday(number: Constant) -> tuple[str, float, float]:
    """Unit, factor and offset from SI in which people say this number."""
    if number.unit == "s" and number >= 60.0:
        return "min", UNITS["min"][1], 0.0
    return {"kg": ("g", 1e-3, 0.0), "K": ("degC", 1.0, ZERO_CELSIUS)}.get(number.unit, (number.unit, 1.0, 0.0))
