"""What a session keeps for its debrief: the pictures that were on the monitors, and where the cement was when.

The log tells what happened; pictures and fields cannot be told from it without doing the session again. A `Memory`
hangs on a session and writes down as it goes: of each monitor one picture a second at most, those that first show a
leak always, and the cement whenever some was added.

>>> session = Session("first-steps")                                   # doctest: +SKIP
>>> session.memory = Memory()                                          # doctest: +SKIP
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vertebro.errors import SessionError
from vertebro.procedure import Needle
from vertebro.training.log import TICKS

if TYPE_CHECKING:
    from vertebro.training.arm import Frame
    from vertebro.training.session import Session
    from vertebro.training.site import Site

APART = TICKS  # ticks between two kept pictures of a monitor
MOST = 900  # pictures kept of a monitor; beyond that every second one goes and they are kept half as often
QUALITY = 85
LEAST = 1e-3  # saturation that is kept
NOTHING = 1e-9  # m³ added that are not worth another field
PLANES = ("ap", "lateral")


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """A picture as it was on a monitor.

    Attributes
    ----------
    tick : int
        At which it came up.
    level, plane : str
    jpeg : bytes
    geometry : ProjectionGeometry
    orbital_deg, cranial_deg : float
    steel : tuple of Needle
        In the beam.
    """

    tick: int
    level: str
    plane: str
    jpeg: bytes
    geometry: Any
    orbital_deg: float
    cranial_deg: float
    steel: tuple[Needle, ...] = ()

    @property
    def time(self) -> float:
        """Seconds on the session's clock."""
        return self.tick / TICKS


@dataclass(frozen=True, kw_only=True, slots=True)
class Filling:
    """The cement of a level at a moment: only the wet voxels.

    Attributes
    ----------
    tick : int
    time : float [s]
        On the injection's own clock.
    volume : float [m³]
        Injected.
    cells : (n,) int32 array
        Flat indices of wet voxels.
    saturation : (n,) float32 array
        Theirs.
    veins : (m,) float32 array [m³]
        Cement in each segment of the veins.
    """

    tick: int
    time: float
    volume: float
    cells: NDArray[np.int32]
    saturation: NDArray[np.float32]
    veins: NDArray[np.float32]

    def field(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """(nr, na, ns) saturation."""
        whole = np.zeros(int(np.prod(shape)), np.float32)
        whole[self.cells] = self.saturation
        return whole.reshape(shape)


@dataclass(slots=True)
class Memory:
    """Grows with a session.

    Attributes
    ----------
    pictures : dict of str to list of Shown
        By plane, in order of time.
    fillings : dict of str to list of Filling
        By level, in order of time.
    needles : dict of str to dict of str to Needle
        By level and name: where each needle lay when it was last injected through, else when last seen.
    """

    pictures: dict[str, list[Shown]] = field(default_factory=dict)
    fillings: dict[str, list[Filling]] = field(default_factory=dict)
    needles: dict[str, dict[str, Needle]] = field(default_factory=dict)
    _last: dict[str, tuple[int, str, Frame, tuple[Needle, ...]]] = field(default_factory=dict)
    _apart: dict[str, int] = field(default_factory=dict)

    def picture(self, session: Session, frame: Frame) -> None:
        """A picture has come up on a monitor."""
        plane, site, tick = frame.pane, session.site, session.tick
        kept, apart = self.pictures.setdefault(plane, []), self._apart.setdefault(plane, APART)
        before = self._last.get(plane)
        if before is not None and tick - before[0] > apart and (not kept or kept[-1].tick < before[0]):
            kept.append(_shown(*before))  # it was held until now
        self._last[plane] = now = (tick, site.level, frame, site.subject.needles)
        if not kept or tick - kept[-1].tick >= apart or tick in site.visible.values():
            kept.append(_shown(*now))
        if site.engine is None:
            self.needles.setdefault(site.level, {}).update({needle.name: needle for needle in site.subject.needles})
        if len(kept) > MOST:
            first = set(site.visible.values())
            self.pictures[plane] = [one for n, one in enumerate(kept) if n % 2 == 0 or one.tick in first]
            self._apart[plane] = 2 * apart

    def round(self, session: Session, site: Site) -> None:
        """A round of an injection is over."""
        engine, kept = site.engine, self.fillings.setdefault(site.level, [])
        if engine is None:
            return
        volume = float(engine.state.injected_volume)
        soon = bool(kept) and session.injecting is not None and session.tick - kept[-1].tick < TICKS
        if soon or (kept and volume - kept[-1].volume < NOTHING):
            return
        kept.append(filling(site, session.tick))
        if session.injecting is not None and session.injecting[2] == site.level:
            active = [needle for needle in site.subject.needles if needle.name in site.used]
            self.needles.setdefault(site.level, {}).update({needle.name: needle for needle in active})

    def shown(self, tick: int) -> dict[str, Shown]:
        """What was on the monitors at a tick, by plane."""
        found = {}
        for plane in PLANES:
            last = self._last.get(plane)
            if last is not None and last[0] <= tick:
                found[plane] = _shown(*last)
                continue
            before = [one for one in self.pictures.get(plane, ()) if one.tick <= tick]
            if before:
                found[plane] = before[-1]
        return found

    def filling_at(self, level: str, tick: int) -> Filling | None:
        """The cement of a level at a tick; None before there was any."""
        before = [one for one in self.fillings.get(level, ()) if one.tick <= tick]
        return before[-1] if before else None


def filling(site: Site, tick: int) -> Filling:
    """The cement of a level now.

    Raises
    ------
    SessionError
        If its injection has not begun.
    """
    engine = site.engine
    if engine is None:
        raise SessionError("no injection has begun", where="level", value=site.level)
    flat = engine.state.saturation.ravel()
    cells = np.flatnonzero(flat > LEAST).astype(np.int32)
    return Filling(
        tick=tick, time=float(engine.state.time), volume=float(engine.state.injected_volume), cells=cells,
        saturation=flat[cells].astype(np.float32), veins=np.array(engine.veins, np.float32),
    )  # fmt: skip


def _shown(tick: int, level: str, frame: Frame, steel: tuple[Needle, ...]) -> Shown:
    out = io.BytesIO()
    Image.fromarray(frame.display).save(out, "JPEG", quality=QUALITY)
    return Shown(
        tick=tick, level=level, plane=frame.pane, jpeg=out.getvalue(), geometry=frame.geometry,
        orbital_deg=frame.orbital_deg, cranial_deg=frame.cranial_deg, steel=steel,
    )  # fmt: skip
