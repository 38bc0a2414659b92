"""How far the trainee has come: a small file for each finished session, read again for the choice of a case.

The scores of a folder of logs can be had without it: ``vertebro replay FOLDER --course``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vertebro.training.mastery import standing

NAME = "result.json"


def keep_result(folder: Path, chosen: dict[str, Any], score: dict[str, Any]) -> None:
    """Write down what a session was worth.

    Parameters
    ----------
    folder : Path
        Of the session.
    chosen : dict
        ``scenario``, ``seed`` and ``mode``.
    score : dict
        Of `vertebro.training.score.score`: ``label`` and ``points``.
    """
    kept = {**chosen, "label": score["label"], "points": score["points"]}
    (folder / NAME).write_text(json.dumps(kept) + "\n", "utf-8")


def standings(folder: Path) -> dict[str, dict[str, Any]]:
    """By scenario whether it was ``mastered`` and what to ``say`` of it, from all sessions of a folder.

    Sessions are taken in the order of their folders' names, which begin with the time. A file that cannot be read
    counts neither for nor against.
    """
    attempts: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(folder.glob(f"*/{NAME}")):
        found = _result(path)
        if found is not None:
            attempts.setdefault(found["scenario"], []).append(found)
    return {
        name: {part: how[part] for part in ("mastered", "say")}
        for name, how in ((name, standing(tries)) for name, tries in attempts.items())
    }


def _result(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text("utf-8"))
        return {
            "scenario": str(found["scenario"]),
            "seed": int(found["seed"]),
            "label": str(found["label"]),
            "points": float(found["points"]),
        }
    except (OSError, ValueError, KeyError, TypeError):
        return None
