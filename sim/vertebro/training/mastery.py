"""Over several sessions: a case is mastered when it was done proficiently twice in a row, on different patients.

One good run proves little (MScore and LapMentor ask for two in a row). Sessions that were cut off do not count, neither
for nor against.

>>> mastered([("proficient in this run", 11), ("not yet", 12), ("proficient in this run", 11)])
False
>>> mastered([("proficient in this run", 11), ("proficient in this run", 12)])
True
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vertebro.training.log import Line

BEST = "proficient"


def mastered(attempts: Sequence[tuple[str, int]]) -> bool:
    """Whether two attempts in a row, given by label and anatomical seed, were proficient on different anatomies."""
    return any(
        all(label.startswith(BEST) for label in (one[0], other[0])) and one[1] != other[1]
        for one, other in pairwise(attempts)
    )


def course(sessions: Sequence[Sequence[Line]]) -> dict[str, dict[str, Any]]:
    """How far each scenario has come.

    Parameters
    ----------
    sessions : sequence of logs
        In order of time.

    Returns
    -------
    dict
        By scenario: ``attempts`` (seed, mode, label, points), ``mastered`` and ``say``. Plain JSON values.
    """
    from vertebro.training.score import score

    found: dict[str, list[dict[str, Any]]] = {}
    for lines in sessions:
        if lines[-1]["type"] == "end":
            head, worth = lines[0], score(lines)
            attempt = {"seed": head["seed"], "mode": head["mode"], "label": worth["label"], "points": worth["points"]}
            found.setdefault(head["scenario"], []).append(attempt)
    return {name: standing(attempts) for name, attempts in found.items()}


def standing(attempts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """How far one scenario has come, from its attempts (``seed``, ``label``, ``points``) in order of time."""
    done = mastered([(attempt["label"], attempt["seed"]) for attempt in attempts])
    last = attempts[-1]
    if done:
        say = "Proficient twice in a row on different patients."
    elif last["label"].startswith(BEST):
        say = f"Proficient once: do it again at once, on another patient than {last['seed']}."
    else:
        say = f"Last time: {last['label']}, {last['points']:.0f} points."
    return {"attempts": list(attempts), "mastered": done, "say": say}
