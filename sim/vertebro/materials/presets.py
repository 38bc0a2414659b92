"""The shipped cement cards: TOML files beside this module, read into `Cement` records on demand.

A card gives ``name, title, summary, opacifier, rheology``, optionally ``base`` (another card, whose numbers it
inherits), and ``[numbers]``: ``key = {value, unit, low, high, source, mark, note}`` in units of `vertebro.units`.
"""

from __future__ import annotations

import dataclasses
import functools
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

from vertebro.errors import CaseError, DataError
from vertebro.materials.cement import Cement
from vertebro.sources import Constant
from vertebro.units import UNITS, parse

CEMENTS: tuple[str, ...] = (
    "generic-low",
    "generic-medium",
    "generic-high",
    "kyphon-hvr",
    "simplex-p",
    "osteopal-v",
    "vertecem-v+",
    "confidence",
    "vertebroplastic",
)
_WORDS = ("name", "title", "summary", "opacifier", "rheology")
_CHOICES = {"opacifier": ("BaSO4", "ZrO2"), "rheology": ("carreau", "power-law")}
_NUMBERS = tuple(f.name for f in dataclasses.fields(Cement) if f.type == "Constant")


@functools.cache
def cement(name: str) -> Cement:
    """The shipped cement of that name.

    Raises
    ------
    CaseError
        If there is none; the error lists the names.

    Examples
    --------
    >>> cement("generic-medium").state_word(5 * 60)
    'toothpaste'
    """
    if name not in CEMENTS:
        raise CaseError("unknown cement", where="cement.preset", value=name, allowed=", ".join(CEMENTS))
    return _build(_merged(name), name)


def load_cement(path: Path) -> Cement:
    """A cement from a card of the user's own; ``base`` may name a shipped card.

    Raises
    ------
    DataError
        If the file cannot be read as a card.
    CaseError
        If a key is unknown or missing, or a number lies outside its own range.
    """
    try:
        card = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
        raise DataError(f"cannot read the cement card: {problem}", where=str(path)) from problem
    return _build(_with_base(card), path.name)


def _merged(name: str) -> dict[str, Any]:
    text = (resources.files("vertebro.materials") / "data" / "cements" / f"{name}.toml").read_text(encoding="utf-8")
    return _with_base(tomllib.loads(text))


def _with_base(card: dict[str, Any]) -> dict[str, Any]:
    base = card.pop("base", None)
    if base is None:
        return card
    if base not in CEMENTS:
        raise CaseError("unknown base card", where="base", value=base, allowed=", ".join(CEMENTS))
    parent = _merged(base)
    return parent | card | {"numbers": parent["numbers"] | card.get("numbers", {})}


def _build(card: dict[str, Any], where: str) -> Cement:
    numbers = card.get("numbers", {})
    _check_keys(card.keys() - {"numbers"}, _WORDS, where)
    _check_keys(numbers.keys(), _NUMBERS, f"{where}: numbers")
    for word, allowed in _CHOICES.items():
        if card[word] not in allowed:
            raise CaseError(f"unknown {word}", where=where, value=card[word], allowed=", ".join(allowed))
    constants = {key: _constant(entry, f"{where}: {key}") for key, entry in numbers.items()}
    parts: dict[str, Any] = {key: card[key] for key in _WORDS} | constants
    return Cement(**parts)


def _check_keys(found: Any, wanted: tuple[str, ...], where: str) -> None:
    unknown, missing = sorted(set(found) - set(wanted)), sorted(set(wanted) - set(found))
    if unknown or missing:
        raise CaseError(
            f"cement card: unknown keys {unknown}, missing keys {missing}", where=where, allowed=", ".join(wanted)
        )


def _constant(entry: dict[str, Any], where: str) -> Constant:
    try:
        unit = entry["unit"]
        value, low, high = (_si(entry[key], unit, where) for key in ("value", "low", "high"))
        si_unit = UNITS[unit][0] if unit in UNITS else unit
        return Constant(value, si_unit, low, high, entry["source"], entry["mark"], entry.get("note", ""))
    except (KeyError, TypeError, ValueError) as problem:
        raise CaseError(
            f"bad number on a cement card: {problem}",
            where=where,
            allowed="{ value, unit, low, high, source, mark, note }",
        ) from problem


def _si(value: Any, unit: str, where: str) -> float:
    return parse(f"{value} {unit}", UNITS[unit][0], where=where) if unit in UNITS else float(value)
