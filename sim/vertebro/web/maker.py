"""Makes the session in the worker process, and says how far it has come."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vertebro.web.contract import TrainerSession


def preload() -> None:
    """Import what every session needs, and begin to compile it, so that it is there when a case has been chosen."""
    _compiling()
    import vertebro.training.memory
    import vertebro.training.session  # noqa: F401


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
    from vertebro import warm
    from vertebro.imaging import Stream
    from vertebro.training.log import NAME
    from vertebro.training.memory import Memory
    from vertebro.training.session import Session

    compiling = _compiling()
    if compiling is not None:
        report("preparing the simulator, once on this machine", 0.05)
    session = Session(scenario, seed=seed, mode=mode, log=folder / NAME, progress=_later(report))
    session.memory = Memory()
    report("first picture", 0.85)
    ready = session.arm.ready(session.site.subject)  # projected before the pedal is touched
    Stream(ready.view).frame()  # of no session: loads what makes pictures
    warm.then(compiling, session.site.rehearse)
    return session


@functools.cache
def _compiling() -> subprocess.Popen[bytes] | None:
    """The process that compiles the flow engine while the session is being made; None where that has been done."""
    from vertebro import warm

    return None if warm.is_warm("flow") else warm.begin("flow")


def _later(report: Callable[[str, float], None]) -> Callable[[str, float], None]:
    return lambda stage, share: report(stage, 0.1 + 0.7 * share)
