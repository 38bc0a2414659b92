"""Hints of the coach: what a senior beside the trainee would say now. Each comes once a session and then fades."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vertebro.materials.presets import cement
from vertebro.training.log import TICKS

if TYPE_CHECKING:
    from vertebro.training.session import Session

UNSEEN = 6e-3  # m in bone after which a look is due
SHOWN = 20.0  # s that a hint stays


def hints(session: Session) -> list[str]:
    """Hints of this moment, the newest first."""
    shown = []
    for hint in _candidates(session):
        since = session.hinted.setdefault(hint, session.tick)
        if session.tick - since <= SHOWN * TICKS:
            shown.append(hint)
    return shown[:2]


def _on_ct(session: Session) -> list[str]:
    """Where the needle is placed on CT."""
    site, tips = session.site, session.site.percepts.get("ct", {})
    if not site.tracks:
        return ["Read the planning CT: draw the way from the skin to the target on the axial slice."]
    if session.mixed is not None:
        return []
    unseen = any(max(track.blind.values()) > UNSEEN for track in site.tracks.values())
    if unseen or set(site.tracks) - set(tips):
        return ["Hands out, one quick CT: where is the tip now?"]
    if set(site.names) - set(site.tracks) and all(track.contact is not None for track in site.tracks.values()):
        return ["The other side next, when this needle lies well; cement is mixed when both do."]
    return []


def _candidates(session: Session) -> list[str]:
    site, looks = session.site, session.looks
    found = []
    if site.engine is not None and site.visible and session.injecting is not None:
        found.append("You can see cement where it should not be: stop, wait 30 s, look again.")
    if site.margin_seen is not None and site.margin_seen < 0.35 and session.injecting is not None:
        found.append("The cement comes near the posterior quarter.")
    if session.injecting is not None and session.arm.plane != "lateral":
        found.append("Inject under lateral view; look at AP in between.")
    if session.injecting is not None and not session.arm.pedal:
        found.append("You are injecting blind.")
    if session.scenario.guidance == "ct":
        found += _on_ct(session)
    elif not site.tracks and min((look["score"] for look in looks.values()), default=0.0) < 0.5:
        found.append("Bring the level into a true AP and a true lateral first.")
    if site.tracks and session.mixed is None and not site.field.numb:
        found.append("The periosteum is not numb yet.")
    found += _contrast(session)
    tips = site.percepts.get("ap", {}), site.percepts.get("lateral", {})
    for name in site.tracks:
        medial, past = tips[0].get(name, {}).get("to_medial_mm"), tips[1].get(name, {}).get("past_wall_mm")
        if medial is not None and past is not None and medial < 2.0 and past < 0.0:
            found.append("Near the medial line: is the tip past the posterior wall on lateral?")
    age = session.cement_age()
    if age is not None and session.injecting is None:
        drips = cement(session.preset).state_word(age, temperature=site.case.cement.temperature) == "liquid"
        if drips:
            found.append("The cement still drips: wait.")
    return found


def _contrast(session: Session) -> list[str]:
    """What to say about a contrast test before the cement is mixed."""
    site = session.site
    if session.mixed is not None or not any(track.wall_passed for track in site.tracks.values()):
        return []
    if any(site.outflow.values()):
        return ["The contrast ran straight out: move the needle before cement takes the same way."]
    if session.scenario.windows.contrast and site.test is None and not site.outflow:
        return ["This case asks for a contrast test: mask, subtraction, one millilitre through the needle."]
    return []
