"""What the monitors show becomes binary messages: greys as JPEG."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vertebro.errors import SessionError
from vertebro.web.contract import PANES, Picture
from vertebro.web.protocol import Kind, pack

QUALITY = 90  # 1 ms and 78 KiB for a noisy 512 x 512 picture (measured)


def jpeg(image: NDArray[np.uint8], quality: int = QUALITY) -> bytes:
    """A grey picture as JPEG."""
    out = io.BytesIO()
    Image.fromarray(image).save(out, "JPEG", quality=quality)
    return out.getvalue()


def message(picture: Picture) -> bytes:
    """The binary message of a picture; its number to acknowledge is 0 until it is sent.

    Raises
    ------
    SessionError
        If the pane is unknown.
    """
    if picture.pane not in PANES:
        raise SessionError("a picture for an unknown pane", where="pane", value=picture.pane, allowed=", ".join(PANES))
    rows, cols = picture.display.shape
    return pack(
        Kind.FLUOROSCOPY, 0, about(picture), [jpeg(picture.display)], size=(cols, rows),
        time_ms=round(1000 * picture.time), number=picture.seq,
    )  # fmt: skip


def about(picture: Picture) -> dict[str, Any]:
    """What the page writes on a picture."""
    facts: dict[str, Any] = {"pane": picture.pane, "time_s": round(picture.time, 3), "live": bool(picture.live)}
    for name in ("orbital_deg", "cranial_deg", "mm_per_pixel"):
        value = float(getattr(picture, name))
        facts[name] = round(value, 4) if math.isfinite(value) else None
    return facts
