"""Parts that every picture of slices or frames shares: dark panels, orientation letters, scale bars, file formats."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from vertebro.view import theme

STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "axes.edgecolor": theme.MUTED,
    "axes.labelcolor": theme.INK,
    "axes.linewidth": 0.7,
    "xtick.color": theme.INK,
    "ytick.color": theme.INK,
    "text.color": theme.INK,
    "svg.hashsalt": "vertebro",
}

# picture axes of a plane: world axis across and up, their signs, the letters left, right, top, bottom
PLANES: dict[str, tuple[int, int, tuple[int, int], tuple[str, str, str, str]]] = {
    "axial": (0, 1, (-1, 1), ("R", "L", "A", "P")),
    "sagittal": (1, 2, (-1, 1), ("A", "P", "S", "I")),
    "coronal": (0, 2, (-1, 1), ("R", "L", "S", "I")),
}


def new_figure(width: float, height: float, dpi: float = 110) -> Figure:
    """A figure without pyplot's global state; `width` and `height` in inches."""
    figure = Figure(figsize=(width, height), dpi=dpi, facecolor=theme.PAPER)
    FigureCanvasAgg(figure)
    return figure


def through(plane: str, point: NDArray[np.float64]) -> str:
    """Readable place of a plane through a world point [m], e.g. ``"axial, 3 mm above the centre"``."""
    axis = {"axial": 2, "sagittal": 0, "coronal": 1}[plane]
    offset = round(float(point[axis]) * 1e3)
    if offset == 0:
        return f"{plane}, through the centre"
    words = (("right of", "left of"), ("anterior to", "posterior to"), ("above", "below"))[axis][offset < 0]
    return f"{plane}, {abs(offset)} mm {words} the centre"


def blank(axes: Any, facecolor: str = "black") -> None:
    """Turn axes into a bare picture panel."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_facecolor(facecolor)
    for spine in axes.spines.values():
        spine.set_visible(False)


def letters(axes: Any, left: str, right: str, top: str = "", bottom: str = "", colour: str = "white") -> None:
    """Orientation letters at the edges of a panel, readable on bright and dark ground."""
    for text, x, y, ha, va in (
        (left, 0.025, 0.5, "left", "center"),
        (right, 0.975, 0.5, "right", "center"),
        (top, 0.5, 0.975, "center", "top"),
        (bottom, 0.5, 0.025, "center", "bottom"),
    ):
        write(axes, x, y, text, ha=ha, va=va, weight="bold", colour=colour)


def write(
    axes: Any,
    x: float,
    y: float,
    text: str,
    *,
    colour: str = "white",
    size: float = 9,
    outline: str = "black",
    **more: Any,
) -> None:
    """Text at panel fractions, outlined so that no ground hides it."""
    effects = [withStroke(linewidth=2.0, foreground=outline, alpha=0.75)]
    axes.text(x, y, text, color=colour, fontsize=size, transform=axes.transAxes, path_effects=effects, **more)


def scale_bar(axes: Any, length: float = theme.SCALE_BAR, *, unit: float = 1.0, colour: str = "white") -> None:
    """A bar of `length` mm at the lower left; `unit` is the length of one axes data unit in mm."""
    (x0, x1), (y0, y1) = axes.get_xlim(), axes.get_ylim()
    step = np.sign(x1 - x0) * length / unit
    x, y = x0 + 0.04 * (x1 - x0), y0 + 0.045 * (y1 - y0)
    effects = [withStroke(linewidth=4.0, foreground="black", alpha=0.75)]
    axes.plot([x, x + step], [y, y], color=colour, lw=2.2, solid_capstyle="butt", path_effects=effects)
    axes.text(
        x + step / 2, y + 0.018 * (y1 - y0), f"{length:g} mm", color=colour, fontsize=7.5, ha="center", va="bottom",
        path_effects=[withStroke(linewidth=2.0, foreground="black", alpha=0.75)],
    )  # fmt: skip


def save(figure: Figure, path: str | Path | None) -> Figure:
    """Write the figure if a path is given (format by its suffix) and return it."""
    if path is not None:
        with rc_context(STYLE):
            figure.savefig(path)
    return figure


def figure_bytes(figure: Figure, kind: str, **options: Any) -> bytes:
    """The figure as a file in memory: ``"png"``, ``"jpg"`` or ``"svg"`` (the same bytes every time)."""
    out = io.BytesIO()
    metadata = {"Date": None} if kind == "svg" else None
    with rc_context(STYLE):
        figure.savefig(out, format=kind, metadata=metadata, **options)
    return out.getvalue()
