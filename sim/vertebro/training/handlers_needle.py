"""What the actions on needles do to a session: anaesthetise, place, turn, advance, take out, confirm."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from vertebro.errors import SessionError
from vertebro.materials.presets import cement
from vertebro.procedure.schedule import Retract
from vertebro.procedure.schedule import Withdraw as TakeOut
from vertebro.sources import Constant
from vertebro.training import actions as act
from vertebro.training.eyes import on_skin
from vertebro.training.log import TICKS
from vertebro.training.needles import Track, direction
from vertebro.training.needles import advance as advance_track
from vertebro.training.needles import rotate as rotate_track
from vertebro.training.watching import tell_leaks
from vertebro.units import deg, mm

if TYPE_CHECKING:
    from vertebro.training.session import Session

NUMBING = Constant(45.0, "s", 15.0, 120.0, "vertebro", "ours", "infiltrate skin and periosteum, wait for it to work")
PUNCTURE = Constant(10.0, "s", 3.0, 60.0, "vertebro", "ours", "take the needle, aim, puncture the skin")
TURN = Constant(3.0, "s", 1.0, 10.0, "vertebro", "ours", "redirect a needle")
PULLING = Constant(5.0, "s", 1.0, 20.0, "vertebro", "ours", "twist and take out")


def _way(session: Session, action: act.Anaesthetise | act.Place) -> tuple[np.ndarray, np.ndarray]:
    """Entry (3,) [m] on the skin and direction (3,) of an action; the planned ones where it names none."""
    site, name = session.site, action.needle
    plan = site.plan_needles.get(name)
    if plan is None:
        raise SessionError("no such needle", where="needle", value=name, allowed=", ".join(site.plan_needles))
    side = "right" if "right" in name else "left"
    if action.line_mm is not None:
        return _drawn(site.anatomy.landmarks.posterior_skin, *action.line_mm)
    if isinstance(action, act.Place) and action.pixel is not None:
        held = session.arm.held.get("ap")
        if held is None or held.geometry is None:
            raise SessionError("no AP picture to point at", where="place.pixel", hint="take one first")
        entry = site.field.skin(*on_skin(held.geometry, action.pixel, site.anatomy.landmarks.posterior_skin))
    elif action.entry_mm is not None:
        entry = site.field.skin(action.entry_mm[0] * mm, action.entry_mm[1] * mm)
    else:
        entry = plan.entry
    if action.convergence_deg is None or action.caudal_deg is None:
        return entry, plan.direction
    return entry, direction(side, action.convergence_deg * deg, action.caudal_deg * deg)


def _drawn(skin: float, start: act.Point, end: act.Point) -> tuple[np.ndarray, np.ndarray]:
    """Entry (3,) [m] on the skin of the back, at a = `skin` [m], and direction (3,) of a line on the CT [mm]."""
    entry, target = np.array(start) * mm, np.array(end) * mm
    way = target - entry
    length = float(np.linalg.norm(way))
    if length < 10 * mm or way[1] < 0.5 * length:
        raise SessionError(
            "this line leads no needle into the bone", where="line_mm", value=[list(start), list(end)],
            allowed="from the skin of the back at least 10 mm forwards, at most 60 degrees oblique",
        )  # fmt: skip
    way = way / length
    return target - way * (target[1] - skin) / way[1], way


def _anaesthetise(session: Session, action: act.Anaesthetise) -> None:
    entry, way = _way(session, action)
    contact = session.site.field.first_bone(entry, way)
    session.spend(float(NUMBING))
    if contact is not None:
        session.site.field.numb.append(contact)
    session.patient.pain = 0.0
    session.tell("anaesthetic given", needle=action.needle, periosteum=contact is not None)


def _place(session: Session, action: act.Place) -> None:
    site = session.site
    entry, way = _way(session, action)
    if action.needle in site.tracks and site.tracks[action.needle].depth > 1.5 * mm:
        raise SessionError("this needle is in already", where="needle", value=action.needle, hint="withdraw it first")
    session.decide("skin puncture", needle=action.needle)
    gauge = action.gauge or site.plan_needles[action.needle].gauge
    side = "right" if "right" in action.needle else "left"
    track = Track(name=action.needle, side=side, gauge=gauge, entry=entry, direction=way, depth=2 * mm)
    site.tracks[action.needle] = track
    site.moved.add(action.needle)
    session.spend(float(PUNCTURE))
    session.tell("needle placed", needle=action.needle, gauge=gauge, entry_mm=entry / mm)
    site.show()


def _rotate(session: Session, action: act.Rotate) -> None:
    site, track = session.site, session.site.track(action.needle)
    facts = rotate_track(track, action.convergence_deg * deg, action.caudal_deg * deg, site.field)
    session.spend(float(TURN))
    for event, details in facts:
        session.tell(event, **details)
    _has_moved(session, track)


def _advance(session: Session, action: act.Advance) -> None:
    site, track = session.site, session.site.track(action.needle)
    if action.distance_mm < 0 and action.needle in site.used:
        _pull(session, Retract(needle=action.needle, distance=-action.distance_mm * mm))
        return
    if site.engine is not None and action.needle == session.injecting_needle:
        raise SessionError("stop injecting before the needle is moved", where="advance", value=action.needle)
    for seconds, facts in advance_track(track, action.distance_mm * mm, site.field):
        session.arm.changed = session.tick
        site.subject.steel += 1
        site.show()
        _hand(session, seconds)
        session.spend(seconds)
        for event, details in facts:
            session.met(track, event, details)
    _has_moved(session, track)


def _hand(session: Session, seconds: float) -> None:
    """Count the time that the hand is in the beam: it holds the hub while the beam comes from behind or front."""
    if session.arm.pedal and session.arm.plane == "ap":
        session.hand_seconds += seconds


def _has_moved(session: Session, track: Track) -> None:
    site = session.site
    site.moved.add(track.name)
    site.outflow.pop(track.name, None)  # it was told of where the needle lay
    site.show()
    session.arm.changed = session.tick
    session.tell(
        "needle moved",
        needle=track.name,
        depth_mm=track.depth / mm,
        blind_mm={plane: way / mm for plane, way in track.blind.items()},
    )


def _pull(session: Session, step: Retract | TakeOut) -> None:
    site, name = session.site, step.needle
    track, engine = site.track(name), site.engine
    session.rounds()
    if name == session.injecting_needle:
        raise SessionError("stop injecting before the needle is moved", where="needle", value=name)
    if engine is None:
        raise SessionError("nothing was injected", where="needle", value=name)
    site.settle_needles()
    before = engine.state.time
    facts = engine.handle(step)
    pulled = math.ceil((engine.state.time - before) * TICKS)
    site.refresh()
    site.tick = session.tick + pulled
    details = {key: value for key, value in facts.items() if key not in ("time_s", "event")}
    age = session.cement_age()
    session.spend(max(float(PULLING), pulled / TICKS))
    state = None if age is None else cement(session.preset).state_word(age)
    session.tell(facts["event"], **details, state=state)
    tell_leaks(session, site)  # a tail of cement in the track is one
    if facts["event"] == "needle stuck in the cement":
        return
    if isinstance(step, TakeOut) or name not in engine.handling.needles:
        site.tracks.pop(name, None)
    else:
        track.depth -= step.distance
        site.moved.discard(name)
    site.show()


def _withdraw(session: Session, action: act.Withdraw) -> None:
    site = session.site
    site.track(action.needle)
    if action.needle in site.used:
        _pull(session, TakeOut(needle=action.needle))
        return
    session.spend(float(PULLING))
    site.tracks.pop(action.needle)
    session.tell("needle withdrawn", needle=action.needle, tail_mm=0.0, tail_ml=0.0, state=None)
    site.show()


def _confirm(session: Session, action: act.Confirm) -> None:
    session.decide("confirm", needle=action.needle)
    session.tell("needle confirmed", **session.site.needle_facts(action.needle))


NEEDLE_HANDLERS: dict[str, Callable[[Session, Any], None]] = {
    "anaesthetise": _anaesthetise,
    "place": _place,
    "rotate": _rotate,
    "advance": _advance,
    "withdraw": _withdraw,
    "confirm": _confirm,
}
