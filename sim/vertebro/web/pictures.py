"""Session pictures become binary messages: 8-bit greys as JPEG, CT numbers as int16."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vertebro.errors import SessionError
from vertebro.web.contract import PANES, Picture
from vertebro.web.protocol import Format, Kind, pack

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
        If the pane is unknown or the picture has neither 8-bit greys nor int16 CT numbers.
    """
    if picture.pane not in PANES:
        raise SessionError("a picture for an unknown pane", where="pane", value=picture.pane, allowed=", ".join(PANES))
    about: dict[str, Any] = {"pane": picture.pane, **picture.meta}
    rows, cols = picture.image.shape
    facts = {"time_ms": round(1000 * about.get("time_s", 0.0)), "number": int(about.get("number", 0))}
    if picture.image.dtype == np.int16:
        block = np.ascontiguousarray(picture.image, "<i2").tobytes()
        return pack(Kind.SLICE, 0, about, [block], size=(cols, rows), coding=Format.INT16, **facts)
    if picture.image.dtype != np.uint8:
        raise SessionError(
            "a picture nobody can show", where="image", value=str(picture.image.dtype), allowed="uint8 or int16"
        )
    block = jpeg(np.ascontiguousarray(picture.image).view(np.uint8))
    return pack(Kind.FLUOROSCOPY, 0, about, [block], size=(cols, rows), **facts)
