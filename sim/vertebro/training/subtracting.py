"""Subtraction at the table: a mask for each plane, the run of contrast agent that came in since, and the roadmap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import GeometryError, SessionError
from vertebro.imaging.detector import blurred, gaussian_taps
from vertebro.imaging.subtraction import Mask, make_mask, peak, roadmap, subtract, subtraction_picture

Treatment = Literal["off", "dsa", "roadmap"]
MASK_FRAMES = 4  # pictures averaged for a mask: its noise adds an eighth to that of a live picture
MASK_TIME = 1.0  # s that they take
CALM = 2.0  # pixels (sigma) of smoothing before the most contrast is kept, else a long run keeps the peaks of its noise


@dataclass(slots=True)
class _Kept:
    """A mask and the most contrast agent seen in each pixel since."""

    mask: Mask
    vessels: NDArray[np.float32] | None = None


class Subtracting:
    """What the console does to pictures before it shows them; changes as pictures come.

    Attributes
    ----------
    mode : {"off", "dsa", "roadmap"}
    lost : set of str
        Planes whose mask no longer fitted because the C-arm, the table or the patient had moved; the reader clears it.
    """

    def __init__(self) -> None:
        self.mode: Treatment = "off"
        self.lost: set[str] = set()
        self._kept: dict[str, _Kept] = {}

    @property
    def masks(self) -> list[str]:
        """Planes that have a mask."""
        return sorted(self._kept)

    @property
    def roadmaps(self) -> list[str]:
        """Planes with a run to make a roadmap of."""
        return sorted(plane for plane, kept in self._kept.items() if kept.vessels is not None)

    def keep(self, plane: str, frames: Sequence[Any]) -> None:
        """Average frames into this plane's mask; what an earlier run showed is forgotten."""
        self._kept[plane] = _Kept(mask=make_mask(frames))

    def forget(self) -> None:
        """Drop all masks, as for another level."""
        self._kept.clear()
        self.mode = "off"

    def switch(self, mode: Treatment, plane: str) -> None:
        """Show pictures of now on another way.

        Raises
        ------
        SessionError
            If there is no mask of this plane, or no run to make a roadmap of.
        """
        if mode != "off" and plane not in self._kept:
            raise SessionError("nothing to subtract from", where="subtract", value=mode, hint="take a mask first")
        if mode == "roadmap" and self._kept[plane].vessels is None:
            raise SessionError(
                "no run to make a roadmap of", where="subtract", value=mode, hint="inject contrast in DSA first"
            )
        self.mode = mode

    def treat(self, plane: str, picture: Any, opening: NDArray[np.bool_]) -> tuple[NDArray[np.uint16], Treatment]:
        """(rows, cols) greys to show, and what they are; a mask that does not fit any more is dropped."""
        kept = self._kept.get(plane)
        if self.mode == "off" or kept is None:
            return picture.display16, "off"
        try:
            added = subtract(kept.mask, picture)
        except GeometryError:
            self.lost.add(plane)
            del self._kept[plane]
            return picture.display16, "off"
        if self.mode == "roadmap" and kept.vessels is not None:
            return roadmap(kept.vessels, picture.display16), "roadmap"
        calm = blurred(added, gaussian_taps(CALM))
        kept.vessels = calm if kept.vessels is None else peak([kept.vessels, calm])
        return subtraction_picture(added, opening), "dsa"
