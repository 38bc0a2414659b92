"""Windows: PyVista scenes, matplotlib figures and the report. Importing this is cheap, drawing is not."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "gl_available": "gl",
    "gl_help": "gl",
    "gl_report": "gl",
    "draw_scene": "scene",
    "draw_mpr": "mpr",
    "open_scene": "look",
    "leaflet_series": "series",
    "fluoro_scene": "scene_fluoro",
    "write_movie": "movie",
    "export_dicom": "export",
    "LoopMaker": "loops",
    "draw_strip": "figures_strip",
    "draw_last_frames": "figures_strip",
    "draw_before_after": "figures_strip",
    "draw_frames": "figures_fluoro",
    "draw_effects": "figures_fluoro",
    "one_by_one": "figures_fluoro",
    "draw_ct": "figures_ct",
    "draw_curves": "figures_curves",
    "draw_cement": "figures_cement",
    "draw_import_check": "figures_import",
    "draw_anatomies": "figures_anatomy",
    "draw_study": "figures_study",
    "draw_indices": "figures_study",
    "write_report": "report",
    "write_comparison": "report_compare",
    "draw_timeline": "timeline",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
