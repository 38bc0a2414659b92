"""What each action does to a session."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from vertebro.errors import SessionError
from vertebro.materials.presets import cement
from vertebro.procedure.schedule import FreshBatch
from vertebro.procedure.schedule import Stylet as PushStylet
from vertebro.sources import Constant
from vertebro.training import actions as act
from vertebro.training.handlers_needle import NEEDLE_HANDLERS
from vertebro.training.log import TICKS
from vertebro.training.scanning import scan
from vertebro.training.subtracting import MASK_TIME
from vertebro.units import deg, ml, mm

if TYPE_CHECKING:
    from vertebro.training.session import Session

MIXING = Constant(45.0, "s", 20.0, 90.0, "vertebro", "ours", "mix and fill syringes; the age counts from its start")
STYLET_RATE = 3e-8  # m³/s
Handler = Callable[["Session", Any], None]


def _arm(session: Session, action: act.MoveArm) -> None:
    scales = {
        "orbital_deg": ("orbital", deg),
        "cranial_deg": ("cranial", deg),
        "table_lateral_mm": ("lateral", mm),
        "table_height_mm": ("height", mm),
        "table_longitudinal_mm": ("longitudinal", mm),
    }
    changes: dict[str, float] = {
        axis: value * scale for name, (axis, scale) in scales.items() if (value := getattr(action, name)) is not None
    }
    if action.magnification is not None:
        changes["field"] = action.magnification
    seconds = session.arm.send(changes, session.tick)
    session.tell("arm sets out", seconds=seconds)


def _arm_stop(session: Session, action: act.StopArm) -> None:
    session.arm.halt()


def _collimate(session: Session, action: act.Collimate) -> None:
    size = (action.width_mm * mm, action.height_mm * mm)
    session.arm.opening = size if min(size) > 0 else None


def _pulse_rate(session: Session, action: act.PulseRate) -> None:
    session.arm.rate = action.rate


def _pedal(session: Session, action: act.Pedal) -> None:
    was = session.arm.pedal
    session.arm.press(action.down, session.tick)
    if action.down and not was:
        session.tell("beam on", plane=session.arm.plane)
        session.shoot()
    elif was and not action.down:
        session.beam_off()


def _expose(session: Session, action: act.Expose) -> None:
    session.shoot(single=True)


def _save(session: Session, action: act.SaveImage) -> None:
    if action.plane not in session.arm.held:
        raise SessionError("there is no picture of this plane yet", where="save.plane", value=action.plane)
    session.saved.append(session.arm.held[action.plane])


def _mask(session: Session, action: act.TakeMask) -> None:
    session.arm.take_mask(session.site.subject, session.tick, phase=session.phase)
    session.tell("mask taken", plane=session.arm.plane, after_contrast=session.site.test is not None)
    session.spend(MASK_TIME)


def _subtract(session: Session, action: act.Subtract) -> None:
    session.arm.subtracting.switch(action.mode, session.arm.plane)


def _contrast(session: Session, action: act.Contrast) -> None:
    site = session.site
    site.may_inject(action.needle)
    if session.injecting is not None:
        raise SessionError("stop injecting cement first", where="contrast", value=action.needle)
    site.trace(action.needle, action.volume_ml * ml, session.tick)
    session.arm.changed = session.tick


def _mix(session: Session, action: act.Mix) -> None:
    preset = action.preset or session.site.case.cement.preset
    cement(preset)
    again = session.mixed is not None
    if preset != session.preset and any(site.engine is not None for site in session.sites.values()):
        raise SessionError(
            "another cement on top of the first", where="mix.preset", value=preset, allowed=session.preset,
            hint="a fresh batch of the same one",
        )  # fmt: skip
    session.preset, session.mixed = preset, session.tick
    session.spend(float(MIXING))
    session.tell("cement mixed", preset=preset, again=again)
    for site in session.sites.values():
        if site.engine is not None:
            session.rounds()
            for name in sorted(site.engine.handling.needles):
                site.engine.handle(FreshBatch(needle=name, age=float(MIXING)))


def _inject(session: Session, action: act.Inject) -> None:
    site = session.site
    site.may_inject(action.needle)
    age = session.cement_age()
    if age is None:
        raise SessionError("there is no cement", where="inject", hint="mix it first")
    session.rounds()
    if site.tracing:
        raise SessionError("contrast is still going in", where="inject", value=action.needle)
    if session.injecting is None or session.injecting[0] != action.needle:
        session.decide("injection", needle=action.needle)
        _say_start(session, action.needle, age)
    if site.engine is None:
        site.begin(session.tick, age=age, preset=session.preset)
    site.settle_needles()
    site.used.add(action.needle)
    session.injecting = (action.needle, action.rate_ml_min * ml / 60.0, site.level)
    session.arm.changed = session.tick


def _say_start(session: Session, name: str, age: float) -> None:
    card, room = cement(session.preset), session.site.case.cement.temperature
    first, last = card.working_window_at(room)
    session.tell(
        "injection starts",
        needle=name,
        age_s=age,
        window_s=[first, last],
        viscosity_pa_s=float(card.zero_shear_viscosity(age, temperature=room)),
        state=card.state_word(age, temperature=room),
        findings=session.site.needle_facts(name),
    )


def _stop(session: Session, action: act.Stop) -> None:
    if session.injecting is None:
        return
    session.rounds()
    name, _, level = session.injecting
    site = session.sites[level]
    if site.engine is not None:
        site.engine.stop(name)
        site.engine.release()
    session.injecting = None
    margin = None if site.engine is None else site.margin
    session.tell("injection stops", needle=name, margin=margin, injected_ml=session.injected() / ml)


def _stylet(session: Session, action: act.Stylet) -> None:
    site = session.site
    track = site.track(action.needle)
    if site.engine is None or action.needle not in site.used or session.injecting is not None:
        raise SessionError("a stylet pushes after an injection has been stopped", where="stylet", value=action.needle)
    session.rounds()
    before = site.engine.state.time
    facts = site.engine.handle(PushStylet(needle=track.name, rate=STYLET_RATE))
    took = site.engine.state.time - before
    site.refresh()
    site.tick = session.tick + math.ceil(took * TICKS)
    session.spend(math.ceil(took * TICKS) / TICKS)
    session.tell("stylet pushed", needle=track.name, volume_ml=facts.get("volume_ml", 0.0))


def _wait(session: Session, action: act.Wait) -> None:
    session.spend(action.seconds)


def _ct(session: Session, action: act.CtSlice) -> None:
    scan(session, action)


def _mark(session: Session, action: act.MarkLeak) -> None:
    session.marks += 1


def _level(session: Session, action: act.Level) -> None:
    if action.level not in session.sites:
        raise SessionError("no such level", where="level", value=action.level, allowed=", ".join(session.sites))
    if session.injecting is not None:
        raise SessionError("stop injecting before you leave the level", where="level", value=action.level)
    session.level = action.level
    session.arm.held.clear()
    session.arm.last.clear()
    session.arm.subtracting.forget()
    session.looks.clear()
    session.spend(5.0)


def _answer(session: Session, action: act.Answer) -> None:
    question = next((q for q in session.scenario.questions if q.id == action.question), None)
    if question is None or action.answer not in question.options:
        allowed = "; ".join(f"{q.id}: {', '.join(q.options)}" for q in session.scenario.questions)
        raise SessionError("no such question or answer", where="answer", value=action.question, allowed=allowed)
    session.answers[question.id] = action.answer
    session.tell("answered", question=question.id, rule=question.rule, right=action.answer in question.right)


def _check(session: Session, action: act.Check) -> None:
    if action.item not in {item.id for item in session.scenario.checklist}:
        allowed = ", ".join(item.id for item in session.scenario.checklist)
        raise SessionError("no such item", where="check", value=action.item, allowed=allowed)
    session.checked.add(action.item)
    session.tell("checked", item=action.item, pictures=sorted(session.arm.held))


def _call(session: Session, action: act.Call) -> None:
    if action.whom == "oxygen":
        session.patient.on_oxygen = True
    if action.whom == "analgesia":
        session.patient.pain = 0.0
    session.tell("called", whom=action.whom)


def _report(session: Session, action: act.Report) -> None:
    session.tell("leaks reported", leaks=sorted(set(action.leaks)))


def _finish(session: Session, action: act.Finish) -> None:
    session.end()


HANDLERS: dict[str, Handler] = {
    **NEEDLE_HANDLERS,
    "arm": _arm,
    "arm_stop": _arm_stop,
    "collimate": _collimate,
    "pulse_rate": _pulse_rate,
    "pedal": _pedal,
    "expose": _expose,
    "save": _save,
    "mask": _mask,
    "subtract": _subtract,
    "contrast": _contrast,
    "mix": _mix,
    "inject": _inject,
    "stop": _stop,
    "stylet": _stylet,
    "wait": _wait,
    "ct": _ct,
    "mark_leak": _mark,
    "level": _level,
    "answer": _answer,
    "check": _check,
    "call": _call,
    "report": _report,
    "finish": _finish,
}
