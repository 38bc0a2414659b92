"""Run one member of a study and boil it down to plain JSON values."""

from __future__ import annotations

import hashlib
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np

from vertebro.case import Case
from vertebro.errors import VertebroError

Outcome = dict[str, Any]


def case_digest(case: Case) -> str:
    """What a finished member must match to count on a resume."""
    return hashlib.sha256(case.dumps().encode()).hexdigest()[:16]


def run_member(text: str, base: str, keep: str | None, pictures: bool) -> Outcome:
    """Run a case; an error becomes an outcome, not an exception.

    Parameters
    ----------
    text : str
        The case as TOML (it crosses processes and machines).
    base : str
        Folder that names in the case are relative to.
    keep : str or None
        Folder to save the whole run in; None keeps the summary only.
    pictures : bool

    Returns
    -------
    dict
        ``status`` (``"finished"`` or ``"failed"``), ``digest``, and ``summary`` with ``events``, or ``error``.
    """
    start = time.perf_counter()
    case = Case.loads(text)
    outcome: Outcome = {"digest": case_digest(case)}
    try:
        summary, events = _follow(case, Path(base), keep, pictures)
        outcome |= {"status": "finished", "summary": summary, "events": events}
    except VertebroError as error:
        outcome |= {"status": "failed", "error": error.to_dict()}
    except Exception as error:  # a mistake of ours in one member must not lose the others
        outcome |= {
            "status": "failed",
            "error": {"error": type(error).__name__, "message": str(error), "traceback": traceback.format_exc()},
        }
    return outcome | {"wall_s": round(time.perf_counter() - start, 3)}


def _follow(case: Case, base: Path, keep: str | None, pictures: bool) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    from vertebro.simulation import Simulation

    run = Simulation(case, base=base, pictures=pictures, sketch=keep is None).run()
    if run.summary["status"] != "finished":
        raise KeyboardInterrupt
    if keep is not None:
        run.save(keep)
    times, volumes = run.history["time_s"], run.history["volume_injected_m3"]
    leaks = [
        leak | {"at_volume_ml": float(np.interp(leak["t_detected_s"], times, volumes)) * 1e6}
        for leak in run.summary["leaks"]
    ]
    return run.summary | {"leaks": leaks}, run.events


def row_of(outcome: Outcome) -> dict[str, Any]:
    """A member's line in the table: flat, one number per column, the unit in the name.

    Leaks are added up by kind: ``leak_B_ml``, and ``leak_B_at_ml``, the injected volume at which the first of them was
    detected (NaN when there was none up to the end).
    """
    row: dict[str, Any] = {"status": outcome["status"], "wall_s": outcome["wall_s"]}
    if outcome["status"] != "finished":
        error = outcome["error"]
        return row | {"error": f"{error['error']}: {error['message']}"}
    summary = outcome["summary"]
    scalars = {k: v for k, v in summary.items() if isinstance(v, int | float) and not isinstance(v, bool)}
    row |= {k: float(v) for k, v in scalars.items() if k != "wall_s"}
    row |= {f"result_{k}": float(v) for k, v in _flat(summary["result"]).items()}
    row["leak_ml"] = sum(leak["volume_ml"] for leak in summary["leaks"])
    for kind in KINDS:
        found = [leak for leak in summary["leaks"] if leak["kind"] == kind]
        row[f"leak_{kind}_ml"] = sum(leak["volume_ml"] for leak in found)
        row[f"leak_{kind}_at_ml"] = min((leak["at_volume_ml"] for leak in found), default=float("nan"))
    return row


KINDS = ("B", "S", "C", "D", "track", "canal", "foramen", "embolus")


def _flat(data: dict[str, Any], prefix: str = "") -> dict[str, float]:
    out: dict[str, float] = {}
    for key, value in data.items():
        if isinstance(value, dict):
            out |= _flat(value, f"{prefix}{key}_")
        elif isinstance(value, int | float):
            out[f"{prefix}{key}"] = float(value)
    return out
