"""What a session notes by itself: each round of the injection, each picture and what it shows for the first time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vertebro.training.arm import Frame
from vertebro.training.log import TICKS
from vertebro.training.patient import NERVE_VOLUME
from vertebro.training.site import Round, Site
from vertebro.units import ml

if TYPE_CHECKING:
    from vertebro.training.session import Session


def tell_leaks(session: Session, site: Site) -> None:
    """Note the leaks that nobody has been told of yet. Changes the session."""
    for leak in site.leaks:
        if leak.key not in site.known:
            site.known.add(leak.key)
            session.tell("leak", **(site.leak_facts(leak) | {"level": site.level}))


def book(session: Session, site: Site, done: Round, push: Any) -> None:
    """Note a round of the injection that came on display: new leaks, new pain, one row. Changes the session."""
    engine = site.engine
    if engine is None:
        return
    tell_leaks(session, site)
    risks, latest = engine.witness.risks, engine.witness.history[-1]
    nerve = risks.foramen_volume + engine.monitor.compartment_volumes().get("canal", 0.0)
    if nerve > NERVE_VOLUME and f"leg {site.level}" not in session.said:
        session.said.add(f"leg {site.level}")
        session.patient.say("Something shoots into my leg!", pain=6.0)
        session.tell("radicular pain", level=site.level)
    session.last_round = {
        "level": site.level,
        "until_s": done.tick / TICKS,
        "dt": done.dt,
        "needle": done.needle,
        "rate_ml_s": 0.0 if push is None else push.rate / ml,
        "capped": bool(push is not None and push.capped),
        "syringe_kpa": 0.0 if push is None else push.pressure / 1e3,
        "force_n": 0.0 if push is None else latest["plunger_force_n"],
        "viscosity_pa_s": latest["viscosity_pa_s"],
        "injected_ml": engine.state.injected_volume / ml,
        "by_needle_ml": {name: volume / ml for name, volume in engine.state.injected.items() if volume > 0.0},
        "margin": risks.posterior_margin,
        "canal": risks.canal_encroachment,
        "embolic_ml": engine.monitor.embolic_volume / ml,
        "leaks_ml": {str(leak.key): leak.volume / ml for leak in site.leaks},
        "ages_s": done.ages,
        "beam": done.beam,
        "alarming": session.patient.alarming,
    }
    session.log.add("row", session.tick, **session.last_round)


def look(session: Session, frame: Frame, single: bool) -> None:
    """Look at a picture that has just come up: view, tips, cement, leaks. Changes the session."""
    site, plane, ready = session.site, frame.pane, session.arm.ready(session.site.subject)
    for track in site.tracks.values():
        track.blind[plane] = 0.0
    pose = (frame.orbital_deg, frame.cranial_deg, site.level)
    known = session.looks.get(plane)
    if known is None or known["pose"] != pose:
        quality = site.eyes.quality(frame.geometry, plane)
        session.looks[plane] = {"pose": pose} | quality
        session.tell(
            "image", plane=plane, orbital_deg=frame.orbital_deg, cranial_deg=frame.cranial_deg, single=single,
            **quality,
        )  # fmt: skip
    site.percepts[plane] = {name: site.eyes.read(frame.geometry, plane, track) for name, track in site.tracks.items()}
    _see_contrast(session, site, frame)
    state = (site.subject.number, site.subject.steel, *pose)
    if site.engine is None or site.spotted_at.get(plane) == state:
        return
    site.spotted_at[plane] = state
    if plane == "lateral" and site.walled:
        site.margin_seen = site.margin
    _spot(session, site, ready, plane)


def _see_contrast(session: Session, site: Site, frame: Frame) -> None:
    """Note that a picture shows contrast agent, once for each test and plane."""
    test = site.test
    if test is None or site.subject.contrast is None or frame.pane in test.seen:
        return
    test.seen.add(frame.pane)
    test.alone = test.alone or frame.treatment != "off"
    site.learn_outflow()
    session.tell("contrast seen", needle=test.needle, plane=frame.pane, treatment=frame.treatment)


def _spot(session: Session, site: Site, ready: Any, plane: str) -> None:
    """Note the leaks that the picture on display shows for the first time."""
    if not site.leaks:
        return
    session.settle(site)  # what a leak's cement is can be asked only between rounds
    camera, fraction, veins = site.subject.camera, site.subject.fraction, site.subject.veins
    for leak in site.leaks:
        if leak.key in site.visible or fraction is None:
            continue
        leaked, leaked_veins = site.leaked(leak), site.leaked_veins(leak)
        if not leaked.any() and not leaked_veins.any():
            continue
        others = None if veins is None else veins - leaked_veins
        seen = session.arm.spotter(ready).look(
            camera.cement_line(ready.view, leaked, leaked_veins),
            cement_line=camera.cement_line(ready.view, fraction - leaked, others),
            needle_line=session.arm.needle_line(ready, site.subject),
            cement=camera.cement,
        )
        if seen.visible:
            site.visible[leak.key] = session.tick
            facts = {"snr": seen.snr, "clutter_ratio": seen.clutter_ratio, "contrast": seen.contrast}
            session.tell(
                "leak visible", key=leak.key, plane=plane, volume_ml=leak.volume / ml,
                region=site.leak_facts(leak)["region"], injected_ml=site.injected / ml, **facts,
            )  # fmt: skip
