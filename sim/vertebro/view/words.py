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


def sentences(summary: dict[str, Any], case_facts: dict[str, str]) -> list[str]:
    """The run retold in a few sentences: filling, hand, leaks, balance.

    Parameters
    ----------
    summary : dict
        As in ``summary.json``.
    case_facts : dict
        Texts ``level``, ``cement``, ``age`` and ``needles`` for the opening.
    """
    told = [
        f"In a simulated {bone_name(case_facts['level'])}, {case_facts['cement']} was injected through "
        f"{case_facts['needles']}, "
        f"starting {case_facts['age']} after mixing and taking {clock(summary['simulated_s'])}."
    ]
    told.append(
        f"At the end {ml(summary['volume_in_body_ml'])} lay in {treated_part(case_facts['level'])}, "
        f"{percent(summary['fill_fraction'])} "
        f"of its {summary['body_volume_ml']:.1f} mL."
    )
    told.append(
        f"The highest pressure was {kpa(summary['peak_syringe_pressure_kpa'])} in the syringe and "
        f"{kpa(summary['peak_bone_pressure_kpa'])} in the bone at the needle tip."
    )
    told.extend(_leak_sentence(leak) for leak in ordered_leaks(summary)[:4])
    return told


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


def readable(name: str) -> str:
    """``disc_superior`` → ``disc superior``."""
    return name.replace("_", " ")
