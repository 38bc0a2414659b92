"""What the trainer's server asks of a session. The session knows no browser, no socket and no wall clock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PANES = ("ap", "lateral", "ct")


class Picture(Protocol):
    """One picture a session shows.

    Attributes
    ----------
    pane : str
        One of `PANES`.
    seq : int
        Another number, another picture.
    time : float [s]
    live : bool
        Whether the beam is on; else the last image is held.
    display : (rows, cols) uint8 array
        Dense things dark.
    orbital_deg, cranial_deg : float
    mm_per_pixel : float
        At the isocentre.
    treatment : str
        ``"off"``, ``"dsa"`` or ``"roadmap"``.
    """

    @property
    def pane(self) -> str: ...
    @property
    def seq(self) -> int: ...
    @property
    def time(self) -> float: ...
    @property
    def live(self) -> bool: ...
    @property
    def display(self) -> NDArray[np.uint8]: ...
    @property
    def orbital_deg(self) -> float: ...
    @property
    def cranial_deg(self) -> float: ...
    @property
    def mm_per_pixel(self) -> float: ...
    @property
    def treatment(self) -> str: ...


class Lines(Protocol):
    """A session's log: ``lines`` with ``type``, ``tick`` and ``t``; those of type ``event`` are told to the page."""

    @property
    def lines(self) -> list[dict[str, Any]]: ...


class TrainerSession(Protocol):
    """A session: commands in, pictures, read-outs and a log out."""

    @property
    def log(self) -> Lines: ...
    @property
    def saved(self) -> Sequence[Picture]:
        """Pictures stored so far."""

    def command(self, command: dict[str, Any], /) -> Any:
        """Apply an action: its ``kind`` and fields. An action at the wrong moment is a `VertebroError`."""

    def step(self, dt: float, /) -> Any:
        """Let the one clock run on by a time [s]."""

    def frames(self) -> Sequence[Picture]:
        """What the monitors show now."""

    def telemetry(self) -> dict[str, Any]:
        """All read-outs as plain JSON values."""
