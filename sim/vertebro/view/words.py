"""Plain language: a verdict and a few sentences from the numbers of a run. Pure functions, no pictures."""

from __future__ import annotations

import textwrap
from typing import Any

from vertebro.view import theme

GRAVE = ("canal", "B", "foramen", "embolus")  # cement near nerves or in the blood: what a reader hears first
LONGEST_PLACE = 80  # characters
NEGLIGIBLE_ML = 0.005
PELVIC_BONES = {"S1": "sacrum", "HIP_L": "left hip bone", "HIP_R": "right hip bone"}


def verdict(summary: dict[str, Any]) -> str:
    """One sentence: what went in, and whether it stayed in the bone."""
    injected = summary["volume_injected_ml"]
    leaks = ordered_leaks(summary)
    if injected < NEGLIGIBLE_ML:
        return "No cement entered the bone."
    if not leaks:
        return f"{ml(injected)} of cement went in, and all of it stayed inside the bone."
    total = sum(leak["volume_ml"] for leak in leaks)
    kinds = by_kind(leaks)
    parts = [f"{ml(volume)} {leak_words(kind)}" for kind, volume in kinds[:3]]
    if len(kinds) == 1:
        return f"{ml(injected)} of cement went in; {ml(total)} leaked {leak_words(kinds[0][0])}."
    if len(kinds) > 3:
        parts.append(f"{ml(sum(volume for _, volume in kinds[3:]))} by other ways")
    return f"{ml(injected)} of cement went in; {ml(total)} leaked: {', '.join(parts[:-1])} and {parts[-1]}."


def by_kind(leaks: list[dict[str, Any]]) -> list[tuple[str, float]]:
    """Kind and volume [mL] of leaks, each kind once, in the order of `ordered_leaks`."""
    volumes: dict[str, float] = {}
    for leak in leaks:
        volumes[leak["kind"]] = volumes.get(leak["kind"], 0.0) + leak["volume_ml"]
    return sorted(volumes.items(), key=lambda item: (item[0] not in GRAVE, -item[1]))


def tone(summary: dict[str, Any]) -> str:
    """How the verdict looks: ``"calm"``, ``"notice"`` or ``"alarm"`` (cement in the canal, a foramen, the blood)."""
    kinds = {leak["kind"] for leak in summary.get("leaks", [])}
    if kinds & set(GRAVE):
        return "alarm"
    return "notice" if kinds else "calm"


def opening(summary: dict[str, Any], case_facts: dict[str, str]) -> str:
    """How it was done, in a sentence.

    Parameters
    ----------
    summary : dict
        As in ``summary.json``.
    case_facts : dict
        Texts ``level``, ``cement``, ``age`` and ``needles``.
    """
    told = (
        f"In a simulated {bone_name(case_facts['level'])}, {case_facts['cement']} was injected through "
        f"{case_facts['needles']}, starting {case_facts['age']} after mixing and taking "
        f"{clock(summary['simulated_s'])}."
    )
    if summary.get("status") == "interrupted":
        told += " The run was interrupted before its schedule ended: the figures hold for what was done until then."
    return told


def findings(summary: dict[str, Any], level: str) -> list[tuple[str, str]]:
    """The run retold, a name and a sentence or two for each thing a reader asks about."""
    told = [
        ("Filling", _filling(summary, level)),
        ("Leaks", _leaks(summary)),
        ("Seen or hidden", _seen(summary)),
        ("Pressure", _pressure(summary)),
        ("Heat", _heat(summary)),
        ("Radiation", _radiation(summary)),
        ("Warning signs", _signs(summary)),
    ]
    return [(name, text) for name, text in told if text]


def _filling(summary: dict[str, Any], level: str) -> str:
    part, result = treated_part(level), summary.get("result") or {}
    text = (
        f"At the end {ml(summary['volume_in_body_ml'])} lay in {part}, {percent(summary['fill_fraction'])} of its "
        f"{summary['body_volume_ml']:.1f} mL."
    )
    if not result or level in PELVIC_BONES or summary["volume_in_body_ml"] < NEGLIGIBLE_ML:
        return text
    halves = "crosses the midline" if result["crosses_midline"] else "stays on one side of the midline"
    ends = "touches both endplates" if result["both_endplates"] else "does not touch both endplates"
    margin = result.get("posterior_margin")
    rear = ""
    if margin is not None:
        quarter = ", in the posterior quarter" if result["in_posterior_quarter"] else ""
        depth = f"to {percent(margin)} of the depth in front of the posterior wall{quarter}"
        rear = f" and reaches back {depth if margin > 0 else 'to the posterior wall'}"
    return f"{text} It {halves}, {ends}{rear}."


def _leaks(summary: dict[str, Any]) -> str:
    leaks = ordered_leaks(summary)
    if not leaks:
        return "No cement left the bone."
    told = " ".join(_leak_sentence(leak) for leak in leaks[:4])
    return told if len(leaks) <= 4 else f"{told} {count(len(leaks) - 4, 'more leak')} in the table below."


def _seen(summary: dict[str, Any]) -> str:
    leaks = summary.get("leaks", [])
    if not leaks:
        return ""
    hidden = [leak for leak in leaks if leak.get("t_visible_s") is None]
    volume = ml(sum(leak["volume_ml"] for leak in hidden))
    if not hidden:
        lag = max(leak["t_visible_s"] - leak["t_leak_s"] for leak in leaks)
        return f"Every leak shows on a stored frame, {clock(lag)} after it began at the latest."
    if len(hidden) == len(leaks):
        shown = "The leak shows" if len(leaks) == 1 else f"None of the {len(leaks)} leaks shows"
        negation = " on no stored frame" if len(leaks) == 1 else " on a stored frame"
        return f"{shown}{negation}: {volume} went unseen."
    return f"{len(leaks) - len(hidden)} of {len(leaks)} leaks show on a stored frame; {volume} went unseen."


def _pressure(summary: dict[str, Any]) -> str:
    return (
        f"At most {kpa(summary['peak_syringe_pressure_kpa'])} in the syringe and "
        f"{kpa(summary['peak_bone_pressure_kpa'])} in the bone at the needle tip."
    )


def _heat(summary: dict[str, Any]) -> str:
    peak, heat = summary.get("peak_temperature_c"), summary.get("heat") or {}
    if peak is None:
        return "The heat of curing was not simulated in this run."
    places = heat.get("peak_c", {})
    text = f"The cement reached {peak:.0f} °C"
    if "interface" in places:
        text += f", the bone beside it {places['interface']:.0f} °C"
    nerves = {name: value for name, value in places.items() if name == "canal" or name.startswith("foramen")}
    if nerves:
        hottest = max(nerves, key=lambda name: nerves[name])
        limit = heat.get("nerve_dose_limit_min")
        over = limit is not None and max(heat.get("cem43_min", {}).get(name, 0.0) for name in nerves) >= limit
        judged = "" if limit is None else f", {'above' if over else 'below'} the thermal dose that harms nerves"
        text += f". Near nerves it was {nerves[hottest]:.1f} °C at most ({place_words(hottest)}){judged}"
    return f"{text}."


def _radiation(summary: dict[str, Any]) -> str:
    dose = summary.get("dose", {})
    if not dose.get("frames"):
        return "No frame was taken."
    return (
        f"{count(int(dose['frames']), 'stored frame')}: {dose.get('dap_gy_cm2', 0.0):.2g} Gy·cm² and "
        f"{dose.get('reference_kerma_mgy', 0.0):.2g} mGy at the reference point."
    )


def _signs(summary: dict[str, Any]) -> str:
    signs = summary.get("warning_signs", [])
    if not signs:
        return ""
    told = "; ".join(f"{readable(sign['sign'])} after {clock(sign['t_s'])} ({sign['words']})" for sign in signs[:4])
    return f"{told[:1].upper()}{told[1:]}."


def bone_name(level: str) -> str:
    """``"L1"`` → ``"L1 vertebra"``; the sacrum and the hip bones by their names."""
    return PELVIC_BONES.get(level, f"{level} vertebra")


def treated_part(level: str) -> str:
    """What cement fills in a bone: the body of a vertebra, the whole of another bone."""
    return "the bone" if level in PELVIC_BONES else "the vertebral body"


def _leak_sentence(leak: dict[str, Any]) -> str:
    place = leak_place(leak)
    where = f" ({place})" if place else ""
    seen = leak.get("t_visible_s")
    visible = f"; it could be seen from {clock(seen)} on" if seen is not None else ""
    return (
        f"From {clock(leak['t_leak_s'])} on, cement leaked {leak_words(leak['kind'])}{where}: "
        f"{ml(leak['volume_ml'])} in the end{visible}."
    )


def ordered_leaks(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Leaks near nerves or in the blood first, then the others; larger before smaller."""
    return sorted(summary.get("leaks", []), key=lambda leak: (leak["kind"] not in GRAVE, -leak["volume_ml"]))


def leak_place(leak: dict[str, Any]) -> str:
    """Where a leak began, in words; a long list of veins is cut short."""
    return textwrap.shorten(str(leak.get("position_words") or ""), LONGEST_PLACE, placeholder=" …")


def leak_words(kind: str) -> str:
    """What a leak kind means."""
    return theme.LEAK_WORDS.get(kind, f"by the route {kind!r}")


def ml(volume: float) -> str:
    """``0.21 mL``: two significant digits below 1 mL, one decimal above."""
    if 0 < volume < NEGLIGIBLE_ML:
        return f"less than {NEGLIGIBLE_ML:g} mL"
    return f"{volume:.2f} mL" if volume < 1 else f"{volume:.1f} mL"


def kpa(pressure: float) -> str:
    """A pressure [kPa] in kPa or MPa."""
    return f"{pressure:.0f} kPa" if pressure < 1000 else f"{pressure / 1e3:.2f} MPa"


def percent(share: float) -> str:
    """A share as per cent."""
    if share == 0:
        return "0 %"
    if 0 < share < 0.0005:
        return "less than 0.1 %"
    return f"{100 * share:.1f} %" if share < 0.1 else f"{100 * share:.0f} %"


def clock(seconds: float) -> str:
    """``42 s``, ``4 min`` or ``3 min 05 s``."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes and not rest:
        return f"{minutes} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def count(number: int, noun: str) -> str:
    """``one needle``, ``2 needles``."""
    return f"one {noun}" if number == 1 else f"{number} {noun}s"


def place_words(name: str) -> str:
    """``foramen_right`` → ``right foramen``; other places as `readable`."""
    thing, _, side = name.rpartition("_")
    sides = {"left": "left", "right": "right", "superior": "upper", "inferior": "lower"}
    return f"{sides[side]} {thing}" if thing and side in sides else readable(name)


def readable(name: str) -> str:
    """``disc_superior`` → ``disc superior``."""
    return name.replace("_", " ")
