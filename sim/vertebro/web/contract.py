"""What the trainer's server asks of a session. The session knows no browser, no socket and no wall clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

PANES = ("ap", "lateral", "ct")  # where a picture is shown; its place here is its number in binary messages


class Picture(Protocol):
    """One picture a session hands out.

    Attributes
    ----------
    pane : str
        One of `PANES`.
    image : (rows, cols) array
        uint8 (fluoroscopy, dense = dark) or int16 (CT, HU).
    meta : mapping
        Plain JSON values that belong to this picture: ``time_s``, ``number``, ``letters`` (left, right, top, bottom),
        ``orbital_deg``, ``cranial_deg``, ``mm_per_pixel`` at the isocentre, ...
    """

    @property
    def pane(self) -> str: ...
    @property
    def image(self) -> NDArray[np.generic]: ...
    @property
    def meta(self) -> Mapping[str, Any]: ...


@runtime_checkable
class TrainerSession(Protocol):
    """A session: commands in, pictures, read-outs and events out."""

    def command(self, command: dict[str, Any], /) -> None:
        """Apply an action: its ``kind`` and fields. An action at the wrong moment is a `SessionError`."""

    def step(self, dt: float, /) -> None:
        """Let the one clock run on by a time [s]."""

    def frames(self) -> Sequence[Any]:
        """Pictures since the last call."""

    def telemetry(self) -> dict[str, Any]:
        """All read-outs as plain JSON values."""
