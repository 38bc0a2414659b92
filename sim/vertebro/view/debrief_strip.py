"""The course of a training session as one strip: beam, needle, injection, curves, each leak with its three times."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from vertebro.view.charts import Axis, number, svg, thinned

WIDTH, LABEL, RIGHT, PAD = 1000, 168, 16, 6
ROW, CURVE, HEAD = 24, 54, 18
MINUTE = 60.0
LONG = 1500.0  # s from which the axis counts in steps of five minutes
MOST_LEAKS = 8
PLANES = {"ap": "AP", "lateral": "lateral"}


def draw_strip(found: dict[str, Any]) -> str:
    """The strip as an ``<svg>`` from a debrief (`vertebro.training.debrief.debrief`).

    A hollow dot is where a leak began, a filled one where a picture on display first showed it, a bar where the
    injection stopped after that.
    """
    strip = found["strip"]
    end = max(float(strip["end"]), 1.0)
    axis = Axis(low=0.0, high=end, start=LABEL, end=WIDTH - RIGHT)
    drawn, under, y = [], [], float(PAD)
    for label, height, body in _rows(found, axis):
        drawn.append(f'<text class="row" x="0" y="{y + height / 2 + 4:.1f}">{escape(label)}</text>')
        drawn.append(f'<g transform="translate(0 {y:.1f})">{body}</g>')
        y += height + PAD
        under.append(f'<path class="rule" d="M0 {y - PAD / 2:.1f}H{WIDTH}"/>')
    step = 5 * MINUTE if end > LONG else MINUTE if end > 3 * MINUTE else 15.0
    for value in np.arange(0.0, end, step):
        x = float(axis(value))
        under.append(f'<path class="rule" d="M{x:.1f} 0V{y:.1f}"/>')
        under.append(f'<text class="tick" x="{x:.1f}" y="{y + 15:.1f}" text-anchor="middle">{clock(value)}</text>')
    under.append(f'<text class="tick" x="0" y="{y + 15:.1f}">time [min:s]</text>')
    return svg([*under, *drawn], WIDTH, y + 22, title="Timeline of the session", description=_told(found))


def clock(seconds: float) -> str:
    """Minutes and seconds.

    >>> clock(125.4)
    '2:05'
    """
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _rows(found: dict[str, Any], axis: Axis) -> list[tuple[str, float, str]]:
    strip = found["strip"]
    rows: list[tuple[str, float, str]] = [
        (
            f"beam, {PLANES[plane]}",
            ROW,
            _spans([s for s in strip["beam"] if s["plane"] == plane], f"view {plane}", axis),
        )
        for plane in PLANES
    ]
    if scans := [mark["t"] for mark in strip["marks"] if mark["text"] == "ct"]:
        rows.append(("CT", ROW, _flags(scans, axis)))
    rows.append(("needle [mm past wall]", CURVE, _needles(strip["depth"], axis)))
    rows.append(("cement pushed", ROW, _spans(strip["injections"], "phase inject", axis)))
    for label, key in (
        ("injected [mL]", "injected_ml"), ("viscosity [Pa·s]", "viscosity_pa_s"), ("syringe [kPa]", "syringe_kpa"),
    ):  # fmt: skip
        points = [(row["t"], row[key]) for row in strip["rows"] if row[key] is not None]
        if points:
            rows.append((label, CURVE, _curve(points, axis)))
    rows += [(f"leak {leak['kind']}", ROW, _leak(leak, axis)) for leak in found["leaks"][:MOST_LEAKS]]
    if strip["seen"]:
        rows.append(("“I see a leak”", ROW, _flags(strip["seen"], axis)))
    return rows


def _flags(times: Sequence[float], axis: Axis) -> str:
    return "".join(f'<path class="flag" d="M{float(axis(t)):.1f} 4v16"/>' for t in times)


def _spans(spans: Sequence[dict[str, Any]], style: str, axis: Axis) -> str:
    parts = []
    for span in spans:
        x0, x1 = (float(axis(span[edge])) for edge in ("from", "to"))
        told = f"{clock(span['from'])} to {clock(span['to'])}"
        parts.append(
            f'<rect class="{style}" x="{x0:.1f}" y="4" width="{max(x1 - x0, 1.2):.1f}" height="{ROW - 8}">'
            f"<title>{told}</title></rect>"
        )
    return "".join(parts)


def _needles(moves: Sequence[dict[str, Any]], axis: Axis) -> str:
    """Steps of each needle; the posterior wall is the line at 0."""
    known = [move for move in moves if move["past_wall_mm"] is not None]
    if not known:
        return ""
    deep = [move["past_wall_mm"] for move in known]
    low, high = min(*deep, 0.0) if len(deep) > 1 else min(deep[0], 0.0), max(max(deep), 1.0)
    place = Axis(low=low, high=high, start=CURVE - 4.0, end=6.0)
    wall = float(place(0.0))
    parts = [f'<path class="limit" d="M{LABEL} {wall:.1f}H{WIDTH - RIGHT}"/>']
    parts.append(
        f'<text class="limitname" x="{WIDTH - RIGHT}" y="{wall - 3:.1f}" text-anchor="end">posterior wall</text>'
    )
    for style, name in enumerate(dict.fromkeys(move["needle"] for move in known)):
        path, last = "", None
        for move in (move for move in known if move["needle"] == name):
            x, y = float(axis(move["t"])), float(place(move["past_wall_mm"]))
            path += f"M{x:.1f} {y:.1f}" if last is None else f"H{x:.1f}V{y:.1f}"
            last = (x, y)
        parts.append(f'<path class="line s{style}" d="{path}"><title>needle {escape(name)}</title></path>')
    return "".join(parts)


def _curve(points: Sequence[tuple[float, float]], axis: Axis) -> str:
    x, y = thinned(np.array([point[0] for point in points], float), np.array([point[1] for point in points], float))
    top = max(float(y.max()), 1e-9)
    dots = [(float(axis(a)), CURVE - 3 - (CURVE - 3 - HEAD) * float(b) / top) for a, b in zip(x, y, strict=True)]
    path = "L".join(f"{a:.1f} {b:.1f}" for a, b in dots)
    at = dots[int(np.argmax(y))]
    side, place = ("end", at[0] - 5) if at[0] > LABEL + 60 else ("start", at[0] + 5)
    return (
        f'<path class="area" d="M{dots[0][0]:.1f} {CURVE - 3}L{path}L{dots[-1][0]:.1f} {CURVE - 3}Z"/>'
        f'<path class="line s0" d="M{path}"/>'
        f'<text class="peak" x="{place:.1f}" y="13" text-anchor="{side}">{number(top)}</text>'
    )


def _leak(leak: dict[str, Any], axis: Axis) -> str:
    x, middle, seen = float(axis(leak["t_leak_s"])), ROW / 2, leak["t_visible_s"]
    last = float(axis.end) if seen is None else float(axis(seen))
    parts = [f'<path class="leakspan" d="M{x:.1f} {middle}H{last:.1f}"/>']
    if seen is not None:
        stop = leak["t_stop_s"]
        if stop is not None:
            late = float(axis(stop))
            parts.append(
                f'<path class="leakseen" d="M{last:.1f} {middle}H{late:.1f}"/><path class="flag" d="M{late:.1f} 4v16"/>'
            )
        parts.append(f'<circle class="leakdot seen" cx="{last:.1f}" cy="{middle}" r="5"/>')
    parts.append(f'<circle class="leakdot" cx="{x:.1f}" cy="{middle}" r="5"/>')
    told = f"{leak['volume_ml']:.2f} mL, " + ("never visible" if seen is None else f"visible at {clock(seen)}")
    side, place = ("end", x - 10) if x > 0.62 * WIDTH else ("start", last + 12 if seen is not None else x + 12)
    parts.append(f'<text class="tag" x="{place:.1f}" y="{middle - 3}" text-anchor="{side}">{escape(told)}</text>')
    return f"<g><title>{escape(leak['words_seen'])}</title>{''.join(parts)}</g>"


def _told(found: dict[str, Any]) -> str:
    hidden = sum(leak["t_visible_s"] is None for leak in found["leaks"])
    return f"{clock(found['strip']['end'])} long, {len(found['leaks'])} leaks, {hidden} of them never visible"
