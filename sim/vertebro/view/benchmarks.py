"""Dose of a run by phase, beside published figures of real procedures.

The figures are no reference levels: they only say how large "usual" is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vertebro.sources import Constant
from vertebro.view import words

if TYPE_CHECKING:
    from vertebro.record import Run

Row = dict[str, str]
DAP_FLUOROSCOPY = Constant(
    1.30,
    "Gy.cm^2",
    0.9,
    2.2,
    "ijss_spinejack",
    "seen",
    "two-dimensional part of a vertebroplasty, median and quartiles",
)
DAP_TOTAL = Constant(
    3.47, "Gy.cm^2", 2.70, 5.73, "ijss_spinejack", "seen", "vertebroplasty with cone-beam CT, median and quartiles"
)
KERMA = Constant(
    157.98,
    "mGy",
    157.98,
    157.98,
    "roldan2024",
    "seen",
    "vertebral augmentation in cancer, mean; more in heavy patients",
)
FLUORO_TIME = Constant(4.9, "min", 1.6, 8.2, "kopparapu", "seen", "vertebroplasty per level, mean and one deviation")
CEMENT_TIME = Constant(
    3.7, "min", 1.5, 3.7, "ortiz2006", "seen", "cement phase: with a delivery system; syringes 1.5 min"
)


def phase_rows(run: Run) -> list[Row]:
    """Frames and dose before, during and after the injection, and in all."""
    bounds = _bounds(run)
    rows = []
    for name, chosen in (
        ("before the cement", [p for p in run.pictures if p.time <= bounds[0] + 1e-6]),
        ("while cement flows", [p for p in run.pictures if bounds[0] + 1e-6 < p.time < bounds[1] - 1e-6]),
        ("at the end and after", [p for p in run.pictures if p.time >= max(bounds[1] - 1e-6, bounds[0] + 2e-6)]),
        ("whole run", list(run.pictures)),
    ):
        views = [picture.view for picture in chosen]
        counts = [f"{views.count(view)} {view}" for view in dict.fromkeys(views)]
        rows.append(
            {
                "name": name,
                "frames": ", ".join(counts) or "none",
                "kerma": f"{sum(p.facts.get('reference_kerma_ugy', 0.0) for p in chosen) / 1e3:.3g} mGy",
                "dap": f"{sum(p.facts.get('dap_ugy_m2', 0.0) for p in chosen) * 1e-2:.3g} Gy·cm²",
            }
        )
    return rows


def _bounds(run: Run) -> tuple[float, float]:
    """First start and last end of an injection [s]."""
    starts = [float(event["time_s"]) for event in run.events if event["event"] == "injection starts"]
    ends = [float(event["time_s"]) for event in run.events if event["event"] == "injection ends"]
    return min(starts, default=0.0), max(ends, default=float(run.times[-1]))


def benchmark_rows(summary: dict[str, Any]) -> list[Row]:
    """This run's dose and time beside published figures, each with its spread and source."""
    dose = summary.get("dose", {})
    area, kerma = dose.get("dap_gy_cm2"), dose.get("reference_kerma_mgy")
    minutes = summary["simulated_s"] / 60
    return [
        _row("dose-area product", area, "Gy·cm²", DAP_FLUOROSCOPY),
        _row("dose-area product", area, "Gy·cm²", DAP_TOTAL),
        _row("air kerma at the reference point", kerma, "mGy", KERMA),
        _row("time of the cement phase", minutes, "min", CEMENT_TIME),
        _row("fluoroscopy time", None, "min", FLUORO_TIME),
    ]


def _row(name: str, value: float | None, unit: str, published: Constant) -> Row:
    spread = f" ({published.low:g} to {published.high:g})" if published.high > published.low else ""
    return {
        "name": name,
        "here": "not counted" if value is None else f"{value:.3g} {unit}",
        "share": "–" if value is None else words.percent(value / published),
        "published": f"{float(published):g}{spread} {unit}",
        "note": published.note,
        "source": published.source,
        "mark": published.mark,
    }
