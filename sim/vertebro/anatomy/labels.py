"""Vertebra numbering schemes: which id of a label map is L1."""

from __future__ import annotations

import re
from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from vertebro.errors import DataError

LEVELS = (
    *(f"C{n}" for n in range(1, 8)),
    *(f"T{n}" for n in range(1, 13)),
    *(f"L{n}" for n in range(1, 6)),
    "S1",
)
TOTALSEGMENTATOR = {level: 50 - n for n, level in enumerate(LEVELS)}
VERSE = {level: 1 + n for n, level in enumerate(LEVELS[:-1])} | {"L6": 25, "S1": 26, "T13": 28}
SCHEMES = {"totalsegmentator": TOTALSEGMENTATOR, "verse": VERSE}

# ids of organs that an import can use when the map is a complete TotalSegmentator map
TS_SACRUM, TS_AORTA, TS_CAVA, TS_CORD = 25, 52, 63, 79
TS_RIBS = tuple(range(92, 116))


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


def detect_scheme(ids: Collection[int]) -> str:
    """Name of the numbering that a set of label ids follows.

    TotalSegmentator numbers vertebrae 50 (C1) down to 26 (S1), VerSe 1 (C1) up to 24 (L5), 25 (L6), 28 (T13).

    Raises
    ------
    DataError
        If the set is empty, or fits both schemes, or neither.
    """
    present = sorted(int(i) for i in ids if i > 0)
    if not present:
        raise DataError("the label map is empty", where="labels", hint="run the segmentation again")
    low = [i for i in present if i <= 24]
    if any(29 <= i <= 50 for i in present):
        return "totalsegmentator"
    if present[-1] <= 24 or (present[-1] <= 28 and _is_run(low)):
        return "verse"
    if any(26 <= i <= 28 for i in present) and any(51 <= i <= 118 for i in present):
        return "totalsegmentator"
    raise DataError(
        "the label numbering is ambiguous",
        where="labels",
        value=present,
        allowed="TotalSegmentator ids (26 S1 … 31 L1 … 50 C1) or VerSe ids (1 C1 … 20 L1 … 24 L5)",
        hint='name it: label_scheme="totalsegmentator" or "verse"',
    )


def level_id(labels: NDArray[np.integer], level: str, scheme: str = "auto") -> tuple[int, str]:
    """Id of a level in a label map and the scheme used.

    Raises
    ------
    DataError
        If the map is empty, the scheme unknown or ambiguous, or the level absent (the message lists what is there).
    """
    return find_level([int(i) for i in np.unique(labels)], level, scheme)


def find_level(ids: Collection[int], level: str, scheme: str = "auto") -> tuple[int, str]:
    """As `level_id`, from the set of ids."""
    level = parse_level(level)
    present = {int(i) for i in ids if i > 0}
    found = detect_scheme(present) if scheme == "auto" or not present else scheme
    if found not in SCHEMES:
        raise DataError(
            "unknown label scheme", where="label_scheme", value=scheme, allowed=f"auto, {', '.join(SCHEMES)}"
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


def neighbour_ids(number: int, scheme: str) -> tuple[int | None, int | None]:
    """Ids of the vertebra above and of the vertebra below (None past either end of the scheme).

    A sixth lumbar or thirteenth thoracic vertebra (VerSe 25, 28) is met through its own id only.
    """
    table = SCHEMES[scheme]
    chain = [table[level] for level in LEVELS if level in table]
    if number not in chain:
        extra = {25: (24, 26), 28: (19, 20)}
        return extra.get(number, (None, None))
    k = chain.index(number)
    return (chain[k - 1] if k > 0 else None), (chain[k + 1] if k + 1 < len(chain) else None)


def _is_run(ids: list[int]) -> bool:
    """At least two ids without a gap, as neighbouring vertebrae have."""
    return len(ids) >= 2 and ids[-1] - ids[0] == len(ids) - 1


def _from_head(level: str) -> tuple[int, int]:
    return "CTLS".index(level[0]), int(level[1:])
