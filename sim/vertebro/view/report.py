"""The report: one HTML file that holds everything, opens offline and prints well."""

from __future__ import annotations

import base64
import importlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import DataError
from vertebro.view import tables, theme, words
from vertebro.view.gl import gl_available, gl_help

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from vertebro.record import Run

LARGEST = 6_000_000  # bytes
JPEG_QUALITY = 86
SCENES = (
    (
        "posterior-oblique",
        False,
        "Seen from behind and above, from the needle's side; colour: when the cement left the needle.",
    ),
    (
        "lateral",
        True,
        "From the needle's side, the cement cut open at the needle tip: the first cement lies outermost.",
    ),
)
LIMITS = (
    "Trabeculae are not resolved. Permeability comes from CT numbers through published laws that scatter by about a "
    "factor of ten between samples.",
    "The resistance of the displaced marrow is the least known number of all; vary it before trusting a leak.",
    "Veins are synthetic: they follow typical anatomy, not this patient's vessels.",
    "Bone does not move, break or expand; discs, dura and veins are rigid.",
    "X-ray and CT pictures are simulated from the same fields. They teach appearance, they are no measured images.",
    "Nothing here has been validated against outcomes in patients.",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plate:
    """One picture of the report: data URL, alternative text, caption."""

    url: str
    alt: str
    caption: str


def preload() -> None:
    """Load what a report draws with (seconds of imports, the OpenGL probe): call it in a thread while cement flows."""
    gl_available()
    for name in ("figures_strip", "figures_ct", "figures_curves", "scene", "scene_meshes"):
        importlib.import_module(f"vertebro.view.{name}")


def write_report(run: Run, path: str | Path | None = None) -> Path:
    """Write the run's report.

    Parameters
    ----------
    run : Run
    path : path, optional
        File to write; default ``report.html`` in the run's folder.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    DataError
        If there is no path and the run was never saved, or the file cannot be written.
    """
    path = _target(run, path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(render_report(run), encoding="utf-8")
    except OSError as error:
        raise DataError(
            f"cannot write the report: {error.strerror or error}", where=str(path), hint="choose another path"
        ) from None
    return path


def _target(run: Run, path: str | Path | None) -> Path:
    if path is not None:
        return Path(path)
    if run.folder is None:
        raise DataError("the run has no folder yet", where="path", hint="save the run, or name a file")
    return Path(run.folder) / "report.html"


def render_report(run: Run) -> str:
    """The report as HTML text."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("vertebro.view"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template("report.html.j2").render(**_context(run))


def _context(run: Run) -> dict[str, Any]:
    cement = {"title": f"cement card: {run.scene.cement.title}", "rows": tables.cement_rows(run)}
    groups = [*tables.parameter_groups(run), cement]
    return {
        "title": run.case.title,
        "level": run.anatomy.level,
        "verdict": words.verdict(run.summary),
        "tone": words.tone(run.summary),
        "sentences": words.sentences(run.summary, _case_facts(run)),
        "tiles": _tiles(run.summary),
        "warnings": run.summary.get("warnings", []),
        "last": _last(run),
        "strip": _strip(run),
        "filling": tables.filling_rows(run.summary),
        "ct": _ct(run),
        "scenes": _scenes(run),
        "gl_note": "" if gl_available() else gl_help(),
        "curves": _curves(run),
        "leaks": tables.leak_rows(run.summary),
        "signs": tables.sign_rows(run.summary),
        "needles": tables.needle_rows(run),
        "dose": tables.dose_rows(run.summary),
        "temperature": _temperature(run.summary),
        "heat": tables.heat_rows(run.summary),
        "heat_note": _heat_note(run.summary),
        "events": tables.event_rows(run),
        "parameters": groups,
        "sources": tables.cited(*(group["rows"] for group in groups)),
        "limits": _limits(run.summary),
        "balance": f"{run.summary['volume_balance_error']:.1e}",
        "provenance": tables.flat_rows({k: v for k, v in run.manifest.items() if k not in ("anatomy", "files")}),
        "anatomy": tables.flat_rows(run.anatomy.provenance),
        "version": run.manifest.get("vertebro", run.manifest.get("version", "")),
        "colours": theme,
    }


def _case_facts(run: Run) -> dict[str, str]:
    case = run.case
    gauges = ", ".join(f"{needle.name} {needle.gauge} G" for needle in case.needles)
    return {
        "level": run.anatomy.level,
        "cement": f"the cement “{run.scene.cement.title}”",
        "age": words.clock(case.cement.age_at_start),
        "needles": f"{words.count(len(case.needles), 'needle')} ({gauges})",
    }


def _tiles(summary: dict[str, Any]) -> list[dict[str, str]]:
    leaked = sum(leak["volume_ml"] for leak in summary.get("leaks", []))
    tiles = [
        {"name": "injected", "value": f"{summary['volume_injected_ml']:.2f}", "unit": "mL"},
        {"name": "in the body", "value": f"{summary['volume_in_body_ml']:.2f}", "unit": "mL"},
        {"name": "filling", "value": f"{100 * summary['fill_fraction']:.1f}", "unit": "%"},
        {"name": "leaked", "value": f"{leaked:.2f}", "unit": "mL"},
        {"name": "peak syringe pressure", "value": f"{summary['peak_syringe_pressure_kpa']:.0f}", "unit": "kPa"},
        {"name": "duration", "value": f"{summary['simulated_s']:.0f}", "unit": "s"},
    ]
    return [tile | {"look": "alarm" if tile["name"] == "leaked" and leaked > 0 else ""} for tile in tiles]


def _temperature(summary: dict[str, Any]) -> str:
    peak = summary.get("peak_temperature_c")
    return "not simulated" if peak is None else f"{peak:.1f} °C"


def _heat_note(summary: dict[str, Any]) -> str:
    heat = summary.get("heat") or {}
    if not heat:
        return ""
    return (
        f"Followed to {words.clock(heat['followed_s'])}, when {words.percent(heat['conversion'])} of the monomer had "
        f"cured. {heat['bone_over_dose_ml']:.1f} mL of bone beside the cement had more than "
        f"{heat['bone_dose_limit_min']:.0f} equivalent minutes at 43 °C; a nerve is flagged from "
        f"{heat['nerve_dose_limit_min']:.0f}. Hottest voxels: tens of kelvin are believable, single degrees are not."
    )


def _limits(summary: dict[str, Any]) -> list[str]:
    cold = (
        () if summary.get("peak_temperature_c") is not None else ("The heat of curing is not simulated in this run.",)
    )
    return [*LIMITS, *cold]


def _strip(run: Run) -> Plate | None:
    if not run.pictures:
        return None
    from vertebro.view.figures_strip import draw_strip

    return Plate(
        url=_jpeg_of(draw_strip, run),
        alt="Simulated fluoroscopy frames over time, one row per view; cement appears dark and grows.",
        caption="Simulated fluoroscopy over time. Cement and bone are dark. AP: the patient's right is on the left of "
        "the picture; lateral: anterior is on the left.",
    )


def _last(run: Run) -> Plate | None:
    if not run.pictures:
        return None
    from vertebro.view.figures_strip import draw_last_frames

    return Plate(
        url=_jpeg_of(draw_last_frames, run),
        alt="The last simulated fluoroscopy frame of each view, large.",
        caption="The last frame of each view. The scale bar holds at the isocentre.",
    )


def _ct(run: Run) -> Plate:
    from vertebro.view.figures_ct import draw_ct

    width, level = theme.BONE_WINDOW
    return Plate(
        url=_jpeg_of(draw_ct, run),
        alt="Simulated CT slices before and after the injection in three planes; cement is white.",
        caption=f"Simulated CT before (top) and after (bottom) in three planes through the middle of the cement. Bone "
        f"window, width {width:.0f} HU, level {level:.0f} HU; cement is white.",
    )


def _scenes(run: Run) -> list[Plate]:
    from vertebro.view.scene import draw_scene

    alt = "Three-dimensional picture of the vertebra with the needle, the cement coloured by injection time"
    if not gl_available():
        return [Plate(url=jpeg_url(draw_scene(run)), alt=alt, caption="Projections of bone, cement and leaks.")]
    from vertebro.view.scene_meshes import build_surfaces

    surfaces = build_surfaces(run)
    return [
        Plate(
            url=jpeg_url(draw_scene(run, view=view, cut=cut, surfaces=surfaces)), alt=f"{alt}, {view}.", caption=caption
        )
        for view, cut, caption in SCENES
    ]


def _curves(run: Run) -> Plate:
    from vertebro.view.figures_curves import draw_curves
    from vertebro.view.panels import figure_bytes

    svg = figure_bytes(draw_curves(run), "svg")
    return Plate(
        url=data_url(svg, "image/svg+xml"),
        alt="Curves of pressure, cement volume, viscosity and injection rate over time, leaks marked.",
        caption="Pressure, volume, viscosity, rate and force over time. Dotted red lines: onset of a leak, by kind.",
    )


def _jpeg_of(draw: Callable[[Run], Figure], run: Run) -> str:
    from vertebro.view.panels import figure_bytes

    options = {"quality": JPEG_QUALITY, "optimize": True}
    return data_url(figure_bytes(draw(run), "jpg", pil_kwargs=options), "image/jpeg")


def jpeg_url(picture: NDArray[np.uint8]) -> str:
    """Data URL of a picture array."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(picture).save(out, "JPEG", quality=JPEG_QUALITY + 4, optimize=True, subsampling=0)
    return data_url(out.getvalue(), "image/jpeg")


def data_url(data: bytes, kind: str) -> str:
    """``data:`` URL of a file in memory."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
