"""What was on the monitors at a second of a session, with the leaks outlined that were there: seen or overlooked."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vertebro.imaging import project
from vertebro.training.log import TICKS
from vertebro.training.memory import Shown
from vertebro.training.past import leaked_then, memory_of, session_time
from vertebro.view import theme
from vertebro.view.debrief_strip import clock

if TYPE_CHECKING:
    from vertebro.training.session import Session

DEEP = 0.2e-3  # m of cement in the beam from which a shadow is outlined
NEAR, WIDE = 3, 2  # pixels (of 512) between a shadow and its outline, and of the outline
RED, AMBER = (255, 92, 80), (255, 190, 70)  # visible, there but not yet visible
DASH = 7  # pixels
QUALITY, DRAWN = 88, 82  # of a monitor's picture, of one drawn anew
NAMES = {"ap": "AP", "lateral": "lateral"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Monitor:
    """One monitor at a moment.

    Attributes
    ----------
    plane : str
    time : float [s]
        When the picture on it was taken.
    plain : bytes
        The picture as JPEG.
    outlined : bytes or None
        With the leaks marked; None when none was there.
    words : str
        What could be seen.
    """

    plane: str
    time: float
    plain: bytes
    outlined: bytes | None
    words: str

    @property
    def best(self) -> bytes:
        """The picture with the most on it."""
        return self.outlined or self.plain


def monitors_at(session: Session, time: float) -> list[Monitor]:
    """Both monitors at a second of the session; fewer where one was still empty.

    Parameters
    ----------
    session : Session
        With a memory.
    time : float [s]

    Raises
    ------
    SessionError
        If the session kept nothing.
    """
    memory = memory_of(session)
    tick = round(max(time, 0.0) * TICKS)
    return [_monitor(session, shown) for shown in memory.shown(tick).values()]


def _monitor(session: Session, shown: Shown) -> Monitor:
    shadows = leak_shadows(session, shown)
    head = f"{NAMES[shown.plane]}, picture of {clock(shown.time)}"
    if not shadows:
        return Monitor(plane=shown.plane, time=shown.time, plain=shown.jpeg, outlined=None, words=f"{head}: no leak.")
    said = [f"{shadow['words']}: {'visible' if shadow['visible'] else 'there, but not to be told apart here'}"
            for shadow in shadows]  # fmt: skip
    return Monitor(
        plane=shown.plane, time=shown.time, plain=shown.jpeg, outlined=outlined(shown.jpeg, shadows),
        words=f"{head}. Leak {'; leak '.join(said)}.",
    )  # fmt: skip


def leak_shadows(session: Session, shown: Shown) -> list[dict[str, Any]]:
    """The leaks in the beam of a picture.

    Returns
    -------
    list of dict
        ``mask`` (rows, cols) bool, ``kind``, ``words``, ``visible`` (some picture had shown it by then).
    """
    site = session.sites[shown.level]
    then = memory_of(session).filling_at(shown.level, shown.tick)
    if site.engine is None or then is None:
        return []
    found = []
    for leak in site.engine.leaks():
        if session_time(site, leak.onset) > shown.time + 1e-6:
            continue
        path = project(leaked_then(site, leak, then), site.anatomy.grid, shown.geometry)
        mask = path > DEEP
        if mask.any():
            visible = leak.key in site.visible and site.visible[leak.key] <= shown.tick
            words = theme.LEAK_WORDS.get(leak.kind.value, leak.words)
            found.append({"mask": mask, "kind": leak.kind.value, "words": words, "visible": visible})
    return found


def outlined(jpeg: bytes, shadows: list[dict[str, Any]]) -> bytes:
    """The picture with a line around each shadow: unbroken where it was visible, dashed where not."""
    from PIL import Image, ImageDraw, ImageFont

    grey = np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB")).copy()
    scale = grey.shape[0] / 512
    for shadow in shadows:
        line = _ring(shadow["mask"], max(1, round(NEAR * scale)), max(1, round(WIDE * scale)))
        if not shadow["visible"]:
            down, across = np.indices(line.shape)
            line &= (down + across) // DASH % 2 == 0
        grey[line] = RED if shadow["visible"] else AMBER
    picture = Image.fromarray(grey)
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(round(15 * max(scale, 0.7)))
    for shadow in shadows:
        rows, cols = np.nonzero(shadow["mask"])
        place = (
            float(min(cols.max() + 10 * scale, grey.shape[1] - 70 * scale)),
            float(max(rows.min() - 12 * scale, 12)),
        )
        draw.text(place, f"{shadow['kind']}", font=font, fill=RED if shadow["visible"] else AMBER, stroke_width=2,
                  stroke_fill=(0, 0, 0), anchor="lm")  # fmt: skip
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=QUALITY, subsampling=0)
    return out.getvalue()


def as_jpeg(image: NDArray[np.uint8]) -> bytes:
    """A grey or colour picture as JPEG."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(image).save(out, "JPEG", quality=DRAWN, optimize=True)
    return out.getvalue()


def _ring(mask: NDArray[np.bool_], near: int, wide: int) -> NDArray[np.bool_]:
    cross = ndimage.generate_binary_structure(2, 1)
    inner = ndimage.binary_dilation(mask, cross, iterations=near)
    ring: NDArray[np.bool_] = ndimage.binary_dilation(inner, cross, iterations=wide) & ~inner
    return ring
