"""Charts as inline SVG: small, sharp in print, named for screen readers, coloured by the page's own style sheet.

Matplotlib draws the pictures; a page with dark and light dress needs lines that change colour with it. Series differ
by dash as well as by colour. Every word that comes from a run is escaped here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float = NDArray[np.float64]
WIDTH, HEIGHT = 460, 236  # units of the drawing; the page scales it
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 52, 30
STYLES = 8  # classes s0 to s7 of the style sheet: colour and dash
MOST_POINTS = 400  # per line; more cannot be seen
LETTER = 6.4  # width of a letter of the legend
LOG_FROM = 20.0  # largest over smallest value from which an axis of decades reads better


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A curve of a chart.

    Attributes
    ----------
    x, y : (n,) array_like
    label : str
        Name in the legend; empty: no entry.
    style : int
        Number of a colour and dash, 0 to 7.
    step : bool
        Hold each value to the next x.
    """

    x: ArrayLike
    y: ArrayLike
    label: str = ""
    style: int = 0
    step: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """A dotted upright line with a word on top."""

    x: float
    label: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Axis:
    """Maps values to places of the drawing, straight or by decades."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: ArrayLike) -> Float:
        """Places of values; what lies outside stays at the border."""
        low, high, number = self.low, self.high, np.asarray(value, float)
        if self.log:
            low, high, number = math.log10(low), math.log10(high), np.log10(np.maximum(number, self.low))
        share = np.clip((number - low) / (high - low), 0.0, 1.0)
        return self.start + share * (self.end - self.start)

    def ticks(self, count: int = 5) -> list[float]:
        """Round values along the axis."""
        if self.log:
            first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
            found = [10.0**power for power in range(first, last + 1)]
            return found if len(found) > 1 else [self.low, self.high]
        return nice_ticks(self.low, self.high, count)


def nice_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten from `low` to `high`, about `count` of them."""
    rough = (high - low) / max(count, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(factor for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [round(n * step, 12) for n in range(first, math.floor(high / step + 1e-9) + 1)]


def line_chart(
    lines: Sequence[Line],
    *,
    name: str,
    unit: str,
    x_name: str = "time on the schedule [s]",
    marks: Sequence[Mark] = (),
    limit: tuple[float, str] | None = None,
    floor: float | None = 0.0,
    decades: bool = False,
    least: float = 0.0,
) -> str:
    """A chart of lines over a common x.

    Parameters
    ----------
    lines : sequence of Line
        Values that are not finite are left out.
    name, unit : str
        Of the y axis.
    x_name : str
        Of the x axis, unit included.
    marks : sequence of Mark
    limit : (value, words), optional
        A level that matters, drawn across.
    floor : float or None
        Lowest value of a straight y axis; None: what the values need.
    decades : bool
        Use a logarithmic axis when the values span more than `LOG_FROM`.
    least : float
        A straight axis reaches at least this far up, lest nothing look like much.

    Returns
    -------
    str
        An ``<svg>`` element whose ``<title>`` and ``<desc>`` say what it shows.
    """
    curves = [_clean(line) for line in lines]
    x_axis, y_axis = _axes(curves, [least] if limit is None else [least, limit[0]], floor, decades)
    parts = [
        f'<text class="name" x="0" y="14">{escape(name)} <tspan class="unit">[{escape(unit)}]</tspan></text>',
        _legend(lines),
        *_grid(x_axis, y_axis, x_name),
        *_marks(marks, x_axis),
    ]
    if limit is not None:
        parts.append(_limit(limit, y_axis))
    parts += [_path(line, curve, x_axis, y_axis) for line, curve in zip(lines, curves, strict=True)]
    told = "; ".join(filter(None, (_told(line, curve, unit) for line, curve in zip(lines, curves, strict=True))))
    return svg(parts, WIDTH, HEIGHT, title=f"{name} [{unit}] over {x_name}", description=told or "no values")


def svg(parts: Sequence[str], width: float, height: float, *, title: str, description: str) -> str:
    """Wrap drawn parts in an ``<svg>`` that a screen reader can name."""
    return (
        f'<svg class="chart" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'aria-label="{escape(title)}: {escape(description)}">'
        f"<desc>{escape(description)}</desc>{''.join(parts)}</svg>"
    )


def number(value: float) -> str:
    """A short number: ``0.05``, ``12``, ``1500``."""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def _clean(line: Line) -> tuple[Float, Float]:
    x, y = np.asarray(line.x, float), np.asarray(line.y, float)
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    if line.step and len(x) > 1:
        x, y = np.repeat(x, 2)[1:], np.repeat(y, 2)[:-1]
    return thinned(x, y)


def thinned(x: Float, y: Float, most: int = MOST_POINTS) -> tuple[Float, Float]:
    """At most about `most` points, the lowest and the highest of every stretch among them."""
    if len(x) <= most:
        return x, y
    kept = {0, len(x) - 1}
    for part in np.array_split(np.arange(len(x)), most // 2):
        kept |= {int(part[np.argmin(y[part])]), int(part[np.argmax(y[part])])}
    order = sorted(kept)
    return x[order], y[order]


def _axes(
    curves: Sequence[tuple[Float, Float]], levels: Sequence[float], floor: float | None, decades: bool
) -> tuple[Axis, Axis]:
    xs = np.concatenate([x for x, _ in curves] or [np.zeros(1)])
    ys = np.concatenate([y for _, y in curves] + [np.array(levels if floor is not None else levels[1:])])
    x_end = float(xs.max()) if xs.size and xs.max() > 0 else 1.0
    x_axis = Axis(low=0.0, high=x_end, start=LEFT, end=WIDTH - RIGHT)
    positive = ys[ys > 0]
    if decades and positive.size and positive.max() > LOG_FROM * positive.min():
        powers = np.log10([positive.min(), positive.max()])
        low, high = 10.0 ** math.floor(powers[0]), 10.0 ** math.ceil(powers[1])
        return x_axis, Axis(low=low, high=high, start=HEIGHT - BOTTOM, end=TOP, log=True)
    low = floor if floor is not None else (float(ys.min()) if ys.size else 0.0)
    high = max(float(ys.max()) if ys.size else 1.0, low)
    span = (high - low) or (abs(high) or 1.0)
    low = low if floor is not None else low - 0.06 * span
    return x_axis, Axis(low=low, high=low + 1.06 * max(span, 1e-12), start=HEIGHT - BOTTOM, end=TOP)


def _grid(x_axis: Axis, y_axis: Axis, x_name: str) -> list[str]:
    left, right = x_axis.start, x_axis.end
    bottom, top = y_axis.start, y_axis.end
    parts = []
    for value in y_axis.ticks():
        y = float(y_axis(value))
        parts.append(f'<path class="rule" d="M{left} {y:.1f}H{right}"/>')
        parts.append(f'<text class="tick" x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{number(value)}</text>')
    for value in x_axis.ticks(6):
        x = float(x_axis(value))
        parts.append(f'<path class="rule" d="M{x:.1f} {top}V{bottom}"/>')
        parts.append(f'<text class="tick" x="{x:.1f}" y="{bottom + 15}" text-anchor="middle">{number(value)}</text>')
    parts.append(f'<path class="axis" d="M{left} {top}V{bottom}H{right}"/>')
    parts.append(f'<text class="tick" x="{right}" y="{bottom + 28}" text-anchor="end">{escape(x_name)}</text>')
    return parts


def _legend(lines: Sequence[Line]) -> str:
    x, parts = 0.0, []
    for line in lines:
        if not line.label:
            continue
        parts.append(
            f'<path class="line s{line.style % STYLES}" d="M{x:.0f} 28h22"/>'
            f'<text class="key" x="{x + 27:.0f}" y="32">{escape(line.label)}</text>'
        )
        x += 27 + LETTER * len(line.label) + 16
    return "".join(parts)


def _marks(marks: Sequence[Mark], x_axis: Axis) -> list[str]:
    parts, free = [], -math.inf
    for mark in sorted(marks, key=lambda mark: mark.x):
        x, half = float(x_axis(mark.x)), 0.5 * LETTER * len(mark.label) + 2
        parts.append(f'<path class="leak" d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}"/>')
        if x - half > free:  # a name that would cover its neighbour stays in the table
            place = min(max(x, LEFT + half), WIDTH - RIGHT - half)
            parts.append(
                f'<text class="leakname" x="{place:.1f}" y="{TOP - 4}" text-anchor="middle">{escape(mark.label)}</text>'
            )
            free = x + half
    return parts


def _limit(limit: tuple[float, str], y_axis: Axis) -> str:
    y = float(y_axis(limit[0]))
    return (
        f'<path class="limit" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
        f'<text class="limitname" x="{WIDTH - RIGHT - 3}" y="{y - 5:.1f}" text-anchor="end">{escape(limit[1])}</text>'
    )


def _path(line: Line, curve: tuple[Float, Float], x_axis: Axis, y_axis: Axis) -> str:
    x, y = x_axis(curve[0]), y_axis(curve[1])
    if not len(x):
        return ""
    points = "".join(f"{'L' if i else 'M'}{a:.1f} {b:.1f}" for i, (a, b) in enumerate(zip(x, y, strict=True)))
    tip = f"<title>{escape(line.label)}</title>" if line.label else ""
    if len(x) == 1:
        return f'<circle class="dot s{line.style % STYLES}" cx="{x[0]:.1f}" cy="{y[0]:.1f}" r="3">{tip}</circle>'
    return f'<path class="line s{line.style % STYLES}" d="{points}">{tip}</path>'


def _told(line: Line, curve: tuple[Float, Float], unit: str) -> str:
    y = curve[1]
    if not len(y):
        return ""
    return f"{line.label} from {number(y[0])} to {number(y[-1])}, at most {number(y.max())} {unit}".strip()
