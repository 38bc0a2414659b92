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


def message(picture: Picture, *, stored: int | None = None) -> bytes:
    """The binary message of a picture; its number to acknowledge is 0 until it is sent.

    Parameters
    ----------
    picture : Picture
    stored : int, optional
        Its place among the stored pictures; default: it is shown on its monitor.

    Raises
    ------
    SessionError
        If the pane is unknown.
    """
    if picture.pane not in PANES:
        raise SessionError("a picture for an unknown pane", where="pane", value=picture.pane, allowed=", ".join(PANES))
    rows, cols = picture.display.shape
    facts = about(picture)
    if stored is not None:
        facts |= {"pane": "stored", "plane": picture.pane, "stored": stored, "live": False}
    return pack(
        Kind.FLUOROSCOPY if stored is None else Kind.STILL, 0, facts, [jpeg(picture.display)], size=(cols, rows),
        time_ms=round(1000 * picture.time), number=picture.seq,
    )  # fmt: skip


def about(picture: Picture) -> dict[str, Any]:
    """What the page writes on a picture."""
    facts: dict[str, Any] = {"pane": picture.pane, "time_s": round(picture.time, 3), "live": bool(picture.live)}
    for name in ("orbital_deg", "cranial_deg", "mm_per_pixel"):
        value = float(getattr(picture, name))
        facts[name] = round(value, 4) if math.isfinite(value) else None
    facts["treatment"] = picture.treatment
    facts["letters"] = letters(float(picture.orbital_deg), float(picture.cranial_deg))
    return facts


def letters(orbital_deg: float, cranial_deg: float) -> list[str]:
    """What lies at the left, right, top and bottom of a picture: the stronger direction first.

    At 0 degrees the patient's right is on the left, at 90 degrees the front is.

    >>> letters(0, 0), letters(90, 0)
    (['R', 'L', 'H', 'F'], ['A', 'P', 'H', 'F'])
    >>> letters(-30, 0)[0]
    'RP'
    """
    turn, tilt = math.radians(orbital_deg), math.radians(cranial_deg)
    left = _words({"R": math.cos(turn), "A": math.sin(turn)})
    top = _words({"H": math.cos(tilt), "P": -math.sin(tilt) * math.cos(turn), "R": math.sin(tilt) * math.sin(turn)})
    return [left, _opposite(left), top, _opposite(top)]


OPPOSITE = {"R": "L", "L": "R", "A": "P", "P": "A", "H": "F", "F": "H"}
NAMED = 0.3  # share of a direction below which it gets no letter


def _words(parts: dict[str, float]) -> str:
    strong = sorted(((abs(share), name, share) for name, share in parts.items() if abs(share) > NAMED), reverse=True)
    return "".join(name if share > 0 else OPPOSITE[name] for _, name, share in strong)


def _opposite(word: str) -> str:
    return "".join(OPPOSITE[letter] for letter in word)
