"""CT slices for the page: the planning CT to scroll through, and the slices taken during the session."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vertebro.web.protocol import Format, Kind, pack

WIDTH = 0.16  # m, field of view
PIXELS = 256
LETTERS = {"axial": "RLAP", "coronal": "RLHF", "sagittal": "APHF"}  # left, right, top, bottom of the picture
NORMAL = {"axial": 2, "coronal": 1, "sagittal": 0}
LIMIT_MM = 60.0


def message(hu: NDArray[np.floating], about: dict[str, Any]) -> bytes:
    """The binary message of a slice in HU."""
    rows, cols = hu.shape
    block = np.clip(np.rint(hu), -1024, 32767).astype("<i2").tobytes()
    facts = {"pane": "ct", "mm_per_pixel": 1e3 * WIDTH / cols, **about, "letters": LETTERS[about["plane"]]}
    return pack(Kind.SLICE, 0, facts, [block], size=(cols, rows), coding=Format.INT16)


def planning(session: Any, plane: str, offset_mm: float) -> bytes | None:
    """A slice of the planning CT of the level being treated, or None where there is no such plane or no CT."""
    site = getattr(session, "site", None)
    if site is None or plane not in NORMAL or not abs(offset_mm) <= LIMIT_MM:
        return None
    from vertebro.scans import ct_planes

    centre = [0.0, 0.0, 0.0]
    centre[NORMAL[plane]] = offset_mm * 1e-3
    found = ct_planes(site.planned, width=WIDTH, pixels=PIXELS, centre=(centre[0], centre[1], centre[2]))[plane]
    return message(found.hu, {"plane": plane, "source": "planning", "offset_mm": offset_mm})


def taken(session: Any, known: dict[str, int]) -> list[bytes]:
    """The slices of the last scan that were not sent yet; `known` is brought up to date."""
    slices: dict[str, NDArray[np.floating]] = getattr(session, "slices", {})
    fresh = []
    for plane, hu in slices.items():
        if known.get(plane) != id(hu):
            known[plane] = id(hu)
            fresh.append(message(hu, {"plane": plane, "source": "control", "time_s": round(session.time, 1)}))
    return fresh
