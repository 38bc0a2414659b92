"""CT slices for the page: the planning CT to scroll through, and the slices taken during the session."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.units import mm
from vertebro.web.protocol import Format, Kind, pack

PIXELS = 320
LETTERS = {"axial": "RLAP", "coronal": "RLHF", "sagittal": "APHF"}  # left, right, top, bottom of the picture
NORMAL = {"axial": 2, "coronal": 1, "sagittal": 0}
LIMIT_MM = 60.0


def message(hu: NDArray[np.floating], about: dict[str, Any]) -> bytes:
    """The binary message of a slice in HU."""
    rows, cols = hu.shape
    block = np.clip(np.rint(hu), -1024, 32767).astype("<i2").tobytes()
    facts = {"pane": "ct", **about, "letters": LETTERS[about["plane"]]}
    return pack(Kind.SLICE, 0, facts, [block], size=(cols, rows), coding=Format.INT16)


def planning(session: Any, plane: str, offset_mm: float) -> bytes | None:
    """A slice of the planning CT of the level being treated, or None where there is no such plane or no CT."""
    site = getattr(session, "site", None)
    if site is None or plane not in NORMAL or not abs(offset_mm) <= LIMIT_MM:
        return None
    from vertebro.scans import ct_planes
    from vertebro.training.scanning import field_of_view

    centre, width = [0.0, 0.0, 0.0], field_of_view(session)
    centre[NORMAL[plane]] = offset_mm * mm
    place = (centre[0], centre[1], centre[2])
    found = ct_planes(site.planned, width=width, pixels=PIXELS, centre=place, planes=(plane,))[plane]  # type: ignore[arg-type]
    about = {"plane": plane, "source": "planning", "offset_mm": offset_mm, "mm_per_pixel": width / mm / PIXELS}
    return message(found.hu, about)


def control(session: Any, plane: str, offset_mm: float) -> bytes | None:
    """A slice of the last scan, or None where it holds none there."""
    scan = getattr(session, "scan", None)
    if scan is None or plane not in NORMAL or not abs(offset_mm) <= LIMIT_MM + 1.0:
        return None
    if not scan.has(plane, offset_mm * mm):
        return None
    return message(scan.cut(plane, offset_mm * mm), _about(scan, plane, offset_mm))


def taken(session: Any, known: int) -> list[bytes]:
    """The slices through the middle of the last scan, if it is not the one known by its number."""
    scan = getattr(session, "scan", None)
    if scan is None or scan.number == known:
        return []
    slices: dict[str, NDArray[np.floating]] = session.slices
    return [message(hu, _about(scan, plane, scan.centre[NORMAL[plane]] / mm)) for plane, hu in slices.items()]


def _about(scan: Any, plane: str, offset_mm: float) -> dict[str, Any]:
    return {
        "plane": plane, "source": "control", "offset_mm": offset_mm, "mm_per_pixel": scan.width / mm / PIXELS,
        "time_s": round(scan.time, 1), "number": scan.number, "mode": scan.mode, "planes": list(scan.planes),
        "centre_mm": [x / mm for x in scan.centre], "reach_mm": scan.reach / mm,
    }  # fmt: skip
