"""Vertebra numbering schemes: which id of a label map is L1."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vertebro.anatomy.label_tables import (
    LEVELS,
    SCHEMES,
    TOTALSEGMENTATOR,
    VERSE,
    VERSE_EXTRAS,
    VERSE_RIBS,
)
from vertebro.errors import DataError

__all__ = [
    "LEVELS",
    "SCHEMES",
    "TOTALSEGMENTATOR",
    "VERSE",
    "chain_order",
    "detect_scheme",
    "find_level",
    "level_id",
    "levels_present",
    "neighbour_ids",
    "parse_level",
]

Heights = Mapping[int, float]
STEP = (0.006, 0.060)  # m, from one vertebra's middle to the next: small upper cervical to tall lumbar with its disc
SACRUM = {"totalsegmentator": (26, 25), "totalsegmentator-v1": (92,), "verse": (26,)}


def parse_level(text: str) -> str:
    """Normal spelling of a level (``"l1"``, ``"Th12"``, ``"vertebrae_L1"`` → ``"L1"``).

    Raises
    ------
    DataError
        If it names no vertebra.
    """
    match = re.fullmatch(r"(?:VERTEBRA[E]?_)?(C|TH?|D|L|S)0?(\d{1,2})", text.strip().upper())
    level = f"{match[1][0].replace('D', 'T')}{match[2]}" if match else text
    if level not in VERSE:
        raise DataError("not a vertebral level", where="level", value=text, allowed=", ".join(LEVELS))
    return level


def detect_scheme(ids: Collection[int], heights: Heights | None = None) -> str:
    """Name of the numbering that a set of label ids follows.

    TotalSegmentator 2 numbers vertebrae 50 (C1) down to 26 (S1), its first version 41 (C1) down to 18 (L5), VerSe 1
    (C1) up to 24 (L5), 25 (L6), 28 (T13). Where heights are known, the numbering must also descend from head to foot:
    this parts the three for good, but for a map of vertebrae T9 and up alone that fits both versions of
    TotalSegmentator and is read as the second.

    Parameters
    ----------
    ids : collection of int
    heights : mapping from id to s [m], optional
        Where each label's middle lies along the patient.

    Raises
    ------
    DataError
        If the set is empty, or fits more than one numbering, or none.
    """
    present = sorted(int(i) for i in ids if i > 0)
    if not present:
        raise DataError("the label map is empty", where="labels", hint="run the segmentation again")
    if heights is not None and len(heights) >= 2:
        fitting = {name: len(_chain(present, name)) for name in SCHEMES if chain_order(present, heights, name) >= 0.9}
        if fitting:
            return max(fitting, key=lambda name: fitting[name])  # the first of equals: TotalSegmentator 2
    low = _vertebrae_only(present)
    if any(29 <= i <= 50 for i in present) and low is None:
        return "totalsegmentator"
    if low is not None:
        return "verse"
    if any(26 <= i <= 28 for i in present) and any(51 <= i <= 118 for i in present):
        return "totalsegmentator"
    raise DataError(
        "the label numbering is ambiguous",
        where="labels",
        value=present,
        allowed="TotalSegmentator ids (26 S1 … 31 L1 … 50 C1) or VerSe ids (1 C1 … 20 L1 … 24 L5)",
        hint=f"name it: label_scheme= one of {', '.join(SCHEMES)}; a sub-region map (41 to 64) goes to subregions",
    )


def chain_order(ids: Collection[int], heights: Heights, scheme: str) -> float:
    """Share [1] of the steps from vertebra to vertebra that lead down by a vertebra's height; -1 without a step."""
    chain = [i for i in _chain(ids, scheme) if i in heights]
    table = {number: n for n, number in enumerate(_from_head_down(scheme))}
    steps = [(heights[a] - heights[b]) / max(1, table[b] - table[a]) for a, b in pairwise(chain)]
    good = [STEP[0] <= step <= STEP[1] for step in steps]
    return float(np.mean(good)) if good else -1.0


def level_id(labels: NDArray[np.integer], level: str, scheme: str = "auto") -> tuple[int, str]:
    """Id of a level in a label map and the scheme used.

    Raises
    ------
    DataError
        If the map is empty, the scheme unknown or ambiguous, or the level absent (the message lists what is there).
    """
    return find_level([int(i) for i in np.unique(labels)], level, scheme)


def find_level(
    ids: Collection[int], level: str, scheme: str = "auto", heights: Heights | None = None
) -> tuple[int, str]:
    """As `level_id`, from the set of ids and, where known, the heights s [m] of their middles."""
    level = parse_level(level)
    present = {int(i) for i in ids if i > 0}
    found = detect_scheme(present, heights) if scheme == "auto" or not present else scheme
    if found not in SCHEMES:
        raise DataError(
            "unknown label scheme", where="label_scheme", value=scheme, allowed=f"auto, {', '.join(SCHEMES)}"
        )
    if heights is not None and 0 <= chain_order(present, heights, found) < 0.5:
        raise DataError(
            f"the vertebrae do not follow one another from head to foot in {found} numbering",
            where="labels",
            value=", ".join(f"{n} at {1e3 * heights[n]:.0f} mm" for n in _chain(present, found) if n in heights),
            allowed="each vertebra 6 to 60 mm below the one before",
            hint="another numbering (label_scheme), or the label map's head and foot are exchanged in its header; "
            "a sub-region map (41 to 64) goes to subregions",
        )
    number = SCHEMES[found].get(level)
    if number not in present:
        raise DataError(
            f"the label map does not hold {level}",
            where="level",
            value=level,
            allowed=", ".join(levels_present(present, found)) or "no vertebra at all is in this map",
            hint=f"choose a level that is there (read as {found} numbering), or another label map",
        )
    return int(number or 0), found


def levels_present(ids: Collection[int], scheme: str) -> list[str]:
    """Levels of a scheme among the ids, from the head down."""
    table = SCHEMES[scheme]
    order = sorted(table, key=_from_head)
    return [level for level in order if table[level] in ids]


def neighbour_ids(number: int, scheme: str, ids: Collection[int] = ()) -> tuple[int | None, int | None]:
    """Ids of the vertebra above and of the vertebra below (None past either end of the scheme).

    A sixth lumbar or a thirteenth thoracic vertebra counts where `ids`, what is in the map, holds it. Below the last
    lumbar vertebra comes the sacrum, by whichever id the map gives it.
    """
    order = [i for i in _from_head_down(scheme) if i not in (25, 28) or scheme != "verse" or i in {*ids, number}]
    sacrum = next((i for i in SACRUM[scheme] if i in ids), SACRUM[scheme][0])
    order = [*(i for i in order if i not in SACRUM[scheme]), sacrum]
    k = order.index(number) if number in order else len(order) - 1
    return (order[k - 1] if k > 0 else None), (order[k + 1] if k + 1 < len(order) else None)


def _from_head_down(scheme: str) -> list[int]:
    table = SCHEMES[scheme]
    return [table[level] for level in sorted(table, key=_from_head)]


def _chain(ids: Collection[int], scheme: str) -> list[int]:
    """Vertebrae of a numbering that are present, from the head down."""
    return [i for i in _from_head_down(scheme) if i in ids]


def _vertebrae_only(present: list[int]) -> list[int] | None:
    """VerSe vertebrae of a map that holds nothing else but VerSe's extras; None for any other map."""
    low = [i for i in present if i <= 24]
    extras = {base + i for base in VERSE_EXTRAS for i in range(1, 29)}
    # ribs and the parts of discs and endplates come only with the vertebrae they belong to
    extras |= set(VERSE_RIBS) if any(i in extras for i in present) else set()
    rest = [i for i in present if i > 28 and i not in extras]
    plain = [i for i in present if i <= 28]
    if rest or not plain:
        return None
    return low if plain[-1] <= 24 or (len(low) >= 2 and low[-1] - low[0] == len(low) - 1) else None


def _from_head(level: str) -> tuple[int, int]:
    return "CTLS".index(level[0]), int(level[1:])
