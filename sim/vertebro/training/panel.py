"""What a session shows: telemetry for the page, the observation for an operator, the truth for the end of the log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vertebro.materials.presets import cement
from vertebro.summary import plain_json
from vertebro.training.coach import hints
from vertebro.units import deg, ml, mm

if TYPE_CHECKING:
    from vertebro.training.session import Session


@dataclass(frozen=True, kw_only=True, slots=True)
class Observation:
    """What an operator could perceive at a moment; never the full state.

    Attributes
    ----------
    time : float [s]
    level, phase : str
    readouts : dict
        The telemetry, without hints.
    plan : dict
        Of the planning CT: entry, angles and length of each needle, the poses of the true views.
    tips : dict
        Plane → needle → what the last picture tells of its tip, measured in the picture.
    quality : dict
        Plane → how square the last picture looked, 0 to 1.
    rearmost : float or None
        Rearmost cement on the last lateral picture: 0 posterior, 1 anterior wall.
    leaks : tuple of str
        Regions in which a leak can be made out on the pictures and the CT shown so far.
    outflow : dict of str to bool
        By needle: whether a contrast test where it lies, seen on a subtracted picture, ran straight out of the bone.
    voice : tuple of str
        What the patient said last.
    """

    time: float
    level: str
    phase: str
    readouts: dict[str, Any]
    plan: dict[str, Any]
    tips: dict[str, dict[str, dict[str, float]]]
    quality: dict[str, float]
    rearmost: float | None
    leaks: tuple[str, ...]
    outflow: dict[str, bool]
    voice: tuple[str, ...]


def observation(session: Session) -> Observation:
    """What an operator could perceive now."""
    site = session.site
    known = set(site.visible) | site.on_ct
    found = [site.leak_facts(leak)["region"] for leak in site.leaks if leak.key in known]
    return Observation(
        time=session.time,
        level=session.level,
        phase=session.phase,
        readouts=_readouts(session),
        plan=plain_json(site.plan()),
        tips=plain_json(site.percepts),
        quality={plane: float(look["score"]) for plane, look in session.looks.items()},
        rearmost=site.margin_seen,
        leaks=tuple(found),
        outflow=dict(site.outflow),
        voice=tuple(session.patient.voice),
    )


def telemetry(session: Session) -> dict[str, Any]:
    """Read-outs as plain JSON values.

    Returns
    -------
    dict
        ``time_s, scenario, mode, level, levels, phase, finished, arm, dose, needles, syringe, cement, vitals, voice,
        pictures, hints, marks, saved, answers, checked``. In an exam ``hints`` is empty.
    """
    shown = _readouts(session)
    shown["hints"] = hints(session) if session.mode == "coach" else []
    return plain_json(shown)


def _readouts(session: Session) -> dict[str, Any]:
    arm, patient = session.arm, session.patient
    total = arm.ledger.total
    return {
        "time_s": session.time,
        "scenario": session.scenario.id,
        "mode": session.mode,
        "level": session.level,
        "levels": list(session.sites),
        "phase": session.phase,
        "finished": session.finished,
        "arm": {
            "plane": arm.plane,
            "orbital_deg": arm.position.orbital / deg,
            "cranial_deg": arm.position.cranial / deg,
            "table_lateral_mm": arm.position.lateral / mm,
            "table_height_mm": arm.position.height / mm,
            "table_longitudinal_mm": arm.position.longitudinal / mm,
            "magnification": arm.position.field,
            "moving": arm.moving,
            "pedal": arm.pedal,
            "pulse_rate": arm.rate,
            "treatment": arm.subtracting.mode,
            "masks": arm.subtracting.masks,
            "roadmaps": arm.subtracting.roadmaps,
            "collimation_mm": None if arm.opening is None else [edge / mm for edge in arm.opening],
        },
        "dose": {
            "fluoro_s": total.fluoro_time,
            "exposures": total.exposures,
            "dap_gy_cm2": total.dose_area_product * 1e4,
            "kerma_mgy": total.reference_air_kerma * 1e3,
            "kerma_rate_mgy_min": arm.ledger.rate() * 6e4,
            "dlp_mgy_cm": session.dlp,
        },
        "needles": _needles(session),
        "contrast": session.site.test.needle if session.site.test is not None and session.site.tracing else None,
        "syringe": _syringe(session),
        "cement": _cement(session),
        "vitals": {
            "map_mmhg": round(patient.map_now, 1),
            "spo2": round(patient.oxygen, 1),
            "pulse": round(patient.pulse),
            "pain": round(patient.pain, 1),
            "alarm": patient.alarming,
        },
        "voice": list(patient.voice),
        "pictures": {pane: frame.seq for pane, frame in arm.held.items()},
        "marks": session.marks,
        "saved": len(session.saved),
        "answers": dict(session.answers),
        "checked": sorted(session.checked),
    }


def _needles(session: Session) -> dict[str, Any]:
    rows = {}
    for name, track in session.site.tracks.items():
        convergence, caudal = track.angles()
        rows[name] = {
            "depth_mm": track.depth / mm,
            "convergence_deg": convergence / deg,
            "caudal_deg": caudal / deg,
            "gauge": track.gauge,
            "in_bone": track.contact is not None,
            "resistance_n": track.resistance,
            "moment_n_m": track.moment,
        }
    return rows


def _syringe(session: Session) -> dict[str, Any]:
    site, latest, active = session.site, session.last_round, session.injecting is not None
    return {
        "injecting": None if session.injecting is None else session.injecting[0],
        "wanted_ml_min": 0.0 if session.injecting is None else session.injecting[1] * 60.0 / ml,
        "rate_ml_min": 60.0 * latest.get("rate_ml_s", 0.0) if active else 0.0,
        "injected_ml": site.injected / ml,
        "session_ml": session.injected() / ml,
        "force_n": latest.get("force_n", 0.0) if active else 0.0,
        "pressure_kpa": latest.get("syringe_kpa", 0.0) if active else 0.0,
        "capped": bool(latest.get("capped", False)) and active,
    }


def _cement(session: Session) -> dict[str, Any]:
    age, room = session.cement_age(), session.site.case.cement.temperature
    card = cement(session.preset)
    if age is None:
        return {"mixed": False, "preset": session.preset, "age_s": None, "state": None, "window_s": None}
    return {
        "mixed": True,
        "preset": session.preset,
        "age_s": age,
        "state": card.state_word(age, temperature=room),
        "window_s": list(card.working_window_at(room)),
    }


def truth(session: Session) -> dict[str, Any]:
    """Final findings of every level, for the end of the log."""
    found: dict[str, Any] = {}
    for level, site in session.sites.items():
        needles = {name: site.needle_facts(name) for name in site.tracks if site.tracks[name].needle() is not None}
        if site.engine is None:
            found[level] = {"needles": needles, "leaks": [], "measures": None}
            continue
        engine = site.engine
        found[level] = {
            "needles": needles,
            "leaks": [site.leak_facts(leak) for leak in engine.leaks()],
            "measures": engine.measures().to_dict() | ({} if site.walled else {"both_endplates": None}),
            "injected_ml": engine.state.injected_volume / ml,
            "depth_mm": (site.anatomy.landmarks.anterior_wall - site.anatomy.landmarks.posterior_wall) / mm,
            "embolic_ml": engine.monitor.embolic_volume / ml,
            "canal": engine.witness.risks.canal_encroachment,
            "deliveries": engine.handling.summary(),
        }
    return found
