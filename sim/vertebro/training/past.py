"""A session looked back upon: each level as a `Run` that can be drawn, the leaks as they lay at a moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vertebro.bedside import judge
from vertebro.drainage import vein_raster
from vertebro.errors import SessionError
from vertebro.leakage import LeakEvent
from vertebro.record import Run
from vertebro.training.log import TICKS, Line, actions
from vertebro.training.memory import Filling, Memory, filling
from vertebro.training.needles import direction
from vertebro.units import deg, mm

if TYPE_CHECKING:
    from vertebro.training.session import Session
    from vertebro.training.site import Site

MOMENTS = 10  # fields of a run: dense ones are large
Point = NDArray[np.float64]


def memory_of(session: Session) -> Memory:
    """What the session has kept.

    Raises
    ------
    SessionError
        If it was told to keep nothing.
    """
    if session.memory is None:
        raise SessionError("this session kept no pictures", where="memory", hint="give it a Memory before it begins")
    return session.memory


def run_of(session: Session, level: str, *, moments: int = MOMENTS) -> Run:
    """One level of a session as a run: the trainee's own needles, the cement as it spread.

    Parameters
    ----------
    session : Session
        With a memory.
    level : str
    moments : int
        Fields to keep, evenly over the volume injected.

    Raises
    ------
    SessionError
        If the session kept nothing.
    """
    memory, site = memory_of(session), session.sites[level]
    needles = tuple(memory.needles.get(level, {}).values())
    base = site.planned if site.engine is None else site.engine.scene
    scene = replace(base, needles=needles, placements=tuple(judge(needle, site.anatomy) for needle in needles))
    shape = site.anatomy.grid.shape
    empty = Filling(
        tick=session.tick, time=0.0, volume=0.0, cells=np.zeros(0, np.int32), saturation=np.zeros(0, np.float32),
        veins=np.zeros(0, np.float32),
    )  # fmt: skip
    kept = (
        [empty]
        if site.engine is None
        else _chosen([*memory.fillings.get(level, ()), filling(site, session.tick)], moments)
    )
    never = np.full(shape, np.nan, np.float32)
    return Run(
        scene=scene,
        times=np.array([one.time for one in kept]),
        saturation=np.stack([one.field(shape) for one in kept]),
        veins=np.stack([one.veins for one in kept]),
        injection_time=never if site.engine is None else site.engine.state.injection_time.astype(np.float32),
        pressure=np.zeros(shape, np.float32) if site.engine is None else site.engine.witness.pressure,
        history={} if site.engine is None else site.engine.witness.curves(),
        events=[] if site.engine is None else list(site.engine.events),
        pictures=[],
        summary={"title": session.scenario.title, "level": level, "leaks": _leaks(site)},
        manifest={},
    )


def _chosen(kept: Sequence[Filling], count: int) -> list[Filling]:
    """So many of them, evenly over the volume, each later than the one before, the last among them."""
    volumes = np.array([one.volume for one in kept])
    wanted = np.linspace(volumes[0], volumes[-1], count)
    picked = sorted({int(np.argmin(np.abs(volumes - volume))) for volume in wanted} | {len(kept) - 1})
    found = [kept[n] for n in picked]
    return [one for n, one in enumerate(found) if n + 1 == len(found) or one.time < found[n + 1].time - 1e-6]


def _leaks(site: Site) -> list[dict[str, Any]]:
    """The leaks as a run's summary has them; times [s] on the injection's own clock."""
    if site.engine is None:
        return []
    seen = {key: (tick - site.began) / TICKS for key, tick in site.visible.items()}
    return [leak.to_dict() | {"t_visible_s": seen.get(leak.key)} for leak in site.engine.leaks()]


def session_time(site: Site, time: float) -> float:
    """Seconds on the session's clock of a time [s] on the injection's own."""
    return site.began / TICKS + time


def leaked_then(site: Site, leak: LeakEvent, then: Filling) -> NDArray[np.float32]:
    """(nr, na, ns) volume share of one leak's cement at an earlier moment.

    Raises
    ------
    SessionError
        If no injection has begun.
    """
    engine = site.engine
    if engine is None:
        raise SessionError("no injection has begun", where="leak")
    shape = site.anatomy.grid.shape
    fraction = engine.scene.cement_fraction(then.field(shape), then.veins)
    cells = tuple(engine.monitor.cells(leak).T)
    leaked = np.zeros(shape, np.float32)
    leaked[cells] = fraction[cells]
    network = site.anatomy.network
    if network is not None and then.veins.size:
        raster = vein_raster(network, site.anatomy.grid)
        leaked += raster.fraction(then.veins.astype(float), engine.monitor.segments(leak))
    return np.minimum(leaked, fraction)


def anaesthetic_ways(session: Session, lines: Sequence[Line], level: str) -> list[tuple[Point, Point]]:
    """Skin and periosteum (3,) [m] of every local anaesthesia of a level that reached bone."""
    site, found = session.sites[level], []
    for line in actions(lines, "anaesthetise"):
        if line["level"] != level:
            continue
        entry, way = _aimed(site, line["action"])
        contact = site.field.first_bone(entry, way)
        if contact is not None:
            found.append((entry, contact))
    return found


def _aimed(site: Site, action: dict[str, Any]) -> tuple[Point, Point]:
    """Entry (3,) [m] and direction (3,) of an action on a needle; those planned where it names none."""
    name, plan = action["needle"], site.plan_needles[action["needle"]]
    place, turn, tilt = (action.get(key) for key in ("entry_mm", "convergence_deg", "caudal_deg"))
    entry = plan.entry if place is None else site.field.skin(place[0] * mm, place[1] * mm)
    if turn is None or tilt is None:
        return entry, plan.direction
    return entry, direction("right" if "right" in name else "left", turn * deg, tilt * deg)
