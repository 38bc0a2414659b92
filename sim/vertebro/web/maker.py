"""Makes the session in the worker process, and says how far it has come."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from vertebro.web.contract import TrainerSession


def make_session(
    scenario: str, seed: int, mode: Any, report: Callable[[str, float], None], folder: Path
) -> TrainerSession:
    """A session of a scenario, its kernels ready.

    Parameters
    ----------
    scenario : str
    seed : int
    mode : str
    report : callable
        ``report(stage, fraction)``.
    folder : Path
        Of the session's log.
    """
    report("loading the simulator", 0.02)
    from vertebro.training.log import NAME
    from vertebro.training.memory import Memory
    from vertebro.training.session import Session

    _warm(report)
    session = Session(scenario, seed=seed, mode=mode, log=folder / NAME, progress=_later(report))
    session.memory = Memory()
    report("first picture", 0.85)
    session.arm.ready(session.site.subject)  # projected before the pedal is touched
    session.site.rehearse()
    return session


def _later(report: Callable[[str, float], None]) -> Callable[[str, float], None]:
    return lambda stage, share: report(stage, 0.5 + 0.3 * share)


def _warm(report: Callable[[str, float], None]) -> None:
    """Compile the kernels if nobody has done it for these sources on this machine."""
    from vertebro import _jit
    from vertebro.paths import cache_root
    from vertebro.warm import warm_all

    done = cache_root() / "kernels" / _jit.kernel_hash() / "warm"
    if done.exists():
        return
    warm_all(lambda stage, share: report(f"preparing the simulator, once: {stage}", 0.02 + 0.48 * share))
    done.parent.mkdir(parents=True, exist_ok=True)
    done.touch()
