"""The timeline of a run as one strip: phases, exposures, volume, viscosity, pressure, leaks, what happened."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vertebro.view import words
from vertebro.view.charts import Axis, number, svg, thinned

if TYPE_CHECKING:
    from vertebro.record import Run

WIDTH, LABEL, RIGHT, PAD = 1000, 168, 16, 6
ROW, CURVE, HEAD = 24, 54, 18  # heights; HEAD leaves room for the number above a curve
VIEW_STYLE = {"ap": "ap", "true-ap": "ap", "lateral": "lateral", "true-lateral": "lateral"}
PHASES = {"injection starts": "inject", "cannula fills": "fill", "waiting": "wait", "stylet pushed": "stylet"}
STOPS = {
    "injection ends": "stop",
    "interrupted": "interrupted",
    "pressure cap reached": "pressure cap",
    "force beyond the drive": "too stiff to push",
    "cement has set in the cannula": "set in the cannula",
    "needle withdrawn": "needle out",
    "needle retracted": "needle back",
    "needle stuck in the cement": "needle stuck",
    "cement tail in the track": "tail in the track",
    "fresh batch": "fresh batch",
    "step skipped": "step skipped",
    "cement has set": "set",
}
CURVES = (
    ("injected", "volume_injected_m3", 1e6, "mL"),
    ("viscosity", "viscosity_pa_s", 1.0, "Pa·s"),
    ("syringe pressure", "syringe_pressure_pa", 1e-3, "kPa"),
)


def draw_timeline(run: Run) -> str:
    """The strip as an ``<svg>``: time runs to the right, one row per kind of thing; hollow leaks were never seen."""
    end = max(float(run.times[-1]), float(run.history["time_s"][-1]) if run.history else 0.0, 1e-6)
    axis = Axis(low=0.0, high=end, start=LABEL, end=WIDTH - RIGHT)
    rows, under = [], []
    y = float(PAD)
    for label, height, drawn in _rows(run, axis, end):
        rows.append(f'<text class="row" x="0" y="{y + height / 2 + 4:.1f}">{escape(label)}</text>')
        rows.append(f'<g transform="translate(0 {y:.1f})">{drawn}</g>')
        y += height + PAD
        under.append(f'<path class="rule" d="M0 {y - PAD / 2:.1f}H{WIDTH}"/>')
    for value in axis.ticks(8):
        x = float(axis(value))
        under.append(f'<path class="rule" d="M{x:.1f} 0V{y:.1f}"/>')
        under.append(f'<text class="tick" x="{x:.1f}" y="{y + 15:.1f}" text-anchor="middle">{number(value)}</text>')
    under.append(f'<text class="tick" x="0" y="{y + 15:.1f}">time on the schedule [s]</text>')
    return svg([*under, *rows], WIDTH, y + 22, title="Timeline of the injection", description=_told(run))


def phases(events: Sequence[dict[str, Any]], end: float) -> list[tuple[float, float, str]]:
    """What was done from when to when: (start, end, words), in order; `end` [s] closes what never ended."""
    found: list[tuple[float, float, str]] = []
    for event in events:
        time, name = float(event["time_s"]), event["event"]
        if name in PHASES and name != "stylet pushed":
            if found and found[-1][1] > time:
                found[-1] = (found[-1][0], time, found[-1][2])
            last = min(time + float(event["duration_s"]), end) if "duration_s" in event else end
            found.append((time, last, f"{PHASES[name]} {event.get('needle', '')}".strip()))
        elif name == "injection ends" and found:
            found[-1] = (found[-1][0], min(time, end), found[-1][2])
    return [phase for phase in found if phase[1] > phase[0]]


def _rows(run: Run, axis: Axis, end: float) -> list[tuple[str, float, str]]:
    rows: list[tuple[str, float, str]] = [("phase", ROW, _phases(phases(run.events, end), axis))]
    for view in dict.fromkeys(picture.view for picture in run.pictures):
        times = [picture.time for picture in run.pictures if picture.view == view]
        name = view.upper() if len(view) < 3 else words.readable(view)
        rows.append((f"exposures, {name}", ROW, _ticks(times, VIEW_STYLE.get(view, "other"), axis)))
    for label, column, factor, unit in CURVES:
        if column in run.history:
            time, values = run.history["time_s"], run.history[column] * factor
            if column == "volume_injected_m3":
                time, values = np.concatenate([[0.0], time]), np.concatenate([[0.0], values])
            rows.append((f"{label} [{unit}]", CURVE, _curve(time, values, axis)))
    rows += [(f"leak {leak['kind']}", ROW, _leak(leak, axis, end)) for leak in words.ordered_leaks(run.summary)[:8]]
    stops = [event for event in run.events if event["event"] in STOPS]
    if stops:
        drawn, lanes = _stops(stops, axis, end)
        rows.append(("stops and signals", 18.0 * lanes + 4, drawn))
    return rows


def _phases(found: Sequence[tuple[float, float, str]], axis: Axis) -> str:
    parts = []
    for start, stop, label in found:
        x0, x1 = (float(axis(value)) for value in (start, stop))
        kind = label.split()[0]
        shown = label if len(label) * 6.6 < x1 - x0 else kind if len(kind) * 6.6 < x1 - x0 else ""
        parts.append(
            f'<g><title>{escape(label)}, {start:.0f} to {stop:.0f} s</title>'
            f'<rect class="phase {kind}" x="{x0:.1f}" y="2" width="{max(x1 - x0 - 1, 1):.1f}" height="{ROW - 4}"/>'
            f'<text class="phasename {kind}" x="{x0 + 6:.1f}" y="{ROW / 2 + 4:.1f}">{escape(shown)}</text></g>'
        )  # fmt: skip
    return "".join(parts)


def _ticks(times: Sequence[float], style: str, axis: Axis) -> str:
    middle = ROW / 2
    lines = "".join(f"M{float(axis(time)):.1f} {middle - 8}v16" for time in times)
    return f'<path class="beam {style}" d="{lines}"><title>{len(times)} stored frames</title></path>'


def _curve(time: NDArray[np.float64], values: NDArray[np.float64], axis: Axis) -> str:
    known = np.isfinite(values)
    if not known.any():
        return ""
    x, y = thinned(time[known], values[known])
    top = max(float(y.max()), 1e-12)
    points = [(float(axis(a)), CURVE - 3 - (CURVE - 3 - HEAD) * float(b) / top) for a, b in zip(x, y, strict=True)]
    path = "L".join(f"{a:.1f} {b:.1f}" for a, b in points)
    area = f"M{points[0][0]:.1f} {CURVE - 3}L{path}L{points[-1][0]:.1f} {CURVE - 3}Z"
    where = points[int(np.argmax(y))]
    anchor = "end" if where[0] > LABEL + 60 else "start"
    return (
        f'<path class="area" d="{area}"/><path class="line s0" d="M{path}"/>'
        f'<text class="peak" x="{where[0] + (-5 if anchor == "end" else 5):.1f}" y="13" text-anchor="{anchor}">'
        f"{number(top)}</text>"
    )


def _leak(leak: dict[str, Any], axis: Axis, end: float) -> str:
    onset, seen = float(leak["t_leak_s"]), leak.get("t_visible_s")
    x, middle = float(axis(onset)), ROW / 2
    stop = float(axis(end if seen is None else seen))
    told = f"begins {words.clock(onset)}, {'never seen' if seen is None else 'seen from ' + words.clock(seen)}"
    parts = [
        f"<g><title>{escape(told)}</title>",
        f'<path class="leakspan" d="M{x:.1f} {middle}H{stop:.1f}"/>',
        f'<circle class="leakdot" cx="{x:.1f}" cy="{middle}" r="6"/>',
    ]
    if seen is not None:
        last = float(axis(end))
        parts.append(f'<path class="leakseen" d="M{stop:.1f} {middle}H{last:.1f}"/>')
        parts.append(f'<circle class="leakdot seen" cx="{stop:.1f}" cy="{middle}" r="6"/>')
    tag = f"{words.ml(leak['volume_ml'])}, {'not seen' if seen is None else 'seen'}"
    anchor, place = ("start", x + 12) if x < 0.72 * WIDTH else ("end", x - 12)
    parts.append(f'<text class="tag" x="{place:.1f}" y="{middle - 3}" text-anchor="{anchor}">{escape(tag)}</text></g>')
    return "".join(parts)


def _stops(events: Sequence[dict[str, Any]], axis: Axis, end: float) -> tuple[str, int]:
    """Flags in as many lanes as they need, and the number of lanes."""
    parts, free = [], [-1.0]
    for event in events:
        time = float(event["time_s"])
        label = STOPS[event["event"]]
        if event["event"] == "injection ends":
            label = f"stop: {event.get('reason', '')}"[:44]
        if time > end + 1e-6:
            label = f"{label} after {words.clock(time)} ▸"
        x, width = float(axis(time)), 6.4 * len(label) + 10
        left = x + width > WIDTH - RIGHT
        start = x - width if left else x
        lane = next((i for i, border in enumerate(free) if border < start), len(free))
        free[lane:] = [x + (4 if left else width), *free[lane + 1 :]]
        y, at, anchor = 18 * lane + 9, x + (-5 if left else 5), "end" if left else "start"
        parts.append(
            f'<g><title>{escape(event["event"])}, {words.clock(time)}</title>'
            f'<path class="flag" d="M{x:.1f} {y - 7}v14"/>'
            f'<text class="tag" x="{at:.1f}" y="{y + 4}" text-anchor="{anchor}">{escape(label)}</text></g>'
        )  # fmt: skip
    return "".join(parts), len(free)


def _told(run: Run) -> str:
    leaks = run.summary.get("leaks", [])
    hidden = sum(leak.get("t_visible_s") is None for leak in leaks)
    return (
        f"{words.clock(float(run.times[-1]))} long, {words.ml(run.summary['volume_injected_ml'])} injected, "
        f"{len(run.pictures)} stored frames, {words.count(len(leaks), 'leak')}, {hidden} of them never seen"
    )
